//! Routes that change rows: body → change → deed → what may be shown of it.
//!
//! In charge of: the order of answers, and hashing before a connection is taken.

use bytes::Bytes;
use http::{HeaderValue, Method, StatusCode, header};
use serde_json::Value as Json;
use uuid::Uuid;

use super::{Route, relation};
use crate::access::write::Deed;
use crate::access::write::brief::{Act, Done, Way, brief};
use crate::access::write::many::Step;
use crate::access::{self, Answer, Source};
use crate::account::policy::Policy;
use crate::action::event::settle;
use crate::document::{self, Place};
use crate::error::{Error, Fault, Result};
use crate::http::App;
use crate::http::asked::Asked;
use crate::http::reply::{self, Response};
use crate::permission::Right;
use crate::plan::change::{Change, Verb};
use crate::plan::{Pick, Plan};
use crate::request::body::{self, uuid};
use crate::request::media::{self, Form};
use crate::request::once::Once;
use crate::request::precondition::Expected;
use crate::request::{self, Query};
use crate::schema::Entity;
use crate::schema::kind::Kind;
use crate::store::twice;

/// Reads the body as JSON, media types first.
pub fn readable(asked: &Asked, body: &Bytes, is_atomic: bool) -> Result<serde_json::Value> {
    let read = body::json(body);
    let unreadable = |fault| Error::Unreadable(vec![fault]);
    // What can't be read at all comes before 406, and 415 after it.
    if asked.header(header::CONTENT_TYPE).is_some_and(|t| media::content(Some(t), is_atomic).is_ok()) && read.is_err() {
        return read.map_err(unreadable);
    }
    media::accept(asked.header(header::ACCEPT))?;
    media::content(asked.header(header::CONTENT_TYPE), is_atomic)?;
    read.map_err(unreadable)
}

/// POST on a collection.
pub async fn create(app: &App, asked: &Asked, route: &Route, body: &Bytes) -> Result<Response> {
    let (entity, mut resource) = resource(app, asked, route, body)?;
    let once = asked.once(body)?;
    let chosen = resource.id.as_deref().and_then(uuid).filter(|_| entity.client_ids);
    let id = chosen.unwrap_or_else(Uuid::now_v7);
    let own = resource.lid.clone().map(|lid| ((resource.kind.clone(), lid), id));
    let faults = resource.resolve(&own.into_iter().collect());
    if !faults.is_empty() {
        return Err(Error::Unreadable(faults));
    }
    let change = app.planner().change(entity, id, true, &resource);
    let change = finished(app, asked, change, Step::Create, once.as_ref()).await?;
    let query = &Query::read(&asked.query);
    let way = (Act::Create, &Expected::Any, once.is_some());
    if let Some(shown) = brief_shown(app, asked, query, &change, way).await? {
        return Ok(created(app, asked, id, shown));
    }
    let (change, once, means, call) = (&change, &once, &app.means(), &asked.call(app));
    let done = twice(|| async move {
        let mut deed = Deed::begin(&app.store, app.planner(), asked.caller, &asked.origin()).await?;
        if let Some(kept) = deed.done_before(once.as_ref()).await? {
            let id = kept.as_str().and_then(uuid).unwrap_or_default();
            return Ok((show(app, asked, query, &mut deed, (entity, id)).await?, id, true));
        }
        deed.create(change.clone()).await?;
        let mut settled = settle(means, call, deed, id.to_string().into()).await?;
        let shown = show(app, asked, query, settled.deed(), (entity, id)).await?;
        settled.complete().await?;
        Ok((shown, id, false))
    });
    let (shown, id, is_replayed) = done.await?;
    means.wake_for(change);
    let response = created(app, asked, id, shown);
    Ok(if is_replayed { reply::replayed(response) } else { response })
}

fn created(app: &App, asked: &Asked, id: Uuid, shown: Shown) -> Response {
    let mut response = shown.reply(StatusCode::CREATED);
    if let Ok(location) = HeaderValue::from_str(&format!("{}{}/{id}", app.base(), asked.path)) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// Does a write in one message, where nothing of it asks for more; none: it is still to be done.
async fn brief_shown(
    app: &App,
    asked: &Asked,
    query: &Query,
    change: &Change<'_>,
    (act, expected, has_key): (Act, &Expected, bool),
) -> Result<Option<Shown>> {
    let form = media::accept(asked.header(header::ACCEPT))?;
    let plan = app.planner().read(change.entity, Pick::One(change.id), query);
    let way = Way { schema: &app.schema, act, change, expected, shown: Some(&plan), has_key };
    match brief(&app.store, asked.caller, &way).await? {
        None => Ok(None),
        Some(Done::Shown(answer)) => Shown::of(app, asked, form, change.id, (&plan, &answer)).map(Some),
        Some(Done::Unshown) => Ok(Some(Shown::unreadable())),
    }
}

/// The same where nothing is shown of it. Gives whether it was done.
async fn brief_unshown(app: &App, asked: &Asked, act: Act, change: &Change<'_>, expected: &Expected) -> Result<bool> {
    let way = Way { schema: &app.schema, act, change, expected, shown: None, has_key: false };
    Ok(brief(&app.store, asked.caller, &way).await?.is_some())
}

/// PATCH and PUT on a row.
pub async fn update(app: &App, asked: &Asked, route: &Route, body: &Bytes) -> Result<Response> {
    let (entity, mut resource) = resource(app, asked, route, body)?;
    let faults = resource.resolve(&body::Lids::new());
    if !faults.is_empty() {
        return Err(Error::Unreadable(faults));
    }
    let id = uuid(&route.id).unwrap_or_default();
    let expected = &asked.expected();
    let change = app.planner().change(entity, id, false, &resource);
    let change = finished(app, asked, change, |change| Step::Update(change, expected.clone()), None).await?;
    let (change, means, call) = (&change, &app.means(), &asked.call(app));
    let query = &Query::read(&asked.query);
    if let Some(shown) = brief_shown(app, asked, query, change, (Act::Update, expected, false)).await? {
        return Ok(shown.reply(StatusCode::OK));
    }
    let done = twice(|| async move {
        let mut deed = Deed::begin(&app.store, app.planner(), asked.caller, &asked.origin()).await?;
        deed.update(change.clone(), expected).await?;
        let mut settled = settle(means, call, deed, Json::Null).await?;
        let shown = show(app, asked, query, settled.deed(), (entity, id)).await?;
        settled.complete().await?;
        Ok(shown)
    });
    let shown = done.await?;
    means.wake_for(change);
    Ok(shown.reply(StatusCode::OK))
}

fn resource<'a>(app: &'a App, asked: &Asked, route: &Route, body: &Bytes) -> Result<(&'a Entity, body::Resource)> {
    let document = readable(asked, body, false)?;
    let entity = app.planner().entity(&route.entity)?;
    Ok((entity, body::resource(&document).map_err(Error::Unreadable)?))
}

/// What is wrong with new passwords. Told, as all faults, to who may do what they ask.
pub fn judge_passwords(policy: &Policy, change: &mut Change<'_>) {
    let texts = change.sets.iter().filter(|(column, _)| !column.kind.is_secret()).filter_map(|(_, value)| value.as_deref());
    let context: Vec<&str> = texts.take(20).collect();
    let passwords = change.unfinished.iter().filter(|(column, _)| column.kind == Kind::Password);
    let weak = passwords.filter_map(|(column, text)| Some((column, policy.judge(text, &context).err()?)));
    let faults = weak.map(|(column, words)| {
        let at = format!("/data/attributes{}", body::step(&column.name));
        Fault::new("weak-password", format!("`{}` {words}.", column.name)).at(at)
    });
    let faults: Vec<Fault> = faults.collect();
    change.faults.extend(faults);
}

/// Does what is to be done as far as that tells whether it is allowed, and undoes it. Gives which step is refused, and why.
/// `shown`: the row that is to be shown of it.
pub async fn rehearse<'s>(
    app: &'s App,
    asked: &Asked,
    steps: &[Step<'s>],
    once: Option<&Once>,
    shown: Option<(&Entity, Uuid)>,
) -> Result<Result<(), (usize, Error)>> {
    let query = &Query::read(&asked.query);
    let rehearsal = || async {
        let mut deed = Deed::begin(&app.store, app.planner(), asked.caller, &asked.origin()).await?;
        if deed.done_before(once).await?.is_some() {
            return Ok(Ok(()));
        }
        if let Err((at, error)) = deed.rehearse(steps).await {
            return if matches!(error, Error::Again) { Err(error) } else { Ok(Err((at, error))) };
        }
        if let Some(row) = shown {
            show(app, asked, query, &mut deed, row).await?; // what it names refuses it, too
        }
        Ok(Ok(()))
    };
    twice(rehearsal).await
}

/// A change with all that is dear to make of it, where it is allowed. `step`: what is done with it.
async fn finished<'s>(
    app: &'s App,
    asked: &Asked,
    mut change: Change<'s>,
    step: impl FnOnce(Change<'s>) -> Step<'s>,
    once: Option<&Once>,
) -> Result<Change<'s>> {
    if change.unfinished.is_empty() {
        return Ok(change);
    }
    judge_passwords(app.hasher.policy(), &mut change);
    let row = (change.entity, change.id);
    rehearse(app, asked, &[step(change.clone())], once, Some(row)).await?.map_err(|(_, error)| error)?;
    finish(app, &mut change).await?;
    Ok(change)
}

/// Hashes passwords, seals secrets and cleans markup of a change that was rehearsed: it costs much, so only for who may do what
/// they ask, and while no connection is held.
pub async fn finish(app: &App, change: &mut Change<'_>) -> Result<()> {
    change.clean("/data/attributes");
    for (column, text) in change.take_secrets() {
        let value = match column.kind {
            Kind::Password => app.hasher.hash(text).await?,
            _ => app.seal.seal_text("column", &text),
        };
        change.finish(column, value);
    }
    Ok(())
}

/// What an answer to a write holds: the document, and the version of the row that it shows.
struct Shown {
    form: Form,
    body: Vec<u8>,
    version: Option<i64>,
}

impl Shown {
    fn of(app: &App, asked: &Asked, form: Form, id: Uuid, (plan, answer): (&Plan<'_>, &Answer<'_>)) -> Result<Shown> {
        let path = if asked.method == Method::POST { format!("{}/{id}", asked.path) } else { asked.path.clone() };
        match document::render(plan, answer, &Place { path: &path, ..app.place(asked, form) }) {
            Ok(body) => Ok(Shown { form, body, version: answer.version()? }),
            // The work stands: it may be done already, and isn't undone for what is told of it.
            Err(Error::TooMuch { .. }) => Ok(Shown::too_large()),
            Err(error) => Err(error),
        }
    }

    /// The work stands, and of the row nothing is shown.
    fn nothing(why: &str, is_so: bool) -> Shown {
        let body = format!("{{\"jsonapi\":{{\"version\":\"1.1\"}},\"meta\":{{\"{why}\":{is_so}}}}}").into_bytes();
        Shown { form: Form::Plain, body, version: None }
    }

    /// With what is included it is larger than an answer may be.
    fn too_large() -> Shown {
        Shown::nothing("tooLarge", true)
    }

    /// It isn't the caller's to read.
    fn unreadable() -> Shown {
        Shown::nothing("readable", false)
    }

    fn reply(self, status: StatusCode) -> Response {
        match self.version {
            Some(version) => reply::tagged(status, self.form, self.body, Some(version), None),
            None => reply::document(status, self.form, self.body),
        }
    }
}

/// The row as the caller may see it; where they may not read it, a document with `meta` only: the work stands.
async fn show(app: &App, asked: &Asked, query: &Query, deed: &mut Deed<'_>, (entity, id): (&Entity, Uuid)) -> Result<Shown> {
    let form = media::accept(asked.header(header::ACCEPT))?;
    let plan = app.planner().read(entity, Pick::One(id), query);
    let caller = deed.caller();
    match access::read(Source::Scope(&mut deed.scope), &app.schema, caller, &plan).await {
        Ok(answer) => Shown::of(app, asked, form, id, (&plan, &answer)),
        // An entity that the request names refuses the request; the row's own refusal only narrows the answer.
        Err(refusal) if plan.named.len() > 1 && refusal.is_refusal() && is_readable(app, deed, entity, id).await? => Err(refusal),
        Err(error) if error.is_refusal() => Ok(Shown::unreadable()),
        Err(Error::TooMuch { .. }) => Ok(Shown::too_large()),
        Err(error) => Err(error),
    }
}

async fn is_readable(app: &App, deed: &mut Deed<'_>, entity: &Entity, id: Uuid) -> Result<bool> {
    let plan = app.planner().read(entity, Pick::One(id), &Query::default());
    let caller = deed.caller();
    match access::read(Source::Scope(&mut deed.scope), &app.schema, caller, &plan).await {
        Ok(_) => Ok(true),
        Err(error) if error.is_refusal() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Refuses parameters where none means anything (QP1).
pub fn no_parameters(asked: &Asked) -> Result<()> {
    refused(&parameters(asked))
}

fn refused(faults: &[Fault]) -> Result<()> {
    if faults.is_empty() { Ok(()) } else { Err(Error::Unreadable(faults.to_vec())) }
}

/// What is wrong with parameters where none means anything.
fn parameters(asked: &Asked) -> Vec<Fault> {
    let (found, mut faults) = request::parameters(&asked.query);
    let unknown = |(name, _): &(String, String)| Fault::new("unknown-parameter", "This takes no parameters.").parameter(name);
    faults.extend(found.iter().map(unknown));
    faults
}

/// DELETE on a row.
pub async fn delete(app: &App, asked: &Asked, route: &Route) -> Result<Response> {
    media::accept(asked.header(header::ACCEPT))?;
    let planner = app.planner();
    let entity = planner.entity(&route.entity)?;
    let id = uuid(&route.id).unwrap_or_default();
    let (expected, means, call) = (&asked.expected(), &app.means(), &asked.call(app));
    let change = Change { faults: parameters(asked), ..Change::nothing(entity, id) };
    let faults = &change.faults;
    if brief_unshown(app, asked, Act::Delete, &change, expected).await? {
        return Ok(reply::nothing());
    }
    let done = twice(|| async move {
        let mut deed = Deed::begin(&app.store, planner, asked.caller, &asked.origin()).await?;
        deed.delete(entity, id, expected).await?;
        refused(faults)?;
        settle(means, call, deed, Json::Null).await?.complete().await
    });
    done.await?;
    means.wake(false, false);
    Ok(reply::nothing())
}

/// POST, PATCH and DELETE on linkage.
pub async fn link(app: &App, asked: &Asked, route: &Route, body: &Bytes) -> Result<Response> {
    let document = readable(asked, body, false)?;
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
    let (link, faults, expected) = (&link, &faults, &asked.expected());
    let (means, call) = (&app.means(), &asked.call(app));
    let unknown = &parameters(asked);
    let change = Change::links(entity, id, link.clone(), faults.iter().chain(unknown).cloned().collect());
    if brief_unshown(app, asked, Act::Update, &change, expected).await? {
        return Ok(reply::nothing());
    }
    let done = twice(|| async move {
        let mut deed = Deed::begin(&app.store, planner, asked.caller, &asked.origin()).await?;
        if relation.is_many() {
            deed.link(entity, id, link.clone(), relation, faults.clone(), expected).await?;
        } else {
            deed.update(Change::links(entity, id, link.clone(), faults.clone()), expected).await?;
        }
        refused(unknown)?;
        settle(means, call, deed, Json::Null).await?.complete().await
    });
    done.await?;
    means.wake(false, false);
    Ok(reply::nothing())
}
