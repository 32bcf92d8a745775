//! The history of a row: for whoever may read the row, of the columns that are theirs to be served; of a row that is gone, for
//! administrators.

use serde_json::Value as Json;
use uuid::Uuid;

use super::{Source, read};
use crate::account::Caller;
use crate::error::{Error, Result};
use crate::permission::Right;
use crate::plan::{Pick, Planner};
use crate::request::Query;
use crate::request::body::uuid;
use crate::schema::Entity;
pub use crate::statement::event::Change;
use crate::statement::event::{self, Window};
use crate::statement::transfer;
use crate::store::Store;

/// Changes of a row below one of them, newest first, and whether there are more.
///
/// # Errors
/// As of reading the row: 401, 403, 404.
pub async fn history(
    store: &Store,
    planner: Planner<'_>,
    caller: Caller,
    entity: &Entity,
    id: Uuid,
    (below, size): (Option<i64>, i64),
) -> Result<(Vec<Change>, bool)> {
    let plan = planner.read(entity, Pick::One(id), &Query::default());
    let verdict = read(Source::Store(store), planner.schema, caller, &plan).await;
    let is_gone = matches!(verdict, Err(Error::NotFound));
    // A token that is over may count as none.
    let is_guest = verdict.as_ref().is_ok_and(|answer| answer.is_for_guest());
    if !is_gone {
        verdict?;
    }
    // The rule stands in here as well: whatever was permitted a moment ago.
    let session = if is_guest { None } else { caller.counts()? };
    let mut changes = store.read(&event::history(entity, id, session, Window { below, size: size + 1 })).await?;
    for (name, value) in changes.iter_mut().flat_map(|change| change.before.iter_mut().chain(&mut change.after)) {
        *value = entity.told_again(name, value.take());
    }
    if changes.iter().any(|change| !change.is_administrator) {
        links(store, planner, session, entity, &mut changes).await?;
    }
    if is_gone && changes.is_empty() {
        return Err(Error::NotFound);
    }
    let has_more = i64::try_from(changes.len()).is_ok_and(|n| n > size);
    changes.truncate(usize::try_from(size).unwrap_or(usize::MAX));
    Ok((changes, has_more))
}

/// Leaves out where links lead, but for rows that the caller may peek now.
async fn links(
    store: &Store,
    planner: Planner<'_>,
    session: Option<Uuid>,
    entity: &Entity,
    changes: &mut [Change],
) -> Result<()> {
    for relation in &entity.relations {
        let name = &relation.name;
        let sides = changes.iter().flat_map(|change| [change.before.get(name), change.after.get(name)]).flatten();
        let mut ids: Vec<Uuid> = sides.filter_map(Json::as_str).filter_map(uuid).collect();
        ids.sort_unstable();
        ids.dedup();
        let keys: Vec<Option<String>> = ids.iter().map(|id| Some(id.to_string())).collect();
        let target = planner.schema.target(relation);
        let seen = if keys.is_empty() {
            vec![]
        } else {
            store.read(&transfer::known(target, None, Right::Peek, &keys, session)).await?
        };
        let is_seen = |value: &Json| value.as_str().and_then(uuid).is_some_and(|id| seen.iter().any(|(_, seen)| *seen == id));
        for change in changes.iter_mut() {
            for side in [&mut change.before, &mut change.after] {
                if side.get(name).is_some_and(|value| !value.is_null() && !is_seen(value)) {
                    side.remove(name);
                }
            }
        }
    }
    Ok(())
}
