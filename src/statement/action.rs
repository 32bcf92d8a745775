//! Actions: may they run, and the values of rows that they work with.
//!
//! In charge of: the SQL around an action's outcomes; the outcomes themselves are reads and writes like any other.

use serde_json::Value as Json;
use uuid::Uuid;

use super::query::{Guarded, Internal, all, first, ids, literal, one, values};
use super::row::Row;
use super::who::Known;
use crate::error::{Error, Result};
use crate::permission::Right;
use crate::schema::{Entity, quote};

/// Locks the subject of an action, if the caller may peek it, and says whether it did. What is asked of it is asked in the next
/// statement, of what the lock waited for.
pub fn lock_subject(entity: &Entity, subject: Uuid, known: &Known) -> Guarded<Option<bool>> {
    let standing = known.standing();
    let peek = standing.actor().rule(Right::Peek, entity.subject("t"));
    let mut sent = known.values();
    sent.push(subject.into());
    let text = format!(
        "with {}
select p.ok, t.id is not null from proof p left join lateral (
  select t.id from {} t where p.ok and t.id = ${}::uuid and {peek} for no key update) t on true",
        standing.proof(),
        entity.table(),
        sent.len(),
    );
    Guarded::proven(text.into(), sent, one(|row| row.column(1)))
}

/// What stands before an action with a subject: whether the subject row grants execute; none where it may not be peeked. What
/// entity and action grant is known.
pub fn may_execute(entity: &Entity, subject: Uuid, known: &Known) -> Guarded<Option<Option<bool>>> {
    let (standing, t) = (known.standing(), entity.subject("t"));
    let [peek, execute] = [Right::Peek, Right::Execute].map(|right| standing.actor().rule(right, t));
    let mut sent = known.values();
    sent.push(subject.into());
    let id = format!("${}", sent.len());
    let text = format!(
        "with {},
s as materialized (
  select t.* from proof p cross join lateral (
    select t.* from {} t where p.ok and t.id = {id}::uuid and {peek}) t)
select p.ok, (select coalesce({execute}, false) from s t where {peek}) from proof p",
        standing.proof(),
        entity.table(),
    );
    Guarded::proven(text.into(), sent, |rows| rows.first().map_or(Ok(None), |row| row.optional(1)))
}

fn json(row: &Row) -> Result<Json> {
    serde_json::from_str(row.column(0)?).map_err(Error::internal)
}

/// The attributes of rows and the ids of their to-one links, in the order of their ids here; secrets and hidden columns left
/// out. What of it may be told is asked where it is told.
pub fn row_values(entity: &Entity, rows: &[Uuid], room: usize) -> Internal<Vec<Option<Json>>> {
    let pairs: Vec<_> = entity.values().map(|name| format!("{}, t.{}", literal(name), quote(name))).collect();
    let pairs: Vec<_> = pairs.chunks(40).map(|some| format!("jsonb_build_object({})", some.join(", "))).collect();
    let text = format!(
        "select case when r.total <= $2::bigint then r.row end
from (
  select q.n, q.row, sum(octet_length(q.row)) over (order by q.n) as total, octet_length(q.row) as own
  from (
    select x.n, (jsonb_build_object('id', t.id) || {})::text as row
    from unnest($1::uuid[]) with ordinality as x (id, n) join {} t using (id)
    offset 0) q) r
where r.total - r.own <= $2::bigint
order by r.n",
        pairs.join(" || "),
        entity.table()
    );
    let row = |row: &Row| row.optional::<&str>(0)?.map(|text| serde_json::from_str(text).map_err(Error::internal)).transpose();
    Internal::new(text, values![ids(rows), room as u64], all(row))
}

/// Who calls, as files may speak of it: id, e-mail, name, and the names of the declared groups.
pub fn caller(user: Uuid) -> Internal<Option<Json>> {
    let text = "select jsonb_build_object('id', u.id, 'email', u.email, 'name', u.name, 'groups', coalesce((
  select jsonb_agg(g.name order by g.name)
  from \"usergroup.members\" m join usergroup g on g.id = m.source and g.declared
  where m.target = u.id), '[]'))::text
from user_account u where u.id = $1";
    Internal::new(text, values![user], first(json))
}
