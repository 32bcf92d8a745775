//! Files of rows, read part by part: what they have in common.
//!
//! In charge of: bytes → rows of cells, so many at a time, in bounded memory whatever the file says of itself. [`csv`], [`json`]
//! and [`workbook`] know the formats, [`archive`] and [`xml`] what a workbook is made of; [`parts`] where the bytes are, and the thread.

mod archive;
pub mod csv;
mod json;
pub mod parts;
mod serial;
mod workbook;
mod xml;

use std::cell::Cell as Counter;
use std::collections::HashSet;
use std::io::{self, Read, Seek};
use std::rc::Rc;
use std::sync::Arc;

use serde_json::Value as Json;

use super::BATCH;
use crate::budget::{Budget, Exceeded};
use csv::Texts;

/// Most columns of a table.
const COLUMNS: usize = 1000;
/// Most bytes of a cell.
const CELL: usize = 1 << 20;
/// Most bytes of a row, as it stands in memory.
const ROW: usize = 2 << 20;
/// Rows go on together when they have so many bytes.
const BATCH_BYTES: usize = 2 << 20;
/// Most bytes of a column's name.
const NAME: usize = 255;
/// Bytes that are read at a time.
const CHUNK: usize = 8192;

/// How rows stand in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Format {
    Csv(Texts),
    Json,
    Workbook,
}

impl Format {
    /// Of a transfer's row.
    pub fn of(name: &str, is_verbatim: bool) -> Format {
        match name {
            "csv" => Format::Csv(Texts::of(is_verbatim)),
            "json" => Format::Json,
            _ => Format::Workbook,
        }
    }
}

/// A cell, with its kind as far as the file tells one.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Nothing.
    Empty,
    /// Text; in CSV everything is.
    Text(String),
    /// A number, in digits.
    Number(String),
    /// `2026-11-29`.
    Date(String),
    /// `13:45:00`.
    Time(String),
    /// `2026-11-29T13:45:00Z`.
    Datetime(String),
    /// As ISO 8601 has it: `PT36H`.
    Duration(String),
    /// True or false.
    Boolean(bool),
    /// What a formula ran into, such as `#DIV/0!`.
    Error(String),
    /// A value of a JSON file.
    Json(Json),
}

impl Cell {
    fn of(text: String) -> Cell {
        if text.is_empty() { Cell::Empty } else { Cell::Text(text) }
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        matches!(self, Cell::Empty | Cell::Json(Json::Null))
    }

    /// As JSON: what is no JSON is text; nothing, and what a formula ran into, is null.
    pub fn json(&self) -> Json {
        match self {
            Cell::Empty | Cell::Error(_) => Json::Null,
            Cell::Text(text)
            | Cell::Number(text)
            | Cell::Date(text)
            | Cell::Time(text)
            | Cell::Datetime(text)
            | Cell::Duration(text) => text.as_str().into(),
            Cell::Boolean(value) => value.to_string().into(),
            Cell::Json(value) => value.clone(),
        }
    }
}

/// A row of a file.
#[derive(Debug)]
pub struct Line {
    /// Its number among the rows of data, from 1.
    pub number: i64,
    /// The row of the sheet, or the record of the file, from 1: the columns' names are a row, too.
    pub place: u64,
    names: Arc<[String]>,
    /// By column; what is missing at the end is empty.
    cells: Vec<Cell>,
}

impl Line {
    /// The cell of a column.
    pub fn get(&self, name: &str) -> Option<&Cell> {
        self.iter().find(|(column, _)| *column == name).map(|(_, cell)| cell)
    }

    /// All columns and their cells.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Cell)> {
        let cells = self.cells.iter().chain(std::iter::repeat(&Cell::Empty));
        self.names.iter().map(String::as_str).zip(cells)
    }
}

/// Why reading ends early.
#[derive(Debug)]
pub enum Stop {
    /// What is wrong with the file.
    Broken(String),
    /// The file can't be had now.
    Away,
    /// Nobody listens any more.
    Unwanted,
}

/// Of a reader's errors: the database was away. All others say that the file is broken.
const AWAY: io::ErrorKind = io::ErrorKind::NotConnected;

impl Stop {
    fn read(error: &io::Error, broken: impl FnOnce() -> Stop) -> Stop {
        if error.kind() == AWAY { Stop::Away } else { broken() }
    }
}

/// Bytes up to a bound that whoever takes them sets anew.
struct Bounded<R> {
    /// Whose bytes.
    inner: R,
    /// How many may still be read.
    left: Rc<Counter<usize>>,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(into)?;
        self.left.set(self.left.get().checked_sub(read).ok_or(io::ErrorKind::FileTooLarge)?);
        Ok(read)
    }
}

/// Reads rows, and gives them to `takes` in batches. Pure but for the source.
///
/// # Errors
/// What the file has wrong, after the rows before it were given.
pub fn rows<R: Read + Seek>(source: R, format: Format, takes: &mut dyn FnMut(Vec<Line>) -> Result<(), Stop>) -> Result<(), Stop> {
    let mut lines = Lines { takes, waiting: vec![], number: 0, row: Budget::new("a row", ROW), weight: 0 };
    let read = match format {
        Format::Csv(texts) => csv::read(source, texts, &mut lines),
        Format::Json => json::read(source, &mut lines),
        Format::Workbook => workbook::read(source, &workbook::Wanted::Place(0), &mut lines),
    };
    if !matches!(read, Err(Stop::Unwanted)) {
        lines.flush()?;
    }
    read
}

/// Rows on their way.
struct Lines<'t> {
    takes: &'t mut dyn FnMut(Vec<Line>) -> Result<(), Stop>,
    waiting: Vec<Line>,
    number: i64,
    /// What the row that is read now may take.
    row: Budget,
    /// Of those that wait, in bytes.
    weight: usize,
}

impl Lines<'_> {
    /// A row is read; its cells were taken from the budget.
    fn push(&mut self, place: u64, names: &Arc<[String]>, cells: Vec<Cell>) -> Result<(), Stop> {
        self.number += 1;
        self.weight += self.row.taken() + size_of::<Line>();
        self.row.refill();
        self.waiting.push(Line { number: self.number, place, names: names.clone(), cells });
        if self.waiting.len() >= BATCH || self.weight > BATCH_BYTES { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), Stop> {
        let batch = std::mem::take(&mut self.waiting);
        self.weight = 0;
        if batch.is_empty() { Ok(()) } else { (self.takes)(batch) }
    }

    fn broken(&self, words: impl std::fmt::Display) -> Stop {
        Stop::Broken(format!("Row {}: {words}.", self.number + 1))
    }

    /// Room for a cell with so many bytes of text.
    fn room(&self, bytes: usize) -> Result<(), Stop> {
        self.row.take(bytes).map_err(|exceeded: Exceeded| self.broken(exceeded))
    }
}

/// What is wrong with a column's name, whatever columns there are.
fn misnamed(name: &str) -> Option<String> {
    let is_bad = name.len() > NAME || name.chars().any(char::is_control);
    is_bad.then(|| format!("a column's name is one line of at most {NAME} bytes"))
}

fn too_wide() -> Stop {
    Stop::Broken(format!("A table has at most {COLUMNS} columns."))
}

/// The columns' names, from the cells of the first row.
fn names(columns: Vec<String>) -> Result<Arc<[String]>, Stop> {
    if let Some(words) = columns.iter().find_map(|name| misnamed(name)) {
        return Err(Stop::Broken(format!("The first row: {words}.")));
    }
    let mut known = HashSet::new();
    match columns.iter().find(|name| !known.insert(name.as_str())) {
        Some(name) => Err(Stop::Broken(format!("The column `{}` stands twice in the first row.", crate::error::short(name)))),
        None if columns.len() > COLUMNS => Err(too_wide()),
        None => Ok(columns.into()),
    }
}
