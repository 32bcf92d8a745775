//! usergroup/leave: out of a group, which a person may always.

use serde_json::json;

use super::*;

#[tokio::test]
async fn a_member_leaves_at_will() {
    let (world, smtp) = with_mail().await;
    let (ada, bob, eve) = (world.user("ada", &[]).await, world.user("bob", &[]).await, world.user("eve", &[]).await);
    let chess = group(&ada, "chess", 35).await;
    for who in [&bob, &eve] {
        put_in(&world, &chess, who).await;
    }
    let leave = format!("usergroup/{chess}/leave");
    assert_eq!(bob.act(&leave, json!({})).await.is(200).json, json!([success("Left the group")]));
    assert_eq!(members(&world, &chess).await, [eve.id.to_string()]);
    let before = contents(&world).await;
    bob.act("usergroup/leave", json!({"usergroup_id": chess})).await.is(200); // is out already
    same(&before, &contents(&world).await, "and nobody else went");
    assert_eq!(fifty(&[&eve], &leave, &json!({})).await, [(200, 50)].into());
    assert!(members(&world, &chess).await.is_empty() && smtp.is_empty());
}

#[tokio::test]
async fn a_member_of_a_group_of_the_usual_kind_leaves_it_too() {
    let (world, _smtp) = with_mail().await;
    let (ada, bob, eve) = (world.user("ada", &[]).await, world.user("bob", &[]).await, world.user("eve", &[]).await);
    // Its permission is the default: its owner does everything, its members read.
    let usual = ada.make("usergroup", json!({"name": "usual"}), json!({})).await;
    put_in(&world, &usual, &bob).await;
    let leave = format!("usergroup/{usual}/leave");
    refuses(&world, &leave, &json!({}), &[(&eve, 404)]).await;
    bob.act(&leave, json!({})).await.is(200);
    assert!(members(&world, &usual).await.is_empty());
}

#[tokio::test]
async fn nobody_is_made_to_leave_and_the_last_administrator_stays() {
    let (world, _smtp) = with_mail().await;
    let (ada, bob, barred) = (world.user("ada", &[]).await, world.user("bob", &[]).await, world.user("barred", &[]).await);
    let chess = group(&ada, "chess", 35).await;
    for who in [&bob, &barred] {
        put_in(&world, &chess, who).await;
    }
    bar(&world, &barred).await;
    let leave = format!("usergroup/{chess}/leave");
    refuses(&world, &leave, &json!({}), &[(&world.guest(), 401), (&barred, 401)]).await;
    refuses(&world, &leave, &json!({"user_account_id": bob.id}), &[(&ada, 422)]).await;
    hostile::refuses_bad_inputs(&world, &bob, &leave, &json!({}), &[]).await;
    hostile::takes_one_subject(&world, &bob, "usergroup/leave", &chess, &json!({})).await;
    let admin = world.administrator().await;
    let admins = world.sql("select id::text from usergroup where declared and name = 'administrators'").await;
    let leave = format!("usergroup/{}/leave", admins[0].text(0).expect("an id"));
    refuses(&world, &leave, &json!({}), &[(&admin, 409)]).await;
    world.user("other", &["administrators"]).await;
    admin.act(&leave, json!({})).await.is(200);
    admin.get("/metrics").await.is(403);
}
