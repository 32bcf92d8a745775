//! Routes of actions: the call, and the list of what may be called.

use bytes::Bytes;
use http::{StatusCode, header};
use serde_json::{Value as Json, json};

use super::{Route, What};
use crate::action::run::{self, Call, Means};
use crate::action::{SubjectUse, input};
use crate::error::{Error, Fault, Result};
use crate::http::reply::{self, Response};
use crate::http::{App, Asked};
use crate::request::{body, media, parameters};
use crate::statement::action;

/// POST on an action.
pub async fn run(app: &App, asked: &Asked, route: &Route, body: &Bytes) -> Result<Response> {
    let action = app.actions.find(&route.entity, &route.name).ok_or(Error::NotFound)?;
    if let Some(limit) = action.limit.filter(|_| app.config.limits.action_rate) {
        app.limiters.count(&format!("{}/{}", action.entity, action.name), asked.address, limit)?;
    }
    media::action_content(asked.header(header::CONTENT_TYPE))?;
    let sent = if body.is_empty() { json!({}) } else { body::json(body).map_err(|fault| Error::Unreadable(vec![fault]))? };
    let wanted = || Error::Unreadable(vec![Fault::new("bad-document", "An object with `attributes` is wanted.").at("")]);
    let Json::Object(mut sent) = sent else { return Err(wanted()) };
    let attributes = match sent.remove("attributes") {
        Some(Json::Object(attributes)) => attributes,
        Some(_) => return Err(wanted()),
        None => sent,
    };
    let is_rehearsal = is_rehearsal(asked)?;
    let subject = (route.what == What::ActionOnRow).then(|| route.id.clone());
    let agent = asked.header(header::USER_AGENT).unwrap_or_default().to_owned();
    let call =
        Call { caller: asked.caller, address: asked.address, agent, subject, attributes, is_rehearsal, once: asked.once(body)? };
    let means = Means {
        config: &app.config,
        schema: &app.schema,
        store: &app.store,
        tokens: &app.tokens,
        hasher: &app.hasher,
        seal: &app.seal,
    };
    let done = run::run(&means, action, &call).await?;
    let response = reply::directives(&done.directives);
    Ok(if done.is_replayed { reply::replayed(response) } else { response })
}

/// Whether everything is to be rolled back (`dry_run=true`): the only parameter that there is.
fn is_rehearsal(asked: &Asked) -> Result<bool> {
    let (found, mut faults) = parameters(&asked.query);
    let mut is_rehearsal = false;
    for (name, value) in found {
        match (name.as_str(), value.as_str()) {
            ("dry_run", "true") => is_rehearsal = true,
            ("dry_run", "false") => {}
            _ => faults.push(Fault::new("unknown-parameter", "An action takes dry_run=true, and nothing else.").parameter(name)),
        }
    }
    if faults.is_empty() { Ok(is_rehearsal) } else { Err(Error::Unreadable(faults)) }
}

/// GET /actions: what the caller may execute, with all that a form needs.
pub async fn list(app: &App, asked: &Asked) -> Result<Response> {
    let rows = app.store.read(&action::executable(asked.caller.session)).await?;
    let mut found = vec![];
    for action in app.actions.all() {
        if !rows.iter().any(|row| row.text(0) == Some(&action.entity) && row.text(1) == Some(&action.name)) {
            continue;
        }
        let (inputs, schema) = input::form(action);
        let subject = match action.subject {
            SubjectUse::None => "none",
            SubjectUse::Optional => "optional",
            SubjectUse::Required => "required",
        };
        found.push(json!({
            "entity": action.entity, "name": action.name, "label": action.label, "description": action.description, "subject": subject,
            "inputs": inputs, "schema": schema,
        }));
    }
    Ok(reply::with_type(StatusCode::OK, "application/json", Json::Array(found).to_string().into_bytes()))
}
