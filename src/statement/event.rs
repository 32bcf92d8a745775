//! What happens to rows: who says so while it happens, what was heard of it, and what is kept of it. The notes are taken by
//! triggers (`store/note.sql`), so that nothing that changes a row passes them by.

use serde_json::json;
use uuid::Uuid;

use super::Statement;
use super::who::{gate, who};
use crate::permission::{Right, belongs, rule};
use crate::schema::Entity;

/// What changes come from, as it is noted with them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Origin<'a> {
    /// The request's id.
    pub request: &'a str,
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
    if !origin.action.is_empty() {
        call["action"] = json!(origin.action);
    }
    format!("begin; set local rowhouse.call = '{}'", call.to_string().replace('\'', "''"))
}

/// Takes what happened in this transaction and nobody heard yet: entity, row, verb, before, after, and whose session it is.
pub fn unheard(session: Option<Uuid>) -> Statement {
    let sql = "with u as (delete from rowhouse.unheard where xact = pg_current_xact_id() returning *) \
               select u.entity, u.row, u.verb, u.before::text, u.after::text, (select s.\"user\" from session s where s.id = $1::uuid) from u order by u.id";
    Statement::fixed(sql, vec![session.map(|s| s.to_string())])
}

/// Opens a session of so many seconds for an active user, to do what waits for it. Gives a row where there is one.
pub fn open_for(session: Uuid, user: Uuid, seconds: u64) -> Statement {
    let sql = "insert into session (id, owner, permission, expires_at, \"user\", device) \
               select $1::uuid, u.id, 0, now() + make_interval(secs => $3::double precision), u.id, 'task' from user_account u where u.id = $2::uuid and u.active returning id";
    Statement::fixed(sql, vec![Some(session.to_string()), Some(user.to_string()), Some(seconds.to_string())])
}

/// What happened to a row, newest first, from one change on downwards: id, at, verb, before, after, caller, request, action,
/// the bits of limited columns that are the caller's to be served, and whether they are an administrator. Only for who may read the row, and of what is gone
/// for administrators.
pub fn history(entity: &Entity, id: Uuid, session: Option<Uuid>, below: Option<i64>, most: i64) -> Statement {
    let mut statement = Statement { keep: true, ..Statement::default() };
    let who = who(&mut statement, session);
    let t = entity.subject("t");
    let limited = entity.columns.iter().filter(|c| c.is_limited()).enumerate();
    let bits = limited.map(|(at, column)| {
        let classes = column.readers.as_deref().unwrap_or_default();
        format!(" + case when {} then {} else 0 end", belongs(classes, t), if at < 62 { 1_i64 << at } else { 0 })
    });
    let bits = bits.collect::<String>();
    let (name, id) = (statement.bind(Some(entity.name.clone())), statement.bind(Some(id.to_string())));
    let (below, most) = (statement.bind(below.map(|b| b.to_string())), statement.bind(Some(most.to_string())));
    statement.sql = format!(
        "with {who} select c.id::bigint, to_char(c.at at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), c.verb, c.before::text, c.after::text, c.caller, c.request, c.action, \
         (case when t.id is null then -1 else 0{bits} end)::bigint, a.admin \
         from who a cross join rowhouse.change c left join {} t on t.id = c.row \
         where c.entity = {name} and c.row = {id}::uuid and ({below}::bigint is null or c.id < {below}::bigint) and {} \
         and (case when t.id is null then a.admin else {} end) order by c.id desc limit {most}::bigint",
        entity.table(),
        gate(entity, Right::Read),
        rule(Right::Read, t),
    );
    statement
}
