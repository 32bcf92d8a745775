//! The history of a row: for whoever may read the row, of the columns that are theirs to be served; of a row that is gone, for
//! administrators.

use serde_json::{Map, Value as Json};
use uuid::Uuid;

use super::{Source, read};
use crate::account::Caller;
use crate::error::{Error, Result};
use crate::plan::{Pick, Planner};
use crate::request::Query;
use crate::schema::Entity;
use crate::statement::event;
use crate::store::{Row, Store};

/// One change of a row.
#[derive(Debug)]
#[allow(missing_docs)]
pub struct Change {
    pub id: i64,
    /// RFC 3339, in UTC.
    pub at: String,
    /// create, update, delete, link or unlink.
    pub verb: String,
    /// Columns and ids of links that changed: as they were, and as they became.
    pub before: Map<String, Json>,
    pub after: Map<String, Json>,
    /// Whose change it was; none: a guest's, or the server's own.
    pub user: Option<Uuid>,
    pub request: Option<String>,
    pub action: Option<String>,
}

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
    if !is_gone {
        verdict?;
    }
    // The rule stands in here as well: whatever was permitted a moment ago.
    let rows = store.read(&event::history(entity, id, caller.session, below, size + 1)).await?;
    if is_gone && rows.is_empty() {
        return Err(Error::NotFound);
    }
    let has_more = i64::try_from(rows.len()).is_ok_and(|n| n > size);
    let most = usize::try_from(size).unwrap_or(usize::MAX);
    Ok((rows.iter().take(most).map(|row| change(entity, row)).collect(), has_more))
}

fn change(entity: &Entity, row: &Row) -> Change {
    let seen = row.int(8).unwrap_or(0);
    let limited: Vec<&str> = entity.columns.iter().filter(|c| c.is_limited()).map(|c| c.name.as_str()).collect();
    let is_shown = |name: &String| match limited.iter().position(|column| column == name) {
        Some(at) => at < 62 && seen & (1 << at) != 0,
        // Where a link leads is told by `/api`, by the rule of the other row; here to administrators alone.
        None => entity.column(name).map_or(row.bool(9), |c| !c.hidden),
    };
    let text = |at: usize| row.text(at).map(str::to_owned);
    let values = |at: usize| -> Map<String, Json> {
        let all: Map<String, Json> = text(at).and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
        all.into_iter().filter(|(name, _)| is_shown(name)).collect()
    };
    Change {
        id: row.int(0).unwrap_or(0),
        at: text(1).unwrap_or_default(),
        verb: text(2).unwrap_or_default(),
        before: values(3),
        after: values(4),
        user: row.uuid(5),
        request: text(6),
        action: text(7),
    }
}
