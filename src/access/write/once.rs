//! Requests that are done once: what was done stands in the same transaction as the deed itself.
//!
//! In charge of: 409 while it runs, 422 for another body, and what is kept. Never an answer: that is rendered again,
//! under the rights of the day.

use serde_json::Value as Json;

use super::Deed;
use crate::error::{Error, Fault, Over, Result};
use crate::request::once::{HEADER, Once};
use crate::statement::once::{self, Taken};

impl Deed<'_> {
    /// Takes the key of a request, if it has one, and gives what is kept of it where it was done before.
    ///
    /// # Errors
    /// 400 for guests, 409 while the same request runs, 422 where the key was used with another body.
    pub async fn done_before(&mut self, key: Option<&Once>) -> Result<Option<Json>> {
        let Some(key) = key else { return Ok(None) };
        let taken = match self.scope.run(&once::take(key, self.caller.counts()?)).await? {
            Some(taken) => taken,
            None if self.caller.is_lenient => Taken { user: None, is_free: false },
            None => return Err(Error::Over(Over::Ended)),
        };
        let Some(user) = taken.user else {
            let words = format!("`{HEADER}` is for who is signed in.");
            return Err(Error::Unreadable(vec![Fault::new("sign-in-needed", words).header(HEADER)]));
        };
        if !taken.is_free {
            let words = "The same request is being done right now.";
            return Err(Error::conflict(Fault::new("in-flight", words).header(HEADER)));
        }
        let Some(kept) = self.scope.run(&once::find(key, user, self.planner.limits.idempotency.as_secs())).await? else {
            self.once = Some((key.clone(), user));
            return Ok(None);
        };
        if kept.body != key.body {
            let words = format!("This `{HEADER}` was used for a request with another body.");
            return Err(Error::Invalid(vec![Fault::new("key-reused", words).header(HEADER)]));
        }
        Ok(Some(kept.done))
    }

    /// Keeps what was done, where a key was taken.
    ///
    /// # Errors
    /// What the statement ran into.
    pub(super) async fn keep(&mut self, done: Json) -> Result<()> {
        let Some((key, user)) = &self.once else { return Ok(()) };
        let seconds = self.planner.limits.idempotency.as_secs();
        let (done, most) = (done.to_string(), self.planner.limits.body);
        if done.len() > most {
            let words = format!("What is answered to a request with `{HEADER}` is kept, and has at most {most} bytes.");
            return Err(Error::Invalid(vec![Fault::new("too-large", words).header(HEADER)]));
        }
        self.scope.run(&once::keep(key, *user, done, seconds)).await
    }
}
