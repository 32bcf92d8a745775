//! A file that is being written: CSV, JSON or a workbook, in an archive where there are several; kept in parts as it grows.

use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value as Json};
use zip::write::{SimpleFileOptions, StreamWriter};
use zip::{CompressionMethod, ZipWriter};

use super::sheet::{self, Sheet};
use super::{Path, is_table};
use crate::action::transfer::table::Format;
use crate::action::transfer::table::csv;
use crate::action::transfer::{PART, Transfer};
use crate::error::{Error, Result};
use crate::schema::Entity;
use crate::schema::kind::Kind;

/// Bytes that were written and aren't kept yet.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A file that is being written.
pub struct File<'t, 'a> {
    transfer: &'t Transfer<'a>,
    written: Written,
    archive: Option<ZipWriter<StreamWriter<Written>>>,
    /// Whether each entity is a file of the archive.
    is_several: bool,
    has_mark: bool,
    sheet: Sheet,
    /// Whether a row of the entity was written.
    has_rows: bool,
    number: i64,
}

impl<'t, 'a> File<'t, 'a> {
    /// Begins a file of entities.
    ///
    /// # Errors
    /// A defect.
    pub fn begin(transfer: &'t Transfer<'a>, entities: &[&Entity], has_mark: bool) -> Result<File<'t, 'a>> {
        let written = Written::default();
        let is_several = entities.len() > 1;
        let is_archive = is_several || transfer.format == Format::Workbook;
        let archive = is_archive.then(|| ZipWriter::new_stream(written.clone()));
        let mut file =
            File { transfer, written, archive, is_several, has_mark, sheet: Sheet::default(), has_rows: false, number: 0 };
        if transfer.format == Format::Workbook {
            for (name, text) in sheet::parts(entities) {
                file.part(name)?;
                file.put(text.as_bytes())?;
            }
        }
        Ok(file)
    }

    fn part(&mut self, name: String) -> Result<()> {
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
        match &mut self.archive {
            Some(archive) => archive.start_file(name, options).map_err(Error::internal),
            None => Ok(()),
        }
    }

    fn put(&mut self, bytes: &[u8]) -> Result<()> {
        match &mut self.archive {
            Some(archive) => archive.write_all(bytes).map_err(Error::internal),
            None => self.written.write_all(bytes).map_err(Error::internal),
        }
    }

    /// Begins an entity: the columns' names, where the file is a table.
    ///
    /// # Errors
    /// A defect.
    pub fn head(&mut self, entity: &Entity, columns: &[Path<'_>]) -> Result<()> {
        self.has_rows = false;
        let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        match self.transfer.format {
            Format::Csv(texts) => {
                self.part(format!("{}.csv", entity.name))?;
                if self.has_mark {
                    self.put("\u{feff}".as_bytes())?;
                }
                self.put(&csv::head(&names, texts)?)
            }
            Format::Json => self.part(format!("{}.json", entity.name)),
            Format::Workbook => {
                let (name, head) = self.sheet.begin(&names);
                self.part(name)?;
                self.put(&head)
            }
        }
    }

    /// Writes a row; what isn't told isn't in it.
    ///
    /// # Errors
    /// 422 where a sheet has no room for it.
    pub fn row(&mut self, columns: &[Path<'_>], mut row: Map<String, Json>) -> Result<()> {
        if is_table(self.transfer.format) {
            for column in columns.iter().filter(|column| column.is_list()) {
                row.get_mut(&column.name).into_iter().for_each(flatten);
            }
        }
        match self.transfer.format {
            Format::Csv(texts) => {
                for column in columns.iter().filter(|column| column.kind() == Some(&Kind::Json)) {
                    // A text in a column of json has its quotes: else it were another value.
                    if let Some(value) = row.get_mut(&column.name).filter(|value| value.is_string()) {
                        *value = value.to_string().into();
                    }
                }
                let record = csv::record(columns.iter().map(|column| row.get(&column.name)), texts)?;
                self.put(&record)
            }
            Format::Json => {
                let before: &[u8] = if std::mem::replace(&mut self.has_rows, true) { b",\n" } else { b"[" };
                self.put(before)?;
                self.put(Json::Object(row).to_string().as_bytes())
            }
            Format::Workbook => {
                let cells = columns.iter().map(|column| (column, row.get(&column.name)));
                let row = self.sheet.row(cells)?;
                self.put(&row)
            }
        }
    }

    /// Ends an entity.
    ///
    /// # Errors
    /// A defect.
    pub fn foot(&mut self) -> Result<()> {
        match self.transfer.format {
            Format::Csv(_) => Ok(()),
            Format::Json => self.put(if self.has_rows { b"]\n" } else { b"[]\n" }),
            Format::Workbook => self.put(sheet::FOOT),
        }
    }

    /// Keeps what was written, in whole parts.
    ///
    /// # Errors
    /// 503.
    pub async fn flush(&mut self) -> Result<()> {
        self.keep(false).await
    }

    async fn keep(&mut self, is_last: bool) -> Result<()> {
        loop {
            let part: Vec<u8> = {
                let mut written = self.written.0.lock().unwrap_or_else(PoisonError::into_inner);
                if written.is_empty() || written.len() < PART && !is_last {
                    return Ok(());
                }
                let size = written.len().min(PART);
                written.drain(..size).collect()
            };
            self.transfer.put(self.number, &part).await?;
            self.number += 1;
        }
    }

    /// Ends the file.
    ///
    /// # Errors
    /// 503.
    pub async fn end(mut self) -> Result<()> {
        debug_assert!(self.archive.is_some() || !self.is_several);
        if let Some(archive) = self.archive.take() {
            archive.finish().map_err(Error::internal)?;
        }
        self.keep(true).await
    }
}

/// A list in a cell: parted by commas where nobody could take one of its values for two.
fn flatten(value: &mut Json) {
    let Json::Array(items) = value else { return };
    let is_plain = |text: &str| !text.is_empty() && text.trim() == text && !text.contains([',', ';', '\n', '[', '"']);
    let texts: Option<Vec<&str>> = items.iter().map(|item| item.as_str().filter(|text| is_plain(text))).collect();
    *value = match texts {
        Some(texts) if texts.is_empty() => Json::Null,
        Some(texts) => texts.join(", ").into(),
        None => {
            let texts: Vec<Json> =
                items.iter().map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned).into()).collect();
            Json::Array(texts).to_string().into()
        }
    };
}
