//! What was done already: the SQL of idempotency keys.

use serde_json::Value as Json;
use uuid::Uuid;

use super::query::{Internal, Sql, done, first, values};
use super::who::who;
use crate::error::Error;
use crate::request::once::Once;

/// Whose a key is, and whether it could be had.
#[derive(Debug)]
pub struct Taken {
    /// Who calls; none: a guest.
    pub user: Option<Uuid>,
    /// Whether nobody else holds it.
    pub is_free: bool,
}

/// Takes a key for the transaction; none where the session is over. Who finds it held looks once more a little later: a failed
/// request gives it back after its answer, when it rolls back.
pub fn take(once: &Once, session: Option<Uuid>) -> Internal<Option<Taken>> {
    let mut sql = Sql::new();
    let who = who(&mut sql, session);
    let place = sql.bind(format!("{} {}", once.key, once.place));
    let held = format!("pg_try_advisory_xact_lock(hashtextextended(a.id::text || ' ' || {place}, 6336))");
    let text = format!(
        "with {who}
select a.id, case when a.id is null then false when {held} then true when pg_sleep(0.1)::text = '' then {held} end
from who a"
    );
    Internal::of(sql.with(text), first(|row| Ok(Taken { user: row.optional(0)?, is_free: row.column(1)? })))
}

/// What is kept of a request that was done.
#[derive(Debug)]
pub struct Kept {
    /// The body's hash.
    pub body: String,
    /// What it did.
    pub done: Json,
}

/// What is kept of a request that was done. Asked after [`take`], in a statement of its own, so that it sees what the last
/// holder of the key did.
pub fn find(once: &Once, user: Uuid, seconds: u64) -> Internal<Option<Kept>> {
    let text = "select body, done::text from rowhouse.once
where caller = $1 and place = $2 and key = $3 and made_at > now() - make_interval(secs => $4)";
    let kept = first(|row| {
        let done = serde_json::from_str(row.column(1)?).map_err(Error::internal)?;
        Ok(Kept { body: row.column(0)?, done })
    });
    Internal::new(text, values![user, once.place.as_str(), once.key.as_str(), seconds], kept)
}

/// Keeps what was done, and sweeps some that are over.
pub fn keep(once: &Once, user: Uuid, what: String, seconds: u64) -> Internal<()> {
    let text = "with old as (
  delete from rowhouse.once where ctid = any(array(
    select ctid from rowhouse.once where made_at < now() - make_interval(secs => $6)
    order by made_at limit 20 for update skip locked)))
insert into rowhouse.once (caller, place, key, body, done) values ($1, $2, $3, $4, $5::jsonb)
on conflict (caller, place, key) do update set body = excluded.body, done = excluded.done, made_at = now()";
    Internal::new(text, values![user, once.place.as_str(), once.key.as_str(), once.body.as_str(), what, seconds], done)
}
