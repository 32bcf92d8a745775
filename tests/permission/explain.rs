//! Explanations: who may ask what, about whom, and what a refusal says of itself.

use serde_json::json;

use crate::house::World;

#[tokio::test]
async fn an_explanation_names_phase_and_line() {
    let world = World::new().await;
    let (ada, bob, admin) = (world.user("ada", &[]).await, world.user("bob", &["editors"]).await, world.administrator().await);
    let article = ada.make("article", json!({"title": "x", "permission": 16256 + 2 + 131_072}), json!({})).await;
    let path = format!("/permission/article/{article}");
    let said = ada.get(&format!("{path}?right=update")).await.is(200);
    assert_eq!(
        said.json["data"],
        json!({"type": "permission", "id": format!("article/{article}/update"), "attributes": {"allowed": true, "phase": "before instance", "line": 3}})
    );
    let line = async |someone: &crate::house::Someone<'_>, query: &str| {
        someone.get(&format!("{path}?{query}")).await.is(200).json["data"]["attributes"].clone()
    };
    assert_eq!(line(&bob, "right=update").await, json!({"allowed": true, "phase": "before instance", "line": 4}));
    assert_eq!(line(&bob, "right=delete").await, json!({"allowed": false, "phase": "before instance", "line": null}));
    assert_eq!(line(&admin, "right=delete").await["line"], 1);
    assert_eq!(line(&world.guest(), "right=read").await, json!({"allowed": true, "phase": "after instance", "line": 2}));
    assert_eq!(line(&world.guest(), "right=update").await, json!({"allowed": false, "phase": "before entity", "line": null}));
    // an entity
    let entity = async |someone: &crate::house::Someone<'_>, path: &str| {
        someone.get(&format!("/permission/{path}")).await.is(200).json["data"]["attributes"].clone()
    };
    assert_eq!(entity(&ada, "article?right=create").await, json!({"allowed": true, "phase": "before entity", "line": 4}));
    assert_eq!(entity(&world.guest(), "article?right=create").await["allowed"], false);
    assert_eq!(entity(&admin, "world?right=create").await["allowed"], false, "nobody makes entities by request");
    // an action: its entity's execute, then its own row
    let publish = world.sql("select id::text from action where name = 'publish'").await[0].text(0).expect("an id").to_owned();
    world.sql("update action set permission = permission | 1 where name = 'publish'").await;
    assert_eq!(entity(&bob, &format!("action/{publish}?right=execute")).await["allowed"], true);
    assert_eq!(
        entity(&ada, &format!("action/{publish}?right=execute")).await,
        json!({"allowed": false, "phase": "before instance", "line": null})
    );
    world.sql("update world set permission = 0, groups = '{}' where name = 'article'").await;
    assert_eq!(entity(&bob, &format!("action/{publish}?right=execute")).await["phase"], "before entity");
    assert_eq!(entity(&admin, "action?right=execute").await["allowed"], true, "of actions as such");
}

#[tokio::test]
async fn of_others_only_owners_and_administrators_may_ask() {
    let world = World::new().await;
    let (ada, bob, admin) = (world.user("ada", &[]).await, world.user("bob", &["editors"]).await, world.administrator().await);
    let article = ada.make("article", json!({"title": "x", "permission": 16256 + 2 + 32768}), json!({})).await;
    let path = format!("/permission/article/{article}?right=read&user={}", bob.id);
    assert_eq!(
        ada.get(&path).await.is(200).json["data"]["attributes"],
        json!({"allowed": true, "phase": "after instance", "line": null})
    );
    assert_eq!(admin.get(&path).await.is(200).json["data"]["attributes"]["line"], 2);
    bob.get(&path).await.is(403);
    world.guest().get(&path).await.is(401);
    world.sql(&format!("update user_account set permission = 16256 where id = '{}'", bob.id)).await;
    let hidden = ada.get(&path).await.is(404);
    let missing =
        ada.get(&format!("/permission/article/{article}?right=read&user=00000000-0000-7000-8000-00000000dead")).await.is(404);
    assert_eq!(hidden.text, missing.text);
    world.sql(&format!("update user_account set active = false, permission = 16257 where id = '{}'", bob.id)).await;
    world.sql(&format!("update article set permission = 16256 + 32768 where id = '{article}'")).await;
    assert_eq!(ada.get(&path).await.is(200).json["data"]["attributes"]["allowed"], false, "somebody deactivated is a guest");
    world.sql("update world set permission = 0, groups = '{}' where name = 'user_account'").await;
    assert_eq!(ada.get(&path).await.is(404).text, missing.text, "where nobody may be known, nobody is");
}

#[tokio::test]
async fn a_stranger_is_told_no_more_than_by_get() {
    let world = World::new().await;
    let (ada, bob) = (world.user("ada", &[]).await, world.user("bob", &[]).await);
    let hidden = ada.make("article", json!({"title": "x", "permission": 16256}), json!({})).await;
    let missing = "00000000-0000-7000-8000-00000000dead";
    for right in ["read", "update", "peek"] {
        let one = bob.get(&format!("/permission/article/{hidden}?right={right}")).await.is(404);
        let other = bob.get(&format!("/permission/article/{missing}?right={right}")).await.is(404);
        assert_eq!(one.text, other.text);
        assert_eq!(one.text, bob.get(&format!("/api/article/{hidden}")).await.is(404).text);
    }
    bob.get("/permission/article/nonsense?right=read").await.is(404);
    bob.get("/permission/nothing?right=read").await.is(404);
    bob.get("/permission/memo?right=read").await.is(403);
    world.guest().get(&format!("/permission/memo/{missing}?right=read")).await.is(401);
    world.guest().get("/permission/memo?right=nonsense").await.is(401); // not even that the word is wrong
    for bad in ["right=nonsense", "", "right=read&x=1", "right=READ", "right=read&right=%zz"] {
        bob.get(&format!("/permission/article/{hidden}?{bad}")).await.is(400);
    }
    let ask = |id: &str, right: &str| json!({"data": [{"right": right, "entity": "article", "id": id}]});
    let answer = bob.post("/permission", ask(&hidden, "read")).await.is(200);
    assert_eq!(answer.json["data"][0]["attributes"], json!({"allowed": false, "phase": null, "line": null}));
    assert_eq!(answer.text.replace(&hidden, missing), bob.post("/permission", ask(missing, "read")).await.is(200).text);
    assert_eq!(
        bob.post("/permission", json!({"data": [{"right": "read", "entity": "memo", "id": missing}]})).await.is(200).json["data"]
            [0]["attributes"]["allowed"],
        false
    );
    assert_eq!(bob.post("/permission", json!({"data": []})).await.is(200).json["data"], json!([]));
    let bad = bob
        .post("/permission", json!({"data": [{"right": "x", "entity": "y"}, 7, {"right": "read", "entity": "tag", "id": {}}]}))
        .await
        .is(422);
    assert_eq!(bad.json["errors"].as_array().map(Vec::len), Some(4));
    bob.post("/permission", json!({"data": {}})).await.is(400);
    let many: Vec<_> = (0..1001).map(|_| json!({"right": "read", "entity": "tag"})).collect();
    bob.post("/permission", json!({"data": many})).await.is(413);
    // mixed: entities and rows, in the order of the questions
    let mine = bob.make("tag", json!({"name": "x"}), json!({})).await;
    let mixed = json!({"data": [{"right": "create", "entity": "tag"}, {"right": "read", "entity": "tag", "id": mine}, {"right": "read", "entity": "tag"}, {"right": "read", "entity": "tag", "id": missing}]});
    let said: Vec<_> = bob.post("/permission", mixed).await.is(200).json["data"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|d| d["attributes"]["line"].clone())
        .collect();
    assert_eq!(said, [json!(4), json!(2), json!(2), json!(null)]);
}

#[tokio::test]
async fn a_refusal_says_why_where_the_project_says_so_and_never_on_404() {
    let open = World::with(|config| config.explain_refusals = true).await;
    let quiet = World::new().await;
    for (world, explains) in [(&open, true), (&quiet, false)] {
        let (ada, bob) = (world.user("ada", &[]).await, world.user("bob", &[]).await);
        let peeked = ada.make("article", json!({"title": "x", "permission": 16256 + 1}), json!({})).await;
        let hidden = ada.make("article", json!({"title": "x", "permission": 16256}), json!({})).await;
        let url = format!("/api/article/{peeked}");
        let why = |answer: crate::house::answer::Answer| answer.json["errors"][0]["meta"]["reason"].clone();
        let reason = |phase: &str, entity: &str, asks: &str| {
            if explains { json!({"phase": phase, "entity": entity, "asks": asks}) } else { json!(null) }
        };
        assert_eq!(why(bob.get(&url).await.is(403)), reason("after instance", "article", "read"));
        assert_eq!(why(world.guest().get("/api/memo").await.is(401)), reason("after entity", "memo", "read"));
        assert_eq!(why(bob.delete(&url).await.is(403)), reason("before instance", "article", "delete"));
        let own = json!({"data": {"type": "article", "id": peeked, "attributes": {"permission": 0}}});
        world.sql(&format!("update article set permission = 16256 + 2 + 8 where id = '{peeked}'")).await;
        assert_eq!(why(bob.patch(&url, own).await.is(403)), reason("before instance", "article", "ownership"));
        assert_eq!(why(bob.get(&format!("/api/article/{hidden}")).await.is(404)), json!(null));
        let refused = bob.act("world/become_an_administrator", json!({"code": "x"})).await;
        assert_eq!(refused.status, 403);
        let publish = bob.act(&format!("article/{peeked}/publish"), json!({})).await.is(403);
        let told = publish.json[0]["Attributes"]["faults"][0]["reason"].clone();
        assert_eq!(told, reason("before entity", "action publish", "execute"));
    }
}
