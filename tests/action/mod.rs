//! Actions: the default ones, by the words that the documentation promises.

mod accounts;
mod engine;
mod events;
mod files;
mod groups;
mod performers;
mod schedule;
mod states;
mod transfers;
