//! What clients of the field send: lists of ids, whole records, ids in capitals; and where they look for totals.

use serde_json::json;

use crate::house::World;

#[tokio::test]
async fn several_values_are_one_condition_however_they_are_written_and_all_ids_are_on_one_page() {
    let world = World::with(|config| config.page.size = 2).await;
    let ada = world.user("ada", &[]).await;
    let mut ids = vec![];
    for title in ["ä", "b,c", "d"] {
        ids.push(ada.make("article", json!({"title": title}), json!({})).await);
    }
    let listed = |before: &str, after: &str| ids.iter().map(|id| format!("filter[id]{before}={id}{after}")).collect::<String>();
    let indexed: String = ids.iter().enumerate().map(|(at, id)| format!("&filter[id][{at}]={id}")).collect();
    for query in [listed("[]", "&"), listed("[in][]", "&"), indexed, format!("filter[id][in]={}", ids.join(","))] {
        let found = ada.get(&format!("/api/article?{query}")).await.is(200).ids();
        assert_eq!(found.len(), 3, "{query}");
    }
    let upper = ids[0].to_uppercase();
    let one = ada.get(&format!("/api/article?filter[id][]={upper}")).await.is(200);
    assert_eq!(one.ids(), [ids[0].clone()]);
    let found = ada.get("/api/article?filter[title][]=b,c&filter[title][]=d").await.is(200).ids();
    assert_eq!(found.len(), 2, "a comma is no end of a value there");
    ada.get(&format!("/api/article?filter[id][]={}&filter[id][in]={}", ids[0], ids[1])).await.is(400);
}

#[tokio::test]
async fn totals_stand_where_clients_look_for_them() {
    let world = World::with(|config| config.page.total_as = vec!["total".to_owned(), "unpaginatedCount".to_owned()]).await;
    let ada = world.user("ada", &[]).await;
    let none = ada.get("/api/article?page[size]=1").await.is(200);
    assert_eq!(none.json["meta"], json!({"page": {"total": 0}, "total": 0, "unpaginatedCount": 0}));
    for title in ["a", "b", "c"] {
        ada.make("article", json!({"title": title}), json!({})).await;
    }
    let bob = world.user("bob", &[]).await;
    bob.make("article", json!({"title": "hidden", "permission": 16256}), json!({})).await;
    for page in ["page[size]=1", "page[number]=9&page[size]=2", "page[size]=1&page[total]=exact"] {
        let said = ada.get(&format!("/api/article?{page}")).await.is(200);
        assert_eq!((&said.json["meta"]["total"], &said.json["meta"]["unpaginatedCount"]), (&json!(3), &json!(3)), "{page}");
    }
    let one = ada.get("/api/user_account/mine").await.is(200);
    assert!(one.json.get("meta").is_none(), "{}", one.text);
}

#[tokio::test]
async fn a_whole_record_that_is_stale_says_so_and_an_id_in_capitals_is_the_same() {
    let world = World::new().await;
    let ada = world.user("ada", &[]).await;
    let id = ada.make("article", json!({"title": "ä"}), json!({})).await;
    let put = |attributes: &serde_json::Value| json!({"data": {"type": "article", "id": id, "attributes": attributes}});
    let mut mine = ada.get(&format!("/api/article/{id}")).await.is(200).json["data"]["attributes"].clone();
    mine["title"] = json!("ö");
    ada.patch(&format!("/api/article/{id}"), put(&mine)).await.is(200);
    let stale = ada.patch(&format!("/api/article/{id}"), put(&mine)).await.is(409);
    assert_eq!(stale.json["errors"][0]["source"]["pointer"], "/data/attributes/version", "{}", stale.text);
    assert!(stale.text.contains("read it again"), "{}", stale.text);
    // Of a whole record that is of now, what isn't to be set is named itself.
    mine = ada.get(&format!("/api/article/{id}")).await.is(200).json["data"]["attributes"].clone();
    mine["created_at"] = json!("2020-01-01T00:00:00Z");
    let refused = ada.patch(&format!("/api/article/{id}"), put(&mine)).await.is(403);
    assert_eq!(refused.json["errors"][0]["source"]["pointer"], "/data/attributes/created_at", "{}", refused.text);
    // Who may not read the row hears nothing of its version.
    let bob = world.user("bob", &[]).await;
    world.sql(&format!("update article set permission = 16256 + 1 + 8 where id = '{id}'")).await;
    bob.patch(&format!("/api/article/{id}"), put(&json!({"version": 1}))).await.is(403);
    let upper = id.to_uppercase();
    let same = ada.get(&format!("/api/article/{upper}")).await.is(200);
    assert_eq!(same.json["data"]["id"], id);
    let change = json!({"data": {"type": "article", "id": upper, "attributes": {"title": "ü"}}});
    ada.patch(&format!("/api/article/{id}"), change).await.is(200);
    ada.get(&format!("/api/article/{}", id.replace('-', ""))).await.is(404);
}

#[tokio::test]
async fn headers_of_tracers_may_be_allowed() {
    let allowed = async |headers: &[&'static str]| {
        let world = World::with(|config| {
            config.cors_origins = vec!["https://front.example".to_owned()];
            config.cors_headers = headers.iter().map(|name| reqwest::header::HeaderName::from_static(name)).collect();
        })
        .await;
        let client = reqwest::Client::new();
        let asked = client.request(reqwest::Method::OPTIONS, format!("{}/api/article", world.url));
        let asked = asked.header("Origin", "https://front.example").header("Access-Control-Request-Method", "GET");
        let answer = asked.header("Access-Control-Request-Headers", "traceparent").send().await.expect("an answer");
        answer.headers()["access-control-allow-headers"].to_str().expect("text").to_owned()
    };
    assert!(!allowed(&[]).await.contains("traceparent"));
    assert!(allowed(&["traceparent"]).await.contains("traceparent"));
}

#[tokio::test]
async fn a39_days_and_months_begin_where_people_live() {
    let world = World::new().await;
    let ada = world.user("ada", &[]).await;
    for at in ["2026-02-28T23:30:00Z", "2026-03-01T10:00:00Z", "2026-03-31T21:30:00Z", "2026-03-31T22:30:00Z"] {
        ada.make("article", json!({"title": at, "published_at": at}), json!({})).await;
    }
    let groups = async |query: &str| {
        let answer = ada.get(&format!("/aggregate/article?{query}")).await.is(200);
        let data = answer.json["data"].as_array().expect("groups").clone();
        let name = if query.contains("month") { "month_published_at" } else { "day_published_at" };
        let group = |group: &serde_json::Value| {
            let of = &group["attributes"];
            (of[name].as_str().expect("a time").to_owned(), of["count"].as_i64().expect("a count"))
        };
        data.iter().map(group).collect::<Vec<_>>()
    };
    let told = |groups: &[(&str, i64)]| groups.iter().map(|(at, count)| ((*at).to_owned(), *count)).collect::<Vec<_>>();
    let by_month = "group=month(published_at)&measure=count";
    assert_eq!(groups(by_month).await, told(&[("2026-02-01T00:00:00Z", 1), ("2026-03-01T00:00:00Z", 3)]));
    // In Berlin the last evening of February is March, and of March, by then in summer, April.
    let berlin = groups(&format!("{by_month}&zone=Europe/Berlin")).await;
    assert_eq!(berlin, told(&[("2026-02-28T23:00:00Z", 3), ("2026-03-31T22:00:00Z", 1)]));
    let days = groups("group=day(published_at)&measure=count&zone=Europe/Berlin").await;
    assert_eq!(days, told(&[("2026-02-28T23:00:00Z", 2), ("2026-03-30T22:00:00Z", 1), ("2026-03-31T22:00:00Z", 1)]));
    for wrong in ["Mars/Olympus", "", "'; drop table article"] {
        ada.get(&format!("/aggregate/article?{by_month}&zone={wrong}")).await.is(400);
    }
    // A list may come value by value.
    let twice = ada.get("/aggregate/article?group=status&group=title&measure=count&measure=max(words)").await.is(200);
    assert_eq!(twice.json["data"].as_array().expect("groups").len(), 4);
}
