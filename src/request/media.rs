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

/// Whether a JSON:API media type asks for nothing that is unknown here: no extension is supported, profiles are ignored.
fn is_plain(media: &Media) -> bool {
    media.parameters.iter().all(|(name, value)| match name.as_str() {
        "profile" => true,
        "ext" => value.split_whitespace().next().is_none(),
        _ => false,
    })
}

/// Checks `Accept` under `/api`.
///
/// # Errors
/// 406 where no entry admits our media type (CN4, CN5).
pub fn accept(header: Option<&str>) -> Result<()> {
    let Some(header) = header.filter(|h| !h.trim().is_empty()) else { return Ok(()) };
    let good = split(header, ',').iter().filter_map(|entry| media(entry)).any(|mut entry| {
        let refused = entry.parameters.iter().any(|(name, q)| name == "q" && q.parse::<f64>().is_ok_and(|q| q <= 0.0));
        entry.parameters.retain(|(name, _)| name != "q");
        if refused {
            return false;
        }
        match entry.name.as_str() {
            "*/*" | "application/*" | "application/json" => true,
            JSON_API => is_plain(&entry),
            _ => false,
        }
    });
    if good { Ok(()) } else { Err(Error::NotAcceptable) }
}

/// Checks `Content-Type` of a body under `/api`: ours without parameters but `profile`, or plain JSON as curl users send it.
///
/// # Errors
/// 415 with words that say which are read (CN2, CN3).
pub fn content(header: Option<&str>) -> Result<()> {
    let wanted = || Error::Unsupported(format!("Send {JSON_API} (without parameters) or application/json."));
    let media = header.and_then(media).ok_or_else(wanted)?;
    match media.name.as_str() {
        JSON_API if is_plain(&media) => Ok(()),
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
            assert!(accept(Some(good)).is_ok(), "{good}");
        }
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
            assert!(content(Some(good)).is_ok(), "{good}");
        }
        for bad in
            ["application/vnd.api+json;charset=utf-8", "application/vnd.api+json; ext=\"http://x\"", "text/plain", "", "a/b/c"]
        {
            assert!(content(Some(bad)).is_err(), "{bad}");
        }
        assert!(content(None).is_err() && action_content(None).is_ok());
    }
}
