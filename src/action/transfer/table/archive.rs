//! The zip that a workbook is: its directory, and its parts as streams.
//!
//! In charge of: never believing what the archive says of itself: its directory is bounded before it is read, and a part is as
//! long as it turns out to be. What is encrypted, or packed in another way than deflate, is no part of a workbook.

use std::collections::HashMap;
use std::io::{self, Read, Seek, SeekFrom};

use flate2::read::DeflateDecoder;

use crate::budget::Budget;

/// Most bytes of the directory.
const DIRECTORY: usize = 1 << 20;
/// Most bytes that all parts which are read unpack to.
const UNPACKED: u64 = 200 << 20;

/// How an archive and its parts begin, and the records of its directory.
const START: [u8; 4] = *b"PK\x03\x04";
const ENTRY: [u8; 4] = *b"PK\x01\x02";
const END: [u8; 4] = *b"PK\x05\x06";
const WIDE_END: [u8; 4] = *b"PK\x06\x06";
const WIDE_LOCATOR: [u8; 4] = *b"PK\x06\x07";
/// Bytes of those records, without what follows them.
const START_BYTES: usize = 30;
const ENTRY_BYTES: usize = 46;
const END_BYTES: usize = 22;
const WIDE_END_BYTES: usize = 56;
const WIDE_LOCATOR_BYTES: usize = 20;
/// Longest comment behind the directory.
const COMMENT: u64 = 65_535;
/// A number that stands elsewhere, for it has more than 32 bits.
const WIDE: u64 = u32::MAX as u64;
/// The extra field that has such numbers.
const WIDE_FIELD: u64 = 1;
const ENCRYPTED: u64 = 1;
const STORED: u64 = 0;
const DEFLATED: u64 = 8;

/// Where a part stands, and how.
struct Part {
    method: u64,
    packed: u64,
    header: u64,
}

/// An archive whose directory was read.
pub struct Archive<R> {
    source: R,
    parts: HashMap<String, Part>,
    /// Of what may be unpacked.
    left: u64,
}

fn broken() -> io::Error {
    io::ErrorKind::InvalidData.into()
}

/// A number of so many bytes, the lowest first.
fn number(bytes: &[u8], at: usize, count: usize) -> io::Result<u64> {
    let digits = bytes.get(at..at.saturating_add(count)).ok_or_else(broken)?;
    Ok(digits.iter().rev().fold(0, |number, digit| number << 8 | u64::from(*digit)))
}

fn starts(bytes: &[u8], at: usize, with: [u8; 4]) -> bool {
    bytes.get(at..).is_some_and(|rest| rest.starts_with(&with))
}

fn size(number: u64) -> io::Result<usize> {
    usize::try_from(number).map_err(|_| broken())
}

/// Reads so many bytes from there; they were taken from a budget, or are few.
fn read_at(source: &mut (impl Read + Seek), at: u64, count: usize) -> io::Result<Vec<u8>> {
    source.seek(SeekFrom::Start(at))?;
    let mut bytes = vec![0; count];
    source.read_exact(&mut bytes)?;
    Ok(bytes)
}

impl<R: Read + Seek> Archive<R> {
    /// Reads the directory.
    ///
    /// # Errors
    /// Where it is none, or too large, or the source fails.
    pub fn open(mut source: R) -> io::Result<Archive<R>> {
        if read_at(&mut source, 0, START.len())? != START {
            return Err(broken());
        }
        let (at, bytes) = directory(&mut source)?;
        let budget = Budget::new("a workbook's directory", DIRECTORY);
        let bytes = size(bytes)?;
        budget.take(bytes).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
        let directory = read_at(&mut source, at, bytes)?;
        let (mut parts, mut at) = (HashMap::new(), 0);
        while at < directory.len() {
            let entry = &directory[at..];
            if !starts(entry, 0, ENTRY) {
                return Err(broken());
            }
            let [name, extra, comment] = [28, 30, 32].map(|at| number(entry, at, 2).and_then(size));
            let (name, extra, comment) = (name?, extra?, comment?);
            let part = Part { method: number(entry, 10, 2)?, packed: number(entry, 20, 4)?, header: number(entry, 42, 4)? };
            let named = entry.get(ENTRY_BYTES..ENTRY_BYTES + name).ok_or_else(broken)?;
            let fields = entry.get(ENTRY_BYTES + name..ENTRY_BYTES + name + extra).ok_or_else(broken)?;
            let part = part.widened(fields, number(entry, 24, 4)?)?;
            if number(entry, 8, 2)? & ENCRYPTED == 0 {
                // Some write \ where / is meant. The name is counted: it stands in the directory.
                parts.insert(String::from_utf8_lossy(named).replace('\\', "/"), part);
            }
            at += ENTRY_BYTES + name + extra + comment;
        }
        Ok(Archive { source, parts, left: UNPACKED })
    }

    /// A part by its name, in whatever case, unpacked while it is read; none where there is none.
    ///
    /// # Errors
    /// Where it can't be read.
    pub fn part(&mut self, name: &str) -> io::Result<Option<Unpacked<'_, R>>> {
        let found = self
            .parts
            .get(name)
            .or_else(|| self.parts.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, part)| part));
        let Some(Part { method, packed, header }) = found else { return Ok(None) };
        let head = read_at(&mut self.source, *header, START_BYTES)?;
        if !starts(&head, 0, START) {
            return Err(broken());
        }
        let skipped = number(&head, 26, 2)? + number(&head, 28, 2)?;
        self.source.seek(SeekFrom::Current(i64::try_from(skipped).map_err(|_| broken())?))?;
        let bytes = (&mut self.source).take(*packed);
        let stream = match *method {
            STORED => Stream::Stored(bytes),
            DEFLATED => Stream::Deflated(DeflateDecoder::new(bytes)),
            _ => return Err(broken()),
        };
        Ok(Some(Unpacked { stream, left: &mut self.left }))
    }
}

impl Part {
    /// With the numbers that stand in an extra field.
    fn widened(mut self, fields: &[u8], unpacked: u64) -> io::Result<Part> {
        let mut at = 0;
        while at + 4 <= fields.len() {
            let (kind, length) = (number(fields, at, 2)?, size(number(fields, at + 2, 2)?)?);
            if kind == WIDE_FIELD {
                let mut wide = at + 4;
                if unpacked == WIDE {
                    wide += 8; // what it says it unpacks to is not believed
                }
                for value in [&mut self.packed, &mut self.header] {
                    if *value == WIDE {
                        *value = number(fields, wide, 8)?;
                        wide += 8;
                    }
                }
            }
            at += 4 + length;
        }
        Ok(self)
    }
}

/// Where the directory begins, and how many bytes it has.
fn directory(source: &mut (impl Read + Seek)) -> io::Result<(u64, u64)> {
    let length = source.seek(SeekFrom::End(0))?;
    let tail = length.min(COMMENT + END_BYTES as u64);
    let bytes = read_at(source, length - tail, size(tail)?)?;
    let is_end = |at: &usize| {
        let comment = number(&bytes, at + 20, 2).and_then(size).unwrap_or(usize::MAX);
        starts(&bytes, *at, END) && (at + END_BYTES).checked_add(comment) == Some(bytes.len())
    };
    let at = (0..bytes.len()).rev().find(is_end).ok_or_else(broken)?;
    let (count, start) = (number(&bytes, at + 12, 4)?, number(&bytes, at + 16, 4)?);
    if count != WIDE && start != WIDE {
        return Ok((start, count));
    }
    let locator = at.checked_sub(WIDE_LOCATOR_BYTES).filter(|at| starts(&bytes, *at, WIDE_LOCATOR)).ok_or_else(broken)?;
    let end = read_at(source, number(&bytes, locator + 8, 8)?, WIDE_END_BYTES)?;
    if !starts(&end, 0, WIDE_END) {
        return Err(broken());
    }
    Ok((number(&end, 48, 8)?, number(&end, 40, 8)?))
}

/// A part's bytes.
pub struct Unpacked<'a, R> {
    stream: Stream<'a, R>,
    left: &'a mut u64,
}

enum Stream<'a, R> {
    Stored(io::Take<&'a mut R>),
    Deflated(DeflateDecoder<io::Take<&'a mut R>>),
}

impl<R: Read> Read for Unpacked<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = match &mut self.stream {
            Stream::Stored(bytes) => bytes.read(into)?,
            Stream::Deflated(bytes) => bytes.read(into)?,
        };
        *self.left = self.left.checked_sub(read as u64).ok_or(io::ErrorKind::FileTooLarge)?;
        Ok(read)
    }
}
