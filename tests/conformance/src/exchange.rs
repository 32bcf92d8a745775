//! One request and its response, and how a check says what it expected of them.

use std::fmt::Display;

use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Method, StatusCode, Url};
use serde_json::Value;

use crate::document::{Identity, identities};
use crate::media::{JSON_API, Media};

/// Why a check did not hold.
#[derive(Debug)]
pub enum Failure {
    /// The rule is broken.
    Broken(String),
    /// Only the part of the rule is broken that is SHOULD.
    Lapse(String),
    /// The rule could not be tried.
    NotApplicable(String),
}

/// What a check ends with.
pub type Verdict = Result<(), Failure>;

/// Ends a check because the server doesn't offer what the rule is about.
pub fn not_applicable<T>(why: impl Into<String>) -> Result<T, Failure> {
    Err(Failure::NotApplicable(why.into()))
}

/// A request and its response.
#[derive(Debug)]
pub struct Exchange {
    pub method: Method,
    pub url: Url,
    /// The request's `Accept`.
    pub accept: String,
    /// The request's `Content-Type`, if it had a body.
    pub content_type: Option<String>,
    /// The request's body.
    pub sent: Option<Value>,
    pub status: u16,
    pub headers: HeaderMap,
    /// The response's body as it came.
    pub text: String,
    /// The same as JSON, if it is.
    pub document: Option<Value>,
}

impl Exchange {
    /// The response's media type.
    pub fn media(&self) -> Option<Media> {
        Media::parse(self.header(CONTENT_TYPE.as_str())?)
    }

    /// A header of the response, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The response's document, if it was sent as JSON:API.
    pub fn json_api(&self) -> Option<&Value> {
        self.document.as_ref().filter(|_| self.media().is_some_and(|media| media.is_json_api()))
    }

    /// Whether the status is a 2xx.
    pub fn succeeded(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// A value of the response by JSON Pointer; `null` if it is missing.
    pub fn at(&self, pointer: &str) -> &Value {
        self.document.as_ref().and_then(|document| document.pointer(pointer)).unwrap_or(&Value::Null)
    }

    /// The response's primary data; `null` if it is missing.
    pub fn data(&self) -> &Value {
        self.at("/data")
    }

    /// Whether a member is there at all, be it `null`.
    pub fn has(&self, pointer: &str) -> bool {
        self.document.as_ref().is_some_and(|document| document.pointer(pointer).is_some())
    }

    /// The primary data of a collection.
    pub fn items(&self) -> Result<&Vec<Value>, Failure> {
        self.data().as_array().ok_or_else(|| self.broken("an array as `data`"))
    }

    /// The identities in the primary data, in order.
    pub fn ids(&self) -> Vec<Identity<'_>> {
        identities(self.data())
    }

    /// The identities in `included`.
    pub fn included(&self) -> Vec<Identity<'_>> {
        identities(self.at("/included"))
    }

    /// A link, string or object, as an absolute URL.
    pub fn link(&self, link: &Value) -> Option<String> {
        let href = link.as_str().or_else(|| link.get("href")?.as_str())?;
        Some(self.url.join(href).ok()?.into())
    }

    /// The query of the link with this name in the top-level links object, if it is there and not `null`.
    pub fn top_link(&self, name: &str) -> Option<String> {
        self.link(self.at("/links").get(name)?)
    }

    /// Holds if the status is one of these.
    pub fn is(&self, allowed: &[u16], because: &str) -> Result<&Self, Failure> {
        if allowed.contains(&self.status) {
            return Ok(self);
        }
        let codes: Vec<_> = allowed.iter().map(u16::to_string).collect();
        Err(self.broken(format!("{} ({because})", codes.join(" or "))))
    }

    /// Holds if the server called the request wrong; which 4xx it takes is open.
    pub fn is_refused(&self, because: &str) -> Result<&Self, Failure> {
        if (400..500).contains(&self.status) { Ok(self) } else { Err(self.broken(format!("a 4xx ({because})"))) }
    }

    /// Holds if the request went through.
    pub fn is_success(&self, because: &str) -> Result<&Self, Failure> {
        if self.succeeded() { Ok(self) } else { Err(self.broken(format!("success ({because})"))) }
    }

    /// Holds if the condition does.
    pub fn holds(&self, condition: bool, expected: impl Display) -> Result<&Self, Failure> {
        if condition { Ok(self) } else { Err(self.broken(expected)) }
    }

    /// Like [`Self::holds`], for the part of a rule that is SHOULD.
    pub fn ought(&self, condition: bool, expected: impl Display) -> Result<&Self, Failure> {
        if condition { Ok(self) } else { Err(Failure::Lapse(self.account(expected))) }
    }

    /// The failure of a rule: what was asked, what came, what was expected.
    pub fn broken(&self, expected: impl Display) -> Failure {
        Failure::Broken(self.account(expected))
    }

    /// The same as a line.
    pub fn account(&self, expected: impl Display) -> String {
        format!("asked {}; got {}; expected {expected}", self.asked(), self.came())
    }

    /// The request in a few words: what is as always goes without saying.
    pub fn asked(&self) -> String {
        let query = self.url.query().map(|query| format!("?{query}")).unwrap_or_default();
        let mut asked = format!("{} {}{query}", self.method, self.url.path());
        if self.accept != JSON_API {
            asked.push_str(&format!(" [Accept: {}]", cut(&self.accept, 110)));
        }
        if let Some(kind) = self.content_type.as_ref().filter(|kind| *kind != JSON_API) {
            asked.push_str(&format!(" [Content-Type: {kind}]"));
        }
        if let Some(sent) = &self.sent {
            asked.push_str(&format!(" {}", cut(&sent.to_string(), 240)));
        }
        asked
    }

    fn came(&self) -> String {
        // A status beyond HTTP's has no reason either.
        let reason = StatusCode::from_u16(self.status).map_or("", |status| status.canonical_reason().unwrap_or_default());
        let body = match self.at("/errors") {
            Value::Null => &self.text,
            errors => &errors.to_string(),
        };
        format!("{} {reason} {}", self.status, cut(body, 200)).trim_end().to_owned()
    }
}

/// A line that stays readable: control characters gone, the rest cut.
fn cut(text: &str, most: usize) -> String {
    let line: String = text.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).take(most).collect();
    if text.chars().count() > most { format!("{line}…") } else { line }
}
