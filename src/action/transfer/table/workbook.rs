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
use super::{CELL, COLUMNS, Cell, Found, Layout, Lines, Stop, letters, names, too_wide};
use crate::budget::{Budget, Exceeded};
use crate::error::short;

/// Most bytes of all shared texts.
const TEXTS: usize = 12 << 20;
/// Most bytes of what the parts tell of each other: names of sheets, formats, relationships.
const TOLD: usize = 1 << 20;
/// Where the workbook is in the archive, unless the archive says otherwise.
const WORKBOOK: &str = "xl/workbook.xml";

fn too_much(exceeded: Exceeded) -> Stop {
    Stop::Broken(format!("This workbook can't be read: {exceeded}."))
}

/// What a workbook says of itself before its sheets.
#[derive(Default)]
struct Book {
    sheets: Vec<Told>,
    texts: Option<String>,
    styles: Option<String>,
    epoch: Epoch,
}

/// A sheet, as the workbook tells of it.
struct Told {
    name: String,
    path: String,
    is_hidden: bool,
}

/// Reads the sheet that is wanted: its first row names the columns.
pub fn read<R: Read + Seek>(source: R, layout: &Layout, lines: &mut Lines<'_>) -> Result<(), Stop> {
    let mut archive = Archive::open(source).map_err(|error| unreadable(&error))?;
    let book = book(&mut archive)?;
    let shown = match &book.styles {
        Some(path) => styles(&mut archive, path)?,
        None => vec![],
    };
    let texts = match &book.texts {
        Some(path) => texts(&mut archive, path)?,
        None => Texts::default(),
    };
    let reading = Reader { texts: &texts, shown: &shown, epoch: book.epoch };
    let sheet = chosen(&mut archive, &book, &reading, layout, lines)?;
    let part = archive.part(&sheet.path).map_err(|error| unreadable(&error))?.ok_or_else(broken)?;
    let found = Found {
        sheet: Some(sheet.name.clone()),
        others: book.sheets.iter().map(|other| other.name.clone()).filter(|name| *name != sheet.name).collect(),
        ..Found::default()
    };
    let mut sheet = Sheet { xml: Xml::new(part), reading, row: 0, in_rows: false };
    let mut columns = None;
    while let Some(row) = sheet.next(lines)? {
        sheet.end(row, &mut columns, &found, lines)?;
    }
    match columns {
        Some(_) => Ok(()),
        None => Err(Stop::Broken(format!("The sheet `{}` has no rows.", short(found.sheet.as_deref().unwrap_or_default())))),
    }
}

/// The sheet that is named; else the one that is shown, or the first of several whose first row names columns that are known.
fn chosen<'b, R: Read + Seek>(
    archive: &mut Archive<R>,
    book: &'b Book,
    reading: &Reader<'_>,
    layout: &Layout,
    lines: &mut Lines<'_>,
) -> Result<&'b Told, Stop> {
    let named = || book.sheets.iter().map(|sheet| format!("`{}`", short(&sheet.name))).collect::<Vec<_>>().join(", ");
    if let Some(wanted) = &layout.sheet {
        let by_name = book.sheets.iter().find(|sheet| sheet.name.to_lowercase() == wanted.to_lowercase());
        let by_number = || wanted.parse::<usize>().ok().and_then(|number| book.sheets.get(number.checked_sub(1)?));
        return by_name
            .or_else(by_number)
            .ok_or_else(|| Stop::Broken(format!("There is no sheet `{}`; there are: {}.", short(wanted), named())));
    }
    let shown: Vec<&Told> = book.sheets.iter().filter(|sheet| !sheet.is_hidden).collect();
    match shown.as_slice() {
        [] if book.sheets.is_empty() => Err(broken()),
        [] => Err(Stop::Broken(format!("All sheets are hidden: {}. Say which one, with `sheet`.", named()))),
        [only] => Ok(only),
        several => {
            for sheet in several {
                let part = archive.part(&sheet.path).map_err(|error| unreadable(&error))?.ok_or_else(broken)?;
                let mut first = Sheet { xml: Xml::new(part), reading: *reading, row: 0, in_rows: false };
                let row = first.next(lines)?.unwrap_or_default();
                lines.row.refill();
                if row.iter().any(|cell| layout.columns.contains(cell.shown().trim())) {
                    return Ok(sheet);
                }
            }
            let words = "no sheet's first row names a column that is wanted here";
            Err(Stop::Broken(format!("Of {}: {words}. Say which one, with `sheet`.", named())))
        }
    }
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

fn book<R: Read + Seek>(archive: &mut Archive<R>) -> Result<Book, Stop> {
    let start = relationships(archive, "")?.into_iter().find(|[_, kind, _]| kind == "officeDocument");
    let path = start.map_or_else(|| WORKBOOK.to_owned(), |[.., path]| path);
    let parts = relationships(archive, &path)?;
    let of_kind = |wanted: &str| parts.iter().find(|[_, kind, _]| kind == wanted).map(|[.., path]| path.clone());
    let mut book = Book { texts: of_kind("sharedStrings"), styles: of_kind("styles"), ..Book::default() };
    let part = archive.part(&path).map_err(|error| unreadable(&error))?.ok_or_else(broken)?;
    let told = Budget::new("what its parts tell of each other", TOLD);
    let mut xml = Xml::new(part);
    loop {
        match xml.next()? {
            Token::Open(tag, _) if is(&tag, "workbookPr") => {
                // (Extensions have elements of that name, too, which say nothing of it.)
                let says = attribute(&tag, "date1904")?;
                book.epoch = if says.is_some_and(|says| says == "1" || says == "true") { Epoch::Of1904 } else { book.epoch };
            }
            Token::Open(tag, _) if is(&tag, "sheet") => {
                // (Its `id` in the namespace of relationships; `sheetId` is another name.)
                let id = attribute(&tag, "id")?.unwrap_or_default();
                let name = attribute(&tag, "name")?.unwrap_or_default();
                let is_hidden = attribute(&tag, "state")?.is_some_and(|state| state != "visible");
                let Some([.., path]) = parts.iter().find(|[part, kind, _]| *part == id && kind == "worksheet") else { continue };
                told.take(size_of::<Told>() + name.len() + path.len()).map_err(too_much)?;
                book.sheets.push(Told { name, path: path.clone(), is_hidden });
            }
            Token::End => return Ok(book),
            _ => {}
        }
    }
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

/// What cells refer to.
#[derive(Clone, Copy)]
struct Reader<'b> {
    texts: &'b Texts,
    shown: &'b [Shown],
    epoch: Epoch,
}

/// A sheet that is being read.
struct Sheet<'b, R> {
    xml: Xml<R>,
    reading: Reader<'b>,
    /// The row that was begun last, from 1.
    row: u64,
    in_rows: bool,
}

/// A cell that is being read.
#[derive(Default)]
struct Open {
    column: usize,
    kind: String,
    style: usize,
    text: String,
    in_value: bool,
    has_value: bool,
    is_formula: bool,
    reading: Reading,
}

impl<R: Read> Sheet<'_, R> {
    /// The cells of the next row.
    fn next(&mut self, lines: &Lines<'_>) -> Result<Option<Vec<Cell>>, Stop> {
        let (mut row, mut open, mut column): (Vec<Cell>, Option<Open>, usize) = (vec![], None, 0);
        loop {
            match self.xml.next()? {
                Token::Open(tag, is_empty) => match (tag.local_name().as_ref(), &mut open) {
                    ("sheetData", _) => self.in_rows = !is_empty,
                    ("row", None) if self.in_rows => {
                        let told = attribute(&tag, "r")?.and_then(|row| row.parse::<u64>().ok());
                        self.row = told.unwrap_or(self.row.saturating_add(1));
                        column = 0;
                    }
                    ("c", None) if self.in_rows => {
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
                    ("v", Some(cell)) => (cell.in_value, cell.has_value) = (!is_empty, true),
                    ("f", Some(cell)) => cell.is_formula = true,
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
                    "row" if self.in_rows => return Ok(Some(row)),
                    "sheetData" => self.in_rows = false,
                    other => open.iter_mut().for_each(|cell| cell.reading.close(other)),
                },
                Token::Other => {}
                Token::End => return Ok(None),
            }
        }
    }

    fn fits(&self, bytes: usize) -> Result<(), Stop> {
        let row = self.row;
        if bytes <= CELL { Ok(()) } else { Err(Stop::Broken(format!("Row {row}: a cell has at most {CELL} bytes."))) }
    }

    /// A cell is whole: it is put where it belongs, what it refers to with it.
    fn put(&self, open: Open, row: &mut Vec<Cell>, lines: &Lines<'_>) -> Result<(), Stop> {
        let Open { column, kind, style, text, has_value, is_formula, .. } = open;
        let cell = match kind.as_str() {
            _ if is_formula && !has_value => Cell::Error("a formula without its result".to_owned()),
            "s" | "b" if text.trim().is_empty() => Cell::Empty,
            "s" => {
                let shared = text.trim().parse().ok().and_then(|at| self.reading.texts.get(at)).ok_or_else(broken)?;
                self.fits(shared.len())?;
                lines.room(shared.len())?;
                Cell::of(unescaped(shared))
            }
            "str" => Cell::of(unescaped(&text)),
            // Whoever writes a text of no letters means one: our exports do.
            "inlineStr" => Cell::Text(unescaped(&text)),
            "b" => Cell::Boolean(text.trim() == "1" || text.trim() == "true"),
            "e" => Cell::Error(text),
            "d" => iso(text),
            _ if text.trim().is_empty() => Cell::Empty,
            _ => serial::cell(&text, self.reading.shown.get(style).copied().unwrap_or_default(), self.reading.epoch),
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
    fn end(&self, row: Vec<Cell>, columns: &mut Option<Arc<[String]>>, found: &Found, lines: &mut Lines<'_>) -> Result<(), Stop> {
        match columns {
            // Between rows, and above the columns' names, there may be room.
            _ if row.iter().all(Cell::is_blank) => {
                lines.row.refill();
                Ok(())
            }
            None => {
                let named = names(row.iter().map(Cell::shown).collect())?;
                _ = lines.found.set(Found { names: Some(named.clone()), ..found.clone() });
                *columns = Some(named);
                lines.row.refill();
                Ok(())
            }
            Some(names) => {
                let beyond = row.iter().skip(names.len()).rposition(|cell| !cell.is_blank());
                let place = |at: usize| format!("{}{}", letters(names.len() + at), self.row);
                let fault = beyond
                    .map(|at| ("no-name", format!("In this row the cell {} stands under no name of the first one.", place(at))));
                lines.push(self.row, names, row, fault)
            }
        }
    }
}

/// A day or time as ISO 8601 has it.
fn iso(text: String) -> Cell {
    match (text.contains('-'), text.contains(':'), text.starts_with('P')) {
        (.., true) => Cell::Duration(text),
        (true, true, _) => Cell::Datetime(text),
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
