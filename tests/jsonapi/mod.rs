//! JSON:API: each test names the rules that it holds.

mod concurrency;
mod fetching;
mod operations;
mod writing;
