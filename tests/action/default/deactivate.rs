//! user_account/deactivate: an account is barred, and its sessions end. For administrators.

use serde_json::json;

use super::*;

const NAME: &str = "user_account/deactivate";

fn of(who: &Someone<'_>) -> String {
    format!("user_account/{}/deactivate", who.id)
}

#[tokio::test]
async fn who_is_barred_is_out_at_once_and_for_good() {
    let (world, smtp) = with_mail().await;
    let twin = world.twin().await;
    let (admin, ada, bob) = (world.administrator().await, signed_up(&world, "ada").await, signed_up(&world, "bob").await);
    let links = [
        token(&world, &ada, "reset_password", "", None).await,
        token(&world, &ada, "change_email", "new@example.org", None).await,
        token(&world, &ada, "undo_email_change", "old@example.org", None).await,
    ];
    assert_eq!(admin.act(&of(&ada), json!({})).await.is(200).json, json!([success("Deactivated")]));
    ada.get("/api/user_account/mine").await.is(401);
    ada.at(&twin).get("/api/user_account/mine").await.is(401);
    assert!(sign_in(&world, "ada@example.org", PASSWORD).await.is_err());
    bob.get("/api/user_account/mine").await.is(200);
    admin.act(NAME, json!({"user_account_id": ada.id})).await.is(200); // it is done already
    // Who is let in again signs in again: what was open is over.
    admin.act(&format!("user_account/{}/activate", ada.id), json!({})).await.is(200);
    ada.get("/api/user_account/mine").await.is(401);
    world.guest().act("user_account/reset_password", choose(&links[0], "battery staple")).await.is(422);
    world.guest().act("user_account/confirm_email_change", json!({"token": links[1]})).await.is(422);
    world.guest().act("user_account/undo_email_change", json!({"token": links[2]})).await.is(422);
    assert!(sign_in(&world, "ada@example.org", PASSWORD).await.is_ok());
    assert!(smtp.is_empty());
}

#[tokio::test]
async fn nobody_bars_others_or_themselves_but_administrators() {
    let (world, _smtp) = with_mail().await;
    let (admin, ada, bob) = (world.administrator().await, world.user("ada", &[]).await, world.user("bob", &["editors"]).await);
    let barred = world.user("barred", &["administrators"]).await;
    bar(&world, &barred).await;
    for victim in [&ada, &bob, &admin] {
        refuses(&world, &of(victim), &json!({}), &[(&world.guest(), 401), (&ada, 403), (&bob, 403), (&barred, 401)]).await;
    }
    hostile::refuses_bad_inputs(&world, &admin, &of(&ada), &json!({}), &[]).await;
    hostile::takes_one_subject(&world, &admin, NAME, &ada.id.to_string(), &json!({})).await;
    for (name, value) in [("active", json!(true)), ("user_account", json!(bob.id))] {
        admin.act(&of(&ada), json!({name: value})).await.is(422);
    }
}

#[tokio::test]
async fn the_last_administrator_stays_also_of_two_who_bar_each_other() {
    let (world, _smtp) = with_mail().await;
    let admin = world.administrator().await;
    let last = admin.act(&of(&admin), json!({})).await.is(409);
    assert_eq!(last.json[0]["Attributes"]["faults"][0]["code"], "last-administrator");
    for round in 0..8 {
        let (one, other) = (format!("one{round}"), format!("other{round}"));
        let (one, other) = (world.user(&one, &["administrators"]).await, world.user(&other, &["administrators"]).await);
        world.sql(&format!("update user_account set active = id in ('{}', '{}')", one.id, other.id)).await;
        let (of_one, of_other) = (of(&one), of(&other));
        let both = tokio::join!(one.act(&of_other, json!({})), other.act(&of_one, json!({})));
        assert!(both.0.status == 200 || both.1.status == 200, "{} {}", both.0.text, both.1.text);
        assert_eq!(world.sql("select 1 from user_account where active").await.len(), 1, "one of them");
    }
}
