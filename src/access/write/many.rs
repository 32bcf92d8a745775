//! Many changes in one transaction: what each asks is asked, whether one by one or, where they are alike, together.
//!
//! In charge of: which neighbours may share their statements. A batch is only a shorter way to the same end: whatever
//! goes wrong in one is found out again one by one ([`Pace::Single`]), so that the error is the operation's own.

use std::borrow::Cow;
use std::collections::HashSet;

use uuid::Uuid;

use super::explain::explain;
use super::held::Held;
use super::{Deed, UPDATE, gates, ones};
use crate::error::{Error, Fault, Result};
use crate::permission::Right;
use crate::plan::change::{Change, LinkChange};
use crate::request::precondition::Expected;
use crate::schema::{Column, Entity, Link, LinkRule, Relation, Unique, Write};
use crate::statement::query::Guarded;
use crate::statement::verdict::Lock;
use crate::statement::write::{self, Insert, Parts};

/// One change of many.
#[derive(Debug, Clone)]
#[allow(missing_docs)] // what Deed's functions of these names take
pub enum Step<'s> {
    Create(Change<'s>),
    Update(Change<'s>, Expected),
    Delete(&'s Entity, Uuid, Expected),
    Link {
        entity: &'s Entity,
        id: Uuid,
        link: Option<LinkChange<'s>>,
        relation: &'s Relation,
        faults: Vec<Fault>,
        expected: Expected,
    },
    /// It names what isn't there: an entity, or a relationship of this one.
    Nothing(Option<&'s Entity>),
}

impl<'s> Step<'s> {
    /// The row that it makes or changes, with all that it is to be.
    pub fn change(&mut self) -> Option<&mut Change<'s>> {
        match self {
            Step::Create(change) | Step::Update(change, _) => Some(change),
            Step::Delete(..) | Step::Link { .. } | Step::Nothing(_) => None,
        }
    }
}

/// Whether neighbours may share their statements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Pace {
    Batches,
    Single,
}

impl<'s> Deed<'s> {
    /// Does all steps in order.
    ///
    /// # Errors
    /// What a step ran into, and its number. At the pace of batches the number is that of a batch's first step, and the
    /// error of some step of it.
    pub async fn all(&mut self, steps: &[Step<'s>], pace: Pace) -> Result<(), (usize, Error)> {
        let mut is_done = vec![false; steps.len()];
        for at in 0..steps.len() {
            if is_done[at] {
                continue;
            }
            let group = if pace == Pace::Batches { alike(steps, at, &is_done) } else { vec![at] };
            let done = match group.as_slice() {
                [_] => self.one(steps[at].clone()).await,
                many => self.batch(&many.iter().map(|at| &steps[*at]).collect::<Vec<_>>()).await,
            };
            done.map_err(|error| (at, error))?;
            group.into_iter().for_each(|at| is_done[at] = true);
        }
        Ok(())
    }

    /// Does all steps as far as that tells whether they are allowed: nothing stands for what is dear to make.
    ///
    /// # Errors
    /// What a step ran into, and its number.
    pub async fn rehearse(&mut self, steps: &[Step<'s>]) -> Result<(), (usize, Error)> {
        for (at, step) in steps.iter().enumerate() {
            let mut step = step.clone();
            if let Some(change) = step.change() {
                *change = change.rehearsal();
            }
            self.one(step).await.map_err(|error| (at, error))?;
        }
        Ok(())
    }

    async fn one(&mut self, step: Step<'s>) -> Result<()> {
        match step {
            Step::Create(change) => self.create(change).await,
            Step::Update(change, expected) => self.update(change, &expected).await,
            Step::Delete(entity, id, expected) => self.delete(entity, id, &expected).await,
            Step::Link { entity, id, link, relation, faults, expected } => {
                self.link(entity, id, link, relation, faults, &expected).await
            }
            Step::Nothing(entity) => {
                if let Some(entity) = entity {
                    self.judge(entity, &[], &[(entity, Right::Update)], None).await?; // what it has is not everybody's to know
                }
                Err(Error::NotFound)
            }
        }
    }

    /// Steps that are alike, together: the phases of [`Deed::create`], [`Deed::update`] and [`Deed::delete`].
    async fn batch(&mut self, steps: &[&Step<'s>]) -> Result<()> {
        match steps[0] {
            Step::Create(first) => {
                let changes: Vec<_> = steps.iter().filter_map(|s| if let Step::Create(c) = s { Some(c) } else { None }).collect();
                self.create_all(first.entity, &changes).await
            }
            Step::Update(first, _) => {
                let changes: Vec<_> =
                    steps.iter().filter_map(|s| if let Step::Update(c, e) = s { Some((c, e)) } else { None }).collect();
                self.update_all(first.entity, &changes).await
            }
            Step::Delete(entity, ..) => {
                let rows: Vec<_> =
                    steps.iter().filter_map(|s| if let Step::Delete(_, id, e) = s { Some((*id, e)) } else { None }).collect();
                self.delete_all(entity, &rows).await
            }
            _ => Err(Error::internal("no batch")),
        }
    }

    async fn create_all(&mut self, entity: &'s Entity, changes: &[&Change<'s>]) -> Result<()> {
        let links: Vec<LinkChange<'s>> = changes.iter().flat_map(|change| change.links.iter().cloned()).collect();
        let gates = gates(self.schema(), entity, Right::Create, &links);
        self.keep_caller(changes[0], &gates).await?;
        let held = self.judge(entity, &[], &gates, None).await?;
        for link in together(&links) {
            self.refer(&link).await?;
        }
        let callers = self.default_callers(&held, changes[0])?;
        let changes = cleaned(changes.iter().copied())?;
        let ones: Vec<Vec<_>> = changes.iter().map(|change| ones(change).collect()).collect();
        let parts = changes
            .iter()
            .zip(&ones)
            .map(|(change, ones)| Ok(Parts { id: change.id, sets: change.finished()?, ones, groups: change.groups.as_deref() }));
        let is_lifted = self.lifted.entity(entity, Right::Create);
        let rows = parts.collect::<Result<Vec<_>>>()?;
        let insert = Insert { entity, owner: None, is_lifted, rows: &rows, callers: &callers };
        let statement = write::insert(&insert, self.caller.counts()?);
        self.all_or_none(entity, &statement, changes.len(), &held).await
    }

    async fn update_all(&mut self, entity: &'s Entity, changes: &[(&Change<'s>, &Expected)]) -> Result<()> {
        let ids: Vec<Uuid> = changes.iter().map(|(change, _)| change.id).collect();
        let held = self.judge(entity, &ids, &[(entity, UPDATE.entity)], Some(Lock::changed(Right::Update))).await?;
        for (change, expected) in changes {
            held.require(change.id, Right::Update)?;
            held.require_version(entity, change.id, expected)?;
        }
        let changes = cleaned(changes.iter().map(|(change, _)| *change))?;
        let parts = changes.iter().map(|change| Ok(Parts { id: change.id, sets: change.finished()?, ones: &[], groups: None }));
        let parts = parts.collect::<Result<Vec<_>>>()?;
        let statement = write::update(entity, &parts, self.lifted.of(entity, None, Right::Update), self.caller.counts()?);
        self.all_or_none(entity, &statement, ids.len(), &held).await
    }

    async fn delete_all(&mut self, entity: &'s Entity, rows: &[(Uuid, &Expected)]) -> Result<()> {
        let ids: Vec<Uuid> = rows.iter().map(|(id, _)| *id).collect();
        let held = self.judge(entity, &ids, &[(entity, Right::Delete)], Some(Lock::keyed(Right::Delete))).await?;
        for (id, expected) in rows {
            held.require(*id, Right::Delete)?;
            held.require_version(entity, *id, expected)?;
        }
        let lifts = self.lifted.of(entity, None, Right::Delete);
        self.all_or_none(entity, &write::delete(entity, &ids, lifts, self.caller.counts()?), ids.len(), &held).await
    }

    async fn all_or_none(&mut self, entity: &Entity, statement: &Guarded<usize>, wanted: usize, held: &Held) -> Result<()> {
        let changed = self.scope.run(statement).await.map_err(|error| explain(self.planner.schema, entity, &[], error))?;
        if changed == wanted { Ok(()) } else { Err(self.refusal(held).await) }
    }
}

/// Changes that are allowed, with their markup cleaned.
fn cleaned<'a, 's>(changes: impl Iterator<Item = &'a Change<'s>>) -> Result<Vec<Cow<'a, Change<'s>>>> {
    let cleaned = changes.map(|change| {
        if change.unfinished.is_empty() {
            return Ok(Cow::Borrowed(change)); // what shares statements has no faults
        }
        let mut change = change.clone();
        change.clean("/data/attributes");
        change.check().map(|()| Cow::Owned(change))
    });
    cleaned.collect()
}

/// The links of many rows as one change for each relation, for what all of them ask.
fn together<'s>(links: &[LinkChange<'s>]) -> Vec<LinkChange<'s>> {
    let mut all: Vec<LinkChange<'s>> = vec![];
    for link in links {
        match all.iter_mut().find(|one| one.relation.name == link.relation.name) {
            Some(one) => one.targets.extend(link.targets.iter().cloned()),
            None => all.push(link.clone()),
        }
    }
    all
}

/// The steps from one on that may share their statements; a step that may share none stands alone. What stands between
/// them is done after them: so only plain changes of other entities may, which neither name their rows nor make rows that
/// they name. No verdict and no unique value depends on the order of those.
fn alike(steps: &[Step<'_>], first: usize, is_done: &[bool]) -> Vec<usize> {
    let (mut group, mut ids, mut passed): (Vec<usize>, HashSet<Uuid>, HashSet<Uuid>) =
        (vec![first], HashSet::new(), HashSet::new());
    let (Some(entity), true) = (batched(&steps[first]), names(&steps[first]).iter().all(|id| Some(*id) != own(&steps[first])))
    else {
        return group;
    };
    ids.extend(own(&steps[first]));
    for (at, step) in steps.iter().enumerate().skip(first + 1).filter(|(at, _)| !is_done[*at]) {
        let Some(other) = batched(step) else { break };
        let named = names(step);
        let is_free =
            !named.iter().any(|id| ids.contains(id) || passed.contains(id)) && own(step).is_none_or(|id| !ids.contains(&id));
        if !is_free {
            break;
        }
        if other.at != entity.at {
            if matches!(step, Step::Delete(..)) || matches!(steps[first], Step::Delete(..)) {
                break; // it may take others along
            }
            passed.extend(own(step));
            continue;
        }
        if !is_like(&steps[first], step) {
            break;
        }
        ids.extend(own(step));
        group.push(at);
    }
    group
}

/// The entity of a step that may share its statements with others like it.
fn batched<'s>(step: &Step<'s>) -> Option<&'s Entity> {
    match step {
        Step::Create(change) => is_plain(change).then_some(change.entity),
        Step::Update(change, _) => {
            // One statement changes its rows in no order, and the next one's unique value may be free only after this one.
            let is_any = |c: &Column| c.write == Write::Anyone && c.is_served() && c.unique == Unique::No;
            let is_theirs = change.sets.iter().all(|(c, _)| is_any(c));
            (is_theirs
                && is_plain(change)
                && change.owner.is_none()
                && change.groups.is_none()
                && change.links.is_empty()
                && !change.sets.is_empty())
            .then_some(change.entity)
        }
        Step::Delete(entity, ..) => (!entity.is_system()).then_some(entity),
        Step::Link { .. } | Step::Nothing(_) => None,
    }
}

/// The row that a step is about.
fn own(step: &Step<'_>) -> Option<Uuid> {
    match step {
        Step::Create(change) | Step::Update(change, _) => Some(change.id),
        Step::Delete(_, id, _) | Step::Link { id, .. } => Some(*id),
        Step::Nothing(_) => None,
    }
}

/// The rows that it links to.
fn names(step: &Step<'_>) -> Vec<Uuid> {
    match step {
        Step::Create(change) | Step::Update(change, _) => change.links.iter().flat_map(|l| &l.targets).map(|t| t.id).collect(),
        _ => vec![],
    }
}

/// Whether a change is of columns and links to one row, and nothing about it is special.
fn is_plain(change: &Change<'_>) -> bool {
    let is_sound =
        change.faults.is_empty() && change.forbidden.is_none() && change.conflict.is_none() && change.echoes.is_empty();
    let is_one =
        |link: &LinkChange<'_>| link.relation.rule == LinkRule::Declared && matches!(link.relation.link, Link::One { .. });
    let is_open = change.sets.iter().all(|(c, _)| c.writers.is_none());
    is_sound && is_open && !change.entity.is_system() && change.links.iter().all(is_one)
}

/// Whether both do the same with the same fields.
fn is_like(a: &Step<'_>, b: &Step<'_>) -> bool {
    let (a, b) = match (a, b) {
        (Step::Create(a), Step::Create(b)) | (Step::Update(a, _), Step::Update(b, _)) => (a, b),
        (Step::Delete(..), Step::Delete(..)) => return true,
        _ => return false,
    };
    let columns = |change: &Change<'_>| change.sets.iter().map(|(c, _)| c.name.clone()).collect::<Vec<_>>();
    let links = |change: &Change<'_>| change.links.iter().map(|l| l.relation.name.clone()).collect::<Vec<_>>();
    columns(a) == columns(b)
        && links(a) == links(b)
        && a.owner.is_some() == b.owner.is_some()
        && a.groups.is_some() == b.groups.is_some()
}
