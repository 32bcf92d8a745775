//! Routes of explanations: why may I, and why not.

use bytes::Bytes;
use http::{StatusCode, header};
use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::{Route, What};
use crate::access::explain::{self, Explained};
use crate::access::{Source, require_entity};
use crate::error::{Error, Fault, Result};
use crate::http::App;
use crate::http::asked::Asked;
use crate::http::reply::{self, Response};
use crate::permission::Right;
use crate::request::body::{self, uuid};
use crate::request::media::{self, Form};
use crate::request::parameters;
use crate::statement::explain::Question;

fn resource(entity: &str, id: &str, right: &str, explained: &Explained) -> Json {
    let place = if id.is_empty() { format!("{entity}/{right}") } else { format!("{entity}/{id}/{right}") };
    json!({"type": "permission", "id": place, "attributes": {"allowed": explained.allowed, "phase": explained.phase, "line": explained.line}})
}

fn document(data: Json) -> Response {
    let body = json!({"jsonapi": {"version": "1.1"}, "data": data}).to_string().into_bytes();
    reply::document(StatusCode::OK, Form::Plain, body)
}

fn unknown_right(word: &str) -> Fault {
    Fault::new(
        "unknown-right",
        format!("`{}` is no right; known: {}.", crate::error::short(word), Right::ALL.map(Right::word).join(", ")),
    )
}

/// GET: one right on one row, or on an entity.
pub async fn one(app: &App, asked: &Asked, route: &Route) -> Result<Response> {
    media::accept(asked.header(header::ACCEPT))?;
    let planner = app.planner();
    let entity = planner.entity(&route.entity)?;
    let (found, mut faults) = parameters(&asked.query);
    let (mut right, mut user) = (None, None);
    for (name, value) in &found {
        match name.as_str() {
            "right" => match Right::from_word(value) {
                Some(known) => right = Some(known),
                None => faults.push(unknown_right(value).parameter("right")),
            },
            "user" => user = Some(uuid(value).unwrap_or_default()),
            _ => faults.push(Fault::new("unknown-parameter", "Known here: right, user.").parameter(name)),
        }
    }
    let Some(right) = right.filter(|_| faults.is_empty()) else {
        if faults.is_empty() {
            faults.push(Fault::new("required", "`right` is missing, such as right=update.").parameter("right"));
        }
        require_entity(Source::Store(&app.store), &app.schema, asked.caller, entity, Right::Peek).await?;
        return Err(Error::Unreadable(faults));
    };
    let id = (route.what == What::Permission).then(|| uuid(&route.id).unwrap_or_default());
    let explained = explain::one(&app.store, asked.caller, entity, right, id, user).await?;
    Ok(document(resource(&entity.name, &route.id, right.word(), &explained)))
}

/// POST: many at once, so that a front end hides buttons by asking.
pub async fn many(app: &App, asked: &Asked, sent: &Bytes) -> Result<Response> {
    media::accept(asked.header(header::ACCEPT))?;
    media::content(asked.header(header::CONTENT_TYPE), false)?;
    let document_sent = body::json(sent).map_err(|fault| Error::Unreadable(vec![fault]))?;
    let wanted =
        || Error::Unreadable(vec![Fault::new("bad-document", "`data`, a list of {right, entity, id}, is wanted.").at("")]);
    let items = document_sent.get("data").and_then(Json::as_array).ok_or_else(wanted)?;
    if items.len() > app.config.limits.links {
        return Err(Error::TooLarge(format!("At most {} questions at once.", app.config.limits.links)));
    }
    let (mut questions, mut places, mut faults): (Vec<Question<'_>>, Vec<(usize, usize)>, Vec<Fault>) = (vec![], vec![], vec![]);
    for (at, item) in items.iter().enumerate() {
        let text = |name: &str| item.get(name).and_then(Json::as_str);
        let right = text("right").and_then(Right::from_word);
        let entity = text("entity").and_then(|name| app.schema.entity(name));
        if right.is_none() {
            faults.push(unknown_right(text("right").unwrap_or_default()).at(format!("/data/{at}/right")));
        }
        if entity.is_none() {
            faults.push(Fault::new("unknown-type", "There is no such entity.").at(format!("/data/{at}/entity")));
        }
        let (Some(right), Some(entity)) = (right, entity) else { continue };
        // Rows are asked together; an entity itself stands alone.
        let id: Option<Uuid> = item.get("id").filter(|id| !id.is_null()).map(|id| id.as_str().and_then(uuid).unwrap_or_default());
        let same =
            questions.iter().position(|q| q.entity.at == entity.at && q.right == right && q.ids.is_empty() == id.is_none());
        let place = same.unwrap_or_else(|| {
            questions.push(Question { entity, right, ids: vec![] });
            questions.len() - 1
        });
        questions[place].ids.extend(id);
        places.push((place, questions[place].ids.len().saturating_sub(1)));
    }
    if !faults.is_empty() {
        return Err(Error::Invalid(faults));
    }
    let explained = if questions.is_empty() { vec![] } else { explain::many(&app.store, asked.caller, &questions).await? };
    let data = items.iter().zip(places).map(|(item, (question, row))| {
        let text = |name: &str| item.get(name).and_then(Json::as_str).unwrap_or_default();
        resource(text("entity"), text("id"), text("right"), &explained[question][row])
    });
    Ok(document(data.collect()))
}
