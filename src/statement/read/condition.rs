//! Conditions and orders: filters, sort keys and cursors over what the caller may see.
//!
//! In charge of: which of a client's conditions may stand beside the rule (`permissions.md` §4). All others are computed only
//! on rows that the rule admits: at the row itself, and at every row that a path leads to.

use super::Speller;
use super::shape::Param;
use crate::permission::{Class, Right};
use crate::plan::filter::{Filter, Operator};
use crate::plan::page::Key;
use crate::schema::kind::Kind;
use crate::schema::{Column, Entity, Reading, Relation, quote};

/// Conditions on rows `t`, by where they may stand.
#[derive(Debug, Default)]
pub(super) struct Conditions {
    /// Beside the rule.
    pub beside: Vec<String>,
    /// On rows that the rule admits.
    pub behind: Vec<String>,
}

/// A comparison at the end of a path.
struct Comparison<'f, 's> {
    steps: &'f [&'s Relation],
    column: Option<&'s Column>,
    operator: Operator,
    depth: usize,
}

impl<'s> Speller<'s> {
    /// Parts a node's conditions, which all have to hold.
    pub(super) fn conditions(&mut self, entity: &'s Entity, filters: &[Filter<'s>]) -> Conditions {
        let mut conditions = Conditions::default();
        for filter in filters {
            let may_stand_beside = is_listed(filter);
            let spelled = self.filter(entity, filter, "t");
            let place = if may_stand_beside { &mut conditions.beside } else { &mut conditions.behind };
            place.push(spelled);
        }
        conditions
    }

    /// A column in a condition or an order.
    fn spelled(&self, column: &Column, entity: &Entity, row: &str) -> String {
        if self.is_search && row == "t" { format!("t.{}", quote(&column.name)) } else { self.seen(column, entity, row) }
    }

    /// The rows that a relation leads to from a row, as far as the rule admits them: nothing of a client's is asked of others.
    /// (Their entity is named in the request, so it was asked.)
    fn admitted(&self, entity: &Entity, relation: &Relation, parent: &str) -> String {
        let target = self.schema.target(relation);
        let right = if self.is_search { Right::Peek } else { Right::Read };
        let (link, held) = (self.link(entity, relation, parent, "x"), self.actor.rule(right, target.subject("x")));
        format!("(select x.* from {} x where {link} and {held} offset 0)", target.table())
    }

    /// The expression of a sort key over row `t`.
    pub(super) fn key(&mut self, entity: &Entity, key: &Key<'s>) -> String {
        let mut entities = vec![entity];
        entities.extend(key.steps.iter().map(|relation| self.schema.target(relation)));
        let last = entities[key.steps.len()];
        let column =
            |speller: &Self, row: &str| key.column.map_or_else(|| format!("{row}.id"), |c| speller.spelled(c, last, row));
        if key.steps.is_empty() {
            return column(self, "t");
        }
        let mut spelled = column(self, &format!("x{}", key.steps.len()));
        for (depth, relation) in key.steps.iter().enumerate().rev() {
            let (row, parent) = (format!("x{}", depth + 1), if depth == 0 { "t".to_owned() } else { format!("x{depth}") });
            spelled = format!("(select {spelled} from {} {row})", self.admitted(entities[depth], relation, &parent));
        }
        spelled
    }

    /// The rows beyond a cursor, in the order's direction or against it. Nulls come last ascending, first descending. Beside it
    /// what an index can begin at, where there is such.
    pub(super) fn beyond(
        &mut self,
        order: &[Key<'s>],
        keys: &[String],
        values: &[Option<String>],
        backwards: bool,
    ) -> Vec<String> {
        let (mut spelled, mut start) = ("false".to_owned(), None);
        for (at, ((key, expression), value)) in order.iter().zip(keys).zip(values).enumerate().rev() {
            let kind = key.column.map_or(Kind::Uuid, |c| c.kind.clone()).sql();
            let sorted = key.sorted(expression);
            let descends = key.descends != backwards;
            let (after, same) = match value {
                Some(_) => {
                    let value = key.sorted(&format!("{}::{kind}", self.bind(Param::Cursor(at))));
                    let sign = if descends { "<" } else { ">" };
                    let has_nulls_after = key.is_nullable() && !descends;
                    let nulls = if has_nulls_after { format!(" or {expression} is null") } else { String::new() };
                    start = (!has_nulls_after).then(|| format!("{sorted} {sign}= {value}"));
                    (format!("({sorted} {sign} {value}{nulls})"), format!("{sorted} = {value}"))
                }
                None => {
                    start = None;
                    let after = if descends { format!("{expression} is not null") } else { "false".to_owned() };
                    (after, format!("{expression} is null"))
                }
            };
            spelled = if spelled == "false" { after } else { format!("({after} or {same} and {spelled})") };
        }
        start.into_iter().chain([spelled]).collect()
    }

    fn filter(&mut self, entity: &'s Entity, filter: &Filter<'s>, row: &str) -> String {
        let mut joined = |parts: &[Filter<'s>], word: &str| {
            let parts: Vec<_> = parts.iter().map(|p| self.filter(entity, p, row)).collect();
            format!("({})", parts.join(word))
        };
        match filter {
            Filter::And(parts) => joined(parts, " and "),
            Filter::Or(parts) => joined(parts, " or "),
            Filter::Not(part) => format!("({}) is not true", self.filter(entity, part, row)),
            Filter::Compare { steps, column, operator, .. } => {
                let comparison = Comparison { steps, column: *column, operator: *operator, depth: 0 };
                self.compare(entity, &comparison, row)
            }
        }
    }

    fn compare(&mut self, entity: &'s Entity, comparison: &Comparison<'_, 's>, row: &str) -> String {
        let Some((relation, rest)) = comparison.steps.split_first() else {
            return self.comparison(entity, comparison.column, comparison.operator, row);
        };
        let inner = format!("f{}", comparison.depth);
        let rows = self.admitted(entity, relation, row);
        // "author is null": there is none that the caller may read.
        if rest.is_empty() && comparison.column.is_none() && !comparison.operator.takes_values() {
            let not = if comparison.operator == Operator::Null { "not " } else { "" };
            return format!("{not}exists (select from {rows} {inner})");
        }
        let further = Comparison { steps: rest, depth: comparison.depth + 1, ..*comparison };
        let condition = self.compare(self.schema.target(relation), &further, &inner);
        format!("exists (select from {rows} {inner} where {condition})")
    }

    fn comparison(&mut self, entity: &Entity, column: Option<&'s Column>, operator: Operator, row: &str) -> String {
        let kind = column.map_or(Kind::Uuid, |c| c.kind.clone());
        let plain = column.map_or_else(|| format!("{row}.id"), |c| self.spelled(c, entity, row));
        let fold = |text: String| if kind == Kind::Email { kind.folded(&text) } else { text };
        let left = fold(plain.clone());
        let sorted = |text: String| column.map_or(text.clone(), |column| column.ordered(&text));
        let by_order = sorted(left.clone());
        let cast = kind.sql();
        let number = self.compared;
        self.compared += usize::from(operator.takes_values());
        let mut one = || fold(format!("{}::{cast}", self.bind(Param::Compared(number))));
        match operator {
            Operator::Null => format!("{plain} is null"),
            Operator::NotNull => format!("{plain} is not null"),
            Operator::Eq => format!("{left} = {}", one()),
            Operator::Ne => format!("{left} is distinct from {}", one()),
            Operator::Lt => format!("{by_order} < {}", sorted(one())),
            Operator::Le => format!("{by_order} <= {}", sorted(one())),
            Operator::Gt => format!("{by_order} > {}", sorted(one())),
            Operator::Ge => format!("{by_order} >= {}", sorted(one())),
            Operator::Contains => format!("strpos({plain}, {}::text) > 0", one()),
            Operator::ContainsIgnoringCase => {
                let searched = |text: &str| column.map_or_else(|| text.to_owned(), |column| column.searched(text));
                format!("strpos({}, {}) > 0", searched(&plain), searched(&format!("{}::text", one())))
            }
            Operator::Starts => format!("starts_with({plain}, {}::text)", one()),
            Operator::In | Operator::NotIn => {
                let list = format!("{}::{cast}[]", self.bind(Param::Listed(number)));
                let list =
                    if kind == Kind::Email { format!("array(select {} from unnest({list}) v)", kind.folded("v")) } else { list };
                let found = format!("{left} = any({list})");
                if operator == Operator::In { found } else { format!("({found}) is not true") }
            }
        }
    }

    /// Whether the caller is served a column of a row that they may read.
    pub(super) fn may_see(&self, column: &Column, entity: &Entity, row: &str) -> String {
        self.actor.belongs(column.readers.as_deref().unwrap_or(&[Class::Guest]), entity.subject(row))
    }

    /// A column as the caller sees it: null in rows where they are not served it.
    pub(super) fn seen(&self, column: &Column, entity: &Entity, row: &str) -> String {
        let name = format!("{row}.{}", quote(&column.name));
        match column.is_limited() {
            true => format!("(case when {} then {name} end)", self.may_see(column, entity, row)),
            false => name,
        }
    }
}

/// Whether a condition may stand beside the rule: comparisons of the row's own columns that everybody is served who reads the
/// row, by functions that can't raise and cost the same whatever they compare (`permissions.md` §4).
fn is_listed(filter: &Filter<'_>) -> bool {
    match filter {
        Filter::And(parts) | Filter::Or(parts) => parts.iter().all(is_listed),
        Filter::Not(part) => is_listed(part),
        Filter::Compare { steps, column, operator, .. } => {
            steps.is_empty() && column.is_none_or(is_plain) && operator.is_comparison()
        }
    }
}

/// Whether a column's comparisons may stand beside the rule.
fn is_plain(column: &Column) -> bool {
    !column.is_limited() && column.kind != Kind::Json && column.reading == Reading::default()
}

/// Whether an order's keys may stand beside the rule.
pub(super) fn is_plain_order(keys: &[Key<'_>]) -> bool {
    keys.iter().all(|key| key.steps.is_empty() && key.column.is_none_or(is_plain))
}

/// An order's keys in SQL.
pub(super) fn order(keys: &[Key<'_>], spelled: &[String], backwards: bool) -> String {
    let direction = |key: &Key<'_>| if key.descends != backwards { " desc" } else { "" };
    let keys = keys.iter().zip(spelled).map(|(key, spelled)| format!("{}{}", key.sorted(spelled), direction(key)));
    keys.collect::<Vec<_>>().join(", ")
}
