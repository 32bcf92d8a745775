//! Routes of pages: GET shows the form of a letter's link, POST does what it is for.
//!
//! In charge of: forms in, HTML out. No GET spends a token, and nothing of a page is anybody's but its reader's: no script, no
//! other place, no referrer, no copy. What is done an action does, asked and counted like any other.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use serde_json::{Map, Value as Json};
use uuid::Uuid;

use super::action;
use crate::account::Caller;
use crate::account::token::Worth;
use crate::action::call::Call;
use crate::action::run;
use crate::error::{Error, Result};
use crate::http::App;
use crate::http::asked::Asked;
use crate::http::reply::{self, Response};
use crate::locale::accepted;
use crate::page::{Page, Shown};
use crate::request::parameters;
use crate::statement::account;
use crate::store::Store;

/// What forms are sent as.
const FORM: &str = "application/x-www-form-urlencoded";

/// Answers a page. Where letters lead to a front end, there is none.
///
/// # Errors
/// 404 where letters lead elsewhere; 415 for what is no form.
pub async fn answer(app: &App, asked: &Asked, page: Page, body: &Bytes) -> Result<Response> {
    if app.config.mail.link_base.is_some() {
        return Err(Error::NotFound);
    }
    if asked.method == Method::GET {
        let (found, _) = parameters(&asked.query);
        let token = found.iter().find(|(name, _)| name == "token").map(|(_, token)| token.as_str()).unwrap_or_default();
        return show(app, asked, page, StatusCode::OK, &Shown { token, ..Shown::default() });
    }
    let kind = asked.header(header::CONTENT_TYPE).unwrap_or_default();
    if kind.split(';').next().is_none_or(|kind| !kind.trim().eq_ignore_ascii_case(FORM)) {
        return Err(Error::Unsupported(format!("A page takes a form, as {FORM}.")));
    }
    let (sent, faults) = parameters(std::str::from_utf8(body).unwrap_or("%"));
    if !faults.is_empty() {
        return Err(Error::Unreadable(faults));
    }
    let field = |name: &str| sent.iter().find(|(sent, _)| sent == name).map(|(_, value)| value.as_str()).unwrap_or_default();
    let inputs = page.inputs().iter().map(|name| ((*name).to_owned(), field(name).into())).collect();
    let done = match page.signs_in() {
        true => as_somebody(app, asked, page, [field("login"), field("password")], inputs).await,
        false => act(app, asked, (page.entity(), page.name()), asked.caller, inputs).await,
    };
    let texts = &app.actions.texts;
    let language = app.language(asked);
    let (token, login) = (field("token"), field("login"));
    match done {
        Ok(directives) => {
            let message = said(&directives).unwrap_or(texts.say(language.as_deref(), "Done"));
            show(app, asked, page, StatusCode::OK, &Shown { done: message, ..Shown::default() })
        }
        Err(error @ Error::Internal(_)) => Err(error),
        Err(error) => {
            let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
            let faults = error.faults();
            let words = faults.iter().map(|fault| texts.say(language.as_deref(), &fault.detail));
            let wrong = words.collect::<Vec<_>>().join(" ");
            let mut response = show(app, asked, page, status, &Shown { token, login, wrong: &wrong, ..Shown::default() })?;
            reply::head(&error, response.headers_mut());
            Ok(response)
        }
    }
}

/// Does an action as who signs in for it, whose session ends with it.
async fn as_somebody(
    app: &App,
    asked: &Asked,
    page: Page,
    [login, password]: [&str; 2],
    inputs: Map<String, Json>,
) -> Result<Vec<Json>> {
    let sent = Map::from_iter([("login".to_owned(), login.into()), ("password".to_owned(), password.into())]);
    let signed_in = act(app, asked, ("user_account", "signin"), asked.caller, sent).await?;
    let is_token =
        |directive: &&Json| directive["ResponseType"] == "client.store.set" && directive["Attributes"]["key"] == "token";
    let token = signed_in.iter().find(is_token).and_then(|directive| directive["Attributes"]["value"].as_str());
    let Some(Worth::Session(session)) = token.map(|token| app.tokens.worth(token)) else {
        return Err(Error::WrongPassword); // more is asked of them than a page asks
    };
    let caller = Caller { session: Some(session), sent_token: true, ..Caller::default() };
    let ends = Ends { store: app.store.clone(), session: Some(session) };
    let done = act(app, asked, (page.entity(), page.name()), caller, inputs).await;
    ends.now().await;
    done
}

/// A session that ends, whatever becomes of the request.
struct Ends {
    store: Store,
    session: Option<Uuid>,
}

impl Ends {
    async fn now(mut self) {
        if let Some(session) = self.session.take() {
            end(&self.store, session).await;
        }
    }
}

impl Drop for Ends {
    fn drop(&mut self) {
        if let Some(session) = self.session.take() {
            let store = self.store.clone();
            tokio::spawn(async move { end(&store, session).await });
        }
    }
}

async fn end(store: &Store, session: Uuid) {
    if let Err(error) = store.read(&account::close(session, false)).await {
        tracing::warn!(?error, "the session of a page did not end");
    }
}

/// Runs an action, counted as if it had been called by itself. Gives its directives.
async fn act(
    app: &App,
    asked: &Asked,
    (entity, name): (&str, &str),
    caller: Caller,
    attributes: Map<String, Json>,
) -> Result<Vec<Json>> {
    let action = app.actions.find(entity, name).ok_or(Error::NotFound)?;
    action::count(app, asked, action)?;
    let call = Call { caller, attributes, ..asked.call(app) };
    Ok(run::run(&app.means(), action, &call).await?.directives)
}

/// The message of a notice.
fn said(directives: &[Json]) -> Option<&str> {
    let notice = directives.iter().find(|directive| directive["ResponseType"] == "client.notify")?;
    notice["Attributes"]["message"].as_str()
}

fn show(app: &App, asked: &Asked, page: Page, status: StatusCode, shown: &Shown<'_>) -> Result<Response> {
    let nonce = URL_SAFE_NO_PAD.encode(Uuid::now_v7());
    let accepted = accepted(asked.list(header::ACCEPT_LANGUAGE).as_deref());
    let html = app.actions.pages.render(page, &accepted, &app.config.language, &Shown { nonce: &nonce, ..*shown })?;
    let mut response = reply::with_type(status, "text/html; charset=utf-8", html.into_bytes());
    let policy =
        format!("default-src 'none'; style-src 'nonce-{nonce}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'");
    let said = [
        (header::CONTENT_SECURITY_POLICY, policy.as_str()),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (header::VARY, "Accept-Language"),
        (HeaderName::from_static("x-robots-tag"), "noindex"),
    ];
    for (name, value) in said {
        response.headers_mut().insert(name, HeaderValue::from_str(value).map_err(Error::internal)?);
    }
    Ok(response)
}
