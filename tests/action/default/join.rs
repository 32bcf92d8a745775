//! usergroup/join: into a group that says that it may be joined.

use serde_json::json;

use super::*;

/// Everybody who is signed in may peek, read and execute it.
const OPEN: i64 = 35;

async fn let_all_in(world: &World, group: &str) {
    world.sql(&format!("update usergroup set joinable = true where id = '{group}'")).await;
}

#[tokio::test]
async fn a_group_is_joined_where_it_may_be() {
    let (world, smtp) = with_mail().await;
    let (ada, bob, eve) = (world.user("ada", &[]).await, world.user("bob", &[]).await, world.user("eve", &[]).await);
    let chess = group(&ada, "chess", OPEN).await;
    let join = format!("usergroup/{chess}/join");
    refuses(&world, &join, &json!({}), &[(&bob, 403), (&world.guest(), 401)]).await;
    let opened = json!({"data": {"type": "usergroup", "id": chess, "attributes": {"joinable": true}}});
    ada.patch(&format!("/api/usergroup/{chess}"), opened).await.is(200);
    assert_eq!(bob.act(&join, json!({})).await.is(200).json, json!([success("Joined the group")]));
    bob.act("usergroup/join", json!({"usergroup_id": chess})).await.is(200); // once is enough
    assert_eq!(members(&world, &chess).await, [bob.id.to_string()]);
    assert_eq!(fifty(&[&eve], &join, &json!({})).await, [(200, 50)].into());
    assert_eq!(members(&world, &chess).await.len(), 2, "each once");
    assert!(smtp.is_empty());
}

#[tokio::test]
async fn nobody_joins_what_is_not_theirs_to_join() {
    let (world, _smtp) = with_mail().await;
    let (ada, bob, barred) = (world.user("ada", &[]).await, world.user("bob", &[]).await, world.user("barred", &[]).await);
    bar(&world, &barred).await;
    let (open, hidden, seen) = (group(&ada, "open", OPEN).await, group(&ada, "hidden", 0).await, group(&ada, "seen", 3).await);
    for it in [&open, &hidden, &seen] {
        let_all_in(&world, it).await;
    }
    for (it, who, status) in [(&open, &world.guest(), 401), (&open, &barred, 401), (&hidden, &bob, 404), (&seen, &bob, 403)] {
        refuses(&world, &format!("usergroup/{it}/join"), &json!({}), &[(who, status)]).await;
    }
    // Nobody becomes an administrator by joining, whatever somebody did to that group.
    world.sql("update usergroup set joinable = true, permission = 2097151 where declared").await;
    let admins = world.sql("select id::text from usergroup where declared and name = 'administrators'").await;
    let admins = admins[0].text(0).expect("an id");
    refuses(&world, &format!("usergroup/{admins}/join"), &json!({}), &[(&bob, 403), (&ada, 403), (&world.guest(), 401)]).await;
}

#[tokio::test]
async fn it_takes_a_group_and_nothing_else() {
    let (world, _smtp) = with_mail().await;
    let (ada, bob) = (world.user("ada", &[]).await, world.user("bob", &[]).await);
    let chess = group(&ada, "chess", OPEN).await;
    let_all_in(&world, &chess).await;
    hostile::refuses_bad_inputs(&world, &bob, &format!("usergroup/{chess}/join"), &json!({}), &[]).await;
    hostile::takes_one_subject(&world, &bob, "usergroup/join", &chess, &json!({})).await;
    bob.act(&format!("usergroup/{chess}/join"), json!({"user_account_id": ada.id})).await.is(422); // oneself alone
}
