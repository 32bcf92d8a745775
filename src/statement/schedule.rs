//! Schedules: the SQL of ticks, of which every one is some node's alone.

use uuid::Uuid;

use super::query::{Internal, any, done, first, values};

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

/// What became of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Ran {
    Ran,
    Failed,
    /// There was no such active user.
    Nobody,
}

impl Ran {
    /// The word for rows and metrics.
    pub fn word(self) -> &'static str {
        match self {
            Ran::Ran => "ran",
            Ran::Failed => "failed",
            Ran::Nobody => "nobody",
        }
    }
}

/// Notes what became of a run. `ms`: how long it took.
pub fn note(action: &str, run_as: &str, ran: Ran, ms: i64, error: Option<&str>) -> Internal<()> {
    let text = "insert into action_run (id, permission, action, run_as, state, ms, error) values ($1, 0, $2, $3, $4, $5, $6)";
    Internal::new(text, values![Uuid::now_v7(), action, run_as, ran.word(), ms, error], done)
}
