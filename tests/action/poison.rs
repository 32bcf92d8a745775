//! What ends whoever does it: it is begun so often and no more. And what an action holds, copies and renders is bounded.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rowhouse::config::Secret;
use serde_json::json;

use crate::house::World;
use crate::house::smtp::Smtp;

const FLOW: &str = "tests/projects/flow";

#[tokio::test]
async fn what_was_begun_so_often_and_never_came_to_an_end_is_dead() {
    let world = World::of_with(FLOW, |config| {
        config.outbox.poll = Duration::from_millis(50);
        config.outbox.tries = 2;
    })
    .await;
    let ada = world.user("ada", &[]).await;
    let body = json!({"entity": "ticket", "format": "csv", "content": STANDARD.encode("title\nx\n")});
    let begun = ada.act("world/import_data", body).await.is(200);
    let id = begun.json[0]["Attributes"]["id"].as_str().expect("an id").to_owned();
    // It never ends: its rows can't be written.
    let holder = world.hold("lock table ticket in share mode").await;
    for tries in 1..=2 {
        let app = world.app.clone();
        let node = tokio::spawn(async move { rowhouse::start::tasks(&app, std::future::pending()).await });
        world.until(&format!("select 1 from task where tries >= {tries}")).await;
        node.abort(); // killed, in the middle of it
        _ = node.await;
        world.sql("update task set next_at = now() - interval '1 second'").await;
    }
    world.run_tasks();
    // A claim may have been on its way when its node was killed: that is one more which never ends.
    let due = "update task set next_at = now() - interval '1 second' where state = 'waiting'";
    world.until(&format!("with due as ({due}) select 1 from task where state = 'dead'")).await;
    let row = ada.get(&format!("/api/transfer/{id}")).await.is(200).json["data"]["attributes"].take();
    assert_eq!(row["state"], "failed", "{row}");
    assert!(row["faults"][0]["message"].as_str().is_some_and(|words| words.contains("never came to an end")), "{row}");
    holder.batch_execute("commit").await.expect("let go");
    assert!(world.sql("select 1 from ticket").await.is_empty(), "and nothing was done");
    // An administrator may have it tried again.
    world.sql("update transfer set state = 'running'").await;
    world.sql("update task set state = 'waiting', next_at = now()").await;
    world.settled().await;
    assert_eq!(world.sql("select 1 from ticket").await.len(), 1);
}

#[tokio::test]
async fn a_letter_that_ends_whoever_sends_it_is_dead_too() {
    let world = World::new().await; // it sends nothing
    let ada = world.user("ada", &[]).await;
    ada.act("user_account/request_email_verification", json!({})).await.is(200);
    world.sql("update mail set begun = 12, tries = 12").await; // as of twelve who were killed
    let smtp = Smtp::new().await;
    let _node = world.twin_with(|config| config.mail.smtp = Some(Secret::new(smtp.url()))).await;
    world.until("select 1 from mail where state = 'dead' and error like '%begun 12 times%'").await;
    assert!(smtp.is_empty());
}

#[tokio::test]
async fn one_person_s_imports_hold_up_nobody_else_s() {
    let world = World::of_with(FLOW, |config| {
        config.outbox.poll = Duration::from_millis(50);
        config.limits.action_rate = false;
        config.database.pool = 8; // two at a time
    })
    .await;
    world.run_tasks();
    let (ada, bob) = (world.user("ada", &[]).await, world.user("bob", &[]).await);
    let holder = world.hold("lock table ticket in share mode").await;
    let order = |entity: &str, column: &str| json!({"entity": entity, "format": "csv", "content": STANDARD.encode(format!("{column}\nx\n"))});
    for _ in 0..3 {
        ada.act("world/import_data", order("ticket", "title")).await.is(200);
    }
    let begun = bob.act("world/import_data", order("tag", "name")).await.is(200);
    let id = begun.json[0]["Attributes"]["id"].as_str().expect("an id").to_owned();
    let path = format!("/api/transfer/{id}");
    world.until(&format!("select 1 from transfer where id = '{id}' and state = 'done'")).await;
    bob.get(&path).await.is(200);
    holder.batch_execute("commit").await.expect("let go");
    world.settled().await;
    assert_eq!(world.sql("select 1 from ticket").await.len(), 3, "and hers are done one after the other");
}

#[tokio::test]
async fn what_an_action_holds_and_copies_is_bounded() {
    let held = 1 << 20;
    let world = World::of_with(FLOW, |config| {
        config.limits.action = held;
        config.limits.action_rate = false;
    })
    .await;
    let ada = world.user("ada", &[]).await;
    let rows = async |count: usize, bytes: usize| {
        world.sql("delete from ticket").await;
        let sql = format!(
            "insert into ticket (id, owner, permission, title, status, aside) select gen_random_uuid(), '{}', 16256, 't' || n, 'open', repeat('x', {bytes}) from generate_series(1, {count}) n",
            ada.id
        );
        world.sql(&sql).await;
    };
    rows(100, 5_000).await;
    ada.act("ticket/each_of_many", json!({})).await.is(200);
    // What there is no room for isn't even sent.
    rows(100, 20_000).await;
    let refused = ada.act("ticket/each_of_many", json!({})).await.is(422);
    assert!(refused.text.contains("what an action holds has at most 1048576 bytes"), "{}", refused.text);
    // A list that is looked at for each of its rows is worked through as often as there are rows.
    rows(100, 5_000).await;
    let refused = ada.act("ticket/each_looks", json!({})).await.is(422);
    assert!(refused.text.contains("copies and renders"), "{}", refused.text);
    rows(5, 5_000).await;
    ada.act("ticket/each_looks", json!({})).await.is(200);
}
