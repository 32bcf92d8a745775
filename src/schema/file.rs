//! Schema files → [`Schema`]. Loading is checking: whatever is wrong is said with file, line, column and the nearest name.
//!
//! In charge of: the file format, and overlaying a project's files on the embedded ones (`resolve` puts them together). It must
//! not know the database: whether a table exists is `diff`'s business.

mod resolve;

use std::collections::BTreeMap;

use super::kind::Kind;
use super::machine::{self, Machine};
use super::words::{bounds, classes, grants, group_name, kind, member_name, permission, spelled_out};
use super::{Column, Grant, OnDelete, Schema, Unique, Write};
use crate::permission::Permission;
use crate::yaml::{self, Complaint, Mark, Reader, Tree, Value};

/// A file: its name relative to the project, and its text.
#[derive(Debug, Clone)]
pub struct File {
    /// Such as `schema/article.yaml`.
    pub path: String,
    /// Its text.
    pub text: String,
}

impl File {
    /// `article` of `schema/article.yaml`.
    pub fn stem(&self) -> &str {
        let name = self.path.rsplit('/').next().unwrap_or(&self.path);
        name.strip_suffix(".yaml").unwrap_or(name)
    }
}

const ENTITY_KEYS: &[&str] = &[
    "label",
    "description",
    "permission",
    "grants",
    "default_permission",
    "default_groups",
    "join_groups",
    "default_order",
    "require_if_match",
    "client_ids",
    "audit",
    "states",
    "columns",
    "relations",
];
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
];
const RELATION_KEYS: &[&str] = &["belongs_to", "many_to_many", "inverse", "required", "default", "on_delete", "read_only"];
const RESERVED_FIELDS: &[&str] =
    &["id", "type", "lid", "owner", "permission", "groups", "group_bits", "usergroups", "version", "created_at", "updated_at"];
/// A relationship's name that every row has; not free either.
pub const RESERVED_ENTITIES: &[&str] = &["operations", "every"];

#[derive(Clone)]
struct Place {
    file: String,
    mark: Mark,
}

#[derive(Default)]
struct Draft {
    label: Option<String>,
    description: Option<String>,
    permission: Option<Permission>,
    grants: Option<Vec<Grant>>,
    default_permission: Option<Permission>,
    default_groups: Option<Vec<Grant>>,
    join_groups: Option<Vec<String>>,
    default_order: Option<Vec<(Place, String)>>,
    require_if_match: Option<bool>,
    client_ids: Option<bool>,
    audit: Option<bool>,
    states: Option<Machine>,
    columns: Vec<(Place, Column)>,
    relations: Vec<(Place, DraftRelation)>,
}

#[derive(Clone)]
struct DraftRelation {
    name: String,
    target: String,
    many: bool,
    inverse: Option<String>,
    required: bool,
    default_caller: bool,
    on_delete: Option<OnDelete>,
    read_only: bool,
}

/// Reads and checks all files; of two files for one entity the later adds to the earlier and overrides it.
///
/// # Errors
/// All complaints about all files.
pub fn load(files: &[File]) -> Result<Schema, Vec<Complaint>> {
    let mut complaints = vec![];
    let mut drafts: BTreeMap<String, Draft> = BTreeMap::new();
    for file in files {
        let mut reader = Reader::new(&file.path);
        match yaml::from_str(&file.path, &file.text) {
            Ok(tree) => {
                let name = file.stem().to_owned();
                if let Err(words) = entity_name(&name) {
                    reader.complain(Mark::default(), words);
                }
                let draft = read_entity(&mut reader, &tree);
                drafts.entry(name).or_default().overlay(draft);
            }
            Err(complaint) => complaints.push(complaint),
        }
        complaints.append(&mut reader.complaints);
    }
    let schema = resolve::resolve(drafts, &mut complaints);
    if complaints.is_empty() { Ok(schema) } else { Err(complaints) }
}

fn entity_name(name: &str) -> Result<(), String> {
    member_name(name)?;
    if RESERVED_ENTITIES.contains(&name) {
        return Err(format!("an entity can't be called `{name}`: that URL is taken"));
    }
    match name.chars().any(char::is_uppercase) {
        true => Err(format!("`{name}`: entities are written in lower case")),
        false => Ok(()),
    }
}

impl Draft {
    fn overlay(&mut self, over: Draft) {
        fn put<T>(below: &mut Option<T>, above: Option<T>) {
            if above.is_some() {
                *below = above;
            }
        }
        put(&mut self.label, over.label);
        put(&mut self.description, over.description);
        put(&mut self.permission, over.permission);
        put(&mut self.grants, over.grants);
        put(&mut self.default_permission, over.default_permission);
        put(&mut self.default_groups, over.default_groups);
        put(&mut self.join_groups, over.join_groups);
        put(&mut self.default_order, over.default_order);
        put(&mut self.require_if_match, over.require_if_match);
        put(&mut self.client_ids, over.client_ids);
        put(&mut self.audit, over.audit);
        put(&mut self.states, over.states);
        for (place, column) in over.columns {
            self.columns.retain(|(_, c)| c.name != column.name);
            self.columns.push((place, column));
        }
        for (place, relation) in over.relations {
            self.relations.retain(|(_, r)| r.name != relation.name);
            self.relations.push((place, relation));
        }
    }
}

fn read_entity(reader: &mut Reader, tree: &Tree) -> Draft {
    let mut draft = Draft::default();
    for (key, value) in reader.keys(tree, ENTITY_KEYS) {
        match key.name.as_str() {
            "label" => draft.label = Some(reader.text(value).to_owned()),
            "description" => draft.description = Some(reader.text(value).to_owned()),
            "permission" => draft.permission = Some(permission(reader, value)),
            "grants" => draft.grants = Some(grants(reader, value)),
            "default_permission" => draft.default_permission = Some(permission(reader, value)),
            "default_groups" => draft.default_groups = Some(grants(reader, value)),
            "join_groups" => {
                let names: Vec<_> = reader.list(value).iter().map(|item| (item.mark, reader.text(item).to_owned())).collect();
                for (mark, name) in &names {
                    group_name(reader, *mark, name);
                    if name == "administrators" {
                        reader.complain(*mark, "nobody becomes an administrator by signing up");
                    }
                }
                draft.join_groups = Some(names.into_iter().map(|(_, n)| n).collect());
            }
            "default_order" => {
                let file = reader.file().to_owned();
                let items = reader.list(value).iter();
                draft.default_order =
                    Some(items.map(|i| (Place { file: file.clone(), mark: i.mark }, reader.text(i).to_owned())).collect());
            }
            "require_if_match" => draft.require_if_match = Some(reader.bool(value)),
            "client_ids" => draft.client_ids = Some(reader.bool(value)),
            "audit" => draft.audit = Some(reader.bool(value)),
            "states" => draft.states = Some(machine::read(reader, value)),
            "columns" => {
                for (key, value) in reader.map(value) {
                    field_name(reader, key.mark, &key.name);
                    let place = Place { file: reader.file().to_owned(), mark: key.mark };
                    let column = read_column(reader, &key.name, key.mark, value);
                    draft.columns.push((place, column));
                }
            }
            "relations" => {
                for (key, value) in reader.map(value) {
                    field_name(reader, key.mark, &key.name);
                    let place = Place { file: reader.file().to_owned(), mark: key.mark };
                    if let Some(relation) = read_relation(reader, &key.name, key.mark, value) {
                        draft.relations.push((place, relation));
                    }
                }
            }
            _ => {}
        }
    }
    draft
}

fn field_name(reader: &mut Reader, mark: Mark, name: &str) {
    if RESERVED_FIELDS.contains(&name) {
        reader.complain(mark, format!("`{name}` is taken: every row has it, or JSON:API reserves it"));
    } else if let Err(words) = member_name(name) {
        reader.complain(mark, words);
    }
}

fn read_column(reader: &mut Reader, name: &str, mark: Mark, tree: &Tree) -> Column {
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
    if column.kind == Kind::Json && (column.unique != Unique::No || column.index) {
        reader.complain(mark, "a column of type json can't be unique or indexed");
    }
    column
}

fn read_relation(reader: &mut Reader, name: &str, mark: Mark, tree: &Tree) -> Option<DraftRelation> {
    let mut relation = DraftRelation {
        name: name.to_owned(),
        target: String::new(),
        many: false,
        inverse: None,
        required: false,
        default_caller: false,
        on_delete: None,
        read_only: false,
    };
    for (key, value) in reader.keys(tree, RELATION_KEYS) {
        match key.name.as_str() {
            word @ ("belongs_to" | "many_to_many") => {
                if !relation.target.is_empty() {
                    reader.complain(key.mark, "a relation is either belongs_to or many_to_many");
                }
                relation.many = word == "many_to_many";
                relation.target = reader.text(value).to_owned();
            }
            "inverse" => {
                field_name(reader, value.mark, value.as_text());
                relation.inverse = Some(reader.text(value).to_owned());
            }
            "required" => relation.required = reader.bool(value),
            "read_only" => relation.read_only = reader.bool(value),
            "default" => match reader.text(value) {
                "caller" => relation.default_caller = true,
                other => {
                    let other = other.to_owned();
                    reader.unknown(value.mark, "default of a relation", &other, &["caller"]);
                }
            },
            "on_delete" => match reader.text(value) {
                "restrict" => relation.on_delete = Some(OnDelete::Restrict),
                "cascade" => relation.on_delete = Some(OnDelete::Cascade),
                "set_null" => relation.on_delete = Some(OnDelete::SetNull),
                other => {
                    let other = other.to_owned();
                    reader.unknown(value.mark, "on_delete", &other, &["restrict", "cascade", "set_null"]);
                }
            },
            _ => {}
        }
    }
    if relation.target.is_empty() {
        reader.complain(mark, "a relation needs `belongs_to` or `many_to_many` with an entity's name");
        return None;
    }
    if relation.many && (relation.required || relation.on_delete.is_some() || relation.default_caller) {
        reader.complain(mark, "`required`, `default` and `on_delete` are for belongs_to");
    }
    if relation.required && relation.on_delete == Some(OnDelete::SetNull) {
        reader.complain(mark, "a required relation can't be set to null");
    }
    Some(relation)
}
