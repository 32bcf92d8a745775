//! Values on their way to PostgreSQL: the parameters of statements.
//!
//! In charge of: the form in which they travel.

use std::borrow::Cow;

use bytes::BytesMut;
use tokio_postgres::types::{Format, IsNull, ToSql, Type, to_sql_checked};
use uuid::Uuid;

/// A parameter. It is never printed.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Value(Sent);

/// What is sent of a parameter: text, of which PostgreSQL does the typing; or what comes with every statement, in
/// PostgreSQL's own form, so that it needn't be read from text each time.
#[derive(Clone, Default, PartialEq, Eq)]
enum Sent {
    #[default]
    Null,
    Text(String),
    Id(Uuid),
    Ids(Vec<Uuid>),
    Number(i64),
}

impl Value {
    /// As text; none is null.
    pub(crate) fn text(&self) -> Option<Cow<'_, str>> {
        match &self.0 {
            Sent::Null => None,
            Sent::Text(text) => Some(text.into()),
            Sent::Id(id) => Some(id.to_string().into()),
            Sent::Ids(ids) => {
                let ids: Vec<String> = ids.iter().map(Uuid::to_string).collect();
                Some(format!("{{{}}}", ids.join(",")).into())
            }
            Sent::Number(number) => Some(number.to_string().into()),
        }
    }
}

impl ToSql for Value {
    fn to_sql(&self, kind: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match (&self.0, self.encode_format(kind)) {
            (Sent::Id(id), Format::Binary) => id.to_sql(kind, out),
            (Sent::Ids(ids), Format::Binary) => ids.to_sql(kind, out),
            (Sent::Number(number), Format::Binary) => number.to_sql(kind, out),
            _ => match self.text() {
                None => Ok(IsNull::Yes),
                Some(text) => {
                    out.extend_from_slice(text.as_bytes());
                    Ok(IsNull::No)
                }
            },
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    /// Text, unless the statement's parameter is of the value's own type.
    fn encode_format(&self, kind: &Type) -> Format {
        let is_own = match &self.0 {
            Sent::Null | Sent::Text(_) => false,
            Sent::Id(_) => *kind == Type::UUID,
            Sent::Ids(_) => *kind == Type::UUID_ARRAY,
            Sent::Number(_) => *kind == Type::INT8,
        };
        if is_own { Format::Binary } else { Format::Text }
    }

    to_sql_checked!();
}

impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value(Sent::Text(text))
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value(Sent::Text(text.to_owned()))
    }
}

impl From<Uuid> for Value {
    fn from(id: Uuid) -> Value {
        Value(Sent::Id(id))
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Value {
        Value(Sent::Number(number))
    }
}

impl From<u64> for Value {
    fn from(number: u64) -> Value {
        Value(i64::try_from(number).map_or_else(|_| Sent::Text(number.to_string()), Sent::Number))
    }
}

impl From<bool> for Value {
    fn from(flag: bool) -> Value {
        Value(Sent::Text(flag.to_string()))
    }
}

impl From<&[u8]> for Value {
    fn from(bytes: &[u8]) -> Value {
        let mut hex = String::with_capacity(bytes.len() * 2 + 2) + "\\x";
        for byte in bytes {
            hex.extend([byte >> 4, byte & 15].map(|digit| char::from_digit(digit.into(), 16).unwrap_or('0')));
        }
        Value(Sent::Text(hex))
    }
}

impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Value {
        value.map_or(Value(Sent::Null), Into::into)
    }
}

/// An array as PostgreSQL reads it from text; none is null.
pub fn array<S: AsRef<str>>(items: impl IntoIterator<Item = Option<S>>) -> Value {
    let mut text = "{".to_owned();
    for item in items {
        if text.len() > 1 {
            text.push(',');
        }
        match item {
            None => text += "null",
            Some(item) => {
                text.push('"');
                for letter in item.as_ref().chars() {
                    if matches!(letter, '"' | '\\') {
                        text.push('\\');
                    }
                    text.push(letter);
                }
                text.push('"');
            }
        }
    }
    text.push('}');
    text.into()
}

/// An array of ids.
pub fn ids<'a>(ids: impl IntoIterator<Item = &'a Uuid>) -> Value {
    Value(Sent::Ids(ids.into_iter().copied().collect()))
}
