//! JSON:API: each test names the rules that it holds.

mod clients;
mod concurrency;
mod conformance;
mod fetching;
mod including;
pub mod operations;
mod together;
mod writing;
