//! What is answered: every answer of every test is checked for form and for leaks.

use std::collections::HashSet;

use reqwest::header::HeaderMap;
use serde_json::Value as Json;

use super::CANARY;
use rowhouse::action::directive;

/// Headers that may stand in an answer; another one is a leak until it is listed here.
const HEADERS: &[&str] = &[
    "content-type",
    "content-length",
    "date",
    "vary",
    "cache-control",
    "referrer-policy",
    "x-request-id",
    "www-authenticate",
    "allow",
    "retry-after",
    "x-content-type-options",
    "access-control-expose-headers",
    "access-control-allow-origin",
    "location",
    "etag",
    "idempotency-replayed",
    "content-security-policy",
    "set-cookie",
    "content-disposition",
    "transfer-encoding",
    "x-robots-tag",
];

/// An answer that passed.
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub text: String,
    pub json: Json,
    /// What is no text is something else in `text`.
    pub bytes: Vec<u8>,
}

impl Answer {
    /// Reads an answer and checks it.
    pub async fn check(response: reqwest::Response, hears_canaries: bool) -> Answer {
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let path = response.url().path().to_owned();
        let bytes = response.bytes().await.expect("bytes").to_vec();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        for name in headers.keys() {
            assert!(HEADERS.contains(&name.as_str()), "{path} answers with the header {name}");
        }
        assert!(headers.contains_key("x-request-id"), "{path} has no request id");
        assert!(hears_canaries || !text.contains(CANARY), "{path} leaks: {text}");
        assert!(!text.contains("$2b$") && !text.contains("panicked"), "{path} leaks: {text}");
        let json = serde_json::from_str(&text).unwrap_or(Json::Null);
        let answer = Answer { status, headers, text, json, bytes };
        let is_page = answer.headers.get("content-type").is_some_and(|kind| kind == "text/html; charset=utf-8");
        if status != 204 && status != 304 && path.starts_with("/api") || status >= 400 && !path.starts_with("/action") && !is_page
        {
            answer.check_document(&path);
        } else if path.starts_with("/action/") {
            answer.check_directives(&path);
        }
        answer
    }

    /// Directives, each as its schema has it; at least one.
    fn check_directives(&self, path: &str) {
        let list = self.json.as_array().unwrap_or_else(|| panic!("{path}: no list: {}", self.text));
        assert!(!list.is_empty(), "{path}: [] is never an answer");
        for told in list {
            let name = told["ResponseType"].as_str().expect("a name");
            if let Some(directive) = directive::find(name) {
                let schema = jsonschema::validator_for(&directive.schema()).expect("a schema");
                assert!(schema.is_valid(told), "{path}: {told} is no {name}");
            } else {
                assert_eq!(told["Attributes"]["type"], name, "{path}: a row, or a directive that is known");
            }
        }
    }

    /// A valid JSON:API document (DS1–DS4, DS13–DS15, ER1, ER2).
    fn check_document(&self, path: &str) {
        let media = self.header("content-type").split(';').next();
        assert_eq!(media, Some("application/vnd.api+json"), "{path}: CN1");
        let top = self.json.as_object().unwrap_or_else(|| panic!("{path}: no object: {}", self.text));
        if top.contains_key("atomic:results") {
            return assert!(!top.contains_key("data") && !top.contains_key("errors") && self.status == 200, "{path}: AO1");
        }
        assert!(top.contains_key("data") != top.contains_key("errors") || top.contains_key("meta"), "{path}: DS1, DS2");
        if let Some(errors) = top.get("errors") {
            assert!(self.status >= 400, "{path}: errors with {}", self.status);
            for error in errors.as_array().expect("ER1") {
                assert_eq!(error["status"], self.status.to_string(), "{path}: ER2");
                assert!(
                    error.get("meta").is_none() || matches!(self.status, 401 | 403) || error["meta"]["page"]["maxSize"].is_i64(),
                    "{path}: only refusals say why"
                );
                for key in error.as_object().expect("an object").keys() {
                    assert!(
                        ["status", "code", "title", "detail", "source", "id", "meta", "links"].contains(&key.as_str()),
                        "{path}: {key}"
                    );
                }
            }
            return;
        }
        let primary: Vec<&Json> = match &self.json["data"] {
            Json::Array(items) => items.iter().collect(),
            Json::Null => vec![],
            one => vec![one],
        };
        let included: Vec<&Json> = self.json["included"].as_array().into_iter().flatten().collect();
        let name = |r: &Json| (r["type"].as_str().expect("DS6").to_owned(), r["id"].as_str().expect("DS6").to_owned());
        let mut seen = HashSet::new();
        for resource in primary.iter().chain(&included).filter(|r| r.get("attributes").is_some()) {
            assert!(seen.insert(name(resource)), "{path}: DS15 {:?}", name(resource));
        }
        let mut linked: HashSet<_> = primary.iter().filter(|r| r.get("attributes").is_none()).map(|r| name(r)).collect();
        for resource in primary.iter().chain(&included) {
            for relationship in resource["relationships"].as_object().into_iter().flat_map(|o| o.values()) {
                match &relationship["data"] {
                    Json::Array(items) => linked.extend(items.iter().map(name)),
                    Json::Null => {}
                    one => _ = linked.insert(name(one)),
                }
            }
        }
        let is_sparse = self.json["links"]["self"].as_str().is_some_and(|s| s.contains("fields"));
        for resource in included.iter().filter(|_| !is_sparse) {
            let is_related = self.json["links"]["self"].as_str().is_some_and(|s| s.matches('/').count() > 3);
            assert!(linked.contains(&name(resource)) || is_related, "{path}: DS13 {:?}", name(resource));
        }
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|v| v.to_str().ok()).unwrap_or_default()
    }

    /// Checks the status, and says what came instead.
    pub fn is(self, status: u16) -> Answer {
        assert_eq!(self.status, status, "{}", self.text);
        self
    }

    /// The ids of the primary data.
    pub fn ids(&self) -> Vec<String> {
        self.json["data"].as_array().expect("a list").iter().map(|r| r["id"].as_str().expect("an id").to_owned()).collect()
    }

    /// One attribute of all primary data.
    pub fn all(&self, attribute: &str) -> Vec<Json> {
        self.json["data"].as_array().expect("a list").iter().map(|r| r["attributes"][attribute].clone()).collect()
    }
}
