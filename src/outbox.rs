//! The outbox: what must not be undone waits in the database, written by the transaction that asks for it, and is done by any
//! node after the commit.
//!
//! In charge of: at least once, in order in each line, with back-off and an end. What is done with a row its owner says.

use std::time::Duration;

use futures_util::future::{BoxFuture, join_all};
use tokio::sync::Notify;

use crate::config;
use crate::error::Result;
use crate::statement::outbox::{self, Queue};
use crate::store::{Row, Store};

/// Why a row was not done.
#[derive(Debug)]
pub struct Undone {
    /// For administrators.
    pub words: String,
    /// Whether trying again is of no use.
    pub is_final: bool,
}

/// A queue, and how patient we are with it.
pub struct Outbox {
    queue: Queue,
    wake: Notify,
    poll: Duration,
    longest: Duration,
    lease: Duration,
    tries: i64,
}

impl Outbox {
    /// `longest`: the time that doing one row may take; then it is given up for now. `lease`: after which others think that
    /// nobody does it, unless whoever does says otherwise.
    pub fn new(queue: Queue, settings: &config::Outbox, longest: Duration, lease: Duration) -> Outbox {
        Outbox { queue, wake: Notify::new(), poll: settings.poll, longest, lease, tries: settings.tries }
    }

    /// Says that there may be something to do.
    pub fn wake(&self) {
        self.wake.notify_one();
    }

    /// Works off what waits, until `stop` is done: what it has then begun, it finishes. A row's columns: id, tries, and what
    /// the queue names.
    pub async fn work<'a>(
        &self,
        store: &Store,
        does: impl Fn(Row) -> BoxFuture<'a, Result<(), Undone>>,
        stop: impl Future<Output = ()>,
    ) {
        let mut stop = std::pin::pin!(stop);
        loop {
            let done = self.round(store, &does).await;
            let rest = async {
                match done {
                    Ok(0) => _ = tokio::time::timeout(self.poll, self.wake.notified()).await,
                    Ok(_) => {}
                    Err(error) => {
                        tracing::warn!(?error, "the outbox can't be worked off");
                        tokio::time::sleep(self.poll).await;
                    }
                }
            };
            tokio::select! { biased; () = &mut stop => return, () = rest => {} }
        }
    }

    /// Claims some rows and does them. Gives how many.
    async fn round<'a>(&self, store: &Store, does: &impl Fn(Row) -> BoxFuture<'a, Result<(), Undone>>) -> Result<usize> {
        let claimed = store.read(&outbox::claim(self.queue, self.lease.as_secs().max(1))).await?;
        let count = claimed.len();
        let done = claimed.into_iter().map(|row| async move {
            let (id, tries) = (row.uuid(0).unwrap_or_default(), row.int(1).unwrap_or(1));
            // One that never ends would hold up all others.
            let done = tokio::time::timeout(self.longest, does(row))
                .await
                .unwrap_or_else(|_| Err(Undone { words: format!("it took longer than {:?}", self.longest), is_final: false }));
            let statement = match done {
                Ok(()) => outbox::done(self.queue, id),
                Err(Undone { words, is_final }) => {
                    let is_dead = is_final || tries >= self.tries;
                    tracing::warn!(%id, tries, is_dead, words, "what waits in the outbox was not done");
                    // 10 s, 20 s, 40 s … an hour
                    let wait = (!is_dead).then(|| (10_u64 << tries.clamp(1, 10) >> 1).min(3600));
                    outbox::failed(self.queue, id, tries, &words, wait)
                }
            };
            store.read(&statement).await
        });
        for done in join_all(done).await {
            done?;
        }
        Ok(count)
    }
}
