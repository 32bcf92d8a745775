//! Imports and exports: their rows, and the parts of their files.

use uuid::Uuid;

use super::who::{gate, who};
use super::{Statement, array, kept};
use crate::permission::{Right, rule};
use crate::schema::kind::Kind;
use crate::schema::{Column, Entity, quote};

/// Kind, entity, format, mode, key, state, done.
pub fn find(id: Uuid) -> Statement {
    let sql = "select kind, entity, format, mode, key, state, done from transfer where id = $1";
    Statement::fixed(sql, vec![Some(id.to_string())])
}

/// Locks a transfer: kind and state.
pub fn lock(id: Uuid) -> Statement {
    Statement::fixed("select kind, state from transfer where id = $1 for update", vec![Some(id.to_string())])
}

/// Puts a part of a file in.
pub fn put(id: Uuid, number: i64, bytes: &[u8]) -> Statement {
    let hex = bytes.iter().fold(String::with_capacity(bytes.len() * 2 + 2) + "\\x", |mut hex, byte| {
        hex.extend([byte >> 4, byte & 15].map(|digit| char::from_digit(digit.into(), 16).unwrap_or('0')));
        hex
    });
    let sql = "insert into rowhouse.part (transfer, number, bytes) values ($1, $2::bigint, $3::bytea)";
    Statement::fixed(sql, vec![Some(id.to_string()), Some(number.to_string()), Some(hex)])
}

/// A part's bytes.
pub fn part(id: Uuid, number: i64) -> Statement {
    let sql = "select bytes from rowhouse.part where transfer = $1 and number = $2::bigint";
    Statement::fixed(sql, vec![Some(id.to_string()), Some(number.to_string())])
}

/// Gives the parts that were put in under another id to a transfer.
pub fn give(parts: Uuid, id: Uuid) -> Statement {
    let sql = "update rowhouse.part set transfer = $2 where transfer = $1";
    Statement::fixed(sql, vec![Some(parts.to_string()), Some(id.to_string())])
}

/// Takes a file's parts away, and those that nobody came for.
pub fn clear(id: Uuid) -> Statement {
    let sql = "delete from rowhouse.part p where p.transfer = $1 or p.at < now() - interval '7 days' \
               or p.at < now() - interval '1 day' and not exists (select from transfer t where t.id = p.transfer)";
    Statement::fixed(sql, vec![Some(id.to_string())])
}

/// Starts a transfer that waits, as a task of the session's user. Gives a row where it did.
pub fn start(id: Uuid, session: Option<Uuid>) -> Statement {
    let sql = "with t as (update transfer set state = 'running', version = version + 1, updated_at = now() where id = $1 and state = 'waiting' returning kind, entity) \
               insert into task (id, permission, kind, name, line, payload, caller, depth, state, tries, next_at, created_at) \
               select gen_random_uuid(), 0, 'transfer', t.kind || ' ' || t.entity, ($1::uuid)::text, jsonb_build_object('id', $1::uuid), s.\"user\", 0, 'waiting', 0, now(), clock_timestamp() \
               from t left join session s on s.id = $2::uuid returning id";
    Statement::fixed(sql, vec![Some(id.to_string()), session.map(|s| s.to_string())])
}

/// It can't be done, and here is why.
pub fn fail(id: Uuid, words: &str) -> Statement {
    let sql = "update transfer set state = 'failed', faults = jsonb_build_array(jsonb_build_object('row', 0, 'field', '', 'code', 'failed', 'message', $2::text)), \
               version = version + 1, updated_at = now() where id = $1 and state = 'running'";
    Statement::fixed(sql, vec![Some(id.to_string()), Some(kept(words))])
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
    /// The first of the faults, as JSON.
    pub faults: String,
    /// Whether the file couldn't be read to its end.
    pub is_broken: bool,
}

/// Notes how far it is, in a state; its task is ours for so many seconds more. Gives a row, if our claim still holds.
pub fn progress(id: Uuid, (task, claim): (Uuid, i64), progress: &Progress, state: &str, lease: u64) -> Statement {
    let sql = "with t as (update task set next_at = greatest(next_at, now() + make_interval(secs => $9::double precision)) where id = $2 and tries = $10::bigint returning id) \
               update transfer set done = $3::bigint, created = $4::bigint, updated = $5::bigint, failed = $6::bigint, faults = $7::jsonb, state = $8, \
               version = version + 1, updated_at = now() where id = $1 and exists (select from t) returning id";
    let Progress { done, created, updated, failed, faults, .. } = progress;
    let faults = if faults.is_empty() { "[]" } else { faults };
    let values =
        [id.to_string(), task.to_string(), done.to_string(), created.to_string(), updated.to_string(), failed.to_string()];
    let more = [faults.to_owned(), state.to_owned(), lease.to_string(), claim.to_string()];
    Statement::fixed(sql, values.into_iter().chain(more).map(Some).collect())
}

/// Keys of rows of a file as they are compared, in their order; null where there is none.
pub fn compared(kind: &Kind, keys: &[Option<String>]) -> Statement {
    let key = kind.folded(&format!("k.v::{}", kind.sql()));
    let sql = format!("select ({key})::text from unnest($1::text[]) with ordinality as k (v, n) order by k.n");
    Statement::fixed(sql, vec![Some(array(keys.iter().cloned()))])
}

/// Rows that are there already, by their keys as they are compared (by their ids where there is no column), as far as the
/// caller may peek them: the key's place from 0, and the id.
pub fn known(entity: &Entity, column: Option<&Column>, keys: &[Option<String>], session: Option<Uuid>) -> Statement {
    let mut statement = Statement::default();
    let who = who(&mut statement, session);
    let keys = statement.bind(Some(array(keys.iter().cloned())));
    let (ours, kind) = match column {
        Some(column) => (column.kind.folded(&format!("t.{}", quote(&column.name))), &column.kind),
        None => ("t.id".to_owned(), &Kind::Uuid),
    };
    let theirs = format!("k.v::{}", kind.sql()); // folded already, and twice isn't once
    statement.sql = format!(
        "with {who} select (k.n - 1)::bigint, t.id from who a cross join unnest({keys}::text[]) with ordinality as k (v, n) \
         join {} t on {ours} = {theirs} where {} and {}",
        entity.table(),
        gate(entity, Right::Peek),
        rule(Right::Peek, entity.subject("t")),
    );
    statement
}
