//! Writes of one message: proof, verdict, change and reply in one statement, which never waits for a row.
//!
//! In charge of: the SQL of a row that is made or changed. All that the verdict asks stands in the `where` of the change, or of
//! what it is made from, so that an error of the change is met only by who may make it. Rows are locked in CTEs of their own,
//! those that are locked already are skipped; and a row is changed only where the lock found it as the snapshot saw it (its
//! `ctid`), for what is proven, is proven of that.
//!
//! Aliases, beside those of reads: `u` the caller, where the row leads to them · `k` the row that changes, as it was locked · `l0`, … the rows that it is linked to, as they
//! were locked · `x0`, … the same, as the snapshot saw them · `w` the entity's row in `world`.

use std::sync::Arc;

use uuid::Uuid;

use super::shape::{Found, Param, Shape, Writer};
use super::{Root, Speller};
use crate::permission::Right;
use crate::plan::Plan;
use crate::plan::change::Finished;
use crate::schema::{Column, Entity, Relation, Schema, Unique, quote};
use crate::statement::query::{Guarded, Value, array, literal};
use crate::statement::row::Place;
use crate::statement::who::Known;

/// What is done with a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Act {
    Create,
    Update,
    Delete,
}

impl Act {
    /// The right that it asks.
    pub fn right(self) -> Right {
        match self {
            Act::Create => Right::Create,
            Act::Update => Right::Update,
            Act::Delete => Right::Delete,
        }
    }
}

/// A row that is made, changed or deleted in one message.
#[derive(Debug)]
pub struct Brief<'a, 's> {
    /// What is done.
    pub act: Act,
    /// Whose row.
    pub entity: &'s Entity,
    /// Which.
    pub id: Uuid,
    /// Columns and their values.
    pub sets: Finished<'a, 's>,
    /// To-one relations, their foreign keys, and the rows that they lead to.
    pub links: Vec<(&'s Relation, &'s str, Uuid)>,
    /// Foreign keys that lead to the caller, where nothing else was said.
    pub callers: Vec<&'s str>,
    /// The versions for which the change is made; none: whichever is there.
    pub versions: Option<&'a [i64]>,
}

/// What became of it.
pub struct Changed {
    /// Whether it was done. Where it wasn't, nothing changed: a row is gone, locked, was changed meanwhile, or refuses.
    pub is_done: bool,
    /// The row as it is now, as far as it is the caller's to see.
    pub found: Found,
}

/// Where a changed row stands in its layout: whether the change was done stands where reads say of a row that they lead to.
const IS_DONE: Place<bool> = Place::new(super::layout::TARGET);

/// What tells the shape of such a write from others. `shown`: the row by its id, without includes, where it is shown.
pub fn key_of_change(schema: &Schema, brief: &Brief<'_, '_>, shown: Option<&Plan<'_>>, known: &Known) -> String {
    let mut writer = Writer::new(brief.act.right().word(), known, schema);
    writer.entity(brief.entity);
    brief.sets.values().iter().for_each(|(column, _)| writer.put(',', &column.name));
    brief.links.iter().for_each(|(relation, ..)| writer.put(';', &relation.name));
    brief.callers.iter().for_each(|column| writer.put('=', column));
    writer.put(if brief.versions.is_some() { 'v' } else { '-' }, "");
    if let Some(plan) = shown {
        writer.node(&plan.root);
    }
    writer.key()
}

/// Spells it.
pub fn change(schema: &Schema, brief: &Brief<'_, '_>, shown: Option<&Plan<'_>>, known: &Known) -> Shape {
    let mut speller = Speller::new(schema, known);
    let links: Vec<String> = brief.links.iter().enumerate().map(|(at, link)| speller.linked_row(at, link.0)).collect();
    speller.ctes.extend(links);
    let change = match brief.act {
        Act::Create => speller.inserted(brief),
        Act::Update => speller.updated(brief),
        Act::Delete => speller.deleted(brief),
    };
    let returned = if shown.is_some() { "t.*" } else { "t.id" };
    speller.ctes.push(format!("changed as (\n{change}\nreturning {returned})"));
    let Some(plan) = shown else {
        return speller.shape("select p.ok, null::boolean, exists (select from changed), null::uuid\nfrom proof p".to_owned());
    };
    let [peek, read] = [Right::Peek, Right::Read].map(|right| speller.actor.rule(right, brief.entity.subject("t")));
    let rows = format!("select t.*, coalesce({read}, false) as _may\nfrom changed t\nwhere p.ok and {peek}\noffset 0");
    speller.flat(Root { rows, keys: vec![], start: None, along: None, is_one: true, is_paged: false, is_change: true }, plan)
}

impl Speller<'_> {
    /// A row that the change links to, locked so that it stays.
    fn linked_row(&mut self, at: usize, relation: &Relation) -> String {
        let target = self.schema.target(relation);
        let id = self.bind(Param::Link(at));
        let [peek, refer] = [Right::Peek, Right::Refer].map(|right| self.actor.rule(right, target.subject("x")));
        format!(
            "l{at} as materialized (
  select x.id, x.ctid as place from {} x
  where (select p.ok from proof p) and x.id = {id}::uuid and {peek} and {refer}
  for key share skip locked)",
            target.table()
        )
    }

    /// The rows that it is linked to, as a source, where the snapshot sees them as they were locked.
    fn links(&self, brief: &Brief<'_, '_>) -> (String, String) {
        let (mut from, mut held) = (String::new(), String::new());
        for (at, (relation, ..)) in brief.links.iter().enumerate() {
            from += &format!(", l{at}, {} x{at}", self.schema.target(relation).table());
            held += &format!("\n  and x{at}.id = l{at}.id and x{at}.ctid = l{at}.place");
        }
        (from, held)
    }

    /// Columns, and what goes into them.
    fn sent(&mut self, brief: &Brief<'_, '_>) -> Vec<(String, String)> {
        let value = |(at, (column, _)): (usize, &(&Column, Option<String>))| {
            // Read as its type where it is set, and not before the verdict.
            let sent = format!("{}::text", self.bind(Param::Set(at)));
            let value = if column.kind.sql() == "text" { sent } else { format!("{sent}::{}", column.kind.sql()) };
            (quote(&column.name), value)
        };
        let mut sent: Vec<_> = brief.sets.values().iter().enumerate().map(value).collect();
        sent.extend(brief.links.iter().enumerate().map(|(at, (_, column, _))| (quote(column), format!("l{at}.id"))));
        sent
    }

    /// The row that is there already, locked, where the caller may do this with it.
    fn locked(&mut self, brief: &Brief<'_, '_>) {
        let (table, t) = (brief.entity.table(), brief.entity.subject("t"));
        let id = self.bind(Param::Named);
        let [peek, may] = [Right::Peek, brief.act.right()].map(|right| self.actor.rule(right, t));
        let version = match brief.versions {
            Some(_) => format!(" and t.version = any({}::bigint[])", self.bind(Param::Versions)),
            None => String::new(),
        };
        // Links to a row don't wait for its change, unless that is of a column by which a row may be linked to.
        let is_key = brief.act == Act::Delete || brief.sets.values().iter().any(|(column, _)| column.unique != Unique::No);
        let lock = if is_key { "update" } else { "no key update" };
        self.ctes.push(format!(
            "locked as materialized (
  select t.id, t.ctid as place from {table} t
  where (select p.ok from proof p) and t.id = {id}::uuid and {peek} and {may}{version}
  for {lock} skip locked)"
        ));
    }

    fn deleted(&mut self, brief: &Brief<'_, '_>) -> String {
        self.locked(brief);
        format!("delete from {} t\nusing locked k\nwhere t.id = k.id and t.ctid = k.place", brief.entity.table())
    }

    fn updated(&mut self, brief: &Brief<'_, '_>) -> String {
        self.locked(brief);
        let table = brief.entity.table();
        let (from, held) = self.links(brief);
        let set: String = self.sent(brief).into_iter().map(|(name, value)| format!(", {name} = {value}")).collect();
        format!(
            "update {table} t
set version = t.version + 1, updated_at = now(){set}
from locked k{from}
where t.id = k.id and t.ctid = k.place{held}"
        )
    }

    /// The entity's own row gives permission and grants. (Who may create, is known, and proven.)
    fn inserted(&mut self, brief: &Brief<'_, '_>) -> String {
        let me = self.known.standing().me().unwrap_or("null::uuid").to_owned();
        let (mut own, mut caller) = (String::new(), me.clone());
        if !brief.callers.is_empty() {
            // Or the foreign key's check would wait, with a proof that is old by then.
            self.ctes.push(format!(
                "u as materialized (
  select u.id from public.\"user_account\" u
  where (select p.ok from proof p) and u.id = {me}
  for key share skip locked)"
            ));
            (own, caller) = (", u".to_owned(), "u.id".to_owned());
        }
        let mut set = vec![("id".to_owned(), format!("{}::uuid", self.bind(Param::Named)))];
        set.extend(self.sent(brief));
        set.extend(brief.callers.iter().map(|column| (quote(column), caller.clone())));
        let fixed = [
            ("owner", me.as_str()),
            ("groups", "coalesce(w.default_groups, '{}'::uuid[])"),
            ("group_bits", "w.default_group_bits"),
            ("permission", "w.default_permission"),
        ];
        set.extend(fixed.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let (names, values): (Vec<_>, Vec<_>) = set.into_iter().unzip();
        let (from, held) = self.links(brief);
        format!(
            "insert into {} as t ({})
select {}
from proof p, world w{own}{from}
where p.ok and w.name = {}{held}",
            brief.entity.table(),
            names.join(", "),
            values.join(", "),
            literal(&brief.entity.name),
        )
    }
}

impl Shape {
    /// The statement of such a write of this shape. None where what is known doesn't hold.
    pub fn change(self: &Arc<Self>, brief: &Brief<'_, '_>, known: &Known) -> Guarded<Option<Changed>> {
        let mut values = known.values();
        values.extend(self.params.iter().map(|param| match param {
            Param::Named => brief.id.into(),
            Param::Set(at) => brief.sets.values().get(*at).and_then(|(_, value)| value.as_deref()).into(),
            Param::Link(at) => brief.links.get(*at).map(|(.., id)| *id).into(),
            Param::Versions => array(brief.versions.unwrap_or_default().iter().map(|version| Some(version.to_string()))),
            // Of lists, which a change is not.
            Param::Shown
            | Param::Limit
            | Param::Offset
            | Param::Total
            | Param::Cursor(_)
            | Param::Compared(_)
            | Param::Listed(_)
            | Param::Included(_)
            | Param::Having(_)
            | Param::Zone => Value::default(),
        }));
        let shape = self.clone();
        Guarded::proven(self.text.clone(), values, move |rows| {
            let is_done = rows.first().map_or(Ok(None), |row| row.get(IS_DONE))?.unwrap_or(false);
            Ok(Changed { is_done, found: super::shape::found(&shape, rows)? })
        })
    }
}
