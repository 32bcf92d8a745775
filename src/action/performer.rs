//! What is code in the server: the performers that action files may name.
//!
//! In charge of: the registry, and each performer's deed. Their powers stand here and nowhere else: `session.open` takes
//! only a proof that `password.check` made in the same action.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use super::run::{Call, Checked, Means, Run};
use super::{Action, Deed};
use crate::error::{Error, Fault, Result};
use crate::mail::KNOWN;
use crate::mail::outbox::Letter;
use crate::request::body::uuid;
use crate::schema::kind::{Bounds, Kind as Column};
use crate::statement::account;

/// A performer.
#[derive(Debug)]
pub struct Performer {
    /// Its name in files.
    pub name: &'static str,
    /// Its parameters, all required.
    pub parameters: &'static [&'static str],
    /// Parameters that may be left out.
    pub optional: &'static [&'static str],
    /// Whether it takes any others beside: the values of a letter.
    pub takes_values: bool,
    /// Whether its result proves who somebody is.
    pub gives_proof: bool,
    /// Whether its result is a user.
    pub gives_user: bool,
    /// Whether its parameter `user` must be such a proof.
    pub takes_proof: bool,
    /// Whether what it does outlives a rollback, or would tell too much without one.
    pub is_final: bool,
    /// Which it is.
    pub kind: Kind,
}

/// Which performer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Kind {
    PasswordCheck,
    SessionOpen,
    SessionClose,
    AdministratorClaim,
    TokenIssue,
    TokenSpend,
    MailSend,
    Log,
}

/// What most performers are.
const PLAIN: Performer = Performer {
    name: "",
    parameters: &[],
    optional: &[],
    takes_values: false,
    gives_proof: false,
    gives_user: false,
    takes_proof: false,
    is_final: false,
    kind: Kind::Log,
};

/// All of them.
#[rustfmt::skip]
pub static PERFORMERS: &[Performer] = &[
    Performer { name: "password.check", parameters: &["email", "password"], gives_proof: true, gives_user: true, is_final: true, kind: Kind::PasswordCheck, ..PLAIN },
    Performer { name: "session.open", parameters: &["user"], takes_proof: true, is_final: true, kind: Kind::SessionOpen, ..PLAIN },
    Performer { name: "session.close", parameters: &["which"], optional: &["user"], is_final: true, kind: Kind::SessionClose, ..PLAIN },
    Performer { name: "administrator.claim", parameters: &["code"], kind: Kind::AdministratorClaim, ..PLAIN },
    Performer { name: "token.issue", parameters: &["purpose", "user", "minutes"], optional: &["data", "several"], is_final: true, kind: Kind::TokenIssue, ..PLAIN },
    Performer { name: "token.spend", parameters: &["purpose", "token"], gives_user: true, is_final: true, kind: Kind::TokenSpend, ..PLAIN },
    Performer { name: "mail.send", parameters: &["template", "to"], optional: &["language"], takes_values: true, kind: Kind::MailSend, ..PLAIN },
    Performer { name: "log", parameters: &["message"], kind: Kind::Log, ..PLAIN },
];

/// What is kept of a token.
fn hash(token: &str) -> Vec<u8> {
    aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, token.as_bytes()).as_ref().to_vec()
}

/// Under which key the attempts on an account from an address are counted.
pub fn account_key(email: &str, address: IpAddr) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, format!("{} {address}", email.to_lowercase()).as_bytes());
    format!("account:{}", digest.as_ref().iter().map(|b| format!("{b:02x}")).collect::<String>())
}

/// The first half of `password.check`: counted before it is verified, verified holding no connection, and the same
/// time and answer for an unknown address, a barred row and a wrong password.
///
/// # Errors
/// 401 with the same words for every reason; 429 for an address that tries too often.
pub async fn check_password(
    means: &Means<'_>,
    action: &Action,
    call: &Call,
    scope: &Map<String, Json>,
) -> Result<Option<Checked>> {
    let check = action.outcomes().find_map(|o| match &o.deed {
        Deed::Perform { performer, with } if performer.kind == Kind::PasswordCheck => Some(with),
        _ => None,
    });
    let Some(with) = check else { return Ok(None) };
    let rendered = super::value::render(with, scope)?;
    let text = |name: &str| rendered.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
    let (email, password) = (text("email"), text("password"));
    let limits = &means.config.limits;
    let window = limits.signin_window.as_secs();
    let count = async |key: &str| -> Result<i64> {
        Ok(means.store.read(&account::attempt(key, window)).await?.first().and_then(|r| r.int(0)).unwrap_or(i64::MAX))
    };
    if count(&format!("address:{}", call.address)).await? > i64::from(limits.signin_per_address) {
        return Err(Error::TooMany(window));
    }
    let is_barred = count(&account_key(&email, call.address)).await? > i64::from(limits.signin_per_account);
    let rows = means.store.read(&account::credentials(means.schema.system("user_account"), &email, call.caller.session)).await?;
    let found = rows.first().and_then(|row| Some((row.uuid(0)?, row.text(1)?.to_owned(), row.text(2)?.to_owned())));
    let stored = found.as_ref().filter(|_| !is_barred).map(|(_, hash, _)| hash.clone());
    match (means.hasher.verify(password, stored).await?, found) {
        (true, Some((user, hash, email))) => Ok(Some(Checked { user, hash, email })),
        _ => Err(Error::WrongPassword),
    }
}

/// Runs a performer inside the action's transaction.
pub async fn perform(run: &mut Run<'_>, kind: Kind, with: &Map<String, Json>) -> Result<Json> {
    let text = |name: &str| with.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
    match kind {
        Kind::PasswordCheck => {
            // The first half found and verified the hash; the row must still carry it.
            let checked = run.checked.clone().ok_or(Error::WrongPassword)?;
            let rows = run.deed.scope.run(&account::still(checked.user, &checked.hash)).await?;
            let row = rows.first().ok_or(Error::WrongPassword)?;
            Ok(json!({"id": checked.user.to_string(), "email": row.text(0), "name": row.text(1)}))
        }
        Kind::SessionOpen => {
            let checked = run.checked.clone().ok_or(Error::WrongPassword)?;
            let session = Uuid::now_v7();
            let life = run.app.config.token.life.as_secs();
            run.deed
                .scope
                .run(&account::open(session, checked.user, life, &run.asked.address.to_string(), &run.asked.device()))
                .await?;
            Ok(json!({"id": session.to_string(), "token": run.app.tokens.sign(checked.user, session, &checked.email)?}))
        }
        Kind::SessionClose if text("which") == "all" => {
            run.deed.scope.run(&account::end_sessions(uuid(&text("user")).unwrap_or_default())).await?;
            Ok(Json::Null)
        }
        Kind::SessionClose => {
            let Some(session) = run.asked.caller.session else { return Ok(Json::Null) };
            run.deed.scope.run(&account::close(session, text("which") == "others")).await?;
            Ok(Json::Null)
        }
        Kind::TokenIssue => {
            let mut bytes = [0; 32];
            aws_lc_rs::rand::fill(&mut bytes).map_err(|_| Error::internal("no randomness"))?;
            let token = URL_SAFE_NO_PAD.encode(bytes);
            let minutes = with.get("minutes").and_then(Json::as_u64).unwrap_or(15);
            let (user, purpose, data) = (text("user"), text("purpose"), text("data"));
            let several = with.get("several").and_then(Json::as_bool).unwrap_or(false);
            let user = uuid(&user).unwrap_or_default().to_string();
            let kept = account::issue(&hash(&token), &user, [&purpose, &data], minutes * 60, several);
            let rows = run.deed.scope.run(&kept).await?;
            rows.first().ok_or_else(|| Error::internal("a token for nobody"))?;
            run.secrets.push(token.clone());
            Ok(json!({"token": token}))
        }
        Kind::TokenSpend => {
            let rows = run.deed.scope.run(&account::spend(&hash(&text("token")), &text("purpose"))).await?;
            let words = "This link is not good any more: ask for a new one.";
            let row = rows.first().ok_or_else(|| Error::Invalid(vec![Fault::new("spent", words).at("/attributes/token")]))?;
            let id = row.uuid(0).unwrap_or_default().to_string();
            Ok(json!({"id": id, "email": row.text(1), "name": row.text(2), "data": row.text(3)}))
        }
        Kind::MailSend => {
            let mut values = with.clone();
            let [template, to, language] = ["template", "to", "language"].map(|name| {
                let value = values.shift_remove(name);
                value.and_then(|v| v.as_str().map(str::to_owned))
            });
            let (id, name) = (Uuid::now_v7(), template.unwrap_or_default());
            let letter = Letter { id, to: to.unwrap_or_default(), name, language, values };
            Column::Email.check(&Bounds::default(), &letter.to.as_str().into()).map_err(|words| {
                Error::Invalid(vec![Fault::new("bad-address", format!("The letter's `to` {words}.")).at("/attributes")])
            })?;
            // What can't be rendered must not wait to be found out.
            let mut known = letter.values.clone();
            known.extend(KNOWN.iter().map(|name| ((*name).to_owned(), Json::String(String::new()))));
            run.app.actions.letters.render(&letter.name, letter.language.as_deref(), &known)?;
            let statement = run.app.outbox.put(run.app.seal, &letter, &run.secrets);
            run.deed.scope.run(&statement).await?;
            run.has_mail = true;
            Ok(Json::Null)
        }
        Kind::Log => {
            tracing::info!(action = run.name(), message = text("message"), "an action says");
            Ok(Json::Null)
        }
        Kind::AdministratorClaim => {
            let caller = run.caller.ok_or(Error::Unauthenticated { bad_token: run.asked.caller.sent_token, reason: None })?;
            let rows = run.deed.scope.run(&account::lock_claim()).await?;
            let sealed = rows.first().and_then(|row| row.raw(0)).unwrap_or_default();
            let code = run.app.seal.unseal("claim-code", sealed).ok_or(Error::Forbidden(None))?;
            aws_lc_rs::constant_time::verify_slices_are_equal(&code, text("code").as_bytes())
                .map_err(|_| Error::Forbidden(None))?;
            run.deed.scope.run(&account::spend_claim()).await?;
            run.deed.scope.run(&account::administrator(caller)).await?;
            Ok(Json::Null)
        }
    }
}
