//! Bringing a database to a schema: our own tables by number, entities by diff, and the rows of `world`, `action` and
//! the declared groups.
//!
//! In charge of: reading the catalog, running steps under one transaction-scoped lock (any number of servers may start
//! at once), and live values against file values. It must not know how steps are found (`schema::diff`).

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::{Scope, Store};
use crate::error::Result;
use crate::schema::diff::{self, Catalog, Risk, Step};
use crate::schema::facts::Facts;
use crate::schema::{ADMINISTRATORS, Grant, Listener, Policy, Schema, USERS};
use crate::statement::migrate::{self as statement, Key, Loaded};
use crate::statement::query::array;

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
    for statement in statement::begin() {
        scope.run(&statement).await?;
    }
    Ok(scope)
}

async fn run(scope: &mut Scope, schema: &Schema, actions: &[DeclaredAction], allow: bool) -> Result<Report> {
    core(scope).await?;
    let catalog = catalog(scope).await?;
    let listeners: Vec<Listener> = actions.iter().flat_map(|a| a.listens.iter().cloned()).collect();
    let mut report = Report { steps: diff::steps(schema, &listeners, &catalog), values: vec![] };
    for step in &report.steps {
        if step.risk == Risk::Additive || allow {
            scope.run(&statement::step(step)).await?;
        }
    }
    vanished(scope, schema, actions, allow, &mut report.values).await?;
    let groups = groups(scope, schema).await?;
    worlds(scope, schema, &groups, &mut report.values).await?;
    action_rows(scope, schema, actions, &groups, &mut report.values).await?;
    let facts = Facts::of(schema);
    scope.run(&statement::note_schema(&facts.digest, &facts.all, !report.steps.is_empty())).await?;
    Ok(report)
}

async fn core(scope: &mut Scope) -> Result<()> {
    for statement in statement::begin_core() {
        scope.run(&statement).await?;
    }
    let done = scope.run(&statement::core_done()).await?;
    for statement in statement::core(usize::try_from(done).unwrap_or(0)) {
        scope.run(&statement).await?;
    }
    Ok(())
}

async fn catalog(scope: &mut Scope) -> Result<Catalog> {
    let mut catalog = Catalog::default();
    for column in scope.run(&statement::columns()).await? {
        let table = catalog.tables.entry(column.table).or_default();
        table.columns.insert(column.name, (column.kind, column.is_required));
    }
    for object in scope.run(&statement::objects()).await? {
        let Some(table) = catalog.tables.get_mut(&object.table) else { continue };
        let names = if object.is_constraint { &mut table.constraints } else { &mut table.indexes };
        names.insert(object.name);
    }
    for (table, trigger) in scope.run(&statement::triggers()).await? {
        catalog.tables.entry(table).and_modify(|table| _ = table.triggers.insert(trigger));
    }
    if catalog.tables.contains_key("world") {
        catalog.entities.extend(scope.run(&statement::entities()).await?);
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
    let worlds: Vec<String> = schema.entities().iter().map(|e| e.name.clone()).collect();
    let loaded: Vec<String> = actions.iter().map(|a| format!("{}/{}", a.entity, a.name)).collect();
    for (place, known) in [(Loaded::World, worlds), (Loaded::Action, loaded)] {
        let table = place.table();
        for name in scope.run(&statement::vanished(place, &known)).await? {
            said.push(match allow {
                true => format!("{table} {name}: its file is gone, and so is its row"),
                false => format!("{table} {name}: its file is gone; its row stays until `apply --allow-destructive`"),
            });
        }
        if allow {
            scope.run(&statement::forget_vanished(place, &known)).await?;
        }
    }
    Ok(())
}

/// Makes the groups that files name, and gives all declared ones by name.
async fn groups(scope: &mut Scope, schema: &Schema) -> Result<HashMap<String, Uuid>> {
    for name in &schema.groups {
        let id = match name.as_str() {
            "administrators" => ADMINISTRATORS,
            "users" => USERS,
            _ => Uuid::now_v7(),
        };
        scope.run(&statement::declare_group(id, name)).await?;
    }
    Ok(scope.run(&statement::declared_groups()).await?.into_iter().collect())
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

/// The columns that hold grants.
struct GrantColumns {
    key: &'static str,
    ids: &'static str,
    bits: Option<&'static str>,
}

fn grants(columns: &GrantColumns, grants: &[Grant], groups: &HashMap<String, Uuid>) -> Filed {
    let listed = |items: Vec<Option<String>>| array(items).text().map(Cow::into_owned);
    let own = || grants.iter().map(|g| g.permission.map(|p| p.bits().to_string())).collect();
    let ids = grants.iter().filter_map(|g| groups.get(&g.group)).map(|id| Some(id.to_string())).collect();
    let mut set = vec![(columns.ids, listed(ids))];
    if let Some(bits) = columns.bits {
        set.push((bits, if grants.iter().any(|g| g.permission.is_some()) { listed(own()) } else { None }));
    }
    let value = grants.iter().map(|g| json!({"group": g.group, "permission": g.permission.map(|p| p.bits())})).collect();
    Filed { key: columns.key, value, columns: set }
}

const GRANTS: GrantColumns = GrantColumns { key: "grants", ids: "groups", bits: Some("group_bits") };
const DEFAULT_GROUPS: GrantColumns =
    GrantColumns { key: "default_groups", ids: "default_groups", bits: Some("default_group_bits") };
const JOIN_GROUPS: GrantColumns = GrantColumns { key: "join_groups", ids: "join_groups", bits: None };

/// A row of the loader's, as files have it.
struct Declared<'a> {
    table: Loaded,
    key: Key<'a>,
    facts: &'a [(&'static str, String)],
    filed: &'a [Filed],
}

async fn worlds(scope: &mut Scope, schema: &Schema, groups: &HashMap<String, Uuid>, said: &mut Vec<String>) -> Result<()> {
    for entity in schema.entities() {
        let joined: Vec<_> = entity.join_groups.iter().map(|g| Grant { group: g.clone(), permission: None }).collect();
        let filed = [
            permission("permission", entity.policy.permission.bits()),
            permission("default_permission", entity.default_permission.bits()),
            grants(&GRANTS, &entity.policy.grants, groups),
            grants(&DEFAULT_GROUPS, &entity.default_groups, groups),
            grants(&JOIN_GROUPS, &joined, groups),
        ];
        let (columns, relations) = entity.describe(schema);
        let facts = [
            ("label", entity.label.clone()),
            ("description", entity.description.clone()),
            ("columns", columns.to_string()),
            ("relations", relations.to_string()),
        ];
        let key = [("name", entity.name.clone())];
        put(scope, &Declared { table: Loaded::World, key: &key, facts: &facts, filed: &filed }, said).await?;
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
        let filed = [permission("permission", action.policy.permission.bits()), grants(&GRANTS, &action.policy.grants, groups)];
        let facts = [("label", action.label.clone()), ("description", action.description.clone())];
        let key = [("entity", action.entity.clone()), ("name", action.name.clone())];
        put(scope, &Declared { table: Loaded::Action, key: &key, facts: &facts, filed: &filed }, said).await?;
    }
    Ok(())
}

/// Writes a row of the loader's, where something differs: facts always; a filed value at first, and again only when the file's
/// differs from the one last applied, so that what was changed live stays.
async fn put(scope: &mut Scope, declared: &Declared<'_>, said: &mut Vec<String>) -> Result<()> {
    let Declared { table, key, facts, filed } = declared;
    let name = key.iter().map(|(_, v)| v.as_str()).collect::<Vec<_>>().join("/");
    let place = table.table();
    let live: Vec<&str> = filed.iter().map(|f| f.columns[0].0).collect();
    let row = scope.run(&statement::loaded(*table, key, &live)).await?;
    let now: BTreeMap<&str, &Json> = filed.iter().map(|f| (f.key, &f.value)).collect();
    let mut sets: Vec<(&'static str, Option<String>)> = facts.iter().map(|(c, v)| (*c, Some(v.clone()))).collect();
    sets.push(("applied", Some(json!(now).to_string())));
    for (at, value) in filed.iter().enumerate() {
        let Some(row) = &row else {
            sets.extend(value.columns.iter().cloned());
            continue;
        };
        let live = row.live[at].as_deref();
        if row.applied.get(value.key) != Some(&value.value) {
            sets.extend(value.columns.iter().cloned());
            said.push(format!("{place} {name}: {} is set to {}, as the file now says", value.key, value.value));
        } else if live.map(str::to_owned) != value.columns[0].1.as_ref().map(|v| v.replace('"', ""))
        // as arrays of uuids come back
        {
            let live = live.unwrap_or("nothing");
            said.push(format!("{place} {name}: {} stays {live}, as it was set live; the file says {}", value.key, value.value));
        }
    }
    match row {
        Some(row) => scope.run(&statement::change_loaded(*table, row.id, &sets)).await,
        None => scope.run(&statement::make_loaded(*table, key, &sets)).await,
    }
}
