//! Pages: a bounded walk in order, then what the caller may see; and totals.

use super::condition::order;
use super::{Node, Speller, grant_bits, own_links};
use crate::permission::{Right, rule};
use crate::schema::{Entity, Relation};

/// What is listed: SQL, in parts.
struct Listed<'a> {
    entity: &'a Entity,
    /// What rows `t` are asked for, beside the rule.
    conditions: &'a str,
    /// The rule on rows `t`.
    held: &'a str,
    shown: &'a str,
    order: &'a str,
    /// One more than the page holds.
    limit: &'a str,
    offset: &'a str,
}

impl<'s> Speller<'s> {
    /// A CTE of a page of a node's rows, of all or of those linked to `p0`; and of their total, where it was asked for.
    pub(super) fn page(&mut self, name: &str, node: &Node<'s>, from: Option<(&'s Entity, &'s Relation)>, gate: &str) {
        self.is_paged = true;
        let entity = node.entity;
        let (table, window) = (entity.table(), &node.window);
        let mut held = rule(node.guard.right(), entity.subject("t"));
        let (mut source, mut conditions, mut bits) = ("a".to_owned(), vec![gate.to_owned()], String::new());
        if let Some((parent, relation)) = from {
            source += " cross join p0 p";
            conditions.push(self.link(parent, relation, "p", "t", true));
            if node.guard.right() == Right::Peek {
                held = own_links(relation, held, "p");
                bits = grant_bits(relation, "p").map(|bits| format!(", {bits} as _bits")).unwrap_or_default();
            }
        }
        for filter in &node.filters {
            let spelled = self.filter(entity, filter, "t");
            conditions.push(spelled);
        }
        if let Some(most) = window.total {
            let most = self.statement.bind(Some(most.to_string()));
            self.ctes.push(format!(
                "c0 as materialized (select count(*) as n from (select from {source} cross join {table} t where {} and {held} limit {most}::bigint) c)",
                conditions.join(" and ")
            ));
        }
        let keys: Vec<String> = node.order.iter().map(|key| self.key(node.entity, key)).collect();
        let backwards = window.before.is_some();
        if let Some(values) = window.after.as_ref().or(window.before.as_ref()) {
            let beyond = self.beyond(&node.order, &keys, values, backwards);
            conditions.push(beyond);
        }
        let order = order(&node.order, &keys, backwards);
        let shown: Vec<_> = keys.iter().enumerate().map(|(i, key)| format!("({key})::text as _k{i}")).collect();
        let shown = format!("t.*, {}{bits}", shown.join(", "));
        let limit = self.statement.bind(Some((window.size.saturating_add(1)).to_string()));
        let offset = self.statement.bind(Some(window.offset.to_string()));
        let conditions = conditions.join(" and ");
        if from.is_some() || node.guard.right() != Right::Read {
            let part = format!("order by {order} limit {limit}::bigint offset {offset}::bigint");
            let rows = format!("select {shown} from {table} t where {conditions} and {held} {part}");
            self.ctes.push(format!(
                "{name} as materialized (select row_number() over () as _n, t.* from {source} cross join lateral ({rows}) t)"
            ));
            return;
        }
        self.walk(
            name,
            &Listed {
                entity,
                conditions: &conditions,
                held: &held,
                shown: &shown,
                order: &order,
                limit: &limit,
                offset: &offset,
            },
        );
    }

    /// Who sees much finds a page among the first rows in order; who sees little of much would walk for ever. So the
    /// walk is bounded; where it comes up short, the page is put together from what the caller may see at all: their
    /// own rows, those of their groups, and the first of those that guests may see (of all, for administrators).
    fn walk(&mut self, name: &str, listed: &Listed<'_>) {
        let Listed { entity, conditions, held, shown, order, limit, offset } = listed;
        let table = entity.table();
        let part = format!("order by {order} limit {limit}::bigint offset {offset}::bigint");
        let walked = format!("select t.* from {table} t where {conditions} order by {order} limit {}", self.walk);
        let walk = format!("select {shown} from ({walked}) t where {held} {part}");
        let first = format!("order by {order} limit {limit}::bigint + {offset}::bigint");
        let guest = format!("t.permission & {} <> 0", Right::Read.bit());
        let own_group = if entity.subject("t").is_group { " or t.id = any((select groups from a)::uuid[])" } else { "" };
        let arms = [
            format!("select t.id from {table} t where {conditions} and t.owner = a.id"),
            format!("select t.id from {table} t where {conditions} and (t.groups && (select groups from a){own_group})"),
            format!("(select t.id from {table} t where {conditions} and {guest} {first})"),
            format!("(select t.id from {table} t where (select admin from a) and {conditions} {first})"),
        ];
        let is_short = format!(
            "(select count(*) from w0) < {limit}::bigint and (select count(*) from a cross join lateral ({}) t) >= {}",
            walked.replacen("select t.*", "select", 1),
            self.walk
        );
        let seen = format!("select {shown} from f0 f join {table} t on t.id = f.id where {conditions} and {held} {part}");
        self.ctes.push(format!("w0 as materialized (select t.* from a cross join lateral ({walk}) t)"));
        self.ctes.push(format!("s0 as materialized (select {is_short} as is_short)"));
        self.ctes.push(format!(
            "f0 as materialized (select f.id from a cross join lateral ({}) f where (select is_short from s0))",
            arms.join(" union ")
        ));
        self.ctes.push(format!(
            "{name} as materialized (select row_number() over () as _n, t.* from (select * from w0 where not (select is_short from s0) \
             union all select t.* from a cross join lateral ({seen}) t where (select is_short from s0)) t)"
        ));
    }
}
