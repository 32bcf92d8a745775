//! Parameters: named values that directives and performers take, some of them required, each with a JSON Schema.
//!
//! In charge of: what is wrong with a value, said the same at load and at run time.

use serde_json::Value as Json;

/// Names, and whether each must be there.
pub type Names = &'static [(&'static str, bool)];

/// What is wrong with a value, by the part of JSON Schema that our tables speak: `type`, `enum`, `minimum`, `maximum`.
pub fn misfit(schema: &Json, value: &Json) -> Option<String> {
    if let Some(known) = schema["enum"].as_array().filter(|known| !known.contains(value)) {
        let known: Vec<_> = known.iter().map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned)).collect();
        return Some(format!("must be one of {}", known.join(", ")));
    }
    let is_fit = match schema["type"].as_str() {
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("boolean") => value.is_boolean(),
        Some("array") => value.is_array(),
        Some("object") => value.is_object(),
        _ => true,
    };
    if !is_fit {
        return Some(format!("must be of type {}", schema["type"].as_str().unwrap_or_default()));
    }
    let (number, low, high) = (value.as_f64()?, schema["minimum"].as_f64(), schema["maximum"].as_f64());
    if low.is_some_and(|low| number < low) || high.is_some_and(|high| number > high) {
        let bound = |bound: Option<f64>, word: &str| bound.map(|b| format!("{word} {b}")).unwrap_or_default();
        let bounds = [bound(low, "at least"), bound(high, "at most")];
        return Some(format!("must be {}", bounds.iter().filter(|b| !b.is_empty()).cloned().collect::<Vec<_>>().join(" and ")));
    }
    None
}
