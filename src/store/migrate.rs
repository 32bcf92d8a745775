//! Bringing a database to a schema: our own tables by number, entities by diff, and then ([`rows`]) what files say of entities,
//! actions and groups.
//!
//! In charge of: reading the catalog, and running steps under one transaction-scoped lock (any number of servers may start at
//! once). It must not know how steps are found (`schema::diff`).

mod rows;
mod rules;

use serde_json::Value as Json;

use super::{Scope, Store};
use crate::error::{Error, Result};
use crate::schema::catalog::{Catalog, Described, Held, Table};
use crate::schema::diff::{self, Demand, Difference, Risk, Step};
use crate::schema::facts::Facts;
use crate::schema::rename::Others;
use crate::schema::{Listener, Policy, Schema};
use crate::statement::migrate::{self as statement, Misfits, Part};

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
    let mut catalog = catalog(scope).await?;
    let listeners: Vec<Listener> = actions.iter().flat_map(|a| a.listens.iter().cloned()).collect();
    let Difference { steps, faults } = diff::steps(schema, &listeners, &others(schema, actions), &mut catalog);
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
        if report.faults.is_empty() && (is_done || extent == Extent::Tried) {
            report.values.extend(notes(scope, step, is_done).await?);
        }
        if is_done {
            let words = done(scope, step, !report.faults.is_empty()).await?;
            report.faults.extend(words);
        }
    }
    if report.faults.is_empty() {
        let said = rules::look(scope, schema, &rules::described(schema, &mut catalog)).await?;
        report.values.extend(said.notes);
        report.faults.extend(said.faults);
    }
    if !report.faults.is_empty() {
        return Ok(report); // the rest needs the tables
    }
    let groups = rows::bring(scope, schema, actions, extent == Extent::All, &mut report.values).await?;
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
    if found.count > 0 {
        let Demand { field, words, remedy, .. } = demand;
        return Ok(Some(format!("{field} {words}: {}. {remedy}.", named(&found))));
    }
    if after_faults {
        return Ok(None);
    }
    let others = dependents(scope, demand).await?;
    let cause = || format!("{}: PostgreSQL can't do `{}`: {error:?}", demand.field, step.sql());
    Ok(Some(others.map_or_else(cause, |others| format!("{others}. Take it away first, and make it again afterwards."))))
}

/// What there is to say of a step before it is done: values that become others, and what isn't ours and depends on what is lost.
async fn notes(scope: &mut Scope, step: &Step, is_done: bool) -> Result<Option<String>> {
    let Some(demand) = &step.demand else { return Ok(None) };
    if !is_done {
        return dependents(scope, demand).await;
    }
    let Some(altered) = demand.altered() else { return Ok(None) };
    let found = scope.run(&statement::misfits(altered)).await?;
    Ok((found.count > 0).then(|| format!("{}: the value becomes another one in {}", demand.field, named(&found))))
}

/// What isn't ours and depends on what a step changes or drops.
async fn dependents(scope: &mut Scope, demand: &Demand) -> Result<Option<String>> {
    let Some(query) = demand.dependents() else { return Ok(None) };
    let found = scope.run(&statement::misfits(query)).await?;
    let names: Vec<&str> = found.some.iter().filter_map(|(_, name)| name.as_deref()).collect();
    Ok((!names.is_empty()).then(|| format!("{}: what Rowhouse didn't make depends on it: {}", demand.field, names.join(", "))))
}

/// How many rows, and some of them.
fn named(Misfits { count, some }: &Misfits) -> String {
    let named = some.iter().map(|(id, value)| {
        let row = format!("row {}", id.as_deref().unwrap_or("?"));
        value.as_ref().map_or(row.clone(), |value| format!("{value:?} ({row})"))
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
        match object.constraint {
            Some(kind) => _ = table.constraints.insert(object.name, kind),
            None => _ = table.indexes.insert(object.name),
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
        for statement::World { name, columns, whole } in scope.run(&statement::entities()).await? {
            let told = columns.iter().filter_map(Json::as_array).flatten();
            let told = told.filter_map(|column| Some((column["name"].as_str()?.to_owned(), column.clone())));
            let is_whole = whole.is_some();
            let described = Described { columns: whole.unwrap_or_else(|| told.collect()), is_whole };
            catalog.described.insert(name.clone(), described);
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
