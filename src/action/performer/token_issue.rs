//! `token.issue`: 256 bits for a letter, of which only the hash is kept. What it leads to is the user, or a row.

use serde_json::{Map, Value as Json, json};

use super::{Gives, Performer, plain, text};
use crate::account::token::{fresh, hash};
use crate::action::run::Run;
use crate::error::{Error, Fault, Result};
use crate::request::body::uuid;
use crate::statement::account::{self, Issued};

/// Gives the token. Of one purpose a user's newest alone is good, unless there may be `several`:
/// then the newest for each row and data.
pub static PERFORMER: Performer = Performer {
    gives: Gives::Values(&["token"]),
    is_secret: true,
    properties: || json!({"purpose": {"type": "string"}, "minutes": {"type": "integer", "minimum": 1, "maximum": 525_600}, "several": {"type": "boolean"}}),
    ..plain(
        "token.issue",
        &[("purpose", true), ("user", true), ("minutes", true), ("data", false), ("row", false), ("several", false)],
        |run, with| Box::pin(issue(run, with)),
    )
};

async fn issue(run: &mut Run<'_>, with: &Map<String, Json>) -> Result<Json> {
    let token = fresh()?;
    let minutes = with.get("minutes").and_then(Json::as_u64).unwrap_or(15);
    let several = with.get("several").and_then(Json::as_bool).unwrap_or(false);
    let nobody = || Error::Invalid(vec![Fault::new("invalid", "`user` of token.issue is the id of somebody.").at("/attributes")]);
    let user = uuid(&text(with, "user")).ok_or_else(nobody)?;
    // One after the other, each seeing what the one before kept: else of several at once several would be the newest.
    run.deed.scope.run(&account::lock_user(user)).await?;
    let (hash, purpose, data) = (hash(&token), text(with, "purpose"), text(with, "data"));
    let (row, seconds) = (uuid(&text(with, "row")), minutes * 60);
    let issued = Issued { hash: &hash, user, purpose: &purpose, data: &data, row, seconds, several };
    if !run.deed.scope.run(&account::issue(&issued)).await? {
        return Err(nobody());
    }
    run.secrets.push(token.clone());
    Ok(json!({"token": token}))
}
