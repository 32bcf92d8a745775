//! Values from PostgreSQL's binary form as text: in documents, and in cursors.

use std::borrow::Cow;

use uuid::Uuid;

use crate::error::{Error, Result};
use crate::schema::kind::Wire;

/// Microseconds from 1970 to PostgreSQL's year 2000.
const EPOCH: i64 = 946_684_800_000_000;

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
/// 500 where the bytes are something else; points in time that no calendar has.
pub fn plain(wire: Wire, raw: &[u8]) -> Result<Cow<'_, str>> {
    Ok(match wire {
        Wire::Text => text(raw)?.into(),
        Wire::Json => text(raw.get(1..).unwrap_or_default())?.into(),
        Wire::Boolean => if raw == [1] { "true" } else { "false" }.into(),
        Wire::Integer => number(raw)?.to_string().into(),
        Wire::Float => format!("{:?}", f64::from_be_bytes(raw.try_into().map_err(Error::internal)?)).into(),
        Wire::Uuid => Uuid::from_slice(raw).map_err(Error::internal)?.to_string().into(),
        // SQL may have put these in; no request can.
        Wire::Datetime if number(raw)? == i64::MAX => "infinity".into(),
        Wire::Datetime if number(raw)? == i64::MIN => "-infinity".into(),
        Wire::Datetime => {
            let instant = jiff::Timestamp::from_microsecond(number(raw)?.saturating_add(EPOCH)).map_err(Error::internal)?;
            instant.to_string().into()
        }
        Wire::Date => {
            let days = i32::from_be_bytes(raw.try_into().map_err(Error::internal)?);
            let date = jiff::civil::date(2000, 1, 1).checked_add(jiff::Span::new().days(days)).map_err(Error::internal)?;
            date.to_string().into()
        }
        Wire::Time => {
            let since = jiff::Span::new().microseconds(number(raw)?);
            jiff::civil::Time::midnight().checked_add(since).map_err(Error::internal)?.to_string().into()
        }
    })
}
