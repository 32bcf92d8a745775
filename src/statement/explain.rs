//! Explanations: which line of the rule holds for somebody, a right and a row.
//!
//! In charge of: the same four lines that decide everywhere, as a number. Rows that the caller may not peek are not there.

use uuid::Uuid;

use super::who::{gate, verdict, who};
use super::{Statement, array};
use crate::permission::{Right, Subject, chmod, line, rule};
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
}

/// In a row's bits: it is the caller's to change its permission, or the caller is an administrator.
pub const OWN: i64 = verdict::PARENT;
/// In a row's bits: the user who is asked about may be peeked.
pub const KNOWN: i64 = verdict::TARGET;
/// In a row's bits: the caller is an administrator.
pub const ADMIN: i64 = 16;

/// Somebody by their id, as the rule asks for them; who is deactivated is a guest. `more`: further columns, each after a comma.
fn somebody(user: &str, more: &str) -> String {
    format!(
        "select u.id, coalesce(u.groups, '{{}}'::uuid[]) as groups, coalesce('{ADMINISTRATORS}'::uuid = any(u.groups), false) as admin{more} \
         from (values (1)) as one left join lateral (select u.id, array(select m.source from \"usergroup.members\" m \
         where m.target = u.id) as groups from user_account u where u.id = {user}::uuid and u.active) u on true"
    )
}

/// A row where somebody has a right to a row, by its entity too.
pub fn holds(entity: &Entity, id: Uuid, right: Right, user: Uuid) -> Statement {
    let mut statement = Statement::default();
    let (user, id) = (statement.bind(Some(user.to_string())), statement.bind(Some(id.to_string())));
    statement.sql = format!(
        "with who as materialized ({}) select 1 from who a, {} t where t.id = {id}::uuid and {} and {}",
        somebody(&user, ""),
        entity.table(),
        gate(entity, right),
        rule(right, entity.subject("t")),
    );
    statement
}

/// For each question and row: number of the question, number of the row (from 1; 0 without rows), bits of the caller, the
/// line that holds for the entity, and the line that holds for the row. `user`: about somebody else.
pub fn explain(questions: &[Question<'_>], user: Option<Uuid>, session: Option<Uuid>) -> Statement {
    let mut statement = Statement { keep: questions.len() == 1, ..Statement::default() };
    let who = who(&mut statement, session);
    let mut ctes = vec![who];
    match user {
        None => ctes.push("other as materialized (select who.*, true as known from who)".to_owned()),
        Some(user) => {
            let user = statement.bind(Some(user.to_string()));
            let [peek, open] = ["t", "w"].map(|row| rule(Right::Peek, Subject { row, is_group: false }));
            let known = format!(
                ", exists (select from who a, user_account t, world w where w.name = 'user_account' and {open} and t.id = {user}::uuid and {peek}) as known"
            );
            ctes.push(format!("other as materialized ({})", somebody(&user, &known)));
        }
    }
    let w = Subject { row: "w", is_group: false };
    let mut lines = vec![];
    for (at, question) in questions.iter().enumerate() {
        let (entity, right) = (question.entity, question.right);
        let name = entity.name.replace('\'', "''");
        let ids = statement.bind(Some(array(question.ids.iter().map(|id| Some(id.to_string())))));
        // An action is run where its entity, too, grants execute.
        let asked = match (entity.name.as_str(), right) {
            ("action", Right::Execute) if !question.ids.is_empty() => "w.name = t.entity".to_owned(),
            _ => format!("w.name = '{name}'"),
        };
        let gate = format!("(select {} from other a, world w where {asked})", line(right, w));
        let open = format!("exists (select from world w where w.name = '{name}' and {})", rule(Right::Peek, w));
        let bits = [
            (verdict::USER, "a.id is not null".to_owned()),
            (verdict::PEEKABLE, "t.id is not null".to_owned()),
            (OWN, format!("coalesce({}, false)", chmod("t"))),
            (KNOWN, "(select known from other)".to_owned()),
            (ADMIN, "a.admin".to_owned()),
            (1 << verdict::ENTITY, open),
        ];
        let bits: Vec<_> = bits.iter().map(|(bit, held)| format!("case when {held} then {bit} else 0 end")).collect();
        let t = entity.subject("t");
        lines.push(format!(
            "select {at}::bigint, coalesce(x.n, 0)::bigint, ({})::bigint, {gate}::bigint, (select {} from other a)::bigint from who a \
             left join unnest({ids}::uuid[]) with ordinality as x (id, n) on true \
             left join lateral (select t.* from {} t where t.id = x.id and {}) t on true",
            bits.join(" + "),
            line(right, t),
            entity.table(),
            rule(Right::Peek, t),
        ));
    }
    statement.sql = format!("with {} {}", ctes.join(", "), lines.join(" union all "));
    statement
}

/// For guests and every active user: name and e-mail, and the lines that hold for an entity and a row of it; for people at
/// the terminal. Nothing where the row isn't there.
pub fn who_can(entity: &Entity, right: Right, id: Uuid) -> Statement {
    let (w, t) = (Subject { row: "w", is_group: false }, entity.subject("t"));
    let sql = format!(
        "select a.name, a.email, (select {} from world w where w.name = '{}')::bigint, {}::bigint from {} t, \
         (select null::uuid as id, 'guests' as name, null as email, '{{}}'::uuid[] as groups, false as admin union all \
         select u.id, u.name, u.email, g.groups, '{ADMINISTRATORS}'::uuid = any(g.groups) from user_account u cross join lateral \
         (select array(select m.source from \"usergroup.members\" m where m.target = u.id) as groups) g where u.active) a \
         where t.id = $1::uuid order by a.email nulls first",
        line(right, w),
        entity.name.replace('\'', "''"),
        line(right, t),
        entity.table(),
    );
    Statement { sql, values: vec![Some(id.to_string())], keep: false }
}

/// The permissions around an entity, as they are now: what (the entity, new rows, an action), to whom (a class, or a group's
/// name), and the bits in the place of the guest's.
pub fn matrix(entity: &str) -> Statement {
    let part = |what: &str, from: &str, permission: &str, groups: &str, bits: &str, owner: bool| {
        let class = |name: &str, shift: i32| {
            format!(
                "select {what} as what, '{name}' as whom, ({permission} >> {shift} & 127)::bigint as bits, {shift} as place from {from}"
            )
        };
        let owner = if owner { format!("union all {}", class("owner", 7)) } else { String::new() };
        format!(
            "{} {owner} union all select {what}, 'group ' || coalesce(g.name, x.id::text), (coalesce(x.bits, {permission}) >> 14 & 127)::bigint, 14 from {from} \
             cross join lateral unnest({groups}, {bits}) as x (id, bits) join usergroup g on g.id = x.id",
            class("guests", 0)
        )
    };
    let (world, action) = ("(select * from world where name = $1) w", "(select * from action where entity = $1) w");
    let parts = [
        part("'1 entity'::text", world, "w.permission", "w.groups", "w.group_bits", false),
        part("'2 new rows'::text", world, "w.default_permission", "w.default_groups", "w.default_group_bits", true),
        part("'3 action '::text || w.name", action, "w.permission", "w.groups", "w.group_bits", false),
    ];
    let sql = format!("select what, whom, bits from ({}) m order by what, place, whom", parts.join(" union all "));
    Statement { sql, values: vec![Some(entity.to_owned())], keep: false }
}
