//! The contents page of the tests.

mod house;
mod jsonapi;
mod schema;
mod tidy;
