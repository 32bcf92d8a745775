//! Pages: the rule, then the client's conditions, then the order. Where an index gives the order, a bounded walk along it, and
//! where that comes up short, the candidates: what the caller may see at all.

use super::condition::{Conditions, is_plain_order, order};
use super::shape::{Param, Part};
use super::{Node, Root, Speller, travelling};
use crate::permission::Right;
use crate::plan::filter::{Filter, Operator};
use crate::schema::kind::{Kind, Wire};
use crate::schema::{Column, Entity, Relation, Unique};

/// What is listed: SQL, in parts.
struct Listed {
    table: String,
    /// Conditions of rows `t` beside the rule, each after an `and`.
    beside: String,
    /// The rule on rows `t`.
    held: String,
    /// Conditions on rows `t` that the rule admits.
    behind: String,
    order: String,
    /// Whether the order may be said beside the rule.
    is_plain: bool,
    limit: String,
    offset: String,
}

impl Listed {
    /// The end of the page's select.
    fn part(&self) -> String {
        format!("order by {}\nlimit {}::bigint offset {}::bigint", self.order, self.limit, self.offset)
    }
}

fn each_after_and(conditions: &[String]) -> String {
    conditions.iter().map(|condition| format!(" and {condition}")).collect()
}

impl<'s> Speller<'s> {
    /// A page of a node's rows, of all or of those linked to `h`; and a CTE of their total, where it was asked for.
    pub(super) fn page(&mut self, node: &Node<'s>, from: Option<(&'s Entity, &'s Relation)>, part: Part) -> Root<'s> {
        let (entity, window, right) = (node.entity, &node.window, node.guard.right());
        let mut held = self.actor.rule(right, entity.subject("t"));
        let mut start = "p.ok".to_owned();
        if let Some((parent, relation)) = from {
            start = format!("p.ok and h._may and {}", self.link(parent, relation, "h", "t"));
            if right == Right::Peek {
                held = self.own_links(relation, held, "h");
            }
        }
        let Conditions { mut beside, mut behind } = self.conditions(entity, &node.filters);
        if window.total.is_some() {
            let most = self.bind(Param::Total);
            let source = if from.is_some() { "proof p cross join h0 h" } else { "proof p" };
            self.ctes.push(format!(
                "c0 as materialized (
select count(*) as n
from (
  select
  from {source} cross join lateral (
    select t.* from {} t where {start} and {held}{} offset 0) t
  where true{}
  limit {most}::bigint) c
)",
                entity.table(),
                each_after_and(&beside),
                each_after_and(&behind),
            ));
        }
        let keys: Vec<String> = node.order.iter().map(|key| self.key(entity, key)).collect();
        let is_plain = is_plain_order(&node.order);
        let backwards = window.before.is_some();
        if let Some(values) = window.after.as_ref().or(window.before.as_ref()) {
            let beyond = self.beyond(&node.order, &keys, values, backwards);
            if is_plain { &mut beside } else { &mut behind }.extend(beyond);
        }
        let wired = node.order.iter().zip(&keys).map(|(key, spelled)| {
            let kind = key.column.map_or(Kind::Uuid, |column| column.kind.clone());
            (kind.wire(), travelling(&kind, spelled.clone()))
        });
        let listed = Listed {
            table: entity.table(),
            beside: each_after_and(&beside),
            held,
            behind: each_after_and(&behind),
            order: order(&node.order, &keys, backwards),
            is_plain,
            limit: self.bind(Param::Limit),
            offset: self.bind(Param::Offset),
        };
        let has_walk = from.is_none() && is_walked(node);
        let rows = match part {
            Part::Candidates => self.candidates(entity, &listed),
            Part::First if has_walk && listed.held != "true" => self.walk(&listed, &start),
            Part::First => plain(&listed, &start),
        };
        let keys: Vec<(Wire, String)> = wired.collect();
        Root { rows, keys, start: None, along: None, is_one: false, is_paged: true, is_change: false }
    }

    /// The first rows in order that the comparisons beside the rule find, and of these what the rule admits. (The order is said
    /// on each level: else PostgreSQL forgets it at the barrier, and sorts the whole walk.)
    fn walk(&self, listed: &Listed, start: &str) -> String {
        let Listed { table, beside, held, behind, order, .. } = listed;
        let (walk, part) = (self.walk, listed.part());
        format!(
            "select t.*
from (
  select t.*
  from (
    select t.* from {table} t where true{beside} order by {order} limit {walk}) t
  where {start} and {held}
  order by {order}
  offset 0) t
where true{behind}
{part}"
        )
    }

    /// What the caller may see at all: their own rows, those of their groups, and the first of those that guests may see.
    fn candidates(&mut self, entity: &Entity, listed: &Listed) -> String {
        let Listed { table, beside, held, behind, order, limit, offset, .. } = listed;
        let standing = self.known.standing();
        let (Some(me), subject) = (standing.me(), entity.subject("t")) else { return plain(listed, "p.ok") };
        let mut arms = vec![format!("select t.id from {table} t where p.ok{beside} and t.owner = {me}")];
        if let Some(groups) = standing.groups() {
            let own = if subject.is_group { format!(" or t.id = any({groups})") } else { String::new() };
            arms.push(format!("select t.id from {table} t where p.ok{beside} and (t.groups && {groups}{own})"));
        }
        arms.push(format!(
            "(select t.id
  from (
    select t.* from {table} t where p.ok{beside} and {} order by {order} offset 0) t
  where true{behind}
  order by {order}
  limit {limit}::bigint + {offset}::bigint)",
            crate::permission::Actor::Guest.rule(Right::Read, subject),
        ));
        self.ctes.push(format!(
            "f0 as materialized (\nselect f.id from proof p cross join lateral (\n{}) f\n)",
            arms.join("\nunion\n")
        ));
        // Row by row, by its id: how few candidates there are is nothing that the planner knows, and it would read the table.
        format!(
            "select t.*
from f0 f cross join lateral (
  select t.* from {table} t where t.id = f.id and p.ok and {held} offset 0) t
where true{behind}
{}",
            listed.part()
        )
    }
}

/// Whether a condition names values of a column of which an index finds the rows, and few for each.
fn names_few(filter: &Filter<'_>) -> bool {
    let Filter::Compare { steps, column, operator: Operator::Eq | Operator::In, .. } = filter else { return false };
    let has_few = |column: &Column| {
        let is_indexed = column.index || column.unique == Unique::Everywhere;
        is_indexed && !column.is_limited() && !matches!(column.kind, Kind::Enum { .. } | Kind::Boolean | Kind::Rating)
    };
    steps.is_empty() && column.is_none_or(has_few)
}

/// The rule, then the conditions, then the order.
fn plain(listed: &Listed, start: &str) -> String {
    let Listed { table, beside, held, behind, order, is_plain, .. } = listed;
    let part = listed.part();
    let inner = if *is_plain { format!(" order by {order}") } else { String::new() };
    match held.as_str() {
        "true" => format!("select t.*\nfrom {table} t\nwhere {start}{beside}{behind}\n{part}"),
        held => format!(
            "select t.*
from (
  select t.* from {table} t where {start} and {held}{beside}{inner} offset 0) t
where true{behind}
{part}"
        ),
    }
}

/// Whether a page is walked: then it may come up short, and candidates are asked. Where a condition names values of an index of
/// its own, that index is what finds few rows, and gives no order.
pub fn is_walked(node: &Node<'_>) -> bool {
    if node.filters.iter().any(names_few) {
        return false;
    }
    let keys = node.order.iter().map(|key| (key.column.map_or("id", |column| column.name.as_str()), key.descends));
    node.guard.right() == Right::Read && is_plain_order(&node.order) && node.entity.is_indexed(&keys.collect::<Vec<_>>())
}
