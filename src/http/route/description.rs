//! Routes that describe the server: OpenAPI, JSON Schemas, and a page that shows them.

use std::io::Write as _;
use std::sync::LazyLock;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{HeaderValue, StatusCode, header};
use scalar_api_reference::{get_asset, scalar_html};
use serde_json::{Value as Json, json};

use super::Route;
use crate::access::view::View;
use crate::action::directive;
use crate::error::{Error, Result};
use crate::http::App;
use crate::http::asked::Asked;
use crate::http::reply::{self, Response};
use crate::openapi;
use crate::permission::Right;
use crate::request::media::Form;
use crate::request::precondition;

/// JSON that depends on who asks.
pub fn described(asked: &Asked, kind: &'static str, json: &Json) -> Response {
    let known = asked.list(header::IF_NONE_MATCH);
    let mut response = reply::tagged(StatusCode::OK, Form::Plain, json.to_string().into_bytes(), None, known.as_deref());
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// GET /openapi.json: what the caller may do; for administrators all of it.
pub async fn openapi(app: &App, asked: &Asked) -> Result<Response> {
    let view = View::of(&app.store, &app.schema, asked.caller).await?;
    let (limits, page) = (&app.config.limits, &app.config.page);
    let source = openapi::Source { schema: &app.schema, actions: &app.actions, limits, page, base: app.base() };
    Ok(described(asked, "application/json", &openapi::document(&source, &view)))
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
