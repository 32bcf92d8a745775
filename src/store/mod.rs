//! The only holder of connections, and so the only way out for rows.
//!
//! In charge of: pools, reads, transactions, which statements are prepared, what is known of callers, the schema's migration, the
//! managed local cluster, and turning PostgreSQL's errors into ours. It must not know requests or the rule: it runs the
//! statements that it is given.

mod bounded;
mod known;
pub mod local;
pub mod migrate;
mod pool;
pub mod regrant;
mod scope;
mod send;
mod shared;

use std::borrow::Cow;
use std::future::Future;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use deadpool_postgres::{Object, Pool, PoolError};
use tokio_postgres::error::SqlState;
use uuid::Uuid;

use crate::config::Database;
use crate::error::{Error, Result};
use crate::share::Shares;
use crate::statement::event::{self, Origin};
use crate::statement::query::Statement;
use crate::statement::read::Shape;
use crate::statement::who::Known;
use bounded::{Bounded, Use};
use known::Callers;
use pool::Tls;
pub use scope::Scope;
use send::{SCHEMA_CHANGED, translate};
use shared::Shared;

/// What is never logged beyond `info`, as a log filter: the driver's debug lines hold the values of statements.
pub const QUIET: &str = "tokio_postgres=info,deadpool=info";

/// PostgreSQL, through a pool with limits and time-outs. Cheap to clone. Connections don't leave it, and it takes no text:
///
/// ```
/// async fn ready(store: &rowhouse::store::Store) { store.read(&rowhouse::statement::migrate::applied_schema()).await; }
/// ```
/// ```compile_fail
/// async fn ready(store: &rowhouse::store::Store) { store.read(&"select 1").await; }
/// ```
/// ```compile_fail
/// fn ready(store: &rowhouse::store::Store) { let _ = store.pool.get(); }
/// ```
#[derive(Clone)]
pub struct Store {
    pool: Pool,
    /// Of the pool.
    shares: Arc<Shares>,
    /// Longest that a share is waited for; a connection then once more as long.
    wait: Duration,
    shared: Arc<Shared>,
    tls: Tls,
    memory: Arc<Memory>,
}

/// What a process keeps of one server.
struct Memory {
    /// Whose connections keep statements prepared.
    pools: [Pool; 2],
    /// The statements that connections keep prepared, by their texts.
    prepared: Bounded<()>,
    /// The shapes of plans, by their keys.
    shapes: Bounded<Arc<Shape>>,
    callers: Callers,
    /// Most bytes of the rows that a statement brings.
    result: usize,
    /// Whether another schema was applied, of which what we serve is no part any more.
    is_outdated: AtomicBool,
    /// The digest of the schema that was applied last, if what we serve is part of it.
    served: Mutex<String>,
}

/// Does something that is one transaction, and does it once more where it met a parallel one.
///
/// # Errors
/// What the last attempt ran into.
pub async fn twice<T, F: Future<Output = Result<T>>>(mut work: impl FnMut() -> F) -> Result<T> {
    match work().await {
        Err(Error::Again) => work().await,
        done => done,
    }
}

impl Store {
    /// Makes the pool. Connects to nothing yet.
    ///
    /// # Errors
    /// Words for the person who starts the server, when the URL or the machine's certificates are no good.
    pub fn open(url: &str, limits: &Database) -> Result<Store, String> {
        let mut config = tokio_postgres::Config::from_str(url).map_err(|_| "database.url can't be read".to_owned())?;
        config.connect_timeout(limits.connect).application_name("rowhouse");
        let tls = Tls::of(&config)?;
        let own = pool::of(config.clone(), &tls, limits, limits.pool, limits.statement)?;
        let small = pool::of_shared(config, &tls, limits)?;
        let memory = Memory {
            pools: [own.clone(), small.clone()],
            prepared: Bounded::new(limits.shapes),
            shapes: Bounded::new(limits.shapes),
            callers: Callers::new(limits.callers, limits.proof),
            result: limits.result,
            is_outdated: AtomicBool::new(false),
            served: Mutex::default(),
        };
        let shares = Arc::new(Shares::new(limits.pool));
        Ok(Store {
            pool: own,
            shares,
            wait: limits.wait,
            shared: Arc::new(Shared::new(small, limits)),
            tls,
            memory: Arc::new(memory),
        })
    }

    /// Runs one statement outside of any transaction.
    ///
    /// # Errors
    /// 503 when PostgreSQL is away or busy; what the statement ran into otherwise.
    pub async fn read<S: Statement>(&self, statement: &S) -> Result<S::Answer> {
        match self.read_once(statement).await {
            Err(Error::Again) => self.read_once(statement).await,
            done => done,
        }
    }

    /// Runs a statement that is quickly done, on a connection that others use at the same time: nothing is cancelled there.
    ///
    /// # Errors
    /// As [`Store::read`].
    pub async fn read_small<S: Statement>(&self, statement: &S) -> Result<S::Answer> {
        match self.shared.read(&self.memory, statement.query()).await {
            Some(Err(Error::Again)) | None => self.read(statement).await,
            Some(rows) => statement.query().decode(rows?),
        }
    }

    async fn read_once<S: Statement>(&self, statement: &S) -> Result<S::Answer> {
        let mut guard = self.scope(None).await?;
        let rows = guard.send(statement.query()).await?;
        guard.connection.take(); // finished: nothing to cancel or roll back
        statement.query().decode(rows)
    }

    async fn scope(&self, beginning: Option<Cow<'static, str>>) -> Result<Scope> {
        let share = tokio::time::timeout(self.wait, self.shares.wait()).await.map_err(|_| Error::Unavailable(2))?;
        let connection = Some(self.connection().await?);
        Ok(Scope {
            connection,
            share: Some(share),
            tls: self.tls.clone(),
            memory: self.memory.clone(),
            patience: self.shared.patience,
            is_reading: false,
            known: None,
            beginning,
            is_running: false,
        })
    }

    /// Begins a transaction.
    ///
    /// # Errors
    /// 503 when PostgreSQL is away or busy.
    pub async fn begin(&self) -> Result<Scope> {
        self.scope(Some("begin".into())).await
    }

    /// Begins a transaction in which somebody changes rows.
    ///
    /// # Errors
    /// As [`Store::begin`].
    pub async fn begin_for(&self, session: Option<Uuid>, origin: &Origin<'_>) -> Result<Scope> {
        self.scope(Some(event::begin(session, origin).into())).await
    }

    /// Begins a transaction in which PostgreSQL lets nothing be written, and of which every statement sees the same.
    ///
    /// # Errors
    /// As [`Store::begin`].
    pub async fn begin_reading(&self) -> Result<Scope> {
        let mut scope = self.scope(Some("begin isolation level repeatable read read only".into())).await?;
        scope.is_reading = true;
        Ok(scope)
    }

    /// Whether another schema was applied, of which what we serve is no part any more.
    pub fn is_outdated(&self) -> bool {
        self.memory.is_outdated.load(Ordering::Relaxed)
    }

    /// What is known of a caller; none: it is to be learned.
    pub fn known(&self, session: Option<Uuid>) -> Option<Arc<Known>> {
        self.memory.callers.find(session)
    }

    /// Whether what is known is asked for in one snapshot with what it is used for.
    pub fn is_slow(&self) -> bool {
        self.memory.callers.proof == crate::config::Proof::Slow
    }

    /// Keeps what was learned of a caller, outside of any transaction that has written.
    pub fn keep(&self, session: Option<Uuid>, known: Known) -> Arc<Known> {
        self.memory.callers.keep(session, known)
    }

    /// Forgets what doesn't hold any more.
    pub fn forget(&self, session: Option<Uuid>) {
        self.memory.callers.forget(session);
    }

    /// The shape of a key: spelled once, as long as it is worth keeping.
    pub fn shape(&self, key: &str, spell: impl FnOnce() -> Shape) -> Arc<Shape> {
        self.memory.shape(key, spell)
    }

    /// From now on it answers 503: another schema was applied, of which what we serve is no part any more.
    pub fn outdate(&self) {
        if !self.memory.is_outdated.swap(true, Ordering::Relaxed) {
            tracing::error!("another schema was applied, without something that this node serves: start it again with its files");
        }
    }

    /// Whether what we serve is known to be part of an applied schema, by its digest.
    pub fn serves(&self, applied: &str) -> bool {
        *self.memory.served.lock().unwrap_or_else(PoisonError::into_inner) == applied
    }

    /// Notes that what we serve is part of an applied schema.
    pub fn note_serves(&self, applied: &str) {
        applied.clone_into(&mut self.memory.served.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// What is kept: shapes, prepared statements, callers.
    pub fn kept(&self) -> (usize, usize, usize) {
        (self.memory.shapes.len(), self.memory.prepared.len(), self.memory.callers.len())
    }

    /// Connections: in use, idle, most.
    pub fn connections(&self) -> (usize, usize, usize) {
        let status = self.pool.status();
        (status.size - status.available, status.available, status.max_size)
    }

    /// Closes the pool: who waits is told 503.
    pub fn close(&self) {
        self.pool.close();
        self.shared.close();
    }

    async fn connection(&self) -> Result<Object> {
        self.pool.get().await.map_err(|error| match error {
            PoolError::Backend(error) => translate(error),
            other => {
                tracing::warn!(error = %other, "no connection to PostgreSQL");
                Error::Unavailable(2)
            }
        })
    }
}

impl Memory {
    /// Does something with what all connections keep prepared.
    fn everywhere(&self, does: impl Fn(&deadpool_postgres::StatementCaches)) {
        self.pools.iter().for_each(|pool| does(&pool.manager().statement_caches));
    }

    /// What a statement ran into. What was prepared, or spelled, before the schema changed, goes from every connection.
    /// `is_early`: it didn't take so long that it would have been cancelled for that.
    fn failed(&self, error: tokio_postgres::Error, is_old: bool, is_early: bool) -> Error {
        if is_early && error.code() == Some(&SqlState::QUERY_CANCELED) {
            return Error::Again;
        }
        if !is_old || !error.code().is_some_and(|code| SCHEMA_CHANGED.contains(code)) {
            return translate(error);
        }
        self.prepared.clear();
        self.shapes.clear();
        self.everywhere(deadpool_postgres::StatementCaches::clear);
        Error::Again
    }

    fn shape(&self, key: &str, spell: impl FnOnce() -> Shape) -> Arc<Shape> {
        let mut spell = Some(spell);
        let mut made = None;
        let used = self.shapes.uses(key, || {
            let shape = Arc::new(spell.take().unwrap_or_else(|| unreachable!("made once"))());
            made = Some(shape.clone());
            shape
        });
        match (used, made, spell) {
            (Use::Kept(shape), ..) | (_, Some(shape), _) => shape,
            (_, None, Some(spell)) => Arc::new(spell()),
            (_, None, None) => unreachable!("what was spelled is there"),
        }
    }
}
