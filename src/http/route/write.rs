//! Routes that change rows: body → change → deed → what may be shown of it.
//!
//! In charge of: the order of answers, and hashing before a connection is taken.

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use uuid::Uuid;

use super::{Route, relation};
use crate::access::write::Deed;
use crate::access::{self, Source};
use crate::account::password::policy;
use crate::document::{self, Place};
use crate::error::{Error, Fault, Result};
use crate::http::reply::{self, Response};
use crate::http::{App, Asked};
use crate::permission::Right;
use crate::plan::Pick;
use crate::plan::change::{Change, Verb};
use crate::request::body::{self, uuid};
use crate::request::{self, Query, media};
use crate::schema::Entity;
use crate::schema::kind::Kind;
use crate::store::twice;

/// Reads the body as JSON, media types first.
fn document(asked: &Asked, body: &Bytes) -> Result<serde_json::Value> {
    let read = body::json(body);
    let unreadable = |fault| Error::Unreadable(vec![fault]);
    // What can't be read at all comes before 406, and 415 after it.
    if asked.header(header::CONTENT_TYPE).is_some_and(|t| media::content(Some(t)).is_ok()) && read.is_err() {
        return read.map_err(unreadable);
    }
    media::accept(asked.header(header::ACCEPT))?;
    media::content(asked.header(header::CONTENT_TYPE))?;
    read.map_err(unreadable)
}

/// POST on a collection, PATCH and PUT on a row.
pub async fn put(app: &App, asked: &Asked, route: &Route, body: &Bytes) -> Result<Response> {
    let document = document(asked, body)?;
    let planner = app.planner();
    let entity = planner.entity(&route.entity)?;
    let resource = body::resource(&document).map_err(Error::Unreadable)?;
    let is_new = asked.method == Method::POST;
    let id = if is_new { Uuid::now_v7() } else { uuid(&route.id).unwrap_or_default() };
    let mut change = planner.change(entity, id, is_new, &resource);
    if is_new && change.sets.iter().any(|(c, v)| c.kind == Kind::Password && v.is_some()) {
        // Hashing costs much: only for those who may create at all.
        Deed::begin(&app.store, planner, asked.caller).await?.require_entities(&change).await?;
    }
    keep_secrets(app, &mut change).await?;
    let change = &change;
    let done = twice(|| async move {
        let mut deed = Deed::begin(&app.store, planner, asked.caller).await?;
        match is_new {
            true => deed.create(change.clone()).await?,
            false => deed.update(change.clone()).await?,
        }
        let shown = show(app, asked, &mut deed, entity, id).await?;
        deed.commit().await?;
        Ok(shown)
    });
    let shown = done.await?;
    let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
    let mut response = reply::document(status, shown);
    if is_new {
        let base = app.base();
        let location = format!("{base}{}/{id}", asked.path);
        if let Ok(location) = HeaderValue::from_str(&location) {
            response.headers_mut().insert(header::LOCATION, location);
        }
    }
    Ok(response)
}

/// Hashes passwords and seals secrets, before a connection is taken.
async fn keep_secrets(app: &App, change: &mut Change<'_>) -> Result<()> {
    let texts: Vec<String> =
        change.sets.iter().filter(|(c, _)| c.kind != Kind::Password).filter_map(|(_, v)| v.clone()).take(20).collect();
    let context: Vec<&str> = texts.iter().map(String::as_str).collect();
    for (column, value) in change.sets.iter().filter(|(c, _)| c.kind == Kind::Password) {
        if let Some(Err(words)) = value.as_ref().map(|text| policy(text, &context)) {
            let at = format!("/data/attributes{}", body::step(&column.name));
            change.faults.push(Fault::new("weak-password", format!("`{}` {words}.", column.name)).at(at));
        }
    }
    for (column, value) in &mut change.sets {
        let Some(text) = value.take() else { continue };
        *value = Some(match column.kind {
            Kind::Password if change.faults.is_empty() => app.hasher.hash(text).await?,
            Kind::Encrypted => app.seal.seal_text("column", &text),
            _ => text,
        });
    }
    Ok(())
}

/// The row as the caller may see it; where they may not read it, a document with `meta` only: the work stands.
async fn show(app: &App, asked: &Asked, deed: &mut Deed<'_>, entity: &Entity, id: Uuid) -> Result<Vec<u8>> {
    let plan = app.planner().read(entity, Pick::One(id), &Query::read(&asked.query));
    match access::read(Source::Scope(&mut deed.scope), &app.schema, asked.caller, &plan).await {
        Ok(answer) => {
            let base = app.base();
            let path = if asked.method == Method::POST { format!("{}/{id}", asked.path) } else { asked.path.clone() };
            Ok(document::render(&app.schema, &plan, &answer, &Place { base, path: &path, query: &asked.query }))
        }
        // An entity that the request names refuses the request; the row's own refusal only narrows the answer.
        Err(refusal) if plan.named.len() > 1 && refusal.is_refusal() && is_readable(app, asked, deed, entity, id).await? => {
            Err(refusal)
        }
        Err(error) if error.is_refusal() => Ok(b"{\"jsonapi\":{\"version\":\"1.1\"},\"meta\":{\"readable\":false}}".to_vec()),
        Err(error) => Err(error),
    }
}

async fn is_readable(app: &App, asked: &Asked, deed: &mut Deed<'_>, entity: &Entity, id: Uuid) -> Result<bool> {
    let plan = app.planner().read(entity, Pick::One(id), &Query::default());
    match access::read(Source::Scope(&mut deed.scope), &app.schema, asked.caller, &plan).await {
        Ok(_) => Ok(true),
        Err(error) if error.is_refusal() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Refuses parameters where none means anything (QP1).
fn no_parameters(asked: &Asked) -> Result<()> {
    let (found, mut faults) = request::parameters(&asked.query);
    let unknown = |(name, _): &(String, String)| Fault::new("unknown-parameter", "This takes no parameters.").parameter(name);
    faults.extend(found.iter().map(unknown));
    if faults.is_empty() { Ok(()) } else { Err(Error::Unreadable(faults)) }
}

/// DELETE on a row.
pub async fn delete(app: &App, asked: &Asked, route: &Route) -> Result<Response> {
    media::accept(asked.header(header::ACCEPT))?;
    let planner = app.planner();
    let entity = planner.entity(&route.entity)?;
    let id = uuid(&route.id).unwrap_or_default();
    let done = twice(|| async move {
        let mut deed = Deed::begin(&app.store, planner, asked.caller).await?;
        deed.delete(entity, id).await?;
        no_parameters(asked)?;
        deed.commit().await
    });
    done.await?;
    Ok(reply::nothing())
}

/// POST, PATCH and DELETE on linkage.
pub async fn link(app: &App, asked: &Asked, route: &Route, body: &Bytes) -> Result<Response> {
    let document = document(asked, body)?;
    let planner = app.planner();
    let entity = planner.entity(&route.entity)?;
    let relation = relation(app, asked, entity, &route.relation, Right::Update).await?;
    let verb = match asked.method {
        Method::POST => Verb::Add,
        Method::DELETE => Verb::Remove,
        _ => Verb::Replace,
    };
    if !relation.is_many() && verb != Verb::Replace {
        return Err(Error::MethodNotAllowed("GET, HEAD, PATCH".to_owned()));
    }
    let linkage = body::relationship(&document).map_err(Error::Unreadable)?;
    let id = uuid(&route.id).unwrap_or_default();
    let mut faults = vec![];
    let link = planner.link(relation, verb, &linkage, "", &mut faults);
    let (link, faults) = (&link, &faults);
    let done = twice(|| async move {
        let mut deed = Deed::begin(&app.store, planner, asked.caller).await?;
        if relation.is_many() {
            deed.link(entity, id, link.clone(), relation, faults.clone()).await?;
        } else {
            deed.update(Change::links(entity, id, link.clone(), faults.clone())).await?;
        }
        no_parameters(asked)?;
        deed.commit().await
    });
    done.await?;
    Ok(reply::nothing())
}
