//! Rows → JSON:API documents, written straight from PostgreSQL's binary columns.
//!
//! In charge of: the bytes of documents and of errors. Pure. It must not know access: what it is given may go out.

mod error;
mod link;
mod value;

pub use error::{errors, reason};
pub use link::Place;

use std::collections::{HashMap, HashSet};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use uuid::Uuid;

use crate::access::{Answer, Groups};
use crate::error::{Error, Result};
use crate::plan::aggregate::Totals;
use crate::plan::{Guard, Pick, Plan};
use crate::request::media::{ATOMIC, CURSOR, Form};
use crate::schema::kind::Wire;
use crate::schema::{Entity, Schema};
use crate::statement::read::aggregate::GROUP;
use crate::statement::read::layout::{Branch, ID, NUMBER, PARENT, Rows};
use crate::statement::row::Row;

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

/// Room for a row, and for what stands around all of them, in bytes: where more is needed, more is taken.
const ROOM: usize = 1024;

struct Writer<'a, 's> {
    out: Vec<u8>,
    schema: &'s Schema,
    place: &'a Place<'a>,
    /// Of the parents' entity and the relation, by their places.
    links: HashMap<(usize, usize), Links>,
    /// What URLs of an entity's rows begin with: of the last one, for rows come entity by entity.
    collection: (usize, String),
}

/// Writes the document of a read.
///
/// # Errors
/// 400 where it is larger than an answer may be; 500 where a value doesn't decode.
pub fn render<'s>(plan: &Plan<'s>, answer: &Answer<'s>, place: &Place<'_>) -> Result<Vec<u8>> {
    let schema = answer.schema();
    let layout_of = answer.layout();
    let mut writer = Writer::new(schema, place, answer.rows.iter().map(Vec::len).sum());
    writer.links = links(plan, answer)?;
    writer.put("{\"jsonapi\":{\"version\":\"1.1\"");
    if place.form == Form::Cursors {
        writer.put(&format!(",\"profile\":[\"{CURSOR}\"]"));
    }
    writer.put("},\"links\":");
    writer.top_links(plan, answer)?;
    writer.put(",\"data\":");
    let is_many = plan.pick.is_collection() || matches!(plan.pick, Pick::These(_));
    let is_linkage = plan.root.guard == Guard::PEEK;
    let mut seen = HashSet::new();
    if let Some((Branch::Rows(layout), rows)) = layout_of.branches.first().zip(answer.rows.first()) {
        if is_many {
            writer.put("[");
        }
        for (at, row) in rows.iter().enumerate() {
            if at > 0 {
                writer.put(",");
            }
            match is_linkage {
                true => {
                    let bits = layout.bits.map(|place| row.get(place)).transpose()?;
                    writer.linked(layout.entity(schema), row.get(ID)?, bits);
                }
                false => writer.resource(answer, layout, row)?,
            }
            writer.fits(if is_many { at / if plan.has_include() { 2 } else { 1 } } else { 0 })?;
            if !is_linkage {
                seen.insert((layout.entity, row.get(ID)?));
            }
        }
        if is_many {
            writer.put("]");
        } else if rows.is_empty() {
            writer.put("null");
        }
    }
    if let Some(most) = plan.root.window.total {
        writer.total(answer, most)?;
    }
    if plan.has_include() {
        writer.put(",\"included\":[");
        let mut is_first = true;
        for (branch, rows) in layout_of.branches.iter().zip(&answer.rows).skip(1) {
            let Branch::Rows(layout) = branch else { continue };
            for row in rows {
                if !seen.insert((layout.entity, row.get(ID)?)) {
                    continue;
                }
                if !is_first {
                    writer.put(",");
                }
                is_first = false;
                writer.resource(answer, layout, row)?;
                writer.fits(if is_many { answer.rows.first().map_or(0, Vec::len) / 2 } else { 0 })?;
            }
        }
        writer.put("]");
    }
    writer.put("}");
    Ok(writer.out)
}

/// Writes the results of atomic operations: of each the row that it made or changed, in the answer of its entity; nothing
/// where it has none, and `meta` where the caller may not read it.
///
/// # Errors
/// 500 where a value doesn't decode.
pub fn results(schema: &Schema, rows: &[Option<(Option<&Answer<'_>>, Uuid)>], place: &Place<'_>) -> Result<Vec<u8>> {
    let mut writer = Writer::new(schema, place, rows.len());
    writer.put(&format!("{{\"jsonapi\":{{\"version\":\"1.1\",\"ext\":[\"{ATOMIC}\"]}},\"atomic:results\":["));
    let mut found: HashMap<Uuid, (&Answer<'_>, &Rows, &Row)> = HashMap::new();
    for answer in rows.iter().flatten().filter_map(|(answer, _)| *answer) {
        if let Some((Branch::Rows(layout), rows)) = answer.layout().branches.first().zip(answer.rows.first()) {
            for row in rows {
                found.extend(row.get(ID)?.map(|id| (id, (answer, layout, row))));
            }
        }
    }
    for (at, row) in rows.iter().enumerate() {
        writer.fits(0)?;
        writer.put(if at > 0 { "," } else { "" });
        match row.map(|(_, id)| found.get(&id)) {
            None => writer.put("{}"),
            Some(None) => writer.put("{\"meta\":{\"readable\":false}}"),
            Some(Some((answer, layout, row))) => {
                writer.put("{\"data\":");
                writer.resource(answer, layout, row)?;
                writer.put("}");
            }
        }
    }
    writer.put("]}");
    Ok(writer.out)
}

/// Writes the document of an aggregate: a resource of type `aggregate` for each group. `number`: of the page.
///
/// # Errors
/// 500 where a value doesn't decode.
pub fn totals(schema: &Schema, plan: &Totals<'_>, groups: &Groups, number: Option<i64>, place: &Place<'_>) -> Result<Vec<u8>> {
    let mut writer = Writer::new(schema, place, groups.rows.len());
    writer.put("{\"jsonapi\":{\"version\":\"1.1\"},\"links\":{\"self\":");
    writer.text(&place.own());
    let number = number.unwrap_or(1);
    let to = |n: i64| Some(("page[number]", n.to_string()));
    let next = groups.has_more.then(|| to(number + 1));
    for (name, page) in [("first", Some(None)), ("prev", (number > 1).then(|| to(number - 1))), ("next", next)] {
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
    if let Some(Branch::Groups(outputs)) = groups.shape.layout.branches.first() {
        for (at, row) in groups.rows.iter().enumerate() {
            writer.put(if at > 0 { "," } else { "" });
            writer.put("{\"type\":\"aggregate\",\"id\":");
            writer.text(row.get(GROUP)?.unwrap_or_default());
            writer.put(",\"attributes\":{");
            for (at, (member, output)) in plan.members().zip(outputs).enumerate() {
                writer.put(if at > 0 { "," } else { "" });
                writer.text(member);
                writer.put(":");
                match (output.is_number, row.binary(output.value)) {
                    (true, Some(number)) => writer.out.extend_from_slice(number),
                    (_, raw) => writer.value(output.wire, raw)?,
                }
            }
            writer.put("}}");
        }
    }
    writer.put("]}");
    Ok(writer.out)
}

/// Linkage of every included to-many relationship: for each parent that was fetched, empty or not.
fn links(plan: &Plan<'_>, answer: &Answer<'_>) -> Result<HashMap<(usize, usize), Links>> {
    let includes = plan.includes();
    let mut all: HashMap<(usize, usize), Links> = HashMap::new();
    for (branch, rows) in answer.layout().branches.iter().zip(&answer.rows) {
        let Branch::Links { from, relation, include, bits } = branch else { continue };
        let Some(Branch::Rows(parents)) = answer.layout().branches.get(*from) else { continue };
        let Some(include) = includes.get(*include) else { continue };
        let links = all.entry((parents.entity, *relation)).or_default();
        for row in &answer.rows[*from] {
            links.extend(row.get(ID)?.filter(|id| !links.contains_key(id)).map(|id| (id, Default::default())));
        }
        let size = include.node.window.size;
        for row in rows {
            let (Some(parent), Some(id)) = (row.get(PARENT)?, row.get(ID)?) else { continue };
            let (linked, next) = links.entry(parent).or_default();
            if row.get(NUMBER)?.is_some_and(|n| n > size) {
                let page = [("page[size]".to_owned(), size.to_string()), ("page[number]".to_owned(), "2".to_owned())];
                let mut query = form_urlencoded::Serializer::new(String::new());
                *next = Some(query.extend_pairs(&include.shape).extend_pairs(page).finish());
            } else if !linked.iter().any(|l| l.id == id) {
                linked.push(Linked { id, bits: bits.map(|place| row.get(place)).transpose()? });
            }
        }
    }
    Ok(all)
}

impl<'a, 's> Writer<'a, 's> {
    /// For about so many rows.
    fn new(schema: &'s Schema, place: &'a Place<'a>, rows: usize) -> Writer<'a, 's> {
        let out = Vec::with_capacity(ROOM + rows * ROOM);
        Writer { out, schema, place, links: HashMap::new(), collection: (usize::MAX, String::new()) }
    }

    fn put(&mut self, text: &str) {
        self.out.extend_from_slice(text.as_bytes());
    }

    fn text(&mut self, text: &str) {
        // Without an end before the end, this is done many bytes at a time; and mostly nothing is escaped.
        if text.bytes().fold(true, |plain, b| plain & (b >= b' ') & (b != b'"') & (b != b'\\')) {
            return self.parts(&["\"", text, "\""]);
        }
        _ = serde_json::to_writer(&mut self.out, text); // writing to memory can't fail
    }

    fn identifier(&mut self, entity: &Entity, id: Option<Uuid>) {
        self.linked(entity, id, None);
    }

    /// An identifier; of a grant with `meta.permission`, the bits of its own or null.
    fn linked(&mut self, entity: &Entity, id: Option<Uuid>, bits: Option<Option<i64>>) {
        let Some(id) = id else { return self.put("null") };
        let mut hyphenated = Uuid::encode_buffer();
        self.parts(&["{\"type\":\"", &entity.name, "\",\"id\":\"", id.hyphenated().encode_lower(&mut hyphenated), "\""]);
        if let Some(bits) = bits {
            let bits = bits.map_or_else(|| "null".to_owned(), |b| b.to_string());
            self.put(&format!(",\"meta\":{{\"permission\":{bits}}}"));
        }
        self.put("}");
    }

    /// How many there are that the caller may see (CP7); where the count stopped, at least so many.
    fn total(&mut self, answer: &Answer<'_>, most: i64) -> Result<()> {
        let total = answer.layout().branches.iter().zip(&answer.rows).find(|(branch, _)| matches!(branch, Branch::Total));
        let row = total.and_then(|(_, rows)| rows.first()).ok_or_else(|| Error::internal("no total"))?;
        let total = row.get(NUMBER)?.unwrap_or(0);
        match total < most {
            true => {
                self.put(&format!(",\"meta\":{{\"page\":{{\"total\":{total}}}"));
                for name in self.place.total_as {
                    self.put(&format!(",\"{name}\":{total}"));
                }
                self.put("}");
            }
            false => self.put(&format!(",\"meta\":{{\"page\":{{\"estimatedTotal\":{{\"bestGuess\":{total}}}}}}}")),
        }
        Ok(())
    }

    /// The URL of a row; nothing in it has to be escaped in JSON.
    fn url(&mut self, entity: &Entity, id: &str) -> String {
        if self.collection.0 != entity.at {
            let collection = format!("{}/api/{}/", self.place.base, utf8_percent_encode(&entity.name, SEGMENT));
            self.collection = (entity.at, collection);
        }
        [self.collection.1.as_str(), id].concat()
    }

    /// Text in parts in which nothing has to be escaped. Names of entities, columns and relations are such
    /// ([`member_name`](crate::schema::words::member_name)).
    fn parts(&mut self, parts: &[&str]) {
        parts.iter().for_each(|part| self.put(part));
    }

    fn resource(&mut self, answer: &Answer<'_>, layout: &Rows, row: &Row) -> Result<()> {
        let entity = layout.entity(self.schema);
        let Some(id) = row.get(ID)? else {
            self.put("null");
            return Ok(());
        };
        let mut hyphenated = Uuid::encode_buffer();
        let text = &*id.hyphenated().encode_lower(&mut hyphenated);
        let url = self.url(entity, text);
        self.parts(&["{\"type\":\"", &entity.name, "\",\"id\":\"", text, "\",\"attributes\":{"]);
        let mut comma = "";
        for (at, attribute) in &layout.columns {
            if let Some(is_served) = attribute.is_served
                && row.get(is_served)? != Some(true)
            {
                continue;
            }
            let column = &entity.columns[*at];
            self.parts(&[comma, "\"", &column.name, "\":"]);
            comma = ",";
            self.value(column.kind.wire(), row.binary(attribute.value))?;
        }
        self.put("},\"relationships\":{");
        comma = "";
        for (at, place) in &layout.relations {
            let relation = &entity.relations[*at];
            let target = self.schema.target(relation);
            let linked = match self.links.is_empty() {
                true => None,
                false => self.links.get(&(entity.at, *at)).and_then(|l| l.get(&id)).cloned(),
            };
            // Links that lead to a refusal are left out, and a relationship that holds nothing else (`permissions.md` §4).
            let is_open = answer.is_open(target);
            if !is_open && place.is_none() && linked.is_none() {
                continue;
            }
            self.parts(&[comma, "\"", &relation.name, "\":{"]);
            comma = ",";
            let has_data = place.is_some() || linked.is_some();
            if is_open {
                let next = linked.as_ref().and_then(|(_, next)| next.as_deref());
                self.relation_links(&url, &relation.name, next);
                self.put(if has_data { "," } else { "" });
            }
            if let Some(place) = place {
                self.put("\"data\":");
                self.identifier(target, row.get(*place)?);
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
        self.parts(&["},\"links\":{\"self\":\"", &url, "\"}"]);
        if !layout.may.is_empty() {
            self.put(",\"meta\":{\"may\":{");
            for (at, (right, place)) in layout.may.iter().enumerate() {
                let comma = if at > 0 { "," } else { "" };
                let closed = entity.name == "world" && self.is_closed(layout, row, *right);
                let may = row.get(*place)?.unwrap_or(false) && !closed;
                self.put(&format!("{comma}\"{}\":{may}", right.word()));
            }
            self.put("}}");
        }
        self.put("}");
        Ok(())
    }

    /// A relationship's links; with the next page of what is included, where there is more.
    fn relation_links(&mut self, url: &str, name: &str, next: Option<&str>) {
        let name: std::borrow::Cow<'_, str> = utf8_percent_encode(name, SEGMENT).into();
        self.parts(&["\"links\":{\"self\":\"", url, "/relationships/", &name, "\",\"related\":\"", url, "/", &name, "\""]);
        if let Some(next) = next {
            self.parts(&[",\"prev\":null,\"next\":\"", url, "/", &name, "?", next, "\""]);
        }
        self.put("}");
    }

    /// Whether the entity that a row of `world` is about refuses the right to everybody.
    fn is_closed(&self, layout: &Rows, row: &Row, right: crate::permission::Right) -> bool {
        let name = layout.named(self.schema, "name").and_then(|place| row.binary(place));
        let name = name.and_then(|name| std::str::from_utf8(name).ok());
        name.and_then(|n| self.schema.entity(n)).is_some_and(|e| e.is_closed(right))
    }

    /// Whether what is written is no larger than an answer may be. `rows`: so many were written before, and fit.
    fn fits(&self, rows: usize) -> Result<()> {
        let most = self.place.most;
        if self.out.len() <= most { Ok(()) } else { Err(Error::TooMuch { most, rows }) }
    }

    fn value(&mut self, wire: Wire, raw: Option<&[u8]>) -> Result<()> {
        let Some(raw) = raw else {
            self.put("null");
            return Ok(());
        };
        match wire {
            Wire::Text => self.text(value::text(raw)?),
            Wire::Json => self.out.extend_from_slice(raw.get(1..).unwrap_or(b"null")), // the first byte is jsonb's version
            Wire::Boolean => self.put(if raw == [1] { "true" } else { "false" }),
            Wire::Integer => {
                _ = serde_json::to_writer(&mut self.out, &value::number(raw)?); // writing to memory can't fail
            }
            Wire::Float => {
                let float = f64::from_be_bytes(raw.try_into().map_err(Error::internal)?);
                _ = serde_json::to_writer(&mut self.out, &float);
            }
            // None of these has anything to escape.
            Wire::Uuid | Wire::Datetime | Wire::Date | Wire::Time => {
                let text = value::plain(wire, raw)?;
                self.parts(&["\"", &text, "\""]);
            }
        }
        Ok(())
    }
}
