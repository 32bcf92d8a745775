//! Columns of schema files: what each key says, what may stand together, and what was called otherwise before.

use super::{LOADED, RESERVED_FIELDS};
use crate::schema::kind::Kind;
use crate::schema::words::{bounds, choice, classes, kind, spelled_out, was};
use crate::schema::{Column, Reading, Renamed, Unique, Write};
use crate::yaml::{Mark, Reader, Tree, Value};

const COLUMN_KEYS: &[&str] = &[
    "type",
    "label",
    "required",
    "unique",
    "index",
    "default",
    "min",
    "max",
    "length",
    "pattern",
    "hidden",
    "read_only",
    "options",
    "precision",
    "scale",
    "clean",
    "read",
    "write",
    "language",
    "accents",
    "was",
];
/// Reads a column.
pub(super) fn read_column(reader: &mut Reader, name: &str, mark: Mark, tree: &Tree) -> Column {
    let entries = reader.keys(tree, COLUMN_KEYS);
    let kind = kind(reader, mark, entries).unwrap_or(Kind::Text);
    let mut column = Column {
        name: name.to_owned(),
        label: spelled_out(name),
        bounds: bounds(reader, &kind, entries),
        kind,
        required: false,
        unique: Unique::No,
        index: false,
        default: None,
        hidden: false,
        write: Write::Anyone,
        reading: Reading::default(),
        readers: None,
        writers: None,
    };
    for (key, value) in entries {
        match key.name.as_str() {
            "label" => column.label = reader.text(value).to_owned(),
            "required" => column.required = reader.bool(value),
            "index" => column.index = reader.bool(value),
            "read" => column.readers = Some(classes(reader, value)),
            "write" => column.writers = Some(classes(reader, value)),
            "language" => column.reading.language = language(reader, value),
            "accents" => column.reading.ignores_accents = !reader.bool(value),
            "hidden" => column.hidden = reader.bool(value),
            "unique" if matches!(&value.value, Value::Text(t) if t == "owner") => column.unique = Unique::PerOwner,
            "unique" => column.unique = if reader.bool(value) { Unique::Everywhere } else { Unique::No },
            "read_only" if matches!(&value.value, Value::Text(t) if t == "after_create") => column.write = Write::OnCreate,
            "read_only" => column.write = if reader.bool(value) { Write::System } else { Write::Anyone },
            "default" => {
                let json = value.to_json();
                if let Err(words) = column.kind.check(&column.bounds, &json) {
                    reader.complain(value.mark, format!("this default {words}"));
                }
                column.default = Some(json);
            }
            _ => {}
        }
    }
    if column.kind.is_secret() && (column.unique != Unique::No || column.index) {
        reader.complain(mark, format!("a column of type {} can't be unique or indexed", column.kind.word()));
    }
    if column.kind.is_secret() && column.default.is_some() {
        reader.complain(mark, format!("a column of type {} has no default: it would be everybody's secret", column.kind.word()));
    }
    if column.kind.is_secret() && column.readers.is_some() {
        reader.complain(mark, format!("a column of type {} is served to nobody", column.kind.word()));
    }
    if column.reading != Reading::default() && !column.kind.is_text() {
        reader.complain(mark, format!("`language` and `accents` mean nothing for type {}", column.kind.word()));
    }
    if column.kind == Kind::Json && (column.unique != Unique::No || column.index) {
        reader.complain(mark, "a column of type json can't be unique or indexed");
    }
    column
}

/// Reads a language: a BCP 47 tag.
fn language(reader: &mut Reader, tree: &Tree) -> Option<String> {
    let tag = reader.text(tree);
    let mut parts = tag.split('-');
    let is_part = |part: &str, range: std::ops::RangeInclusive<usize>| {
        range.contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    let is_language = parts.next().is_some_and(|first| is_part(first, 2..=3) && first.bytes().all(|b| b.is_ascii_lowercase()));
    if is_language && parts.all(|part| is_part(part, 1..=8)) && tag.len() <= 35 {
        return Some(tag.to_owned());
    }
    reader.complain(tree.mark, "a language is written like de, de-AT or sr-Latn");
    None
}

/// What a field, and the options of an enum, were called before.
pub(super) fn names_before(reader: &mut Reader, entity: &str, field: &str, tree: &Tree) -> Vec<Renamed> {
    let Value::Map(entries) = &tree.value else { return vec![] };
    let mut found = vec![];
    for (key, value) in entries {
        match key.name.as_str() {
            "was" => {
                let was = was(reader, value, field);
                if let Some(taken) = was.as_deref().filter(|was| RESERVED_FIELDS.contains(was) || LOADED.contains(was)) {
                    reader.complain(value.mark, format!("`{taken}` is every row's, and stays what it is"));
                    continue;
                }
                found.extend(was.map(|was| Renamed::Field { entity: entity.to_owned(), was, now: field.to_owned() }));
            }
            "options" => {
                let quiet = &mut Reader::new(reader.file()); // what is wrong with them was said already
                for (now, was) in reader.list(value).iter().map(|option| choice(quiet, option)) {
                    let renamed = |was| Renamed::Choice { entity: entity.to_owned(), column: field.to_owned(), was, now };
                    found.extend(was.map(renamed));
                }
            }
            _ => {}
        }
    }
    found
}
