//! Letters: what is sent, what waits, what becomes of what can't be sent.

mod accounts;
mod groups;
mod outbox;
mod signed;
