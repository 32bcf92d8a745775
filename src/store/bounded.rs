//! A bounded table of what is worth keeping: what is used much stays, whatever else comes by.
//!
//! In charge of: counting before keeping. What comes for the first time is not kept at all, and later only in the place of what
//! is used less: so whoever invents new things all the time spends their own time, and nobody's memory.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many counters there are in a row for each thing that is kept, and at least.
const COUNTERS: usize = 16;
const FEWEST: usize = 1024;
/// How many rows of counters there are: a thing came as often as the least of its counters says, for others share them.
const ROWS: usize = 4;
/// From how many uses on a thing may be kept.
const OFTEN: u8 = 2;

/// A table of at most so many things, by their names.
pub struct Bounded<T> {
    state: Mutex<State<T>>,
    hasher: RandomState,
    most: usize,
}

struct State<T> {
    kept: HashMap<Box<str>, T>,
    /// How often things came lately, by their hashes.
    counters: Vec<u8>,
    /// How many uses there were since all counters were halved.
    uses: usize,
}

/// What a table says of a thing.
pub enum Use<T> {
    /// It is kept.
    Kept(T),
    /// It is kept from now on, in the place of another, if the table was full.
    New(Option<(Box<str>, T)>),
    /// It isn't worth keeping, yet.
    Passing,
}

impl<T: Clone> Bounded<T> {
    /// Of at most so many things.
    pub fn new(most: usize) -> Bounded<T> {
        let counters = vec![0; (most * COUNTERS).max(FEWEST) * ROWS];
        Bounded { state: Mutex::new(State { kept: HashMap::new(), counters, uses: 0 }), hasher: RandomState::new(), most }
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a use. A thing that is new and worth keeping is made at once.
    pub fn uses(&self, name: &str, make: impl FnOnce() -> T) -> Use<T> {
        let state = &mut *self.state();
        let count = state.count(self.hasher.hash_one(name));
        if let Some(kept) = state.kept.get(name) {
            return Use::Kept(kept.clone());
        }
        if count < OFTEN || self.most == 0 {
            return Use::Passing;
        }
        let mut gone = None;
        if state.kept.len() >= self.most {
            let count_of = |name: &str| state.counted(self.hasher.hash_one(name));
            let least = state.kept.keys().min_by_key(|name| count_of(name)).cloned();
            let Some(least) = least.filter(|name| count_of(name) < count) else { return Use::Passing };
            gone = state.kept.remove_entry(&least);
        }
        state.kept.insert(name.into(), make());
        Use::New(gone)
    }

    /// Whether a thing is kept.
    pub fn keeps(&self, name: &str) -> bool {
        self.state().kept.contains_key(name)
    }

    /// Forgets everything that is kept.
    pub fn clear(&self) {
        self.state().kept.clear();
    }

    /// How many things are kept.
    pub fn len(&self) -> usize {
        self.state().kept.len()
    }
}

impl<T> State<T> {
    /// The counters of a hash, one in each row.
    fn places(&self, hash: u64) -> [usize; ROWS] {
        let row = self.counters.len() / ROWS;
        std::array::from_fn(|at| {
            let turned = hash.rotate_left(16 * u32::try_from(at).unwrap_or(0));
            at * row + usize::try_from(turned % row as u64).unwrap_or(0)
        })
    }

    fn counted(&self, hash: u64) -> u8 {
        self.places(hash).into_iter().map(|at| self.counters[at]).min().unwrap_or(0)
    }

    /// One more use; from time to time old ones count for less.
    fn count(&mut self, hash: u64) -> u8 {
        self.uses += 1;
        if self.uses > self.counters.len() * COUNTERS / ROWS {
            self.uses = 0;
            self.counters.iter_mut().for_each(|count| *count /= 2);
        }
        for at in self.places(hash) {
            self.counters[at] = self.counters[at].saturating_add(1);
        }
        self.counted(hash)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn use_of(table: &Bounded<u32>, name: &str) -> &'static str {
        match table.uses(name, || 7) {
            Use::Kept(_) => "kept",
            Use::New(None) => "new",
            Use::New(Some(_)) => "in place of another",
            Use::Passing => "passing",
        }
    }

    #[test]
    fn the_second_use_is_kept_and_the_first_is_not() {
        let table = Bounded::new(2);
        assert_eq!(["a", "a", "a"].map(|name| use_of(&table, name)), ["passing", "new", "kept"]);
        table.clear();
        assert_eq!((table.len(), use_of(&table, "a")), (0, "new"));
    }

    #[test]
    fn what_is_used_much_survives_what_is_invented() {
        let table = Bounded::new(8);
        for at in 0..100_000 {
            use_of(&table, &format!("good {}", at % 4));
            use_of(&table, &format!("invented {}", at / 3)); // each comes three times
            assert!(table.len() <= 8);
        }
        assert!((0..4).all(|at| table.keeps(&format!("good {at}"))));
    }

    #[test]
    fn a_table_for_nothing_keeps_nothing() {
        let table = Bounded::new(0);
        assert_eq!(["a", "a", "a"].map(|name| use_of(&table, name)), ["passing"; 3]);
    }
}
