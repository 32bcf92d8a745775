//! The columns of files: what each may be of an entity, and which ones an export has.

use crate::schema::{Column, Entity, Link, LinkRule, Relation, Schema, Unique};

/// Beside the columns of faulty rows that come back: why. It is left out where they come in again.
pub const FAULT: &str = "import_fault";
/// The groups that a row is granted to.
const GROUPS: &str = "usergroups";

/// What a column of a file is.
#[derive(Debug, Clone, Copy)]
pub enum Field<'s> {
    /// The row's id.
    Id,
    /// A column.
    Column(&'s Column),
    /// The row, or the rows, that it is linked to: by a unique column of theirs, else by their ids.
    Link(&'s Relation, Option<&'s Column>),
    /// The groups that the row is granted to.
    Groups,
    /// Nothing of the row.
    Nothing,
    /// There is no such field, or none that files have.
    Unknown,
}

/// What a name stands for: a column, a link, or `link.column`.
pub fn field<'s>(schema: &'s Schema, entity: &'s Entity, name: &str) -> Field<'s> {
    if let Some(column) = entity.column(name) {
        return Field::Column(column);
    }
    match name {
        "id" => return Field::Id,
        FAULT => return Field::Nothing,
        GROUPS => return Field::Groups,
        _ => {}
    }
    let (relation, by) = name.split_once('.').map_or((name, None), |(relation, column)| (relation, Some(column)));
    let Some(relation) = entity.relation(relation).filter(|relation| is_told(relation)) else { return Field::Unknown };
    let Some(by) = by.filter(|by| *by != "id") else { return Field::Link(relation, None) };
    match schema.target(relation).served(by).filter(is_naming) {
        Some(column) => Field::Link(relation, Some(column)),
        None => Field::Unknown,
    }
}

/// Whether a column names a row to everybody who may read it.
fn is_naming(column: &&Column) -> bool {
    column.is_served() && !column.is_limited() && column.unique == Unique::Everywhere
}

/// Whether files have a relation: those of the row itself, and its owner.
pub(super) fn is_told(relation: &Relation) -> bool {
    match (&relation.link, relation.rule) {
        (Link::One { .. }, LinkRule::Declared | LinkRule::Owner) => true,
        (Link::Through { near, .. }, LinkRule::Declared) => *near == "source",
        (Link::One { .. } | Link::Through { .. } | Link::Inverse { .. } | Link::Array { .. }, _) => false,
    }
}

/// The columns that a file of an entity may have: their names, those of links also by each unique column of the other side.
pub fn names(schema: &Schema, entity: &Entity) -> Vec<String> {
    let mut names: Vec<String> = vec!["id".to_owned()];
    names.extend(entity.columns.iter().filter(|column| column.is_served()).map(|column| column.name.clone()));
    for relation in entity.relations.iter().filter(|relation| is_told(relation)) {
        names.push(relation.name.clone());
        let unique = schema.target(relation).columns.iter().filter(is_naming);
        names.extend(unique.map(|column| format!("{}.{}", relation.name, column.name)));
    }
    names
}

/// The same, and what a file may have for no good: secrets, which are refused by name, and what is left out.
pub fn every(schema: &Schema, entity: &Entity) -> Vec<String> {
    let mut names = names(schema, entity);
    names.extend(entity.columns.iter().filter(|column| !column.is_served()).map(|column| column.name.clone()));
    names.extend(entity.relations.iter().filter(|relation| is_told(relation)).map(|relation| format!("{}.id", relation.name)));
    names.extend([FAULT, GROUPS].map(str::to_owned));
    names
}

/// The columns that a file of an entity has, in order: all but what the system counts by itself. `is_named`: links by the first
/// column that is unique of the other side, and that all of its rows have, where there is one.
pub fn columns(schema: &Schema, entity: &Entity, is_named: bool) -> Vec<String> {
    let is_counted = |column: &&Column| !matches!(column.name.as_str(), "version" | "updated_at");
    let attributes = entity.columns.iter().filter(|c| c.is_served()).filter(is_counted).map(|c| c.name.clone());
    let links = entity.relations.iter().filter(|relation| is_told(relation)).map(|relation| {
        let unique = || schema.target(relation).columns.iter().find(|column| column.required && is_naming(column));
        match unique().filter(|_| is_named && relation.rule == LinkRule::Declared) {
            Some(column) => format!("{}.{}", relation.name, column.name),
            None => relation.name.clone(),
        }
    });
    ["id".to_owned()].into_iter().chain(attributes).chain(links).chain([GROUPS.to_owned()]).collect()
}
