//! `transfer.start`: an import or export is to be done, in the background.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value as Json};

use super::{Performer, plain, text};
use crate::action::run::Run;
use crate::action::transfer::{self, PART};
use crate::error::{Error, Fault, Result};
use crate::permission::Right;
use crate::request::body::uuid;
use crate::statement::transfer as statement;

/// With `content`, the file in base64, an import starts at once; without it when the file is there.
pub static PERFORMER: Performer = Performer {
    outlives: true,
    ..plain("transfer.start", &[("transfer", true), ("content", false)], |run, with| Box::pin(start(run, with)))
};

async fn start(run: &mut Run<'_>, with: &Map<String, Json>) -> Result<Json> {
    let id = uuid(&text(with, "transfer")).unwrap_or_default();
    let row = run.deed.scope.run(&statement::find(id)).await?.ok_or(Error::NotFound)?;
    let (kind, entity) = (row.kind.as_str(), run.app.schema.entity(&row.entity));
    transfer::check(run.app.schema, &row)?;
    if run.caller.is_none() {
        return Err(Error::Unauthenticated { bad_token: run.asked.caller.sent_token, reason: None });
    }
    if let Some(entity) = entity {
        // Told at once, and asked again of every row.
        let right = if kind == "import" { Right::Create } else { Right::Read };
        run.deed.require_named_entity(entity, right).await?;
        if row.mode.as_deref() == Some("move_in") {
            run.deed.require_administrator(entity).await?;
        }
    }
    if let Some(content) = with.get("content").and_then(Json::as_str) {
        let wrong = |_| Error::Invalid(vec![Fault::new("invalid", "`content` is the file in base64.").at("/attributes/content")]);
        let bytes = STANDARD.decode(content).map_err(wrong)?;
        for (number, part) in (0..).zip(bytes.chunks(PART)) {
            run.deed.scope.run(&statement::put(id, number, part)).await?;
        }
    }
    if kind == "export" || with.get("content").is_some_and(Json::is_string) {
        run.deed.scope.run(&statement::start(id, run.deed.caller().session)).await?;
        run.has_tasks = true;
    }
    Ok(Json::Null)
}
