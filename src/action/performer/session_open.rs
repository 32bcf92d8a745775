//! `session.open`: a session for whoever a `password.check` of the same action proved to be there.

use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::{Performer, plain};
use crate::action::run::Run;
use crate::error::{Error, Result};
use crate::statement::account;

/// Gives the session's id and its access token.
pub static PERFORMER: Performer =
    Performer { takes_proof: true, is_secret: true, ..plain("session.open", &[("user", true)], |run, _| Box::pin(open(run))) };

async fn open(run: &mut Run<'_>) -> Result<Json> {
    let checked = run.checked.clone().ok_or(Error::WrongPassword)?;
    let session = Uuid::now_v7();
    let life = run.app.config.token.life.as_secs();
    let opened = account::open(session, checked.user, life, &run.asked.address.to_string(), &run.asked.device());
    run.deed.scope.run(&opened).await?;
    Ok(json!({"id": session.to_string(), "token": run.app.tokens.sign(checked.user, session, &checked.email)?}))
}
