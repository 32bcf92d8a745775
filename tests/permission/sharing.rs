//! Sharing, and how many there are: what owners see of their grants, and totals that count only what may be seen.

use serde_json::{Value as Json, json};

use crate::house::World;

#[tokio::test]
async fn an_owner_shares_a_row_and_sees_with_whom() {
    let world = World::new().await;
    let (ada, bob) = (world.user("ada", &[]).await, world.user("bob", &[]).await);
    let group = ada.make("usergroup", json!({"name": "friends", "permission": 16256 + 1 + 64}), json!({})).await;
    world
        .sql(&format!("insert into \"usergroup.members\" (source, target, created_at) values ('{group}', '{}', now())", bob.id))
        .await;
    let memo = ada.make("article", json!({"title": "x", "permission": 16256 + 32768}), json!({})).await;
    let url = format!("/api/article/{memo}");
    bob.get(&url).await.is(404);
    ada.act(&format!("article/{memo}/share"), json!({"usergroup": group})).await.is(200);
    bob.get(&url).await.is(200);
    ada.act(&format!("article/{memo}/share"), json!({"usergroup": group, "permission": 32768 + 131_072})).await.is(200);
    bob.patch(&url, json!({"data": {"type": "article", "id": memo, "attributes": {"title": "by bob"}}})).await.is(200);
    // the owner sees all grants with their bits, on both ways; others those groups that they may peek
    let grants = |answer: &Json| {
        let list = answer.as_array().expect("linkage");
        list.iter().find(|g| g["id"] == group.as_str()).map(|g| g["meta"]["permission"].clone())
    };
    let linkage = ada.get(&format!("{url}/relationships/usergroups")).await.is(200);
    assert_eq!(linkage.ids().len(), 2, "editors by default, and friends");
    assert_eq!(grants(&linkage.json["data"]), Some(json!(163_840)));
    let included = ada.get(&format!("{url}?include=usergroups")).await.is(200);
    assert_eq!(grants(&included.json["data"]["relationships"]["usergroups"]["data"]), Some(json!(163_840)));
    let editors =
        linkage.json["data"].as_array().expect("a list").iter().find(|g| g["id"] != group.as_str()).expect("editors").clone();
    assert_eq!(editors["meta"], json!({"permission": null}), "the row's own bits");
}

#[tokio::test]
async fn totals_count_what_may_be_seen_and_equal_the_length_of_all_pages() {
    let world = World::with(|config| config.limits.count = 10).await;
    let (ada, bob, admin) = (world.user("ada", &[]).await, world.user("bob", &["editors"]).await, world.administrator().await);
    let editors = "(select id from usergroup where declared and name = 'editors')";
    world
        .sql(&format!(
            "insert into tag (id, owner, permission, groups, name) select gen_random_uuid(), case when n % 3 = 0 then '{}'::uuid end, \
             case when n % 5 = 0 then 2 else 256 + 32768 end, case when n % 4 = 0 then array[{editors}] else '{{}}' end, 'tag ' || n from generate_series(1, 60) n",
            ada.id
        ))
        .await;
    let article = ada.make("article", json!({"title": "x", "permission": 16258}), json!({})).await;
    world.sql(&format!("insert into \"article.tags\" (source, target, created_at) select '{article}', id, now() from tag")).await;
    for (someone, count) in [(&world.guest(), 12), (&ada, 28), (&bob, 24), (&admin, 60)] {
        someone.get("/api/tag").await.is(200); // so that they are known
        for list in ["tag?".to_owned(), "tag?filter[name][starts]=tag&".to_owned(), format!("article/{article}/tags?")] {
            world.wire.listen();
            let page = someone.get(&format!("/api/{list}page[size]=7&page[total]=exact")).await.is(200);
            assert_eq!(world.wire.executed(), 1);
            assert_eq!(page.json["meta"]["page"], json!({"total": count}), "{list}");
            let mut walked = page.ids().len();
            let mut next = page.json["links"]["next"].as_str().map(str::to_owned);
            while let Some(url) = next {
                let page = someone.get(&url).await.is(200);
                assert_eq!(page.json["meta"]["page"]["total"], count, "the same on every page");
                walked += page.ids().len();
                next = page.json["links"]["next"].as_str().map(str::to_owned);
            }
            assert_eq!(walked, count, "{list}");
            let guess = someone.get(&format!("/api/{list}page[total]=estimated")).await.is(200);
            assert_eq!(
                guess.json["meta"]["page"],
                json!({"estimatedTotal": {"bestGuess": 10}}),
                "counted as far as the configuration says"
            );
        }
        assert!(someone.get("/api/tag").await.is(200).json.get("meta").is_none(), "nothing is counted unless asked");
    }
    let few = world.guest().get("/api/tag?filter[name][in]=tag 5,tag 6&page[total]=estimated").await.is(200);
    assert_eq!(few.json["meta"]["page"], json!({"total": 1}));
    world.guest().get("/api/tag?page[total]=some").await.is(400);
    ada.get(&format!("/api/article/{article}?page[total]=exact")).await.is(400);
}

#[tokio::test]
async fn a_grant_never_removes_a_row_and_losing_a_group_never_adds_one() {
    let world = World::new().await;
    let bob = world.user("bob", &["editors"]).await;
    let editors = "(select id from usergroup where declared and name = 'editors')";
    world
        .sql(
            "insert into tag (id, permission, name) select gen_random_uuid(), case n % 4 when 0 then 2 when 1 then 32768 when 2 then 16384 else 0 end, 'tag ' || n from generate_series(1, 40) n",
        )
        .await;
    let seen = async || bob.get("/api/tag?page[size]=100").await.is(200).ids();
    let before = seen().await;
    for bits in ["null", "array[0]", "array[32768]", "array[16384]", "array[null]::int[]"] {
        world.sql(&format!("update tag set groups = array[{editors}], group_bits = {bits}")).await;
        let granted = seen().await;
        assert!(before.iter().all(|id| granted.contains(id)), "{bits}");
        for id in &granted {
            bob.get(&format!("/api/tag/{id}")).await.is(200);
        }
        let all: Vec<String> =
            world.sql("select id::text from tag").await.iter().map(|r| r.text(0).expect("an id").to_owned()).collect();
        for id in all.iter().filter(|id| !granted.contains(id)).take(5) {
            assert_ne!(bob.get(&format!("/api/tag/{id}")).await.status, 200, "ids of the list = ids for which get is 200");
        }
        world.sql(&format!("delete from \"usergroup.members\" where target = '{}' and source = {editors}", bob.id)).await;
        let lost = seen().await;
        assert!(lost.iter().all(|id| granted.contains(id)), "{bits}");
        assert_eq!(lost, before);
        world
            .sql(&format!(
                "insert into \"usergroup.members\" (source, target, created_at) values ({editors}, '{}', now())",
                bob.id
            ))
            .await;
    }
}

#[tokio::test]
async fn a_deleted_group_grants_nothing_and_is_swept_from_the_rows() {
    let world = World::new().await;
    let (ada, bob) = (world.user("ada", &[]).await, world.user("bob", &[]).await);
    let group = ada.make("usergroup", json!({"name": "friends", "permission": 16256 + 1 + 64}), json!({})).await;
    let other = ada.make("usergroup", json!({"name": "others"}), json!({})).await;
    world
        .sql(&format!("insert into \"usergroup.members\" (source, target, created_at) values ('{group}', '{}', now())", bob.id))
        .await;
    let article = ada.make("article", json!({"title": "x", "permission": 16256}), json!({})).await;
    let grants = format!("/api/article/{article}/relationships/usergroups");
    let grant = |id: &str, bits: i32| json!({"type": "usergroup", "id": id, "meta": {"permission": bits}});
    ada.patch(&grants, json!({"data": [grant(&group, 32768), grant(&other, 16384)]})).await.is(204);
    bob.get(&format!("/api/article/{article}")).await.is(200);
    ada.delete(&format!("/api/usergroup/{group}")).await.is(204);
    bob.get(&format!("/api/article/{article}")).await.is(404);
    assert_eq!(ada.get(&grants).await.is(200).json["data"], json!([grant(&other, 16384)]), "never shown");
    let row = format!("select groups = array['{other}'::uuid] and group_bits = array[16384] from article where id = '{article}'");
    while !world.sql(&row).await[0].bool(0) {} // swept in its own time
}
