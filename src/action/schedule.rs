//! Schedules: when an action runs by itself, and as whom.
//!
//! In charge of: the crontab's form, and which tick is due. Pure: clocks are read elsewhere.

use cronexpr::{Crontab, FallbackTimezoneOption, ParseOptions, parse_crontab_with};
use jiff::tz::{AmbiguousOffset, TimeZone};
use jiff::{Timestamp, ToSpan as _};

/// When an action runs by itself.
#[derive(Debug)]
pub struct Schedule {
    crontab: Crontab,
    /// Where it runs at times that are fixed: the zone of their clock, and the crontab in a clock that never is put back.
    fixed: Option<(TimeZone, Crontab)>,
    /// The address of the user that it runs as.
    pub run_as: String,
}

impl Schedule {
    /// Reads five fields, such as `0 7 * * *`, and a time zone if it isn't UTC: `0 7 * * * Europe/Berlin`.
    ///
    /// # Errors
    /// Words for the file's author.
    pub fn read(text: &str, run_as: &str) -> Result<Schedule, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        if let Some(short) = words.first().filter(|word| word.starts_with('@')) {
            let long = SHORT.iter().find(|(name, _)| name == short).map(|(_, long)| format!(": write {long}"));
            return Err(format!("`{short}` is no schedule here{}", long.unwrap_or_default()));
        }
        let is_zone = |word: &&str| TimeZone::get(word).is_ok();
        if words.len() > 6 || words.len() == 6 && !words.last().is_some_and(is_zone) && !words[5].contains('/') {
            return Err(
                "a schedule has five fields, minute, hour, day, month and weekday, and a zone: no seconds, no years".to_owned()
            );
        }
        let crontab = crontab(text)?;
        // What runs every so often runs on; a time of day that a clock leaves out or shows twice is run once.
        let is_fixed = words.iter().take(2).all(|field| !field.contains('*'));
        let fixed = match (is_fixed, words.get(5).and_then(|zone| TimeZone::get(zone).ok())) {
            (true, Some(zone)) => Some((zone, self::crontab(&words[..5].join(" "))?)),
            _ => None,
        };
        Ok(Schedule { crontab, fixed, run_as: run_as.to_owned() })
    }

    /// Whether a tick lies between the last run and now, however many there were: what was missed is caught up once.
    pub fn is_due(&self, last: Timestamp, now: Timestamp) -> bool {
        let next = match &self.fixed {
            Some((zone, crontab)) => next_of(zone, crontab, last),
            None => self.crontab.find_next(last.to_string().as_str()).ok().map(|next| next.timestamp()),
        };
        next.is_some_and(|next| next <= now)
    }
}

/// Names that others have for schedules.
const SHORT: &[(&str, &str)] = &[
    ("@hourly", "0 * * * *"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@weekly", "0 0 * * 0"),
    ("@monthly", "0 0 1 * *"),
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
];

fn crontab(text: &str) -> Result<Crontab, String> {
    let mut options = ParseOptions::default();
    options.fallback_timezone_option = FallbackTimezoneOption::UTC;
    parse_crontab_with(text, options).map_err(|e| format!("a schedule is written like 0 7 * * *: {e}"))
}

/// Most ticks that may lie in the hours around a change of a clock.
const TICKS: usize = 60 * 8;

/// The next tick of a clock after a moment: one that it leaves out comes right after the gap, one that it shows twice the first
/// time.
fn next_of(zone: &TimeZone, crontab: &Crontab, last: Timestamp) -> Option<Timestamp> {
    // As if its clock were that of UTC, which has neither; from before whatever was put back since.
    let shown = zone.to_datetime(last).checked_sub(4.hours()).ok()?;
    let mut at = shown.to_zoned(TimeZone::UTC).ok()?.timestamp();
    for _ in 0..TICKS {
        at = crontab.find_next(at.to_string().as_str()).ok()?.timestamp();
        let found = zone.to_ambiguous_timestamp(TimeZone::UTC.to_datetime(at));
        let next = match found.offset() {
            AmbiguousOffset::Gap { .. } => zone.following(found.earlier().ok()?).next().map(|change| change.timestamp()),
            AmbiguousOffset::Fold { .. } | AmbiguousOffset::Unambiguous { .. } => found.earlier().ok(),
        }?;
        if next > last {
            return Some(next);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_due_once_and_in_their_time_zone() {
        let at = |text: &str| text.parse::<Timestamp>().expect("a time");
        let daily = Schedule::read("0 7 * * *", "x").expect("a schedule");
        assert!(!daily.is_due(at("2026-11-22T07:00:00Z"), at("2026-11-23T06:59:59Z")));
        assert!(daily.is_due(at("2026-11-22T07:00:00Z"), at("2026-11-23T07:00:00Z")));
        assert!(daily.is_due(at("2026-11-01T07:00:00Z"), at("2026-11-23T07:00:00Z")), "missed ones count");
        let there = Schedule::read("0 7 * * * Europe/Berlin", "x").expect("a schedule");
        assert!(there.is_due(at("2026-11-22T05:59:00Z"), at("2026-11-22T06:00:00Z")));
        let runs = |text: &str, from: &str, times: usize| -> Vec<String> {
            let schedule = Schedule::read(text, "x").expect("a schedule");
            let (mut last, mut found) = (at(from), vec![]);
            while found.len() < times {
                let mut now = last;
                while !schedule.is_due(last, now) {
                    now += 15.minutes();
                }
                found.push(now.to_string());
                last = now;
            }
            found
        };
        // In the gap right after it, in the fold once (B33).
        let berlin = "30 2 * * * Europe/Berlin";
        assert_eq!(
            runs(berlin, "2026-03-28T00:00:00Z", 3),
            ["2026-03-28T01:30:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"]
        );
        assert_eq!(
            runs(berlin, "2026-10-24T00:00:00Z", 3),
            ["2026-10-24T00:30:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"]
        );
        assert_eq!(
            runs("0 0 * * * America/Santiago", "2026-09-05T00:00:00Z", 2),
            ["2026-09-05T04:00:00Z", "2026-09-06T04:00:00Z"]
        );
        assert_eq!(runs("0,30 1-3 * * * Europe/Berlin", "2026-10-25T00:15:00Z", 3)[2], "2026-10-25T02:30:00Z");
        let often = runs("*/30 * * * * Europe/Berlin", "2026-10-25T00:00:00Z", 4);
        assert_eq!(often, ["2026-10-25T00:30:00Z", "2026-10-25T01:00:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:00:00Z"]);
        for (bad, words) in [
            ("@daily", "write 0 0 * * *"),
            ("@reboot", "no schedule here"),
            ("0 0 7 * * *", "five fields"),
            ("0 0 7 * * * 2026", "five fields"),
        ] {
            assert!(Schedule::read(bad, "x").expect_err(bad).contains(words), "{bad}");
        }
        for bad in ["", "often", "* * * *", "99 * * * *", "0 7 * * * Nowhere"] {
            assert!(Schedule::read(bad, "x").is_err(), "{bad}");
        }
    }
}
