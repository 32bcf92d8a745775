//! How people write numbers, days, times, and yes and no: in a language that is named, or as every program reads them.

use jiff::civil::{Date, DateTime, Time};
use jiff::tz::TimeZone;

/// What of a day is written first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum First {
    Day,
    Month,
    Year,
}

/// How people write, who speak a language.
#[derive(Debug, Clone, Copy)]
pub struct Locale {
    name: &'static str,
    decimal: char,
    /// What may stand between groups of three digits.
    groups: &'static [char],
    first: First,
    /// What parts a day's numbers.
    parts: &'static [char],
    yes: &'static [&'static str],
    no: &'static [&'static str],
}

const SPACES: &[char] = &[' ', '\u{a0}', '\u{202f}', '\''];

const fn locale(name: &'static str, decimal: char, groups: &'static [char], first: First, parts: &'static [char]) -> Locale {
    Locale { name, decimal, groups, first, parts, yes: &["yes", "y"], no: &["no", "n"] }
}

use First::{Day, Month, Year};

const LOCALES: &[Locale] = &[
    locale("en", '.', &[','], Month, &['/']),
    locale("en-us", '.', &[','], Month, &['/']),
    locale("en-gb", '.', &[','], Day, &['/']),
    locale("en-au", '.', &[','], Day, &['/']),
    locale("en-nz", '.', &[','], Day, &['/']),
    locale("en-ie", '.', &[','], Day, &['/']),
    locale("en-in", '.', &[','], Day, &['/', '-']),
    locale("en-ca", '.', &[','], Year, &['-', '/']),
    Locale { yes: &["ja", "wahr"], no: &["nein", "falsch"], ..locale("de", ',', &['.', '\u{a0}'], Day, &['.']) },
    Locale { yes: &["ja", "wahr"], no: &["nein", "falsch"], ..locale("de-at", ',', &['.', ' ', '\u{a0}'], Day, &['.']) },
    Locale { yes: &["ja", "wahr"], no: &["nein", "falsch"], ..locale("de-ch", '.', &['\'', '’'], Day, &['.']) },
    Locale { yes: &["oui", "vrai"], no: &["non", "faux"], ..locale("fr", ',', SPACES, Day, &['/']) },
    Locale { yes: &["oui", "vrai"], no: &["non", "faux"], ..locale("fr-ca", ',', SPACES, Year, &['-']) },
    Locale { yes: &["oui", "vrai"], no: &["non", "faux"], ..locale("fr-ch", ',', SPACES, Day, &['.']) },
    Locale { yes: &["sí", "si", "verdadero"], no: &["no", "falso"], ..locale("es", ',', &['.', ' ', '\u{a0}'], Day, &['/']) },
    Locale { yes: &["sì", "si", "vero"], no: &["no", "falso"], ..locale("it", ',', &['.'], Day, &['/']) },
    Locale { yes: &["ja", "waar"], no: &["nee", "onwaar"], ..locale("nl", ',', &['.'], Day, &['-', '/']) },
    Locale { yes: &["sim", "verdadeiro"], no: &["não", "nao", "falso"], ..locale("pt", ',', &['.', ' '], Day, &['/']) },
    Locale { yes: &["sim", "verdadeiro"], no: &["não", "nao", "falso"], ..locale("pt-br", ',', &['.'], Day, &['/']) },
    Locale { yes: &["tak", "prawda"], no: &["nie", "fałsz"], ..locale("pl", ',', SPACES, Day, &['.']) },
    Locale { yes: &["ano", "pravda"], no: &["ne", "nepravda"], ..locale("cs", ',', SPACES, Day, &['.']) },
    Locale { yes: &["ja", "sant"], no: &["nej", "falskt"], ..locale("sv", ',', SPACES, Year, &['-']) },
    Locale { yes: &["ja", "sand"], no: &["nej", "falsk"], ..locale("da", ',', &['.'], Day, &['.', '-']) },
    Locale { yes: &["ja", "sann"], no: &["nei", "usann"], ..locale("nb", ',', SPACES, Day, &['.']) },
    Locale { yes: &["kyllä", "tosi"], no: &["ei", "epätosi"], ..locale("fi", ',', SPACES, Day, &['.']) },
    Locale { yes: &["igen", "igaz"], no: &["nem", "hamis"], ..locale("hu", ',', SPACES, Year, &['.']) },
    Locale { yes: &["evet", "doğru"], no: &["hayır", "yanlış"], ..locale("tr", ',', &['.'], Day, &['.']) },
    Locale { yes: &["да", "истина"], no: &["нет", "ложь"], ..locale("ru", ',', SPACES, Day, &['.']) },
    Locale { yes: &["так", "істина"], no: &["ні", "хибність"], ..locale("uk", ',', SPACES, Day, &['.']) },
    Locale { yes: &["はい"], no: &["いいえ"], ..locale("ja", '.', &[','], Year, &['/', '-']) },
    Locale { yes: &["是"], no: &["否"], ..locale("zh", '.', &[','], Year, &['/', '-']) },
];

/// The names of all.
pub fn names() -> String {
    LOCALES.iter().map(|locale| locale.name).collect::<Vec<_>>().join(", ")
}

impl Locale {
    /// By its name, in whatever case.
    pub fn named(name: &str) -> Option<&'static Locale> {
        let name = name.to_lowercase().replace('_', "-");
        let of = |wanted: &str| LOCALES.iter().find(|locale| locale.name == wanted);
        // Where a country is called like its language, people write as all do who speak it; elsewhere nobody knows.
        let home =
            || name.split_once('-').filter(|(language, country)| language == country).and_then(|(language, _)| of(language));
        of(&name).or_else(home)
    }
}

/// A number as JSON and decimals have it: `1.234,50` of a German is `1234.50`. None: it is no number in this language.
pub fn number(text: &str, locale: &Locale) -> Option<String> {
    let (sign, digits) = match text.strip_prefix(['-', '−']) {
        Some(rest) => ("-", rest),
        None => ("", text.strip_prefix('+').unwrap_or(text)),
    };
    let (whole, fraction) = match digits.split_once(locale.decimal) {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (digits, None),
    };
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    let groups: Vec<&str> = whole.split(locale.groups).collect();
    let is_grouped = groups.len() == 1 || (1..=3).contains(&groups[0].len()) && groups[1..].iter().all(|group| group.len() == 3);
    if !is_grouped || !groups.iter().all(|group| plain(group)) || !fraction.is_none_or(plain) {
        return None;
    }
    let whole = groups.concat();
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    Some(fraction.map_or_else(|| format!("{sign}{whole}"), |fraction| format!("{sign}{whole}.{fraction}")))
}

/// Yes or no.
pub fn boolean(text: &str, locale: Option<&Locale>) -> Option<bool> {
    let text = text.to_lowercase();
    let is = |words: &[&str]| words.contains(&text.as_str());
    match locale {
        _ if is(&["true", "1"]) => Some(true),
        _ if is(&["false", "0"]) => Some(false),
        Some(locale) if is(locale.yes) => Some(true),
        Some(locale) if is(locale.no) => Some(false),
        _ => None,
    }
}

/// A day in whole numbers, with a year of four digits. `2026-11-29` is one everywhere.
pub fn day(text: &str, locale: Option<&Locale>) -> Option<Date> {
    let iso = || text.parse::<Date>().ok().filter(|_| text.len() == 10);
    let Some(locale) = locale else { return iso() };
    let numbers: Vec<&str> = text.trim_end_matches('.').split(locale.parts).map(str::trim).collect();
    let [first, second, third] = numbers.as_slice() else { return iso() };
    let (year, month, day) = match locale.first {
        Day => (third, second, first),
        Month => (third, first, second),
        Year => (first, second, third),
    };
    let is_plain = year.len() == 4 && [year, month, day].iter().all(|part| part.bytes().all(|byte| byte.is_ascii_digit()));
    let date = || Date::new(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?).ok();
    if is_plain { date() } else { iso() }
}

/// A time of day: `8:30`, `08:30:15`, and where people say so, `8:30 PM`.
pub fn time(text: &str) -> Option<Time> {
    let upper = text.trim().to_ascii_uppercase();
    let half = upper.strip_suffix("AM").map(|rest| (rest, 0)).or_else(|| upper.strip_suffix("PM").map(|rest| (rest, 12)));
    let (digits, later) = half.map_or((upper.as_str(), None), |(rest, later)| (rest.trim(), Some(later)));
    let mut numbers = digits.split(':');
    let hour: i8 = numbers.next().filter(|hour| (1..=2).contains(&hour.len()))?.parse().ok()?;
    let minute: i8 = numbers.next().filter(|minute| minute.len() == 2)?.parse().ok()?;
    let (second, fraction) = match numbers.next() {
        Some(second) => second.split_once('.').unwrap_or((second, "")),
        None => ("00", ""),
    };
    let plain = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if numbers.next().is_some() || second.len() != 2 || fraction.len() > 9 || !plain(second) || !plain(fraction) {
        return None;
    }
    let hour = match later {
        Some(later) if (1..=12).contains(&hour) => hour % 12 + later,
        Some(_) => return None,
        None => hour,
    };
    Time::new(hour, minute, second.parse().ok()?, format!("{fraction:0<9}").parse().ok()?).ok()
}

/// A day and a time of it: `31.1.2024 08:30`, `2024-01-31T08:30:00`.
pub fn moment(text: &str, locale: Option<&Locale>) -> Option<DateTime> {
    let at = text.find(['T', ' ', ',']).filter(|at| text.is_char_boundary(*at))?;
    let date = day(text[..at].trim(), locale)?;
    Some(DateTime::from_parts(date, time(text[at + 1..].trim())?))
}

/// A point in time, of a clock somewhere. None: that clock never showed it.
pub fn instant(moment: DateTime, zone: &TimeZone) -> Option<String> {
    if *zone == TimeZone::UTC {
        return Some(format!("{moment}Z")); // to the end of the calendar, of which zones know a day less
    }
    let found = zone.to_ambiguous_timestamp(moment);
    let is_there = !matches!(found.offset(), jiff::tz::AmbiguousOffset::Gap { .. });
    found.compatible().ok().filter(|_| is_there).map(|instant| instant.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> &'static Locale {
        Locale::named(name).expect("a locale")
    }

    #[test]
    fn numbers_are_what_people_of_a_language_mean() {
        for (name, text, wanted) in [
            ("de", "1.234,50", Some("1234.50")),
            ("de", "-0,5", Some("-0.5")),
            ("de_AT", "1 234 567", Some("1234567")),
            ("de-CH", "1'234.5", Some("1234.5")),
            ("de", "1.5", None), // neither a group nor a fraction
            ("de", "1.234.5", None),
            ("en", "1,234,567.89", Some("1234567.89")),
            ("en", "1,5", None),
            ("en", "12,34", None),
            ("fr", "1\u{202f}234,5", Some("1234.5")),
            ("en-NZ", "+007", Some("7")),
            ("en", "", None),
            ("en", "1e5", None),
            ("en", "1.", None),
        ] {
            assert_eq!(number(text, named(name)).as_deref(), wanted, "{name} {text}");
        }
    }

    #[test]
    fn days_times_and_answers_are_too() {
        let date = |name: Option<&str>, text: &str| day(text, name.map(named)).map(|date| date.to_string());
        for (name, text, wanted) in [
            (Some("de"), "31.1.2024", Some("2024-01-31")),
            (Some("de"), "2024-01-31", Some("2024-01-31")),
            (Some("en-US"), "1/31/2024", Some("2024-01-31")),
            (Some("en-GB"), "1/2/2024", Some("2024-02-01")),
            (Some("en-US"), "31/1/2024", None),
            (Some("sv"), "2024-01-31", Some("2024-01-31")),
            (Some("hu"), "2024. 01. 31.", Some("2024-01-31")),
            (Some("de"), "31.1.24", None),
            (None, "31.01.2024", None),
            (None, "2024-1-31", None),
        ] {
            assert_eq!(date(name, text).as_deref(), wanted, "{name:?} {text}");
        }
        let clock = |text: &str| time(text).map(|time| time.to_string());
        for (text, wanted) in [
            ("8:30", Some("08:30:00")),
            ("08:30:15.25", Some("08:30:15.25")),
            ("12:05 am", Some("00:05:00")),
            ("12:05PM", Some("12:05:00")),
            ("13:00 PM", None),
            ("24:00", None),
            ("8", None),
            ("8:3", None),
        ] {
            assert_eq!(clock(text).as_deref(), wanted, "{text}");
        }
        assert!(Locale::named("de-DE").is_some() && Locale::named("en-XX").is_none() && Locale::named("es-MX").is_none());
        assert_eq!(boolean("Ja", Some(named("de"))), Some(true));
        assert_eq!((boolean("ja", None), boolean("FALSE", None), boolean("1", None)), (None, Some(false), Some(true)));
        let zone = TimeZone::get("Europe/Vienna").expect("a zone");
        let at = |text: &str| moment(text, Some(named("de"))).and_then(|moment| instant(moment, &zone));
        assert_eq!(at("31.1.2024 08:30").as_deref(), Some("2024-01-31T07:30:00Z"));
        assert_eq!(at("31.03.2024 02:30"), None, "that hour never was");
        assert_eq!(at("2024-07-01T08:30:00").as_deref(), Some("2024-07-01T06:30:00Z"));
    }
}
