//! `rowhouse admin regrant`: rows that still have the rights which new rows got before get those of today.
//!
//! In charge of: saying how many first, and doing it in batches, each noted in histories. Past all permissions: it is called at
//! the terminal.

use std::collections::HashMap;

use serde_json::Value as Json;
use uuid::Uuid;

use super::Store;
use crate::error::Result;
use crate::permission::Permission;
use crate::schema::Entity;
use crate::statement::event::Origin;
use crate::statement::migrate;
use crate::statement::regrant::{self as statement, Counts, Earlier, Rights};

/// Rows that are changed in one transaction.
const BATCH: i64 = 1000;

/// Gives rows today's defaults, or only says how many there are (`is_dry`). `permission`: rows with this one, instead of those
/// that have a default which the file had before. Gives what there is to say.
///
/// # Errors
/// What PostgreSQL ran into.
pub async fn regrant(store: &Store, entity: &Entity, permission: Option<Permission>, is_dry: bool) -> Result<String> {
    let groups: HashMap<String, Uuid> = store.read(&migrate::declared_groups()).await?.into_iter().collect();
    let before = store.read(&statement::before(&entity.name)).await?;
    let from = Earlier { permission, defaults: before.iter().filter_map(|before| default(before, &groups)).collect() };
    let Counts { all, have, get } = store.read(&statement::counts(entity, &from)).await?;
    let name = &entity.name;
    let rest = all - have - get;
    let left = format!("{have} of {all} have them already; {rest} have other rights and stay as they are");
    if is_dry {
        return Ok(format!("{name}: {get} rows would get today's defaults; {left}"));
    }
    let (mut last, mut done) = (Uuid::nil(), 0);
    loop {
        let request = Uuid::now_v7().to_string();
        let origin = Origin { request: &request, action: "admin/regrant", ..Origin::default() };
        let mut scope = store.begin_for(None, &origin).await?;
        let (reached, count) = scope.run(&statement::batch(entity, &from, last, BATCH)).await?;
        scope.commit().await?;
        done += count;
        match reached {
            Some(id) => last = id,
            None => return Ok(format!("{name}: {done} rows have today's defaults now; {left}")),
        }
    }
}

/// A default that the file had: permission, and groups with bits of their own. None: it names a group that is gone.
fn default(before: &Json, groups: &HashMap<String, Uuid>) -> Option<Rights> {
    let bits = |value: &Json| value.as_i64().and_then(|bits| i32::try_from(bits).ok());
    let granted = before["default_groups"].as_array()?.iter();
    let granted = granted.map(|grant| Some((*groups.get(grant["group"].as_str()?)?, bits(&grant["permission"]))));
    Some(Rights { permission: bits(&before["default_permission"])?, groups: granted.collect::<Option<_>>()? })
}
