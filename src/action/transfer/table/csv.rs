//! CSV: read field by field, so that a cell is bounded while it grows, and written so that a spreadsheet runs nothing of it.
//!
//! In charge of: the apostrophe before a text that would be taken for a formula, which reading takes away again.

use std::io::{BufRead as _, BufReader, Read};
use std::sync::Arc;

use csv_core::{ReadFieldResult, Reader};
use serde_json::Value as Json;

use super::{CELL, CHUNK, COLUMNS, Cell, Lines, NAME, Stop, names, too_wide};
use crate::error::{Error, Result as Answer};

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

/// Whether a text would be run, or reads as if an apostrophe had been put before it. Numbers and phone numbers aren't run.
fn is_marked(text: &str) -> bool {
    let bare = text.trim_start_matches(APOSTROPHE);
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
    written(names.iter().map(|name| texts.written(name.as_ref())))
}

/// A record of values: text as it is or harmless, nothing for null, and all else as JSON has it.
///
/// # Errors
/// A defect.
pub fn record<'j>(cells: impl Iterator<Item = Option<&'j Json>>, texts: Texts) -> Answer<Vec<u8>> {
    written(cells.map(|cell| match cell {
        None | Some(Json::Null) => String::new(),
        Some(Json::String(text)) => texts.written(text),
        Some(other) => other.to_string(),
    }))
}

fn written(cells: impl Iterator<Item = String>) -> Answer<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(vec![]);
    writer.write_record(cells).map_err(Error::internal)?;
    writer.into_inner().map_err(|error| Error::internal(error.to_string()))
}

/// Reads a file: the first row names the columns.
pub(super) fn read(source: impl Read, texts: Texts, lines: &mut Lines<'_>) -> Result<(), Stop> {
    let mut bytes = BufReader::with_capacity(CHUNK, source);
    let mut fields = Fields { reader: Reader::new(), field: vec![], chunk: vec![0; CHUNK], place: 1 };
    let mut columns: Option<Arc<[String]>> = None;
    let (mut cells, mut count) = (vec![], 0_usize);
    loop {
        let place = fields.place;
        let Some(is_last) = fields.next(&mut bytes, columns.is_some(), lines)? else { break };
        count += 1;
        match &columns {
            None if count > COLUMNS => return Err(too_wide()),
            // How many there are is told, so they are counted; but nobody keeps them.
            Some(names) if count > names.len() => {}
            _ => {
                lines.room(size_of::<Cell>() + fields.field.len())?;
                let text = String::from_utf8(std::mem::take(&mut fields.field));
                let unreadable = |place: &str| Stop::Broken(format!("{place}: it is no UTF-8."));
                let text = text.map_err(|_| match &columns {
                    None => unreadable("The first row, the columns' names"),
                    Some(_) => unreadable(&format!("Row {}", lines.number + 1)),
                })?;
                cells.push(texts.read(text));
            }
        }
        if !is_last {
            continue;
        }
        let row = std::mem::take(&mut cells);
        match &columns {
            None => {
                lines.row.refill();
                // Spreadsheets put a mark before the first name.
                let row = row.into_iter().map(|name| texts.read(name.trim_start_matches('\u{feff}').to_owned())).collect();
                columns = Some(names(row)?);
            }
            Some(names) if count != names.len() => {
                let words = format!("it has {count} cells, and the first row has {}", names.len());
                return Err(lines.broken(words));
            }
            Some(names) => lines.push(place, names, row.into_iter().map(Cell::of).collect())?,
        }
        count = 0;
    }
    Ok(())
}

/// What is read of the fields.
struct Fields {
    reader: Reader,
    /// The field that was read last.
    field: Vec<u8>,
    /// A piece of it.
    chunk: Vec<u8>,
    /// The record that it is of, from 1.
    place: u64,
}

impl Fields {
    /// Reads a field. Gives whether it is the last of its record; none at the end of the file.
    fn next(&mut self, bytes: &mut BufReader<impl Read>, is_named: bool, lines: &Lines<'_>) -> Result<Option<bool>, Stop> {
        self.field.clear();
        loop {
            let place = || if is_named { format!("Row {}", lines.number + 1) } else { "The first row".to_owned() };
            let unreadable = |error| Stop::read(&error, || Stop::Broken(format!("{}: it can't be read.", place())));
            let input = bytes.fill_buf().map_err(unreadable)?;
            let (result, read, written) = self.reader.read_field(input, &mut self.chunk);
            bytes.consume(read);
            let most = if is_named { CELL } else { 2 * NAME };
            if self.field.len() + written > most {
                return Err(match is_named {
                    true => lines.broken(format!("a cell has at most {CELL} bytes")),
                    false => Stop::Broken(format!("The first row: a column's name is one line of at most {NAME} bytes.")),
                });
            }
            self.field.extend_from_slice(&self.chunk[..written]);
            match result {
                ReadFieldResult::Field { record_end } => {
                    self.place += u64::from(record_end);
                    return Ok(Some(record_end));
                }
                ReadFieldResult::End => return Ok(None),
                ReadFieldResult::InputEmpty | ReadFieldResult::OutputFull => {}
            }
        }
    }
}
