//! Bringing a database to a schema: our own tables by number, entities by diff, and the rows of `world`, `action` and
//! the declared groups.
//!
//! In charge of: reading the catalog, running steps under one transaction-scoped lock (any number of servers may start
//! at once), and live values against file values. It must not know how steps are found (`schema::diff`).

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use super::{Scope, Store};
use crate::error::Result;
use crate::schema::diff::{self, Catalog, Risk, Step};
use crate::schema::{ADMINISTRATORS, Grant, Listener, Policy, Schema, USERS, quote};
use crate::statement::{Statement, array};

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
", include_str!("note.sql"), include_str!("note_link.sql"), include_str!("note.sql") /* once more, for it has changed since */];

/// An action as its row in `action` wants it.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct DeclaredAction {
    pub entity: String,
    pub name: String,
    pub label: String,
    pub description: String,
    pub policy: Policy,
    pub listens: Vec<Listener>,
}

/// What is to be done, and where live values differ from the files'.
#[derive(Debug, Default)]
pub struct Report {
    /// The steps of DDL.
    pub steps: Vec<Step>,
    /// Sentences about values that were changed live and stay, or that the file changes now.
    pub values: Vec<String>,
}

impl Report {
    /// What can't go without `--allow-destructive` if the server is to work.
    pub fn rewrites(&self) -> impl Iterator<Item = &str> {
        self.steps.iter().filter_map(|s| if let Risk::Rewrites(words) = &s.risk { Some(words.as_str()) } else { None })
    }

    /// What would be lost.
    pub fn losses(&self) -> impl Iterator<Item = &str> {
        self.steps.iter().filter_map(|s| if let Risk::Loses(words) = &s.risk { Some(words.as_str()) } else { None })
    }
}

/// Says what [`apply`] would do, and does nothing.
///
/// # Errors
/// What PostgreSQL ran into.
pub async fn plan(store: &Store, schema: &Schema, actions: &[DeclaredAction]) -> Result<Report> {
    let mut scope = begin(store).await?;
    run(&mut scope, schema, actions, false).await // dropped, so rolled back
}

/// Brings the database to the schema, in one transaction. What loses or rewrites is left out unless allowed; with
/// rewrites left out nothing at all is done, and the report says so.
///
/// # Errors
/// What PostgreSQL ran into.
pub async fn apply(store: &Store, schema: &Schema, actions: &[DeclaredAction], allow_destructive: bool) -> Result<Report> {
    let mut scope = begin(store).await?;
    let report = run(&mut scope, schema, actions, allow_destructive).await?;
    if allow_destructive || report.rewrites().next().is_none() {
        scope.commit().await?;
    }
    Ok(report)
}

async fn begin(store: &Store) -> Result<Scope> {
    let mut scope = store.begin().await?;
    for sql in
        ["set local statement_timeout = 0", "set local lock_timeout = 0", "select pg_advisory_xact_lock(8245092418331501413)"]
    {
        scope.run(&once(sql)).await?;
    }
    Ok(scope)
}

fn once(sql: impl Into<String>) -> Statement {
    Statement { sql: sql.into(), values: vec![], keep: false }
}

async fn run(scope: &mut Scope, schema: &Schema, actions: &[DeclaredAction], allow: bool) -> Result<Report> {
    core(scope).await?;
    let catalog = catalog(scope).await?;
    let listeners: Vec<Listener> = actions.iter().flat_map(|a| a.listens.iter().cloned()).collect();
    let mut report = Report { steps: diff::steps(schema, &listeners, &catalog), values: vec![] };
    for step in &report.steps {
        if step.risk == Risk::Additive || allow {
            scope.run(&once(&step.sql)).await?;
        }
    }
    vanished(scope, schema, actions, allow, &mut report.values).await?;
    let groups = groups(scope, schema).await?;
    worlds(scope, schema, &groups, &mut report.values).await?;
    action_rows(scope, schema, actions, &groups, &mut report.values).await?;
    Ok(report)
}

async fn core(scope: &mut Scope) -> Result<()> {
    scope.run(&once("create schema if not exists rowhouse")).await?;
    scope
        .run(&once("create table if not exists rowhouse.core (step integer primary key, at timestamptz not null default now())"))
        .await?;
    let rows = scope.run(&once("select coalesce(max(step), 0)::bigint from rowhouse.core")).await?;
    let done = usize::try_from(rows[0].int(0).unwrap_or(0)).unwrap_or(0);
    for (at, sql) in CORE.iter().enumerate().skip(done) {
        // A function is one statement, whatever stands in it.
        let separator = if sql.contains("$note$") { '\0' } else { ';' };
        for part in sql.split(separator).filter(|p| !p.trim().is_empty()) {
            scope.run(&once(part)).await?;
        }
        scope.run(&once(format!("insert into rowhouse.core (step) values ({})", at + 1))).await?;
    }
    Ok(())
}

async fn catalog(scope: &mut Scope) -> Result<Catalog> {
    let mut catalog = Catalog::default();
    let columns = "select c.relname::text, a.attname::text, format_type(a.atttypid, a.atttypmod), a.attnotnull \
         from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped \
         where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p')";
    for row in scope.run(&once(columns)).await? {
        let (table, column, kind) = (row.text(0), row.text(1), row.text(2));
        let table = catalog.tables.entry(table.unwrap_or_default().to_owned()).or_default();
        table.columns.insert(column.unwrap_or_default().to_owned(), (kind.unwrap_or_default().to_owned(), row.bool(3)));
    }
    let objects = "select c.relname::text, i.relname::text, false from pg_index x join pg_class c on c.oid = x.indrelid \
         join pg_class i on i.oid = x.indexrelid where not x.indisprimary and c.relnamespace = 'public'::regnamespace \
         union all select c.relname::text, k.conname::text, true from pg_constraint k join pg_class c on c.oid = k.conrelid \
         where c.relnamespace = 'public'::regnamespace and k.contype in ('f', 'c')";
    for row in scope.run(&once(objects)).await? {
        let Some(table) = catalog.tables.get_mut(row.text(0).unwrap_or_default()) else { continue };
        let names = if row.bool(2) { &mut table.constraints } else { &mut table.indexes };
        names.insert(row.text(1).unwrap_or_default().to_owned());
    }
    let triggers = "select c.relname::text, t.tgname::text from pg_trigger t join pg_class c on c.oid = t.tgrelid \
         join pg_proc p on p.oid = t.tgfoid where not t.tgisinternal and p.pronamespace = 'rowhouse'::regnamespace";
    for row in scope.run(&once(triggers)).await? {
        if let Some(table) = catalog.tables.get_mut(row.text(0).unwrap_or_default()) {
            table.triggers.insert(row.text(1).unwrap_or_default().to_owned());
        }
    }
    if catalog.tables.contains_key("world") {
        for row in scope.run(&once("select name from world")).await? {
            catalog.entities.insert(row.text(0).unwrap_or_default().to_owned());
        }
    }
    Ok(catalog)
}

/// Rows of entities and actions whose files are gone: kept, with what was set live, until losing them is allowed.
async fn vanished(
    scope: &mut Scope,
    schema: &Schema,
    actions: &[DeclaredAction],
    allow: bool,
    said: &mut Vec<String>,
) -> Result<()> {
    let worlds = array(schema.entities().iter().map(|e| Some(e.name.clone())));
    let loaded = array(actions.iter().map(|a| Some(format!("{}/{}", a.entity, a.name))));
    for (table, name, known) in [("world", "t.name", worlds), ("action", "t.entity || '/' || t.name", loaded)] {
        let gone = format!("from {table} t where {name} <> all($1::text[])");
        let known = vec![Some(known)];
        for row in scope.run(&Statement::fixed(format!("select {name} {gone}"), known.clone())).await? {
            let name = row.text(0).unwrap_or_default();
            said.push(match allow {
                true => format!("{table} {name}: its file is gone, and so is its row"),
                false => format!("{table} {name}: its file is gone; its row stays until `apply --allow-destructive`"),
            });
        }
        if allow {
            scope.run(&Statement::fixed(format!("delete {gone}"), known)).await?;
        }
    }
    Ok(())
}

/// Makes the groups that files name, and gives all declared ones by name.
async fn groups(scope: &mut Scope, schema: &Schema) -> Result<HashMap<String, Uuid>> {
    let mut ids = HashMap::new();
    for name in &schema.groups {
        let id = match name.as_str() {
            "administrators" => ADMINISTRATORS,
            "users" => USERS,
            _ => Uuid::now_v7(),
        };
        let sql = "insert into usergroup (id, permission, name, joinable, declared) \
             select $1::uuid, 0, $2, false, true where not exists (select from usergroup where declared and name = $2 or id = $1::uuid)";
        scope.run(&Statement::fixed(sql, vec![Some(id.to_string()), Some(name.clone())])).await?;
    }
    for row in scope.run(&once("select name, id from usergroup where declared")).await? {
        if let (Some(name), Some(id)) = (row.text(0), row.uuid(1)) {
            ids.insert(name.to_owned(), id);
        }
    }
    Ok(ids)
}

/// A value of a file: the key it is remembered under, and what is written to the row's columns.
struct Filed {
    key: &'static str,
    value: Json,
    columns: Vec<(&'static str, Option<String>)>,
}

fn permission(key: &'static str, bits: i32) -> Filed {
    Filed { key, value: json!(bits), columns: vec![(key, Some(bits.to_string()))] }
}

fn grants(
    key: &'static str,
    ids: &'static str,
    bits: Option<&'static str>,
    grants: &[Grant],
    groups: &HashMap<String, Uuid>,
) -> Filed {
    let own = grants.iter().map(|g| g.permission.map(|p| p.bits().to_string()));
    let mut columns = vec![(ids, Some(array(grants.iter().filter_map(|g| groups.get(&g.group)).map(|id| Some(id.to_string())))))];
    if let Some(bits) = bits {
        columns.push((bits, grants.iter().any(|g| g.permission.is_some()).then(|| array(own))));
    }
    let value = grants.iter().map(|g| json!({"group": g.group, "permission": g.permission.map(|p| p.bits())})).collect();
    Filed { key, value, columns }
}

async fn worlds(scope: &mut Scope, schema: &Schema, groups: &HashMap<String, Uuid>, said: &mut Vec<String>) -> Result<()> {
    for entity in schema.entities() {
        let joined: Vec<_> = entity.join_groups.iter().map(|g| Grant { group: g.clone(), permission: None }).collect();
        let filed = [
            permission("permission", entity.policy.permission.bits()),
            permission("default_permission", entity.default_permission.bits()),
            grants("grants", "groups", Some("group_bits"), &entity.policy.grants, groups),
            grants("default_groups", "default_groups", Some("default_group_bits"), &entity.default_groups, groups),
            grants("join_groups", "join_groups", None, &joined, groups),
        ];
        let (columns, relations) = entity.describe(schema);
        let facts = [
            ("label", entity.label.clone()),
            ("description", entity.description.clone()),
            ("columns", columns.to_string()),
            ("relations", relations.to_string()),
        ];
        put(scope, "world", &[("name", entity.name.clone())], &facts, &filed, said).await?;
    }
    Ok(())
}

async fn action_rows(
    scope: &mut Scope,
    schema: &Schema,
    actions: &[DeclaredAction],
    groups: &HashMap<String, Uuid>,
    said: &mut Vec<String>,
) -> Result<()> {
    debug_assert!(schema.entity("action").is_some());
    for action in actions {
        let filed = [
            permission("permission", action.policy.permission.bits()),
            grants("grants", "groups", Some("group_bits"), &action.policy.grants, groups),
        ];
        let facts = [("label", action.label.clone()), ("description", action.description.clone())];
        let key = [("entity", action.entity.clone()), ("name", action.name.clone())];
        put(scope, "action", &key, &facts, &filed, said).await?;
    }
    Ok(())
}

/// Writes a row of the loader's: facts always; a filed value at first, and again only when the file's differs from the
/// one last applied, so that what was changed live stays.
async fn put(
    scope: &mut Scope,
    table: &str,
    key: &[(&str, String)],
    facts: &[(&str, String)],
    filed: &[Filed],
    said: &mut Vec<String>,
) -> Result<()> {
    let name = key.iter().map(|(_, v)| v.as_str()).collect::<Vec<_>>().join("/");
    let mut find = Statement { sql: String::new(), values: vec![], keep: true };
    let found: Vec<_> = key.iter().map(|(c, v)| format!("{} = {}", quote(c), find.bind(Some(v.clone())))).collect();
    let live: Vec<_> = filed.iter().map(|f| format!("{}::text", quote(f.columns[0].0))).collect();
    find.sql = format!("select id, applied::text, {} from {table} where {} for update", live.join(", "), found.join(" and "));
    let row = scope.run(&find).await?.into_iter().next();
    let applied: Map<String, Json> =
        row.as_ref().and_then(|r| serde_json::from_str(r.text(1).unwrap_or("{}")).ok()).unwrap_or_default();
    let now: BTreeMap<&str, &Json> = filed.iter().map(|f| (f.key, &f.value)).collect();
    let mut sets: Vec<(&str, Option<String>)> = facts.iter().map(|(c, v)| (*c, Some(v.clone()))).collect();
    sets.push(("applied", Some(json!(now).to_string())));
    for (at, value) in filed.iter().enumerate() {
        if applied.get(value.key) != Some(&value.value) {
            sets.extend(value.columns.iter().cloned());
            if row.is_some() {
                said.push(format!("{table} {name}: {} is set to {}, as the file now says", value.key, value.value));
            }
        } else if let Some(row) = &row
            && row.text(at + 2).map(str::to_owned) != value.columns[0].1.as_ref().map(|v| v.replace('"', ""))
        // as arrays of uuids come back
        {
            let live = row.text(at + 2).unwrap_or("nothing");
            said.push(format!("{table} {name}: {} stays {live}, as it was set live; the file says {}", value.key, value.value));
        }
    }
    let mut statement = Statement { sql: String::new(), values: vec![], keep: false };
    statement.sql = match row.and_then(|r| r.uuid(0)) {
        Some(id) => {
            let sets: Vec<_> = sets.into_iter().map(|(c, v)| format!("{} = {}", quote(c), statement.bind(v))).collect();
            format!("update {table} set {} where id = '{id}'", sets.join(", "))
        }
        None => {
            sets.extend(key.iter().map(|(c, v)| (*c, Some(v.clone()))));
            let columns: Vec<_> = sets.iter().map(|(c, _)| quote(c)).collect();
            let values: Vec<_> = sets.into_iter().map(|(_, v)| statement.bind(v)).collect();
            format!("insert into {table} (id, {}) values ('{}', {})", columns.join(", "), Uuid::now_v7(), values.join(", "))
        }
    };
    scope.run(&statement).await?;
    Ok(())
}
