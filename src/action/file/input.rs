//! Inputs of action files.

use super::known_entity;
use crate::action::outcome::misnamed;
use crate::action::{Action, Input, InputKind};
use crate::schema::Schema;
use crate::schema::kind::{Bounds, Kind};
use crate::schema::words::{bounds, kind};
use crate::yaml::{Key, Reader, Tree, Value};

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
    "one_of",
    "equals",
    "trim",
    "lower",
    "new",
    "beyond_guest",
];

/// Reads an input.
pub(super) fn read_input(reader: &mut Reader, schema: &Schema, key: &Key, tree: &Tree) -> Input {
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
        one_of: vec![],
        equals: None,
        trim: false,
        lower: false,
        is_new: false,
        beyond_guest: false,
    };
    if let Some(words) = misnamed(&key.name) {
        reader.complain(key.mark, words);
    }
    for (key, value) in entries {
        match key.name.as_str() {
            "required" => input.required = reader.bool(value),
            "default" => input.default = Some(value.to_json()),
            "one_of" => input.one_of = reader.list(value).iter().map(Tree::to_json).collect(),
            "equals" => input.equals = Some(reader.text(value).to_owned()),
            "trim" => input.trim = reader.bool(value),
            "lower" => input.lower = reader.bool(value),
            "new" => input.is_new = reader.bool(value),
            "beyond_guest" => input.beyond_guest = reader.bool(value),
            _ => {}
        }
    }
    if let InputKind::Value(kind) = &input.kind {
        for value in input.default.iter().chain(&input.one_of) {
            if let Err(words) = kind.check(&input.bounds, value) {
                reader.complain(key.mark, format!("{value} can't be a value of `{}`: it {words}", input.name));
            }
        }
    }
    input
}

/// Complains about inputs that are to equal one that isn't there.
pub(super) fn check_equals(reader: &mut Reader, entries: &[(Key, Tree)], action: &Action) {
    let names: Vec<_> = action.inputs.iter().map(|i| i.name.as_str()).collect();
    let mark = entries.iter().find(|(k, _)| k.name == "inputs").map(|(k, _)| k.mark).unwrap_or_default();
    for other in action.inputs.iter().filter_map(|i| i.equals.as_deref()).filter(|o| !names.contains(o)) {
        reader.unknown(mark, "input", other, &names);
    }
}
