//! usergroup/decline_member: who asked to join is turned down, by whoever may update the group.

use serde_json::json;

use super::*;

#[tokio::test]
async fn who_asked_is_turned_down_and_may_ask_again() {
    let (world, mut smtp) = with_mail().await;
    let (ada, bob, eve) = (world.user("ada", &[]).await, world.user("bob", &[]).await, world.user("eve", &[]).await);
    let it = group(&ada, "it", 33).await;
    for who in [&bob, &eve] {
        asked(&world, &it, who).await;
        smtp.letter().await;
    }
    let (decline, of_bob) = (format!("usergroup/{it}/decline_member"), json!({"user_account_id": bob.id}));
    let told = ada.act("usergroup/decline_member", json!({"usergroup_id": it, "user_account_id": eve.id})).await.is(200);
    assert_eq!(told.json, json!([success("Turned down")]));
    assert_eq!(world.sql(&format!("select 1 from join_request where person = '{}'", bob.id)).await.len(), 1, "another's stays");
    assert_eq!(fifty(&[&ada], &decline, &of_bob).await, [(200, 1), (404, 49)].into());
    assert!(world.sql("select 1 from join_request").await.is_empty() && members(&world, &it).await.is_empty());
    ada.act(&format!("usergroup/{it}/accept_member"), of_bob).await.is(404);
    assert!(smtp.is_empty(), "who is turned down isn't written to");
    asked(&world, &it, &bob).await;
    assert_eq!(smtp.letter().await.to, "ada@example.org");
}

#[tokio::test]
async fn nobody_turns_others_down_who_may_not_update_the_group() {
    let (world, mut smtp) = with_mail().await;
    let (ada, bob, eve) = (world.user("ada", &[]).await, world.user("bob", &[]).await, world.user("eve", &[]).await);
    let (member, barred) = (world.user("member", &[]).await, world.user("barred", &[]).await);
    let (it, other) = (group(&ada, "it", 33).await, group(&eve, "other", 33).await);
    for who in [&member, &barred] {
        put_in(&world, &it, who).await;
    }
    bar(&world, &barred).await;
    asked(&world, &it, &bob).await;
    smtp.letter().await;
    let (decline, of_bob) = (format!("usergroup/{it}/decline_member"), json!({"user_account_id": bob.id}));
    let them = [(&world.guest(), 401), (&barred, 401), (&member, 403), (&eve, 403), (&bob, 403)];
    refuses(&world, &decline, &of_bob, &them).await;
    refuses(&world, &format!("usergroup/{other}/decline_member"), &of_bob, &[(&eve, 404)]).await;
    hostile::refuses_bad_inputs(&world, &ada, &decline, &of_bob, &[("user_account_id", hostile::required(hostile::row()))]).await;
    hostile::takes_one_subject(&world, &ada, "usergroup/decline_member", &it, &of_bob).await;
    for id in [NOBODY, "x", "", "' or true --", &it, &eve.id.to_string()] {
        ada.act(&decline, json!({"user_account_id": id})).await.is(404);
    }
    assert!(smtp.is_empty());
}
