//! Files of rows, read part by part: what they have in common.
//!
//! In charge of: bytes → rows of cells, so many at a time, in bounded memory whatever the file says of itself. [`csv`], [`json`]
//! and [`workbook`] know the formats, [`archive`] and [`xml`] what a workbook is made of; [`parts`] where the bytes are, and the thread.

mod archive;
pub mod csv;
mod encoding;
mod json;
pub mod parts;
pub mod serial;
mod workbook;
mod xml;

use std::cell::Cell as Counter;
use std::collections::HashSet;
use std::io::{self, Read, Seek};
use std::rc::Rc;
use std::sync::{Arc, OnceLock};

use encoding_rs::Encoding;
use serde_json::{Value as Json, json};

use super::BATCH;
use crate::budget::{Budget, Exceeded};
use csv::Texts;

/// Most columns of a table.
pub const COLUMNS: usize = 1000;
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

/// How a file is read, as far as somebody said so; the rest is found.
#[derive(Debug, Clone)]
pub struct Layout {
    /// How rows stand in it.
    pub format: Format,
    /// What parts the cells of CSV.
    pub delimiter: Option<u8>,
    /// How its text is encoded.
    pub encoding: Option<&'static Encoding>,
    /// Which sheet of a workbook: its name, or its number from 1.
    pub sheet: Option<String>,
    /// The names that columns may have: by them the sheet is found.
    pub columns: HashSet<String>,
}

impl Layout {
    /// A file of which nothing is said.
    pub fn of(format: Format) -> Layout {
        Layout { format, delimiter: None, encoding: None, sheet: None, columns: HashSet::new() }
    }
}

/// How a file was read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// What parts the cells of CSV.
    pub delimiter: Option<u8>,
    /// How its text is encoded.
    pub encoding: Option<&'static str>,
    /// Which sheet of a workbook, and those beside it.
    pub sheet: Option<String>,
    /// The sheets beside it.
    pub others: Vec<String>,
    /// The columns' names; of JSON each row has its own.
    pub names: Option<Arc<[String]>>,
}

impl Found {
    /// As a transfer's row tells it.
    pub fn told(&self) -> Json {
        let mut told = serde_json::Map::new();
        let delimiter = self.delimiter.map(|byte| char::from(byte).to_string());
        let texts = [("encoding", self.encoding.map(str::to_owned)), ("delimiter", delimiter), ("sheet", self.sheet.clone())];
        told.extend(texts.into_iter().filter_map(|(name, text)| Some((name.to_owned(), text?.into()))));
        if let Some(names) = &self.names {
            told.insert("columns".to_owned(), json!(names.as_ref()));
        }
        told.into()
    }
}

/// A cell, with its kind as far as the file tells one.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// Nothing.
    Empty,
    /// Text; in CSV everything is.
    Text(String),
    /// A number, in digits; and from when on its workbook counts days.
    Number(String, serial::Epoch),
    /// `2026-11-29`.
    Date(String),
    /// `13:45:00`.
    Time(String),
    /// `2026-11-29T13:45:00`, of whichever clock; with a zone where the file has one.
    Datetime(String),
    /// `36:00:00`; where a file says so, as ISO 8601 has it: `PT36H`.
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

    /// Whether nobody sees anything in it.
    fn is_blank(&self) -> bool {
        self.is_empty() || matches!(self, Cell::Text(text) if text.is_empty())
    }

    /// As JSON.
    pub fn value(&self) -> Json {
        match self {
            Cell::Json(value) => value.clone(),
            Cell::Empty => Json::Null,
            other => other.shown().into(),
        }
    }

    /// As somebody reads it.
    pub fn shown(&self) -> String {
        match self {
            Cell::Empty | Cell::Json(Json::Null) => String::new(),
            Cell::Text(text)
            | Cell::Number(text, _)
            | Cell::Date(text)
            | Cell::Time(text)
            | Cell::Datetime(text)
            | Cell::Duration(text)
            | Cell::Error(text)
            | Cell::Json(Json::String(text)) => text.clone(),
            Cell::Boolean(value) => value.to_string(),
            Cell::Json(value) => value.to_string(),
        }
    }
}

/// A row of a file.
#[derive(Debug)]
pub struct Line {
    /// Its number among the rows of data, from 1.
    pub number: i64,
    /// The row as a person counts it, from 1: the columns' names are a row, and empty ones are rows, too.
    pub place: u64,
    /// What is wrong with it as a whole: a code, and words.
    pub fault: Option<(&'static str, String)>,
    names: Arc<[String]>,
    /// By column; what is missing at the end is empty.
    cells: Vec<Cell>,
}

impl Line {
    /// The columns' names, with nothing under them.
    pub fn named(names: &Arc<[String]>) -> Line {
        Line { number: 0, place: 1, fault: None, names: names.clone(), cells: vec![] }
    }

    /// Whether it has a column.
    pub fn has(&self, name: &str) -> bool {
        self.names.iter().any(|known| known == name)
    }

    /// All columns that have a name, and their cells.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Cell)> {
        let cells = self.cells.iter().chain(std::iter::repeat(&Cell::Empty));
        self.names.iter().map(String::as_str).zip(cells).filter(|(name, _)| !name.is_empty())
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
pub fn rows<R: Read + Seek>(
    source: R,
    layout: &Layout,
    found: &OnceLock<Found>,
    takes: &mut dyn FnMut(Vec<Line>) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let mut lines = Lines { takes, found, waiting: vec![], number: 0, row: Budget::new("a row", ROW), weight: 0 };
    let read = match layout.format {
        Format::Csv(texts) => csv::read(source, layout, texts, &mut lines),
        Format::Json => json::read(source, layout, &mut lines),
        Format::Workbook => workbook::read(source, layout, &mut lines),
    };
    if !matches!(read, Err(Stop::Unwanted)) {
        lines.flush()?;
    }
    read
}

/// Rows on their way.
struct Lines<'t> {
    takes: &'t mut dyn FnMut(Vec<Line>) -> Result<(), Stop>,
    /// How the file is read: said before its first row.
    found: &'t OnceLock<Found>,
    waiting: Vec<Line>,
    number: i64,
    /// What the row that is read now may take.
    row: Budget,
    /// Of those that wait, in bytes.
    weight: usize,
}

impl Lines<'_> {
    /// A row is read; its cells were taken from the budget. One in which nothing stands is none.
    fn push(
        &mut self,
        place: u64,
        names: &Arc<[String]>,
        cells: Vec<Cell>,
        fault: Option<(&'static str, String)>,
    ) -> Result<(), Stop> {
        if fault.is_none() && !cells.is_empty() && cells.iter().all(Cell::is_blank) && !matches!(cells[0], Cell::Json(_)) {
            self.row.refill();
            return Ok(());
        }
        let nameless = cells.iter().zip(names.iter()).position(|(cell, name)| name.is_empty() && !cell.is_blank());
        let no_name =
            |at| ("no-name", format!("Column {} has no name in the first row, and something in this one.", letters(at)));
        self.number += 1;
        self.weight += self.row.taken() + size_of::<Line>();
        self.row.refill();
        let fault = fault.or_else(|| nameless.map(no_name));
        self.waiting.push(Line { number: self.number, place, fault, names: names.clone(), cells });
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

/// The columns' names, from the cells of the first row. Some may have none, as long as nothing stands in them.
fn names(columns: Vec<String>) -> Result<Arc<[String]>, Stop> {
    let columns: Vec<String> = columns.into_iter().map(|name| name.trim().to_owned()).collect();
    if let Some(words) = columns.iter().find_map(|name| misnamed(name)) {
        return Err(Stop::Broken(format!("The first row: {words}.")));
    }
    let mut known = HashSet::new();
    match columns.iter().find(|name| !name.is_empty() && !known.insert(name.as_str())) {
        Some(name) => Err(Stop::Broken(format!("The column `{}` stands twice in the first row.", crate::error::short(name)))),
        None if columns.len() > COLUMNS => Err(too_wide()),
        None => Ok(columns.into()),
    }
}

/// The letters of a column, from 0, as spreadsheets have them.
fn letters(column: usize) -> String {
    let (mut rest, mut letters) = (column + 1, vec![]);
    while rest > 0 {
        letters.insert(0, char::from(b'A' + u8::try_from((rest - 1) % 26).unwrap_or(0)));
        rest = (rest - 1) / 26;
    }
    letters.into_iter().collect()
}
