//! Actions: may they run, which may, and the values of rows that they work with.
//!
//! In charge of: the SQL around an action's outcomes; the outcomes themselves are reads and writes like any other.

use uuid::Uuid;

use super::who::{gate, verdict, who};
use super::{Statement, array};
use crate::permission::{Right, Subject, rule};
use crate::schema::{Entity, quote};

/// In the verdict: the subject row grants execute.
pub const SUBJECT: i64 = verdict::TARGET;

/// Asks what stands before an action: execute on its entity, on its own row, and on the subject, which is locked where the
/// statement runs in a transaction. One row: the verdict's bits, and the caller.
pub fn may_execute(entity: &Entity, name: &str, subject: Option<Uuid>, session: Option<Uuid>, lock: bool) -> Statement {
    let mut statement = Statement { keep: true, ..Statement::default() };
    let who = who(&mut statement, session);
    let (entity_name, name) = (statement.bind(Some(entity.name.clone())), statement.bind(Some(name.to_owned())));
    let own = rule(Right::Execute, Subject { row: "t", is_group: false });
    let mut bits = vec![
        format!("case when a.id is not null then {} else 0 end", verdict::USER),
        format!("case when {} then {} else 0 end", gate(entity, Right::Execute), 1_i64 << verdict::ENTITY),
        format!(
            "case when exists (select from action t where t.entity = {entity_name} and t.name = {name} and {own}) then {} else 0 end",
            2_i64 << verdict::ENTITY
        ),
    ];
    let mut ctes = format!("{who}, a as materialized (select * from who)");
    if let Some(id) = subject {
        let (id, t) = (statement.bind(Some(id.to_string())), entity.subject("t"));
        let (peek, lock) = (rule(Right::Peek, t), if lock { "for update" } else { "" });
        ctes += &format!(
            ", s as materialized (select t.* from a cross join lateral (select t.* from {} t where t.id = {id}::uuid and {peek} {lock}) t)",
            entity.table()
        );
        for (right, bit) in [(Right::Peek, verdict::PEEKABLE), (Right::Execute, SUBJECT)] {
            bits.push(format!("case when exists (select from s t where {}) then {bit} else 0 end", rule(right, t)));
        }
    }
    statement.sql = format!("with {ctes} select ({})::bigint, a.id from a", bits.join(" + "));
    statement
}

/// Entity and name of the actions that the caller may execute.
pub fn executable(session: Option<Uuid>) -> Statement {
    let mut statement = Statement { keep: true, ..Statement::default() };
    let who = who(&mut statement, session);
    let own = |row| rule(Right::Execute, Subject { row, is_group: false });
    statement.sql = format!(
        "with {who} select t.entity, t.name from who a, action t, world w where w.name = t.entity and {} and {}",
        own("w"),
        own("t")
    );
    statement
}

/// The entities that the caller may peek, and the bits of what they may do with each; and whether they are somebody, and
/// an administrator: name, bits, boolean, boolean. One row without a name stands for the caller alone.
pub fn entities(session: Option<Uuid>) -> Statement {
    let mut statement = Statement { keep: true, ..Statement::default() };
    let who = who(&mut statement, session);
    let w = Subject { row: "w", is_group: false };
    let bits: Vec<_> = Right::ALL.iter().map(|r| format!("case when {} then {} else 0 end", rule(*r, w), r.bit())).collect();
    statement.sql = format!(
        "with {who} select w.name, ({})::bigint, a.id is not null, a.admin from who a, world w where {} \
         union all select null, 0, a.id is not null, a.admin from who a",
        bits.join(" + "),
        rule(Right::Peek, w)
    );
    statement
}

/// The attributes of rows and the ids of their to-one links as JSON, in the order of their ids here; secrets and hidden columns left out.
pub fn values(entity: &Entity, ids: &[Uuid]) -> Statement {
    let pairs: Vec<_> = entity.values().map(|name| format!("'{}', t.{}", name.replace('\'', "''"), quote(name))).collect();
    let pairs: Vec<_> = pairs.chunks(40).map(|some| format!("jsonb_build_object({})", some.join(", "))).collect();
    let sql = format!(
        "select (jsonb_build_object('id', t.id) || {})::text from unnest($1::uuid[]) with ordinality as x (id, n) join {} t using (id) order by x.n",
        pairs.join(" || "),
        entity.table()
    );
    Statement::fixed(sql, vec![Some(array(ids.iter().map(|id| Some(id.to_string()))))])
}

/// Who calls, as files may speak of it: id, e-mail, name, and the names of the declared groups.
pub fn caller(user: Uuid) -> Statement {
    let sql = "select jsonb_build_object('id', u.id, 'email', u.email, 'name', u.name, 'groups', coalesce((select jsonb_agg(g.name order by g.name) \
         from \"usergroup.members\" m join usergroup g on g.id = m.source and g.declared where m.target = u.id), '[]'))::text \
         from user_account u where u.id = $1";
    Statement::fixed(sql, vec![Some(user.to_string())])
}
