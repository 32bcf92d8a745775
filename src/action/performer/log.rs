//! `log`: a line in the server's log.

use super::{Performer, plain, text};

/// Gives nothing.
pub static PERFORMER: Performer = plain("log", &[("message", true)], |run, with| {
    Box::pin(async move {
        tracing::info!(action = run.name(), message = text(with, "message"), "an action says");
        Ok(serde_json::Value::Null)
    })
});
