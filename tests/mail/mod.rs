//! Letters: what they say, what is sent, what waits, what becomes of what can't be sent.

mod letters;
pub mod outbox;
mod signed;
