//! user_account/undo_email_change: the way back for who was robbed, by the token that the old address was sent.

use serde_json::json;

use super::hostile::{self, required};
use super::*;

const UNDO: &str = "user_account/undo_email_change";

#[tokio::test]
async fn v11_the_old_address_takes_the_account_back() {
    let (world, mut smtp) = with_mail().await;
    let (ada, bob) = (signed_up(&world, "ada").await, signed_up(&world, "bob").await);
    let guest = world.guest();
    ada.act("user_account/change_email", json!({"email": "new@example.org", "password": PASSWORD})).await.is(200);
    guest.act("user_account/confirm_email_change", json!({"token": smtp.letter().await.token()})).await.is(200);
    let link = smtp.letter().await.token();
    guest.get(&format!("/action/{UNDO}?token={link}")).await.is(405); // a GET never spends it
    let done = guest.act(UNDO, json!({"token": link})).await.is(200);
    let said = "The old address is back. A letter with a link to a new password is on its way.";
    assert_eq!(done.json, json!([success(said)]));
    ada.get("/api/user_account/mine").await.is(401);
    bob.get("/api/user_account/mine").await.is(200);
    for email in ["new@example.org", "ada@example.org"] {
        assert!(sign_in(&world, email, PASSWORD).await.is_err(), "who changed it may know the password");
    }
    let letter = smtp.letter().await;
    assert_eq!((letter.to.as_str(), letter.header("Subject").as_str()), ("ada@example.org", "Set a new password"));
    guest.act("user_account/reset_password", choose(&letter.token(), "battery staple")).await.is(200);
    assert!(sign_in(&world, "ada@example.org", "battery staple").await.is_ok());
    guest.act(UNDO, json!({"token": link})).await.is(422);
    assert!(smtp.is_empty());
}

#[tokio::test]
async fn v11_whoever_took_an_account_cannot_close_the_way_back() {
    let (world, mut smtp) = with_mail().await;
    let mut thief = signed_up(&world, "ada").await;
    let guest = world.guest();
    let mut back = String::new();
    for email in ["evil@example.org", "evil2@example.org"] {
        thief.act("user_account/change_email", json!({"email": email, "password": PASSWORD})).await.is(200);
        guest.act("user_account/confirm_email_change", json!({"token": smtp.letter().await.token()})).await.is(200);
        let told = smtp.letter().await;
        if told.to == "ada@example.org" {
            back = told.token();
        }
    }
    let change = json!({"current": PASSWORD, "password": "evil and long", "passwordConfirm": "evil and long"});
    thief.act("user_account/change_password", change).await.is(200);
    guest.act("user_account/request_password_reset", json!({"email": "evil2@example.org"})).await.is(200);
    guest.act("user_account/reset_password", choose(&smtp.letter().await.token(), "evil and longer")).await.is(200);
    thief = sign_in(&world, "evil2@example.org", "evil and longer").await.ok().expect("signed in");
    guest.act(UNDO, json!({"token": back})).await.is(200);
    thief.get("/api/user_account/mine").await.is(401);
    for password in [PASSWORD, "evil and long", "evil and longer"] {
        assert!(sign_in(&world, "ada@example.org", password).await.is_err(), "no password is good any more");
    }
    let letter = smtp.letter().await;
    assert_eq!(letter.to, "ada@example.org");
    guest.act("user_account/reset_password", choose(&letter.token(), "owner is back")).await.is(200);
    assert!(sign_in(&world, "ada@example.org", "owner is back").await.is_ok());
}

#[tokio::test]
async fn an_address_that_is_somebodys_by_now_is_not_taken_from_them() {
    let (world, smtp) = with_mail().await;
    let (ada, bob) = (signed_up(&world, "ada").await, signed_up(&world, "bob").await);
    let link = token(&world, &ada, "undo_email_change", "bob@example.org", None).await;
    refuses(&world, UNDO, &json!({"token": link}), &[(&world.guest(), 409), (&bob, 409)]).await;
    bar(&world, &ada).await;
    let other = token(&world, &ada, "undo_email_change", "old@example.org", None).await;
    refuses(&world, UNDO, &json!({"token": other}), &[(&world.guest(), 422), (&bob, 422)]).await; // barred stays barred
    assert!(smtp.is_empty());
    let link = token(&world, &bob, "undo_email_change", "old@example.org", None).await;
    let seen = fifty(&[&world.guest(), &bob], UNDO, &json!({"token": link})).await;
    assert_eq!(seen, [(200, 1), (422, 49)].into(), "good once");
}

#[tokio::test]
async fn what_is_no_way_back_leads_nowhere() {
    let (world, smtp) = with_mail().await;
    let ada = signed_up(&world, "ada").await;
    let good = json!({"token": token(&world, &ada, "undo_email_change", "new@example.org", None).await});
    hostile::refuses_bad_inputs(&world, &world.guest(), UNDO, &good, &[("token", required(hostile::line(100)))]).await;
    hostile::takes_no_subject(&world, &ada, UNDO, &good).await;
    hostile::refuses_other_tokens(&world, &ada, UNDO, "undo_email_change", &ada, |token| json!({"token": token})).await;
    ada.get("/api/user_account/mine").await.is(200);
    assert!(smtp.is_empty());
}
