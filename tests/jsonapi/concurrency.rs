//! ETag, If-Match, If-None-Match and Idempotency-Key.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value as Json, json};

use crate::house::answer::Answer;
use crate::house::{Someone, World};

const ODD: &str = "tests/projects/odd";

fn article(title: &str) -> Json {
    json!({"data": {"type": "article", "attributes": {"title": title}}})
}

async fn with(someone: &Someone<'_>, method: Method, path: &str, header: (&str, &str), body: Option<&Json>) -> Answer {
    let request = someone.request(method, path).header(header.0, header.1).header("Content-Type", "application/vnd.api+json");
    someone.send(request.body(body.map(Json::to_string).unwrap_or_default())).await
}

#[tokio::test]
async fn what_a_client_has_already_is_not_sent_again_unless_it_changed_or_is_hidden() {
    let world = World::new().await;
    let (ada, bob) = (world.user("ada", &[]).await, world.user("bob", &[]).await);
    let id = ada.make("article", json!({"title": "größe", "permission": 16258}), json!({})).await;
    let url = format!("/api/article/{id}");
    let tag = ada.get(&url).await.is(200).header("etag").to_owned();
    assert!(tag.starts_with("\"1-"), "{tag}");
    let known =
        async |someone: &Someone<'_>, path: &str, tag: &str| with(someone, Method::GET, path, ("If-None-Match", tag), None).await;
    let not_modified = known(&ada, &url, &format!("\"x\", W/{tag}")).await.is(304);
    assert!(not_modified.text.is_empty() && not_modified.header("etag") == tag);
    assert_eq!(not_modified.header("vary"), "Accept, Authorization");
    known(&ada, &format!("{url}?fields[article]=words"), &tag).await.is(200); // another representation
    let list = ada.get("/api/article").await.is(200).header("etag").to_owned();
    known(&ada, "/api/article", &list).await.is(304);
    assert_eq!(list.len() + "1-".len(), tag.len(), "no row's version stands in the tag of a list: {list}");
    let bobs = bob.get(&url).await.is(200).header("etag").to_owned();
    let hidden = json!({"data": {"type": "article", "id": id, "attributes": {"permission": 16256}}});
    let changed = ada.patch(&url, hidden).await.is(200);
    assert!(changed.header("etag").starts_with("\"2-"), "the answer to a write has its tag");
    known(&bob, &url, &bobs).await.is(404); // no 304 confirms what is now hidden
    known(&ada, &url, &tag).await.is(200);
    known(&ada, "/api/article", &list).await.is(200);
    let compressed = ada.request(Method::GET, &url).header("Accept-Encoding", "gzip").send().await.expect("an answer");
    let tag = compressed.headers()["etag"].to_str().expect("text");
    assert!(
        compressed.headers()["content-encoding"] == "gzip" && tag.starts_with("W/\"2-"),
        "other bytes, the same meaning: {tag}"
    );
}

#[tokio::test]
async fn a_change_is_made_for_a_version_after_the_rule_and_before_faults() {
    let world = World::new().await;
    let (ada, bob) = (world.user("ada", &[]).await, world.user("bob", &[]).await);
    let id = ada.make("article", json!({"title": "x", "permission": 16258}), json!({})).await;
    let tag = ada.make("tag", json!({"name": "t"}), json!({})).await;
    let url = format!("/api/article/{id}");
    let change = |title: &str| json!({"data": {"type": "article", "id": id, "attributes": {"title": title}}});
    let patch = async |someone: &Someone<'_>, version: &str, body: Json| {
        with(someone, Method::PATCH, &url, ("If-Match", version), Some(&body)).await
    };
    let first = ada.get(&url).await.header("etag").to_owned();
    patch(&ada, &first, change("a")).await.is(200);
    let stale = patch(&ada, &first, change("")).await.is(412);
    assert_eq!(stale.json["errors"][0]["source"]["header"], "If-Match");
    patch(&bob, &first, change("b")).await.is(403);
    patch(&bob, "\"nonsense\"", change("b")).await.is(403);
    for none in ["\"nonsense\"", "2-x", "", "\"1-x\", \"3-x\"", "*, \"2-x\""] {
        if none != "*, \"2-x\"" {
            patch(&ada, none, change("c")).await.is(412);
        }
    }
    patch(&ada, "*", change("c")).await.is(200);
    patch(&ada, "\"9-x\", W/\"3-y\"", change("")).await.is(422);
    // Links and grants raise the version, and ask it.
    let linkage = json!({"data": [{"type": "tag", "id": tag}]});
    let tags = format!("{url}/relationships/tags");
    with(&ada, Method::POST, &tags, ("If-Match", "\"2-x\""), Some(&linkage)).await.is(412);
    with(&ada, Method::POST, &tags, ("If-Match", "\"3-x\""), Some(&linkage)).await.is(204);
    with(&ada, Method::PATCH, &format!("{url}/relationships/section"), ("If-Match", "\"3-x\""), Some(&json!({"data": null})))
        .await
        .is(412);
    with(&ada, Method::DELETE, &url, ("If-Match", "\"3-x\""), None).await.is(412);
    let groups = bob.get("/api/usergroup").await;
    if let Some(group) = groups.ids().first() {
        let grants = json!({"data": [{"type": "usergroup", "id": group}]});
        with(&ada, Method::POST, &format!("{url}/relationships/usergroups"), ("If-Match", "\"4-x\""), Some(&grants))
            .await
            .is(204);
        with(&ada, Method::DELETE, &url, ("If-Match", "\"4-x\""), None).await.is(412);
    }
    let current = ada.get(&url).await.header("etag").to_owned();
    // Of many who change the same version, one does.
    let both = join_all((0..8).map(|n| patch(&ada, &current, change(&format!("t{n}"))))).await;
    assert_eq!(both.iter().filter(|a| a.status == 200).count(), 1);
    assert!(both.iter().all(|a| matches!(a.status, 200 | 412)));
    with(&bob, Method::DELETE, &url, ("If-Match", "\"1-x\""), None).await.is(403);
    with(&ada, Method::DELETE, "/api/article/0", ("If-Match", "\"1-x\""), None).await.is(404);
    let last = ada.get(&url).await.header("etag").to_owned();
    with(&ada, Method::DELETE, &url, ("If-Match", &last), None).await.is(204);
}

#[tokio::test]
async fn an_entity_may_want_to_be_told_the_version() {
    let world = World::of(ODD).await;
    let (ada, bob) = (world.user("ada", &[]).await, world.user("bob", &[]).await);
    let id = ada.make("ledger", json!({"line": "x"}), json!({})).await;
    let (url, change) = (format!("/api/ledger/{id}"), json!({"data": {"type": "ledger", "id": id, "attributes": {"line": "y"}}}));
    let refused = ada.patch(&url, change.clone()).await.is(428);
    assert_eq!(refused.json["errors"][0]["code"], "precondition-required");
    bob.patch(&url, change.clone()).await.is(404);
    ada.delete(&url).await.is(428);
    ada.post(&format!("{url}/relationships/as"), json!({"data": []})).await.is(428);
    ada.patch(&format!("{url}/relationships/before"), json!({"data": null})).await.is(428);
    with(&ada, Method::PATCH, &url, ("If-Match", "\"1-x\""), Some(&change)).await.is(200);
    with(&ada, Method::DELETE, &url, ("If-Match", "*"), None).await.is(204);
}

#[tokio::test]
async fn cu6_clients_choose_ids_where_the_entity_lets_them() {
    let world = World::of(ODD).await;
    let (ada, bob) = (world.user("ada", &[]).await, world.user("bob", &[]).await);
    let id = uuid::Uuid::now_v7().to_string();
    let ledger = |id: &str| json!({"data": {"type": "ledger", "id": id, "lid": "me", "attributes": {"line": "x"}, "relationships": {"before": {"data": {"type": "ledger", "lid": "me"}}}}});
    let made = ada.post("/api/ledger", ledger(&id)).await.is(201);
    assert_eq!(
        (made.json["data"]["id"].as_str(), made.header("location")),
        (Some(id.as_str()), format!("/api/ledger/{id}").as_str())
    );
    assert_eq!(made.json["data"]["relationships"]["before"]["data"]["id"], id, "a row may link to itself by lid");
    let taken = bob.post("/api/ledger", ledger(&id)).await.is(409);
    assert_eq!(taken.json["errors"][0]["source"]["pointer"], "/data/id");
    for bad in ["7", "", &id.replace('-', ""), "00000000-0000-0000-0000-000000000000"] {
        ada.post("/api/ledger", ledger(bad)).await.is(422);
    }
    ada.post("/api/who", json!({"data": {"type": "who", "id": id, "attributes": {}}})).await.is(403);
    let unknown = json!({"data": {"type": "ledger", "attributes": {"line": "x"}, "relationships": {"before": {"data": {"type": "ledger", "lid": "you"}}}}});
    let unknown = ada.post("/api/ledger", unknown).await.is(400);
    assert_eq!(unknown.json["errors"][0]["source"]["pointer"], "/data/relationships/before/data/lid");
    for bad in [
        json!({"data": {"type": "ledger", "lid": 1}}),
        json!({"data": {"type": "ledger", "meta": []}}),
        json!({"data": {"type": "ledger"}, "meta": 1}),
    ] {
        ada.post("/api/ledger", bad).await.is(400);
    }
}

#[tokio::test]
async fn a_key_makes_a_request_happen_once_on_every_node() {
    let world = World::new().await;
    let twin = world.twin().await;
    let (ada, bob) = (world.user("ada", &[]).await, world.user("bob", &[]).await);
    let post = async |someone: &Someone<'_>, key: &str, body: Json| {
        with(someone, Method::POST, "/api/article?include=author", ("Idempotency-Key", key), Some(&body)).await
    };
    let first = post(&ada, "a", article("größe")).await.is(201);
    let again = post(&ada.at(&twin), "a", article("größe")).await.is(201);
    assert_eq!((first.header("location"), &first.text), (again.header("location"), &again.text));
    assert_eq!((first.header("idempotency-replayed"), again.header("idempotency-replayed")), ("", "true"));
    let other = post(&ada, "a", article("other")).await.is(422);
    assert_eq!(other.json["errors"][0]["source"]["header"], "Idempotency-Key");
    let bobs = post(&bob, "a", article("größe")).await.is(201); // nobody else's key
    assert_ne!(bobs.header("location"), first.header("location"));
    with(
        &ada,
        Method::POST,
        "/api/tag",
        ("Idempotency-Key", "a"),
        Some(&json!({"data": {"type": "tag", "attributes": {"name": "t"}}})),
    )
    .await
    .is(201);
    post(&world.guest(), "a", article("x")).await.is(400);
    for bad in ["", "ä", &"x".repeat(256), "a\tb"] {
        post(&ada, bad, article("x")).await.is(400);
    }
    // A failure is no answer that is kept.
    post(&ada, "b", article("")).await.is(422);
    post(&ada, "b", article("good now")).await.is(201);
    // What is replayed is what may be read today.
    ada.delete(first.header("location")).await.is(204);
    let gone = post(&ada, "a", article("größe")).await.is(201);
    assert_eq!(gone.json["meta"]["readable"], false);
    // Many at once: one does it, the others are told that it runs, or what it did.
    let (there, here) = (ada.at(&twin), &ada);
    let all = join_all((0..16).map(|n| post(if n % 2 == 0 { here } else { &there }, "c", article("once")))).await;
    assert!(all.iter().all(|a| matches!(a.status, 201 | 409)), "{:?}", all.iter().map(|a| a.status).collect::<Vec<_>>());
    let titled = ada.get("/api/article?filter[title]=once").await.is(200);
    assert_eq!(titled.ids().len(), 1);
    // In flight: somebody holds the key's lock.
    let held = "select pg_advisory_lock(hashtextextended($q$X$q$ || ' d POST /api/article', 6336)), pg_sleep(1)"
        .replace('X', &ada.id.to_string());
    let world = &world;
    let ask = async {
        loop {
            let held = "select 1 from pg_locks where locktype = 'advisory' and granted and objid is not null and pid <> pg_backend_pid()";
            if !world.sql(held).await.is_empty() {
                return post(&ada, "d", article("in flight")).await;
            }
        }
    };
    let (_, flight) = tokio::join!(world.sql(&held), ask);
    assert_eq!(flight.is(409).json["errors"][0]["code"], "in-flight");
    // A day later it is a new request.
    world.sql("update rowhouse.once set made_at = made_at - interval '25 hours'").await;
    let later = post(&ada, "c", article("once")).await.is(201);
    assert_eq!(later.header("idempotency-replayed"), "");
    assert_eq!(world.sql("select 1 from rowhouse.once").await.len(), 1, "what is over is swept");
}

#[tokio::test]
async fn actions_are_done_once_too_but_for_those_that_hand_out_secrets() {
    let world = World::of(ODD).await;
    let ada = world.user("ada", &[]).await;
    let order = ada.make("order", json!({"from": "f"}), json!({})).await;
    let act = async |someone: &Someone<'_>, action: &str, key: &str, body: Json| {
        let request = someone.request(Method::POST, &format!("/action/{action}")).header("Idempotency-Key", key);
        someone.send(request.header("Content-Type", "application/json").body(body.to_string())).await
    };
    let copy = format!("order/{order}/copy");
    let first = act(&ada, &copy, "k", json!({})).await.is(200);
    let again = act(&ada, &copy, "k", json!({})).await.is(200);
    assert_eq!((again.header("idempotency-replayed"), &again.text), ("true", &first.text));
    let copied = first.json[0]["Attributes"]["id"].as_str().expect("a row");
    assert_eq!(ada.get("/api/order?filter[from]=f-2").await.ids(), [copied]);
    act(&ada, &copy, "k", json!({"attributes": {}})).await.is(422);
    ada.patch(&format!("/api/order/{copied}"), json!({"data": {"type": "order", "id": copied, "attributes": {"from": "new"}}}))
        .await
        .is(200);
    let today = act(&ada, &copy, "k", json!({})).await.is(200);
    assert_eq!(today.json[0]["Attributes"]["attributes"]["from"], "new", "read again, not remembered");
    ada.delete(&format!("/api/order/{copied}")).await.is(204);
    act(&ada, &copy, "k", json!({})).await.is(404);
    // Signing in hands out a token: it is done as often as it is asked for.
    let signup =
        json!({"name": "Eva", "email": "eva@example.org", "password": "correct horse", "passwordConfirm": "correct horse"});
    world.guest().act("user_account/signup", signup).await.is(200);
    let sign_in = json!({"email": "eva@example.org", "password": "correct horse"});
    let tokens = [
        act(&ada, "user_account/signin", "s", sign_in.clone()).await.is(200),
        act(&ada, "user_account/signin", "s", sign_in).await.is(200),
    ];
    assert_ne!(tokens[0].json[0]["Attributes"]["value"], tokens[1].json[0]["Attributes"]["value"]);
    assert!(world.sql("select 1 from rowhouse.once where done::text like '%client.store%'").await.is_empty());
}

#[tokio::test]
async fn a_link_raises_both_sides_whichever_it_was_made_from() {
    let world = World::new().await;
    let ada = world.user("ada", &[]).await;
    let article = ada.make("article", json!({"title": "x"}), json!({})).await;
    let (one, two) =
        (ada.make("tag", json!({"name": "1"}), json!({})).await, ada.make("tag", json!({"name": "2"}), json!({})).await);
    let (url, tag) =
        (format!("/api/article/{article}"), async |path: String| ada.get(&path).await.is(200).header("etag").to_owned());
    let linkage = |kind: &str, id: &str| json!({"data": [{"type": kind, "id": id}]});
    ada.post(&format!("{url}/relationships/tags"), linkage("tag", &one)).await.is(204);
    let (seen, tags) = (tag(url.clone()).await, tag(format!("/api/tag/{one}")).await);
    ada.post(&format!("/api/tag/{two}/relationships/articles"), linkage("article", &article)).await.is(204);
    let replace = json!({"data": {"type": "article", "id": article, "relationships": {"tags": linkage("tag", &one)}}});
    with(&ada, Method::PATCH, &url, ("If-Match", &seen), Some(&replace)).await.is(412); // nothing is lost
    ada.unlink(&format!("{url}/relationships/tags"), linkage("tag", &one)).await.is(204);
    assert_ne!(tag(format!("/api/tag/{one}")).await, tags);
    let before = tag(url.clone()).await;
    let comment =
        ada.make("comment", json!({"text": "c"}), json!({"article": {"data": {"type": "article", "id": article}}})).await;
    ada.post(&format!("{url}/relationships/comments"), linkage("comment", &comment)).await.is(204);
    assert_ne!(tag(url.clone()).await, before, "has-many");
    ada.post(&format!("{url}/relationships/tags"), linkage("tag", &two)).await.is(204); // it is linked already
    assert_eq!(ada.get(&format!("{url}/relationships/tags")).await.is(200).header("etag"), "", "If-Match there means the row's");
    // Nor is what wants to be told its version changed through others.
    let odd = World::of(ODD).await;
    let eva = odd.user("eva", &[]).await;
    let ledger = eva.make("ledger", json!({"line": "x"}), json!({})).await;
    let a = eva.make("a", json!({"name": "x"}), json!({})).await;
    eva.post(&format!("/api/a/{a}/relationships/ledgers"), linkage("ledger", &ledger)).await.is(428);
    let made =
        json!({"data": {"type": "a", "attributes": {"name": "y"}, "relationships": {"ledgers": linkage("ledger", &ledger)}}});
    eva.post("/api/a", made).await.is(428);
    let own = format!("/api/ledger/{ledger}/relationships/as");
    with(&eva, Method::POST, &own, ("If-Match", "\"1-x\""), Some(&linkage("a", &a))).await.is(204);
}

#[tokio::test]
async fn what_an_action_said_of_a_row_is_not_said_again_to_who_may_not_read_it_any_more() {
    let world = World::of(ODD).await;
    let (ada, bob) = (world.user("ada", &[]).await, world.user("bob", &[]).await);
    let order = ada.make("order", json!({"from": "secret word", "select": 5, "permission": 16256 | 2 | 8 | 32}), json!({})).await;
    let mark = async || {
        let request = bob.request(Method::POST, &format!("/action/order/{order}/mark")).header("Idempotency-Key", "m");
        bob.send(request.header("Content-Type", "application/json").body(r#"{"text":"größe"}"#)).await
    };
    assert_eq!(mark().await.is(200).json[0]["Attributes"]["message"], "größe 5");
    assert_eq!(mark().await.is(200).json[0]["Attributes"]["message"], "größe 5");
    let hide = json!({"data": {"type": "order", "id": order, "attributes": {"permission": 16256 | 1 | 32}}});
    ada.patch(&format!("/api/order/{order}"), hide).await.is(200);
    let after = mark().await.is(200);
    assert!(!after.text.contains("größe"), "{}", after.text);
    assert_eq!(after.json[0]["Attributes"]["title"], "Done before");
}
