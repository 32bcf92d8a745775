//! Schedules: when an action runs by itself, and as whom.
//!
//! In charge of: the crontab's form, and which tick is due. Pure: clocks are read elsewhere.

use cronexpr::{Crontab, FallbackTimezoneOption, ParseOptions, parse_crontab_with};
use jiff::Timestamp;

/// When an action runs by itself.
#[derive(Debug)]
pub struct Schedule {
    crontab: Crontab,
    /// The address of the user that it runs as.
    pub run_as: String,
}

impl Schedule {
    /// Reads five fields, such as `0 7 * * *`, and a time zone if it isn't UTC: `0 7 * * * Europe/Berlin`.
    ///
    /// # Errors
    /// Words for the file's author.
    pub fn read(text: &str, run_as: &str) -> Result<Schedule, String> {
        let mut options = ParseOptions::default();
        options.fallback_timezone_option = FallbackTimezoneOption::UTC;
        let crontab = parse_crontab_with(text, options).map_err(|e| format!("a schedule is written like 0 7 * * *: {e}"))?;
        Ok(Schedule { crontab, run_as: run_as.to_owned() })
    }

    /// Whether a tick lies between the last run and now, however many there were: what was missed is caught up once.
    pub fn is_due(&self, last: Timestamp, now: Timestamp) -> bool {
        let next = self.crontab.find_next(last.to_string().as_str());
        next.is_ok_and(|next| next.timestamp() <= now)
    }
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
        for bad in ["", "often", "* * * *", "99 * * * *", "0 7 * * * Nowhere"] {
            assert!(Schedule::read(bad, "x").is_err(), "{bad}");
        }
    }
}
