//! `http.request`: asks another server.

use serde_json::{Map, Value as Json, json};

use super::{Gives, Performer, plain, text};
use crate::action::run::Run;
use crate::error::{Error, Fault, Result};
use crate::outgoing::Request;

/// Gives `status` and `body`. With `after: commit` it waits in the outbox, is sent by any node, and gives nothing.
pub static PERFORMER: Performer = Performer {
    gives: Gives::Values(&["status", "body"]),
    outlives: true,
    tells: true,
    properties: || {
        json!({
            "url": {"type": "string"}, "method": {"enum": ["GET", "POST", "PUT", "PATCH", "DELETE"]}, "headers": {"type": "object"},
            "text": {"type": "string"}, "after": {"enum": ["commit"]},
        })
    },
    ..plain(
        "http.request",
        &[("url", true), ("method", false), ("headers", false), ("json", false), ("text", false), ("after", false)],
        |run, with| Box::pin(request(run, with)),
    )
};

async fn request(run: &mut Run<'_>, with: &Map<String, Json>) -> Result<Json> {
    let wrong = |words: String| Error::Invalid(vec![Fault::new("bad-request", words).at("/attributes")]);
    let request = Request::read(with).map_err(wrong)?;
    if text(with, "after") == "commit" {
        run.ask_after_commit(&request).await?;
        return Ok(Json::Null);
    }
    if run.asked.is_rehearsal {
        let words = "What asks other servers can't be rehearsed.";
        return Err(Error::Invalid(vec![Fault::new("dry-run", words).parameter("dry_run")]));
    }
    let key = run.key(&request);
    let answer = run.app.outgoing.send(&request, &key).await?;
    Ok(json!({"status": answer.status, "body": answer.body}))
}
