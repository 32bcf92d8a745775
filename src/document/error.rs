//! Documents of errors.

use crate::error::{Error, Fault, Source};
use crate::request::media::CURSOR;

/// Why somebody was refused, as JSON.
///
/// None where nothing is known.
pub fn reason(fault: &Fault) -> Option<serde_json::Value> {
    let mut told = serde_json::Map::new();
    if let Some(reason) = &fault.reason {
        told.insert("phase".to_owned(), reason.phase.into());
        told.insert("entity".to_owned(), reason.entity.clone().into());
        told.insert("asks".to_owned(), reason.asks.into());
    }
    told.extend(fault.outcome.iter().map(|outcome| ("outcome".to_owned(), outcome.clone().into())));
    (!told.is_empty()).then_some(told.into())
}

/// Writes an error document. The request's id stands in it only for 500, where somebody has to find the log line.
///
/// `explains`: whether a refusal says why, in `meta`.
pub fn errors(error: &Error, request_id: &str, explains: bool) -> Vec<u8> {
    let status = error.status().to_string();
    let faults = error.faults().into_iter().map(|fault| {
        let mut object =
            serde_json::json!({"status": status, "code": fault.code, "title": error.title(), "detail": fault.detail});
        let why = reason(&fault).filter(|_| explains);
        match fault.source {
            Source::None => {}
            Source::Pointer(pointer) => object["source"] = serde_json::json!({"pointer": pointer}),
            Source::Parameter(name) => object["source"] = serde_json::json!({"parameter": name}),
            Source::Header(name) => object["source"] = serde_json::json!({"header": name}),
        }
        if let Some(why) = why {
            object["meta"] = serde_json::json!({"reason": why});
        }
        // The profile has names of its own for what goes wrong with pages (CP2, CP3, CP6).
        if ["max-size-exceeded", "range-pagination-not-supported", "unsupported-sort"].contains(&fault.code) {
            object["links"] = serde_json::json!({"type": format!("{CURSOR}{}", fault.code)});
        }
        if let Some(most) = fault.most {
            object["meta"] = serde_json::json!({"page": {"maxSize": most}});
        }
        if let Error::Internal(_) = error {
            object["id"] = request_id.into();
        }
        object
    });
    let errors: Vec<_> = faults.collect();
    serde_json::json!({"jsonapi": {"version": "1.1"}, "errors": errors}).to_string().into_bytes()
}
