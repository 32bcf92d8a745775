//! The route of histories: who changed what of a row, when, and by which request.

use http::{StatusCode, header};
use serde_json::{Value as Json, json};

use super::Route;
use crate::access::history::{Change, history};
use crate::error::{Error, Fault, Result};
use crate::http::App;
use crate::http::asked::Asked;
use crate::http::reply::{self, Response};
use crate::request::body::uuid;
use crate::request::media::{self, Form};
use crate::request::parameters;

/// GET /history/<entity>/<id>: newest first; `page[size]`, `page[after]`.
pub async fn show(app: &App, asked: &Asked, route: &Route) -> Result<Response> {
    media::accept(asked.header(header::ACCEPT))?;
    let planner = app.planner();
    let entity = planner.entity(&route.entity)?;
    let (found, mut faults) = parameters(&asked.query);
    let (mut size, mut below) = (app.config.page.size, None);
    for (name, value) in &found {
        let number = value.parse::<i64>().ok().filter(|n| *n > 0);
        match (name.as_str(), number) {
            ("page[size]", Some(n)) if n <= app.config.page.most => size = n,
            ("page[after]", Some(n)) => below = Some(n),
            ("page[size]" | "page[after]", _) => {
                let words = format!("A positive number is wanted; a page has at most {} changes.", app.config.page.most);
                faults.push(Fault::new("bad-page", words).parameter(name));
            }
            _ => faults.push(Fault::new("unknown-parameter", "Known here: page[size], page[after].").parameter(name)),
        }
    }
    let id = uuid(&route.id).unwrap_or_default();
    let (changes, has_more) = history(&app.store, planner, asked.caller, entity, id, (below, size)).await?;
    if !faults.is_empty() {
        return Err(Error::Unreadable(faults));
    }
    let own = format!("{}{}", app.base(), asked.path);
    let next = changes.last().filter(|_| has_more).map(|last| format!("{own}?page[size]={size}&page[after]={}", last.id));
    let query = if asked.query.is_empty() { String::new() } else { format!("?{}", asked.query) };
    let body = json!({
        "jsonapi": {"version": "1.1"}, "links": {"self": format!("{own}{query}"), "next": next},
        "data": changes.iter().map(resource).collect::<Vec<_>>(),
    });
    Ok(reply::tagged(
        StatusCode::OK,
        Form::Plain,
        body.to_string().into_bytes(),
        None,
        asked.list(header::IF_NONE_MATCH).as_deref(),
    ))
}

fn resource(change: &Change) -> Json {
    let user = change.user.map(|id| json!({"type": "user_account", "id": id}));
    json!({
        "type": "change", "id": change.id.to_string(),
        "attributes": {
            "at": change.at, "verb": change.verb, "fields": change.fields, "before": change.before, "after": change.after,
            "request": change.request, "sent_request": change.sent_request, "action": change.action,
        },
        "relationships": {"user": {"data": user}},
    })
}
