//! Schema files → [`Schema`]. Loading is checking: whatever is wrong is said with file, line, column and the nearest name.
//!
//! In charge of: the file format, and overlaying a project's files on the embedded ones (`resolve` puts them together). It must
//! not know the database: whether a table exists is `diff`'s business.

mod column;
mod resolve;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::machine::{self, Machine};
use super::words::{grants, group_name, member_name, permission, was};
use super::{Column, Counted, Grant, OnDelete, Renamed, Schema, Together};
use crate::permission::Permission;
use crate::yaml::{self, Complaint, Mark, Reader, Tree, Value};
use column::{names_before, read_column};

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
    "unique",
    "extends",
    "was",
];
const RELATION_KEYS: &[&str] = &["belongs_to", "many_to_many", "inverse", "required", "default", "on_delete", "read_only", "was"];
const RESERVED_FIELDS: &[&str] = &[
    "id",
    "type",
    "lid",
    "ctid",
    "xmin",
    "xmax",
    "cmin",
    "cmax",
    "tableoid",
    "owner",
    "permission",
    "groups",
    "group_bits",
    "usergroups",
    "version",
    "created_at",
    "updated_at",
];
/// What rows of `world` have beside.
const LOADED: &[&str] = &["default_groups", "default_group_bits", "join_groups"];
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
    unique: Vec<(Place, Together)>,
    /// Of a file for an entity that Rowhouse brings: whether it says that it adds to it.
    extends: bool,
    /// Names before, by the names of today.
    renamed: Vec<(Place, Renamed)>,
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
    let (mut complaints, mut warnings) = (vec![], vec![]);
    let mut drafts: BTreeMap<String, Draft> = BTreeMap::new();
    for file in files {
        let mut reader = Reader::new(&file.path);
        match yaml::from_str(&file.path, &file.text) {
            Ok(tree) => {
                let name = file.stem().to_owned();
                if let Err(words) = entity_name(&name) {
                    reader.complain(Mark::default(), words);
                }
                let draft = read_entity(&mut reader, &name, &tree);
                match drafts.entry(name) {
                    Entry::Vacant(none) => _ = none.insert(draft),
                    Entry::Occupied(mut own) => {
                        foreign(&mut reader, &mut warnings, own.key(), own.get(), &draft);
                        own.get_mut().overlay(draft);
                    }
                }
            }
            Err(complaint) => complaints.push(complaint),
        }
        complaints.append(&mut reader.complaints);
    }
    let schema = Schema { warnings, ..resolve::resolve(drafts, &mut complaints) };
    if complaints.is_empty() { Ok(schema) } else { Err(complaints) }
}

/// What a file may not do to an entity that Rowhouse brings, and was written for another of that name perhaps.
fn foreign(reader: &mut Reader, warnings: &mut Vec<Complaint>, name: &str, own: &Draft, over: &Draft) {
    let brings = over.columns.first().map(|(place, _)| place).or(over.relations.first().map(|(place, _)| place));
    let needless = |required: bool, is_there: bool| required && !is_there;
    for (place, column) in &over.columns {
        let before = own.columns.iter().map(|(_, c)| c).find(|c| c.name == column.name);
        if needless(column.required && column.default.is_none(), before.is_some_and(|c| c.required)) {
            let words = format!(
                "`{name}` is Rowhouse's own, which knows nothing of `{}`: required, it wants a default (an entity of your own needs another name)",
                column.name
            );
            reader.complain(place.mark, words);
        }
        if before.is_some_and(|c| c.kind != column.kind) {
            reader.complain(place.mark, format!("`{}` of `{name}` is Rowhouse's own: its type stays as it is", column.name));
        }
    }
    for (place, relation) in &over.relations {
        let is_there = own.relations.iter().any(|(_, r)| r.name == relation.name && r.required);
        if needless(relation.required, is_there) {
            let words = format!("`{name}` is Rowhouse's own, which knows nothing of `{}`: it can't be required", relation.name);
            reader.complain(place.mark, words);
        }
    }
    if let (Some(place), false) = (brings, over.extends) {
        let words = format!(
            "`{name}` is an entity that Rowhouse brings: a file that adds to it says `extends: true` (the next release wants it; an entity of your own needs another name)"
        );
        warnings.push(Complaint { file: place.file.clone(), line: place.mark.line, column: place.mark.column, words });
    }
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
        self.unique.extend(over.unique);
        self.renamed.extend(over.renamed);
    }
}

fn read_entity(reader: &mut Reader, entity: &str, tree: &Tree) -> Draft {
    let mut draft = Draft::default();
    let place = |reader: &Reader, mark: Mark| Place { file: reader.file().to_owned(), mark };
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
                    let place = place(reader, key.mark);
                    let column = read_column(reader, &key.name, key.mark, value);
                    let renamed = names_before(reader, entity, &key.name, value);
                    draft.renamed.extend(renamed.into_iter().map(|renamed| (place.clone(), renamed)));
                    draft.columns.push((place, column));
                }
            }
            "relations" => {
                for (key, value) in reader.map(value) {
                    field_name(reader, key.mark, &key.name);
                    let place = place(reader, key.mark);
                    if let Some(relation) = read_relation(reader, &key.name, key.mark, value) {
                        let renamed = names_before(reader, entity, &key.name, value);
                        draft.renamed.extend(renamed.into_iter().map(|renamed| (place.clone(), renamed)));
                        draft.relations.push((place, relation));
                    }
                }
            }
            "unique" => {
                for item in reader.list(value) {
                    let together = read_together(reader, item);
                    draft.unique.push((place(reader, item.mark), together));
                }
            }
            "extends" => draft.extends = reader.bool(value),
            "was" => {
                if let Some(was) = was(reader, value, entity) {
                    draft.renamed.push((place(reader, value.mark), Renamed::Entity { was, now: entity.to_owned() }));
                }
            }
            _ => {}
        }
    }
    draft
}

/// Reads fields that are unique together: a list of names, or `{fields, where}`.
fn read_together(reader: &mut Reader, tree: &Tree) -> Together {
    let mut together = Together { fields: vec![], counted: vec![] };
    let (fields, counted) = match &tree.value {
        Value::Map(_) => {
            let entries = reader.keys(tree, &["fields", "where"]);
            let find = |name: &str| entries.iter().find(|(key, _)| key.name == name).map(|(_, value)| value);
            (find("fields"), find("where"))
        }
        Value::List(_) => (Some(tree), None),
        Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) | Value::Text(_) => {
            reader.complain(
                tree.mark,
                "each of them is a list of fields, as in [[room, day]]; `unique: true` of a column is for one",
            );
            return together;
        }
    };
    for item in fields.map(|fields| reader.list(fields)).unwrap_or_default() {
        together.fields.push(reader.text(item).to_owned());
    }
    if together.fields.is_empty() {
        reader.complain(tree.mark, "what is unique together is a list of fields, or `{ fields: […], where: {…} }`");
    }
    for (key, value) in counted.map(|counted| reader.map(counted)).unwrap_or_default() {
        let (is_negated, value) = match &value.value {
            Value::Map(entries) => match entries.as_slice() {
                [(word, value)] if word.name == "not" => (true, value),
                _ => {
                    reader.complain(value.mark, "a value, a list of values, null, or `{ not: one of these }` is wanted");
                    continue;
                }
            },
            _ => (false, value),
        };
        let values = match &value.value {
            Value::List(items) => items.iter().map(Tree::to_json).collect(),
            _ => vec![value.to_json()],
        };
        together.counted.push(Counted { field: key.name.clone(), values, is_negated });
    }
    together
}

fn field_name(reader: &mut Reader, mark: Mark, name: &str) {
    if RESERVED_FIELDS.contains(&name) {
        reader.complain(mark, format!("`{name}` is taken: every row has it, or JSON:API or PostgreSQL reserves it"));
    } else if let Err(words) = member_name(name) {
        reader.complain(mark, words);
    }
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
