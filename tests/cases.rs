//! What people hit with comparable software, rebuilt here: each test names its case.

use reqwest::Method;
use rowhouse::start::{self, Destructive};
use serde_json::{Value as Json, json};

use crate::action::transfers::import;
use crate::house::{Someone, World};

const CASES: &str = "tests/projects/cases";

#[tokio::test]
async fn a01_names_made_of_parts_are_as_long_as_they_like_and_it_starts_again() {
    let world = World::of(CASES).await;
    let ada = world.user("ada", &[]).await;
    let note = ada.make("note", json!({"body": "x"}), json!({})).await;
    let links = json!({"responsible_contact_persons": {"data": [{"type": "note", "id": note}]}});
    let report = ada.make("quarterly_procurement_report_of_department", json!({"title": "x"}), links).await;
    assert_eq!(ada.get(&format!("/api/note/{note}/reports")).await.is(200).ids(), [report]);
    let again = world.twin().await; // which reads the same files
    let report = start::apply(&again.app.store, &again.app.schema, &again.app.actions, Destructive::Refused).await;
    assert_eq!(report.expect("it starts again").steps.len(), 0);
}

/// Random letters, which no index compresses.
fn long(bytes: usize) -> String {
    let mut state = 7_u64;
    let mut letter = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'a' + u8::try_from((state >> 40) % 26).expect("small"))
    };
    (0..bytes).map(|_| letter()).collect()
}

async fn operation(who: &Someone<'_>, data: &Json) -> crate::house::answer::Answer {
    let kind = r#"application/vnd.api+json;ext="https://jsonapi.org/ext/atomic""#;
    let body = json!({"atomic:operations": [{"op": "add", "data": data}, {"op": "add", "data": data}]});
    let request = who.request(Method::POST, "/api/operations").header("Content-Type", kind).header("Accept", kind);
    who.send(request.body(body.to_string())).await
}

#[tokio::test]
async fn a02_a24_a_value_that_an_index_does_not_take_is_told_by_every_way_in() {
    let world = World::of_with(CASES, |config| config.outbox.poll = std::time::Duration::from_millis(50)).await;
    world.run_tasks();
    let ada = world.user("ada", &[]).await;
    let values = [("body", long(9000)), ("slug", long(9000)), ("link", format!("https://x.example/{}", long(4500)))];
    for (column, value) in &values {
        let data = json!({"type": "note", "attributes": {*column: value}});
        let refused = ada.post("/api/note", json!({"data": data})).await.is(422);
        assert_eq!(refused.json["errors"][0]["source"]["pointer"], format!("/data/attributes/{column}"), "{}", refused.text);
        assert!(refused.text.contains("too long for its index"), "{}", refused.text);
        let refused = operation(&ada, &data).await.is(422);
        let pointer = format!("/atomic:operations/0/data/attributes/{column}");
        assert_eq!(refused.json["errors"][0]["source"]["pointer"], pointer, "{}", refused.text);
        let id = ada.make("note", json!({}), json!({})).await;
        let change = json!({"data": {"type": "note", "id": id, "attributes": {*column: value}}});
        ada.patch(&format!("/api/note/{id}"), change).await.is(422);
    }
    // The good row of a file is made, and the other told.
    let file = format!("body\nshort\n{}\nshort too\n", values[0].1);
    let row = import(&ada, json!({"entity": "note", "mode": "each"}), file).await;
    assert_eq!((&row["created"], &row["failed"], &row["faults"][0]["row"]), (&json!(2), &json!(1), &json!(2)), "{row}");
    assert_eq!(row["faults"][0]["field"], "body");
}

#[tokio::test]
async fn n6_what_actions_alone_set_is_said_to_be() {
    let world = World::of_with(CASES, |config| config.outbox.poll = std::time::Duration::from_millis(50)).await;
    world.run_tasks();
    let ada = world.user("ada", &[]).await;
    let refused = ada.post("/api/invoice", json!({"data": {"type": "invoice", "attributes": {"amount": "1.00"}}})).await.is(403);
    assert!(refused.text.contains("`number` is required, and set by actions alone"), "{}", refused.text);
    ada.act("invoice/issue", json!({"number": "R-1", "amount": "12.50"})).await.is(200);
    let row = import(&ada, json!({"entity": "invoice", "mode": "each"}), "amount\n1.00\n2.00\n").await;
    assert_eq!((&row["failed"], &row["faults"][1]["row"]), (&json!(2), &json!(2)), "{row}");
}

#[tokio::test]
async fn a31_b21_fields_are_unique_together_for_fifty_at_once_and_the_clash_stands_at_each() {
    let world = World::of(CASES).await;
    let ada = world.user("ada", &[]).await;
    let room = ada.make("room", json!({"name": "Großer Saal"}), json!({})).await;
    let links = json!({"room": {"data": {"type": "room", "id": room}}});
    let body = json!({"data": {"type": "booking", "attributes": {"day": "2026-02-28"}, "relationships": links}});
    let answers = futures_util::future::join_all((0..50).map(|_| ada.post("/api/booking", body.clone()))).await;
    let made = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!((made, answers.iter().filter(|answer| answer.status == 409).count()), (1, 49));
    let clash = ada.post("/api/booking", body.clone()).await.is(409);
    let pointers: Vec<_> = clash.json["errors"].as_array().expect("errors").iter().map(|e| &e["source"]["pointer"]).collect();
    assert_eq!(pointers, ["/data/attributes/day", "/data/relationships/room"], "{}", clash.text);
    assert!(clash.text.contains("`day` and `room` are taken together."), "{}", clash.text);
    let other = json!({"data": {"type": "booking", "attributes": {"day": "2026-03-01"}, "relationships": links}});
    let second = ada.post("/api/booking", other.clone()).await.is(201).json["data"]["id"].clone();
    let change = json!({"data": {"type": "booking", "id": second, "attributes": {"day": "2026-02-28"}}});
    ada.patch(&format!("/api/booking/{}", second.as_str().expect("an id")), change).await.is(409);
    let operation = operation(&ada, &other["data"]).await.is(409);
    assert_eq!(
        operation.json["errors"][0]["source"]["pointer"], "/atomic:operations/0/data/attributes/day",
        "{}",
        operation.text
    );
    // The same by an action, and by a link of an entity that holds each pair once.
    let book = json!({"room": room, "day": "2026-02-28"});
    assert!(ada.act("booking/book", book).await.is(409).text.contains("are taken together"));
}

#[tokio::test]
async fn a32_rows_that_are_dead_are_told_apart() {
    let world = World::of(CASES).await;
    let ada = world.user("ada", &[]).await;
    let post = async |slug: &str, deleted: Json| {
        let attributes = json!({"slug": slug, "deleted_at": deleted});
        ada.post("/api/page", json!({"data": {"type": "page", "attributes": attributes}})).await
    };
    let first = post("über-uns", Json::Null).await.is(201).json["data"]["id"].as_str().expect("an id").to_owned();
    let clash = post("ÜBER-UNS", Json::Null).await.is(409);
    assert_eq!(clash.json["errors"][0]["source"]["pointer"], "/data/attributes/slug", "{}", clash.text);
    let delete = |at: Json| json!({"data": {"type": "page", "id": first, "attributes": {"deleted_at": at}}});
    ada.patch(&format!("/api/page/{first}"), delete(json!("2026-01-01T00:00:00Z"))).await.is(200);
    post("über-uns", Json::Null).await.is(201);
    post("über-uns", json!("2026-01-02T00:00:00Z")).await.is(201);
    // It can't come back while another is alive.
    ada.patch(&format!("/api/page/{first}"), delete(Json::Null)).await.is(409);
}
