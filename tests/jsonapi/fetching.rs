//! Fetching: lists, rows, related, linkage, includes, fields, sort, filter, pages.

use serde_json::json;

use crate::house::{CANARY, World};

/// Two authors, five articles (one hidden), comments, tags. Gives the world ready to be read.
async fn newsroom(world: &World) {
    let editors = "(select id from usergroup where declared and name = 'editors')";
    for (n, title, permission) in [(1, "größe 'x'", 2), (2, "100 % \"quoted\"", 2), (3, "c", 2), (4, "peeked", 1), (5, CANARY, 0)]
    {
        world
            .sql(&format!(
                "insert into article (id, permission, groups, title, words, price, published_at, author, secret_note, settings) \
                 select '00000000-0000-7000-8000-00000000000{n}', {permission}, array[{editors}], '{}', {n}, {n}.50, \
                 '2026-01-0{n}T10:00:00.25Z', id, '{CANARY}', '{{\"a\": [1, null]}}' from user_account where name = 'ada'",
                title.replace('\'', "''")
            ))
            .await;
    }
    for (n, article, permission) in [(1, 1, 2), (2, 1, 2), (3, 1, 0), (4, 5, 2), (5, 2, 1)] {
        let text = if permission == 2 { "good" } else { CANARY };
        world
            .sql(&format!(
                "insert into comment (id, permission, text, article) values ('00000000-0000-7000-8000-0000000000c{n}', {permission}, '{text}', \
                 '00000000-0000-7000-8000-00000000000{article}')"
            ))
            .await;
    }
    world.sql("insert into tag (id, permission, name) values ('00000000-0000-7000-8000-0000000000a1', 2, 'rust'), ('00000000-0000-7000-8000-0000000000a2', 0, 'canary-0f7d')").await;
    world.sql("insert into \"article.tags\" (source, target, created_at) select a.id, t.id, now() from article a, tag t").await;
}

fn id(n: u8) -> String {
    format!("00000000-0000-7000-8000-00000000000{n}")
}

#[tokio::test]
async fn fe2_a_list_holds_what_the_caller_may_read_and_nothing_else() {
    let world = World::new().await;
    let ada = world.user("ada", &[]).await;
    newsroom(&world).await;
    world.guest().get("/api/tag").await.is(200); // what guests may is known from now on
    world.wire.listen();
    let list = world.guest().get("/api/article").await.is(200);
    assert_eq!(list.ids(), [id(3), id(2), id(1)]);
    assert_eq!(world.wire.executed(), 2, "one statement per read, and one more for a page that isn't full");
    assert!(!world.wire.heard(CANARY), "not even on the wire");
    assert_eq!(list.all("title")[2], json!("größe 'x'"));
    assert_eq!(list.all("price")[2], json!("1.50"));
    assert_eq!(list.all("published_at")[2], json!("2026-01-01T10:00:00.25Z"));
    assert_eq!(list.all("settings")[2], json!({"a": [1, null]}));
    assert_eq!(list.all("permission")[2], json!(2));
    assert!(list.json["data"][0]["attributes"].get("secret_note").is_none());
    for (size, is_last) in [(3, true), (2, false)] {
        let page = world.guest().get(&format!("/api/article?page[size]={size}")).await.is(200);
        assert_eq!((page.ids().len(), page.json["links"]["next"].is_null()), (size, is_last));
    }
    // ada owns none of them: her id is the author, not the owner
    assert_eq!(ada.get("/api/article").await.is(200).ids().len(), 3);
    // the ear works: an administrator is sent the word
    let admin = world.administrator().await;
    world.wire.listen();
    assert_eq!(admin.get("/api/article").await.is(200).ids().len(), 5);
    assert!(world.wire.heard(CANARY));
}

#[tokio::test]
async fn fe4_a_hidden_row_is_a_missing_row_and_a_peeked_one_is_refused() {
    let world = World::new().await;
    let ada = world.user("ada", &[]).await;
    newsroom(&world).await;
    world.guest().get(&format!("/api/article/{}", id(1))).await.is(200);
    let hidden = world.guest().get(&format!("/api/article/{}", id(5))).await.is(404);
    for missing in [id(9), "nonsense".to_owned(), "0000".to_owned(), "%F0%9F%92%A9".to_owned()] {
        assert_eq!(world.guest().get(&format!("/api/article/{missing}")).await.is(404).text, hidden.text);
    }
    world.guest().get(&format!("/api/article/{}", id(4))).await.is(401);
    ada.get(&format!("/api/article/{}", id(4))).await.is(403);
    world.guest().get("/api/memo").await.is(401);
    ada.get("/api/memo").await.is(403);
    ada.get("/api/nothing").await.is(404);
    // a format error tells nothing of what is refused
    world.guest().get("/api/memo?foo=1").await.is(401);
    ada.get("/api/article?include=author&foo=1").await.is(400);
}

#[tokio::test]
async fn a_grant_to_a_group_counts_with_its_own_bits_or_the_rows() {
    let world = World::new().await;
    let _ada = world.user("ada", &[]).await;
    newsroom(&world).await;
    let mut editor = world.user("eve", &["editors"]).await;
    editor.hears_canaries = true;
    let hidden = format!("/api/article/{}", id(5));
    editor.get(&hidden).await.is(404);
    world.sql(&format!("update article set permission = 32768 where id = '{}'", id(5))).await;
    editor.get(&hidden).await.is(200);
    world.sql(&format!("update article set group_bits = array[16384] where id = '{}'", id(5))).await;
    editor.get(&hidden).await.is(403);
    world.sql(&format!("update article set group_bits = array[32768], permission = 0 where id = '{}'", id(5))).await;
    editor.get(&hidden).await.is(200);
    world.sql(&format!("update article set group_bits = array[null::int] where id = '{}'", id(5))).await;
    editor.get(&hidden).await.is(404);
    // each grant's bits are its group's: what others are granted is not the editor's
    let other = world.user("bob", &[]).await.make("usergroup", json!({"name": "others"}), json!({})).await;
    world
        .sql(&format!(
            "update article set groups = groups || '{other}'::uuid, group_bits = array[16384, 2080768] where id = '{}'",
            id(5)
        ))
        .await;
    editor.get(&hidden).await.is(403);
}

#[tokio::test]
async fn fe6_fe9_includes_hold_only_what_may_be_read_in_one_statement() {
    let world = World::new().await;
    let ada = world.user("ada", &[]).await;
    newsroom(&world).await;
    ada.get("/api/user_account/mine").await.is(200); // so that she is known
    world.wire.listen();
    let list = ada.get("/api/article?include=author,comments.article,tags&sort=words").await.is(200);
    assert_eq!(world.wire.executed(), 1);
    assert!(!world.wire.heard(CANARY));
    let kinds: Vec<_> =
        list.json["included"].as_array().expect("included").iter().map(|r| r["type"].as_str().expect("a type")).collect();
    assert_eq!(kinds.iter().filter(|k| **k == "comment").count(), 2, "{kinds:?}");
    assert_eq!(kinds.iter().filter(|k| **k == "tag").count(), 1);
    let first = &list.json["data"][0]["relationships"];
    assert_eq!(first["comments"]["data"].as_array().map(Vec::len), Some(2), "the hidden one is not linked");
    // peek serves linkage, read serves the resource
    assert_eq!(list.json["data"][1]["relationships"]["comments"]["data"].as_array().map(Vec::len), Some(1));
    assert_eq!(first["tags"]["data"].as_array().map(Vec::len), Some(1));
    assert!(first["section"]["data"].is_null());
    world.guest().get("/api/article?include=author").await.is(401); // guests may peek users, not read them
    ada.get("/api/article?include=nothing").await.is(400);
    ada.get("/api/article?include=comments.article.comments.article.comments").await.is(400);
    assert_eq!(ada.get("/api/article?include=").await.is(200).json["included"], json!([]));
}

#[tokio::test]
async fn fe6_an_include_leads_as_far_as_its_limit() {
    let world = World::new().await;
    world.user("ada", &[]).await;
    newsroom(&world).await;
    let ways = [
        "comments.replies.replies.replies",
        "comments.article.comments.replies",
        "comments.reply_to.replies",
        "comments.reply_to.article",
        "tags.articles.tags.articles",
        "section.articles.comments.replies",
        "section.articles.tags.articles",
    ];
    let most = format!("/api/article?include={}", ways.join(",")); // twenty, past more relationships than a number has bits
    world.guest().get(&most).await.is(200);
    world.guest().get(&format!("{most},section.articles.section")).await.is(400);
}

#[tokio::test]
async fn fe1_fe3_fe5_every_link_can_be_fetched() {
    let world = World::new().await;
    let ada = world.user("ada", &[]).await;
    newsroom(&world).await;
    for start in ["/api/article".to_owned(), format!("/api/article/{}", id(1)), "/api/user_account/mine".to_owned()] {
        let answer = ada.get(&start).await.is(200);
        let data = &answer.json["data"];
        let resource = if data.is_array() { &data[0] } else { data };
        for relationship in resource["relationships"].as_object().expect("some").values() {
            for link in ["self", "related"] {
                world.wire.listen();
                ada.get(relationship["links"][link].as_str().expect("a link")).await.is(200);
                assert_eq!(world.wire.executed(), 1);
            }
        }
        ada.get(resource["links"]["self"].as_str().expect("a link")).await.is(200);
    }
    for path in [
        format!("article/{}/comments?include=article.author", id(1)),
        format!("article/{}?include=comments,tags", id(1)),
        "user_account/mine?include=articles".to_owned(),
    ] {
        world.wire.listen();
        ada.get(&format!("/api/{path}")).await.is(200);
        assert_eq!(world.wire.executed(), 1, "{path}");
    }
    assert!(ada.get(&format!("/api/article/{}/section", id(1))).await.is(200).json["data"].is_null());
    let linkage = ada.get(&format!("/api/article/{}/relationships/comments", id(2))).await.is(200);
    assert_eq!(linkage.ids().len(), 1, "peek is enough for linkage");
    assert_eq!(ada.get(&format!("/api/article/{}/comments", id(2))).await.is(200).ids().len(), 0);
    ada.get(&format!("/api/article/{}/comments", id(5))).await.is(404);
    ada.get(&format!("/api/article/{}/comments", id(4))).await.is(403);
    ada.get(&format!("/api/article/{}/nothing", id(1))).await.is(404);
    world.guest().get("/api/user_account/mine").await.is(401);
}

#[tokio::test]
async fn fe11_fields_are_exactly_those() {
    let world = World::new().await;
    let ada = world.user("ada", &[]).await;
    newsroom(&world).await;
    let list = ada.get("/api/article?fields[article]=title,author&include=author&fields[user_account]=").await.is(200);
    let first = &list.json["data"][0];
    assert_eq!(first["attributes"].as_object().map(|o| o.len()), Some(1));
    assert_eq!(first["relationships"].as_object().map(|o| o.len()), Some(1));
    assert_eq!(list.json["included"][0]["attributes"], json!({}));
    for bad in ["fields[article]=secret_note", "fields[user_account]=password", "fields[x]=y", "fields=x"] {
        ada.get(&format!("/api/article?{bad}")).await.is(400);
    }
}

#[tokio::test]
async fn fe12_sort_and_filter_by_columns_and_along_relations() {
    let world = World::new().await;
    let ada = world.user("ada", &[]).await;
    newsroom(&world).await;
    let get = async |query: &str| {
        ada.get(&format!("/api/article?{query}"))
            .await
            .is(200)
            .all("words")
            .iter()
            .map(|w| w.as_i64().expect("a number"))
            .collect::<Vec<_>>()
    };
    assert_eq!(get("sort=words").await, [1, 2, 3]);
    assert_eq!(get("sort=author.name,-words").await, [3, 2, 1]);
    assert_eq!(get("filter[title]=gr%C3%B6%C3%9Fe+%27x%27").await, [1]);
    assert_eq!(get("filter[title][contains]=%25").await, [2]);
    assert_eq!(get("filter[title][icontains]=GR%C3%96").await, [1]);
    assert_eq!(get("filter[title][starts]=100").await, [2]);
    assert_eq!(get("filter[words][ge]=2&sort=words").await, [2, 3]);
    assert_eq!(get("filter[words][in]=1,3&sort=words").await, [1, 3]);
    assert_eq!(get("filter[words][nin]=[1,3]").await, [2]);
    assert_eq!(get("filter[price]=2.50").await, [2]);
    assert_eq!(get("filter[slug][null]=true&sort=words").await, [1, 2, 3]);
    assert_eq!(get("filter[author.name]=ada&sort=words").await, [1, 2, 3]);
    assert_eq!(get("filter[author.email]=ADA@example.org&sort=words").await, [1, 2, 3]);
    assert_eq!(get("filter[author.email][in]=x,ADA@example.org&sort=words").await, [1, 2, 3]);
    assert_eq!(get("filter[comments.text]=good&sort=words").await, [1]);
    assert_eq!(get("filter[comments.text][starts]=canary").await, Vec::<i64>::new(), "hidden rows are no oracle");
    assert_eq!(get("filter[tags.name][starts]=canary").await, Vec::<i64>::new());
    assert_eq!(get("filter[section][null]=true&sort=words").await, [1, 2, 3]);
    assert_eq!(get("filter={\"or\":[{\"eq\":[\"words\",1]},{\"not\":{\"le\":[\"words\",2]}}]}&sort=words").await, [1, 3]);
    assert_eq!(get(&format!("filter[id]={}", id(2))).await, [2]);
    for bad in [
        "sort=secret_note",
        "sort=nothing",
        "sort=comments.text",
        "filter[secret_note]=x",
        "filter[author.password][null]=true",
        "filter[nothing]=x",
        "filter[words]=x",
        "filter[words][contains]=1",
        "filter[title][like]=x",
        "filter[id]=x",
        "filter=[]",
        "filter={}",
        "filter={\"eq\":1}",
        "filter[status]=nonsense",
        "filter[published_at]=today",
        "filter[words]=99999999999999999999",
        "filter[title]=%00",
        "foo=1",
        "filter[_=1",
        "filter[words][in]=1,x",
        "filter[author][null]=perhaps",
        "filter[settings]=1",
    ] {
        let answer = ada.get(&format!("/api/article?{bad}")).await.is(400);
        assert!(!answer.json["errors"][0]["source"].is_null() || bad.contains("%00"), "{bad}: {}", answer.text);
    }
}

#[tokio::test]
async fn fe12_filters_along_relations_tell_nobody_from_nothing() {
    let world = World::new().await;
    let ada = world.user("ada", &[]).await;
    let article = ada.make("article", json!({"title": "x", "permission": 16258}), json!({})).await;
    let one = |n: i64| format!("00000000-0000-7000-8000-0000000000c{n}");
    let comment = |n: i64, rating: &str, to: &str| format!("('{}', 2, 'Text {n}', {rating}, '{article}', {to})", one(n));
    let to = |n: i64| format!("'{}'", one(n));
    let all = [comment(1, "5", "null"), comment(2, "null", "null"), comment(3, "3", &to(1)), comment(4, "3", &to(2))];
    world.sql(&format!("insert into comment (id, permission, text, rating, article, reply_to) values {}", all.join(", "))).await;
    for (query, found) in [
        (format!("filter[reply_to]={}", one(1)), vec![3]),
        (format!("filter[reply_to.reply_to]={}", one(1)), vec![]),
        ("filter[reply_to][null]=true".to_owned(), vec![1, 2]),
        ("filter[reply_to][null]=false".to_owned(), vec![3, 4]),
        ("filter[reply_to.rating][null]=true".to_owned(), vec![4]),
        ("filter[reply_to.rating][null]=false".to_owned(), vec![3]),
        ("filter[reply_to.rating]=5".to_owned(), vec![3]),
        ("filter[reply_to.article.title]=x".to_owned(), vec![3, 4]),
        ("filter[rating]=3".to_owned(), vec![3, 4]),
        ("filter[text][in]=Text 1,text 2".to_owned(), vec![1]),
        (format!("filter[article]={article}&filter[rating][null]=true"), vec![2]),
        (format!("filter[article]={}", one(1)), vec![]),
    ] {
        let wanted: Vec<_> = found.into_iter().map(one).collect();
        assert_eq!(world.guest().get(&format!("/api/comment?{query}&sort=id")).await.is(200).ids(), wanted, "{query}");
    }
    let rated = ada.get("/aggregate/comment?group=rating&measure=count,max(rating)&sort=rating").await.is(200);
    let groups: Vec<_> = rated.json["data"].as_array().expect("a list").iter().map(|g| g["attributes"].clone()).collect();
    let group = |rating: Option<i64>, count: i64| json!({"rating": rating, "count": count, "max_rating": rating});
    assert_eq!(groups, [group(Some(3), 2), group(Some(5), 1), group(None, 1)]);
}

#[tokio::test]
async fn cp1_cp5_pages_join_up_in_both_directions() {
    let world = World::new().await;
    let ada = world.user("ada", &[]).await;
    for n in 0..23 {
        let words = if n % 3 == 0 { "null".to_owned() } else { (n % 5).to_string() };
        world
            .sql(&format!(
                "insert into article (id, permission, title, words, author) select gen_random_uuid(), 2, 't{n}', {words}, id from user_account where name = 'ada'"
            ))
            .await;
    }
    for sort in ["words", "-words", "title", "-created_at", "words,-title", "-published_at", "author.name", "id", "-id"] {
        let all = ada.get(&format!("/api/article?sort={sort}&page[size]=100")).await.is(200).ids();
        assert_eq!(all.len(), 23);
        let (mut walked, mut url, mut last) = (vec![], format!("/api/article?sort={sort}&page[size]=4"), String::new());
        loop {
            let page = ada.get(&url).await.is(200);
            walked.extend(page.ids());
            last.clone_from(&url);
            match page.json["links"]["next"].as_str() {
                Some(next) => url = next.to_owned(),
                None => break,
            }
        }
        assert_eq!(walked, all, "{sort} forwards");
        let (mut back, mut url) = (vec![], last);
        loop {
            let page = ada.get(&url).await.is(200);
            back.splice(0..0, page.ids());
            match page.json["links"]["prev"].as_str() {
                Some(prev) => url = prev.to_owned(),
                None => break,
            }
        }
        assert_eq!(back, all, "{sort} backwards");
    }
    let second = ada.get("/api/article?sort=title&page[size]=10&page[number]=2").await.is(200);
    assert_eq!(second.ids().len(), 10);
    assert!(second.json["links"]["next"].as_str().expect("next").contains("page%5Bnumber%5D=3"));
    for bad in [
        "page[size]=0",
        "page[size]=101",
        "page[size]=x",
        "page[after]=x",
        "page[after]=WyJ4Il0",
        "page[number]=0",
        "page[number]=99999999",
        "page[x]=1",
    ] {
        ada.get(&format!("/api/article?{bad}")).await.is(400);
    }
}

#[tokio::test]
async fn cn4_cn5_accept_is_honoured() {
    let world = World::new().await;
    let guest = world.guest();
    let get = async |accept: &str| {
        guest.send(guest.request(reqwest::Method::GET, "/api/article").header("Accept", accept)).await.status
    };
    assert_eq!(get("application/vnd.api+json").await, 200);
    assert_eq!(get("application/json, text/plain, */*").await, 200);
    assert_eq!(get("application/vnd.api+json;profile=\"http://x/y\"").await, 200);
    assert_eq!(get("application/vnd.api+json; charset=utf-8").await, 406);
    assert_eq!(get("application/vnd.api+json;ext=\"http://x/y\"").await, 406);
    assert_eq!(get("text/html").await, 406);
}

#[tokio::test]
async fn world_lists_what_the_caller_may_read_with_what_they_may_do() {
    let world = World::new().await;
    let ada = world.user("ada", &[]).await;
    world.guest().get("/api/world").await.is(401);
    let list = ada.get("/api/world?page[size]=100").await.is(200);
    let names = list.all("name");
    assert!(names.contains(&json!("article")) && !names.contains(&json!("memo")), "{names:?}");
    let article =
        list.json["data"].as_array().expect("a list").iter().find(|w| w["attributes"]["name"] == "article").expect("there");
    assert_eq!(article["meta"]["may"]["create"], true);
    assert!(article["attributes"]["columns"].as_array().expect("columns").iter().all(|c| c["name"] != "secret_note"));
    let section =
        list.json["data"].as_array().expect("a list").iter().find(|w| w["attributes"]["name"] == "section").expect("there");
    assert_eq!(section["meta"]["may"]["create"], false);
    let admin = world.administrator().await;
    assert!(admin.get("/api/world?page[size]=100").await.is(200).all("name").contains(&json!("memo")));
}

#[tokio::test]
async fn ds13_the_row_that_tells_of_a_next_page_brings_nothing_along() {
    let world = World::new().await;
    let ada = world.user("ada", &[]).await;
    newsroom(&world).await;
    world.sql("delete from \"article.tags\" where source <> '00000000-0000-7000-8000-000000000001'").await;
    let first = ada.get("/api/article?include=tags&sort=-words&page[size]=2").await.is(200);
    assert_eq!(first.json["included"], json!([]), "only the third has tags");
    let second = ada.get(first.json["links"]["next"].as_str().expect("next")).await.is(200);
    assert_eq!(second.json["included"].as_array().map(Vec::len), Some(1));
    let back = ada.get(second.json["links"]["prev"].as_str().expect("prev")).await.is(200);
    assert_eq!(back.ids(), first.ids());
}

const CURSOR: &str = "https://jsonapi.org/profiles/ethanresnick/cursor-pagination/";

#[tokio::test]
async fn cn8_cn9_ds18_a_known_profile_is_applied_and_said() {
    let world = World::new().await;
    let guest = world.guest();
    let media = format!("application/vnd.api+json; profile=\"{CURSOR}\"");
    let accept = format!("application/vnd.api+json; profile=\"http://x/unknown {CURSOR}\"");
    for path in ["/api/article", "/api/article?page[size]=1"] {
        let list = guest.send(guest.request(reqwest::Method::GET, path).header("Accept", &accept)).await.is(200);
        assert_eq!((list.header("content-type"), &list.json["jsonapi"]["profile"]), (media.as_str(), &json!([CURSOR])));
        assert_eq!(list.json["links"]["self"], json!({"href": path.replace('[', "%5B").replace(']', "%5D"), "type": media}));
    }
    let plain = guest.get("/api/article").await.is(200);
    assert_eq!(
        (plain.header("content-type"), &plain.json["links"]["self"]),
        ("application/vnd.api+json", &json!("/api/article"))
    );
    let bad = guest.send(guest.request(reqwest::Method::GET, "/api/nothing").header("Accept", &accept)).await.is(404);
    assert_eq!(bad.header("content-type"), "application/vnd.api+json");
}

#[tokio::test]
async fn cp2_cp3_cp6_a_cursor_is_good_for_its_collection_and_order_alone() {
    let world = World::new().await;
    let ada = world.user("ada", &[]).await;
    for n in 0..3 {
        ada.make("article", json!({"title": format!("t{n}")}), json!({})).await;
        ada.make("tag", json!({"name": format!("t{n}")}), json!({})).await;
    }
    let after = async |path: &str| {
        let page = ada.get(path).await.is(200);
        let next = page.json["links"]["next"].as_str().expect("a next page").to_owned();
        next.split("page%5Bafter%5D=").nth(1).expect("a cursor").to_owned()
    };
    let cursor = after("/api/article?sort=title&page[size]=1").await;
    ada.get(&format!("/api/article?sort=title&page[size]=1&page[after]={cursor}")).await.is(200);
    ada.get(&format!("/api/article?sort=title&filter[words][null]=true&page[before]={cursor}")).await.is(200);
    let tag = after("/api/tag?sort=name&page[size]=1").await;
    for bad in ["sort=-title&page[after]=", "sort=slug&page[after]=", "page[before]=", "sort=title,words&page[after]="] {
        let refused = ada.get(&format!("/api/article?{bad}{cursor}")).await.is(400);
        assert_eq!(refused.json["errors"][0]["code"], "bad-cursor", "{bad}");
    }
    ada.get(&format!("/api/article?sort=title&page[after]={tag}")).await.is(400);
    let tells = async |query: &str, kind: &str| {
        let refused = ada.get(&format!("/api/article?{query}")).await.is(400);
        assert_eq!(refused.json["errors"][0]["links"]["type"], format!("{CURSOR}{kind}"), "{}", refused.text);
        refused
    };
    let large = tells("page[size]=101", "max-size-exceeded").await;
    assert_eq!(large.json["errors"][0]["meta"]["page"]["maxSize"], 100);
    assert_eq!(large.json["errors"][0]["source"]["parameter"], "page[size]");
    tells("sort=nothing", "unsupported-sort").await;
    tells(&format!("sort=title&page[after]={cursor}&page[before]={cursor}"), "range-pagination-not-supported").await;
}

#[tokio::test]
async fn fe1_links_that_lead_to_a_refusal_are_left_out() {
    let world = World::new().await;
    let (ada, admin) = (world.user("ada", &[]).await, world.administrator().await);
    let article = ada.make("article", json!({"title": "x", "permission": 16258}), json!({})).await;
    let url = format!("/api/article/{article}?include=comments");
    let guests = world.guest().get(&url).await.is(200).json["data"]["relationships"].clone();
    assert_eq!(
        guests["author"],
        json!({"data": {"type": "user_account", "id": ada.id}}),
        "guests peek at users, and may not read them"
    );
    assert!(guests.get("usergroups").is_none(), "nothing is left of it");
    assert!(guests["tags"]["links"]["self"].is_string() && guests["comments"]["data"].is_array());
    // Whoever follows all links of what is served is refused nowhere.
    for someone in [&world.guest(), &ada, &admin] {
        let data = someone.get(&url).await.is(200).json["data"].clone();
        for relationship in data["relationships"].as_object().expect("relationships").values() {
            for link in ["self", "related"].iter().filter_map(|name| relationship["links"][name].as_str()) {
                someone.get(link).await.is(200);
            }
        }
    }
    let whole = admin.get(&url).await.is(200).json["data"]["relationships"].clone();
    assert!(whole["usergroups"]["links"]["related"].is_string() && whole["author"]["links"]["self"].is_string(), "the control");
}
