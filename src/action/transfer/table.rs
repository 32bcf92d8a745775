//! Files of rows: CSV, JSON (a list of objects, or an object a line) and XLSX (its first sheet), read part by part.
//!
//! In charge of: bytes → rows, on a thread of its own, so many at a time; and bounds on what a small file may unfold into.

use std::cell::Cell;
use std::collections::HashSet;
use std::fmt;
use std::io::{self, BufRead as _, BufReader, Cursor, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;

use calamine::{DataRef, Reader as _, Xlsx};
use serde::Deserialize as _;
use serde::de::value::MapAccessDeserializer;
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value as Json};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use uuid::Uuid;
use zip::ZipArchive;

use super::BATCH;
use crate::error::{Error, Fault};
use crate::request::body::Whole;
use crate::statement::transfer;
use crate::store::Store;

/// Most columns of a table.
const COLUMNS: usize = 1000;
/// Most bytes of a cell, or of a row in JSON.
const CELL: usize = 1 << 20;
/// How far JSON is read ahead, in bytes.
const AHEAD: usize = 8192;
/// Most bytes of a column's name.
const NAME: usize = 255;
/// Most bytes that rows that go together have, about.
const WEIGHT: usize = 8 << 20;
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

/// A batch of rows; or what is wrong with the file (422), or that it can't be had now (503).
pub type Batch = Result<Vec<Line>, Error>;

/// Of a reader's errors: the database was away. All others say that the file is broken.
const AWAY: io::ErrorKind = io::ErrorKind::NotConnected;

/// A file's bytes, fetched part by part.
struct Parts {
    store: Store,
    runtime: Handle,
    id: Uuid,
    number: i64,
    part: Cursor<Vec<u8>>,
}

impl Read for Parts {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.part.read(into)? {
                0 => {
                    let found = self.runtime.block_on(self.store.read(&transfer::part(self.id, self.number)));
                    let found = found.map_err(|_| io::Error::from(AWAY))?;
                    let Some(bytes) = found else { return Ok(0) };
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
        let mut lines = Lines { send: send.clone(), waiting: vec![], number: 0, weight: 0 };
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
        _ = match read {
            Err(Stop::Broken(words)) => send.blocking_send(Err(Error::Invalid(vec![Fault::new("bad-file", words)]))),
            Err(Stop::Away) => send.blocking_send(Err(Error::Unavailable(1))),
            _ => Ok(()),
        };
    });
    receive
}

/// Why reading ends early.
enum Stop {
    Broken(String),
    /// The file can't be had now.
    Away,
    /// Nobody listens any more.
    Unwanted,
}

struct Lines {
    send: mpsc::Sender<Batch>,
    waiting: Vec<Line>,
    number: i64,
    /// Of those that wait, in bytes.
    weight: usize,
}

impl Lines {
    fn push(&mut self, values: Map<String, Json>) -> Result<(), Stop> {
        if let Some(words) = values.keys().find_map(|name| misnamed(name)) {
            return Err(self.broken(words));
        }
        self.number += 1;
        self.weight += values.iter().map(|(name, value)| name.len() + weight(value)).sum::<usize>();
        self.waiting.push(Line { number: self.number, values });
        if self.waiting.len() >= BATCH || self.weight > WEIGHT { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<(), Stop> {
        let batch = std::mem::take(&mut self.waiting);
        self.weight = 0;
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

/// About how many bytes a value takes.
fn weight(value: &Json) -> usize {
    size_of::<Json>()
        + match value {
            Json::String(text) => text.len(),
            Json::Array(items) => items.iter().map(weight).sum(),
            Json::Object(map) => map.iter().map(|(name, value)| name.len() + weight(value)).sum(),
            _ => 0,
        }
}

/// What is wrong with a column's name, whatever columns there are.
fn misnamed(name: &str) -> Option<String> {
    let is_bad = name.len() > NAME || name.chars().any(char::is_control);
    is_bad.then(|| format!("a column's name is one line of at most {NAME} bytes"))
}

fn names(columns: Vec<String>) -> Result<Vec<String>, Stop> {
    if let Some(words) = columns.iter().find_map(|name| misnamed(name)) {
        return Err(Stop::Broken(format!("The first row: {words}.")));
    }
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
    let broken = |e: csv::Error, place: String| {
        Stop::Broken(match e.kind() {
            csv::ErrorKind::Io(e) if e.kind() == AWAY => return Stop::Away,
            csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
                format!("{place}: it has {len} cells, and the first row has {expected_len}.")
            }
            csv::ErrorKind::Utf8 { .. } => format!("{place}: it is no UTF-8."),
            _ => format!("{place}: it can't be read."),
        })
    };
    let columns = reader.headers().map_err(|e| broken(e, "The first row, the columns' names".to_owned()))?;
    // Spreadsheets put a mark before the first name.
    let columns = names(columns.iter().map(|name| name.trim_start_matches('\u{feff}').to_owned()).collect())?;
    let mut record = csv::StringRecord::new();
    while reader.read_record(&mut record).map_err(|e| broken(e, format!("Row {}", lines.number + 1)))? {
        if record.iter().any(|text| text.len() > CELL) {
            return Err(lines.broken(format!("a cell has at most {CELL} bytes")));
        }
        lines.push(columns.iter().cloned().zip(record.iter().map(cell)).collect())?;
    }
    Ok(())
}

/// Bytes up to a bound that whoever takes them sets anew.
struct Bounded<R> {
    inner: R,
    left: Rc<Cell<usize>>,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(into)?;
        self.left.set(self.left.get().checked_sub(read).ok_or(io::ErrorKind::FileTooLarge)?);
        Ok(read)
    }
}

/// A row, or a list of rows, each of which is handed on before the next is read.
struct Rows<'l> {
    lines: &'l mut Lines,
    left: &'l Cell<usize>,
    stop: &'l mut Option<Stop>,
}

impl Rows<'_> {
    fn push<E: serde::de::Error>(&mut self, values: Map<String, Json>) -> Result<(), E> {
        self.left.set(CELL + AHEAD);
        self.lines.push(values).map_err(|stop| {
            *self.stop = Some(stop);
            E::custom("nobody listens")
        })
    }
}

impl<'de> DeserializeSeed<'de> for Rows<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<(), D::Error> {
        value.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Rows<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, map: A) -> Result<(), A::Error> {
        match Whole::deserialize(MapAccessDeserializer::new(map))?.0 {
            Json::Object(values) => self.push(values),
            _ => Ok(()), // a map is an object
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut list: A) -> Result<(), A::Error> {
        while let Some(value) = list.next_element::<Whole>()? {
            let Json::Object(values) = value.0 else { return Err(A::Error::custom("an object is wanted")) };
            self.push(values)?;
        }
        Ok(())
    }
}

fn json(parts: Parts, lines: &mut Lines) -> Result<(), Stop> {
    let left = Rc::new(Cell::new(CELL + AHEAD));
    let mut reader = BufReader::with_capacity(AHEAD, Bounded { inner: parts, left: Rc::clone(&left) });
    if reader.fill_buf().map_err(|_| Stop::Away)?.starts_with("\u{feff}".as_bytes()) {
        reader.consume(3); // spreadsheets put a mark before everything
    }
    let mut values = serde_json::Deserializer::from_reader(reader);
    while values.end().is_err() {
        let mut stop = None;
        let read = Rows { lines, left: &left, stop: &mut stop }.deserialize(&mut values);
        read.map_err(|e| match (stop, e.io_error_kind(), e.classify()) {
            (Some(stop), ..) => stop,
            (_, Some(AWAY), _) => Stop::Away,
            (_, Some(_), _) => lines.broken(format!("a row has at most {CELL} bytes")),
            (.., serde_json::error::Category::Data) => {
                let words = e.to_string();
                let ours = words.split(" at line ").next().filter(|words| !words.starts_with("invalid type"));
                lines.broken(ours.unwrap_or("an object is wanted"))
            }
            _ => lines.broken("it is no JSON"),
        })?;
    }
    Ok(())
}

fn xlsx(mut parts: Parts, lines: &mut Lines) -> Result<(), Stop> {
    let broken = || Stop::Broken("It is no XLSX file that can be read.".to_owned());
    let mut bytes = vec![];
    parts.read_to_end(&mut bytes).map_err(|_| Stop::Away)?;
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
        row[column] =
            sheet_cell(found.get_value()).ok_or_else(|| Stop::Broken(format!("Row {line}: a cell has at most {CELL} bytes.")))?;
    }
    end(row, &mut columns)
}

/// How many bytes an archive unpacks to, as far as we would go; what it says of itself is not believed.
fn unfolded(bytes: &[u8]) -> Option<u64> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).ok()?;
    let mut size = 0;
    for at in 0..archive.len() {
        let mut part = archive.by_index(at).ok()?.take(UNFOLDED + 1 - size);
        size += io::copy(&mut part, &mut io::sink()).ok()?;
        if size > UNFOLDED {
            break;
        }
    }
    Some(size)
}

/// A cell's value; nothing where it is too long.
fn sheet_cell(value: &DataRef<'_>) -> Option<Json> {
    let cell = |text: &str| (text.len() <= CELL).then(|| cell(text));
    Some(match value {
        DataRef::String(text) => return cell(text),
        DataRef::SharedString(text) => return cell(text),
        DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => return cell(text),
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
    })
}
