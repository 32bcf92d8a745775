//! Values from PostgreSQL's binary form as text: in documents, and in cursors.

use std::borrow::Cow;

use uuid::Uuid;

use crate::error::{Error, Result};
use crate::schema::kind::{Wire, calendar};

/// A whole number.
///
/// # Errors
/// 500 where it is none.
pub fn number(raw: &[u8]) -> Result<i64> {
    raw.try_into().map(i64::from_be_bytes).map_err(Error::internal)
}

/// Text.
///
/// # Errors
/// 500 where it is none.
pub fn text(raw: &[u8]) -> Result<&str> {
    std::str::from_utf8(raw).map_err(Error::internal)
}

/// A value as plain text, as PostgreSQL reads it again.
///
/// # Errors
/// 500 where the bytes are something else.
pub fn plain(wire: Wire, raw: &[u8]) -> Result<Cow<'_, str>> {
    Ok(match wire {
        Wire::Text => text(raw)?.into(),
        Wire::Json => text(raw.get(1..).unwrap_or_default())?.into(),
        Wire::Boolean => if raw == [1] { "true" } else { "false" }.into(),
        Wire::Integer => number(raw)?.to_string().into(),
        Wire::Float => format!("{:?}", f64::from_be_bytes(raw.try_into().map_err(Error::internal)?)).into(),
        Wire::Uuid => Uuid::from_slice(raw).map_err(Error::internal)?.to_string().into(),
        Wire::Datetime => calendar::instant(number(raw)?).into(),
        Wire::Date => calendar::day(i32::from_be_bytes(raw.try_into().map_err(Error::internal)?)).into(),
        Wire::Time => calendar::time(number(raw)?).into(),
    })
}
