//! Columns: who is served them, who sets them, and how their values are sorted and searched.

use serde_json::Value as Json;

use super::kind::{Bounds, Kind};
use super::name::{quote, text};
use crate::permission::Class;

/// A column of an entity.
#[derive(Debug, Clone)]
#[allow(missing_docs)] // the keys of a schema file
pub struct Column {
    pub name: String,
    pub label: String,
    pub kind: Kind,
    pub bounds: Bounds,
    pub required: bool,
    pub unique: Unique,
    pub index: bool,
    pub default: Option<Json>,
    pub hidden: bool,
    pub write: Write,
    pub reading: Reading,
    /// Who is served it, of those who may read the row; none: all of them.
    pub readers: Option<Vec<Class>>,
    /// Who may set it, of those who may change the row; none: all of them.
    pub writers: Option<Vec<Class>>,
}

/// How people sort and search the values of a text column.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    /// In the order of this language (a BCP 47 tag); none: of the characters' numbers.
    pub language: Option<String>,
    /// Whether letters are told apart by their accents no more, nor by their case where they are sorted.
    pub ignores_accents: bool,
}

/// Among whom a column's values are unique.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Unique {
    No,
    Everywhere,
    PerOwner,
}

/// Who sets a column, beyond the rights that the row asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Write {
    /// Whoever may change the row.
    Anyone,
    /// Whoever creates the row; afterwards actions, and administrators (but for passwords).
    OnCreate,
    /// The row's owner and administrators (`permission`).
    Owner,
    /// Actions and the system.
    System,
}

impl Column {
    /// Whether it must have a value. (A secret that is required may still be taken away: null means no password.)
    pub fn refuses_null(&self) -> bool {
        self.required && !self.kind.is_secret() || self.write == Write::Owner
    }

    /// An expression of its type as its values are sorted and compared: the options of an enum in their order, a text as its
    /// language has it.
    pub fn ordered(&self, expression: &str) -> String {
        if let Kind::Enum { options } = &self.kind {
            let places: String =
                options.iter().zip(1..).map(|(option, at)| format!(" when {} then {at}", text(option))).collect();
            return format!("(case {expression}{places} end)");
        }
        let spelled = if self.reading.ignores_accents { self.searched(expression) } else { expression.to_owned() };
        self.collated(spelled)
    }

    /// An expression of its type as it is searched without regard to case.
    pub fn searched(&self, expression: &str) -> String {
        match self.reading.ignores_accents {
            true => {
                let letters = format!("regexp_replace(normalize({expression}, nfkd), '[\\u0300-\\u036f]', '', 'g')");
                format!("lower({})", self.collated(letters))
            }
            false => format!("lower({})", self.collated(expression.to_owned())),
        }
    }

    fn collated(&self, expression: String) -> String {
        match &self.reading.language {
            Some(language) => format!("({expression} collate rowhouse.{})", quote(language)),
            None => expression,
        }
    }

    /// Whether guests are never served it, and others only of some rows.
    pub fn is_limited(&self) -> bool {
        self.readers.as_ref().is_some_and(|classes| !classes.contains(&Class::Guest))
    }

    /// Whether clients are ever served it. What isn't served doesn't exist for them.
    pub fn is_served(&self) -> bool {
        !self.hidden && !self.kind.is_secret()
    }
}
