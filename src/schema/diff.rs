//! The way from a catalog to a schema: ordered steps of DDL, each with what it risks.
//!
//! In charge of: the tables, indexes, constraints and triggers that a schema wants, and their difference to what is there.
//! Pure: the store reads the catalog and runs the steps. Indexes and constraints are compared by name alone, because
//! [`object_name`] gives every definition a name of its own.

mod step;
mod trigger;
mod wanted;

use super::catalog::{Catalog, Constraint, Described, Held, Table};
use super::rename::{self, Others, Renaming};
use super::{Listener, Renamed, Schema, quote, text};
pub use step::{Demand, Risk, Step};
pub(super) use step::{additive, demanding};
pub use wanted::fields_of;
use wanted::{Asked, Object, Wanted};

/// From what is there to what is wanted.
#[derive(Debug, Default)]
pub struct Difference {
    /// In order.
    pub steps: Vec<Step>,
    /// What stands in the way, whatever rows say.
    pub faults: Vec<String>,
}

/// The steps, in order: names, what went stale, tables, types, columns, indexes, constraints, triggers, and what would be lost.
///
/// `listeners`: the actions that listen to what happens to rows. The catalog is left with the names of today.
pub fn steps(schema: &Schema, listeners: &[Listener], others: &Others, catalog: &mut Catalog) -> Difference {
    let mut renaming = Renaming { schema, catalog, steps: vec![], faults: vec![] };
    renaming.all(others);
    let (names, mut faults) = (renaming.steps, renaming.faults);
    let wanted = wanted::all(schema, listeners);
    let mut phases = Phases::default();
    for column in schema.entities().iter().flat_map(|entity| &entity.columns) {
        let Some(language) = &column.reading.language else { continue };
        if catalog.languages.insert(language.clone()) {
            let sql = format!("create collation rowhouse.{} (provider = icu, locale = {})", quote(language), text(language));
            phases.stale.push(additive(sql));
        }
    }
    let (nothing, unknown) = (Table::default(), Described::default());
    for want in &wanted {
        let have = catalog.tables.get(&want.name);
        if have.is_some_and(|table| !table.is_ours() && !catalog.entities.contains(&want.name)) {
            faults.push(format!(
                "public.{} is a table that Rowhouse didn't make: it is neither altered nor dropped. Rename it, move it to another schema, or call the entity something else",
                want.name
            ));
            continue;
        }
        if catalog.others.contains(&want.name) {
            faults.push(format!("public.{} is there, and no table: rename it, or call the entity something else", want.name));
            continue;
        }
        match have {
            None => phases.tables.push(additive(want.create())),
            Some(have) => {
                stale(want, have, &mut phases);
                let described = catalog.described.get(&want.name).unwrap_or(&unknown);
                secrets(want, have, described, &mut faults);
                columns(want, have, described, &mut phases);
                choices(schema, (want, have), described, &mut phases, &mut faults);
            }
        }
        objects(want, have.unwrap_or(&nothing), have.is_some(), &mut phases);
    }
    for (name, table) in catalog.tables.iter().filter(|(name, _)| !wanted.iter().any(|w| w.name == **name)) {
        let entity = name.split('.').next().unwrap_or(name);
        if catalog.entities.contains(entity) && table.is_ours() {
            let drop = |constraint: &String| {
                additive(format!("alter table public.{} drop constraint {}", quote(name), quote(constraint)))
            };
            let of = |kind: Constraint| table.constraints.iter().filter(move |(_, held)| **held == kind).map(|(name, _)| name);
            // What is kept keeps nobody from anything.
            phases.stale.extend(of(Constraint::Blocks).map(drop));
            let risk = Risk::Loses(format!("the table {name} with all its rows"));
            phases.parted.extend(of(Constraint::Link).map(|link| Step { risk: risk.clone(), ..drop(link) }));
            let step = additive(format!("drop table public.{}", quote(name)));
            phases.lost.push(Step { risk, is_borne: false, demand: Some(Demand::free(name, None)), ..step });
        }
    }
    Difference { steps: [names, phases.all()].concat(), faults }
}

/// Steps in the order in which each finds what it needs.
#[derive(Default)]
struct Phases {
    stale: Vec<Step>,
    tables: Vec<Step>,
    types: Vec<Step>,
    columns: Vec<Step>,
    indexes: Vec<Step>,
    constraints: Vec<Step>,
    /// Before tables go: what leads from one of them to another.
    parted: Vec<Step>,
    lost: Vec<Step>,
}

impl Phases {
    fn all(self) -> Vec<Step> {
        [self.stale, self.tables, self.types, self.columns, self.indexes, self.constraints, self.parted, self.lost].concat()
    }
}

/// What is there of a table and not wanted any more, of what can be made again.
fn stale(want: &Wanted, have: &Table, phases: &mut Phases) {
    let table = quote(&want.name);
    for name in have.triggers.iter().filter(|n| !want.triggers.iter().any(|(kept, _)| kept == *n)) {
        phases.stale.push(additive(format!("drop trigger {} on public.{table}", quote(name))));
    }
    let is_stale = |kept: &[Object], name: &String| name.contains('.') && !kept.iter().any(|object| object.name == *name);
    for name in have.constraints.keys().filter(|n| is_stale(&want.constraints, n)) {
        phases.stale.push(additive(format!("alter table public.{table} drop constraint {}", quote(name))));
    }
    for name in have.indexes.iter().filter(|n| is_stale(&want.indexes, n)) {
        let why = "/* not wanted any more: one index gives an order and its reverse */";
        phases.stale.push(additive(format!("drop index public.{} {why}", quote(name))));
    }
}

/// The indexes, constraints and triggers that aren't there yet. `has_rows`: whether rows may be there that they don't fit.
fn objects(want: &Wanted, have: &Table, has_rows: bool, phases: &mut Phases) {
    let table = quote(&want.name);
    let asks = |object: &Object| object.demand.clone().filter(|_| has_rows);
    for object in want.indexes.iter().filter(|object| !have.indexes.contains(&object.name)) {
        phases.indexes.push(Step { demand: asks(object), ..additive(object.sql.clone()) });
    }
    for object in want.constraints.iter().filter(|object| !have.constraints.contains_key(&object.name)) {
        let sql = format!("alter table public.{table} add constraint {} {}", quote(&object.name), object.sql);
        phases.constraints.push(Step { demand: asks(object), ..additive(sql) });
    }
    for (_, sql) in want.triggers.iter().filter(|(n, _)| !have.triggers.contains(n)) {
        phases.constraints.push(additive(sql.clone()));
    }
}

fn columns(want: &Wanted, have: &Table, described: &Described, phases: &mut Phases) {
    let table = format!("public.{}", quote(&want.name));
    for asked in &want.columns {
        let column = quote(&asked.name);
        let Some(held) = have.columns.get(&asked.name) else {
            phases.columns.push(add(want, asked));
            continue;
        };
        let field = format!("{}.{}", want.name, asked.name);
        let alter = |what: String| format!("alter table {table} alter column {column} {what}");
        let is_retyped = held.kind != asked.kind;
        if is_retyped {
            if held.has_default {
                phases.types.push(additive(alter("drop default".to_owned())));
            }
            phases.types.push(retype(want, asked, held));
        }
        let default = asked.kept_default();
        if held.is_required && !asked.is_required {
            phases.columns.push(additive(alter("drop not null".to_owned())));
        }
        if let (false, true, Some(default)) = (held.is_required, asked.is_required, &asked.default) {
            let stamp = if want.key == "id" { ", version = version + 1, updated_at = now()" } else { "" };
            let fill = format!("update {table} set {column} = {default}{stamp} where {column} is null");
            phases.columns.extend(quietly(want, have, fill));
        }
        let told = described.columns.get(&asked.name);
        let is_same =
            told.is_none_or(|told| asked.told.as_ref().is_some_and(|asked| asked.get("default") == told.get("default")));
        match default {
            Some(default) if !held.has_default || is_retyped || !is_same => {
                phases.columns.push(additive(alter(format!("set default {default}"))))
            }
            None if held.has_default && !is_retyped && asked.told.is_some() => {
                let step = if asked.is_required { demanding } else { additive };
                phases.columns.push(step(alter("drop default".to_owned())));
            }
            Some(_) | None => {}
        }
        if !held.is_required && asked.is_required {
            let demand = Demand {
                words: "is required now, but these have no value".to_owned(),
                remedy: "Give it a default, or give them values first",
                ..Demand::of(&field, format!("select id::text as id, null::text as value from {table} where {column} is null"))
            };
            let demand = Some(demand).filter(|_| want.key == "id");
            let step = if default.is_some() { additive } else { demanding };
            phases.columns.push(Step { demand, ..step(alter("set not null".to_owned())) });
        }
    }
    for (name, held) in have.columns.iter().filter(|(name, _)| !want.columns.iter().any(|asked| asked.name == **name)) {
        let column = quote(name);
        if held.is_required {
            phases.columns.push(additive(format!("alter table {table} alter column {column} drop not null")));
        }
        let risk = Risk::Loses(format!("the column {}.{name} with all its values", want.name));
        let sql = format!("alter table {table} drop column {column}");
        let demand = Some(Demand::free(&want.name, Some(name)));
        phases.lost.push(Step { risk, is_borne: false, demand, ..additive(sql) });
    }
}

/// A column that isn't there yet.
fn add(want: &Wanted, asked: &Asked) -> Step {
    let (table, column) = (quote(&want.name), quote(&asked.name));
    let not_null = if asked.is_required { " not null" } else { "" };
    let filled = asked.default.as_ref().map(|d| format!(" default {d}")).unwrap_or_default();
    let add = format!("alter table public.{table} add column {column} {}{not_null}{filled}", asked.kind);
    let demand = Demand {
        words: "is new and required, but these would have no value".to_owned(),
        remedy: "Give it a default",
        ..Demand::of(
            &format!("{}.{}", want.name, asked.name),
            format!("select id::text as id, null::text as value from public.{table}"),
        )
    };
    match (asked.is_required, &asked.default) {
        (true, None) => Step { demand: Some(demand), ..demanding(add) },
        (true, Some(_)) | (false, None) => additive(add),
        // Only rows that are there get it from the database.
        (false, Some(_)) => {
            let drop = format!("alter table public.{table} alter column {column} drop default");
            additive(format!("do $add$ begin\n  {add};\n  {drop};\nend $add$"))
        }
    }
}

/// Columns that hold something else than the files say now, where one of both is hashed or sealed: what is, is no text, and no text
/// is it.
fn secrets(want: &Wanted, have: &Table, described: &Described, faults: &mut Vec<String>) {
    let is_secret = |word: &str| matches!(word, "password" | "encrypted");
    for asked in &want.columns {
        let (Some(told), Some(held)) = (&asked.told, have.columns.get(&asked.name)) else { continue };
        let now = told["type"].as_str().unwrap_or_default();
        let was = described.columns.get(&asked.name).and_then(|told| told["type"].as_str());
        let field = format!("{}.{}", want.name, asked.name);
        match was {
            Some(was) if was != now && (is_secret(was) || is_secret(now)) => faults.push(format!(
                "{field} was {was} and is to be {now}: what it holds can't become that. Call the new one something else; the column of before goes with --allow-destructive"
            )),
            // It was kept, or hidden, by a release that didn't note what it holds.
            None if described.is_whole && held.kind == "text" && asked.kind == "text" && !is_secret(now) => faults.push(format!(
                "{field} is there, and it isn't known whether it holds passwords: call the new one something else, or rename the column by hand"
            )),
            Some(_) | None => {}
        }
    }
}

/// A change of a column's type.
fn retype(want: &Wanted, asked: &Asked, held: &Held) -> Step {
    let (table, column, kind) = (quote(&want.name), quote(&asked.name), &asked.kind);
    let words = format!("{}.{} from {} to {kind}: values that don't fit stop it", want.name, asked.name, held.kind);
    let read = as_text(&column, &held.kind, kind);
    let sql = format!("alter table public.{table} alter column {column} type {kind} using {read}::{kind}");
    let shown = format!("select id::text as id, {column}::text as value from public.{table}");
    let (back, old) = (format!("({read}::{kind})::text"), &held.kind);
    let [fits, comes_back] = [(&read, kind), (&back, old)].map(|(read, kind)| format!("rowhouse.fits({read}, {})", text(kind)));
    let altered = format!(
        "{shown}
where {column} is not null and case when not {fits} then false when {comes_back} then {back}::{old} is distinct from {column} else true end"
    );
    let demand = Demand {
        words: format!("is to be {kind}, but these don't fit"),
        remedy: "Change them first",
        misfits: format!("{shown} where not {fits}"),
        altered: (held.kind != "jsonb" && kind != "jsonb").then_some(altered),
        ..Demand::free(&want.name, Some(&asked.name))
    };
    Step { risk: Risk::Rewrites(words), is_borne: false, demand: Some(demand), ..additive(sql) }
}

/// A column's value as a text that the other type reads.
fn as_text(column: &str, from: &str, to: &str) -> String {
    let is_whole = |kind: &str| matches!(kind, "bigint" | "smallint");
    let is_number = |kind: &str| is_whole(kind) || kind == "double precision" || kind.starts_with("numeric");
    match (from, to) {
        ("boolean", to) if is_number(to) => format!("{column}::integer::text"),
        (from, to) if is_number(from) && is_whole(to) => format!("trim_scale({column}::text::numeric)::text"),
        ("jsonb", _) => format!("({column} #>> '{{}}')"),
        (_, "jsonb") => format!("to_jsonb({column})::text"),
        _ => format!("{column}::text"),
    }
}

/// A change of rows of which no listener hears, and no history tells: it is the files' doing.
fn quietly(want: &Wanted, have: &Table, sql: String) -> Vec<Step> {
    let table = quote(&want.name);
    let ours = want.triggers.iter().map(|(name, _)| name).filter(|name| have.triggers.contains(*name)).collect::<Vec<_>>();
    let each = |word: &str| {
        ours.iter().map(|name| additive(format!("alter table public.{table} {word} trigger {}", quote(name)))).collect::<Vec<_>>()
    };
    [each("disable"), vec![additive(sql)], each("enable")].concat()
}

/// The options that are called otherwise now, of those that there were when files were applied last.
fn choices(
    schema: &Schema,
    (want, have): (&Wanted, &Table),
    described: &Described,
    phases: &mut Phases,
    faults: &mut Vec<String>,
) {
    for renamed in &schema.renamed {
        let Renamed::Choice { entity, column, was, now } = renamed else { continue };
        let options = described.columns.get(column).and_then(|told| told["options"].as_array());
        let had = |option: &String| options.is_some_and(|options| options.iter().any(|told| told.as_str() == Some(option)));
        if *entity != want.name || !have.columns.contains_key(column) || !had(was) {
            continue;
        }
        if had(now) {
            faults.push(format!(
                "{entity}.{column}: the option `{was}` is to be called `{now}`, and both were there: give rows another one first, and take `{was}` away"
            ));
            continue;
        }
        let mut steps = rename::choice(entity, column, was, now).into_iter();
        if let Some(rows) = steps.next() {
            let is_borne = rows.is_borne;
            phases.types.extend(quietly(want, have, rows.sql).into_iter().map(|step| Step { is_borne, ..step }));
        }
        phases.types.extend(steps);
    }
}
