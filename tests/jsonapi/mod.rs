//! JSON:API: each test names the rules that it holds.

mod concurrency;
mod fetching;
mod including;
mod operations;
mod writing;
