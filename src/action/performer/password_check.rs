//! `password.check`: who somebody is, by address and password.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value as Json, json};

use super::{Gives, Performer, plain, text};
use crate::action::run::{Call, Checked, Means, Run};
use crate::action::{Action, Deed, value};
use crate::budget::Budget;
use crate::error::{Error, Result};
use crate::share::{HOSTS_OF_SITE, host, site};
use crate::statement::account::{self, Credentials};

/// Gives the user, as a proof that `session.open` takes.
pub static PERFORMER: Performer = Performer {
    gives: Gives::Proof,
    is_secret: true,
    ..plain("password.check", &[("email", true), ("password", true)], |run, _| Box::pin(again(run)))
};

/// Under which key the attempts on an account from an address are counted.
pub fn account_key(email: &str, address: IpAddr) -> String {
    let digest =
        aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, format!("{} {}", email.to_lowercase(), host(address)).as_bytes());
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
    let rendered = value::render(with, scope, &Budget::new("what is checked", means.config.limits.body))?;
    let (email, password) = (text(&rendered, "email"), text(&rendered, "password"));
    let limits = &means.config.limits;
    let window = limits.signin_window.as_secs();
    let count = async |key: &str| means.store.read(&account::attempt(key, window)).await;
    let most = i64::from(limits.signin_per_address);
    let site = site(call.address).map(|site| (site, most.saturating_mul(i64::from(HOSTS_OF_SITE))));
    for (network, most) in [(host(call.address), most)].into_iter().chain(site) {
        if count(&format!("address:{network}")).await? > most {
            return Err(Error::TooMany(window));
        }
    }
    let is_barred = count(&account_key(&email, call.address)).await? > i64::from(limits.signin_per_account);
    let credentials = account::credentials(means.schema.system("user_account"), &email, call.caller.counts()?);
    let found = means.store.read(&credentials).await?;
    let stored = found.as_ref().filter(|_| !is_barred).and_then(|found| found.hash.clone());
    match (means.hasher.verify(password, stored).await?, found) {
        (true, Some(Credentials { user, hash: Some(hash), email })) => Ok(Some(Checked { user, hash, email })),
        (true | false, _) => Err(Error::WrongPassword),
    }
}

/// The second half, inside the transaction: the row must still carry the hash that was verified.
async fn again(run: &mut Run<'_>) -> Result<Json> {
    let checked = run.checked.clone().ok_or(Error::WrongPassword)?;
    let person = run.deed.scope.run(&account::still(checked.user, &checked.hash)).await?.ok_or(Error::WrongPassword)?;
    Ok(json!({"id": checked.user.to_string(), "email": person.email, "name": person.name}))
}
