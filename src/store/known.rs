//! What is known of callers: kept per server, bounded, and good for nothing without a proof (`statement::who`).

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use uuid::Uuid;

use crate::config::Proof;
use crate::statement::who::{Gates, Known};

/// What is known, by session; of a guest by none.
pub struct Callers {
    state: Mutex<State>,
    most: usize,
    /// How often what is known is used at all.
    pub proof: Proof,
}

#[derive(Default)]
struct State {
    /// Two halves: what wasn't asked for since the newer one was begun goes with the older one.
    newer: HashMap<Option<Uuid>, Arc<Known>>,
    older: HashMap<Option<Uuid>, Arc<Known>>,
    /// What entities and actions grant is the same for many.
    gates: HashMap<u64, Weak<Gates>>,
}

impl Callers {
    /// Of at most so many callers.
    pub fn new(most: usize, proof: Proof) -> Callers {
        Callers { state: Mutex::default(), most, proof }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of a caller.
    pub fn find(&self, session: Option<Uuid>) -> Option<Arc<Known>> {
        if self.proof != Proof::Warm {
            return None;
        }
        let state = &mut *self.state();
        if let Some(known) = state.newer.get(&session) {
            return Some(known.clone());
        }
        let known = state.older.remove(&session)?;
        state.insert(session, known.clone(), self.most);
        Some(known)
    }

    /// Keeps what was learned.
    pub fn keep(&self, session: Option<Uuid>, known: Known) -> Arc<Known> {
        let state = &mut *self.state();
        let known = Arc::new(known.sharing(|gates| state.share(gates)));
        state.insert(session, known.clone(), self.most);
        known
    }

    /// Forgets what doesn't hold any more.
    pub fn forget(&self, session: Option<Uuid>) {
        let state = &mut *self.state();
        state.newer.remove(&session);
        state.older.remove(&session);
    }

    /// How many callers something is known of.
    pub fn len(&self) -> usize {
        let state = self.state();
        state.newer.len() + state.older.len()
    }
}

impl State {
    fn insert(&mut self, session: Option<Uuid>, known: Arc<Known>, most: usize) {
        if self.newer.len() * 2 >= most.max(2) {
            self.older = std::mem::take(&mut self.newer);
            self.gates.retain(|_, gates| gates.strong_count() > 0);
        }
        self.newer.insert(session, known);
    }

    fn share(&mut self, gates: Arc<Gates>) -> Arc<Gates> {
        let mut hasher = DefaultHasher::new();
        gates.hash(&mut hasher);
        let hash = hasher.finish();
        if let Some(shared) = self.gates.get(&hash).and_then(Weak::upgrade).filter(|shared| *shared == gates) {
            return shared;
        }
        self.gates.insert(hash, Arc::downgrade(&gates));
        gates
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::Schema;
    use crate::statement::who::Standing;

    #[test]
    fn callers_come_and_go_and_are_never_more_than_they_may_be() {
        let callers = Callers::new(10, Proof::Warm);
        let known = || Known::example(&Schema::default(), Standing::Guest);
        for _ in 0..100 {
            callers.keep(Some(Uuid::now_v7()), known());
            callers.keep(None, known());
            assert!(callers.len() <= 10, "{}", callers.len());
            assert!(callers.find(None).is_some(), "who asks all the time stays known");
        }
        callers.forget(None);
        assert!(callers.find(None).is_none());
        assert!(Callers::new(10, Proof::Cold).find(None).is_none());
    }
}
