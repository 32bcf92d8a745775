//! Aggregates: the rule on every row that is counted, in one statement.

use super::layout::{Branch, FIXED};
use super::shape::Param;
use super::{Kind, Right, Schema, Shape, Speller, Wire};
use crate::plan::aggregate::{Function, Group, Measure, Totals};
use crate::schema::{Entity, text};
use crate::statement::row::{Binary, Place};
use crate::statement::who::Known;

/// Where a value of a group's stands, and how it is written.
#[derive(Debug)]
pub struct Output {
    /// Its value.
    pub value: Place<Binary>,
    /// How it travels.
    pub wire: Wire,
    /// Whether its text is a number.
    pub is_number: bool,
}

/// Where the id of a group stands.
pub const GROUP: Place<&str> = Place::new(FIXED);

/// Spells an aggregate.
pub fn totals(schema: &Schema, plan: &Totals<'_>, known: &Known) -> Shape {
    Speller::new(schema, known).totals(plan)
}

impl<'s> Speller<'s> {
    /// What rows are grouped by.
    fn group(&mut self, entity: &Entity, group: &Group<'s>, is_zoned: bool) -> String {
        let key = self.key(entity, &group.key);
        match (group.trunc, group.key.column.map(|c| c.kind.wire())) {
            (Some(part), Some(Wire::Date)) => first_day(part, &key),
            (Some(part), _) => {
                let zone = if is_zoned { format!(", {}::text", self.bind(Param::Zone)) } else { String::new() };
                format!("(case when {key} < '{FIRST_YEAR}' then '{FIRST_DAY}' else date_trunc('{part}', {key}{zone}) end)")
            }
            (None, _) => key,
        }
    }

    fn totals(mut self, plan: &Totals<'s>) -> Shape {
        let entity = plan.entity;
        let held = self.actor.rule(Right::Read, entity.subject("t"));
        let conditions = self.conditions(entity, &plan.filters);
        let beside: String = conditions.beside.iter().map(|condition| format!(" and {condition}")).collect();
        let behind: String = conditions.behind.iter().map(|condition| format!(" and {condition}")).collect();
        let by: Vec<String> = plan.groups.iter().map(|group| self.group(entity, group, plan.zone.is_some())).collect();
        let measures: Vec<String> = plan.measures.iter().map(|m| self.measure(m, entity)).collect();
        let sent = plan.groups.iter().zip(&by).map(|(group, spelled)| send_group(group, spelled));
        let sent = sent.chain(plan.measures.iter().zip(&measures).map(|(measure, spelled)| send_measure(measure, spelled)));
        let (mut outputs, mut names, mut told) = (String::new(), String::new(), vec![]);
        for (at, (wire, is_number, output)) in sent.enumerate() {
            told.push(Output { value: Place::new(FIXED + 1 + at), wire, is_number });
            outputs += &format!(", {output} as _o{at}");
            names += &format!(", t._o{at}");
        }
        let having: Vec<String> = plan
            .having
            .iter()
            .enumerate()
            .map(|(n, (at, sign, _))| format!("({}) {sign} {}::numeric", measures[*at], self.bind(Param::Having(n))))
            .collect();
        let having = if having.is_empty() { String::new() } else { format!("\n  having {}", having.join(" and ")) };
        let grouped = if by.is_empty() { String::new() } else { format!("\n  group by {}", by.join(", ")) };
        let id = match by.is_empty() {
            true => "'all'".to_owned(),
            false => {
                let parts: Vec<_> = by.iter().map(|g| format!("quote_nullable(({g})::text)")).collect();
                format!("md5(concat_ws(',', {}))", parts.join(", "))
            }
        };
        // Numbers are sorted as numbers, whatever they travel as.
        let keys = plan.order.iter().map(|(at, descends)| {
            let key = at.checked_sub(plan.groups.len());
            let key = key.map_or_else(|| plan.groups[*at].key.sorted(&by[*at]), |at| self.placed(&plan.measures[at], entity));
            format!("{key}{} nulls last", if *descends { " desc" } else { "" })
        });
        let order: Vec<_> = keys.collect();
        let order = if order.is_empty() { String::new() } else { format!("\n  order by {}", order.join(", ")) };
        let (limit, offset) = (self.bind(Param::Limit), self.bind(Param::Offset));
        self.layout.branches.push(Branch::Groups(told));
        let text = format!(
            "select p.ok, null::boolean, null::boolean, case when t._id is not null then '{nobody}'::uuid end, t._id{names}
from proof p left join lateral (
  select {id} as _id{outputs}
  from (
    select t.* from {table} t where p.ok and {held}{beside} offset 0) t
  where true{behind}{grouped}{having}{order}
  limit {limit}::bigint offset {offset}::bigint) t on true",
            nobody = uuid::Uuid::nil(),
            table = entity.table(),
        );
        self.shape(text)
    }

    /// A measure as groups are sorted by it: of options their place.
    fn placed(&self, measure: &Measure<'_>, entity: &Entity) -> String {
        match (measure.column, measure.function) {
            (Some(column), Function::Min | Function::Max) if matches!(column.kind, Kind::Enum { .. }) => {
                let function = if measure.function == Function::Min { "min" } else { "max" };
                format!("{function}({})", column.ordered(&self.seen(column, entity, "t")))
            }
            (Some(_), _) | (None, _) => self.measure(measure, entity),
        }
    }

    /// A measure over the rows of a group. Sums are numerics, which nothing overflows.
    fn measure(&self, measure: &Measure<'_>, entity: &Entity) -> String {
        let Some(column) = measure.column else { return "count(*)".to_owned() };
        let (kind, column) = (&column.kind, self.seen(column, entity, "t"));
        // Of options the first or the last in their order.
        if let (Kind::Enum { options }, Function::Min | Function::Max) = (kind, measure.function) {
            let options = options.iter().map(|option| text(option)).collect::<Vec<_>>().join(", ");
            let function = if measure.function == Function::Min { "min" } else { "max" };
            let place = measure.column.map(|of| of.ordered(&column)).unwrap_or_default();
            return format!("(array[{options}])[{function}({place})]");
        }
        match measure.function {
            Function::Count => format!("count({column})"),
            Function::Sum => format!("sum(({column})::numeric)"),
            Function::Avg => format!("round(avg(({column})::numeric), 10)"),
            Function::Min => format!("min({column})"),
            Function::Max => format!("max({column})"),
        }
    }
}

/// PostgreSQL's first day, in a year of which the first day is none.
const FIRST_DAY: &str = "4714-11-24 BC";
const FIRST_YEAR: &str = "4713-01-01 BC";

/// The first day of the part of the calendar that a day is in. (`date_trunc` knows points in time alone, which end earlier.)
fn first_day(part: &str, key: &str) -> String {
    let of = |part: &str| format!("extract({part} from {key})::integer");
    let (year, month) = (of("year"), of("month"));
    let first = match part {
        "year" => format!("make_date({year}, 1, 1)"),
        "quarter" => format!("make_date({year}, ({month} - 1) / 3 * 3 + 1, 1)"),
        "month" => format!("make_date({year}, {month}, 1)"),
        "week" => format!("{key} - ({} - 1)", of("isodow")),
        _ => key.to_owned(), // a day is a day
    };
    format!("(case when {key} < '{FIRST_YEAR}' then '{FIRST_DAY}' when isfinite({key}) then {first} else {key} end)")
}

/// How a value of a group's goes out: how it travels, whether its text is a number, and the SQL.
type Sent = (Wire, bool, String);

fn send_group(group: &Group<'_>, spelled: &str) -> Sent {
    let kind = group.key.column.map_or(&Kind::Uuid, |c| &c.kind);
    (kind.wire(), false, super::travelling(kind, format!("({spelled})")))
}

fn send_measure(measure: &Measure<'_>, spelled: &str) -> Sent {
    let kind = measure.column.map_or(&Kind::Integer, |c| &c.kind);
    let is_decimal = matches!(kind, Kind::Decimal { .. }) && measure.function != Function::Count;
    let (wire, output) = match (measure.is_number(), kind) {
        (true, _) | (_, Kind::Decimal { .. }) => (Wire::Text, format!("({spelled})::text")),
        _ => (kind.wire(), super::travelling(kind, format!("({spelled})"))),
    };
    (wire, measure.is_number() && !is_decimal, output)
}
