//! XLSX workbooks, as streams: the sheet that is wanted, its shared texts, and the formats that show numbers as days.
//!
//! In charge of: cells with their kinds and places. Nothing is unfolded before it was taken from a budget: a token of XML, a
//! row with what its cells refer to, the shared texts, the formats.

use std::io::{Read, Seek};
use std::sync::Arc;

use quick_xml::events::BytesStart;

use super::archive::Archive;
use super::serial::{self, Epoch, Shown};
use super::xml::{Reading, Token, Xml, attribute, broken, is, unescaped, unreadable};
use super::{CELL, COLUMNS, Cell, Lines, Stop, names, too_wide};
use crate::budget::{Budget, Exceeded};

/// Most bytes of all shared texts.
const TEXTS: usize = 12 << 20;
/// Most bytes of what the parts tell of each other: names of sheets, formats, relationships.
const TOLD: usize = 1 << 20;
/// Where the workbook is in the archive, unless the archive says otherwise.
const WORKBOOK: &str = "xl/workbook.xml";

/// Which sheet.
#[derive(Debug, Clone, Copy)]
pub enum Wanted<'a> {
    /// From 0.
    Place(usize),
    /// By its name, in whatever case.
    #[allow(dead_code, reason = "the choice is an import's to make")]
    Name(&'a str),
}

fn too_much(exceeded: Exceeded) -> Stop {
    Stop::Broken(format!("This workbook can't be read: {exceeded}."))
}

/// What a workbook says of itself before its sheets.
#[derive(Default)]
struct Book {
    sheet: String,
    texts: Option<String>,
    styles: Option<String>,
    epoch: Epoch,
}

/// Reads the sheet that is wanted: its first row names the columns.
pub fn read<R: Read + Seek>(source: R, wanted: &Wanted<'_>, lines: &mut Lines<'_>) -> Result<(), Stop> {
    let mut archive = Archive::open(source).map_err(|error| unreadable(&error))?;
    let book = book(&mut archive, wanted)?;
    let shown = match &book.styles {
        Some(path) => styles(&mut archive, path)?,
        None => vec![],
    };
    let texts = match &book.texts {
        Some(path) => texts(&mut archive, path)?,
        None => Texts::default(),
    };
    let part = archive.part(&book.sheet).map_err(|error| unreadable(&error))?.ok_or_else(broken)?;
    Sheet { xml: Xml::new(part), texts, shown, epoch: book.epoch, row: 0 }.read(lines)
}

/// Where one part says that others are: their ids, kinds and paths.
fn relationships<R: Read + Seek>(archive: &mut Archive<R>, of: &str) -> Result<Vec<[String; 3]>, Stop> {
    let (folder, file) = of.rsplit_once('/').unwrap_or(("", of));
    let path = if folder.is_empty() { format!("_rels/{file}.rels") } else { format!("{folder}/_rels/{file}.rels") };
    let told = Budget::new("what its parts tell of each other", TOLD);
    let Some(part) = archive.part(&path).map_err(|error| unreadable(&error))? else { return Ok(vec![]) };
    let (mut xml, mut found) = (Xml::new(part), vec![]);
    loop {
        match xml.next()? {
            Token::Open(tag, _) if is(&tag, "Relationship") => {
                let [id, kind, target] = ["Id", "Type", "Target"].map(|name| attribute(&tag, name));
                let (id, kind, target) = (id?.unwrap_or_default(), kind?.unwrap_or_default(), target?.unwrap_or_default());
                told.take(3 * size_of::<String>() + id.len() + kind.len() + target.len() + folder.len()).map_err(too_much)?;
                found.push([id, kind.rsplit('/').next().unwrap_or_default().to_owned(), resolved(folder, &target)]);
            }
            Token::End => return Ok(found),
            _ => {}
        }
    }
}

/// A path as it is meant within a folder of the archive.
fn resolved(folder: &str, target: &str) -> String {
    let mut steps: Vec<&str> =
        if target.starts_with('/') { vec![] } else { folder.split('/').filter(|s| !s.is_empty()).collect() };
    for step in target.split('/') {
        match step {
            "" | "." => {}
            ".." => _ = steps.pop(),
            step => steps.push(step),
        }
    }
    steps.join("/")
}

fn book<R: Read + Seek>(archive: &mut Archive<R>, wanted: &Wanted<'_>) -> Result<Book, Stop> {
    let start = relationships(archive, "")?.into_iter().find(|[_, kind, _]| kind == "officeDocument");
    let path = start.map_or_else(|| WORKBOOK.to_owned(), |[.., path]| path);
    let parts = relationships(archive, &path)?;
    let of_kind = |wanted: &str| parts.iter().find(|[_, kind, _]| kind == wanted).map(|[.., path]| path.clone());
    let mut book = Book { texts: of_kind("sharedStrings"), styles: of_kind("styles"), ..Book::default() };
    let part = archive.part(&path).map_err(|error| unreadable(&error))?.ok_or_else(broken)?;
    let (mut xml, mut place, mut sheet) = (Xml::new(part), 0, None);
    loop {
        match xml.next()? {
            Token::Open(tag, _) if is(&tag, "workbookPr") => {
                // (Extensions have elements of that name, too, which say nothing of it.)
                let says = attribute(&tag, "date1904")?;
                book.epoch = if says.is_some_and(|says| says == "1" || says == "true") { Epoch::Of1904 } else { book.epoch };
            }
            Token::Open(tag, _) if is(&tag, "sheet") => {
                let is_wanted = match wanted {
                    Wanted::Place(wanted) => place == *wanted,
                    Wanted::Name(wanted) => {
                        attribute(&tag, "name")?.is_some_and(|name| name.to_lowercase() == wanted.to_lowercase())
                    }
                };
                // (Its `id` in the namespace of relationships; `sheetId` is another name.)
                if is_wanted && sheet.is_none() {
                    sheet = attribute(&tag, "id")?;
                }
                place += 1;
            }
            Token::End => break,
            _ => {}
        }
    }
    let sheet = sheet.ok_or_else(broken)?;
    book.sheet = parts.iter().find(|[id, ..]| *id == sheet).map(|[.., path]| path.clone()).ok_or_else(broken)?;
    Ok(book)
}

/// What each style shows a number as, by its place.
fn styles<R: Read + Seek>(archive: &mut Archive<R>, path: &str) -> Result<Vec<Shown>, Stop> {
    let told = Budget::new("what its styles tell", TOLD);
    let Some(part) = archive.part(path).map_err(|error| unreadable(&error))? else { return Ok(vec![]) };
    let (mut xml, mut own, mut shown, mut is_cells) = (Xml::new(part), std::collections::HashMap::new(), vec![], false);
    let number =
        |tag: &BytesStart<'_>| Ok::<_, Stop>(attribute(tag, "numFmtId")?.and_then(|id| id.parse::<u32>().ok()).unwrap_or(0));
    loop {
        match xml.next()? {
            Token::Open(tag, _) if is(&tag, "numFmt") => {
                told.take(size_of::<(u32, Shown)>() * 2).map_err(too_much)?;
                own.insert(number(&tag)?, Shown::of_code(&attribute(&tag, "formatCode")?.unwrap_or_default()));
            }
            Token::Open(tag, is_empty) if is(&tag, "cellXfs") => is_cells = !is_empty,
            Token::Open(tag, _) if is_cells && is(&tag, "xf") => {
                told.take(size_of::<Shown>()).map_err(too_much)?;
                let format = number(&tag)?;
                shown.push(own.get(&format).copied().unwrap_or_else(|| Shown::built_in(format)));
            }
            Token::Close(name) if name == "cellXfs" => is_cells = false,
            Token::End => return Ok(shown),
            _ => {}
        }
    }
}

/// The shared texts, in pages: one that grows as a whole would be there twice while it grows.
#[derive(Default)]
struct Texts {
    pages: Vec<String>,
    /// Of each its page, and where it begins and ends there.
    places: Vec<[u32; 3]>,
}

/// Bytes of a page; a longer text has one of its own.
const PAGE: usize = 1 << 20;

impl Texts {
    fn get(&self, at: usize) -> Option<&str> {
        let [page, start, end] = self.places.get(at)?.map(|number| usize::try_from(number).unwrap_or(usize::MAX));
        self.pages.get(page)?.get(start..end)
    }

    fn push(&mut self, text: &str, budget: &Budget) -> Result<(), Exceeded> {
        budget.take(text.len() + 2 * size_of::<[u32; 3]>())?; // a list that grows has room for as many again
        if self.pages.last().is_none_or(|page| page.capacity() - page.len() < text.len()) {
            self.pages.push(String::with_capacity(text.len().max(PAGE)));
        }
        let number = |at: usize| u32::try_from(at).unwrap_or(u32::MAX); // the budget is less than four billion
        let at = number(self.pages.len() - 1);
        if let Some(page) = self.pages.last_mut() {
            let start = page.len();
            page.push_str(text);
            self.places.push([at, number(start), number(page.len())]);
        }
        Ok(())
    }
}

fn texts<R: Read + Seek>(archive: &mut Archive<R>, path: &str) -> Result<Texts, Stop> {
    let budget = Budget::new("the shared text of a workbook", TEXTS);
    let mut texts = Texts::default();
    let Some(part) = archive.part(path).map_err(|error| unreadable(&error))? else { return Ok(texts) };
    let (mut xml, mut reading, mut text) = (Xml::new(part), Reading::default(), String::new());
    loop {
        match xml.next()? {
            Token::Open(tag, is_empty) => {
                reading.open(&tag, is_empty);
                if is_empty && is(&tag, "si") {
                    texts.push("", &budget).map_err(too_much)?;
                }
            }
            Token::Close(name) => {
                reading.close(&name);
                if name == "si" {
                    texts.push(&text, &budget).map_err(too_much)?;
                    text.clear();
                }
            }
            Token::Text(piece) if reading.is_text() => {
                if text.len() + piece.len() > CELL {
                    return Err(Stop::Broken(format!("A shared text of this workbook has more than {CELL} bytes.")));
                }
                text.push_str(&piece);
            }
            Token::Text(_) | Token::Other => {}
            Token::End => return Ok(texts),
        }
    }
}

/// A sheet that is being read.
struct Sheet<R> {
    xml: Xml<R>,
    texts: Texts,
    shown: Vec<Shown>,
    epoch: Epoch,
    /// The row that was begun last, from 1.
    row: u64,
}

/// A cell that is being read.
#[derive(Default)]
struct Open {
    column: usize,
    kind: String,
    style: usize,
    text: String,
    in_value: bool,
    reading: Reading,
}

impl<R: Read> Sheet<R> {
    fn read(mut self, lines: &mut Lines<'_>) -> Result<(), Stop> {
        let mut columns: Option<Arc<[String]>> = None;
        let (mut row, mut open, mut in_rows): (Vec<Cell>, Option<Open>, bool) = (vec![], None, false);
        let mut column = 0;
        loop {
            match self.xml.next()? {
                Token::Open(tag, is_empty) => match (tag.local_name().as_ref(), &mut open) {
                    ("sheetData", _) => in_rows = !is_empty,
                    ("row", None) if in_rows => {
                        let told = attribute(&tag, "r")?.and_then(|row| row.parse::<u64>().ok());
                        self.row = told.unwrap_or(self.row.saturating_add(1));
                        column = 0;
                    }
                    ("c", None) if in_rows => {
                        let place = attribute(&tag, "r")?;
                        let cell = Open {
                            column: place.as_deref().and_then(column_of).unwrap_or(column),
                            kind: attribute(&tag, "t")?.unwrap_or_default(),
                            style: attribute(&tag, "s")?.and_then(|style| style.parse().ok()).unwrap_or(usize::MAX),
                            ..Open::default()
                        };
                        column = cell.column.saturating_add(1);
                        open = (!is_empty).then_some(cell);
                    }
                    ("v", Some(cell)) => cell.in_value = !is_empty,
                    (_, Some(cell)) => cell.reading.open(&tag, is_empty),
                    _ => {}
                },
                Token::Text(text) => {
                    let wanted = open.as_mut().filter(|cell| cell.in_value || cell.kind == "inlineStr" && cell.reading.is_text());
                    if let Some(cell) = wanted {
                        self.fits(cell.text.len() + text.len())?;
                        lines.room(text.len())?;
                        cell.text.push_str(&text);
                    }
                }
                Token::Close(name) => match name.as_str() {
                    "v" => open.iter_mut().for_each(|cell| cell.in_value = false),
                    "c" => {
                        if let Some(cell) = open.take() {
                            self.put(cell, &mut row, lines)?;
                        }
                    }
                    "row" if in_rows => self.end(std::mem::take(&mut row), &mut columns, lines)?,
                    "sheetData" => in_rows = false,
                    other => open.iter_mut().for_each(|cell| cell.reading.close(other)),
                },
                Token::Other => {}
                Token::End => return Ok(()),
            }
        }
    }

    fn fits(&self, bytes: usize) -> Result<(), Stop> {
        let row = self.row;
        if bytes <= CELL { Ok(()) } else { Err(Stop::Broken(format!("Row {row}: a cell has at most {CELL} bytes."))) }
    }

    /// A cell is whole: it is put where it belongs, what it refers to with it.
    fn put(&self, open: Open, row: &mut Vec<Cell>, lines: &Lines<'_>) -> Result<(), Stop> {
        let Open { column, kind, style, text, .. } = open;
        let cell = match kind.as_str() {
            "s" | "b" if text.trim().is_empty() => Cell::Empty,
            "s" => {
                let shared = text.trim().parse().ok().and_then(|at| self.texts.get(at)).ok_or_else(broken)?;
                self.fits(shared.len())?;
                lines.room(shared.len())?;
                Cell::of(unescaped(shared))
            }
            "str" | "inlineStr" => Cell::of(unescaped(&text)),
            "b" => Cell::Boolean(text.trim() == "1" || text.trim() == "true"),
            "e" => Cell::Error(text),
            "d" => iso(text),
            _ if text.trim().is_empty() => Cell::Empty,
            _ => serial::cell(&text, self.shown.get(style).copied().unwrap_or_default(), self.epoch),
        };
        if cell == Cell::Empty {
            return Ok(()); // styles reach further than values
        }
        if column >= COLUMNS {
            return Err(too_wide());
        }
        if column >= row.len() {
            lines.room((column + 1 - row.len()) * size_of::<Cell>())?;
            row.resize(column + 1, Cell::Empty);
        }
        row[column] = cell;
        Ok(())
    }

    /// A row is whole.
    fn end(&self, row: Vec<Cell>, columns: &mut Option<Arc<[String]>>, lines: &mut Lines<'_>) -> Result<(), Stop> {
        match columns {
            None => {
                let named = |cell: &Cell| cell.json().as_str().unwrap_or_default().to_owned();
                *columns = Some(names(row.iter().map(named).collect())?);
                lines.row.refill();
                Ok(())
            }
            // An empty row of a sheet is none.
            Some(_) if row.iter().all(Cell::is_empty) => {
                lines.row.refill();
                Ok(())
            }
            Some(names) if row.len() > names.len() => {
                let place = row.iter().rposition(|cell| !cell.is_empty()).map(letters).unwrap_or_default();
                Err(lines.broken(format!("the cell {place}{} stands under no name of the first row", self.row)))
            }
            Some(names) => lines.push(self.row, names, row),
        }
    }
}

/// A day or time as ISO 8601 has it.
fn iso(text: String) -> Cell {
    match (text.contains('-'), text.contains(':'), text.starts_with('P')) {
        (.., true) => Cell::Duration(text),
        (true, true, _) => {
            // Without a zone it is as it stands.
            let has_zone = text.ends_with('Z') || text.rsplit('T').next().is_some_and(|time| time.contains(['+', '-']));
            Cell::Datetime(if has_zone { text } else { text + "Z" })
        }
        (true, false, _) => Cell::Date(text),
        (false, true, _) => Cell::Time(text),
        (false, false, _) => Cell::of(text),
    }
}

/// The column of a place such as `AB12`, from 0.
fn column_of(place: &str) -> Option<usize> {
    let letters = place.bytes().take_while(u8::is_ascii_alphabetic).take(4);
    let number = letters.fold(0, |number, letter| number * 26 + usize::from(letter.to_ascii_uppercase() - b'A') + 1);
    number.checked_sub(1)
}

/// The letters of a column, from 0.
fn letters(column: usize) -> String {
    let (mut rest, mut letters) = (column + 1, vec![]);
    while rest > 0 {
        letters.insert(0, char::from(b'A' + u8::try_from((rest - 1) % 26).unwrap_or(0)));
        rest = (rest - 1) / 26;
    }
    letters.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_columns_and_back() {
        for (place, column) in [("A1", 0), ("Z9", 25), ("AA1", 26), ("ab12", 27), ("XFD1", 16_383)] {
            assert_eq!(column_of(place), Some(column), "{place}");
        }
        assert_eq!(column_of("12"), None);
        assert_eq!([0, 25, 26, 27, 16_383].map(letters), ["A", "Z", "AA", "AB", "XFD"]);
        assert_eq!(resolved("xl", "worksheets/s.xml"), "xl/worksheets/s.xml");
        assert_eq!(resolved("xl", "/xl/../xl/s.xml"), "xl/s.xml");
        assert_eq!(resolved("", "../../x"), "x");
    }
}
