//! Events: those that may refuse what was done, those that hear of it afterwards, and what is kept of it.

use serde_json::{Value as Json, json};

use crate::house::{Someone, World};

const FLOW: &str = "tests/projects/flow";

async fn flow() -> World {
    World::of_with(FLOW, |config| config.outbox.poll = std::time::Duration::from_millis(50)).await
}

fn row(id: &str, attributes: Json) -> Json {
    json!({"data": {"type": "ticket", "id": id, "attributes": attributes}})
}

async fn weight(ada: &Someone<'_>, id: &str) -> Json {
    ada.get(&format!("/api/ticket/{id}")).await.is(200).json["data"]["attributes"]["weight"].clone()
}

#[tokio::test]
async fn a_listener_before_refuses_on_every_way_in_and_nothing_of_it_stays() {
    let world = flow().await;
    let ada = world.user("ada", &[]).await;
    let heavy = json!({"data": {"type": "ticket", "attributes": {"title": "x", "weight": 1001}}});
    let refused = ada.post("/api/ticket", heavy.clone()).await.is(422);
    assert!(refused.text.contains("Nobody lifts 1001"), "{}", refused.text);
    let operations = json!({"atomic:operations": [
        {"op": "add", "data": {"type": "ticket", "attributes": {"title": "light", "weight": 1}}},
        {"op": "add", "data": {"type": "ticket", "attributes": {"title": "heavy", "weight": 2000}}},
    ]});
    let batch = ada
        .request(reqwest::Method::POST, "/api/operations")
        .header("Content-Type", "application/vnd.api+json;ext=\"https://jsonapi.org/ext/atomic\"");
    ada.send(batch.body(operations.to_string())).await.is(422);
    assert!(ada.get("/api/ticket").await.is(200).ids().is_empty());
    let id = ada.make("ticket", json!({"title": "größe", "weight": 5}), json!({})).await;
    ada.patch(&format!("/api/ticket/{id}"), row(&id, json!({"weight": 5000}))).await.is(422);
    assert_eq!(weight(&ada, &id).await, 5);
    ada.act(&format!("ticket/{id}/start"), json!({})).await.is(200);
    assert!(ada.delete(&format!("/api/ticket/{id}")).await.is(409).text.contains("Somebody works on it"));
    ada.get(&format!("/api/ticket/{id}")).await.is(200);
    ada.get("/action/ticket/count").await.is(200); // what only reads raises nothing
    assert!(world.sql("select 1 from rowhouse.unheard").await.is_empty(), "what was heard is gone");
    assert!(world.sql("select 1 from rowhouse.change where after ->> 'weight' in ('1001', '5000')").await.is_empty());
}

#[tokio::test]
async fn a_listener_before_may_change_what_lasts_and_rings_are_cut() {
    let world = flow().await;
    let ada = world.user("ada", &[]).await;
    let id = ada.make("ticket", json!({"title": "x", "weight": 13}), json!({})).await;
    assert_eq!(weight(&ada, &id).await, 14);
    let patched = ada.patch(&format!("/api/ticket/{id}"), row(&id, json!({"weight": 13}))).await.is(200);
    assert_eq!(patched.json["data"]["attributes"]["weight"], 14, "the answer shows what lasts");
    let ring = ada.patch(&format!("/api/ticket/{id}"), row(&id, json!({"weight": 666}))).await.is(422);
    assert!(ring.text.contains("without end") && ring.text.contains("ticket/round_up"), "{}", ring.text);
    assert_eq!(weight(&ada, &id).await, 14);
}

#[tokio::test]
async fn a_listener_after_runs_as_whose_change_it_was_in_order_and_once() {
    let world = flow().await;
    let (ada, bob) = (world.user("ada", &[]).await, world.user("bob", &[]).await);
    let id = ada.make("ticket", json!({"title": "x", "weight": 1, "permission": 16256 | 1 | 2 | 8}), json!({})).await;
    for n in 2..=6 {
        let who = if n % 2 == 0 { &bob } else { &ada };
        who.patch(&format!("/api/ticket/{id}"), row(&id, json!({"weight": n}))).await.is(200);
    }
    ada.patch(&format!("/api/ticket/{id}"), row(&id, json!({"title": "no weight"}))).await.is(200);
    ada.delete(&format!("/api/ticket/{id}")).await.is(204);
    // Three nodes share the work.
    let twins = [world.twin().await, world.twin().await];
    for node in [&world, &twins[0], &twins[1]] {
        node.run_tasks();
    }
    world.settled().await;
    let heard = ada.get("/api/entry?sort=created_at").await.is(200).all("text");
    let wanted =
        ["create by ada", "update by bob", "update by ada", "update by bob", "update by ada", "update by bob", "delete by ada"];
    assert_eq!(heard, wanted);
    assert!(world.sql("select 1 from session where device = 'task' and ended_at is null").await.is_empty(), "its sessions end");
}

#[tokio::test]
async fn what_a_listener_does_is_done_once_though_the_connection_dies_when_it_is_noted() {
    let world = flow().await;
    let ada = world.user("ada", &[]).await;
    world.sql("create sequence ends").await;
    world
        .sql(
            "create function die() returns trigger language plpgsql as $$ begin
  if nextval('ends') < 3 then perform pg_terminate_backend(pg_backend_pid()); end if;
  return new;
end $$",
        )
        .await;
    world
        .sql("create trigger die before update on task for each row when (new.done_at is not null) execute function die()")
        .await;
    ada.make("ticket", json!({"title": "größe", "weight": 1}), json!({})).await;
    world.run_tasks();
    for tries in 1..3 {
        world.until(&format!("select 1 from task where tries = {tries} and begun is null and error is not null")).await;
        world.sql("update task set next_at = now()").await;
    }
    world.settled().await;
    assert_eq!(world.sql("select 1 from task where tries = 3 and state = 'done'").await.len(), 1);
    assert_eq!(ada.get("/api/entry").await.is(200).all("text"), ["create by ada"]);
}

#[tokio::test]
async fn what_was_refused_raises_nothing_and_who_was_barred_since_hears_nothing() {
    let world = flow().await;
    let (ada, admin) = (world.user("ada", &[]).await, world.administrator().await);
    ada.post("/api/ticket", json!({"data": {"type": "ticket", "attributes": {"title": "x", "weight": 1001}}})).await.is(422);
    assert!(world.sql("select 1 from task").await.is_empty());
    ada.make("ticket", json!({"title": "x", "weight": 1}), json!({})).await;
    admin.act(&format!("user_account/{}/deactivate", ada.id), json!({})).await.is(200);
    world.run_tasks();
    world.settled().await;
    let dead = admin.get("/api/task?filter[state]=dead").await.is(200);
    assert_eq!(dead.all("error"), ["the user whose change it was is not active any more"]);
    assert!(admin.get("/api/entry").await.is(200).ids().is_empty());
    // An administrator sees why, mends it, and has it done.
    admin.act(&format!("user_account/{}/activate", ada.id), json!({})).await.is(200);
    let task = dead.ids().remove(0);
    let again = json!({"data": {"type": "task", "id": task, "attributes": {"state": "waiting"}}});
    admin.patch(&format!("/api/task/{task}"), again).await.is(200);
    world.settled().await;
    assert_eq!(admin.get("/api/entry").await.is(200).all("text"), ["create by ada"]);
}

#[tokio::test]
async fn events_that_raise_each_other_after_the_commit_are_cut_by_depth_and_reported() {
    let world = flow().await;
    let (ada, admin) = (world.user("ada", &[]).await, world.administrator().await);
    ada.make("tag", json!({"name": "echo"}), json!({})).await;
    ada.make("tag", json!({"name": "silent"}), json!({})).await;
    world.run_tasks();
    world.settled().await;
    assert_eq!(
        ada.get("/api/tag?sort=name&filter[name][starts]=echo").await.is(200).all("name"),
        ["echo", "echo!", "echo!!", "echo!!!", "echo!!!!"]
    );
    let dead = admin.get("/api/task?filter[state]=dead&sort=error").await.is(200).all("error");
    assert_eq!(dead, ["422: Not a word", "events lead to each other more than 4 deep"]);
}

#[tokio::test]
async fn the_history_of_a_row_is_its_readers_and_tells_what_they_may_see() {
    let world = flow().await;
    let (ada, bob, admin) = (world.user("ada", &[]).await, world.user("bob", &[]).await, world.administrator().await);
    let id = ada
        .make(
            "ticket",
            json!({"title": "a", "secret": "geheim", "aside": "beiseite", "code": "correct horse", "permission": 16256 | 3}),
            json!({}),
        )
        .await;
    let tag = ada.make("tag", json!({"name": "größe"}), json!({})).await;
    ada.patch(&format!("/api/ticket/{id}"), row(&id, json!({"title": "b"}))).await.is(200);
    ada.patch(&format!("/api/ticket/{id}"), row(&id, json!({"secret": "anders"}))).await.is(200);
    ada.patch(&format!("/api/ticket/{id}"), row(&id, json!({"title": "b"}))).await.is(200); // nothing changes
    let link = json!({"data": [{"type": "tag", "id": tag}]});
    ada.post(&format!("/api/ticket/{id}/relationships/labels"), link).await.is(204);
    let path = format!("/history/ticket/{id}");
    let mine = ada.get(&path).await.is(200);
    assert_eq!(mine.all("verb"), ["link", "update", "update", "create"]);
    assert_eq!((&mine.all("after")[0], &mine.all("fields")[0]), (&json!({"labels": tag}), &json!(["labels"])));
    world
        .sql(&format!("update tag set permission = 0, owner = null, groups = '{{}}', group_bits = null where id = '{tag}'"))
        .await;
    let unseen = ada.get(&path).await.is(200);
    assert_eq!(
        (&unseen.all("after")[0], &unseen.all("fields")[0]),
        (&json!({}), &json!(["labels"])),
        "by the rule of the other row"
    );
    assert_eq!(admin.get(&path).await.is(200).all("after")[0], json!({"labels": tag}));
    assert_eq!((&mine.all("before")[1], &mine.all("after")[1]), (&json!({"secret": "geheim"}), &json!({"secret": "anders"})));
    assert_eq!((&mine.all("before")[2], &mine.all("after")[2]), (&json!({"title": "a"}), &json!({"title": "b"})));
    let made = &mine.all("after")[3];
    assert_eq!((&made["title"], made.get("code"), &made["secret"]), (&json!("a"), None, &json!("geheim")));
    assert_eq!(made["aside"], "beiseite");
    assert_eq!(mine.json["data"][0]["relationships"]["user"]["data"]["id"], ada.id.to_string());
    assert!(!mine.text.contains("$2") && mine.json["data"][0]["attributes"]["request"].is_string());
    // Others who may read the row see the change, and not the column that is the owner's.
    let theirs = bob.get(&path).await.is(200);
    assert_eq!(theirs.all("after")[1], json!({}));
    assert!(!["geheim", "anders", "beiseite"].iter().any(|word| theirs.text.contains(word)));
    world.guest().get(&path).await.is(401);
    let page = ada.get(&format!("{path}?page[size]=3")).await.is(200);
    let next = page.json["links"]["next"].as_str().expect("a link").to_owned();
    let last = ada.get(&next).await.is(200);
    assert_eq!((last.all("verb"), &last.json["links"]["next"]), (vec![json!("create")], &Json::Null));
    assert_eq!(ada.get(&format!("{path}?page[size]=4")).await.is(200).json["links"]["next"], Json::Null, "four are all");
    for bad in ["page[size]=0", "page[size]=1000", "page[after]=x", "sort=at"] {
        ada.get(&format!("{path}?{bad}")).await.is(400);
    }
    // Taken away, it is gone at once; hidden is as missing; of what is deleted only administrators know.
    ada.patch(&format!("/api/ticket/{id}"), row(&id, json!({"permission": 16256 | 1}))).await.is(200);
    bob.get(&path).await.is(403);
    ada.patch(&format!("/api/ticket/{id}"), row(&id, json!({"permission": 16256}))).await.is(200);
    let hidden = bob.get(&path).await.is(404);
    let missing = bob.get("/history/ticket/00000000-0000-7000-8000-00000000ffff").await.is(404);
    assert_eq!(hidden.text, missing.text);
    ada.delete(&format!("/api/ticket/{id}")).await.is(204);
    ada.get(&path).await.is(404);
    assert!(admin.get(&path).await.is(200).all("verb").contains(&json!("delete")));
    ada.get("/history/nothing/x").await.is(404);
}

#[tokio::test]
async fn what_the_database_deletes_along_is_noted_and_heard_too() {
    let world = flow().await;
    let (ada, admin) = (world.user("ada", &[]).await, world.administrator().await);
    let whole = ada.make("ticket", json!({"title": "whole", "weight": 1}), json!({})).await;
    let parent = json!({"parent": {"data": {"type": "ticket", "id": whole}}});
    let part = ada.make("ticket", json!({"title": "part", "weight": 2}), parent).await;
    assert_eq!(admin.get(&format!("/history/ticket/{part}")).await.is(200).all("after")[0]["parent"], whole);
    ada.delete(&format!("/api/ticket/{whole}")).await.is(204);
    assert_eq!(admin.get(&format!("/history/ticket/{part}")).await.is(200).all("verb"), ["delete", "create"]);
    world.run_tasks();
    world.settled().await;
    assert_eq!(ada.get("/api/entry").await.is(200).ids().len(), 4, "two made, two deleted");
}

#[tokio::test]
async fn a_listener_has_its_own_rights_and_no_others() {
    let world = flow().await;
    let ada = world.user("ada", &[]).await;
    ada.post("/api/tag", json!({"data": {"type": "tag", "attributes": {"name": "thief"}}})).await.is(403);
    ada.act("tag/leaky", json!({"name": "thief"})).await.is(403); // what the action may do is none of its listeners'
    ada.act("tag/leaky", json!({"name": "honest"})).await.is(200);
    assert!(world.sql("select 1 from entry").await.is_empty());
    // An action that listens isn't called.
    let called = world.administrator().await.act("ticket/heard", json!({})).await.is(409);
    assert!(called.text.contains("listens to events"), "{}", called.text);
}

#[tokio::test]
async fn what_is_made_and_gone_at_once_and_what_was_deleted_are_events_too() {
    let world = flow().await;
    let ada = world.user("ada", &[]).await;
    let operations = json!({"atomic:operations": [
        {"op": "add", "data": {"type": "ticket", "lid": "x", "attributes": {"title": "to keep", "weight": 1}}},
        {"op": "remove", "ref": {"type": "ticket", "lid": "x"}},
    ]});
    let batch = ada
        .request(reqwest::Method::POST, "/api/operations")
        .header("Content-Type", "application/vnd.api+json;ext=\"https://jsonapi.org/ext/atomic\"");
    ada.send(batch.body(operations.to_string())).await.is(200);
    world.run_tasks();
    world.settled().await;
    assert!(ada.get("/api/entry").await.is(200).all("text").contains(&json!("gone: to keep")));
}

#[tokio::test]
async fn what_is_heard_of_who_is_gone_is_nobodys() {
    let world = flow().await;
    let word = json!("correct horse");
    let guest = world.guest();
    let ada = json!({"name": "ada", "email": "ada@example.org", "password": word, "passwordConfirm": word});
    guest.act("user_account/signup", ada).await.is(200);
    let mut ada = world.guest();
    let said = guest.act("user_account/signin", json!({"email": "ada@example.org", "password": word})).await.is(200);
    let token = said.json.as_array().expect("a list").iter().find(|d| d["Attributes"]["key"] == "token").expect("a token");
    ada.token = token["Attributes"]["value"].as_str().map(str::to_owned);
    let id = ada.get("/api/user_account/mine").await.is(200).json["data"]["id"].as_str().expect("an id").to_owned();
    ada.act("user_account/delete_me", json!({"password": word})).await.is(200);
    world.run_tasks();
    world.settled().await;
    let heard = world.sql("select text, owner is null from entry").await;
    assert_eq!((heard.len(), heard[0].text(0), heard[0].bool(1)), (1, Some(format!("delete {id}").as_str()), true));
}

#[tokio::test]
async fn of_what_is_gone_they_are_told_who_might_read_it() {
    let world = flow().await;
    let (ada, bob) = (world.user("ada", &[]).await, world.user("bob", &[]).await);
    let users = "(select id from usergroup where declared and name = 'users')";
    let (peek, read, delete) = (16384, 32768, 262_144);
    let gone = async |bits: i32| {
        let id = ada.make("ticket", json!({"title": "to keep"}), json!({})).await;
        let change = format!(
            "update ticket set permission = 16256 | {bits}, groups = array[{users}], group_bits = null where id = '{id}'"
        );
        world.sql(&change).await;
        bob.delete(&format!("/api/ticket/{id}")).await.is(204);
        world.settled().await; // by the rule of that moment
    };
    world.run_tasks();
    gone(peek | read | delete).await; // by a grant
    gone(peek | delete).await;
    let closed = format!(
        "update world set group_bits = array_fill(2080768 - {read}, array[cardinality(group_bits)]) where name = 'ticket'"
    );
    world.sql(&closed).await;
    gone(peek | read | delete).await; // but the entity doesn't let him
    assert_eq!(world.sql("select 1 from entry where text = 'gone: to keep'").await.len(), 1);
    assert_eq!(world.sql("select 1 from task where state = 'dead' and name = 'ticket/archive'").await.len(), 2);
}
