//! `session.refresh`: a new session for a refresh token, which is good once.

use serde_json::{Map, Value as Json};

use super::{Gives, Performer, plain, session_open, text};
use crate::account::token::hash;
use crate::action::run::Run;
use crate::error::{Error, Result};
use crate::statement::account;

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
    let rows = run.deed.scope.run(&account::spend_refresh(&hash)).await?;
    let found = rows.first().and_then(|row| Some((row.uuid(0)?, row.uuid(1)?, row.text(2)?.to_owned(), row.int(3)?)));
    let (family, user, email, left) = found.ok_or(Error::Unauthenticated { bad_token: true, reason: None })?;
    session_open::open(run, user, &email, Some((family, u64::try_from(left).unwrap_or(1)))).await
}
