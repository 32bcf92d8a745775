//! Entity tags: which version of a row a change is made for, and which answer a client has already.
//!
//! In charge of: the form of `ETag` (`"<version>-<hash>"` of a row, `"<hash>"` of anything else), `If-Match` and
//! `If-None-Match`. Pure.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use xxhash_rust::xxh3::xxh3_128;

/// Which version of a row a change is made for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expected {
    /// Whichever is there: an action's own change.
    Whichever,
    /// A request without `If-Match`: whichever is there, unless the entity wants to be told.
    Unsaid,
    /// `If-Match: *`
    Any,
    /// One of these; none where no tag could be one of ours.
    Versions(Vec<i64>),
}

impl Expected {
    /// Reads `If-Match`. Only the version of a tag counts: the same row looks different to different callers, and in
    /// different representations. So a weak tag, as a compressed answer has it, is as good.
    pub fn read(header: Option<&str>) -> Expected {
        match header {
            None => Expected::Unsaid,
            Some(header) if header.trim() == "*" => Expected::Any,
            Some(header) => Expected::Versions(tags(header).filter_map(version).collect()),
        }
    }
}

/// Opaque tags of a list, without quotes and weakness.
fn tags(header: &str) -> impl Iterator<Item = &str> {
    header.split(',').filter_map(|tag| {
        let tag = tag.trim();
        tag.strip_prefix("W/").unwrap_or(tag).strip_prefix('"')?.strip_suffix('"')
    })
}

fn version(tag: &str) -> Option<i64> {
    tag.split_once('-')?.0.parse().ok()
}

/// The tag of an answer: of a row with its version. (It keeps no secret, and who makes two answers with one tag deceives
/// nobody but the caches of who reads them: it is the fastest hash that doesn't clash by chance.)
pub fn tag(version: Option<i64>, body: &[u8]) -> String {
    let hash = URL_SAFE_NO_PAD.encode(xxh3_128(body).to_be_bytes());
    match version {
        Some(version) => format!("\"{version}-{hash}\""),
        None => format!("\"{hash}\""),
    }
}

/// Whether `If-None-Match` says that the client has this very answer.
pub fn is_known(header: Option<&str>, tag: &str) -> bool {
    header.is_some_and(|header| header.trim() == "*" || tags(header).any(|known| tag.trim_matches('"') == known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_read_as_they_are_written() {
        let made = tag(Some(7), b"x");
        assert_eq!(Expected::read(Some(&made)), Expected::Versions(vec![7]));
        assert_eq!(Expected::read(Some(&format!("W/{made} , \"8-y\""))), Expected::Versions(vec![7, 8]));
        assert_eq!(Expected::read(Some("7-x, \"-\", \"\", \"seven-x\", W/\"")), Expected::Versions(vec![]));
        assert_eq!((Expected::read(Some(" * ")), Expected::read(None)), (Expected::Any, Expected::Unsaid));
        assert!(is_known(Some(&made), &made) && is_known(Some(&format!("\"a\",W/{made}")), &made) && is_known(Some("*"), &made));
        assert!(!is_known(None, &made) && !is_known(Some("\"7-y\""), &made) && tag(None, b"x") != tag(None, b"y"));
    }
}
