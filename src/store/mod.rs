//! The only holder of connections, and so the only way out for rows.
//!
//! In charge of: pools, reads, transactions, which statements are prepared, what is known of callers, the schema's migration, the
//! managed local cluster, and turning PostgreSQL's errors into ours. It must not know requests or the rule: it runs the
//! statements that it is given.

mod bounded;
mod known;
pub mod local;
pub mod migrate;
pub mod regrant;
mod pool;
mod send;
mod shared;

use std::borrow::Cow;
use std::future::Future;
use std::str::FromStr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use deadpool_postgres::{Object, Pool, PoolError};
use tokio_postgres::NoTls;
use tokio_postgres::error::SqlState;
use uuid::Uuid;

use crate::config::Database;
use crate::error::{Error, Result};
use crate::share::{Share, Shares};
use crate::statement::event::{self, Origin};
use crate::statement::query::{Query, Statement};
use crate::statement::read::Shape;
use crate::statement::row::Row;
use crate::statement::who::Known;
use bounded::{Bounded, Use};
use known::Callers;
use pool::Tls;
use send::{SCHEMA_CHANGED, execute, ready, translate};
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

/// A transaction. Dropping it rolls back:
///
/// ```
/// fn end(scope: rowhouse::store::Scope) { drop(scope) }
/// ```
/// ```compile_fail
/// async fn end(scope: rowhouse::store::Scope) { scope.commit().await; }
/// ```
pub struct Scope {
    connection: Option<Object>,
    /// It counts as its asker's, until it is given back.
    share: Option<Share>,
    tls: Tls,
    memory: Arc<Memory>,
    /// Longest that a statement may run: what ends one sooner was somebody else's cancel.
    patience: Duration,
    /// Whether nothing may be written or locked.
    pub is_reading: bool,
    /// What was learned of the caller in here: it may see what others don't see yet.
    pub known: Option<Arc<Known>>,
    /// What begins it, until it was sent: that goes with the first statement.
    beginning: Option<Cow<'static, str>>,
    /// Whether a statement was sent whose answer was not read to its end.
    is_running: bool,
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

impl Scope {
    /// Runs one statement.
    ///
    /// # Errors
    /// What it ran into; after an error the transaction is worth nothing any more.
    pub async fn run<S: Statement>(&mut self, statement: &S) -> Result<S::Answer> {
        let rows = self.send(statement.query()).await?;
        statement.query().decode(rows)
    }

    /// Runs two statements, of which the second sees what the first waited for: both are sent at once, and with them what begins
    /// the transaction. (So neither may change anything: where the beginning fails, they run outside of it.)
    ///
    /// # Errors
    /// As [`Scope::run`], of the first that met one.
    pub async fn run_both<A: Statement, B: Statement>(&mut self, first: &A, second: &B) -> Result<(A::Answer, B::Answer)> {
        self.is_running = true;
        let sent = self.sent(first.query(), second.query()).await;
        self.is_running = false;
        let (before, after) = sent?;
        Ok((first.query().decode(before)?, second.query().decode(after)?))
    }

    async fn send<T>(&mut self, query: &Query<T>) -> Result<Vec<Row>> {
        self.is_running = true;
        let rows = self.sent_one(query).await;
        self.is_running = matches!(rows, Err(Error::TooMuch { .. })); // it still brings what nobody takes
        rows
    }

    async fn sent_one<T>(&mut self, query: &Query<T>) -> Result<Vec<Row>> {
        let beginning = self.beginning.take();
        let connection = self.connection()?;
        if let Some(begin) = &beginning {
            connection.batch_execute(begin).await.map_err(translate)?;
        }
        let ready = ready(connection, &self.memory, query.text(), self.patience).await?;
        execute(connection, &self.memory, query, ready, self.patience).await
    }

    async fn sent<A, B>(&mut self, first: &Query<A>, second: &Query<B>) -> Result<(Vec<Row>, Vec<Row>)> {
        // Prepared before: from then on each is sent at once when it is asked for the first time.
        let before = ready(self.connection()?, &self.memory, first.text(), self.patience).await?;
        let after = ready(self.connection()?, &self.memory, second.text(), self.patience).await?;
        let beginning = self.beginning.take();
        let connection = self.connection()?;
        let begin = async {
            match &beginning {
                Some(begin) => connection.batch_execute(begin).await.map_err(translate),
                None => Ok(()),
            }
        };
        let before = execute(connection, &self.memory, first, before, self.patience);
        let after = execute(connection, &self.memory, second, after, self.patience);
        let (begun, before, after) = tokio::join!(biased; begin, before, after);
        begun?;
        Ok((before?, after?))
    }

    /// The shape of a key: spelled once, as long as it is worth keeping.
    pub fn shape(&self, key: &str, spell: impl FnOnce() -> Shape) -> Arc<Shape> {
        self.memory.shape(key, spell)
    }

    /// What is known of a caller, in here or anywhere.
    pub fn knows(&self, session: Option<Uuid>) -> Option<Arc<Known>> {
        self.known.clone().or_else(|| self.memory.callers.find(session))
    }

    /// Makes everything since [`Store::begin`] last.
    ///
    /// # Errors
    /// What the commit ran into: then nothing lasts.
    pub(crate) async fn commit(mut self) -> Result<()> {
        if self.beginning.is_none() {
            self.connection()?.batch_execute("commit").await.map_err(translate)?;
        }
        self.connection.take();
        Ok(())
    }

    fn connection(&self) -> Result<&Object> {
        self.connection.as_ref().ok_or_else(|| Error::internal("a scope was used after its end"))
    }
}

impl Drop for Scope {
    /// Rolls back before the connection is used again. A statement that still runs is cancelled, and its connection is
    /// thrown away: the cancel may arrive late, and must not hit the next user.
    fn drop(&mut self) {
        let Some(connection) = self.connection.take().filter(|_| self.beginning.is_none()) else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            drop(Object::take(connection));
            return;
        };
        let (tls, is_running, share) = (self.tls.clone(), self.is_running, self.share.take().map(Share::aside));
        runtime.spawn(async move {
            let _share = share; // until the connection is given back
            let patience = Duration::from_secs(5);
            if is_running {
                let token = Object::take(connection).cancel_token();
                _ = match tls {
                    Tls::None => tokio::time::timeout(patience, token.cancel_query(NoTls)).await,
                    Tls::Rustls(tls) => tokio::time::timeout(patience, token.cancel_query(tls)).await,
                };
            } else if !matches!(tokio::time::timeout(patience, connection.batch_execute("rollback")).await, Ok(Ok(()))) {
                drop(Object::take(connection)); // in doubt: never to be used again
            }
        });
    }
}
