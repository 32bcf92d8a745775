//! `session.open`: a session for whoever a `password.check` of the same action proved to be there.

use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use super::{Gives, Performer, plain};
use crate::account::token::{fresh, hash};
use crate::action::run::Run;
use crate::error::{Error, Result};
use crate::statement::account::{self, Device};

/// Gives the session's id and its access token; with `remember` a refresh token too, and the session lasts as long as that.
pub static PERFORMER: Performer = Performer {
    gives: Gives::Values(&["id", "token", "refresh_token"]),
    takes_proof: true,
    is_secret: true,
    properties: || json!({"remember": {"type": "boolean"}}),
    ..plain("session.open", &[("user", true), ("remember", false)], |run, with| Box::pin(prove(run, with)))
};

async fn prove(run: &mut Run<'_>, with: &Map<String, Json>) -> Result<Json> {
    let checked = run.checked.clone().ok_or(Error::WrongPassword)?;
    let remembers = with.get("remember") == Some(&Json::Bool(true));
    let family = remembers.then(|| (Uuid::now_v7(), run.app.config.token.refresh_life.as_secs()));
    open(run, checked.user, &checked.email, family).await
}

/// Opens a session; with a family of refresh tokens and the seconds that it has left, its next one.
pub(super) async fn open(run: &mut Run<'_>, user: Uuid, email: &str, family: Option<(Uuid, u64)>) -> Result<Json> {
    let refresh = family.map(|family| Ok::<_, crate::error::Error>((fresh()?, family))).transpose()?;
    open_with(run, user, email, refresh).await
}

/// The same, with a refresh token that is chosen.
pub(super) async fn open_with(
    run: &mut Run<'_>,
    user: Uuid,
    email: &str,
    refresh: Option<(String, (Uuid, u64))>,
) -> Result<Json> {
    let session = Uuid::now_v7();
    let life = refresh.as_ref().map_or(run.app.config.token.life.as_secs(), |(_, (_, left))| *left);
    let (address, name) = (run.asked.address.to_string(), run.asked.device());
    run.deed.scope.run(&account::open(session, user, life, &Device { address: &address, name: &name })).await?;
    if let Some((refresh, (family, left))) = &refresh {
        run.deed.scope.run(&account::keep_refresh(&hash(refresh), *family, session, *left)).await?;
    }
    given(run, user, email, session, refresh.map(|(refresh, _)| refresh))
}

/// What is given of a session.
pub(super) fn given(run: &Run<'_>, user: Uuid, email: &str, session: Uuid, refresh: Option<String>) -> Result<Json> {
    Ok(json!({"id": session.to_string(), "token": run.app.tokens.sign(user, session, email)?, "refresh_token": refresh}))
}
