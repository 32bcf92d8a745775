//! Actions: the default ones, a file each, and what runs them.

mod default;
mod engine;
mod events;
mod files;
mod performers;
mod poison;
mod quiet;
mod rights;
mod schedule;
mod states;
mod tables;
mod hostile;
pub mod transfers;
