//! Column types: what each is on the wire, in PostgreSQL, and which values it takes.
//!
//! In charge of: one row per type, and the check that turns a client's value into the text that PostgreSQL is
//! given. It must not know entities, permissions or requests.

pub mod calendar;
mod markup;
mod value;

use regex::Regex;
use serde_json::Value as Json;

use crate::cost::{self, Dear};
use value::{color, decimal, email, float, no_nul, time, unkept, url, within};
pub use value::{unkept_number, written};

/// A column's type.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)] // the table in the documentation of schema files
pub enum Kind {
    Label,
    Name,
    Text,
    Markdown,
    Html { clean: bool },
    Email,
    Url,
    Password,
    Encrypted,
    Integer,
    Decimal { precision: i64, scale: i64 },
    Float,
    Rating,
    Latitude,
    Longitude,
    Boolean,
    Date,
    Time,
    Datetime,
    Json,
    Enum { options: Vec<String> },
    Uuid,
    Color,
}

/// The names that files use.
pub const KINDS: &[(&str, Kind)] = &[
    ("label", Kind::Label),
    ("name", Kind::Name),
    ("text", Kind::Text),
    ("markdown", Kind::Markdown),
    ("html", Kind::Html { clean: true }),
    ("email", Kind::Email),
    ("url", Kind::Url),
    ("password", Kind::Password),
    ("encrypted", Kind::Encrypted),
    ("integer", Kind::Integer),
    ("decimal", Kind::Decimal { precision: 38, scale: 10 }),
    ("float", Kind::Float),
    ("rating", Kind::Rating),
    ("latitude", Kind::Latitude),
    ("longitude", Kind::Longitude),
    ("boolean", Kind::Boolean),
    ("date", Kind::Date),
    ("time", Kind::Time),
    ("datetime", Kind::Datetime),
    ("json", Kind::Json),
    ("enum", Kind::Enum { options: vec![] }),
    ("uuid", Kind::Uuid),
    ("color", Kind::Color),
];

/// How a value travels from PostgreSQL to the document writer (always in binary).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Wire {
    Text,
    Integer,
    Float,
    Boolean,
    Uuid,
    Json,
    Datetime,
    Date,
    Time,
}

impl Wire {
    /// The type that a statement casts to.
    pub fn sql(self) -> &'static str {
        match self {
            Wire::Text => "text",
            Wire::Integer => "bigint",
            Wire::Float => "double precision",
            Wire::Boolean => "boolean",
            Wire::Uuid => "uuid",
            Wire::Json => "jsonb",
            Wire::Datetime => "timestamptz",
            Wire::Date => "date",
            Wire::Time => "time",
        }
    }
}

/// The bounds that a column sets for its values.
#[derive(Debug, Clone, Default)]
pub struct Bounds {
    /// Lowest number, or fewest characters.
    pub min: Option<f64>,
    /// Highest number, or most characters.
    pub max: Option<f64>,
    /// Exactly so many characters.
    pub length: Option<usize>,
    /// What the whole text must match.
    pub pattern: Option<Regex>,
}

/// Longest text without a `max`, in characters, of one-line types.
const LINE: f64 = 255.0;
/// Longest password, in characters.
const PASSWORD: f64 = 256.0;

impl Kind {
    /// The name that files use.
    pub fn word(&self) -> &'static str {
        let same = |k: &Kind| std::mem::discriminant(k) == std::mem::discriminant(self);
        KINDS.iter().find(|(_, k)| same(k)).map_or("", |(name, _)| name)
    }

    /// An expression of this type as it is compared where values are to be unique.
    pub fn folded(&self, expression: &str) -> String {
        match self {
            Kind::Email => format!("lower({expression})"),
            Kind::Name => format!("lower(normalize(btrim({expression}), nfkc))"), // twins for the eye are one name
            _ => expression.to_owned(),
        }
    }

    /// The column's type in PostgreSQL, as `format_type` spells it.
    pub fn sql(&self) -> String {
        match self {
            Kind::Integer => "bigint".to_owned(),
            Kind::Decimal { precision, scale } => format!("numeric({precision},{scale})"),
            Kind::Float | Kind::Latitude | Kind::Longitude => "double precision".to_owned(),
            Kind::Rating => "smallint".to_owned(),
            Kind::Boolean => "boolean".to_owned(),
            Kind::Date => "date".to_owned(),
            Kind::Time => "time without time zone".to_owned(),
            Kind::Datetime => "timestamp with time zone".to_owned(),
            Kind::Json => "jsonb".to_owned(),
            Kind::Uuid => "uuid".to_owned(),
            Kind::Encrypted => "bytea".to_owned(),
            _ => "text".to_owned(),
        }
    }

    /// Whether its values are texts in JSON.
    pub fn is_written_as_text(&self) -> bool {
        !matches!(self.wire(), Wire::Integer | Wire::Float | Wire::Boolean | Wire::Json)
    }

    /// How it travels to the document writer.
    pub fn wire(&self) -> Wire {
        match self {
            Kind::Integer | Kind::Rating => Wire::Integer,
            Kind::Float | Kind::Latitude | Kind::Longitude => Wire::Float,
            Kind::Boolean => Wire::Boolean,
            Kind::Date => Wire::Date,
            Kind::Time => Wire::Time,
            Kind::Datetime => Wire::Datetime,
            Kind::Json => Wire::Json,
            Kind::Uuid => Wire::Uuid,
            _ => Wire::Text,
        }
    }

    /// Whether values are never served.
    pub fn is_secret(&self) -> bool {
        matches!(self, Kind::Password | Kind::Encrypted)
    }

    /// Whether values are text that can be searched in.
    pub fn is_text(&self) -> bool {
        self.wire() == Wire::Text && !self.is_secret() && !matches!(self, Kind::Decimal { .. } | Kind::Enum { .. })
    }

    /// Whether values have an order that `lt`, `gt` and sorting may use.
    pub fn is_ordered(&self) -> bool {
        !matches!(self, Kind::Json | Kind::Boolean) && !self.is_secret()
    }

    /// Whether a value is more work to make than to check.
    pub fn is_dear(&self) -> bool {
        self.is_secret() || matches!(self, Kind::Html { clean: true })
    }

    /// Whether values are one short line.
    pub fn is_line(&self) -> bool {
        matches!(self, Kind::Label | Kind::Name | Kind::Email | Kind::Url | Kind::Color | Kind::Enum { .. })
    }

    /// Checks a client's value; null is left to the caller (`required`).
    ///
    /// # Errors
    /// The end of a sentence that starts with the field's name: "must be …".
    pub fn check(&self, bounds: &Bounds, value: &Json) -> Result<String, String> {
        match self {
            Kind::Integer | Kind::Rating => {
                // 1.0 is a whole number in JSON, too.
                let whole = |n: f64| (n.fract() == 0.0 && n.abs() < 9e15).then_some(n as i64);
                let n = value.as_i64().or_else(|| value.as_f64().and_then(whole));
                let n = n.ok_or("must be a whole number of at most 64 bits")?;
                let range = if *self == Kind::Rating { (Some(0.0), Some(10.0)) } else { (None, None) };
                within(n as f64, bounds.min.or(range.0), bounds.max.or(range.1))?;
                Ok(n.to_string())
            }
            Kind::Float | Kind::Latitude | Kind::Longitude => {
                let n = value.as_f64().or_else(|| float(written(value)?));
                let n = n.filter(|n| n.is_finite()).ok_or("must be a number that a 64-bit float is near to")?;
                let range = match self {
                    Kind::Latitude => Some(90.0),
                    Kind::Longitude => Some(180.0),
                    _ => None,
                };
                within(n, bounds.min.or(range.map(|r| -r)), bounds.max.or(range))?;
                Ok(format!("{n:?}"))
            }
            Kind::Boolean => Ok(value.as_bool().ok_or("must be true or false")?.to_string()),
            Kind::Json => {
                if let Some(number) = unkept(value) {
                    let number = crate::error::short(number);
                    return Err(format!("holds {number}, a number that isn't kept to its last digit: send it as text"));
                }
                let text = value.to_string();
                match text.contains("\\u0000") {
                    true => Err("must not contain the character NUL".to_owned()),
                    false => Ok(text),
                }
            }
            _ => self.check_text(bounds, value.as_str().ok_or_else(|| format!("must be {}", self.wanted()))?),
        }
    }

    /// Checks a value that stands in a URL, where everything is text.
    ///
    /// # Errors
    /// As [`Kind::check`].
    pub fn check_query(&self, text: &str) -> Result<String, String> {
        let free = Bounds { max: Some(f64::MAX), ..Bounds::default() };
        match self {
            Kind::Integer | Kind::Rating | Kind::Float | Kind::Latitude | Kind::Longitude | Kind::Boolean => {
                let value = serde_json::from_str(text).map_err(|_| format!("must be {}", self.wanted()))?;
                let most = if *self == Kind::Rating { f64::from(i16::MAX) } else { f64::MAX };
                let open = Bounds { min: Some(-most), max: Some(most), ..Bounds::default() };
                self.check(&open, &value)
            }
            // What can't be stored is not found, which is no error: only what PostgreSQL can't compare is refused.
            Kind::Label | Kind::Name | Kind::Text | Kind::Markdown | Kind::Html { .. } => no_nul(text).map(|()| text.to_owned()),
            // A whole one is compared as it would be stored, a part of one as it is.
            Kind::Email | Kind::Url | Kind::Color => {
                no_nul(text).map(|()| self.check_text(&free, text).unwrap_or_else(|_| text.to_owned()))
            }
            _ => self.check_text(&free, text),
        }
    }

    fn wanted(&self) -> String {
        match self {
            Kind::Decimal { .. } => "a decimal number as text, such as \"12.50\"".to_owned(),
            Kind::Date => "a date such as 2026-11-22".to_owned(),
            Kind::Time => "a time such as 13:45:00".to_owned(),
            Kind::Datetime => "a point in time such as 2026-11-22T13:45:00Z".to_owned(),
            Kind::Enum { options } => format!("one of {}", options.join(", ")),
            Kind::Uuid => "a UUID".to_owned(),
            Kind::Email => "an e-mail address".to_owned(),
            Kind::Url => "a URL that starts with http:// or https://".to_owned(),
            Kind::Color => "a colour such as #1e90ff".to_owned(),
            Kind::Integer | Kind::Rating => "a whole number".to_owned(),
            Kind::Float | Kind::Latitude | Kind::Longitude => "a number".to_owned(),
            Kind::Boolean => "true or false".to_owned(),
            _ => "text".to_owned(),
        }
    }

    fn check_text(&self, bounds: &Bounds, text: &str) -> Result<String, String> {
        no_nul(text)?;
        if self.is_line() && text.chars().any(char::is_control) {
            return Err("must be one line".to_owned());
        }
        let wrong = || format!("must be {}", self.wanted());
        let clean = match self {
            Kind::Decimal { precision, scale } => return decimal(text, *precision, *scale, bounds).ok_or_else(wrong)?,
            Kind::Date => return calendar::read_day(text).ok_or_else(wrong),
            Kind::Time => return time(text).ok_or_else(wrong),
            Kind::Datetime => return calendar::read_instant(text).ok_or_else(wrong),
            Kind::Uuid => {
                return uuid::Uuid::try_parse(text).ok().filter(|_| text.len() == 36).map(|u| u.to_string()).ok_or_else(wrong);
            }
            Kind::Enum { options } => return if options.iter().any(|o| o == text) { Ok(text.to_owned()) } else { Err(wrong()) },
            Kind::Email => email(text).ok_or_else(wrong)?,
            Kind::Url => url(text).ok_or_else(wrong)?,
            Kind::Color => color(text).ok_or_else(wrong)?,
            Kind::Html { clean: true } => return Ok(text.to_owned()), // it is measured once it is clean
            _ => text.to_owned(),
        };
        self.measured(bounds, clean)
    }

    /// Cleans markup, which is dear: only of a change that is allowed. Other values are as they were checked.
    ///
    /// # Errors
    /// As [`Kind::check`].
    pub fn clean(&self, bounds: &Bounds, text: &str) -> Result<String, String> {
        match self {
            Kind::Html { clean: true } => {
                cost::count(Dear::Cleaning, 1);
                self.measured(bounds, ammonia::clean(&markup::bounded(text)?))
            }
            _ => Ok(text.to_owned()),
        }
    }

    /// A text within its bounds.
    fn measured(&self, bounds: &Bounds, clean: String) -> Result<String, String> {
        let count = clean.chars().count();
        if let Some(length) = bounds.length.filter(|l| *l != count) {
            return Err(format!("must have exactly {length} characters"));
        }
        let limit = match self {
            Kind::Password => Some(PASSWORD),
            kind if kind.is_line() => Some(LINE),
            _ => None,
        };
        if let Some(max) = bounds.max.or(limit).filter(|max| count as f64 > *max) {
            return Err(format!("must have at most {max} characters"));
        }
        if let Some(min) = bounds.min.filter(|min| (count as f64) < *min) {
            return Err(format!("must have at least {min} characters"));
        }
        match &bounds.pattern {
            Some(pattern) if !pattern.is_match(&clean) => Err(format!("must match {}", pattern.as_str())),
            _ => Ok(clean),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(kind: Kind, value: Json) -> Result<String, String> {
        kind.check(&Bounds::default(), &value)
    }

    #[test]
    fn every_type_takes_what_is_right_and_refuses_other_json_types() {
        let good: &[(&str, Json)] = &[
            ("label", json!("größe 'x' \"%\"")),
            ("text", json!("a\nb")),
            ("email", json!("A@Example.ORG")),
            ("url", json!("https://x/y?z")),
            ("integer", json!(-9_007_199_254_740_993_i64)),
            ("decimal", json!("-12.50")),
            ("float", json!(1e300)),
            ("rating", json!(10)),
            ("latitude", json!(-90)),
            ("longitude", json!(180.0)),
            ("boolean", json!(false)),
            ("date", json!("2024-02-29")),
            ("time", json!("23:59:59.5")),
            ("datetime", json!("2026-11-22T10:00:00+02:00")),
            ("json", json!({"a": [null]})),
            ("uuid", json!("0190b5a2-7c1e-7000-8000-000000000001")),
            ("color", json!("#FFF")),
        ];
        for (name, value) in good {
            let kind = KINDS.iter().find(|(n, _)| n == name).expect("a kind").1.clone();
            assert!(check(kind.clone(), value.clone()).is_ok(), "{name} {value}");
            if kind != Kind::Json {
                assert!(check(kind.clone(), json!([1])).is_err(), "{name} took a list");
                assert!(check(kind.clone(), json!({"a": 1})).is_err(), "{name} took an object");
                if kind.wire() != Wire::Integer && kind.wire() != Wire::Float {
                    assert!(check(kind, json!(7)).is_err(), "{name} took 7");
                }
            }
        }
        assert_eq!(check(Kind::Email, json!("A@Example.ORG")).as_deref(), Ok("A@example.org"));
        assert_eq!(check(Kind::Datetime, json!("2026-11-22T10:00:00+02:00")).as_deref(), Ok("2026-11-22T08:00:00Z"));
        let last = json!("9999-12-30T22:00:00.9999999Z"); // rounded it would leave the calendar
        assert_eq!(check(Kind::Datetime, last).as_deref(), Ok("9999-12-30T22:00:00.999999Z"));
    }

    #[test]
    fn what_is_wrong_is_refused_with_words() {
        let bad: &[(Kind, Json)] = &[
            (Kind::Label, json!("a\nb")),
            (Kind::Label, json!("x".repeat(256))),
            (Kind::Text, json!("a\0b")),
            (Kind::Json, json!({"a": "\0"})),
            (Kind::Email, json!("nobody")),
            (Kind::Email, json!("a b@c")),
            (Kind::Url, json!("javascript:alert(1)")),
            (Kind::Integer, json!(1.5)),
            (Kind::Integer, json!("1")),
            (Kind::Rating, json!(11)),
            (Kind::Decimal { precision: 4, scale: 2 }, json!("123.4")),
            (Kind::Decimal { precision: 4, scale: 2 }, json!("1.234")),
            (Kind::Decimal { precision: 4, scale: 2 }, json!("1e2")),
            (Kind::Latitude, json!(90.1)),
            (Kind::Date, json!("2025-02-29")),
            (Kind::Time, json!("25:00:00")),
            (Kind::Datetime, json!("2026-11-22")),
            (Kind::Datetime, json!("2026-11-22T10:00:00")),
            (Kind::Uuid, json!("{0190b5a2-7c1e-7000-8000-000000000001}")),
            (Kind::Color, json!("red")),
            (Kind::Enum { options: vec!["a".into()] }, json!("b")),
            (Kind::Password, json!("x".repeat(257))),
        ];
        for (kind, value) in bad {
            assert!(check(kind.clone(), value.clone()).is_err(), "{kind:?} took {value}");
        }
    }
}
