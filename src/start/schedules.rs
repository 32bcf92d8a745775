//! Actions that run by themselves: when they are due, on one node, as the user whom their file names.

use super::act_within;
use crate::action::Action;
use crate::action::schedule::Schedule;
use crate::http::App;
use crate::permission::Right;
use crate::statement::schedule::{self as ticks, Ran};
use crate::statement::{account, who};

/// Says which scheduled actions couldn't run: there is no such user, or they may not run it.
pub async fn unusable(app: &App) -> Vec<String> {
    let mut found = vec![];
    for action in app.actions.all() {
        let Some(schedule) = &action.schedule else { continue };
        let (name, user) = (format!("{}/{}", action.entity, action.name), &schedule.run_as);
        let session = uuid::Uuid::now_v7();
        let may = async {
            if !app.store.read(&account::open_for(session, user)).await? {
                return Ok(Some(format!("{name} is scheduled to run as {user}, and there is no such active user")));
            }
            let known = app.store.read(&who::learn(Some(session))).await?.known(&app.schema);
            app.store.read(&account::close(session, false)).await?;
            let entity = app.schema.entity(&action.entity);
            let may = |known: who::Known| {
                entity.is_some_and(|entity| known.may(entity, Right::Execute)) && known.may_run(&action.entity, &action.name)
            };
            let may = known.is_some_and(may);
            Ok((!may).then(|| format!("{name} is scheduled to run as {user}, who isn't permitted to run it")))
        };
        let may: crate::error::Result<_> = may.await;
        match may {
            Ok(words) => found.extend(words),
            Err(error) => tracing::warn!(action = name, ?error, "whether a schedule can run can't be looked at"),
        }
    }
    found
}

/// Runs scheduled actions when they are due, for ever: each tick on one node, what was missed once.
pub async fn run(app: &App) {
    let scheduled: Vec<_> = app.actions.all().iter().filter_map(|a| Some((a, a.schedule.as_ref()?))).collect();
    if scheduled.is_empty() {
        return std::future::pending().await;
    }
    loop {
        for (action, schedule) in &scheduled {
            let name = format!("{}/{}", action.entity, action.name);
            match is_taken(app, &name, schedule).await {
                Ok(false) => {}
                Ok(true) => ran(app, action, &schedule.run_as).await,
                Err(error) => tracing::warn!(action = name, ?error, "schedules can't be looked at"),
            }
        }
        tokio::time::sleep(app.config.schedule_poll).await;
    }
}

/// Runs an action by itself, and notes what became of it.
async fn ran(app: &App, action: &Action, user: &str) {
    let name = format!("{}/{}", action.entity, action.name);
    let begun = std::time::Instant::now();
    let session = uuid::Uuid::now_v7();
    let (ran, error) = match app.store.read(&account::open_for(session, user)).await {
        Ok(false) => (Ran::Nobody, Some(format!("there is no active user {user}"))),
        Ok(true) => match act_within(app, action, Some(session), None, serde_json::Map::new()).await {
            Ok(_) => (Ran::Ran, None),
            Err(words) => (Ran::Failed, Some(words)),
        },
        Err(error) => (Ran::Failed, Some(error.detail())),
    };
    match &error {
        None => tracing::info!(action = name, "a scheduled action ran"),
        Some(words) => tracing::warn!(action = name, words, "a scheduled action failed"),
    }
    app.metrics.ran(ran);
    let ms = i64::try_from(begun.elapsed().as_millis()).unwrap_or(i64::MAX);
    if let Err(error) = app.store.read(&ticks::note(&name, user, ran, ms, error.as_deref())).await {
        tracing::warn!(action = name, ?error, "what became of a scheduled action can't be noted");
    }
}

/// Whether an action is due, and it is we who run it.
async fn is_taken(app: &App, name: &str, schedule: &Schedule) -> crate::error::Result<bool> {
    let last = app.store.read(&ticks::last(name)).await?.unwrap_or_default();
    let now = jiff::Timestamp::now();
    if !last.parse().is_ok_and(|last| schedule.is_due(last, now)) {
        return Ok(false);
    }
    app.store.read(&ticks::take(name, &last, &now.to_string())).await
}
