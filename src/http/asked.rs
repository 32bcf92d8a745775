//! A request, taken apart.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, Method, header};
use uuid::Uuid;

use super::App;
use crate::account::Caller;
use crate::action::call::Call;
use crate::error::{Error, Result};
use crate::request::once::Once;
use crate::request::precondition::Expected;
use crate::statement::event::Origin;

/// Through which listener a request comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Door {
    /// Everything.
    Public,
    /// `/metrics`, `/healthz` and `/readyz`, for whoever reaches it.
    Metrics,
}

/// A request, taken apart.
pub struct Asked {
    /// Through which listener it came.
    pub door: Door,
    /// The method; HEAD is GET.
    pub method: Method,
    /// Whether it was HEAD.
    pub is_head: bool,
    /// The path as it came, percent-encoded.
    pub path: String,
    /// The query as it came.
    pub query: String,
    /// The headers.
    pub headers: HeaderMap,
    /// Who it says it comes from.
    pub caller: Caller,
    /// From where it comes: the socket's address, or what a trusted proxy says.
    pub address: IpAddr,
    /// Where it comes from by the word of a proxy that isn't trusted: tells clients apart in counts, and nothing else.
    pub behind: Option<IpAddr>,
    /// Its id: ours.
    pub id: String,
    /// What its sender calls it.
    pub sent_id: Option<String>,
}

impl Asked {
    /// The path as logs have it: what is secret in one isn't told.
    pub fn told_path(&self) -> &str {
        if self.path.starts_with("/download/") { "/download/…" } else { &self.path }
    }

    /// A header; what is no text is U+FFFD, which nothing takes.
    pub fn header(&self, name: HeaderName) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap_or("\u{fffd}"))
    }

    /// A header that is a list, its lines joined.
    pub fn list(&self, name: HeaderName) -> Option<String> {
        let lines: Vec<_> = self.headers.get_all(name).iter().map(|value| value.to_str().unwrap_or("\u{fffd}")).collect();
        (!lines.is_empty()).then(|| lines.join(","))
    }

    /// What the request is, where it is to be done once.
    ///
    /// # Errors
    /// 400 for a key that is none.
    pub fn once(&self, body: &[u8]) -> Result<Option<Once>> {
        let header = self.header(HeaderName::from_static("idempotency-key"));
        let path = percent_encoding::percent_decode_str(&self.path).decode_utf8_lossy();
        Once::read(header, self.method.as_str(), &path, body).map_err(|fault| Error::Unreadable(vec![fault]))
    }

    /// As actions know it: of one that sends nothing.
    pub fn call(&self, app: &App) -> Call {
        Call {
            id: Uuid::now_v7(),
            caller: self.caller,
            address: self.address,
            behind: self.behind,
            is_own: false,
            agent: self.header(header::USER_AGENT).unwrap_or_default().to_owned(),
            language: app.language(self),
            request: self.id.clone(),
            sent_request: self.sent_id.clone(),
            subject: None,
            attributes: serde_json::Map::new(),
            is_rehearsal: false,
            once: None,
        }
    }

    /// What is noted with its changes.
    pub fn origin(&self) -> Origin<'_> {
        Origin { request: &self.id, sent_request: self.sent_id.as_deref(), ..Origin::default() }
    }

    /// The version of the row that a change is made for.
    pub fn expected(&self) -> Expected {
        Expected::read(self.list(header::IF_MATCH).as_deref())
    }
}
