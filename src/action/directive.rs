//! Directives: what an action may tell a client to do, each with its JSON Schema.
//!
//! In charge of: the contract with clients. A directive that isn't in the table is in no answer, but for rows.

use serde_json::{Value as Json, json};

/// A directive.
pub struct Directive {
    /// Its `ResponseType`.
    pub name: &'static str,
    /// What the client does.
    pub description: &'static str,
    /// Its attributes, and whether each must be there.
    pub attributes: &'static [(&'static str, bool)],
    /// The schemas of the attributes.
    properties: fn() -> Json,
}

/// All of them. Another one is a line here.
pub const DIRECTIVES: &[Directive] = &[
    Directive {
        name: "client.notify",
        description: "Tell the person something.",
        attributes: &[("type", true), ("title", true), ("message", true)],
        properties: || {
            json!({
                "type": {"enum": ["success", "info", "warning", "error"]}, "title": {"type": "string"}, "message": {"type": "string"},
                "faults": {"type": "array", "items": {
                    "type": "object", "required": ["field", "code", "message"],
                    "properties": {"field": {"type": "string"}, "code": {"type": "string"}, "message": {"type": "string"}, "reason": {"type": "object"}},
                    "additionalProperties": false,
                }},
            })
        },
    },
    Directive {
        name: "client.redirect",
        description: "Go to a path, or to a configured origin.",
        attributes: &[("location", true), ("window", false), ("delay", false)],
        properties: || json!({"location": {"type": "string", "format": "uri-reference"}, "window": {"enum": ["self", "blank"]}, "delay": {"type": "integer", "minimum": 0, "description": "Milliseconds"}}),
    },
    Directive {
        name: "client.store.set",
        description: "Keep a value in the browser's local storage.",
        attributes: &[("key", true), ("value", true)],
        properties: || json!({"key": {"type": "string"}, "value": {"type": "string"}}),
    },
    Directive {
        name: "client.store.remove",
        description: "Forget a value of the browser's local storage.",
        attributes: &[("key", true)],
        properties: || json!({"key": {"type": "string"}}),
    },
    Directive { name: "client.reload", description: "Load the page anew.", attributes: &[], properties: || json!({}) },
];

impl Directive {
    /// The directive as a JSON Schema.
    pub fn schema(&self) -> Json {
        let required: Vec<_> = self.attributes.iter().filter(|(_, is_required)| *is_required).map(|(name, _)| name).collect();
        json!({
            "type": "object", "description": self.description, "required": ["ResponseType", "Attributes"], "additionalProperties": false,
            "properties": {
                "ResponseType": {"const": self.name},
                "Attributes": {"type": "object", "required": required, "properties": (self.properties)(), "additionalProperties": false},
            },
        })
    }
}

/// The directive of that name.
pub fn find(name: &str) -> Option<&'static Directive> {
    DIRECTIVES.iter().find(|directive| directive.name == name)
}
