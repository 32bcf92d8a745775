//! The outbox: what must not be undone waits in the database, written by the transaction that asks for it, and is done by any
//! node after the commit.
//!
//! In charge of: at least once, in order in each line, with back-off and an end. What is done with a row its owner says.

use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::sync::Notify;

use crate::config;
use crate::error::Result;
use crate::statement::outbox::{Claim, Claimed, Queue};
use crate::store::Store;

/// Why a row was not done.
#[derive(Debug)]
pub struct Undone {
    /// For administrators.
    pub words: String,
    again: Again,
}

/// When it is tried again.
#[derive(Debug, Clone, Copy)]
enum Again {
    /// It is of no use.
    Never,
    /// Later and later.
    Later,
    /// Not before so many seconds, as whoever was asked says.
    After(u64),
}

/// Longest that anything waits before it is tried again, in seconds.
const LONGEST: u64 = 3600;

impl Undone {
    /// What is of no use to try again.
    pub fn never(words: impl Into<String>) -> Undone {
        Undone { words: words.into(), again: Again::Never }
    }

    /// What is tried again, later and later.
    pub fn later(words: impl Into<String>) -> Undone {
        Undone { words: words.into(), again: Again::Later }
    }

    /// What is tried again after so many seconds, but for an hour at most.
    pub fn after(words: impl Into<String>, seconds: Option<u64>) -> Undone {
        Undone { words: words.into(), again: seconds.map_or(Again::Later, Again::After) }
    }
}

/// A queue, and how patient we are with it.
pub struct Outbox<T> {
    queue: Queue<T>,
    wake: Notify,
    poll: Duration,
    longest: Duration,
    lease: Duration,
    at_once: usize,
    tries: i64,
    keep: Duration,
}

impl<T: 'static> Outbox<T> {
    /// `longest`: the time that doing one row may take; then it is given up for now. `lease`: after which others think that
    /// nobody does it, unless whoever does says otherwise. `at_once`: how many rows are done at a time.
    pub fn new(queue: Queue<T>, settings: &config::Outbox, longest: Duration, lease: Duration, at_once: usize) -> Outbox<T> {
        Outbox {
            queue,
            wake: Notify::new(),
            poll: settings.poll,
            longest,
            lease,
            at_once,
            tries: settings.tries,
            keep: settings.keep,
        }
    }

    /// Says that there may be something to do.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Works off what waits, until `stop` is done: what it has then begun, it finishes. Some rows at a time, and none waits for
    /// another to end.
    pub async fn work<'a>(
        &self,
        store: &Store,
        does: impl Fn(Claimed<T>) -> BoxFuture<'a, Result<(), Undone>>,
        stop: impl Future<Output = ()>,
    ) {
        let (mut stop, mut running) = (std::pin::pin!(stop), FuturesUnordered::new());
        loop {
            let room = self.at_once.saturating_sub(running.len());
            if room > 0 {
                match store.read(&self.queue.claim(self.lease.as_secs().max(1), room)).await {
                    Ok(claimed) => running.extend(claimed.into_iter().map(|row| self.one(store, &does, row))),
                    Err(error) => tracing::warn!(?error, "the outbox can't be worked off"),
                }
            }
            tokio::select! {
                biased;
                () = &mut stop => break,
                Some(()) = running.next() => {}
                () = self.wake.notified(), if room > 0 => {}
                () = tokio::time::sleep(self.poll) => {}
            }
        }
        while running.next().await.is_some() {}
    }

    /// Does one row, and notes what became of it.
    async fn one<'a>(&self, store: &Store, does: &impl Fn(Claimed<T>) -> BoxFuture<'a, Result<(), Undone>>, row: Claimed<T>) {
        let (claim, unended) = (row.claim, row.unended);
        let Claim { id, tries } = claim;
        let done = if unended >= self.tries {
            // What ends whoever does it must end itself: it isn't tried once more.
            Err(Undone::never(format!("it was begun {unended} times and never came to an end")))
        } else {
            // One that never ends would hold its place for ever.
            tokio::time::timeout(self.longest, does(row))
                .await
                .unwrap_or_else(|_| Err(Undone::later(format!("it took longer than {:?}", self.longest))))
        };
        let statement = match done {
            Ok(()) => self.queue.done(id, self.keep.as_secs()),
            Err(Undone { words, again }) => {
                let is_dead = matches!(again, Again::Never) || tries >= self.tries;
                tracing::warn!(%id, tries, is_dead, words, "what waits in the outbox was not done");
                // 10 s, 20 s, 40 s … an hour
                let patient = (10_u64 << tries.clamp(1, 10) >> 1).min(LONGEST);
                let wait = (!is_dead).then_some(match again {
                    Again::After(seconds) => seconds.max(patient).min(LONGEST), // not before, and not all at once either
                    Again::Never | Again::Later => patient,
                });
                self.queue.failed(claim, &words, wait)
            }
        };
        if let Err(error) = store.read(&statement).await {
            tracing::warn!(%id, ?error, "what became of a row of the outbox was not noted");
        }
    }
}
