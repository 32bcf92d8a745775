//! Sending statements, and PostgreSQL's errors as ours.
//!
//! In charge of: which statements are prepared, and what each error means. The one place that knows SQLSTATE.

use std::time::{Duration, Instant};

use deadpool_postgres::Object;
use futures_util::TryStreamExt as _;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};

use super::Memory;
use super::bounded::Use;
use crate::error::{Cause, Error, Fault, Result, Unfit, Why};
use crate::statement::query::Query;
use crate::statement::row::Row;

/// How a statement is sent.
pub(super) struct Ready {
    /// As it is prepared; none: it comes with its text.
    prepared: Option<tokio_postgres::Statement>,
    /// Whether it was kept before.
    is_old: bool,
}

/// Prepares a statement where it is worth keeping: from its second use on, as long as it is used more than others.
pub(super) async fn ready(connection: &Object, memory: &Memory, text: &str, patience: Duration) -> Result<Ready> {
    let started = Instant::now();
    let (is_prepared, is_old) = match memory.prepared.uses(text, || ()) {
        Use::Kept(()) => (true, true),
        Use::New(gone) => {
            if let Some((gone, ())) = gone {
                memory.everywhere(|caches| caches.remove(&gone, &[]));
            }
            (true, false)
        }
        Use::Passing => (false, false),
    };
    if !is_prepared {
        return Ok(Ready { prepared: None, is_old });
    }
    let failed = |error| memory.failed(error, is_old, started.elapsed() < patience);
    let prepared = connection.prepare_cached(text).await.map_err(failed)?;
    if !memory.prepared.keeps(text) {
        connection.statement_cache.remove(text, &[]); // another took its place meanwhile
    }
    Ok(Ready { prepared: Some(prepared), is_old })
}

/// Sends a statement, at once, and reads its rows.
pub(super) async fn execute<T>(
    connection: &Object,
    memory: &Memory,
    query: &Query<T>,
    ready: Ready,
    patience: Duration,
) -> Result<Vec<Row>> {
    let started = Instant::now();
    let failed = |error| memory.failed(error, ready.is_old, started.elapsed() < patience);
    let values = query.values().iter().map(|value| value as &(dyn ToSql + Sync));
    let rows = match &ready.prepared {
        Some(prepared) => connection.query_raw(prepared, values).await,
        None => connection.query_typed_raw(query.text(), values.map(|value| (value, Type::UNKNOWN))).await,
    };
    let mut rows = std::pin::pin!(rows.map_err(failed)?);
    let (mut found, mut bytes) = (vec![], 0);
    while let Some(row) = rows.try_next().await.map_err(failed)? {
        bytes += row.raw_size_bytes();
        // One row is as large as it was made: whoever made it may have done so in this statement, which stands.
        if bytes > memory.result && !found.is_empty() {
            return Err(Error::TooMuch { most: memory.result, rows: found.len() }); // the others are thrown away as they come
        }
        found.push(Row::new(row));
    }
    Ok(found)
}

/// What a statement runs into that was made for another schema: a result of other columns or types; no such table, column,
/// type or function; another type.
pub(super) const SCHEMA_CHANGED: &[SqlState] = &[
    SqlState::FEATURE_NOT_SUPPORTED,
    SqlState::UNDEFINED_TABLE,
    SqlState::UNDEFINED_COLUMN,
    SqlState::UNDEFINED_OBJECT,
    SqlState::DATATYPE_MISMATCH,
    SqlState::UNDEFINED_FUNCTION,
];

/// PostgreSQL's errors as ours. The one place that knows SQLSTATE.
pub(super) fn translate(error: tokio_postgres::Error) -> Error {
    let Some(db) = error.as_db_error() else {
        tracing::warn!(cause = ?Cause::new(error), "PostgreSQL is away");
        return Error::Unavailable(2);
    };
    let code = db.code();
    let class = &code.code()[..2];
    if *code == SqlState::UNIQUE_VIOLATION {
        let object = db.constraint().unwrap_or_default().to_owned();
        return Error::conflict(Fault::new("taken", object));
    }
    if *code == SqlState::FOREIGN_KEY_VIOLATION || *code == SqlState::RESTRICT_VIOLATION {
        return Error::conflict(Fault::new("in-use", "Other rows still need this one."));
    }
    if [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED].contains(code) {
        return Error::Again;
    }
    if SCHEMA_CHANGED.contains(code) {
        tracing::error!(code = code.code(), message = db.message(), "a statement doesn't fit the database's schema");
        return Error::SchemaChanged;
    }
    let busy = [SqlState::LOCK_NOT_AVAILABLE, SqlState::QUERY_CANCELED];
    if class == "08" || class == "57" || class == "53" || busy.contains(code) {
        tracing::warn!(code = code.code(), message = db.message(), "PostgreSQL can't right now");
        return Error::Unavailable(2);
    }
    // Neither detail nor, for bad values, message: they hold what was stored.
    let message = if class == "22" || class == "23" { "" } else { db.message() };
    // Which index a row is too large for stands in the message alone.
    let index = db.message().split('"').nth(1).filter(|_| class == "54");
    let object = db.constraint().or(db.column()).or(index).unwrap_or_default().to_owned();
    let words = format!("PostgreSQL {} {message} {object}", code.code());
    let why = match (class, code) {
        ("54", _) | (_, &SqlState::STRING_DATA_RIGHT_TRUNCATION) => Why::TooLong,
        (_, &SqlState::NOT_NULL_VIOLATION) => Why::Missing,
        ("23", _) => Why::Refused,
        ("22", _) => Why::NoValue,
        _ => return Error::internal(words),
    };
    Error::internal(Unfit { why, object, words })
}
