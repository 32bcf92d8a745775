//! Bringing a database to a schema: our own tables by number, entities by diff, and the rows of `world`, `action` and
//! the declared groups.
//!
//! In charge of: reading the catalog, running steps under one transaction-scoped lock (any number of servers may start
//! at once), and live values against file values. It must not know how steps are found (`schema::diff`).

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use super::{Scope, Store};
use crate::error::{Error, Result};
use crate::schema::diff::{self, Catalog, Difference, Held, Risk, Step, Table};
use crate::schema::facts::Facts;
use crate::schema::rename::Others;
use crate::schema::{ADMINISTRATORS, Grant, Listener, Policy, Schema, USERS};
use crate::statement::migrate::{self as statement, Key, Loaded, Misfits, Part};
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
    /// Its name before.
    pub was: Option<String>,
}

/// What is to be done, and where live values differ from the files'.
#[derive(Debug, Default)]
pub struct Report {
    /// The steps of DDL.
    pub steps: Vec<Step>,
    /// Sentences about values that were changed live and stay, or that the file changes now.
    pub values: Vec<String>,
    /// Why it can't be done: names and tables in the way, rows that don't fit.
    pub faults: Vec<String>,
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

/// How far a migration goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// Everything but what is lost, and then nothing of it lasts.
    Tried,
    /// Nothing that is lost or rewritten.
    Additions,
    /// Everything.
    All,
}

/// Says what [`apply`] would do, and does nothing.
///
/// # Errors
/// What PostgreSQL ran into.
pub async fn plan(store: &Store, schema: &Schema, actions: &[DeclaredAction]) -> Result<Report> {
    let mut scope = begin(store).await?;
    run(&mut scope, schema, actions, Extent::Tried).await // dropped, so rolled back
}

/// Brings the database to the schema, in one transaction. What loses or rewrites is left out unless allowed; with
/// rewrites left out, or where something stands in the way, nothing at all is done, and the report says so.
///
/// # Errors
/// What PostgreSQL ran into.
pub async fn apply(store: &Store, schema: &Schema, actions: &[DeclaredAction], allow_destructive: bool) -> Result<Report> {
    let mut scope = begin(store).await?;
    let extent = if allow_destructive { Extent::All } else { Extent::Additions };
    let report = run(&mut scope, schema, actions, extent).await?;
    if report.faults.is_empty() && (allow_destructive || report.rewrites().next().is_none()) {
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

async fn run(scope: &mut Scope, schema: &Schema, actions: &[DeclaredAction], extent: Extent) -> Result<Report> {
    core(scope).await?;
    let catalog = catalog(scope).await?;
    let listeners: Vec<Listener> = actions.iter().flat_map(|a| a.listens.iter().cloned()).collect();
    let Difference { steps, faults } = diff::steps(schema, &listeners, &others(schema, actions), catalog);
    let mut report = Report { steps, values: vec![], faults };
    // What comes after rewrites needs them; and where names and tables stand in the way, nothing is tried.
    if extent == Extent::Additions && report.rewrites().next().is_some() || !report.faults.is_empty() {
        return Ok(report);
    }
    for step in &report.steps {
        let is_done = match step.risk {
            Risk::Additive => true,
            Risk::Rewrites(_) => extent != Extent::Additions,
            Risk::Loses(_) => extent == Extent::All && report.faults.is_empty(),
        };
        let field = step.demand.as_ref().map(|demand| demand.field.as_str());
        let altered = step.demand.as_ref().and_then(|demand| demand.altered());
        if let Some(altered) = altered.filter(|_| is_done && report.faults.is_empty()) {
            let found = scope.run(&statement::misfits(altered)).await?;
            if found.count > 0 {
                let words = format!("{}: the value becomes another one in {}", field.unwrap_or_default(), named(&found));
                report.values.push(words);
            }
        }
        if is_done {
            let words = done(scope, step, !report.faults.is_empty()).await?;
            report.faults.extend(words);
        }
    }
    if !report.faults.is_empty() {
        return Ok(report); // the rest needs the tables
    }
    vanished(scope, schema, actions, extent == Extent::All, &mut report.values).await?;
    let groups = groups(scope, schema).await?;
    worlds(scope, schema, &groups, &mut report.values).await?;
    action_rows(scope, schema, actions, &groups, &mut report.values).await?;
    let mut facts = Facts::of(schema);
    // What is gone from the files and kept is still served by nodes that know it.
    facts.keep(groups.keys(), &scope.run(&statement::actions()).await?);
    scope.run(&statement::note_schema(&facts.digest, &facts.all, !report.steps.is_empty())).await?;
    Ok(report)
}

/// What is called otherwise now, of what the schema doesn't say itself.
fn others(schema: &Schema, actions: &[DeclaredAction]) -> Others {
    let of_entities = schema.entities().iter().flat_map(|e| e.policy.grants.iter().chain(&e.default_groups));
    let granted = of_entities.chain(actions.iter().flat_map(|action| &action.policy.grants));
    let mut groups: Vec<(String, String)> = granted.filter_map(|g| Some((g.was.clone()?, g.group.clone()))).collect();
    groups.sort_unstable();
    groups.dedup();
    let renamed = actions.iter().filter_map(|a| Some((a.entity.clone(), a.was.clone()?, a.name.clone())));
    let named = actions.iter().map(|action| (action.entity.clone(), action.name.clone()));
    Others { actions: renamed.collect(), groups, named: named.collect() }
}

/// Does a step. Gives why it can't be done, where rows don't fit it; nothing of it is done then. `after_faults`: steps before it
/// were not done, which it may need; then what it runs into is nothing new.
async fn done(scope: &mut Scope, step: &Step, after_faults: bool) -> Result<Option<String>> {
    if step.demand.is_none() && !after_faults {
        scope.run(&statement::step(step)).await?;
        return Ok(None);
    }
    scope.run(&statement::part(Part::Begin)).await?;
    let Err(error) = scope.run(&statement::step(step)).await else {
        scope.run(&statement::part(Part::Done)).await?;
        return Ok(None);
    };
    if matches!(error, Error::Unavailable(_) | Error::Again) {
        return Err(error);
    }
    scope.run(&statement::part(Part::Undo)).await?;
    let Some(demand) = &step.demand else { return Ok(None) };
    let found = match scope.run(&statement::misfits(demand.misfits())).await {
        Ok(found) => found,
        Err(_) if after_faults => {
            scope.run(&statement::part(Part::Undo)).await?;
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    if found.count == 0 && after_faults {
        return Ok(None);
    }
    if found.count == 0 {
        return Ok(Some(format!("{}: PostgreSQL can't do `{}`: {error:?}", demand.field, step.sql())));
    }
    Ok(Some(format!("{} {}: {}. {}.", demand.field, demand.words, named(&found), demand.remedy)))
}

/// How many rows, and some of them.
fn named(Misfits { count, some }: &Misfits) -> String {
    let named = some.iter().map(|(id, value)| match value {
        Some(value) => format!("{value:?} (row {id})"),
        None => format!("row {id}"),
    });
    let more = if usize::try_from(*count) == Ok(some.len()) { "" } else { ", …" };
    let rows = if *count == 1 { "1 row".to_owned() } else { format!("{count} rows") };
    format!("{rows}: {}{more}", named.collect::<Vec<_>>().join(", "))
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
        let held = Held { kind: column.kind, is_required: column.is_required, has_default: column.has_default };
        table.columns.insert(column.name, held);
    }
    for object in scope.run(&statement::objects()).await? {
        let Some(table) = catalog.tables.get_mut(&object.table) else { continue };
        match object.is_constraint {
            true => _ = table.constraints.insert(object.name, object.blocks),
            false => _ = table.indexes.insert(object.name),
        }
    }
    for (table, trigger) in scope.run(&statement::triggers()).await? {
        catalog.tables.entry(table).and_modify(|table| _ = table.triggers.insert(trigger));
    }
    catalog.renamed = scope.run(&statement::renamed()).await?;
    catalog.languages.extend(scope.run(&statement::languages()).await?);
    catalog.others.extend(scope.run(&statement::others()).await?);
    let is_ours = |name: &str| catalog.tables.get(name).is_some_and(Table::is_ours);
    let (has_worlds, has_actions, has_groups) = (is_ours("world"), is_ours("action"), is_ours("usergroup"));
    if has_worlds {
        for statement::World { name, columns, types } in scope.run(&statement::entities()).await? {
            catalog.types.extend(types.map(|types| (name.clone(), types)));
            let described = columns.iter().filter_map(Json::as_array).flatten();
            let named = described.filter_map(|column| Some((column["name"].as_str()?.to_owned(), column.clone())));
            catalog.described.insert(name.clone(), named.collect());
            catalog.entities.insert(name);
        }
    }
    if has_actions {
        catalog.actions.extend(scope.run(&statement::actions()).await?);
    }
    if has_groups {
        catalog.groups.extend(scope.run(&statement::declared_groups()).await?.into_iter().map(|(name, _)| name));
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
    /// Of an entity: its columns, and the words of their types.
    types: Option<&'a [(&'a str, &'static str)]>,
}

async fn worlds(scope: &mut Scope, schema: &Schema, groups: &HashMap<String, Uuid>, said: &mut Vec<String>) -> Result<()> {
    for entity in schema.entities() {
        let joined: Vec<_> = entity.join_groups.iter().map(|g| Grant { group: g.clone(), permission: None, was: None }).collect();
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
        let types: Vec<_> = entity.columns.iter().map(|column| (column.name.as_str(), column.kind.word())).collect();
        let declared = Declared { table: Loaded::World, key: &key, facts: &facts, filed: &filed, types: Some(&types) };
        put(scope, &declared, said).await?;
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
        put(scope, &Declared { table: Loaded::Action, key: &key, facts: &facts, filed: &filed, types: None }, said).await?;
    }
    Ok(())
}

/// Where the types of columns are remembered.
const TYPES: &str = "types";
/// Where the defaults of new rows are remembered that a file had before: `regrant` asks for them.
const BEFORE: &str = "before";
/// So many of them are.
const REMEMBERED: usize = 20;

/// The defaults of new rows that a file had before, the one that was applied last among them where the file says another now.
fn before(applied: &Map<String, Json>, now: &BTreeMap<&str, &Json>) -> Option<Json> {
    let mut all = applied.get(BEFORE).and_then(Json::as_array).cloned().unwrap_or_default();
    let keys = ["default_permission", "default_groups"];
    let last: Map<String, Json> = keys.iter().filter_map(|key| Some(((*key).to_owned(), applied.get(*key)?.clone()))).collect();
    let is_other = last.iter().any(|(key, value)| now.get(key.as_str()) != Some(&value));
    let last = Json::Object(last);
    if is_other && !all.contains(&last) {
        all.push(last);
    }
    let many = all.len().saturating_sub(REMEMBERED);
    all.drain(..many);
    (!all.is_empty()).then_some(Json::Array(all))
}

/// Writes a row of the loader's, where something differs: facts always; a filed value at first, and again only when the file's
/// differs from the one last applied, so that what was changed live stays.
async fn put(scope: &mut Scope, declared: &Declared<'_>, said: &mut Vec<String>) -> Result<()> {
    let Declared { table, key, facts, filed, types } = declared;
    let name = key.iter().map(|(_, v)| v.as_str()).collect::<Vec<_>>().join("/");
    let place = table.table();
    let live: Vec<&str> = filed.iter().map(|f| f.columns[0].0).collect();
    let row = scope.run(&statement::loaded(*table, key, &live)).await?;
    let now: BTreeMap<&str, &Json> = filed.iter().map(|f| (f.key, &f.value)).collect();
    let mut sets: Vec<(&'static str, Option<String>)> = facts.iter().map(|(c, v)| (*c, Some(v.clone()))).collect();
    let mut applied = json!(now);
    if let Some(types) = types {
        // Also of what is hidden, or kept: what it holds must not become readable by another type.
        let before = row.as_ref().and_then(|row| row.applied.get(TYPES)).and_then(Json::as_object).cloned();
        let mut all = before.unwrap_or_default();
        all.extend(types.iter().map(|(name, word)| ((*name).to_owned(), json!(word))));
        applied[TYPES] = Json::Object(all);
    }
    if let Some(before) = row.as_ref().and_then(|row| before(&row.applied, &now)) {
        applied[BEFORE] = before;
    }
    sets.push(("applied", Some(applied.to_string())));
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
