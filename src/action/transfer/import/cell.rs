//! Cells as a column takes them: what a spreadsheet or a person writes for a value of its type.
//!
//! In charge of: nothing being lost on the way. What doesn't fit is a fault; it is never cut, rounded or left out.

use jiff::tz::TimeZone;
use serde_json::Value as Json;

use super::locale::{self, Locale};
use crate::action::transfer::table::Cell;
use crate::action::transfer::table::serial::{self, Shown};
use crate::error::short;
use crate::request::body;
use crate::schema::kind::{Kind, Wire};

/// How cells are written, as far as somebody said so.
#[derive(Debug, Clone, Default)]
pub struct Writing {
    /// In which language.
    pub locale: Option<&'static Locale>,
    /// Of which clock days and times are that have no zone.
    pub zone: Option<TimeZone>,
}

impl Writing {
    /// The JSON that a column of a type takes; what has the form of no such value is told by the column, in its own words. None:
    /// there is nothing in the cell.
    ///
    /// # Errors
    /// The end of a sentence that starts with the column's name.
    pub fn value(&self, kind: &Kind, cell: &Cell) -> Result<Option<Json>, String> {
        let text = match cell {
            Cell::Empty | Cell::Json(Json::Null) => return Ok(None),
            Cell::Error(words) => return Err(format!("holds no value, but {}", short(words))),
            Cell::Json(value) => return Ok(Some(value.clone())),
            Cell::Text(text) if text.is_empty() && !kind.is_text() && *kind != Kind::Json => return Ok(None),
            Cell::Text(text) if text.is_empty() && *kind == Kind::Json => return Ok(None),
            other => other.shown(),
        };
        let trimmed = text.trim();
        match kind.wire() {
            Wire::Json => return self.json(cell, &text).map(Some),
            Wire::Boolean => {
                let found = match cell {
                    Cell::Boolean(value) => Some(*value),
                    _ => locale::boolean(trimmed, self.locale),
                };
                return Ok(Some(found.map_or(Json::String(text), Json::Bool)));
            }
            Wire::Integer | Wire::Float => {
                let number = self.number(cell, trimmed)?;
                let read = number.and_then(|number| body::value(number.as_bytes()).ok()).filter(|json| !json.is_string());
                return Ok(Some(read.unwrap_or(Json::String(text))));
            }
            Wire::Date => return self.day(cell, trimmed).map(|text| Some(text.into())),
            Wire::Time => return time(cell, trimmed).map(|text| Some(text.into())),
            Wire::Datetime => return self.instant(cell, trimmed).map(|text| Some(text.into())),
            Wire::Uuid => return Ok(Some(trimmed.into())),
            Wire::Text => {}
        }
        match kind {
            Kind::Decimal { .. } => Ok(Some(self.number(cell, trimmed)?.unwrap_or(text).into())),
            _ => Ok(Some(text.into())),
        }
    }

    fn number(&self, cell: &Cell, text: &str) -> Result<Option<String>, String> {
        match (cell, self.locale) {
            (Cell::Number(digits, _), _) => Ok(Some(digits.clone())),
            (Cell::Text(_), Some(locale)) => Ok(locale::number(text, locale)),
            (Cell::Text(_), None) if text.contains(',') => {
                Err("is no number as programs write one: say in which `locale` it is, such as de".to_owned())
            }
            (Cell::Text(_), None) => Ok(Some(text.to_owned())),
            (Cell::Date(_) | Cell::Time(_) | Cell::Datetime(_) | Cell::Duration(_), _) => {
                Err(format!("takes a number, and the cell is a day or a time: {}", short(text)))
            }
            (Cell::Empty | Cell::Boolean(_) | Cell::Error(_) | Cell::Json(_), _) => Ok(None),
        }
    }

    fn json(&self, cell: &Cell, text: &str) -> Result<Json, String> {
        if let Cell::Date(_) | Cell::Time(_) | Cell::Datetime(_) | Cell::Duration(_) = cell {
            return Ok(text.into());
        }
        let text = text.trim();
        body::value(text.as_bytes()).map_err(|error| match text.starts_with(['{', '[', '"']) {
            true => format!("is no JSON: {error}"),
            false => "is no JSON: a text in it stands in quotation marks".to_owned(),
        })
    }

    /// A day: also what a spreadsheet counts, and a midnight.
    fn day(&self, cell: &Cell, text: &str) -> Result<String, String> {
        match serial_of(cell, Shown::Date) {
            Some(Cell::Date(day)) => Ok(day),
            Some(Cell::Datetime(time)) => match time.strip_suffix("T00:00:00") {
                Some(day) => Ok(day.to_owned()),
                None => Err(format!("takes a day, and the cell has a time, too: {}", short(&time))),
            },
            _ => Ok(locale::day(text, self.locale).map_or_else(|| text.to_owned(), |day| day.to_string())),
        }
    }

    /// A point in time: also what a spreadsheet counts, and a day, which is its midnight.
    fn instant(&self, cell: &Cell, text: &str) -> Result<String, String> {
        let utc = || self.zone.clone().unwrap_or(TimeZone::UTC);
        let at = |moment: jiff::civil::DateTime, zone: &TimeZone| {
            let words = || format!("is {moment}, which no clock of {} showed", zone.iana_name().unwrap_or("its zone"));
            locale::instant(moment, zone).ok_or_else(words)
        };
        match serial_of(cell, Shown::Datetime) {
            Some(Cell::Date(day)) => match day.parse::<jiff::civil::Date>() {
                Ok(day) => at(day.to_datetime(jiff::civil::Time::midnight()), &utc()),
                Err(_) => Ok(day),
            },
            // A spreadsheet's clock has no zone; a file that names one has it behind its time.
            Some(Cell::Datetime(time)) => match time.parse::<jiff::Timestamp>() {
                Ok(_) => Ok(time),
                Err(_) => time.parse().map_or(Ok(time), |moment| at(moment, &utc())),
            },
            _ => match (locale::moment(text, self.locale), locale::day(text, self.locale), &self.zone) {
                (Some(moment), _, Some(zone)) => at(moment, zone),
                (None, Some(day), Some(zone)) => at(day.to_datetime(jiff::civil::Time::midnight()), zone),
                (Some(_), ..) | (_, Some(_), _) => {
                    Err("is a time of some clock: say of which `zone`, such as Europe/Vienna or UTC".to_owned())
                }
                (None, None, _) => Ok(text.to_owned()),
            },
        }
    }
}

/// A time of day: also a span of less than a day, and a fraction of one.
fn time(cell: &Cell, text: &str) -> Result<String, String> {
    match serial_of(cell, Shown::Time) {
        Some(Cell::Time(time)) => Ok(time),
        Some(Cell::Datetime(_) | Cell::Date(_)) => {
            Err(format!("takes a time of day, and the cell has a day, too: {}", short(text)))
        }
        _ => Ok(locale::time(text).map_or_else(|| text.to_owned(), |time| time.to_string())),
    }
}

/// A cell of a workbook as days and times are shown: a number is what the spreadsheet counts.
fn serial_of(cell: &Cell, shown: Shown) -> Option<Cell> {
    match cell {
        Cell::Number(digits, epoch) => Some(serial::cell(digits, shown, *epoch)),
        Cell::Date(_) | Cell::Time(_) | Cell::Datetime(_) => Some(cell.clone()),
        Cell::Empty | Cell::Text(_) | Cell::Duration(_) | Cell::Boolean(_) | Cell::Error(_) | Cell::Json(_) => None,
    }
}
