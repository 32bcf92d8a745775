//! Sheets of a workbook, written row by row: cells of the types that a spreadsheet has, and text where it would change a value.

use std::fmt::Write as _;

use jiff::civil::{Date, DateTime, Time};
use serde_json::Value as Json;

use super::Path;
use crate::error::{Error, Fault, Result};
use crate::schema::Entity;
use crate::schema::kind::{Kind, Wire};

/// What a workbook is.
pub const TYPE: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";
/// Most rows of a sheet, its columns' names among them.
const ROWS: u32 = 1_048_576;
/// Most letters of a cell, as spreadsheets count them.
const LETTERS: usize = 32_767;
/// Digits that a spreadsheet keeps of a number.
const DIGITS: usize = 15;
/// Most letters of a sheet's name.
const NAME: usize = 31;

/// How a number is shown: its place among the styles.
const DAY: u8 = 1;
const MOMENT: u8 = 2;
const CLOCK: u8 = 3;

const MAIN: &str = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
const OFFICE: &str = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
const PACKAGE: &str = "http://schemas.openxmlformats.org/package/2006";
const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n";

/// The end of a sheet.
pub const FOOT: &[u8] = b"</sheetData></worksheet>";

/// The parts of a workbook beside its sheets, one for each entity.
pub fn parts(entities: &[&Entity]) -> Vec<(String, String)> {
    let kind = "application/vnd.openxmlformats-officedocument.spreadsheetml";
    let numbers = || 1..=entities.len();
    let overrides: String = numbers()
        .map(|n| format!("<Override PartName=\"/xl/worksheets/sheet{n}.xml\" ContentType=\"{kind}.worksheet+xml\"/>"))
        .collect();
    let sheets: String = names(entities)
        .iter()
        .zip(1..)
        .map(|(name, n)| format!("<sheet name=\"{}\" sheetId=\"{n}\" r:id=\"rId{n}\"/>", escaped(name)))
        .collect();
    let links: String = numbers()
        .map(|n| format!("<Relationship Id=\"rId{n}\" Type=\"{OFFICE}/worksheet\" Target=\"worksheets/sheet{n}.xml\"/>"))
        .collect();
    let last = entities.len() + 1;
    let xfs: String = [0, 14, 164, 165]
        .map(|format| {
            format!("<xf numFmtId=\"{format}\" fontId=\"0\" fillId=\"0\" borderId=\"0\" xfId=\"0\" applyNumberFormat=\"1\"/>")
        })
        .concat();
    [
        (
            "[Content_Types].xml",
            format!(
                "<Types xmlns=\"{PACKAGE}/content-types\"><Default Extension=\"rels\" \
                 ContentType=\"application/vnd.openxmlformats-package.relationships+xml\"/><Default Extension=\"xml\" \
                 ContentType=\"application/xml\"/><Override PartName=\"/xl/workbook.xml\" ContentType=\"{kind}.sheet.main+xml\"/>\
                 <Override PartName=\"/xl/styles.xml\" ContentType=\"{kind}.styles+xml\"/>{overrides}</Types>"
            ),
        ),
        (
            "_rels/.rels",
            format!(
                "<Relationships xmlns=\"{PACKAGE}/relationships\"><Relationship Id=\"rId1\" Type=\"{OFFICE}/officeDocument\" \
                 Target=\"xl/workbook.xml\"/></Relationships>"
            ),
        ),
        ("xl/workbook.xml", format!("<workbook xmlns=\"{MAIN}\" xmlns:r=\"{OFFICE}\"><sheets>{sheets}</sheets></workbook>")),
        (
            "xl/_rels/workbook.xml.rels",
            format!(
                "<Relationships xmlns=\"{PACKAGE}/relationships\">{links}<Relationship Id=\"rId{last}\" Type=\"{OFFICE}/styles\" \
                 Target=\"styles.xml\"/></Relationships>"
            ),
        ),
        (
            "xl/styles.xml",
            format!(
                "<styleSheet xmlns=\"{MAIN}\"><numFmts count=\"2\"><numFmt numFmtId=\"164\" formatCode=\"yyyy\\-mm\\-dd\\ hh:mm:ss\"/>\
                 <numFmt numFmtId=\"165\" formatCode=\"hh:mm:ss\"/></numFmts><fonts count=\"1\"><font/></fonts><fills count=\"1\">\
                 <fill/></fills><borders count=\"1\"><border/></borders><cellStyleXfs count=\"1\"><xf/></cellStyleXfs>\
                 <cellXfs count=\"4\">{xfs}</cellXfs></styleSheet>"
            ),
        ),
    ]
    .map(|(name, text)| (name.to_owned(), format!("{HEAD}{text}")))
    .into()
}

/// Names that a spreadsheet takes, no two alike.
fn names(entities: &[&Entity]) -> Vec<String> {
    let mut names: Vec<String> = vec![];
    for (entity, n) in entities.iter().zip(1..) {
        let plain: String = entity.name.chars().map(|c| if "[]:*?/\\'".contains(c) { '_' } else { c }).take(NAME).collect();
        let is_taken = names.iter().any(|name| name.to_lowercase() == plain.to_lowercase());
        names.push(if is_taken { format!("{}_{n}", plain.chars().take(NAME - 5).collect::<String>()) } else { plain });
    }
    names
}

/// The sheet that is being written.
#[derive(Default)]
pub struct Sheet {
    number: u32,
    rows: u32,
}

impl Sheet {
    /// Begins the next sheet: the part's name, and its first row.
    pub fn begin(&mut self, names: &[&str]) -> (String, Vec<u8>) {
        (self.number, self.rows) = (self.number + 1, 1);
        let mut text = format!("{HEAD}<worksheet xmlns=\"{MAIN}\"><sheetData><row>");
        names.iter().for_each(|name| put_text(&mut text, name));
        (format!("xl/worksheets/sheet{}.xml", self.number), (text + "</row>").into_bytes())
    }

    /// A row.
    ///
    /// # Errors
    /// 422 where the sheet, or a cell, has no room.
    pub fn row<'c, 's: 'c>(&mut self, cells: impl Iterator<Item = (&'c Path<'s>, Option<&'c Json>)>) -> Result<Vec<u8>> {
        let full = |words: String| Err(Error::Invalid(vec![Fault::new("no-room", words).at("/attributes/format")]));
        self.rows += 1;
        if self.rows > ROWS {
            return full(format!("A sheet has at most {ROWS} rows: export as csv or json."));
        }
        let mut text = "<row>".to_owned();
        for (column, value) in cells {
            let length = |value: &Json| match value {
                Json::String(text) => text.encode_utf16().count(),
                Json::Array(_) | Json::Object(_) => value.to_string().encode_utf16().count(),
                Json::Null | Json::Bool(_) | Json::Number(_) => 0,
            };
            if value.is_some_and(|value| length(value) > LETTERS) {
                let words = format!(
                    "`{}` of row {} is longer than {LETTERS} letters, which no sheet takes: export as csv or json.",
                    column.name, self.rows
                );
                return full(words);
            }
            put(&mut text, column.kind(), value);
        }
        Ok((text + "</row>").into_bytes())
    }
}

/// A cell.
fn put(text: &mut String, kind: Option<&Kind>, value: Option<&Json>) {
    let number = |text: &mut String, number: &str| _ = write!(text, "<c><v>{number}</v></c>");
    let styled = |text: &mut String, style: u8, days: f64| _ = write!(text, "<c s=\"{style}\"><v>{days}</v></c>");
    match (value, kind.map(Kind::wire)) {
        (None | Some(Json::Null), _) => text.push_str("<c/>"),
        (Some(value), Some(Wire::Json)) => put_text(text, &value.to_string()),
        (Some(Json::Bool(value)), _) => _ = write!(text, "<c t=\"b\"><v>{}</v></c>", u8::from(*value)),
        (Some(Json::Number(value)), Some(Wire::Float)) => number(text, &value.to_string()),
        (Some(Json::Number(value)), _) => {
            let digits = value.to_string();
            if digits.len() <= DIGITS { number(text, &digits) } else { put_text(text, &digits) }
        }
        (Some(Json::String(value)), Some(wire)) => match (wire, kind) {
            (Wire::Date, _) => match value.parse::<Date>().ok().and_then(days) {
                Some(days) => styled(text, DAY, days),
                None => put_text(text, value),
            },
            (Wire::Datetime, _) => {
                match value.strip_suffix('Z').and_then(|value| value.parse::<DateTime>().ok()).and_then(moment) {
                    Some(days) => styled(text, MOMENT, days),
                    None => put_text(text, value),
                }
            }
            (Wire::Time, _) => match value.parse::<Time>().ok().and_then(clock) {
                Some(days) => styled(text, CLOCK, days),
                None => put_text(text, value),
            },
            (_, Some(Kind::Decimal { .. })) if value.bytes().filter(u8::is_ascii_digit).count() <= DIGITS => number(text, value),
            _ => put_text(text, value),
        },
        (Some(Json::String(value)), None) => put_text(text, value),
        (Some(value @ (Json::Array(_) | Json::Object(_))), _) => put_text(text, &value.to_string()),
    }
}

/// The serial number of a day that every spreadsheet counts alike.
fn days(date: Date) -> Option<f64> {
    let first = Date::constant(1900, 3, 1);
    let days = (date >= first && date.year() <= 9999).then(|| date.since(Date::constant(1899, 12, 30)).ok())??;
    Some(f64::from(days.get_days()))
}

/// A part of a day, which a spreadsheet keeps to a millisecond.
fn clock(time: Time) -> Option<f64> {
    let nanoseconds = time.duration_since(Time::midnight()).as_nanos();
    let milliseconds = u32::try_from(nanoseconds / 1_000_000).ok().filter(|_| nanoseconds % 1_000_000 == 0)?;
    Some(f64::from(milliseconds) / 86_400_000.0)
}

fn moment(at: DateTime) -> Option<f64> {
    Some(days(at.date())? + clock(at.time())?)
}

fn put_text(text: &mut String, value: &str) {
    text.push_str("<c t=\"inlineStr\"><is><t xml:space=\"preserve\">");
    text.push_str(&escaped(value));
    text.push_str("</t></is></c>");
}

/// A text as XML holds it; what it can't hold, and what looks like that, by its number.
fn escaped(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for (at, letter) in value.char_indices() {
        match letter {
            '&' => text.push_str("&amp;"),
            '<' => text.push_str("&lt;"),
            '>' => text.push_str("&gt;"),
            '"' => text.push_str("&quot;"),
            '\n' | '\t' => text.push(letter),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => _ = write!(text, "_x{:04X}_", u32::from(letter)),
            '_' if is_number(&value[at..]) => text.push_str("_x005F_"),
            _ => text.push(letter),
        }
    }
    text
}

/// Whether a text begins like a letter by its number: `_x000D_`.
fn is_number(text: &str) -> bool {
    let digits = text.strip_prefix("_x").and_then(|rest| rest.get(..5)).and_then(|rest| rest.strip_suffix('_'));
    digits.is_some_and(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()))
}
