//! A project of odd names and every type: what people write in files must work, whatever they call it.

use serde_json::{Value as Json, json};

use crate::house::World;

const ODD: &str = "tests/projects/odd";

#[tokio::test]
async fn names_that_sql_or_our_statements_use_are_names_like_any_other() {
    let world = World::of(ODD).await;
    let ada = world.user("ada", &[]).await;
    let who = ada.make("who", json!({"id_card": "x"}), json!({})).await;
    let to = |kind: &str, id: &str| json!({"data": {"type": kind, "id": id}});
    let a = ada.make("a", json!({"name": "x"}), json!({"who": to("who", &who)})).await;
    let many = json!({"data": [{"type": "a", "id": a}]});
    let one =
        ada.make("order", json!({"select": 1, "n": 2, "k0": "k", "größe": "1.5", "from": "'\"%"}), json!({"where": many})).await;
    let two = ada.make("order", json!({"select": 2, "n": 1}), json!({"next": to("order", &one)})).await;
    let list = ada
        .get("/api/order?include=where.who,next,user&sort=n,-k0,gr%C3%B6%C3%9Fe&filter[select][ge]=1&page[size]=1")
        .await
        .is(200);
    assert_eq!(list.ids(), [two.as_str()]);
    let next = list.json["links"]["next"].as_str().expect("a next page").to_owned();
    let page = ada.get(&next).await.is(200);
    assert_eq!(page.ids(), [one.as_str()]);
    assert_eq!(page.json["data"][0]["attributes"]["größe"], "1.50000");
    assert_eq!(page.json["included"].as_array().map(Vec::len), Some(3), "a, who, ada: {}", page.text);
    assert_eq!(ada.get("/api/order?filter[where.who.id_card]=x").await.is(200).ids(), [one.as_str()]);
    assert_eq!(ada.get(&format!("/api/a/{a}/orders")).await.is(200).ids(), [one.as_str()]);
    assert_eq!(ada.get(&format!("/api/order/{one}/previous")).await.is(200).ids(), [two.as_str()]);
    ada.patch(
        &format!("/api/order/{one}"),
        json!({"data": {"type": "order", "id": one, "attributes": {"select": 7, "n": null}}}),
    )
    .await
    .is(200);
    ada.delete(&format!("/api/who/{who}")).await.is(204);
    ada.get(&format!("/api/a/{a}")).await.is(404); // cascade is the schema's decision
    ada.get("/api/order?filter[where.who.r0]=x").await.is(400);
}

#[tokio::test]
async fn unique_per_owner_counts_per_owner() {
    let world = World::of(ODD).await;
    let (ada, bob) = (world.user("ada", &[]).await, world.user("bob", &[]).await);
    let order = |select: i64| json!({"data": {"type": "order", "attributes": {"select": select}}});
    ada.post("/api/order", order(1)).await.is(201);
    bob.post("/api/order", order(1)).await.is(201);
    let clash = ada.post("/api/order", order(1)).await.is(409);
    assert_eq!(clash.json["errors"][0]["source"]["pointer"], "/data/attributes/select");
}

#[tokio::test]
async fn a_guest_is_linked_to_nobody() {
    let world = World::of(ODD).await;
    let guest = world.guest();
    world.sql("update world set permission = 2097151 where name = 'order'").await;
    guest.post("/api/order", json!({"data": {"type": "order", "attributes": {"n": 1}}})).await.is(401);
    // what a guest makes is nobody's, and its default permission says who sees it
    let made = guest.post("/api/a", json!({"data": {"type": "a", "attributes": {"name": "by nobody"}}})).await.is(201);
    assert!(made.json["data"]["relationships"]["owner"]["data"].is_null());
    let url = made.header("location").to_owned();
    guest.patch(&url, json!({"data": {"type": "a", "id": made.json["data"]["id"], "attributes": {"name": "x"}}})).await.is(401);
}

#[tokio::test]
async fn every_type_comes_back_as_it_went_and_refuses_what_it_is_not() {
    let world = World::of(ODD).await;
    let ada = world.user("ada", &[]).await;
    let good: &[(&str, Json, Json)] = &[
        ("label", json!("größe 'x' \"%\" \\ 😀"), Json::Null),
        ("name", json!("x"), Json::Null),
        ("text", json!("a\nb\t\u{7f}"), Json::Null),
        ("markdown", json!("# x\n*y*"), Json::Null),
        ("html", json!("<p onclick=x>y<script>z</script></p>"), json!("<p>y</p>")),
        ("raw_html", json!("<script>z</script>"), Json::Null),
        ("email", json!("Ada@Example.ORG"), json!("Ada@example.org")),
        ("url", json!("https://example.org/?a=%20b#c"), Json::Null),
        ("color", json!("#ABCDEF"), json!("#abcdef")),
        ("integer", json!(i64::MIN), Json::Null),
        ("integer", json!(i64::MAX), Json::Null),
        ("decimal", json!("-1234567890123456.7891"), Json::Null),
        ("float", json!(0.1), Json::Null),
        ("float", json!(1e300), Json::Null),
        ("float", json!(3), json!(3.0)),
        ("rating", json!(10), Json::Null),
        ("latitude", json!(-90.0), Json::Null),
        ("longitude", json!(180.0), Json::Null),
        ("boolean", json!(false), Json::Null),
        ("date", json!("2024-02-29"), Json::Null),
        ("time", json!("23:59:59.5"), Json::Null),
        ("datetime", json!("2026-11-22T12:00:00+02:00"), json!("2026-11-22T10:00:00Z")),
        ("json", json!({"a": [1, null, {"b": "\"'"}]}), Json::Null),
        ("json", json!("text"), Json::Null),
        ("enum", json!("a'b"), Json::Null),
        ("enum", json!(""), Json::Null),
        ("uuid", json!("0192f0c1-2222-7000-8000-000000000001"), Json::Null),
        ("short", json!("abcd"), Json::Null),
        ("exact", json!("äöü"), Json::Null),
    ];
    for (field, sent, back) in good {
        let made = ada.post("/api/thing", json!({"data": {"type": "thing", "attributes": {*field: sent}}})).await.is(201);
        let wanted = if back.is_null() { sent } else { back };
        assert_eq!(&made.json["data"]["attributes"][field], wanted, "{field}");
        let id = made.json["data"]["id"].clone();
        ada.patch(made.header("location"), json!({"data": {"type": "thing", "id": id, "attributes": {*field: null}}}))
            .await
            .is(200);
    }
    let bad: &[(&str, Json)] = &[
        ("label", json!("a\nb")),
        ("label", json!("x".repeat(256))),
        ("label", json!(7)),
        ("text", json!("a\u{0}b")),
        ("email", json!("a@b@c")),
        ("email", json!("a b@c.d")),
        ("url", json!("javascript:alert(1)")),
        ("color", json!("red")),
        ("integer", json!(1.5)),
        ("integer", json!("1")),
        ("integer", json!(1e30)),
        ("decimal", json!(1.5)),
        ("decimal", json!("1e5")),
        ("decimal", json!("1.23456")),
        ("float", json!("NaN")),
        ("rating", json!(11)),
        ("latitude", json!(90.1)),
        ("boolean", json!(1)),
        ("date", json!("2023-02-29")),
        ("time", json!("25:00:00")),
        ("datetime", json!("2026-11-22")),
        ("datetime", json!("2026-11-22T12:00:00")),
        ("json", json!({"a": "\u{0}"})),
        ("enum", json!("other")),
        ("uuid", json!("x")),
        ("short", json!("a")),
        ("short", json!("abcde")),
        ("short", json!("AB")),
        ("exact", json!("ab")),
        ("boolean", json!([])),
        ("datetime", json!({})),
    ];
    for (field, sent) in bad {
        let said = ada.post("/api/thing", json!({"data": {"type": "thing", "attributes": {*field: sent}}})).await.is(422);
        assert_eq!(said.json["errors"][0]["source"]["pointer"], format!("/data/attributes/{field}"), "{sent}");
    }
    for filter in [
        "integer=9223372036854775808",
        "rating[lt]=40000",
        "float=1e999",
        "decimal=x",
        "date=x",
        "datetime=2026",
        "boolean=2",
        "uuid=1",
        "json=1",
        "enum[lt]=x",
    ] {
        ada.get(&format!("/api/thing?filter[{}", filter.replacen('=', "]=", 1).replacen("[lt]]", "][lt]", 1))).await.is(400);
    }
}

#[tokio::test]
async fn secrets_are_sealed_and_hashed_by_every_way_in() {
    let world = World::of(ODD).await;
    let ada = world.user("ada", &[]).await;
    let by_api = ada.make("vault", json!({"name": "x", "secret": "geheim", "pin": "correct horse"}), json!({})).await;
    let answer = ada.act("vault/keep", json!({"secret": "ge\\heim", "pin": "correct horse"})).await.is(200);
    let by_action = answer.json[0]["Attributes"]["id"].as_str().expect("an id").to_owned();
    assert_eq!(answer.json[0]["ResponseType"], "vault");
    assert_eq!(answer.json[0]["Attributes"]["attributes"]["name"], "ada's");
    for (id, secret) in [(by_api, "geheim"), (by_action, "ge\\heim")] {
        let row = &world.sql(&format!("select secret, pin from vault where id = '{id}'")).await[0];
        let sealed = row.raw(0).expect("kept");
        assert_eq!(world.app.seal.unseal("column", sealed).as_deref(), Some(secret.as_bytes()));
        assert!(row.text(1).expect("kept").starts_with("rh1$2b$"));
        let shown = ada.get(&format!("/api/vault/{id}")).await.is(200);
        assert!(!shown.text.contains("heim") && !shown.text.contains("secret") && !shown.text.contains("pin"), "{}", shown.text);
    }
    ada.get("/api/vault?filter[secret][null]=true").await.is(400);
    ada.get("/api/vault?sort=pin").await.is(400);
    let weak =
        ada.post("/api/vault", json!({"data": {"type": "vault", "attributes": {"name": "x", "pin": "short"}}})).await.is(422);
    assert_eq!(weak.json["errors"][0]["code"], "weak-password");
}

#[tokio::test]
async fn html_is_clean_unless_a_file_says_otherwise() {
    let world = World::of(ODD).await;
    let ada = world.user("ada", &[]).await;
    let dirty = "<p onclick=x>größe<script>alert(1)</script></p>";
    let id = ada.make("thing", json!({"html": dirty, "raw_html": dirty}), json!({})).await;
    let row = ada.get(&format!("/api/thing/{id}")).await.is(200);
    assert_eq!(row.json["data"]["attributes"]["html"], "<p>größe</p>");
    assert_eq!(row.json["data"]["attributes"]["raw_html"], dirty);
    // What an action takes is clean before it goes anywhere.
    let told = ada.act("thing/scrub", json!({"page": dirty})).await.is(200);
    assert_eq!(told.json[0]["Attributes"]["attributes"]["text"], "<p>größe</p>");
}
