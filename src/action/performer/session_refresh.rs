//! `session.refresh`: a new session for a refresh token, which is good once.

use serde_json::{Map, Value as Json};

use super::{Gives, Performer, plain, session_open, text};
use crate::account::token::hash;
use crate::action::run::Run;
use crate::error::{Error, Result};
use crate::statement::account::{self, Refreshed};

/// Gives what `session.open` gives. The session before ends: its access token is worth nothing from now on. A token that comes
/// again within `token.grace` gives what it gave.
pub static PERFORMER: Performer = Performer {
    gives: Gives::Values(&["id", "token", "refresh_token"]),
    is_secret: true,
    // One that was spent before is somebody's who shouldn't have it.
    failed: Some(|with| account::end_family(&hash(&text(with, "refresh_token")))),
    ..plain("session.refresh", &[("refresh_token", true)], |run, with| Box::pin(refresh(run, with)))
};

/// Successors that are followed from a token that was spent a moment ago.
const STEPS: usize = 5;

async fn refresh(run: &mut Run<'_>, with: &Map<String, Json>) -> Result<Json> {
    let over = || Error::Unauthenticated { bad_token: true, reason: None };
    let mut token = text(with, "refresh_token");
    let grace = run.app.config.token.grace.as_secs();
    // The successor follows from the token: it is stored nowhere, and is the same however often it is asked for.
    let next = |token: &str| run.app.seal.derive("refresh token", token);
    if let Some(found) = run.deed.scope.run(&account::spend_refresh(&hash(&token), grace)).await? {
        let Refreshed { family, user, email, left, session } = found;
        if run.deed.caller().session == Some(session) {
            run.deed.leave();
        }
        let refresh = (next(&token), (family, u64::try_from(left).unwrap_or(1)));
        return session_open::open_with(run, user, &email, Some(refresh)).await;
    }
    // Spent a moment ago: another tab was faster, or its answer was lost. It gives the session that there is.
    for _ in 0..STEPS {
        if !run.deed.scope.run(&account::is_good_again(&hash(&token))).await? {
            break;
        }
        token = next(&token);
        if let Some(Refreshed { user, email, session, .. }) = run.deed.scope.run(&account::unspent(&hash(&token))).await? {
            return session_open::given(run, user, &email, session, Some(token));
        }
    }
    Err(over())
}
