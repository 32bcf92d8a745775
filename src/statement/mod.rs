//! Plans → SQL. The only place where the SQL of requests is spelled, and where rows are read by their columns' numbers.
//!
//! In charge of: text and parameters of statements, with the rule on every row of an entity that they touch, and what their
//! rows are read as. It must not know connections: the store sends what [`query`] makes, and nothing else.

pub mod account;
pub mod action;
pub mod attempt;
pub mod event;
pub mod explain;
pub mod migrate;
pub mod once;
pub mod outbox;
pub mod query;
pub mod read;
pub mod regrant;
pub mod row;
pub mod schedule;
pub mod sweep;
pub mod transfer;
mod value;
pub mod verdict;
pub mod who;
pub mod write;

/// Takes so many seconds, and then says 7: for trying what a store does with what is slow.
#[doc(hidden)]
pub fn pause(seconds: f64) -> query::Internal<i64> {
    let text = format!("select 7::bigint from (select pg_sleep({seconds})) as paused");
    query::Internal::new(text, vec![], query::one(|row| row.column(0)))
}

/// How many statements a connection keeps prepared: for trying what a store does with many.
#[doc(hidden)]
pub fn prepared() -> query::Internal<i64> {
    query::Internal::new("select count(*) from pg_prepared_statements", vec![], query::one(|row| row.column(0)))
}

/// Words about a fault, as a row can hold them: PostgreSQL keeps no NUL.
pub fn kept(words: &str) -> String {
    words.replace('\0', "\u{fffd}")
}
