//! What stands in the way of an event of a state machine, beside permissions: asked without firing it.
//!
//! In charge of: who is told. A row's state, and what a guard makes of its values, are for who may read the row.

use serde_json::{Map, Value as Json};
use uuid::Uuid;

use super::run::{Means, Run};
use super::value::{holds, paths};
use super::{Action, Deed as Does};
use crate::access::write::Deed;
use crate::account::Caller;
use crate::budget::Budget;
use crate::error::Result;
use crate::request::body::uuid;
use crate::schema::Entity;
use crate::statement::action as statement;

/// What stands in an event's way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obstacle {
    /// The row is in a state that the event doesn't start from.
    State,
    /// The event's condition doesn't hold.
    Guard,
}

impl Obstacle {
    /// The word for answers.
    pub fn word(self) -> &'static str {
        match self {
            Obstacle::State => "state",
            Obstacle::Guard => "guard",
        }
    }
}

/// For each event and row of one entity: what stands in its way, as far as the caller may be told.
///
/// # Errors
/// What the statements ran into; 422 where the rows are larger than what an action may hold.
pub async fn obstacles(
    means: &Means<'_>,
    caller: Caller,
    entity: &Entity,
    asked: &[(&Action, Uuid)],
) -> Result<Vec<Option<Obstacle>>> {
    let mut deed = Deed::begin_reading(means.store, means.planner(), caller).await?;
    let mut ids: Vec<Uuid> = asked.iter().map(|(_, id)| *id).collect();
    ids.sort_unstable();
    ids.dedup();
    let readable = deed.readable(entity, &ids).await?;
    let user = deed.user(entity).await?;
    let mut scope = means.known(Run::known(&mut deed, user).await?);
    let mut found = vec![None; asked.len()];
    let mut left = readable;
    while !left.is_empty() {
        // As many rows at a time as there is room for.
        let budget = Budget::new("what is asked about", means.config.limits.action);
        let rows = deed.scope.run(&statement::row_values(entity, &left, budget.left())).await?;
        let rows: Vec<Json> = rows.into_iter().flatten().collect();
        if rows.is_empty() {
            return Err(budget.exceeded().into());
        }
        for row in rows {
            let id = row["id"].as_str().and_then(uuid).unwrap_or_default();
            left.retain(|other| *other != id);
            scope.insert("subject".to_owned(), row);
            for (place, (action, _)) in found.iter_mut().zip(asked).filter(|(_, (_, of))| *of == id) {
                *place = in_the_way(action, &scope, means.config.limits.action);
            }
        }
    }
    Ok(found)
}

/// The first of an event's refusals that would be met: of its state, then of its guard. (One that depends on what is sent with
/// it can't be known before.)
///
/// `most`: bytes that one condition may copy.
fn in_the_way(event: &Action, scope: &Map<String, Json>, most: usize) -> Option<Obstacle> {
    let refusals = event.outcomes.iter().take_while(|outcome| matches!(outcome.deed, Does::Fail { .. }));
    let kinds = std::iter::once(Obstacle::State).chain(std::iter::repeat(Obstacle::Guard));
    let is_met = |condition: &str| {
        let is_known = |path: &String| scope.contains_key(path.split('.').next().unwrap_or_default());
        let is_decidable = paths(condition).is_ok_and(|names| names.iter().all(is_known));
        // What can't be decided fails as well. Each has a budget of its own: what others cost decides nothing.
        is_decidable && holds(condition, scope, &Budget::new("what is asked about", most)).unwrap_or(true)
    };
    let met = refusals.zip(kinds).find(|(outcome, _)| outcome.when.as_deref().is_some_and(is_met));
    met.map(|(_, obstacle)| obstacle)
}
