//! Writes of the long way: changes with the rule in their `where`, after the verdict.
//!
//! In charge of: the SQL of creating, updating, deleting and linking. Aliases: `a` the caller · `t` the row that changes ·
//! `w` the entity's row in `world` · `v` the values that are sent · `g` a grant.

use serde_json::Value as Json;
use uuid::Uuid;

use super::query::{Guarded, Internal, Sql, any, array, count, done, first, ids, literal, one, values};
use super::who::{gate, who};
use crate::permission::{Actor, Right, Subject};
use crate::plan::change::{Finished, Target, Verb};
use crate::schema::kind::Kind;
use crate::schema::{ADMINISTRATORS, Column, Entity, Link, Relation, quote};

/// What goes into a row.
#[derive(Debug, Clone)]
pub struct Parts<'a> {
    /// Which row.
    pub id: Uuid,
    /// Columns.
    pub sets: Finished<'a, 'a>,
    /// To-one links.
    pub ones: &'a [(&'a str, Option<Uuid>)],
    /// The groups that it is granted to, each with bits of its own where it has any; none: not said.
    pub groups: Option<&'a [(Uuid, Option<i32>)]>,
}

/// Rows that name the same columns, as one source `v`: an array for each column, so that the shape doesn't depend on how
/// many there are. Gives it, and the columns with their values.
fn sent(sql: &mut Sql, rows: &[Parts<'_>]) -> (String, Vec<(String, String)>) {
    let mut arrays = vec![];
    let mut names = vec!["id".to_owned()];
    let mut named = vec![];
    let rows_ids = sql.bind(array(rows.iter().map(|row| Some(row.id.to_string()))));
    arrays.push(format!("{rows_ids}::uuid[]"));
    let Some(first) = rows.first() else { return (String::new(), named) };
    for (at, (column, _)) in first.sets.values().iter().enumerate() {
        let bound = sql.bind(array(rows.iter().map(|row| row.sets.values().get(at).and_then(|(_, v)| v.as_ref()))));
        arrays.push(format!("{bound}::text[]"));
        names.push(format!("c{at}"));
        let kind = if column.name == "permission" { "integer".to_owned() } else { column.kind.sql() };
        named.push((column.name.clone(), format!("v.c{at}::{kind}")));
    }
    for (at, (column, _)) in first.ones.iter().enumerate() {
        let targets = rows.iter().map(|row| row.ones.get(at).and_then(|(_, target)| target.map(|t| t.to_string())));
        let bound = sql.bind(array(targets));
        arrays.push(format!("{bound}::uuid[]"));
        names.push(format!("o{at}"));
        named.push(((*column).to_owned(), format!("v.o{at}")));
    }
    if first.groups.is_some() {
        let [ids, bits] = [false, true].map(|is_bits| {
            let spelled = rows.iter().map(|row| spelled(row.groups.unwrap_or_default(), is_bits));
            sql.bind(array(spelled))
        });
        arrays.extend([ids, bits].map(|bound| format!("{bound}::text[]")));
        names.extend(["g_ids", "g_bits"].map(str::to_owned));
        named.push(("groups".to_owned(), "v.g_ids::uuid[]".to_owned()));
        named.push(("group_bits".to_owned(), "v.g_bits::integer[]".to_owned()));
    }
    (format!("unnest({}) as v ({})", arrays.join(", "), names.join(", ")), named)
}

/// Grants as text of an array: their groups, or the bits of each; no bits at all are none.
fn spelled(groups: &[(Uuid, Option<i32>)], is_bits: bool) -> Option<String> {
    if is_bits && groups.iter().all(|(_, bits)| bits.is_none()) {
        return None;
    }
    let item = |(id, bits): &(Uuid, Option<i32>)| match is_bits {
        true => bits.map_or_else(|| "NULL".to_owned(), |bits| bits.to_string()),
        false => id.to_string(),
    };
    Some(format!("{{{}}}", groups.iter().map(item).collect::<Vec<_>>().join(",")))
}

/// What is inserted.
#[derive(Debug)]
pub struct Insert<'a> {
    /// Whose rows.
    pub entity: &'a Entity,
    /// The owner that an action names; none: the caller.
    pub owner: Option<Uuid>,
    /// Whether an action declares the right to create.
    pub is_lifted: bool,
    /// Rows, which name the same columns.
    pub rows: &'a [Parts<'a>],
    /// To-one links to the caller.
    pub callers: &'a [&'a str],
}

/// Inserts rows. The entity's own row in `world` gives permission and groups. Gives how many there are.
pub fn insert(insert: &Insert<'_>, session: Option<Uuid>) -> Guarded<usize> {
    let Insert { entity, owner, is_lifted, rows, callers } = *insert;
    let mut sql = Sql::new();
    let who = who(&mut sql, session);
    let owner = match owner {
        _ if entity.name == "user_account" => "v.id".to_owned(),
        Some(owner) => format!("{}::uuid", sql.bind(owner)),
        None => "a.id".to_owned(),
    };
    let (source, mut set) = sent(&mut sql, rows);
    let fixed = [
        ("id", "v.id"),
        ("owner", owner.as_str()),
        ("groups", "coalesce(w.default_groups, '{}'::uuid[])"),
        ("group_bits", "w.default_group_bits"),
        ("permission", "w.default_permission"),
    ];
    for (name, value) in fixed.into_iter().chain(callers.iter().map(|column| (*column, "a.id"))) {
        if !set.iter().any(|(set, _)| set == name) {
            set.push((name.to_owned(), value.to_owned()));
        }
    }
    let (names, values): (Vec<_>, Vec<_>) = set.into_iter().map(|(name, value)| (quote(&name), value)).unzip();
    let create = Actor::Row.rule(Right::Create, Subject { row: "w", is_group: false });
    let text = format!(
        "with {who}
insert into {} ({})
select {}
from who a, world w, {source}
where w.name = {} and {}
returning id",
        entity.table(),
        names.join(", "),
        values.join(", "),
        literal(&entity.name),
        if is_lifted { "true" } else { &create },
    );
    Guarded::new(sql.with(text), count)
}

/// What an update asks of the row: the right that its phase names, or to be its owner (for permission, owner and grants).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Asks {
    Update,
    Chmod,
    /// The verdict allowed it, or the action lifts it: the row itself is asked nothing (a membership, many-to-many links of a
    /// new row).
    Judged,
}

impl Asks {
    fn condition(self, entity: &Entity) -> String {
        match self {
            Asks::Update => Actor::Row.rule(Right::Update, entity.subject("t")),
            Asks::Chmod => Actor::Row.chmod("t"),
            Asks::Judged => "true".to_owned(),
        }
    }
}

/// What an action declares of a right: then the entity, or the rows, are not asked for it.
#[derive(Debug, Clone, Copy, Default)]
#[allow(missing_docs)]
pub struct Lifts {
    pub entity: bool,
    pub rows: bool,
}

impl Lifts {
    /// What is left to ask of the entity, and of row `t`.
    fn asks(self, entity: &Entity, right: Right) -> String {
        let open = if self.entity { "true".to_owned() } else { gate(entity, right) };
        let held = if self.rows { "true".to_owned() } else { Actor::Row.rule(right, entity.subject("t")) };
        format!("{open} and {held}")
    }
}

/// Updates rows, which name the same columns. Gives how many.
pub fn update(entity: &Entity, rows: &[Parts<'_>], lifts: Lifts, session: Option<Uuid>) -> Guarded<usize> {
    let mut sql = Sql::new();
    let who = who(&mut sql, session);
    let (source, set) = sent(&mut sql, rows);
    let set: String = set.into_iter().map(|(name, value)| format!(", {} = {value}", quote(&name))).collect();
    let text = format!(
        "with {who}
update {} t
set version = t.version + 1, updated_at = now(){set}
from who a, {source}
where t.id = v.id and {}
returning t.id",
        entity.table(),
        lifts.asks(entity, Right::Update),
    );
    Guarded::new(sql.with(text), count)
}

/// Of these values, which a row has that was judged.
pub fn unchanged(entity: &Entity, id: Uuid, echoes: &[(&Column, Option<String>)]) -> Internal<Vec<bool>> {
    let mut sql = Sql::new();
    let id = sql.bind(id);
    let same = echoes.iter().map(|(column, value)| {
        let bound = sql.bind(value.as_deref());
        let kind = column.kind.sql();
        format!("t.{} is not distinct from {bound}::{kind}", quote(&column.name))
    });
    let same = same.collect::<Vec<_>>().join(", ");
    let text = format!("select {same} from {} t where t.id = {id}::uuid", entity.table());
    let count = echoes.len();
    let each = first(move |row| (0..count).map(|column| row.column(column)).collect::<crate::error::Result<Vec<bool>>>());
    Internal::of(sql.with(text), move |rows| Ok(each(rows)?.unwrap_or_else(|| vec![false; count])))
}

/// Deletes rows. Gives how many.
pub fn delete(entity: &Entity, rows: &[Uuid], lifts: Lifts, session: Option<Uuid>) -> Guarded<usize> {
    let mut sql = Sql::new();
    let who = who(&mut sql, session);
    let rows = sql.bind(ids(rows));
    let text = format!(
        "with {who}\ndelete from {} t using who a where t.id = any({rows}::uuid[]) and {}\nreturning t.id",
        entity.table(),
        lifts.asks(entity, Right::Delete),
    );
    Guarded::new(sql.with(text), count)
}

/// Links that are made or removed, which have been judged. (To-one links are columns: see [`update`].)
#[derive(Debug)]
pub struct Links<'a> {
    /// Whose row.
    pub entity: &'a Entity,
    /// Whose rows it is linked to.
    pub target: &'a Entity,
    /// Along which relation.
    pub relation: &'a Relation,
    /// The row.
    pub id: Uuid,
    /// Add or remove.
    pub verb: Verb,
    /// The other rows.
    pub targets: &'a [Target],
    /// What the row that changes is asked once more.
    pub asks: Asks,
}

/// Makes or removes links of a row to others. Gives how many rows were asked and held: the one, or the others of an inverse link.
pub fn link(links: &Links<'_>, session: Option<Uuid>) -> Guarded<usize> {
    let Links { entity, target, relation, id, verb, targets, asks } = *links;
    let mut sql = Sql::new();
    let who = who(&mut sql, session);
    let row = sql.bind(id);
    let ids = sql.bind(array(targets.iter().map(|t| Some(t.id.to_string()))));
    let table = entity.table();
    let is_added = verb == Verb::Add;
    let condition = asks.condition(entity);
    let text = match &relation.link {
        Link::One { .. } => unreachable!("a to-one link is a column"),
        Link::Inverse { column } => {
            let other = target.table();
            let (column, held) = (quote(column), asks.condition(target)); // the row that changes is the other one
            let value = if is_added { format!("{row}::uuid") } else { "null".to_owned() };
            let linked = if is_added { "true".to_owned() } else { format!("t.{column} = {row}::uuid") };
            format!(
                "with {who},
asked as (select t.id from {other} t, who a where t.id = any({ids}::uuid[]) and {held}),
changed as (
  update {other} t set {column} = {value}, version = t.version + 1, updated_at = now()
  from asked where t.id = asked.id and {linked}
  returning t.id),
raised as (
  update {table} t set version = t.version + 1, updated_at = now()
  where t.id = {row}::uuid and exists (select from changed) and not exists (select from changed c where c.id = t.id))
select id from asked"
            )
        }
        Link::Through { table: pairs, near, far } => {
            let (pairs, other) = (quote(pairs), target.table());
            let changed = if is_added {
                format!(
                    "insert into {pairs} ({near}, {far}, created_at)
  select t.id, x, now() from raised t, unnest({ids}::uuid[]) x
  on conflict do nothing returning {far} as id"
                )
            } else {
                format!(
                    "delete from {pairs} l using raised t
  where l.{near} = t.id and l.{far} = any({ids}::uuid[])
  returning l.{far} as id"
                )
            };
            format!(
                "with {who},
raised as (
  update {table} t set version = t.version + 1, updated_at = now()
  from who a where t.id = {row}::uuid and {condition}
  returning t.id),
changed as ({changed}),
others as (
  update {other} t set version = t.version + 1, updated_at = now()
  where t.id in (select id from changed) and t.id <> {row}::uuid)
select id from raised"
            )
        }
        Link::Array { ids: column, bits } => {
            let added = is_added.then(|| {
                let bits = array(targets.iter().map(|t| t.bits.flatten().map(|b| b.to_string())));
                let said = array(targets.iter().map(|t| Some(t.bits.is_some().to_string())));
                [sql.bind(bits), sql.bind(said)]
            });
            let change = ArrayChange { ids: column, bits: *bits, sent: &ids, added: added.as_ref() };
            format!(
                "with {who}
update {table} t
set {}, version = t.version + 1, updated_at = now()
from who a where t.id = {row}::uuid and {condition}
returning t.id",
                change.sets()
            )
        }
    };
    Guarded::new(sql.with(text), count)
}

/// Grants live in the row: the arrays are rebuilt from what is there and what is sent.
struct ArrayChange<'a> {
    ids: &'a str,
    bits: Option<&'a str>,
    /// The placeholder of the ids.
    sent: &'a str,
    /// Where links are added: the placeholders of their bits, and of whether these were sent.
    added: Option<&'a [String; 2]>,
}

impl ArrayChange<'_> {
    fn sets(&self) -> String {
        let ArrayChange { ids, bits, sent, added } = self;
        let kept_bits = bits.map_or_else(|| "null::integer".to_owned(), |b| format!("t.{b}[g.n]"));
        let kept = format!("select g.id, {kept_bits} as bits, g.n from unnest(t.{ids}) with ordinality as g (id, n)");
        let merged = match added {
            Some([sent_bits, said]) => format!(
                "select coalesce(k.id, s.id) as id, case when s.said then s.bits else k.bits end as bits,
      coalesce(k.n, 1000000 + s.n) as n
    from ({kept}) k full join unnest({sent}::uuid[], {sent_bits}::integer[], {said}::boolean[])
      with ordinality as s (id, bits, said, n) on s.id = k.id"
            ),
            None => format!("select k.id, k.bits, k.n from ({kept}) k where k.id <> all({sent}::uuid[])"),
        };
        let bits_set = bits.map(|bits| {
            format!(
                ",
  {bits} = (
    select case when bool_and(m.bits is null) then null else array_agg(m.bits order by m.n) end from ({merged}) m)"
            )
        });
        format!(
            "{ids} = coalesce((select array_agg(m.id order by m.n) from ({merged}) m), '{{}}'::uuid[]){}",
            bits_set.unwrap_or_default()
        )
    }
}

/// Puts a new user into the groups that `user_account` is configured with.
pub fn join_groups(user: Uuid) -> Internal<()> {
    let text = format!(
        "insert into \"usergroup.members\" (source, target, created_at)
select g.id, $1::uuid, now()
from world w, usergroup g
where w.name = 'user_account' and g.id = any(w.join_groups) and g.id <> '{ADMINISTRATORS}'
on conflict do nothing"
    );
    Internal::new(text, values![user], done)
}

/// A right to a row that is gone.
#[derive(Debug)]
pub struct Gone<'a> {
    /// Whose row it was.
    pub entity: &'a Entity,
    /// Its id, permission, owner and grants as they were.
    pub row: &'a Json,
    /// What is asked.
    pub right: Right,
    /// Whether an action declares the right, for the entity.
    pub lifts_entity: bool,
    /// Whether an action declares the right, for the row.
    pub lifts_row: bool,
}

/// Whether the caller would have the right.
pub fn held_once(gone: &Gone<'_>, session: Option<Uuid>) -> Guarded<bool> {
    let Gone { entity, row, right, lifts_entity, lifts_row } = *gone;
    let mut sql = Sql::new();
    let who = who(&mut sql, session);
    let row = sql.bind(row.to_string());
    let open = if lifts_entity { "true".to_owned() } else { gate(entity, right) };
    let held = if lifts_row { "true".to_owned() } else { Actor::Row.rule(right, entity.subject("t")) };
    let text = format!(
        "with {who}\nselect 1 from who a, jsonb_populate_record(null::{}, {row}::jsonb) t where {open} and {held}",
        entity.table(),
    );
    Guarded::new(sql.with(text), any)
}

/// Takes a dead group out of some rows of a table; gives how many it changed.
pub fn sweep(entity: &Entity, group: Uuid) -> Internal<usize> {
    let table = entity.table();
    let kept = "from unnest(t.groups, t.group_bits) with ordinality as g (id, bits, n) where g.id <> $1::uuid";
    let text = format!(
        "update {table} t
set groups = coalesce((select array_agg(g.id order by g.n) {kept}), '{{}}'::uuid[]),
  group_bits = case when t.group_bits is null then null else (select array_agg(g.bits order by g.n) {kept}) end
where t.id in (select x.id from {table} x where x.groups @> array[$1::uuid] limit 500 for update skip locked)
returning t.id"
    );
    Internal::new(text, values![group], count)
}

/// Takes the lock under which administrators come and go.
pub fn administrators_lock() -> Internal<()> {
    Internal::new("select pg_advisory_xact_lock(8245092418331501414)", vec![], done)
}

/// How many active administrators there are.
pub fn administrators() -> Internal<i64> {
    let text = format!(
        "select count(*)
from \"usergroup.members\" m join user_account u on u.id = m.target and u.active
where m.source = '{ADMINISTRATORS}'"
    );
    Internal::new(text, vec![], one(|row| row.column(0)))
}

/// What is declared of a group.
#[derive(Debug, Default)]
pub struct Declared {
    /// Whether a file names it.
    pub is_declared: bool,
    /// Whether its name is that of another one that a file names.
    pub is_taken: bool,
}

/// Whether a group is declared, and whether its name is that of another declared one.
pub fn group_name(id: Uuid) -> Internal<Declared> {
    let [own, other] = ["g.name", "d.name"].map(|name| Kind::Name.folded(name)); // twins for the eye are one name
    let text = format!(
        "select g.declared, exists (select from usergroup d where d.declared and {other} = {own} and d.id <> g.id)
from usergroup g where g.id = $1"
    );
    let declared = first(|row| Ok(Declared { is_declared: row.column(0)?, is_taken: row.column(1)? }));
    Internal::new(text, values![id], move |rows| Ok(declared(rows)?.unwrap_or_default()))
}
