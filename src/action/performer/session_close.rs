//! `session.close`: this session, the caller's others, or all of a user.

use serde_json::{Map, Value as Json, json};

use super::{Performer, plain, text};
use crate::action::run::Run;
use crate::error::Result;
use crate::request::body::uuid;
use crate::statement::account;

/// Its powers are in the file that names it: `all` takes a `user`.
pub static PERFORMER: Performer = Performer {
    is_secret: true,
    properties: || json!({"which": {"enum": ["this", "others", "all"]}}),
    ..plain("session.close", &[("which", true), ("user", false)], |run, with| Box::pin(close(run, with)))
};

async fn close(run: &mut Run<'_>, with: &Map<String, Json>) -> Result<Json> {
    let which = text(with, "which");
    let user = uuid(&text(with, "user")).unwrap_or_default();
    let (statement, ends_own) = match run.deed.caller().session {
        _ if which == "all" => (account::end_sessions(user), run.caller == Some(user)),
        Some(session) => (account::close(session, which == "others"), which == "this"),
        None => return Ok(Json::Null),
    };
    run.deed.scope.run(&statement).await?;
    if ends_own {
        run.deed.leave();
    }
    Ok(Json::Null)
}
