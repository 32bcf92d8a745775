//! The rows of `world`, `action` and the declared groups: live values against file values.
//!
//! In charge of: which of both wins (`permissions.md` §6), and what is remembered of the files that were applied last.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use super::DeclaredAction;
use crate::error::Result;
use crate::schema::{ADMINISTRATORS, Grant, Schema, USERS};
use crate::statement::migrate::{self as statement, Key, Loaded};
use crate::statement::query::array;
use crate::store::Scope;

/// Brings them to the files. Gives the declared groups by name, and says in `said` what was changed live and stays, or is changed
/// now.
///
/// # Errors
/// What PostgreSQL ran into.
pub(super) async fn bring(
    scope: &mut Scope,
    schema: &Schema,
    actions: &[DeclaredAction],
    allow: bool,
    said: &mut Vec<String>,
) -> Result<HashMap<String, Uuid>> {
    vanished(scope, schema, actions, allow, said).await?;
    let groups = groups(scope, schema).await?;
    worlds(scope, schema, &groups, said).await?;
    action_rows(scope, schema, actions, &groups, said).await?;
    Ok(groups)
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
    /// Of an entity: its columns, also hidden ones, by name.
    columns: Option<Map<String, Json>>,
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
        let columns = entity.columns.iter().map(|column| (column.name.clone(), column.describe())).collect();
        let declared = Declared { table: Loaded::World, key: &key, facts: &facts, filed: &filed, columns: Some(columns) };
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
        put(scope, &Declared { table: Loaded::Action, key: &key, facts: &facts, filed: &filed, columns: None }, said).await?;
    }
    Ok(())
}

/// Where it is remembered what the file said of columns.
const COLUMNS: &str = "columns";
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
    let Declared { table, key, facts, filed, columns } = declared;
    let name = key.iter().map(|(_, v)| v.as_str()).collect::<Vec<_>>().join("/");
    let place = table.table();
    let live: Vec<&str> = filed.iter().map(|f| f.columns[0].0).collect();
    let row = scope.run(&statement::loaded(*table, key, &live)).await?;
    let now: BTreeMap<&str, &Json> = filed.iter().map(|f| (f.key, &f.value)).collect();
    let mut sets: Vec<(&'static str, Option<String>)> = facts.iter().map(|(c, v)| (*c, Some(v.clone()))).collect();
    let mut applied = json!(now);
    if let Some(columns) = columns {
        // Those that are gone from the file, and kept, stay: what they hold must not become readable by another type.
        let before = row.as_ref().and_then(|row| row.applied.get(COLUMNS)).and_then(Json::as_object).cloned();
        let mut all = before.unwrap_or_default();
        all.extend(columns.clone());
        applied[COLUMNS] = Json::Object(all);
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
