//! Updates: what of a change is the caller's to make, in the order of `permissions.md` §5, and what follows from it.

use futures_util::future::BoxFuture;

use super::explain::explain;
use super::held::Held;
use super::link::{Made, own_lock};
use super::{Deed, UPDATE, gates, ones};
use crate::error::{Error, Fault, Result};
use crate::permission::Right;
use crate::plan::change::Change;
use crate::request::precondition::Expected;
use crate::schema::{Column, LinkRule, Unique, Write};
use crate::statement::verdict::Lock;
use crate::statement::{account, attempt, write};

impl<'s> Deed<'s> {
    /// Updates a row.
    ///
    /// # Errors
    /// 401, 403, 404, 409, 412, 422, 428, in the order of `permissions.md` §5.
    pub async fn update(&mut self, change: Change<'s>, expected: &Expected) -> Result<()> {
        self.update_as(change, expected, false).await
    }

    /// Updates a row for an action, which may set what is read-only after creation.
    ///
    /// # Errors
    /// As [`Deed::update`].
    pub fn update_by_action(&mut self, change: Change<'s>) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.update_as(change, &Expected::Whichever, true))
    }

    async fn update_as(&mut self, mut change: Change<'s>, expected: &Expected, by_action: bool) -> Result<()> {
        let (entity, id) = (change.entity, change.id);
        let gates = gates(self.schema(), entity, UPDATE.entity, &change.links);
        let only_links = change.owner.is_none()
            && change.groups.is_none()
            && change.sets.is_empty()
            && change.echoes.is_empty()
            && change.faults.is_empty()
            && !change.links.is_empty();
        // A change of links alone asks what its links ask; anything else asks update.
        let right = if only_links { Right::Peek } else { UPDATE.row.unwrap_or(Right::Update) };
        let is_key = change.sets.iter().any(|(column, _)| column.unique != Unique::No);
        let lock = match (only_links, is_key) {
            (true, _) => change.links.iter().find_map(|link| own_lock(entity, link.relation)),
            (false, true) => Some(Lock::keyed(right)),
            (false, false) => Some(Lock::changed(right)),
        };
        let held = self.judge(entity, &[id], &gates, lock).await?;
        held.require(id, right)?;
        self.drop_unchanged(&mut change, by_action, &held).await?;
        self.require_writers(&held, id, &change.sent, &change.sets)?;
        self.require_owner(&held, &change).await?;
        let after_create = change.sets.iter().find(|(c, _)| c.write == Write::OnCreate);
        if let Some((column, _)) = after_create.filter(|_| !by_action && !held.is_administrator()) {
            let words = format!("`{}` is changed by actions.", column.name);
            return Err(Error::Forbidden(Some(Fault::new("read-only", words).at(format!("/data/attributes/{}", column.name)))));
        }
        self.refer_ones(&held, &change).await?;
        change.clean(place(by_action));
        if !change.faults.is_empty() {
            // It fails anyway; but what is wrong is told only to those who may do what they ask.
            for link in change.links.iter().filter(|l| l.relation.is_many()) {
                match self.judge_links(entity, id, link.clone(), Made::Before, &held).await {
                    Err(error) if matches!(error.inner(), Error::Invalid(_)) => change.faults.extend(error.faults()),
                    asked => _ = asked?,
                }
            }
        }
        change.forbidden = self.echoed(&held, &change).await?.or(change.forbidden);
        held.require_version(entity, id, expected)?;
        change.check()?;
        if entity.name == "user_account" {
            self.renew_address(&mut change, by_action).await?;
            if change.sets.iter().any(|(c, _)| c.name == "active") {
                self.guard_administrators().await?;
            }
        }
        let mut ones: Vec<_> = ones(&change).collect();
        self.keep_hidden(entity, id, &change.links, &mut ones).await?;
        if !change.sets.is_empty() || !ones.is_empty() || change.groups.is_some() {
            let parts = [write::Parts { id, sets: change.finished()?, ones: &ones, groups: change.groups.as_deref() }];
            let lifts = self.lifted.of(entity, Some(id), Right::Update);
            let statement = write::update(entity, &parts, lifts, self.caller.counts()?);
            let changed = self.scope.run(&statement).await.map_err(|e| explain(self.planner.schema, entity, &change.sets, e))?;
            if changed == 0 {
                return Err(self.refused_now(entity, id, Right::Update).await);
            }
        }
        self.forget(&change, &held).await?;
        let links = std::mem::take(&mut change.links);
        for link in links.into_iter().filter(|l| l.relation.is_many()) {
            let expected = if by_action { Expected::Whichever } else { Expected::Any }; // the row's own was asked
            self.change_links(entity, id, link, Made::Before, &expected).await?;
        }
        self.check_group(entity, id, &held).await
    }

    /// What asks the owner's rights: permission bits, and giving the row away.
    async fn require_owner(&mut self, held: &Held, change: &Change<'_>) -> Result<()> {
        let (entity, id) = (change.entity, change.id);
        let chmods = change.sets.iter().any(|(c, _)| c.write == Write::Owner);
        let gives_away = change.links.iter().any(|l| l.relation.rule == LinkRule::Owner);
        if (chmods || gives_away) && (!held.may_chmod(id) || !held.has(id, Right::Update)) {
            return Err(held.not_owner());
        }
        let is_declared = entity.name == "usergroup" && (gives_away || change.sets.iter().any(|(c, _)| c.name == "name"));
        if is_declared && self.is_declared(id).await? {
            let words = "A group that a schema file names keeps its name, and has no owner.";
            return Err(Error::Forbidden(Some(Fault::new("declared", words).at("/data"))));
        }
        if change.links.iter().any(|l| l.relation.rule == LinkRule::Owner && l.targets.is_empty()) {
            let words = "An owner is given away to somebody, not taken away.";
            return Err(Error::Invalid(vec![Fault::new("required", words).at("/data")]));
        }
        Ok(())
    }

    /// What a row is linked to from now on, where that is one.
    async fn refer_ones(&mut self, held: &Held, change: &Change<'s>) -> Result<()> {
        for link in change.links.iter().filter(|l| !l.relation.is_many()) {
            if link.relation.rule == LinkRule::System && !link.is_by_action() {
                return Err(Error::Forbidden(Some(Fault::new(
                    "read-only",
                    format!("`{}` is set by the system.", link.relation.name),
                ))));
            }
            held.require(change.id, Right::Update)?;
            self.refer(link).await?;
        }
        Ok(())
    }

    /// What the system sets may be sent as it is; but who may not read the row is not told whether they guessed a value.
    async fn echoed(&mut self, held: &Held, change: &Change<'_>) -> Result<Option<Fault>> {
        if change.echoes.is_empty() {
            return Ok(None);
        }
        let is_seen = change.echoes.iter().all(|(c, _)| held.is_of(change.id, c.readers.as_ref()));
        let is_seen = is_seen && !self.readable(change.entity, &[change.id]).await?.is_empty();
        let same = self.scope.run(&write::unchanged(change.entity, change.id, &change.echoes)).await?;
        let others = change.echoes.iter().zip(same).filter(|(_, same)| !(is_seen && *same)).map(|((column, _), _)| *column);
        let others: Vec<&Column> = others.collect();
        // A whole record that was read before somebody else changed the row.
        if is_seen && others.iter().any(|column| column.name == "version") {
            let words = "The row has changed since this `version` of it was read: read it again, and change what it is now.";
            return Err(Error::conflict(Fault::new("stale", words).at("/data/attributes/version")));
        }
        let read_only = |column: &&Column| {
            let words = format!("`{}` is {}.", column.name, change.entity.setter(&column.name));
            Fault::new("read-only", words).at(format!("/data/attributes/{}", column.name))
        };
        Ok(others.first().map(read_only))
    }

    /// An address that is sent as it is, is no new one; a new one nobody has proved, unless they say so. What an action does
    /// with an address is its own, whichever there is.
    async fn renew_address(&mut self, change: &mut Change<'s>, by_action: bool) -> Result<()> {
        let Some(at) = change.sets.iter().position(|(c, _)| c.name == "email") else { return Ok(()) };
        let same = self.scope.run(&write::unchanged(change.entity, change.id, &change.sets[at..=at])).await?;
        if !by_action && same.iter().all(|same| *same) {
            change.sets.remove(at);
        } else if !change.sets.iter().any(|(c, _)| c.name == "email_verified") {
            change.sets.extend(change.entity.column("email_verified").map(|column| (column, Some("false".to_owned()))));
        }
        Ok(())
    }

    /// What a user who isn't who they were can't go on with: the sessions of who is inactive, and tokens in mail.
    async fn forget(&mut self, change: &Change<'_>, held: &Held) -> Result<()> {
        if change.entity.name != "user_account" {
            return Ok(());
        }
        if change.sets.iter().any(|(c, v)| c.name == "active" && v.as_deref() == Some("false")) {
            self.scope.run(&account::end_sessions(change.id)).await?;
            self.scope.run(&account::forget_tokens(change.id, true)).await?;
            if held.caller == Some(change.id) {
                self.leave();
            }
        }
        if change.sets.iter().any(|(c, _)| c.name == "email" || c.name == "password") {
            self.scope.run(&account::forget_tokens(change.id, false)).await?;
        }
        if change.sets.iter().any(|(c, _)| c.name == "password") {
            self.scope.run(&attempt::forget_account(change.id)).await?;
        }
        Ok(())
    }

    /// What is sent back as it is, and isn't the sender's to change, is no change.
    async fn drop_unchanged(&mut self, change: &mut Change<'s>, by_action: bool, held: &Held) -> Result<()> {
        let id = change.id;
        let is_owner = held.may_chmod(id) && held.has(id, Right::Update);
        let is_theirs = |write: Write| match write {
            Write::Owner => is_owner,
            Write::OnCreate => by_action || held.is_administrator(),
            Write::Anyone | Write::System => true,
        };
        let may_set = |c: &Column| is_theirs(c.write) && held.is_of(id, c.writers.as_ref());
        if change.sets.iter().any(|(c, _)| c.kind.is_dear() && !may_set(c)) {
            change.clean(place(by_action)); // whether a value is as it was, is told by what is made of it
        }
        let (kept, doubted): (Vec<_>, Vec<_>) = change.sets.drain(..).partition(|(c, _)| may_set(c));
        change.sets = kept;
        if doubted.is_empty() {
            return Ok(());
        }
        let is_readable = !self.readable(change.entity, &[id]).await?.is_empty();
        for one in doubted {
            let same = self.scope.run(&write::unchanged(change.entity, id, std::slice::from_ref(&one))).await?;
            let is_seen = is_readable && one.0.is_served() && held.is_of(id, one.0.readers.as_ref());
            if !(is_seen && same.iter().all(|same| *same)) {
                change.sets.push(one);
            }
        }
        Ok(())
    }
}

/// Where a client finds the attributes that a fault speaks of.
fn place(by_action: bool) -> &'static str {
    if by_action { "/attributes" } else { "/data/attributes" }
}
