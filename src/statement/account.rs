//! Accounts: credentials, sessions, attempts, the claim code.
//!
//! In charge of: the SQL of what performers do. Their powers are theirs alone (`action::performer`).

use uuid::Uuid;

use super::Statement;
use super::who::{gate, who};
use crate::permission::{Right, rule};
use crate::schema::{ADMINISTRATORS, Entity};

/// The user of an address with the stored hash, if the caller may peek the entity and that row.
pub fn credentials(user: &Entity, email: &str, session: Option<Uuid>) -> Statement {
    let mut statement = Statement { keep: true, ..Statement::default() };
    let who = who(&mut statement, session);
    let email = statement.bind(Some(email.to_owned()));
    statement.sql = format!(
        "with {who} select t.id, t.password, t.email from who a, user_account t where lower(t.email) = lower({email}) and t.active and {} and {}",
        gate(user, Right::Peek),
        rule(Right::Peek, user.subject("t")),
    );
    statement
}

/// Locks a user who must still carry that very hash.
pub fn still(user: Uuid, hash: &str) -> Statement {
    let sql = "select email, name from user_account where id = $1 and password = $2 and active for update";
    Statement::fixed(sql, vec![Some(user.to_string()), Some(hash.to_owned())])
}

/// Opens a session for so many seconds.
pub fn open(session: Uuid, user: Uuid, seconds: u64, address: &str, device: &str) -> Statement {
    let sql = "insert into session (id, owner, permission, groups, group_bits, expires_at, \"user\", ip, device) \
         select $1::uuid, $2::uuid, w.default_permission, coalesce(w.default_groups, '{}'), w.default_group_bits, \
         now() + make_interval(secs => $3::double precision), $2::uuid, $4, $5 from world w where w.name = 'session'";
    let values = [session.to_string(), user.to_string(), seconds.to_string(), address.to_owned(), device.to_owned()];
    Statement::fixed(sql, values.into_iter().map(Some).collect())
}

/// Opens a session of a minute for the active user of an address, for the terminal. Gives a row where there is one.
pub fn open_for(session: Uuid, email: &str) -> Statement {
    let sql = "insert into session (id, owner, permission, expires_at, \"user\", device) \
         select $1::uuid, u.id, 0, now() + interval '1 minute', u.id, 'terminal' from user_account u where lower(u.email) = lower($2) and u.active returning id";
    Statement::fixed(sql, vec![Some(session.to_string()), Some(email.to_owned())])
}

/// Ends a session, or all others of the same user.
pub fn close(session: Uuid, others: bool) -> Statement {
    let which = if others { "s.id <> $1::uuid" } else { "s.id = $1::uuid" };
    let sql = format!(
        "update session s set ended_at = now(), version = s.version + 1, updated_at = now() from session mine \
         where mine.id = $1::uuid and s.\"user\" = mine.\"user\" and s.ended_at is null and {which}"
    );
    Statement::fixed(sql, vec![Some(session.to_string())])
}

/// Ends all sessions of a user.
pub fn end_sessions(user: Uuid) -> Statement {
    let sql = "update session set ended_at = now(), version = version + 1, updated_at = now() where \"user\" = $1::uuid and ended_at is null";
    Statement::fixed(sql, vec![Some(user.to_string())])
}

/// A row where there is such a user, whatever became of them.
pub fn known(user: Uuid) -> Statement {
    Statement::fixed("select 1 from user_account where id = $1", vec![Some(user.to_string())])
}

/// Locks a user's row, as a link to it would not.
pub fn lock_user(user: &str) -> Statement {
    Statement::fixed("select 1 from user_account where id = $1::uuid for no key update", vec![Some(user.to_owned())])
}

/// Keeps a token's hash for so many seconds. Those that the user had for the purpose are worth nothing any more; some that
/// are over are swept.
///
/// `several`: a way back, beside which others stay good.
/// `row`: what the token leads to, if it isn't the user.
pub fn issue(hash: &[u8], user: &str, [purpose, data]: [&str; 2], row: Option<Uuid>, seconds: u64, several: bool) -> Statement {
    let sql = "with old as (delete from rowhouse.token where owner = $2::uuid and purpose = $3 \
               and (not $6::boolean or data = $4 and row is not distinct from $7::uuid) or hash in \
               (select hash from rowhouse.token where expires_at < now() limit 10 for update skip locked)) \
               insert into rowhouse.token (hash, owner, purpose, data, expires_at, several, row) \
               select $1::bytea, u.id, $3, $4, now() + make_interval(secs => $5::double precision), $6::boolean, $7::uuid from user_account u where u.id = $2::uuid returning owner";
    let values = [bytea(hash), user.to_owned(), purpose.to_owned(), data.to_owned(), seconds.to_string(), several.to_string()];
    let row = row.map(|row| row.to_string());
    Statement::fixed(sql, values.into_iter().map(Some).chain([row]).collect())
}

/// Spends a token: once, in time, and for its purpose alone. Gives the active user, their address and name, the data and the row.
pub fn spend(hash: &[u8], purpose: &str) -> Statement {
    let sql = "with spent as (delete from rowhouse.token where hash = $1::bytea and purpose = $2 and expires_at > now() returning owner, data, row) \
               select u.id, u.email, u.name, s.data, s.row from spent s join user_account u on u.id = s.owner and u.active for update of u";
    Statement::fixed(sql, vec![Some(bytea(hash)), Some(purpose.to_owned())])
}

/// What was sent to a user's address, or before a password, is worth nothing after it changed; but for a way back (`several`),
/// which would be none if whoever took the account could close it, and which only `all` ends.
pub fn forget_tokens(user: Uuid, all: bool) -> Statement {
    let sql = "delete from rowhouse.token where owner = $1 and (not several or $2::boolean)";
    Statement::fixed(sql, vec![Some(user.to_string()), Some(all.to_string())])
}

/// Keeps the hash of a refresh token: of a family that began with one sign-in and ends at one time. Sweeps some that are over.
pub fn keep_refresh(hash: &[u8], family: Uuid, session: Uuid, seconds: u64) -> Statement {
    let sql = "with old as (delete from rowhouse.refresh where hash in \
               (select hash from rowhouse.refresh where expires_at < now() limit 10 for update skip locked)) \
               insert into rowhouse.refresh (hash, family, session, expires_at) values ($1::bytea, $2, $3, now() + make_interval(secs => $4::double precision))";
    let values = [bytea(hash), family.to_string(), session.to_string(), seconds.to_string()];
    Statement::fixed(sql, values.into_iter().map(Some).collect())
}

/// Spends a refresh token, and ends the session that it was given with: family, user, address, and the seconds that the family
/// has left.
pub fn spend_refresh(hash: &[u8]) -> Statement {
    let sql = "with r as (update rowhouse.refresh set spent_at = now() where hash = $1::bytea and spent_at is null and expires_at > now() returning *), \
               s as (update session s set ended_at = now(), version = s.version + 1, updated_at = now() from r, user_account u \
               where s.id = r.session and s.ended_at is null and u.id = s.\"user\" and u.active \
               returning r.family, u.id, u.email, ceil(extract(epoch from r.expires_at - now()))::bigint) select * from s";
    Statement::fixed(sql, vec![Some(bytea(hash))])
}

/// Ends all sessions of the family of a refresh token that was spent before: somebody else has it.
pub fn end_family(hash: &[u8]) -> Statement {
    let sql = "update session s set ended_at = now(), version = s.version + 1, updated_at = now() from rowhouse.refresh was \
               join rowhouse.refresh r on r.family = was.family where was.hash = $1::bytea and was.spent_at is not null and s.id = r.session and s.ended_at is null";
    Statement::fixed(sql, vec![Some(bytea(hash))])
}

fn bytea(bytes: &[u8]) -> String {
    bytes.iter().fold("\\x".to_owned(), |hex, b| format!("{hex}{b:02x}"))
}

/// Counts an attempt and gives how many there were in the window, this one included. Sweeps some that are over.
pub fn attempt(key: &str, seconds: u64) -> Statement {
    let sql = "with old as (delete from rowhouse.attempt where key in (select key from rowhouse.attempt \
         where since < now() - make_interval(secs => $2::double precision) and key <> $1 limit 10 for update skip locked)) \
         insert into rowhouse.attempt as t (key, tries, since) values ($1, 1, now()) on conflict (key) do update set \
         tries = case when t.since < now() - make_interval(secs => $2::double precision) then 1 else t.tries + 1 end, \
         since = case when t.since < now() - make_interval(secs => $2::double precision) then now() else t.since end returning tries::bigint";
    Statement::fixed(sql, vec![Some(key.to_owned()), Some(seconds.to_string())])
}

/// Forgets the attempts of a key.
pub fn forget(key: &str) -> Statement {
    Statement::fixed("delete from rowhouse.attempt where key = $1", vec![Some(key.to_owned())])
}

/// Keeps a sealed claim code, where there is none yet; gives the one that is kept, unless it is spent.
pub fn keep_claim(sealed: &str) -> [Statement; 2] {
    let keep = "insert into rowhouse.claim_code (sealed) values ($1::bytea) on conflict do nothing";
    let find = "select sealed from rowhouse.claim_code where spent_at is null";
    [Statement::fixed(keep, vec![Some(sealed.to_owned())]), Statement::fixed(find, vec![])]
}

/// Locks the claim code, unless it is spent.
pub fn lock_claim() -> Statement {
    Statement::fixed("select sealed from rowhouse.claim_code where spent_at is null for update", vec![])
}

/// Spends the claim code.
pub fn spend_claim() -> Statement {
    let sql = "insert into rowhouse.claim_code (sealed, spent_at) values ('', now()) on conflict (only_one) do update set spent_at = now()";
    Statement::fixed(sql, vec![])
}

/// A new user, who owns themselves, as somebody at the terminal makes one.
pub fn person(id: Uuid, email: &str, name: &str, hash: &str) -> Statement {
    let sql = "insert into user_account (id, owner, permission, groups, group_bits, email, name, password, active, email_verified) \
         select $1::uuid, $1::uuid, w.default_permission, coalesce(w.default_groups, '{}'), w.default_group_bits, $2, $3, $4, true, false \
         from world w where w.name = 'user_account'";
    Statement::fixed(sql, [id.to_string().as_str(), email, name, hash].map(|v| Some(v.to_owned())).to_vec())
}

/// Puts a user among the administrators.
pub fn administrator(user: Uuid) -> Statement {
    let sql = format!(
        "insert into \"usergroup.members\" (source, target, created_at) values ('{ADMINISTRATORS}', $1::uuid, now()) on conflict do nothing"
    );
    Statement::fixed(sql, vec![Some(user.to_string())])
}
