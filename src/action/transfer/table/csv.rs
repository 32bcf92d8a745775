//! CSV: read field by field, so that a cell is bounded while it grows, and written so that a spreadsheet runs nothing of it.
//!
//! In charge of: the apostrophe before a text that would be taken for a formula, which reading takes away again.

use std::io::{BufRead as _, BufReader, Read};
use std::sync::Arc;

use csv_core::{ReadFieldResult, Reader};
use serde_json::Value as Json;

use super::{CELL, CHUNK, COLUMNS, Cell, Found, Layout, Lines, NAME, Stop, encoding, names, too_wide};
use crate::error::{Error, Result as Answer, short};

/// How a text stands in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Texts {
    /// What a spreadsheet would run has an apostrophe before it.
    Harmless,
    /// As it is.
    Verbatim,
}

/// With these a formula begins, for some spreadsheet.
const FORMULA: &[char] = &['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];
const APOSTROPHE: char = '\'';

impl Texts {
    /// Whether somebody wants them as they are.
    pub fn of(is_verbatim: bool) -> Texts {
        if is_verbatim { Texts::Verbatim } else { Texts::Harmless }
    }

    fn written(self, text: &str) -> String {
        if self == Texts::Harmless && is_marked(text) { format!("{APOSTROPHE}{text}") } else { text.to_owned() }
    }

    /// What [`Texts::written`] was given.
    fn read(self, mut text: String) -> String {
        if self == Texts::Harmless && text.strip_prefix(APOSTROPHE).is_some_and(is_marked) {
            text.remove(0);
        }
        text
    }
}

/// Whether a text would be run, or reads as if an apostrophe had been put before it. Numbers and phone numbers aren't run. A
/// text of no letters has one, too: an empty cell is nothing.
fn is_marked(text: &str) -> bool {
    let bare = text.trim_start_matches(APOSTROPHE);
    if bare.is_empty() {
        return true;
    }
    let is_number = |rest: &str| {
        rest.starts_with(|c: char| c.is_ascii_digit() || c == '(' || c == '.')
            && rest.chars().all(|c| c.is_ascii_digit() || " .,()/-".contains(c))
    };
    bare.starts_with(FORMULA) && (bare.len() < text.len() || !bare.strip_prefix(['+', '-']).is_some_and(is_number))
}

/// A record of texts: the columns' names.
///
/// # Errors
/// A defect.
pub fn head(names: &[impl AsRef<str>], texts: Texts) -> Answer<Vec<u8>> {
    head_with(b',', names, texts)
}

/// The same, parted by something.
///
/// # Errors
/// A defect.
pub fn head_with(delimiter: u8, names: &[impl AsRef<str>], texts: Texts) -> Answer<Vec<u8>> {
    written(delimiter, names.iter().map(|name| texts.written(name.as_ref())))
}

/// A record of values: text as it is or harmless, nothing for null, and all else as JSON has it.
///
/// # Errors
/// A defect.
pub fn record<'j>(cells: impl Iterator<Item = Option<&'j Json>>, texts: Texts) -> Answer<Vec<u8>> {
    record_with(b',', cells, texts)
}

/// The same, parted by something.
///
/// # Errors
/// A defect.
pub fn record_with<'j>(delimiter: u8, cells: impl Iterator<Item = Option<&'j Json>>, texts: Texts) -> Answer<Vec<u8>> {
    written(
        delimiter,
        cells.map(|cell| match cell {
            None | Some(Json::Null) => String::new(),
            Some(Json::String(text)) => texts.written(text),
            Some(other) => other.to_string(),
        }),
    )
}

fn written(delimiter: u8, cells: impl Iterator<Item = String>) -> Answer<Vec<u8>> {
    let mut writer = csv::WriterBuilder::new().delimiter(delimiter).from_writer(vec![]);
    writer.write_record(cells).map_err(Error::internal)?;
    writer.into_inner().map_err(|error| Error::internal(error.to_string()))
}

/// What may part cells, where nobody says so.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// What parts the cells of a file's first row: the one that stands there most often, outside of quotation marks.
fn delimiter(start: &[u8]) -> u8 {
    let (mut counts, mut is_quoted) = ([0_usize; 4], false);
    for byte in start.trim_ascii_start() {
        match byte {
            b'"' => is_quoted = !is_quoted,
            b'\n' | b'\r' if !is_quoted => break,
            _ if is_quoted => {}
            _ => counts.iter_mut().zip(DELIMITERS).filter(|(_, mark)| mark == byte).for_each(|(count, _)| *count += 1),
        }
    }
    let most = counts.into_iter().max().unwrap_or(0);
    counts.into_iter().zip(DELIMITERS).find(|(count, _)| *count == most).map_or(b',', |(_, mark)| mark)
}

/// Reads a file: the first row names the columns.
pub(super) fn read(source: impl Read, layout: &Layout, texts: Texts, lines: &mut Lines<'_>) -> Result<(), Stop> {
    let unreadable = |error| Stop::read(&error, || Stop::Broken("The first row: it can't be read.".to_owned()));
    let decoded = encoding::decoded(source, layout.encoding).map_err(unreadable)?;
    let mut found = Found { encoding: Some(decoded.name()), ..Found::default() };
    let mut bytes = BufReader::with_capacity(CHUNK, decoded);
    let mark = match layout.delimiter {
        Some(mark) => mark,
        None => delimiter(bytes.fill_buf().map_err(unreadable)?),
    };
    found.delimiter = Some(mark);
    let reader = csv_core::ReaderBuilder::new().delimiter(mark).build();
    let mut fields = Fields { reader, field: vec![], chunk: vec![0; CHUNK], marks: Marks::of(mark), encoding: found.encoding };
    let mut columns: Option<Arc<[String]>> = None;
    let (mut cells, mut count, mut fault, mut beyond) = (vec![], 0_usize, None, String::new());
    while let Some(is_last) = fields.next(&mut bytes, columns.is_some())? {
        count += 1;
        match &columns {
            None if count > COLUMNS => return Err(too_wide()),
            // How many there are is told, so they are counted; but nobody keeps them.
            Some(names) if count > names.len() => {
                if beyond.is_empty() {
                    beyond = String::from_utf8_lossy(&fields.field[..fields.field.len().min(NAME)]).into_owned();
                }
            }
            _ => {
                lines.room(size_of::<Cell>() + fields.field.len())?;
                match String::from_utf8(std::mem::take(&mut fields.field)) {
                    Ok(text) => cells.push(text),
                    Err(_) if columns.is_none() => {
                        return Err(Stop::Broken(format!("The first row, the columns' names: {NO_TEXT}")));
                    }
                    Err(_) => {
                        cells.push(String::new());
                        fault = Some(("encoding", format!("I{}", &NO_TEXT[1..])));
                    }
                }
            }
        }
        if !is_last {
            continue;
        }
        let row = std::mem::take(&mut cells);
        match &columns {
            None => {
                lines.row.refill();
                let named = names(row.into_iter().map(|name| texts.read(name)).collect())?;
                _ = lines.found.set(Found { names: Some(named.clone()), ..found.clone() });
                columns = Some(named);
            }
            Some(names) => {
                let wanted = names.iter().rposition(|name| !name.is_empty()).map_or(0, |last| last + 1);
                if count < wanted && row.iter().any(|cell| !cell.is_empty()) || !beyond.is_empty() {
                    let more =
                        if beyond.is_empty() { String::new() } else { format!(" The first beyond is `{}`.", short(&beyond)) };
                    let words = format!("The row has {count} cells, and the first row names {wanted} columns.{more}");
                    fault = fault.or(Some(("bad-row", words)));
                }
                let cells = row.into_iter().map(|text| if text.is_empty() { Cell::Empty } else { Cell::Text(texts.read(text)) });
                lines.push(fields.marks.row, names, cells.collect(), fault.take())?;
            }
        }
        (count, beyond) = (0, String::new());
    }
    _ = lines.found.set(found);
    Ok(())
}

const NO_TEXT: &str = "it is neither UTF-8 nor UTF-16: say which `encoding` it is, such as windows-1252.";

/// What is read of the fields.
struct Fields {
    reader: Reader,
    /// The field that was read last.
    field: Vec<u8>,
    /// A piece of it.
    chunk: Vec<u8>,
    marks: Marks,
    encoding: Option<&'static str>,
}

impl Fields {
    /// Reads a field. Gives whether it is the last of its record; none at the end of the file.
    fn next(&mut self, bytes: &mut BufReader<impl Read>, is_named: bool) -> Result<Option<bool>, Stop> {
        self.field.clear();
        loop {
            let begun = self.marks.row;
            let place = move || if is_named { format!("Row {begun}") } else { "The first row".to_owned() };
            let encoding = self.encoding.unwrap_or_default();
            let unreadable = |error| Stop::read(&error, || Stop::Broken(format!("{}: it can't be read as {encoding}.", place())));
            let input = bytes.fill_buf().map_err(unreadable)?;
            let is_over = input.is_empty();
            let (result, read, written) = self.reader.read_field(input, &mut self.chunk);
            let wrong = self.marks.pass(&input[..read], is_over);
            bytes.consume(read);
            if let Some(words) = wrong {
                return Err(Stop::Broken(format!("Row {}: {words}.", self.marks.row)));
            }
            let most = if is_named { CELL } else { 2 * NAME };
            if self.field.len() + written > most {
                return Err(match is_named {
                    true => Stop::Broken(format!("{}: a cell has at most {CELL} bytes.", place())),
                    false => Stop::Broken(format!("The first row: a column's name is one line of at most {NAME} bytes.")),
                });
            }
            self.field.extend_from_slice(&self.chunk[..written]);
            match result {
                ReadFieldResult::Field { record_end } => return Ok(Some(record_end)),
                ReadFieldResult::End => return Ok(None),
                ReadFieldResult::InputEmpty | ReadFieldResult::OutputFull => {}
            }
        }
    }
}

/// Goes along the bytes that the reader reads: which row they are of, as a person counts them, and what a reader that takes
/// everything wouldn't say of quotation marks.
struct Marks {
    delimiter: u8,
    state: State,
    /// Rows that ended.
    ended: u64,
    /// The row that the field is of, from 1.
    row: u64,
    is_after_return: bool,
}

/// Where a byte stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// At the beginning of a row.
    Row,
    /// At the beginning of a field.
    Field,
    Plain,
    Quoted,
    /// After a quotation mark in a field that began with one.
    Closed,
}

impl Marks {
    fn of(delimiter: u8) -> Marks {
        Marks { delimiter, state: State::Row, ended: 0, row: 1, is_after_return: false }
    }

    /// Passes bytes; at the end of the file none. Gives what is wrong with them.
    fn pass(&mut self, bytes: &[u8], is_over: bool) -> Option<&'static str> {
        for byte in bytes {
            let is_rest = *byte == b'\n' && std::mem::take(&mut self.is_after_return);
            if self.state == State::Quoted {
                self.state = if *byte == b'"' { State::Closed } else { State::Quoted };
                continue;
            }
            match byte {
                b'\n' if is_rest => continue, // of one end of a row
                b'\n' | b'\r' => {
                    (self.ended, self.state) = (self.ended + 1, State::Row);
                    self.is_after_return = *byte == b'\r';
                    continue;
                }
                _ => self.is_after_return = false,
            }
            if self.state == State::Row {
                self.row = self.ended + 1;
            }
            self.state = match (self.state, byte) {
                (_, byte) if *byte == self.delimiter => State::Field,
                (State::Row | State::Field, b'"') => State::Quoted,
                (State::Closed, b'"') => State::Quoted, // two of them are one
                (State::Closed, _) => return Some("after a quotation mark that closes a cell something else stands"),
                (State::Row | State::Field | State::Plain | State::Quoted, _) => State::Plain,
            };
        }
        (is_over && self.state == State::Quoted).then_some("a quotation mark is never closed")
    }
}
