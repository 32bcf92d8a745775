//! What the caller holds: the verdict over entities and rows, before anything is changed.
//!
//! In charge of: asking, and the words of the refusals.

use std::collections::HashMap;

use uuid::Uuid;

use super::Deed;
use crate::access::Refused;
use crate::error::{Error, Fault, Over, Reason, Result};
use crate::permission::{Class, Right};
use crate::request::precondition::Expected;
use crate::schema::{Column, Entity};
use crate::statement::verdict::{self, Judged, JudgedRow, Lock, LockAsks, Verdict};
use crate::statement::write::Lifts;

/// Rights beyond the caller's own, of one action's one run.
#[derive(Debug, Default, Clone)]
pub struct Lifted {
    /// For the check of these entities.
    pub entities: Vec<(String, Vec<Right>)>,
    /// For these rows.
    pub rows: Vec<(Uuid, Vec<Right>)>,
    /// Rows that the action made, whose grants count as the caller's to change whoever owns them.
    pub made: Vec<Uuid>,
}

impl Lifted {
    /// These as well.
    pub fn extend(&mut self, more: Lifted) {
        self.entities.extend(more.entities);
        self.rows.extend(more.rows);
        self.made.extend(more.made);
    }

    pub(super) fn entity(&self, entity: &Entity, right: Right) -> bool {
        self.entities.iter().any(|(name, rights)| *name == entity.name && grants(rights, right))
    }

    /// What is not asked of an entity, and of a row.
    pub(super) fn of(&self, entity: &Entity, id: Option<Uuid>, right: Right) -> Lifts {
        Lifts { entity: self.entity(entity, right), rows: id.is_some_and(|id| self.holds(id, right)) }
    }

    /// Whether it lifts a right on a row.
    pub fn holds(&self, id: Uuid, right: Right) -> bool {
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
    pub(super) caller: Option<Uuid>,
    is_administrator: bool,
    refused: Refused,
    rows: HashMap<Uuid, JudgedRow>,
}

impl Held {
    pub(super) fn has(&self, id: Uuid, right: Right) -> bool {
        self.rows.get(&id).is_some_and(|row| row.rights & i64::from(right.bit()) != 0)
    }

    /// Whether a row's permission, owner and grants are the caller's to change.
    pub(super) fn may_chmod(&self, id: Uuid) -> bool {
        self.rows.get(&id).is_some_and(|row| row.may_chmod)
    }

    /// Whether the caller is of one of a column's classes to a row; with none named, everybody is.
    pub(super) fn is_of(&self, id: Uuid, classes: Option<&Vec<Class>>) -> bool {
        let is_of = |class: &Class| match class {
            Class::Guest => true,
            Class::Owner => self.rows.get(&id).is_some_and(|row| row.is_owned),
            Class::Group => self.rows.get(&id).is_some_and(|row| row.is_granted),
        };
        self.is_administrator || classes.is_none_or(|classes| classes.iter().any(is_of))
    }

    /// The refusal of the caller, without a reason.
    pub(super) fn refusal(&self) -> Error {
        self.refused.refusal(None)
    }

    /// The refusal of what only the row's owner and administrators may do.
    pub(super) fn not_owner(&self) -> Error {
        self.refused.refusal(Some(Reason { phase: "before instance", entity: self.entity.clone(), asks: "ownership" }))
    }

    pub(super) fn is_administrator(&self) -> bool {
        self.is_administrator
    }

    /// 412 where the row has another version than the one that the change is made for, 428 where that wasn't said and the
    /// entity wants it. Asked after the row's rights, before faults.
    pub(super) fn require_version(&self, entity: &Entity, id: Uuid, expected: &Expected) -> Result<()> {
        match expected {
            Expected::Unsaid if entity.require_if_match => Err(Error::PreconditionRequired),
            Expected::Whichever | Expected::Unsaid | Expected::Any => Ok(()),
            Expected::Versions(versions) => {
                let is_one = self.rows.get(&id).is_some_and(|row| versions.contains(&row.version));
                if is_one { Ok(()) } else { Err(Error::PreconditionFailed) }
            }
        }
    }

    /// 404 where the row may not be peeked, 401 or 403 where the right is missing.
    pub(super) fn require(&self, id: Uuid, right: Right) -> Result<()> {
        match self.rows.contains_key(&id) {
            false => Err(Error::NotFound),
            true if self.has(id, right) => Ok(()),
            true => Err(self.refused.row("before instance", &self.entity, right)),
        }
    }
}

impl Deed<'_> {
    pub(super) async fn judge(
        &mut self,
        entity: &Entity,
        ids: &[Uuid],
        gates: &[(&Entity, Right)],
        lock: Option<Lock>,
    ) -> Result<Held> {
        let asked = self.unlifted(gates);
        let lifted: Vec<Uuid> = ids.iter().filter(|id| self.lifted.rows.iter().any(|(row, _)| row == *id)).copied().collect();
        let lock = lock.filter(|_| !self.scope.is_reading && !ids.is_empty());
        let asks = Verdict { entity, ids, lifted: &lifted, gates: &asked, lock };
        let (locked, judged) = match self.judged(&asks, self.caller.counts()?).await? {
            (locked, Some(judged)) => (locked, judged),
            // The session is over.
            (_, None) if !self.caller.is_lenient => return Err(Error::Over(Over::Ended)),
            (_, None) => {
                self.caller = self.caller.left();
                let (locked, judged) = self.judged(&asks, None).await?;
                (locked, judged.ok_or_else(|| Error::internal("no verdict on a guest"))?)
            }
        };
        let Judged { caller, is_administrator, gates: are_open, rows } = judged;
        let refused = Refused { is_guest: caller.is_none(), sent_token: self.caller.sent_token };
        if let Some((entity, right)) = gates.iter().find(|(entity, right)| entity.is_closed(*right)) {
            return Err(refused.row("before entity", &entity.name, *right));
        }
        if let Some(((entity, right), _)) = asked.iter().zip(&are_open).find(|(_, is_open)| !**is_open) {
            return Err(refused.entity(&entity.name, *right));
        }
        let rows = rows.into_iter().map(|mut row| {
            let more = Right::ALL.iter().filter(|r| self.lifted.holds(row.id, **r)).fold(0, |all, r| all | i64::from(r.bit()));
            // What may be worked with exists.
            row.rights |= if more == 0 { 0 } else { more | i64::from(Right::Peek.bit()) };
            (row.id, row)
        });
        let rows: HashMap<Uuid, JudgedRow> = rows.collect();
        if let Some(lock) = lock {
            // It became the caller's to lock between lock and verdict: once more.
            let passes = |row: &JudgedRow| match lock.asks {
                LockAsks::Right(right) => row.rights & i64::from(right.bit()) != 0,
                LockAsks::Chmod => row.may_chmod,
            };
            let is_unlocked = |row: &JudgedRow| passes(row) && !locked.contains(&row.id);
            if rows.values().any(is_unlocked) {
                return Err(Error::Again);
            }
        }
        Ok(Held { entity: entity.name.clone(), caller, is_administrator, refused, rows })
    }

    /// Of what is asked of entities what no action lifts: in one order, whatever the request's was.
    pub(super) fn unlifted<'e>(&self, gates: &[(&'e Entity, Right)]) -> Vec<(&'e Entity, Right)> {
        let mut asked: Vec<_> = gates.iter().filter(|(e, r)| !self.lifted.entity(e, *r)).copied().collect();
        asked.sort_by_key(|(e, r)| (e.at, *r));
        asked
    }

    /// The rows that were locked for a verdict, and the verdict, on what the lock waited for.
    async fn judged(&mut self, asks: &Verdict<'_>, session: Option<Uuid>) -> Result<(Vec<Uuid>, Option<Judged>)> {
        let judge = verdict::judge(asks, session);
        match asks.lock {
            None => Ok((vec![], self.scope.run(&judge).await?)),
            Some(lock) => self.scope.run_both(&verdict::lock(asks, lock, session), &judge).await,
        }
    }

    /// Why a row that was judged didn't change: it, its entity or the session refuses by now, in the words of now.
    pub(super) async fn refused_now(&mut self, entity: &Entity, id: Uuid, right: Right) -> Error {
        match self.judge(entity, &[id], &[(entity, right)], None).await.and_then(|held| held.require(id, right)) {
            Err(error) => error,
            Ok(()) => Error::Again, // it was given back since
        }
    }

    /// Why fewer rows changed than were judged: the right went away midway, or the session did.
    pub(super) async fn refusal(&mut self, held: &Held) -> Error {
        let Some(session) = self.caller.session else { return held.refusal() };
        match self.scope.run(&verdict::is_over(session)).await {
            Ok(true) => Error::Over(Over::Ended),
            Ok(false) => held.refusal(),
            Err(error) => error,
        }
    }

    /// The verdict on a row that was made here, whether or not the caller may peek it.
    pub(super) async fn judge_anyway(&mut self, entity: &Entity, id: Uuid) -> Result<Held> {
        self.lifted.rows.push((id, vec![]));
        let held = self.judge(entity, &[id], &[], None).await;
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
