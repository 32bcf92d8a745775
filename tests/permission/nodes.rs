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
