//! Aggregates × schema → a plan: groups, measures, conditions on them, and the order.
//!
//! In charge of: which functions a type has. What the caller can't read doesn't exist here either. Pure.

use super::filter::{self, Filter};
use super::page::Key;
use super::{Planner, name};
use crate::error::Fault;
use crate::request::aggregate::{Aggregate, Term};
use crate::schema::kind::{Kind, Wire};
use crate::schema::{Column, Entity};

/// An aggregate, planned.
#[derive(Debug)]
pub struct Totals<'s> {
    /// Whose rows.
    pub entity: &'s Entity,
    /// Entities that the request names.
    pub named: Vec<&'s Entity>,
    /// What rows are put together by.
    pub groups: Vec<Group<'s>>,
    /// Where the parts of the calendar begin.
    pub zone: Option<String>,
    /// What is told of each group.
    pub measures: Vec<Measure<'s>>,
    /// Conditions on rows.
    pub filters: Vec<Filter<'s>>,
    /// Conditions on measures: which, the comparison in SQL's words, and a number.
    pub having: Vec<(usize, &'static str, String)>,
    /// Which output (groups, then measures), and whether it descends.
    pub order: Vec<(usize, bool)>,
    /// How many groups at most.
    pub size: i64,
    /// Groups skipped.
    pub offset: i64,
    /// What can't be planned.
    pub faults: Vec<Fault>,
    /// What can't be planned for guests.
    pub guest_faults: Vec<Fault>,
}

/// What rows are put together by.
#[derive(Debug)]
pub struct Group<'s> {
    /// The attribute's name in the answer.
    pub member: String,
    /// The column, and the way to it.
    pub key: Key<'s>,
    /// The part of a point in time that counts, as PostgreSQL's `date_trunc` calls it.
    pub trunc: Option<&'static str>,
}

/// What is told of a group.
#[derive(Debug)]
pub struct Measure<'s> {
    /// The attribute's name in the answer.
    pub member: String,
    /// How it is computed.
    pub function: Function,
    /// Of which column; none: of the rows.
    pub column: Option<&'s Column>,
}

/// How a measure is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Function {
    Count,
    Sum,
    Avg,
    Min,
    Max,
}

impl Function {
    /// The word that stands for it.
    pub fn word(self) -> &'static str {
        FUNCTIONS.iter().find(|(_, function)| *function == self).map_or("", |(word, _)| word)
    }
}

const FUNCTIONS: &[(&str, Function)] =
    &[("count", Function::Count), ("sum", Function::Sum), ("avg", Function::Avg), ("min", Function::Min), ("max", Function::Max)];
const PARTS: &[&str] = &["year", "quarter", "month", "week", "day", "hour"];
const COMPARISONS: &[(&str, &str)] = &[("eq", "="), ("ne", "<>"), ("lt", "<"), ("le", "<="), ("gt", ">"), ("ge", ">=")];
/// Most groups and most measures of one request.
const TERMS: usize = 10;

impl Totals<'_> {
    /// The names of what goes out of each group, in order.
    pub fn members(&self) -> impl Iterator<Item = &str> {
        let groups = self.groups.iter().map(|group| group.member.as_str());
        groups.chain(self.measures.iter().map(|measure| measure.member.as_str()))
    }
}

impl Measure<'_> {
    /// Whether it is a number that is written exactly, as text is in PostgreSQL.
    pub fn is_number(&self) -> bool {
        matches!(self.function, Function::Count | Function::Sum | Function::Avg)
    }
}

fn is_numeric(column: &Column) -> bool {
    matches!(column.kind, Kind::Integer | Kind::Rating | Kind::Float | Kind::Decimal { .. })
}

impl<'s> Planner<'s> {
    /// Plans an aggregate over what the caller may read.
    pub fn totals(&self, entity: &'s Entity, asked: &Aggregate) -> Totals<'s> {
        let (mut faults, mut guest_faults) = (asked.query.faults.clone(), vec![]);
        let (mut named, mut terms) = (vec![entity], 0);
        let filters = asked
            .query
            .filters
            .iter()
            .filter_map(|raw| filter::plan(self, entity, raw, &mut terms, &mut named, [&mut faults, &mut guest_faults]));
        let filters = filters.collect();
        let groups: Vec<_> =
            asked.groups.iter().filter_map(|t| self.group(entity, t, &mut named, [&mut faults, &mut guest_faults])).collect();
        let measures: Vec<_> =
            asked.measures.iter().filter_map(|t| measure(entity, t, [&mut faults, &mut guest_faults])).collect();
        let members: Vec<String> =
            groups.iter().map(|g| g.member.clone()).chain(measures.iter().map(|m| m.member.clone())).collect();
        if groups.len() > TERMS || measures.len() > TERMS {
            faults.push(Fault::new("too-many", format!("At most {TERMS} groups and {TERMS} measures.")).parameter("measure"));
        }
        if members.iter().enumerate().any(|(at, m)| members[..at].contains(m)) {
            faults.push(Fault::new("twice", "Two groups or measures would have one name.").parameter("measure"));
        }
        let place = |term: &Term| members.iter().position(|m| *m == term.member());
        let mut having = vec![];
        for (term, operator, value, parameter) in &asked.having {
            let at = place(term).and_then(|at| at.checked_sub(groups.len()));
            let sign = COMPARISONS.iter().find(|(word, _)| word == operator).map(|(_, sign)| *sign);
            let is_number = value.len() < 100
                && value.parse::<f64>().is_ok_and(f64::is_finite)
                && value.bytes().all(|b| b.is_ascii_digit() || b"+-.".contains(&b));
            match (at.filter(|at| measures[*at].is_number()), sign, is_number) {
                (Some(at), Some(sign), true) => having.push((at, sign, value.clone())),
                (None, ..) => faults.push(
                    Fault::new("unknown-field", format!("`{}` is no number among the measures.", term.written()))
                        .parameter(parameter),
                ),
                _ => faults
                    .push(Fault::new("bad-filter", "having takes eq, ne, lt, le, gt or ge, and a number.").parameter(parameter)),
            }
        }
        let mut order: Vec<(usize, bool)> = vec![];
        for (term, descends) in &asked.sort {
            match place(term) {
                Some(at) => order.push((at, *descends)),
                None => {
                    let words = format!("`{}` is neither a group nor a measure here.", term.written());
                    faults.push(Fault::new("unknown-field", words).parameter("sort"));
                }
            }
        }
        order.extend((0..groups.len()).filter(|at| !asked.sort.iter().any(|(t, _)| place(t) == Some(*at))).map(|at| (at, false)));
        let window = super::page::window(&asked.query, self, &mut faults);
        Totals {
            entity,
            named,
            groups,
            zone: asked.zone.clone(),
            measures,
            filters,
            having,
            order,
            size: window.size,
            offset: window.offset,
            faults,
            guest_faults,
        }
    }

    fn group(
        &self,
        entity: &'s Entity,
        term: &Term,
        named: &mut Vec<&'s Entity>,
        [faults, guest_faults]: [&mut Vec<Fault>; 2],
    ) -> Option<Group<'s>> {
        let unknown = || {
            Fault::new("unknown-field", format!("{} has no field `{}` to group by.", entity.name, term.path.join(".")))
                .parameter("group")
        };
        let mut seen = named.clone();
        let found = self.path(entity, &term.path, &mut seen);
        let Ok((steps, column)) = found else {
            faults.push(unknown());
            return None;
        };
        seen.iter().for_each(|e| name(named, e));
        let is_id = column.is_none() && term.path.last().is_some_and(|l| l == "id") && steps.is_empty();
        if steps.iter().any(|r| r.is_many()) || is_id || column.is_some_and(|c| c.kind == Kind::Json) {
            faults.push(unknown());
            return None;
        }
        guest_faults.extend(column.filter(|c| c.is_limited()).map(|_| unknown()));
        let is_time = column.is_some_and(|c| matches!(c.kind.wire(), Wire::Datetime | Wire::Date));
        let part = term.function.as_deref().map(|f| PARTS.iter().find(|p| **p == f));
        if part.is_some_and(|part| part.is_none() || !is_time) {
            let words = format!("A point in time can be grouped by {}.", PARTS.join(", "));
            faults.push(Fault::new("unknown-function", words).parameter("group"));
            return None;
        }
        Some(Group { member: term.member(), key: Key { steps, column, descends: false }, trunc: part.flatten().copied() })
    }
}

fn measure<'s>(entity: &'s Entity, term: &Term, [faults, guest_faults]: [&mut Vec<Fault>; 2]) -> Option<Measure<'s>> {
    let function = term.function.as_deref().and_then(|f| FUNCTIONS.iter().find(|(word, _)| *word == f)).map(|(_, f)| *f);
    let Some(function) = function else {
        let words = format!("`{}` is no measure; known: count, count(field), sum, avg, min, max of a field.", term.written());
        faults.push(Fault::new("unknown-function", words).parameter("measure"));
        return None;
    };
    if term.path.is_empty() {
        return Some(Measure { member: "count".to_owned(), function, column: None });
    }
    let fits = |c: &&Column| match function {
        Function::Count => true,
        Function::Sum | Function::Avg => is_numeric(c),
        Function::Min | Function::Max => c.kind.is_ordered() && c.kind != Kind::Uuid,
    };
    let unknown = || {
        Fault::new("unknown-field", format!("{} has no field `{}` to measure so.", entity.name, term.path.join(".")))
            .parameter("measure")
    };
    let column = term.path.first().filter(|_| term.path.len() == 1).and_then(|field| entity.served(field)).filter(fits);
    let Some(column) = column else {
        faults.push(unknown());
        return None;
    };
    guest_faults.extend(column.is_limited().then(unknown));
    Some(Measure { member: term.member(), function, column: Some(column) })
}
