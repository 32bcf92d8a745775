//! Aggregates: the rule on every row that is counted, in one statement.

use uuid::Uuid;

use super::condition::seen;
use super::{Branch, Kind, Layout, Right, Schema, Spelled, Speller, Statement, Wire, rule, verdict, who};
use crate::plan::aggregate::{Function, Measure, Totals};

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
    fn groups(&mut self, plan: &Totals<'s>) {
        let entity = plan.entity;
        let gate = self.gate(entity, Right::Read);
        let mut conditions = vec![gate, rule(Right::Read, entity.subject("t"))];
        for filter in &plan.filters {
            let spelled = self.filter(entity, filter, "t");
            conditions.push(spelled);
        }
        let (mut by, mut outputs, mut told) = (vec![], vec![], vec![]);
        let mut slots = vec![(Wire::Text, "t._id".to_owned())];
        for group in &plan.groups {
            let key = self.key(entity, &group.key);
            let kind = group.key.column.map_or(Kind::Uuid, |c| c.kind.clone());
            let spelled = match (group.trunc, kind.wire()) {
                (Some(part), Wire::Date) => format!("date_trunc('{part}', {key})::date"),
                (Some(part), _) => format!("date_trunc('{part}', {key})"),
                (None, _) => key,
            };
            let sent = match kind {
                Kind::Decimal { .. } => format!("({spelled})::text"),
                Kind::Rating => format!("({spelled})::bigint"),
                _ => spelled.clone(),
            };
            by.push(spelled);
            told.push(Told { member: group.member.clone(), slot: slots.len(), wire: kind.wire(), is_number: false });
            slots.push((kind.wire(), format!("t._o{}", outputs.len())));
            outputs.push(sent);
        }
        let measures: Vec<String> = plan.measures.iter().map(|m| measure(m, entity)).collect();
        for (measure, spelled) in plan.measures.iter().zip(&measures) {
            let kind = measure.column.map_or(Kind::Integer, |c| c.kind.clone());
            let is_decimal = matches!(kind, Kind::Decimal { .. }) && measure.function != Function::Count;
            let (wire, sent) = match (measure.is_number(), &kind) {
                (true, _) | (_, Kind::Decimal { .. }) => (Wire::Text, format!("({spelled})::text")),
                (_, Kind::Rating) => (Wire::Integer, format!("({spelled})::bigint")),
                _ => (kind.wire(), spelled.clone()),
            };
            told.push(Told {
                member: measure.member.clone(),
                slot: slots.len(),
                wire,
                is_number: measure.is_number() && !is_decimal,
            });
            slots.push((wire, format!("t._o{}", outputs.len())));
            outputs.push(sent);
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
        let named: Vec<_> = outputs.iter().enumerate().map(|(at, o)| format!("{o} as _o{at}")).collect();
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
            named.join(", "),
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

/// A measure over the rows of a group. Sums are numerics, which nothing overflows.
fn measure(measure: &Measure<'_>, entity: &crate::schema::Entity) -> String {
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
