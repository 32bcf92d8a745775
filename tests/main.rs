//! The contents page of the tests.

mod schema;
mod tidy;
