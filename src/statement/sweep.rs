//! What is over and nobody asks for any more: taken away now and then, by whichever node.

use super::query::{Internal, count};

/// Sessions are kept for so long after they are over: somebody may ask from where they signed in, and is known by it.
const SESSIONS: &str = "interval '30 days'";
/// Files of exports that were not fetched again, and parts of what broke off.
const FILES: &str = "interval '1 day'";
/// Runs of actions that ran by themselves.
const RUNS: &str = "interval '30 days'";
/// So many rows go at a time.
const ROWS: usize = 1000;

/// All of it, a part at a time: each gives how many rows went.
pub fn all() -> Vec<Internal<usize>> {
    let rows = |table: &str, condition: &str| {
        let text = format!(
            "delete from {table} where ctid in (select t.ctid from {table} t where {condition} limit {ROWS} for update skip locked)
returning 1"
        );
        Internal::new(text, vec![], count)
    };
    vec![
        rows("public.session", &format!("coalesce(t.ended_at, t.expires_at) < now() - {SESSIONS}")),
        rows("public.action_run", &format!("t.created_at < now() - {RUNS}")),
        rows(
            "rowhouse.part",
            &format!(
                "t.at < now() - {FILES} and not exists (
  select from public.transfer f where f.id = t.transfer and (f.state = 'running' or f.updated_at > now() - {FILES}))"
            ),
        ),
        rows("rowhouse.refresh", "t.expires_at < now()"),
        rows("rowhouse.token", "t.expires_at < now()"),
        rows("rowhouse.attempt", "t.since < now() - interval '1 day'"),
    ]
}
