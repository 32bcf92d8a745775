//! user_account/change_email: a link to the new address; until it is used the old one stays.

use serde_json::json;

use super::hostile::{self, required, secret};
use super::*;

const CHANGE: &str = "user_account/change_email";

fn to(email: &str) -> Json {
    json!({"email": email, "password": PASSWORD})
}

#[tokio::test]
async fn v11_the_new_address_is_written_to_and_the_old_one_stays() {
    let (world, mut smtp) = with_mail().await;
    let (ada, _bob) = (signed_up(&world, "ada").await, signed_up(&world, "bob").await);
    let said = json!([success("A letter is on its way to the new address")]);
    // That it is somebody's already is told to that somebody alone.
    for email in ["new@example.org", "bob@example.org", "{{caller.name}}%'--@example.org"] {
        assert_eq!(ada.act(CHANGE, to(email)).await.is(200).json, said);
        let letter = smtp.letter().await;
        assert_eq!((letter.to.as_str(), letter.header("Subject").as_str()), (email, "Confirm your new address"));
        assert!(letter.words().contains("https://front.example/confirm_email_change?token="));
    }
    assert_eq!(mine(&ada, "email").await, "ada@example.org");
    assert!(sign_in(&world, "ada@example.org", PASSWORD).await.is_ok(), "usable meanwhile");
    assert!(sign_in(&world, "new@example.org", PASSWORD).await.is_err());
    let newest = world.sql("select data from rowhouse.token where purpose = 'change_email'").await;
    assert_eq!((newest.len(), newest[0].text(0)), (1, Some("{{caller.name}}%'--@example.org")), "the newest alone is good");
    assert!(smtp.is_empty());
}

#[tokio::test]
async fn only_who_knows_the_password_asks_for_it() {
    let (world, smtp) = with_mail().await;
    let (ada, bob, barred) = (signed_up(&world, "ada").await, signed_up(&world, "bob").await, signed_up(&world, "cyd").await);
    bar(&world, &barred).await;
    let without = world.user("dan", &[]).await;
    refuses(&world, CHANGE, &to("new@example.org"), &[(&world.guest(), 401), (&barred, 401), (&without, 401)]).await;
    refuses(&world, CHANGE, &json!({"email": "new@example.org", "password": "wrong"}), &[(&ada, 401), (&bob, 401)]).await;
    for _ in 0..5 {
        ada.act(CHANGE, json!({"email": "new@example.org", "password": "wrong"})).await.is(401);
    }
    refuses(&world, CHANGE, &to("new@example.org"), &[(&ada, 401)]).await; // counted as those of a sign-in are
    assert!(smtp.is_empty());
}

#[tokio::test]
async fn what_is_no_address_is_not_written_to() {
    let (world, smtp) = with_mail().await;
    let ada = signed_up(&world, "ada").await;
    let inputs = [("email", required(hostile::address())), ("password", required(secret()))];
    hostile::refuses_bad_inputs(&world, &ada, CHANGE, &to("new@example.org"), &inputs).await;
    hostile::takes_no_subject(&world, &ada, CHANGE, &to("new@example.org")).await;
    assert!(smtp.is_empty());
}
