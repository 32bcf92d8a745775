//! How the rows of a read are told apart again: which branch a row is of, and where each value stands.

use super::aggregate;
use crate::permission::Right;
use crate::schema::{Column, Entity, Relation};

/// How to read the rows that come back.
#[derive(Debug, Default)]
pub struct Layout<'s> {
    /// By branch number, from 1.
    pub branches: Vec<Branch<'s>>,
    /// The entities that the head judges, and what each is asked.
    pub named: Vec<(&'s Entity, Right)>,
    /// Where the head says which entities the caller may read of those that relationships lead to: their numbers.
    pub open: Option<usize>,
}

/// The rows of one branch.
#[derive(Debug)]
pub enum Branch<'s> {
    /// Rows of a node.
    Rows(Rows<'s>),
    /// Linkage: `parent` is linked to `id`, `n`th.
    Links {
        /// The branch (its place in the layout) that the parents are in.
        from: usize,
        /// Along which relation.
        relation: &'s Relation,
        /// How many are linked at most before the list is cut.
        size: i64,
        /// Where the bits of a grant's own stand.
        bits: Option<usize>,
        /// What was asked of it, for links to its pages.
        shape: Vec<(String, String)>,
    },
    /// One row, whose `n` is how many there are.
    Total,
    /// Groups of rows with their measures; the group's id is the first slot.
    Groups(Vec<aggregate::Told>),
}

/// Where the values of a node's rows stand.
#[derive(Debug)]
pub struct Rows<'s> {
    /// Whose rows.
    pub entity: &'s Entity,
    /// Attributes and their columns in the row.
    pub columns: Vec<(&'s Column, usize)>,
    /// All relationships that are shown; to-one ones with their column in the row.
    pub relations: Vec<(&'s Relation, Option<usize>)>,
    /// Of attributes that not everybody is served: where they stand, and where it stands whether the caller is.
    pub limited: Vec<(usize, usize)>,
    /// Of a row that is asked for by itself: its version, for its tag.
    pub version: Option<usize>,
    /// The sort keys as text, for cursors.
    pub keys: Vec<usize>,
    /// Of linkage that is grants: their own bits.
    pub bits: Option<usize>,
    /// Seven booleans: what the caller may do.
    pub may: Vec<(Right, usize)>,
}

/// Columns before the slots.
pub const FIXED: usize = 4;
