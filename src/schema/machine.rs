//! State machines: a column whose values are states, and the events that move it.
//!
//! In charge of: `states` of a schema file. An event becomes an action (`action::file`), so that it is called, permitted,
//! limited and explained like any other.

use super::kind::Kind;
use super::words::{grants, member_name};
use super::{Column, Entity};
use crate::yaml::{Key, Mark, Reader, Tree};

const MACHINE_KEYS: &[&str] = &["column", "initial", "events"];
const EVENT_KEYS: &[&str] = &[
    "from",
    "to",
    "when",
    "call",
    "with",
    "inputs",
    "rights",
    "messages",
    "label",
    "description",
    "permission",
    "grants",
    "limit",
    "was",
];
/// When an event says something to people: in a state that it doesn't start from, against its guard, and when it is done.
const MESSAGES: &[&str] = &["state", "guard", "done"];

/// The states of an entity's rows.
#[derive(Debug, Clone)]
pub struct Machine {
    /// The enum column that holds the state.
    pub column: String,
    /// The state of a new row.
    pub initial: String,
    /// What moves it.
    pub events: Vec<Event>,
    /// The file that says so.
    pub file: String,
    mark: Mark,
}

/// A move from some states to another.
#[derive(Debug, Clone)]
pub struct Event {
    /// The action's name.
    pub name: String,
    /// The states that it may start from.
    pub from: Vec<String>,
    /// The state that it leads to.
    pub to: String,
    /// Where it stands.
    pub mark: Mark,
    /// The groups that it is granted to.
    pub groups: Vec<String>,
    /// What it says to people, and where that stands: in another state, against its guard, and when it is done.
    pub messages: Vec<(String, Mark, String)>,
    /// What else the file says of it: `when`, `call`, and keys of the action.
    pub rest: Vec<(Key, Tree)>,
}

/// Reads `states: {column, initial, events}`.
pub fn read(reader: &mut Reader, tree: &Tree) -> Machine {
    let file = reader.file().to_owned();
    let mut machine = Machine { column: String::new(), initial: String::new(), events: vec![], file, mark: tree.mark };
    for (key, value) in reader.keys(tree, MACHINE_KEYS) {
        match key.name.as_str() {
            "column" => machine.column = reader.text(value).to_owned(),
            "initial" => machine.initial = reader.text(value).to_owned(),
            "events" => machine.events = reader.map(value).iter().map(|(key, value)| event(reader, key, value)).collect(),
            _ => {}
        }
    }
    for (is_missing, key) in
        [(machine.column.is_empty(), "column"), (machine.initial.is_empty(), "initial"), (machine.events.is_empty(), "events")]
    {
        if is_missing {
            reader.complain(tree.mark, format!("`{key}` is missing: states have a column, an initial state and events"));
        }
    }
    machine
}

fn event(reader: &mut Reader, key: &Key, tree: &Tree) -> Event {
    if let Err(words) = member_name(&key.name) {
        reader.complain(key.mark, words);
    }
    let mut event = Event {
        name: key.name.clone(),
        from: vec![],
        to: String::new(),
        mark: key.mark,
        groups: vec![],
        messages: vec![],
        rest: vec![],
    };
    for (key, value) in reader.keys(tree, EVENT_KEYS) {
        if key.name == "grants" {
            event.groups = grants(reader, value).into_iter().map(|grant| grant.group).collect();
        }
        match key.name.as_str() {
            "from" => event.from = reader.list(value).iter().map(|state| reader.text(state).to_owned()).collect(),
            "to" => event.to = reader.text(value).to_owned(),
            "messages" => {
                for (key, value) in reader.keys(value, MESSAGES) {
                    event.messages.push((key.name.clone(), value.mark, reader.text(value).to_owned()));
                }
            }
            _ => event.rest.push((key.clone(), value.clone())),
        }
    }
    if event.from.is_empty() || event.to.is_empty() {
        reader.complain(key.mark, "an event leads `from` some states `to` another");
    }
    event
}

impl Machine {
    /// What is wrong with it, now that the column is known; each with its place.
    pub fn misfits(&self, columns: &[Column]) -> Vec<(Mark, String)> {
        let Some(column) = columns.iter().find(|c| c.name == self.column) else {
            let names: Vec<_> = columns.iter().map(|c| c.name.as_str()).collect();
            let hint = crate::yaml::nearest(&self.column, &names).map(|n| format!("; did you mean `{n}`?")).unwrap_or_default();
            return vec![(self.mark, format!("there is no column `{}` for the states{hint}", self.column))];
        };
        let Kind::Enum { options } = &column.kind else {
            return vec![(self.mark, format!("`{}` is no enum: its options are the states", column.name))];
        };
        let mut found = vec![];
        let named = self.events.iter().flat_map(|e| e.from.iter().chain([&e.to]).map(|state| (e.mark, state)));
        for (mark, state) in [(self.mark, &self.initial)].into_iter().chain(named).filter(|(_, state)| !options.contains(state)) {
            let hint = crate::yaml::nearest(state, options).map(|n| format!("; did you mean `{n}`?")).unwrap_or_default();
            found.push((mark, format!("`{state}` is no option of `{}`{hint}", column.name)));
        }
        let is_reached = |state: &String| *state == self.initial || self.events.iter().any(|e| e.to == *state);
        for state in options.iter().filter(|state| !is_reached(state)) {
            found.push((self.mark, format!("no event leads to `{state}`, and no row begins there")));
        }
        if column.default.as_ref().is_some_and(|default| default.as_str() != Some(&self.initial)) {
            found.push((self.mark, format!("`{}` has another default than `initial` says", column.name)));
        }
        found
    }
}

impl Entity {
    /// The state that a new row has, where a column holds states.
    pub fn begins_in(&self, column: &str) -> Option<&str> {
        self.states.as_ref().filter(|machine| machine.column == column).map(|machine| machine.initial.as_str())
    }

    /// Who sets a column that clients don't, as the end of a sentence.
    pub fn setter(&self, column: &str) -> String {
        let machine = self.states.as_ref().filter(|machine| machine.column == column);
        machine.map_or_else(
            || "set by the system".to_owned(),
            |machine| {
                let events: Vec<&str> = machine.events.iter().map(|event| event.name.as_str()).collect();
                format!("moved by its events: {}", events.join(", "))
            },
        )
    }
}
