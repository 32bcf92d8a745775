//! Queries: text and parameters together, and under them the decoder of their rows.
//!
//! In charge of: who can make one. Text is put together in `statement` alone, and the store takes only what is made here:
//! [`Guarded`] statements, which read or change rows of entities under the rule, and [`Internal`] ones, of the engine's own
//! tables.

use std::sync::Arc;

use super::row::Row;
pub use super::value::{Value, array, ids};
use crate::error::{Error, Result};

/// A text as SQL has it between quotes.
pub(in crate::statement) fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// SQL that is being put together: text and parameters.
#[derive(Debug, Clone, Default)]
pub struct Sql {
    text: String,
    values: Vec<Value>,
}

impl Sql {
    /// Nothing yet.
    pub(in crate::statement) fn new() -> Sql {
        Sql::default()
    }

    /// Adds a parameter, and gives its placeholder.
    pub(in crate::statement) fn bind(&mut self, value: impl Into<Value>) -> String {
        self.values.push(value.into());
        format!("${}", self.values.len())
    }

    /// With this text, which names its placeholders.
    pub(in crate::statement) fn with(mut self, text: impl Into<String>) -> Sql {
        self.text = text.into();
        self
    }
}

/// Makes the parameters of a text that names them by number.
macro_rules! values {
    ($($value:expr),* $(,)?) => { vec![$($crate::statement::query::Value::from($value)),*] };
}
pub(in crate::statement) use values;

/// What the rows of a query are read as.
type Decoder<T> = Box<dyn Fn(Vec<Row>) -> Result<T> + Send + Sync>;

/// A statement with its parameters, and what its rows are read as.
pub struct Query<T> {
    text: Arc<str>,
    values: Vec<Value>,
    decode: Decoder<T>,
}

impl<T> Query<T> {
    /// The text.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The parameters.
    pub(crate) fn values(&self) -> &[Value] {
        &self.values
    }

    /// What the rows say.
    ///
    /// # Errors
    /// 500 where a column is something else than the decoder reads.
    pub(crate) fn decode(&self, rows: Vec<Row>) -> Result<T> {
        (self.decode)(rows)
    }
}

/// What the store takes: the two kinds of statements, and no other.
pub trait Statement: sealed::Sealed + Sync {
    /// What its rows are read as.
    type Answer;

    /// The statement itself.
    fn query(&self) -> &Query<Self::Answer>;
}

mod sealed {
    /// Nobody else makes statements.
    pub trait Sealed {}
    impl<T> Sealed for super::Guarded<T> {}
    impl<T> Sealed for super::Internal<T> {}
}

/// A statement over rows of entities: the rule stands in it.
///
/// Nobody makes one outside of `statement`:
///
/// ```
/// fn look(guarded: rowhouse::statement::query::Guarded<()>) { drop(guarded) }
/// ```
/// ```compile_fail
/// fn make(query: rowhouse::statement::query::Query<()>) -> rowhouse::statement::query::Guarded<()> {
///     rowhouse::statement::query::Guarded(query)
/// }
/// ```
pub struct Guarded<T>(Query<T>);

/// A statement over the engine's own tables, and over rows that a verdict has already been given on.
///
/// ```
/// fn look(internal: rowhouse::statement::query::Internal<()>) { drop(internal) }
/// ```
/// ```compile_fail
/// fn make() { rowhouse::statement::query::Internal::<()>::new("select title from article", vec![], |_| Ok(())); }
/// ```
pub struct Internal<T>(Query<T>);

impl<T> Statement for Guarded<T> {
    type Answer = T;

    fn query(&self) -> &Query<T> {
        &self.0
    }
}

impl<T> Statement for Internal<T> {
    type Answer = T;

    fn query(&self) -> &Query<T> {
        &self.0
    }
}

impl<T> Guarded<T> {
    /// What PostgreSQL does for it, line by line: it is run for that.
    pub fn explain(&self) -> Internal<Vec<String>> {
        let text = format!("explain (analyze, verbose, costs off, timing off, summary off) {}", self.0.text);
        Internal::new(text, self.0.values.clone(), all(|row| row.column(0)))
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// How many parameters it has.
    pub fn parameters(&self) -> usize {
        self.0.values.len()
    }

    /// One that asks in itself who calls and what they may.
    pub(in crate::statement) fn new(sql: Sql, decode: impl Fn(Vec<Row>) -> Result<T> + Send + Sync + 'static) -> Guarded<T> {
        Guarded(Query { text: sql.text.into(), values: sql.values, decode: Box::new(decode) })
    }
}

impl<T> Guarded<Option<T>> {
    /// One that begins with the proof of what is known. None where that doesn't hold: then its rows say nothing. The proof
    /// is the first column of each row, and there is always a row.
    pub(in crate::statement) fn proven(
        text: Arc<str>,
        values: Vec<Value>,
        decode: impl Fn(Vec<Row>) -> Result<T> + Send + Sync + 'static,
    ) -> Guarded<Option<T>> {
        let decode = move |rows: Vec<Row>| {
            let first = rows.first().ok_or_else(|| Error::internal("a statement without its proof"))?;
            if first.column::<bool>(0)? { decode(rows).map(Some) } else { Ok(None) }
        };
        Guarded(Query { text, values, decode: Box::new(decode) })
    }
}

impl<T> Internal<T> {
    /// With a decoder of all rows.
    pub(in crate::statement) fn new(
        text: impl Into<Arc<str>>,
        values: Vec<Value>,
        decode: impl Fn(Vec<Row>) -> Result<T> + Send + Sync + 'static,
    ) -> Internal<T> {
        Internal(Query { text: text.into(), values, decode: Box::new(decode) })
    }

    /// From SQL that was put together.
    pub(in crate::statement) fn of(sql: Sql, decode: impl Fn(Vec<Row>) -> Result<T> + Send + Sync + 'static) -> Internal<T> {
        Internal::new(sql.text, sql.values, decode)
    }
}

/// The first row as a decoder reads it.
pub(in crate::statement) fn first<T>(
    decode: impl Fn(&Row) -> Result<T> + Send + Sync + 'static,
) -> impl Fn(Vec<Row>) -> Result<Option<T>> + Send + Sync + 'static {
    move |rows| rows.first().map(&decode).transpose()
}

/// Every row as a decoder reads it.
pub(in crate::statement) fn all<T>(
    decode: impl Fn(&Row) -> Result<T> + Send + Sync + 'static,
) -> impl Fn(Vec<Row>) -> Result<Vec<T>> + Send + Sync + 'static {
    move |rows| rows.iter().map(&decode).collect()
}

/// The one row that there always is.
pub(in crate::statement) fn one<T>(
    decode: impl Fn(&Row) -> Result<T> + Send + Sync + 'static,
) -> impl Fn(Vec<Row>) -> Result<T> + Send + Sync + 'static {
    move |rows| decode(rows.first().ok_or_else(|| Error::internal("no row where there is always one"))?)
}

/// How many rows there are.
pub(in crate::statement) fn count(rows: Vec<Row>) -> Result<usize> {
    Ok(rows.len())
}

/// Whether there is a row.
pub(in crate::statement) fn any(rows: Vec<Row>) -> Result<bool> {
    Ok(!rows.is_empty())
}

/// Whatever its rows say, it is done.
pub(in crate::statement) fn done(_: Vec<Row>) -> Result<()> {
    Ok(())
}
