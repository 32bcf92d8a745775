//! `log`: a line in the server's log.

use super::{Performer, plain, text};

/// Gives nothing.
pub static PERFORMER: Performer = plain("log", &[("message", true)], |run, with| {
    Box::pin(async move {
        // Quoted, as every other text of somebody's: a line is a line of ours.
        tracing::info!(action = run.name(), text = ?text(with, "message"), "an action says");
        Ok(serde_json::Value::Null)
    })
});
