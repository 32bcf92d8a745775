//! Shapes: what of a plan is text, as against values.
//!
//! In charge of: a plan's key, by which its shape is found again, and binding a shape's values. Whatever a client may vary
//! without bound is a value, or is part of the key, and then it is counted before it is kept.

use std::sync::Arc;

use uuid::Uuid;

use super::layout::{BRANCH, ID, Layout, MAY, TARGET};
use crate::error::{Error, Result};
use crate::permission::Right;
use crate::plan::aggregate::Totals;
use crate::plan::filter::{Filter, Operator};
use crate::plan::page::{Key, Window};
use crate::plan::{Node, Pick, Plan};
use crate::schema::{Entity, Schema};
use crate::statement::query::{Guarded, Value, array, ids};
use crate::statement::row::Row;
use crate::statement::who::Known;

/// Where a parameter's value comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Param {
    /// The row that the request names, or its rows.
    Named,
    /// How many rows are shown of the root.
    Shown,
    /// One more than that.
    Limit,
    Offset,
    /// How far rows are counted.
    Total,
    /// A value of the cursor, by the key's place.
    Cursor(usize),
    /// The value of a comparison, by its place in the plan.
    Compared(usize),
    /// The values of a comparison, as an array.
    Listed(usize),
    /// One more than is shown of what is included, by its place in the plan.
    Included(usize),
    /// The number that a measure is compared with.
    Having(usize),
    /// The zone in which the parts of the calendar begin.
    Zone,
    /// What goes into a column, by its place in the change.
    Set(usize),
    /// A row that a change links to, by its place there.
    Link(usize),
    /// The versions for which a change is made.
    Versions,
}

/// A statement without its values.
#[derive(Debug)]
pub struct Shape {
    pub(super) text: Arc<str>,
    pub(super) params: Vec<Param>,
    /// How to read its rows.
    pub layout: Layout,
}

/// Of a page: the walk in order, or, where that came up short, what the caller may see at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Part {
    First,
    Candidates,
}

/// What a read found.
pub struct Found {
    /// How to read it.
    pub shape: Arc<Shape>,
    /// Whether the row that is named may be read; none where it may not be peeked, or none is named.
    pub may: Option<bool>,
    /// The same of the row that a to-one leads to.
    pub target: Option<bool>,
    /// The rows of each branch of the layout.
    pub rows: Vec<Vec<Row>>,
}

/// Text that tells shapes apart.
pub(super) struct Writer<'k, 's> {
    key: String,
    known: &'k Known,
    schema: &'s Schema,
}

impl<'s> Writer<'_, 's> {
    pub(super) fn new<'k>(kind: &str, known: &'k Known, schema: &'s Schema) -> Writer<'k, 's> {
        Writer { key: format!("{kind}{:?} ", known.standing()), known, schema }
    }

    /// The key, when all is put.
    pub(super) fn key(self) -> String {
        self.key
    }

    pub(super) fn put(&mut self, mark: char, word: &str) {
        self.key.push(mark);
        self.key.push_str(word);
    }

    /// An entity, and which of its gates are open: a closed one is another text.
    pub(super) fn entity(&mut self, entity: &Entity) {
        self.put('@', &entity.name);
        self.gates(entity);
    }

    fn gates(&mut self, entity: &Entity) {
        let letter = |right, letter| if self.known.may(entity, right) { letter } else { '-' };
        let [peek, read] = [letter(Right::Peek, 'p'), letter(Right::Read, 'r')];
        self.key.extend([peek, read]);
    }

    fn keys(&mut self, keys: &[Key<'s>], cursor: Option<&Vec<Option<String>>>) {
        for (at, key) in keys.iter().enumerate() {
            self.put(if key.descends { '>' } else { '<' }, "");
            for step in &key.steps {
                self.put('.', &step.name);
                self.gates(self.schema.target(step));
            }
            self.put('.', key.column.map_or("id", |c| &c.name));
            let is_null = cursor.is_some_and(|values| values.get(at).is_some_and(Option::is_none));
            self.key.push_str(if is_null { "0" } else { "" });
        }
    }

    fn window(&mut self, window: &Window) {
        let cursor = if window.after.is_some() {
            'a'
        } else if window.before.is_some() {
            'b'
        } else {
            '-'
        };
        self.key.extend([cursor, if window.total.is_some() { 't' } else { '-' }]);
    }

    fn filter(&mut self, filter: &Filter<'s>) {
        let mut some = |mark: char, parts: &[Filter<'s>]| {
            self.key.extend([mark, '(']);
            parts.iter().for_each(|part| self.filter(part));
            self.key.push(')');
        };
        match filter {
            Filter::And(parts) => some('&', parts),
            Filter::Or(parts) => some('|', parts),
            Filter::Not(part) => some('!', std::slice::from_ref(part)),
            Filter::Compare { steps, column, operator, .. } => {
                self.put('?', operator.word());
                for step in steps {
                    self.put('.', &step.name);
                    self.gates(self.schema.target(step));
                }
                self.put('.', column.map_or("", |c| &c.name));
            }
        }
    }

    pub(super) fn node(&mut self, node: &Node<'s>) {
        self.entity(node.entity);
        self.key.push_str(if node.guard.right() == Right::Peek { "p" } else { "r" });
        node.columns.iter().for_each(|column| self.put(',', &column.name));
        for relation in &node.relations {
            self.put(';', &relation.name);
            self.gates(self.schema.target(relation));
        }
        node.filters.iter().for_each(|filter| self.filter(filter));
        self.window(&node.window);
        self.keys(&node.order, node.window.after.as_ref().or(node.window.before.as_ref()));
        self.key.push_str(if node.tells_may { "m" } else { "" });
        for include in &node.includes {
            self.put('[', &include.relation.name);
            self.node(&include.node);
            self.key.push(']');
        }
    }
}

/// What tells the shape of a plan from others.
pub fn key(schema: &Schema, plan: &Plan<'_>, known: &Known, part: Part) -> String {
    let kind = match (plan.pick, part) {
        (Pick::One(_), _) => "one",
        (Pick::Mine, _) => "mine",
        (Pick::These(_), _) => "these",
        (Pick::Page, Part::First) => "page",
        (Pick::Page, Part::Candidates) => "candidates",
        (Pick::Related { .. }, _) => "related",
    };
    let mut writer = Writer::new(kind, known, schema);
    if let Pick::Related { parent, relation, .. } = plan.pick {
        writer.entity(parent);
        writer.put('/', &relation.name);
    }
    writer.key.push_str(if plan.is_lifted { "lifted" } else { "" });
    writer.node(&plan.root);
    if let Some(linked) = &plan.linked {
        writer.key.push('#');
        writer.node(linked);
    }
    writer.key
}

/// What tells the shape of an aggregate from others.
pub fn key_of_totals(schema: &Schema, plan: &Totals<'_>, known: &Known) -> String {
    let mut writer = Writer::new("totals", known, schema);
    writer.entity(plan.entity);
    writer.key.push_str(if plan.zone.is_some() { "zoned" } else { "" });
    for group in &plan.groups {
        writer.put(',', group.trunc.unwrap_or_default());
        writer.keys(std::slice::from_ref(&group.key), None);
    }
    for measure in &plan.measures {
        writer.put(';', measure.function.word());
        writer.put('.', measure.column.map_or("", |c| &c.name));
    }
    plan.filters.iter().for_each(|filter| writer.filter(filter));
    plan.having.iter().for_each(|(at, sign, _)| writer.key.push_str(&format!("?{at}{sign}")));
    plan.order.iter().for_each(|(at, descends)| writer.key.push_str(&format!("<{at}{descends}")));
    writer.key
}

/// The values of comparisons, in the order in which they are spelled.
fn compared<'p, 's>(filters: &'p [Filter<'s>], found: &mut Vec<&'p [String]>) {
    for filter in filters {
        match filter {
            Filter::And(parts) | Filter::Or(parts) => compared(parts, found),
            Filter::Not(part) => compared(std::slice::from_ref(part), found),
            Filter::Compare { operator: Operator::Null | Operator::NotNull, .. } => {}
            Filter::Compare { values, .. } => found.push(values),
        }
    }
}

/// The values that a plan brings.
struct Values<'p> {
    named: Value,
    window: &'p Window,
    compared: Vec<&'p [String]>,
    included: Vec<i64>,
    having: Vec<&'p str>,
    zone: Option<&'p str>,
}

impl Values<'_> {
    fn of(&self, param: Param) -> Value {
        let compared = |at: usize| self.compared.get(at).copied().unwrap_or_default();
        match param {
            Param::Named => self.named.clone(),
            Param::Shown => self.window.size.into(),
            Param::Limit => self.window.size.saturating_add(1).into(),
            Param::Offset => self.window.offset.into(),
            Param::Total => self.window.total.into(),
            Param::Cursor(at) => {
                let cursor = self.window.after.as_ref().or(self.window.before.as_ref());
                cursor.and_then(|values| values.get(at).cloned().flatten()).into()
            }
            Param::Compared(at) => compared(at).first().map(String::as_str).into(),
            Param::Listed(at) => array(compared(at).iter().map(Some)),
            Param::Included(at) => self.included.get(at).map(|size| size.saturating_add(1)).into(),
            Param::Having(at) => self.having.get(at).copied().into(),
            Param::Zone => self.zone.into(),
            Param::Set(_) | Param::Link(_) | Param::Versions => Value::default(), // of changes
        }
    }
}

impl Shape {
    fn bound(&self, known: &Known, values: &Values<'_>) -> Vec<Value> {
        let mut all = known.values();
        all.extend(self.params.iter().map(|param| values.of(*param)));
        all
    }

    fn query(self: &Arc<Self>, values: Vec<Value>) -> Guarded<Option<Found>> {
        let shape = self.clone();
        Guarded::proven(self.text.clone(), values, move |rows| found(&shape, rows))
    }

    /// The statement of a plan of this shape. None where what is known doesn't hold.
    pub fn read(self: &Arc<Self>, plan: &Plan<'_>, known: &Known) -> Guarded<Option<Found>> {
        let includes = plan.includes();
        let mut compared_values = vec![];
        compared(&plan.root.filters, &mut compared_values);
        includes.iter().for_each(|include| compared(&include.node.filters, &mut compared_values));
        let values = Values {
            named: match plan.pick {
                Pick::One(id) | Pick::Related { id, .. } => id.into(),
                Pick::These(rows) => ids(rows),
                Pick::Mine | Pick::Page => Value::default(),
            },
            window: &plan.root.window,
            compared: compared_values,
            included: includes.iter().map(|include| include.node.window.size).collect(),
            having: vec![],
            zone: None,
        };
        self.query(self.bound(known, &values))
    }

    /// The statement of an aggregate of this shape.
    pub fn totals(self: &Arc<Self>, plan: &Totals<'_>, known: &Known) -> Guarded<Option<Found>> {
        let mut compared_values = vec![];
        compared(&plan.filters, &mut compared_values);
        let window = Window { offset: plan.offset, ..Window::first(plan.size) };
        let having = plan.having.iter().map(|(_, _, number)| number.as_str()).collect();
        let values = Values {
            named: Value::default(),
            window: &window,
            compared: compared_values,
            included: vec![],
            having,
            zone: plan.zone.as_deref(),
        };
        self.query(self.bound(known, &values))
    }

    /// The text, for goldens.
    pub fn text(&self) -> &str {
        &self.text
    }
}

pub(super) fn found(shape: &Arc<Shape>, all: Vec<Row>) -> Result<Found> {
    let mut rows: Vec<Vec<Row>> = shape.layout.branches.iter().map(|_| vec![]).collect();
    let first = all.first().ok_or_else(|| Error::internal("no row where there is always one"))?;
    let (may, target) = (first.optional(MAY)?, first.optional(TARGET)?);
    for row in all {
        let branch = match shape.layout.is_branched {
            true => usize::try_from(row.column::<i64>(BRANCH)?).unwrap_or(0),
            // Without a row there is one of nulls; groups have no ids.
            false => usize::from(row.get::<Uuid>(ID)?.is_some()),
        };
        if let Some(place) = branch.checked_sub(1) {
            rows.get_mut(place).ok_or_else(|| Error::internal("a row of no branch"))?.push(row);
        }
    }
    Ok(Found { shape: shape.clone(), may, target, rows })
}
