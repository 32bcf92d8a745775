//! `session.refresh`: a new session for a refresh token, which is good once.

use serde_json::{Map, Value as Json};

use super::{Gives, Performer, plain, session_open, text};
use crate::account::token::hash;
use crate::action::run::Run;
use crate::error::{Error, Result};
use crate::statement::account::{self, Refreshed};

/// Gives what `session.open` gives. The session before ends: its access token is worth nothing from now on.
pub static PERFORMER: Performer = Performer {
    gives: Gives::Values(&["id", "token", "refresh_token"]),
    is_secret: true,
    // One that was spent before is somebody's who shouldn't have it.
    failed: Some(|with| account::end_family(&hash(&text(with, "refresh_token")))),
    ..plain("session.refresh", &[("refresh_token", true)], |run, with| Box::pin(refresh(run, with)))
};

async fn refresh(run: &mut Run<'_>, with: &Map<String, Json>) -> Result<Json> {
    let hash = hash(&text(with, "refresh_token"));
    let found = run.deed.scope.run(&account::spend_refresh(&hash)).await?;
    let Refreshed { family, user, email, left, session } =
        found.ok_or(Error::Unauthenticated { bad_token: true, reason: None })?;
    if run.deed.caller().session == Some(session) {
        run.deed.leave();
    }
    session_open::open(run, user, &email, Some((family, u64::try_from(left).unwrap_or(1)))).await
}
