//! A file's bytes as they are kept, and the thread that reads them.

use std::io::{self, Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};

use tokio::runtime::Handle;
use tokio::sync::mpsc;
use uuid::Uuid;

use super::{AWAY, Found, Layout, Line, Stop};
use crate::action::transfer::PART;
use crate::cost::{self, Dear};
use crate::error::{Error, Fault};
use crate::statement::query::Internal;
use crate::statement::transfer;
use crate::store::Store;

/// A batch of rows; or what is wrong with the file (422), or that it can't be had now (503).
pub type Batch = Result<Vec<Line>, Error>;

/// A file's bytes, fetched part by part. Every part but the last has [`PART`] bytes.
struct Parts {
    store: Store,
    runtime: Handle,
    id: Uuid,
    /// The part that is at hand, by its number.
    part: Option<(u64, Vec<u8>)>,
    at: u64,
}

impl Parts {
    fn ask<T>(&self, statement: &Internal<T>) -> io::Result<T> {
        self.runtime.block_on(self.store.read(statement)).map_err(|_| io::Error::from(AWAY))
    }
}

impl Read for Parts {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let size = PART as u64;
        let (number, start) = (self.at / size, usize::try_from(self.at % size).unwrap_or(0));
        if self.part.as_ref().is_none_or(|(at, _)| *at != number) {
            self.part = None; // one at a time
            let wanted = i64::try_from(number).unwrap_or(i64::MAX);
            let Some(bytes) = self.ask(&transfer::part(self.id, wanted, false))? else { return Ok(0) };
            self.part = Some((number, bytes));
        }
        let bytes = self.part.as_ref().and_then(|(_, bytes)| bytes.get(start..)).unwrap_or_default();
        let count = bytes.len().min(into.len());
        into[..count].copy_from_slice(&bytes[..count]);
        self.at += count as u64;
        cost::count(Dear::FileByte, count as u64);
        Ok(count)
    }
}

impl Seek for Parts {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => {
                let length = self.ask(&transfer::length(self.id))?;
                u64::try_from(length).ok().and_then(|length| length.checked_add_signed(by))
            }
        };
        self.at = at.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

/// A file's rows, as they are read.
pub struct Rows {
    batches: mpsc::Receiver<Batch>,
    found: Arc<OnceLock<Found>>,
}

impl Rows {
    /// The next batch of them.
    pub async fn next(&mut self) -> Option<Batch> {
        self.batches.recv().await
    }

    /// How the file is read: known before its first row.
    pub fn found(&self) -> Option<&Found> {
        self.found.get()
    }
}

/// Reads a file on a thread of its own. Who drops the rows ends it.
pub fn read(store: &Store, id: Uuid, layout: &Layout) -> Rows {
    let (send, batches) = mpsc::channel(1);
    let parts = Parts { store: store.clone(), runtime: Handle::current(), id, part: None, at: 0 };
    let (found, layout) = (Arc::new(OnceLock::new()), layout.clone());
    let rows = Rows { batches, found: found.clone() };
    tokio::task::spawn_blocking(move || {
        let mut takes = |lines| send.blocking_send(Ok(lines)).map_err(|_| Stop::Unwanted);
        // A file that makes a library panic is broken, and not at its end.
        let read = catch_unwind(AssertUnwindSafe(|| super::rows(parts, &layout, &found, &mut takes)));
        let read = read.unwrap_or_else(|_| Err(Stop::Broken("It can't be read.".to_owned())));
        _ = match read {
            Err(Stop::Broken(words)) => send.blocking_send(Err(Error::Invalid(vec![Fault::new("bad-file", words)]))),
            Err(Stop::Away) => send.blocking_send(Err(Error::Unavailable(1))),
            Ok(()) | Err(Stop::Unwanted) => Ok(()),
        };
    });
    rows
}
