//! The outbox: the SQL of what waits until some node does it, in tables of the same shape.

use uuid::Uuid;

use super::{Statement, kept};

/// A table of what waits, with the columns `state` (`waiting`, `dead`, and what is done), `tries`, `next_at`, `error`.
#[derive(Debug, Clone, Copy)]
pub struct Queue {
    table: &'static str,
    /// What is of one line is done one after the other.
    line: &'static str,
    /// What is asked of a row, beside its id and tries.
    columns: &'static str,
    /// Which of the table's rows it is of, as a condition on `t`.
    which: &'static str,
    /// The state of what is done; `<state>_at` is when.
    done: &'static str,
}

/// Letters: a line for each address. Gives `to`, letter, values, sealed, Message-ID, language.
pub const MAIL: Queue = Queue {
    table: "mail",
    line: "lower(t.\"to\")",
    columns: "m.\"to\", m.letter, m.values::text, m.sealed, m.message_id, m.language",
    which: "true",
    done: "sent",
};

/// Tasks: a line for each row that raised events. Gives kind, name, payload, sealed, caller, depth.
pub const TASKS: Queue = Queue {
    table: "task",
    line: "t.line",
    columns: "m.kind, m.name, m.payload::text, m.sealed, m.caller, m.depth",
    which: "t.kind <> 'transfer'",
    done: "done",
};

/// Imports and exports, which take their time: beside the other tasks, so that none waits for them.
pub const TRANSFERS: Queue = Queue { which: "t.kind = 'transfer'", ..TASKS };

/// Puts a letter in: address, name, Message-ID and values; the language; what is sealed of the values.
pub fn put_letter(id: Uuid, texts: [&str; 4], language: Option<&str>, sealed: Option<String>) -> Statement {
    let sql = "insert into mail (id, permission, \"to\", letter, message_id, values, language, sealed, state, tries, next_at) \
               values ($1, 0, $2, $3, $4, $5::jsonb, $6, $7::bytea, 'waiting', 0, now())";
    let values = [Some(id.to_string())]
        .into_iter()
        .chain(texts.map(|text| Some(text.to_owned())))
        .chain([language.map(str::to_owned), sealed]);
    Statement::fixed(sql, values.collect())
}

/// Puts in a request to another server, sealed: where it goes, and what it is.
pub fn put_request(id: Uuid, place: &str, sealed: &str) -> Statement {
    let sql = "insert into task (id, permission, kind, name, line, payload, sealed, depth, state, tries, next_at, created_at) \
               values ($1, 0, 'request', $2, ($1::uuid)::text, '{}', $3::bytea, 0, 'waiting', 0, now(), clock_timestamp())";
    Statement::fixed(sql, vec![Some(id.to_string()), Some(place.to_owned()), Some(sealed.to_owned())])
}

/// Claims what is due, of each line the oldest: id, tries, and the queue's columns. Who claims one has so many seconds: then
/// it is due again, whatever became of them.
pub fn claim(queue: Queue, seconds: u64, most: usize) -> Statement {
    let Queue { table, line, columns, which, done } = queue;
    let other = line.replace("t.", "e.");
    let is_open = |t: &str| format!("{t}.state = 'waiting' and {t}.{done}_at is null");
    let sql = format!(
        "update {table} m set tries = m.tries + 1, next_at = now() + make_interval(secs => $1::double precision), version = m.version + 1, updated_at = now() \
         where m.id in (select t.id from {table} t where {} and {which} and t.next_at <= now() \
         and not exists (select from {table} e where {} and {other} = {line} and (e.created_at, e.id) < (t.created_at, t.id)) \
         order by t.created_at, t.id limit $2::bigint for update skip locked) returning m.id, m.tries, {columns}",
        is_open("t"),
        is_open("e"),
    );
    Statement::fixed(sql, vec![Some(seconds.to_string()), Some(most.to_string())])
}

/// It is done: its secrets are wiped. Some that were done so many seconds ago are swept.
pub fn done(queue: Queue, id: Uuid, keep: u64) -> Statement {
    let Queue { table, done, .. } = queue;
    let sql = format!(
        "with old as (delete from {table} where id in (select t.id from {table} t where t.created_at < now() - make_interval(secs => $2::double precision) \
         and t.{done}_at < now() - make_interval(secs => $2::double precision) order by t.created_at limit 20 for update skip locked)) \
         update {table} set state = '{done}', {done}_at = now(), sealed = null, error = null, version = version + 1, updated_at = now() where id = $1"
    );
    Statement::fixed(sql, vec![Some(id.to_string()), Some(keep.to_string())])
}

/// It was not done, at this try: again in so many seconds, or, where that is of no use, never. If it was claimed again since,
/// or is done, this try has no say.
pub fn failed(queue: Queue, id: Uuid, tries: i64, words: &str, seconds: Option<u64>) -> Statement {
    let Queue { table, done, .. } = queue;
    let sql = format!(
        "update {table} set error = left($2, 500), state = case when $3::double precision is null then 'dead' else state end, \
         next_at = now() + make_interval(secs => coalesce($3::double precision, 0)), version = version + 1, updated_at = now() \
         where id = $1 and {done}_at is null and tries = $4::bigint"
    );
    Statement::fixed(sql, vec![Some(id.to_string()), Some(kept(words)), seconds.map(|s| s.to_string()), Some(tries.to_string())])
}
