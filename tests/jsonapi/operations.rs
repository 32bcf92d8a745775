//! Atomic operations.

use reqwest::Method;
use serde_json::{Value as Json, json};

use crate::house::answer::Answer;
use crate::house::{Someone, World};

const MEDIA: &str = "application/vnd.api+json; ext=\"https://jsonapi.org/ext/atomic\"";

pub async fn operate(someone: &Someone<'_>, operations: Json) -> Answer {
    send(someone, json!({"atomic:operations": operations}), MEDIA).await
}

async fn send(someone: &Someone<'_>, document: Json, media: &str) -> Answer {
    let request = someone.request(Method::POST, "/api/operations").header("Content-Type", media);
    someone.send(request.body(document.to_string())).await
}

fn add(kind: &str, attributes: Json) -> Json {
    json!({"op": "add", "data": {"type": kind, "attributes": attributes}})
}

#[tokio::test]
async fn ao1_ao3_ao5_ao6_operations_are_done_in_order_and_name_each_other() {
    let world = World::new().await;
    let ada = world.user("ada", &[]).await;
    let done = operate(&ada, json!([
        {"op": "add", "data": {"type": "tag", "lid": "größe", "attributes": {"name": "one"}}},
        {"op": "add", "href": "/api/tag", "data": {"type": "tag", "lid": "b", "attributes": {"name": "two"}}},
        {"op": "add", "data": {"type": "article", "lid": "a", "attributes": {"title": "x"}, "relationships": {"tags": {"data": [{"type": "tag", "lid": "größe"}]}}}},
        {"op": "add", "ref": {"type": "article", "lid": "a", "relationship": "tags"}, "data": [{"type": "tag", "lid": "b"}]},
        {"op": "update", "ref": {"type": "article", "lid": "a"}, "data": {"type": "article", "lid": "a", "attributes": {"title": "y"}}},
        {"op": "add", "data": {"type": "comment", "attributes": {"text": "c"}, "relationships": {"article": {"data": {"type": "article", "lid": "a"}}}}},
        {"op": "remove", "ref": {"type": "tag", "lid": "b"}, "meta": {"if_match": "\"2-x\""}},
    ])).await.is(200);
    assert_eq!(done.header("content-type"), MEDIA, "CN9");
    let results = done.json["atomic:results"].as_array().expect("results");
    assert_eq!(results.len(), 7, "AO5");
    assert_eq!((&results[3], &results[6]), (&json!({}), &json!({})));
    assert_eq!(results[1], json!({"meta": {"readable": false}}), "it is gone again");
    let article = results[2]["data"]["id"].as_str().expect("an id");
    assert_eq!(results[4]["data"]["attributes"]["title"], "y");
    let stands = ada.get(&format!("/api/article/{article}?include=tags,comments")).await.is(200);
    assert_eq!(stands.json["included"].as_array().map(Vec::len), Some(2), "{}", stands.text);
    // The same by plain JSON, and nothing to say: 204.
    let tag = results[0]["data"]["id"].as_str().expect("an id");
    let linkage = json!([{"type": "tag", "id": tag}]);
    let remove = json!({"atomic:operations": [
        {"op": "remove", "href": format!("/api/article/{article}/relationships/tags"), "data": linkage},
        {"op": "update", "ref": {"type": "article", "id": article, "relationship": "section"}, "data": null},
        {"op": "remove", "href": format!("/api/article/{article}")},
    ]});
    assert!(send(&ada, remove, "application/json").await.is(204).text.is_empty());
    ada.get(&format!("/api/article/{article}")).await.is(404);
    for (media, status) in [("application/vnd.api+json", 415), ("text/plain", 415), (MEDIA, 400)] {
        send(&ada, json!({"data": []}), media).await.is(status);
    }
    ada.send(ada.request(Method::POST, "/api/tag").header("Content-Type", MEDIA).body("{}")).await.is(415);
    assert_eq!(ada.get("/api/operations").await.is(405).header("allow"), "POST");
    send(&ada, json!({"atomic:operations": [add("tag", json!({"name": "z"}))]}), "application/json").await.is(200);
}

#[tokio::test]
async fn ao4_ao7_ao8_the_last_ones_failure_leaves_no_trace_of_the_first() {
    let world = World::new().await;
    let (ada, bob) = (world.user("ada", &[]).await, world.user("bob", &[]).await);
    let hidden = ada.make("article", json!({"title": "hidden"}), json!({})).await;
    let shown = ada.make("article", json!({"title": "shown", "permission": 16258}), json!({})).await;
    let secret = ada
        .make(
            "comment",
            json!({"text": "x", "permission": 16256}),
            json!({"article": {"data": {"type": "article", "id": shown}}}),
        )
        .await;
    ada.make("tag", json!({"name": "taken"}), json!({})).await;
    let update = |id: &str| json!({"op": "update", "data": {"type": "article", "id": id, "attributes": {"title": "z"}}});
    let bad: Vec<(Json, u16, &str)> = vec![
        (add("tag", json!({"name": "taken"})), 409, "/data/attributes/name"),
        (add("tag", json!({"name": 7, "x": 1})), 422, "/data/attributes/name"),
        (add("tag", json!({"name": "x", "version": 7})), 403, "/data/attributes/version"),
        (add("nothing", json!({})), 404, ""),
        (add("memo", json!({"text": "x"})), 403, ""),
        (update(&hidden), 404, ""),
        (update(&shown), 403, ""),
        (update("x"), 404, ""),
        (json!({"op": "remove", "ref": {"type": "comment", "id": secret}}), 404, ""),
        (json!({"op": "remove", "ref": {"type": "article", "id": shown}}), 403, ""),
        (json!({"op": "add", "ref": {"type": "article", "id": shown, "relationship": "tags"}, "data": []}), 403, ""),
        (json!({"op": "add", "ref": {"type": "article", "id": hidden, "relationship": "tags"}, "data": []}), 404, ""),
        (json!({"op": "add", "ref": {"type": "article", "id": shown, "relationship": "nothing"}, "data": []}), 404, ""),
        (
            json!({"op": "add", "data": {"type": "comment", "attributes": {"text": "x"}, "relationships": {"article": {"data": {"type": "article", "id": hidden}}}}}),
            404,
            "/data/relationships/article",
        ),
        (json!({"op": "nonsense"}), 400, "/op"),
    ];
    for (operation, status, pointer) in bad {
        // Before and after it stand others like it, that go well: it is in the middle of a batch.
        let mut operations: Vec<Json> = (0..3).map(|n| add("tag", json!({"name": format!("n{n}")}))).collect();
        operations.push(operation.clone());
        operations.push(add("tag", json!({"name": "last"})));
        let failed = operate(&bob, json!(operations)).await;
        assert_eq!(failed.status, status, "{operation}: {}", failed.text);
        assert_eq!(
            failed.json["errors"][0]["source"]["pointer"],
            format!("/atomic:operations/3{pointer}"),
            "{operation}: {}",
            failed.text
        );
        assert_eq!(world.guest().get("/api/tag").await.is(200).ids().len(), 1, "{operation} left a trace");
    }
    // Guests are asked to sign in; of two who are wrong, the first in order is told.
    let failed = operate(&world.guest(), json!([add("tag", json!({"name": "g"}))])).await.is(401);
    assert_eq!(failed.header("www-authenticate"), "Bearer");
    let many: Vec<Json> = (0..1001).map(|n| add("tag", json!({"name": n.to_string()}))).collect();
    operate(&ada, json!(many)).await.is(400);
    let stale = json!([{"op": "remove", "ref": {"type": "article", "id": shown}, "meta": {"if_match": "\"7-x\""}}]);
    operate(&ada, stale).await.is(412);
    operate(&ada, json!([{"op": "update", "ref": {"type": "article", "id": shown, "relationship": "author"}, "data": null}]))
        .await
        .is(422);
    operate(&ada, json!([{"op": "add", "ref": {"type": "article", "id": shown, "relationship": "section"}, "data": null}]))
        .await
        .is(422);
}

#[tokio::test]
async fn a_thousand_operations_share_their_statements_and_their_rules() {
    let world = World::new().await;
    let (ada, bob) = (world.user("ada", &[]).await, world.user("bob", &[]).await);
    let article = ada.make("article", json!({"title": "x", "permission": 16256 | 66}), json!({})).await;
    let to = json!({"article": {"data": {"type": "article", "id": article}}});
    let comments = |n: usize| -> Json {
        (0..n).map(|n| json!({"op": "add", "data": {"type": "comment", "attributes": {"text": format!("größe \"{n}\" \\ {{}}, null"), "rating": n % 10}, "relationships": to}})).collect()
    };
    world.wire.listen();
    let done = operate(&ada, comments(1000)).await.is(200);
    let spent = world.wire.executed();
    assert!(spent < 20, "{spent} statements");
    let results = done.json["atomic:results"].as_array().expect("results");
    assert_eq!(results.len(), 1000);
    for (n, result) in results.iter().enumerate() {
        assert_eq!(result["data"]["attributes"]["text"], format!("größe \"{n}\" \\ {{}}, null"), "in order");
        assert_eq!(result["data"]["relationships"]["owner"]["data"]["id"], ada.id.to_string());
    }
    let ids: Vec<&str> = results.iter().filter_map(|r| r["data"]["id"].as_str()).collect();
    let updates: Json = ids
        .iter()
        .map(|id| json!({"op": "update", "data": {"type": "comment", "id": id, "attributes": {"text": "new", "rating": null}}}))
        .collect();
    operate(&bob, updates.clone()).await.is(403);
    world.wire.listen();
    operate(&ada, updates).await.is(200);
    assert!(world.wire.executed() < 20);
    assert_eq!(
        ada.get("/api/comment?filter[text]=new&filter[rating][null]=true&page[total]=exact").await.is(200).json["meta"]["page"]["total"],
        1000
    );
    // One that isn't the caller's among many: nothing is done, and it is named.
    let mut removes: Vec<Json> = ids.iter().map(|id| json!({"op": "remove", "ref": {"type": "comment", "id": id}})).collect();
    let bobs = bob.make("comment", json!({"text": "bob's"}), to.clone()).await;
    removes[500] = json!({"op": "remove", "ref": {"type": "comment", "id": bobs}});
    let refused = operate(&ada, json!(removes)).await.is(403);
    assert_eq!(refused.json["errors"][0]["source"]["pointer"], "/atomic:operations/500");
    removes.remove(500);
    world.wire.listen();
    operate(&ada, json!(removes)).await.is(204);
    assert!(world.wire.executed() < 20);
    assert_eq!(
        ada.get("/api/comment?page[total]=exact").await.is(200).json["meta"]["page"]["total"],
        2,
        "bob's, and the one that was spared"
    );
}

#[tokio::test]
async fn operations_under_a_key_are_done_once() {
    let world = World::new().await;
    let ada = world.user("ada", &[]).await;
    let ask = async |name: &str| {
        let document =
            json!({"atomic:operations": [add("tag", json!({"name": name})), add("tag", json!({"name": format!("{name}2")}))]});
        let request = ada.request(Method::POST, "/api/operations").header("Content-Type", MEDIA).header("Idempotency-Key", "k");
        ada.send(request.body(document.to_string())).await
    };
    let (first, again) = (ask("x").await.is(200), ask("x").await.is(200));
    assert_eq!((&first.text, again.header("idempotency-replayed")), (&again.text, "true"));
    assert_eq!(ada.get("/api/tag").await.ids().len(), 2);
    ask("y").await.is(422);
}

#[tokio::test]
async fn what_alternates_shares_its_statements_too_and_nothing_overtakes_its_like() {
    let world = World::new().await;
    let ada = world.user("ada", &[]).await;
    let made = operate(&ada, (0..100).map(|n| add("article", json!({"title": n.to_string()}))).collect()).await.is(200);
    let ids: Vec<&str> =
        made.json["atomic:results"].as_array().expect("results").iter().filter_map(|r| r["data"]["id"].as_str()).collect();
    let update =
        |id: &str, attributes: Json| json!({"op": "update", "data": {"type": "article", "id": id, "attributes": attributes}});
    let mixed = ids
        .iter()
        .enumerate()
        .flat_map(|(n, id)| [update(id, json!({"title": format!("new {n}")})), add("tag", json!({"name": n.to_string()}))]);
    world.wire.listen();
    let done = operate(&ada, mixed.collect()).await.is(200);
    assert!(world.wire.executed() < 20, "{} statements", world.wire.executed());
    let results = done.json["atomic:results"].as_array().expect("results");
    assert_eq!(
        (&results[10]["data"]["attributes"]["title"], &results[11]["data"]["attributes"]["name"]),
        (&json!("new 5"), &json!("5"))
    );
    // A value that is free only later is taken now.
    ada.patch(
        &format!("/api/article/{}", ids[0]),
        json!({"data": {"type": "article", "id": ids[0], "attributes": {"slug": "x"}}}),
    )
    .await
    .is(200);
    let slug = |operations: Json| operate(&ada, operations);
    let taken = slug(json!([
        update(ids[1], json!({"slug": "z"})),
        add("article", json!({"title": "t", "slug": "x"})),
        update(ids[0], json!({"slug": "y"}))
    ]))
    .await
    .is(409);
    assert_eq!(taken.json["errors"][0]["source"]["pointer"], "/atomic:operations/1/data/attributes/slug");
    for (one, other) in [(2, 3), (5, 4)] {
        slug(json!([update(ids[other], json!({"slug": format!("s{one}")}))])).await.is(200);
        let both = json!([update(ids[one], json!({"slug": format!("s{one}")})), update(ids[other], json!({"slug": null}))]);
        let taken = slug(both.clone()).await.is(409);
        assert_eq!(taken.json["errors"][0]["source"]["pointer"], "/atomic:operations/0/data/attributes/slug");
        slug(json!([both[1], both[0]])).await.is(200);
    }
    slug(json!([
        update(ids[0], json!({"slug": "y"})),
        add("tag", json!({"name": "between"})),
        add("article", json!({"title": "t", "slug": "x"}))
    ]))
    .await
    .is(200);
}

#[tokio::test]
async fn what_names_what_was_made_before_it_shares_its_statements_with_its_like() {
    let world = World::new().await;
    let ada = world.user("ada", &[]).await;
    let article = ada.make("article", json!({"title": "x"}), json!({})).await;
    let spent = async |operations: Vec<Json>| {
        world.wire.listen();
        let done = operate(&ada, json!(operations)).await.is(200);
        assert!(world.wire.executed() < 40, "{} statements", world.wire.executed());
        done
    };
    let comment = |lid: String, on: Json, to: Json| json!({"op": "add", "data": {"type": "comment", "lid": lid, "attributes": {"text": "x"}, "relationships": {"article": {"data": on}, "reply_to": {"data": to}}}});
    let on = json!({"type": "article", "id": article});
    let first = ada.make("comment", json!({"text": "x"}), json!({"article": {"data": on}})).await;
    let first = json!({"type": "comment", "id": first});
    // Replies to what the same request made: after it, and together.
    let lid = |n: usize| json!({"type": "comment", "lid": n.to_string()});
    let replies = |n: usize| comment(n.to_string(), on.clone(), if n < 50 { first.clone() } else { lid(0) });
    let done = spent((0..100).map(replies).collect()).await;
    let ids: Vec<&Json> =
        done.json["atomic:results"].as_array().expect("results").iter().map(|result| &result["data"]["id"]).collect();
    // What is made between two that are alike, and named by the second.
    let mut mixed: Vec<Json> = (0..50).map(|n| comment(n.to_string(), on.clone(), first.clone())).collect();
    mixed.push(json!({"op": "add", "data": {"type": "article", "lid": "a", "attributes": {"title": "y"}}}));
    mixed.extend((50..100).map(|n| comment(n.to_string(), json!({"type": "article", "lid": "a"}), first.clone())));
    spent(mixed).await;
    // One row twice: its second change comes after the first.
    let text =
        |n: usize, text: &str| json!({"op": "update", "data": {"type": "comment", "id": ids[n], "attributes": {"text": text}}});
    let twice = (0..50).map(|n| text(n, "once")).chain((0..50).map(|n| text(n, "twice")));
    let done = spent(twice.collect()).await;
    assert!(done.json["atomic:results"].as_array().expect("results").iter().all(|r| r["data"]["attributes"]["text"] == "twice"));
    // Others between them are no hindrance
    let rating = |n: usize| json!({"op": "update", "data": {"type": "comment", "id": ids[n], "attributes": {"rating": 1}}});
    spent((0..100).map(|n| if n % 2 == 0 { rating(n) } else { add("tag", json!({"name": n.to_string()})) }).collect()).await;
    // but for those that may take rows along: nothing overtakes them, and they overtake nothing.
    let remove = |id: &Json| json!({"op": "remove", "ref": {"type": "article", "id": id}});
    let other = json!(ada.make("article", json!({"title": "z"}), json!({})).await);
    let on_other =
        ada.make("comment", json!({"text": "x"}), json!({"article": {"data": {"type": "article", "id": other}}})).await;
    let late = json!({"op": "update", "data": {"type": "comment", "id": on_other, "attributes": {"text": "late"}}});
    let refused = operate(&ada, json!([text(0, "before"), remove(&other), late])).await.is(404);
    assert_eq!(refused.json["errors"][0]["source"]["pointer"], "/atomic:operations/2");
    let third = json!(ada.make("article", json!({"title": "third"}), json!({})).await);
    operate(&ada, json!([remove(&third), late, remove(&other)])).await.is(200);
}
