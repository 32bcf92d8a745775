//! Tasks: what actions do after the commit, on any node: requests to other servers.
//!
//! In charge of: one task that is due. That it is done at least once, and in order, the outbox sees to.

use serde_json::Value as Json;

use super::run::Means;
use crate::outbox::Undone;
use crate::outgoing::Request;
use crate::store::Row;

/// Under which purpose requests are sealed.
pub const PURPOSE: &str = "request";

/// Does one task.
///
/// # Errors
/// What went wrong, and whether trying again is of no use.
pub async fn work(means: &Means<'_>, row: &Row) -> Result<(), Undone> {
    let undone = |words: &str, is_final| Undone { words: words.to_owned(), is_final };
    let sealed = row.raw(5).ok_or_else(|| undone("there is no request in it", true))?;
    let open = means.seal.unseal(PURPOSE, sealed).ok_or_else(|| undone("it was sealed with another secret_key", true))?;
    let request: Request = serde_json::from_slice(&open).map_err(|_| undone("it can't be read", true))?;
    let key = row.uuid(0).unwrap_or_default().to_string();
    let answer = means.outgoing.sent(&request, &key).await.map_err(|cause| undone(&format!("{cause:?}"), false))?;
    let refusal = match &answer.body {
        Json::String(text) => crate::error::short(text),
        other => crate::error::short(&other.to_string()),
    };
    match answer.status {
        200..=299 => Ok(()),
        // It was understood and refused: the same again is refused again.
        status @ (400 | 401 | 403 | 404 | 405 | 410 | 413 | 415 | 422) => Err(undone(&format!("{status}: {refusal}"), true)),
        status => Err(undone(&format!("{status}: {refusal}"), false)),
    }
}
