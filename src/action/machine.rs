//! Events of state machines as actions: the tree that their file would be.
//!
//! In charge of: what firing an event does. That the row is locked while it is asked for its state, and that of two who fire
//! at once one comes too late, is the way of every action that has a subject.

use crate::schema::machine::{Event, Machine};
use crate::yaml::{Key, Mark, Tree, Value};

/// The action of an event: refused in another state or by its guard; else it moves the row, and calls what it is to call.
pub fn action(entity: &str, machine: &Machine, event: &Event) -> Tree {
    let at = event.mark;
    let column = &machine.column;
    let states = event.from.iter().map(|state| serde_json::json!(state).to_string()).collect::<Vec<_>>().join(", ");
    let message = |name: &str, otherwise: String| {
        let said = event.messages.iter().find(|(said, ..)| said == name);
        said.map_or((at, otherwise), |(_, mark, text)| (*mark, text.clone()))
    };
    let refuse = |when: Value, mark: Mark, (place, message): (Mark, String)| {
        let failure = map(place, [("status", Value::Int(409)), ("message", Value::Text(message))]);
        Tree { mark, value: Value::Map(vec![entry(at, "fail", failure.value), entry(mark, "when", when)]) }
    };
    let wanted = event.from.join(" or ");
    let mut outcomes = vec![refuse(
        Value::Text(format!("subject.{column} not in [{states}]")),
        at,
        message("state", format!("{} is for what is {wanted}", event.name)),
    )];
    let mut entries = vec![entry(at, "subject", Value::Text("required".to_owned()))];
    for (key, value) in &event.rest {
        match (key.name.as_str(), &value.value) {
            ("when", guard) => {
                // What is no condition stays what it is, and is complained about as that.
                let negated = match guard {
                    Value::Text(guard) => Value::Text(format!("not ({guard})")),
                    Value::Bool(guard) => Value::Bool(!guard),
                    other => other.clone(),
                };
                outcomes.push(refuse(negated, value.mark, message("guard", format!("{} is not possible now", event.name))));
            }
            ("call" | "with" | "rights", _) => {}
            _ => entries.push((key.clone(), value.clone())),
        }
    }
    let moved = map(at, [(column.as_str(), Value::Text(event.to.clone()))]);
    outcomes.push(map(at, [("update", Value::Text("subject".to_owned())), ("with", moved.value)]));
    for (_, value) in event.rest.iter().filter(|(key, _)| key.name == "call") {
        let called = if let Value::List(items) = &value.value { items.as_slice() } else { std::slice::from_ref(value) };
        for item in called {
            let mut entries = vec![
                (Key { mark: item.mark, name: "call".to_owned() }, item.clone()),
                entry(item.mark, "subject", Value::Text("subject".to_owned())),
            ];
            // What was sent goes on to it, as the file says.
            entries.extend(event.rest.iter().filter(|(key, _)| key.name == "with").cloned());
            outcomes.push(Tree { mark: item.mark, value: Value::Map(entries) });
        }
    }
    let (_, done) = message("done", event.to.clone());
    let said = [("type", "success"), ("title", "Success"), ("message", done.as_str())];
    let said = map(at, said.map(|(name, text)| (name, Value::Text(text.to_owned()))));
    outcomes.push(map(at, [("respond", Value::Text("client.notify".to_owned())), ("with", said.value)]));
    // Who may fire it, its permission and the row's execute say; the move itself is the machine's, and what else it wants the file's.
    // (Entity and row are both asked for an update: else a grant of the event would be nothing without one of every update.)
    let update = Tree { mark: at, value: Value::Text("update".to_owned()) };
    let mut rights: Vec<(Key, Tree)> = vec![];
    for (_, declared) in event.rest.iter().filter(|(key, _)| key.name == "rights") {
        match &declared.value {
            Value::Map(entries) => rights.extend(entries.iter().cloned()),
            _ => rights.push((Key { mark: declared.mark, name: "rights".to_owned() }, declared.clone())), // and is complained about
        }
    }
    for whom in ["subject", entity] {
        match rights.iter_mut().find(|(key, _)| key.name == whom) {
            Some((_, Tree { value: Value::List(words), .. })) => words.push(update.clone()),
            Some((_, tree @ Tree { value: Value::Text(_), .. })) if tree.as_text() != "all" => {
                tree.value = Value::List(vec![tree.clone(), update.clone()]); // one word is a list of one
            }
            Some(_) => {} // `all`, or complained about
            None => rights.push(entry(at, whom, Value::List(vec![update.clone()]))),
        }
    }
    entries.push(entry(at, "rights", Value::Map(rights)));
    entries.push(entry(at, "outcomes", Value::List(outcomes)));
    Tree { mark: at, value: Value::Map(entries) }
}

/// What an event's file says and nothing uses.
pub fn idle(event: &Event) -> Vec<(Mark, &'static str)> {
    let has = |name: &str| event.rest.iter().any(|(key, _)| key.name == name);
    let with = event.rest.iter().find(|(key, _)| key.name == "with" && !has("call"));
    let guard = event.messages.iter().find(|(name, ..)| name == "guard" && !has("when"));
    let with = with.map(|(key, _)| (key.mark, "`with` means nothing without `call`"));
    with.into_iter().chain(guard.map(|(_, mark, _)| (*mark, "the message `guard` means nothing without `when`"))).collect()
}

fn entry(mark: Mark, name: &str, value: Value) -> (Key, Tree) {
    (Key { mark, name: name.to_owned() }, Tree { mark, value })
}

fn map<const N: usize>(mark: Mark, entries: [(&str, Value); N]) -> Tree {
    Tree { mark, value: Value::Map(entries.into_iter().map(|(name, value)| entry(mark, name, value)).collect()) }
}
