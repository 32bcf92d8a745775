//! Routes: one literal table, and what each does.
//!
//! In charge of: 404 and 405 with the right `Allow`, and the order of answers: what can't be read first, then media types,
//! then what access says.

pub mod action;
pub mod description;
pub mod file;
pub mod history;
pub mod operation;
pub mod page;
pub mod permission;
pub mod write;

use std::sync::LazyLock;

use bytes::Bytes;
use http::{Method, StatusCode, header};
use matchit::Router;

use super::App;
use super::asked::{Asked, Door};
use super::reply::{self, Response};
use crate::access::{self, Source};
use crate::document;
use crate::error::{Error, Result};
use crate::page::Page;
use crate::permission::Right;
use crate::plan::{Pick, Plan};
use crate::request::aggregate::Aggregate;
use crate::request::body::uuid;
use crate::request::media::{self, Form};
use crate::request::{self, Query, Total};
use crate::schema::{Entity, Relation};

/// What a route is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Health,
    Ready,
    Metrics,
    Keys,
    Operations,
    Collection,
    Row,
    Related,
    Linkage,
    Actions,
    Action,
    ActionOnRow,
    Permission,
    PermissionOfEntity,
    Permissions,
    OpenApi,
    EntitySchema,
    DirectiveSchema,
    Docs,
    DocsScript,
    Aggregate,
    History,
    File,
    Download,
    Page(Page),
}

/// Every path, what it is about, and the methods it has.
const ROUTES: &[(&str, What, &[Method])] = &[
    ("/healthz", What::Health, &[Method::GET]),
    ("/readyz", What::Ready, &[Method::GET]),
    ("/metrics", What::Metrics, &[Method::GET]),
    ("/.well-known/jwks.json", What::Keys, &[Method::GET]),
    ("/api/operations", What::Operations, &[Method::POST]),
    ("/api/{entity}", What::Collection, &[Method::GET, Method::POST]),
    ("/api/{entity}/{id}", What::Row, &[Method::GET, Method::PATCH, Method::PUT, Method::DELETE]),
    ("/api/{entity}/{id}/{relation}", What::Related, &[Method::GET]),
    ("/api/{entity}/{id}/relationships/{relation}", What::Linkage, &[Method::GET, Method::POST, Method::PATCH, Method::DELETE]),
    ("/actions", What::Actions, &[Method::GET]),
    ("/action/{entity}/{name}", What::Action, &[Method::GET, Method::POST]),
    ("/action/{entity}/{id}/{name}", What::ActionOnRow, &[Method::GET, Method::POST]),
    ("/aggregate/{entity}", What::Aggregate, &[Method::GET]),
    ("/history/{entity}/{id}", What::History, &[Method::GET]),
    ("/file/{id}", What::File, &[Method::GET, Method::PUT]),
    ("/download/{id}", What::Download, &[Method::GET]),
    ("/verify_email", What::Page(Page::VerifyEmail), &[Method::GET, Method::POST]),
    ("/reset_password", What::Page(Page::ResetPassword), &[Method::GET, Method::POST]),
    ("/confirm_email_change", What::Page(Page::ConfirmEmailChange), &[Method::GET, Method::POST]),
    ("/undo_email_change", What::Page(Page::UndoEmailChange), &[Method::GET, Method::POST]),
    ("/accept_invitation", What::Page(Page::AcceptInvitation), &[Method::GET, Method::POST]),
    ("/openapi.json", What::OpenApi, &[Method::GET]),
    ("/schema/entity/{name}", What::EntitySchema, &[Method::GET]),
    ("/schema/directive/{name}", What::DirectiveSchema, &[Method::GET]),
    ("/docs", What::Docs, &[Method::GET]),
    ("/docs/scalar.js", What::DocsScript, &[Method::GET]),
    ("/permission", What::Permissions, &[Method::POST]),
    ("/permission/{entity}", What::PermissionOfEntity, &[Method::GET]),
    ("/permission/{entity}/{id}", What::Permission, &[Method::GET]),
];

static ROUTER: LazyLock<Router<usize>> = LazyLock::new(|| {
    let mut router = Router::new();
    for (at, (path, _, _)) in ROUTES.iter().enumerate() {
        if let Err(error) = router.insert(*path, at) {
            unreachable!("{path}: {error}"); // the table is literal, and every test goes through here
        }
    }
    router
});

/// A route that was found, with its parameters decoded.
pub struct Route {
    what: What,
    entity: String,
    id: String,
    relation: String,
    name: String,
}

/// Finds the route of a request.
///
/// # Errors
/// 400 for a path that can't be decoded, 404, and 405 with the methods that there are.
pub fn find(asked: &Asked) -> Result<Route> {
    let mut segments = request::segments(&asked.path).map_err(|fault| Error::Unreadable(vec![fault]))?;
    let found = ROUTER.at(&asked.path).map_err(|_| Error::NotFound)?;
    let (pattern, what, methods) = &ROUTES[*found.value];
    if asked.door == Door::Metrics && !matches!(what, What::Metrics | What::Health | What::Ready) {
        return Err(Error::NotFound);
    }
    if !methods.contains(&asked.method) {
        let mut allow: Vec<&str> = methods.iter().map(Method::as_str).collect();
        if methods.contains(&Method::GET) {
            allow.insert(1, "HEAD");
        }
        return Err(Error::MethodNotAllowed(allow.join(", ")));
    }
    let mut parameter = |name: &str| {
        let is_named = |segment: &str| segment.strip_prefix('{').and_then(|s| s.strip_suffix('}')) == Some(name);
        let at = pattern.split('/').skip(1).position(is_named);
        at.and_then(|at| segments.get_mut(at)).map(std::mem::take).unwrap_or_default()
    };
    Ok(Route {
        what: *what,
        entity: parameter("entity"),
        id: parameter("id"),
        relation: parameter("relation"),
        name: parameter("name"),
    })
}

/// Whether a request sends a file, which is read part by part.
pub fn is_upload(asked: &Asked) -> bool {
    asked.method == Method::PUT && asked.path.starts_with("/file/")
}

/// Answers a request. (What is large is boxed: a read, which comes most, isn't to carry the room of everything else.)
///
/// # Errors
/// What the request ran into.
pub async fn answer(app: &App, asked: &Asked, route: &Route, body: &Bytes) -> Result<Response> {
    match route.what {
        What::Health => Ok(reply::with_type(StatusCode::OK, "text/plain; charset=utf-8", b"ok\n".to_vec())),
        What::Ready if access::is_ready(&app.store, &app.schema).await => {
            Ok(reply::with_type(StatusCode::OK, "text/plain; charset=utf-8", b"ready\n".to_vec()))
        }
        What::Ready => Err(Error::Unavailable(2)),
        What::Metrics => {
            if asked.door == Door::Public {
                access::require_administrator(Source::Store(&app.store), &app.schema, asked.caller).await?;
            }
            Ok(reply::with_type(StatusCode::OK, super::metrics::TYPE, app.metrics.text(&app.store).into_bytes()))
        }
        What::Keys => Ok(reply::with_type(StatusCode::OK, "application/json", app.tokens.jwks().to_string().into_bytes())),
        What::OpenApi => description::openapi(app, asked).await,
        What::EntitySchema => description::entity(app, asked, route).await,
        What::DirectiveSchema => description::directive(asked, route),
        What::Docs => Ok(description::docs()),
        What::DocsScript => Ok(description::script(asked)),
        What::Operations => Box::pin(operation::run(app, asked, body)).await,
        What::Aggregate => aggregate(app, asked, route).await,
        What::File => file::send(app, asked, route).await,
        What::Download => file::follow(app, asked, route).await,
        What::Page(page) => Box::pin(page::answer(app, asked, page, body)).await,
        What::History => history::show(app, asked, route).await,
        What::Permissions => permission::many(app, asked, body).await,
        What::Permission | What::PermissionOfEntity => permission::one(app, asked, route).await,
        What::Actions => action::list(app, asked).await,
        What::Action | What::ActionOnRow => Box::pin(action::run(app, asked, route, body)).await,
        What::Collection | What::Row | What::Related | What::Linkage => match (asked.method.clone(), route.what) {
            (Method::GET, _) => read(app, asked, route).await,
            (Method::DELETE, What::Row) => Box::pin(write::delete(app, asked, route)).await,
            (_, What::Linkage) => Box::pin(write::link(app, asked, route, body)).await,
            (Method::POST, _) => Box::pin(write::create(app, asked, route, body)).await,
            _ => Box::pin(write::update(app, asked, route, body)).await,
        },
    }
}

async fn read(app: &App, asked: &Asked, route: &Route) -> Result<Response> {
    let form = media::accept(asked.header(header::ACCEPT))?;
    let planner = app.planner();
    let entity = planner.entity(&route.entity)?;
    let mut query = Query::read(&asked.query);
    let is_list = match route.what {
        What::Collection => true,
        What::Related => entity.relation(&route.relation).is_some_and(Relation::is_many),
        _ => false,
    };
    if is_list && !app.config.page.total_as.is_empty() {
        query.page.total.get_or_insert(Total::Exact);
    }
    // What is no id is nobody's id: the same answer, by the same way, as for a row that isn't there.
    let id = uuid(&route.id).unwrap_or_default();
    let plan: Plan<'_> = match route.what {
        What::Collection => planner.read(entity, Pick::Page, &query),
        What::Row if entity.name == "user_account" && route.id == "mine" => planner.read(entity, Pick::Mine, &query),
        What::Related => {
            let relation = relation(app, asked, entity, &route.relation, Right::Read).await?;
            planner.read(app.schema.target(relation), Pick::Related { parent: entity, id, relation }, &query)
        }
        What::Linkage => {
            let relation = relation(app, asked, entity, &route.relation, Right::Read).await?;
            planner.linkage(entity, id, relation, &query)
        }
        _ => planner.read(entity, Pick::One(id), &query),
    };
    let answer = access::read(Source::Store(&app.store), &app.schema, asked.caller, &plan).await?;
    let place = app.place(asked, form);
    let body = document::render(&plan, &answer, &place)?;
    if route.what == What::Linkage {
        return Ok(reply::document(StatusCode::OK, form, body)); // a tag would be taken for the row's, which If-Match wants there
    }
    let known = asked.list(header::IF_NONE_MATCH);
    Ok(reply::tagged(StatusCode::OK, form, body, answer.version()?, known.as_deref()))
}

async fn aggregate(app: &App, asked: &Asked, route: &Route) -> Result<Response> {
    let form = media::accept(asked.header(header::ACCEPT))?;
    let planner = app.planner();
    let asks = Aggregate::read(&asked.query);
    let plan = planner.totals(planner.entity(&route.entity)?, &asks);
    let groups = access::totals(Source::Store(&app.store), &app.schema, asked.caller, &plan).await?;
    let place = app.place(asked, form);
    let body = document::totals(&app.schema, &plan, &groups, asks.query.page.number, &place)?;
    Ok(reply::tagged(StatusCode::OK, Form::Plain, body, None, asked.list(header::IF_NONE_MATCH).as_deref()))
}

/// The relation that a path names. Where there is none, the entity is asked first: what it has is not everybody's to know.
async fn relation<'s>(app: &App, asked: &Asked, entity: &'s Entity, name: &str, right: Right) -> Result<&'s Relation> {
    match entity.relation(name) {
        Some(relation) => Ok(relation),
        None => {
            access::require_entity(Source::Store(&app.store), &app.schema, asked.caller, entity, right).await?;
            Err(Error::NotFound)
        }
    }
}
