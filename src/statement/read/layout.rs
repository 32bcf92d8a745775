//! How the rows of a read are told apart again: which branch a row is of, and where each value stands.
//!
//! In charge of: places, which only `statement` makes. It names entities, columns and relations by their places in the schema,
//! so that a layout is kept as long as its shape.

use super::aggregate::Output;
use crate::permission::Right;
use crate::schema::kind::Wire;
use crate::schema::{Column, Entity, Relation, Schema};
use crate::statement::row::{Binary, Place};

use uuid::Uuid;

/// How to read the rows that come back.
#[derive(Debug, Default)]
pub struct Layout {
    /// The root's, and in statements with includes those of the other branches.
    pub branches: Vec<Branch>,
    /// Whether each row says of which branch it is.
    pub(super) is_branched: bool,
}

/// The rows of one branch.
#[derive(Debug)]
pub enum Branch {
    /// Rows of a node.
    Rows(Rows),
    /// Linkage: a parent is linked to a row.
    Links {
        /// The branch (its place in the layout) that the parents are in.
        from: usize,
        /// Along which relation of the parents' entity, by its place.
        relation: usize,
        /// The number of the include in the plan.
        include: usize,
        /// Where the bits of a grant's own stand.
        bits: Option<Place<i64>>,
    },
    /// One row, which says how many there are.
    Total,
    /// Groups of rows with their measures.
    Groups(Vec<Output>),
}

/// Where the values of a node's rows stand.
#[derive(Debug)]
pub struct Rows {
    /// Whose rows: the entity's place.
    pub entity: usize,
    /// Attributes, by their places in the entity, and their values.
    pub columns: Vec<(usize, Attribute)>,
    /// All relationships that are shown; to-one ones with the id that they lead to.
    pub relations: Vec<(usize, Option<Place<Uuid>>)>,
    /// Of a row that is asked for by itself: its version, for its tag.
    pub version: Option<Place<i64>>,
    /// The sort keys, for cursors.
    pub keys: Vec<(Place<Binary>, Wire)>,
    /// Of linkage that is grants: their own bits.
    pub bits: Option<Place<i64>>,
    /// What the caller may do.
    pub may: Vec<(Right, Place<bool>)>,
}

/// Where an attribute stands.
#[derive(Debug, Clone, Copy)]
pub struct Attribute {
    /// Its value.
    pub value: Place<Binary>,
    /// Of one that not everybody is served: whether the caller is.
    pub is_served: Option<Place<bool>>,
}

impl Rows {
    /// Whose rows.
    pub fn entity<'s>(&self, schema: &'s Schema) -> &'s Entity {
        &schema.entities()[self.entity]
    }

    /// A column of theirs.
    pub fn column<'s>(&self, schema: &'s Schema, at: usize) -> &'s Column {
        &self.entity(schema).columns[at]
    }

    /// A relation of theirs.
    pub fn relation<'s>(&self, schema: &'s Schema, at: usize) -> &'s Relation {
        &self.entity(schema).relations[at]
    }

    /// Where an attribute's value stands.
    pub fn named(&self, schema: &Schema, name: &str) -> Option<Place<Binary>> {
        self.columns.iter().find(|(at, _)| self.column(schema, *at).name == name).map(|(_, attribute)| attribute.value)
    }
}

/// The first columns of every row: the proof; whether the row that is named may be read, null where it may not be peeked;
/// the same of the row that a to-one leads to; and the row's id.
pub(super) const MAY: usize = 1;
pub(super) const TARGET: usize = 2;
/// Where a row's id stands.
pub const ID: Place<Uuid> = Place::new(3);
/// How many columns stand before the values.
pub(super) const FIXED: usize = 4;
/// In statements with several branches, further ones: which branch, which row of it, and the row that it is linked to.
pub(super) const BRANCH: usize = 4;
/// The number of a row in its branch; of a total, how many there are.
pub const NUMBER: Place<i64> = Place::new(5);
/// The row that is linked.
pub const PARENT: Place<Uuid> = Place::new(6);
pub(super) const FIXED_BRANCHED: usize = 7;
