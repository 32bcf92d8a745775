//! Media types with their parameters, as `Content-Type` carries them.

/// The media type of JSON:API.
pub const JSON_API: &str = "application/vnd.api+json";
/// The Atomic Operations extension.
pub const ATOMIC: &str = "https://jsonapi.org/ext/atomic";
/// The Cursor Pagination profile. Its page names itself with `http`, its errors with `https`: servers follow either.
pub const CURSOR: [&str; 2] =
    ["https://jsonapi.org/profiles/ethanresnick/cursor-pagination", "http://jsonapi.org/profiles/ethanresnick/cursor-pagination"];

/// One media type.
#[derive(Debug, PartialEq, Eq)]
pub struct Media {
    /// `type/subtype` in lower case.
    pub essence: String,
    /// Parameter names in lower case, and their values without quotes.
    pub parameters: Vec<(String, String)>,
}

impl Media {
    /// Parses one media type; `None` for what is none.
    pub fn parse(text: &str) -> Option<Self> {
        let mut quoted = false;
        let mut pieces = text.split(|letter| {
            quoted ^= letter == '"';
            letter == ';' && !quoted
        });
        let essence = pieces.next()?.trim().to_ascii_lowercase();
        let parameters = pieces
            .filter(|piece| !piece.trim().is_empty())
            .map(|piece| {
                let (name, value) = piece.split_once('=')?;
                Some((name.trim().to_ascii_lowercase(), value.trim().trim_matches('"').to_owned()))
            })
            .collect::<Option<_>>()?;
        essence.contains('/').then_some(Self { essence, parameters })
    }

    /// Whether this is JSON:API's, whatever the parameters.
    pub fn is_json_api(&self) -> bool {
        self.essence == JSON_API
    }

    /// The URIs in `ext` or `profile`.
    pub fn uris<'a>(&'a self, parameter: &'a str) -> impl Iterator<Item = &'a str> {
        let named = self.parameters.iter().filter(move |(name, _)| name == parameter);
        named.flat_map(|(_, value)| value.split(' ').filter(|uri| !uri.is_empty()))
    }

    /// Whether the cursor profile is named, in either spelling.
    pub fn names_cursor(&self) -> bool {
        self.uris("profile").any(|uri| CURSOR.contains(&uri.trim_end_matches('/')))
    }
}

/// JSON:API's media type with one parameter, quoted.
pub fn json_api_with(parameter: &str, value: &str) -> String {
    format!("{JSON_API}; {parameter}=\"{value}\"")
}

/// An `Accept` that asks for the cursor profile, with the plain instance that clients have to add.
pub fn accept_cursor() -> String {
    format!("{}, {JSON_API}", json_api_with("profile", &CURSOR.map(|uri| format!("{uri}/")).join(" ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_through_their_quotes() {
        let media = Media::parse("Application/vnd.api+json; Profile=\"https://a/;x,y https://b/\";ext=z").expect("good");
        assert!(media.is_json_api());
        assert_eq!(media.uris("profile").collect::<Vec<_>>(), ["https://a/;x,y", "https://b/"]);
        assert_eq!(media.uris("ext").collect::<Vec<_>>(), ["z"]);
        assert_eq!(Media::parse("nonsense"), None);
    }

    #[test]
    fn both_spellings_of_the_cursor_profile_count() {
        assert!(accept_cursor().split(", ").next().and_then(Media::parse).expect("good").names_cursor());
        assert!(Media::parse(&json_api_with("profile", CURSOR[1])).expect("good").names_cursor());
        assert!(!Media::parse(JSON_API).expect("good").names_cursor());
    }
}
