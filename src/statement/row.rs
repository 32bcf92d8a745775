//! Rows as they come from PostgreSQL, in its binary form.
//!
//! In charge of: the only readers of columns. By number they are read beside the SQL that names them, in `statement`;
//! everybody else reads them by the places of a layout. What doesn't decode is an error, never a default.

use std::marker::PhantomData;

use tokio_postgres::types::{FromSql, Type};
use uuid::Uuid;

use crate::error::{Error, Result};

/// A row that came out. It is never printed: it holds what was stored.
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

/// What a column's bytes are read as.
pub trait Decode<'a>: Sized {
    /// From PostgreSQL's binary form; none where the bytes are something else.
    fn decode(raw: &'a [u8]) -> Option<Self>;
}

impl<'a> Decode<'a> for &'a [u8] {
    fn decode(raw: &'a [u8]) -> Option<&'a [u8]> {
        Some(raw)
    }
}

impl<'a> Decode<'a> for &'a str {
    fn decode(raw: &'a [u8]) -> Option<&'a str> {
        std::str::from_utf8(raw).ok()
    }
}

impl Decode<'_> for String {
    fn decode(raw: &[u8]) -> Option<String> {
        std::str::from_utf8(raw).ok().map(str::to_owned)
    }
}

impl Decode<'_> for i64 {
    fn decode(raw: &[u8]) -> Option<i64> {
        raw.try_into().ok().map(i64::from_be_bytes)
    }
}

impl Decode<'_> for bool {
    fn decode(raw: &[u8]) -> Option<bool> {
        match raw {
            [flag @ (0 | 1)] => Some(*flag == 1),
            _ => None,
        }
    }
}

impl Decode<'_> for Uuid {
    fn decode(raw: &[u8]) -> Option<Uuid> {
        Uuid::from_slice(raw).ok()
    }
}

/// Most dimensions, and the head of an array in binary: dimensions, whether it has nulls, the elements' type, then for each
/// dimension its length and where it begins.
const ARRAY_HEAD: usize = 20;

impl<'a, T: Decode<'a>> Decode<'a> for Vec<T> {
    /// An array of one dimension, without nulls.
    fn decode(raw: &'a [u8]) -> Option<Vec<T>> {
        let dimensions = raw.get(..4)?;
        if dimensions == [0; 4] {
            return Some(vec![]);
        }
        let (mut rest, mut items) = (raw.get(ARRAY_HEAD..).filter(|_| dimensions == [0, 0, 0, 1])?, vec![]);
        while !rest.is_empty() {
            let length = usize::try_from(i32::from_be_bytes(rest.get(..4)?.try_into().ok()?)).ok()?;
            items.push(T::decode(rest.get(4..4 + length)?)?);
            rest = rest.get(4 + length..)?;
        }
        Some(items)
    }
}

/// A place in the rows of a layout, and what is read there. Only `statement` makes them.
pub struct Place<T> {
    at: usize,
    kind: PhantomData<fn() -> T>,
}

impl<T> Clone for Place<T> {
    fn clone(&self) -> Place<T> {
        *self
    }
}

impl<T> Copy for Place<T> {}

impl<T> std::fmt::Debug for Place<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.at)
    }
}

impl<T> Place<T> {
    /// The column of that number.
    pub(in crate::statement) const fn new(at: usize) -> Place<T> {
        Place { at, kind: PhantomData }
    }

    /// The number, while a layout is put together.
    pub(in crate::statement) const fn at(self) -> usize {
        self.at
    }
}

/// A value in PostgreSQL's binary form, whose type the column's kind tells.
#[derive(Debug)]
pub enum Binary {}

impl Row {
    /// What the driver read.
    pub(crate) fn new(row: tokio_postgres::Row) -> Row {
        Row(row)
    }

    fn raw(&self, column: usize) -> Option<&[u8]> {
        self.0.try_get::<_, Option<Raw<'_>>>(column).ok().flatten().map(|raw| raw.0)
    }

    /// A column by its number; none where it is null.
    ///
    /// # Errors
    /// 500 where its bytes are something else: then SQL and decoder don't belong together.
    pub(in crate::statement) fn optional<'a, T: Decode<'a>>(&'a self, column: usize) -> Result<Option<T>> {
        let Some(raw) = self.raw(column) else { return Ok(None) };
        T::decode(raw).map(Some).ok_or_else(|| Error::internal(format!("column {column} is no {}", std::any::type_name::<T>())))
    }

    /// A column by its number, which is never null.
    ///
    /// # Errors
    /// 500 where it is, and as [`Row::optional`].
    pub(in crate::statement) fn column<'a, T: Decode<'a>>(&'a self, column: usize) -> Result<T> {
        self.optional(column)?.ok_or_else(|| Error::internal(format!("column {column} is null")))
    }

    /// What stands at a place; none where it is null.
    ///
    /// # Errors
    /// 500 where its bytes are something else.
    pub fn get<'a, T: Decode<'a>>(&'a self, place: Place<T>) -> Result<Option<T>> {
        self.optional(place.at)
    }

    /// The bytes of a value at a place; none where it is null.
    pub fn binary(&self, place: Place<Binary>) -> Option<&[u8]> {
        self.raw(place.at)
    }
}
