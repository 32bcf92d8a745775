//! Rowhouse: PostgreSQL behind, JSON:API in front, a permission on every row, every operation a named action.
//!
//! A request becomes a plan. A plan carries its permission. A statement proves what is known of the caller, and only the store,
//! given such a statement, lets rows out.
//!
//! The rooms, in reading order; a file uses only what stands above it (a test holds that):
//!
//! - [`error`]: everything that can go wrong with a request, and the public words for it.
//! - [`budget`]: bytes, taken before they are allocated.
//! - [`cost`]: work that is dear, counted.
//! - [`yaml`]: files that people write, as trees that know line and column.
//! - [`config`]: every key of the configuration in one table, layered.
//! - [`share`]: one caller's and one address's part of what everybody uses.
//! - [`log`]: lines for people, written by a thread of its own.
//! - [`permission`]: the rule, written once.
//! - [`schema`]: what exists: entity files → a checked, immutable schema; the diff of catalog and schema → ordered DDL.
//! - [`request`]: what was asked: URL, headers, body → a request, or all its faults.
//! - [`plan`]: request × schema → a tree of nodes, names resolved, a guard on every node.
//! - [`statement`]: the only place where SQL is spelled, and where rows are read by their columns; queries that carry their type.
//! - [`store`]: the only holder of connections: reads, transactions, what is kept prepared, migration, the managed local cluster.
//! - [`account`]: tokens, and the secrets that sign them.
//! - [`outbox`]: what must not be undone, done after the commit, once, by any node.
//! - [`outgoing`]: requests to other servers: to public addresses only, in time, bounded.
//! - [`template`]: which values a template takes.
//! - [`locale`]: texts for people in other languages than the files'.
//! - [`page`]: pages of ours that letters lead to.
//! - [`mail`]: letters from templates, and the post that they leave by.
//! - [`access`]: the phases: what is known of a caller, verdicts → rows or a refusal.
//! - [`document`]: rows → JSON:API bytes.
//! - [`action`]: load and check files; run: inputs → phases → outcomes → directives.
//! - [`openapi`]: what exists and what may be asked, as OpenAPI and JSON Schema, in a caller's view.
//! - [`project`]: the embedded files and the user's.
//! - [`http`]: listen, edge, routes, replies: the only place that knows warp.
//! - [`start`]: everything in order, from a configuration to a server.

pub mod error;
pub mod budget;
pub mod cost;
pub mod yaml;
pub mod config;
pub mod share;
pub mod log;
pub mod permission;
pub mod schema;
pub mod request;
pub mod plan;
pub mod statement;
pub mod store;
pub mod account;
pub mod outbox;
pub mod outgoing;
pub mod template;
pub mod locale;
pub mod page;
pub mod mail;
pub mod access;
pub mod document;
pub mod action;
pub mod openapi;
pub mod project;
pub mod http;
pub mod start;
