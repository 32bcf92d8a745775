//! Actions that run by themselves.

use std::time::{Duration, Instant};

use rowhouse::statement::schedule;
use serde_json::json;

use crate::house::World;

#[tokio::test]
async fn a_tick_is_one_nodes_alone_and_missed_ones_are_caught_up_once() {
    let world = World::of("tests/projects/odd").await;
    let (clock, admin) = (world.user("clock", &[]).await, world.administrator().await);
    let twins = [world.twin().await, world.twin().await];
    for node in [&world, &twins[0], &twins[1]] {
        node.run_schedules();
    }
    let made = async || admin.get("/api/order?filter[k0]=tally by clock@example.org&page[total]=exact").await.is(200).ids().len();
    let mut runs = 0;
    for years in [1, 7] {
        // The tick that all nodes know of lies far back: however many were missed, it runs once.
        world.until(&format!("update rowhouse.tick set last = now() - interval '{years} years 1 day' returning 1")).await;
        runs += 1;
        let deadline = Instant::now() + Duration::from_secs(120);
        while made().await < runs {
            assert!(Instant::now() < deadline, "it never ran");
        }
        for _ in 0..30 {
            assert_eq!(made().await, runs, "once, on {} nodes", twins.len() + 1);
        }
    }
    assert!(
        world.sql("select 1 from session where ended_at is null and device = 'terminal'").await.is_empty(),
        "its sessions end"
    );
    assert!(rowhouse::start::schedules::unusable(&world.app).await.is_empty());
    // Whom it runs as decides what it may: barred, it does nothing.
    admin.act(&format!("user_account/{}/deactivate", clock.id), json!({})).await.is(200);
    world.sql("update rowhouse.tick set last = now() - interval '2 years'").await;
    world.until("select 1 from rowhouse.tick where last > now() - interval '1 day'").await;
    assert_eq!(made().await, runs);
    let said = rowhouse::start::schedules::unusable(&world.app).await;
    assert!(said.len() == 1 && said[0].contains("clock@example.org, and there is no such active user"), "{said:?}");
    world.sql("update user_account set active = true").await;
    world.sql("update action set permission = 0, groups = '{}'").await;
    let said = rowhouse::start::schedules::unusable(&world.app).await;
    assert!(said[0].contains("clock@example.org, who isn't permitted to run it"), "{said:?}");
    // Administrators see what became of each.
    world.until("select 1 from action_run where state = 'nobody'").await;
    world.sql("update rowhouse.tick set last = now() - interval '2 years'").await;
    world.until("select 1 from action_run where state = 'failed'").await;
    let row = async |state: &str| admin.get(&format!("/api/action_run?filter[state]={state}")).await.is(200).json["data"].clone();
    assert_eq!(row("ran").await.as_array().expect("rows").len(), runs);
    assert!(row("nobody").await[0]["attributes"]["error"].as_str().expect("words").contains("no active user clock@"));
    let failed = row("failed").await[0]["attributes"].clone();
    assert!(failed["run_as"] == "clock@example.org" && failed["error"].as_str().expect("words").contains("not permitted"));
    world.user("ada", &[]).await.get("/api/action_run").await.is(403);
    let data = json!({"data": {"type": "action_run", "attributes": {}}});
    admin.post("/api/action_run", data).await.is(403);
    let counted = [&world, &twins[0], &twins[1]].map(|node| node.app.metrics.text(&node.app.store)).concat();
    assert!(counted.contains("rowhouse_scheduled_runs_total{state=\"ran\"}"), "on whichever node");
}

#[tokio::test]
async fn a_tick_is_taken_once_from_when_the_last_was() {
    let world = World::new().await;
    _ = world.app.store.read(&schedule::last("tag/tick")).await.expect("a tick");
    let times = "select to_char(last, 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') from rowhouse.tick where action = 'tag/tick'";
    let last = world.sql(times).await[0].text(0).expect("a time").to_owned();
    let take = async |last: &str, now: &str| world.app.store.read(&schedule::take("tag/tick", last, now)).await.expect("asked");
    assert!(take(&last, "2030-01-01T00:00:00Z").await);
    assert!(!take(&last, "2030-01-01T00:00:00Z").await, "another node was there before");
    assert!(take("2030-01-01T00:00:00Z", "2030-01-01T00:01:00Z").await);
}
