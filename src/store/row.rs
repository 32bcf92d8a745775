//! Values on the wire: text on the way in, PostgreSQL's own binary form on the way out.

use tokio_postgres::types::{Format, FromSql, IsNull, ToSql, Type};

/// A row that came out; columns by position, in PostgreSQL's binary form.
pub struct Row(pub(super) tokio_postgres::Row);

/// A value on its way in, as text; PostgreSQL knows what it is to be. It is never printed.
pub(super) struct Text<'a>(pub(super) &'a Option<String>);

impl ToSql for Text<'_> {
    fn to_sql(&self, _: &Type, out: &mut bytes::BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self.0 {
            None => Ok(IsNull::Yes),
            Some(text) => {
                out.extend_from_slice(text.as_bytes());
                Ok(IsNull::No)
            }
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, _: &Type) -> Format {
        Format::Text
    }

    tokio_postgres::types::to_sql_checked!();
}

impl std::fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

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
    /// A column's bytes; none is null.
    ///
    /// # Panics
    /// When the statement has no such column, which is a defect of the statement's speller.
    pub fn raw(&self, column: usize) -> Option<&[u8]> {
        self.0.get::<_, Option<Raw<'_>>>(column).map(|raw| raw.0)
    }

    /// A text column.
    pub fn text(&self, column: usize) -> Option<&str> {
        self.raw(column).and_then(|raw| std::str::from_utf8(raw).ok())
    }

    /// A bigint column.
    pub fn int(&self, column: usize) -> Option<i64> {
        self.raw(column).and_then(|raw| raw.try_into().ok()).map(i64::from_be_bytes)
    }

    /// A boolean column; null is false.
    pub fn bool(&self, column: usize) -> bool {
        self.raw(column) == Some(&[1])
    }

    /// A uuid column.
    pub fn uuid(&self, column: usize) -> Option<uuid::Uuid> {
        self.raw(column).and_then(|raw| uuid::Uuid::from_slice(raw).ok())
    }
}
