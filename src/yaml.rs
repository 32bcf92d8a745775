//! Files that people write: YAML as a tree in which every key and value knows its line and column.
//!
//! In charge of: reading text into a [`Tree`], and of complaints that name file, line, column and the nearest
//! word that would have been right. It must not know what the files are about.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

/// A place in a file: line and column, both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Mark {
    /// From 1; 0 when the whole file is meant.
    pub line: u64,
    /// From 1.
    pub column: u64,
}

/// A value with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Tree {
    /// Where it starts.
    pub mark: Mark,
    /// What it is.
    pub value: Value,
}

/// What YAML can say, as far as our files use it.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Tree>),
    Map(Vec<(Key, Tree)>),
}

/// A key of a map with its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    /// Where it starts.
    pub mark: Mark,
    /// The key.
    pub name: String,
}

/// Something wrong in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// The file, relative to the project.
    pub file: String,
    /// From 1; 0 when the whole file is meant.
    pub line: u64,
    /// From 1.
    pub column: u64,
    /// What is wrong and what would be right.
    pub words: String,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, "{}: {}", self.file, self.words),
            _ => write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.words),
        }
    }
}

/// All complaints about one file, gathered while it is read.
#[derive(Debug)]
pub struct Reader {
    file: String,
    /// What was found so far.
    pub complaints: Vec<Complaint>,
}

/// Reads a file's text.
///
/// # Errors
/// One complaint where the text is no YAML (or has a key twice, or nests too deep).
pub fn from_str(file: &str, text: &str) -> Result<Tree, Complaint> {
    if text.trim().is_empty() || text.lines().all(|l| l.trim().is_empty() || l.trim_start().starts_with('#')) {
        return Ok(Tree { mark: Mark { line: 1, column: 1 }, value: Value::Map(vec![]) });
    }
    let options = serde_saphyr::options! { with_snippet: false, strict_booleans: true };
    serde_saphyr::from_str_with_options::<Spanned<Raw>>(text, options).map(tree).map_err(|error| {
        let at = error.location();
        Complaint {
            file: file.to_owned(),
            line: at.map_or(0, |l| l.line()),
            column: at.map_or(0, |l| l.column()),
            words: words(&error.without_snippet().to_string()),
        }
    })
}

/// What a parser says, for people.
fn words(said: &str) -> String {
    match said.lines().next().unwrap_or("not YAML") {
        null if null.contains("null into string") => "a name that is a word of YAML (null, ~) stands in quotes here".to_owned(),
        line => line.to_owned(),
    }
}

enum Raw {
    Leaf(Value),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

fn mark<T>(spanned: &Spanned<T>) -> Mark {
    Mark { line: spanned.referenced.line(), column: spanned.referenced.column() }
}

fn tree(raw: Spanned<Raw>) -> Tree {
    let mark_here = mark(&raw);
    let value = match raw.value {
        Raw::Leaf(value) => value,
        Raw::List(items) => Value::List(items.into_iter().map(tree).collect()),
        Raw::Map(entries) => {
            Value::Map(entries.into_iter().map(|(k, v)| (Key { mark: mark(&k), name: k.value }, tree(v))).collect())
        }
    };
    Tree { mark: mark_here, value }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Raw;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }
            fn visit_unit<E>(self) -> Result<Raw, E> {
                Ok(Raw::Leaf(Value::Null))
            }
            fn visit_none<E>(self) -> Result<Raw, E> {
                Ok(Raw::Leaf(Value::Null))
            }
            fn visit_some<D: Deserializer<'de>>(self, d: D) -> Result<Raw, D::Error> {
                d.deserialize_any(Any)
            }
            fn visit_bool<E>(self, v: bool) -> Result<Raw, E> {
                Ok(Raw::Leaf(Value::Bool(v)))
            }
            fn visit_i64<E>(self, v: i64) -> Result<Raw, E> {
                Ok(Raw::Leaf(Value::Int(v)))
            }
            fn visit_u64<E: serde::de::Error>(self, v: u64) -> Result<Raw, E> {
                i64::try_from(v).map(|v| Raw::Leaf(Value::Int(v))).map_err(|_| E::custom("a number beyond 64 bits"))
            }
            fn visit_f64<E>(self, v: f64) -> Result<Raw, E> {
                Ok(Raw::Leaf(Value::Float(v)))
            }
            fn visit_str<E>(self, v: &str) -> Result<Raw, E> {
                Ok(Raw::Leaf(Value::Text(v.to_owned())))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Raw, A::Error> {
                let mut items = vec![];
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Raw::List(items))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
                let mut entries = vec![];
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Raw::Map(entries))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

impl Tree {
    /// The same value as JSON.
    pub fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(b) => (*b).into(),
            Value::Int(i) => (*i).into(),
            Value::Float(f) => (*f).into(),
            Value::Text(s) => s.clone().into(),
            Value::List(items) => items.iter().map(Tree::to_json).collect(),
            Value::Map(entries) => {
                serde_json::Value::Object(entries.iter().map(|(k, v)| (k.name.clone(), v.to_json())).collect())
            }
        }
    }

    /// The text that it is; empty where it is none, which whoever reads it complains of.
    pub fn as_text(&self) -> &str {
        if let Value::Text(text) = &self.value { text } else { "" }
    }

    fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "true or false",
            Value::Int(_) => "an integer",
            Value::Float(_) => "a number",
            Value::Text(_) => "text",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }
}

impl Reader {
    /// Starts on a file.
    pub fn new(file: &str) -> Reader {
        Reader { file: file.to_owned(), complaints: vec![] }
    }

    /// The file's name.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Notes a complaint.
    pub fn complain(&mut self, mark: Mark, words: impl Into<String>) {
        self.complaints.push(Complaint { file: self.file.clone(), line: mark.line, column: mark.column, words: words.into() });
    }

    /// Complains that `word` is none of `known`, and names the nearest.
    pub fn unknown<S: AsRef<str>>(&mut self, mark: Mark, what: &str, word: &str, known: &[S]) {
        let hint = match nearest(word, known) {
            Some(near) => format!("did you mean `{near}`?"),
            None if known.is_empty() => "there is none".to_owned(),
            None if known.len() <= 40 => {
                format!("known: {}", known.iter().map(|k| format!("`{}`", k.as_ref())).collect::<Vec<_>>().join(", "))
            }
            None => String::from("see the documentation"),
        };
        self.complain(mark, format!("unknown {what} `{word}`; {hint}"));
    }

    /// The entries of a map.
    pub fn map<'t>(&mut self, tree: &'t Tree) -> &'t [(Key, Tree)] {
        match &tree.value {
            Value::Map(entries) => entries,
            _ => {
                self.complain(tree.mark, format!("a map of keys and values is wanted here, not {}", tree.kind()));
                &[]
            }
        }
    }

    /// The entries of a map whose keys must be among `known`.
    pub fn keys<'t>(&mut self, tree: &'t Tree, known: &[&str]) -> &'t [(Key, Tree)] {
        let entries = self.map(tree);
        for (key, _) in entries {
            if !known.contains(&key.name.as_str()) {
                self.unknown(key.mark, "key", &key.name, known);
            }
        }
        entries
    }

    /// The items of a list; a single text counts as a list of one.
    pub fn list<'t>(&mut self, tree: &'t Tree) -> &'t [Tree] {
        match &tree.value {
            Value::List(items) => items,
            Value::Text(_) => std::slice::from_ref(tree),
            _ => {
                self.complain(tree.mark, format!("a list is wanted here, not {}", tree.kind()));
                &[]
            }
        }
    }

    /// A text.
    pub fn text<'t>(&mut self, tree: &'t Tree) -> &'t str {
        match &tree.value {
            Value::Text(text) => text,
            _ => {
                self.complain(tree.mark, format!("text is wanted here, not {} (quote it?)", tree.kind()));
                ""
            }
        }
    }

    /// True or false.
    pub fn bool(&mut self, tree: &Tree) -> bool {
        match tree.value {
            Value::Bool(b) => b,
            _ => {
                self.complain(tree.mark, format!("true or false is wanted here, not {}", tree.kind()));
                false
            }
        }
    }

    /// A whole number within `range`.
    pub fn int(&mut self, tree: &Tree, range: std::ops::RangeInclusive<i64>) -> i64 {
        match tree.value {
            Value::Int(i) if range.contains(&i) => i,
            _ => {
                let (low, high) = (*range.start(), *range.end());
                self.complain(tree.mark, format!("a whole number from {low} to {high} is wanted here"));
                low
            }
        }
    }

    /// A number.
    pub fn number(&mut self, tree: &Tree) -> f64 {
        match tree.value {
            Value::Int(i) => i as f64,
            Value::Float(f) => f,
            _ => {
                self.complain(tree.mark, format!("a number is wanted here, not {}", tree.kind()));
                0.0
            }
        }
    }
}

/// The known word nearest to `word`, if one is near enough to be meant. Long words are nobody's slip.
pub fn nearest<'k, S: AsRef<str>>(word: &str, known: &'k [S]) -> Option<&'k str> {
    if word.len() > 60 {
        return None;
    }
    let limit = (word.chars().count() / 3).max(1);
    known.iter().map(|k| (distance(word, k.as_ref()), k.as_ref())).filter(|(d, _)| *d <= limit).min().map(|(_, k)| k)
}

/// Edits (insert, delete, replace, swap of neighbours) between two words.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<_>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            row.push(best);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_and_value_knows_its_place() {
        let tree = from_str("f", "a: 1\nb:\n  - x\n  - {c: true}\n").expect("YAML");
        let Value::Map(entries) = &tree.value else { panic!("a map") };
        assert_eq!((entries[1].0.name.as_str(), entries[1].0.mark), ("b", Mark { line: 2, column: 1 }));
        let Value::List(items) = &entries[1].1.value else { panic!("a list") };
        assert_eq!(items[0].mark, Mark { line: 3, column: 5 });
    }

    #[test]
    fn broken_text_and_twice_named_keys_are_refused_with_their_place() {
        assert_eq!(from_str("f", "a: [1").expect_err("broken").file, "f");
        assert_eq!(from_str("f", "a: 1\na: 2\n").expect_err("twice").line, 2);
    }

    #[test]
    fn the_nearest_word_is_found() {
        assert_eq!(nearest("requierd", &["required", "unique"]), Some("required"));
        assert_eq!(nearest("xyz", &["required", "unique"]), None);
    }
}
