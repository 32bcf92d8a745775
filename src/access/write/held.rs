//! What the caller holds: the verdict over entities and rows, before anything is changed.
//!
//! In charge of: asking, and the words of the refusals.

use std::collections::HashMap;

use uuid::Uuid;

use super::{Deed, Verdict};
use crate::error::{Error, Fault, Reason, Result};
use crate::permission::{Class, Right};
use crate::plan::NAMED;
use crate::request::precondition::Expected;
use crate::schema::{Column, Entity};
use crate::statement::write;

/// Rights beyond the caller's own, of one action's one run.
#[derive(Debug, Default)]
pub struct Lifted {
    /// For the check of these entities.
    pub entities: Vec<(String, Vec<Right>)>,
    /// For these rows.
    pub rows: Vec<(Uuid, Vec<Right>)>,
}

impl Lifted {
    pub(super) fn entity(&self, entity: &Entity, right: Right) -> bool {
        self.entities.iter().any(|(name, rights)| *name == entity.name && grants(rights, right))
    }

    pub(super) fn row(&self, id: Uuid, right: Right) -> bool {
        self.rows.iter().any(|(row, rights)| *row == id && grants(rights, right))
    }
}

/// Read implies peek.
fn grants(rights: &[Right], right: Right) -> bool {
    rights.contains(&right) || right == Right::Peek && rights.contains(&Right::Read)
}

/// What the caller holds on rows that they may peek.
pub(super) struct Held {
    /// Whose rows.
    entity: String,
    pub(super) verdict: Verdict,
    pub(super) caller: Option<Uuid>,
    rows: HashMap<Uuid, i64>,
    versions: HashMap<Uuid, i64>,
}

impl Held {
    pub(super) fn has(&self, id: Uuid, right: Right) -> bool {
        self.bits(id) & i64::from(right.bit()) != 0
    }

    pub(super) fn bits(&self, id: Uuid) -> i64 {
        self.rows.get(&id).copied().unwrap_or(0)
    }

    /// Whether the caller is of one of a column's classes to a row; with none named, everybody is.
    pub(super) fn is_of(&self, id: Uuid, classes: Option<&Vec<Class>>) -> bool {
        let is_of = |class: &Class| match class {
            Class::Guest => true,
            Class::Owner => self.bits(id) & write::OWNED != 0,
            Class::Group => self.bits(id) & write::GRANTED != 0,
        };
        self.is_administrator() || classes.is_none_or(|classes| classes.iter().any(is_of))
    }

    /// The refusal of what only the row's owner and administrators may do.
    pub(super) fn not_owner(&self) -> Error {
        self.verdict.refusal(Some(Reason { phase: "before instance", entity: self.entity.clone(), asks: "ownership" }))
    }

    pub(super) fn is_administrator(&self) -> bool {
        self.verdict.has(write::ADMIN)
    }

    /// 412 where the row has another version than the one that the change is made for, 428 where that wasn't said and the
    /// entity wants it. Asked after the row's rights, before faults.
    pub(super) fn require_version(&self, entity: &Entity, id: Uuid, expected: &Expected) -> Result<()> {
        match expected {
            Expected::Unsaid if entity.require_if_match => Err(Error::PreconditionRequired),
            Expected::Whichever | Expected::Unsaid | Expected::Any => Ok(()),
            Expected::Versions(versions) => {
                let is_one = self.versions.get(&id).is_some_and(|version| versions.contains(version));
                if is_one { Ok(()) } else { Err(Error::PreconditionFailed) }
            }
        }
    }

    /// 404 where the row may not be peeked, 401 or 403 where the right is missing.
    pub(super) fn require(&self, id: Uuid, right: Right) -> Result<()> {
        match self.rows.contains_key(&id) {
            false => Err(Error::NotFound),
            true if self.has(id, right) => Ok(()),
            true => Err(self.verdict.row_refusal("before instance", &self.entity, right)),
        }
    }
}

impl Deed<'_> {
    pub(super) async fn judge(&mut self, entity: &Entity, ids: &[Uuid], gates: &[(&Entity, Right)], lock: &str) -> Result<Held> {
        let mut asked: Vec<_> = gates.iter().filter(|(e, r)| !self.lifted.entity(e, *r)).copied().collect();
        asked.sort_by_key(|(e, r)| (e.at, *r)); // one shape, whatever the order of the request
        if asked.len() > NAMED {
            return Err(Error::Invalid(vec![Fault::new("too-many", format!("A request names at most {NAMED} entities."))]));
        }
        let lifted: Vec<Uuid> = ids.iter().filter(|id| self.lifted.rows.iter().any(|(row, _)| row == *id)).copied().collect();
        let lock = if self.scope.is_reading { "" } else { lock };
        let statement = write::judge(entity, ids, &lifted, &asked, self.caller.session, lock);
        let named = asked.iter().map(|(entity, right)| (entity.name.clone(), *right)).collect();
        let verdict = Verdict { bits: 0, caller: self.caller, named };
        let mut held =
            Held { entity: entity.name.clone(), verdict, caller: None, rows: HashMap::new(), versions: HashMap::new() };
        for row in self.scope.run(&statement).await? {
            match (row.int(0), row.int(1), row.uuid(2)) {
                (Some(0), Some(bits), caller) => (held.verdict.bits, held.caller) = (bits, caller),
                (_, Some(bits), Some(id)) => {
                    let more = Right::ALL.iter().filter(|r| self.lifted.row(id, **r)).fold(0, |all, r| all | i64::from(r.bit()));
                    let more = if more == 0 { 0 } else { more | i64::from(Right::Peek.bit()) }; // what may be worked with exists
                    held.rows.insert(id, bits | more);
                    held.versions.extend(row.int(3).map(|version| (id, version)));
                }
                _ => {}
            }
        }
        if let Some((entity, right)) = gates.iter().find(|(entity, right)| entity.is_closed(*right)) {
            return Err(held.verdict.row_refusal("before entity", &entity.name, *right));
        }
        held.verdict.require_entities()?;
        Ok(held)
    }

    /// The verdict on a row that was made here, whether or not the caller may peek it.
    pub(super) async fn judge_anyway(&mut self, entity: &Entity, id: Uuid) -> Result<Held> {
        self.lifted.rows.push((id, vec![]));
        let held = self.judge(entity, &[id], &[], "").await;
        self.lifted.rows.pop();
        held
    }
}

/// The refusal of a column that is not the caller's to set; for guests, who never see it, it isn't there.
pub(super) fn not_to_set(held: &Held, column: &Column) -> Error {
    let at = format!("/data/attributes/{}", column.name);
    if held.caller.is_none() && column.is_limited() {
        let words = format!("{} has no attribute `{}`.", held.entity, column.name);
        return Error::Invalid(vec![Fault::new("unknown-attribute", words).at(at)]);
    }
    let words = format!("`{}` is not yours to set.", column.name);
    Error::Forbidden(Some(Fault::new("forbidden-attribute", words).at(at)))
}
