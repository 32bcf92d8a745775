//! Action files → [`Actions`]. An action that loads can run.
//!
//! In charge of: the file format above the outcomes (`outcome` reads those), and every name of it against the schema.

mod input;

use super::event;
use super::machine;
use super::outcome::{Meaning, Scope, read_outcome};
use super::performer::{Gives, Performer};
use super::schedule::Schedule;
use super::{Action, Actions, Deed, Input, InputKind, Lift, Outcome, SubjectUse};
use crate::mail::Letters;
use crate::schema::file::File;
use crate::schema::kind::{Bounds, Kind};
use crate::schema::words::{grants, member_name, permission, rights, spelled_out, was};
use crate::schema::{Entity, Policy, Schema};
use crate::yaml::{self, Complaint, Key, Mark, Reader, Tree};
use input::{check_equals, read_input};

const KEYS: &[&str] = &[
    "label",
    "description",
    "safe",
    "takes_over_token",
    "schedule",
    "run_as",
    "on",
    "subject",
    "permission",
    "grants",
    "rights",
    "lends",
    "limit",
    "inputs",
    "outcomes",
    "was",
];
/// Reads and checks all files, `actions/<entity>/<name>.yaml`.
///
/// # Errors
/// All complaints about all files.
pub fn load(schema: &Schema, letters: Letters, files: &[File]) -> Result<Actions, Vec<Complaint>> {
    let (mut actions, mut complaints) = (Actions { letters, ..Actions::default() }, vec![]);
    for file in files {
        let mut reader = Reader::new(&file.path);
        match yaml::from_str(&file.path, &file.text) {
            Ok(tree) => {
                let entity = file.path.rsplit('/').nth(1).unwrap_or_default();
                let action = read(&mut reader, schema, &actions.letters, (entity, file.stem()), &tree);
                actions.put(action);
            }
            Err(complaint) => complaints.push(complaint),
        }
        complaints.append(&mut reader.complaints);
    }
    let machines = schema.entities().iter().filter_map(|entity| Some((entity, entity.states.as_ref()?)));
    for (entity, machine) in machines.clone() {
        let mut reader = Reader::new(&machine.file);
        for event in &machine.events {
            if actions.find(&entity.name, &event.name).is_some() {
                reader
                    .complain(event.mark, format!("there is an action `{}` already: call the event something else", event.name));
            }
            machine::idle(event).into_iter().for_each(|(mark, words)| reader.complain(mark, words));
            let tree = machine::action(&entity.name, machine, event);
            let action = read(&mut reader, schema, &actions.letters, (&entity.name, &event.name), &tree);
            actions.put(action);
        }
        complaints.append(&mut reader.complaints);
    }
    complaints.extend(misnamed_before(schema, &actions));
    for file in files {
        let entity = file.path.rsplit('/').nth(1).unwrap_or_default();
        complaints.extend(wrong_calls(&actions, &file.path, entity, file.stem()));
    }
    for (entity, machine) in machines {
        complaints
            .extend(machine.events.iter().flat_map(|event| wrong_calls(&actions, &machine.file, &entity.name, &event.name)));
    }
    if complaints.is_empty() { Ok(actions) } else { Err(complaints) }
}

fn read(reader: &mut Reader, schema: &Schema, letters: &Letters, (entity_name, name): (&str, &str), tree: &Tree) -> Action {
    let entity = known_entity(reader, schema, Mark::default(), entity_name);
    if let Err(words) = member_name(name) {
        reader.complain(Mark::default(), words);
    }
    let mut action = Action {
        entity: entity_name.to_owned(),
        name: name.to_owned(),
        label: spelled_out(name),
        description: String::new(),
        subject: SubjectUse::None,
        policy: Policy::default(),
        rights: vec![],
        lends: vec![],
        limit: None,
        is_safe: false,
        takes_over_token: false,
        inputs: vec![],
        outcomes: vec![],
        schedule: None,
        listens: vec![],
        was: None,
    };
    let entries = reader.keys(tree, KEYS);
    let find = |name: &str| entries.iter().find(|(k, _)| k.name == name).map(|(_, v)| v);
    for (key, value) in entries {
        head(reader, schema, &mut action, &key.name, value);
    }
    check_equals(reader, entries, &action);
    let subject =
        find("inputs").and_then(|inputs| reader.map(inputs).iter().find(|(key, _)| key.name == format!("{entity_name}_id")));
    if let (Some((key, _)), true) = (subject, action.subject != SubjectUse::None) {
        reader.complain(key.mark, format!("`{}` names the subject: it can't be an input as well", key.name));
    }
    if let Some(value) = find("on") {
        action.listens = event::read(reader, schema, value, &action);
    }
    let letters = letters.names().into_iter().map(|name| (name.to_owned(), letters.values(name)));
    let moves = entity.and_then(|e| e.states.as_ref()).is_some_and(|m| m.events.iter().any(|event| event.name == name));
    let mut scope = Scope { letters: letters.collect(), moves, ..Scope::default() };
    known_from_the_start(schema, entity, &action, &mut scope);
    match find("outcomes") {
        Some(outcomes) => {
            for item in reader.list(outcomes) {
                action.outcomes.extend(read_outcome(reader, schema, &mut scope, item));
            }
            check_outcomes(reader, outcomes.mark, &action);
        }
        None => reader.complain(tree.mark, "`outcomes` is missing"),
    }
    check_by_itself(reader, &mut action, [find("schedule"), find("run_as"), find("on")]);
    if let Some(value) = find("rights") {
        for (key, value) in reader.map(value) {
            let lift = lift(reader, schema, &action, key);
            action.rights.push((lift, rights(reader, value)));
        }
    }
    action
}

/// What stands above the outcomes and needs nothing else to be known.
fn head(reader: &mut Reader, schema: &Schema, action: &mut Action, key: &str, value: &Tree) {
    match key {
        "label" => action.label = reader.text(value).to_owned(),
        "description" => action.description = reader.text(value).to_owned(),
        "permission" => action.policy.permission = permission(reader, value),
        "grants" => {
            action.policy.grants = grants(reader, value);
            for grant in action.policy.grants.iter().filter(|grant| !schema.groups.contains(&grant.group)) {
                reader.unknown(value.mark, "group that a schema file names", &grant.group, &schema.groups);
            }
        }
        "lends" => {
            let callers = reader.list(value);
            action.lends = callers.iter().map(|caller| (reader.text(caller).to_owned(), caller.mark)).collect();
        }
        "limit" => action.limit = limit(reader, value),
        "was" => action.was = was(reader, value, &action.name),
        "safe" => action.is_safe = reader.bool(value),
        "takes_over_token" => action.takes_over_token = reader.bool(value),
        "subject" => match reader.text(value) {
            "none" => action.subject = SubjectUse::None,
            "optional" => action.subject = SubjectUse::Optional,
            "required" => action.subject = SubjectUse::Required,
            other => {
                let other = other.to_owned();
                reader.unknown(value.mark, "subject", &other, &["none", "optional", "required"]);
            }
        },
        "inputs" => {
            for (key, value) in reader.map(value) {
                action.inputs.push(read_input(reader, schema, key, value));
            }
        }
        _ => {}
    }
}

/// The names that outcomes may use before there is any result.
fn known_from_the_start<'s>(schema: &'s Schema, entity: Option<&'s Entity>, action: &Action, scope: &mut Scope<'s>) {
    for input in &action.inputs {
        let meaning = match &input.kind {
            InputKind::Row(entity) => Meaning::one(schema.entity(entity)),
            InputKind::Value(Kind::Json) => Meaning::Anything,
            InputKind::Value(_) => Meaning::Values(&[]),
        };
        scope.names.push((input.name.clone(), meaning));
        scope.inputs.push(input.name.clone());
        if matches!(input.kind, InputKind::Value(Kind::Uuid)) {
            scope.ids.push(input.name.clone());
        }
        if input.is_new {
            scope.passwords.push(input.name.clone());
        }
    }
    let users = schema.system("user_account");
    let mut add = |name: &str, meaning| scope.names.push((name.to_owned(), meaning));
    add("caller", Meaning::Known(users, vec!["id", "email", "name", "groups"]));
    add("now", Meaning::Values(&[]));
    add("config", Meaning::Values(&["public"]));
    if !action.listens.is_empty() {
        add("event", Meaning::Event(action.listens.iter().filter_map(|listener| schema.entity(&listener.entity)).collect()));
    }
    if action.subject != SubjectUse::None {
        add("subject", Meaning::one(entity));
    }
}

fn check_outcomes(reader: &mut Reader, mark: Mark, action: &Action) {
    let reads = |o: &Outcome| {
        matches!(
            o.deed,
            Deed::Read { .. } | Deed::Respond { .. } | Deed::RespondRow { .. } | Deed::Each { .. } | Deed::Fail { .. }
        )
    };
    if action.is_safe && !action.outcomes().all(reads) {
        reader.complain(mark, "a safe action only reads, responds and fails");
    }
    let is_answer = |o: &Outcome| matches!(o.deed, Deed::Respond { .. } | Deed::RespondRow { .. } | Deed::Call { .. });
    if !action.outcomes().any(is_answer) && action.listens.is_empty() && reader.complaints.is_empty() {
        reader.complain(mark, "an action answers something: add a respond");
    }
}

/// What runs by itself has nobody who sends it anything.
fn check_by_itself(reader: &mut Reader, action: &mut Action, [schedule, run_as, on]: [Option<&Tree>; 3]) {
    let needs_inputs = action.inputs.iter().any(|i| i.required && i.default.is_none());
    if let Some(value) = schedule {
        let user = run_as.map(|user| reader.text(user).to_owned()).unwrap_or_default();
        match run_as {
            None => reader.complain(value.mark, "`run_as` is missing: the e-mail of the user that it runs as"),
            Some(tree) => {
                if let Err(words) = Kind::Email.check(&Bounds::default(), &user.clone().into()) {
                    reader.complain(tree.mark, format!("`run_as` {words}: that of the user that it runs as"));
                }
            }
        }
        if action.subject == SubjectUse::Required || needs_inputs {
            let words = "an action that runs by itself has neither a subject nor inputs that it can't do without";
            reader.complain(value.mark, words);
        }
        match Schedule::read(reader.text(value), &user) {
            Ok(schedule) => action.schedule = Some(schedule),
            Err(words) => reader.complain(value.mark, words),
        }
    } else if let Some(user) = run_as {
        reader.complain(user.mark, "`run_as` means nothing without `schedule`");
    }
    if let Some(value) = on {
        if needs_inputs {
            reader.complain(value.mark, "nobody sends inputs to an action that listens");
        }
        let checks = |performer: &Performer| performer.takes_proof || !matches!(performer.gives, Gives::Values(_));
        if action.outcomes().any(|o| matches!(o.deed, Deed::Perform { performer, .. } if checks(performer))) {
            reader.complain(value.mark, "an action that listens has nobody whose password or token it could check");
        }
    }
}

/// For which rows a declared right holds: `subject`, `read.<as>`, or an entity.
fn lift(reader: &mut Reader, schema: &Schema, action: &Action, key: &Key) -> Lift {
    match key.name.split_once('.') {
        Some(("read", name)) => {
            let finds = |o: &&Outcome| match &o.deed {
                Deed::Perform { performer, .. } => performer.gives == Gives::User,
                deed => matches!(deed, Deed::Read { .. }),
            };
            let reads: Vec<_> = action.outcomes().filter(finds).filter_map(|o| o.name.as_deref()).collect();
            if !reads.contains(&name) {
                reader.unknown(key.mark, "read outcome", name, &reads);
            }
            Lift::Read(name.to_owned())
        }
        _ if key.name == "subject" => Lift::Subject,
        _ => {
            known_entity(reader, schema, key.mark, &key.name);
            Lift::Entity(key.name.clone())
        }
    }
}

/// What was called otherwise before, and is there under that name as well, or claimed twice.
fn misnamed_before(schema: &Schema, actions: &Actions) -> Vec<Complaint> {
    let mut found = vec![];
    for (at, action) in actions.all().iter().enumerate() {
        let file = format!("actions/{}/{}.yaml", action.entity, action.name);
        let mut complain = |words: String| found.push(Complaint { file: file.clone(), line: 0, column: 0, words });
        if let Some(was) = &action.was {
            if actions.find(&action.entity, was).is_some() {
                complain(format!("`was`: there is an action `{was}` as well: it can't become `{}`", action.name));
            }
            if actions.all()[..at].iter().any(|other| other.entity == action.entity && other.was.as_ref() == Some(was)) {
                complain(format!("`was`: `{was}` became another action already"));
            }
        }
        for was in action.policy.grants.iter().filter_map(|grant| grant.was.as_ref()) {
            if schema.groups.contains(was) {
                complain(format!("the group `{was}` is named as well: it can't become another"));
            }
        }
    }
    found
}

/// What is wrong with an action's calls of others, which are known only when all are read.
fn wrong_calls(actions: &Actions, path: &str, entity: &str, name: &str) -> Vec<Complaint> {
    let mut reader = Reader::new(path);
    let Some(action) = actions.find(entity, name) else { return vec![] };
    for (lender, mark) in &action.lends {
        let calls =
            |o: &Outcome| matches!(&o.deed, Deed::Call { entity: to, action: called, .. } if to == entity && called == name);
        let found = lender.split_once('/').and_then(|(entity, name)| actions.find(entity, name));
        if !found.is_some_and(|lender| lender.outcomes().any(calls)) {
            let lenders = actions.all().iter().filter(|other| other.outcomes().any(calls));
            let lenders: Vec<_> = lenders.map(|other| format!("{}/{}", other.entity, other.name)).collect();
            reader.unknown(*mark, "action that calls this one", lender, &lenders);
        }
    }
    for outcome in action.outcomes() {
        let Deed::Call { entity, action: name, subject, with, mark } = &outcome.deed else { continue };
        let Some(called) = actions.find(entity, name) else {
            let names: Vec<_> = actions.all().iter().map(|a| format!("{}/{}", a.entity, a.name)).collect();
            reader.unknown(*mark, "action", &format!("{entity}/{name}"), &names);
            continue;
        };
        let inputs: Vec<_> = called.inputs.iter().map(|i| i.name.as_str()).collect();
        for (sent, _) in with.iter().filter(|(sent, _)| !inputs.contains(&sent.as_str())) {
            reader.unknown(*mark, "input", sent, &inputs);
        }
        let is_missing = |i: &&Input| i.required && i.default.is_none() && !with.iter().any(|(sent, _)| *sent == i.name);
        for input in called.inputs.iter().filter(is_missing) {
            reader.complain(*mark, format!("{entity}/{name} can't do without the input `{}`", input.name));
        }
        if called.is_secret() || called.inputs.iter().any(|i| i.is_new) {
            reader.complain(*mark, format!("{entity}/{name} checks or sets passwords: it can't be called by another"));
        }
        match (subject.is_some(), called.subject) {
            (false, SubjectUse::Required) => {
                reader.complain(*mark, format!("{entity}/{name} works on a row: name its `subject`"))
            }
            (true, SubjectUse::None) => reader.complain(*mark, format!("{entity}/{name} has no subject")),
            _ => {}
        }
        let is_sure = |o: &&Outcome| o.when.is_none(); // what is called under a condition may end
        if is_sure(&outcome) && action.outcomes.iter().any(|o| std::ptr::eq(o, outcome)) {
            let (mut met, mut waiting) = (vec![], vec![called]);
            while let Some(at) = waiting.pop() {
                if met.iter().any(|other| std::ptr::eq(*other, at)) {
                    continue;
                }
                met.push(at);
                waiting.extend(at.outcomes.iter().filter(is_sure).filter_map(|o| match &o.deed {
                    Deed::Call { entity, action, .. } => actions.find(entity, action),
                    _ => None,
                }));
            }
            if met.iter().any(|at| std::ptr::eq(*at, action)) {
                reader.complain(*mark, "it would call itself without end: say `when`");
            }
        }
    }
    reader.complaints
}

pub(super) fn known_entity<'s>(reader: &mut Reader, schema: &'s Schema, mark: Mark, name: &str) -> Option<&'s Entity> {
    let found = schema.entity(name);
    if found.is_none() {
        let names: Vec<_> = schema.entities().iter().map(|e| e.name.as_str()).collect();
        reader.unknown(mark, "entity", name, &names);
    }
    found
}

/// `10/minute/ip`
fn limit(reader: &mut Reader, tree: &Tree) -> Option<u32> {
    let text = reader.text(tree).to_owned();
    let found = text.strip_suffix("/minute/ip").and_then(|n| n.parse().ok()).filter(|n| *n > 0);
    if found.is_none() {
        reader.complain(tree.mark, "a limit is written like 10/minute/ip");
    }
    found
}
