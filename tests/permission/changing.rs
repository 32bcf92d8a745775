//! Changing permissions: bits, owners, grants, memberships, and what the world says of new rows.

use serde_json::{Value as Json, json};
use uuid::Uuid;

use crate::house::World;

fn groups(ids: &[(&str, Json)]) -> Json {
    let data: Vec<_> = ids
        .iter()
        .map(|(id, meta)| {
            if meta.is_null() {
                json!({"type": "usergroup", "id": id})
            } else {
                json!({"type": "usergroup", "id": id, "meta": meta})
            }
        })
        .collect();
    json!({"data": data})
}

#[tokio::test]
async fn a_new_row_takes_what_is_sent_or_what_the_world_says_now() {
    let world = World::new().await;
    let (ada, admin) = (world.user("ada", &[]).await, world.administrator().await);
    let plain = ada.make("article", json!({"title": "x"}), json!({})).await;
    let shown = ada.get(&format!("/api/article/{plain}")).await.is(200);
    assert_eq!(shown.json["data"]["attributes"]["permission"], 16256 + 16384 + 32768 + 131_072);
    let own = ada.make("article", json!({"title": "x", "permission": 256 + 2}), json!({})).await;
    assert_eq!(ada.get(&format!("/api/article/{own}")).await.json["data"]["attributes"]["permission"], 258);
    for bad in [json!(-1), json!(2_097_152), json!("2"), json!(1.5)] {
        ada.post("/api/article", json!({"data": {"type": "article", "attributes": {"title": "x", "permission": bad}}}))
            .await
            .is(422);
    }
    // live, without a restart
    let row = admin.get("/api/world?filter[name]=article").await.ids()[0].clone();
    let change =
        |permission: i32| json!({"data": {"type": "world", "id": row, "attributes": {"default_permission": permission}}});
    ada.patch(&format!("/api/world/{row}"), change(0)).await.is(403);
    admin.patch(&format!("/api/world/{row}"), change(2)).await.is(200);
    let open = ada.make("article", json!({"title": "open"}), json!({})).await;
    world.guest().get(&format!("/api/article/{open}")).await.is(200);
    admin
        .patch(&format!("/api/world/{row}"), json!({"data": {"type": "world", "id": row, "attributes": {"permission": 0}}}))
        .await
        .is(200);
    world.guest().get(&format!("/api/article/{open}")).await.is(401);
    admin.post("/api/world", json!({"data": {"type": "world"}})).await.is(403);
    admin.delete(&format!("/api/world/{row}")).await.is(403);
    admin.post("/api/session", json!({"data": {"type": "session"}})).await.is(403);
}

#[tokio::test]
async fn creating_what_one_may_not_read_is_201_without_data() {
    let world = World::new().await;
    let ada = world.user("ada", &[]).await;
    let made = ada
        .post("/api/article", json!({"data": {"type": "article", "attributes": {"title": "x", "permission": 0}}}))
        .await
        .is(201);
    assert!(made.json.get("data").is_none() && made.json["meta"].is_object());
    assert_eq!(world.sql("select 1 from article where permission = 0").await.len(), 1);
}

#[tokio::test]
async fn chmod_is_for_owners_and_administrators_and_update_is_not_enough() {
    let world = World::new().await;
    let (ada, eve) = (world.user("ada", &[]).await, world.user("eve", &["editors"]).await);
    let article = ada.make("article", json!({"title": "x"}), json!({})).await;
    let url = format!("/api/article/{article}");
    let change = |attributes: Json| json!({"data": {"type": "article", "id": article, "attributes": attributes}});
    eve.patch(&url, change(json!({"title": "by eve"}))).await.is(200);
    eve.patch(&url, change(json!({"permission": 2_097_151}))).await.is(403);
    let shown = eve.get(&url).await.is(200).json["data"]["attributes"]["permission"].clone();
    eve.patch(&url, change(json!({"title": "by eve again", "permission": shown}))).await.is(200); // sent back as it is
    ada.patch(&url, change(json!({"permission": 256 + 128}))).await.is(200);
    ada.patch(&url, change(json!({"permission": 16256}))).await.is(403); // the owner has no update any more
    world.administrator().await.patch(&url, change(json!({"permission": 16256}))).await.is(200);
    eve.get(&url).await.is(404);
    // giving away: by the owner, to somebody who may be referred to
    let owner = |id: Uuid| json!({"data": {"type": "user_account", "id": id.to_string()}});
    let relationship = format!("{url}/relationships/owner");
    ada.patch(&relationship, owner(eve.id)).await.is(403);
    world.sql(&format!("update user_account set permission = permission | 64 where id = '{}'", eve.id)).await;
    ada.patch(&relationship, owner(eve.id)).await.is(204);
    ada.get(&url).await.is(404);
    eve.get(&url).await.is(200);
    let mine = json!({"data": {"type": "article", "attributes": {"title": "x"}, "relationships": {"owner": owner(ada.id)}}});
    eve.post("/api/article", mine.clone()).await.is(403);
    ada.post("/api/article", mine).await.is(201);
}

#[tokio::test]
async fn a_change_of_links_alone_asks_what_they_ask_and_any_other_asks_update() {
    let world = World::new().await;
    let ada = world.user("ada", &[]).await;
    let article = ada.make("article", json!({"title": "x", "permission": 16256 - 1024}), json!({})).await; // but no update
    let url = format!("/api/article/{article}");
    let made = ada.get(&url).await.is(200).json["data"]["attributes"]["created_at"].clone();
    let patch = async |attributes: Json, relationships: Json| {
        let body = json!({"data": {"type": "article", "id": article, "attributes": attributes, "relationships": relationships}});
        let request = ada.request(reqwest::Method::PATCH, &url).header("If-Match", "\"7-0\"");
        ada.send(request.header("Content-Type", "application/vnd.api+json").body(body.to_string())).await
    };
    let (nothing, grants) = (json!({}), json!({"usergroups": {"data": []}}));
    for attributes in [json!({}), json!({"title": "y"}), json!({"created_at": made}), json!({"no such": 1})] {
        patch(attributes.clone(), nothing.clone()).await.is(403);
        // grants are the owner's to change without update: but for the version, nothing is wrong with them
        patch(attributes.clone(), grants.clone()).await.is(if attributes == nothing { 412 } else { 403 });
    }
    ada.patch(&url, json!({"data": {"type": "article", "id": article, "relationships": grants}})).await.is(200);
}

#[tokio::test]
async fn what_is_wrong_with_a_change_is_told_who_may_link_what_it_links() {
    let world = World::new().await;
    let (ada, bob) = (world.user("ada", &[]).await, world.user("bob", &[]).await);
    let article = ada.make("article", json!({"title": "x"}), json!({})).await;
    let url = format!("/api/article/{article}");
    let hidden = bob.make("tag", json!({"name": "hidden", "permission": 16256}), json!({})).await;
    let open = bob.make("tag", json!({"name": "open"}), json!({})).await;
    let change = |attributes: Json, tag: &str| json!({"data": {"type": "article", "id": article, "attributes": attributes, "relationships": {"tags": {"data": [{"type": "tag", "id": tag}]}}}});
    ada.patch(&url, change(json!({"words": -1}), &hidden)).await.is(404);
    ada.patch(&url, change(json!({"words": -1}), &open)).await.is(422);
    ada.patch(&url, change(json!({"words": 1}), &open)).await.is(200);
    world.sql("update tag set permission = 2").await;
    ada.patch(&url, change(json!({"words": 2}), &open)).await.is(200); // what is linked already isn't linked anew
    // nor is a tag asked for another fault, nor a grant that is there; a new one is.
    ada.patch(&url, change(json!({"words": -1}), &open)).await.is(422);
    let group = "00000000-0000-7000-8000-0000000000c1";
    world
        .sql(&format!(
            "insert into usergroup (id, permission, name, joinable, declared) values ('{group}', 0, 'x', false, false)"
        ))
        .await;
    let grant = |attributes: Json| json!({"data": {"type": "article", "id": article, "attributes": attributes, "relationships": {"usergroups": {"data": [{"type": "usergroup", "id": group}]}}}});
    ada.patch(&url, grant(json!({"words": -1}))).await.is(404);
    ada.patch(&url, grant(json!({"words": 1}))).await.is(404);
    world.sql("update usergroup set permission = 1 where name = 'x'").await;
    world.sql(&format!("update article set groups = array['{group}'::uuid], group_bits = array[null::integer]")).await;
    ada.patch(&url, grant(json!({"words": -1}))).await.is(422);
    ada.patch(&url, grant(json!({"words": 1}))).await.is(200);
    // Inverse links are asked as they are when nothing is wrong.
    let comment = async |bits: i32| {
        let on = json!({"article": {"data": {"type": "article", "id": article}}});
        let id = bob.make("comment", json!({"text": "x", "permission": 16256 | bits}), on).await;
        world.sql("update comment set article = (select id from article where title = 'other')").await;
        id
    };
    world.sql(&format!("update article set permission = 16256 | 66 where id = '{article}'")).await;
    ada.make("article", json!({"title": "other"}), json!({})).await;
    let (changed, referred) = (comment(1 | 2 | 8).await, comment(1 | 2 | 64).await);
    let comments = |id: &str| json!({"data": {"type": "article", "id": article, "attributes": {"words": -1}, "relationships": {"comments": {"data": [{"type": "comment", "id": id}]}}}});
    ada.patch(&url, comments(&changed)).await.is(422);
    ada.patch(&url, comments(&referred)).await.is(403);
    // What is wrong with links is told with the rest.
    world.sql(&format!("update comment set article = '{article}'")).await;
    world.sql("update comment set permission = 127").await;
    let none = json!({"data": {"type": "article", "id": article, "attributes": {"words": -1}, "relationships": {"comments": {"data": []}}}});
    let faults = ada.patch(&url, none).await.is(422);
    let at: Vec<_> = faults.json["errors"].as_array().expect("errors").iter().map(|e| e["source"]["pointer"].clone()).collect();
    assert_eq!(at, ["/data/attributes/words", "/data/relationships/comments"]);
}

#[tokio::test]
async fn a_grant_is_made_changed_and_removed_by_the_owner() {
    let world = World::new().await;
    let (ada, bob, eve) = (world.user("ada", &[]).await, world.user("bob", &[]).await, world.user("eve", &[]).await);
    let article = ada.make("article", json!({"title": "x", "permission": 16256}), json!({})).await;
    let (url, grants) = (format!("/api/article/{article}"), format!("/api/article/{article}/relationships/usergroups"));
    let group = ada.make("usergroup", json!({"name": "friends"}), json!({})).await;
    ada.post(
        &format!("/api/usergroup/{group}/relationships/members"),
        json!({"data": [{"type": "user_account", "id": bob.id.to_string()}]}),
    )
    .await
    .is(403);
    world.sql("update user_account set permission = permission | 64").await;
    ada.post(
        &format!("/api/usergroup/{group}/relationships/members"),
        json!({"data": [{"type": "user_account", "id": bob.id.to_string()}]}),
    )
    .await
    .is(204);
    bob.get(&url).await.is(404);
    ada.post(&grants, groups(&[(&group, json!({"permission": 32768}))])).await.is(204);
    bob.get(&url).await.is(200);
    bob.patch(&url, json!({"data": {"type": "article", "id": article, "attributes": {"title": "y"}}})).await.is(403);
    // POST of what is there changes nothing without meta
    ada.post(&grants, groups(&[(&group, Json::Null)])).await.is(204);
    bob.get(&url).await.is(200);
    ada.post(&grants, groups(&[(&group, json!({"permission": null}))])).await.is(204);
    bob.get(&url).await.is(404);
    ada.post(&grants, groups(&[(&group, json!({"permission": 16384}))])).await.is(204);
    bob.get(&url).await.is(403);
    for bad in [json!(1), json!("x"), json!(-1), json!(1 << 21)] {
        ada.post(&grants, groups(&[(&group, json!({"permission": bad}))])).await.is(422);
    }
    // refer on the group is no right to grant, and a peek no right to change grants
    bob.post(&grants, groups(&[(&group, json!({"permission": 2_080_768}))])).await.is(403);
    eve.post(&grants, groups(&[(&group, Json::Null)])).await.is(404);
    let nobodys = eve.make("usergroup", json!({"name": "hidden"}), json!({})).await;
    ada.post(&grants, groups(&[(&nobodys, Json::Null)])).await.is(404);
    ada.unlink(&grants, groups(&[(&group, Json::Null)])).await.is(204);
    bob.get(&url).await.is(404);
    assert_eq!(ada.get(&grants).await.is(200).ids().len(), 1, "editors, by default");
}

#[tokio::test]
async fn leaving_is_free_and_the_last_administrator_stays() {
    let world = World::new().await;
    let (admin, bob) = (world.administrator().await, world.user("bob", &["editors"]).await);
    let administrators = "/api/usergroup/00000000-0000-7000-8000-000000000001/relationships/members";
    let person = |id: Uuid| json!({"data": [{"type": "user_account", "id": id.to_string()}]});
    bob.post(administrators, person(bob.id)).await.is(404); // bob may not even know of the group
    admin.unlink(administrators, person(admin.id)).await.is(409);
    let rehearsal = "usergroup/00000000-0000-7000-8000-000000000001/remove_member?dry_run=true";
    admin.act(rehearsal, json!({"user_account_id": admin.id.to_string()})).await.is(409);
    let rehearsed = admin
        .act(
            "usergroup/00000000-0000-7000-8000-000000000001/add_member?dry_run=true",
            json!({"user_account_id": bob.id.to_string()}),
        )
        .await
        .is(200);
    assert!(rehearsed.text.contains("Member added"));
    assert!(world.sql("select 1 from \"usergroup.members\" where source = '00000000-0000-7000-8000-000000000001' and target <> (select id from user_account where name = 'admin')").await.is_empty(), "rolled back");
    world.guest().act("user_account/signin?dry_run=true", json!({"email": "a@b.c", "password": "x"})).await.is(422);
    admin.act("usergroup/00000000-0000-7000-8000-000000000001/add_member?dryrun=true", json!({})).await.is(400);
    admin
        .patch(
            &format!("/api/user_account/{}", admin.id),
            json!({"data": {"type": "user_account", "id": admin.id.to_string(), "attributes": {"active": false}}}),
        )
        .await
        .is(409);
    admin.delete(&format!("/api/user_account/{}", admin.id)).await.is(403);
    admin.delete("/api/usergroup/00000000-0000-7000-8000-000000000001").await.is(403);
    admin.post(administrators, person(bob.id)).await.is(204);
    bob.get("/api/world?filter[name]=memo").await.is(200);
    bob.unlink(administrators, person(admin.id)).await.is(204);
    admin.get("/metrics").await.is(403);
    // everybody sees their own groups, others' they don't
    let mine = bob.get(&format!("/api/user_account/{}/relationships/member_of", bob.id)).await.is(200);
    assert_eq!(mine.ids().len(), 3);
    let eve = world.user("eve", &["editors"]).await;
    let own = format!("/api/user_account/{}/relationships/member_of", eve.id);
    let editors = eve.get(&own).await.is(200).ids();
    eve.unlink(&own, json!({"data": editors.iter().map(|id| json!({"type": "usergroup", "id": id})).collect::<Vec<_>>()}))
        .await
        .is(204);
    eve.get(&own).await.is(403); // out of `users`, too: what a stranger is told
    assert!(world.sql(&format!("select 1 from \"usergroup.members\" where target = '{}'", eve.id)).await.is_empty());
    // declared names are reserved
    let ivy = world.user("ivy", &[]).await;
    for name in ["administrators", "Administrators", " ADMINISTRATORS ", "ａdministrators"] {
        ivy.post("/api/usergroup", json!({"data": {"type": "usergroup", "attributes": {"name": name}}})).await.is(409);
    }
    ivy.post("/api/usergroup", json!({"data": {"type": "usergroup", "attributes": {"name": "x", "declared": true}}}))
        .await
        .is(403);
}

#[tokio::test]
async fn v26_nobody_makes_themselves_more_than_they_are() {
    let world = World::new().await;
    let (ada, bob) = (world.user("ada", &[]).await, world.user("bob", &[]).await);
    let url = format!("/api/user_account/{}", ada.id);
    let change = |attributes: Json| json!({"data": {"type": "user_account", "id": ada.id.to_string(), "attributes": attributes}});
    ada.patch(&url, change(json!({"name": "Ada L."}))).await.is(200);
    for attributes in [
        json!({"email": "x@example.org"}),
        json!({"email_verified": true}),
        json!({"active": false}),
        json!({"password": "correct horse"}),
        json!({"username": "x"}),
    ] {
        ada.patch(&url, change(attributes)).await.is(403);
    }
    // what is sent back as it is, is no change
    ada.patch(&url, change(json!({"name": "Ada", "email": "ada@example.org", "active": true, "username": null}))).await.is(200);
    bob.patch(&url, change(json!({"email": "ada@example.org"}))).await.is(403);
    ada.patch(&url, change(json!({"permission": null}))).await.is(422);
    ada.post("/api/tag", json!({"data": {"type": "tag", "attributes": {"name": "x", "permission": null}}})).await.is(422);
    ada.patch(&format!("{url}/relationships/owner"), json!({"data": null})).await.is(422);
    ada.patch(&url, change(json!({"role": "admin"}))).await.is(422);
    bob.get(&url).await.is(403); // guests and users may peek each other
    bob.patch(&url, change(json!({"name": "x"}))).await.is(403);
    ada.post(
        "/api/user_account",
        json!({"data": {"type": "user_account", "attributes": {"name": "x", "email": "y@example.org"}}}),
    )
    .await
    .is(403);
    let admin = world.administrator().await;
    let id =
        admin.make("user_account", json!({"name": "x", "email": "Y@Example.org", "password": "correct horse"}), json!({})).await;
    let stored = world.sql(&format!("select password, owner::text, email from user_account where id = '{id}'")).await;
    assert!(stored[0].text(0).is_some_and(|p| p.starts_with("rh1$2b$")));
    assert_eq!((stored[0].text(1), stored[0].text(2)), (Some(id.as_str()), Some("Y@example.org")), "a user owns themselves");
    admin
        .post(
            "/api/user_account",
            json!({"data": {"type": "user_account", "attributes": {"name": "z", "email": "y@example.org"}}}),
        )
        .await
        .is(409);
    assert_eq!(world.sql(&format!("select 1 from \"usergroup.members\" where target = '{id}'")).await.len(), 1, "joined users");
    admin
        .patch(
            &format!("/api/user_account/{id}"),
            json!({"data": {"type": "user_account", "id": id, "attributes": {"password": "another horse"}}}),
        )
        .await
        .is(403);
    admin
        .patch(
            &format!("/api/user_account/{id}"),
            json!({"data": {"type": "user_account", "id": id, "attributes": {"email_verified": true}}}),
        )
        .await
        .is(200);
}

#[tokio::test]
async fn what_follows_from_a_change_of_a_user_follows_from_no_other() {
    let world = World::new().await;
    let (ada, admin) = (world.user("ada", &[]).await, world.administrator().await);
    let url = format!("/api/user_account/{}", ada.id);
    let change = async |attributes: Json| {
        // A token of a kind of which one is good at a time, and one of which several are.
        world.sql("delete from rowhouse.token").await;
        world.sql("update user_account set email_verified = true, active = true where email like '%example.org'").await;
        let tokens = "insert into rowhouse.token (hash, owner, purpose, expires_at, several) \
                      select decode(md5(n::text), 'hex'), $id, 'x', now() + interval '1 hour', n = 2 from generate_series(1, 2) n";
        world.sql(&tokens.replace("$id", &format!("'{}'", ada.id))).await;
        admin
            .patch(&url, json!({"data": {"type": "user_account", "id": ada.id.to_string(), "attributes": attributes}}))
            .await
            .is(200);
        let left = "select email_verified, (select count(*) from rowhouse.token) from user_account where id = ";
        let left = &world.sql(&format!("{left}'{}'", ada.id)).await[0];
        (left.bool(0), left.int(1).expect("a number"), ada.get("/api/memo").await.status)
    };
    assert_eq!(change(json!({"name": "Ada L.", "email": "ada@example.org", "active": true})).await, (true, 2, 403), "the same");
    assert_eq!(change(json!({"username": "größe"})).await, (true, 2, 403));
    assert_eq!(change(json!({"email": "new@example.org"})).await, (false, 1, 403), "nobody has proved it");
    assert_eq!(change(json!({"email": "newer@example.org", "email_verified": true})).await, (true, 1, 403), "but who says so");
    world.sql("update user_account set active = false where name = 'Ada L.'").await;
    let activate = async || {
        admin
            .patch(&url, json!({"data": {"type": "user_account", "id": ada.id.to_string(), "attributes": {"active": true}}}))
            .await
            .is(200);
    };
    activate().await;
    ada.get("/api/memo").await.is(403); // sessions end with who is barred, not with who comes back
    assert_eq!(change(json!({"active": false})).await, (true, 0, 401));
    activate().await;
    ada.get("/api/memo").await.is(401); // what ended stays ended
    // Who is inactive already, whoever saw to that, is out for good as well.
    let eve = world.user("eve", &[]).await;
    let (bar, url) =
        ("update user_account set active = false where name in ('eve', 'bob')", format!("/api/user_account/{}", eve.id));
    world.sql(bar).await;
    for active in [false, true] {
        let attributes = json!({"active": active});
        admin
            .patch(&url, json!({"data": {"type": "user_account", "id": eve.id.to_string(), "attributes": attributes}}))
            .await
            .is(200);
    }
    eve.get("/api/memo").await.is(401);
    let bob = world.user("bob", &[]).await;
    world.sql(bar).await;
    for action in ["deactivate", "activate"] {
        admin.act(&format!("user_account/{}/{action}", bob.id), json!({})).await.is(200);
    }
    bob.get("/api/memo").await.is(401);
}
