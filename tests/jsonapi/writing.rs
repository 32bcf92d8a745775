//! Creating, updating, deleting, linking.

use reqwest::Method;
use serde_json::json;

use crate::house::World;

fn to(kind: &str, id: &str) -> serde_json::Value {
    json!({"data": {"type": kind, "id": id}})
}

#[tokio::test]
async fn cu3_cu4_cu12_cu18_a_row_is_made_changed_and_deleted() {
    let world = World::new().await;
    let ada = world.user("ada", &[]).await;
    let surprising = "größe 'x' \"y\" % \\ 😀";
    let made = ada
        .post("/api/article?include=author", json!({"data": {"type": "article", "attributes": {"title": surprising, "price": "1.50", "settings": {"a": [null]}, "published_at": "2026-11-22T12:00:00+02:00"}}}))
        .await
        .is(201);
    let data = &made.json["data"];
    assert_eq!(made.header("location"), data["links"]["self"], "CU4");
    assert_eq!(data["attributes"]["title"], surprising);
    assert_eq!(data["attributes"]["published_at"], "2026-11-22T10:00:00Z");
    assert_eq!(data["attributes"]["status"], "draft", "a default");
    assert_eq!(data["attributes"]["version"], 1);
    assert_eq!(data["relationships"]["author"]["data"]["id"], ada.id.to_string(), "default: caller");
    assert_eq!(data["relationships"]["owner"]["data"]["id"], ada.id.to_string());
    assert_eq!(made.json["included"][0]["id"], ada.id.to_string());
    let (url, id) = (made.header("location").to_owned(), data["id"].as_str().expect("an id").to_owned());
    let changed = ada
        .patch(&url, json!({"data": {"type": "article", "id": id, "attributes": {"title": "b", "price": null, "version": 1}}}))
        .await
        .is(200);
    assert_eq!(changed.json["data"]["attributes"]["version"], 2);
    assert_eq!(changed.json["data"]["attributes"]["price"], json!(null));
    assert_eq!(changed.json["data"]["attributes"]["settings"], json!({"a": [null]}), "CU10");
    ada.patch(&url, json!({"data": {"type": "article", "id": id, "attributes": {"version": 1}}})).await.is(409);
    let bob = world.user("bob", &[]).await;
    bob.delete(&url).await.is(404);
    bob.patch(&url, json!({"data": {"type": "article", "id": id, "attributes": {"title": ""}}})).await.is(404);
    ada.delete(&url).await.is(204);
    ada.delete(&url).await.is(404);
    world.guest().post("/api/article", json!({"data": {"type": "article"}})).await.is(401);
}

#[tokio::test]
async fn cu6_cu7_cu9_er1_faults_name_their_place_all_at_once() {
    let world = World::new().await;
    let ada = world.user("ada", &[]).await;
    let bad = ada
        .post("/api/article", json!({"data": {"type": "article", "attributes": {"titel": "x", "status": "nonsense", "words": -1, "slug": "A b", "price": 1, "published_at": "x"},
            "relationships": {"tags": {"data": [{"type": "section", "id": "x"}]}, "nobody": {"data": null}}}}))
        .await
        .is(404); // the tag isn't there, and rows come before faults
    assert_eq!(bad.json["errors"].as_array().map(Vec::len), Some(1));
    assert_eq!(bad.json["errors"][0]["source"]["pointer"], "/data/relationships/tags");
    let bad = ada
        .post("/api/article", json!({"data": {"type": "article", "attributes": {"titel": "x", "status": "nonsense", "words": -1, "slug": "A b", "price": 1, "published_at": "x"},
            "relationships": {"nobody": {"data": null}, "section": {"data": []}}}}))
        .await
        .is(422);
    let pointers: Vec<_> = bad.json["errors"]
        .as_array()
        .expect("errors")
        .iter()
        .map(|e| e["source"]["pointer"].as_str().expect("a pointer"))
        .collect();
    for wanted in [
        "/data/attributes/titel",
        "/data/attributes/status",
        "/data/attributes/words",
        "/data/attributes/slug",
        "/data/attributes/price",
        "/data/attributes/published_at",
        "/data/relationships/nobody",
        "/data/relationships/section/data",
        "/data/attributes",
    ] {
        assert!(pointers.contains(&wanted), "{wanted} in {pointers:?}");
    }
    assert!(bad.text.contains("Did you mean `title`?"));
    ada.post(
        "/api/article",
        json!({"data": {"type": "article", "id": "00000000-0000-7000-8000-000000000001", "attributes": {"title": "x"}}}),
    )
    .await
    .is(403);
    ada.post("/api/article", json!({"data": {"type": "tag", "attributes": {"title": "x"}}})).await.is(409);
    for body in [
        json!([]),
        json!({}),
        json!({"data": null}),
        json!({"data": []}),
        json!({"data": {"type": 7}}),
        json!({"data": {"type": "article", "attributes": []}}),
    ] {
        ada.post("/api/article", body).await.is(400);
    }
    for title in
        [json!(7), json!(null), json!(["x"]), json!({"a": 1}), json!("a\u{0}b"), json!("x".repeat(201)), json!(""), json!("a\nb")]
    {
        ada.post("/api/article", json!({"data": {"type": "article", "attributes": {"title": title}}})).await.is(422);
    }
    let send = async |kind: &str, body: &'static str| {
        ada.send(ada.request(Method::POST, "/api/article").header("Content-Type", kind).body(body)).await.status
    };
    assert_eq!(send("application/vnd.api+json", "{").await, 400);
    assert_eq!(send("application/vnd.api+json", "{\"data\":{},\"data\":{}}").await, 400);
    assert_eq!(send("application/vnd.api+json;charset=utf-8", "{}").await, 415);
    assert_eq!(send("text/plain", "{}").await, 415);
    assert_eq!(send("application/json", "{\"data\":{\"type\":\"article\",\"attributes\":{\"title\":\"x\"}}}").await, 201);
    let huge = "x".repeat(2_000_000);
    assert_eq!(
        ada.send(ada.request(Method::POST, "/api/article").header("Content-Type", "application/json").body(huge)).await.status,
        413
    );
}

#[tokio::test]
async fn cu13_a_clash_names_the_attribute_and_nothing_of_the_other_row() {
    let world = World::new().await;
    let (ada, bob) = (world.user("ada", &[]).await, world.user("bob", &[]).await);
    let hidden = ada.make("article", json!({"title": "x", "slug": "taken"}), json!({})).await;
    let clash = bob
        .post("/api/article", json!({"data": {"type": "article", "attributes": {"title": "y", "slug": "taken"}}}))
        .await
        .is(409);
    assert_eq!(clash.json["errors"][0]["source"]["pointer"], "/data/attributes/slug");
    assert!(!clash.text.contains(&hidden) && !clash.text.contains("article."));
    // An index that somebody made by hand is of no attribute, and is no id.
    world.sql("create unique index by_hand on tag (color)").await;
    let tag = |name: &str| json!({"data": {"type": "tag", "attributes": {"name": name, "color": "#abcdef"}}});
    ada.post("/api/tag", tag("one")).await.is(201);
    let clash = bob.post("/api/tag", tag("two")).await.is(409);
    assert!(clash.json["errors"][0]["source"].is_null() && !clash.text.contains("by_hand"), "{}", clash.text);
    // restrict answers 409, and says what it is to whom may read it
    let admin = world.administrator().await;
    let refused = admin.delete(&format!("/api/user_account/{}", ada.id)).await.is(409);
    assert!(refused.text.contains("1 row of `article` still needs this one, by `author`."), "{}", refused.text);
}

#[tokio::test]
async fn cu14_cu15_cu16_cu17_links_change_from_both_sides() {
    let world = World::new().await;
    let ada = world.user("ada", &[]).await;
    let article = ada.make("article", json!({"title": "x"}), json!({})).await;
    let (one, two) =
        (ada.make("tag", json!({"name": "one"}), json!({})).await, ada.make("tag", json!({"name": "two"}), json!({})).await);
    let tags = format!("/api/article/{article}/relationships/tags");
    let list = |ids: &[&str]| json!({"data": ids.iter().map(|id| json!({"type": "tag", "id": id})).collect::<Vec<_>>()});
    ada.post(&tags, list(&[&one])).await.is(204);
    ada.post(&tags, list(&[&one, &two])).await.is(204);
    assert_eq!(ada.get(&tags).await.ids().len(), 2);
    ada.unlink(&tags, list(&[&one])).await.is(204);
    ada.unlink(&tags, list(&[&one])).await.is(204);
    assert_eq!(ada.get(&tags).await.ids(), [two.as_str()]);
    ada.patch(&tags, list(&[&one])).await.is(204);
    assert_eq!(ada.get(&tags).await.ids(), [one.as_str()]);
    ada.patch(&tags, json!({"data": null})).await.is(422);
    // a full replace leaves alone what its sender can't see
    world.sql(&format!("update tag set permission = 0, owner = null where id = '{one}'")).await;
    ada.patch(&tags, list(&[&two])).await.is(204);
    assert_eq!(world.sql(&format!("select 1 from \"article.tags\" where source = '{article}'")).await.len(), 2);
    // to-one
    let comment = ada.make("comment", json!({"text": "x"}), json!({"article": to("article", &article)})).await;
    let reply = ada
        .make("comment", json!({"text": "y"}), json!({"article": to("article", &article), "reply_to": to("comment", &comment)}))
        .await;
    let reply_to = format!("/api/comment/{reply}/relationships/reply_to");
    assert_eq!(ada.get(&reply_to).await.json["data"]["id"], comment);
    ada.patch(&reply_to, json!({"data": null})).await.is(204);
    assert!(ada.get(&reply_to).await.json["data"].is_null());
    ada.patch(&format!("/api/comment/{reply}/relationships/article"), json!({"data": null})).await.is(422);
    ada.patch(&reply_to, to("comment", "00000000-0000-7000-8000-000000000009")).await.is(404);
    ada.post(&reply_to, to("comment", &comment)).await.is(405);
    // the inverse: the comments are what changes
    let replies = format!("/api/comment/{comment}/relationships/replies");
    let comments = |ids: &[&str]| json!({"data": ids.iter().map(|id| json!({"type": "comment", "id": id})).collect::<Vec<_>>()});
    ada.post(&replies, comments(&[&reply])).await.is(204);
    assert_eq!(ada.get(&replies).await.ids(), [reply.as_str()]);
    let bob = world.user("bob", &[]).await;
    bob.unlink(&replies, comments(&[&reply])).await.is(403);
    ada.patch(&replies, comments(&[])).await.is(204);
    assert!(ada.get(&replies).await.ids().is_empty());
    ada.patch(&format!("/api/article/{article}/relationships/comments"), comments(&[])).await.is(422);
}

#[tokio::test]
async fn methods_that_are_not_there_are_405_with_allow() {
    let world = World::new().await;
    let ada = world.user("ada", &[]).await;
    let answer = ada.send(ada.request(Method::PATCH, "/api/article")).await.is(405);
    assert_eq!(answer.header("allow"), "GET, HEAD, POST");
    let answer = ada.send(ada.request(Method::POST, "/api/article/x")).await.is(405);
    assert_eq!(answer.header("allow"), "GET, HEAD, PATCH, PUT, DELETE");
    ada.get("/nothing").await.is(404);
    ada.get("/api/article/").await.is(404);
    ada.get("/api/%zz").await.is(400);
    assert_eq!(ada.send(ada.request(Method::HEAD, "/healthz")).await.status, 200);
}

#[tokio::test]
async fn ids_of_requests_come_back() {
    let world = World::new().await;
    let guest = world.guest();
    let answer = guest.send(guest.request(Method::GET, "/api/article").header("X-Request-Id", "abc-1")).await;
    assert_eq!(answer.header("x-request-id"), "abc-1");
    let answer = guest.send(guest.request(Method::GET, "/api/article").header("X-Request-Id", "a b")).await;
    assert_eq!(answer.header("x-request-id").len(), 36);
}
