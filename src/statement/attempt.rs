//! Attempts that are counted, and what follows from how many there were.
//!
//! In charge of: whose attempts are one: addresses are folded here as where people are found by them, and stand nowhere in the
//! clear.

use uuid::Uuid;

use super::query::{Internal, Sql, done, one, values};
use crate::schema::kind::Kind;

/// What is counted.
#[derive(Debug, Clone, Copy)]
pub struct Attempts<'a> {
    /// Of which kind.
    pub what: &'static str,
    /// Of whom or what: an e-mail address, or any text.
    pub of: &'a str,
    /// From where; empty: from anywhere.
    pub from: &'a str,
}

impl Attempts<'_> {
    /// Whose account they were at, as a digest of the address; of all others nothing.
    fn person(self, sql: &mut Sql) -> String {
        match self.what {
            "account" | "person" => person(&format!("{}::text", sql.bind(self.of))),
            _ => "null::bytea".to_owned(),
        }
    }

    /// The key that they are counted under.
    fn key(self, sql: &mut Sql) -> String {
        let of = Kind::Email.folded(&format!("{}::text", sql.bind(self.of)));
        let from = sql.bind(self.from);
        format!("'{}:' || encode(sha256(convert_to({of} || ' ' || {from}::text, 'UTF8')), 'base64')", self.what)
    }
}

/// A digest of an address, as it is folded where people are found by it.
fn person(email: &str) -> String {
    format!("sha256(convert_to({}, 'UTF8'))", Kind::Email.folded(email))
}

/// How long attempts that are over are kept, at most, and how many of these go with each new one.
const SWEEP: &str = "old as (
  delete from rowhouse.attempt where key in (
    select key from rowhouse.attempt where since < now() - interval '1 day' limit 10 for update skip locked))";

/// Counts an attempt and gives how many there were in a window of so many seconds, this one included. Sweeps some that are over.
pub fn count(attempts: Attempts<'_>, seconds: u64) -> Internal<i64> {
    let mut sql = Sql::new();
    let (key, person) = (attempts.key(&mut sql), attempts.person(&mut sql));
    let window = format!("make_interval(secs => {}::double precision)", sql.bind(seconds));
    let text = format!(
        "with {SWEEP}
insert into rowhouse.attempt as t (key, person, tries, since, last) values ({key}, {person}, 1, now(), now())
on conflict (key) do update set
  tries = case when t.since < now() - {window} then 1 else t.tries + 1 end,
  since = case when t.since < now() - {window} then now() else t.since end,
  last = now()
returning tries::bigint"
    );
    Internal::of(sql.with(text), one(|row| row.column(0)))
}

/// From how many attempts on each further one waits, and how long.
#[derive(Debug, Clone, Copy)]
pub struct Delay {
    /// So many are free.
    pub free: i64,
    /// In so many seconds.
    pub seconds: u64,
    /// Longest that one waits, in seconds: each waits twice as long as the one before.
    pub most: u64,
}

/// Counts an attempt, unless it comes before its time. Gives whether it does.
pub fn is_too_early(attempts: Attempts<'_>, delay: Delay) -> Internal<bool> {
    let mut sql = Sql::new();
    let (key, person) = (attempts.key(&mut sql), attempts.person(&mut sql));
    let window = format!("make_interval(secs => {}::double precision)", sql.bind(delay.seconds));
    let (free, most) = (sql.bind(delay.free), sql.bind(delay.most));
    let text = format!(
        "with {SWEEP},
k as (select {key} as key),
was as (select t.* from rowhouse.attempt t join k using (key) where t.since >= now() - {window} for update of t),
judged as (
  select exists (
    select from was where was.tries >= {free}::bigint
      and now() < was.last + make_interval(secs => least(
        power(2::double precision, least(was.tries - {free}::bigint, 30)), {most}::double precision))
  ) as is_early),
counted as (
  insert into rowhouse.attempt as t (key, person, tries, since, last)
  select k.key, {person}, 1, now(), now() from k, judged where not is_early
  on conflict (key) do update set
    tries = case when t.since < now() - {window} then 1 else t.tries + 1 end,
    since = case when t.since < now() - {window} then now() else t.since end,
    last = now())
select is_early from judged"
    );
    Internal::of(sql.with(text), one(|row| row.column(0)))
}

/// Forgets attempts.
pub fn forget(attempts: Attempts<'_>) -> Internal<()> {
    let mut sql = Sql::new();
    let key = attempts.key(&mut sql);
    Internal::of(sql.with(format!("delete from rowhouse.attempt where key = {key}")), done)
}

/// Gives an attempt back: it was right.
pub fn give_back(attempts: Attempts<'_>) -> Internal<()> {
    let mut sql = Sql::new();
    let key = attempts.key(&mut sql);
    Internal::of(sql.with(format!("update rowhouse.attempt set tries = tries - 1 where key = {key} and tries > 0")), done)
}

/// Forgets what was counted of wrong passwords for a user's account, from wherever: they have another one.
pub fn forget_account(user: Uuid) -> Internal<()> {
    let text =
        format!("delete from rowhouse.attempt a using user_account u where u.id = $1 and a.person = {}", person("u.email"));
    Internal::new(text, values![user], done)
}
