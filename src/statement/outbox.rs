//! The outbox: the SQL of what waits until some node does it, in tables of the same shape.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};
use uuid::Uuid;

use super::kept;
use super::query::{Internal, all, any, done as is_done, values};
use super::row::Row;
use super::transfer::FAILED;
use crate::error::{Error, Result};
use crate::schema::kind::Kind;

/// A table of what waits, with the columns `state` (`waiting`, `dead`, and what is done), `tries`, `next_at`, `error`.
#[derive(Debug)]
pub struct Queue<T> {
    table: &'static str,
    /// What is of one line is done one after the other.
    line: fn(&str) -> String,
    /// What is asked of a row, beside its id and tries.
    columns: &'static str,
    /// Which of the table's rows it is of.
    which: fn(&str) -> String,
    /// The state of what is done; `<state>_at` is when.
    done: &'static str,
    /// What follows where one is given up: a statement, from the row `m`; `$2` says why.
    buries: Option<&'static str>,
    /// Reads the columns, from the fourth on.
    read: fn(&Row) -> Result<T>,
}

/// To whom a letter goes, beside the first, and who is answered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Others {
    /// Addresses that everybody sees.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub to: Vec<String>,
    /// Those that get a copy, as everybody sees.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cc: Vec<String>,
    /// Those that get a copy, as nobody sees.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub bcc: Vec<String>,
    /// Who is answered, where that isn't the sender.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<String>,
}

impl Others {
    /// All who get the letter.
    pub fn recipients(&self) -> impl Iterator<Item = &String> {
        self.to.iter().chain(&self.cc).chain(&self.bcc)
    }
}

/// A letter that waits.
#[derive(Debug)]
#[allow(missing_docs)]
pub struct Letter {
    pub to: String,
    /// The letter's name.
    pub name: String,
    pub values: Map<String, Json>,
    /// Secret values.
    pub sealed: Option<Vec<u8>>,
    pub message_id: String,
    pub language: Option<String>,
    /// Who gets it beside, and who is answered.
    pub others: Others,
}

/// A task that waits.
#[derive(Debug)]
#[allow(missing_docs)]
pub struct Task {
    pub kind: String,
    pub name: String,
    pub payload: Json,
    pub sealed: Option<Vec<u8>>,
    /// The user whose it is.
    pub caller: Option<Uuid>,
    /// How many events led to each other before it.
    pub depth: i64,
}

/// The claim of one.
#[derive(Debug, Clone, Copy)]
pub struct Claim {
    /// Its row.
    pub id: Uuid,
    /// How often it was tried, this time included: who claims it later has a higher number.
    pub tries: i64,
}

/// What was claimed.
#[derive(Debug)]
pub struct Claimed<T> {
    /// By which claim.
    pub claim: Claim,
    /// How often in a row it was begun before, and nobody came to an end with it.
    pub unended: i64,
    /// What it is.
    pub what: T,
}

fn sealed(row: &Row, column: usize) -> Result<Option<Vec<u8>>> {
    Ok(row.optional::<&[u8]>(column)?.map(<[u8]>::to_vec))
}

/// Letters: a line for each address.
pub const MAIL: Queue<Letter> = Queue {
    table: "mail",
    line: |t| Kind::Email.folded(&format!("{t}.\"to\"")),
    columns: "m.\"to\", m.letter, m.values::text, m.sealed, m.message_id, m.language, m.others::text",
    which: |_| "true".to_owned(),
    done: "sent",
    buries: None,
    read: |row| {
        Ok(Letter {
            to: row.column(3)?,
            name: row.column(4)?,
            values: serde_json::from_str(row.column(5)?).map_err(Error::internal)?,
            sealed: sealed(row, 6)?,
            message_id: row.column(7)?,
            language: row.optional(8)?,
            others: serde_json::from_str(row.column(9)?).map_err(Error::internal)?,
        })
    },
};

/// Tasks: a line for each row that raised events.
pub const TASKS: Queue<Task> = Queue {
    table: "task",
    line: |t| format!("{t}.line"),
    columns: "m.kind, m.name, m.payload::text, m.sealed, m.caller, m.depth::bigint",
    which: |t| format!("{t}.kind <> 'transfer'"),
    done: "done",
    buries: None,
    read: |row| {
        Ok(Task {
            kind: row.column(3)?,
            name: row.column(4)?,
            payload: serde_json::from_str(row.column(5)?).map_err(Error::internal)?,
            sealed: sealed(row, 6)?,
            caller: row.optional(7)?,
            depth: row.optional(8)?.unwrap_or(0),
        })
    },
};

/// Imports and exports, which take their time: beside the other tasks, so that none waits for them.
pub const TRANSFERS: Queue<Task> = Queue {
    which: |t| format!("{t}.kind = 'transfer'"),
    // One after the other for each user, so that nobody takes all places.
    line: |t| format!("coalesce({t}.caller::text, {t}.line)"),
    buries: Some(FAILED),
    ..TASKS
};

/// A letter that is put in.
#[derive(Debug)]
#[allow(missing_docs)]
pub struct NewLetter<'a> {
    pub id: Uuid,
    pub to: &'a str,
    /// JSON: who gets it beside, and who is answered.
    pub others: &'a str,
    pub name: &'a str,
    pub message_id: &'a str,
    /// JSON: the values without the secret ones.
    pub values: &'a str,
    pub language: Option<&'a str>,
    /// The secret values, sealed, in hexadecimal.
    pub sealed: Option<&'a str>,
}

/// Puts a letter in.
pub fn put_letter(letter: &NewLetter<'_>) -> Internal<()> {
    let text = "insert into mail
  (id, permission, \"to\", others, letter, message_id, values, language, sealed, state, tries, next_at)
values ($1, 0, $2, $3::jsonb, $4, $5, $6::jsonb, $7, $8::bytea, 'waiting', 0, now())";
    let NewLetter { id, to, others, name, message_id, values, language, sealed } = *letter;
    Internal::new(text, values![id, to, others, name, message_id, values, language, sealed], is_done)
}

/// A request to another server that waits.
#[derive(Debug)]
pub struct NewRequest<'a> {
    /// Its task.
    pub id: Uuid,
    /// Where it goes.
    pub place: &'a str,
    /// Those of one line go one after the other.
    pub line: &'a str,
    /// Which action asked, and about which row, as JSON.
    pub payload: &'a str,
    /// What it is, sealed.
    pub sealed: &'a str,
}

/// Puts in a request to another server, of whose change it is told.
pub fn put_request(request: &NewRequest<'_>, session: Option<Uuid>) -> Internal<()> {
    let text =
        "insert into task (id, permission, kind, name, line, payload, sealed, caller, depth, state, tries, next_at, created_at)
select $1, 0, 'request', $2, $3, $4::jsonb, $5::bytea, (select s.\"user\" from session s where s.id = $6::uuid), 0, 'waiting', 0,
  now(), clock_timestamp()";
    let NewRequest { id, place, line, payload, sealed } = *request;
    Internal::new(text, values![id, place, line, payload, sealed, session], is_done)
}

/// The beginning of a statement by which a row is done.
fn is_done_now(table: &str, done: &str) -> String {
    format!(
        "update {table}
set state = '{done}', {done}_at = now(), begun = null, sealed = null, error = null, version = version + 1, updated_at = now()"
    )
}

impl<T: 'static> Queue<T> {
    /// Claims what is due, of each line the oldest. Who claims one has so many seconds: then it is due again, whatever became
    /// of them.
    pub fn claim(&self, seconds: u64, most: usize) -> Internal<Vec<Claimed<T>>> {
        let Queue { table, line, columns, which, done, read, .. } = *self;
        let is_open = |t: &str| format!("{t}.state = 'waiting' and {t}.{done}_at is null");
        let text = format!(
            "update {table} m
set tries = m.tries + 1, begun = coalesce(m.begun, 0) + 1, next_at = now() + make_interval(secs => $1::double precision),
  version = m.version + 1, updated_at = now()
where m.id in (
  select t.id from {table} t
  where {} and {} and t.next_at <= now() and not exists (
    select from {table} e where {} and {} and {} = {} and (e.created_at, e.id) < (t.created_at, t.id))
  order by t.created_at, t.id limit $2::bigint
  for update skip locked)
returning m.id, m.tries::bigint, m.begun::bigint - 1, {columns}",
            is_open("t"),
            which("t"),
            is_open("e"),
            which("e"),
            line("e"),
            line("t"),
        );
        let claimed = move |row: &Row| {
            Ok(Claimed { claim: Claim { id: row.column(0)?, tries: row.column(1)? }, unended: row.column(2)?, what: read(row)? })
        };
        Internal::new(text, values![seconds, most as u64], all(claimed))
    }

    /// It is done in the transaction that asks this first, or in none. Gives whether it is still this claim's to do: it may be
    /// done, or claimed again. Until the transaction ends nobody else claims it.
    pub fn done_within(&self, claim: Claim) -> Internal<bool> {
        let Queue { table, done, .. } = self;
        let text =
            format!("{}\nwhere id = $1 and {done}_at is null and tries = $2::bigint\nreturning id", is_done_now(table, done));
        Internal::new(text, values![claim.id, claim.tries], any)
    }

    /// It is done: its secrets are wiped. Some that were done so many seconds ago are swept.
    pub fn done(&self, id: Uuid, keep: u64) -> Internal<()> {
        let Queue { table, done, .. } = self;
        let text = format!(
            "with old as (
  delete from {table} where id in (
    select t.id from {table} t
    where t.created_at < now() - make_interval(secs => $2::double precision)
      and t.{done}_at < now() - make_interval(secs => $2::double precision)
    order by t.created_at limit 20
    for update skip locked))
{}
where id = $1 and {done}_at is null",
            is_done_now(table, done),
        );
        Internal::new(text, values![id, keep], is_done)
    }

    /// It was not done, at this try: again in so many seconds, or, where that is of no use, never. If it was claimed again
    /// since, or is done, this try has no say.
    pub fn failed(&self, claim: Claim, words: &str, seconds: Option<u64>) -> Internal<()> {
        let Queue { table, done, buries, .. } = self;
        let buried = buries.filter(|_| seconds.is_none()).map_or(String::new(), |statement| {
            format!(", b as (\n{statement}\nfrom m where t.id = (m.payload->>'id')::uuid and t.state = 'running')")
        });
        let text = format!(
            "with m as (
  update {table}
  set error = left($2::text, 500), begun = null, state = case when $3::double precision is null then 'dead' else state end,
    next_at = now() + make_interval(secs => coalesce($3::double precision, 0)), version = version + 1, updated_at = now()
  where id = $1 and {done}_at is null and tries = $4::bigint
  returning *){buried}
select from m"
        );
        Internal::new(text, values![claim.id, kept(words), seconds, claim.tries], is_done)
    }
}
