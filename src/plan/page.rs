//! Orders, pages and cursors.
//!
//! In charge of: completing every order to a unique one (CP1), and the cursor's form: base64 of the row's sort keys as
//! text. Pure.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use super::{Node, Planner};
use crate::error::Fault;
use crate::request::{Query, RawFilter, RawPage, Total};
use crate::schema::{Column, Relation};

/// One key of an order.
#[derive(Debug, Clone)]
pub struct Key<'s> {
    /// To-one relations that lead to the column.
    pub steps: Vec<&'s Relation>,
    /// The column; none: the id.
    pub column: Option<&'s Column>,
    /// Whether it descends.
    pub descends: bool,
}

impl<'s> Key<'s> {
    /// A column of the entity itself.
    pub fn column(column: &'s Column, descends: bool) -> Key<'s> {
        Key { steps: vec![], column: Some(column), descends }
    }

    /// An expression of its value as it is sorted.
    pub fn sorted(&self, expression: &str) -> String {
        self.column.map_or_else(|| expression.to_owned(), |column| column.ordered(expression))
    }

    /// Whether its value may be null.
    pub fn is_nullable(&self) -> bool {
        self.column.is_some_and(|c| !self.steps.is_empty() || c.is_limited() || !c.required && c.name != "permission")
    }
}

/// Which part of an ordered set of rows.
#[derive(Debug, Clone)]
pub struct Window {
    /// How many rows; one more is fetched to know whether there is more.
    pub size: i64,
    /// Rows skipped.
    pub offset: i64,
    /// Only rows after these keys.
    pub after: Option<Vec<Option<String>>>,
    /// Only rows before these keys, the last ones first.
    pub before: Option<Vec<Option<String>>>,
    /// `page[number]`, where it was asked for.
    pub number: Option<i64>,
    /// How far the rows are counted, where a total was asked for.
    pub total: Option<i64>,
}

impl Window {
    /// The first so many.
    pub fn first(size: i64) -> Window {
        Window { size, offset: 0, after: None, before: None, number: None, total: None }
    }
}

impl RawPage {
    /// Whether nothing was asked.
    pub fn is_empty(&self) -> bool {
        self.size.is_none() && self.number.is_none() && self.after.is_none() && self.before.is_none() && self.total.is_none()
    }
}

/// Completes an order with the id, which goes the way of the last key.
pub fn complete(mut keys: Vec<Key<'_>>) -> Vec<Key<'_>> {
    let at = keys.iter().position(|k| k.column.is_none() && k.steps.is_empty());
    match at {
        Some(at) => keys.truncate(at + 1), // nothing after the id can decide
        None => {
            let descends = keys.last().is_some_and(|k| k.descends);
            keys.push(Key { steps: vec![], column: None, descends });
        }
    }
    keys
}

/// The window that a query asks for (CP2, CP3).
pub fn window(query: &Query, planner: &Planner<'_>, faults: &mut Vec<Fault>) -> Window {
    let raw = &query.page;
    let named = named_ids(query).clamp(planner.page.size, planner.page.most.max(planner.page.size));
    let mut window = Window::first(raw.size.unwrap_or(named));
    window.total = raw.total.map(|total| match total {
        Total::Exact => i64::MAX,
        Total::Estimated => planner.limits.count,
    });
    if window.size > planner.page.most {
        let words = format!("page[size] is at most {}.", planner.page.most);
        faults.push(Fault { most: Some(planner.page.most), ..Fault::new("max-size-exceeded", words).parameter("page[size]") });
    }
    if let Some(number) = raw.number {
        window.number = Some(number);
        window.offset = number.saturating_sub(1).saturating_mul(window.size);
        if window.offset > planner.limits.offset {
            let words = format!("page[number] skips at most {} rows; page[after] has no such limit.", planner.limits.offset);
            faults.push(Fault::new("bad-page", words).parameter("page[number]"));
        }
        if raw.after.is_some() || raw.before.is_some() {
            faults.push(
                Fault::new("bad-page", "page[number] goes with neither page[after] nor page[before].").parameter("page[number]"),
            );
        }
    }
    if raw.after.is_some() && raw.before.is_some() {
        let words = "page[after] and page[before] together (a range) are not supported.";
        faults.push(Fault::new("range-pagination-not-supported", words).parameter("page[before]"));
    }
    for (parameter, text, place) in
        [("page[after]", &raw.after, &mut window.after), ("page[before]", &raw.before, &mut window.before)]
    {
        if let Some(text) = text {
            *place = decode(text);
            if place.is_none() {
                faults.push(bad_cursor(parameter));
            }
        }
    }
    window
}

/// How many rows a query names by their ids: they are one page, as long as one may be so large.
fn named_ids(query: &Query) -> i64 {
    let ids = query.filters.iter().map(|filter| match filter {
        RawFilter::Plain { members, value, .. } if matches!(members.as_slice(), [id, word] if id == "id" && word == "in") => {
            value.split(',').count()
        }
        RawFilter::Plain { .. } | RawFilter::Tree(_) => 0,
    });
    i64::try_from(ids.max().unwrap_or(0)).unwrap_or(i64::MAX)
}

fn bad_cursor(parameter: &str) -> Fault {
    Fault::new("bad-cursor", format!("`{parameter}` is no cursor of this collection and order.")).parameter(parameter)
}

/// Linkage comes in the order of ids: what may only be peeked is neither sorted nor searched by its values.
pub fn order_linkage(root: &mut Node<'_>, query: &Query, faults: &mut Vec<Fault>) {
    let by_id = |(path, _): &(Vec<String>, bool)| path.len() == 1 && path[0] == "id";
    if !query.filters.is_empty() || !query.sort.iter().all(by_id) {
        let words = "Linkage is in the order of ids; sort and filter the related resources.";
        let parameter = if query.filters.is_empty() { "sort" } else { "filter" };
        faults.push(Fault::new("unknown-parameter", words).parameter(parameter));
    }
    let descends = query.sort.first().is_some_and(|(_, descends)| *descends);
    root.order = vec![Key { steps: vec![], column: None, descends }];
    check_cursor(root, faults);
}

/// Checks that a cursor was made for this collection in this order, and that its values fit.
pub fn check_cursor(node: &mut Node<'_>, faults: &mut Vec<Fault>) {
    let (binding, order) = (binding(node), &node.order);
    for (parameter, cursor) in [("page[after]", &mut node.window.after), ("page[before]", &mut node.window.before)] {
        let Some(values) = cursor else { continue };
        let fits = |(key, value): (&Key<'_>, &mut Option<String>)| match (key.column, value) {
            (None, Some(id)) => Uuid::try_parse(id).is_ok(),
            (Some(_), None) => key.is_nullable(),
            (Some(column), Some(value)) => fits_column(column, value),
            (None, None) => false,
        };
        let is_ours = !values.is_empty() && values.remove(0).as_ref() == Some(&binding) && values.len() == order.len();
        if !is_ours || !order.iter().zip(values.iter_mut()).all(fits) {
            faults.push(bad_cursor(parameter));
        }
    }
}

/// Whether PostgreSQL can read the value as the column's type, so that a forged cursor can't raise an error there; it is
/// spelled for PostgreSQL then.
fn fits_column(column: &Column, value: &mut String) -> bool {
    use crate::schema::kind::Wire;
    match column.kind.wire() {
        Wire::Text => column.kind.is_text() && !value.contains('\0') || column.kind.check_query(value).is_ok(),
        Wire::Datetime | Wire::Date if matches!(value.as_str(), "infinity" | "-infinity") => true,
        Wire::Datetime | Wire::Date => {
            let read = column.kind.check_query(value);
            read.map(|read| *value = read).is_ok()
        }
        Wire::Time if value == "24:00:00" => true,
        Wire::Float => value.parse::<f64>().is_ok_and(f64::is_finite),
        _ => column.kind.check_query(value).is_ok(),
    }
}

/// What a cursor is good for: a collection in an order. It begins with this (CP3).
fn binding(node: &Node<'_>) -> String {
    let mut spelled = node.entity.name.clone();
    for key in &node.order {
        let steps = key.steps.iter().map(|step| step.name.as_str());
        let column = key.column.map_or("id", |column| column.name.as_str());
        spelled += if key.descends { "\0-" } else { "\0" };
        spelled += &steps.chain([column]).collect::<Vec<_>>().join(".");
    }
    URL_SAFE_NO_PAD.encode(&digest(&SHA256, spelled.as_bytes()).as_ref()[..6])
}

/// A cursor from a row's sort keys.
pub fn cursor(node: &Node<'_>, values: &[Option<&str>]) -> String {
    encode(&[&[Some(binding(node).as_str())], values].concat())
}

fn encode(values: &[Option<&str>]) -> String {
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(values).unwrap_or_default())
}

fn decode(text: &str) -> Option<Vec<Option<String>>> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    serde_json::from_slice(&bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_come_back_as_they_went() {
        let values = [Some("größe \"x\""), None, Some("")];
        let back = decode(&encode(&values)).expect("a cursor");
        assert_eq!(back.iter().map(Option::as_deref).collect::<Vec<_>>(), values);
        for bad in ["", "x", "!!", "e30"] {
            assert!(decode(bad).is_none(), "{bad}");
        }
    }
}
