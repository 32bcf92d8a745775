//! Verdicts: what a caller may do with entities and rows, on rows that are locked before.
//!
//! In charge of: the lock, which is for who has passed what is asked, and the verdict in the statement after it, on what the lock
//! waited for. Aliases: `a` the caller · `t` a row.

use uuid::Uuid;

use super::query::{Guarded, Internal, Sql, all, any, done, ids, literal, one};
use super::row::Row;
use super::who::{gate, who};
use crate::error::Result;
use crate::permission::{Actor, Class, Right};
use crate::schema::{Entity, Link, OnDelete, Relation, Schema, quote};

/// What is asked before something is changed.
#[derive(Debug)]
pub struct Verdict<'a> {
    /// Whose rows.
    pub entity: &'a Entity,
    /// Which rows.
    pub ids: &'a [Uuid],
    /// Of these, rows that exist for an action that declares rights, whether or not the caller may peek them.
    pub lifted: &'a [Uuid],
    /// Entities, and what is asked of each.
    pub gates: &'a [(&'a Entity, Right)],
    /// How the rows are locked; none: not at all.
    pub lock: Option<Lock>,
}

/// How rows are locked, and for whom.
#[derive(Debug, Clone, Copy)]
pub struct Lock {
    /// How.
    pub strength: Strength,
    /// What is asked of a row before it is locked.
    pub asks: LockAsks,
}

/// What is asked of a row before it is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LockAsks {
    /// A right.
    Right(Right),
    /// That its permission, owner and grants are the caller's to change.
    Chmod,
}

/// How rows are locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strength {
    /// So that they stay.
    Linked,
    /// So that nobody else changes them.
    Changed,
    /// So that nobody links to them either: they go, or a column changes by which they may be linked to.
    Keyed,
}

impl Lock {
    /// So that a row stays, for who has a right to it.
    pub fn linked(right: Right) -> Lock {
        Lock { strength: Strength::Linked, asks: LockAsks::Right(right) }
    }

    /// So that nobody else changes it.
    pub fn changed(right: Right) -> Lock {
        Lock { strength: Strength::Changed, asks: LockAsks::Right(right) }
    }

    /// So that nobody links to it either.
    pub fn keyed(right: Right) -> Lock {
        Lock { strength: Strength::Keyed, asks: LockAsks::Right(right) }
    }

    /// So that nobody else changes it, for who may change its permission, owner and grants.
    pub fn chmod() -> Lock {
        Lock { strength: Strength::Changed, asks: LockAsks::Chmod }
    }

    fn sql(self) -> &'static str {
        match self.strength {
            Strength::Linked => "for key share",
            Strength::Changed => "for no key update",
            Strength::Keyed => "for update",
        }
    }
}

/// What the database says of a caller, entities and rows.
#[derive(Debug)]
pub struct Judged {
    /// The caller's user row; none: a guest.
    pub caller: Option<Uuid>,
    /// Whether they are an administrator.
    pub is_administrator: bool,
    /// For each entity that was asked, whether it grants the right.
    pub gates: Vec<bool>,
    /// The rows that the caller may peek.
    pub rows: Vec<JudgedRow>,
}

/// What the caller may do with a row.
#[derive(Debug, Clone)]
pub struct JudgedRow {
    /// Which.
    pub id: Uuid,
    /// The bits of the rights.
    pub rights: i64,
    /// Whether its permission, owner and grants are the caller's to change.
    pub may_chmod: bool,
    /// Whether it is the caller's.
    pub is_owned: bool,
    /// Whether it is granted to a group of the caller's.
    pub is_granted: bool,
    /// Its version.
    pub version: i64,
}

/// Locks rows of which the caller has what is asked, of them and of entities, in the order of their ids; gives them. The verdict is
/// the next statement's, on what the lock waited for.
pub fn lock(verdict: &Verdict<'_>, lock: Lock, session: Option<Uuid>) -> Guarded<Vec<Uuid>> {
    let Verdict { entity, ids: rows, lifted, gates, .. } = *verdict;
    let mut sql = Sql::new();
    let who = who(&mut sql, session);
    let rows = sql.bind(ids(rows));
    let t = entity.subject("t");
    let asks = match lock.asks {
        LockAsks::Right(right) => Actor::Row.rule(right, t),
        LockAsks::Chmod => Actor::Row.chmod("t"),
    };
    let mut held = format!("{} and {asks}", Actor::Row.rule(Right::Peek, t));
    if !lifted.is_empty() {
        held = format!("({held} or t.id = any({}::uuid[]))", sql.bind(ids(lifted)));
    }
    let open = granted(gates);
    let text = format!(
        "with {who}
select t.id from who a cross join lateral (
  select t.id from {} t where t.id = any({rows}::uuid[]) and {held}{open} order by t.id {}) t",
        entity.table(),
        lock.sql(),
    );
    Guarded::new(sql.with(text), all(|row| row.column(0)))
}

/// Locks the caller's own row so that it stays, for what will lead to it, where entities grant what is asked of them.
pub fn lock_caller(gates: &[(&Entity, Right)], session: Uuid) -> Guarded<()> {
    let mut sql = Sql::new();
    let who = who(&mut sql, Some(session));
    let text = format!(
        "with {who}
select from who a cross join lateral (
  select from user_account t where t.id = a.id{} for key share) t",
        granted(gates),
    );
    Guarded::new(sql.with(text), done)
}

/// That entities grant what is asked of each, as more conditions.
fn granted(gates: &[(&Entity, Right)]) -> String {
    gates.iter().map(|(entity, right)| format!(" and {}", gate(entity, *right))).collect()
}

/// Whether the caller may peek a row by more than the guests' bit.
pub fn is_peeked_beyond_guest(entity: &Entity, id: Uuid, session: Option<Uuid>) -> Guarded<bool> {
    let mut sql = Sql::new();
    let who = who(&mut sql, session);
    let id = sql.bind(id);
    let text = format!(
        "with {who}
select t.id from who a, {} t where t.id = {id}::uuid and ({})",
        entity.table(),
        Actor::Row.beyond_guest(Right::Peek, entity.subject("t")),
    );
    Guarded::new(sql.with(text), any)
}

/// How many rows are counted for people.
const COUNTED: i64 = 1000;

/// Rows that keep another from being deleted, by a relation to it.
#[derive(Debug)]
pub struct Holders {
    /// Whose rows.
    pub entity: String,
    /// By which relation.
    pub relation: String,
    /// How many of them the caller may read; at most [`COUNTED`].
    pub readable: i64,
}

impl Holders {
    /// For people.
    pub fn words(&self) -> String {
        let (entity, relation) = (&self.entity, &self.relation);
        match self.readable {
            1 => format!("1 row of `{entity}` still needs this one, by `{relation}`."),
            COUNTED.. => format!("{COUNTED} rows or more of `{entity}` still need this one, by `{relation}`."),
            count => format!("{count} rows of `{entity}` still need this one, by `{relation}`."),
        }
    }
}

/// The rows that keep a row from being deleted. None where nothing can.
pub fn holders(schema: &Schema, entity: &Entity, id: Uuid, session: Option<Uuid>) -> Option<Guarded<Vec<Holders>>> {
    let relations = schema.entities().iter().flat_map(|of| of.relations.iter().map(move |relation| (of, relation)));
    let keeps = |(_, relation): &(&Entity, &Relation)| {
        let is_own = matches!(relation.link, Link::One { .. }) && relation.name != "owner";
        is_own && relation.target == entity.at && relation.on_delete == OnDelete::Restrict
    };
    let keepers: Vec<(&Entity, &Relation)> = relations.filter(keeps).collect();
    if keepers.is_empty() {
        return None;
    }
    let mut sql = Sql::new();
    let (who, id) = (who(&mut sql, session), sql.bind(id));
    let counts = keepers.iter().map(|(of, relation)| {
        let leads = format!(
            "t.{} = {id}::uuid{}",
            quote(relation.foreign_key().unwrap_or_default()),
            if of.at == entity.at { format!(" and t.id <> {id}::uuid") } else { String::new() }
        );
        format!(
            "select {entity}::text, {relation}::text, (select count(*) from (
  select from {table} t where {leads} and {gate} and {held} limit {COUNTED}) c)
from who a
where exists (select from {table} t where {leads})",
            entity = literal(&of.name),
            relation = literal(&relation.name),
            table = of.table(),
            gate = gate(of, Right::Read),
            held = Actor::Row.rule(Right::Read, of.subject("t")),
        )
    });
    let text = format!("with {who}\n{}", counts.collect::<Vec<_>>().join("\nunion all\n"));
    let holders = all(|row| Ok(Holders { entity: row.column(0)?, relation: row.column(1)?, readable: row.column(2)? }));
    Some(Guarded::new(sql.with(text), holders))
}

/// Whether row `t` is one that the caller may peek, or works with for an action.
fn peeked(sql: &mut Sql, entity: &Entity, lifted: &[Uuid]) -> String {
    let peeked = Actor::Row.rule(Right::Peek, entity.subject("t"));
    if lifted.is_empty() { peeked } else { format!("({peeked} or t.id = any({}::uuid[]))", sql.bind(ids(lifted))) }
}

/// Asks what the caller may do with rows that they may peek. None where the session is over.
pub fn judge(verdict: &Verdict<'_>, session: Option<Uuid>) -> Guarded<Option<Judged>> {
    let Verdict { entity, ids: rows, lifted, gates, .. } = *verdict;
    let mut sql = Sql::new();
    let who = who(&mut sql, session);
    let rows = sql.bind(ids(rows));
    let t = entity.subject("t");
    let peeked = peeked(&mut sql, entity, lifted);
    let gates: Vec<_> = gates.iter().map(|(entity, right)| gate(entity, *right)).collect();
    let rights = Right::ALL.map(|r| format!("case when {} then {} else 0 end", Actor::Row.rule(r, t), r.bit()));
    let text = format!(
        "with {who},
a as materialized (select * from who),
rows as materialized (
  select t.* from a cross join lateral (
    select t.* from {} t where t.id = any({rows}::uuid[]) and {peeked} order by t.id) t)
select null::uuid, null::bigint, null::boolean, null::boolean, null::boolean, null::bigint, a.id, a.admin,
  array[{}]::boolean[]
from a
union all
select t.id, ({})::bigint, coalesce({}, false), {}, {}, t.version::bigint, null, null, null
from a cross join rows t where {peeked}",
        entity.table(),
        gates.join(", "),
        rights.join(" + "),
        Actor::Row.chmod("t"),
        Actor::Row.belongs(&[Class::Owner], t),
        Actor::Row.belongs(&[Class::Group], t),
    );
    Guarded::new(sql.with(text), judged)
}

fn judged(found: Vec<Row>) -> Result<Option<Judged>> {
    let (mut head, mut rows) = (None, vec![]);
    for row in &found {
        let Some(id) = row.optional(0)? else {
            head = Some((row.optional(6)?, row.column(7)?, row.column(8)?));
            continue;
        };
        rows.push(JudgedRow {
            id,
            rights: row.column(1)?,
            may_chmod: row.column(2)?,
            is_owned: row.column(3)?,
            is_granted: row.column(4)?,
            version: row.column(5)?,
        });
    }
    Ok(head.map(|(caller, is_administrator, gates)| Judged { caller, is_administrator, gates, rows }))
}

/// Whether a session is over.
pub fn is_over(session: Uuid) -> Internal<bool> {
    let mut sql = Sql::new();
    let who = who(&mut sql, Some(session));
    Internal::of(sql.with(format!("with {who}\nselect not exists (select from who)")), one(|row| row.column(0)))
}
