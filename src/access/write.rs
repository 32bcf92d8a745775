//! Writes: verdicts in the order of `permissions.md` §5, then the change, all in one transaction.
//!
//! In charge of: which rights a create, update or delete asks of which rows; [`link`] is in charge of links.

pub mod brief;
mod explain;
mod guard;
mod held;
pub mod link;
pub mod many;
pub mod once;
mod seen;
mod update;

use futures_util::future::BoxFuture;
use serde_json::Value as Json;
use uuid::Uuid;

use crate::account::Caller;
use crate::error::{Error, Fault, Result};
use crate::permission::{Class, Right};
use crate::plan::Planner;
use crate::plan::change::{Change, LinkChange, Verb};
use crate::request::once::Once;
use crate::request::precondition::Expected;
use crate::schema::{Column, Entity, Link, LinkRule, Relation, Schema};
use crate::statement::event::Origin;
use crate::statement::query::Internal;
use crate::statement::verdict::{self, Lock};
use crate::statement::write::{self, Insert};
use crate::store::{Scope, Store};
use explain::explain;
pub use held::Lifted;
use held::{Held, not_to_set};
use link::Made;

/// What is asked before an operation: of the entity, and of the row.
struct Phases {
    entity: Right,
    row: Option<Right>,
}

const CREATE: Phases = Phases { entity: Right::Create, row: None };
const UPDATE: Phases = Phases { entity: Right::Update, row: Some(Right::Update) };
const DELETE: Phases = Phases { entity: Right::Delete, row: Some(Right::Delete) };

/// A transaction in which somebody changes rows. Whose it is can't be changed on the way:
///
/// ```
/// fn whose(deed: &mut rowhouse::access::write::Deed<'_>) { deed.lifted = Default::default(); }
/// ```
/// ```compile_fail
/// fn whose(deed: &mut rowhouse::access::write::Deed<'_>) { deed.caller = Default::default(); }
/// ```
pub struct Deed<'s> {
    /// Who plans its reads.
    pub planner: Planner<'s>,
    caller: Caller,
    /// The transaction, for reading back what was done.
    pub scope: Scope,
    guards_administrators: bool,
    /// Groups that were deleted: their ids are swept from rows afterwards.
    dead: Vec<Uuid>,
    store: Store,
    /// The key that it is done under, and whose that is.
    once: Option<(Once, Uuid)>,
    /// Rights that an action declares. Empty for `/api`.
    pub lifted: Lifted,
}

impl<'s> Deed<'s> {
    /// Begins.
    ///
    /// # Errors
    /// 503.
    pub async fn begin(store: &Store, planner: Planner<'s>, caller: Caller, origin: &Origin<'_>) -> Result<Deed<'s>> {
        if store.is_outdated() {
            return Err(Error::SchemaChanged);
        }
        Ok(Deed::of(store.begin_for(caller.counts()?, origin).await?, store, planner, caller))
    }

    /// Begins what writes nothing: PostgreSQL sees to that.
    ///
    /// # Errors
    /// 503.
    pub async fn begin_reading(store: &Store, planner: Planner<'s>, caller: Caller) -> Result<Deed<'s>> {
        Ok(Deed::of(store.begin_reading().await?, store, planner, caller))
    }

    fn of(scope: Scope, store: &Store, planner: Planner<'s>, caller: Caller) -> Deed<'s> {
        let (store, lifted) = (store.clone(), Lifted::default());
        Deed { planner, caller, scope, guards_administrators: false, dead: vec![], store, once: None, lifted }
    }

    /// Lets those hear of it who may refuse it, and keeps what was done, where a key was taken. From here on it is only read
    /// back, and completed: there is no other way to make it last.
    ///
    /// # Errors
    /// What a listener refused with.
    pub async fn settle<F>(self, hear: impl FnOnce(Deed<'s>) -> F, kept: Json) -> Result<Settled<'s>>
    where
        F: Future<Output = Result<Deed<'s>>>,
    {
        let mut deed = hear(self).await?;
        deed.keep(kept).await?;
        Ok(Settled { deed })
    }

    /// What is asked of the whole before it lasts; also where it is only rehearsed.
    ///
    /// # Errors
    /// 409 when it would leave no active administrator.
    pub async fn check(&mut self) -> Result<()> {
        match self.guards_administrators && self.administrators().await? == 0 {
            true => Err(Error::conflict(Fault::new("last-administrator", "This would leave no active administrator."))),
            false => Ok(()),
        }
    }

    /// Who changes rows, as of now.
    pub fn caller(&self) -> Caller {
        self.caller
    }

    fn schema(&self) -> &'s Schema {
        self.planner.schema
    }

    /// Asks a right on one row, and on its entity.
    ///
    /// # Errors
    /// 401, 403, 404.
    pub async fn require(&mut self, entity: &Entity, id: Uuid, right: Right) -> Result<()> {
        self.judge(entity, &[id], &[(entity, right)], Some(Lock::linked(right))).await?.require(id, right)
    }

    /// Asks a right on one row, and on its entity, of who wants nobody else at it until the end.
    ///
    /// # Errors
    /// 401, 403, 404.
    pub async fn require_alone(&mut self, entity: &Entity, id: Uuid, right: Right) -> Result<()> {
        self.judge(entity, &[id], &[(entity, right)], Some(Lock::keyed(right))).await?.require(id, right)
    }

    /// Asks the entities of a change, before anything is done that costs much.
    ///
    /// # Errors
    /// 401, 403.
    pub async fn require_entities(&mut self, change: &Change<'s>) -> Result<()> {
        let phases = if change.is_new { CREATE } else { UPDATE };
        let gates = gates(self.schema(), change.entity, phases.entity, &change.links);
        self.judge(change.entity, &[], &gates, None).await.map(|_| ())
    }

    /// Asks a right on an entity.
    ///
    /// # Errors
    /// 401, 403.
    pub async fn require_entity(&mut self, entity: &Entity, right: Right) -> Result<()> {
        self.judge(entity, &[], &[(entity, right)], None).await.map(|_| ())
    }

    /// Asks that the caller is an administrator.
    ///
    /// # Errors
    /// 401, 403.
    pub async fn require_administrator(&mut self, entity: &Entity) -> Result<()> {
        let held = self.judge(entity, &[], &[], None).await?;
        if held.is_administrator() { Ok(()) } else { Err(held.refusal()) }
    }

    /// Whose session it is, where it is somebody's.
    ///
    /// # Errors
    /// 503.
    pub async fn user(&mut self, entity: &Entity) -> Result<Option<Uuid>> {
        Ok(self.judge(entity, &[], &[], None).await?.caller)
    }

    /// Asks that the caller may peek a row by more than the guests' bit.
    ///
    /// # Errors
    /// 404.
    pub async fn require_beyond_guest(&mut self, entity: &Entity, id: Uuid) -> Result<()> {
        match self.scope.run(&verdict::is_peeked_beyond_guest(entity, id, self.caller.counts()?)).await? {
            true => Ok(()),
            false => Err(Error::NotFound),
        }
    }

    /// Asks a right on an entity that an input names: what an action declares isn't meant for it.
    ///
    /// # Errors
    /// 401, 403.
    pub async fn require_named_entity(&mut self, entity: &Entity, right: Right) -> Result<()> {
        let lifted = std::mem::take(&mut self.lifted);
        let asked = self.require_entity(entity, right).await;
        self.lifted = lifted;
        asked
    }

    /// Creates a row.
    ///
    /// # Errors
    /// 401, 403, 404, 409, 422, in the order of `permissions.md` §5.
    pub async fn create(&mut self, change: Change<'s>) -> Result<()> {
        self.create_as(change, None, &Expected::Any).await
    }

    /// Creates a row, for an action that may name its owner.
    ///
    /// # Errors
    /// As [`Deed::create`].
    pub fn create_for(&mut self, change: Change<'s>, owner: Option<Uuid>) -> BoxFuture<'_, Result<()>> {
        Box::pin(self.create_as(change, owner, &Expected::Whichever))
    }

    async fn create_as(&mut self, mut change: Change<'s>, owner: Option<Uuid>, expected: &Expected) -> Result<()> {
        let entity = change.entity;
        let gates = gates(self.schema(), entity, CREATE.entity, &change.links);
        self.keep_caller(&change, &gates).await?;
        let held = self.judge(entity, &[], &gates, None).await?;
        // A row that links to itself is asked when it is there.
        let (own, others): (Vec<_>, Vec<_>) =
            change.links.iter().cloned().partition(|link| link.targets.iter().any(|target| target.id == change.id));
        for link in &others {
            self.judge_create_link(&held, link).await?;
        }
        let callers = self.default_callers(&held, &change)?;
        let is_open = self.require_possible_writers(&held, &change)?;
        change.clean(if *expected == Expected::Whichever { "/attributes" } else { "/data/attributes" });
        change.check()?;
        let sent = change.sent.clone();
        let ones: Vec<_> = ones(&change).filter(|(column, _)| *column != "owner" || change.owner.is_some()).collect();
        let groups = change.groups.as_deref();
        let parts = [write::Parts { id: change.id, sets: change.finished()?, ones: &ones, groups }];
        let is_lifted = self.lifted.entity(entity, Right::Create);
        let insert = Insert { entity, owner, is_lifted, rows: &parts, callers: &callers };
        let made = match self.scope.run(&write::insert(&insert, self.caller.counts()?)).await {
            // A clash would tell of a value that may not be theirs to set.
            Err(Error::Conflict(_)) if is_open => return Err(held.refusal()),
            made => made.map_err(|e| explain(self.planner.schema, entity, &change.sets, e))?,
        };
        if made == 0 {
            return Err(self.refusal(&held).await);
        }
        for link in &own {
            self.judge_create_link(&held, link).await?;
        }
        if entity.name == "user_account" {
            self.scope.run(&write::join_groups(change.id)).await?;
        }
        let links = std::mem::take(&mut change.links);
        for link in links.into_iter().filter(|l| l.relation.is_many()) {
            self.change_links(entity, change.id, LinkChange { verb: Verb::Add, ..link }, Made::Here, expected).await?;
        }
        self.check_group(entity, change.id, &held).await?;
        if is_open {
            // Who may set a column is told by the row, which is there now; what a default sets is nobody's deed.
            let made = self.judge_anyway(entity, change.id).await?;
            self.require_writers(&made, change.id, &sent, &change.sets)?;
        }
        Ok(())
    }

    /// Locks the caller's row where a new row leads to it by itself, for who passes the entities: before the verdict, which is
    /// on what the lock waited for.
    async fn keep_caller(&mut self, change: &Change<'s>, gates: &[(&Entity, Right)]) -> Result<()> {
        let Some(session) = self.caller.session.filter(|_| unsaid_callers(change).next().is_some()) else { return Ok(()) };
        self.scope.run(&verdict::lock_caller(&self.unlifted(gates), session)).await
    }

    /// The columns that link a new row to the caller, where nothing else was sent.
    fn default_callers(&self, held: &Held, change: &Change<'s>) -> Result<Vec<&'s str>> {
        if held.caller.is_none() && unsaid_callers(change).any(|r| r.required) {
            return Err(held.refusal()); // it would be linked to nobody
        }
        Ok(unsaid_callers(change).filter_map(Relation::foreign_key).collect())
    }

    /// Columns that not everybody may set who may change the row: 403 with the attribute's pointer.
    fn require_writers(&self, held: &Held, id: Uuid, sent: &[String], sets: &[(&Column, Option<String>)]) -> Result<()> {
        if self.lifted.holds(id, Right::Update) || held.is_administrator() {
            return Ok(());
        }
        let not_theirs = |(c, _): &&(&Column, Option<String>)| sent.contains(&c.name) && !held.is_of(id, c.writers.as_ref());
        sets.iter().find(not_theirs).map_or(Ok(()), |(column, _)| Err(not_to_set(held, column)))
    }

    /// Columns that a creator can't be permitted to set, whatever the new row will be granted to: told before anything of
    /// their values is. Gives whether the row itself has to tell of others.
    fn require_possible_writers(&self, held: &Held, change: &Change<'_>) -> Result<bool> {
        if held.is_administrator() || self.lifted.entity(change.entity, Right::Update) {
            return Ok(false); // what an action makes is its own to change, where it declares update
        }
        let mut is_open = false;
        for (column, _) in change.sets.iter().filter(|(c, _)| change.sent.contains(&c.name)) {
            let Some(classes) = &column.writers else { continue };
            let is_certain = classes.contains(&Class::Guest) || classes.contains(&Class::Owner) && held.caller.is_some();
            if !is_certain && (held.caller.is_none() || !classes.contains(&Class::Group)) {
                return Err(not_to_set(held, column));
            }
            is_open |= !is_certain;
        }
        Ok(is_open)
    }

    /// Deletes a row.
    ///
    /// # Errors
    /// 401, 403, 404, 409, 412, 428, in the order of `permissions.md` §5.
    pub async fn delete(&mut self, entity: &'s Entity, id: Uuid, expected: &Expected) -> Result<()> {
        self.delete_as(entity, id, expected, false).await
    }

    /// Deletes a row for an action.
    ///
    /// # Errors
    /// As [`Deed::delete`].
    pub async fn delete_by_action(&mut self, entity: &'s Entity, id: Uuid) -> Result<()> {
        self.delete_as(entity, id, &Expected::Whichever, true).await
    }

    async fn delete_as(&mut self, entity: &'s Entity, id: Uuid, expected: &Expected, by_action: bool) -> Result<()> {
        let lock = Lock::keyed(Right::Delete);
        let held = self.judge(entity, &[id], &[(entity, DELETE.entity)], Some(lock)).await?;
        held.require(id, DELETE.row.unwrap_or(Right::Delete))?;
        if entity.name == "usergroup" && self.is_declared(id).await? {
            return Err(Error::Forbidden(Some(Fault::new("declared", "A group that a schema file names can't be deleted."))));
        }
        if entity.name == "user_account" && held.caller == Some(id) && !by_action {
            let words = "One's own account goes by the action delete_me, which asks for the password.";
            return Err(Error::Forbidden(Some(Fault::new("own-account", words))));
        }
        held.require_version(entity, id, expected)?;
        if entity.name == "user_account" {
            self.guard_administrators().await?;
        }
        if let Some(holders) = verdict::holders(self.planner.schema, entity, id, self.caller.counts()?) {
            let holders = self.scope.run(&holders).await?;
            let seen = holders.iter().filter(|holders| holders.readable > 0);
            let faults: Vec<Fault> = seen.map(|holders| Fault::new("in-use", holders.words())).collect();
            match (faults.is_empty(), holders.is_empty()) {
                (true, true) => {}
                (true, false) => return Err(Error::conflict(Fault::new("in-use", "Other rows still need this one."))),
                (false, _) => return Err(Error::Conflict(faults)),
            }
        }
        let lifts = self.lifted.of(entity, Some(id), Right::Delete);
        let deleted = self.scope.run(&write::delete(entity, &[id], lifts, self.caller.counts()?)).await?;
        if deleted == 0 {
            return Err(self.refused_now(entity, id, Right::Delete).await);
        }
        match entity.name.as_str() {
            "usergroup" => self.dead.push(id),
            "user_account" if held.caller == Some(id) => self.leave(),
            _ => {}
        }
        Ok(())
    }

    /// From here on the caller is a guest: they ended their own session, or themselves. What they began they may end.
    pub fn leave(&mut self) {
        self.caller = self.caller.left();
        self.scope.known = None;
    }
}

/// A transaction that everybody heard of who may refuse it. It is the one end of every write:
///
/// ```
/// async fn end(settled: rowhouse::access::write::Settled<'_>) { settled.complete().await; }
/// ```
/// ```compile_fail
/// async fn end(deed: rowhouse::access::write::Deed<'_>) { deed.complete().await; }
/// ```
/// ```compile_fail
/// async fn end(deed: rowhouse::access::write::Deed<'_>) { deed.scope.commit().await; }
/// ```
pub struct Settled<'s> {
    deed: Deed<'s>,
}

impl<'s> Settled<'s> {
    /// For reading back.
    pub fn deed(&mut self) -> &mut Deed<'s> {
        &mut self.deed
    }

    /// Makes it last.
    ///
    /// # Errors
    /// 409 when it would leave no active administrator; what the commit ran into.
    pub async fn complete(self) -> Result<()> {
        let mut deed = self.deed;
        deed.check().await?;
        deed.scope.commit().await?;
        // Dead ids grant nothing and are never shown; what is left of them goes in its own time.
        if !deed.dead.is_empty() {
            let entities = deed.planner.schema.entities();
            let statements = deed.dead.iter().flat_map(|id| entities.iter().map(|e| write::sweep(e, *id))).collect();
            tokio::spawn(sweep(deed.store, statements));
        }
        Ok(())
    }
}

/// Runs each statement until it changes nothing any more. What goes wrong is left: the ids harm nobody.
async fn sweep(store: Store, statements: Vec<Internal<usize>>) {
    for statement in &statements {
        while store.read(statement).await.is_ok_and(|swept| swept > 0) {}
    }
}

/// The entities that a change names, and what is asked of each.
fn gates<'s>(schema: &'s Schema, entity: &'s Entity, right: Right, links: &[LinkChange<'s>]) -> Vec<(&'s Entity, Right)> {
    let mut gates = vec![(entity, right)];
    let named =
        links.iter().filter(|l| !l.targets.is_empty() && !matches!(l.relation.rule, LinkRule::Owner | LinkRule::Membership));
    for link in named {
        let target = schema.target(link.relation);
        let asked = if matches!(link.relation.link, Link::Inverse { .. }) { Right::Update } else { Right::Refer };
        if !gates.iter().any(|(e, r)| e.at == target.at && *r == asked) {
            gates.push((target, asked));
        }
    }
    gates
}

/// Relations that link a new row to its caller, where nothing else was said.
fn unsaid_callers<'a, 's>(change: &'a Change<'s>) -> impl Iterator<Item = &'s Relation> + use<'a, 's> {
    let is_unsaid = |r: &&Relation| r.default_caller && !change.links.iter().any(|l| l.relation.name == r.name);
    change.entity.relations.iter().filter(move |r| change.is_new && is_unsaid(r))
}

/// To-one links, as columns; and an owner that is brought along.
fn ones<'s>(change: &Change<'s>) -> impl Iterator<Item = (&'s str, Option<Uuid>)> {
    let links = change.links.iter().filter_map(|l| match &l.relation.link {
        Link::One { column } => Some((column.as_str(), l.targets.first().map(|t| t.id))),
        _ => None,
    });
    links.chain(change.owner.map(|owner| ("owner", owner)))
}
