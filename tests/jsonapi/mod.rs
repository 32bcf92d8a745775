//! JSON:API: each test names the rules that it holds.

mod fetching;
mod writing;
