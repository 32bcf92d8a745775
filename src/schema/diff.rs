//! The way from a catalog to a schema: ordered steps of DDL, each with what it risks.
//!
//! In charge of: the tables, indexes, constraints and triggers that a schema wants, and their difference to what is there.
//! Pure: the store reads the catalog and runs the steps. Indexes and constraints are compared by name alone, because
//! [`object_name`] gives every definition a name of its own.

use std::collections::{BTreeMap, BTreeSet};

use super::kind::Kind;
use super::{Column, Entity, Happening, Link, Listener, OnDelete, Relation, Schema, Unique, object_name, quote};
use crate::permission::Right;

/// What PostgreSQL has, as far as it is ours.
#[derive(Debug, Default)]
pub struct Catalog {
    /// Table → what it has.
    pub tables: BTreeMap<String, Table>,
    /// The entities that have a row in `world`: only their tables may ever be dropped.
    pub entities: BTreeSet<String>,
}

/// A table of the catalog.
#[derive(Debug, Default)]
pub struct Table {
    /// Column → its type as `format_type` spells it, and whether it is `not null`.
    pub columns: BTreeMap<String, (String, bool)>,
    /// Names of its indexes.
    pub indexes: BTreeSet<String>,
    /// Names of its constraints.
    pub constraints: BTreeSet<String>,
    /// Names of its triggers.
    pub triggers: BTreeSet<String>,
}

/// What a step may cost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Risk {
    /// Nothing is lost.
    Additive,
    /// This is lost. What would be lost may stay, unused, until it is allowed.
    Loses(String),
    /// Values are rewritten and some may not fit; nothing works until it is allowed.
    Rewrites(String),
}

/// One step from what is there to what is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The statement. Nobody else makes one: a step is run as it is.
    sql: String,
    /// What it may cost.
    pub risk: Risk,
    /// Whether nodes that run with the files before go on: what they serve is still there, and what they write is still taken.
    pub is_borne: bool,
}

impl Step {
    /// The statement.
    pub fn sql(&self) -> &str {
        &self.sql
    }
}

struct Wanted {
    name: String,
    /// Name, type, not null, default for rows that are there already.
    columns: Vec<(String, String, bool, Option<String>)>,
    key: &'static str,
    /// Name and statement.
    indexes: Vec<(String, String)>,
    /// Name and definition.
    constraints: Vec<(String, String)>,
    /// Name and statement.
    triggers: Vec<(String, String)>,
}

/// The steps, in order: tables, columns, what went stale, indexes, constraints, and what would be lost.
///
/// `listeners`: the actions that listen to what happens to rows.
pub fn steps(schema: &Schema, listeners: &[Listener], catalog: &Catalog) -> Vec<Step> {
    let mut wanted: Vec<Wanted> = schema.entities().iter().flat_map(|e| tables(schema, e)).collect();
    schema.entities().iter().for_each(|entity| notes(entity, listeners, &mut wanted));
    stamps(&mut wanted);
    let (mut first, mut then, mut last, mut lost) = (vec![], vec![], vec![], vec![]);
    let nothing = Table::default();
    for want in &wanted {
        let table = quote(&want.name);
        let have = catalog.tables.get(&want.name);
        match have {
            None => first.push(additive(create(want))),
            Some(have) => columns(want, have, &mut then, &mut lost),
        }
        let have = have.unwrap_or(&nothing);
        for (_, sql) in want.indexes.iter().filter(|(n, _)| !have.indexes.contains(n)) {
            then.push(additive(sql.clone()));
        }
        for (name, sql) in want.constraints.iter().filter(|(n, _)| !have.constraints.contains(n)) {
            last.push(additive(format!("alter table {table} add constraint {} {sql}", quote(name))));
        }
        for (_, sql) in want.triggers.iter().filter(|(n, _)| !have.triggers.contains(n)) {
            last.push(additive(sql.clone()));
        }
        for name in have.triggers.iter().filter(|n| !want.triggers.iter().any(|(kept, _)| kept == *n)) {
            first.push(additive(format!("drop trigger {} on {table}", quote(name))));
        }
        let stale = |kept: &[(String, String)], name: &String| name.contains('.') && !kept.iter().any(|(n, _)| n == name);
        for name in have.constraints.iter().filter(|n| stale(&want.constraints, n)) {
            first.push(additive(format!("alter table {table} drop constraint {}", quote(name))));
        }
        for name in have.indexes.iter().filter(|n| stale(&want.indexes, n)) {
            let why = "/* not wanted any more: one index gives an order and its reverse */";
            first.push(additive(format!("drop index {} {why}", quote(name))));
        }
    }
    for name in catalog.tables.keys().filter(|t| !wanted.iter().any(|w| w.name == **t)) {
        let entity = name.split('.').next().unwrap_or(name);
        if catalog.entities.contains(entity) {
            let risk = Risk::Loses(format!("the table {name} with all its rows"));
            lost.push(Step { sql: format!("drop table {} cascade", quote(name)), risk, is_borne: false });
        }
    }
    [first, then, last, lost].concat()
}

fn additive(sql: String) -> Step {
    Step { sql, risk: Risk::Additive, is_borne: true }
}

/// One after which nodes with the files before leave out what must be there.
fn demanding(sql: String) -> Step {
    Step { is_borne: false, ..additive(sql) }
}

fn create(want: &Wanted) -> String {
    let columns = want.columns.iter().map(|(name, kind, required, _)| {
        let fixed = match name.as_str() {
            "version" => " default 1",
            "created_at" | "updated_at" => " default now()",
            "groups" => " default '{}'",
            _ => "",
        };
        format!("  {} {kind}{}{fixed}", quote(name), if *required { " not null" } else { "" })
    });
    let lines: Vec<_> = columns.chain([format!("  primary key ({})", want.key)]).collect();
    format!("create table {} (\n{}\n)", quote(&want.name), lines.join(",\n"))
}

fn columns(want: &Wanted, have: &Table, then: &mut Vec<Step>, lost: &mut Vec<Step>) {
    let table = quote(&want.name);
    for (name, kind, required, default) in &want.columns {
        let column = quote(name);
        match have.columns.get(name) {
            None => {
                let filled = default.as_ref().map(|d| format!(" default {d}")).unwrap_or_default();
                let not_null = if *required { " not null" } else { "" };
                let step = if *required { demanding } else { additive };
                then.push(step(format!("alter table {table} add column {column} {kind}{not_null}{filled}")));
                if default.is_some() {
                    then.push(additive(format!("alter table {table} alter column {column} drop default")));
                }
            }
            Some((was, _)) if was != kind => {
                let risk = Risk::Rewrites(format!("{}.{name} from {was} to {kind}: values that don't fit stop it", want.name));
                let sql = format!("alter table {table} alter column {column} type {kind} using {column}::text::{kind}");
                lost.push(Step { sql, risk, is_borne: false });
            }
            Some((_, true)) if !required => {
                then.push(additive(format!("alter table {table} alter column {column} drop not null")))
            }
            Some((_, false)) if *required => {
                if let Some(default) = default {
                    then.push(additive(format!("update {table} set {column} = {default} where {column} is null")));
                }
                then.push(demanding(format!("alter table {table} alter column {column} set not null")));
            }
            Some(_) => {}
        }
    }
    for (name, (_, not_null)) in &have.columns {
        if want.columns.iter().any(|(n, ..)| n == name) {
            continue;
        }
        let column = quote(name);
        if *not_null {
            then.push(additive(format!("alter table {table} alter column {column} drop not null")));
        }
        let risk = Risk::Loses(format!("the column {}.{name} with all its values", want.name));
        lost.push(Step { sql: format!("alter table {table} drop column {column}"), risk, is_borne: false });
    }
}

/// The entity's own table, and those of its many-to-many relations.
fn tables(schema: &Schema, entity: &Entity) -> Vec<Wanted> {
    let plain = |name: &str, kind: &str, required| (name.to_owned(), kind.to_owned(), required, None);
    let stamp = "timestamp with time zone";
    let mut own = Wanted {
        name: entity.name.clone(),
        columns: vec![
            plain("id", "uuid", true),
            plain("owner", "uuid", false),
            plain("permission", "integer", true),
            plain("groups", "uuid[]", true),
            plain("group_bits", "integer[]", false),
            plain("version", "bigint", true),
            plain("created_at", stamp, true),
            plain("updated_at", stamp, true),
        ],
        key: "id",
        indexes: vec![],
        constraints: vec![],
        triggers: vec![],
    };
    if entity.name == "world" {
        own.columns.push(plain("default_groups", "uuid[]", false));
        own.columns.push(plain("default_group_bits", "integer[]", false));
        own.columns.push(plain("join_groups", "uuid[]", false));
    }
    for column in entity.columns.iter().filter(|c| !own.columns.iter().any(|(n, ..)| *n == c.name)).collect::<Vec<_>>() {
        let default = column.default.as_ref().map(|json| literal(&column.kind, json));
        own.columns.push((column.name.clone(), column.kind.sql(), column.required, default));
        let name = quote(&column.name);
        let spelled = column.kind.folded(&name);
        match column.unique {
            Unique::Everywhere => index(&mut own, entity, &column.name, "key", &format!("({spelled})")),
            Unique::PerOwner => index(&mut own, entity, &column.name, "key", &format!("(\"owner\", {spelled})")),
            Unique::No if column.index => {
                let spelled = if column.kind == Kind::Name { &name } else { &spelled };
                index(&mut own, entity, &column.name, "idx", &format!("({spelled}, \"id\")"));
            }
            Unique::No => {}
        }
        if let Kind::Enum { options } = &column.kind {
            let options = options.iter().map(|o| text(o)).collect::<Vec<_>>().join(", ");
            constraint(&mut own, entity, &column.name, "check", &format!("check ({name} in ({options}))"));
        }
    }
    lists(&mut own, entity);
    let mut all = vec![];
    for relation in &entity.relations {
        match &relation.link {
            Link::One { column } if relation.name != "owner" => {
                own.columns.push((column.clone(), "uuid".to_owned(), relation.required, None));
                index(&mut own, entity, column, "idx", &format!("({})", quote(column)));
                let key = foreign_key(schema, relation, column);
                constraint(&mut own, entity, column, "fk", &key);
            }
            Link::Through { table, near: "source", .. } => all.push(pairs(schema, entity, relation, table)),
            _ => {}
        }
    }
    all.insert(0, own);
    all
}

/// The indexes that lists need: the default order, also of what guests may read; the owner's and the groups' rows.
fn lists(own: &mut Wanted, entity: &Entity) {
    for (at, order) in entity.listed_orders().into_iter().enumerate() {
        let keys = order.iter().map(|(name, descends)| format!("{}{}", quote(name), if *descends { " desc" } else { "" }));
        let keys = keys.collect::<Vec<_>>().join(", ");
        index(own, entity, "order", "idx", &format!("({keys})"));
        if at == 0 {
            let guest = format!("({keys}) where permission & {} <> 0", Right::Read.bit());
            index(own, entity, "guest", "idx", &guest);
        }
    }
    index(own, entity, "owner", "idx", "(\"owner\")");
    index(own, entity, "groups", "gin", "using gin (\"groups\") with (fastupdate = off)");
}

/// The triggers that note what happens to an entity's rows, for its history and for listeners.
fn notes(entity: &Entity, listeners: &[Listener], wanted: &mut [Wanted]) {
    let names = |pick: &dyn Fn(&Column) -> bool| {
        entity.columns.iter().filter(|c| pick(c)).map(|c| c.name.as_str()).collect::<Vec<_>>().join(",")
    };
    let of = |is_before: bool| listeners.iter().filter(move |l| l.entity == entity.name && l.is_before == is_before);
    let after: Vec<_> = of(false).map(|l| format!("{}:{}", l.happening.word(), l.action)).collect();
    let before: Vec<_> = Happening::ALL.iter().filter(|h| of(true).any(|l| l.happening == **h)).map(|h| h.word()).collect();
    let history = match (&entity.states, entity.audit) {
        (_, true) => "*",
        (Some(machine), false) => machine.column.as_str(),
        (None, false) => "",
    };
    if history.is_empty() && after.is_empty() && before.is_empty() {
        return;
    }
    let secrets = names(&|c| !c.hidden && c.kind.is_secret());
    let arguments = [&entity.name, &names(&|c| c.hidden), &secrets, history, &after.join(","), &before.join(",")].map(text);
    let mut note = |table: &str, events: &str, function: String| {
        let name = object_name(&entity.name, "note", "trigger", &format!("{table} {function}"));
        let sql = format!(
            "create trigger {} after {events} on {} for each row execute function {function}",
            quote(&name),
            quote(table)
        );
        wanted.iter_mut().filter(|w| w.name == table).for_each(|w| w.triggers.push((name.clone(), sql.clone())));
    };
    note(&entity.name, "insert or update or delete", format!("rowhouse.note({})", arguments.join(", ")));
    for relation in entity.relations.iter().filter(|_| entity.audit) {
        if let Link::Through { table, near: "source", .. } = &relation.link {
            note(table, "insert or delete", format!("rowhouse.note_link({}, {})", text(&entity.name), text(&relation.name)));
        }
    }
}

/// The triggers that renew the stamp for each row of `world` and `action` that really changed, whoever changes it and however:
/// what is known of entities and actions is proven by it.
fn stamps(wanted: &mut [Wanted]) {
    for want in wanted.iter_mut().filter(|want| matches!(want.name.as_str(), "world" | "action")) {
        let table = quote(&want.name);
        for (events, when) in [
            ("insert or delete", "for each row"),
            ("update", "for each row when (old.* is distinct from new.*)"),
            ("truncate", "for each statement"),
        ] {
            let name = object_name(&want.name, "stamp", "trigger", &format!("{events} {when}"));
            let trigger = quote(&name);
            let sql = format!(
                "do $stamp$ begin
  create trigger {trigger} after {events} on {table} {when} execute function rowhouse.renew_stamp();
  alter table {table} enable always trigger {trigger};
end $stamp$"
            );
            want.triggers.push((name, sql));
        }
    }
}

fn pairs(schema: &Schema, entity: &Entity, relation: &Relation, table: &str) -> Wanted {
    let column = |name: &str| (name.to_owned(), "uuid".to_owned(), true, None);
    let stamp = ("created_at".to_owned(), "timestamp with time zone".to_owned(), true, None);
    let mut wanted = Wanted {
        name: table.to_owned(),
        columns: vec![column("source"), column("target"), stamp],
        key: "\"source\", \"target\"",
        indexes: vec![],
        constraints: vec![],
        triggers: vec![],
    };
    for (column, other) in [("source", entity), ("target", schema.target(relation))] {
        let key = format!("foreign key (\"{column}\") references {} (id) on delete cascade", other.table());
        wanted.constraints.push((object_name(table, column, "fk", &key), key));
    }
    // With both, what a row is linked to is read from the index alone, in order: every proof reads somebody's groups so.
    let definition = "(\"target\", \"source\")";
    let name = object_name(table, "target", "idx", definition);
    let sql = format!("create index {} on {} {definition}", quote(&name), quote(table));
    wanted.indexes.push((name, sql));
    wanted
}

fn index(wanted: &mut Wanted, entity: &Entity, part: &str, kind: &str, definition: &str) {
    let unique = if kind == "key" { "unique " } else { "" };
    let name = object_name(&entity.name, part, kind, definition);
    let sql = format!("create {unique}index {} on {} {definition}", quote(&name), entity.table());
    wanted.indexes.push((name, sql));
}

fn constraint(wanted: &mut Wanted, entity: &Entity, part: &str, kind: &str, definition: &str) {
    wanted.constraints.push((object_name(&entity.name, part, kind, definition), definition.to_owned()));
}

fn foreign_key(schema: &Schema, relation: &Relation, column: &str) -> String {
    let action = match relation.on_delete {
        OnDelete::Restrict => "restrict",
        OnDelete::Cascade => "cascade",
        OnDelete::SetNull => "set null",
    };
    let target = schema.target(relation).table();
    format!("foreign key ({}) references {target} (id) on delete {action}", quote(column))
}

/// The field that a unique index or a foreign key of ours speaks of, by the object's name.
pub fn field_of<'e>(schema: &Schema, entity: &'e Entity, object: &str) -> Option<&'e str> {
    let wanted = tables(schema, entity);
    let own = wanted.first()?;
    let known = own.indexes.iter().chain(&own.constraints).any(|(n, _)| n == object);
    // Names are cut at the end, so the part stands whole or is told by the definition's hash.
    let mut fields = entity.columns.iter().map(|c| c.name.as_str()).chain(entity.relations.iter().map(|r| r.name.as_str()));
    fields.find(|field| {
        known && own.indexes.iter().chain(&own.constraints).any(|(n, sql)| n == object && sql.contains(&quote(field)))
    })
}

fn text(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

fn literal(kind: &Kind, json: &serde_json::Value) -> String {
    let value = json.as_str().map_or_else(|| json.to_string(), str::to_owned);
    format!("{}::{}", text(&value), kind.sql())
}
