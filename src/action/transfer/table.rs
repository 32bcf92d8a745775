//! Files of rows: CSV, JSON (a list of objects, or an object a line) and XLSX (its first sheet), read part by part.
//!
//! In charge of: bytes → rows, on a thread of its own, so many at a time; and bounds on what a small file may unfold into.

use std::collections::HashSet;
use std::io::{Cursor, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};

use calamine::{DataRef, Reader as _, Xlsx};
use serde_json::{Map, Value as Json};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use uuid::Uuid;
use zip::ZipArchive;

use super::BATCH;
use crate::statement::transfer;
use crate::store::Store;

/// Most columns of a table.
const COLUMNS: usize = 1000;
/// Most bytes of a cell, or of a row in JSON.
const CELL: usize = 1 << 20;
/// Most bytes that a workbook unpacks to: its texts stand in memory.
const UNFOLDED: u64 = 200 << 20;

/// A row of a file: its number, the first is 1, and its values. Of CSV and XLSX they are text; nothing is null.
#[derive(Debug)]
pub struct Line {
    /// From 1.
    pub number: i64,
    /// By column.
    pub values: Map<String, Json>,
}

/// A batch of rows, or what is wrong with the file.
pub type Batch = Result<Vec<Line>, String>;

/// A file's bytes, fetched part by part.
struct Parts {
    store: Store,
    runtime: Handle,
    id: Uuid,
    number: i64,
    part: Cursor<Vec<u8>>,
}

impl Read for Parts {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        loop {
            match self.part.read(into)? {
                0 => {
                    let found = self.runtime.block_on(self.store.read(&transfer::part(self.id, self.number)));
                    let found = found.map_err(|_| std::io::Error::other("the database is away"))?;
                    let Some(bytes) = found.first().and_then(|row| row.raw(0)) else { return Ok(0) };
                    (self.part, self.number) = (Cursor::new(bytes.to_vec()), self.number + 1);
                }
                read => return Ok(read),
            }
        }
    }
}

/// Reads a file on a thread of its own. Who drops the receiver ends it.
pub fn read(store: &Store, id: Uuid, format: &str) -> mpsc::Receiver<Batch> {
    let (send, receive) = mpsc::channel(2);
    let parts = Parts { store: store.clone(), runtime: Handle::current(), id, number: 0, part: Cursor::new(vec![]) };
    let format = format.to_owned();
    tokio::task::spawn_blocking(move || {
        let mut lines = Lines { send: send.clone(), waiting: vec![], number: 0 };
        // A file that makes a library panic is broken, and not at its end.
        let read = catch_unwind(AssertUnwindSafe(|| match format.as_str() {
            "csv" => csv(parts, &mut lines),
            "json" => json(parts, &mut lines),
            _ => xlsx(parts, &mut lines),
        }));
        let read = read.unwrap_or_else(|_| Err(lines.broken("it can't be read")));
        if !matches!(read, Err(Stop::Unwanted)) {
            _ = lines.flush();
        }
        if let Err(Stop::Broken(words)) = read {
            _ = send.blocking_send(Err(words));
        }
    });
    receive
}

/// Why reading ends early.
enum Stop {
    Broken(String),
    /// Nobody listens any more.
    Unwanted,
}

struct Lines {
    send: mpsc::Sender<Batch>,
    waiting: Vec<Line>,
    number: i64,
}

impl Lines {
    fn push(&mut self, values: Map<String, Json>) -> Result<(), Stop> {
        self.number += 1;
        self.waiting.push(Line { number: self.number, values });
        if self.waiting.len() >= BATCH { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), Stop> {
        let batch = std::mem::take(&mut self.waiting);
        if batch.is_empty() {
            return Ok(());
        }
        self.send.blocking_send(Ok(batch)).map_err(|_| Stop::Unwanted)
    }

    fn broken(&self, words: impl std::fmt::Display) -> Stop {
        Stop::Broken(format!("Row {}: {words}.", self.number + 1))
    }
}

/// An empty cell is nothing.
fn cell(text: &str) -> Json {
    if text.is_empty() { Json::Null } else { text.into() }
}

fn names(columns: Vec<String>) -> Result<Vec<String>, Stop> {
    let mut known = HashSet::new();
    let twice = columns.iter().take(COLUMNS).find(|name| !known.insert(name.as_str()));
    match twice {
        Some(name) => Err(Stop::Broken(format!("The column `{}` stands twice in the first row.", crate::error::short(name)))),
        None if columns.len() > COLUMNS => Err(Stop::Broken(format!("A table has at most {COLUMNS} columns."))),
        None => Ok(columns),
    }
}

fn csv(parts: Parts, lines: &mut Lines) -> Result<(), Stop> {
    let mut reader = csv::ReaderBuilder::new().flexible(false).from_reader(parts);
    let broken = |e: csv::Error| match e.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            format!("it has {len} cells, and the first row has {expected_len}")
        }
        csv::ErrorKind::Utf8 { .. } => "it is no UTF-8".to_owned(),
        _ => "it can't be read".to_owned(),
    };
    let columns = reader.headers().map_err(|e| Stop::Broken(format!("The first row, the columns' names: {}.", broken(e))))?;
    // Spreadsheets put a mark before the first name.
    let columns = names(columns.iter().map(|name| name.trim_start_matches('\u{feff}').to_owned()).collect())?;
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).map_err(|e| lines.broken(broken(e)))? {
        if record.iter().any(|text| text.len() > CELL) {
            return Err(lines.broken(format!("a cell has at most {CELL} bytes")));
        }
        lines.push(columns.iter().cloned().zip(record.iter().map(cell)).collect())?;
    }
    Ok(())
}

fn json(parts: Parts, lines: &mut Lines) -> Result<(), Stop> {
    let values = serde_json::Deserializer::from_reader(std::io::BufReader::new(parts)).into_iter::<Json>();
    for value in values {
        let value = value.map_err(|_| lines.broken("it is no JSON"))?;
        let items = if let Json::Array(items) = value { items } else { vec![value] };
        for item in items {
            match item {
                Json::Object(values) => lines.push(values)?,
                _ => return Err(lines.broken("an object is wanted")),
            }
        }
    }
    Ok(())
}

fn xlsx(mut parts: Parts, lines: &mut Lines) -> Result<(), Stop> {
    let broken = || Stop::Broken("It is no XLSX file that can be read.".to_owned());
    let mut bytes = vec![];
    parts.read_to_end(&mut bytes).map_err(|_| broken())?;
    if unfolded(&bytes).is_none_or(|size| size > UNFOLDED) {
        return Err(Stop::Broken(format!("It is no XLSX file of at most {UNFOLDED} bytes when it is unpacked.")));
    }
    let mut book: Xlsx<_> = Xlsx::new(Cursor::new(bytes)).map_err(|_| broken())?;
    let sheet = book.sheet_names().first().cloned().ok_or_else(broken)?;
    let mut cells = book.worksheet_cells_reader(&sheet).map_err(|_| broken())?;
    let (mut columns, mut at, mut row): (Option<Vec<String>>, Option<u32>, Vec<Json>) = (None, None, vec![]);
    let mut end = |row: Vec<Json>, columns: &mut Option<Vec<String>>| match columns {
        None => {
            let named = row.iter().map(|name| name.as_str().unwrap_or_default().to_owned()).collect();
            *columns = Some(names(named)?);
            Ok(())
        }
        Some(columns) if row.iter().any(|value| !value.is_null()) => {
            lines.push(columns.iter().cloned().zip(row.into_iter().chain(std::iter::repeat(Json::Null))).collect())
        }
        Some(_) => Ok(()), // an empty row of a sheet is none
    };
    while let Some(found) = cells.next_cell().map_err(|_| broken())? {
        let (line, column) = found.get_position();
        if at.is_some_and(|at| at != line) {
            end(std::mem::take(&mut row), &mut columns)?;
        }
        at = Some(line);
        let column = usize::try_from(column).unwrap_or(COLUMNS);
        if column >= COLUMNS {
            return Err(Stop::Broken(format!("A table has at most {COLUMNS} columns.")));
        }
        row.resize(row.len().max(column + 1), Json::Null);
        row[column] = sheet_cell(found.get_value());
    }
    end(row, &mut columns)
}

/// How many bytes an archive unpacks to, as far as we would go; what it says of itself is not believed.
fn unfolded(bytes: &[u8]) -> Option<u64> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).ok()?;
    let mut size = 0;
    for at in 0..archive.len() {
        let mut part = archive.by_index(at).ok()?.take(UNFOLDED + 1 - size);
        size += std::io::copy(&mut part, &mut std::io::sink()).ok()?;
        if size > UNFOLDED {
            break;
        }
    }
    Some(size)
}

fn sheet_cell(value: &DataRef<'_>) -> Json {
    match value {
        DataRef::String(text) => cell(text),
        DataRef::SharedString(text) => cell(text),
        DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => cell(text),
        DataRef::Bool(value) => value.to_string().into(),
        DataRef::Int(number) => number.to_string().into(),
        DataRef::Float(number) => number.to_string().into(),
        DataRef::DateTime(time) => {
            let (year, month, day, hour, minute, second, _) = time.to_ymd_hms_milli();
            match (hour, minute, second) {
                (0, 0, 0) => format!("{year:04}-{month:02}-{day:02}").into(),
                _ => format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z").into(),
            }
        }
        DataRef::Error(_) | DataRef::Empty => Json::Null,
    }
}
