//! Outcomes of action files → checked steps.
//!
//! In charge of: every name of an outcome against the inputs and the earlier outcomes; `check` holds it against the schema.

mod check;
mod scope;

use serde_json::Value as Json;

use super::file::known_entity;
use super::performer::{Gives, PERFORMERS};
use super::value::{self, Template};
use super::{Deed, Outcome, directive};
use crate::schema::{LinkRule, Schema};
use crate::yaml::{Reader, Tree, Value};
use check::{check_complete, check_fields, check_parameters, check_performer, condition, order, unused};
pub use scope::{Meaning, Scope};

const DEEDS: &[&str] = &["create", "update", "delete", "read", "link", "unlink", "perform", "respond", "each", "call", "fail"];
const OUTCOME_KEYS: &[&str] = &[
    "create",
    "update",
    "delete",
    "read",
    "link",
    "unlink",
    "perform",
    "respond",
    "fail",
    "each",
    "call",
    "do",
    "subject",
    "as",
    "when",
    "with",
    "where",
    "sort",
    "limit",
    "to",
    "permission",
    "owner",
    "one",
    "else_fail",
];
/// Reads one outcome, and adds its result to the names.
pub fn read_outcome<'s>(reader: &mut Reader, schema: &'s Schema, scope: &mut Scope<'s>, tree: &Tree) -> Option<Outcome> {
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
        match value::paths(&text) {
            Ok(paths) => paths.iter().for_each(|n| scope.check(reader, w.mark, n)),
            Err(words) => reader.complain(w.mark, words),
        }
        text
    });
    let else_fail = find("else_fail").map(|e| failure(reader, scope, e));
    let with = |reader: &mut Reader, key: &str| find(key).map(|tree| templates(reader, scope, tree)).unwrap_or_default();
    let nothing = Meaning::Values(&[]);
    let (made, meaning) = match deed.name.as_str() {
        "create" => {
            let entity = known_entity(reader, schema, what.mark, what.as_text());
            let with = with(reader, "with");
            check_fields(reader, scope, entity, what.mark, &with);
            check_complete(reader, entity, what.mark, &with);
            let owner = find("owner").map(|o| reader.text(o).to_owned());
            if let Some(owner) = &owner {
                scope.check_maker(reader, what.mark, owner);
            }
            (Deed::Create { entity: what.as_text().to_owned(), with, owner }, entity.map_or(Meaning::Anything, Meaning::Row))
        }
        "update" => {
            let row = reader.text(what).to_owned();
            let entity = scope.check_changed(reader, what.mark, &row);
            let with = with(reader, "with");
            check_fields(reader, scope, entity, what.mark, &with);
            (Deed::Update { row, with }, entity.map_or(Meaning::Anything, Meaning::Row))
        }
        "delete" => {
            let row = reader.text(what).to_owned();
            scope.check_changed(reader, what.mark, &row);
            (Deed::Delete { row }, nothing)
        }
        "read" => {
            let entity = known_entity(reader, schema, what.mark, what.as_text());
            let condition = find("where").map(|tree| condition(reader, scope, schema, entity, tree));
            let one = find("one").is_some_and(|o| reader.bool(o));
            let most = find("limit").map(|l| reader.int(l, 1..=100_000));
            let sort = find("sort").map(|s| order(reader, schema, entity, s)).unwrap_or_default();
            let meaning = entity.map_or(Meaning::Anything, if one { Meaning::Row } else { Meaning::List });
            (Deed::Read { entity: what.as_text().to_owned(), condition, sort, most, one }, meaning)
        }
        word @ ("link" | "unlink") => {
            let path = reader.text(what).to_owned();
            let (row, relation) = path.split_once('.').unwrap_or((&path, ""));
            let entity = scope.check_row(reader, what.mark, row);
            if let Some(entity) = entity.filter(|e| e.relation(relation).is_none_or(|r| !r.is_many())) {
                let names: Vec<_> = entity.relations.iter().filter(|r| r.is_many()).map(|r| r.name.as_str()).collect();
                reader.unknown(what.mark, "to-many relation", relation, &names);
            }
            let to = find("to").map(|t| reader.text(t).to_owned()).unwrap_or_default();
            if !(word == "unlink" && scope.ids.contains(&to)) {
                scope.check_row(reader, what.mark, &to);
            }
            let permission = find("permission").map(|p| (p.mark, template(reader, scope, p)));
            let is_grant = entity.and_then(|e| e.relation(relation)).is_some_and(|r| r.rule == LinkRule::Grant);
            if let Some((mark, _)) = permission.as_ref().filter(|_| !is_grant || word == "unlink") {
                reader.complain(*mark, "`permission` is for a link to usergroups: the bits of the grant's own");
            }
            let permission = permission.map(|(_, p)| p);
            (Deed::Link { row: row.to_owned(), relation: relation.to_owned(), to, is_added: word == "link", permission }, nothing)
        }
        "perform" => {
            let text = reader.text(what).to_owned();
            let Some(performer) = PERFORMERS.iter().find(|p| p.name == text) else {
                let names: Vec<_> = PERFORMERS.iter().map(|p| p.name).collect();
                reader.unknown(what.mark, "performer", &text, &names);
                return None;
            };
            let with = with(reader, "with");
            check_performer(reader, what.mark, performer, scope, &with);
            if performer.takes_proof {
                let proof = with.iter().find(|(n, _)| n == "user").map(|(_, t)| t.clone());
                if !matches!(&proof, Some(Template::Literal(Json::String(p))) if scope.proofs.contains(p)) {
                    reader
                        .complain(what.mark, format!("{text} takes only a proof: `user` names a password.check of this action"));
                }
            }
            if performer.gives == Gives::Proof {
                if !scope.proofs.is_empty() {
                    reader.complain(what.mark, "an action checks one password");
                }
                let early = with.iter().filter_map(|(_, t)| t.names().ok()).flatten();
                for name in early.filter(|n| *n != "caller" && !scope.inputs.contains(n) && *n != "config" && *n != "now") {
                    reader
                        .complain(what.mark, format!("a password is checked before `{name}` is known: take an input or caller"));
                }
                scope.proofs.push(name.clone().unwrap_or_default());
            }
            let named = with.iter().find_map(|(name, template)| match template {
                Template::Literal(Json::String(entity)) if name == "entity" => Some(entity.clone()),
                _ => None,
            });
            let of = named.map_or(schema.entity("user_account"), |named| known_entity(reader, schema, what.mark, &named));
            let meaning = match (performer.gives, of) {
                (Gives::Values(names), _) => Meaning::Values(names),
                (Gives::User, Some(entity)) if entity.name == "user_account" => {
                    Meaning::Known(entity, vec!["id", "email", "name", "data"])
                }
                (Gives::User, Some(entity)) => {
                    Meaning::Known(entity, ["id", "data"].into_iter().chain(entity.values()).collect())
                }
                (Gives::Proof, Some(entity)) => Meaning::Known(entity, vec!["id", "email", "name"]),
                (_, None) => Meaning::Anything,
            };
            (Deed::Perform { performer, with }, meaning)
        }
        "respond" => {
            let directive = reader.text(what).to_owned();
            match directive::find(&directive) {
                Some(known) => {
                    let with = with(reader, "with");
                    check_parameters(reader, what.mark, known.attributes, &(known.properties)(), &with);
                    let is_sent = |name: &str| with.iter().any(|(n, _)| n == name);
                    if directive == "client.file.download" && is_sent("content") == is_sent("url") {
                        reader.complain(what.mark, "a file comes by exactly one of `content` and `url`");
                    }
                    (Deed::Respond { directive: known, with }, nothing)
                }
                None if directive == "row" => {
                    let row = find("with").and_then(|w| reader.keys(w, &["row"]).iter().find(|(k, _)| k.name == "row"));
                    let (mark, row) = row.map_or((what.mark, String::new()), |(_, v)| (v.mark, reader.text(v).to_owned()));
                    scope.check_row(reader, mark, &row);
                    (Deed::RespondRow { row }, nothing)
                }
                None => {
                    let names: Vec<_> = directive::DIRECTIVES.iter().map(|d| d.name).chain(["row"]).collect();
                    reader.unknown(what.mark, "directive", &directive, &names);
                    return None;
                }
            }
        }
        "each" => {
            let (mut list, mut each) = (String::new(), String::new());
            for (key, value) in reader.keys(what, &["in", "as"]) {
                let text = reader.text(value).to_owned();
                if key.name == "in" { list = text } else { each = text }
            }
            let row = scope.list(reader, what.mark, &list);
            if each.is_empty() || scope.names.iter().any(|(n, _)| *n == each) {
                reader.complain(what.mark, "`as` gives each row a name of its own");
            }
            let before = scope.names.len();
            scope.names.push((each.clone(), row.map_or(Meaning::Anything, Meaning::Row)));
            let steps = find("do").map(|steps| reader.list(steps)).unwrap_or_default();
            let outcomes: Vec<_> = steps.iter().filter_map(|step| read_outcome(reader, schema, scope, step)).collect();
            scope.names.truncate(before); // what is named inside is nothing outside
            if outcomes.is_empty() {
                reader.complain(what.mark, "`do` says what is done with each row");
            }
            (Deed::Each { list, name: each, outcomes }, nothing)
        }
        "call" => {
            let path = reader.text(what).to_owned();
            let (entity, action) = path.split_once('/').unwrap_or((&path, ""));
            let of = known_entity(reader, schema, what.mark, entity);
            let with = with(reader, "with");
            let subject = find("subject").map(|s| reader.text(s).to_owned());
            if let Some(subject) = &subject {
                let row = scope.check_row(reader, what.mark, subject);
                if let (Some(row), Some(of)) = (row, of)
                    && row.at != of.at
                {
                    reader.complain(what.mark, format!("`{subject}` is a row of {}, not of {}", row.name, of.name));
                }
            }
            let (entity, action) = (entity.to_owned(), action.to_owned());
            (Deed::Call { entity, action, subject, with, mark: what.mark }, nothing)
        }
        _ => {
            let (status, message) = failure(reader, scope, what);
            (Deed::Fail { status, message }, nothing)
        }
    };
    if let Some(name) = &name {
        if scope.names.iter().any(|(n, _)| n == name) {
            reader.complain(tree.mark, format!("`{name}` is a name already"));
        }
        scope.names.push((name.clone(), meaning));
    }
    unused(reader, entries, &deed.name);
    Some(Outcome { deed: made, name, when, else_fail })
}

fn templates(reader: &mut Reader, scope: &Scope<'_>, tree: &Tree) -> Vec<(String, Template)> {
    reader.map(tree).iter().map(|(key, value)| (key.name.clone(), template(reader, scope, value))).collect()
}

fn template(reader: &mut Reader, scope: &Scope<'_>, tree: &Tree) -> Template {
    let template = Template::read(tree.to_json());
    match template.paths() {
        Ok(paths) => paths.iter().for_each(|path| scope.check(reader, tree.mark, path)),
        Err(words) => reader.complain(tree.mark, words),
    }
    template
}

/// `{status, message}`
fn failure(reader: &mut Reader, scope: &Scope<'_>, tree: &Tree) -> (u16, Template) {
    let (mut status, mut message) = (0, Template::Literal("Failed".into()));
    for (key, value) in reader.keys(tree, &["status", "message"]) {
        match key.name.as_str() {
            "status" => status = u16::try_from(reader.int(value, 400..=499)).unwrap_or(400),
            "message" => message = template(reader, scope, value),
            _ => {}
        }
    }
    if status == 0 && reader.complaints.is_empty() {
        reader.complain(tree.mark, "`status` is missing: 400 to 499");
    }
    (status, message)
}
