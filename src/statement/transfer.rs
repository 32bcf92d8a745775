//! Imports and exports: their rows, and the parts of their files.

use serde_json::Value as Json;
use uuid::Uuid;

use super::kept;
use super::outbox::Claim;
use super::query::{Guarded, Internal, Sql, all, any, array, done, first, ids, one, values};
use super::row::Row;
use super::who::{gate, who};
use crate::error::{Error, Fault, Result};
use crate::permission::{Actor, Right};
use crate::schema::kind::Kind;
use crate::schema::{Column, Entity, quote};

/// A transfer's row.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct Transfer {
    /// import or export.
    pub kind: String,
    /// Whose rows.
    pub entity: String,
    pub format: Option<String>,
    pub mode: Option<String>,
    /// The column by which rows that are there already are known.
    pub key: Option<String>,
    pub state: String,
    /// How far it is.
    pub done: i64,
    /// Whether texts stand in its file as they are.
    pub is_verbatim: bool,
    /// What else was said of it.
    pub options: Json,
    /// Whether rows of it are kept that came to nothing.
    pub has_faulty: bool,
}

impl Transfer {
    /// Whether its file is there: of an export, or of the rows of an import that came to nothing.
    ///
    /// # Errors
    /// 409 with words.
    pub fn require_file(&self) -> Result<()> {
        let words = match (self.kind.as_str(), self.state.as_str()) {
            ("export", "done") => return Ok(()),
            ("export", "failed") => "This export failed; its row says why.",
            ("export", "stopped") => "This export was stopped.",
            ("export", _) => "This export isn't done yet; its row says how far it is.",
            (_, "waiting" | "running") => "This import isn't over yet; its row says how far it is.",
            _ if self.has_faulty => return Ok(()),
            _ => "No row of this import came to nothing.",
        };
        Err(Error::conflict(Fault::new("not-now", words)))
    }
}

/// A transfer.
pub fn find(id: Uuid) -> Internal<Option<Transfer>> {
    let text = "select kind, entity, format, mode, key, state, done::bigint, verbatim, options::text,
  exists (select from rowhouse.part p where p.transfer = t.id and p.is_faulty)
from transfer t where id = $1";
    let transfer = first(|row| {
        Ok(Transfer {
            kind: row.column(0)?,
            entity: row.column(1)?,
            format: row.optional(2)?,
            mode: row.optional(3)?,
            key: row.optional(4)?,
            state: row.column(5)?,
            done: row.optional(6)?.unwrap_or(0),
            is_verbatim: row.optional(7)?.unwrap_or(false),
            options: row.optional(8)?.map_or(Ok(Json::Null), serde_json::from_str).map_err(Error::internal)?,
            has_faulty: row.column(9)?,
        })
    });
    Internal::new(text, values![id], transfer)
}

/// Whether a transfer is an import that waits for its file; asked where it is locked.
pub fn is_waiting(id: Uuid) -> Internal<bool> {
    let text = "select kind = 'import' and state = 'waiting' from transfer where id = $1";
    let waits = first(|row| row.column(0));
    Internal::new(text, values![id], move |rows| Ok(waits(rows)?.unwrap_or(false)))
}

/// Puts a part of a file in.
pub fn put(id: Uuid, number: i64, bytes: &[u8]) -> Internal<()> {
    let text = "insert into rowhouse.part (transfer, number, bytes) values ($1, $2::bigint, $3::bytea)";
    Internal::new(text, values![id, number, bytes], done)
}

/// Puts a part of an export's file in, by who does it. Gives whether that is still so.
pub fn put_claimed(id: Uuid, claim: Claim, number: i64, bytes: &[u8]) -> Internal<bool> {
    let text = "insert into rowhouse.part (transfer, number, bytes)
select $1, $2::bigint, $3::bytea
where exists (select from task k where k.id = $4 and k.tries = $5::bigint)
  and exists (select from transfer t where t.id = $1 and t.state = 'running')
returning transfer";
    Internal::new(text, values![id, number, bytes, claim.id, claim.tries], any)
}

/// A part's bytes: of the file, or of its rows that came to nothing.
pub fn part(id: Uuid, number: i64, is_faulty: bool) -> Internal<Option<Vec<u8>>> {
    let text = "select bytes from rowhouse.part where transfer = $1 and number = $2::bigint and is_faulty = $3::boolean";
    Internal::new(text, values![id, number, is_faulty], first(|row| row.column::<&[u8]>(0).map(<[u8]>::to_vec)))
}

/// How many parts there are.
pub fn parts(id: Uuid, is_faulty: bool) -> Internal<i64> {
    let text = "select count(*)::bigint from rowhouse.part where transfer = $1 and is_faulty = $2::boolean";
    Internal::new(text, values![id, is_faulty], one(|row| row.column(0)))
}

/// How many bytes a file has.
pub fn length(id: Uuid) -> Internal<i64> {
    let text = "select coalesce(sum(length(bytes)), 0)::bigint from rowhouse.part where transfer = $1 and not is_faulty";
    Internal::new(text, values![id], one(|row| row.column(0)))
}

/// Gives the parts that were put in under another id to a transfer.
pub fn give(parts: Uuid, id: Uuid) -> Internal<()> {
    Internal::new("update rowhouse.part set transfer = $2 where transfer = $1", values![parts, id], done)
}

/// Takes a file's parts away, or its rows that came to nothing; and those that nobody came for.
pub fn clear(id: Uuid, is_faulty: bool) -> Internal<()> {
    let text = "delete from rowhouse.part p
where p.transfer = $1 and p.is_faulty = $2::boolean or p.at < now() - interval '7 days'
  or p.at < now() - interval '1 day' and not exists (select from transfer t where t.id = p.transfer)";
    Internal::new(text, values![id, is_faulty], done)
}

/// Starts a transfer that waits, as a task of the session's user.
pub fn start(id: Uuid, session: Option<Uuid>) -> Internal<()> {
    let text = "with t as (
  update transfer set state = 'running', version = version + 1, updated_at = now()
  where id = $1 and state = 'waiting'
  returning kind, entity)
insert into task (id, permission, kind, name, line, payload, caller, depth, state, tries, next_at, created_at)
select gen_random_uuid(), 0, 'transfer', t.kind || ' ' || t.entity, ($1::uuid)::text, jsonb_build_object('id', $1::uuid),
  s.\"user\", 0, 'waiting', 0, now(), clock_timestamp()
from t left join session s on s.id = $2::uuid";
    Internal::new(text, values![id, session], done)
}

/// What the tokens of links to files are for.
pub const LINK: &str = "download";

/// A link to a file.
#[derive(Debug, Clone)]
pub struct Link {
    /// Whose.
    pub owner: Uuid,
    /// The session in which it was asked for.
    pub session: String,
    /// The transfer.
    pub transfer: Uuid,
    /// How long it would be good, in milliseconds.
    pub left: i64,
}

fn link(row: &Row) -> Result<Link> {
    Ok(Link { owner: row.column(0)?, session: row.column(1)?, transfer: row.column(2)?, left: row.column(3)? })
}

/// Claims a link, by its token's hash: who asks first has it.
pub fn claim(hash: &[u8]) -> Internal<Option<Link>> {
    let text = "delete from rowhouse.token
where hash = $1::bytea and purpose = $2 and expires_at > now() and row is not null
returning owner, data, row, (extract(epoch from expires_at - now()) * 1000)::bigint";
    Internal::new(text, values![hash, LINK], first(link))
}

/// A link that somebody may claim.
pub fn claimable(hash: &[u8]) -> Internal<Option<Link>> {
    let text = "select owner, data, row, (extract(epoch from expires_at - now()) * 1000)::bigint
from rowhouse.token
where hash = $1::bytea and purpose = $2 and expires_at > now() and row is not null";
    Internal::new(text, values![hash, LINK], first(link))
}

/// Gives a link back that was claimed, and led to nothing.
pub fn give_back(hash: &[u8], link: &Link) -> Internal<()> {
    let text = "insert into rowhouse.token (hash, owner, purpose, data, expires_at, several, row)
values ($1::bytea, $2, $3, $4, now() + make_interval(secs => $5::bigint / 1000.0), true, $6::uuid)
on conflict do nothing";
    let Link { owner, session, transfer, left } = link;
    Internal::new(text, values![hash, *owner, LINK, session.as_str(), *left, *transfer], done)
}

/// Keeps ids of owners and groups that rows bring along and that are nobody's: nobody may ever choose them.
pub fn keep_gone(owners: &[Uuid], groups: &[Uuid]) -> Internal<()> {
    let text = "insert into rowhouse.gone (id)
select x from unnest($1::uuid[]) x where not exists (select from user_account u where u.id = x)
union
select x from unnest($2::uuid[]) x where not exists (select from usergroup g where g.id = x)
on conflict do nothing";
    Internal::new(text, values![ids(owners), ids(groups)], done)
}

/// Stops a transfer that isn't over; what is there of its file goes. Gives whether it wasn't.
pub fn stop(id: Uuid) -> Internal<bool> {
    let text = "with t as (
  update transfer set state = 'stopped', version = version + 1, updated_at = now()
  where id = $1 and state in ('waiting', 'running')
  returning id),
p as (delete from rowhouse.part p using t where p.transfer = t.id and not p.is_faulty)
select id from t";
    Internal::new(text, values![id], any)
}

/// Tells how a file is read.
pub fn found(id: Uuid, found: &Json) -> Internal<()> {
    let text = "update transfer set found = $2::jsonb where id = $1";
    Internal::new(text, values![id, found.to_string()], done)
}

/// What a transfer `t` becomes that can't be done; `$2` says why.
pub(super) const FAILED: &str = "update transfer t
set state = 'failed', version = t.version + 1, updated_at = now(),
  faults = coalesce(t.faults, '[]') || jsonb_build_array(jsonb_build_object('row', 0, 'field', '', 'code', 'failed', 'message', left($2::text, 500)))";

/// It can't be done, and here is why.
pub fn fail(id: Uuid, words: &str) -> Internal<()> {
    let text = format!("{FAILED}\nwhere t.id = $1 and t.state = 'running'");
    Internal::new(text, values![id, kept(words)], done)
}

/// The same, by who does it: another node that has it since goes on.
pub fn fail_claimed(id: Uuid, claim: Claim, words: &str) -> Internal<()> {
    let text = format!(
        "{FAILED}\nwhere t.id = $1 and t.state = 'running' and exists (select from task k where k.id = $3 and k.tries = $4::bigint)"
    );
    Internal::new(text, values![id, kept(words), claim.id, claim.tries], done)
}

/// What a transfer has come to.
#[derive(Debug, Clone, Default)]
pub struct Progress {
    /// Rows that were read or written.
    pub done: i64,
    /// Of these: created, updated and failed.
    pub created: i64,
    /// Updated.
    pub updated: i64,
    /// Failed.
    pub failed: i64,
    /// The first of the faults, as JSON; none: they are as they were.
    pub faults: Option<String>,
    /// More rows that came to nothing, as a file has them.
    pub faulty: Option<Vec<u8>>,
    /// Whether the file couldn't be read to its end.
    pub is_broken: bool,
}

/// Notes how far it is, in a state; its task is ours for so many seconds more. Gives whether our claim still holds, and nobody
/// stopped it.
pub fn progress(id: Uuid, claim: Claim, progress: &Progress, state: &str, lease: u64) -> Internal<bool> {
    let text = "with t as (
  update task set next_at = greatest(next_at, now() + make_interval(secs => $9::double precision))
  where id = $2 and tries = $10::bigint
  returning id),
noted as (
  update transfer
  set done = $3::bigint, created = $4::bigint, updated = $5::bigint, failed = $6::bigint, faults = coalesce($7::jsonb, faults),
    state = $8, version = version + 1, updated_at = now()
  where id = $1 and state in ('running', $8) and exists (select from t)
  returning id),
faulty as (
  insert into rowhouse.part (transfer, is_faulty, number, bytes)
  select id, true, (select count(*) from rowhouse.part p where p.transfer = $1 and p.is_faulty), $11::bytea
  from noted where $11::bytea is not null)
select id from noted";
    let Progress { done, created, updated, failed, faults, faulty, .. } = progress;
    let faulty = faulty.as_deref();
    let sent = values![id, claim.id, *done, *created, *updated, *failed, faults.as_deref(), state, lease, claim.tries, faulty];
    Internal::new(text, sent, any)
}

/// Keys of rows of a file as they are compared, in their order; null where there is none.
pub fn compared(kind: &Kind, keys: &[Option<String>]) -> Internal<Vec<Option<String>>> {
    let key = kind.folded(&format!("k.v::{}", kind.sql()));
    let text = format!("select ({key})::text from unnest($1::text[]) with ordinality as k (v, n) order by k.n");
    Internal::new(text, values![array(keys.iter().map(Option::as_ref))], all(|row| row.optional(0)))
}

/// Rows that are there already, by their keys as they are compared (by their ids where there is no column), as far as the
/// caller has a right to them: the key's place from 0, and the id.
pub fn known(
    entity: &Entity,
    column: Option<&Column>,
    right: Right,
    keys: &[Option<String>],
    session: Option<Uuid>,
) -> Guarded<Vec<(i64, Uuid)>> {
    let mut sql = Sql::new();
    let who = who(&mut sql, session);
    let keys = sql.bind(array(keys.iter().map(Option::as_ref)));
    let (ours, kind) = match column {
        Some(column) => (column.kind.folded(&format!("t.{}", quote(&column.name))), &column.kind),
        None => ("t.id".to_owned(), &Kind::Uuid),
    };
    let theirs = format!("k.v::{}", kind.sql()); // folded already, and twice isn't once
    let text = format!(
        "with {who}
select (k.n - 1)::bigint, t.id
from who a cross join unnest({keys}::text[]) with ordinality as k (v, n)
join {} t on {ours} = {theirs}
where {} and {}",
        entity.table(),
        gate(entity, right),
        Actor::Row.rule(right, entity.subject("t")),
    );
    Guarded::new(sql.with(text), all(|row| Ok((row.column(0)?, row.column(1)?))))
}
