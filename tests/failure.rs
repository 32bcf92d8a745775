//! Failures: the wire cut, and what comes after.

use std::time::Duration;

use rowhouse::statement::migrate::declare_group;
use rowhouse::statement::pause;
use serde_json::json;
use uuid::Uuid;

use crate::house::World;

#[tokio::test]
async fn postgresql_away_is_503_and_it_comes_back_by_itself() {
    let world = World::new().await;
    let ada = world.user("ada", &[]).await;
    ada.make("tag", json!({"name": "before"}), json!({})).await;
    world.wire.cut();
    let away = ada.get("/api/tag").await.is(503);
    assert!(!away.header("retry-after").is_empty());
    world.guest().get("/readyz").await.is(503);
    world.guest().get("/healthz").await.is(200);
    ada.post("/api/tag", json!({"data": {"type": "tag", "attributes": {"name": "during"}}})).await.is(503);
    world.wire.mend();
    assert_eq!(ada.get("/api/tag").await.is(200).all("name"), [json!("before")]);
    ada.make("tag", json!({"name": "after"}), json!({})).await;
}

#[tokio::test]
async fn v19_tokens_that_are_none_of_ours_are_a_guests() {
    let world = World::new().await;
    let mut ada = world.user("ada", &[]).await;
    let good = ada.token.clone().expect("a token");
    ada.get("/api/user_account/mine").await.is(200);
    let parts: Vec<&str> = good.split('.').collect();
    let none = "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0";
    let hs = "eyJhbGciOiJIUzI1NiIsInR5cCI6ImF0K2p3dCJ9";
    for bad in [
        "null".to_owned(),
        String::new(),
        "x".repeat(10_000),
        format!("{none}.{}.", parts[1]),
        format!("{hs}.{}.{}", parts[1], parts[2]),
        format!("{}.{}.", parts[0], parts[1]),
        format!("{}.{}A.{}", parts[0], parts[1], parts[2]),
        format!("{good}A"),
        good.to_uppercase(),
    ] {
        ada.token = Some(bad.clone());
        let refused = ada.get("/api/user_account/mine").await.is(401);
        assert_eq!(refused.header("www-authenticate"), "Bearer error=\"invalid_token\"", "{bad}");
        ada.get("/api/article").await.is(200);
    }
    for path in ["/api/user_account/mine", "/metrics"] {
        assert_eq!(world.guest().get(path).await.is(401).header("www-authenticate"), "Bearer");
    }
}

#[tokio::test]
async fn bad_requests_of_every_kind_at_once_leave_the_pool_whole() {
    let world = World::new().await;
    let ada = world.user("ada", &[]).await;
    let paths = [
        "/api/tag?filter[name]=%00",
        "/api/tag/x",
        "/api/%ff",
        "/api/tag?page[after]=WyJ4Il0",
        "/api/tag?include=x",
        "/api/memo",
        "/api/tag?sort=%F0%9F%92%A9",
    ];
    let all = (0..200).map(|n| {
        let ada = ada.clone();
        async move {
            let answer = if n % 2 == 0 {
                ada.get(paths[n % paths.len()]).await
            } else {
                ada.post("/api/tag", json!({"data": {"type": "tag", "attributes": {"name": "x\u{0}"}, "n": n}})).await
            };
            assert!((400..500).contains(&answer.status), "{}: {}", answer.status, answer.text);
        }
    });
    futures_util::future::join_all(all).await;
    ada.make("tag", json!({"name": "good"}), json!({})).await;
    let (in_use, _, most) = world.app.store.connections();
    assert!(in_use <= most);
}

#[tokio::test]
async fn what_was_prepared_before_the_schema_changed_is_prepared_again() {
    let world = World::new().await;
    let ada = world.user("ada", &[]).await;
    let tag = ada.make("tag", json!({"name": "x"}), json!({})).await;
    for _ in 0..2 {
        let reads = (0..8).map(|_| async {
            ada.get(&format!("/api/tag/{tag}")).await.is(200);
            ada.get("/api/tag").await.is(200);
        });
        futures_util::future::join_all(reads).await;
        // Their results are of other types from now on; what is kept prepared says so.
        world.sql("alter table tag alter column name type varchar(300)").await;
        ada.get(&format!("/api/tag/{tag}")).await.is(200);
        assert_eq!(ada.get("/api/tag").await.is(200).all("name"), [json!("x")]);
        world.sql("alter table tag alter column name type text").await;
    }
}

#[tokio::test]
async fn a_cancel_that_was_meant_for_somebody_else_is_not_noticed() {
    let world = World::new().await;
    let slow = pause(0.4);
    let (read, ()) = tokio::join!(world.app.store.read(&slow), cancel(&world));
    assert_eq!(read.expect("read again"), 7);
    let (read, ()) = tokio::join!(world.app.store.read_small(&slow), cancel(&world));
    assert_eq!(read.expect("read again"), 7);
}

async fn cancel(world: &World) {
    loop {
        let hit = "select pg_cancel_backend(pid) from pg_stat_activity where state = 'active' and query like 'select 7::bigint from (select pg_sleep%' and datname = current_database()";
        if !world.sql(hit).await.is_empty() {
            break;
        }
    }
}

#[tokio::test]
async fn a_read_that_is_too_slow_for_a_shared_connection_gets_one_of_its_own() {
    let world = World::with(|config| config.database.small = Duration::from_millis(100)).await;
    assert_eq!(world.app.store.read_small(&pause(0.3)).await.expect("read"), 7);
}

#[tokio::test]
async fn writes_that_lock_each_other_are_done_once_more() {
    let world = World::new().await;
    let ada = world.user("ada", &[]).await;
    let article = ada.make("article", json!({"title": "x"}), json!({})).await;
    let to = json!({"article": {"data": {"type": "article", "id": article}}});
    let one = ada.make("comment", json!({"text": "1"}), to.clone()).await;
    let two = ada.make("comment", json!({"text": "2"}), to).await;
    let lock = |id: &str| format!("select from comment where id = '{id}' for update");
    // who waited longer is broken off; on a busy machine that may be the other one: then once more
    for _ in 0..10 {
        let other = world.hold(&lock(&two)).await;
        let request = async {
            let data = json!({"data": [{"type": "comment", "id": two}]});
            ada.post(&format!("/api/comment/{one}/relationships/replies"), data).await.is(204); // locks one, waits for two
        };
        let waits =
            "select from pg_locks l join pg_stat_activity a using (pid) where not l.granted and a.datname = current_database()";
        let ring = async {
            world.until(waits).await;
            let is_request_broken = other.batch_execute(&lock(&one)).await.is_ok();
            drop(other);
            is_request_broken
        };
        if tokio::join!(request, ring).1 {
            return;
        }
    }
    panic!("PostgreSQL never broke the request off");
}

#[tokio::test]
async fn what_nobody_waits_for_is_cancelled_and_the_pool_is_whole() {
    let world = World::with(|config| config.database.pool = 2).await;
    let slow = pause(60.0);
    let running = "select 1 from pg_stat_activity where state = 'active' and query like 'select 7::bigint from (select pg_sleep(60)%' and datname = current_database()";
    let (store, other) = (world.app.store.clone(), world.twin().await);
    let reader = tokio::spawn(async move { _ = store.read(&slow).await });
    other.until(running).await;
    reader.abort(); // as a request whose client went away
    other.until(&format!("select 1 where not exists ({running})")).await;
    let ada = world.user("ada", &[]).await;
    let all = (0..8).map(|_| ada.get("/api/tag"));
    for answer in futures_util::future::join_all(all).await {
        answer.is(200);
    }
}

#[tokio::test]
async fn a_panic_in_the_middle_of_a_transaction_leaves_nothing_of_it() {
    let world = World::with(|config| config.database.pool = 2).await;
    for _ in 0..5 {
        let store = world.app.store.clone();
        let work = tokio::spawn(async move {
            let mut scope = store.begin().await.expect("begun");
            scope.run(&declare_group(Uuid::now_v7(), "half done")).await.expect("made");
            panic!("on purpose");
        });
        assert!(work.await.is_err());
    }
    assert!(world.sql("select 1 from usergroup where name = 'half done'").await.is_empty());
    let slow = pause(0.05);
    let all = (0..8).map(|_| world.app.store.read(&slow));
    for done in futures_util::future::join_all(all).await {
        done.expect("the pool is whole");
    }
}
