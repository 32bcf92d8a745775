//! A transaction: statements in order on one connection, which lasts only where it is ended.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::Object;
use tokio_postgres::NoTls;
use uuid::Uuid;

use super::pool::Tls;
use super::send::{execute, ready, translate};
use super::{Memory, Shape};
use crate::error::{Error, Result};
use crate::share::Share;
use crate::statement::query::{Query, Statement};
use crate::statement::row::Row;
use crate::statement::who::Known;

/// A transaction. Dropping it rolls back:
///
/// ```
/// fn end(scope: rowhouse::store::Scope) { drop(scope) }
/// ```
/// ```compile_fail
/// async fn end(scope: rowhouse::store::Scope) { scope.commit().await; }
/// ```
pub struct Scope {
    pub(super) connection: Option<Object>,
    /// It counts as its asker's, until it is given back.
    pub(super) share: Option<Share>,
    pub(super) tls: Tls,
    pub(super) memory: Arc<Memory>,
    /// Longest that a statement may run: what ends one sooner was somebody else's cancel.
    pub(super) patience: Duration,
    /// Whether nothing may be written or locked.
    pub is_reading: bool,
    /// What was learned of the caller in here: it may see what others don't see yet.
    pub known: Option<Arc<Known>>,
    /// What begins it, until it was sent: that goes with the first statement.
    pub(super) beginning: Option<Cow<'static, str>>,
    /// Whether a statement was sent whose answer was not read to its end.
    pub(super) is_running: bool,
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

    pub(super) async fn send<T>(&mut self, query: &Query<T>) -> Result<Vec<Row>> {
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
