//! Schedules: the SQL of ticks, of which every one is some node's alone.

use super::Statement;

/// When an action ran last, as text; from its first sight on it counts.
pub fn last(action: &str) -> Statement {
    let sql = "with new as (insert into rowhouse.tick (action, last) values ($1, now()) on conflict do nothing returning last) \
               select to_char(last at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') from (select last from new union all select last from rowhouse.tick where action = $1) t";
    Statement::fixed(sql, vec![Some(action.to_owned())])
}

/// Takes a tick. Gives a row to the one node that does.
pub fn take(action: &str, last: &str, now: &str) -> Statement {
    let sql = "update rowhouse.tick set last = $3::timestamptz where action = $1 and last = $2::timestamptz returning action";
    Statement::fixed(sql, [action, last, now].map(|text| Some(text.to_owned())).to_vec())
}
