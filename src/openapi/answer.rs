//! The answers of operations: one that is good, and what anything may be refused with.

use serde_json::{Map, Value as Json, json};

use super::shape::shared;
use crate::request::media::Form;

/// What anything may be refused with, by status.
const STATUSES: &[(&str, &str)] = &[
    ("400", "the request can't be read"),
    ("401", "sign in first"),
    ("403", "not permitted"),
    ("404", "nothing here, or nothing that you may see"),
    ("405", "not for this one"),
    ("406", "no media type that is written here"),
    ("408", "the request took too long to arrive"),
    ("409", "it clashes with what is there"),
    ("412", "changed meanwhile"),
    ("413", "too large"),
    ("415", "a media type that isn't read here"),
    ("422", "invalid"),
    ("428", "If-Match is wanted"),
    ("429", "too many requests"),
    ("503", "not available right now"),
];

/// What is answered by many: refusals as documents, and of actions as directives; and what actions say.
pub fn refusals() -> Map<String, Json> {
    let statuses: Vec<String> = STATUSES.iter().map(|(status, words)| format!("{status}: {words}")).collect();
    let statuses = statuses.join("; ");
    let refusal = |words: &str, media: &str, schema: Json| json!({"description": words, "content": {media: {"schema": schema}}});
    let document = refusal(&statuses, Form::Plain.media(), shared("errors"));
    let words = format!("{statuses}; or another of 400 to 499 that the action's file says");
    let directives = refusal(&words, "application/json", shared("directives"));
    let done =
        json!({"description": "What the client does next", "content": {"application/json": {"schema": shared("directives")}}});
    Map::from_iter([("action.done".to_owned(), done), ("error".to_owned(), document), ("action.error".to_owned(), directives)])
}

/// The answers of an operation: good ones by their status, and whatever else there is.
pub fn responses(good: &[(&str, Json)]) -> Json {
    answers(good, "error")
}

/// The answers of an action.
pub fn directives() -> Json {
    answers(&[("200", json!({"$ref": "#/components/responses/action.done"}))], "action.error")
}

fn answers(good: &[(&str, Json)], refusal: &str) -> Json {
    let mut all: Map<String, Json> = good.iter().map(|(status, response)| ((*status).to_owned(), response.clone())).collect();
    all.insert("default".to_owned(), json!({"$ref": format!("#/components/responses/{refusal}")}));
    Json::Object(all)
}

/// A document.
pub fn document(words: &str, schema: Json) -> Json {
    json!({"description": words, "content": {Form::Plain.media(): {"schema": schema}}})
}

/// A document with its tag.
pub fn tagged(words: &str, schema: Json) -> Json {
    let mut document = document(words, schema);
    document["headers"] = json!({"ETag": {"$ref": "#/components/headers/ETag"}});
    document
}

/// The headers of answers.
pub fn headers() -> Json {
    json!({"ETag": {"description": "For If-None-Match and If-Match", "schema": {"type": "string"}}})
}

/// 204 and 304.
pub fn nothing(words: &str) -> Json {
    json!({"description": words})
}

/// Bytes of whatever type.
pub fn bytes() -> Json {
    json!({"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}})
}
