//! Several nodes on one database: what changes on one holds on all, from the commit's answer on.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::json;

use crate::house::{Someone, World};

/// Asks for a path on another node again and again while something is taken away; not one request that begins after
/// the answer may be served.
async fn none_after(reader: &Someone<'_>, path: &str, refused: u16, change: impl Future<Output = ()>) {
    reader.get(path).await.is(200); // there is something to take away
    let (is_gone, served, after) = (AtomicBool::new(false), AtomicUsize::new(0), AtomicUsize::new(0));
    let hammer = async || {
        while after.load(Ordering::SeqCst) < 20 {
            let began_after = is_gone.load(Ordering::SeqCst);
            let status = reader.get(path).await.status;
            match (status, began_after) {
                (200, false) => _ = served.fetch_add(1, Ordering::SeqCst),
                (status, true) => {
                    assert_eq!(status, refused, "{path}");
                    after.fetch_add(1, Ordering::SeqCst);
                }
                (status, false) => assert_eq!(status, refused, "{path}"),
            }
        }
    };
    let change = async {
        while served.load(Ordering::SeqCst) < 10 {
            tokio::task::yield_now().await;
        }
        change.await;
        is_gone.store(true, Ordering::SeqCst);
    };
    tokio::join!(hammer(), hammer(), hammer(), change);
}

#[tokio::test]
async fn c8_what_is_taken_away_on_one_node_is_gone_on_all() {
    let world = World::new().await;
    let twin = world.twin().await;
    let (ada, bob) = (world.user("ada", &[]).await, world.user("bob", &["editors"]).await);
    let admin = world.administrator().await;
    let article = ada.make("article", json!({"title": "x", "permission": 16256 + 32768}), json!({})).await;
    let path = format!("/api/article/{article}");
    let reader = bob.at(&twin);
    let editors = world.sql("select id::text from usergroup where declared and name = 'editors'").await[0]
        .text(0)
        .expect("an id")
        .to_owned();
    let grant = json!({"data": [{"type": "usergroup", "id": editors}]});
    none_after(&reader, &path, 404, async {
        ada.unlink(&format!("{path}/relationships/usergroups"), grant.clone()).await.is(204);
    })
    .await;
    admin.post(&format!("{path}/relationships/usergroups"), grant).await.is(204);
    none_after(&reader, &path, 404, async {
        admin
            .unlink(
                &format!("/api/usergroup/{editors}/relationships/members"),
                json!({"data": [{"type": "user_account", "id": bob.id.to_string()}]}),
            )
            .await
            .is(204);
    })
    .await;
    let chmod = |bits: i32| json!({"data": {"type": "article", "id": article, "attributes": {"permission": bits}}});
    ada.patch(&path, chmod(16258)).await.is(200);
    none_after(&reader, &path, 404, async {
        ada.patch(&path, chmod(16256)).await.is(200);
    })
    .await;
    ada.patch(&path, chmod(16258)).await.is(200);
    let row = world.sql("select id::text from world where name = 'article'").await[0].text(0).expect("an id").to_owned();
    let close = |bits: i32| json!({"data": {"type": "world", "id": row, "attributes": {"permission": bits}}});
    let users = json!({"data": []});
    admin.patch(&format!("/api/world/{row}/relationships/usergroups"), users).await.is(204);
    none_after(&reader, &path, 403, async {
        admin.patch(&format!("/api/world/{row}"), close(0)).await.is(200);
    })
    .await;
    admin.patch(&format!("/api/world/{row}"), close(3)).await.is(200);
    none_after(&reader, "/api/user_account/mine", 401, async {
        bob.act("user_account/signout", json!({})).await.is(200);
    })
    .await;
}

#[tokio::test]
async fn what_is_taken_away_between_the_question_and_the_change_is_gone() {
    let world = World::new().await;
    let bob = world.user("bob", &[]).await;
    let editors = "(select id from usergroup where declared and name = 'editors')";
    world
        .sql(&format!(
            "update world set permission = 2080768, groups = array[{editors}], group_bits = null where name in ('tag', 'article', 'comment')"
        ))
        .await;
    let id = |n: usize| format!("00000000-0000-7000-8000-0000000000d{n}");
    for n in 1..=7 {
        world
            .sql(&format!(
                "insert into tag (id, permission, groups, name) select '{}', 2080768, array[{editors}], 'tag {n}'",
                id(n)
            ))
            .await;
    }
    world
        .sql(&format!(
            "insert into article (id, permission, groups, title, author) select '{}', 2080768, array[{editors}], 'x', '{}'",
            id(0),
            bob.id
        ))
        .await;
    let comment = |n: usize| format!("00000000-0000-7000-8000-0000000000f{n}");
    for n in 1..=3 {
        let reply_to = if n == 3 { format!("'{}'", comment(1)) } else { "null".to_owned() };
        world
            .sql(&format!(
                "insert into comment (id, permission, groups, text, article, reply_to) select '{}', 2080768, array[{editors}], 'x', '{}', {reply_to}",
                comment(n),
                id(0)
            ))
            .await;
    }
    let replies = format!("/api/comment/{}/relationships/replies", comment(1));
    let reply = |n: usize| json!({"data": [{"type": "comment", "id": comment(n)}]});
    let named = |n: usize| json!({"type": "tag", "id": id(n)});
    let renamed = |n: usize| json!({"type": "tag", "id": id(n), "attributes": {"name": "other"}});
    let update = |n: usize| json!({"op": "update", "data": renamed(n)});
    let remove = |n: usize| json!({"op": "remove", "ref": named(n)});
    let all = "select (select string_agg(t::text, ',' order by id) from tag t) || coalesce((select string_agg(l::text, ',') from \"article.tags\" l), '') \
               || (select string_agg(c::text, ',' order by id) from comment c) || (select string_agg(r::text, ',' order by id) from article r)";
    let was = world.sql(all).await[0].text(0).expect("rows").to_owned();
    let tag = |n: usize| format!("/api/tag/{}", id(n));
    let ask = async |path: &str, body: &serde_json::Value| match path {
        "create" => bob.post("/api/tag", json!({"data": {"type": "tag", "attributes": {"name": "new"}}})).await,
        "create and link" => {
            let relationships = json!({"comments": reply(2)});
            bob.post(
                "/api/article",
                json!({"data": {"type": "article", "attributes": {"title": "new"}, "relationships": relationships}}),
            )
            .await
        }
        "update" => bob.patch(&tag(1), json!({"data": renamed(1)})).await,
        "delete" => bob.delete(&tag(2)).await,
        "link" => bob.post(&format!("/api/article/{}/relationships/tags", id(0)), json!({"data": [named(3)]})).await,
        "inverse link" => bob.post(&replies, reply(2)).await,
        "inverse unlink" => bob.unlink(&replies, reply(3)).await,
        _ => {
            let request = bob.request(reqwest::Method::POST, "/api/operations").header("Content-Type", "application/json");
            bob.send(request.body(json!({"atomic:operations": body}).to_string())).await
        }
    };
    for (what, table, body) in [
        ("create", "tag", json!(null)),
        ("create and link", "comment", json!(null)),
        ("update", "tag", json!(null)),
        ("delete", "tag", json!(null)),
        ("link", "\"article.tags\"", json!(null)),
        ("inverse link", "comment", json!(null)),
        ("inverse unlink", "comment", json!(null)),
        ("updates", "tag", json!([update(4), update(5)])),
        ("removals", "tag", json!([remove(6), remove(7)])),
    ] {
        world
            .sql(&format!(
                "insert into \"usergroup.members\" (source, target, created_at) values ({editors}, '{}', now())",
                bob.id
            ))
            .await;
        let holder = world.hold(&format!("lock table {table} in share mode")).await; // read, and not written
        let meddle = async {
            world.held_up().await;
            world.sql(&format!("delete from \"usergroup.members\" where source = {editors} and target = '{}'", bob.id)).await;
            drop(holder);
        };
        let (answer, ()) = tokio::join!(ask(what, &body), meddle);
        assert_eq!(answer.status, 403, "{what}: {}", answer.text);
        assert_eq!(world.sql(all).await[0].text(0), Some(was.as_str()), "{what}");
    }
}
