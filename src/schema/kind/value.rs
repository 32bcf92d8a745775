//! Values as people write them, and as PostgreSQL is given them: one function for each type that has a form of its own.

use serde_json::Value as Json;

use super::Bounds;

pub(super) fn no_nul(text: &str) -> Result<(), String> {
    if text.contains('\0') { Err("must not contain the character NUL".to_owned()) } else { Ok(()) }
}

pub(super) fn within(n: f64, min: Option<f64>, max: Option<f64>) -> Result<(), String> {
    if let Some(min) = min.filter(|min| n < *min) {
        return Err(format!("must be at least {min}"));
    }
    match max.filter(|max| n > *max) {
        Some(max) => Err(format!("must be at most {max}")),
        None => Ok(()),
    }
}

pub(super) fn decimal(text: &str, precision: i64, scale: i64, bounds: &Bounds) -> Option<Result<String, String>> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let plain = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    if !plain(whole) || !plain(fraction) || text.len() > 200 {
        return None;
    }
    let room = usize::try_from(precision - scale).unwrap_or(0);
    if whole.trim_start_matches('0').len() > room {
        return Some(Err(format!("must have at most {room} digits before the point")));
    }
    if fraction.trim_end_matches('0').len() > usize::try_from(scale).unwrap_or(0) {
        return Some(Err(format!("must have at most {scale} digits after the point")));
    }
    let near = text.parse::<f64>().ok()?;
    Some(within(near, bounds.min.filter(|m| m.is_finite()), bounds.max).map(|()| text.to_owned()))
}

pub(super) fn time(text: &str) -> Option<String> {
    let strict = text.len() >= 8 && text.as_bytes()[2] == b':' && text.as_bytes()[5] == b':' && !text[6..].starts_with("60");
    let plain = text.bytes().all(|b| b.is_ascii_digit() || b == b':' || b == b'.');
    let time = text.parse::<jiff::civil::Time>().ok().filter(|_| strict && plain)?;
    // microseconds, as PostgreSQL keeps them: cut, so that the day's end stays in the day
    let round = jiff::civil::TimeRound::new().smallest(jiff::Unit::Microsecond).mode(jiff::RoundMode::Trunc);
    time.round(round).ok().map(|t| t.to_string())
}

/// A point in time in UTC, with microseconds as PostgreSQL keeps them.
pub(super) fn email(text: &str) -> Option<String> {
    let (local, domain) = text.rsplit_once('@')?;
    let atom = |c: char| !c.is_whitespace() && !c.is_control() && !"()<>[]:;,\\\"@".contains(c);
    let good_local = !local.is_empty()
        && local.len() <= 64
        && local.chars().all(atom)
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..");
    let label = |l: &str| {
        !l.is_empty()
            && l.len() <= 63
            && l.chars().all(|c| c.is_alphanumeric() || c == '-')
            && !l.starts_with('-')
            && !l.ends_with('-')
    };
    let good_domain = domain.len() <= 253 && domain.split('.').all(label);
    (good_local && good_domain).then(|| format!("{local}@{}", domain.to_lowercase()))
}

pub(super) fn url(text: &str) -> Option<String> {
    let uri: http::Uri = text.parse().ok()?;
    let web = matches!(uri.scheme_str(), Some("http" | "https"));
    (web && uri.host().is_some_and(|h| !h.is_empty())).then(|| text.to_owned())
}

pub(super) fn color(text: &str) -> Option<String> {
    let hex = text.strip_prefix('#')?;
    (matches!(hex.len(), 3 | 6 | 8) && hex.bytes().all(|b| b.is_ascii_hexdigit())).then(|| text.to_lowercase())
}

/// The key of what stands for a number that isn't kept. (No client's value has it: NUL is refused.)
const UNKEPT: &str = "\0";

/// Stands for a number that neither an integer nor a float of 64 bits keeps exactly, as it is written.
pub fn unkept_number(text: &str) -> Json {
    Json::Object([(UNKEPT.to_owned(), text.into())].into_iter().collect())
}

/// The number that a value stands for which isn't kept, as it is written.
pub fn written(value: &Json) -> Option<&str> {
    value.as_object().filter(|entries| entries.len() == 1)?.get(UNKEPT)?.as_str()
}

/// The float next to a number as it is written. None: it is too large for one, or too small to be told from 0.
pub(super) fn float(written: &str) -> Option<f64> {
    let mantissa = written.split(['e', 'E']).next().unwrap_or_default();
    let is_zero = !mantissa.bytes().any(|byte| matches!(byte, b'1'..=b'9'));
    written.parse().ok().filter(|near: &f64| near.is_finite() && (*near != 0.0 || is_zero))
}

/// The first number in a value that isn't kept exactly, as it is written.
pub(super) fn unkept(value: &Json) -> Option<&str> {
    match value {
        Json::Array(items) => items.iter().find_map(unkept),
        Json::Object(entries) => entries.get(UNKEPT).and_then(Json::as_str).or_else(|| entries.values().find_map(unkept)),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => None,
    }
}
