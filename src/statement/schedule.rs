//! Schedules: the SQL of ticks, of which every one is some node's alone.

use super::query::{Internal, any, first, values};

/// When an action ran last, as text; from its first sight on it counts.
pub fn last(action: &str) -> Internal<Option<String>> {
    let text = "with new as (
  insert into rowhouse.tick (action, last) values ($1, now()) on conflict do nothing returning last)
select to_char(last at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')
from (select last from new union all select last from rowhouse.tick where action = $1) t";
    Internal::new(text, values![action], first(|row| row.column(0)))
}

/// Takes a tick. Whether it is ours: one node's alone.
pub fn take(action: &str, last: &str, now: &str) -> Internal<bool> {
    let text = "update rowhouse.tick set last = $3::timestamptz where action = $1 and last = $2::timestamptz returning action";
    Internal::new(text, values![action, last, now], any)
}
