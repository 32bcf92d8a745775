//! Answers: status, headers and bytes.
//!
//! In charge of: the headers that every answer carries.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, StatusCode, header};
use tokio::sync::mpsc;
use warp::Reply as _;

use crate::document;
use crate::error::Error;
use crate::request::media::Form;
use crate::request::precondition;

/// The header of an answer to what was done before.
pub const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// An answer.
pub type Response = http::Response<Content>;

/// What an answer holds.
pub enum Content {
    /// All of it.
    Whole(Bytes),
    /// Part by part.
    Parts(mpsc::Receiver<std::io::Result<Bytes>>),
}

impl Content {
    /// What is there at once.
    pub fn whole(self) -> Bytes {
        if let Content::Whole(bytes) = self { bytes } else { Bytes::new() }
    }
}

impl<T: Into<Bytes>> From<T> for Content {
    fn from(bytes: T) -> Content {
        Content::Whole(bytes.into())
    }
}

/// An answer as warp sends it.
pub fn sent(response: Response) -> warp::reply::Response {
    let (head, content) = response.into_parts();
    match content {
        Content::Whole(bytes) => http::Response::from_parts(head, bytes).into_response(),
        Content::Parts(mut parts) => {
            let parts = futures_util::stream::poll_fn(move |context| parts.poll_recv(context));
            let mut response = warp::reply::stream(parts).into_response();
            (*response.status_mut(), *response.headers_mut()) = (head.status, head.headers);
            response
        }
    }
}

/// Marks an answer that is always the same: it was compressed once, if at all.
#[derive(Debug, Clone, Copy)]
pub struct Static;

/// Whether an answer is to be compressed where it goes out.
pub fn is_dynamic(_: StatusCode, _: http::Version, _: &http::HeaderMap, marks: &http::Extensions) -> bool {
    marks.get::<Static>().is_none()
}

/// A JSON:API document.
pub fn document(status: StatusCode, form: Form, body: impl Into<Bytes>) -> Response {
    varies(with_type(status, form.media(), body))
}

/// A document with its tag: 304 where the client has it already.
/// `version`: of the row, where the document is one row's. `known`: `If-None-Match`.
pub fn tagged(status: StatusCode, form: Form, body: impl Into<Bytes>, version: Option<i64>, known: Option<&str>) -> Response {
    let body = body.into();
    let tag = precondition::tag(version, &body);
    let mut response = match precondition::is_known(known, &tag) {
        false => document(status, form, body),
        true => {
            let mut response = varies(Response::new(Bytes::new().into()));
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            response
        }
    };
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

/// Says that the work was done before, under the same idempotency key.
pub fn replayed(mut response: Response) -> Response {
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    response
}

/// Says on what an answer depends: caches keep it for its caller, and ask again.
fn varies(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(header::VARY, HeaderValue::from_static("Accept, Authorization"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    response
}

/// 204.
pub fn nothing() -> Response {
    let mut response = varies(Response::new(Bytes::new().into()));
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}

/// Bytes of some type.
pub fn with_type(status: StatusCode, kind: &'static str, body: impl Into<Bytes>) -> Response {
    let mut response = Response::new(Content::Whole(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Directives, and the cookies that they set.
pub fn directives(list: &[serde_json::Value], cookies: &[String]) -> Response {
    let body = serde_json::to_vec(list).unwrap_or_default(); // values can always be written
    let mut response = with_type(StatusCode::OK, "application/json", body);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let cookies = cookies.iter().filter_map(|cookie| HeaderValue::from_str(cookie).ok());
    cookies.for_each(|cookie| _ = response.headers_mut().append(header::SET_COOKIE, cookie));
    response
}

/// An action's failure: one `client.notify`, with the headers of an error.
pub fn failed(failure: &Error, request_id: &str, explains: bool, say: impl Fn(&str) -> String) -> Response {
    let faults: Vec<_> = failure
        .faults()
        .into_iter()
        .map(|fault| {
            let why = document::reason(&fault).filter(|_| explains);
            let field = match fault.source {
                crate::error::Source::Pointer(pointer) => pointer.rsplit('/').next().unwrap_or_default().to_owned(),
                crate::error::Source::Parameter(name) => name,
                crate::error::Source::Header(name) => name.to_owned(),
                crate::error::Source::None => String::new(),
            };
            let mut told = serde_json::json!({"field": field, "code": fault.code, "message": say(&fault.detail)});
            if let Some(why) = why {
                told["reason"] = why;
            }
            told
        })
        .collect();
    let message = faults.iter().filter_map(|f| f["message"].as_str()).collect::<Vec<_>>().join(" ");
    let attributes = serde_json::json!({"type": "error", "title": say("Failed"), "message": message, "faults": faults});
    let mut response = error(failure, request_id, explains);
    let body = serde_json::json!([{"ResponseType": "client.notify", "Attributes": attributes}]).to_string();
    *response.body_mut() = body.into();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// An error document with the headers that belong to it.
/// `explains`: whether refusals say why.
pub fn error(error: &Error, request_id: &str, explains: bool) -> Response {
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = document(status, Form::Plain, document::errors(error, request_id, explains));
    head(error, response.headers_mut());
    response
}

/// The headers that belong to an error.
pub fn head(error: &Error, headers: &mut http::HeaderMap) {
    let mut put = |name, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.insert(name, value);
        }
    };
    match error.inner() {
        Error::Unauthenticated { bad_token: true, .. } | Error::Over(_) => {
            put(header::WWW_AUTHENTICATE, "Bearer error=\"invalid_token\"");
        }
        Error::Unauthenticated { bad_token: false, .. } | Error::WrongPassword => put(header::WWW_AUTHENTICATE, "Bearer"),
        Error::MethodNotAllowed(allow) => put(header::ALLOW, allow),
        _ => {}
    }
    if let Some(seconds) = error.retry_after() {
        put(header::RETRY_AFTER, &seconds.to_string());
    }
}
