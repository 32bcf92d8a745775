//! How many statements a read is, counted on the wire: one where caller and shape are known, one more for a new caller, one more
//! where a page's walk came up short.

use serde_json::json;

use crate::house::{Someone, World};

async fn executed(someone: &Someone<'_>, world: &World, path: &str) -> usize {
    world.wire.listen();
    someone.get(path).await.is(200);
    world.wire.executed()
}

#[tokio::test]
async fn a_read_is_one_statement_where_the_caller_is_known() {
    let world = World::new().await;
    let ada = world.user("ada", &["editors"]).await;
    let article = ada.make("article", json!({"title": "x", "permission": 16258}), json!({})).await;
    for n in 0..30 {
        ada.make("tag", json!({"name": format!("tag {n}"), "permission": 16258}), json!({})).await;
    }
    let surfaces = [
        (format!("/api/article/{article}"), 1),
        ("/api/user_account/mine".to_owned(), 1),
        (format!("/api/article/{article}?include=author,comments"), 1),
        (format!("/api/article/{article}/tags"), 1),
        (format!("/api/article/{article}/section"), 1),
        (format!("/api/article/{article}/relationships/tags"), 1),
        ("/aggregate/article?measure=count".to_owned(), 1),
        ("/api/tag?sort=id&page[size]=25".to_owned(), 1),     // a full page
        ("/api/tag?sort=color&page[size]=100".to_owned(), 1), // no index gives the order: no walk
        ("/api/tag?sort=id&page[size]=100".to_owned(), 2),    // the walk came up short
        ("/actions".to_owned(), 1),
    ];
    for (at, (path, count)) in surfaces.iter().enumerate() {
        let bob = world.user(&format!("bob{at}"), &[]).await;
        assert_eq!(executed(&bob, &world, path).await, if path == "/actions" { 1 } else { count + 1 }, "{path}, a new caller");
        for _ in 0..3 {
            assert_eq!(executed(&bob, &world, path).await, *count, "{path}");
        }
        world.sql("update world set permission = permission # 64 where name = 'memo'").await;
        let found = executed(&bob, &world, path).await;
        let again = if path == "/actions" { 2 } else { 2 + count };
        assert_eq!(found, again, "{path}: the proof failed, it was learned anew and asked again");
        assert_eq!(executed(&bob, &world, path).await, *count, "{path}, once more");
    }
    let admin = world.administrator().await;
    admin.get("/api/tag").await.is(200);
    assert_eq!(executed(&admin, &world, "/api/tag?sort=id&page[size]=100").await, 1, "administrators see all: no walk");
}

#[tokio::test]
async fn what_refuses_is_proven_too() {
    let world = World::new().await;
    let ada = world.user("ada", &[]).await;
    ada.get("/api/memo").await.is(403);
    world.wire.listen();
    ada.get("/api/memo").await.is(403);
    assert_eq!(world.wire.executed(), 1, "the proof alone");
    // What is known says no, and holds no more.
    let memo = "update world set groups = array['00000000-0000-7000-8000-000000000002'::uuid], group_bits = null, permission = 2080768 where name = 'memo'";
    world.sql(memo).await;
    ada.get("/api/memo").await.is(200);
}

#[tokio::test]
async fn the_stamp_is_renewed_by_changes_of_entities_and_actions_and_by_nothing_else() {
    let world = World::new().await;
    let stamp = async || world.sql("select value from rowhouse.stamp").await[0].uuid(0).expect("a stamp");
    let renews = async |sql: &str| {
        let before = stamp().await;
        world.sql(sql).await;
        before != stamp().await
    };
    for sql in [
        "update world set permission = permission # 64 where name = 'memo'",
        "update world set groups = '{}' where name = 'memo'",
        "update world set default_permission = 7 where name = 'memo'",
        "update action set permission = 64 where name = 'paint'",
        "delete from action where name = 'paint'",
        "insert into action (id, permission, entity, name, label, description) select gen_random_uuid(), 0, 'tag', 'paint', '', ''",
    ] {
        assert!(renews(sql).await, "{sql}");
    }
    world.sql("insert into usergroup (id, permission, name, joinable, declared) select gen_random_uuid(), 0, 'g' || n, false, false from generate_series(1, 1000) n").await;
    for sql in [
        "update world set permission = permission",
        "update action set label = label",
        "update world set permission = 1 where name = 'nothing of that name'",
        "delete from usergroup where name like 'g%'",
        "insert into tag (id, permission, name) values (gen_random_uuid(), 2, 'x')",
    ] {
        assert!(!renews(sql).await, "{sql}");
    }
    // The loader writes only what differs.
    let before = stamp().await;
    let (schema, actions) = rowhouse::start::project(&world.app.config).expect("a project");
    rowhouse::start::apply(&world.app.store, &schema, &actions, rowhouse::start::Destructive::Refused).await.expect("applied");
    world.sql("select 1").await;
    let again = stamp().await;
    rowhouse::start::apply(&world.app.store, &schema, &actions, rowhouse::start::Destructive::Refused).await.expect("applied");
    assert_eq!(again, stamp().await, "nothing differs the second time; the first time `paint` came back: {before}");
}

#[tokio::test]
async fn what_is_learned_in_a_transaction_that_is_rolled_back_stays_in_it() {
    let world = World::new().await;
    let (ada, admin) = (world.user("ada", &[]).await, world.administrator().await);
    let memo = ada.post("/api/memo", json!({"data": {"type": "memo", "attributes": {"text": "x"}}})).await;
    assert_eq!(memo.status, 403);
    // Within one request the entity is opened and read, and then everything is rolled back.
    let row = world.sql("select id::text from world where name = 'memo'").await[0].text(0).expect("an id").to_owned();
    let operations = json!({"atomic:operations": [
        {"op": "update", "data": {"type": "world", "id": row, "attributes": {"permission": 2_097_151}}},
        {"op": "add", "data": {"type": "memo", "attributes": {"text": "x"}}},
        {"op": "add", "data": {"type": "memo", "attributes": {"text": 7}}},
    ]});
    for someone in [&admin, &ada] {
        let request = someone.request(reqwest::Method::POST, "/api/operations").header("Content-Type", "application/json");
        let answer = someone.send(request.body(operations.to_string())).await;
        assert!(answer.status == 422 || answer.status == 403, "{}", answer.text);
        ada.get("/api/memo").await.is(403);
        world.guest().get("/api/memo").await.is(401);
    }
}
