//! Includes, shaped: order, conditions, size and pages of what is included.

use serde_json::{Value as Json, json};

use crate::house::{CANARY, Someone, World};

fn to(kind: &str, id: &str) -> Json {
    json!({"data": {"type": kind, "id": id}})
}

async fn comment(someone: &Someone<'_>, article: &str, text: &str, rating: i64, permission: i64) -> String {
    let attributes = json!({"text": text, "rating": rating, "permission": permission});
    someone.make("comment", attributes, json!({"article": to("article", article)})).await
}

fn linked(row: &Json, relation: &str) -> Vec<String> {
    let data = row["relationships"][relation]["data"].as_array().expect("linkage");
    data.iter().map(|r| r["id"].as_str().expect("an id").to_owned()).collect()
}

#[tokio::test]
async fn fe14_what_is_included_is_sorted_filtered_and_paged_in_one_statement() {
    let world = World::new().await;
    let mut ada = world.user("ada", &[]).await;
    ada.hears_canaries = true;
    let bob = world.user("bob", &[]).await;
    let article = ada.make("article", json!({"title": "x", "permission": 16256 | 66}), json!({})).await;
    let other = ada.make("article", json!({"title": "y", "permission": 16256 | 66}), json!({})).await;
    let mut all = vec![];
    for (n, rating) in [3, 1, 5, 4].into_iter().enumerate() {
        all.push(comment(&ada, &article, &format!("größe & \"{n}\""), rating, 16258).await);
    }
    let hidden = comment(&ada, &article, CANARY, 5, 16256).await;
    let peeked = comment(&ada, &article, CANARY, 5, 16257).await;
    let away = comment(&ada, &other, "other", 5, 16258).await;
    let reply = {
        let to = json!({"article": to("article", &article), "reply_to": to("comment", &all[0])});
        ada.make("comment", json!({"text": "reply", "rating": 2, "permission": 16258}), to).await
    };
    bob.get("/api/user_account/mine").await.is(200); // so that he is known
    world.wire.listen();
    let url = format!("/api/article/{article}?include=comments.replies&sort[comments]=-rating&page[comments][size]=2");
    let shaped = bob.get(&url).await.is(200);
    assert_eq!(world.wire.executed(), 1, "one statement");
    assert!(!world.wire.heard(CANARY));
    assert_eq!(linked(&shaped.json["data"], "comments"), [all[2].as_str(), &all[3]]);
    let relationship = &shaped.json["data"]["relationships"]["comments"];
    assert_eq!((&relationship["links"]["prev"], &relationship["meta"]["truncated"]), (&Json::Null, &json!(true)));
    // The pages lead through the rest, in the same order.
    let mut next = relationship["links"]["next"].as_str().expect("a next page").to_owned();
    let mut rest = vec![];
    loop {
        let page = bob.get(&next).await.is(200);
        rest.extend(page.ids());
        match page.json["links"]["next"].as_str() {
            Some(more) => next = more.to_owned(),
            None => break,
        }
    }
    assert_eq!(rest, [all[0].as_str(), &reply, &all[1]]);
    // Conditions are of values that are read: a peeked row is linked without them, and not with them.
    let plain = bob.get(&format!("/api/article/{article}?include=comments")).await.is(200);
    assert!(linked(&plain.json["data"], "comments").contains(&peeked) && !plain.text.contains(&hidden));
    for condition in ["filter[comments][rating][ge]=4", "filter[comments]={\"ge\":[\"rating\",4]}"] {
        let some = bob.get(&format!("/api/article?include=comments&{condition}&sort=title")).await.is(200);
        assert_eq!(some.ids(), [article.as_str(), &other], "the articles themselves are all there");
        let mut of_first = linked(&some.json["data"][0], "comments");
        of_first.sort();
        let mut wanted = vec![all[2].clone(), all[3].clone()];
        wanted.sort();
        assert_eq!(of_first, wanted);
        assert_eq!(linked(&some.json["data"][1], "comments"), [away.as_str()]);
    }
    assert!(
        linked(
            &ada.get(&format!("/api/article/{article}?include=comments&filter[comments][text]={CANARY}&fields[comment]=rating"))
                .await
                .json["data"],
            "comments"
        )
        .len()
            == 2,
        "the control"
    );
    let deep = bob
        .get(&format!(
            "/api/article/{article}?include=comments.replies&page[comments.replies][size]=1&filter[comments.replies][rating]=9"
        ))
        .await
        .is(200);
    let first = deep.json["included"].as_array().expect("included").iter().find(|r| r["id"] == all[0].as_str()).expect("there");
    assert!(linked(first, "replies").is_empty());
    let escaped = bob
        .get(&format!(
            "/api/article/{article}?include=comments&filter[comments][text][contains]=%26%20%22&page[comments][size]=1"
        ))
        .await
        .is(200);
    let next = escaped.json["data"]["relationships"]["comments"]["links"]["next"].as_str().expect("more").to_owned();
    assert_eq!(bob.get(&next).await.is(200).ids().len(), 1);
    // A diamond: two ways to one row, one resource.
    let diamond = bob.get(&format!("/api/comment/{reply}?include=article.comments,reply_to.replies")).await.is(200);
    assert!(diamond.json["included"].as_array().expect("included").len() >= 5);
    for (bad, parameter) in [
        ("sort[comments]=nothing", "sort[comments]"),
        ("sort[tags]=name", "sort[tags]"),
        ("sort[author]=name", "sort[author]"),
        ("filter[tags][name]=x", "filter[tags][name]"),
        ("filter[comments][nothing]=x", "filter[comments][nothing]"),
        ("filter[comments][rating][ge]=x", "filter[comments][rating][ge]"),
        ("filter[comments]=x", "filter[comments]"),
        ("filter[title][eq][eq]=x", "filter[title][eq][eq]"),
        ("filter[comments][rating][eq][x]=1", "filter[comments][rating][eq][x]"),
        ("page[comments][size]=0", "page[comments][size]"),
        ("page[comments][size]=101", "page[comments][size]"),
        ("page[comments][number]=1", "page[comments][number]"),
        ("page[nothing][size]=1", "page[nothing][size]"),
    ] {
        let refused = bob.get(&format!("/api/article?include=comments&{bad}")).await.is(400);
        assert_eq!(refused.json["errors"][0]["source"]["parameter"], parameter, "{bad}: {}", refused.text);
    }
    bob.get(&format!("/api/article/{article}/relationships/comments?sort[comments]=rating")).await.is(400);
}
