//! Connections that small reads share: many statements on their way at once, answered in order.
//!
//! In charge of: handing them out in turn, and replacing those that died or grew old. Nothing is ever cancelled here, for a
//! cancel would hit a neighbour; a short time-out of PostgreSQL's own guards.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use deadpool_postgres::{Object, Pool};
use tokio::sync::Mutex;

use super::Memory;
use super::send::{execute, ready};
use crate::config::Database;
use crate::error::{Error, Result};
use crate::statement::query::Query;
use crate::statement::row::Row;

pub(super) struct Shared {
    pool: Pool,
    places: Vec<Mutex<Option<Taken>>>,
    next: AtomicUsize,
    age: Duration,
    small: Duration,
    /// Longest that a statement may run on a connection of one's own.
    pub patience: Duration,
}

/// A connection that is shared, and since when.
struct Taken {
    connection: Arc<Object>,
    since: Instant,
}

impl Shared {
    pub fn new(pool: Pool, limits: &Database) -> Shared {
        let places = (0..limits.shared).map(|_| Mutex::new(None)).collect();
        let (age, small, patience) = (limits.recycle, limits.small, limits.statement);
        Shared { pool, places, next: AtomicUsize::new(0), age, small, patience }
    }

    pub fn close(&self) {
        self.pool.close();
        // Who still reads on one keeps it.
        self.places.iter().filter_map(|place| place.try_lock().ok()).for_each(|mut place| *place = None);
    }

    /// Reads; none where there is no connection to be had, or the statement took too long for one that is shared.
    pub async fn read<T>(&self, memory: &Memory, query: &Query<T>) -> Option<Result<Vec<Row>>> {
        let connection = self.connection().await?;
        let ready = match ready(&connection, memory, query.text(), self.small).await {
            Err(Error::Unavailable(_)) => return None,
            Err(error) => return Some(Err(error)),
            Ok(ready) => ready,
        };
        match execute(&connection, memory, query, ready, self.small).await {
            Err(Error::Unavailable(_)) => None,
            done => Some(done),
        }
    }

    async fn connection(&self) -> Option<Arc<Object>> {
        let place = self.places.get(self.next.fetch_add(1, Ordering::Relaxed) % self.places.len().max(1))?;
        let mut place = place.lock().await; // held while connecting, so that a place makes one connection only
        if let Some(taken) = place.as_ref().filter(|t| !t.connection.is_closed() && t.since.elapsed() < self.age) {
            return Some(taken.connection.clone());
        }
        *place = None; // given back when its last read is done
        let connection = Arc::new(self.pool.get().await.ok()?);
        *place = Some(Taken { connection: connection.clone(), since: Instant::now() });
        Some(connection)
    }
}
