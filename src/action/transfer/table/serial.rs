//! Days as spreadsheets count them: serial numbers, and which formats show them as what.

use jiff::civil::{Date, DateTime, Time};
use jiff::{SpanRound, ToSpan as _, Unit};

use super::Cell;

/// What a number format shows a number as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[allow(missing_docs)]
pub enum Shown {
    /// As what it is.
    #[default]
    Number,
    Date,
    Time,
    Datetime,
    Duration,
}

/// From which day days are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Epoch {
    /// The first of January 1900 is day 1, and the 29th of February 1900, which never was, is day 60.
    #[default]
    Of1900,
    /// The first of January 1904 is day 0.
    Of1904,
}

/// The last day that a spreadsheet knows: the 31st of December 9999.
const LAST: f64 = 2_958_465.0;
const MILLISECONDS: f64 = 86_400_000.0;

impl Shown {
    /// What the formats show that every spreadsheet has, by their numbers.
    pub fn built_in(format: u32) -> Shown {
        match format {
            14..=17 | 27..=31 | 34..=36 | 50..=58 => Shown::Date,
            18..=21 | 32..=33 | 45 | 47 => Shown::Time,
            22 => Shown::Datetime,
            46 => Shown::Duration,
            _ => Shown::Number,
        }
    }

    /// What a format's code shows, such as `yyyy-mm-dd hh:mm`. Its first part is for positive numbers.
    pub fn of_code(code: &str) -> Shown {
        let (mut has_date, mut has_time, mut has_months) = (false, false, false);
        let mut letters = code.chars();
        while let Some(letter) = letters.next() {
            match letter {
                ';' => break,
                '"' => _ = letters.find(|c| *c == '"'),
                '\\' | '_' | '*' => _ = letters.next(),
                '[' => {
                    let within: String = letters.by_ref().take_while(|c| *c != ']').collect();
                    let is_elapsed = !within.is_empty() && within.chars().all(|c| "hms".contains(c.to_ascii_lowercase()));
                    if is_elapsed {
                        return Shown::Duration;
                    }
                }
                'y' | 'Y' | 'd' | 'D' => has_date = true,
                'h' | 'H' | 's' | 'S' => has_time = true,
                'm' | 'M' => has_months = true, // or minutes
                _ => {}
            }
        }
        let is_general = code.eq_ignore_ascii_case("general");
        match (has_date, has_time) {
            _ if is_general => Shown::Number,
            (true, true) => Shown::Datetime,
            (true, false) => Shown::Date,
            (false, true) => Shown::Time,
            (false, false) if has_months => Shown::Date,
            (false, false) => Shown::Number,
        }
    }
}

/// A number as the cell that it is shown as; as a number where there is no such day.
pub fn cell(digits: &str, shown: Shown, epoch: Epoch) -> Cell {
    let number = || Cell::Number(plain(digits), epoch);
    let Ok(serial) = digits.trim().parse::<f64>() else { return number() };
    if shown == Shown::Number || !(0.0..=LAST + 1.0).contains(&serial) {
        return number();
    }
    if shown == Shown::Duration {
        return duration(serial, epoch);
    }
    // A spreadsheet's fraction of a day is good for milliseconds.
    let total = (serial * MILLISECONDS).round();
    let (days, milliseconds) = ((total / MILLISECONDS).floor(), total % MILLISECONDS);
    #[allow(clippy::cast_possible_truncation)] // at most a day, in milliseconds, and the days until 9999
    let (days, milliseconds) = (days as i64, milliseconds as i64);
    let Ok(time) = Time::midnight().checked_add(milliseconds.milliseconds()) else { return number() };
    if shown == Shown::Time && days == 0 {
        return Cell::Time(time.to_string());
    }
    let start = match epoch {
        Epoch::Of1904 => Date::constant(1904, 1, 1),
        Epoch::Of1900 if days >= 61 => Date::constant(1899, 12, 30),
        Epoch::Of1900 if days == 60 || days == 0 => return number(), // days that never were
        Epoch::Of1900 => Date::constant(1899, 12, 31),
    };
    match start.checked_add(days.days()) {
        Ok(date) if shown == Shown::Date && milliseconds == 0 => Cell::Date(date.to_string()),
        Ok(date) => Cell::Datetime(DateTime::from_parts(date, time).to_string()),
        Err(_) => number(),
    }
}

fn duration(days: f64, epoch: Epoch) -> Cell {
    #[allow(clippy::cast_possible_truncation)] // some thousand years
    let milliseconds = (days * MILLISECONDS).round() as i64;
    let span = milliseconds.milliseconds().round(SpanRound::new().largest(Unit::Hour));
    span.map_or_else(|_| Cell::Number(days.to_string(), epoch), |span| Cell::Duration(clock(span)))
}

/// A span of hours, minutes and seconds as spreadsheets show it: `30:00:00`.
fn clock(span: jiff::Span) -> String {
    let fraction = match span.get_milliseconds() {
        0 => String::new(),
        milliseconds => format!(".{milliseconds:03}"),
    };
    format!("{:02}:{:02}:{:02}{fraction}", span.get_hours(), span.get_minutes(), span.get_seconds())
}

/// A whole number as it is written, so that no digit is lost; any other as the number that it is, in as few digits as tell it
/// (spreadsheets write 17 of them).
fn plain(digits: &str) -> String {
    let digits = digits.trim();
    let unsigned = digits.strip_prefix('-').unwrap_or(digits);
    let is_whole = !unsigned.is_empty() && unsigned.bytes().all(|digit| digit.is_ascii_digit());
    match digits.parse::<f64>() {
        Ok(number) if !is_whole && number.is_finite() => number.to_string(),
        _ => digits.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_what_they_show() {
        for (code, shown) in [
            ("General", Shown::Number),
            ("0.00", Shown::Number),
            ("#,##0 \"days\"", Shown::Number),
            ("0.0E+00", Shown::Number),
            ("yyyy\\-mm\\-dd", Shown::Date),
            ("[$-407]d. mmmm yyyy;@", Shown::Date),
            ("mmm", Shown::Date),
            ("hh:mm", Shown::Time),
            ("h:mm AM/PM", Shown::Time),
            ("mm:ss.0", Shown::Time),
            ("dd.mm.yyyy hh:mm", Shown::Datetime),
            ("[h]:mm:ss", Shown::Duration),
            ("[Red]0.0;yyyy", Shown::Number),
        ] {
            assert_eq!(Shown::of_code(code), shown, "{code}");
        }
        assert_eq!(
            [14, 22, 20, 46, 2].map(Shown::built_in),
            [Shown::Date, Shown::Datetime, Shown::Time, Shown::Duration, Shown::Number]
        );
    }

    #[test]
    fn serial_numbers_are_days_and_times() {
        let old = |digits, shown| cell(digits, shown, Epoch::Of1900);
        let text = str::to_owned;
        assert_eq!(old("1", Shown::Date), Cell::Date(text("1900-01-01")));
        assert_eq!(old("59", Shown::Date), Cell::Date(text("1900-02-28")));
        assert_eq!(old("60", Shown::Date), Cell::Number(text("60"), Epoch::Of1900), "a day that never was");
        assert_eq!(old("61", Shown::Date), Cell::Date(text("1900-03-01")));
        assert_eq!(old("45351", Shown::Date), Cell::Date(text("2024-02-29")));
        assert_eq!(old("45351", Shown::Datetime), Cell::Datetime(text("2024-02-29T00:00:00")), "midnight is a point in time");
        assert_eq!(old("45351.75", Shown::Date), Cell::Datetime(text("2024-02-29T18:00:00")), "nothing is lost");
        assert_eq!(old("45351.999999999", Shown::Datetime), Cell::Datetime(text("2024-03-01T00:00:00")));
        assert_eq!(old("0.5", Shown::Time), Cell::Time(text("12:00:00")));
        assert_eq!(old("1.5", Shown::Duration), Cell::Duration(text("36:00:00")));
        assert_eq!(old("2958465", Shown::Date), Cell::Date(text("9999-12-31")));
        for none in ["-1", "2958467", "1e300", "x", "NaN", "0"] {
            assert!(matches!(old(none, Shown::Date), Cell::Number(..)), "{none}");
        }
        assert_eq!(cell("0", Shown::Date, Epoch::Of1904), Cell::Date(text("1904-01-01")));
        assert_eq!(cell("43889", Shown::Date, Epoch::Of1904), Cell::Date(text("2024-02-29")));
    }

    #[test]
    fn digits_are_kept() {
        for (digits, kept) in [
            ("12345678901234567890", "12345678901234567890"),
            ("0.1", "0.1"),
            ("19.989999999999998", "19.99"),
            ("1.1000000000000001", "1.1"),
            ("1E3", "1000"),
            ("-2.5e-1", "-0.25"),
        ] {
            assert_eq!(cell(digits, Shown::Number, Epoch::Of1900), Cell::Number(kept.to_owned(), Epoch::Of1900));
        }
    }
}
