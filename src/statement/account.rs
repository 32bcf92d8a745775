//! Accounts: credentials, sessions, attempts, tokens, keys, the claim code.
//!
//! In charge of: the SQL of what performers do. Their powers are theirs alone (`action::performer`).

use uuid::Uuid;

use super::query::{Guarded, Internal, Sql, all, any, done, first, values};
use super::row::Row;
use super::who::{gate, who};
use crate::error::Result;
use crate::permission::{Actor, Right};
use crate::schema::kind::Kind;
use crate::schema::{ADMINISTRATORS, Entity};

/// A user whose password may be checked.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct Credentials {
    pub user: Uuid,
    /// None where they have no password.
    pub hash: Option<String>,
    pub email: String,
    /// Whether whoever asks is known by more than the address: by a live session or a refresh token of the account, or because
    /// somebody signed in rightly from there.
    pub is_known: bool,
}

/// How somebody says who they are, before their password is checked.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// The address or the user name that they sign in with: an address has an @, and a user name has none.
    pub login: &'a str,
    /// The session that the request is sent in.
    pub session: Option<Uuid>,
    /// The network that it comes from, as `cidr` spells it.
    pub network: &'a str,
    /// The hash of a refresh token that was sent along; or nothing.
    pub refresh: &'a [u8],
}

/// For so long an address is known from which somebody signed in.
const KNOWN: &str = "interval '30 days'";

/// The user of an address or a name with the stored hash, if the caller may peek the entity and that row.
pub fn credentials(user: &Entity, claim: &Claim<'_>, session: Option<Uuid>) -> Guarded<Option<Credentials>> {
    let mut sql = Sql::new();
    let who = who(&mut sql, session);
    let (login, live) = (sql.bind(claim.login), sql.bind(claim.session));
    let (kind, column) = if claim.login.contains('@') { (Kind::Email, "t.email") } else { (Kind::Name, "t.username") };
    let (network, refresh) = (sql.bind(claim.network), sql.bind(claim.refresh));
    let text = format!(
        "with {who}
select t.id, t.password, t.email,
  exists (
    select from session s where s.\"user\" = t.id and (
      s.id = {live}::uuid and s.ended_at is null and s.expires_at > now()
      or s.created_at > now() - {KNOWN}
        and network(set_masklen(s.ip::inet, case family(s.ip::inet) when 6 then 64 else 32 end)) = {network}::cidr))
  or exists (
    select from rowhouse.refresh r join session s on s.id = r.session
    where r.hash = {refresh}::bytea and r.spent_at is null and r.expires_at > now() and s.\"user\" = t.id)
from who a, user_account t
where {} = {} and t.active and {} and {}",
        kind.folded(column),
        kind.folded(&format!("{login}::text")),
        gate(user, Right::Peek),
        Actor::Row.rule(Right::Peek, user.subject("t")),
    );
    let credentials = |row: &Row| {
        Ok(Credentials { user: row.column(0)?, hash: row.optional(1)?, email: row.column(2)?, is_known: row.column(3)? })
    };
    Guarded::new(sql.with(text), first(credentials))
}

/// Keeps the same password hashed anew, where it is still the one that was verified.
pub fn renew(user: Uuid, old: &str, new: &str) -> Internal<()> {
    Internal::new("update user_account set password = $3 where id = $1 and password = $2", values![user, old, new], done)
}

/// A user's address and name.
#[derive(Debug)]
#[allow(missing_docs)]
pub struct Person {
    pub email: Option<String>,
    pub name: Option<String>,
}

/// Locks a user who must still carry that very hash.
pub fn still(user: Uuid, hash: &str) -> Internal<Option<Person>> {
    let text = "select email, name from user_account where id = $1 and password = $2 and active for update";
    let person = first(|row| Ok(Person { email: row.optional(0)?, name: row.optional(1)? }));
    Internal::new(text, values![user, hash], person)
}

/// Where a session is opened.
#[derive(Debug)]
#[allow(missing_docs)]
pub struct Device<'a> {
    pub address: &'a str,
    pub name: &'a str,
}

/// Opens a session for so many seconds.
pub fn open(session: Uuid, user: Uuid, seconds: u64, device: &Device<'_>) -> Internal<()> {
    let text = "insert into session (id, owner, permission, groups, group_bits, expires_at, \"user\", ip, device)
select $1::uuid, $2::uuid, w.default_permission, coalesce(w.default_groups, '{}'), w.default_group_bits,
  now() + make_interval(secs => $3::double precision), $2::uuid, $4, $5
from world w where w.name = 'session'";
    Internal::new(text, values![session, user, seconds, device.address, device.name], done)
}

/// Opens a session of a minute for the active user of an address, for the terminal. Gives whether there is one.
pub fn open_for(session: Uuid, email: &str) -> Internal<bool> {
    let text = format!(
        "insert into session (id, owner, permission, expires_at, \"user\", device)
select $1::uuid, u.id, 0, now() + interval '1 minute', u.id, 'terminal'
from user_account u where {} = {} and u.active
returning id",
        Kind::Email.folded("u.email"),
        Kind::Email.folded("$2"),
    );
    Internal::new(text, values![session, email], any)
}

/// Ends a session, or all others of the same user.
pub fn close(session: Uuid, others: bool) -> Internal<()> {
    let which = if others { "s.id <> $1::uuid" } else { "s.id = $1::uuid" };
    let text = format!(
        "update session s set ended_at = now(), version = s.version + 1, updated_at = now()
from session mine
where mine.id = $1::uuid and s.\"user\" = mine.\"user\" and s.ended_at is null and {which}"
    );
    Internal::new(text, values![session], done)
}

/// Ends all sessions of a user.
pub fn end_sessions(user: Uuid) -> Internal<()> {
    let text = "update session set ended_at = now(), version = version + 1, updated_at = now()
where \"user\" = $1::uuid and ended_at is null";
    Internal::new(text, values![user], done)
}

/// Whether there is such a user, whatever became of them.
pub fn known(user: Uuid) -> Internal<bool> {
    Internal::new("select 1 from user_account where id = $1", values![user], any)
}

/// Locks a user's row, as a link to it would not.
pub fn lock_user(user: Uuid) -> Internal<()> {
    Internal::new("select 1 from user_account where id = $1::uuid for no key update", values![user], done)
}

/// A token that is issued.
#[derive(Debug)]
pub struct Issued<'a> {
    /// What is kept of it.
    pub hash: &'a [u8],
    /// Whose it is.
    pub user: Uuid,
    /// What it is good for.
    pub purpose: &'a str,
    /// What it brings.
    pub data: &'a str,
    /// What it leads to, if it isn't the user.
    pub row: Option<Uuid>,
    /// How long it is good.
    pub seconds: u64,
    /// A way back, beside which others stay good.
    pub several: bool,
}

/// Keeps a token's hash. Those that the user had for the purpose are worth nothing any more; some that are over are swept.
/// Gives whether there is such a user.
pub fn issue(issued: &Issued<'_>) -> Internal<bool> {
    let text = "with old as (
  delete from rowhouse.token
  where owner = $2::uuid and purpose = $3
    and (not $6::boolean or data = $4 and row is not distinct from $7::uuid)
    or hash in (select hash from rowhouse.token where expires_at < now() limit 10 for update skip locked))
insert into rowhouse.token (hash, owner, purpose, data, expires_at, several, row)
select $1::bytea, u.id, $3, $4, now() + make_interval(secs => $5::double precision), $6::boolean, $7::uuid
from user_account u where u.id = $2::uuid
returning owner";
    let Issued { hash, user, purpose, data, row, seconds, several } = *issued;
    Internal::new(text, values![hash, user, purpose, data, seconds, several, row], any)
}

/// What a token led to.
#[derive(Debug)]
#[allow(missing_docs)]
pub struct Spent {
    pub user: Uuid,
    pub person: Person,
    pub data: Option<String>,
    pub row: Option<Uuid>,
}

/// Spends a token: once, in time, and for its purpose alone; its user must be active.
pub fn spend(hash: &[u8], purpose: &str) -> Internal<Option<Spent>> {
    let text = "with spent as (
  delete from rowhouse.token where hash = $1::bytea and purpose = $2 and expires_at > now() returning owner, data, row)
select u.id, u.email, u.name, s.data, s.row
from spent s join user_account u on u.id = s.owner and u.active
for update of u";
    let spent = first(|row| {
        let person = Person { email: row.optional(1)?, name: row.optional(2)? };
        Ok(Spent { user: row.column(0)?, person, data: row.optional(3)?, row: row.optional(4)? })
    });
    Internal::new(text, values![hash, purpose], spent)
}

/// What was sent to a user's address, or before a password, is worth nothing after it changed; but for a way back
/// (`several`), which would be none if whoever took the account could close it, and which only `all` ends.
pub fn forget_tokens(user: Uuid, all: bool) -> Internal<()> {
    let text = "delete from rowhouse.token where owner = $1 and (not several or $2::boolean)";
    Internal::new(text, values![user, all], done)
}

/// Keeps the hash of a refresh token: of a family that began with one sign-in and ends at one time. Sweeps some that are over.
pub fn keep_refresh(hash: &[u8], family: Uuid, session: Uuid, seconds: u64) -> Internal<()> {
    let text = "with old as (
  delete from rowhouse.refresh
  where hash in (select hash from rowhouse.refresh where expires_at < now() limit 10 for update skip locked))
insert into rowhouse.refresh (hash, family, session, expires_at)
values ($1::bytea, $2, $3, now() + make_interval(secs => $4::double precision))";
    Internal::new(text, values![hash, family, session, seconds], done)
}

/// A refresh token that was spent.
#[derive(Debug)]
#[allow(missing_docs)]
pub struct Refreshed {
    pub family: Uuid,
    pub user: Uuid,
    pub email: String,
    /// The seconds that the family has left.
    pub left: i64,
    /// The session that it was given with, which ended.
    pub session: Uuid,
}

/// Spends a refresh token, and ends the session that it was given with. For so many seconds it gives its successor again.
pub fn spend_refresh(hash: &[u8], grace: u64) -> Internal<Option<Refreshed>> {
    let text = "with r as (
  update rowhouse.refresh set spent_at = now(), again_until = now() + make_interval(secs => $2::double precision)
  where hash = $1::bytea and spent_at is null and expires_at > now()
  returning *)
update session s set ended_at = now(), version = s.version + 1, updated_at = now()
from r, user_account u
where s.id = r.session and s.ended_at is null and u.id = s.\"user\" and u.active
returning r.family, u.id, u.email, ceil(extract(epoch from r.expires_at - now()))::bigint, s.id";
    Internal::new(text, values![hash, grace], first(refreshed))
}

fn refreshed(row: &Row) -> Result<Refreshed> {
    let (family, user, email) = (row.column(0)?, row.column(1)?, row.column(2)?);
    Ok(Refreshed { family, user, email, left: row.column(3)?, session: row.column(4)? })
}

/// Whether a refresh token was spent so lately that it gives its successor again.
pub fn is_good_again(hash: &[u8]) -> Internal<bool> {
    Internal::new("select 1 from rowhouse.refresh where hash = $1::bytea and again_until > clock_timestamp()", values![hash], any)
}

/// A refresh token that nobody spent, with its session.
pub fn unspent(hash: &[u8]) -> Internal<Option<Refreshed>> {
    let text = "select r.family, u.id, u.email, ceil(extract(epoch from r.expires_at - now()))::bigint, s.id
from rowhouse.refresh r
join session s on s.id = r.session and s.ended_at is null
join user_account u on u.id = s.\"user\" and u.active
where r.hash = $1::bytea and r.spent_at is null and r.expires_at > now()";
    Internal::new(text, values![hash], first(refreshed))
}

/// Ends all sessions of the family of a refresh token that was spent before, and is good no more: somebody else has it.
pub fn end_family(hash: &[u8]) -> Internal<()> {
    let text = "update session s set ended_at = now(), version = s.version + 1, updated_at = now()
from rowhouse.refresh was join rowhouse.refresh r on r.family = was.family
where was.hash = $1::bytea and was.spent_at is not null and coalesce(was.again_until, was.spent_at) <= clock_timestamp()
  and s.id = r.session and s.ended_at is null";
    Internal::new(text, values![hash], done)
}

/// Keeps a sealed claim code, where there is none yet.
pub fn keep_claim(sealed: &str) -> Internal<()> {
    let text = "insert into rowhouse.claim_code (sealed) values ($1::bytea) on conflict do nothing";
    Internal::new(text, values![sealed], done)
}

/// The sealed claim code, unless it is spent.
pub fn find_claim() -> Internal<Option<Vec<u8>>> {
    let text = "select sealed from rowhouse.claim_code where spent_at is null";
    Internal::new(text, vec![], first(|row| row.column::<&[u8]>(0).map(<[u8]>::to_vec)))
}

/// Locks the claim code, unless it is spent; gives it sealed.
pub fn lock_claim() -> Internal<Option<Vec<u8>>> {
    let text = "select sealed from rowhouse.claim_code where spent_at is null for update";
    Internal::new(text, vec![], first(|row| row.column::<&[u8]>(0).map(<[u8]>::to_vec)))
}

/// Spends the claim code.
pub fn spend_claim() -> Internal<()> {
    let text = "insert into rowhouse.claim_code (sealed, spent_at) values ('', now())
on conflict (only_one) do update set spent_at = now()";
    Internal::new(text, vec![], done)
}

/// A new user, who owns themselves, as somebody at the terminal makes one.
#[derive(Debug)]
#[allow(missing_docs)]
pub struct NewUser<'a> {
    pub id: Uuid,
    pub email: &'a str,
    pub name: &'a str,
    pub hash: &'a str,
}

/// Makes a user.
pub fn make_user(user: &NewUser<'_>) -> Internal<()> {
    let text =
        "insert into user_account (id, owner, permission, groups, group_bits, email, name, password, active, email_verified)
select $1::uuid, $1::uuid, w.default_permission, coalesce(w.default_groups, '{}'), w.default_group_bits, $2, $3, $4, true, false
from world w where w.name = 'user_account'";
    Internal::new(text, values![user.id, user.email, user.name, user.hash], done)
}

/// Puts a user among the administrators.
pub fn make_administrator(user: Uuid) -> Internal<()> {
    let text = format!(
        "insert into \"usergroup.members\" (source, target, created_at) values ('{ADMINISTRATORS}', $1::uuid, now())
on conflict do nothing"
    );
    Internal::new(text, values![user], done)
}

/// A key that signs tokens: what is made anew, in hexadecimal.
#[derive(Debug)]
#[allow(missing_docs)]
pub struct NewKey {
    pub id: String,
    pub public: String,
    pub sealed: String,
}

/// The key that signs tokens, as it is kept.
#[derive(Debug)]
#[allow(missing_docs)]
pub struct SigningKey {
    pub id: String,
    pub public: Vec<u8>,
    pub sealed: Vec<u8>,
}

/// Lets nobody else make a signing key until the transaction ends.
pub fn lock_keys() -> Internal<()> {
    Internal::new("lock table rowhouse.signing_key in share row exclusive mode", vec![], done)
}

/// Keeps a signing key, where there is none that isn't retired.
pub fn keep_key(key: &NewKey) -> Internal<()> {
    let text = "insert into rowhouse.signing_key (kid, public, sealed)
select $1, decode($2, 'hex'), decode($3, 'hex')
where not exists (select from rowhouse.signing_key where retired_at is null)";
    Internal::new(text, values![key.id.as_str(), key.public.as_str(), key.sealed.as_str()], done)
}

/// The signing key.
pub fn signing_key() -> Internal<Option<SigningKey>> {
    let text = "select kid, public, sealed from rowhouse.signing_key where retired_at is null order by created_at desc limit 1";
    let key = first(|row| {
        let [public, sealed] = [row.column::<&[u8]>(1)?, row.column(2)?].map(<[u8]>::to_vec);
        Ok(SigningKey { id: row.column(0)?, public, sealed })
    });
    Internal::new(text, vec![], key)
}

/// The ids of signing keys that are retired.
pub fn retired_keys() -> Internal<Vec<String>> {
    Internal::new("select kid from rowhouse.signing_key where retired_at is not null", vec![], all(|row| row.column(0)))
}
