//! Routes of explanations: why may I, and why not.

use std::collections::HashMap;

use bytes::Bytes;
use http::{StatusCode, header};
use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::{Route, What};
use crate::access::explain::{self, Explained};
use crate::access::view::View;
use crate::access::{Source, require_entity};
use crate::account::Caller;
use crate::action::obstacle::obstacles;
use crate::action::{Action, SubjectUse};
use crate::error::{Error, Fault, Result};
use crate::http::App;
use crate::http::asked::Asked;
use crate::http::reply::{self, Response};
use crate::permission::Right;
use crate::request::body::{self, uuid};
use crate::request::media::{self, Form};
use crate::request::parameters;
use crate::schema::Entity;
use crate::statement::explain::Question;

/// What is asked about, as the answer names it.
fn place(entity: &str, id: &str, what: &str) -> String {
    if id.is_empty() { format!("{entity}/{what}") } else { format!("{entity}/{id}/{what}") }
}

fn resource(place: &str, explained: &Explained) -> Json {
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
    Ok(document(resource(&place(&entity.name, &route.id, right.word()), &explained)))
}

/// Most actions that are asked about at once.
const ACTIONS: usize = 100;

/// What is asked, and where its answer is found.
enum Item<'a> {
    /// A right.
    Right { question: usize, row: usize },
    /// An action, with its row.
    Action { action: &'a Action, entity: &'a Entity, id: Option<Uuid>, question: usize, row: usize },
}

/// The questions of a request, put together by entity and right: rows are asked together, an entity itself stands alone.
#[derive(Default)]
struct Questions<'a>(Vec<Question<'a>>);

impl<'a> Questions<'a> {
    /// Adds one. Gives the place of its question, and of its row there.
    fn add(&mut self, entity: &'a Entity, right: Right, id: Option<Uuid>, is_of_action: bool) -> (usize, usize) {
        let is_same = |q: &Question<'_>| {
            (q.entity.at, q.right, q.ids.is_empty(), q.is_of_action) == (entity.at, right, id.is_none(), is_of_action)
        };
        let place = self.0.iter().position(is_same).unwrap_or_else(|| {
            self.0.push(Question { entity, right, ids: vec![], is_of_action });
            self.0.len() - 1
        });
        self.0[place].ids.extend(id);
        (place, self.0[place].ids.len().saturating_sub(1))
    }
}

/// POST: many at once, so that a front end hides buttons by asking: rights on rows and entities, and actions.
pub async fn many(app: &App, asked: &Asked, sent: &Bytes) -> Result<Response> {
    media::accept(asked.header(header::ACCEPT))?;
    media::content(asked.header(header::CONTENT_TYPE), false)?;
    let document_sent = body::json(sent).map_err(|fault| Error::Unreadable(vec![fault]))?;
    let wanted = || {
        let words = "`data` is wanted: a list of {right, entity, id} and {action, id}.";
        Error::Unreadable(vec![Fault::new("bad-document", words).at("")])
    };
    let items = document_sent.get("data").and_then(Json::as_array).ok_or_else(wanted)?;
    let of_actions = items.iter().filter(|item| item.get("action").is_some()).count();
    for (count, most, what) in [(items.len(), app.config.limits.links, "questions"), (of_actions, ACTIONS, "actions")] {
        if count > most {
            return Err(Error::TooLarge(format!("At most {most} {what} at once.")));
        }
    }
    let (mut questions, mut found, mut faults) = (Questions::default(), vec![], vec![]);
    for (at, item) in items.iter().enumerate() {
        match read(app, item, &mut questions) {
            Ok(item) => found.push(item),
            Err(wrong) => faults.extend(wrong.into_iter().map(|fault| fault.within(&format!("/data/{at}")))),
        }
    }
    if !faults.is_empty() {
        return Err(Error::Invalid(faults));
    }
    let explained = match questions.0.is_empty() {
        true => vec![],
        false => explain::many(&app.store, asked.caller, &questions.0).await?,
    };
    let actions = Box::pin(actions(app, asked.caller, &found, &explained)).await?;
    let data = items.iter().zip(&found).enumerate().map(|(at, (item, asked))| {
        let text = |name: &str| item.get(name).and_then(Json::as_str).unwrap_or_default();
        match asked {
            Item::Right { question, row } => {
                resource(&place(text("entity"), text("id"), text("right")), &explained[*question][*row])
            }
            Item::Action { action, .. } => {
                let place = place(&action.entity, text("id"), &format!("action/{}", action.name));
                resource(&place, &actions[&at])
            }
        }
    });
    Ok(document(data.collect()))
}

/// Takes one item of the body apart.
fn read<'a>(app: &'a App, item: &Json, questions: &mut Questions<'a>) -> Result<Item<'a>, Vec<Fault>> {
    let text = |name: &str| item.get(name).and_then(Json::as_str);
    let id: Option<Uuid> = item.get("id").filter(|id| !id.is_null()).map(|id| id.as_str().and_then(uuid).unwrap_or_default());
    if let Some(name) = item.get("action") {
        let found = name
            .as_str()
            .and_then(|name| name.split_once('/'))
            .and_then(|(entity, name)| Some((app.schema.entity(entity)?, app.actions.find(entity, name)?)));
        let Some((entity, action)) = found else {
            let words = "There is no such action; one is named <entity>/<action>.";
            return Err(vec![Fault::new("unknown-action", words).at("/action")]);
        };
        let about = |words: &str| vec![Fault::new("invalid", format!("{}/{} {words}", entity.name, action.name)).at("/id")];
        match (action.subject, id) {
            (SubjectUse::None, Some(_)) => return Err(about("works on no row: leave `id` out.")),
            (SubjectUse::Required, None) => return Err(about("works on a row: `id` is wanted.")),
            (SubjectUse::None | SubjectUse::Optional, None) | (SubjectUse::Optional | SubjectUse::Required, Some(_)) => {}
        }
        let (question, row) = questions.add(entity, Right::Execute, id, true);
        return Ok(Item::Action { action, entity, id, question, row });
    }
    let right = text("right").and_then(Right::from_word);
    let entity = text("entity").and_then(|name| app.schema.entity(name));
    match (right, entity) {
        (Some(right), Some(entity)) => {
            let (question, row) = questions.add(entity, right, id, false);
            Ok(Item::Right { question, row })
        }
        (right, entity) => {
            let right = right.is_none().then(|| unknown_right(text("right").unwrap_or_default()).at("/right"));
            let entity = entity.is_none().then(|| Fault::new("unknown-type", "There is no such entity.").at("/entity"));
            Err(right.into_iter().chain(entity).collect())
        }
    }
}

/// What is said of the actions that are asked about, by their place: entity and action, the row, and what else stands in the way
/// of an event.
async fn actions(
    app: &App,
    caller: Caller,
    items: &[Item<'_>],
    explained: &[Vec<Explained>],
) -> Result<HashMap<usize, Explained>> {
    let mut said = HashMap::new();
    if !items.iter().any(|item| matches!(item, Item::Action { .. })) {
        return Ok(said);
    }
    let view = View::of(&app.store, &app.schema, caller).await?;
    // By entity: the events that would be allowed, with their places.
    let mut events: HashMap<usize, Vec<(usize, &Action, Uuid)>> = HashMap::new();
    for (at, item) in items.iter().enumerate() {
        let Item::Action { action, entity, id, question, row } = item else { continue };
        let mut explained = explained[*question][*row].clone();
        if !view.runs(entity, &action.name) || !action.listens.is_empty() {
            explained = Explained { phase: Some("before entity"), ..Explained::NOTHING };
        } else if action.lifts_execute() && explained.phase == Some("before instance") {
            explained.allowed = true; // whoever may peek the row
        }
        let is_event = entity.states.as_ref().is_some_and(|m| m.events.iter().any(|event| event.name == action.name));
        if let Some(id) = id.filter(|_| explained.allowed && is_event) {
            events.entry(entity.at).or_default().push((at, action, id));
        }
        said.insert(at, explained);
    }
    for (entity, events) in events {
        let asked: Vec<_> = events.iter().map(|(_, action, id)| (*action, *id)).collect();
        let found = obstacles(&app.means(), caller, &app.schema.entities()[entity], &asked).await?;
        for ((at, ..), obstacle) in events.iter().zip(found) {
            if let Some(obstacle) = obstacle {
                said.insert(*at, Explained { allowed: false, phase: Some(obstacle.word()), line: None });
            }
        }
    }
    Ok(said)
}
