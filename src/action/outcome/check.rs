//! What can't be right of an outcome: fields, parameters, conditions and orders against the schema.
//!
//! In charge of: the complaints, each with its place and the nearest name.

use serde_json::Value as Json;

use super::{OUTCOME_KEYS, Scope, template};
use crate::action::parameters::{Names, misfit};
use crate::action::performer::Performer;
use crate::action::value::Template;
use crate::permission::Permission;
use crate::plan::filter;
use crate::request::body::uuid;
use crate::schema::kind::{Bounds, Kind};
use crate::schema::{Entity, Schema};
use crate::yaml::{Key, Mark, Reader, Tree, Value};

pub(super) fn check_fields(
    reader: &mut Reader,
    scope: &Scope<'_>,
    entity: Option<&Entity>,
    mark: Mark,
    with: &[(String, Template)],
) {
    let Some(entity) = entity else { return };
    for (name, _) in with.iter().filter(|(n, _)| entity.column(n).is_none() && entity.relation(n).is_none_or(|r| r.is_many())) {
        if entity.relation(name).is_some() {
            reader
                .complain(mark, format!("unknown field `{name}`: it leads to many rows, which are linked afterwards, by `link`"));
            continue;
        }
        let names: Vec<_> = entity.values().collect();
        reader.unknown(mark, "field", name, &names);
    }
    let is_ours = |name: &str| matches!(name, "version" | "created_at" | "updated_at");
    for (name, _) in with.iter().filter(|(name, _)| is_ours(name)) {
        reader.complain(mark, format!("`{name}` is what the system sets, and nobody else"));
    }
    for (name, template) in with {
        let Template::Literal(value) = template else { continue };
        if entity.relation(name).is_some() && !value.is_null() && value.as_str().and_then(uuid).is_none() {
            reader.complain(mark, format!("`{name}` takes a row, its id, or null"));
        }
    }
    let state = entity.states.as_ref().filter(|machine| with.iter().any(|(name, _)| *name == machine.column));
    if let Some(machine) = state.filter(|_| !scope.moves) {
        reader.complain(mark, format!("`{}` is moved by its events: call one of them", machine.column));
    }
    for (name, template) in with {
        let Some(column) = entity.column(name) else { continue };
        if let (Some(words), "permission") = (literal(template).filter(Json::is_object), name.as_str()) {
            // In words, as schema files have them.
            if let Err(words) = Permission::read(&words) {
                reader.complain(mark, format!("`{name}` {words}"));
            }
        } else if *template == Template::Literal(Json::Null) && column.refuses_null() {
            reader.complain(mark, format!("`{name}` is required, and can't be null"));
        } else if let Some(words) = unfit(&column.kind, &column.bounds, template).filter(|_| column.kind != Kind::Password) {
            reader.complain(mark, format!("`{name}` {words}"));
        }
    }
    for (_, template) in with.iter().filter(|(name, _)| entity.relation(name).is_none()) {
        scope.check_told(reader, mark, template);
    }
    let is_password = |name: &str| entity.column(name).is_some_and(|c| c.kind == Kind::Password);
    for (name, template) in with.iter().filter(|(n, _)| is_password(n)) {
        let is_none = *template == Template::Literal(Json::Null); // no password is good
        if !is_none && !matches!(template, Template::Path(input) if scope.passwords.contains(input)) {
            reader
                .complain(mark, format!("`{name}` takes an input of type password with `new: true`, or null, and nothing else"));
        }
    }
}

/// A value that names nothing, as JSON.
fn literal(template: &Template) -> Option<Json> {
    match template {
        Template::Literal(value) => Some(value.clone()),
        Template::List(items) => items.iter().map(literal).collect::<Option<Vec<_>>>().map(Json::Array),
        Template::Map(entries) => {
            let entries = entries.iter().map(|(name, value)| Some((name.clone(), literal(value)?)));
            entries.collect::<Option<serde_json::Map<_, _>>>().map(Json::Object)
        }
        Template::Path(_) | Template::Text(_) => None,
    }
}

/// What may stand for a name in text, to see whether the text could be of some type at all.
const SAMPLES: &[&str] =
    &["a", "1", "01", "2026-01-01", "13:45:00", "2026-01-01T13:45:00Z", "a@example.org", "https://example.org", "1e90ff"];

/// Why a template can't be a value of a type whatever it names: the end of a sentence that starts with the field's name.
fn unfit(kind: &Kind, bounds: &Bounds, template: &Template) -> Option<String> {
    match template {
        Template::Path(name) if name == "now" => {
            let words = kind.check(bounds, &"2026-01-01T13:45:00Z".into()).err();
            words.map(|words| format!("{words}, and `now` is a point in time"))
        }
        Template::Literal(Json::Null) | Template::Path(_) => None,
        Template::Literal(value) => kind.check(bounds, value).err(),
        Template::List(_) | Template::Map(_) if *kind == Kind::Json => None,
        Template::List(_) => Some("takes one value, and no list".to_owned()),
        Template::Map(_) => Some("takes a value, and no map: nothing is computed here".to_owned()),
        Template::Text(text) if text.contains("{{#") || text.contains("{{{") => None,
        Template::Text(text) => {
            let free = Bounds { max: Some(f64::MAX), ..Bounds::default() };
            let sample = |sample: &&str| {
                let parts = text.split("{{").map(|part| part.split_once("}}").map_or(part, |(_, rest)| rest));
                kind.check(&free, &parts.collect::<Vec<_>>().join(sample).into())
            };
            let tried: Result<Vec<_>, _> = SAMPLES.iter().map(|s| sample(s).map_or_else(Ok, Err)).collect();
            tried
                .ok()
                .and_then(|words| words.into_iter().next())
                .map(|words| format!("{words}, and text with {{{{…}}}} in it is none"))
        }
    }
}

/// What a new row can't do without, and nobody gives it.
pub(super) fn check_complete(reader: &mut Reader, entity: Option<&Entity>, mark: Mark, with: &[(String, Template)]) {
    let Some(entity) = entity else { return };
    let is_sent = |name: &str| with.iter().any(|(n, _)| n == name);
    let ours = |name: &str| matches!(name, "version" | "created_at" | "updated_at" | "permission");
    let columns = entity.columns.iter().filter(|c| c.required && c.default.is_none() && !ours(&c.name) && !c.kind.is_secret());
    let relations = entity.relations.iter().filter(|r| r.required && !r.default_caller && !r.is_many());
    for name in columns.map(|c| &c.name).chain(relations.map(|r| &r.name)).filter(|name| !is_sent(name)) {
        reader.complain(mark, format!("`{name}` of {} is required: say what it is", entity.name));
    }
}

pub(super) fn check_parameters(reader: &mut Reader, mark: Mark, names: Names, properties: &Json, with: &[(String, Template)]) {
    let known: Vec<_> = names.iter().map(|(name, _)| *name).collect();
    for (name, template) in with {
        if !known.contains(&name.as_str()) {
            reader.unknown(mark, "parameter", name, &known);
        } else if let Template::Literal(value) = template
            && let Some(words) = misfit(&properties[name], value)
        {
            reader.complain(mark, format!("`{name}` {words}"));
        } else if let Template::List(items) = template
            && properties[name]["format"] == "email"
            && let Some(words) = items.iter().filter_map(literal).find_map(|value| misfit(&properties[name], &value))
        {
            reader.complain(mark, format!("`{name}` {words}"));
        } else if let (Template::List(_) | Template::Map(_), Some(kind @ ("string" | "integer" | "boolean"))) =
            (template, properties[name]["type"].as_str())
        {
            reader.complain(mark, format!("`{name}` is one {kind}, and no list or map"));
        }
    }
    let is_missing = |(name, is_required): &&(&str, bool)| *is_required && !with.iter().any(|(n, _)| n == name);
    for (missing, _) in names.iter().filter(is_missing) {
        reader.complain(mark, format!("the parameter `{missing}` is missing"));
    }
}

/// A performer's parameters; of a letter also the values that its templates name.
pub(super) fn check_performer(
    reader: &mut Reader,
    mark: Mark,
    performer: &Performer,
    scope: &Scope<'_>,
    with: &[(String, Template)],
) {
    let is_own = |name: &str| performer.parameters.iter().any(|(n, _)| *n == name);
    let (own, values): (Vec<_>, Vec<_>) = with.iter().cloned().partition(|(name, _)| !performer.takes_values || is_own(name));
    check_parameters(reader, mark, performer.parameters, &(performer.properties)(), &own);
    let named = own.iter().find(|(name, _)| performer.takes_values && name == "template").map(|(_, template)| template);
    let letter = match named {
        Some(Template::Literal(Json::String(letter))) => letter,
        Some(_) => return reader.complain(mark, "`template` is a letter's name as it stands: what it needs is checked here"),
        None => return,
    };
    let Some((_, needed)) = scope.letters.iter().find(|(name, _)| name == letter) else {
        let names: Vec<_> = scope.letters.iter().map(|(name, _)| name.as_str()).collect();
        return reader.unknown(mark, "letter", letter, &names);
    };
    for missing in needed.iter().filter(|name| !values.iter().any(|(n, _)| n == *name)) {
        reader.complain(mark, format!("the parameter `{missing}` is missing"));
    }
    for (name, _) in values.iter().filter(|(name, _)| !needed.contains(name)) {
        let names: Vec<_> = needed.iter().map(String::as_str).chain(performer.parameters.iter().map(|(n, _)| *n)).collect();
        reader.unknown(mark, "value of this letter", name, &names);
    }
}

/// Keys that mean nothing for a deed.
pub(super) fn unused(reader: &mut Reader, entries: &[(Key, Tree)], deed: &str) {
    let known: &[&str] = match deed {
        "create" => &["with", "owner"],
        "perform" => &["with", "tells"],
        "update" | "respond" => &["with"],
        "read" => &["where", "sort", "limit", "one"],
        "link" | "unlink" => &["to", "permission"],
        "each" => &["do"],
        "call" => &["with", "subject"],
        _ => &[],
    };
    let known = known.iter().chain(&["as", "when", "else_fail"]);
    for (key, _) in entries.iter().filter(|(k, _)| OUTCOME_KEYS.contains(&k.name.as_str()) && k.name != deed) {
        if !known.clone().any(|k| *k == key.name) {
            reader.complain(key.mark, format!("`{}` means nothing for {deed}", key.name));
        }
    }
}

/// `{column: value}`, or the filter tree of JSON:API queries; as the tree.
pub(super) fn condition(
    reader: &mut Reader,
    scope: &Scope<'_>,
    schema: &Schema,
    entity: Option<&Entity>,
    tree: &Tree,
) -> Template {
    let literal = |text: &str| Template::Literal(text.into());
    let words: Vec<_> = filter::words().collect();
    let is_tree = matches!(&tree.value, Value::Map(entries) if entries.len() == 1
        && words.contains(&entries[0].0.name.as_str()) && !matches!(entries[0].1.value, Value::Text(_)));
    if is_tree {
        check_tree(reader, schema, entity, tree);
        return template(reader, scope, tree);
    }
    if reader.map(tree).is_empty() {
        reader.complain(tree.mark, "`where` takes at least one condition: leave it out for all rows");
    }
    let parts = reader.map(tree).iter().map(|(key, value)| {
        check_compared(reader, schema, entity, key.mark, &key.name, "eq");
        check_value(reader, entity, &key.name, value);
        let value = template(reader, scope, value);
        Template::Map(vec![("eq".to_owned(), Template::List(vec![literal(&key.name), value]))])
    });
    Template::Map(vec![("and".to_owned(), Template::List(parts.collect()))])
}

/// A value as it stands that can't be one of the column's would find nothing for ever; of a relation it is an id.
fn check_value(reader: &mut Reader, entity: Option<&Entity>, field: &str, value: &Tree) {
    let Some(entity) = entity else { return };
    let kind = match (entity.served(field), entity.relation(field)) {
        (Some(column), _) => &column.kind,
        (None, None) if field != "id" => return,
        _ => &Kind::Uuid,
    };
    let is_operator = matches!(&value.value, Value::Map(entries) if entries.len() == 1);
    if let Some(words) = unfit(kind, &Bounds::default(), &Template::read(value.to_json())) {
        let hint = if is_operator { "; an operator stands before its field: { in: [status, [open, doing]] }" } else { "" };
        reader.complain(value.mark, format!("`{field}` {words}{hint}"));
    }
}

fn check_tree(reader: &mut Reader, schema: &Schema, entity: Option<&Entity>, tree: &Tree) {
    let words: Vec<_> = filter::words().collect();
    for (key, value) in reader.keys(tree, &words) {
        match (key.name.as_str(), &value.value) {
            ("and" | "or", Value::List(parts)) if parts.is_empty() => {
                reader.complain(value.mark, format!("`{}` takes at least one condition", key.name));
            }
            ("and" | "or", _) => reader.list(value).iter().for_each(|part| check_tree(reader, schema, entity, part)),
            ("not", _) => check_tree(reader, schema, entity, value),
            (word, Value::List(parts)) if parts.len() == 2 => {
                let field = reader.text(&parts[0]).to_owned();
                check_compared(reader, schema, entity, parts[0].mark, &field, word);
                let items = match (word, &parts[1].value) {
                    ("null" | "contains" | "icontains" | "starts", _) => &[],
                    ("in" | "nin", Value::List(items)) => items.as_slice(),
                    _ => &parts[1..],
                };
                items.iter().for_each(|item| check_value(reader, entity, &field, item));
            }
            (word, _) => reader.complain(value.mark, format!("`{word}` takes a list of a field's name and a value")),
        }
    }
}

fn check_compared(reader: &mut Reader, schema: &Schema, entity: Option<&Entity>, mark: Mark, field: &str, word: &str) {
    let Some(entity) = entity else { return };
    let mut at = entity;
    let steps: Vec<&str> = field.split('.').collect();
    for (place, step) in steps.iter().enumerate() {
        let is_last = place + 1 == steps.len();
        let kind = match at.served(step) {
            Some(column) if is_last => &column.kind,
            _ if is_last && *step == "id" => &Kind::Uuid,
            _ => match at.relation(step) {
                Some(relation) => {
                    at = schema.target(relation);
                    if !is_last {
                        continue;
                    }
                    &Kind::Uuid
                }
                None => {
                    let names: Vec<_> = at.fields().collect();
                    return reader.unknown(mark, "field", step, &names);
                }
            },
        };
        if let Err(known) = filter::check_operator(kind, word) {
            reader.complain(mark, format!("`{field}` can't be compared by {word}; known: {known}"));
        }
    }
}

pub(super) fn order(reader: &mut Reader, schema: &Schema, entity: Option<&Entity>, tree: &Tree) -> Vec<(Vec<String>, bool)> {
    let mut keys = vec![];
    for item in reader.list(tree) {
        let text = reader.text(item).to_owned();
        let (name, descends) = text.strip_prefix('-').map_or((text.as_str(), false), |n| (n, true));
        check_compared(reader, schema, entity, item.mark, name, "null");
        let is_unordered = |e: &Entity| e.relation(name).is_some() || e.served(name).is_some_and(|c| !c.kind.is_ordered());
        if entity.is_some_and(is_unordered) {
            reader.complain(item.mark, format!("`{name}` has no order to sort by"));
        }
        keys.push((name.split('.').map(str::to_owned).collect(), descends));
    }
    keys
}
