//! What callers send to an action: checked all at once, and described for those who draw forms.
//!
//! In charge of: inputs against their declaration. Rows that inputs name are resolved later, in the transaction.

use serde_json::{Map, Value as Json, json};

use super::{Action, Input, InputKind, SubjectUse};
use crate::account::policy::Policy;
use crate::error::{Error, Fault, Result, short};
use crate::plan::change::FAULTS;
use crate::request::body::step;
use crate::schema::describe;

/// Checks what was sent against what is declared: all faults at once.
///
/// # Errors
/// 422 with every fault.
pub fn inputs(policy: &Policy, action: &Action, sent: &Map<String, Json>) -> Result<Map<String, Json>> {
    let (mut found, mut faults) = (Map::new(), vec![]);
    let own = format!("{}_id", action.entity);
    for name in sent.keys().filter(|n| !action.inputs.iter().any(|i| i.name == **n)).take(FAULTS) {
        if action.subject == SubjectUse::None || *name != own {
            faults.push(
                Fault::new("unknown-input", format!("`{}` is not an input of this action.", short(name)))
                    .at(format!("/attributes{}", step(name))),
            );
        }
    }
    for input in &action.inputs {
        let given = sent.get(&input.name).filter(|v| !v.is_null()).or(input.default.as_ref());
        match check(input, given) {
            Ok(value) => _ = found.insert(input.name.clone(), value),
            Err(words) => faults.push(
                Fault::new("invalid", format!("`{}` {words}.", input.name)).at(format!("/attributes{}", step(&input.name))),
            ),
        }
    }
    for input in &action.inputs {
        if let Some(other) = input.equals.as_ref().filter(|o| found.contains_key(*o) && found.get(&input.name) != found.get(*o)) {
            faults.push(
                Fault::new("invalid", format!("`{}` must equal `{other}`.", input.name))
                    .at(format!("/attributes{}", step(&input.name))),
            );
        }
        if input.is_new
            && let Some(password) = found.get(&input.name).and_then(Json::as_str)
        {
            let words: Vec<&str> = found
                .iter()
                .filter(|(n, _)| {
                    *n != &input.name && !action.inputs.iter().any(|i| i.name == **n && i.equals.as_ref() == Some(&input.name))
                })
                .filter_map(|(_, v)| v.as_str())
                .collect();
            if let Err(words) = policy.judge(password, &words) {
                faults.push(
                    Fault::new("weak-password", format!("`{}` {words}.", input.name))
                        .at(format!("/attributes{}", step(&input.name))),
                );
            }
        }
    }
    if faults.is_empty() { Ok(found) } else { Err(Error::Invalid(faults)) }
}

fn check(input: &Input, sent: Option<&Json>) -> Result<Json, String> {
    let Some(sent) = sent else { return if input.required { Err("is required".to_owned()) } else { Ok(Json::Null) } };
    let kind = match &input.kind {
        InputKind::Row(_) => return sent.as_str().map(|id| json!({"id": id})).ok_or_else(|| "must be an id".to_owned()),
        InputKind::Value(kind) => kind,
    };
    let mut value = sent.clone();
    if let Json::String(text) = &mut value {
        if input.trim {
            *text = text.trim().to_owned();
        }
        if input.lower {
            *text = text.to_lowercase();
        }
        if input.required && text.is_empty() {
            return Err("is required".to_owned());
        }
    }
    let text = kind.check(&input.bounds, &value).and_then(|text| kind.clean(&input.bounds, &text))?;
    // What was checked is what goes on: text cleaned, a number as a number of its type.
    let value = match value {
        Json::String(_) if *kind != crate::schema::kind::Kind::Json => Json::String(text),
        value => serde_json::from_str(&text).unwrap_or(value),
    };
    if !input.one_of.is_empty() && !input.one_of.contains(&value) {
        let known: Vec<_> = input.one_of.iter().map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned)).collect();
        return Err(format!("must be one of {}", known.join(", ")));
    }
    Ok(value)
}

/// What a front end draws a form from: the inputs one by one, and as a JSON Schema.
pub fn form(action: &Action) -> (Json, Json) {
    let fields = action.inputs.iter().map(|input| {
        let mut field = json!({"name": input.name, "type": word(input), "required": input.required});
        if let InputKind::Row(entity) = &input.kind {
            field["entity"] = json!(entity);
        }
        if let Some(default) = &input.default {
            field["default"] = default.clone();
        }
        if let Some(other) = &input.equals {
            field["equals"] = json!(other);
        }
        field
    });
    (fields.collect(), schema(action))
}

fn word(input: &Input) -> &'static str {
    match &input.kind {
        InputKind::Value(kind) => kind.word(),
        InputKind::Row(_) => "row",
    }
}

/// The attributes of a call as a JSON Schema.
pub fn schema(action: &Action) -> Json {
    let (mut properties, mut required) = (Map::new(), vec![]);
    for input in &action.inputs {
        let mut property = match &input.kind {
            InputKind::Value(kind) => describe::json_schema(kind, &input.bounds),
            InputKind::Row(_) => json!({"type": "string", "format": "uuid"}),
        };
        if !input.one_of.is_empty() {
            property["enum"] = json!(input.one_of);
        }
        if let Some(default) = &input.default {
            property["default"] = default.clone();
        }
        properties.insert(input.name.clone(), property);
        if input.required {
            required.push(input.name.clone());
        }
    }
    if action.subject != SubjectUse::None {
        properties.insert(format!("{}_id", action.entity), json!({"type": "string", "format": "uuid"}));
    }
    json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
}
