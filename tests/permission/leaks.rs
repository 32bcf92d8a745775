//! What others leaked (`permissions.md` §10), one test each, with a control that shows that the test can hear.

use base64::Engine as _;
use serde_json::{Value as Json, json};
use uuid::Uuid;

use crate::house::{CANARY, Someone, World};

/// An article of ada's that others may peek and not read, with the word in it; and one that everybody reads.
async fn peeked(world: &World) -> (Someone<'_>, Someone<'_>, String, String) {
    let (ada, bob) = (world.user("ada", &[]).await, world.user("bob", &[]).await);
    let make = async |title: &str, bits: i32| {
        let id = Uuid::now_v7();
        let author = ada.id;
        world
            .sql(&format!(
                "insert into article (id, owner, permission, title, secret_note, author) values ('{id}', '{author}', {}, '{title}', '{CANARY}', '{author}')",
                16256 + bits
            ))
            .await;
        id.to_string()
    };
    let (hidden, open) = (make(CANARY, 1).await, make("open", 2).await);
    (ada, bob, hidden, open)
}

#[tokio::test]
async fn linkage_is_no_way_to_sort_or_search_what_may_only_be_peeked() {
    let world = World::new().await;
    let (ada, bob, hidden, open) = peeked(&world).await;
    world.sql("insert into tag (id, permission, name) values ('00000000-0000-7000-8000-0000000000a1', 2, 'rust')").await;
    world.sql("insert into \"article.tags\" (source, target, created_at) select a.id, t.id, now() from article a, tag t").await;
    let linkage = "/api/tag/00000000-0000-7000-8000-0000000000a1/relationships/articles";
    world.wire.listen();
    let page = bob.get(&format!("{linkage}?page[size]=1")).await.is(200);
    assert!(!world.wire.heard(CANARY));
    let next = page.json["links"]["next"].as_str().expect("a next page");
    let cursor = next.split("after%5D=").nth(1).expect("a cursor");
    let cursor = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(cursor).expect("base64");
    assert!(!String::from_utf8_lossy(&cursor).contains(CANARY), "no value in the cursor");
    assert_eq!(bob.get(next).await.is(200).ids().len(), 1, "and it works");
    for bad in ["sort=title", "filter[title][starts]=canary", "filter={\"starts\":[\"title\",\"canary\"]}"] {
        bob.get(&format!("{linkage}?{bad}")).await.is(400);
    }
    // included: what may be read comes first, in order; what is only peeked tells nothing by its place
    let included = bob.get("/api/tag?include=articles").await.is(200);
    let linked = included.json["data"][0]["relationships"]["articles"]["data"].as_array().expect("linkage").clone();
    assert_eq!(linked.iter().map(|l| l["id"].as_str().expect("an id")).collect::<Vec<_>>(), [open.as_str(), hidden.as_str()]);
    // the control: the owner hears it
    let mut ada = ada;
    ada.hears_canaries = true;
    assert!(ada.get(&format!("/api/article/{hidden}")).await.is(200).text.contains(CANARY));
}

#[tokio::test]
async fn a_hidden_column_is_no_field_whatever_way_it_is_named() {
    let world = World::new().await;
    let (_, bob, _, open) = peeked(&world).await;
    for query in [
        "filter[secret_note]=x",
        "filter[secret_note][null]=true",
        "sort=secret_note",
        "sort=-secret_note",
        "fields[article]=secret_note",
        "filter={\"and\":[{\"or\":[{\"not\":{\"eq\":[\"secret_note\",\"x\"]}}]}]}",
        "include=secret_note",
    ] {
        let hidden = bob.get(&format!("/api/article?{query}")).await.is(400).text;
        let missing = bob.get(&format!("/api/article?{}", query.replace("secret_note", "nobodys_col"))).await.is(400).text;
        assert_eq!(hidden, missing.replace("nobodys_col", "secret_note"), "as if it did not exist");
        // the control: a field that is there is no fault, but for include
        if !query.starts_with("include") && !query.contains("\"x\"") {
            bob.get(&format!("/api/article?{}", query.replace("secret_note", "body"))).await.is(200);
        }
    }
    bob.get("/api/comment?filter[article.secret_note]=x").await.is(400);
    bob.get("/api/article?filter[author.password][null]=false").await.is(400);
    bob.get(&format!("/api/article/{open}?fields[article]=secret_note")).await.is(400);
}

#[tokio::test]
async fn mine_strips_like_every_other_route() {
    let world = World::new().await;
    let ada = world.user("ada", &[]).await;
    world.sql("update user_account set password = 'rh1$2b$04$canary-0f7d'").await;
    world.wire.listen();
    let mine = ada.get("/api/user_account/mine").await.is(200);
    let direct = ada.get(&format!("/api/user_account/{}", ada.id)).await.is(200);
    assert_eq!(mine.json["data"], direct.json["data"]);
    assert!(!world.wire.heard(CANARY), "it doesn't even leave PostgreSQL");
    ada.get("/api/user_account/mine?fields[user_account]=password").await.is(400);
}

#[tokio::test]
async fn a_read_only_value_can_not_be_guessed_by_sending_it_back() {
    let world = World::new().await;
    let (_, bob, hidden, _) = peeked(&world).await;
    let created = world
        .sql(&format!("select to_char(created_at, 'YYYY-MM-DD\"T\"HH24:MI:SS.USOF:00') from article where id = '{hidden}'"))
        .await;
    let right = created[0].text(0).expect("a time").to_owned();
    world.sql(&format!("update article set permission = 16256 + 1 + 8 where id = '{hidden}'")).await; // bob may update, not read
    let patch = |value: &str| json!({"data": {"type": "article", "id": hidden, "attributes": {"created_at": value}}});
    let url = format!("/api/article/{hidden}");
    let (guessed, wrong) =
        (bob.patch(&url, patch(&right)).await.is(403), bob.patch(&url, patch("2001-01-01T00:00:00Z")).await.is(403));
    assert_eq!(guessed.text, wrong.text);
    world.sql(&format!("update article set permission = 16256 + 2 + 8, title = 'x' where id = '{hidden}'")).await;
    bob.patch(&url, patch(&right)).await.is(200); // the control: who reads it may send it back
}

#[tokio::test]
async fn a_row_without_an_owner_is_nobodys() {
    let world = World::new().await;
    let bob = world.user("bob", &[]).await;
    let id = Uuid::now_v7();
    world.sql(&format!("insert into tag (id, owner, permission, name) values ('{id}', null, 16256, '{CANARY}')")).await;
    world.guest().get(&format!("/api/tag/{id}")).await.is(404);
    bob.get(&format!("/api/tag/{id}")).await.is(404);
    world.sql(&format!("update tag set owner = '{}', name = 'x' where id = '{id}'", bob.id)).await;
    bob.get(&format!("/api/tag/{id}")).await.is(200);
}

#[tokio::test]
async fn namesakes_share_nothing() {
    let world = World::new().await;
    let (ada, admin) = (world.user("ada", &["editors"]).await, world.administrator().await);
    // a group named like a built-in one
    admin.post("/api/usergroup", json!({"data": {"type": "usergroup", "attributes": {"name": "Administrators"}}})).await.is(409);
    ada.post("/api/usergroup", json!({"data": {"type": "usergroup", "attributes": {"name": "administrators"}}})).await.is(409);
    // actions of one name: closing one leaves the other as it is
    world.sql("insert into action (id, permission, name, entity, label) values (gen_random_uuid(), 2097151, 'publish', 'memo', 'x')").await;
    world.sql("update action set permission = 0, groups = '{}' where name = 'publish' and entity = 'article'").await;
    let article = ada.make("article", json!({"title": "x"}), json!({})).await;
    ada.act(&format!("article/{article}/publish"), json!({})).await.is(403);
}

#[tokio::test]
async fn a_membership_is_no_grant_on_the_members_row() {
    let world = World::new().await;
    let (ada, bob) = (world.user("ada", &["editors"]).await, world.user("bob", &["editors"]).await);
    world.sql("update user_account set permission = 16256 + 1 + 2080768").await; // everything for groups that the row is granted to
    bob.get(&format!("/api/user_account/{}", ada.id)).await.is(403);
    let editors = "(select id from usergroup where declared and name = 'editors')";
    world.sql(&format!("update user_account set groups = array[{editors}] where id = '{}'", ada.id)).await;
    bob.get(&format!("/api/user_account/{}", ada.id)).await.is(200);
}

#[tokio::test]
async fn an_operator_raises_nothing_over_a_hidden_row() {
    let world = World::new().await;
    let (_, bob, hidden, _) = peeked(&world).await;
    world
        .sql(&format!(
            "update article set words = 9223372036854775807, price = 9999999999.99, settings = '\"x\"' where id = '{hidden}'"
        ))
        .await;
    for filter in [
        "filter[words][gt]=9223372036854775806",
        "filter[price][ge]=0.00",
        "filter[title][contains]=%5C",
        "filter[title][starts]=%25",
        "filter[words][in]=1,9223372036854775807",
    ] {
        let found = bob.get(&format!("/api/article?{filter}")).await.is(200);
        assert!(!found.ids().contains(&hidden), "{filter}");
    }
}

#[tokio::test]
async fn a_batch_of_links_asks_for_each() {
    let world = World::new().await;
    let (ada, bob) = (world.user("ada", &[]).await, world.user("bob", &[]).await);
    let article = bob.make("article", json!({"title": "x"}), json!({})).await;
    let open = ada.make("tag", json!({"name": "open"}), json!({})).await;
    let (peek, hidden) = (
        ada.make("tag", json!({"name": "p", "permission": 16256 + 1}), json!({})).await,
        ada.make("tag", json!({"name": "h", "permission": 16256}), json!({})).await,
    );
    let tags = format!("/api/article/{article}/relationships/tags");
    let list = |ids: &[&String]| json!({"data": ids.iter().map(|id| json!({"type": "tag", "id": id})).collect::<Vec<_>>()});
    bob.post(&tags, list(&[&open, &peek])).await.is(403);
    bob.post(&tags, list(&[&open, &hidden])).await.is(404);
    bob.patch(&tags, list(&[&open, &hidden])).await.is(404);
    let data =
        json!({"data": {"type": "article", "attributes": {"title": "y"}, "relationships": {"tags": list(&[&open, &peek])}}});
    bob.post("/api/article", data).await.is(403);
    assert!(world.sql("select 1 from \"article.tags\"").await.is_empty(), "all or nothing");
    assert_eq!(world.sql("select 1 from article").await.len(), 1);
    bob.post(&tags, list(&[&open])).await.is(204);
}

#[tokio::test]
async fn closing_an_entity_closes_its_memberships_from_both_sides() {
    let world = World::new().await;
    let (ada, bob) = (world.user("ada", &[]).await, world.user("bob", &[]).await);
    world.sql("update user_account set permission = permission | 64 | 2").await;
    let group = ada.make("usergroup", json!({"name": "chess", "permission": 16256 + 3}), json!({})).await;
    let (from_group, from_user) = (
        format!("/api/usergroup/{group}/relationships/members"),
        format!("/api/user_account/{}/relationships/member_of", bob.id),
    );
    let person = json!({"data": [{"type": "user_account", "id": bob.id.to_string()}]});
    let groups = json!({"data": [{"type": "usergroup", "id": group}]});
    ada.post(&from_user, groups.clone()).await.is(204);
    ada.unlink(&from_user, groups.clone()).await.is(204);
    ada.post(&from_group, person.clone()).await.is(204);
    world.sql("update world set group_bits = array[49152 + 1048576] where name = 'usergroup'").await; // users keep peek, read, refer
    ada.unlink(&from_group, person.clone()).await.is(403);
    ada.unlink(&from_user, groups.clone()).await.is(403);
    ada.post(&from_user, groups.clone()).await.is(403);
    world.sql("update world set group_bits = array[49152] where name = 'user_account'").await;
    bob.unlink(&from_user, groups).await.is(204); // a person may always leave
}

#[tokio::test]
async fn nobody_joins_the_administrators_by_signing_up_and_given_rows_stay_given() {
    let world = World::new().await;
    let (admin, eve) = (world.administrator().await, world.user("eve", &[]).await);
    let id = async |table: &str, name: &str| {
        world.sql(&format!("select id::text from {table} where name = '{name}'")).await[0].text(0).expect("an id").to_owned()
    };
    let users = id("world", "user_account").await;
    let administrators = json!({"data": [{"type": "usergroup", "id": "00000000-0000-7000-8000-000000000001"}]});
    admin.post(&format!("/api/world/{users}/relationships/join_groups"), administrators.clone()).await.is(422);
    admin.patch(&format!("/api/world/{users}/relationships/join_groups"), administrators.clone()).await.is(422);
    // Other groups may be joined by signing up, and other things be granted to administrators.
    let editors = json!({"data": [{"type": "usergroup", "id": id("usergroup", "editors").await}]});
    admin.post(&format!("/api/world/{users}/relationships/join_groups"), editors).await.is(204);
    admin.post(&format!("/api/world/{users}/relationships/default_groups"), administrators).await.is(204);
    let owner = json!({"data": {"type": "user_account", "id": eve.id.to_string()}});
    admin.patch(&format!("/api/world/{users}/relationships/owner"), owner.clone()).await.is(403);
    let publish = id("action", "publish").await;
    admin.patch(&format!("/api/action/{publish}/relationships/owner"), owner.clone()).await.is(403);
    let editors = id("usergroup", "editors").await;
    admin.patch(&format!("/api/usergroup/{editors}/relationships/owner"), owner).await.is(403);
    let rename = json!({"data": {"type": "usergroup", "id": editors, "attributes": {"name": "authors"}}});
    admin.patch(&format!("/api/usergroup/{editors}"), rename).await.is(403);
    admin
        .patch(
            &format!("/api/usergroup/{editors}"),
            json!({"data": {"type": "usergroup", "id": editors, "attributes": {"joinable": true}}}),
        )
        .await
        .is(200);
    // deactivated is signed out, also after it is undone
    let active = |on: bool| json!({"data": {"type": "user_account", "id": eve.id.to_string(), "attributes": {"active": on}}});
    admin.patch(&format!("/api/user_account/{}", eve.id), active(false)).await.is(200);
    eve.get("/api/user_account/mine").await.is(401);
    admin.patch(&format!("/api/user_account/{}", eve.id), active(true)).await.is(200);
    eve.get("/api/user_account/mine").await.is(401);
}

#[tokio::test]
async fn what_an_entity_has_is_not_everybodys_to_know() {
    let world = World::new().await;
    let guest = world.guest();
    let id = "00000000-0000-7000-8000-000000000009";
    for path in ["text", "nothing", "owner", "relationships/owner", "relationships/nothing"] {
        let answer = guest.get(&format!("/api/memo/{id}/{path}")).await.is(401);
        assert_eq!(answer.text, guest.get("/api/memo").await.text, "{path}");
    }
    world
        .guest()
        .send(
            guest
                .request(reqwest::Method::PATCH, &format!("/api/memo/{id}/relationships/nothing"))
                .header("Content-Type", "application/json")
                .body("{\"data\":null}"),
        )
        .await
        .is(401);
}

#[tokio::test]
async fn a_body_of_many_unknown_names_is_answered_at_once_and_shortly() {
    let world = World::new().await;
    let attributes: serde_json::Map<String, Json> = (0..9000).map(|n| (format!("{}{n:05}", "x".repeat(100)), json!(1))).collect();
    let body = json!({"data": {"type": "article", "attributes": attributes}});
    world.guest().post("/api/article", body.clone()).await.is(401);
    let told = world.user("ada", &[]).await.post("/api/article", body).await.is(422);
    assert!(told.json["errors"].as_array().expect("errors").len() <= 102 && told.text.len() < 100_000);
    let told = world.guest().act("user_account/signin", json!({"attributes": attributes})).await.is(422);
    assert!(told.text.len() < 100_000);
}

#[tokio::test]
async fn an_include_has_its_limits() {
    let world = World::with(|config| (config.limits.included_rows, config.limits.includes) = (12, 3)).await;
    let ada = world.user("ada", &[]).await;
    world.sql("insert into tag (id, permission, name) select gen_random_uuid(), 2, 't' || n from generate_series(1, 6) n").await;
    for n in 1..=2 {
        let article = ada.make("article", json!({"title": n.to_string(), "permission": 16258}), json!({})).await;
        world
            .sql(&format!("insert into \"article.tags\" (source, target, created_at) select '{article}', id, now() from tag"))
            .await;
    }
    world.guest().get("/api/article?include=tags").await.is(200); // twelve
    ada.make("article", json!({"title": "3", "permission": 16258}), json!({})).await;
    world.sql("insert into \"article.tags\" (source, target, created_at) select a.id, t.id, now() from article a, tag t where a.title = '3' and t.name = 't1'").await;
    world.guest().get("/api/article?include=tags&page[size]=1").await.is(200);
    let refused = world.guest().get("/api/article?include=tags").await.is(400);
    assert_eq!(refused.json["errors"][0]["source"]["parameter"], "include");
    world.guest().get("/api/article?include=tags.articles.tags.articles").await.is(400);
    let many = (0..60)
        .map(|n| format!("filter[words][ge]={n}").replace("words]", if n % 2 == 0 { "words]" } else { "price]" }))
        .collect::<Vec<_>>();
    world.guest().get(&format!("/api/article?{}", many.join("&"))).await.is(400);
}

#[tokio::test]
async fn a_full_replace_that_can_not_be_whole_is_refused() {
    let world = World::with(|config| config.limits.links = 3).await;
    let ada = world.user("ada", &[]).await;
    let article = ada.make("article", json!({"title": "x"}), json!({})).await;
    world.sql("insert into tag (id, permission, name) select gen_random_uuid(), 2, 't' || n from generate_series(1, 5) n").await;
    world.sql(&format!("insert into \"article.tags\" (source, target, created_at) select '{article}', id, now() from tag")).await;
    ada.patch(&format!("/api/article/{article}/relationships/tags"), json!({"data": []})).await.is(422);
    assert_eq!(world.sql("select 1 from \"article.tags\"").await.len(), 5);
}

#[tokio::test]
async fn a_creator_links_what_they_make_whatever_they_may_do_with_it_after() {
    let world = World::new().await;
    let (ada, bob) = (world.user("ada", &[]).await, world.user("bob", &[]).await);
    let tag = ada.make("tag", json!({"name": "open"}), json!({})).await;
    let tags = json!({"tags": {"data": [{"type": "tag", "id": tag}]}});
    let data = json!({"data": {"type": "article", "attributes": {"title": "x", "permission": 0}, "relationships": tags}});
    let made = bob.post("/api/article", data.clone()).await.is(201);
    assert_eq!(made.json["meta"]["readable"], false, "after narrows the reply, and never undoes the work");
    assert_eq!(world.sql("select 1 from \"article.tags\"").await.len(), 1);
    // an entity that the request names refuses it
    world.sql("update world set permission = 0, groups = '{}' where name = 'tag'").await;
    let mut data = data;
    data["data"]["attributes"]["permission"] = json!(16256);
    data["data"]["relationships"] = json!({});
    bob.post("/api/article?include=tags", data.clone()).await.is(403);
    assert_eq!(world.sql("select 1 from article").await.len(), 1);
    bob.post("/api/article", data).await.is(201);
}

#[tokio::test]
async fn what_an_entity_refuses_stays_in_the_database() {
    let world = World::new().await;
    let (article, tag) = ("00000000-0000-7000-8000-0000000000b1", "00000000-0000-7000-8000-0000000000b2");
    world.user("ada", &[]).await;
    world.sql(&format!("insert into article (id, permission, title, author) select '{article}', 3, '{CANARY}', id from user_account where name = 'ada'")).await;
    world.sql(&format!("insert into tag (id, permission, name) values ('{tag}', 3, '{CANARY}')")).await;
    world.sql(&format!("insert into \"article.tags\" (source, target, created_at) values ('{article}', '{tag}', now())")).await;
    let mut guest = world.guest();
    guest.hears_canaries = true;
    let paths = [
        format!("/api/article/{article}"),
        format!("/api/article/{article}/tags"),
        "/api/article".to_owned(),
        format!("/api/article/{article}?include=tags"),
    ];
    for path in &paths {
        world.wire.listen();
        guest.get(path).await.is(200);
        assert!(world.wire.heard(CANARY), "the control: {path}");
    }
    world.sql("update world set permission = 0, groups = '{}' where name = 'article'").await;
    for path in &paths {
        world.wire.listen();
        guest.get(path).await.is(401);
        assert!(!world.wire.heard(CANARY), "{path}");
    }
    // nor is it known that there is one
    let comment = Uuid::now_v7();
    world.sql(&format!("insert into comment (id, permission, text, article) values ('{comment}', 2, 'x', '{article}')")).await;
    let shown = guest.get(&format!("/api/comment/{comment}")).await.is(200);
    assert_eq!(shown.json["data"]["relationships"]["article"]["data"], Json::Null);
    // the other way round: what leads to it is open
    world.sql("update world set permission = 127 where name = 'article'").await;
    world.sql("update world set permission = 0, groups = '{}' where name = 'tag'").await;
    world.sql("update article set title = 'x'").await;
    for path in [format!("/api/article/{article}/tags"), format!("/api/tag/{tag}"), "/api/tag".to_owned()] {
        world.wire.listen();
        guest.get(&path).await.is(401);
        assert!(!world.wire.heard(CANARY), "{path}");
    }
}

#[tokio::test]
async fn what_operations_made_is_told_to_who_may_read_it() {
    let world = World::new().await;
    let ada = world.user("ada", &[]).await;
    let add = |permission: i64| json!({"op": "add", "data": {"type": "tag", "attributes": {"name": format!("tag {permission}"), "permission": permission}}});
    let operate = async || {
        let body = json!({"atomic:operations": [add(0), add(16256)]});
        let request = ada.request(reqwest::Method::POST, "/api/operations").header("Content-Type", "application/json");
        let told = ada.send(request.body(body.to_string())).await.is(200).json;
        world.sql("delete from tag").await;
        told["atomic:results"].as_array().expect("results").clone()
    };
    let told = operate().await;
    assert_eq!(told[0], json!({"meta": {"readable": false}}), "the rule of the row");
    assert_eq!(told[1]["data"]["attributes"]["name"], "tag 16256", "the control");
    world.sql("update world set permission = 4, groups = '{}' where name = 'tag'").await;
    let told = operate().await;
    assert_eq!(told, vec![json!({"meta": {"readable": false}}); 2], "the rule of the entity");
}

#[tokio::test]
async fn what_a_to_one_leads_to_is_told_refused_or_not_there() {
    let world = World::new().await;
    let ada = world.user("ada", &[]).await;
    let article = ada.make("article", json!({"title": "x", "permission": 16258}), json!({})).await;
    for (bits, guests, adas) in [(2, 200, 200), (1, 401, 403), (0, 200, 200)] {
        let (comment, reply) = (Uuid::now_v7(), Uuid::now_v7());
        world.sql(&format!("insert into comment (id, permission, text, article, reply_to) values ('{comment}', {bits}, 'x', '{article}', null), ('{reply}', 2, 'x', '{article}', '{comment}')")).await;
        let linked = if bits == 0 { json!(null) } else { json!({"type": "comment", "id": comment.to_string()}) };
        for (who, status) in [(&world.guest(), guests), (&ada, adas)] {
            let got = who.get(&format!("/api/comment/{reply}/reply_to")).await.is(status);
            if status == 200 {
                assert_eq!(got.json["data"]["id"], linked["id"]);
            }
            let linkage = who.get(&format!("/api/comment/{reply}/relationships/reply_to")).await.is(200);
            assert_eq!(linkage.json["data"], linked);
            let shown = who.get(&format!("/api/comment/{reply}?include=reply_to")).await.is(200);
            assert_eq!(shown.json["data"]["relationships"]["reply_to"]["data"], linked);
            assert_eq!(shown.json["included"].as_array().expect("a list").len(), usize::from(bits == 2));
        }
    }
}

#[tokio::test]
async fn what_is_hidden_behind_a_relation_is_nobody_to_search_and_sort_by() {
    let world = World::new().await;
    let ada = world.user("ada", &[]).await;
    let article = ada.make("article", json!({"title": "x", "permission": 16258}), json!({})).await;
    let id = |n: usize| format!("00000000-0000-7000-8000-0000000000e{n}");
    for (n, bits, text) in [(1, 0, "b"), (2, 1, "a"), (3, 2, "c")] {
        world
            .sql(&format!(
                "insert into comment (id, permission, text, article) values ('{}', {bits}, '{text}', '{article}')",
                id(n)
            ))
            .await;
        world
            .sql(&format!(
                "insert into comment (id, permission, text, article, reply_to) values ('{}', 2, 'reply', '{article}', '{}')",
                id(n + 3),
                id(n)
            ))
            .await;
    }
    let get = async |query: &str| world.guest().get(&format!("/api/comment?filter[text]=reply&{query}")).await.is(200).ids();
    assert_eq!(get("filter[reply_to][null]=true&sort=id").await, [id(4), id(5)], "there is none that they may read");
    assert_eq!(get("filter[reply_to][null]=false").await, [id(6)]);
    assert_eq!(get("filter[reply_to.text][ge]=a").await, [id(6)]);
    let sorted = get("sort=reply_to.text,id").await;
    assert_eq!(sorted, get("sort=reply_to.text,id&page[size]=3").await);
    let hidden: Vec<_> = sorted.iter().filter(|it| **it != id(6)).cloned().collect();
    assert_eq!(hidden, [id(4), id(5)], "in the order of ids, not of what they may not read");
    let backwards: Vec<_> = get("sort=-reply_to.text,id").await.into_iter().filter(|it| *it != id(6)).collect();
    assert_eq!(backwards, [id(4), id(5)]);
}

#[tokio::test]
async fn who_is_in_a_group_is_told_to_who_may_update_it_and_to_each_their_own() {
    let world = World::new().await;
    let (ada, bob, eve) = (world.user("ada", &[]).await, world.user("bob", &[]).await, world.user("eve", &[]).await);
    let admin = world.administrator().await;
    world.sql("update user_account set permission = permission | 3").await;
    let group = ada.make("usergroup", json!({"name": "chess", "permission": 16256 + 3}), json!({})).await;
    world.sql("update usergroup set permission = permission | 3").await;
    world
        .sql(&format!("insert into \"usergroup.members\" (source, target, created_at) values ('{group}', '{}', now())", bob.id))
        .await;
    let is_told = async |who: &Someone<'_>, path: String, whom: &str| {
        let got = who.get(&path).await.is(200);
        let linked = got.json["data"]["relationships"]["members"]["data"]
            .as_array()
            .map(|all| all.iter().map(|one| one["id"].as_str().expect("an id").to_owned()).collect::<Vec<_>>());
        linked.unwrap_or_else(|| got.ids()).contains(&whom.to_owned())
    };
    for (who, told) in [(&ada, true), (&bob, true), (&eve, false), (&admin, true)] {
        for path in ["/relationships/members", "/members", "?include=members"] {
            let path = format!("/api/usergroup/{group}{path}");
            assert_eq!(is_told(who, path.clone(), &bob.id.to_string()).await, told, "{path}");
        }
        for path in ["relationships/member_of", "member_of"] {
            let path = format!("/api/user_account/{}/{path}", bob.id);
            assert_eq!(is_told(who, path.clone(), &group).await, told, "{path}");
        }
    }
    assert_eq!(
        ada.get(&format!("/api/user_account/{}/member_of", bob.id)).await.is(200).ids(),
        [group.as_str()],
        "no other groups"
    );
    // who may update a group and not peek it isn't told of it
    world.sql(&format!("update usergroup set permission = 1024 where id = '{group}'")).await;
    let member_of = format!("/api/user_account/{}/relationships/member_of", bob.id);
    assert!(!is_told(&ada, member_of.clone(), &group).await);
    assert!(is_told(&bob, member_of.clone(), &group).await, "everybody knows where they are");
    assert_eq!(bob.get(&member_of).await.is(200).ids().len(), 2, "all of theirs");
}

#[tokio::test]
async fn what_linkage_includes_is_what_may_be_read() {
    let world = World::new().await;
    let ada = world.user("ada", &[]).await;
    let article = ada.make("article", json!({"title": "x", "permission": 16258}), json!({})).await;
    world.sql("insert into tag (id, permission, name) values (gen_random_uuid(), 1, 'peeked'), (gen_random_uuid(), 2, 'read'), (gen_random_uuid(), 0, 'hidden')").await;
    world.sql(&format!("insert into \"article.tags\" (source, target, created_at) select '{article}', id, now() from tag")).await;
    let included = async |status: u16| {
        let got = world.guest().get(&format!("/api/article/{article}/relationships/tags?include=tags")).await.is(status);
        let names =
            got.json["included"].as_array().map(|all| all.iter().map(|r| r["attributes"]["name"].clone()).collect::<Vec<_>>());
        (got.json["data"].as_array().map(Vec::len), names)
    };
    assert_eq!(included(200).await, (Some(2), Some(vec![json!("read")])));
    world.sql("update world set permission = 1, groups = '{}' where name = 'tag'").await;
    world.sql("update tag set name = 'not a word of it' where name = 'read'").await;
    world.wire.listen();
    assert_eq!(included(401).await, (None, None));
    assert!(!world.wire.heard("not a word of it"));
}

#[tokio::test]
async fn with_whom_a_row_is_shared_is_told_to_its_owner() {
    let world = World::new().await;
    let (ada, bob, eve) = (world.user("ada", &[]).await, world.user("bob", &[]).await, world.user("eve", &[]).await);
    let article = ada.make("article", json!({"title": "x", "permission": 16258}), json!({})).await;
    let group = bob.make("usergroup", json!({"name": "hidden", "permission": 16256}), json!({})).await;
    world.sql(&format!("update article set groups = array['{group}'::uuid], group_bits = null where id = '{article}'")).await;
    for path in ["/relationships/usergroups", "?include=usergroups"] {
        let told =
            async |who: &Someone<'_>| who.get(&format!("/api/article/{article}{path}")).await.is(200).text.contains(&group);
        assert!(told(&ada).await && told(&bob).await && !told(&eve).await, "{path}");
    }
}
