//! Conditions and orders: filters, sort keys and cursors over what the caller may see.

use super::Speller;
use crate::permission::{Class, Right, belongs, rule};
use crate::plan::filter::{Filter, Operator};
use crate::plan::page::Key;
use crate::schema::kind::Kind;
use crate::schema::{Column, Entity, Relation, quote};
use crate::statement::array;

impl<'s> Speller<'s> {
    /// A column in a condition or an order.
    fn spelled(&self, column: &Column, entity: &Entity, row: &str) -> String {
        if self.is_search && row == "t" { format!("t.{}", quote(&column.name)) } else { seen(column, entity, row) }
    }

    /// The expression of a sort key over row `t`.
    pub(super) fn key(&mut self, entity: &Entity, key: &Key<'s>) -> String {
        let last = key.steps.last().map_or(entity, |relation| self.schema.target(relation));
        let column = |row: &str| key.column.map_or_else(|| format!("{row}.id"), |c| self.spelled(c, last, row));
        let mut spelled = column(&format!("x{}", key.steps.len()));
        if key.steps.is_empty() {
            return column("t");
        }
        for (depth, relation) in key.steps.iter().enumerate().rev() {
            let target = self.schema.target(relation);
            let (row, parent) = (format!("x{}", depth + 1), if depth == 0 { "t".to_owned() } else { format!("x{depth}") });
            let link = self.link(target, relation, &parent, &row, true);
            spelled = format!(
                "(select {spelled} from {} {row} where {link} and {})",
                target.table(),
                rule(self.hop(), target.subject(&row))
            );
        }
        spelled
    }

    /// The rows beyond a cursor, in the order's direction or against it. Nulls come last ascending, first descending.
    pub(super) fn beyond(&mut self, order: &[Key<'s>], keys: &[String], values: &[Option<String>], backwards: bool) -> String {
        let mut spelled = "false".to_owned();
        for ((key, expression), value) in order.iter().zip(keys).zip(values).rev() {
            let kind = key.column.map_or(Kind::Uuid, |c| c.kind.clone()).sql();
            let descends = key.descends != backwards;
            let (after, same) = match value {
                Some(value) => {
                    let value = self.statement.bind(Some(value.clone()));
                    let sign = if descends { "<" } else { ">" };
                    let nulls = if key.is_nullable() && !descends { format!(" or {expression} is null") } else { String::new() };
                    (format!("({expression} {sign} {value}::{kind}{nulls})"), format!("{expression} = {value}::{kind}"))
                }
                None if descends => (format!("{expression} is not null"), format!("{expression} is null")),
                None => ("false".to_owned(), format!("{expression} is null")),
            };
            spelled = if spelled == "false" { after } else { format!("({after} or {same} and {spelled})") };
        }
        spelled
    }

    /// What is asked of a row that a condition or a sort leads to.
    fn hop(&self) -> Right {
        if self.is_search { Right::Peek } else { Right::Read }
    }

    pub(super) fn filter(&mut self, entity: &'s Entity, filter: &Filter<'s>, row: &str) -> String {
        let mut joined = |parts: &[Filter<'s>], word: &str| {
            let parts: Vec<_> = parts.iter().map(|p| self.filter(entity, p, row)).collect();
            format!("({})", parts.join(word))
        };
        match filter {
            Filter::And(parts) => joined(parts, " and "),
            Filter::Or(parts) => joined(parts, " or "),
            Filter::Not(part) => format!("({}) is not true", self.filter(entity, part, row)),
            Filter::Compare { steps, column, operator, values } => {
                self.compare(entity, steps, *column, *operator, values, row, 0)
            }
        }
    }

    #[allow(clippy::too_many_arguments)] // the parts of one condition
    fn compare(
        &mut self,
        entity: &'s Entity,
        steps: &[&'s Relation],
        column: Option<&'s Column>,
        operator: Operator,
        values: &[String],
        row: &str,
        depth: usize,
    ) -> String {
        let Some((relation, rest)) = steps.split_first() else { return self.comparison(entity, column, operator, values, row) };
        let target = self.schema.target(relation);
        let inner = format!("f{depth}");
        let link = self.link(entity, relation, row, &inner, true);
        let held = rule(self.hop(), target.subject(&inner));
        // "author is null": there is none that the caller may read.
        let ends_at_relation = rest.is_empty() && column.is_none();
        if ends_at_relation && matches!(operator, Operator::Null | Operator::NotNull) {
            let not = if operator == Operator::Null { "not " } else { "" };
            return format!("{not}exists (select from {} {inner} where {link} and {held})", target.table());
        }
        let condition = self.compare(target, rest, column, operator, values, &inner, depth + 1);
        format!("exists (select from {} {inner} where {link} and {held} and {condition})", target.table())
    }

    fn comparison(
        &mut self,
        entity: &Entity,
        column: Option<&'s Column>,
        operator: Operator,
        values: &[String],
        row: &str,
    ) -> String {
        let kind = column.map_or(Kind::Uuid, |c| c.kind.clone());
        let plain = column.map_or_else(|| format!("{row}.id"), |c| self.spelled(c, entity, row));
        let fold = |text: String| if kind == Kind::Email { format!("lower({text})") } else { text };
        let left = fold(plain.clone());
        let cast = kind.sql();
        let mut one = || {
            let value = self.statement.bind(values.first().cloned());
            fold(format!("{value}::{cast}"))
        };
        match operator {
            Operator::Null => format!("{plain} is null"),
            Operator::NotNull => format!("{plain} is not null"),
            Operator::Eq => format!("{left} = {}", one()),
            Operator::Ne => format!("{left} is distinct from {}", one()),
            Operator::Lt => format!("{left} < {}", one()),
            Operator::Le => format!("{left} <= {}", one()),
            Operator::Gt => format!("{left} > {}", one()),
            Operator::Ge => format!("{left} >= {}", one()),
            Operator::Contains => format!("strpos({plain}, {}::text) > 0", one()),
            Operator::ContainsIgnoringCase => format!("strpos(lower({plain}), lower({}::text)) > 0", one()),
            Operator::Starts => format!("starts_with({plain}, {}::text)", one()),
            Operator::In | Operator::NotIn => {
                let folded = values.iter().map(|v| Some(if kind == Kind::Email { v.to_lowercase() } else { v.clone() }));
                let list = self.statement.bind(Some(array(folded)));
                let found = format!("{left} = any({list}::{cast}[])");
                if operator == Operator::In { found } else { format!("({found}) is not true") }
            }
        }
    }
}

/// An order's keys in SQL.
pub(super) fn order(keys: &[Key<'_>], spelled: &[String], backwards: bool) -> String {
    let keys = keys.iter().zip(spelled).map(|(key, e)| format!("{e}{}", if key.descends != backwards { " desc" } else { "" }));
    keys.collect::<Vec<_>>().join(", ")
}

/// Whether the caller is served a column of a row that they may read.
pub(super) fn may_see(column: &Column, entity: &Entity, row: &str) -> String {
    belongs(column.readers.as_deref().unwrap_or(&[Class::Guest]), entity.subject(row))
}

/// A column as the caller sees it: null in rows where they are not served it.
pub(super) fn seen(column: &Column, entity: &Entity, row: &str) -> String {
    let name = format!("{row}.{}", quote(&column.name));
    match column.is_limited() {
        true => format!("(case when {} then {name} end)", may_see(column, entity, row)),
        false => name,
    }
}
