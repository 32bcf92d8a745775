//! user_account/confirm_email_change: the switch to the address that the token was sent to; the old one is told.

use serde_json::json;

use super::hostile::{self, required};
use super::*;

const CONFIRM: &str = "user_account/confirm_email_change";

#[tokio::test]
async fn v11_the_address_is_switched_and_the_old_one_told() {
    let (world, mut smtp) = with_mail().await;
    let (ada, bob) = (signed_up(&world, "ada").await, signed_up(&world, "bob").await);
    let forgotten = token(&world, &ada, "reset_password", "", None).await;
    ada.act("user_account/change_email", json!({"email": "New@example.org", "password": PASSWORD})).await.is(200);
    let link = smtp.letter().await.token();
    bob.get(&format!("/action/{CONFIRM}?token={link}")).await.is(405); // a GET never spends it
    let done = world.guest().act(CONFIRM, json!({"token": link})).await.is(200);
    assert_eq!(done.json, json!([success("Address changed")]));
    assert_eq!((mine(&ada, "email").await, mine(&ada, "email_verified").await), (json!("New@example.org"), json!(true)));
    assert_eq!(mine(&bob, "email").await, "bob@example.org");
    let told = smtp.letter().await;
    assert_eq!((told.to.as_str(), told.header("Subject").as_str()), ("ada@example.org", "Your address was changed"));
    assert!(told.words().contains("your address is New@example.org from now on"));
    assert!(told.words().contains("https://front.example/undo_email_change?token="));
    let week =
        "select 1 from rowhouse.token where purpose = 'undo_email_change' and expires_at > now() + interval '10079 minutes'";
    assert_eq!(world.sql(week).await.len(), 1);
    assert!(sign_in(&world, "new@example.org", PASSWORD).await.is_ok());
    assert!(sign_in(&world, "ada@example.org", PASSWORD).await.is_err());
    world.guest().act("user_account/reset_password", choose(&forgotten, "battery staple")).await.is(422); // sent to the old one
    world.guest().act(CONFIRM, json!({"token": link})).await.is(422);
    assert!(smtp.is_empty());
}

#[tokio::test]
async fn an_address_that_is_somebodys_by_now_is_not_taken() {
    let (world, smtp) = with_mail().await;
    let (ada, bob) = (signed_up(&world, "ada").await, signed_up(&world, "bob").await);
    let link = token(&world, &ada, "change_email", "BOB@example.org", None).await;
    refuses(&world, CONFIRM, &json!({"token": link}), &[(&world.guest(), 409), (&ada, 409), (&bob, 409)]).await;
    assert_eq!(mine(&bob, "email").await, "bob@example.org");
    assert!(smtp.is_empty(), "nobody is told of what didn't happen");
}

#[tokio::test]
async fn what_was_asked_for_is_over_once_something_changed() {
    let (world, _smtp) = with_mail().await;
    let admin = world.administrator().await;
    for what in ["password", "address", "barred", "barred and let in"] {
        let name = what.replace(' ', "");
        let ada = signed_up(&world, &name).await;
        let link = token(&world, &ada, "change_email", "new@example.org", None).await;
        match what {
            "password" => {
                let change = json!({"current": PASSWORD, "password": "battery staple", "passwordConfirm": "battery staple"});
                ada.act("user_account/change_password", change).await.is(200);
            }
            "address" => {
                let moved = json!({"data": {"type": "user_account", "id": ada.id, "attributes": {"email": "moved@example.org"}}});
                admin.patch(&format!("/api/user_account/{}", ada.id), moved).await.is(200);
            }
            "barred" => bar(&world, &ada).await,
            _ => {
                for deed in ["deactivate", "activate"] {
                    admin.act(&format!("user_account/{}/{deed}", ada.id), json!({})).await.is(200);
                }
            }
        }
        refuses(&world, CONFIRM, &json!({"token": link}), &[(&world.guest(), 422), (&admin, 422)]).await;
    }
    let ada = signed_up(&world, "ada").await;
    let link = token(&world, &ada, "change_email", "new@example.org", None).await;
    let seen = fifty(&[&world.guest(), &ada], CONFIRM, &json!({"token": link})).await;
    assert_eq!(seen, [(200, 1), (422, 49)].into(), "good once");
}

#[tokio::test]
async fn what_is_no_token_of_a_new_address_switches_nothing() {
    let (world, smtp) = with_mail().await;
    let ada = signed_up(&world, "ada").await;
    let good = json!({"token": token(&world, &ada, "change_email", "new@example.org", None).await});
    hostile::refuses_bad_inputs(&world, &world.guest(), CONFIRM, &good, &[("token", required(hostile::line(100)))]).await;
    hostile::takes_no_subject(&world, &ada, CONFIRM, &good).await;
    hostile::refuses_other_tokens(&world, &ada, CONFIRM, "change_email", &ada, |token| json!({"token": token})).await;
    assert_eq!(mine(&ada, "email").await, "ada@example.org");
    assert!(smtp.is_empty());
}
