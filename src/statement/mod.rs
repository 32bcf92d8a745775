//! Plans → SQL. The only place where the SQL of requests is spelled.
//!
//! In charge of: text and values of statements, with the rule on every row they touch. It must not know
//! connections: a [`Statement`] is text, values, and whether its shape is worth keeping prepared.

pub mod account;
pub mod action;
pub mod event;
pub mod explain;
pub mod outbox;
pub mod once;
pub mod read;
pub mod schedule;
pub mod transfer;
pub mod who;
pub mod write;

/// A statement with its values. Values travel as text, and PostgreSQL does the typing.
#[derive(Debug, Clone, Default)]
pub struct Statement {
    /// The text, with `$1`, `$2`, ….
    pub sql: String,
    /// The values; none is null.
    pub values: Vec<Option<String>>,
    /// Whether the shape comes from the schema (kept prepared) or from a client's fancy (not kept).
    pub keep: bool,
}

impl Statement {
    /// A statement of a fixed shape.
    pub fn fixed(sql: impl Into<String>, values: Vec<Option<String>>) -> Statement {
        Statement { sql: sql.into(), values, keep: true }
    }

    /// Adds a value and gives its placeholder.
    pub fn bind(&mut self, value: Option<String>) -> String {
        self.values.push(value);
        format!("${}", self.values.len())
    }
}

/// Words about a fault, as a row can hold them: PostgreSQL keeps no NUL.
pub fn kept(words: &str) -> String {
    words.replace('\0', "\u{fffd}")
}

/// An array as PostgreSQL reads it from text; none is null.
pub fn array<S: AsRef<str>>(items: impl IntoIterator<Item = Option<S>>) -> String {
    let items = items.into_iter().map(|item| match item {
        None => "null".to_owned(),
        Some(text) => format!("\"{}\"", text.as_ref().replace('\\', "\\\\").replace('"', "\\\"")),
    });
    format!("{{{}}}", items.collect::<Vec<_>>().join(","))
}
