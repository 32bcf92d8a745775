//! usergroup/accept_member: who asked to join is let in and told, by whoever may update the group.

use serde_json::json;

use super::*;

#[tokio::test]
async fn who_asked_is_let_in_once_and_told() {
    let (world, mut smtp) = with_mail().await;
    let (ada, bob, eve) = (world.user("ada", &[]).await, world.user("bob", &[]).await, world.user("eve", &[]).await);
    let it = group(&ada, hostile::TEXTS[0], 33).await;
    for who in [&bob, &eve] {
        asked(&world, &it, who).await;
        smtp.letter().await;
    }
    world.sql(&format!("update user_account set name = $name${}$name$ where id = '{}'", hostile::TEXTS[2], bob.id)).await;
    let accept = format!("usergroup/{it}/accept_member");
    let of_bob = json!({"user_account_id": bob.id});
    assert_eq!(fifty(&[&ada], &accept, &of_bob).await, [(200, 1), (404, 49)].into());
    assert_eq!(members(&world, &it).await, [bob.id.to_string()]);
    let letter = smtp.letter().await;
    assert_eq!(letter.to, "bob@example.org");
    let (name, group) = (hostile::TEXTS[2], hostile::TEXTS[0]);
    assert!(
        letter.words().starts_with(&format!("Hello {name},\r\n\r\nyou asked to join {group}, and you are in.")),
        "{}",
        letter.words()
    );
    assert_eq!(world.sql("select 1 from join_request").await.len(), 1, "another's stays");
    let told = ada.act("usergroup/accept_member", json!({"usergroup_id": it, "user_account_id": eve.id})).await.is(200);
    assert_eq!(told.json, json!([success("Member added")]));
    assert_eq!(smtp.letter().await.to, "eve@example.org");
    bob.act(&format!("usergroup/{it}/ask_to_join"), json!({})).await.is(409); // is in
    assert!(smtp.is_empty());
}

#[tokio::test]
async fn nobody_lets_themselves_or_others_in_who_may_not_update_the_group() {
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
    let of_bob = json!({"user_account_id": bob.id});
    let them = [(&world.guest(), 401), (&barred, 401), (&bob, 403), (&member, 403), (&eve, 403)];
    refuses(&world, &format!("usergroup/{it}/accept_member"), &of_bob, &them).await;
    // What one group was asked lets nobody into another.
    refuses(&world, &format!("usergroup/{other}/accept_member"), &of_bob, &[(&eve, 404), (&ada, 403)]).await;
    let refused = ada.act(&format!("usergroup/{it}/accept_member"), json!({"user_account_id": eve.id})).await.is(404);
    assert!(refused.text.contains("This person has not asked"));
    assert!(smtp.is_empty());
}

#[tokio::test]
async fn it_takes_one_group_and_one_person() {
    let (world, mut smtp) = with_mail().await;
    let (ada, bob) = (world.user("ada", &[]).await, world.user("bob", &[]).await);
    let it = group(&ada, "it", 33).await;
    asked(&world, &it, &bob).await;
    smtp.letter().await;
    let (accept, good) = (format!("usergroup/{it}/accept_member"), json!({"user_account_id": bob.id}));
    let inputs = [("user_account_id", hostile::required(hostile::row()))];
    hostile::refuses_bad_inputs(&world, &ada, &accept, &good, &inputs).await;
    hostile::takes_one_subject(&world, &ada, "usergroup/accept_member", &it, &good).await;
    for id in [NOBODY, "x", "", "' or true --", &it] {
        ada.act(&accept, json!({"user_account_id": id})).await.is(404);
    }
    assert!(members(&world, &it).await.is_empty() && smtp.is_empty());
}
