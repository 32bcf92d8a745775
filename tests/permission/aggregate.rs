//! Aggregates count what may be read, and nothing else.

use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use crate::house::{CANARY, Someone, World};

async fn articles(world: &World) -> (Someone<'_>, Someone<'_>) {
    let (ada, bob) = (world.user("ada", &[]).await, world.user("bob", &["editors"]).await);
    let editors = "(select id from usergroup where declared and name = 'editors')";
    world
        .sql(&format!(
            "insert into article (id, owner, permission, groups, title, status, words, price, published_at, author, secret_note) \
             select gen_random_uuid(), case when n % 3 = 0 then '{id}'::uuid end, case when n % 2 = 0 then 2 else 256 + 32768 end, \
             case when n % 5 = 0 then array[{editors}] else '{{}}' end, 'a' || n, (array['draft', 'review', 'published'])[1 + n % 3], \
             nullif(n % 7, 0), n + 0.25, timestamptz '2026-01-01' + n * interval '10 days', '{id}', '{CANARY}' from generate_series(1, 60) n",
            id = ada.id
        ))
        .await;
    (ada, bob)
}

fn rows(answer: &Json) -> Vec<Json> {
    answer["data"].as_array().expect("a list").iter().map(|d| d["attributes"].clone()).collect()
}

#[tokio::test]
async fn groups_and_measures_are_those_of_the_list() {
    let world = World::new().await;
    let (ada, bob) = articles(&world).await;
    for someone in [&world.guest(), &ada, &bob, &world.user("eve", &[]).await] {
        let list = someone.get("/api/article?page[size]=100").await.is(200);
        let mut wanted: BTreeMap<String, (i64, i64, f64)> = BTreeMap::new();
        for row in list.json["data"].as_array().expect("a list") {
            let of = wanted.entry(row["attributes"]["status"].as_str().expect("text").to_owned()).or_default();
            of.0 += 1;
            of.1 += row["attributes"]["words"].as_i64().unwrap_or(0);
            of.2 += row["attributes"]["price"].as_str().expect("a decimal").parse::<f64>().expect("a number");
        }
        // Options come in their order.
        let wanted =
            ["draft", "review", "published"].iter().filter_map(|status| wanted.get_key_value(*status)).collect::<Vec<_>>();
        world.wire.listen();
        let answer = someone.get("/aggregate/article?group=status&measure=count,sum(words),count(words),sum(price),avg(words),max(published_at)&sort=status").await.is(200);
        assert_eq!(world.wire.executed(), 1);
        assert!(!world.wire.heard(CANARY));
        let rows = rows(&answer.json);
        assert_eq!(rows.len(), wanted.len());
        for (row, (status, (count, words, price))) in rows.iter().zip(wanted) {
            assert_eq!((&row["status"], &row["count"], &row["sum_words"]), (&json!(status), &json!(count), &json!(words)));
            assert_eq!(row["sum_price"].as_str().expect("a decimal").parse::<f64>().expect("a number"), *price);
            assert!(row["max_published_at"].as_str().is_some_and(|t| t.ends_with('Z')) && row["avg_words"].is_number());
        }
        let all = someone.get("/aggregate/article").await.is(200);
        assert_eq!(all.json["data"][0], json!({"type": "aggregate", "id": "all", "attributes": {"count": list.ids().len()}}));
    }
}

#[tokio::test]
async fn groups_go_by_time_and_along_relations_and_are_filtered_sorted_and_paged() {
    let world = World::new().await;
    let (ada, _) = articles(&world).await;
    let get = async |query: &str| rows(&ada.get(&format!("/aggregate/article?{query}")).await.is(200).json);
    let months = get("group=month(published_at)&measure=count&sort=month(published_at)").await;
    assert_eq!(months[0]["month_published_at"], "2026-01-01T00:00:00Z");
    assert!(months.len() > 15);
    let years = get("group=year(published_at),status&sort=-count").await;
    assert_eq!(years.len(), 6);
    for (size, is_last) in [(6, true), (5, false)] {
        let page = ada.get(&format!("/aggregate/article?group=year(published_at),status&page[size]={size}")).await.is(200);
        assert_eq!((rows(&page.json).len(), page.json["links"]["next"].is_null()), (size, is_last));
    }
    assert!(years.windows(2).all(|w| w[0]["count"].as_i64() >= w[1]["count"].as_i64()));
    let prices = get("group=price&sort=price").await;
    assert_eq!((prices.len(), &prices[0]), (25, &json!({"price": "2.25", "count": 1})), "a decimal stays text");
    assert_eq!(get("group=author.name").await, [json!({"author_name": "ada", "count": 40})]);
    assert_eq!(get("group=author&measure=count").await[0]["author"], ada.id.to_string());
    assert_eq!(get("group=section.name").await, [json!({"section_name": null, "count": 40})], "none is a group, too");
    assert_eq!(get("group=status&filter[words][ge]=6&measure=count&filter[title][starts]=a").await.len(), 3);
    assert_eq!(
        get("measure=min(words),max(title),sum(words)&filter[words]=99").await,
        [json!({"min_words": null, "max_title": null, "sum_words": null})]
    );
    let few = get("group=words&having[count][le]=5&sort=words").await;
    assert!(few.iter().all(|r| r["count"].as_i64() <= Some(5)) && few.len() < 7);
    let none = "group=words&having[count][gt]=5&having[sum(price)][gt]=1000000000&measure=count,sum(price)";
    assert!(get(none).await.is_empty());
    assert!(!get(&none.replace("1000000000", "-1")).await.is_empty());
    // pages
    let mut walked = vec![];
    let mut url = Some("/aggregate/article?group=month(published_at)&page[size]=4".to_owned());
    while let Some(next) = url {
        let page = ada.get(&next).await.is(200);
        walked.extend(rows(&page.json));
        url = page.json["links"]["next"].as_str().map(str::to_owned);
    }
    assert_eq!(walked.len(), months.len());
    // sums know no overflow
    world.sql("update article set words = 9223372036854775807").await;
    let sum = ada.get("/aggregate/article?measure=sum(words)").await.is(200);
    assert!(sum.text.contains("368934881474191032280"), "{}", sum.text);
}

#[tokio::test]
async fn what_can_not_be_read_can_not_be_counted() {
    let world = World::new().await;
    let (ada, _) = articles(&world).await;
    for bad in [
        "group=secret_note",
        "measure=count(secret_note)",
        "measure=max(secret_note)",
        "filter[secret_note]=x",
        "group=author.password",
        "group=tags",
        "group=tags.name",
        "group=nothing",
        "group=month(title)",
        "group=century(published_at)",
        "measure=sum(title)",
        "measure=sum(nothing)",
        "measure=median(words)",
        "measure=words",
        "measure=min(settings)",
        "group=settings",
        "having[count][gt]=x",
        "having[count][gt]=NaN",
        "having[sum(words)][gt]=1",
        "having[count][in]=1",
        "sort=words",
        "group=status&sort=sum(words)",
        "measure=count,count",
        "group=status,status",
        "page[size]=0",
        "page[size]=101",
        "page[after]=x",
        "x=1",
        "group=a(",
        "group=id",
        "measure=sum(words.x)",
        "filter[words]=x",
        "fields[article]=title",
        "include=author",
        "measure=count(words),sum(words),avg(words),min(words),max(words),count,count(title),count(body),min(title),max(title),max(body)",
    ] {
        let refused = ada.get(&format!("/aggregate/article?{bad}")).await.is(400);
        assert!(!refused.json["errors"][0]["source"]["parameter"].is_null(), "{bad}: {}", refused.text);
    }
    world.guest().get("/aggregate/memo").await.is(401);
    ada.get("/aggregate/memo?group=nothing").await.is(403);
    ada.get("/aggregate/nothing").await.is(404);
    world.guest().get("/aggregate/article?group=author.name").await.is(401); // guests don't read users
    // columns that are only some callers'
    let odd = World::of("tests/projects/odd").await;
    let (one, two) = (odd.user("one", &[]).await, odd.user("two", &["team"]).await);
    one.make("case", json!({"own": "x"}), json!({})).await;
    two.make("case", json!({"own": "y", "team": 5}), json!({})).await;
    let totals = async |someone: &Someone<'_>| {
        rows(&someone.get("/aggregate/case?group=own&measure=count,sum(team)&sort=own").await.is(200).json)
    };
    assert_eq!(
        totals(&one).await,
        [json!({"own": "x", "count": 1, "sum_team": null}), json!({"own": null, "count": 1, "sum_team": null})]
    );
    assert_eq!(
        totals(&two).await,
        [json!({"own": "y", "count": 1, "sum_team": 5}), json!({"own": null, "count": 1, "sum_team": null})]
    );
    for query in ["group=own", "measure=count(own)", "measure=sum(team)"] {
        let refused = odd.guest().get(&format!("/aggregate/case?{query}")).await.is(400).text;
        let missing = odd
            .guest()
            .get(&format!("/aggregate/case?{}", query.replace("own", "xyz").replace("team", "zyx")))
            .await
            .is(400)
            .text;
        assert_eq!(refused.replace("unknown", "U").replace("own", "xyz").replace("team", "zyx"), missing.replace("unknown", "U"));
    }
}
