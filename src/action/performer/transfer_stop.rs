//! `transfer.stop`: an import or export that isn't over is done no further. What is done of one in which each row stands on its
//! own, stays.

use serde_json::{Map, Value as Json};

use super::{Performer, plain, text};
use crate::action::run::Run;
use crate::error::{Error, Fault, Result};
use crate::permission::Right;
use crate::request::body::uuid;
use crate::statement::transfer as statement;

/// Asks execute on the transfer.
pub static PERFORMER: Performer = plain("transfer.stop", &[("transfer", true)], |run, with| Box::pin(stop(run, with)));

async fn stop(run: &mut Run<'_>, with: &Map<String, Json>) -> Result<Json> {
    let id = uuid(&text(with, "transfer")).unwrap_or_default();
    run.deed.require(run.app.schema.system("transfer"), id, Right::Execute).await?;
    match run.deed.scope.run(&statement::stop(id)).await? {
        true => Ok(Json::Null),
        false => Err(Error::conflict(Fault::new("not-now", "It is over already."))),
    }
}
