//! `password.check`: who somebody is, by address and password.

use serde_json::{Map, Value as Json, json};

use super::{Gives, Performer, plain, text};
use crate::account::token::hash;
use crate::action::call::Call;
use crate::action::run::{Checked, Means, Run};
use crate::action::{Action, Deed, value};
use crate::budget::Budget;
use crate::error::{Error, Fault, Result};
use crate::share::prefix;
use crate::statement::account::{self, Claim, Credentials};
use crate::statement::attempt::{self, Attempts, Delay};

/// Gives the user, as a proof that `session.open` takes.
pub static PERFORMER: Performer =
    Performer { gives: Gives::Proof, is_secret: true, ..plain("password.check", PARAMETERS, |run, _| Box::pin(again(run))) };

/// Either by address or, in `login`, by whichever of address and user name was sent.
const PARAMETERS: &[(&str, bool)] = &[("email", false), ("login", false), ("password", true), ("refresh_token", false)];

/// Wrong passwords for an account from one network, and from anywhere.
fn attempts<'a>(email: &'a str, network: &'a str) -> [Attempts<'a>; 2] {
    [Attempts { what: "account", of: email, from: network }, Attempts { what: "person", of: email, from: "" }]
}

/// What is counted for one account from anywhere is counted for so many seconds.
const DAY: u64 = 24 * 60 * 60;

/// Forgets what was counted before a right password, and that it was tried from where it was.
///
/// # Errors
/// 503.
pub async fn forget(means: &Means<'_>, call: &Call, email: &str) -> Result<()> {
    for (network, _) in call.networks(means.config.limits.signin_per_address) {
        means.store.read(&attempt::give_back(Attempts { what: "address", of: &network, from: "" })).await?;
    }
    for attempts in attempts(email, &prefix(call.address)) {
        means.store.read(&attempt::forget(attempts)).await?;
    }
    Ok(())
}

/// The first half: counted before it is verified, verified holding no connection, and the same time and answer for an
/// unknown address, a barred row and a wrong password.
///
/// # Errors
/// 401 with the same words for every reason; 429 for an address that tries too often.
pub async fn before(means: &Means<'_>, action: &Action, call: &Call, scope: &Map<String, Json>) -> Result<Option<Checked>> {
    let check = action.outcomes().find_map(|o| match &o.deed {
        Deed::Perform { performer, with, .. } if performer.gives == Gives::Proof => Some(with),
        _ => None,
    });
    let Some(with) = check else { return Ok(None) };
    let rendered = value::render(with, scope, &Budget::new("what is checked", means.config.limits.body))?;
    let [email, login, password, refresh] = ["email", "login", "password", "refresh_token"].map(|name| text(&rendered, name));
    let login = match (email.is_empty(), login.is_empty()) {
        (true, false) => login,
        (false, true) => email,
        (is_missing, _) => {
            let words =
                if is_missing { "`email` or `login` is required." } else { "`email` or `login` is wanted, and not both." };
            return Err(Error::Invalid(vec![Fault::new("required", words).at("/attributes/email")]));
        }
    };
    let limits = &means.config.limits;
    let window = limits.signin_window.as_secs();
    for (network, most) in call.networks(limits.signin_per_address) {
        let attempts = Attempts { what: "address", of: &network, from: "" };
        if means.store.read(&attempt::count(attempts, window)).await? > most {
            return Err(Error::TooMany(window));
        }
    }
    let network = prefix(call.address);
    let refresh = if refresh.is_empty() { vec![] } else { hash(&refresh) };
    let claim = Claim { login: &login, session: call.caller.session, network: &network, refresh: &refresh };
    let credentials = account::credentials(means.schema.system("user_account"), &claim, call.caller.counts()?);
    let found = means.store.read(&credentials).await?;
    // By whichever name: it is one account.
    let account = found.as_ref().map_or(login.as_str(), |found| found.email.as_str()).to_owned();
    let [near, anywhere] = attempts(&account, &network);
    let is_barred = means.store.read(&attempt::count(near, window)).await? > i64::from(limits.signin_per_account);
    // Whoever is known by more than the address isn't kept from their account by others who guess.
    let delay = Delay { free: i64::from(limits.signin_per_person), seconds: DAY, most: window };
    let is_early = means.store.read(&attempt::is_too_early(anywhere, delay)).await?;
    let is_early = is_early && !found.as_ref().is_some_and(|found| found.is_known);
    let stored = found.as_ref().filter(|_| !is_barred && !is_early).and_then(|found| found.hash.clone());
    match (means.hasher.verify(password.clone(), stored).await?, found) {
        (true, Some(Credentials { user, hash: Some(hash), email, .. })) => {
            let renewed = match means.hasher.is_outdated(&hash) {
                true => Some(means.hasher.hash(password).await?),
                false => None,
            };
            Ok(Some(Checked { user, hash, email, renewed }))
        }
        (true | false, _) => Err(Error::WrongPassword),
    }
}

/// The second half, inside the transaction: the row must still carry the hash that was verified.
async fn again(run: &mut Run<'_>) -> Result<Json> {
    let checked = run.checked.clone().ok_or(Error::WrongPassword)?;
    let person = run.deed.scope.run(&account::still(checked.user, &checked.hash)).await?.ok_or(Error::WrongPassword)?;
    if let Some(renewed) = &checked.renewed {
        run.deed.scope.run(&account::renew(checked.user, &checked.hash, renewed)).await?;
    }
    Ok(json!({"id": checked.user.to_string(), "email": person.email, "name": person.name}))
}
