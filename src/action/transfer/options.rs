//! What somebody says of a file beside whose rows are in it: how it is read, or what is written.
//!
//! In charge of: all faults of that, before anything is begun.

use std::collections::HashMap;

use encoding_rs::Encoding;
use jiff::tz::TimeZone;
use serde_json::{Map, Value as Json};

use super::import::cell::Writing;
use super::import::field::{self, Field};
use super::import::locale::{self, Locale};
use super::table::{COLUMNS, Format, Layout};
use crate::error::{Fault, short};
use crate::request::body::step;
use crate::schema::{Entity, Schema};

/// The names of the options, as actions send them and transfers keep them.
pub const NAMES: [&str; 12] =
    ["sheet", "delimiter", "encoding", "locale", "zone", "columns", "constants", "entities", "filter", "order", "names", "mark"];

/// How a file is read that is imported.
#[derive(Debug)]
pub struct Import<'s> {
    /// How it is parted.
    pub layout: Layout,
    /// How its cells are written.
    pub writing: Writing,
    /// Its columns that are called otherwise than their fields, or left out.
    pub mapped: Vec<(String, Option<String>)>,
    /// What each column that it may have is: the field's name, and the field.
    pub fields: HashMap<String, (String, Field<'s>)>,
    /// Fields that have the same value in every row.
    pub constants: Vec<(String, Field<'s>, Json)>,
}

/// What is exported.
#[derive(Debug, Default)]
pub struct Export {
    /// Beside the first, in one archive or workbook.
    pub entities: Vec<String>,
    /// A filter, as `/api` takes it.
    pub filter: Option<String>,
    /// An order, as `/api` takes it.
    pub order: Option<String>,
    /// Fields, and of linked rows theirs: `team.code`.
    pub columns: Vec<String>,
    /// Whether rows that are linked are named by what is unique of them, and not by their ids.
    pub is_named: bool,
    /// Whether CSV begins with a mark by which spreadsheets see that it is UTF-8.
    pub has_mark: bool,
}

/// Most faults of names that are told.
const TOLD: usize = 20;

fn fault(name: &str, words: impl Into<String>) -> Fault {
    Fault::new("invalid", words).at(format!("/attributes{}", step(name)))
}

/// The options that mean something; those that are null weren't said.
fn said(options: &Json) -> impl Iterator<Item = (&str, &Json)> {
    options.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value)).filter(|(_, value)| !value.is_null())
}

fn text<'j>(name: &str, value: &'j Json, faults: &mut Vec<Fault>) -> &'j str {
    value.as_str().unwrap_or_else(|| {
        faults.push(fault(name, format!("`{name}` is a text.")));
        ""
    })
}

/// What the options say of an import.
///
/// # Errors
/// Each fault, at the option.
pub fn import<'s>(options: &Json, format: Format, schema: &'s Schema, entity: &'s Entity) -> Result<Import<'s>, Vec<Fault>> {
    let (mut faults, mut constants) = (vec![], Map::new());
    let (layout, writing) = (Layout::of(format), Writing::default());
    let mut import = Import { layout, writing, mapped: vec![], fields: HashMap::new(), constants: vec![] };
    for (name, value) in said(options) {
        match name {
            "sheet" => import.layout.sheet = Some(text(name, value, &mut faults).to_owned()),
            "delimiter" => match text(name, value, &mut faults) {
                "tab" => import.layout.delimiter = Some(b'\t'),
                one if one.len() == 1 && !"\"\r\n".contains(one) => import.layout.delimiter = one.bytes().next(),
                _ => faults.push(fault(name, "`delimiter` is one character, such as ; or tab.")),
            },
            "encoding" => match Encoding::for_label(text(name, value, &mut faults).as_bytes()) {
                Some(encoding) => import.layout.encoding = Some(encoding),
                None => faults.push(fault(name, "`encoding` is one that browsers know, such as utf-8, utf-16le, windows-1252.")),
            },
            "locale" => match Locale::named(text(name, value, &mut faults)) {
                Some(locale) => import.writing.locale = Some(locale),
                None => faults.push(fault(name, format!("`locale` is one of {}.", locale::names()))),
            },
            "zone" => match TimeZone::get(text(name, value, &mut faults)) {
                Ok(zone) => import.writing.zone = Some(zone),
                Err(_) => faults.push(fault(name, "`zone` is a time zone, such as Europe/Vienna or UTC.")),
            },
            "columns" => import.mapped = mapped(schema, entity, value, &mut faults),
            "constants" => constants = fixed(schema, entity, value, &mut faults),
            other => faults.push(fault(other, format!("`{other}` means nothing for an import."))),
        }
    }
    let twice = import.mapped.iter().find(|(_, field)| field.as_ref().is_some_and(|field| constants.contains_key(field)));
    if let Some((file, field)) = twice {
        let field = field.as_deref().unwrap_or_default();
        let words = format!("`{}` has a value for all rows, and the column `{}`, too.", short(field), short(file));
        faults.push(fault("constants", words));
    }
    let named = |name: String| {
        let field = field::field(schema, entity, &name);
        (name.clone(), (name, field))
    };
    import.fields = field::every(schema, entity).into_iter().map(named).collect();
    for (file, field) in &import.mapped {
        let field = field.as_ref().map_or_else(|| (file.clone(), Field::Nothing), |name| named(name.clone()).1);
        import.fields.insert(file.clone(), field);
    }
    import.constants =
        constants.into_iter().map(|(name, value)| (name.clone(), field::field(schema, entity, &name), value)).collect();
    import.layout.columns = import.fields.keys().cloned().collect();
    if faults.is_empty() { Ok(import) } else { Err(faults) }
}

fn known(schema: &Schema, entity: &Entity, of: &str, field: &str, faults: &mut Vec<Fault>) {
    if faults.len() < TOLD && matches!(field::field(schema, entity, field), Field::Unknown) {
        let names = field::names(schema, entity);
        let hint = crate::yaml::nearest(field, &names).map(|near| format!(" Did you mean `{near}`?")).unwrap_or_default();
        faults.push(fault(of, format!("{} has no column `{}`.{hint}", entity.name, short(field))));
    }
}

fn mapped(schema: &Schema, entity: &Entity, value: &Json, faults: &mut Vec<Fault>) -> Vec<(String, Option<String>)> {
    let Some(entries) = value.as_object() else {
        faults.push(fault("columns", "`columns` is an object: the file's names, and what each is here; null leaves one out."));
        return vec![];
    };
    let mut columns: Vec<(String, Option<String>)> = vec![];
    if entries.len() > COLUMNS {
        faults.push(fault("columns", format!("A table has at most {COLUMNS} columns.")));
        return columns;
    }
    for (file, field) in entries {
        let field = match field {
            Json::Null => None,
            Json::String(field) => {
                known(schema, entity, "columns", field, faults);
                if columns.iter().any(|(_, other)| other.as_ref() == Some(field)) {
                    faults.push(fault("columns", format!("Two columns are to be `{}`.", short(field))));
                }
                Some(field.clone())
            }
            _ => {
                faults.push(fault("columns", format!("`{}` is a column's name, or null.", short(file))));
                continue;
            }
        };
        columns.push((file.trim().to_owned(), field));
    }
    columns
}

fn fixed(schema: &Schema, entity: &Entity, value: &Json, faults: &mut Vec<Fault>) -> Map<String, Json> {
    let Some(entries) = value.as_object() else {
        faults.push(fault("constants", "`constants` is an object: columns, and the value of each in every row."));
        return Map::new();
    };
    if entries.len() > COLUMNS {
        faults.push(fault("constants", format!("A table has at most {COLUMNS} columns.")));
        return Map::new();
    }
    entries.keys().for_each(|field| known(schema, entity, "constants", field, faults));
    entries.clone()
}

/// What the options say of an export. What of it `/api` would refuse, it refuses itself.
///
/// # Errors
/// Each fault, at the option.
pub fn export(options: &Json) -> Result<Export, Vec<Fault>> {
    let (mut faults, mut export) = (vec![], Export::default());
    for (name, value) in said(options) {
        let mut texts = || -> Vec<String> {
            let items: Option<Vec<String>> =
                value.as_array().and_then(|items| items.iter().map(|item| item.as_str().map(str::to_owned)).collect());
            items.unwrap_or_else(|| {
                faults.push(fault(name, format!("`{name}` is a list of names.")));
                vec![]
            })
        };
        match name {
            "entities" | "columns" if value.as_array().is_some_and(|items| items.len() > COLUMNS) => {
                faults.push(fault(name, format!("`{name}` has at most {COLUMNS} names.")));
            }
            "entities" => export.entities = texts(),
            "columns" => export.columns = texts(),
            "filter" if value.is_object() => export.filter = Some(value.to_string()),
            "filter" => {
                // A text that is sent as JSON has its quotes.
                let text = text(name, value, &mut faults);
                export.filter = Some(serde_json::from_str(text).unwrap_or_else(|_| text.to_owned()));
            }
            "order" => export.order = Some(text(name, value, &mut faults).to_owned()),
            "names" | "mark" if !value.is_boolean() => faults.push(fault(name, format!("`{name}` is true or false."))),
            "names" => export.is_named = *value == Json::Bool(true),
            "mark" => export.has_mark = *value == Json::Bool(true),
            other => faults.push(fault(other, format!("`{other}` means nothing for an export."))),
        }
    }
    if !export.entities.is_empty() && (export.filter.is_some() || export.order.is_some() || !export.columns.is_empty()) {
        let words = "Of several entities all rows and columns are exported: `filter`, `order` and `columns` are for one.";
        faults.push(fault("entities", words));
    }
    if faults.is_empty() { Ok(export) } else { Err(faults) }
}
