//! JSON:API: each test names the rules that it holds.

mod concurrency;
mod conformance;
mod fetching;
mod including;
mod operations;
mod together;
mod writing;
