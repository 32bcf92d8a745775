//! Tasks: what is done after the commit, on any node: listeners, requests to other servers, imports and exports.
//!
//! In charge of: one task that is due. That it is done at least once, and in order for each row, the outbox sees to; what a
//! listener does is done once, for its transaction ends its task, too.

use std::time::Duration;

use serde_json::Value as Json;
use uuid::Uuid;

use super::call::Call;
use super::event::{self, Event, Heard};
use super::run::Means;
use super::transfer;
use crate::account::Caller;
use crate::error::{Error, short};
use crate::outbox::Undone;
use crate::outgoing::Request;
use crate::statement::outbox::{Claimed, Task};
use crate::statement::{account, event as statement};

/// Under which purpose requests are sealed.
pub const PURPOSE: &str = "request";

/// Does one task.
///
/// # Errors
/// What went wrong, and whether trying again is of no use.
pub async fn work(means: &Means<'_>, task: &Claimed<Task>) -> Result<(), Undone> {
    match task.what.kind.as_str() {
        "event" => listen(means, task).await,
        "transfer" => move_rows(means, task).await,
        _ => ask(means, task).await,
    }
}

async fn move_rows(means: &Means<'_>, task: &Claimed<Task>) -> Result<(), Undone> {
    let Task { payload, caller, .. } = &task.what;
    let id = payload["id"].as_str().and_then(|id| id.parse().ok()).ok_or_else(|| Undone::never("it names no transfer"))?;
    as_user(means, *caller, task, transfer::LONGEST, async |call| transfer::run(means, call, task.claim, id).await).await
}

async fn ask(means: &Means<'_>, task: &Claimed<Task>) -> Result<(), Undone> {
    let sealed = task.what.sealed.as_deref().ok_or_else(|| Undone::never("there is no request in it any more"))?;
    let open = means.seal.unseal(PURPOSE, sealed).ok_or_else(|| Undone::never("it was sealed with another secret_key"))?;
    let request: Request = serde_json::from_slice(&open).map_err(|_| Undone::never("it can't be read"))?;
    let key = task.claim.id.to_string();
    let answer = means.outgoing.sent(&request, &key).await.map_err(|cause| Undone::later(format!("{cause:?}")))?;
    let words = match &answer.body {
        Json::String(text) => format!("{}: {}", answer.status, short(text)),
        other => format!("{}: {}", answer.status, short(&other.to_string())),
    };
    match answer.status {
        200..=299 => Ok(()),
        // Nothing is followed: where it really goes is for the file to say.
        300..=399 => Err(Undone::never(words)),
        // It was understood and refused: the same again is refused again.
        400 | 401 | 403 | 404 | 405 | 410 | 413 | 415 | 422 => Err(Undone::never(words)),
        _ => Err(Undone::after(words, answer.retry_after)),
    }
}

async fn listen(means: &Means<'_>, task: &Claimed<Task>) -> Result<(), Undone> {
    let Task { name, payload, caller, depth, .. } = &task.what;
    let action = name.split_once('/').and_then(|(entity, name)| means.actions.find(entity, name));
    let action = action.ok_or_else(|| Undone::never(format!("there is no action {name} any more")))?;
    let event = Event::told(means.schema, payload).ok_or_else(|| Undone::never("its entity is gone"))?;
    if usize::try_from(*depth).is_ok_and(|depth| depth > means.config.limits.call_depth) {
        return Err(Undone::never(format!("events lead to each other more than {} deep", means.config.limits.call_depth)));
    }
    // Who deleted themselves is nobody any more: what is heard of it has the rights of anybody.
    let user = match *caller {
        Some(user) => means.store.read(&account::known(user)).await.map_err(told)?.then_some(user),
        None => None,
    };
    let heard = Heard { event: &event, user, depth: *depth, claim: task.claim };
    let longest = Duration::from_mins(1);
    match as_user(means, user, task, longest, async |call| event::run(means, action, call, &heard).await).await? {
        true => Ok(()),
        false => Err(Undone::later("it is done, or was claimed again")),
    }
}

/// Does a task as the user whose it is, in a session of its own; as a guest where it is nobody's.
async fn as_user<T>(
    means: &Means<'_>,
    user: Option<Uuid>,
    task: &Claimed<Task>,
    longest: Duration,
    does: impl AsyncFnOnce(&Call) -> Result<T, Error>,
) -> Result<T, Undone> {
    let session = Uuid::now_v7();
    let mut caller = Caller::default();
    if let Some(user) = user {
        if !means.store.read(&statement::open_for(session, user, longest.as_secs())).await.map_err(told)? {
            return Err(Undone::never("the user whose change it was is not active any more"));
        }
        caller = Caller { session: Some(session), sent_token: true, ..Caller::default() };
    }
    let call = Call::own(caller, "task", task.claim.id);
    let done = does(&call).await;
    if user.is_some() {
        means.store.read(&account::close(session, false)).await.map_err(told)?;
    }
    done.map_err(told)
}

/// Refusals stay what they are; what is busy or broken is tried again.
fn told(error: Error) -> Undone {
    match error.status() {
        status @ (400..=408 | 410..=428) => {
            let details: Vec<_> = error.faults().into_iter().map(|fault| fault.detail).collect();
            Undone::never(format!("{status}: {}", details.join(" ")))
        }
        _ => {
            tracing::warn!(?error, "a listener failed");
            Undone::later(format!("{}: {}", error.status(), error.detail()))
        }
    }
}
