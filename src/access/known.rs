//! What is known of a caller, and asked once more where the proof of it fails.
//!
//! In charge of: learning, and how often. The first time what the process knows is tried; where the statement says that it
//! doesn't hold, it is learned anew and asked again; after the third time caller and rows are read in one snapshot, in which
//! what is learned holds to its end.

use std::sync::Arc;

use futures_util::future::BoxFuture;

use crate::account::Caller;
use crate::error::{Error, Over, Result};
use crate::plan::Plan;
use crate::plan::aggregate::Totals;
use crate::schema::Schema;
use crate::schema::facts::Facts;
use crate::statement::migrate::{applied_schema, schema_facts};
use crate::statement::query::{Guarded, Statement};
use crate::statement::read::change::{Brief, Changed};
use crate::statement::read::{self, Found, Part, Shape};
use crate::statement::who::{self, Known};
use crate::store::{Scope, Store};

/// Where a read runs: on its own, or inside a transaction.
pub enum Source<'a> {
    /// On its own.
    Store(&'a Store),
    /// Inside a transaction, so that it sees what was changed there.
    Scope(&'a mut Scope),
}

/// How often what is known is tried outside of a snapshot.
pub(super) const TRIES: usize = 3;

/// A question, and what is known while it is asked.
pub(super) struct Asking<'a> {
    source: Source<'a>,
    schema: &'a Schema,
    caller: Caller,
    /// The transaction of the slow form.
    snapshot: Option<Scope>,
    known: Option<Arc<Known>>,
    /// Whether it was learned here, and not used yet: then it needs no proof.
    is_fresh: bool,
    tries: usize,
}

impl<'a> Asking<'a> {
    pub fn of(source: Source<'a>, schema: &'a Schema, caller: Caller) -> Asking<'a> {
        Asking { source, schema, caller, snapshot: None, known: None, is_fresh: false, tries: 0 }
    }

    /// What is known of the caller; the first time from memory, then learned.
    ///
    /// # Errors
    /// 401 where the token is over; 503 where the schema changed, or where what is known never holds.
    pub async fn known(&mut self) -> Result<Arc<Known>> {
        let session = self.caller.counts()?;
        let remembered = match (&self.source, self.tries) {
            (Source::Store(store), 0) => store.known(session),
            (Source::Scope(scope), 0) => scope.knows(session),
            _ => None,
        };
        self.tries += 1;
        if let Some(known) = remembered {
            self.known = Some(known.clone());
            return Ok(known);
        }
        let is_last = self.tries > TRIES;
        match &self.source {
            Source::Store(store) if self.snapshot.is_none() && (is_last || store.is_slow()) => {
                self.snapshot = Some(store.begin_reading().await?);
            }
            Source::Scope(_) if is_last => return Err(Error::Again), // the whole transaction, once more
            Source::Store(_) | Source::Scope(_) => {}
        }
        let known = self.learn().await?;
        self.is_fresh = true;
        self.known = Some(known.clone());
        Ok(known)
    }

    /// (Boxed: it is rare, and what calls it is called inside of actions that call each other.)
    fn learn(&mut self) -> BoxFuture<'_, Result<Arc<Known>>> {
        Box::pin(self.learned())
    }

    async fn learned(&mut self) -> Result<Arc<Known>> {
        let mut session = self.caller.counts()?;
        loop {
            let learned = self.send(&who::learn(session)).await?;
            if let Source::Store(store) = &self.source {
                serves(store, self.schema, &learned.schema).await?;
            }
            let Some(known) = learned.known(self.schema) else {
                // The session is over.
                if !self.caller.is_lenient {
                    return Err(Error::Over(Over::Ended));
                }
                session = None;
                continue;
            };
            return Ok(match &mut self.source {
                Source::Store(store) => store.keep(session, known),
                Source::Scope(scope) => scope.known.insert(Arc::new(known)).clone(),
            });
        }
    }

    async fn send<S: Statement>(&mut self, statement: &S) -> Result<S::Answer> {
        match (&mut self.snapshot, &mut self.source) {
            (Some(snapshot), _) => snapshot.run(statement).await,
            (None, Source::Store(store)) => store.read(statement).await,
            (None, Source::Scope(scope)) => scope.run(statement).await,
        }
    }

    /// Asks; none where what is known doesn't hold any more: then it is forgotten.
    pub async fn ask<T>(&mut self, statement: &Guarded<Option<T>>) -> Result<Option<T>> {
        let found = self.send(statement).await?;
        self.noted(found)
    }

    /// Asks of a row that a lock waited for, where rows may be locked. None also where it became the caller's to lock only after
    /// the lock.
    pub async fn ask_locked<T>(
        &mut self,
        lock: &Guarded<Option<bool>>,
        statement: &Guarded<Option<Option<T>>>,
    ) -> Result<Option<Option<T>>> {
        let found = match &mut self.source {
            Source::Scope(scope) if !scope.is_reading => match scope.run_both(lock, statement).await? {
                (Some(true), found) | (Some(false), found @ Some(None)) => found,
                (None, _) | (Some(false), _) => None,
            },
            Source::Scope(_) | Source::Store(_) => self.send(statement).await?,
        };
        self.noted(found)
    }

    fn noted<T>(&mut self, found: Option<T>) -> Result<Option<T>> {
        self.is_fresh = false;
        if found.is_none() {
            match &mut self.source {
                Source::Store(store) => store.forget(self.caller.counts()?),
                Source::Scope(scope) => scope.known = None,
            }
        }
        Ok(found)
    }

    /// Whether what is known holds, where nothing else is asked.
    pub async fn proves(&mut self) -> Result<bool> {
        let Some(known) = self.known.clone().filter(|_| !self.is_fresh) else { return Ok(true) };
        Ok(self.ask(&who::proof(&known)).await?.is_some())
    }

    /// A verdict that rests on what is known alone.
    pub async fn verdict<T>(mut self, judge: impl Fn(&Known) -> Result<T>) -> Result<T> {
        loop {
            let verdict = judge(&*self.known().await?);
            if self.proves().await? {
                return verdict;
            }
        }
    }

    /// Asks for the rows of a plan.
    pub async fn rows(&mut self, plan: &Plan<'_>, known: &Known, part: Part) -> Result<Option<Found>> {
        let key = read::key(self.schema, plan, known, part);
        let shape = self.shape(&key, || read::shape(self.schema, plan, known, part));
        let statement = shape.read(plan, known);
        let found = match (&self.snapshot, &self.source) {
            (None, Source::Store(store)) if plan.is_small() => store.read_small(&statement).await?,
            _ => self.send(&statement).await?,
        };
        self.noted(found)
    }

    /// Does a write in one message.
    pub async fn change(&mut self, brief: &Brief<'_, '_>, shown: Option<&Plan<'_>>, known: &Known) -> Result<Option<Changed>> {
        let key = read::change::key_of_change(self.schema, brief, shown, known);
        let shape = self.shape(&key, || read::change::change(self.schema, brief, shown, known));
        self.ask(&shape.change(brief, known)).await
    }

    /// Asks for the groups of an aggregate.
    pub async fn groups(&mut self, plan: &Totals<'_>, known: &Known) -> Result<Option<Found>> {
        let key = read::key_of_totals(self.schema, plan, known);
        let shape = self.shape(&key, || read::aggregate::totals(self.schema, plan, known));
        self.ask(&shape.totals(plan, known)).await
    }

    fn shape(&self, key: &str, spell: impl FnOnce() -> Shape) -> Arc<Shape> {
        match &self.source {
            Source::Store(store) => store.shape(key, spell),
            Source::Scope(scope) => scope.shape(key, spell),
        }
    }
}

/// Whether PostgreSQL answers, and what we serve is part of the schema that was applied last.
///
/// # Errors
/// 503.
pub(super) async fn is_served(store: &Store, schema: &Schema) -> Result<()> {
    serves(store, schema, &store.read(&applied_schema()).await?).await
}

/// Whether what we serve is part of the schema that was applied last: another node may have applied one of other files.
async fn serves(store: &Store, schema: &Schema, applied: &str) -> Result<()> {
    if store.is_outdated() {
        return Err(Error::SchemaChanged);
    }
    if store.serves(applied) {
        return Ok(());
    }
    let ours = Facts::of(schema);
    if ours.digest != applied && !ours.are_contained_in(&store.read(&schema_facts()).await?) {
        store.outdate();
        return Err(Error::SchemaChanged);
    }
    store.note_serves(applied);
    Ok(())
}
