//! Media types: which bodies are read, and which answers may be written (JSON:API, content negotiation).
//!
//! In charge of: `Content-Type` and `Accept`. Pure.

use crate::error::{Error, Result};

/// The media type of every answer under `/api`.
pub const JSON_API: &str = "application/vnd.api+json";

struct Media {
    name: String,
    parameters: Vec<(String, String)>,
}

/// Takes `a/b; c=d; e="f g"` apart; none when it isn't that.
fn media(text: &str) -> Option<Media> {
    let mut parts = split(text, ';').into_iter();
    let name = parts.next()?.trim().to_ascii_lowercase();
    if name.split('/').filter(|p| !p.is_empty()).count() != 2 || name.matches('/').count() != 1 {
        return None;
    }
    let mut parameters = vec![];
    for part in parts.map(|p| p.trim().to_owned()).filter(|p| !p.is_empty()) {
        let (key, value) = part.split_once('=')?;
        let value = value.trim();
        let value = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap_or(value);
        parameters.push((key.trim().to_ascii_lowercase(), value.to_owned()));
    }
    Some(Media { name, parameters })
}

/// Splits at a character outside of quotes.
fn split(text: &str, at: char) -> Vec<String> {
    let (mut parts, mut quoted, mut escaped) = (vec![String::new()], false, false);
    for c in text.chars() {
        if c == at && !quoted {
            parts.push(String::new());
            continue;
        }
        quoted ^= c == '"' && !escaped;
        escaped = c == '\\' && quoted && !escaped;
        if let Some(last) = parts.last_mut() {
            last.push(c);
        }
    }
    parts
}

/// The extension that we know: many operations in one request.
pub const ATOMIC: &str = "https://jsonapi.org/ext/atomic";

/// The profile that we know, and hold to wherever there are pages.
pub const CURSOR: &str = "https://jsonapi.org/profiles/ethanresnick/cursor-pagination/";

/// What an answer is written as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Form {
    /// The media type alone.
    #[default]
    Plain,
    /// With the cursor profile, which was asked for (CN8, CN9).
    Cursors,
    /// With the atomic extension.
    Atomic,
}

impl Form {
    /// The media type with what applies.
    pub fn media(self) -> &'static str {
        match self {
            Form::Plain => JSON_API,
            Form::Cursors => "application/vnd.api+json; profile=\"https://jsonapi.org/profiles/ethanresnick/cursor-pagination/\"",
            Form::Atomic => "application/vnd.api+json; ext=\"https://jsonapi.org/ext/atomic\"",
        }
    }
}

/// Whether a JSON:API media type has no parameters but ours, and no extension that is unknown here. Profiles that are
/// unknown are ignored (CN7).
fn is_known(media: &Media) -> bool {
    media.parameters.iter().all(|(name, value)| match name.as_str() {
        "profile" => true,
        "ext" => value.split_whitespace().all(|uri| uri == ATOMIC),
        _ => false,
    })
}

impl Media {
    fn names(&self, parameter: &str, uri: &str) -> bool {
        self.parameters.iter().any(|(name, value)| name == parameter && value.split_whitespace().any(|v| v == uri))
    }
}

/// Checks `Accept` under `/api`. Gives the form of the answer.
///
/// # Errors
/// 406 where no entry admits our media type (CN4, CN5).
pub fn accept(header: Option<&str>) -> Result<Form> {
    let Some(header) = header.filter(|h| !h.trim().is_empty()) else { return Ok(Form::Plain) };
    let entries = split(header, ',');
    let mut good = entries.iter().filter_map(|entry| media(entry)).filter_map(|mut entry| {
        let refused = entry.parameters.iter().any(|(name, q)| name == "q" && q.parse::<f64>().is_ok_and(|q| q <= 0.0));
        entry.parameters.retain(|(name, _)| name != "q");
        match entry.name.as_str() {
            _ if refused => None,
            "*/*" | "application/*" | "application/json" => Some(Form::Plain),
            JSON_API if is_known(&entry) && entry.names("profile", CURSOR) => Some(Form::Cursors),
            JSON_API if is_known(&entry) => Some(Form::Plain),
            _ => None,
        }
    });
    let first = good.next().ok_or(Error::NotAcceptable)?;
    Ok(if first == Form::Cursors || good.any(|form| form == Form::Cursors) { Form::Cursors } else { Form::Plain })
}

/// Checks `Content-Type` of a body under `/api`: ours without parameters but `profile`, or plain JSON as curl users send it.
/// Of `/api/operations`, with the extension.
///
/// # Errors
/// 415 with words that say which are read (CN2, CN3).
pub fn content(header: Option<&str>, is_atomic: bool) -> Result<()> {
    let wanted = || {
        let ours = if is_atomic { Form::Atomic.media() } else { JSON_API };
        Error::Unsupported(format!("Send {ours} or application/json here."))
    };
    let media = header.and_then(media).ok_or_else(wanted)?;
    match media.name.as_str() {
        JSON_API if is_known(&media) && media.names("ext", ATOMIC) == is_atomic => Ok(()),
        "application/json" => Ok(()),
        _ => Err(wanted()),
    }
}

/// Checks `Content-Type` of a body under `/action`: JSON, or none at all.
///
/// # Errors
/// 415 with words that say which are read.
pub fn action_content(header: Option<&str>) -> Result<()> {
    match header.map(media) {
        None => Ok(()),
        Some(Some(media)) if media.name == "application/json" || media.name == JSON_API => Ok(()),
        Some(_) => Err(Error::Unsupported("Send application/json.".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cn4_cn5_cn6_accept() {
        for good in [
            "*/*",
            "application/*",
            "text/html, application/vnd.api+json",
            "application/vnd.api+json;profile=\"http://x\"",
            "application/vnd.api+json;foo=1, application/vnd.api+json",
            "application/vnd.api+json;q=0.5",
            "application/json, text/plain, */*",
        ] {
            assert_eq!(accept(Some(good)).ok(), Some(Form::Plain), "{good}");
        }
        for good in [
            Form::Cursors.media(),
            "text/html, application/vnd.api+json; profile=\"http://x https://jsonapi.org/profiles/ethanresnick/cursor-pagination/\";q=0.1",
        ] {
            assert_eq!(accept(Some(good)).ok(), Some(Form::Cursors), "CN8, CN12 {good}");
        }
        assert_eq!(accept(Some(Form::Atomic.media())).ok(), Some(Form::Plain), "known, and not applied to a read");
        for bad in ["text/html", "application/vnd.api+json;charset=utf-8", "application/vnd.api+json;ext=\"http://x\"", "x"] {
            assert!(accept(Some(bad)).is_err(), "{bad}");
        }
        assert!(accept(None).is_ok());
    }

    #[test]
    fn cn2_cn3_cn7_content() {
        for good in [
            "application/vnd.api+json",
            "Application/Vnd.Api+Json; profile=\"http://a http://b\"",
            "application/json;charset=UTF-8",
        ] {
            assert!(content(Some(good), false).is_ok(), "{good}");
        }
        for bad in
            ["application/vnd.api+json;charset=utf-8", "application/vnd.api+json; ext=\"http://x\"", "text/plain", "", "a/b/c"]
        {
            assert!(content(Some(bad), false).is_err(), "{bad}");
        }
        assert!(content(Some(Form::Atomic.media()), true).is_ok() && content(Some(Form::Atomic.media()), false).is_err());
        assert!(content(Some(JSON_API), true).is_err() && content(Some("application/json"), true).is_ok());
        assert!(content(None, false).is_err() && action_content(None).is_ok());
    }
}
