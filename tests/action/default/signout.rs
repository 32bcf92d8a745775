//! user_account/signout: the caller's session ends, at once, and no other.

use serde_json::json;

use super::*;

#[tokio::test]
async fn c4_signing_out_ends_this_session_to_the_letter() {
    let (world, _smtp) = with_mail().await;
    let twin = world.twin().await;
    let (one, bob) = (signed_up(&world, "ada").await, signed_up(&world, "bob").await);
    let two = sign_in(&world, "ada@example.org", PASSWORD).await.ok().expect("signed in");
    let out = one.act("user_account/signout", json!({})).await.is(200);
    let remove = json!({"ResponseType": "client.store.remove", "Attributes": {"key": "token"}});
    let refresh = json!({"ResponseType": "client.store.remove", "Attributes": {"key": "refresh_token"}});
    assert_eq!(out.json, json!([remove, refresh, success("Logged out"), home()]), "what signing in stored");
    one.get("/api/user_account/mine").await.is(401);
    one.at(&twin).get("/api/user_account/mine").await.is(401);
    for other in [&two, &bob] {
        other.get("/api/user_account/mine").await.is(200);
    }
    assert_eq!(world.sql("select 1 from session where ended_at is not null").await.len(), 1);
}

#[tokio::test]
async fn who_is_not_there_signs_nobody_out() {
    let (world, _smtp) = with_mail().await;
    let (ada, bob) = (signed_up(&world, "ada").await, signed_up(&world, "bob").await);
    let mut forged = world.guest();
    forged.token = ada.token.as_ref().map(|token| format!("{}x", &token[..token.len() - 2]));
    let before = everything(&world).await;
    for nobody in [world.guest(), forged] {
        nobody.act("user_account/signout", json!({})).await.is(200); // what is over is over
    }
    same(&before, &everything(&world).await, "nothing is changed");
    bar(&world, &bob).await;
    bob.act("user_account/signout", json!({})).await.is(200);
    ada.get("/api/user_account/mine").await.is(200);
}

#[tokio::test]
async fn it_takes_nothing() {
    let (world, _smtp) = with_mail().await;
    let ada = signed_up(&world, "ada").await;
    let bob = signed_up(&world, "bob").await;
    hostile::refuses_bad_inputs(&world, &ada, "user_account/signout", &json!({}), &[]).await;
    hostile::takes_no_subject(&world, &ada, "user_account/signout", &json!({})).await;
    for (name, value) in
        [("which", json!("all")), ("user", json!(bob.id)), ("session", json!(NOBODY)), ("session_id", json!(NOBODY))]
    {
        ada.act("user_account/signout", json!({name: value})).await.is(422);
    }
    bob.get("/api/user_account/mine").await.is(200);
    let seen = fifty(&[&ada], "user_account/signout", &json!({})).await;
    assert_eq!(seen, [(200, 50)].into(), "however often");
    ada.get("/api/user_account/mine").await.is(401);
    bob.get("/api/user_account/mine").await.is(200);
}
