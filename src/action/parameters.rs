//! Parameters: named values that directives and performers take, some of them required, each with a JSON Schema.
//!
//! In charge of: what is wrong with a value, said the same at load and at run time.

use serde_json::Value as Json;

use crate::schema::kind::{Bounds, Kind};

/// Names, and whether each must be there.
pub type Names = &'static [(&'static str, bool)];

/// What is wrong with a value, by the part of JSON Schema that our tables speak: `type`, `enum`, `format` of
/// addresses, `minimum`, `maximum`.
pub fn misfit(schema: &Json, value: &Json) -> Option<String> {
    if let Some(known) = schema["enum"].as_array().filter(|known| !known.contains(value)) {
        let known: Vec<_> = known.iter().map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned)).collect();
        return Some(format!("must be one of {}", known.join(", ")));
    }
    let is_of = |kind: &str| match kind {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        _ => true,
    };
    let kinds: Vec<&str> = match &schema["type"] {
        Json::Array(kinds) => kinds.iter().filter_map(Json::as_str).collect(),
        kind => kind.as_str().into_iter().collect(),
    };
    if !kinds.is_empty() && !kinds.iter().any(|kind| is_of(kind)) {
        return Some(format!("must be of type {}", kinds.join(" or ")));
    }
    if schema["format"] == "email" {
        let all: &[Json] = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
        return all.iter().find_map(|address| Kind::Email.check(&Bounds::default(), address).err());
    }
    let (number, low, high) = (value.as_f64()?, schema["minimum"].as_f64(), schema["maximum"].as_f64());
    if low.is_some_and(|low| number < low) || high.is_some_and(|high| number > high) {
        let bound = |bound: Option<f64>, word: &str| bound.map(|b| format!("{word} {b}")).unwrap_or_default();
        let bounds = [bound(low, "at least"), bound(high, "at most")];
        return Some(format!("must be {}", bounds.iter().filter(|b| !b.is_empty()).cloned().collect::<Vec<_>>().join(" and ")));
    }
    None
}
