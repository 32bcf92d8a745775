//! The engine: searches, rows in answers, declared rights, and what an action may tell.

use serde_json::{Value as Json, json};

use crate::house::World;

const ODD: &str = "tests/projects/odd";

#[tokio::test]
async fn a_search_finds_by_the_callers_rule_in_order_and_bounds() {
    let world = World::of(ODD).await;
    let (ada, bob) = (world.user("ada", &[]).await, world.user("bob", &[]).await);
    for select in 1..=4 {
        ada.make("order", json!({"select": select, "from": format!("ada {select}")}), json!({})).await;
    }
    bob.make("order", json!({"select": 9, "from": "bob's", "permission": 16256}), json!({})).await;
    let message = |answer: &Json| answer[0]["Attributes"]["message"].as_str().expect("words").to_owned();
    assert_eq!(message(&ada.act("order/search", json!({})).await.is(200).json), "4 3 ");
    assert_eq!(message(&ada.act("order/search", json!({"above": 3})).await.is(200).json), "4 ");
    assert_eq!(message(&ada.act("order/search", json!({"kind": "largest"})).await.is(200).json), "ada 4", "bob's is not for ada");
    assert_eq!(message(&bob.act("order/search", json!({"kind": "largest"})).await.is(200).json), "bob's");
    let none = ada.act("order/search", json!({"kind": "largest", "above": 4})).await.is(422);
    assert_eq!(message(&none.json), "Nothing above 4");
    let refused = ada.act("order/search", json!({"kind": "smallest"})).await.is(422);
    assert!(message(&refused.json).contains("one of mine, largest"), "{}", refused.text);
    // what may be peeked may be found, but not told
    world.sql("update \"order\" set permission = 1 where \"from\" = 'bob''s'").await;
    ada.act("order/search", json!({"kind": "largest"})).await.is(403);
}

#[tokio::test]
async fn no_way_of_speaking_leads_past_the_rule() {
    let world = World::of(ODD).await;
    let (ada, bob) = (world.user("ada", &[]).await, world.user("bob", &[]).await);
    let make =
        async |from: &str, guest: i32| ada.make("order", json!({"from": from, "permission": 16256 + guest}), json!({})).await;
    let (peeked, readable) = (make("geheim", 1 + 32).await, make("offen", 2 + 32).await);
    for whole in [false, true] {
        let refused = bob.act(&format!("order/{peeked}/whisper"), json!({"whole": whole})).await;
        assert!(!refused.text.contains("geheim") && [200, 403].contains(&refused.status), "{}", refused.text);
        assert!(!refused.text.contains(&ada.id.to_string()), "whose it is is no value of it: {}", refused.text);
        let told = bob.act(&format!("order/{readable}/whisper"), json!({"whole": whole})).await.is(200);
        assert!(told.text.contains("offen"), "{}", told.text);
    }
}

#[tokio::test]
async fn what_was_skipped_is_not_there_and_what_cannot_be_decided_is_refused() {
    let world = World::of(ODD).await;
    let ada = world.user("ada", &[]).await;
    ada.act("order/perhaps", json!({"n": 7})).await.is(404);
    ada.act("order/perhaps", json!({"n": 1})).await.is(409);
    let undecided = ada.act("order/perhaps", json!({"makes": true})).await.is(422);
    assert!(undecided.text.contains("can't be decided"), "{}", undecided.text);
    ada.act("order/perhaps", json!({"makes": true, "n": 7})).await.is(200);
    let misplaced = ada.act("order/perhaps", json!({"links": 7, "n": 7})).await.is(422);
    assert!(misplaced.text.contains("`next` takes a row, its id, or null"), "{}", misplaced.text);
    assert_eq!(world.sql("select 1 from \"order\"").await.len(), 1, "nothing of what was refused");
    // What stands beside the attributes is sent, too.
    let beside = ada.act("order/perhaps", json!({"attributes": {"n": 7, "makes": true}, "x": 1})).await.is(422);
    assert!(beside.text.contains("`x` stands beside"), "{}", beside.text);
    ada.act("order/perhaps", json!({"attributes": {"makes": true}, "n": 7})).await.is(422);
}

#[tokio::test]
async fn a_peeked_value_is_not_served_through_an_actions_template() {
    let world = World::new().await;
    let (ada, bob) = (world.user("ada", &[]).await, world.user("bob", &["editors"]).await);
    // the newsroom's `publish` tells the subject's title
    let make =
        async |group: i32| ada.make("article", json!({"title": "secret title", "permission": 16256 + group}), json!({})).await;
    let (peeked, readable) = (make(16384 + 524_288).await, make(16384 + 32768 + 524_288).await);
    let refused = bob.act(&format!("article/{peeked}/publish"), json!({})).await.is(403);
    assert!(!refused.text.contains("secret title"));
    assert_eq!(world.sql("select 1 from article where status = 'published'").await.len(), 0, "rolled back");
    assert!(bob.act(&format!("article/{readable}/publish"), json!({})).await.is(200).text.contains("Published secret title"));
}

#[tokio::test]
async fn what_is_copied_is_what_may_be_read() {
    let world = World::of(ODD).await;
    let (ada, bob) = (world.user("ada", &[]).await, world.user("bob", &[]).await);
    let make = async |permission: i32| {
        ada.make("order", json!({"from": format!("secret {permission}"), "permission": permission}), json!({})).await
    };
    // guests may execute, refer and peek; or read, too
    let (peeked, readable) = (make(16256 + 32 + 64 + 1).await, make(16256 + 32 + 64 + 2).await);
    let refused = bob.act(&format!("order/{peeked}/copy"), json!({})).await.is(403);
    assert!(!refused.text.contains("secret"), "{}", refused.text);
    let copied = bob.act("order/copy", json!({"order_id": readable})).await.is(200);
    assert_eq!(copied.json[0]["ResponseType"], "order");
    let row = &copied.json[0]["Attributes"];
    assert_eq!(row["attributes"]["from"], format!("secret {}-2", 16256 + 98));
    assert_eq!(row["relationships"]["next"]["data"]["id"], readable);
    assert_eq!(row["relationships"]["owner"]["data"]["id"], bob.id.to_string(), "what was made belongs to the caller");
    // referring asks refer
    let unreferred = make(16256 + 32 + 2).await;
    bob.act(&format!("order/{unreferred}/copy"), json!({})).await.is(403);
    assert_eq!(
        world.sql(&format!("select 1 from \"order\" where owner = '{}'", bob.id)).await.len(),
        1,
        "a failed action leaves no trace"
    );
    bob.act("order/copy", json!({})).await.is(404);
    bob.act("order/copy", json!({"order_id": 7})).await.is(404);
}

#[tokio::test]
async fn a_declared_right_reaches_the_subject_and_no_further() {
    let world = World::of(ODD).await;
    let (ada, bob) = (world.user("ada", &[]).await, world.user("bob", &[]).await);
    let order = ada.make("order", json!({"n": 1, "permission": 16256 + 1 + 32}), json!({})).await;
    let other = ada.make("order", json!({"n": 2, "permission": 16256 + 1}), json!({})).await;
    bob.delete(&format!("/api/order/{order}")).await.is(403);
    bob.act(&format!("order/{other}/discard"), json!({})).await.is(403); // execute on the subject comes first
    world.sql("update world set groups = '{}' where name = 'order'").await;
    bob.act(&format!("order/{order}/discard"), json!({})).await.is(403); // the entity must grant execute
    world.sql("update world set permission = 32 + 1 where name = 'order'").await;
    bob.act(&format!("order/{order}/discard"), json!({})).await.is(200);
    bob.delete(&format!("/api/order/{other}")).await.is(403); // nothing of it outlives the action
    assert_eq!(world.sql("select 1 from \"order\"").await.len(), 1);
}

#[tokio::test]
async fn a_row_that_an_input_names_is_there_only_for_who_may_peek_it() {
    let world = World::of(ODD).await;
    let (ada, bob) = (world.user("ada", &[]).await, world.user("bob", &[]).await);
    let (hidden, peeked) = (
        ada.make("order", json!({"permission": 16256}), json!({})).await,
        ada.make("order", json!({"permission": 16256 + 1}), json!({})).await,
    );
    bob.act("order/point", json!({"other": peeked})).await.is(200);
    let refused = bob.act("order/point", json!({"other": hidden})).await.is(404);
    let missing = bob.act("order/point", json!({"other": "00000000-0000-7000-8000-00000000dead"})).await.is(404);
    assert_eq!(refused.text, missing.text, "what is hidden is not there");
    ada.act("order/point", json!({"other": hidden})).await.is(200);
}

#[tokio::test]
async fn a_search_asks_the_entity_but_for_what_its_action_lifts() {
    let world = World::of(ODD).await;
    let (ada, bob) = (world.user("ada", &[]).await, world.user("bob", &[]).await);
    ada.make("order", json!({"select": 4, "from": "größe", "permission": 16256}), json!({})).await;
    world.sql("update world set permission = 32, groups = '{}', group_bits = null where name = 'order'").await;
    let found = ada.act("order/peak", json!({})).await.is(200);
    assert_eq!(found.json[0]["Attributes"]["message"], "größe");
    bob.act("order/peak", json!({})).await.is(422); // the entity is lifted, no row is
    ada.act("order/search", json!({})).await.is(403);
    ada.get("/api/order").await.is(403);
    world.sql("update world set permission = 0 where name = 'order'").await;
    ada.act("order/peak", json!({})).await.is(403); // nor is execute
}

#[tokio::test]
async fn a_declared_right_is_that_right_of_that_row_and_entity_alone() {
    let world = World::of(ODD).await;
    let (ada, bob) = (world.user("ada", &[]).await, world.user("bob", &[]).await);
    world.sql("update world set permission = 127 where name in ('order', 'a')").await;
    let lent = ada.make("order", json!({"from": "größe", "permission": 16256 + 1 + 32}), json!({})).await; // peek, and execute
    let (hidden, peeked) = (
        ada.make("order", json!({"permission": 16256}), json!({})).await,
        ada.make("order", json!({"permission": 16256 + 1}), json!({})).await,
    );
    let place = ada.make("a", json!({"name": "place"}), json!({})).await;
    let borrow = async |inputs: Json| bob.act(&format!("order/{lent}/borrow"), inputs).await;
    assert_eq!(borrow(json!({})).await.is(200).json[0]["Attributes"]["message"], "größe");
    borrow(json!({"other": peeked})).await.is(200);
    borrow(json!({"other": hidden})).await.is(404); // the subject alone is lifted
    borrow(json!({"place": place})).await.is(200);
    assert_eq!(ada.get(&format!("/api/order/{lent}/where")).await.is(200).ids(), [place.as_str()]);
    borrow(json!({"then": "delete"})).await.is(403);
    borrow(json!({"then": "create", "place": place})).await.is(200); // it may be worked with, and is nobody's to see
    world.sql("update world set permission = 32, groups = '{}', group_bits = null where name = 'order'").await;
    borrow(json!({})).await.is(200);
    borrow(json!({"then": "create"})).await.is(403); // of the entity, too, read and update
    borrow(json!({"then": "delete"})).await.is(403);
    world.sql("update world set permission = 1, groups = '{}', group_bits = null where name = 'a'").await;
    let other = world.sql("insert into a (id, permission, name) values (gen_random_uuid(), 127, 'other') returning id").await;
    borrow(json!({"place": other[0].uuid(0)})).await.is(403); // and of no other: refer is asked of `a`
    assert_eq!(world.sql("select 1 from \"order.where\"").await.len(), 2);
}

#[tokio::test]
async fn the_id_of_a_row_is_told_to_who_may_not_read_it() {
    let world = World::of(ODD).await;
    let (ada, bob) = (world.user("ada", &[]).await, world.user("bob", &[]).await);
    let id = ada.make("order", json!({"permission": 16256 + 1 + 32}), json!({})).await;
    for bits in [127, 1 + 32] {
        world
            .sql(&format!("update world set permission = {bits}, groups = '{{}}', group_bits = null where name = 'order'"))
            .await;
        for who in [&ada, &bob] {
            let named = who.act(&format!("order/{id}/name"), json!({})).await.is(200);
            assert_eq!(named.json[0]["Attributes"]["message"], id);
        }
    }
    ada.get(&format!("/api/order/{id}")).await.is(403);
}

#[tokio::test]
async fn the_list_of_actions_is_one_statement_and_draws_forms() {
    let world = World::of(ODD).await;
    let ada = world.user("ada", &[]).await;
    world.wire.listen();
    let list = ada.get("/actions").await.is(200);
    assert_eq!(world.wire.executed(), 1);
    let search = list.json.as_array().expect("a list").iter().find(|a| a["name"] == "search").expect("there");
    assert_eq!(search["schema"]["properties"]["kind"]["enum"], json!(["mine", "largest"]));
    assert_eq!(search["schema"]["properties"]["above"], json!({"type": "integer", "default": 0}));
    assert_eq!(search["inputs"][0], json!({"name": "kind", "type": "label", "required": false, "default": "mine"}));
    assert_eq!(search["schema"]["additionalProperties"], false);
}

#[tokio::test]
async fn outcomes_for_each_row_and_actions_inside_actions_keep_their_own_checks() {
    let world = World::of("tests/projects/odd").await;
    let (ada, bob) = (world.user("ada", &[]).await, world.user("bob", &[]).await);
    let mut ids = vec![];
    for n in 1..=3 {
        ids.push(ada.make("order", json!({"select": n, "from": format!("x{n}")}), json!({})).await);
    }
    let done = ada.act("order/mark_all", json!({"text": "größe"})).await.is(200);
    let said: Vec<_> =
        done.json.as_array().expect("a list").iter().map(|d| d["Attributes"]["message"].as_str().expect("text")).collect();
    assert_eq!(said, ["größe 1", "größe 2", "größe 3", "Marked all"], "in order, those of the called ones among them");
    let rows = ada.get("/api/order?sort=select").await.is(200);
    assert_eq!(rows.all("n"), [Json::Null, json!(2), json!(3)]);
    // What fails inside fails as a whole: an input of the called action, or a row that its caller may not change there.
    ada.act("order/mark_all", json!({"text": "x".repeat(30)})).await.is(422);
    let shared = ada.make("order", json!({"select": 4, "from": "y", "permission": 16256 | 2 | 32}), json!({})).await;
    bob.act("order/mark_all", json!({"text": "z"})).await.is(403); // the outer action's rights are not the inner one's
    assert_eq!(ada.get(&format!("/api/order/{shared}")).await.json["data"]["attributes"]["n"], Json::Null, "nothing of it stays");
    let nothing = world.user("eve", &[]).await.act("order/quiet", json!({})).await.is(200);
    assert_eq!(nothing.json[0]["Attributes"]["title"], "Success", "[] is never an answer");
    ada.act("order/again", json!({})).await.is(422);
    assert!(ada.get("/api/order?filter[k0]=again").await.ids().is_empty());
    _ = ids;
}

#[tokio::test]
async fn a_safe_action_is_called_by_get_and_writes_nothing() {
    let world = World::of("tests/projects/odd").await;
    let ada = world.user("ada", &[]).await;
    for n in 1..=3 {
        ada.make("order", json!({"select": n, "permission": if n == 3 { 16258 } else { 16256 }}), json!({})).await;
    }
    let got = ada.get("/action/order/above?above=1&exact=true").await.is(200);
    assert_eq!(got.json.as_array().map(Vec::len), Some(3), "{}", got.text);
    assert_eq!(got.json[2]["Attributes"]["message"], "1 true");
    assert_eq!(ada.act("order/above", json!({"above": 1})).await.is(200).json.as_array().map(Vec::len), Some(3));
    assert_eq!(ada.get("/action/order/above").await.is(200).json.as_array().map(Vec::len), Some(4));
    world.guest().get("/action/order/above").await.is(401); // guests may not use the entity
    let bad = ada.get("/action/order/above?above=x&nothing=1").await.is(422);
    assert_eq!(bad.json[0]["Attributes"]["faults"].as_array().map(Vec::len), Some(2));
    assert_eq!(ada.get("/action/order/mark_all?text=x").await.is(405).header("allow"), "POST");
    ada.get("/action/order/nothing").await.is(404);
    let listed = ada.get("/actions").await.is(200);
    let safe: Vec<_> =
        listed.json.as_array().expect("a list").iter().filter(|a| a["safe"] == true).map(|a| a["name"].clone()).collect();
    assert_eq!(safe, ["above", "show"]);
    let id = ada.make("order", json!({"select": 9, "permission": 16256}), json!({})).await;
    let shown = ada.get(&format!("/action/order/{id}/show")).await.is(200);
    assert_eq!(shown.json[0]["Attributes"]["attributes"]["select"], 9, "{}", shown.text);
    world.user("eve", &[]).await.get(&format!("/action/order/{id}/show")).await.is(404);
    let document = ada.get("/openapi.json").await.is(200);
    assert!(document.json["paths"]["/action/order/above"]["get"].is_object());
    // what they may not execute isn't listed: by the action's own row, and by its entity's
    let listed = async || ada.get("/actions").await.is(200).text.contains("One order, for whoever may read it.");
    assert!(listed().await);
    world.sql("update action set permission = 0, groups = '{}' where name = 'show'").await;
    assert!(!listed().await);
    world.sql("update action set permission = 32 where name = 'show'").await;
    assert!(listed().await);
    world.sql("update world set permission = 0, groups = '{}' where name = 'order'").await;
    assert!(!listed().await);
}
