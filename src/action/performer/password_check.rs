//! `password.check`: who somebody is, by address and password.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value as Json, json};

use super::{Gives, Performer, plain, text};
use crate::action::run::{Call, Checked, Means, Run};
use crate::action::{Action, Deed, value};
use crate::error::{Error, Result};
use crate::statement::account;

/// Gives the user, as a proof that `session.open` takes.
pub static PERFORMER: Performer = Performer {
    gives: Gives::Proof,
    is_secret: true,
    ..plain("password.check", &[("email", true), ("password", true)], |run, _| Box::pin(again(run)))
};

/// Under which key the attempts on an account from an address are counted.
pub fn account_key(email: &str, address: IpAddr) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, format!("{} {address}", email.to_lowercase()).as_bytes());
    format!("account:{}", URL_SAFE_NO_PAD.encode(digest))
}

/// The first half: counted before it is verified, verified holding no connection, and the same time and answer for an
/// unknown address, a barred row and a wrong password.
///
/// # Errors
/// 401 with the same words for every reason; 429 for an address that tries too often.
pub async fn before(means: &Means<'_>, action: &Action, call: &Call, scope: &Map<String, Json>) -> Result<Option<Checked>> {
    let check = action.outcomes().find_map(|o| match &o.deed {
        Deed::Perform { performer, with } if performer.gives == Gives::Proof => Some(with),
        _ => None,
    });
    let Some(with) = check else { return Ok(None) };
    let rendered = value::render(with, scope)?;
    let (email, password) = (text(&rendered, "email"), text(&rendered, "password"));
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

/// The second half, inside the transaction: the row must still carry the hash that was verified.
async fn again(run: &mut Run<'_>) -> Result<Json> {
    let checked = run.checked.clone().ok_or(Error::WrongPassword)?;
    let rows = run.deed.scope.run(&account::still(checked.user, &checked.hash)).await?;
    let row = rows.first().ok_or(Error::WrongPassword)?;
    Ok(json!({"id": checked.user.to_string(), "email": row.text(0), "name": row.text(1)}))
}
