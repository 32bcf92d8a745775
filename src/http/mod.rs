//! The edge: the only place that knows HTTP and warp.
//!
//! In charge of: one warp filter that takes a request apart, the time and size limits around it, and the layers. Routes are
//! in [`route`], answers in [`reply`], connections in [`listen`].

pub mod asked;
pub mod client_address;
pub mod limit;
pub mod listen;
pub mod metrics;
pub mod outflow;
pub mod reply;
pub mod route;

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt as _, Stream, StreamExt as _};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, header};
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{DefaultPredicate, Predicate as _};
use tower_http::cors::{AllowOrigin, CorsLayer};
use uuid::Uuid;
use warp::Filter as _;

use crate::account::Caller;
use crate::account::password::Hasher;
use crate::account::seal::Seal;
use crate::account::token::{Tokens, Worth};
use crate::action::Actions;
use crate::action::run::Means;
use crate::config::Config;
use crate::document::Place;
use crate::error::{Error, Fault, Over, Result};
use crate::locale;
use crate::mail::post::Post;
use crate::outbox::Outbox;
use crate::outgoing::Outgoing;
use crate::plan::Planner;
use crate::request::media::Form;
use crate::schema::Schema;
use crate::share::{self, Asker, Shares};
use crate::statement::outbox::Task;
use crate::store::Store;
use asked::{Asked, Door};
use client_address::{Peer, Warned, client_address};
use metrics::Metrics;
use outflow::Outflow;
use reply::{Content, Response};

/// Everything that a request needs. Nothing in here says who may do what.
pub struct App {
    /// The configuration.
    pub config: Config,
    /// What exists.
    pub schema: Schema,
    /// What may be called.
    pub actions: Actions,
    /// Calls per action and address.
    pub limiters: limit::Limiters,
    /// PostgreSQL.
    pub store: Store,
    /// Who signs and verifies tokens.
    pub tokens: Tokens,
    /// Who hashes passwords.
    pub hasher: Hasher,
    /// Who seals secrets.
    pub seal: Seal,
    /// How letters leave.
    pub post: Post,
    /// Where tasks wait.
    pub tasks: Outbox<Task>,
    /// Where imports and exports wait.
    pub transfers: Outbox<Task>,
    /// Who asks other servers.
    pub outgoing: Outgoing,
    /// What is counted.
    pub metrics: Metrics,
    /// The bytes of answers that wait to be taken.
    pub outflow: Arc<Outflow>,
    /// Of the files that may be sent at once.
    pub uploads: Shares,
    /// What was described.
    pub descriptions: route::description::Descriptions,
    /// Whether somebody was warned of a proxy that isn't trusted.
    pub warned: Warned,
}

impl App {
    /// Who plans requests.
    pub fn planner(&self) -> Planner<'_> {
        Planner { schema: &self.schema, limits: &self.config.limits, page: &self.config.page }
    }

    /// What links stand under: `public_url`, or nothing.
    pub fn base(&self) -> &str {
        self.config.public_url.as_deref().unwrap_or_default()
    }

    /// What actions need.
    pub fn means(&self) -> Means<'_> {
        let App { config, schema, actions, store, tokens, hasher, seal, post, tasks, transfers, outgoing, .. } = self;
        Means { config, schema, store, tokens, hasher, seal, actions, post, tasks, transfers, outgoing }
    }

    /// The language of texts for whoever asks; none: the files'.
    pub fn language(&self, asked: &Asked) -> Option<String> {
        let accepted = locale::accepted(asked.list(header::ACCEPT_LANGUAGE).as_deref());
        self.actions.texts.choose(&accepted, &self.config.language)
    }

    /// Where the document that a request asks for is served.
    pub fn place<'a>(&'a self, asked: &'a Asked, form: Form) -> Place<'a> {
        let most = self.config.limits.answer;
        let total_as = &self.config.page.total_as;
        Place { base: self.base(), path: &asked.path, query: &asked.query, form, most, total_as }
    }
}

/// The header that carries a request's id.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The service that answers requests, with all layers around it.
pub fn service(
    app: &Arc<App>,
    door: Door,
) -> impl tower::Service<
    Request<hyper::body::Incoming>,
    Response = http::Response<
        impl http_body_util::BodyExt<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Send + 'static,
    >,
    Error: Into<Box<dyn std::error::Error + Send + Sync>> + Send,
    Future: Send,
> + Clone
+ Send
+ 'static {
    let inner = app.clone();
    let query = warp::query::raw().or(warp::any().map(String::new)).unify();
    let edge = warp::method()
        .and(warp::path::full())
        .and(query)
        .and(warp::header::headers_cloned())
        .and(warp::ext::optional::<Peer>())
        .and(warp::body::stream())
        .then(move |method: Method, path: warp::path::FullPath, query: String, headers: HeaderMap, peer: Option<Peer>, body| {
            let app = inner.clone();
            // What answers is large, and every layer around it moves what it is given: a pointer.
            Box::pin(async move {
                reply::sent(edge(&app, door, (method, path.as_str().to_owned(), query, headers), peer, body).await)
            })
        });
    ServiceBuilder::new()
        .layer(cors(&app.config))
        .map_response(weakened)
        .layer(CompressionLayer::new().compress_when(DefaultPredicate::new().and(reply::is_dynamic)))
        .layer(CatchPanicLayer::custom(|_: Box<dyn std::any::Any + Send>| {
            tracing::error!("a request panicked");
            reply::error(&Error::internal("a panic"), &Uuid::now_v7().to_string(), false)
                .map(|content| http_body_util::Full::new(content.whole()))
        }))
        .service(warp::service(edge))
}

/// A tag was made of the bytes as they are; of compressed ones it only says that they mean the same.
fn weakened<B>(mut response: http::Response<B>) -> http::Response<B> {
    let headers = response.headers_mut();
    if headers.contains_key(header::CONTENT_ENCODING)
        && let Some(Ok(weak)) = headers.get(header::ETAG).map(|tag| HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat()))
    {
        headers.insert(header::ETAG, weak);
    }
    response
}

fn cors(config: &Config) -> CorsLayer {
    let allowed = match config.cors_origins.as_slice() {
        [any] if any == "*" => AllowOrigin::any(),
        some => AllowOrigin::list(some.iter().filter_map(|o| HeaderValue::from_str(o).ok())),
    };
    CorsLayer::new()
        .allow_origin(allowed)
        .allow_methods([Method::GET, Method::HEAD, Method::POST, Method::PATCH, Method::PUT, Method::DELETE])
        .allow_headers(
            [
                config.cors_headers.as_slice(),
                &[
                    header::AUTHORIZATION,
                    header::CONTENT_TYPE,
                    header::ACCEPT,
                    header::IF_MATCH,
                    header::IF_NONE_MATCH,
                    HeaderName::from_static("idempotency-key"),
                    REQUEST_ID,
                ],
            ]
            .concat(),
        )
        .expose_headers([
            header::LOCATION,
            header::ETAG,
            header::RETRY_AFTER,
            header::WWW_AUTHENTICATE,
            REQUEST_ID,
            reply::REPLAYED,
        ])
        .max_age(std::time::Duration::from_secs(600))
}

async fn edge<B: bytes::Buf>(
    app: &App,
    door: Door,
    (method, path, query, headers): (Method, String, String, HeaderMap),
    peer: Option<Peer>,
    body: impl Stream<Item = Result<B, warp::Error>> + Send,
) -> Response {
    let started = std::time::Instant::now();
    let from = client_address(&app.config, &headers, peer, &app.warned);
    let (id, sent_id) = (Uuid::now_v7().to_string(), sent_id(&headers));
    let caller = caller(app, &headers);
    let is_head = method == Method::HEAD;
    let method = if is_head { Method::GET } else { method };
    let asked =
        Asked { door, method, is_head, path, query, headers, caller, address: from.address, behind: from.behind, id, sent_id };
    let longest = if route::is_upload(&asked) { app.config.limits.file_time } else { app.config.limits.request };
    let asker = Asker { session: asked.caller.session, address: asked.address };
    let answered = tokio::time::timeout(longest, caught(share::on_behalf(asker, answer(app, &asked, peer, body)))).await;
    let answered = answered.map(|answered| answered.and_then(|response| counted(app, &asked, asker, response)));
    let mut response = match answered {
        Ok(Ok(response)) => response,
        Ok(Err(error)) => refuse(app, &error, &asked),
        Err(_) => refuse(app, &Error::Unavailable(2), &asked),
    };
    // Who sends an id of their own finds their answer by it; what is noted and logged has both.
    if let Ok(value) = HeaderValue::from_str(asked.sent_id.as_ref().unwrap_or(&asked.id)) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    app.metrics.count(&asked.method, response.status(), started.elapsed());
    tracing::info!(id = asked.id, sent_id = asked.sent_id, method = %asked.method, path = asked.told_path(), status = response.status().as_u16(), ms = started.elapsed().as_secs_f64() * 1000.0, "request");
    response
}

/// An answer whose bytes count until they are taken; 503 where too many wait already. What was done isn't said not to be.
fn counted(app: &App, asked: &Asked, asker: Asker, response: Response) -> Result<Response> {
    let (head, content) = response.into_parts();
    let is_static = head.extensions.get::<reply::Static>().is_some(); // its bytes are there anyway
    let content = match content {
        Content::Whole(bytes) if is_static => Content::Whole(bytes),
        Content::Whole(bytes) => match app.outflow.counted(bytes.clone(), asker) {
            Some(bytes) => Content::Whole(bytes),
            None if asked.method == Method::GET => return Err(Error::Unavailable(2)),
            None => Content::Whole(bytes),
        },
        parts @ Content::Parts(_) => parts,
    };
    Ok(http::Response::from_parts(head, content))
}

/// A panic as the defect that it is: whoever asked is answered, in the form of their path.
async fn caught<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|_| Err(Error::internal("a panic")))
}

fn refuse(app: &App, error: &Error, asked: &Asked) -> Response {
    if let Error::Internal(cause) = error {
        tracing::error!(id = asked.id, ?cause, "internal error");
    }
    let explains = app.config.explain_refusals;
    if let Some(why) = error.faults().first().filter(|_| error.is_refusal()).and_then(Fault::why) {
        tracing::info!(id = asked.id, why, "refused");
    }
    match asked.path.starts_with("/action/") {
        true => {
            let language = app.language(asked);
            let say = |text: &str| app.actions.texts.say(language.as_deref(), text).to_owned();
            reply::failed(error, &asked.id, explains, say)
        }
        false => reply::error(error, &asked.id, explains),
    }
}

async fn answer<B: bytes::Buf>(
    app: &App,
    asked: &Asked,
    peer: Option<Peer>,
    body: impl Stream<Item = Result<B, warp::Error>> + Send,
) -> Result<Response> {
    let hosts = asked.headers.get_all(header::HOST).iter().count();
    if hosts > 1 || (hosts == 0 && peer.is_some_and(|peer| peer.names_host)) {
        return Err(Error::Unreadable(vec![Fault::new("bad-host", "A request names its host, once.")]));
    }
    if asked.path.len() + asked.query.len() > app.config.limits.url {
        return Err(Error::TooLarge(format!("A URL has at most {} bytes.", app.config.limits.url)));
    }
    let route = route::find(asked)?;
    if asked.headers.contains_key(header::CONTENT_ENCODING) {
        return Err(Error::Unsupported("Send bodies as they are, without Content-Encoding.".to_owned()));
    }
    if route::is_upload(asked) {
        return route::file::receive(app, asked, &route, body).await;
    }
    let told = asked.headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    if told.is_some_and(|length| length > app.config.limits.body as u64) {
        return Err(too_large(asked, app.config.limits.body));
    }
    // A GET's body means nothing, but what is sent must fit and arrive in time like any other.
    let body = tokio::time::timeout(app.config.limits.body_time, read(asked, body, app.config.limits.body))
        .await
        .map_err(|_| Error::Timeout)??;
    route::answer(app, asked, &route, &body).await
}

fn too_large(asked: &Asked, most: usize) -> Error {
    let is_file = asked.path.ends_with("/import_data");
    let words = if is_file { " A file goes to PUT /file/<id>: leave `content` out, and the answer has the id." } else { "" };
    Error::TooLarge(format!("A body has at most {most} bytes.{words}"))
}

async fn read<B: bytes::Buf>(
    asked: &Asked,
    body: impl Stream<Item = Result<B, warp::Error>> + Send,
    most: usize,
) -> Result<Bytes> {
    let mut body = std::pin::pin!(body);
    let mut whole = BytesMut::new();
    while let Some(part) = body.next().await {
        let mut part = part.map_err(|_| Error::Unreadable(vec![Fault::new("broken-body", "The body broke off.")]))?;
        if whole.len() + part.remaining() > most {
            return Err(too_large(asked, most));
        }
        whole.extend_from_slice(&part.copy_to_bytes(part.remaining()));
    }
    Ok(whole.freeze())
}

/// What a request's sender calls it, where that is an id.
fn sent_id(headers: &HeaderMap) -> Option<String> {
    let sent = headers.get(REQUEST_ID).and_then(|v| v.to_str().ok());
    let good =
        |id: &&str| (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    sent.filter(good).map(str::to_owned)
}

/// What keys of ours begin with.
const KEY: &str = "rh_";

fn caller(app: &App, headers: &HeaderMap) -> Caller {
    let Some(value) = headers.get(header::AUTHORIZATION) else { return Caller::default() };
    let sent = Caller { sent_token: true, is_lenient: app.config.token.over_is_guest, ..Caller::default() };
    let (scheme, token) = value.to_str().ok().and_then(|v| v.split_once(' ')).unwrap_or_default();
    let token = token.trim();
    match scheme.to_ascii_lowercase().as_str() {
        "basic" => Caller { over: Some(Over::NoKey), ..sent },
        "bearer" if token.starts_with(KEY) => Caller { over: Some(Over::NoKey), ..sent },
        "bearer" => match app.tokens.worth(token) {
            Worth::Session(session) => Caller { session: Some(session), ..sent },
            Worth::Over(over) => Caller { over: Some(over), ..sent },
            Worth::Nothing => sent,
        },
        _ => sent,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_an_error_like_any_other() {
        let work = async { if std::hint::black_box(true) { panic!("geheim") } else { Ok(()) } };
        let error = caught(work).await.expect_err("caught");
        assert_eq!(error.status(), 500);
        let document = String::from_utf8(reply::error(&error, "abc", true).into_body().whole().to_vec()).expect("text");
        let directive =
            String::from_utf8(reply::failed(&error, "abc", true, str::to_owned).into_body().whole().to_vec()).expect("text");
        assert!(document.contains("\"errors\"") && document.contains("\"id\":\"abc\"") && directive.contains("client.notify"));
        assert!(!document.contains("geheim") && !directive.contains("geheim"));
    }
}
