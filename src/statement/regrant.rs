//! Rows that get the rights of today's new ones: those alone that still have what new rows got before.

use serde_json::Value as Json;
use uuid::Uuid;

use super::query::{Internal, Sql, all, array, one, values};
use crate::permission::Permission;
use crate::schema::Entity;

/// What rows have to have.
#[derive(Debug)]
pub struct Earlier {
    /// Their permission; none: that of the defaults, each with its groups.
    pub permission: Option<Permission>,
    /// Defaults that the files had.
    pub defaults: Vec<Rights>,
}

/// Rights of a row.
#[derive(Debug)]
#[allow(missing_docs)]
pub struct Rights {
    pub permission: i32,
    /// Groups, and bits of their own.
    pub groups: Vec<(Uuid, Option<i32>)>,
}

/// How many rows there are, and of which kind.
#[derive(Debug)]
#[allow(missing_docs)]
pub struct Counts {
    pub all: i64,
    /// That have today's defaults.
    pub have: i64,
    /// That are to get them.
    pub get: i64,
}

/// The defaults that the files had before, by the names of groups as files have them: permission, and groups with bits.
pub fn before(entity: &str) -> Internal<Vec<Json>> {
    let text = "select b::text from world w, jsonb_array_elements(w.applied -> 'before') b where w.name = $1";
    let decode = all(|row| serde_json::from_str(row.column(0)?).map_err(crate::error::Error::internal));
    Internal::new(text, values![entity], decode)
}

/// Groups with bits as one text, in an order that says nothing.
fn granted(ids: &str, bits: &str) -> String {
    format!(
        "(select coalesce(string_agg(g || ':' || coalesce(b::text, ''), ' ' order by g), '') from unnest({ids}, {bits}) u (g, b))"
    )
}

/// Whether a row `t` has what it has to have, and not what it is to get (`w`).
fn is_meant(sql: &mut Sql, from: &Earlier) -> String {
    let text = |rights: &Rights| {
        let mut groups: Vec<String> = rights
            .groups
            .iter()
            .map(|(id, bits)| format!("{id}:{}", bits.map(|bits| bits.to_string()).unwrap_or_default()))
            .collect();
        groups.sort_unstable();
        groups.join(" ")
    };
    let mine = granted("t.groups", "t.group_bits");
    let now = granted("w.default_groups", "w.default_group_bits");
    let condition = match from.permission {
        // Of a permission that somebody names, rows count that nobody granted to others than the files did.
        Some(permission) => {
            let known = sql.bind(array(from.defaults.iter().map(|rights| Some(text(rights)))));
            let bits = sql.bind(i64::from(permission.bits()));
            format!("t.permission = {bits}::bigint and ({mine} in ('', {now}) or {mine} = any({known}::text[]))")
        }
        None => {
            let pairs = from.defaults.iter().map(|rights| Some(format!("{} {}", rights.permission, text(rights))));
            let pairs = sql.bind(array(pairs));
            format!("t.permission || ' ' || {mine} = any({pairs}::text[])")
        }
    };
    format!("({condition}) and not ({})", has_todays())
}

fn has_todays() -> String {
    let (mine, now) = (granted("t.groups", "t.group_bits"), granted("w.default_groups", "w.default_group_bits"));
    format!("t.permission = w.default_permission and {mine} = {now}")
}

/// How many rows there are, have today's defaults, and are to get them.
pub fn counts(entity: &Entity, from: &Earlier) -> Internal<Counts> {
    let mut sql = Sql::new();
    let (meant, name) = (is_meant(&mut sql, from), sql.bind(entity.name.as_str()));
    let text = format!(
        "select count(*), count(*) filter (where {}), count(*) filter (where {meant})
from {} t, world w
where w.name = {name}",
        has_todays(),
        entity.table(),
    );
    Internal::of(sql.with(text), one(|row| Ok(Counts { all: row.column(0)?, have: row.column(1)?, get: row.column(2)? })))
}

/// Gives a batch of rows after this one today's defaults. Gives the last one's id, and how many they were; none: there is none
/// left.
pub fn batch(entity: &Entity, from: &Earlier, after: Uuid, size: i64) -> Internal<(Option<Uuid>, i64)> {
    let mut sql = Sql::new();
    let (meant, name) = (is_meant(&mut sql, from), sql.bind(entity.name.as_str()));
    let (after, size, table) = (sql.bind(after), sql.bind(size), entity.table());
    let text = format!(
        "with found as (
  select t.id from {table} t, world w
  where w.name = {name} and t.id > {after}::uuid and {meant}
  order by t.id limit {size}::bigint
  for update of t
), changed as (
  update {table} r
  set permission = w.default_permission, groups = coalesce(w.default_groups, '{{}}'), group_bits = w.default_group_bits,
    version = r.version + 1, updated_at = now()
  from found f, world w
  where r.id = f.id and w.name = {name}
  returning r.id
)
select (select id from changed order by id desc limit 1), (select count(*) from changed)"
    );
    Internal::of(sql.with(text), one(|row| Ok((row.optional(0)?, row.column(1)?))))
}
