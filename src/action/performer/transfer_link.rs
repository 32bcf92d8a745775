//! `transfer.link`: a link to a file that is there, for a browser that sends no header: once, for a minute, for who asked.

use serde_json::{Map, Value as Json, json};

use super::{Gives, Performer, plain, text};
use crate::account::token::{fresh, hash};
use crate::action::run::Run;
use crate::action::transfer::export;
use crate::error::{Error, Result};
use crate::permission::Right;
use crate::request::body::uuid;
use crate::statement::account::{self, Issued};
use crate::statement::transfer::{self as statement, LINK};

/// How long a link is good, in seconds.
const SECONDS: u64 = 60;

/// Gives the file's `name`, `contentType` and `url`. Asks read on the transfer, as whoever follows the link is asked again.
pub static PERFORMER: Performer = Performer {
    gives: Gives::Values(&["name", "contentType", "url"]),
    is_secret: true,
    ..plain("transfer.link", &[("transfer", true)], |run, with| Box::pin(link(run, with)))
};

async fn link(run: &mut Run<'_>, with: &Map<String, Json>) -> Result<Json> {
    let id = uuid(&text(with, "transfer")).unwrap_or_default();
    run.deed.require(run.app.schema.system("transfer"), id, Right::Read).await?;
    let row = run.deed.scope.run(&statement::find(id)).await?.ok_or(Error::NotFound)?;
    row.require_file()?;
    let (Some(session), Some(user)) = (run.deed.caller().session, run.caller) else {
        return Err(Error::Unauthenticated { bad_token: run.asked.caller.sent_token, reason: None });
    };
    let token = fresh()?;
    let data = session.to_string();
    let issued = Issued { hash: &hash(&token), user, purpose: LINK, data: &data, row: Some(id), seconds: SECONDS, several: true };
    run.deed.scope.run(&account::issue(&issued)).await?;
    run.secrets.push(token.clone());
    let (name, kind) = export::named(&row);
    let base = run.app.config.public_url.as_deref().unwrap_or_default();
    Ok(json!({"name": name, "contentType": kind, "url": format!("{base}/download/{token}")}))
}
