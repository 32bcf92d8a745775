//! Routes that describe the server: OpenAPI, JSON Schemas, and a page that shows them.

use std::collections::VecDeque;
use std::io::Write as _;
use std::sync::{LazyLock, Mutex};

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{HeaderValue, StatusCode, header};
use scalar_api_reference::{get_asset, scalar_html};
use serde_json::{Value as Json, json};

use super::Route;
use crate::access::view::View;
use crate::action::directive;
use crate::error::{Error, Fault, Result};
use crate::http::App;
use crate::http::asked::Asked;
use crate::http::reply::{self, Response};
use crate::openapi;
use crate::permission::Right;
use crate::request::media::Form;
use crate::request::{parameters, precondition};

/// JSON that depends on who asks.
pub fn described(asked: &Asked, kind: &'static str, json: &Json) -> Response {
    tagged(asked, kind, json.to_string().into())
}

fn tagged(asked: &Asked, kind: &'static str, body: Bytes) -> Response {
    let known = asked.list(header::IF_NONE_MATCH);
    let mut response = reply::tagged(StatusCode::OK, Form::Plain, body, None, known.as_deref());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// GET /openapi.json: what the caller may do; for administrators all of it.
pub async fn openapi(app: &App, asked: &Asked) -> Result<Response> {
    let view = View::of(&app.store, &app.schema, asked.caller).await?;
    let (found, mut faults) = parameters(&asked.query);
    let mut only: Option<Vec<&str>> = None;
    for (name, value) in &found {
        match name.as_str() {
            "entity" => {
                for name in value.split(',') {
                    // What may not be known of isn't there.
                    if !app.schema.entity(name).is_some_and(|entity| view.may(entity, Right::Peek)) {
                        let words = format!("There is no entity `{}`.", crate::error::short(name));
                        faults.push(Fault::new("unknown-type", words).parameter("entity"));
                    }
                    only.get_or_insert_default().push(name);
                }
            }
            _ => faults.push(Fault::new("unknown-parameter", "Known here: entity.").parameter(name)),
        }
    }
    if !faults.is_empty() {
        return Err(Error::Unreadable(faults));
    }
    let (limits, page) = (&app.config.limits, &app.config.page);
    let source = openapi::Source { schema: &app.schema, actions: &app.actions, limits, page, base: app.base() };
    let make = || Bytes::from(openapi::document(&source, &view, only.as_deref()).to_string());
    // Parts are small, and as many as anybody likes to ask for: they are made each time, and drive nothing out.
    let body = match only {
        Some(_) => make(),
        None => {
            let actions = app.actions.all().iter().map(|action| (action.entity.as_str(), action.name.as_str()));
            app.descriptions.get(view.digest(&app.schema, actions), make)
        }
    };
    Ok(tagged(asked, "application/json", body))
}

/// Whole descriptions, by what a view shows ([`View::digest`]): as many views as there are kinds of callers, the last ones.
#[derive(Default)]
pub struct Descriptions(Mutex<VecDeque<(Vec<u8>, Bytes)>>);

/// So many are kept.
const KEPT: usize = 16;

impl Descriptions {
    /// The description of a view, made where there is none.
    fn get(&self, view: Vec<u8>, make: impl FnOnce() -> Bytes) -> Bytes {
        let found = |all: &VecDeque<(Vec<u8>, Bytes)>| all.iter().find(|(of, _)| *of == view).map(|(_, body)| body.clone());
        if let Some(body) = self.0.lock().ok().as_deref().and_then(found) {
            return body;
        }
        let body = make();
        if let Ok(mut all) = self.0.lock() {
            all.push_back((view, body.clone()));
            if all.len() > KEPT {
                all.pop_front();
            }
        }
        body
    }
}

/// GET /schema/entity/{name}: 404 also for what may not be known of.
pub async fn entity(app: &App, asked: &Asked, route: &Route) -> Result<Response> {
    let view = View::of(&app.store, &app.schema, asked.caller).await?;
    let entity = app.schema.entity(&route.name).filter(|e| view.may(e, Right::Peek)).ok_or(Error::NotFound)?;
    Ok(described(asked, "application/schema+json", &openapi::entity(&app.schema, entity, &view)))
}

/// GET /schema/directive/{name}.
pub fn directive(asked: &Asked, route: &Route) -> Result<Response> {
    let found = directive::find(&route.name).ok_or(Error::NotFound)?;
    let mut schema = found.schema();
    schema["$schema"] = json!(openapi::DIALECT);
    Ok(described(asked, "application/schema+json", &schema))
}

/// GET /docs: the page. Nothing of it comes from elsewhere, and it may ask nobody but us.
pub fn docs() -> Response {
    let settings = json!({"url": "/openapi.json", "withDefaultFonts": false, "telemetry": false, "hideClientButton": true, "agent": {"disabled": true}});
    let page = scalar_html(&settings, Some("/docs/scalar.js"));
    let mut response = reply::with_type(StatusCode::OK, "text/html; charset=utf-8", page.into_bytes());
    let policy = "default-src 'self' 'unsafe-inline' data: blob:; script-src 'self' 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    response
}

/// The page's script, from the binary: as it is, and compressed, which takes a fifth of a second.
static SCRIPT: LazyLock<[(Bytes, String); 2]> = LazyLock::new(|| {
    let script = get_asset("scalar.js").unwrap_or_default();
    let mut writer = GzEncoder::new(vec![], Compression::default());
    let compressed = writer.write_all(&script).and_then(|()| writer.finish()).unwrap_or_default(); // memory takes it
    [script, compressed].map(|bytes| {
        let tag = precondition::tag(None, &bytes);
        (Bytes::from(bytes), tag)
    })
});

/// The page's script.
pub fn script(asked: &Asked) -> Response {
    let takes = asked.list(header::ACCEPT_ENCODING).unwrap_or_default();
    let is_compressed = takes.split(',').any(|coding| {
        let (name, quality) = coding.split_once(';').unwrap_or((coding, ""));
        matches!(name.trim(), "gzip" | "*")
            && !matches!(quality.trim().replace(' ', "").as_str(), "q=0" | "q=0.0" | "q=0.00" | "q=0.000")
    });
    let (bytes, tag) = &SCRIPT[usize::from(is_compressed)];
    let is_known = precondition::is_known(asked.list(header::IF_NONE_MATCH).as_deref(), tag);
    let mut response = reply::with_type(StatusCode::OK, "text/javascript; charset=utf-8", vec![]);
    match is_known {
        true => *response.status_mut() = StatusCode::NOT_MODIFIED,
        false => *response.body_mut() = bytes.clone().into(),
    }
    response.extensions_mut().insert(reply::Static);
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if let Ok(tag) = HeaderValue::from_str(tag) {
        headers.insert(header::ETAG, tag);
    }
    headers.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    if is_compressed {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    response
}
