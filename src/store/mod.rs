//! The only holder of connections, and so the only way out for rows.
//!
//! In charge of: pools, reads, transactions, the schema's migration, the managed local cluster, and turning
//! PostgreSQL's errors into ours. It must not know requests, callers or the rule: it runs the statements it is given.

pub mod local;
pub mod migrate;
mod row;
mod shared;

use std::future::Future;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use deadpool_postgres::{Hook, HookError, Manager, ManagerConfig, Object, Pool, PoolError, RecyclingMethod, Runtime};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{NoTls, config::SslMode};

use crate::config::Database;
use crate::error::{Cause, Error, Fault, Result};
use crate::statement::Statement;
use crate::statement::event::{self, Origin};
pub use row::Row;
use row::Text;
use shared::Shared;

/// What is never logged beyond `info`, as a log filter: the driver's debug lines hold the values of statements.
pub const QUIET: &str = "tokio_postgres=info,deadpool=info";

/// PostgreSQL, through a pool with limits and time-outs. Cheap to clone. Connections don't leave it:
///
/// ```
/// fn ready(store: &rowhouse::store::Store) { let _ = store.is_ready(); }
/// ```
/// ```compile_fail
/// fn ready(store: &rowhouse::store::Store) { let _ = store.pool.get(); }
/// ```
#[derive(Clone)]
pub struct Store {
    pool: Pool,
    shared: Arc<Shared>,
    tls: Tls,
}

/// A transaction. Dropping it without [`Scope::commit`] rolls back.
pub struct Scope {
    connection: Option<Object>,
    tls: Tls,
    /// Longest that a statement may run: what ends one sooner was somebody else's cancel.
    patience: Duration,
    /// Whether nothing may be written or locked.
    pub is_reading: bool,
    /// Whether a statement was sent whose answer was not read to its end.
    is_running: bool,
}

#[derive(Clone)]
enum Tls {
    None,
    Rustls(tokio_postgres_rustls::MakeRustlsConnect),
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
        let tls = match config.get_ssl_mode() {
            SslMode::Disable => Tls::None,
            _ if config.get_hosts().iter().all(|h| matches!(h, tokio_postgres::config::Host::Unix(_))) => Tls::None,
            _ => Tls::Rustls(tokio_postgres_rustls::MakeRustlsConnect::new(certificates()?)),
        };
        let pool = pool(config.clone(), &tls, limits, limits.pool, limits.statement)?;
        let small = pool_of_shared(config, &tls, limits)?;
        Ok(Store { pool, shared: Arc::new(Shared::new(small, limits)), tls })
    }

    /// Runs one statement outside of any transaction.
    ///
    /// # Errors
    /// 503 when PostgreSQL is away or busy; what the statement ran into otherwise.
    pub async fn read(&self, statement: &Statement) -> Result<Vec<Row>> {
        match self.read_once(statement).await {
            Err(Error::Again) => self.read_once(statement).await,
            done => done,
        }
    }

    /// Runs a statement that is quickly done, on a connection that others use at the same time: nothing is cancelled there.
    ///
    /// # Errors
    /// As [`Store::read`].
    pub async fn read_small(&self, statement: &Statement) -> Result<Vec<Row>> {
        match self.shared.read(statement).await {
            Some(Err(Error::Again)) | None => self.read(statement).await,
            Some(done) => done,
        }
    }

    async fn read_once(&self, statement: &Statement) -> Result<Vec<Row>> {
        let mut guard = self.scope().await?;
        let rows = guard.run(statement).await?;
        guard.connection.take(); // finished: nothing to cancel or roll back
        Ok(rows)
    }

    async fn scope(&self) -> Result<Scope> {
        let connection = Some(self.connection().await?);
        Ok(Scope { connection, tls: self.tls.clone(), patience: self.shared.patience, is_reading: false, is_running: false })
    }

    /// Begins a transaction.
    ///
    /// # Errors
    /// 503 when PostgreSQL is away or busy.
    pub async fn begin(&self) -> Result<Scope> {
        let scope = self.scope().await?;
        scope.batch("begin").await?;
        Ok(scope)
    }

    /// Begins a transaction in which somebody changes rows.
    ///
    /// # Errors
    /// As [`Store::begin`].
    pub async fn begin_for(&self, session: Option<uuid::Uuid>, origin: &Origin<'_>) -> Result<Scope> {
        let scope = self.scope().await?;
        scope.batch(&event::begin(session, origin)).await?;
        Ok(scope)
    }

    /// Begins a transaction in which PostgreSQL lets nothing be written.
    ///
    /// # Errors
    /// As [`Store::begin`].
    pub async fn begin_reading(&self) -> Result<Scope> {
        let mut scope = self.scope().await?;
        scope.batch("begin read only").await?;
        scope.is_reading = true;
        Ok(scope)
    }

    /// Whether PostgreSQL answers.
    pub async fn is_ready(&self) -> bool {
        self.read(&Statement::fixed("select 1", vec![])).await.is_ok()
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

impl Scope {
    /// Runs one statement.
    ///
    /// # Errors
    /// What it ran into; after an error the transaction is worth nothing any more.
    pub async fn run(&mut self, statement: &Statement) -> Result<Vec<Row>> {
        self.is_running = true;
        let result = self.execute(statement).await;
        self.is_running = false;
        result
    }

    async fn execute(&self, statement: &Statement) -> Result<Vec<Row>> {
        execute(self.connection()?, statement, self.patience).await
    }

    /// Makes everything since [`Store::begin`] last.
    ///
    /// # Errors
    /// What the commit ran into: then nothing lasts.
    pub async fn commit(mut self) -> Result<()> {
        self.batch("commit").await?;
        self.connection.take();
        Ok(())
    }

    async fn batch(&self, sql: &str) -> Result<()> {
        self.connection()?.batch_execute(sql).await.map_err(translate)
    }

    fn connection(&self) -> Result<&Object> {
        self.connection.as_ref().ok_or_else(|| Error::internal("a scope was used after its end"))
    }
}

impl Drop for Scope {
    /// Rolls back before the connection is used again. A statement that still runs is cancelled, and its connection is
    /// thrown away: the cancel may arrive late, and must not hit the next user.
    fn drop(&mut self) {
        let Some(connection) = self.connection.take() else { return };
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            drop(Object::take(connection));
            return;
        };
        let (tls, is_running) = (self.tls.clone(), self.is_running);
        runtime.spawn(async move {
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

fn pool(
    mut config: tokio_postgres::Config,
    tls: &Tls,
    limits: &Database,
    size: usize,
    statement: Duration,
) -> Result<Pool, String> {
    let timeout = statement.as_millis();
    config.options(format!(
        "-c jit=off -c timezone=UTC -c datestyle=ISO -c search_path=public -c extra_float_digits=1 -c statement_timeout={timeout} \
         -c idle_in_transaction_session_timeout={} -c plan_cache_mode=force_generic_plan -c lock_timeout={timeout}",
        timeout * 2
    ));
    let settings = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = match tls {
        Tls::None => Manager::from_config(config, NoTls, settings),
        Tls::Rustls(tls) => Manager::from_config(config, tls.clone(), settings),
    };
    let age = limits.recycle;
    Pool::builder(manager)
        .max_size(size)
        .wait_timeout(Some(limits.wait))
        .create_timeout(Some(limits.connect))
        .recycle_timeout(Some(limits.connect))
        .pre_recycle(Hook::sync_fn(move |_, metrics| match metrics.age() > age {
            true => Err(HookError::message("old")),
            false => Ok(()),
        }))
        .runtime(Runtime::Tokio1)
        .build()
        .map_err(|e| e.to_string())
}

fn pool_of_shared(config: tokio_postgres::Config, tls: &Tls, limits: &Database) -> Result<Pool, String> {
    // twice as many as are shared: those that grew old serve their last reads while the next ones are made
    pool(config, tls, limits, (limits.shared * 2).max(1), limits.small)
}

/// Sends a statement and reads its rows.
async fn execute(connection: &Object, statement: &Statement, patience: Duration) -> Result<Vec<Row>> {
    let started = Instant::now();
    let values: Vec<Text<'_>> = statement.values.iter().map(Text).collect();
    let rows = if statement.keep {
        match connection.prepare_cached(&statement.sql).await {
            Ok(prepared) => {
                let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|v| v as _).collect();
                connection.query(&prepared, &values).await
            }
            Err(error) => Err(error),
        }
    } else {
        let values: Vec<(&(dyn ToSql + Sync), Type)> = values.iter().map(|v| (v as _, Type::UNKNOWN)).collect();
        connection.query_typed(&statement.sql, &values).await
    };
    let failed = match rows {
        Ok(rows) => return Ok(rows.into_iter().map(Row).collect()),
        Err(error) => error,
    };
    match failed.code() {
        // what was prepared before the schema changed, on every connection
        Some(code) if *code == SqlState::FEATURE_NOT_SUPPORTED && statement.keep => {
            if let Some(pool) = Object::pool(connection) {
                pool.manager().statement_caches.clear();
            }
            Err(Error::Again)
        }
        Some(code) if *code == SqlState::QUERY_CANCELED && started.elapsed() < patience => Err(Error::Again),
        _ => Err(translate(failed)),
    }
}

/// PostgreSQL's errors as ours. The one place that knows SQLSTATE.
fn translate(error: tokio_postgres::Error) -> Error {
    let Some(db) = error.as_db_error() else {
        tracing::warn!(cause = ?Cause::new(error), "PostgreSQL is away");
        return Error::Unavailable(2);
    };
    let code = db.code();
    let class = &code.code()[..2];
    if *code == SqlState::UNIQUE_VIOLATION {
        let object = db.constraint().unwrap_or_default().to_owned();
        return Error::Conflict(Fault::new("taken", object));
    }
    if *code == SqlState::FOREIGN_KEY_VIOLATION || *code == SqlState::RESTRICT_VIOLATION {
        return Error::Conflict(Fault::new("in-use", "Other rows still need this one."));
    }
    if [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED].contains(code) {
        return Error::Again;
    }
    let busy = [SqlState::LOCK_NOT_AVAILABLE, SqlState::QUERY_CANCELED];
    if class == "08" || class == "57" || class == "53" || busy.contains(code) {
        tracing::warn!(code = code.code(), message = db.message(), "PostgreSQL can't right now");
        return Error::Unavailable(2);
    }
    // Neither detail nor, for bad values, message: they hold what was stored.
    let message = if class == "22" || class == "23" { "" } else { db.message() };
    Error::internal(format!("PostgreSQL {} {message} {}", code.code(), db.constraint().or(db.column()).unwrap_or_default()))
}

fn certificates() -> Result<rustls::ClientConfig, String> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    Ok(rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| e.to_string())?
        .with_root_certificates(roots)
        .with_no_client_auth())
}
