//! Aggregates: the rule on every row that is counted, in one statement.

use uuid::Uuid;

use super::condition::seen;
use super::{Branch, Kind, Layout, Right, Schema, Spelled, Speller, Statement, Wire, rule, verdict, who};
use crate::plan::aggregate::{Function, Group, Measure, Totals};
use crate::schema::Entity;

/// Where a value of a group's stands, and how it is written.
#[derive(Debug)]
pub struct Told {
    /// The attribute's name.
    pub member: String,
    /// Its column in the row.
    pub slot: usize,
    /// How it travels.
    pub wire: Wire,
    /// Whether its text is a number.
    pub is_number: bool,
}

/// Spells an aggregate. With `only_entities`, nothing but the verdict of the entities is asked.
pub fn totals<'s>(schema: &'s Schema, plan: &Totals<'s>, session: Option<Uuid>, only_entities: bool) -> (Statement, Layout<'s>) {
    let mut speller = Speller {
        schema,
        statement: Statement::default(),
        gates: plan.named.iter().map(|e| (e.at, Right::Read)).collect(),
        is_search: false,
        is_paged: false,
        size: plan.size,
        most: 0,
        walk: 0,
        ctes: vec![],
        branches: vec![],
        layout: Layout { named: plan.named.iter().map(|e| (*e, Right::Read)).collect(), ..Layout::default() },
        targets: vec![],
    };
    let who = who(&mut speller.statement, session);
    let mut head = vec![format!("case when a.id is not null then {} else 0 end", verdict::USER)];
    if !only_entities {
        speller.groups(plan);
    }
    head.extend(
        (0..plan.named.len()).map(|i| format!("case when a.g{i} then {} else 0 end", 1_i64 << (verdict::ENTITY as usize + i))),
    );
    speller.finish(&who, &head.join(" + "))
}

impl<'s> Speller<'s> {
    /// What rows are grouped by.
    fn group(&mut self, entity: &Entity, group: &Group<'s>) -> String {
        let key = self.key(entity, &group.key);
        match (group.trunc, group.key.column.map(|c| c.kind.wire())) {
            (Some(part), Some(Wire::Date)) => format!("date_trunc('{part}', {key})::date"),
            (Some(part), _) => format!("date_trunc('{part}', {key})"),
            (None, _) => key,
        }
    }

    fn groups(&mut self, plan: &Totals<'s>) {
        let entity = plan.entity;
        let gate = self.gate(entity, Right::Read);
        let mut conditions = vec![gate, rule(Right::Read, entity.subject("t"))];
        for filter in &plan.filters {
            let spelled = self.filter(entity, filter, "t");
            conditions.push(spelled);
        }
        let by: Vec<String> = plan.groups.iter().map(|group| self.group(entity, group)).collect();
        let measures: Vec<String> = plan.measures.iter().map(|m| measure(m, entity)).collect();
        let sent = plan.groups.iter().zip(&by).map(|(group, spelled)| send_group(group, spelled));
        let sent = sent.chain(plan.measures.iter().zip(&measures).map(|(measure, spelled)| send_measure(measure, spelled)));
        let (mut outputs, mut told) = (vec![], vec![]);
        let mut slots = vec![(Wire::Text, "t._id".to_owned())];
        for (at, (member, wire, is_number, output)) in sent.enumerate() {
            told.push(Told { member: member.to_owned(), slot: slots.len(), wire, is_number });
            slots.push((wire, format!("t._o{at}")));
            outputs.push(format!("{output} as _o{at}"));
        }
        let having: Vec<String> = plan
            .having
            .iter()
            .map(|(at, sign, value)| format!("({}) {sign} {}::numeric", measures[*at], self.statement.bind(Some(value.clone()))))
            .collect();
        let having = if having.is_empty() { String::new() } else { format!(" having {}", having.join(" and ")) };
        let grouped = if by.is_empty() { String::new() } else { format!(" group by {}", by.join(", ")) };
        let id = match by.is_empty() {
            true => "'all'".to_owned(),
            false => {
                let parts: Vec<_> = by.iter().map(|g| format!("quote_nullable(({g})::text)")).collect();
                format!("md5(concat_ws(',', {}))", parts.join(", "))
            }
        };
        let limit = self.statement.bind(Some((plan.size + 1).to_string()));
        let offset = self.statement.bind(Some(plan.offset.to_string()));
        // numbers are sorted as numbers, whatever they travel as
        let keys = plan.order.iter().map(|(at, descends)| {
            let key = at.checked_sub(plan.groups.len()).map_or_else(|| by[*at].clone(), |m| measures[m].clone());
            format!("{key}{} nulls last", if *descends { " desc" } else { "" })
        });
        let order: Vec<_> = keys.collect();
        let order = if order.is_empty() { String::new() } else { format!(" order by {}", order.join(", ")) };
        self.ctes.push(format!(
            "r0 as materialized (select row_number() over () as _n, t.* from (select {id} as _id, {} from a cross join {} t where {}{grouped}{having}{order} \
             limit {limit}::bigint offset {offset}::bigint) t)",
            outputs.join(", "),
            entity.table(),
            conditions.join(" and "),
        ));
        self.branches.push(Spelled {
            n: "t._n".to_owned(),
            parent: "null::uuid".to_owned(),
            id: "null::uuid",
            from: "r0 t".to_owned(),
            slots,
        });
        self.layout.branches.push(Branch::Groups(told));
    }
}

/// How a value of a group's goes out: the attribute's name, how it travels, whether its text is a number, and the SQL.
type Sent<'p> = (&'p str, Wire, bool, String);

fn send_group<'p>(group: &'p Group<'_>, spelled: &str) -> Sent<'p> {
    let kind = group.key.column.map_or(&Kind::Uuid, |c| &c.kind);
    let output = match kind {
        Kind::Decimal { .. } => format!("({spelled})::text"),
        _ => spelled.to_owned(),
    };
    (&group.member, kind.wire(), false, output)
}

fn send_measure<'p>(measure: &'p Measure<'_>, spelled: &str) -> Sent<'p> {
    let kind = measure.column.map_or(&Kind::Integer, |c| &c.kind);
    let is_decimal = matches!(kind, Kind::Decimal { .. }) && measure.function != Function::Count;
    let (wire, output) = match (measure.is_number(), kind) {
        (true, _) | (_, Kind::Decimal { .. }) => (Wire::Text, format!("({spelled})::text")),
        _ => (kind.wire(), spelled.to_owned()),
    };
    (&measure.member, wire, measure.is_number() && !is_decimal, output)
}

/// A measure over the rows of a group. Sums are numerics, which nothing overflows.
fn measure(measure: &Measure<'_>, entity: &Entity) -> String {
    let Some(column) = measure.column else { return "count(*)".to_owned() };
    let column = seen(column, entity, "t");
    match measure.function {
        Function::Count => format!("count({column})"),
        Function::Sum => format!("sum(({column})::numeric)"),
        Function::Avg => format!("round(avg(({column})::numeric), 10)"),
        Function::Min => format!("min({column})"),
        Function::Max => format!("max({column})"),
    }
}
