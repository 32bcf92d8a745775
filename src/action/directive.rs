//! Directives: what an action may tell a client to do, each with its JSON Schema.
//!
//! In charge of: the contract with clients. A directive that isn't in the table is in no answer, but for rows.

use serde_json::{Value as Json, json};

use super::parameters::Names;

/// A directive.
pub struct Directive {
    /// Its `ResponseType`.
    pub name: &'static str,
    /// What the client does.
    pub description: &'static str,
    /// Its attributes, and whether each must be there.
    pub attributes: Names,
    /// The schemas of the attributes.
    pub properties: fn() -> Json,
    /// Those that are texts for people.
    pub texts: &'static [&'static str],
    /// The one that stays out of the answer's body: a header says it.
    pub unsaid: Option<&'static str>,
}

/// All of them. Another one is a line here.
pub static DIRECTIVES: &[Directive] = &[
    Directive {
        name: "client.notify",
        description: "Tell the person something.",
        attributes: &[("type", true), ("title", true), ("message", true)],
        properties: || {
            json!({
                "type": {"enum": ["success", "info", "warning", "error"]}, "title": {"type": "string"}, "message": {"type": "string"},
                "faults": {"type": "array", "items": {
                    "type": "object", "required": ["field", "code", "message"],
                    "properties": {"field": {"type": "string"}, "code": {"type": "string"}, "message": {"type": "string"}, "reason": {"type": "object", "additionalProperties": true}},
                    "additionalProperties": false,
                }},
            })
        },
        texts: &["title", "message"],
        unsaid: None,
    },
    Directive {
        name: "client.redirect",
        description: "Go to a path, or to a configured origin.",
        attributes: &[("location", true), ("window", false), ("delay", false)],
        properties: || json!({"location": {"type": "string", "format": "uri-reference"}, "window": {"enum": ["self", "blank"]}, "delay": {"type": "integer", "minimum": 0, "description": "Milliseconds"}}),
        texts: &[],
        unsaid: None,
    },
    Directive {
        name: "client.store.set",
        description: "Keep a value in the browser's local storage.",
        attributes: &[("key", true), ("value", true)],
        properties: || json!({"key": {"type": "string"}, "value": {"type": "string"}}),
        texts: &[],
        unsaid: None,
    },
    Directive {
        name: "client.store.remove",
        description: "Forget a value of the browser's local storage.",
        attributes: &[("key", true)],
        properties: || json!({"key": {"type": "string"}}),
        texts: &[],
        unsaid: None,
    },
    Directive {
        name: "client.cookie.set",
        description: "A cookie was set: the answer's Set-Cookie header carries it.",
        attributes: &[
            ("key", true),
            ("value", true),
            ("max_age", false),
            ("path", false),
            ("same_site", false),
            ("secure", false),
            ("http_only", false),
        ],
        properties: || {
            json!({
                "key": {"type": "string"}, "value": {"type": "string"}, "max_age": {"type": "integer", "minimum": 0, "description": "Seconds"},
                "path": {"type": "string"}, "same_site": {"enum": ["strict", "lax", "none"]}, "secure": {"type": "boolean"}, "http_only": {"type": "boolean"},
            })
        },
        texts: &[],
        unsaid: Some("value"),
    },
    Directive {
        name: "client.file.download",
        description: "Save a file: its content in base64, or a URL to get it from.",
        attributes: &[("name", true), ("contentType", true), ("content", false), ("url", false)],
        properties: || {
            json!({
                "name": {"type": "string"}, "contentType": {"type": "string"},
                "content": {"type": "string", "contentEncoding": "base64"}, "url": {"type": "string", "format": "uri-reference"},
            })
        },
        texts: &[],
        unsaid: None,
    },
    Directive {
        name: "client.reload",
        description: "Load the page anew.",
        attributes: &[],
        properties: || json!({}),
        texts: &[],
        unsaid: None,
    },
];

impl std::fmt::Debug for Directive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl Directive {
    /// The directive as a JSON Schema.
    pub fn schema(&self) -> Json {
        let said = |name: &str| self.unsaid != Some(name);
        let required: Vec<_> =
            self.attributes.iter().filter(|(name, is_required)| *is_required && said(name)).map(|(name, _)| name).collect();
        let mut properties = (self.properties)();
        if let (Some(unsaid), Some(properties)) = (self.unsaid, properties.as_object_mut()) {
            properties.shift_remove(unsaid);
        }
        json!({
            "type": "object", "description": self.description, "required": ["ResponseType", "Attributes"], "additionalProperties": false,
            "properties": {
                "ResponseType": {"const": self.name},
                "Attributes": {"type": "object", "required": required, "properties": properties, "additionalProperties": false},
            },
        })
    }
}

/// The directive of that name.
pub fn find(name: &str) -> Option<&'static Directive> {
    DIRECTIVES.iter().find(|directive| directive.name == name)
}

/// The `Set-Cookie` header of a client.cookie.set.
///
/// # Errors
/// Words for whoever wrote the values, where they can't stand in a cookie.
pub fn cookie(attributes: &Json) -> Result<String, String> {
    let text = |name: &str| attributes[name].as_str().unwrap_or_default();
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    let is_octet = |c: char| c.is_ascii_graphic() && !"\",;\\".contains(c);
    if text("key").is_empty() || !text("key").chars().all(is_token) {
        return Err("A cookie's `key` is letters, digits and -_.".to_owned());
    }
    if !text("value").chars().all(is_octet) || text("value").len() > 4000 {
        return Err(
            "A cookie's `value` is printable ASCII without spaces, quotes, commas, semicolons and backslashes.".to_owned()
        );
    }
    if !text("path").chars().all(|c| c.is_ascii_graphic() && c != ';') {
        return Err("A cookie's `path` is a path.".to_owned());
    }
    let mut header = format!("{}={}", text("key"), text("value"));
    if let Some(seconds) = attributes["max_age"].as_u64() {
        header += &format!("; Max-Age={seconds}");
    }
    header += &format!("; Path={}", if text("path").is_empty() { "/" } else { text("path") });
    let same_site = match text("same_site") {
        "strict" => "Strict",
        "none" => "None",
        _ => "Lax",
    };
    header += &format!("; SameSite={same_site}");
    // Closed, unless the file opens it.
    for (name, word) in [("secure", "; Secure"), ("http_only", "; HttpOnly")] {
        if attributes[name] != false {
            header += word;
        }
    }
    Ok(header)
}

/// Takes what headers say out of an answer's directives. Gives the values of `Set-Cookie`.
pub fn cookies(directives: &mut [Json]) -> Vec<String> {
    let mut headers = vec![];
    for told in directives {
        let Some(unsaid) = find(told["ResponseType"].as_str().unwrap_or_default()).and_then(|d| d.unsaid) else { continue };
        headers.extend(cookie(&told["Attributes"]));
        if let Some(attributes) = told["Attributes"].as_object_mut() {
            attributes.shift_remove(unsaid);
        }
    }
    headers
}
