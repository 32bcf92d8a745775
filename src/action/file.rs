//! Action files → [`Actions`]. An action that loads can run.
//!
//! In charge of: the file format, and checking every name against the schema, the inputs and the earlier outcomes.

use super::performer::PERFORMERS;
use super::value::{self, Template};
use super::{Action, Actions, Deed, Input, InputKind, Lift, Outcome, SubjectUse};
use crate::schema::file::{File, bounds, grants, kind, permission, rights, spelled_out};
use crate::schema::kind::{Bounds, Kind};
use crate::schema::{Entity, Policy, Schema};
use crate::yaml::{self, Complaint, Key, Mark, Reader, Tree, Value};

const KEYS: &[&str] = &["label", "description", "subject", "permission", "grants", "rights", "limit", "inputs", "outcomes"];
const INPUT_KEYS: &[&str] = &[
    "type",
    "entity",
    "required",
    "default",
    "min",
    "max",
    "length",
    "pattern",
    "options",
    "precision",
    "scale",
    "clean",
    "equals",
    "trim",
    "lower",
    "new",
];
const DEEDS: &[&str] = &["create", "update", "delete", "read", "link", "unlink", "perform", "respond", "fail"];
const OUTCOME_KEYS: &[&str] = &[
    "create", "update", "delete", "read", "link", "unlink", "perform", "respond", "fail", "as", "when", "with", "where", "to",
    "owner", "one",
];
/// Directives and the attributes that each takes.
pub const DIRECTIVES: &[(&str, &[&str])] = &[
    ("client.notify", &["type", "title", "message"]),
    ("client.redirect", &["location", "window", "delay"]),
    ("client.store.set", &["key", "value"]),
    ("client.store.remove", &["key"]),
    ("client.reload", &[]),
];

/// What names mean while a file is read: an entity's row, or something else.
struct Scope<'s> {
    names: Vec<(String, Option<&'s Entity>)>,
    proofs: Vec<String>,
}

/// Reads and checks all files, `actions/<entity>/<name>.yaml`.
///
/// # Errors
/// All complaints about all files.
pub fn load(schema: &Schema, files: &[File]) -> Result<Actions, Vec<Complaint>> {
    let (mut actions, mut complaints) = (Actions::default(), vec![]);
    for file in files {
        let mut reader = Reader::new(&file.path);
        match yaml::from_str(&file.path, &file.text) {
            Ok(tree) => actions.put(read(&mut reader, schema, file, &tree)),
            Err(complaint) => complaints.push(complaint),
        }
        complaints.append(&mut reader.complaints);
    }
    if complaints.is_empty() { Ok(actions) } else { Err(complaints) }
}

fn read(reader: &mut Reader, schema: &Schema, file: &File, tree: &Tree) -> Action {
    let entity_name = file.path.rsplit('/').nth(1).unwrap_or_default();
    let entity = known_entity(reader, schema, Mark::default(), entity_name);
    let mut action = Action {
        entity: entity_name.to_owned(),
        name: file.stem().to_owned(),
        label: spelled_out(file.stem()),
        description: String::new(),
        subject: SubjectUse::None,
        policy: Policy::default(),
        rights: vec![],
        limit: None,
        inputs: vec![],
        outcomes: vec![],
    };
    let entries = reader.keys(tree, KEYS);
    for (key, value) in entries {
        match key.name.as_str() {
            "label" => action.label = reader.text(value).to_owned(),
            "description" => action.description = reader.text(value).to_owned(),
            "permission" => action.policy.permission = permission(reader, value),
            "grants" => action.policy.grants = grants(reader, value),
            "limit" => action.limit = limit(reader, value),
            "subject" => {
                action.subject = match reader.text(value) {
                    "none" => SubjectUse::None,
                    "optional" => SubjectUse::Optional,
                    "required" => SubjectUse::Required,
                    other => {
                        let other = other.to_owned();
                        reader.unknown(value.mark, "subject", &other, &["none", "optional", "required"]);
                        SubjectUse::None
                    }
                }
            }
            "inputs" => {
                for (key, value) in reader.map(value) {
                    let input = read_input(reader, schema, key, value);
                    action.inputs.push(input);
                }
            }
            _ => {}
        }
    }
    check_equals(reader, entries, &action);
    let mut scope = Scope { names: vec![], proofs: vec![] };
    for input in &action.inputs {
        let row = if let InputKind::Row(entity) = &input.kind { schema.entity(entity) } else { None };
        scope.names.push((input.name.clone(), row));
    }
    scope.names.push(("caller".to_owned(), schema.entity("user_account")));
    scope.names.extend(["now", "config"].map(|n| (n.to_owned(), None)));
    if action.subject != SubjectUse::None {
        scope.names.push(("subject".to_owned(), entity));
    }
    let find = |name: &str| entries.iter().find(|(k, _)| k.name == name).map(|(_, v)| v);
    match find("outcomes") {
        Some(outcomes) => {
            for item in reader.list(outcomes) {
                if let Some(outcome) = read_outcome(reader, schema, &mut scope, item) {
                    action.outcomes.push(outcome);
                }
            }
            if !action.outcomes.iter().any(|o| matches!(o.deed, Deed::Respond { .. })) && reader.complaints.is_empty() {
                reader.complain(outcomes.mark, "an action answers something: add a respond");
            }
        }
        None => reader.complain(tree.mark, "`outcomes` is missing"),
    }
    if let Some(value) = find("rights") {
        for (key, value) in reader.map(value) {
            let found = rights(reader, value);
            let lift = match key.name.split_once('.') {
                Some(("read", name)) => {
                    let reads: Vec<_> = action
                        .outcomes
                        .iter()
                        .filter(|o| matches!(o.deed, Deed::Read { .. }))
                        .filter_map(|o| o.name.clone())
                        .collect();
                    if !reads.iter().any(|r| r == name) {
                        reader.unknown(key.mark, "read outcome", name, &reads);
                    }
                    Lift::Read(name.to_owned())
                }
                _ if key.name == "subject" => Lift::Subject,
                _ => {
                    known_entity(reader, schema, key.mark, &key.name);
                    Lift::Entity(key.name.clone())
                }
            };
            action.rights.push((lift, found));
        }
    }
    action
}

fn known_entity<'s>(reader: &mut Reader, schema: &'s Schema, mark: Mark, name: &str) -> Option<&'s Entity> {
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

fn read_input(reader: &mut Reader, schema: &Schema, key: &Key, tree: &Tree) -> Input {
    let entries = reader.keys(tree, INPUT_KEYS);
    let find = |name: &str| entries.iter().find(|(k, _)| k.name == name).map(|(_, v)| v);
    let is_row = find("type").is_some_and(|t| t.value == Value::Text("row".to_owned()));
    let (kind, bounds) = if is_row {
        let entity = find("entity").map(|e| (e.mark, reader.text(e).to_owned())).unwrap_or_default();
        known_entity(reader, schema, entity.0, &entity.1);
        (InputKind::Row(entity.1), Bounds::default())
    } else {
        let kind = kind(reader, key.mark, entries).unwrap_or(Kind::Text);
        let bounds = bounds(reader, &kind, entries);
        (InputKind::Value(kind), bounds)
    };
    let mut input = Input {
        name: key.name.clone(),
        kind,
        bounds,
        required: false,
        default: None,
        equals: None,
        trim: false,
        lower: false,
        is_new: false,
    };
    for (key, value) in entries {
        match key.name.as_str() {
            "required" => input.required = reader.bool(value),
            "default" => input.default = Some(value.to_json()),
            "equals" => input.equals = Some(reader.text(value).to_owned()),
            "trim" => input.trim = reader.bool(value),
            "lower" => input.lower = reader.bool(value),
            "new" => input.is_new = reader.bool(value),
            _ => {}
        }
    }
    input
}

fn check_equals(reader: &mut Reader, entries: &[(Key, Tree)], action: &Action) {
    let names: Vec<_> = action.inputs.iter().map(|i| i.name.as_str()).collect();
    let mark = entries.iter().find(|(k, _)| k.name == "inputs").map(|(k, _)| k.mark).unwrap_or_default();
    for other in action.inputs.iter().filter_map(|i| i.equals.as_deref()).filter(|o| !names.contains(o)) {
        reader.unknown(mark, "input", other, &names);
    }
}

fn read_outcome<'s>(reader: &mut Reader, schema: &'s Schema, scope: &mut Scope<'s>, tree: &Tree) -> Option<Outcome> {
    let entries = reader.keys(tree, OUTCOME_KEYS);
    let find = |name: &str| entries.iter().find(|(k, _)| k.name == name).map(|(_, v)| v);
    let deeds: Vec<_> = entries.iter().filter(|(k, _)| DEEDS.contains(&k.name.as_str())).collect();
    let [(deed, what)] = deeds.as_slice() else {
        reader.complain(tree.mark, format!("an outcome does exactly one of: {}", DEEDS.join(", ")));
        return None;
    };
    let name = find("as").map(|n| reader.text(n).to_owned());
    let when = find("when").map(|w| {
        let text = if let Value::Bool(b) = w.value { b.to_string() } else { reader.text(w).to_owned() };
        match value::names(&text) {
            Ok(names) => names.iter().for_each(|n| scope.check(reader, w.mark, n)),
            Err(words) => reader.complain(w.mark, words),
        }
        text
    });
    let with = |reader: &mut Reader, key: &str| find(key).map(|tree| templates(reader, scope, tree)).unwrap_or_default();
    let (made, row) = match deed.name.as_str() {
        "create" => {
            let entity = known_entity(reader, schema, what.mark, reader_text(what));
            let with = with(reader, "with");
            check_fields(reader, entity, what.mark, &with);
            let owner = find("owner").map(|o| reader.text(o).to_owned());
            if let Some(owner) = &owner {
                scope.check_row(reader, what.mark, owner, true);
            }
            (Deed::Create { entity: reader_text(what).to_owned(), with, owner }, entity)
        }
        "update" => {
            let row = reader.text(what).to_owned();
            let entity = scope.check_row(reader, what.mark, &row, true);
            let with = with(reader, "with");
            check_fields(reader, entity, what.mark, &with);
            (Deed::Update { row, with }, entity)
        }
        "delete" => {
            let row = reader.text(what).to_owned();
            scope.check_row(reader, what.mark, &row, false);
            (Deed::Delete { row }, None)
        }
        "read" => {
            let entity = known_entity(reader, schema, what.mark, reader_text(what));
            let with = with(reader, "where");
            check_fields(reader, entity, what.mark, &with);
            let one = find("one").is_some_and(|o| reader.bool(o));
            if !one {
                reader.complain(what.mark, "`read` needs `one: true` (lists come with `each`)");
            }
            (Deed::Read { entity: reader_text(what).to_owned(), with, one }, entity)
        }
        word @ ("link" | "unlink") => {
            let path = reader.text(what).to_owned();
            let (row, relation) = path.split_once('.').unwrap_or((&path, ""));
            let entity = scope.check_row(reader, what.mark, row, false);
            if let Some(entity) = entity.filter(|e| e.relation(relation).is_none_or(|r| !r.is_many())) {
                let names: Vec<_> = entity.relations.iter().filter(|r| r.is_many()).map(|r| r.name.as_str()).collect();
                reader.unknown(what.mark, "to-many relation", relation, &names);
            }
            let to = find("to").map(|t| reader.text(t).to_owned()).unwrap_or_default();
            scope.check_row(reader, what.mark, &to, false);
            (Deed::Link { row: row.to_owned(), relation: relation.to_owned(), to, is_added: word == "link" }, None)
        }
        "perform" => {
            let text = reader.text(what).to_owned();
            let Some(performer) = PERFORMERS.iter().find(|p| p.name == text) else {
                let names: Vec<_> = PERFORMERS.iter().map(|p| p.name).collect();
                reader.unknown(what.mark, "performer", &text, &names);
                return None;
            };
            let with = with(reader, "with");
            check_parameters(reader, what.mark, performer.parameters, &with);
            if performer.takes_proof {
                let proof = with.iter().find(|(n, _)| n == "user").map(|(_, t)| t.clone());
                if !matches!(&proof, Some(Template::Literal(serde_json::Value::String(p))) if scope.proofs.contains(p)) {
                    reader
                        .complain(what.mark, format!("{text} takes only a proof: `user` names a password.check of this action"));
                }
            }
            if performer.gives_proof {
                scope.proofs.extend(name.clone());
            }
            let row = if performer.gives_proof { schema.entity("user_account") } else { None };
            (Deed::Perform { performer, with }, row)
        }
        "respond" => {
            let text = reader.text(what).to_owned();
            let with = with(reader, "with");
            match DIRECTIVES.iter().find(|(n, _)| *n == text) {
                Some((_, parameters)) => check_parameters(reader, what.mark, parameters, &with),
                None => {
                    let names: Vec<_> = DIRECTIVES.iter().map(|(n, _)| *n).collect();
                    reader.unknown(what.mark, "directive", &text, &names);
                }
            }
            (Deed::Respond { directive: text, with }, None)
        }
        _ => {
            let (mut status, mut message) = (0, Template::Literal(serde_json::Value::Null));
            for (key, value) in reader.keys(what, &["status", "message"]) {
                match key.name.as_str() {
                    "status" => status = u16::try_from(reader.int(value, 400..=499)).unwrap_or(400),
                    "message" => message = template(reader, scope, value),
                    _ => {}
                }
            }
            (Deed::Fail { status, message }, None)
        }
    };
    if let Some(name) = &name {
        if scope.names.iter().any(|(n, _)| n == name) {
            reader.complain(tree.mark, format!("`{name}` is a name already"));
        }
        scope.names.push((name.clone(), row));
    }
    Some(Outcome { deed: made, name, when })
}

fn reader_text(tree: &Tree) -> &str {
    if let Value::Text(text) = &tree.value { text } else { "" }
}

fn templates(reader: &mut Reader, scope: &Scope<'_>, tree: &Tree) -> Vec<(String, Template)> {
    reader.map(tree).iter().map(|(key, value)| (key.name.clone(), template(reader, scope, value))).collect()
}

fn template(reader: &mut Reader, scope: &Scope<'_>, tree: &Tree) -> Template {
    let template = Template::read(tree.to_json());
    match template.names() {
        Ok(names) => names.iter().for_each(|name| scope.check(reader, tree.mark, name)),
        Err(words) => reader.complain(tree.mark, words),
    }
    template
}

fn check_fields(reader: &mut Reader, entity: Option<&Entity>, mark: Mark, with: &[(String, Template)]) {
    let Some(entity) = entity else { return };
    for (name, _) in with.iter().filter(|(n, _)| entity.column(n).is_none() && entity.relation(n).is_none_or(|r| r.is_many())) {
        let names: Vec<_> = entity.columns.iter().map(|c| c.name.as_str()).collect();
        reader.unknown(mark, "field", name, &names);
    }
}

fn check_parameters(reader: &mut Reader, mark: Mark, known: &[&str], with: &[(String, Template)]) {
    for (name, _) in with.iter().filter(|(n, _)| !known.contains(&n.as_str())) {
        reader.unknown(mark, "parameter", name, known);
    }
    for missing in known.iter().filter(|k| !with.iter().any(|(n, _)| n == *k)) {
        reader.complain(mark, format!("the parameter `{missing}` is missing"));
    }
}

impl<'s> Scope<'s> {
    fn check(&self, reader: &mut Reader, mark: Mark, name: &str) {
        if !self.names.iter().any(|(n, _)| n == name) {
            let names: Vec<_> = self.names.iter().map(|(n, _)| n.as_str()).collect();
            reader.unknown(mark, "name", name, &names);
        }
    }

    /// A name that must stand for a row. An owner, or a row to be changed, is never what an input names.
    fn check_row(&self, reader: &mut Reader, mark: Mark, name: &str, _is_changed: bool) -> Option<&'s Entity> {
        let found = self.names.iter().find(|(n, _)| n == name).and_then(|(_, row)| *row);
        if found.is_none() {
            let names: Vec<_> = self.names.iter().filter(|(_, r)| r.is_some()).map(|(n, _)| n.as_str()).collect();
            reader.unknown(mark, "row", name, &names);
        }
        found
    }
}
