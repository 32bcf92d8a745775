//! Writes: verdicts over locked rows, and changes with the rule in their `where`.
//!
//! In charge of: the SQL of creating, updating, deleting and linking.

use serde_json::Value as Json;
use uuid::Uuid;

use super::who::{gate, verdict, who};
use super::{Statement, array};
use crate::permission::{Class, Right, belongs, chmod, rule};
use crate::plan::change::{Target, Verb};
use crate::schema::{ADMINISTRATORS, Column, Entity, Link, Relation, quote};

/// In a row's verdict, beside the seven rights: the caller may change permission, owner and grants.
pub const CHMOD: i64 = 128;
/// In a row's verdict: the row is the caller's.
pub const OWNED: i64 = 512;
/// In a row's verdict: the row is granted to a group of the caller's.
pub const GRANTED: i64 = 1024;
/// In the head: the caller is an administrator.
pub const ADMIN: i64 = verdict::TARGET;

/// Asks what the caller may do with rows that they may peek, and locks these. Gives `0, bits, caller` and for each row
/// `1, rights, id, version`; rows that may not be peeked are not there.
pub fn judge(
    entity: &Entity,
    ids: &[Uuid],
    lifted: &[Uuid],
    gates: &[(&Entity, Right)],
    session: Option<Uuid>,
    lock: &str,
) -> Statement {
    // More gates come from what a request links to, in too many ways to be kept.
    let mut statement = Statement { keep: gates.len() <= 2, ..Statement::default() };
    let who = who(&mut statement, session);
    let ids = statement.bind(Some(array(ids.iter().map(|id| Some(id.to_string())))));
    let peeked = match lifted {
        [] => rule(Right::Peek, entity.subject("t")),
        rows => {
            let rows = statement.bind(Some(array(rows.iter().map(|id| Some(id.to_string())))));
            format!("({} or t.id = any({rows}::uuid[]))", rule(Right::Peek, entity.subject("t")))
        }
    };
    let gates: Vec<_> = gates
        .iter()
        .enumerate()
        .map(|(i, (e, r))| format!(" + case when {} then {} else 0 end", gate(e, *r), 1_i64 << (verdict::ENTITY as usize + i)))
        .collect();
    let t = entity.subject("t");
    let held = Right::ALL.iter().map(|r| format!("case when {} then {} else 0 end", rule(*r, t), r.bit()));
    let more = [(CHMOD, chmod("t")), (OWNED, belongs(&[Class::Owner], t)), (GRANTED, belongs(&[Class::Group], t))];
    let more = more.map(|(bit, held)| format!("case when {held} then {bit} else 0 end"));
    statement.sql = format!(
        "with {who}, a as materialized (select * from who), rows as materialized (select t.* from a cross join lateral \
         (select t.* from {} t where t.id = any({ids}::uuid[]) and {} order by t.id {lock}) t) \
         select 0::bigint, (case when a.id is null then 0 else {} end + case when a.admin then {ADMIN} else 0 end{})::bigint, a.id, null::bigint from a \
         union all select 1, ({})::bigint, t.id, t.version::bigint from a cross join rows t where {}",
        entity.table(),
        peeked,
        verdict::USER,
        gates.concat(),
        held.chain(more).collect::<Vec<_>>().join(" + "),
        peeked,
    );
    statement
}

/// What goes into a row.
#[derive(Debug, Clone)]
pub struct Parts<'a> {
    /// Which row.
    pub id: Uuid,
    /// Columns.
    pub sets: &'a [(&'a Column, Option<String>)],
    /// To-one links.
    pub ones: &'a [(&'a str, Option<Uuid>)],
}

/// Rows that name the same columns, as one source `v`: an array for each column, so that the shape doesn't depend on how
/// many there are. Gives it, and the columns with their values.
fn values(statement: &mut Statement, rows: &[Parts<'_>]) -> (String, Vec<(String, String)>) {
    let mut arrays = vec![];
    let mut names = vec!["id".to_owned()];
    let mut named = vec![];
    let ids = statement.bind(Some(array(rows.iter().map(|row| Some(row.id.to_string())))));
    arrays.push(format!("{ids}::uuid[]"));
    let Some(first) = rows.first() else { return (String::new(), named) };
    for (at, (column, _)) in first.sets.iter().enumerate() {
        let bound = statement.bind(Some(array(rows.iter().map(|row| row.sets.get(at).and_then(|(_, v)| v.as_ref())))));
        arrays.push(format!("{bound}::text[]"));
        names.push(format!("c{at}"));
        let kind = if column.name == "permission" { "integer".to_owned() } else { column.kind.sql() };
        named.push((column.name.clone(), format!("v.c{at}::{kind}")));
    }
    for (at, (column, _)) in first.ones.iter().enumerate() {
        let targets = rows.iter().map(|row| row.ones.get(at).and_then(|(_, target)| target.map(|t| t.to_string())));
        let bound = statement.bind(Some(array(targets)));
        arrays.push(format!("{bound}::uuid[]"));
        names.push(format!("o{at}"));
        named.push(((*column).to_owned(), format!("v.o{at}")));
    }
    (format!("unnest({}) as v ({})", arrays.join(", "), names.join(", ")), named)
}

/// Inserts rows, which name the same columns, for the caller, or for the owner that an action names. The entity's own row
/// in `world` gives permission and groups; `callers` are to-one links to the caller.
pub fn insert(
    entity: &Entity,
    owner: Option<Uuid>,
    is_lifted: bool,
    rows: &[Parts<'_>],
    callers: &[&str],
    session: Option<Uuid>,
) -> Statement {
    let mut statement = Statement::default();
    let who = who(&mut statement, session);
    let owner = match owner {
        _ if entity.name == "user_account" => "v.id".to_owned(),
        Some(owner) => format!("{}::uuid", statement.bind(Some(owner.to_string()))),
        None => "a.id".to_owned(),
    };
    let (source, mut set) = values(&mut statement, rows);
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
    let w = crate::permission::Subject { row: "w", is_group: false };
    statement.sql = format!(
        "with {who} insert into {} ({}) select {} from who a, world w, {source} where w.name = '{}' and {} returning id",
        entity.table(),
        names.join(", "),
        values.join(", "),
        entity.name.replace('\'', "''"),
        if is_lifted { "true".to_owned() } else { rule(Right::Create, w) },
    );
    statement
}

/// What an update asks of the row: the right that its phase names, or to be its owner (for permission, owner and grants).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Asks {
    Update,
    Chmod,
    /// The verdict allowed it, or the action lifts it: the row itself is asked nothing (a membership, many-to-many links of a new row).
    Judged,
}

impl Asks {
    fn condition(self, entity: &Entity) -> String {
        match self {
            Asks::Update => rule(Right::Update, entity.subject("t")),
            Asks::Chmod => chmod("t"),
            Asks::Judged => "true".to_owned(),
        }
    }
}

/// Updates rows, which name the same columns.
pub fn update(entity: &Entity, rows: &[Parts<'_>], is_lifted: bool, session: Option<Uuid>) -> Statement {
    let mut statement = Statement::default();
    let who = who(&mut statement, session);
    let (source, set) = values(&mut statement, rows);
    let set: Vec<_> = set.into_iter().map(|(name, value)| format!(", {} = {value}", quote(&name))).collect();
    statement.sql = format!(
        "with {who} update {} t set version = t.version + 1, updated_at = now(){} from who a, {source} where t.id = v.id and {} returning t.id",
        entity.table(),
        set.concat(),
        if is_lifted { Asks::Judged } else { Asks::Update }.condition(entity),
    );
    statement
}

/// Whether a row still has these values: one boolean.
pub fn unchanged(entity: &Entity, id: Uuid, echoes: &[(&Column, Option<String>)]) -> Statement {
    let mut statement = Statement::default();
    let id = statement.bind(Some(id.to_string()));
    let same = echoes.iter().map(|(column, value)| {
        let bound = statement.bind(value.clone());
        let kind = column.kind.sql();
        format!("t.{} is not distinct from {bound}::{kind}", quote(&column.name))
    });
    let same = same.collect::<Vec<_>>().join(" and ");
    statement.sql = format!("select {same} from {} t where t.id = {id}::uuid", entity.table());
    statement
}

/// Deletes rows.
pub fn delete(entity: &Entity, ids: &[Uuid], is_lifted: bool, session: Option<Uuid>) -> Statement {
    let mut statement = Statement { keep: true, ..Statement::default() };
    let who = who(&mut statement, session);
    let ids = statement.bind(Some(array(ids.iter().map(|id| Some(id.to_string())))));
    statement.sql = format!(
        "with {who} delete from {} t using who a where t.id = any({ids}::uuid[]) and {} returning t.id",
        entity.table(),
        if is_lifted { "true".to_owned() } else { rule(Right::Delete, entity.subject("t")) },
    );
    statement
}

/// Makes or removes links of a row to others, which have been judged. (To-one links are columns: see [`update`].) Gives the rows
/// whose rule was asked and held: the one, or the others of an inverse link.
#[allow(clippy::too_many_arguments)] // both ends of a link
pub fn link(
    entity: &Entity,
    target: &Entity,
    relation: &Relation,
    id: Uuid,
    verb: Verb,
    targets: &[Target],
    asks: Asks,
    session: Option<Uuid>,
) -> Statement {
    let mut statement = Statement { keep: true, ..Statement::default() };
    let who = who(&mut statement, session);
    let row = statement.bind(Some(id.to_string()));
    let ids = statement.bind(Some(array(targets.iter().map(|t| Some(t.id.to_string())))));
    let table = entity.table();
    let is_added = verb == Verb::Add;
    let condition = asks.condition(entity);
    let raised = format!(
        "update {table} t set version = t.version + 1, updated_at = now() from who a where t.id = {row}::uuid and {condition}"
    );
    statement.sql = match &relation.link {
        Link::One { .. } => unreachable!("a to-one link is a column"),
        Link::Inverse { column } => {
            let other = target.table();
            let (column, held) = (quote(column), asks.condition(target)); // the row that changes is the other one
            let value = if is_added { format!("{row}::uuid") } else { "null".to_owned() };
            let linked = if is_added { "true".to_owned() } else { format!("t.{column} = {row}::uuid") };
            format!(
                "with {who}, asked as (select t.id from {other} t, who a where t.id = any({ids}::uuid[]) and {held}), \
                 changed as (update {other} t set {column} = {value}, version = t.version + 1, updated_at = now() from asked \
                 where t.id = asked.id and {linked} returning t.id), \
                 raised as (update {table} t set version = t.version + 1, updated_at = now() where t.id = {row}::uuid and exists (select from changed) \
                 and not exists (select from changed c where c.id = t.id)) select id from asked"
            )
        }
        Link::Through { table: pairs, near, far } => {
            let (pairs, other) = (quote(pairs), target.table());
            let changed = if is_added {
                format!(
                    "insert into {pairs} ({near}, {far}, created_at) select t.id, x, now() from raised t, unnest({ids}::uuid[]) x on conflict do nothing returning {far} as id"
                )
            } else {
                format!(
                    "delete from {pairs} l using raised t where l.{near} = t.id and l.{far} = any({ids}::uuid[]) returning l.{far} as id"
                )
            };
            format!(
                "with {who}, raised as ({raised} returning t.id), changed as ({changed}), \
                 others as (update {other} t set version = t.version + 1, updated_at = now() where t.id in (select id from changed) and t.id <> {row}::uuid) \
                 select id from raised"
            )
        }
        Link::Array { ids: column, bits } => {
            let mut sent = || {
                let bits = array(targets.iter().map(|t| t.bits.flatten().map(|b| b.to_string())));
                let said = array(targets.iter().map(|t| Some(t.bits.is_some().to_string())));
                [statement.bind(Some(bits)), statement.bind(Some(said))]
            };
            let added = is_added.then(&mut sent);
            array_change(&who, &table, column, *bits, [&row, &ids], added.as_ref(), &condition)
        }
    };
    statement
}

/// Grants live in the row: the arrays are rebuilt from what is there and what is sent.
fn array_change(
    who: &str,
    table: &str,
    ids: &str,
    bits: Option<&str>,
    [row, sent]: [&str; 2],
    added: Option<&[String; 2]>,
    condition: &str,
) -> String {
    let kept_bits = bits.map_or_else(|| "null::integer".to_owned(), |b| format!("t.{b}[g.n]"));
    let kept = format!("select g.id, {kept_bits} as bits, g.n from unnest(t.{ids}) with ordinality as g (id, n)");
    let merged = if let Some([sent_bits, said]) = added {
        format!(
            "select coalesce(k.id, s.id) as id, case when s.said then s.bits else k.bits end as bits, coalesce(k.n, 1000000 + s.n) as n \
             from ({kept}) k full join unnest({sent}::uuid[], {sent_bits}::integer[], {said}::boolean[]) with ordinality as s (id, bits, said, n) on s.id = k.id"
        )
    } else {
        format!("select k.id, k.bits, k.n from ({kept}) k where k.id <> all({sent}::uuid[])")
    };
    let bits_set = bits.map(|bits| {
        format!(", {bits} = (select case when bool_and(m.bits is null) then null else array_agg(m.bits order by m.n) end from ({merged}) m)")
    });
    let bits_set = bits_set.unwrap_or_default();
    format!(
        "with {who} update {table} t set {ids} = coalesce((select array_agg(m.id order by m.n) from ({merged}) m), '{{}}'::uuid[]){bits_set}, version = t.version + 1, \
         updated_at = now() from who a where t.id = {row}::uuid and {condition} returning t.id"
    )
}

/// Puts a new user into the groups that `user_account` is configured with.
pub fn join_groups(user: Uuid) -> Statement {
    let sql = format!(
        "insert into \"usergroup.members\" (source, target, created_at) select g.id, $1::uuid, now() from world w, usergroup g \
         where w.name = 'user_account' and g.id = any(w.join_groups) and g.id <> '{ADMINISTRATORS}' on conflict do nothing"
    );
    Statement::fixed(sql, vec![Some(user.to_string())])
}

/// A row where the caller has a right to a row that is gone: its id, permission, owner and grants as they were. `lifted`: what
/// isn't asked, of the entity and of the row.
pub fn held_once(entity: &Entity, right: Right, row: &Json, lifted: [bool; 2], session: Option<Uuid>) -> Statement {
    let mut statement = Statement::default();
    let who = who(&mut statement, session);
    let row = statement.bind(Some(row.to_string()));
    let [open, held] = lifted.map(|is_lifted| is_lifted.then(|| "true".to_owned()));
    statement.sql = format!(
        "with {who} select 1 from who a, jsonb_populate_record(null::{}, {row}::jsonb) t where {} and {}",
        entity.table(),
        open.unwrap_or_else(|| gate(entity, right)),
        held.unwrap_or_else(|| rule(right, entity.subject("t"))),
    );
    statement
}

/// Takes a dead group out of some rows of a table; gives those that it changed.
pub fn sweep(entity: &Entity, group: Uuid) -> Statement {
    let table = entity.table();
    let kept = "from unnest(t.groups, t.group_bits) with ordinality as g (id, bits, n) where g.id <> $1::uuid";
    let sql = format!(
        "update {table} t set groups = coalesce((select array_agg(g.id order by g.n) {kept}), '{{}}'::uuid[]), \
         group_bits = case when t.group_bits is null then null else (select array_agg(g.bits order by g.n) {kept}) end \
         where t.id in (select x.id from {table} x where x.groups @> array[$1::uuid] limit 500 for update skip locked) returning t.id"
    );
    Statement { sql, values: vec![Some(group.to_string())], keep: false }
}

/// Takes the lock under which administrators come and go.
pub fn administrators_lock() -> Statement {
    Statement::fixed("select pg_advisory_xact_lock(8245092418331501414)", vec![])
}

/// How many active administrators there are.
pub fn administrators() -> Statement {
    let sql = format!(
        "select count(*) from \"usergroup.members\" m join user_account u on u.id = m.target and u.active where m.source = '{ADMINISTRATORS}'"
    );
    Statement::fixed(sql, vec![])
}

/// Whether a group is declared, and whether its name is that of another declared one: two booleans.
pub fn group_name(id: Uuid) -> Statement {
    let sql = "select g.declared, exists (select from usergroup d where d.declared and d.name = g.name and d.id <> g.id) from usergroup g where g.id = $1";
    Statement::fixed(sql, vec![Some(id.to_string())])
}
