//! What is told later, or elsewhere: kept answers, exports, histories, letters, requests to others. Each is told under the
//! rights of the one who hears it, and of today.

use reqwest::Method;
use serde_json::{Value as Json, json};

use crate::house::answer::Answer;
use crate::house::smtp::Smtp;
use crate::house::web::Web;
use crate::house::{CANARY, Someone, World};

const FLOW: &str = "tests/projects/flow";
/// The owner's, and everybody's to peek, and to read.
const PEEKED: i32 = 16256 | 1;
const READ: i32 = 16256 | 3;

fn change(id: &str, attributes: Json) -> Json {
    json!({"data": {"type": "ticket", "id": id, "attributes": attributes}})
}

async fn once(who: &Someone<'_>, action: &str, body: Json) -> Answer {
    let request = who.request(Method::POST, &format!("/action/{action}")).header("Idempotency-Key", "k1");
    who.send(request.header("Content-Type", "application/json").body(body.to_string())).await
}

#[tokio::test]
async fn a_kept_answer_is_told_to_who_may_read_today_what_it_was_made_of() {
    let world = World::of(FLOW).await;
    let (mut ada, mut bob) = (world.user("ada", &[]).await, world.user("bob", &[]).await);
    (ada.hears_canaries, bob.hears_canaries) = (true, true);
    let id = ada.make("ticket", json!({"title": CANARY, "permission": READ}), json!({})).await;
    let json = json!({"format": "json"});
    let first = once(&bob, "ticket/export", json.clone()).await.is(200);
    let again = once(&bob, "ticket/export", json.clone()).await.is(200);
    bob.hears_canaries = false;
    assert!(first.json[0]["Attributes"]["content"].is_string() && again.json == first.json, "{}", again.text);
    ada.patch(&format!("/api/ticket/{id}"), change(&id, json!({"permission": PEEKED}))).await.is(200);
    let later = once(&bob, "ticket/export", json).await.is(200);
    assert_eq!((later.header("idempotency-replayed"), &later.json[0]["ResponseType"]), ("true", &json!("client.notify")));
    assert!(later.text.contains("not yours to read any more"), "{}", later.text);
    // Nor what went through a row that the action made.
    ada.patch(&format!("/api/ticket/{id}"), change(&id, json!({"permission": READ}))).await.is(200);
    bob.hears_canaries = true;
    let copied = once(&bob, &format!("ticket/{id}/copy"), json!({})).await.is(200);
    assert!(copied.text.contains(CANARY), "{}", copied.text);
    bob.hears_canaries = false;
    world.sql("update ticket set permission = 0").await;
    let later = once(&bob, &format!("ticket/{id}/copy"), json!({})).await;
    assert!(later.status == 404 || later.text.contains("not yours to read any more"), "{}", later.text);
    world.sql(&format!("update ticket set permission = {READ} | 32 where id = '{id}'")).await;
    let later = once(&bob, &format!("ticket/{id}/copy"), json!({})).await.is(200);
    assert!(later.text.contains("not yours to read any more"), "{}", later.text);
    // What nobody can guess is kept nowhere.
    let told = once(&ada, "ticket/send_code", json!({})).await.is(200);
    let code = told.json[0]["Attributes"]["message"].as_str().expect("text").to_owned();
    let kept = format!("select 1 from rowhouse.once where done::text like '%{code}%'");
    let waits = format!("select 1 from mail m where m::text like '%{code}%'");
    assert!(code.len() == 20 && world.sql(&kept).await.is_empty() && world.sql(&waits).await.is_empty());
    let admin = world.administrator().await;
    assert!(!admin.get("/api/mail").await.is(200).text.contains(&code));
}

#[tokio::test]
async fn an_exports_file_is_served_to_who_may_still_read_its_entity() {
    let world = World::of_with(FLOW, |config| config.outbox.poll = std::time::Duration::from_millis(50)).await;
    world.run_tasks();
    let ada = world.user("ada", &[]).await;
    ada.make("ticket", json!({"title": "x"}), json!({})).await;
    let begun = ada.act("world/export_data", json!({"entity": "ticket"})).await.is(200);
    let path = format!("/file/{}", begun.json[0]["Attributes"]["id"].as_str().expect("an id"));
    world.settled().await;
    ada.get(&path).await.is(200);
    world.sql("update world set groups = '{}', group_bits = null where name = 'ticket'").await;
    ada.get(&path).await.is(403);
}

#[tokio::test]
async fn a_change_is_told_to_who_might_have_read_it_then() {
    let world = World::of(FLOW).await;
    let (mut ada, bob, admin) = (world.user("ada", &[]).await, world.user("bob", &[]).await, world.administrator().await);
    ada.hears_canaries = true;
    let id = ada.make("ticket", json!({"title": CANARY, "aside": CANARY, "permission": PEEKED}), json!({})).await;
    let path = format!("/api/ticket/{id}");
    let request = ada.request(Method::PATCH, &path).header("X-Request-Id", "theirs-1");
    let cleaned = change(&id, json!({"title": "clean"})).to_string();
    ada.send(request.header("Content-Type", "application/vnd.api+json").body(cleaned)).await.is(200);
    // Cleaned and given free in one: what it was before stays as hidden as it was.
    ada.patch(&path, change(&id, json!({"aside": null, "permission": READ}))).await.is(200);
    ada.patch(&path, change(&id, json!({"title": "open"}))).await.is(200);
    let history = format!("/history/ticket/{id}");
    let theirs = bob.get(&history).await.is(200);
    assert_eq!(theirs.all("after"), [json!({"title": "open"}), json!({"permission": READ})], "{}", theirs.text);
    assert_eq!(theirs.all("before"), [json!({"title": "clean"}), json!({})]);
    let own = ada.get(&history).await.is(200);
    assert_eq!(own.all("verb"), ["update", "update", "update", "create"]);
    // The request's id is ours, and theirs stands beside it.
    assert_eq!(own.all("sent_request"), [json!(null), json!(null), json!("theirs-1"), json!(null)]);
    assert!(own.all("request").iter().all(|id| id.as_str().is_some_and(|id| id.len() == 36)), "{}", own.text);
    // Whom it is given to is not told what was its owner's alone.
    ada.patch(&path, change(&id, json!({"aside": CANARY}))).await.is(200);
    ada.patch(&path, change(&id, json!({"aside": null}))).await.is(200);
    world.sql(&format!("update user_account set permission = permission | 64 where id = '{}'", bob.id)).await;
    let mut given = change(&id, json!({}));
    given["data"]["relationships"] = json!({"owner": {"data": {"type": "user_account", "id": bob.id}}});
    ada.patch(&path, given).await.is(200);
    let theirs = bob.get(&history).await.is(200);
    assert_eq!(theirs.ids().len(), 5, "{}", theirs.text);
    // Of what an older release noted, verb and time alone; administrators are told all.
    world.sql("update rowhouse.change set permission = null, owner = null, groups = null").await;
    let old = bob.get(&history).await.is(200);
    let nothing = old.all("before").into_iter().chain(old.all("after")).all(|values| values == json!({}));
    assert!(nothing && old.all("request").iter().all(Json::is_null) && old.ids().len() == 7, "{}", old.text);
    assert!(admin.get(&history).await.is(200).text.contains(CANARY), "the control");
}

#[tokio::test]
async fn what_a_transaction_does_is_told_by_the_rights_before_and_after_it() {
    let world = World::of(FLOW).await;
    let (mut ada, bob) = (world.user("ada", &[]).await, world.user("bob", &["shelvers"]).await);
    ada.hears_canaries = true;
    let group = world.sql("select id::text from usergroup where name = 'shelvers'").await[0].text(0).expect("an id").to_owned();
    world.sql(&format!("update usergroup set permission = permission | 64 | 1 where id = '{group}'")).await;
    let id = ada.make("ticket", json!({"title": "one", "permission": 16256 | (3 << 14)}), json!({})).await;
    let path = format!("/api/ticket/{id}");
    let both = |title: &str, groups: &[&str]| {
        let groups: Vec<_> = groups.iter().map(|id| json!({"type": "usergroup", "id": id})).collect();
        let mut body = change(&id, json!({"title": title}));
        body["data"]["relationships"] = json!({"usergroups": {"data": groups}});
        body
    };
    ada.patch(&path, both("two", &[&group])).await.is(200);
    ada.patch(&path, both(CANARY, &[])).await.is(200); // hidden and changed in one
    ada.patch(&path, both("three", &[&group])).await.is(200); // and the other way round
    let theirs = bob.get(&format!("/history/ticket/{id}")).await.is(200);
    assert!(theirs.text.contains("three") && theirs.text.contains("two"), "the control: {}", theirs.text);
}

#[tokio::test]
async fn what_goes_out_by_a_performer_is_what_the_caller_may_read() {
    let (smtp, mut web) = (Smtp::new().await, Web::new().await);
    let mut smtp = smtp;
    let url = smtp.url();
    let world = World::of_with(FLOW, |config| {
        config.mail.smtp = Some(rowhouse::config::Secret::new(url));
        config.outbox.poll = std::time::Duration::from_millis(50);
        config.outgoing.private = vec!["127.0.0.0/8".parse().expect("a net")];
    })
    .await;
    let (ada, bob) = (world.user("ada", &[]).await, world.user("bob", &[]).await);
    let peeked = ada.make("ticket", json!({"title": "geheim", "permission": PEEKED}), json!({})).await;
    let open = ada.make("ticket", json!({"title": "offen", "permission": READ}), json!({})).await;
    let hand_on =
        async |id: &str, by: &str| bob.act(&format!("ticket/{id}/hand_on"), json!({"by": by, "url": web.url.clone()})).await;
    for by in ["letter", "request"] {
        hand_on(&peeked, by).await.is(403);
    }
    hand_on(&open, "letter").await.is(200);
    assert!(smtp.letter().await.text.contains("offen"));
    hand_on(&peeked, "letter_by_peek").await.is(200);
    assert!(smtp.letter().await.text.contains("geheim"), "the file says so");
    // What comes back was made of what went in.
    let made = "HTTP/1.1 201 Made\r\ncontent-length: 0\r\n\r\n";
    for (id, message) in [(&peeked, "none"), (&open, "201")] {
        web.says(&[made]);
        let told = bob.act(&format!("ticket/{id}/hand_on"), json!({"by": "request_by_peek", "url": web.url})).await.is(200);
        assert_eq!(told.json[0]["Attributes"]["message"], message, "{}", told.text);
        assert!(web.heard().await.body.contains("title"));
    }
}
