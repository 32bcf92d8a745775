//! SQL beside the server: connections of the tests' own to PostgreSQL, past store, permissions and wire.

use std::sync::{Mutex, PoisonError};

use tokio_postgres::error::SqlState;
use tokio_postgres::types::{FromSql, Type};
use tokio_postgres::{Client, NoTls};
use uuid::Uuid;

/// What a session of the tests has, as the store's have it; but statements take as long as they take, and who
/// waits for a lock waits longer than any test should.
const OPTIONS: &str = "-c jit=off -c timezone=UTC -c datestyle=ISO -c search_path=public \
                       -c statement_timeout=0 -c lock_timeout=90s";

/// A way to a database. It connects when it is first asked; one connection does, as long as statements don't
/// overlap.
pub struct Beside {
    url: String,
    /// Connections that nobody uses right now, the last used last.
    free: Mutex<Vec<Client>>,
}

/// A connection of one's own, with the settings of all. It ends when it is dropped.
pub async fn connect(url: &str) -> Client {
    let mut config: tokio_postgres::Config = url.parse().expect("a URL");
    config.application_name("beside").options(OPTIONS);
    let (client, connection) = config.connect(NoTls).await.expect("connected");
    tokio::spawn(connection);
    client
}

impl Beside {
    /// The way to the database of this URL.
    pub fn of(url: &str) -> Beside {
        Beside { url: url.to_owned(), free: Mutex::default() }
    }

    /// Runs one statement past all permissions.
    pub async fn sql(&self, sql: &str) -> Vec<Row> {
        self.ask(sql).await.unwrap_or_else(|error| panic!("good SQL: {error:?} in {sql}"))
    }

    /// Runs one statement that may fail; once more, if it and a request of the server's locked each other.
    pub async fn ask(&self, sql: &str) -> Result<Vec<Row>, tokio_postgres::Error> {
        let free = self.free().pop().filter(|client| !client.is_closed());
        let client = match free {
            Some(client) => client,
            None => connect(&self.url).await,
        };
        let mut rows = client.query_typed(sql, &[]).await;
        if rows.as_ref().is_err_and(|error| error.code() == Some(&SqlState::T_R_DEADLOCK_DETECTED)) {
            rows = client.query_typed(sql, &[]).await;
        }
        self.free().push(client);
        Ok(rows?.into_iter().map(Row).collect())
    }

    fn free(&self) -> std::sync::MutexGuard<'_, Vec<Client>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A row that came out; columns by position, null as none.
pub struct Row(tokio_postgres::Row);

/// A column's bytes as they come.
struct Raw<'a>(&'a [u8]);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Raw<'a>, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Raw(raw))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

impl Row {
    /// A column's bytes, in PostgreSQL's binary form.
    pub fn raw(&self, column: usize) -> Option<&[u8]> {
        self.0.get::<_, Option<Raw<'_>>>(column).map(|raw| raw.0)
    }

    /// A column of text; none, if it isn't.
    pub fn text(&self, column: usize) -> Option<&str> {
        self.raw(column).and_then(|raw| std::str::from_utf8(raw).ok())
    }

    /// A column of integers of any width.
    pub fn int(&self, column: usize) -> Option<i64> {
        match *self.raw(column)? {
            [a, b] => Some(i16::from_be_bytes([a, b]).into()),
            [a, b, c, d] => Some(i32::from_be_bytes([a, b, c, d]).into()),
            ref raw => raw.try_into().ok().map(i64::from_be_bytes),
        }
    }

    /// A boolean column; null is false.
    pub fn bool(&self, column: usize) -> bool {
        self.raw(column) == Some(&[1])
    }

    /// A uuid column.
    pub fn uuid(&self, column: usize) -> Option<Uuid> {
        self.raw(column).and_then(|raw| Uuid::from_slice(raw).ok())
    }
}
