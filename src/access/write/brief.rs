//! Writes in one message: a row that is made, changed or deleted, its proof and verdict, and the reply.
//!
//! In charge of: which way a write goes ([`LONG`]), and what became of it. What asks for more than one message can hold, and
//! what was not done for whatever reason, takes the long way: a transaction that locks first and judges in the next statement,
//! where every refusal has its proof and its words. So this way refuses nothing, and never waits for a row.

use crate::access::known::{Asking, Source, TRIES};
use crate::access::{Answer, answer, require_entities};
use crate::account::Caller;
use crate::error::{Error, Result};
use crate::permission::Right;
use crate::plan::Plan;
use crate::plan::change::Change;
use crate::request::precondition::Expected;
use crate::schema::{Column, LinkRule, Relation, Schema, Write};
pub use crate::statement::read::change::Act;
use crate::statement::read::change::Brief;
use crate::statement::who::Known;
use crate::store::Store;

use super::explain::explain;
use super::unsaid_callers;

/// A write, as far as that says which way it goes.
pub struct Way<'a, 's> {
    /// What exists.
    pub schema: &'s Schema,
    /// What is to be done.
    pub act: Act,
    /// With which row, and how; of a row that is deleted nothing but which it is.
    pub change: &'a Change<'s>,
    /// For which version.
    pub expected: &'a Expected,
    /// What is to be shown of it: the row by its id; none: nothing.
    pub shown: Option<&'a Plan<'s>>,
    /// Whether it has an Idempotency-Key.
    pub has_key: bool,
}

/// Why a write takes the long way. Each is said in [`LONG`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Long {
    Key,
    Include,
    System,
    Noted,
    ReferredTo,
    Faults,
    Nothing,
    Echo,
    Column,
    Null,
    Many,
    Owner,
    Itself,
    Unsaid,
    Caller,
    Closed,
}

type Asks = fn(&Way<'_, '_>, &Known) -> bool;

/// What asks for the long way: of the request, and of what is known and proven of its caller and of the tables.
pub const LONG: &[(Long, Asks)] = &[
    // It is to be done once: what was done is kept in the same transaction.
    (Long::Key, |way, _| way.has_key),
    // What is included may be what changes.
    (Long::Include, |way, _| way.shown.is_some_and(Plan::has_include)),
    // More follows from it: sessions end, an address is to be proved, an administrator must stay.
    (Long::System, |way, _| way.change.entity.is_system()),
    // It is kept in a history, or heard of: by triggers, which want to know whose change it is.
    (Long::Noted, |way, known| known.is_noted(way.change.entity)),
    // Others go with it, change with it, or keep it where it is; and they may be locked.
    (Long::ReferredTo, |way, known| way.act == Act::Delete && known.is_referred_to(way.change.entity)),
    // Nothing will be done, but what is wrong is told only to who may do what they ask.
    (Long::Faults, |way, _| {
        let change = way.change;
        let is_wrong = !change.faults.is_empty() || change.forbidden.is_some() || change.conflict.is_some();
        is_wrong || way.shown.is_some_and(|plan| !plan.faults.is_empty() || !plan.guest_faults.is_empty())
    }),
    // A change of nothing makes no version.
    (Long::Nothing, |way, _| way.act == Act::Update && way.change.sets.is_empty() && way.change.links.is_empty()),
    // What the system sets was sent back: whether it is as it was, is told only to who may read the row.
    (Long::Echo, |way, _| !way.change.echoes.is_empty()),
    // Not everybody's to set or to read who may change the row, or dear to make.
    (Long::Column, |way, _| {
        !way.change.unfinished.is_empty()
            || way.change.sets.iter().any(|(c, _)| way.change.sent.contains(&c.name) && !is_plain(c))
    }),
    // Whom it leads to no more may be hidden from the caller: then it stays.
    (Long::Null, |way, _| way.change.links.iter().any(|link| !link.relation.is_many() && link.targets.len() != 1)),
    (Long::Many, |way, _| way.change.links.iter().any(|link| link.relation.is_many())),
    // Given away, or set by the system alone.
    (Long::Owner, |way, _| way.change.links.iter().any(|link| link.relation.rule != LinkRule::Declared)),
    // It is asked when it is there.
    (Long::Itself, |way, _| way.change.links.iter().any(|link| link.targets.iter().any(|t| t.id == way.change.id))),
    // Its entity wants to be told the version.
    (Long::Unsaid, |way, _| way.act != Act::Create && *way.expected == Expected::Unsaid && way.change.entity.require_if_match),
    // There is nobody whom the new row would be linked to.
    (Long::Caller, |way, known| known.user().is_none() && unsaid_callers(way.change).next().is_some()),
    // An entity refuses.
    (Long::Closed, |way, known| {
        let entity = way.change.entity;
        let right = way.act.right();
        let refers = |relation: &Relation| known.may(way.schema.target(relation), Right::Refer);
        entity.is_closed(right) || !known.may(entity, right) || way.change.links.iter().any(|link| !refers(link.relation))
    }),
];

/// Whether a column is everybody's who may change the row, and its values cost little to make.
fn is_plain(column: &Column) -> bool {
    let is_open = column.write == Write::Anyone && column.readers.is_none() && column.writers.is_none();
    is_open && !column.kind.is_dear()
}

impl<'s> Way<'_, 's> {
    /// Why it takes the long way; none: it is one message.
    pub fn long(&self, known: &Known) -> Option<Long> {
        LONG.iter().find(|(_, asks)| asks(self, known)).map(|(long, _)| *long)
    }

    fn brief(&self) -> Result<Brief<'_, 's>> {
        let Change { entity, id, ref links, .. } = *self.change;
        let link = |link: &super::LinkChange<'s>| Some((link.relation, link.relation.foreign_key()?, link.targets.first()?.id));
        let versions = match self.expected {
            Expected::Versions(versions) if self.act != Act::Create => Some(versions.as_slice()),
            Expected::Versions(_) | Expected::Whichever | Expected::Unsaid | Expected::Any => None,
        };
        let callers = unsaid_callers(self.change).filter_map(Relation::foreign_key).collect();
        let links = links.iter().filter_map(link).collect();
        Ok(Brief { act: self.act, entity, id, sets: self.change.finished()?, links, callers, versions })
    }
}

/// What is to be shown of a write that was done.
pub enum Done<'s> {
    /// The row.
    Shown(Answer<'s>),
    /// Nothing: it isn't the caller's to read, or wasn't to be shown.
    Unshown,
}

/// Does a write in one message. None: nothing was done, it takes the long way.
///
/// # Errors
/// 401 where the token is over; 409 where a value is taken; 503.
pub async fn brief<'s>(store: &Store, caller: Caller, way: &Way<'_, 's>) -> Result<Option<Done<'s>>> {
    if store.is_outdated() {
        return Err(Error::SchemaChanged);
    }
    if store.is_slow() {
        return Ok(None); // what is known is asked for in a snapshot, in which nothing is written
    }
    let mut asking = Asking::of(Source::Store(store), way.schema, caller);
    for _ in 1..TRIES {
        let known = match asking.known().await {
            Err(Error::Again) => return Ok(None),
            known => known?,
        };
        let is_shown = way.shown.is_none_or(|plan| require_entities(&known, caller, plan).is_ok());
        if !is_shown || way.long(&known).is_some() {
            return Ok(None);
        }
        let changed = match asking.change(&way.brief()?, way.shown, &known).await {
            Err(Error::Again) => return Ok(None),
            changed => changed.map_err(|error| explain(way.schema, way.change.entity, &way.change.sets, error))?,
        };
        match changed {
            None => {} // what was known doesn't hold: once more
            Some(changed) if !changed.is_done => return Ok(None),
            Some(changed) => {
                let Some(plan) = way.shown else { return Ok(Some(Done::Unshown)) };
                return match answer(way.schema, caller, plan, known, changed.found) {
                    Ok(answer) => Ok(Some(Done::Shown(answer))),
                    Err(error) if error.is_refusal() => Ok(Some(Done::Unshown)),
                    Err(error) => Err(error),
                };
            }
        }
    }
    Ok(None)
}
