//! user_account/change_password: a new password, for who knows the old one; all other sessions and links end.

use serde_json::json;

use super::hostile::{self, required, secret};
use super::*;

fn change(current: &str, password: &str) -> Json {
    json!({"current": current, "password": password, "passwordConfirm": password})
}

const NEW: &str = "battery staple";

#[tokio::test]
async fn v9_a_new_password_ends_everything_but_this_session() {
    let (world, smtp) = with_mail().await;
    let (one, bob) = (signed_up(&world, "ada").await, signed_up(&world, "bob").await);
    let two = sign_in(&world, "ada@example.org", PASSWORD).await.ok().expect("signed in");
    let links = [
        token(&world, &one, "reset_password", "", None).await,
        token(&world, &one, "change_email", "new@example.org", None).await,
        token(&world, &one, "verify_email", "", None).await,
    ];
    let done = one.act("user_account/change_password", change(PASSWORD, NEW)).await.is(200);
    assert_eq!(done.json, json!([success("Password changed")]));
    two.get("/api/user_account/mine").await.is(401);
    for still in [&one, &bob] {
        still.get("/api/user_account/mine").await.is(200);
    }
    assert!(sign_in(&world, "ada@example.org", PASSWORD).await.is_err());
    assert!(sign_in(&world, "ada@example.org", NEW).await.is_ok());
    assert!(sign_in(&world, "bob@example.org", PASSWORD).await.is_ok(), "nobody else's");
    world.guest().act("user_account/reset_password", choose(&links[0], "yet another one")).await.is(422);
    world.guest().act("user_account/confirm_email_change", json!({"token": links[1]})).await.is(422);
    world.guest().act("user_account/verify_email", json!({"token": links[2]})).await.is(422);
    assert!(smtp.is_empty());
}

#[tokio::test]
async fn only_who_knows_the_password_of_their_own_account_changes_it() {
    let (world, _smtp) = with_mail().await;
    let (ada, bob, barred) = (signed_up(&world, "ada").await, signed_up(&world, "bob").await, signed_up(&world, "cyd").await);
    bar(&world, &barred).await;
    let without = world.user("dan", &[]).await; // who was invited, and has none
    let good = change(PASSWORD, NEW);
    refuses(&world, "user_account/change_password", &good, &[(&world.guest(), 401), (&barred, 401), (&without, 401)]).await;
    refuses(&world, "user_account/change_password", &change("wrong", NEW), &[(&ada, 401)]).await;
    hostile::takes_no_subject(&world, &ada, "user_account/change_password", &good).await;
    for (name, value) in [("user_account_id", json!(bob.id)), ("user", json!(bob.id)), ("email", json!("bob@example.org"))] {
        let mut body = good.clone();
        body[name] = value;
        ada.act("user_account/change_password", body).await.is(422);
    }
    // Wrong guesses are counted as those of a sign-in are.
    for _ in 0..5 {
        bob.act("user_account/change_password", change("wrong", NEW)).await.is(401);
    }
    refuses(&world, "user_account/change_password", &good, &[(&bob, 401)]).await;
    let seen = fifty(&[&ada], "user_account/change_password", &good).await;
    assert_eq!((seen.get(&200), seen.get(&401)), (Some(&1), Some(&49)), "one of those who come at once: {seen:?}");
    assert!(sign_in(&world, "ada@example.org", PASSWORD).await.is_err());
}

#[tokio::test]
async fn v6_a_password_that_is_easily_guessed_is_not_taken() {
    let (world, _smtp) = with_mail().await;
    let body = json!({"name": "Zoltan Xylander", "email": "quixotry.vaults@example.org", "password": PASSWORD, "passwordConfirm": PASSWORD});
    world.guest().act("user_account/signup", body).await.is(200);
    let zoltan = sign_in(&world, "quixotry.vaults@example.org", PASSWORD).await.ok().expect("signed in");
    let before = everything(&world).await;
    for weak in [
        "password1",
        "1234567",
        "rowhouse1",
        PASSWORD,
        "Zoltan Xylander",
        "xylander",
        "quixotry.vaults",
        "quixotry.vaults@example.org",
    ] {
        let refused = zoltan.act("user_account/change_password", change(PASSWORD, weak)).await;
        assert_eq!(refused.status, 422, "{weak} was taken");
        let fault = &refused.json[0]["Attributes"]["faults"][0];
        assert_eq!((&fault["code"], &fault["field"]), (&json!("weak-password"), &json!("password")), "{weak}");
    }
    same(&before, &everything(&world).await, "nothing is changed");
}

#[tokio::test]
async fn what_is_no_password_changes_nothing() {
    let (world, _smtp) = with_mail().await;
    let ada = signed_up(&world, "ada").await;
    let inputs = [("current", required(secret())), ("password", required(secret())), ("passwordConfirm", required(secret()))];
    hostile::refuses_bad_inputs(&world, &ada, "user_account/change_password", &change(PASSWORD, NEW), &inputs).await;
    let mut differ = change(PASSWORD, NEW);
    differ["passwordConfirm"] = json!("battery stable");
    ada.act("user_account/change_password", differ).await.is(422);
    let text = hostile::TEXTS[0];
    ada.act("user_account/change_password", change(PASSWORD, text)).await.is(200);
    assert!(sign_in(&world, "ada@example.org", text).await.is_ok(), "to the letter");
}
