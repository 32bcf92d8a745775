//! What PostgreSQL has, and what it was told last: tables with their columns and objects, entities, actions, groups.
//!
//! In charge of: telling our tables from those of others. The store reads it (`store::migrate`).

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::rename::Past;

/// What PostgreSQL has.
#[derive(Debug, Default)]
pub struct Catalog {
    /// Table → what it has.
    pub tables: BTreeMap<String, Table>,
    /// Views, sequences and whatever else has a table's name.
    pub others: BTreeSet<String>,
    /// The entities that have a row in `world`: only their tables may ever be dropped.
    pub entities: BTreeSet<String>,
    /// Entity → what its file said of its columns when it was applied last.
    pub described: BTreeMap<String, Described>,
    /// Actions that have a row: entity and name.
    pub actions: BTreeSet<(String, String)>,
    /// Names of declared groups.
    pub groups: BTreeSet<String>,
    /// Languages that texts are sorted by.
    pub languages: BTreeSet<String>,
    /// What was renamed when files were applied.
    pub renamed: Vec<Past>,
}

/// A table of the catalog.
#[derive(Debug, Default)]
pub struct Table {
    /// By name.
    pub columns: BTreeMap<String, Held>,
    /// Names of its indexes.
    pub indexes: BTreeSet<String>,
    /// By name.
    pub constraints: BTreeMap<String, Constraint>,
    /// Names of its triggers.
    pub triggers: BTreeSet<String>,
}

/// A constraint of the catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Constraint {
    /// A condition.
    Check,
    /// A foreign key; rows that it leads to go, and take theirs along or leave them.
    Link,
    /// A foreign key by which rows that it leads to can't go.
    Blocks,
}

/// What is known of an entity's columns.
#[derive(Debug, Default)]
pub struct Described {
    /// By name, as [`Column::describe`](super::Column::describe) has it.
    pub columns: BTreeMap<String, Json>,
    /// Whether hidden columns are in it, and those that are gone from the files and kept.
    pub is_whole: bool,
}

/// A column of the catalog.
#[derive(Debug, Clone)]
pub struct Held {
    /// As `format_type` spells it.
    pub kind: String,
    /// Whether it is `not null`.
    pub is_required: bool,
    /// Whether the database fills it.
    pub has_default: bool,
}

impl Table {
    /// Whether it is one of ours: an entity's, or one of pairs. Nobody else's has all these columns.
    pub fn is_ours(&self) -> bool {
        let has = |name: &str, kind: &str| self.columns.get(name).is_some_and(|column| column.kind == kind);
        let is_entity = ROW.iter().all(|(name, kind, _)| has(name, kind));
        is_entity || has("source", "uuid") && has("target", "uuid") && has("created_at", STAMP)
    }
}

pub(super) const STAMP: &str = "timestamp with time zone";

/// The columns that every row has: name, type, and whether it is required.
pub(super) const ROW: [(&str, &str, bool); 8] = [
    ("id", "uuid", true),
    ("owner", "uuid", false),
    ("permission", "integer", true),
    ("groups", "uuid[]", true),
    ("group_bits", "integer[]", false),
    ("version", "bigint", true),
    ("created_at", STAMP, true),
    ("updated_at", STAMP, true),
];
