//! CSV, field by field: a cell is bounded while it grows.

use std::io::{BufRead as _, BufReader, Read};
use std::sync::Arc;

use csv_core::{ReadFieldResult, Reader};

use super::{CELL, CHUNK, COLUMNS, Cell, Lines, NAME, Stop, names, too_wide};

/// Reads a file: the first row names the columns.
pub fn read(source: impl Read, lines: &mut Lines<'_>) -> Result<(), Stop> {
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
                cells.push(text);
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
                let row = row.into_iter().map(|name| name.trim_start_matches('\u{feff}').to_owned()).collect();
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
