//! What happens to rows: who says so while it happens, what was heard of it, and what is kept of it. The notes are taken by
//! triggers (`store/note.sql`), so that nothing that changes a row passes them by.

use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use super::query::{Guarded, Internal, Sql, all, any, array, values};
use super::row::Row;
use super::who::{gate, who};
use crate::error::{Error, Result};
use crate::permission::{Actor, Right, Subject};
use crate::schema::{Column, Entity};

/// What changes come from, as it is noted with them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Origin<'a> {
    /// The request's id: ours.
    pub request: &'a str,
    /// What its sender calls it.
    pub sent_request: Option<&'a str>,
    /// The action, `<entity>/<name>`; empty where it is none.
    pub action: &'a str,
    /// How many events led to each other before it.
    pub depth: i64,
}

/// Begins a transaction in which somebody changes rows.
pub fn begin(session: Option<Uuid>, origin: &Origin<'_>) -> String {
    let mut call = json!({"request": origin.request, "depth": origin.depth});
    if let Some(session) = session {
        call["session"] = json!(session);
    }
    if let Some(sent) = origin.sent_request {
        call["sent_request"] = sent.into();
    }
    if !origin.action.is_empty() {
        call["action"] = json!(origin.action);
    }
    format!("begin; set local rowhouse.call = {}", super::query::literal(&call.to_string()))
}

/// What happened to a row, as a trigger noted it.
#[derive(Debug)]
#[allow(missing_docs)]
pub struct Note {
    pub entity: String,
    pub row: Uuid,
    pub verb: String,
    pub before: Json,
    pub after: Json,
    /// Whose session it is.
    pub user: Option<Uuid>,
}

fn json(row: &Row, column: usize) -> Result<Json> {
    serde_json::from_str(row.column(column)?).map_err(Error::internal)
}

/// Takes what happened in this transaction and nobody heard yet.
pub fn unheard(session: Option<Uuid>) -> Internal<Vec<Note>> {
    let text = "with u as (delete from rowhouse.unheard where xact = pg_current_xact_id() returning *)
select u.entity, u.row, u.verb, u.before::text, u.after::text, (select s.\"user\" from session s where s.id = $1::uuid)
from u order by u.id";
    let note = |row: &Row| {
        let (before, after) = (json(row, 3)?, json(row, 4)?);
        Ok(Note { entity: row.column(0)?, row: row.column(1)?, verb: row.column(2)?, before, after, user: row.optional(5)? })
    };
    Internal::new(text, values![session], all(note))
}

/// Opens a session of so many seconds for an active user, to do what waits for it. Gives whether there is one.
pub fn open_for(session: Uuid, user: Uuid, seconds: u64) -> Internal<bool> {
    let text = "insert into session (id, owner, permission, expires_at, \"user\", device)
select $1::uuid, u.id, 0, now() + make_interval(secs => $3::double precision), u.id, 'task'
from user_account u where u.id = $2::uuid and u.active
returning id";
    Internal::new(text, values![session, user, seconds], any)
}

/// One change of a row, as far as it is the caller's to be told.
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
    /// All of these, also of links that lead where the caller may not look.
    pub fields: Vec<String>,
    /// Whether the caller sees where links lead whatever they lead to: administrators do.
    pub is_administrator: bool,
    /// Whose change it was; none: a guest's, or the server's own.
    pub user: Option<Uuid>,
    pub request: Option<String>,
    /// What the request's sender calls it.
    pub sent_request: Option<String>,
    pub action: Option<String>,
}

/// Which part of a history.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// Only changes before this one.
    pub below: Option<i64>,
    /// How many at most.
    pub size: i64,
}

/// What happened to a row, newest first: for who may read the row now, each change that they might have read then; of what is
/// gone, for administrators. Of changes of which nobody noted who might have read them, verb and time alone.
///
/// Aliases: `c` a change · `n` the row's rights as they were after the transaction that made it · `o` the same before it.
pub fn history(entity: &Entity, id: Uuid, session: Option<Uuid>, window: Window) -> Guarded<Vec<Change>> {
    let mut sql = Sql::new();
    let who = who(&mut sql, session);
    let t = entity.subject("t");
    let [after, before] = ["n", "o"].map(|row| Subject { row, ..t });
    let limited: Vec<&Column> = entity.columns.iter().filter(|c| c.is_served() && c.is_limited()).collect();
    let served = |then: Subject<'_>| {
        let of = |column: &&Column| {
            let readers = column.readers.as_deref().unwrap_or_default();
            [t, then].map(|subject| Actor::Row.belongs(readers, subject)).join(" and ")
        };
        limited.iter().map(of).collect::<Vec<_>>().join(", ")
    };
    let unserved: Vec<String> = entity.columns.iter().filter(|c| !c.is_served()).map(|c| c.name.clone()).collect();
    let (name, id) = (sql.bind(entity.name.as_str()), sql.bind(id));
    let (below, size) = (sql.bind(window.below), sql.bind(window.size));
    let never = sql.bind(array(unserved.iter().map(Some)));
    let text = format!(
        "with {who}
select c.id::bigint, to_char(c.at at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), c.verb, c.before::text, c.after::text,
  c.caller, c.request, c.sent_request, c.action, a.admin,
  case when t.id is not null then array[{}]::boolean[] end,
  case when t.id is not null then array[{}]::boolean[] end,
  a.admin or c.permission is not null, coalesce({}, false)
from who a
cross join rowhouse.change c
cross join lateral (select c.row as id, c.owner, c.permission, c.groups, c.group_bits) n
cross join lateral (
  select c.row as id, c.was_owner as owner, c.was_permission as permission, c.was_groups as groups, c.was_group_bits as group_bits) o
left join {} t on t.id = c.row
where c.entity = {name} and c.row = {id}::uuid and ({below}::bigint is null or c.id < {below}::bigint) and {}
  and (case when t.id is null then a.admin else {} and (c.permission is null or {}) end)
  and (c.verb <> 'update' or exists (select from jsonb_object_keys(c.before || c.after) k where k <> all({never}::text[])))
order by c.id desc limit {size}::bigint",
        served(after),
        served(before),
        Actor::Row.rule(Right::Read, before),
        entity.table(),
        gate(entity, Right::Read),
        Actor::Row.rule(Right::Read, t),
        Actor::Row.rule(Right::Read, after),
    );
    let limited: Vec<String> = limited.into_iter().map(|c| c.name.clone()).collect();
    let open: Vec<String> = entity.columns.iter().filter(|c| c.is_served()).map(|c| c.name.clone()).collect();
    let linked: Vec<String> = entity.relations.iter().map(|relation| relation.name.clone()).collect();
    Guarded::new(
        sql.with(text),
        all(move |row| {
            let is_administrator: bool = row.column(9)?;
            let is_whole: bool = row.column(12)?;
            let values = |at: usize, served: usize, is_told: bool| -> Result<Map<String, Json>> {
                // Of what is gone only administrators are told.
                let served: Option<Vec<bool>> = row.optional(served)?;
                let is_shown = |name: &String| match limited.iter().position(|column| column == name) {
                    Some(at) => served.as_ref().is_none_or(|served| served.get(at).copied().unwrap_or(false)),
                    None if unserved.contains(name) => false,
                    // Where a link leads is told by the rule of the other row, which is asked afterwards.
                    None => open.contains(name) || linked.contains(name) || is_administrator,
                };
                let all: Map<String, Json> = serde_json::from_str(row.column(at)?).map_err(Error::internal)?;
                Ok(all.into_iter().filter(|(name, _)| is_told && is_shown(name)).collect())
            };
            let told = |at: usize| if is_whole { row.optional::<String>(at) } else { Ok(None) };
            let (before, after) = (values(3, 11, is_whole && row.column(13)?)?, values(4, 10, is_whole)?);
            let mut fields: Vec<String> = before.keys().chain(after.keys()).cloned().collect();
            fields.sort_unstable();
            fields.dedup();
            Ok(Change {
                id: row.column(0)?,
                at: row.column(1)?,
                verb: row.column(2)?,
                before,
                after,
                fields,
                is_administrator,
                user: if is_whole { row.optional(5)? } else { None },
                request: told(6)?,
                sent_request: told(7)?,
                action: told(8)?,
            })
        }),
    )
}
