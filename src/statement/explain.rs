//! Explanations: which line of the rule holds for somebody, a right and a row.
//!
//! In charge of: the same four lines that decide everywhere, as a number. Rows that the caller may not peek are not there.

use uuid::Uuid;

use super::query::{Guarded, Sql, all, any, ids, literal};
use super::row::Row;
use super::who::{gate, who};
use crate::error::Result;
use crate::permission::{Actor, Right, Subject};
use crate::schema::{ADMINISTRATORS, Entity};

/// What is asked about rows of one entity; about the entity itself where there is no row.
#[derive(Debug)]
pub struct Question<'s> {
    /// Whose rows.
    pub entity: &'s Entity,
    /// What somebody wants with them.
    pub right: Right,
    /// The rows.
    pub ids: Vec<Uuid>,
    /// Whether it is about an action, which may be run by who may not peek its entity.
    pub is_of_action: bool,
}

/// What is found of a question and one of its rows.
#[derive(Debug)]
pub struct Explanation {
    /// The question's place.
    pub question: usize,
    /// The row's place, from 1; 0 without rows.
    pub row: usize,
    /// Whether the caller is somebody.
    pub is_user: bool,
    /// Whether the caller is an administrator.
    pub is_administrator: bool,
    /// Whether the caller may peek the entity.
    pub is_open: bool,
    /// Whether the caller may peek the row.
    pub is_peekable: bool,
    /// Whether the row's permission is the caller's to change.
    pub is_own: bool,
    /// Whether the user who is asked about may be peeked.
    pub is_known: bool,
    /// The line that holds for the entity.
    pub entity_line: Option<i64>,
    /// The line that holds for the row.
    pub row_line: Option<i64>,
}

/// Somebody by their id, as the rule asks for them; who is deactivated is a guest. `more`: further columns, each after a comma.
fn somebody(user: &str, more: &str) -> String {
    format!(
        "select u.id, coalesce(u.groups, '{{}}'::uuid[]) as groups, coalesce('{ADMINISTRATORS}'::uuid = any(u.groups), false) as admin{more}
  from (values (1)) as one left join lateral (
    select u.id, array(select m.source from \"usergroup.members\" m where m.target = u.id) as groups
    from user_account u where u.id = {user}::uuid and u.active) u on true"
    )
}

/// Whether somebody has a right to a row, by its entity too.
pub fn holds(entity: &Entity, id: Uuid, right: Right, user: Uuid) -> Guarded<bool> {
    let mut sql = Sql::new();
    let (user, id) = (sql.bind(user), sql.bind(id));
    let text = format!(
        "with who as materialized ({})
select 1 from who a, {} t where t.id = {id}::uuid and {} and {}",
        somebody(&user, ""),
        entity.table(),
        gate(entity, right),
        Actor::Row.rule(right, entity.subject("t")),
    );
    Guarded::new(sql.with(text), any)
}

/// For each question and each of its rows, what holds; nothing at all where the session is over. `user`: about somebody else.
pub fn explain(questions: &[Question<'_>], user: Option<Uuid>, session: Option<Uuid>) -> Guarded<Vec<Explanation>> {
    let mut sql = Sql::new();
    let who = who(&mut sql, session);
    let rule = |right, row| Actor::Row.rule(right, Subject { row, is_group: false });
    let mut ctes = vec![who];
    match user {
        None => ctes.push("other as materialized (select who.*, true as known from who)".to_owned()),
        Some(user) => {
            let user = sql.bind(user);
            let known = format!(
                ", exists (
    select from who a, user_account t, world w
    where w.name = 'user_account' and {} and t.id = {user}::uuid and {}) as known",
                rule(Right::Peek, "w"),
                rule(Right::Peek, "t"),
            );
            ctes.push(format!("other as materialized ({})", somebody(&user, &known)));
        }
    }
    let w = Subject { row: "w", is_group: false };
    let mut lines = vec![];
    for (at, question) in questions.iter().enumerate() {
        let (entity, right) = (question.entity, question.right);
        let name = literal(&entity.name);
        let rows = sql.bind(ids(&question.ids));
        // An action is run where its entity, too, grants execute.
        let asked = match (entity.name.as_str(), right) {
            ("action", Right::Execute) if !question.ids.is_empty() => "w.name = t.entity".to_owned(),
            _ => format!("w.name = {name}"),
        };
        let t = entity.subject("t");
        lines.push(format!(
            "select {at}::bigint, coalesce(x.n, 0)::bigint, a.id is not null, a.admin,
  exists (select from world w where w.name = {name} and {open}), t.id is not null, coalesce({own}, false),
  coalesce((select known from other), false), (select {gate} from other a, world w where {asked})::bigint,
  (select {line} from other a)::bigint
from who a
left join unnest({rows}::uuid[]) with ordinality as x (id, n) on true
left join lateral (select t.* from {table} t where t.id = x.id and {peek}) t on true",
            open = rule(Right::Peek, "w"),
            own = Actor::Row.chmod("t"),
            gate = Actor::Row.line(right, w),
            line = Actor::Row.line(right, t),
            table = entity.table(),
            peek = Actor::Row.rule(Right::Peek, t),
        ));
    }
    let text = format!("with {}\n{}", ctes.join(",\n"), lines.join("\nunion all\n"));
    Guarded::new(sql.with(text), all(explanation))
}

fn explanation(row: &Row) -> Result<Explanation> {
    let place = |column| row.column::<i64>(column).map(|place| usize::try_from(place).unwrap_or_default());
    Ok(Explanation {
        question: place(0)?,
        row: place(1)?,
        is_user: row.column(2)?,
        is_administrator: row.column(3)?,
        is_open: row.column(4)?,
        is_peekable: row.column(5)?,
        is_own: row.column(6)?,
        is_known: row.column(7)?,
        entity_line: row.optional(8)?,
        row_line: row.optional(9)?,
    })
}

/// Somebody who may do something, for people at the terminal.
#[derive(Debug)]
pub struct Holder {
    /// Their name; `guests`.
    pub name: String,
    /// Their address.
    pub email: Option<String>,
    /// The line that holds for the entity.
    pub entity_line: Option<i64>,
    /// The line that holds for the row.
    pub row_line: Option<i64>,
}

/// For guests and every active user: the lines that hold for an entity and a row of it. Nothing where the row isn't there.
pub fn who_can(entity: &Entity, right: Right, id: Uuid) -> Guarded<Vec<Holder>> {
    let (w, t) = (Subject { row: "w", is_group: false }, entity.subject("t"));
    let mut sql = Sql::new();
    let id = sql.bind(id);
    let text = format!(
        "select a.name, a.email, (select {} from world w where w.name = {})::bigint, {}::bigint
from {} t, (
  select null::uuid as id, 'guests' as name, null as email, '{{}}'::uuid[] as groups, false as admin
  union all
  select u.id, u.name, u.email, g.groups, '{ADMINISTRATORS}'::uuid = any(g.groups)
  from user_account u cross join lateral (
    select array(select m.source from \"usergroup.members\" m where m.target = u.id) as groups) g
  where u.active) a
where t.id = {id}::uuid
order by a.email nulls first",
        Actor::Row.line(right, w),
        literal(&entity.name),
        Actor::Row.line(right, t),
        entity.table(),
    );
    let holder = |row: &Row| {
        let (name, email) = (row.column(0)?, row.optional(1)?);
        Ok(Holder { name, email, entity_line: row.optional(2)?, row_line: row.optional(3)? })
    };
    Guarded::new(sql.with(text), all(holder))
}

/// The permissions of a class or group on an entity, its new rows or one of its actions.
#[derive(Debug)]
pub struct Granted {
    /// The entity, new rows, or an action.
    pub what: String,
    /// A class, or a group's name.
    pub whom: String,
    /// The bits in the place of the guest's.
    pub bits: i64,
}

/// The permissions around an entity, as they are now.
pub fn matrix(entity: &str) -> Guarded<Vec<Granted>> {
    let part = |what: &str, from: &str, permission: &str, groups: &str, bits: &str, owner: bool| {
        let class = |name: &str, shift: i32| {
            format!(
                "select {what} as what, '{name}' as whom, ({permission} >> {shift} & 127)::bigint as bits, {shift} as place from {from}"
            )
        };
        let owner = if owner { format!("union all {}", class("owner", 7)) } else { String::new() };
        format!(
            "{} {owner} union all
select {what}, 'group ' || coalesce(g.name, x.id::text), (coalesce(x.bits, {permission}) >> 14 & 127)::bigint, 14
from {from} cross join lateral unnest({groups}, {bits}) as x (id, bits) join usergroup g on g.id = x.id",
            class("guests", 0)
        )
    };
    let mut sql = Sql::new();
    let name = sql.bind(entity);
    let world = format!("(select * from world where name = {name}) w");
    let action = format!("(select * from action where entity = {name}) w");
    let parts = [
        part("'entity'::text", &world, "w.permission", "w.groups", "w.group_bits", false),
        part("'new rows'::text", &world, "w.default_permission", "w.default_groups", "w.default_group_bits", true),
        part("'action '::text || w.name", &action, "w.permission", "w.groups", "w.group_bits", false),
    ];
    let parts: Vec<_> = parts.iter().zip(1..).map(|(part, n)| format!("select {n} as n, m.* from ({part}) m")).collect();
    let text = format!("select what, whom, bits from ({}) m order by n, what, place, whom", parts.join("\nunion all\n"));
    let granted = |row: &Row| Ok(Granted { what: row.column(0)?, whom: row.column(1)?, bits: row.column(2)? });
    Guarded::new(sql.with(text), all(granted))
}
