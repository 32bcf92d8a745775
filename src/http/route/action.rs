//! Routes of actions: the call, and the list of what may be called.

use bytes::Bytes;
use http::{HeaderValue, Method, header};
use serde_json::{Map, Value as Json, json};

use super::{Route, What, description};
use crate::access::view::View;
use crate::action::call::Call;
use crate::action::run;
use crate::action::{Action, InputKind, SubjectUse, directive, input};
use crate::error::{Error, Fault, Result};
use crate::http::App;
use crate::http::asked::Asked;
use crate::http::reply::{self, Response};
use crate::request::{self, body, media};
use crate::share::networks;

/// POST on an action; GET on one that is safe, with its inputs as parameters.
pub async fn run(app: &App, asked: &Asked, route: &Route, body: &Bytes) -> Result<Response> {
    let action = app.actions.find(&route.entity, &route.name).ok_or(Error::NotFound)?;
    if asked.method == Method::GET && !action.is_safe {
        return Err(Error::MethodNotAllowed("POST".to_owned()));
    }
    count(app, asked, action)?;
    let (is_rehearsal, parameters) = parameters(asked, action)?;
    let attributes = if asked.method == Method::GET { parameters } else { attributes(asked, body)? };
    let subject = (route.what == What::ActionOnRow).then(|| route.id.clone());
    let call = Call { subject, attributes, is_rehearsal, once: asked.once(body)?, ..asked.call(app) };
    let mut done = run::run(&app.means(), action, &call).await?;
    let cookies = directive::cookies(&mut done.directives);
    let response = reply::directives(&done.directives, &cookies);
    Ok(if done.is_replayed { reply::replayed(response) } else { response })
}

/// Counts a call of an action that has a limit.
///
/// # Errors
/// 429.
pub fn count(app: &App, asked: &Asked, action: &Action) -> Result<()> {
    let Some(limit) = action.limit.filter(|_| app.config.limits.action_rate) else { return Ok(()) };
    app.limiters.count(&format!("{}/{}", action.entity, action.name), networks(asked.address, asked.behind, limit))
}

/// What the body sends.
fn attributes(asked: &Asked, body: &Bytes) -> Result<Map<String, Json>> {
    media::action_content(asked.header(header::CONTENT_TYPE))?;
    let sent = if body.is_empty() { json!({}) } else { body::json(body).map_err(|fault| Error::Unreadable(vec![fault]))? };
    let wanted = || Error::Unreadable(vec![Fault::new("bad-document", "An object with `attributes` is wanted.").at("")]);
    let Json::Object(mut sent) = sent else { return Err(wanted()) };
    match sent.remove("attributes") {
        Some(Json::Object(attributes)) if sent.is_empty() => Ok(attributes),
        Some(Json::Object(_)) => {
            let beside = |name: &String| {
                let words = format!("`{name}` stands beside `attributes`: inputs stand in them, or without them.");
                Fault::new("unknown-input", words).at(body::step(name))
            };
            Err(Error::Invalid(sent.keys().map(beside).collect()))
        }
        Some(_) => Err(wanted()),
        None => Ok(sent),
    }
}

/// Whether everything is to be rolled back (`dry_run=true`), and, of a GET, the inputs: text, unless the input's type is
/// written otherwise in JSON.
fn parameters(asked: &Asked, action: &Action) -> Result<(bool, Map<String, Json>)> {
    let (found, mut faults) = request::parameters(&asked.query);
    let (mut is_rehearsal, mut inputs) = (false, Map::new());
    for (name, value) in found {
        match (name.as_str(), value.as_str()) {
            ("dry_run", "true") => is_rehearsal = true,
            ("dry_run", "false") => {}
            _ if asked.method == Method::GET => {
                let kind = action.inputs.iter().find(|i| i.name == name).map(|i| &i.kind);
                let is_text = !matches!(kind, Some(InputKind::Value(kind)) if !kind.is_written_as_text());
                let parsed = if is_text { None } else { serde_json::from_str(&value).ok() };
                inputs.insert(name, parsed.unwrap_or(Json::String(value)));
            }
            _ => faults.push(Fault::new("unknown-parameter", "An action takes dry_run=true, and nothing else.").parameter(name)),
        }
    }
    if faults.is_empty() { Ok((is_rehearsal, inputs)) } else { Err(Error::Unreadable(faults)) }
}

/// GET /actions: what the caller may execute, with all that a form needs.
pub async fn list(app: &App, asked: &Asked) -> Result<Response> {
    let view = View::of(&app.store, &app.schema, asked.caller).await?;
    let (texts, language) = (&app.actions.texts, app.language(asked));
    let say = |text| texts.say(language.as_deref(), text);
    let mut found = vec![];
    for action in app.actions.all() {
        if !app.schema.entity(&action.entity).is_some_and(|entity| view.runs(entity, &action.name)) {
            continue;
        }
        let (inputs, schema) = input::form(action);
        let subject = match action.subject {
            SubjectUse::None => "none",
            SubjectUse::Optional => "optional",
            SubjectUse::Required => "required",
        };
        let machine = app.schema.entity(&action.entity).and_then(|entity| entity.states.as_ref());
        let event = machine.and_then(|machine| {
            let event = machine.events.iter().find(|event| event.name == action.name)?;
            Some(json!({"column": machine.column, "from": event.from, "to": event.to}))
        });
        found.push(json!({
            "event": event,
            "entity": action.entity, "name": action.name, "label": say(&action.label), "description": say(&action.description), "subject": subject, "safe": action.is_safe,
            "inputs": inputs, "schema": schema,
        }));
    }
    let mut response = description::described(asked, "application/json", &Json::Array(found));
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept, Accept-Language, Authorization"));
    Ok(response)
}
