//! The outbox: the SQL of letters that wait.

use uuid::Uuid;

use super::Statement;

/// Puts a letter in: address, name, Message-ID and values; the language; what is sealed of the values.
pub fn put(id: Uuid, texts: [&str; 4], language: Option<&str>, sealed: Option<String>) -> Statement {
    let sql = "insert into mail (id, permission, \"to\", letter, message_id, values, language, sealed, state, tries, next_at) \
               values ($1, 0, $2, $3, $4, $5::jsonb, $6, $7::bytea, 'waiting', 0, now())";
    let values = [Some(id.to_string())]
        .into_iter()
        .chain(texts.map(|text| Some(text.to_owned())))
        .chain([language.map(str::to_owned), sealed]);
    Statement::fixed(sql, values.collect())
}

/// Claims letters that are due, of each address the oldest: id, to, letter, values, sealed, tries, Message-ID, language.
/// Who claims one has so many seconds: then it is due again, whatever became of them.
pub fn claim(seconds: u64) -> Statement {
    let sql = "update mail m set tries = m.tries + 1, next_at = now() + make_interval(secs => $1::double precision), version = m.version + 1, updated_at = now() \
               where m.id in (select d.id from mail d where d.state = 'waiting' and d.sent_at is null and d.next_at <= now() \
               and not exists (select from mail e where e.state = 'waiting' and e.sent_at is null and lower(e.\"to\") = lower(d.\"to\") and (e.created_at, e.id) < (d.created_at, d.id)) \
               order by d.created_at, d.id limit 10 for update skip locked) \
               returning m.id, m.\"to\", m.letter, m.values::text, m.sealed, m.tries, m.message_id, m.language";
    Statement::fixed(sql, vec![Some(seconds.to_string())])
}

/// It was sent: its secrets are wiped.
pub fn sent(id: Uuid) -> Statement {
    let sql = "update mail set state = 'sent', sent_at = now(), sealed = null, error = null, version = version + 1, updated_at = now() where id = $1";
    Statement::fixed(sql, vec![Some(id.to_string())])
}

/// It was not sent: again in so many seconds, or, where that is of no use, never.
pub fn failed(id: Uuid, words: &str, seconds: Option<u64>) -> Statement {
    let sql = "update mail set error = left($2, 500), state = case when $3::double precision is null then 'dead' else state end, \
               next_at = now() + make_interval(secs => coalesce($3::double precision, 0)), version = version + 1, updated_at = now() where id = $1";
    Statement::fixed(sql, vec![Some(id.to_string()), Some(words.replace('\0', " ")), seconds.map(|s| s.to_string())])
}
