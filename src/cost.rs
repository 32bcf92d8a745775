//! Work that is dear, counted over the whole process: what is refused costs none of it.

use std::sync::atomic::{AtomicU64, Ordering};

/// What is dear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dear {
    /// A password is hashed or verified.
    Hash,
    /// Markup is cleaned.
    Cleaning,
    /// A byte of a file is read.
    FileByte,
}

impl Dear {
    /// All of it.
    pub const ALL: [Dear; 3] = [Dear::Hash, Dear::Cleaning, Dear::FileByte];

    /// Its name, as metrics have it.
    pub fn name(self) -> &'static str {
        match self {
            Dear::Hash => "hashes",
            Dear::Cleaning => "cleanings",
            Dear::FileByte => "file bytes",
        }
    }
}

static COUNTS: [AtomicU64; 3] = [AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0)];

/// Counts some of it.
pub fn count(dear: Dear, amount: u64) {
    COUNTS[dear as usize].fetch_add(amount, Ordering::Relaxed);
}

/// How much of it there was.
pub fn counted(dear: Dear) -> u64 {
    COUNTS[dear as usize].load(Ordering::Relaxed)
}
