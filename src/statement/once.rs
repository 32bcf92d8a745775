//! What was done already: the SQL of idempotency keys.

use uuid::Uuid;

use super::Statement;
use super::who::who;
use crate::request::once::Once;

/// Takes a key for the transaction. Gives the caller, and whether nobody else holds it: an id and a boolean. Who finds it
/// held looks once more a little later: a failed request gives it back after its answer, when it rolls back.
pub fn take(once: &Once, session: Option<Uuid>) -> Statement {
    let mut statement = Statement { keep: true, ..Statement::default() };
    let who = who(&mut statement, session);
    let place = statement.bind(Some(format!("{} {}", once.key, once.place)));
    let held = format!("pg_try_advisory_xact_lock(hashtextextended(a.id::text || ' ' || {place}, 6336))");
    statement.sql = format!(
        "with {who} select a.id, case when a.id is null then false when {held} then true when pg_sleep(0.1)::text = '' then {held} end from who a"
    );
    statement
}

/// What is kept of a request that was done: the body's hash, and what it did. Asked after [`take`], in a statement of its
/// own, so that it sees what the last holder of the key did.
pub fn find(once: &Once, user: Uuid, seconds: u64) -> Statement {
    let sql = "select body, done::text from rowhouse.once where caller = $1 and place = $2 and key = $3 and made_at > now() - make_interval(secs => $4)";
    Statement::fixed(
        sql,
        vec![Some(user.to_string()), Some(once.place.clone()), Some(once.key.clone()), Some(seconds.to_string())],
    )
}

/// Keeps what was done, and sweeps some that are over.
pub fn keep(once: &Once, user: Uuid, done: String, seconds: u64) -> Statement {
    let sql = "with old as (delete from rowhouse.once where ctid = any(array(select ctid from rowhouse.once where made_at < now() - make_interval(secs => $6) \
               order by made_at limit 20 for update skip locked))) \
               insert into rowhouse.once (caller, place, key, body, done) values ($1, $2, $3, $4, $5::jsonb) \
               on conflict (caller, place, key) do update set body = excluded.body, done = excluded.done, made_at = now()";
    let texts = [user.to_string(), once.place.clone(), once.key.clone(), once.body.clone(), done, seconds.to_string()];
    Statement::fixed(sql, texts.map(Some).to_vec())
}
