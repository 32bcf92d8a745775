//! What an action may see of rows that it works with.

use serde_json::Value as Json;
use uuid::Uuid;

use super::Deed;
use crate::access::{Source, read};
use crate::error::{Error, Result};
use crate::permission::Right;
use crate::plan::Plan;
use crate::request::body::uuid;
use crate::schema::{Column, Entity};
use crate::statement::write::{self, Gone};

impl<'s> Deed<'s> {
    /// Which of these rows the caller may read, the entity asked, too.
    ///
    /// # Errors
    /// What the statement ran into; a refusal is none: then it is no row.
    pub async fn readable(&mut self, entity: &Entity, ids: &[Uuid]) -> Result<Vec<Uuid>> {
        Ok(self.unseen(entity, ids).await?.into_iter().map(|(id, _)| id).collect())
    }

    /// Of rows that the caller may read: the columns that aren't theirs to be served.
    ///
    /// # Errors
    /// As [`Deed::readable`].
    pub async fn unseen<'e>(&mut self, entity: &'e Entity, ids: &[Uuid]) -> Result<Vec<(Uuid, Vec<&'e str>)>> {
        let held = match self.judge(entity, ids, &[(entity, Right::Read)], None).await {
            Err(error) if error.is_refusal() => return Ok(vec![]),
            held => held?,
        };
        let limited: Vec<&Column> = entity.columns.iter().filter(|c| c.is_limited()).collect();
        let of = |id: Uuid| limited.iter().filter(|c| !held.is_of(id, c.readers.as_ref())).map(|c| c.name.as_str()).collect();
        Ok(ids.iter().copied().filter(|id| held.has(*id, Right::Read)).map(|id| (id, of(id))).collect())
    }

    /// Whether the caller might read a row that is gone, as it was: by its bits, owner and grants, the entity asked, too.
    ///
    /// # Errors
    /// What the statement ran into.
    pub async fn might_read(&mut self, entity: &Entity, row: &Json) -> Result<bool> {
        let id = row["id"].as_str().and_then(uuid).unwrap_or_default();
        let right = Right::Read;
        let (lifts_entity, lifts_row) = (self.lifted.entity(entity, right), self.lifted.holds(id, right));
        let gone = Gone { entity, row, right, lifts_entity, lifts_row };
        self.scope.run(&write::held_once(&gone, self.caller.counts()?)).await
    }

    /// Finds rows that the caller may peek, for an action to work with.
    ///
    /// # Errors
    /// 401, 403 where an entity refuses; 422 where a value doesn't fit its column.
    pub async fn search(&mut self, mut plan: Plan<'s>) -> Result<Vec<Uuid>> {
        plan.is_lifted = self.lifted.entity(plan.root.entity, Right::Peek);
        match read(Source::Scope(&mut self.scope), self.planner.schema, self.caller, &plan).await {
            Ok(answer) => answer.ids(),
            Err(Error::Unreadable(faults)) => Err(Error::Invalid(faults)),
            Err(error) => Err(error),
        }
    }
}
