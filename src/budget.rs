//! Bytes, taken before they are allocated.
//!
//! In charge of: one way to bound what somebody's bytes turn into: a row of a file, a file's directory, the values that an
//! action holds, an answer. What is referred to counts as what it becomes.

use std::cell::Cell;
use std::fmt;

use serde_json::Value as Json;

use crate::error::{Error, Fault};

/// So many bytes that something may take. (Shared within a thread: whoever reads a row and whoever reads its pieces take from
/// one budget.)
#[derive(Debug)]
pub struct Budget {
    what: &'static str,
    most: usize,
    left: Cell<usize>,
}

/// A budget is used up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exceeded {
    /// What has it, in the words of a message.
    pub what: &'static str,
    /// Its bytes.
    pub most: usize,
}

impl fmt::Display for Exceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} has at most {} bytes", self.what, self.most)
    }
}

impl From<Exceeded> for Error {
    fn from(exceeded: Exceeded) -> Error {
        Error::Invalid(vec![Fault::new("too-large", format!("{exceeded}."))])
    }
}

/// About how many bytes a value takes in memory.
pub fn weight(value: &Json) -> usize {
    size_of::<Json>()
        + match value {
            Json::Null | Json::Bool(_) | Json::Number(_) => 0,
            Json::String(text) => text.len(),
            Json::Array(items) => items.iter().map(weight).sum(),
            Json::Object(entries) => entries.iter().map(|(name, value)| ENTRY + name.len() + weight(value)).sum(),
        }
}

/// About what an entry of an object takes beside its key and value: its hash, and its place in the index.
pub const ENTRY: usize = 48;

impl Budget {
    /// `what`: as a message names it, such as "a row".
    pub const fn new(what: &'static str, most: usize) -> Budget {
        Budget { what, most, left: Cell::new(most) }
    }

    /// Takes bytes, before they are allocated.
    ///
    /// # Errors
    /// Where there aren't so many left.
    pub fn take(&self, bytes: usize) -> Result<(), Exceeded> {
        let left = self.left.get().checked_sub(bytes).ok_or(self.exceeded())?;
        self.left.set(left);
        Ok(())
    }

    /// What is said where somebody else found that there isn't enough left.
    pub fn exceeded(&self) -> Exceeded {
        Exceeded { what: self.what, most: self.most }
    }

    /// Gives back what was taken: it is gone.
    pub fn give(&self, bytes: usize) {
        self.left.set(self.left.get().saturating_add(bytes).min(self.most));
    }

    /// How many are left.
    pub fn left(&self) -> usize {
        self.left.get()
    }

    /// How many are taken.
    pub fn taken(&self) -> usize {
        self.most - self.left.get()
    }

    /// All of it again: what it was taken for is gone.
    pub fn refill(&self) {
        self.left.set(self.most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_is_gone_until_it_is_given_back() {
        let budget = Budget::new("a row", 10);
        assert!(budget.take(7).is_ok() && budget.take(4).is_err() && budget.take(3).is_ok() && budget.taken() == 10);
        assert_eq!(budget.take(1).expect_err("used up").to_string(), "a row has at most 10 bytes");
        assert!(budget.take(usize::MAX).is_err());
        budget.refill();
        assert!(budget.take(10).is_ok());
    }
}
