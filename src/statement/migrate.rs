//! Bringing a database to a schema: the SQL of our own tables, of the catalog, and of the loader's rows.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json};
use uuid::Uuid;

use super::query::{Internal, Sql, all, array, done, first, one, values};
use crate::error::{Error, Result};
use crate::permission::GRANTED_FUNCTION;
use crate::schema::catalog::Constraint;
use crate::schema::diff::Step;
use crate::schema::rename::Past;
use crate::schema::{Entity, quote};

/// Our own tables, one step per release that changed them; never edited, only added to.
const CORE: &[&str] = &["
create table rowhouse.signing_key (kid text primary key, public bytea not null, sealed bytea not null, created_at timestamptz not null default now(), retired_at timestamptz);
create table rowhouse.claim_code (only_one boolean primary key default true check (only_one), sealed bytea not null, spent_at timestamptz);
create table rowhouse.attempt (key text primary key, tries integer not null, since timestamptz not null);
", "
create index attempt_since on rowhouse.attempt (since);
", "
create table rowhouse.once (caller uuid not null, place text not null, key text not null, body text not null, done jsonb not null, made_at timestamptz not null default now(), primary key (caller, place, key));
create index once_made_at on rowhouse.once (made_at);
", "
create table rowhouse.token (hash bytea primary key, owner uuid not null, purpose text not null, data text, expires_at timestamptz not null);
create index token_owner on rowhouse.token (owner, purpose);
create index token_expires_at on rowhouse.token (expires_at);
", "
create table rowhouse.tick (action text primary key, last timestamptz not null);
", "
alter table rowhouse.token add column several boolean not null default false;
", "
create table rowhouse.change (id bigint generated always as identity primary key, at timestamptz not null default clock_timestamp(), entity text not null, row uuid not null, verb text not null, before jsonb not null, after jsonb not null, caller uuid, request text, action text);
create index change_row on rowhouse.change (entity, row, id);
create table rowhouse.unheard (id bigint generated always as identity primary key, xact xid8 not null default pg_current_xact_id(), entity text not null, row uuid not null, verb text not null, before jsonb not null, after jsonb not null);
create index unheard_xact on rowhouse.unheard (xact);
alter table rowhouse.token add column row uuid;
create table rowhouse.refresh (hash bytea primary key, family uuid not null, session uuid not null, expires_at timestamptz not null, spent_at timestamptz);
create index refresh_family on rowhouse.refresh (family);
create index refresh_expires_at on rowhouse.refresh (expires_at);
create table rowhouse.part (transfer uuid not null, number bigint not null, bytes bytea not null, at timestamptz not null default now(), primary key (transfer, number));
", include_str!("note.sql"), include_str!("note_link.sql"), include_str!("note.sql") /* once more, for it has changed since */, "
create table rowhouse.stamp (only_one boolean primary key default true check (only_one), value uuid not null default gen_random_uuid(), schema text not null default '', facts jsonb not null default '{}');
insert into rowhouse.stamp (only_one) values (true);
", include_str!("stamp.sql"), GRANTED_FUNCTION, "
alter table rowhouse.change add column permission integer, add column owner uuid, add column groups uuid[], add column group_bits integer[], add column was_permission integer, add column was_owner uuid, add column was_groups uuid[], add column was_group_bits integer[], add column xact xid8, add column sent_request text;
alter table rowhouse.attempt add column last timestamptz not null default now();
", include_str!("note.sql"), include_str!("note_link.sql") /* once more */, include_str!("fits.sql"), include_str!("raise.sql"), "
create table rowhouse.renamed (kind text not null, entity text not null, was text not null, now text not null, at timestamptz not null default now(), primary key (kind, entity, was));
", "
alter table rowhouse.part add column is_faulty boolean not null default false, drop constraint part_pkey, add primary key (transfer, is_faulty, number);
create table rowhouse.gone (id uuid primary key);
", include_str!("gone.sql"), "
alter table rowhouse.attempt add column person bytea;
create index attempt_person on rowhouse.attempt (person) where person is not null;
alter table rowhouse.refresh add column again_until timestamptz;
"];

/// Begins a migration: however long it takes, and one at a time.
pub fn begin() -> [Internal<()>; 3] {
    ["set local statement_timeout = 0", "set local lock_timeout = 0", "select pg_advisory_xact_lock(8245092418331501413)"]
        .map(|text| Internal::new(text, vec![], done))
}

/// Makes the table that counts the steps of our own tables.
pub fn begin_core() -> [Internal<()>; 2] {
    [
        "create schema if not exists rowhouse",
        "create table if not exists rowhouse.core (step integer primary key, at timestamptz not null default now())",
    ]
    .map(|text| Internal::new(text, vec![], done))
}

/// How many steps of our own tables are done.
pub fn core_done() -> Internal<i64> {
    Internal::new("select coalesce(max(step), 0)::bigint from rowhouse.core", vec![], one(|row| row.column(0)))
}

/// The steps of our own tables after so many.
pub fn core(from: usize) -> Vec<Internal<()>> {
    let mut steps = vec![];
    for (at, text) in CORE.iter().enumerate().skip(from) {
        // A function is one statement, whatever stands in it.
        let separator = if text.contains("$note$") { '\0' } else { ';' };
        for part in text.split(separator).filter(|part| !part.trim().is_empty()) {
            steps.push(Internal::new(part, vec![], done));
        }
        steps.push(Internal::new(format!("insert into rowhouse.core (step) values ({})", at + 1), vec![], done));
    }
    steps
}

/// Begins, ends or undoes what may fail without the rest.
#[derive(Debug, Clone, Copy)]
#[allow(missing_docs)]
pub enum Part {
    Begin,
    Done,
    Undo,
}

/// Says where a part of a migration begins or ends.
pub fn part(part: Part) -> Internal<()> {
    let text = match part {
        Part::Begin => "savepoint part",
        Part::Done => "release savepoint part",
        Part::Undo => "rollback to savepoint part",
    };
    Internal::new(text, vec![], done)
}

/// Rows that don't meet what a step asks.
#[derive(Debug)]
pub struct Misfits {
    /// All of them.
    pub count: i64,
    /// Some, for people: id and value.
    pub some: Vec<(Option<String>, Option<String>)>,
}

/// How many rows that a step can't do with are named.
pub const NAMED: usize = 5;

/// The rows that a query finds which asks for `id` and `value`.
pub fn misfits(query: &str) -> Internal<Misfits> {
    let text = format!(
        "select id, left(value, 60), count(*) over ()
from ({query}) t
order by value, id
limit {NAMED}"
    );
    let rows = all(|row| Ok((row.optional(0)?, row.optional(1)?, row.column::<i64>(2)?)));
    Internal::new(text, vec![], move |found| {
        let found: Vec<(Option<String>, Option<String>, i64)> = rows(found)?;
        let count = found.first().map_or(0, |(.., count)| *count);
        Ok(Misfits { count, some: found.into_iter().map(|(id, value, _)| (id, value)).collect() })
    })
}

/// The values of a column as text, of so many rows after one: id and value. Those of nothing are left out.
pub fn values_of(entity: &Entity, column: &str, after: Uuid, size: i64) -> Internal<Vec<(Uuid, String)>> {
    let mut sql = Sql::new();
    let (column, after, size) = (quote(column), sql.bind(after), sql.bind(size));
    let text = format!(
        "select id, {column}::text
from {}
where {column} is not null and id > {after}::uuid
order by id
limit {size}::bigint",
        entity.table()
    );
    Internal::of(sql.with(text), all(|row| Ok((row.column(0)?, row.column(1)?))))
}

/// A step of DDL.
pub fn step(step: &Step) -> Internal<()> {
    Internal::new(step.sql(), vec![], done)
}

/// A column, as the catalog has it.
#[derive(Debug)]
#[allow(missing_docs)]
pub struct Column {
    pub table: String,
    pub name: String,
    /// Its type, as `format_type` spells it.
    pub kind: String,
    pub is_required: bool,
    pub has_default: bool,
}

/// The columns of all tables.
pub fn columns() -> Internal<Vec<Column>> {
    let text = "select c.relname::text, a.attname::text, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.atthasdef
from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')";
    let column = all(|row| {
        let (table, name, kind) = (row.column(0)?, row.column(1)?, row.column(2)?);
        Ok(Column { table, name, kind, is_required: row.column(3)?, has_default: row.column(4)? })
    });
    Internal::new(text, vec![], column)
}

/// Something that belongs to a table.
#[derive(Debug)]
#[allow(missing_docs)]
pub struct Object {
    pub table: String,
    pub name: String,
    /// Which constraint; none: an index.
    pub constraint: Option<Constraint>,
}

/// The indexes and constraints of all tables.
pub fn objects() -> Internal<Vec<Object>> {
    let text = "select c.relname::text, i.relname::text, null
from pg_index x join pg_class c on c.oid = x.indrelid join pg_class i on i.oid = x.indexrelid
where not x.indisprimary and c.relnamespace = 'public'::regnamespace
union all
select c.relname::text, k.conname::text,
  case when k.contype = 'c' then 'check' when k.confdeltype in ('r', 'a') then 'blocks' else 'link' end
from pg_constraint k join pg_class c on c.oid = k.conrelid
where c.relnamespace = 'public'::regnamespace and k.contype in ('f', 'c')";
    let object = all(|row| {
        let constraint = row.optional::<&str>(2)?.map(|kind| match kind {
            "check" => Constraint::Check,
            "blocks" => Constraint::Blocks,
            _ => Constraint::Link,
        });
        Ok(Object { table: row.column(0)?, name: row.column(1)?, constraint })
    });
    Internal::new(text, vec![], object)
}

/// The triggers of ours on all tables: table and name.
pub fn triggers() -> Internal<Vec<(String, String)>> {
    let text = "select c.relname::text, t.tgname::text
from pg_trigger t join pg_class c on c.oid = t.tgrelid join pg_proc p on p.oid = t.tgfoid
where not t.tgisinternal and p.pronamespace = 'rowhouse'::regnamespace";
    Internal::new(text, vec![], all(|row| Ok((row.column(0)?, row.column(1)?))))
}

/// The names of views, sequences, types and whatever else can't stand beside a table of the same name.
pub fn others() -> Internal<Vec<String>> {
    // A table's own type goes with it, and the type of its lists steps aside.
    let text = "select relname::text
from pg_class
where relnamespace = 'public'::regnamespace and relkind not in ('r', 'p')
union
select typname::text
from pg_type t
where typnamespace = 'public'::regnamespace
  and typrelid = 0
  and not exists (select from pg_type e where e.typarray = t.oid)";
    Internal::new(text, vec![], all(|row| row.column(0)))
}

/// The languages that texts are sorted by.
pub fn languages() -> Internal<Vec<String>> {
    let text = "select collname::text from pg_collation where collnamespace = 'rowhouse'::regnamespace";
    Internal::new(text, vec![], all(|row| row.column(0)))
}

/// An entity that has a row.
#[derive(Debug)]
#[allow(missing_docs)]
pub struct World {
    pub name: String,
    /// What is told of its columns.
    pub columns: Option<Json>,
    /// The same, also of hidden and kept ones, by name; none: an older release made the row.
    pub whole: Option<BTreeMap<String, Json>>,
}

/// The entities that have a row.
pub fn entities() -> Internal<Vec<World>> {
    fn read<T: serde::de::DeserializeOwned>(text: Option<&str>) -> Result<Option<T>> {
        text.map(serde_json::from_str).transpose().map_err(Error::internal)
    }
    let world = all(|row| Ok(World { name: row.column(0)?, columns: read(row.optional(1)?)?, whole: read(row.optional(2)?)? }));
    Internal::new("select name, columns::text, (applied -> 'columns')::text from world", vec![], world)
}

/// What was renamed when files were applied.
pub fn renamed() -> Internal<Vec<Past>> {
    let past = all(|row| Ok(Past { kind: row.column(0)?, entity: row.column(1)?, was: row.column(2)?, now: row.column(3)? }));
    Internal::new("select kind, entity, was, now from rowhouse.renamed order by at, was", vec![], past)
}

/// The actions that have a row: entity and name.
pub fn actions() -> Internal<Vec<(String, String)>> {
    Internal::new("select entity, name from action", vec![], all(|row| Ok((row.column(0)?, row.column(1)?))))
}

/// Where the loader writes rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Loaded {
    World,
    Action,
}

impl Loaded {
    /// The table's name.
    pub fn table(self) -> &'static str {
        match self {
            Loaded::World => "world",
            Loaded::Action => "action",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Loaded::World => "t.name",
            Loaded::Action => "t.entity || '/' || t.name",
        }
    }
}

/// The names of rows whose files are gone.
pub fn vanished(table: Loaded, known: &[String]) -> Internal<Vec<String>> {
    let text = format!("select {name} from {} t where {name} <> all($1::text[])", table.table(), name = table.name());
    Internal::new(text, values![array(known.iter().map(Some))], all(|row| row.column(0)))
}

/// Takes away rows whose files are gone.
pub fn forget_vanished(table: Loaded, known: &[String]) -> Internal<()> {
    let text = format!("delete from {} t where {} <> all($1::text[])", table.table(), table.name());
    Internal::new(text, values![array(known.iter().map(Some))], done)
}

/// Makes a declared group, where there is none of that name.
pub fn declare_group(id: Uuid, name: &str) -> Internal<()> {
    let text = "insert into usergroup (id, permission, name, joinable, declared)
select $1::uuid, 0, $2, false, true
where not exists (select from usergroup where declared and name = $2 or id = $1::uuid)";
    Internal::new(text, values![id, name], done)
}

/// The declared groups: name and id.
pub fn declared_groups() -> Internal<Vec<(String, Uuid)>> {
    Internal::new("select name, id from usergroup where declared", vec![], all(|row| Ok((row.column(0)?, row.column(1)?))))
}

/// A row of the loader's, as it is.
#[derive(Debug)]
pub struct LoadedRow {
    /// Its id.
    pub id: Uuid,
    /// The files' values that were applied last, by their keys.
    pub applied: Map<String, Json>,
    /// The live values, as text.
    pub live: Vec<Option<String>>,
}

/// Columns that tell a row of the loader's from others.
pub type Key<'a> = &'a [(&'static str, String)];

/// Locks a row of the loader's. `live`: the columns whose values are told.
pub fn loaded(table: Loaded, key: Key<'_>, live: &[&str]) -> Internal<Option<LoadedRow>> {
    let mut sql = Sql::new();
    let found: Vec<_> = key.iter().map(|(column, value)| format!("{} = {}", quote(column), sql.bind(value.as_str()))).collect();
    let shown: String = live.iter().map(|column| format!(", {}::text", quote(column))).collect();
    let text = format!("select id, applied::text{shown} from {} where {} for update", table.table(), found.join(" and "));
    let count = live.len();
    let row = first(move |row| {
        let applied = row.optional::<&str>(1)?.map(serde_json::from_str).transpose().map_err(Error::internal)?;
        let live = (0..count).map(|at| row.optional(at + 2)).collect::<Result<_>>()?;
        Ok(LoadedRow { id: row.column(0)?, applied: applied.unwrap_or_default(), live })
    });
    Internal::of(sql.with(text), row)
}

/// Columns of a row of the loader's, and their values.
pub type Sets = [(&'static str, Option<String>)];

/// Changes a row of the loader's where something differs: each change makes everybody learn anew.
pub fn change_loaded(table: Loaded, id: Uuid, sets: &Sets) -> Internal<()> {
    let mut sql = Sql::new();
    let id = sql.bind(id);
    let bound: Vec<_> = sets.iter().map(|(column, value)| (quote(column), sql.bind(value.as_deref()))).collect();
    let changes: Vec<_> = bound.iter().map(|(column, value)| format!("{column} = {value}")).collect();
    let differs: Vec<_> = bound.iter().map(|(column, value)| format!("t.{column} is distinct from {value}")).collect();
    let text = format!("update {} t set {} where t.id = {id} and ({})", table.table(), changes.join(", "), differs.join(" or "));
    Internal::of(sql.with(text), done)
}

/// Makes a row of the loader's.
pub fn make_loaded(table: Loaded, key: Key<'_>, sets: &Sets) -> Internal<()> {
    let mut sql = Sql::new();
    let all = sets.iter().cloned().chain(key.iter().map(|(column, value)| (*column, Some(value.clone()))));
    let (columns, values): (Vec<_>, Vec<_>) = all.map(|(column, value)| (quote(column), sql.bind(value))).unzip();
    let text = format!(
        "insert into {} (id, {}) values ('{}', {})",
        table.table(),
        columns.join(", "),
        Uuid::now_v7(),
        values.join(", ")
    );
    Internal::of(sql.with(text), done)
}

/// Notes which schema was applied last: its digest, and what is served by it. Where a step was done, what is known of tables
/// and their triggers holds no more.
pub fn note_schema(digest: &str, facts: &BTreeMap<String, String>, has_steps: bool) -> Internal<()> {
    let text = "update rowhouse.stamp
set value = gen_random_uuid(), schema = $1, facts = $2::jsonb
where schema <> $1 or $3::boolean";
    Internal::new(text, values![digest, serde_json::json!(facts).to_string(), has_steps], done)
}

/// What is served by the schema that was applied last.
pub fn schema_facts() -> Internal<BTreeMap<String, String>> {
    let text = "select facts::text from rowhouse.stamp";
    Internal::new(text, vec![], one(|row| serde_json::from_str(row.column(0)?).map_err(Error::internal)))
}

/// The digest of the schema that was applied last.
pub fn applied_schema() -> Internal<String> {
    Internal::new("select schema from rowhouse.stamp", vec![], one(|row| row.column(0)))
}
