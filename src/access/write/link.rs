//! Links: which rights a change of links asks of which rows, by the kind of the link, the same from both sides.
//!
//! In charge of: refer on whom one links to, grants (the row's owner), memberships (update on the group), full replaces.

use uuid::Uuid;

use super::Deed;
use super::explain::explain;
use super::held::Held;
use crate::access::{self, Source};
use crate::error::{Error, Fault, Result};
use crate::permission::Right;
use crate::plan::change::{LinkChange, Target, Verb};
use crate::plan::{Guard, Pick};
use crate::request::Query;
use crate::request::body::step;
use crate::request::precondition::Expected;
use crate::schema::{ADMINISTRATORS, Entity, Link, LinkRule, Relation};
use crate::statement::verdict::Lock;
use crate::statement::write::{self, Asks, Links};

/// When the row was made whose links change: a new row is asked no update.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Made {
    Before,
    Here,
    /// Before; and the linkage is the whole of the request.
    Alone,
}

impl<'s> Deed<'s> {
    /// What a create may link its row to: refer on each; itself as the owner.
    pub(super) async fn judge_create_link(&mut self, held: &Held, link: &LinkChange<'s>) -> Result<()> {
        match link.relation.rule {
            LinkRule::System if !link.is_by_action() => {
                Err(Error::Forbidden(Some(Fault::new("read-only", format!("`{}` is set by the system.", link.relation.name)))))
            }
            LinkRule::Owner => match link.targets.first() {
                Some(target) if Some(target.id) == held.caller => Ok(()),
                _ => Err(held.refusal()),
            },
            LinkRule::Membership => Ok(()), // judged when it is made
            _ if matches!(link.relation.link, Link::Inverse { .. }) => Ok(()),
            _ => self.refer(link).await,
        }
    }

    /// Refer on what it links to, and on their entity; where it links to nothing, nothing is asked.
    pub(super) async fn refer(&mut self, link: &LinkChange<'s>) -> Result<()> {
        if link.targets.is_empty() {
            return Ok(());
        }
        let target = self.schema().target(link.relation);
        let ids: Vec<Uuid> = link.targets.iter().map(|t| t.id).collect();
        let held = self.judge(target, &ids, &[(target, Right::Refer)], Some(Lock::linked(Right::Refer))).await?;
        let at = format!("/data/relationships{}", step(&link.relation.name));
        ids.iter().try_for_each(|id| held.require(*id, Right::Refer)).map_err(|error| error.within(&at))
    }

    /// `null` over a target that the caller can't see changes nothing.
    pub(super) async fn keep_hidden(
        &mut self,
        entity: &'s Entity,
        id: Uuid,
        links: &[LinkChange<'s>],
        ones: &mut Vec<(&'s str, Option<Uuid>)>,
    ) -> Result<()> {
        for link in links.iter().filter(|l| !l.relation.is_many() && l.targets.is_empty()) {
            if self.visible(entity, id, link).await?.is_empty() {
                ones.retain(|(column, _)| !matches!(&link.relation.link, Link::One { column: c } if c == column));
            }
        }
        Ok(())
    }

    /// The linked rows that the caller sees.
    async fn visible(&mut self, entity: &'s Entity, id: Uuid, link: &LinkChange<'s>) -> Result<Vec<Uuid>> {
        let mut plan = self.planner.linkage(entity, id, link.relation, &Query::default());
        debug_assert!(plan.root.guard == Guard::PEEK && matches!(plan.pick, Pick::Related { .. }));
        plan.root.window.size = i64::try_from(self.planner.limits.links).unwrap_or(i64::MAX);
        let schema = self.schema();
        match access::read(Source::Scope(&mut self.scope), schema, self.caller, &plan).await {
            Ok(answer) if answer.has_more => {
                let words = format!("`{}` has too many links to be replaced at once: add and remove.", link.relation.name);
                Err(Error::Invalid(vec![Fault::new("too-many", words)]))
            }
            Ok(answer) => answer.ids(),
            Err(error) if error.is_refusal() => Ok(vec![]),
            Err(error) => Err(error),
        }
    }

    /// Changes the to-many links of a row, from either side.
    ///
    /// # Errors
    /// 401, 403, 404, 409, 412, 422, 428, in the order of `permissions.md` §5.
    pub async fn link(
        &mut self,
        entity: &'s Entity,
        id: Uuid,
        link: Option<LinkChange<'s>>,
        relation: &Relation,
        faults: Vec<Fault>,
        expected: &Expected,
    ) -> Result<()> {
        let target = self.schema().target(relation);
        let gates: &[(&Entity, Right)] = match (relation.rule, &relation.link) {
            (LinkRule::Membership, _) => &[], // asked person by person: leaving asks nothing
            (_, Link::Inverse { .. }) => &[(target, Right::Update)],
            _ => &[(entity, Right::Update)],
        };
        let held = self.judge(entity, &[id], gates, own_lock(entity, relation)).await?;
        held.require(id, Right::Peek)?;
        let Some(link) = link.filter(|_| faults.is_empty()) else {
            self.require_link(id, relation, &held)?;
            if relation.rule == LinkRule::Membership && held.caller != Some(id) {
                held.require(id, Right::Update)?; // who may change nothing here is told nothing of the form
            }
            return Err(Error::Invalid(faults));
        };
        self.change_judged(entity, id, (link, Made::Alone), &held, expected).await
    }

    /// What a change of links asks of the row in the path.
    fn require_link(&self, id: Uuid, relation: &Relation, held: &Held) -> Result<()> {
        match (relation.rule, &relation.link) {
            (LinkRule::System, _) => Err(held.refusal()),
            (LinkRule::Grant, _) if self.lifted.made.contains(&id) => Ok(()),
            (LinkRule::Grant | LinkRule::Owner, _) if !held.may_chmod(id) => Err(held.not_owner()),
            (LinkRule::Declared, Link::Through { .. } | Link::One { .. }) => held.require(id, Right::Update),
            _ => Ok(()), // judged row by row
        }
    }

    /// Changes links of a row, one to many or many to many.
    pub(super) async fn change_links(
        &mut self,
        entity: &'s Entity,
        id: Uuid,
        link: LinkChange<'s>,
        made: Made,
        expected: &Expected,
    ) -> Result<()> {
        let held = self.judge(entity, &[id], &[], None).await?; // it was made here, or locked before
        self.change_judged(entity, id, (link, made), &held, expected).await
    }

    /// The same, where the row was judged.
    async fn change_judged(
        &mut self,
        entity: &'s Entity,
        id: Uuid,
        (link, made): (LinkChange<'s>, Made),
        held: &Held,
        expected: &Expected,
    ) -> Result<()> {
        let (relation, target) = (link.relation, self.schema().target(link.relation));
        let judged = self.judge_links(entity, id, link, made, held).await?;
        held.require_version(entity, id, expected)?;
        if target.require_if_match
            && *expected != Expected::Whichever
            && !judged.is_empty()
            && relation.rule == LinkRule::Declared
        {
            return Err(Error::PreconditionRequired); // those rows change, too: their own side says which version
        }
        for (verb, targets, asks) in judged {
            let links = Links { entity, target, relation, id, verb, targets: &targets, asks };
            let statement = write::link(&links, self.caller.counts()?);
            let held_still = self.scope.run(&statement).await.map_err(|e| explain(self.planner.schema, target, &[], e))?;
            let asked = if let Link::Inverse { .. } = relation.link { targets.len() } else { 1 };
            if held_still < asked {
                return Err(self.refusal(held).await);
            }
        }
        Ok(())
    }

    /// Asks what a change of links asks, of the row and of the others. Gives what there is to do, and what each asks once more
    /// when it is done.
    pub(super) async fn judge_links(
        &mut self,
        entity: &'s Entity,
        id: Uuid,
        link: LinkChange<'s>,
        made: Made,
        held: &Held,
    ) -> Result<Vec<(Verb, Vec<Target>, Asks)>> {
        let relation = link.relation;
        let target = self.schema().target(relation);
        let is_new = made == Made::Here && relation.rule == LinkRule::Declared && matches!(relation.link, Link::Through { .. });
        if !is_new {
            self.require_link(id, relation, held)?;
        }
        if relation.name == "join_groups" && link.targets.iter().any(|t| t.id == ADMINISTRATORS) {
            let words = "Nobody becomes an administrator by signing up.";
            return Err(Error::Invalid(vec![Fault::new("administrators", words).at("/data")]));
        }
        let (added, removed) = match link.verb {
            Verb::Add => (link.targets, vec![]),
            Verb::Remove => (vec![], link.targets),
            Verb::Replace => {
                let seen = self.visible(entity, id, &link).await?;
                let gone = seen
                    .iter()
                    .filter(|s| !link.targets.iter().any(|t| t.id == **s))
                    .map(|s| Target { id: *s, bits: None })
                    .collect();
                let new = link.targets.into_iter().filter(|t| !seen.contains(&t.id) || t.bits.is_some()).collect();
                (new, gone)
            }
        };
        let at = match made {
            Made::Alone => "/data".to_owned(),
            Made::Before | Made::Here => format!("/data/relationships{}", step(&relation.name)),
        };
        let mut judged = vec![];
        for (verb, targets) in [(Verb::Add, added), (Verb::Remove, removed)] {
            if !targets.is_empty() {
                let asks = self.judge_targets(entity, id, relation, target, verb, &targets, held).await;
                let asks = asks.map_err(|error| error.within(&at))?;
                judged.push((verb, targets, if is_new { Asks::Judged } else { asks }));
            }
        }
        Ok(judged)
    }

    /// What a change of links asks of the other rows.
    #[allow(clippy::too_many_arguments)] // both ends of a link
    async fn judge_targets(
        &mut self,
        entity: &'s Entity,
        id: Uuid,
        relation: &Relation,
        target: &'s Entity,
        verb: Verb,
        targets: &[Target],
        held: &Held,
    ) -> Result<Asks> {
        let ids: Vec<Uuid> = targets.iter().map(|t| t.id).collect();
        let is_added = verb == Verb::Add;
        let refer: &[(&Entity, Right)] = if is_added { &[(target, Right::Refer)] } else { &[] };
        match (relation.rule, &relation.link) {
            (LinkRule::Membership, _) => self.judge_membership(entity, id, target, is_added, &ids, held).await,
            (LinkRule::Declared, Link::Inverse { column }) => {
                let others = self.judge(target, &ids, &[(target, Right::Update)], Some(Lock::changed(Right::Update))).await?;
                ids.iter().try_for_each(|i| others.require(*i, Right::Update))?;
                if is_added {
                    held.require(id, Right::Refer)?;
                } else if self.schema().inverse(relation).is_some_and(|r| r.required) {
                    return Err(Error::Invalid(vec![Fault::new(
                        "required",
                        format!("`{column}` of {} is required.", target.name),
                    )]));
                }
                // (An action names one of the others at a time.)
                let is_lifted = ids.iter().all(|i| self.lifted.holds(*i, Right::Update));
                Ok(if is_lifted { Asks::Judged } else { Asks::Update })
            }
            (rule, _) => {
                let others = self.judge(target, &ids, refer, is_added.then(|| Lock::linked(Right::Refer))).await?;
                if is_added {
                    ids.iter().try_for_each(|i| others.require(*i, Right::Refer))?;
                }
                Ok(match rule {
                    LinkRule::Grant if self.lifted.made.contains(&id) => Asks::Judged,
                    LinkRule::Grant => Asks::Chmod,
                    _ if self.lifted.holds(id, Right::Update) => Asks::Judged,
                    _ => Asks::Update,
                })
            }
        }
    }

    /// A membership is made and removed by whoever has update on the group; adding also asks refer on the person; a person
    /// may always leave. Only administrators change who is an administrator.
    async fn judge_membership(
        &mut self,
        entity: &'s Entity,
        id: Uuid,
        target: &'s Entity,
        is_added: bool,
        ids: &[Uuid],
        held: &Held,
    ) -> Result<Asks> {
        let from_group = entity.name == "usergroup";
        let (users, groups) = (self.schema().system("user_account"), self.schema().system("usergroup"));
        let only_leaves = !is_added && ids.iter().all(|other| Some(if from_group { *other } else { id }) == held.caller);
        let gates: &[(&Entity, Right)] = match (only_leaves, is_added) {
            (true, _) => &[],
            (_, true) => &[(groups, Right::Update), (users, Right::Refer)],
            (_, false) => &[(groups, Right::Update)],
        };
        let lock = match from_group {
            true => is_added.then(|| Lock::linked(Right::Refer)),
            false => Some(Lock::changed(Right::Update)),
        };
        let others = self.judge(target, ids, gates, lock).await?;
        for other in ids {
            let (group, person) = if from_group { (id, *other) } else { (*other, id) };
            let leaves = !is_added && Some(person) == held.caller;
            if group == ADMINISTRATORS {
                self.guard_administrators().await?;
                if !held.is_administrator() && !leaves {
                    return Err(held.refusal());
                }
            }
            if leaves {
                continue;
            }
            let (groups, people) = if from_group { (held, &others) } else { (&others, held) };
            groups.require(group, Right::Update)?;
            if is_added {
                people.require(person, Right::Refer)?; // removing asks nothing of them, and tells nothing
            }
        }
        Ok(Asks::Judged)
    }
}

/// How the row in the path is locked while its links change: for who passes what that asks of it.
pub(super) fn own_lock(entity: &Entity, relation: &Relation) -> Option<Lock> {
    match (relation.rule, &relation.link) {
        (LinkRule::Grant | LinkRule::Owner, _) => Some(Lock::chmod()),
        (LinkRule::Membership, _) if entity.name == "usergroup" => Some(Lock::changed(Right::Update)),
        // Of two who say which rows there are, one is first.
        (LinkRule::Membership | LinkRule::Declared, Link::Inverse { .. }) | (LinkRule::Membership, _) => {
            Some(Lock::changed(Right::Refer))
        }
        (LinkRule::Declared, _) => Some(Lock::changed(Right::Update)),
        (LinkRule::System, _) => None,
    }
}
