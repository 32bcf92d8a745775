//! Rows → JSON:API documents, written straight from PostgreSQL's binary columns.
//!
//! In charge of: the bytes of documents and of errors. Pure. It must not know access: what it is given may go out.

mod error;
mod link;

pub use error::{errors, reason};
pub use link::Place;

use std::collections::{HashMap, HashSet};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use uuid::Uuid;

use crate::access::Answer;
use crate::plan::{Guard, Pick, Plan};
use crate::request::media::{ATOMIC, CURSOR, Form};
use crate::schema::kind::Wire;
use crate::schema::{Entity, Schema};
use crate::statement::read::{Branch, FIXED as FIRST_SLOT, Layout, Rows};
use crate::store::Row;

/// What may stand in a path's segment as it is.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Who is linked to a row along a relation: those shown, and where there are more, the query of their next page.
type Links = HashMap<Uuid, (Vec<Linked>, Option<String>)>;

/// A linked row; of a grant, with the bits of its own, or none.
#[derive(Debug, Clone, Copy)]
struct Linked {
    id: Uuid,
    bits: Option<Option<i64>>,
}

struct Writer<'a, 's> {
    out: Vec<u8>,
    schema: &'s Schema,
    place: &'a Place<'a>,
    links: HashMap<(usize, &'s str), Links>,
    /// The entities to which links may lead.
    open: HashSet<usize>,
}

/// Writes the document of a read.
pub fn render<'s>(schema: &'s Schema, plan: &Plan<'s>, answer: &Answer<'s>, place: &Place<'_>) -> Vec<u8> {
    let mut writer = Writer {
        out: Vec::with_capacity(1024),
        schema,
        place,
        links: links(answer),
        open: answer.open.iter().copied().collect(),
    };
    writer.put("{\"jsonapi\":{\"version\":\"1.1\"");
    if place.form == Form::Cursors {
        writer.put(&format!(",\"profile\":[\"{CURSOR}\"]"));
    }
    writer.put("},\"links\":");
    writer.top_links(plan, answer);
    writer.put(",\"data\":");
    let is_many = plan.pick.is_collection() || matches!(plan.pick, Pick::These(_));
    let is_linkage = plan.root.guard == Guard::PEEK;
    let mut seen = HashSet::new();
    if let Some((Branch::Rows(layout), rows)) = answer.layout.branches.first().zip(answer.rows.first()) {
        if is_many {
            writer.put("[");
        }
        for (at, row) in rows.iter().enumerate() {
            if at > 0 {
                writer.put(",");
            }
            match is_linkage {
                true => writer.linked(layout.entity, row.uuid(3), layout.bits.map(|slot| row.int(slot))),
                false => writer.resource(layout, row),
            }
            if !is_linkage {
                seen.insert((layout.entity.at, row.uuid(3)));
            }
        }
        if is_many {
            writer.put("]");
        } else if rows.is_empty() {
            writer.put("null");
        }
    }
    if let Some(most) = plan.root.window.total {
        writer.total(answer, most);
    }
    if plan.has_include() {
        writer.put(",\"included\":[");
        let mut is_first = true;
        for (branch, rows) in answer.layout.branches.iter().zip(&answer.rows).skip(1) {
            let Branch::Rows(layout) = branch else { continue };
            for row in rows.iter().filter(|row| seen.insert((layout.entity.at, row.uuid(3)))) {
                if !is_first {
                    writer.put(",");
                }
                is_first = false;
                writer.resource(layout, row);
            }
        }
        writer.put("]");
    }
    writer.put("}");
    writer.out
}

/// Writes the results of atomic operations: of each the row that it made or changed, in the answer of its entity; nothing
/// where it has none, and `meta` where the caller may not read it.
pub fn results(schema: &Schema, rows: &[Option<(Option<&Answer<'_>>, Uuid)>], place: &Place<'_>) -> Vec<u8> {
    let mut writer = Writer { out: Vec::with_capacity(1024), schema, place, links: HashMap::new(), open: HashSet::new() };
    writer.put(&format!("{{\"jsonapi\":{{\"version\":\"1.1\",\"ext\":[\"{ATOMIC}\"]}},\"atomic:results\":["));
    let mut found: HashMap<Uuid, (&Rows<'_>, &Row)> = HashMap::new();
    for answer in rows.iter().flatten().filter_map(|(answer, _)| *answer) {
        writer.open.extend(&answer.open);
        if let Some((Branch::Rows(layout), rows)) = answer.layout.branches.first().zip(answer.rows.first()) {
            found.extend(rows.iter().filter_map(|row| Some((row.uuid(3)?, (layout, row)))));
        }
    }
    for (at, row) in rows.iter().enumerate() {
        writer.put(if at > 0 { "," } else { "" });
        match row.map(|(_, id)| found.get(&id)) {
            None => writer.put("{}"),
            Some(None) => writer.put("{\"meta\":{\"readable\":false}}"),
            Some(Some((layout, row))) => {
                writer.put("{\"data\":");
                writer.resource(layout, row);
                writer.put("}");
            }
        }
    }
    writer.put("]}");
    writer.out
}

/// Writes the document of an aggregate: a resource of type `aggregate` for each group.
pub fn totals(
    schema: &Schema,
    layout: &Layout<'_>,
    rows: &[Row],
    has_more: bool,
    number: Option<i64>,
    place: &Place<'_>,
) -> Vec<u8> {
    let mut writer = Writer { out: Vec::with_capacity(1024), schema, place, links: HashMap::new(), open: HashSet::new() };
    writer.put("{\"jsonapi\":{\"version\":\"1.1\"},\"links\":{\"self\":");
    writer.text(&place.own());
    let number = number.unwrap_or(1);
    let to = |n: i64| Some(("page[number]", n.to_string()));
    let pages =
        [("first", Some(None)), ("prev", (number > 1).then(|| to(number - 1))), ("next", has_more.then(|| to(number + 1)))];
    for (name, page) in pages {
        writer.put(&format!(",\"{name}\":"));
        match page {
            Some(page) => {
                let link = writer.page(page);
                writer.text(&link);
            }
            None => writer.put("null"),
        }
    }
    writer.put("},\"data\":[");
    if let Some(Branch::Groups(told)) = layout.branches.first() {
        for (at, row) in rows.iter().enumerate() {
            writer.put(if at > 0 { "," } else { "" });
            writer.put("{\"type\":\"aggregate\",\"id\":");
            writer.text(row.text(FIRST_SLOT).unwrap_or_default());
            writer.put(",\"attributes\":{");
            for (at, value) in told.iter().enumerate() {
                writer.put(if at > 0 { "," } else { "" });
                writer.text(&value.member);
                writer.put(":");
                match value.is_number {
                    true => writer.put(row.text(value.slot).unwrap_or("null")),
                    false => writer.value(value.wire, row.raw(value.slot)),
                }
            }
            writer.put("}}");
        }
    }
    writer.put("]}");
    writer.out
}

/// Linkage of every included to-many relationship: for each parent that was fetched, empty or not.
fn links<'s>(answer: &Answer<'s>) -> HashMap<(usize, &'s str), Links> {
    let mut all: HashMap<(usize, &'s str), Links> = HashMap::new();
    for (branch, rows) in answer.layout.branches.iter().zip(&answer.rows) {
        let Branch::Links { from, relation, size, bits, shape } = branch else { continue };
        let Some(Branch::Rows(parents)) = answer.layout.branches.get(*from) else { continue };
        let links = all.entry((parents.entity.at, relation.name.as_str())).or_default();
        for id in answer.rows[*from].iter().filter_map(|row| row.uuid(3)) {
            links.entry(id).or_default();
        }
        for row in rows {
            let (Some(parent), Some(id)) = (row.uuid(2), row.uuid(3)) else { continue };
            let (linked, next) = links.entry(parent).or_default();
            if row.int(1).is_some_and(|n| n > *size) {
                let page = [("page[size]".to_owned(), size.to_string()), ("page[number]".to_owned(), "2".to_owned())];
                let mut query = form_urlencoded::Serializer::new(String::new());
                *next = Some(query.extend_pairs(shape).extend_pairs(page).finish());
            } else if !linked.iter().any(|l| l.id == id) {
                linked.push(Linked { id, bits: bits.map(|slot| row.int(slot)) });
            }
        }
    }
    all
}

impl<'s> Writer<'_, 's> {
    fn put(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    fn text(&mut self, text: &str) {
        _ = serde_json::to_writer(&mut self.out, text); // writing to memory can't fail
    }

    fn identifier(&mut self, entity: &Entity, id: Option<Uuid>) {
        self.linked(entity, id, None);
    }

    /// An identifier; of a grant with `meta.permission`, the bits of its own or null.
    fn linked(&mut self, entity: &Entity, id: Option<Uuid>, bits: Option<Option<i64>>) {
        let Some(id) = id else { return self.put("null") };
        self.put("{\"type\":");
        self.text(&entity.name);
        self.put(&format!(",\"id\":\"{id}\""));
        if let Some(bits) = bits {
            let bits = bits.map_or_else(|| "null".to_owned(), |b| b.to_string());
            self.put(&format!(",\"meta\":{{\"permission\":{bits}}}"));
        }
        self.put("}");
    }

    /// How many there are that the caller may see (CP7); where the count stopped, at least so many.
    fn total(&mut self, answer: &Answer<'_>, most: i64) {
        let total = answer.layout.branches.iter().zip(&answer.rows).find(|(branch, _)| matches!(branch, Branch::Total));
        let total = total.and_then(|(_, rows)| rows.first()?.int(1)).unwrap_or(0);
        match total < most {
            true => self.put(&format!(",\"meta\":{{\"page\":{{\"total\":{total}}}}}")),
            false => self.put(&format!(",\"meta\":{{\"page\":{{\"estimatedTotal\":{{\"bestGuess\":{total}}}}}}}")),
        }
    }

    fn url(&self, entity: &Entity, id: Uuid) -> String {
        format!("{}/api/{}/{id}", self.place.base, utf8_percent_encode(&entity.name, SEGMENT))
    }

    fn resource(&mut self, layout: &Rows<'s>, row: &Row) {
        let entity = layout.entity;
        let Some(id) = row.uuid(3) else { return self.put("null") };
        let url = self.url(entity, id);
        self.put("{\"type\":");
        self.text(&entity.name);
        self.put(&format!(",\"id\":\"{id}\",\"attributes\":{{"));
        let is_served = |slot: usize| layout.limited.iter().all(|(limited, flag)| *limited != slot || row.bool(*flag));
        for (at, (column, slot)) in layout.columns.iter().filter(|(_, slot)| is_served(*slot)).enumerate() {
            if at > 0 {
                self.put(",");
            }
            self.text(&column.name);
            self.put(":");
            self.value(column.kind.wire(), row.raw(*slot));
        }
        self.put("},\"relationships\":{");
        let mut is_first = true;
        for (relation, slot) in &layout.relations {
            let target = self.schema.target(relation);
            let linked = self.links.get(&(entity.at, relation.name.as_str())).and_then(|l| l.get(&id)).cloned();
            // Links that lead to a refusal are left out, and a relationship that holds nothing else (`permissions.md` §4).
            let is_open = self.open.contains(&target.at);
            if !is_open && slot.is_none() && linked.is_none() {
                continue;
            }
            self.put(if is_first { "" } else { "," });
            is_first = false;
            self.text(&relation.name);
            self.put(":{");
            let has_data = slot.is_some() || linked.is_some();
            if is_open {
                let next = linked.as_ref().and_then(|(_, next)| next.as_deref());
                self.relation_links(&url, &relation.name, next);
                self.put(if has_data { "," } else { "" });
            }
            if let Some(slot) = slot {
                self.put("\"data\":");
                self.identifier(target, row.uuid(*slot));
            } else if let Some((linked, next)) = linked {
                self.put(if next.is_some() { "\"meta\":{\"truncated\":true},\"data\":[" } else { "\"data\":[" });
                for (at, other) in linked.iter().enumerate() {
                    self.put(if at > 0 { "," } else { "" });
                    self.linked(target, Some(other.id), other.bits);
                }
                self.put("]");
            }
            self.put("}");
        }
        self.put("},\"links\":{\"self\":");
        self.text(&url);
        self.put("}");
        if !layout.may.is_empty() {
            self.put(",\"meta\":{\"may\":{");
            for (at, (right, slot)) in layout.may.iter().enumerate() {
                let comma = if at > 0 { "," } else { "" };
                let closed = entity.name == "world" && self.is_closed(layout, row, *right);
                self.put(&format!("{comma}\"{}\":{}", right.word(), row.bool(*slot) && !closed));
            }
            self.put("}}");
        }
        self.put("}");
    }

    /// A relationship's links; with the next page of what is included, where there is more.
    fn relation_links(&mut self, url: &str, name: &str, next: Option<&str>) {
        let name = utf8_percent_encode(name, SEGMENT).to_string();
        self.put("\"links\":{\"self\":");
        self.text(&format!("{url}/relationships/{name}"));
        self.put(",\"related\":");
        self.text(&format!("{url}/{name}"));
        if let Some(next) = next {
            self.put(",\"prev\":null,\"next\":");
            self.text(&format!("{url}/{name}?{next}"));
        }
        self.put("}");
    }

    /// Whether the entity that a row of `world` is about refuses the right to everybody.
    fn is_closed(&self, layout: &Rows<'s>, row: &Row, right: crate::permission::Right) -> bool {
        let name = layout.columns.iter().find(|(c, _)| c.name == "name").and_then(|(_, slot)| row.text(*slot));
        name.and_then(|n| self.schema.entity(n)).is_some_and(|e| e.is_closed(right))
    }

    fn value(&mut self, wire: Wire, raw: Option<&[u8]>) {
        let Some(raw) = raw else { return self.put("null") };
        match wire {
            Wire::Text => self.text(&String::from_utf8_lossy(raw)),
            Wire::Json => self.out.extend_from_slice(raw.get(1..).unwrap_or(b"null")), // the first byte is jsonb's version
            Wire::Boolean => self.put(if raw == [1] { "true" } else { "false" }),
            Wire::Integer => self.put(&number(raw).to_string()),
            Wire::Float => {
                let float = raw.try_into().map(f64::from_be_bytes).unwrap_or_default();
                _ = serde_json::to_writer(&mut self.out, &float);
            }
            Wire::Uuid => {
                let text = Uuid::from_slice(raw).map(|id| id.to_string()).unwrap_or_default();
                self.text(&text);
            }
            Wire::Datetime => {
                let instant = jiff::Timestamp::from_microsecond(number(raw).saturating_add(EPOCH)).map(|t| t.to_string());
                self.text(&instant.unwrap_or_default());
            }
            Wire::Date => {
                let days = raw.try_into().map(i32::from_be_bytes).unwrap_or_default();
                let date = jiff::civil::date(2000, 1, 1).checked_add(jiff::Span::new().days(days)).map(|d| d.to_string());
                self.text(&date.unwrap_or_default());
            }
            Wire::Time => {
                let time =
                    jiff::civil::Time::midnight().checked_add(jiff::Span::new().microseconds(number(raw))).map(|t| t.to_string());
                self.text(&time.unwrap_or_default());
            }
        }
    }
}

/// Microseconds from 1970 to PostgreSQL's year 2000.
const EPOCH: i64 = 946_684_800_000_000;

fn number(raw: &[u8]) -> i64 {
    raw.try_into().map(i64::from_be_bytes).unwrap_or_default()
}
