//! Join, leave, add and remove members.

use serde_json::json;

use crate::house::World;

#[tokio::test]
async fn a_group_is_joined_where_it_may_be_and_left_at_will() {
    let world = World::new().await;
    let (ada, bob) = (world.user("ada", &[]).await, world.user("bob", &[]).await);
    let group = ada.make("usergroup", json!({"name": "chess", "permission": 16256 + 35}), json!({})).await;
    bob.act(&format!("usergroup/{group}/join"), json!({})).await.is(403);
    ada.patch(
        &format!("/api/usergroup/{group}"),
        json!({"data": {"type": "usergroup", "id": group, "attributes": {"joinable": true}}}),
    )
    .await
    .is(200);
    world.guest().act(&format!("usergroup/{group}/join"), json!({})).await.is(401);
    let joined = bob.act(&format!("usergroup/{group}/join"), json!({})).await.is(200);
    assert!(joined.text.contains("Joined the group"));
    bob.act("usergroup/join", json!({"usergroup_id": group})).await.is(200);
    assert_eq!(world.sql(&format!("select 1 from \"usergroup.members\" where source = '{group}'")).await.len(), 1);
    bob.act(&format!("usergroup/{group}/leave"), json!({})).await.is(200);
    assert!(world.sql(&format!("select 1 from \"usergroup.members\" where source = '{group}'")).await.is_empty());
    bob.act("usergroup/00000000-0000-7000-8000-000000000001/join", json!({})).await.is(404);
}

#[tokio::test]
async fn members_are_added_by_whoever_may_update_the_group() {
    let world = World::new().await;
    let (ada, bob, eve) = (world.user("ada", &[]).await, world.user("bob", &[]).await, world.user("eve", &[]).await);
    let group = ada.make("usergroup", json!({"name": "chess", "permission": 16256 + 35}), json!({})).await;
    let add = format!("usergroup/{group}/add_member");
    eve.act(&add, json!({"email": "bob@example.org"})).await.is(403);
    ada.act(&add, json!({})).await.is(422);
    ada.act(&add, json!({"email": "bob@example.org", "user_account_id": bob.id.to_string()})).await.is(422);
    ada.act(&add, json!({"email": "nobody@example.org"})).await.is(404);
    ada.act(&add, json!({"user_account_id": bob.id.to_string()})).await.is(403); // an input is never lifted
    ada.act(&add, json!({"email": "bob@example.org"})).await.is(200);
    assert_eq!(ada.get(&format!("/api/usergroup/{group}/relationships/members")).await.is(200).ids(), [bob.id.to_string()]);
    eve.act(&format!("usergroup/{group}/remove_member"), json!({"email": "bob@example.org"})).await.is(403);
    ada.act(&format!("usergroup/{group}/remove_member"), json!({"user_account_id": bob.id.to_string()})).await.is(200);
    assert!(ada.get(&format!("/api/usergroup/{group}/relationships/members")).await.is(200).ids().is_empty());
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
