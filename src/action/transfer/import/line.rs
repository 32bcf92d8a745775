//! A line of a file: what it says of a row of an entity.

use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use super::{FAULTS, planner};
use crate::action::transfer::Transfer;
use crate::action::transfer::table::{Cell, Format, Line};
use crate::error::Fault;
use crate::plan::change::Change;
use crate::request::body;
use crate::schema::kind::Kind;
use crate::schema::{Entity, Link, LinkRule, Relation, Write};

/// A row of a file as a change, like the document that a client would send. What the system sets is left out.
pub(super) fn change<'a>(transfer: &Transfer<'a>, line: &Line, id: Uuid, is_new: bool) -> Change<'a> {
    let entity = transfer.entity;
    let (mut attributes, mut relationships, mut faults) = (Map::new(), Map::new(), vec![]);
    for (name, cell) in line.iter() {
        match (entity.column(name), to_one(entity, name)) {
            (Some(column), _) if column.kind.is_secret() => {
                faults.push(
                    Fault::new("secret", format!("`{name}` can't be imported."))
                        .at(format!("/data/attributes{}", body::step(name))),
                );
            }
            (Some(column), _) if column.write == Write::System => {}
            (Some(column), _) => {
                // An empty cell says nothing of what can't be empty, and nothing of a new row.
                if !(cell.is_empty() && (is_new || column.refuses_null())) {
                    attributes.insert(name.to_owned(), typed(&column.kind, cell));
                }
            }
            (None, Some(relation)) => {
                let target = &transfer.means.schema.target(relation).name;
                let to = if cell.is_empty() { Json::Null } else { json!({"type": target, "id": cell.json()}) };
                relationships.insert(name.to_owned(), json!({"data": to}));
            }
            (None, None) if name == "id" => {}
            (None, None) => _ = attributes.insert(name.to_owned(), cell.json()), // unknown, and told so
        }
    }
    let mut document = json!({"data": {"type": entity.name, "attributes": attributes, "relationships": relationships}});
    if !is_new {
        document["data"]["id"] = json!(id);
    }
    match body::resource(&document) {
        Ok(resource) => {
            let mut change = planner(transfer).change(entity, id, is_new, &resource);
            change.faults.extend(faults);
            change
        }
        Err(more) => {
            faults.extend(more);
            Change::links(entity, id, None, faults)
        }
    }
}

/// A cell as the JSON that a column takes; what doesn't fit stays text, and is refused as such.
pub(super) fn typed(kind: &Kind, cell: &Cell) -> Json {
    match (kind, cell) {
        // A day is its midnight, and midnight its day.
        (Kind::Datetime, Cell::Date(day)) => format!("{day}T00:00:00Z").into(),
        (Kind::Date, Cell::Datetime(time)) => time.strip_suffix("T00:00:00Z").unwrap_or(time).into(),
        (Kind::Json, Cell::Json(value)) => value.clone(),
        _ => match cell.json() {
            Json::String(text) if !kind.is_written_as_text() => body::json(text.trim().as_bytes()).unwrap_or(Json::String(text)),
            other => other,
        },
    }
}

/// The columns that a file of an entity has, in order.
pub fn columns(entity: &Entity) -> Vec<String> {
    let attributes = entity.columns.iter().filter(|c| c.is_served()).map(|c| c.name.clone());
    let ones = entity.relations.iter().filter(|r| matches!(r.link, Link::One { .. }) && r.rule == LinkRule::Declared);
    ["id".to_owned()].into_iter().chain(attributes).chain(ones.map(|r| r.name.clone())).collect()
}

/// More unknown columns than this are told once and not for each row.
const UNKNOWN: usize = 20;

/// The columns of a table that the entity doesn't have, where these are so many that it is another table: its rows all have
/// them. Of JSON each row has names of its own.
pub(super) fn unknown(transfer: &Transfer<'_>, line: &Line) -> Vec<Fault> {
    if transfer.format == Format::Json {
        return vec![];
    }
    let names = line.iter().map(|(name, _)| name).filter(|name| *name != "id" && !is_known(transfer.entity, name));
    let attributes: Map<String, Json> = names.take(FAULTS).map(|name| (name.to_owned(), Json::Null)).collect();
    let document = json!({"data": {"type": transfer.entity.name, "attributes": attributes}});
    match body::resource(&document) {
        Ok(resource) if attributes.len() > UNKNOWN => {
            planner(transfer).change(transfer.entity, Uuid::nil(), false, &resource).faults
        }
        Ok(_) | Err(_) => vec![], // what is made here is a resource
    }
}

/// A relation that a file may have a column of.
fn to_one<'e>(entity: &'e Entity, name: &str) -> Option<&'e Relation> {
    entity.relation(name).filter(|r| matches!(r.link, Link::One { .. }) && r.rule == LinkRule::Declared)
}

fn is_known(entity: &Entity, name: &str) -> bool {
    entity.column(name).is_some() || to_one(entity, name).is_some()
}
