//! `administrator.claim`: makes the caller an administrator, for the code that the server keeps for its first one.

use serde_json::{Map, Value as Json};

use super::{Performer, plain, text};
use crate::action::run::Run;
use crate::error::{Error, Result};
use crate::statement::account;

/// Gives nothing.
pub static PERFORMER: Performer = plain("administrator.claim", &[("code", true)], |run, with| Box::pin(claim(run, with)));

async fn claim(run: &mut Run<'_>, with: &Map<String, Json>) -> Result<Json> {
    let caller = run.caller.ok_or(Error::Unauthenticated { bad_token: run.asked.caller.sent_token, reason: None })?;
    let sealed = run.deed.scope.run(&account::lock_claim()).await?.unwrap_or_default();
    let code = run.app.seal.unseal("claim-code", &sealed).ok_or(Error::Forbidden(None))?;
    aws_lc_rs::constant_time::verify_slices_are_equal(&code, text(with, "code").as_bytes())
        .map_err(|_| Error::Forbidden(None))?;
    run.deed.scope.run(&account::spend_claim()).await?;
    run.deed.scope.run(&account::make_administrator(caller)).await?;
    Ok(Json::Null)
}
