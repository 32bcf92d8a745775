//! Points in time and days as PostgreSQL holds them, which is more than most calendars: from 4714 BC to 294276, and for days to
//! 5874897. Years that don't have four digits are written as ISO 8601 says: `-004713-11-24`, `+012345-01-01`; year 0 is 1 BC.

/// Days from 1970 to 2000, where PostgreSQL counts from.
const EPOCH: i64 = 10_957;
/// Days of 400 years, after which the calendar begins anew.
const CYCLE: i64 = 146_097;
const CYCLE_YEARS: i64 = 400;
const DAY: i64 = 86_400_000_000;
/// The first and the last day that PostgreSQL has, and the first day after its last point in time; since 1970.
const FIRST_DAY: i64 = -2_440_588;
const LAST_DAY: i64 = 2_145_042_905;
const END: i64 = 106_762_940;

/// Year, month and day of a day since 1970. (Years begin in March here, so that the leap day is a year's last.)
fn civil(day: i64) -> (i64, i64, i64) {
    let day = day + 719_468;
    let (cycle, of_cycle) = (day.div_euclid(CYCLE), day.rem_euclid(CYCLE));
    let year = (of_cycle - of_cycle / 1460 + of_cycle / 36_524 - of_cycle / 146_096) / 365;
    let of_year = of_cycle - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let date = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + cycle * CYCLE_YEARS + i64::from(month <= 2), month, date)
}

fn iso(day: i64) -> String {
    let (year, month, date) = civil(day);
    match year {
        0..=9999 => format!("{year:04}-{month:02}-{date:02}"),
        _ => format!("{year:+07}-{month:02}-{date:02}"),
    }
}

/// A day as it is served; `days` since 2000.
pub fn day(days: i32) -> String {
    match days {
        i32::MAX => "infinity".to_owned(),
        i32::MIN => "-infinity".to_owned(),
        days => iso(i64::from(days) + EPOCH),
    }
}

/// A point in time as it is served, in UTC; `micros` since 2000.
pub fn instant(micros: i64) -> String {
    match micros {
        i64::MAX => "infinity".to_owned(),
        i64::MIN => "-infinity".to_owned(),
        micros => {
            let (day, micros) = (micros.div_euclid(DAY), micros.rem_euclid(DAY));
            format!("{}T{}Z", iso(day + EPOCH), time(micros))
        }
    }
}

/// A time of day; `micros` since midnight.
pub fn time(micros: i64) -> String {
    let (seconds, micros) = (micros.div_euclid(1_000_000), micros.rem_euclid(1_000_000));
    let whole = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
    match micros {
        0 => whole,
        micros => format!("{whole}.{}", format!("{micros:06}").trim_end_matches('0')),
    }
}

/// A date's text with its year in a cycle that every calendar has, and how many cycles later the date is.
fn in_cycle(text: &str) -> Option<(String, i64)> {
    let digits = match text.strip_prefix(['+', '-']) {
        Some(rest) => 1 + rest.find('-').filter(|digits| (6..=7).contains(digits))?,
        None => 4,
    };
    let (year, rest) = (text.get(..digits)?, text.get(digits..)?);
    let is_year = year.trim_start_matches(['+', '-']).bytes().all(|byte| byte.is_ascii_digit());
    let year: i64 = year.parse().ok().filter(|_| is_year && text.get(..digits) != Some("-000000"))?;
    Some((format!("{}{rest}", 2000 + year.rem_euclid(CYCLE_YEARS)), year.div_euclid(CYCLE_YEARS) - 5))
}

/// A day as PostgreSQL reads it.
fn for_postgresql(day: i64) -> (String, &'static str) {
    match civil(day) {
        (year @ 1.., month, date) => (format!("{year:04}-{month:02}-{date:02}"), ""),
        (year, month, date) => (format!("{:04}-{month:02}-{date:02}", 1 - year), " BC"),
    }
}

/// A day as people write it, for PostgreSQL.
pub fn read_day(text: &str) -> Option<String> {
    let (text, cycles) = in_cycle(text)?;
    let date = text.parse::<jiff::civil::Date>().ok().filter(|_| text.len() == 10)?;
    let days = date.since((jiff::Unit::Day, jiff::civil::date(1970, 1, 1))).ok()?.get_days();
    let day = i64::from(days) + cycles * CYCLE;
    let (date, era) = (FIRST_DAY..=LAST_DAY).contains(&day).then(|| for_postgresql(day))?;
    Some(format!("{date}{era}"))
}

/// A point in time as people write it, with its offset from UTC, for PostgreSQL. Parts of microseconds are cut, so that the last
/// moment of a year stays in it.
pub fn read_instant(text: &str) -> Option<String> {
    let (text, cycles) = in_cycle(text)?;
    let strict = text.len() >= 20
        && matches!(text.as_bytes()[10], b'T' | b't' | b' ')
        && !text.contains('[')
        && text.get(17..19) != Some("60");
    let instant = text.parse::<jiff::Timestamp>().ok().filter(|_| strict)?;
    let micros = instant.as_nanosecond().div_euclid(1000);
    let day = i64::try_from(micros.div_euclid(i128::from(DAY))).ok()? + cycles * CYCLE;
    let micros = i64::try_from(micros.rem_euclid(i128::from(DAY))).ok()?;
    let (date, era) = (FIRST_DAY..END).contains(&day).then(|| for_postgresql(day))?;
    Some(format!("{date}T{}Z{era}", time(micros)))
}

/// A day or a point in time as PostgreSQL writes it in json, as it is served; none where it is already, or is something else.
pub fn respelled(text: &str) -> Option<String> {
    let (text, is_before) = text.strip_suffix(" BC").map_or((text, false), |text| (text, true));
    let (year, rest) = text.split_once('-')?;
    let year: i64 = year.parse().ok().filter(|_| is_before || year.len() > 4)?;
    let year = if is_before { 1 - year } else { year };
    let spelled = if year == 0 { "0000".to_owned() } else { format!("{year:+07}") };
    Some(format!("{spelled}-{}", rest.strip_suffix("+00:00").map_or(rest.to_owned(), |rest| format!("{rest}Z"))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_what_a_calendar_says_and_both_ends_are_postgresqls() {
        for (day, text) in [
            (-719_528, "0000-01-01"),
            (-719_529, "-000001-12-31"),
            (0, "1970-01-01"),
            (11_016, "2000-02-29"),
            (FIRST_DAY, "-004713-11-24"),
            (END - 1, "+294276-12-31"),
            (LAST_DAY, "+5874897-12-31"),
        ] {
            assert_eq!(iso(day), text);
        }
        let mut date = jiff::civil::date(-9999, 1, 1);
        let first = date.since((jiff::Unit::Day, jiff::civil::date(1970, 1, 1))).expect("days").get_days();
        for day in i64::from(first).. {
            assert_eq!(civil(day), (date.year().into(), date.month().into(), date.day().into()));
            match date.checked_add(jiff::Span::new().days(1)) {
                Ok(next) => date = next,
                Err(_) => break,
            }
        }
    }

    #[test]
    fn what_postgresql_writes_in_json_is_spelled_as_it_is_served() {
        for (text, served) in [
            ("0044-03-15 BC", Some("-000043-03-15")),
            ("0001-02-29 BC", Some("0000-02-29")),
            ("12345-01-01T00:00:00+00:00", Some("+012345-01-01T00:00:00Z")),
            ("4714-11-24T00:00:00.5+00:00 BC", Some("-004713-11-24T00:00:00.5Z")),
            ("2026-11-22T00:00:00+00:00", None),
            ("infinity", None),
            ("", None),
        ] {
            assert_eq!(respelled(text).as_deref(), served, "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read_again_and_nothing_beyond() {
        for (text, read) in [
            ("2026-11-22T10:00:00+02:00", Some("2026-11-22T08:00:00Z")),
            ("9999-12-31T23:59:59.9999999Z", Some("9999-12-31T23:59:59.999999Z")),
            ("0000-02-29T00:00:00Z", Some("0001-02-29T00:00:00Z BC")),
            ("-004713-11-24T00:00:00Z", Some("4714-11-24T00:00:00Z BC")),
            ("-004713-11-23T23:59:59Z", None),
            ("+294276-12-31T23:59:59.999999Z", Some("294276-12-31T23:59:59.999999Z")),
            ("+294277-01-01T00:00:00Z", None),
            ("0001-01-01T00:00:00+01:00", Some("0001-12-31T23:00:00Z BC")),
            ("-000000-01-01T00:00:00Z", None),
            ("2026-11-22", None),
            ("2026-02-30T00:00:00Z", None),
            ("2026-11-22T10:00:60Z", None),
            ("+2026-11-22T10:00:00Z", None),
        ] {
            assert_eq!(read_instant(text).as_deref(), read, "{text}");
        }
        assert_eq!(read_day("2024-02-29").as_deref(), Some("2024-02-29"));
        assert_eq!(read_day("-004713-11-24").as_deref(), Some("4714-11-24 BC"));
        assert!(
            ["2023-02-29", "24-02-29", "2024-02-29T", "2024-2-9", "infinity", ""].iter().all(|text| read_day(text).is_none())
        );
        assert_eq!(
            (instant(0), instant(-1), day(i32::MIN)),
            ("2000-01-01T00:00:00Z".to_owned(), "1999-12-31T23:59:59.999999Z".to_owned(), "-infinity".to_owned())
        );
    }
}
