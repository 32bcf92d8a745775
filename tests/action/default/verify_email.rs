//! user_account/verify_email: the address is its person's, by the token of a letter.

use serde_json::json;

use super::hostile::{self, required};
use super::*;

const VERIFY: &str = "user_account/verify_email";

#[tokio::test]
async fn an_address_is_proved_by_who_reads_its_mail() {
    let (world, mut smtp) = with_mail().await;
    let (ada, bob) = (world.user("ada", &[]).await, world.user("bob", &[]).await);
    ada.act("user_account/request_email_verification", json!({})).await.is(200);
    let token = smtp.letter().await.token();
    world.guest().get(&format!("/action/{VERIFY}?token={token}")).await.is(405); // a GET never spends it
    assert_eq!(mine(&ada, "email_verified").await, false);
    let done = bob.act(VERIFY, json!({"token": token})).await.is(200); // on another's machine
    assert_eq!(done.json, json!([success("Address confirmed")]));
    assert_eq!((mine(&ada, "email_verified").await, mine(&bob, "email_verified").await), (json!(true), json!(false)));
    world.guest().act(VERIFY, json!({"token": token})).await.is(422);
    assert!(smtp.is_empty());
}

#[tokio::test]
async fn after_the_address_changed_it_proves_nothing() {
    let (world, _smtp) = with_mail().await;
    let (ada, admin) = (world.user("ada", &[]).await, world.administrator().await);
    let old = token(&world, &ada, "verify_email", "", None).await;
    let moved = json!({"data": {"type": "user_account", "id": ada.id, "attributes": {"email": "moved@example.org"}}});
    admin.patch(&format!("/api/user_account/{}", ada.id), moved).await.is(200);
    refuses(&world, VERIFY, &json!({"token": old}), &[(&world.guest(), 422), (&ada, 422), (&admin, 422)]).await;
    let barred = world.user("barred", &[]).await;
    let link = token(&world, &barred, "verify_email", "", None).await;
    bar(&world, &barred).await;
    refuses(&world, VERIFY, &json!({"token": link}), &[(&world.guest(), 422), (&barred, 422)]).await;
    let link = token(&world, &ada, "verify_email", "", None).await;
    let seen = fifty(&[&world.guest(), &ada], VERIFY, &json!({"token": link})).await;
    assert_eq!(seen, [(200, 1), (422, 49)].into(), "good once");
}

#[tokio::test]
async fn what_is_no_token_of_an_address_proves_nothing() {
    let (world, _smtp) = with_mail().await;
    let ada = world.user("ada", &[]).await;
    let good = json!({"token": token(&world, &ada, "verify_email", "", None).await});
    hostile::refuses_bad_inputs(&world, &ada, VERIFY, &good, &[("token", required(hostile::line(100)))]).await;
    hostile::takes_no_subject(&world, &ada, VERIFY, &good).await;
    hostile::refuses_other_tokens(&world, &ada, VERIFY, "verify_email", &ada, |token| json!({"token": token})).await;
    assert_eq!(mine(&ada, "email_verified").await, false);
}
