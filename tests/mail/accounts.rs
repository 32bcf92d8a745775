//! Actions that send letters: forgotten passwords, addresses, invitations (C22, V9–V11, V16).

use futures_util::future::join_all;
use serde_json::{Value as Json, json};

use super::outbox::{until, with_mail};
use crate::house::answer::Answer;
use crate::house::{Someone, World};

fn choose(token: &str, password: &str) -> Json {
    json!({"token": token, "password": password, "passwordConfirm": password})
}

async fn sign_up(world: &World, email: &str) {
    let person = json!({"name": "Ada", "email": email, "password": "correct horse", "passwordConfirm": "correct horse"});
    world.guest().act("user_account/signup", person).await.is(200);
}

async fn sign_in<'w>(world: &'w World, email: &str, password: &str) -> Result<Someone<'w>, Answer> {
    let answer = world.guest().act("user_account/signin", json!({"email": email, "password": password})).await;
    if answer.status != 200 {
        return Err(answer);
    }
    let mut someone = world.guest();
    someone.token = answer.json[0]["Attributes"]["value"].as_str().map(str::to_owned);
    Ok(someone)
}

#[tokio::test]
async fn c22_v9_v10_a_forgotten_password_is_set_by_a_link_that_is_good_once() {
    let (world, mut smtp) = with_mail().await;
    sign_up(&world, "ada@example.org").await;
    let ada = sign_in(&world, "ada@example.org", "correct horse").await.ok().expect("signed in");
    let guest = world.guest();
    let request = async |email: &str| guest.act("user_account/request_password_reset", json!({"email": email})).await.is(200);
    let (known, unknown) = (request("ADA@example.org").await, request("nobody@example.org").await);
    assert_eq!(known.text, unknown.text, "V16: the same answer");
    let old = smtp.letter().await.token();
    request("ada@example.org").await;
    let token = smtp.letter().await.token();
    assert!(smtp.is_empty(), "nobody else is written to");
    guest.act("user_account/reset_password", choose(&old, "battery staple")).await.is(422); // newest only
    guest.act("user_account/reset_password", choose("nonsense", "battery staple")).await.is(422);
    guest.act("user_account/reset_password", choose(&token, "password1")).await.is(422); // the policy, and the link stays good
    guest.act("user_account/verify_email", json!({"token": token})).await.is(422); // another purpose
    guest.get(&format!("/action/user_account/reset_password?token={token}")).await.is(405); // a GET never spends it
    let both =
        join_all((0..50).map(|n| guest.act("user_account/reset_password", choose(&token, &format!("battery staple {}", n % 2)))))
            .await;
    assert_eq!(both.iter().filter(|a| a.status == 200).count(), 1, "{:?}", both.iter().map(|a| a.status).collect::<Vec<_>>());
    ada.get("/api/user_account/mine").await.is(401); // all sessions ended
    assert!(sign_in(&world, "ada@example.org", "correct horse").await.is_err());
    let mut in_with = 0;
    for n in 0..2 {
        in_with += usize::from(sign_in(&world, "ada@example.org", &format!("battery staple {n}")).await.is_ok());
    }
    assert_eq!(in_with, 1);
    // Late, or after the password changed by other means: worth nothing.
    request("ada@example.org").await;
    let late = smtp.letter().await.token();
    world.sql("update rowhouse.token set expires_at = now() - interval '1 second'").await;
    guest.act("user_account/reset_password", choose(&late, "battery staple")).await.is(422);
    until(&world, "state = 'sent'").await;
}

#[tokio::test]
async fn an_address_is_proved_by_who_reads_its_mail() {
    let (world, mut smtp) = with_mail().await;
    sign_up(&world, "ada@example.org").await;
    let ada = sign_in(&world, "ada@example.org", "correct horse").await.ok().expect("signed in");
    let verified = async || ada.get("/api/user_account/mine").await.is(200).json["data"]["attributes"]["email_verified"].clone();
    assert_eq!(verified().await, false);
    world.guest().act("user_account/request_email_verification", json!({})).await.is(401);
    ada.act("user_account/request_email_verification", json!({})).await.is(200);
    let token = smtp.letter().await.token();
    world.guest().act("user_account/verify_email", json!({"token": token})).await.is(200);
    assert_eq!(verified().await, true);
    world.guest().act("user_account/verify_email", json!({"token": token})).await.is(422);
}

#[tokio::test]
async fn v11_a_new_address_is_confirmed_first_and_the_old_one_can_take_it_back() {
    let (world, mut smtp) = with_mail().await;
    for email in ["ada@example.org", "bob@example.org"] {
        sign_up(&world, email).await;
    }
    let ada = sign_in(&world, "ada@example.org", "correct horse").await.ok().expect("signed in");
    let guest = world.guest();
    let change = |email: &str, password: &str| json!({"email": email, "password": password});
    ada.act("user_account/change_email", change("new@example.org", "wrong")).await.is(401);
    guest.act("user_account/change_email", change("new@example.org", "correct horse")).await.is(401);
    ada.act("user_account/change_email", change("bob@example.org", "correct horse")).await.is(200); // not told that it is taken
    let taken = smtp.letter().await;
    assert_eq!(taken.to, "bob@example.org");
    guest.act("user_account/confirm_email_change", json!({"token": taken.token()})).await.is(409);
    ada.act("user_account/change_email", change("new@example.org", "correct horse")).await.is(200);
    let letter = smtp.letter().await;
    assert_eq!(letter.to, "new@example.org");
    assert!(sign_in(&world, "ada@example.org", "correct horse").await.is_ok(), "usable meanwhile");
    guest.act("user_account/confirm_email_change", json!({"token": letter.token()})).await.is(200);
    let told = smtp.letter().await;
    assert_eq!(told.to, "ada@example.org", "the old address is told");
    assert!(sign_in(&world, "new@example.org", "correct horse").await.is_ok());
    guest.act("user_account/undo_email_change", json!({"token": told.token()})).await.is(200);
    assert!(sign_in(&world, "new@example.org", "correct horse").await.is_err());
    assert!(sign_in(&world, "ada@example.org", "correct horse").await.is_err(), "who changed it may know the password");
    ada.get("/api/user_account/mine").await.is(401);
    assert_eq!(smtp.letter().await.to, "ada@example.org", "a link to a new one");
}

#[tokio::test]
async fn v11_whoever_took_an_account_cannot_close_the_way_back() {
    let (world, mut smtp) = with_mail().await;
    sign_up(&world, "ada@example.org").await;
    let guest = world.guest();
    let mut thief = sign_in(&world, "ada@example.org", "correct horse").await.ok().expect("signed in");
    let mut back = String::new();
    for email in ["evil@example.org", "evil2@example.org"] {
        thief.act("user_account/change_email", json!({"email": email, "password": "correct horse"})).await.is(200);
        guest.act("user_account/confirm_email_change", json!({"token": smtp.letter().await.token()})).await.is(200);
        let told = smtp.letter().await;
        if told.to == "ada@example.org" {
            back = told.token();
        }
    }
    let change = json!({"current": "correct horse", "password": "evil and long", "passwordConfirm": "evil and long"});
    thief.act("user_account/change_password", change).await.is(200);
    guest.act("user_account/request_password_reset", json!({"email": "evil2@example.org"})).await.is(200);
    guest.act("user_account/reset_password", choose(&smtp.letter().await.token(), "evil and longer")).await.is(200);
    thief = sign_in(&world, "evil2@example.org", "evil and longer").await.ok().expect("signed in");
    guest.act("user_account/undo_email_change", json!({"token": back})).await.is(200);
    thief.get("/api/user_account/mine").await.is(401);
    for password in ["correct horse", "evil and long", "evil and longer"] {
        assert!(sign_in(&world, "ada@example.org", password).await.is_err(), "no password is good any more");
    }
    let letter = smtp.letter().await;
    assert_eq!(letter.to, "ada@example.org");
    guest.act("user_account/reset_password", choose(&letter.token(), "owner is back")).await.is(200);
    assert!(sign_in(&world, "ada@example.org", "owner is back").await.is_ok());
}

#[tokio::test]
async fn administrators_invite_bar_and_let_in_again_and_everybody_may_go() {
    let (world, mut smtp) = with_mail().await;
    let (admin, eve) = (world.administrator().await, world.user("eve", &[]).await);
    let person = json!({"name": "Bob \"größe\"", "email": "bob@example.org"});
    eve.act("user_account/invite", person.clone()).await.is(403);
    admin.act("user_account/invite", person).await.is(200);
    let letter = smtp.letter().await;
    assert!(sign_in(&world, "bob@example.org", "").await.is_err());
    world.guest().act("user_account/reset_password", choose(&letter.token(), "battery staple")).await.is(200);
    let bob = sign_in(&world, "bob@example.org", "battery staple").await.ok().expect("signed in");
    let id = bob.get("/api/user_account/mine").await.is(200).json["data"]["id"].as_str().expect("an id").to_owned();
    eve.act(&format!("user_account/{id}/deactivate"), json!({})).await.is(403);
    bob.act(&format!("user_account/{id}/deactivate"), json!({})).await.is(403);
    bob.act("user_account/change_email", json!({"email": "elsewhere@example.org", "password": "battery staple"})).await.is(200);
    let elsewhere = smtp.letter().await.token();
    admin.act(&format!("user_account/{id}/deactivate"), json!({})).await.is(200);
    bob.get("/api/user_account/mine").await.is(401);
    assert!(sign_in(&world, "bob@example.org", "battery staple").await.is_err());
    world.guest().act("user_account/request_password_reset", json!({"email": "bob@example.org"})).await.is(200);
    admin.act(&format!("user_account/{id}/activate"), json!({})).await.is(200);
    world.guest().act("user_account/confirm_email_change", json!({"token": elsewhere})).await.is(422); // what he had asked for is over
    let moved = json!({"data": {"type": "user_account", "id": id, "attributes": {"email": "BOB@example.org"}}});
    let moved = admin.patch(&format!("/api/user_account/{id}"), moved).await.is(200);
    assert_eq!(moved.json["data"]["attributes"]["email_verified"], false, "nobody has proved it");
    let bob = sign_in(&world, "bob@example.org", "battery staple").await.ok().expect("signed in again");
    bob.act("user_account/delete_me", json!({"password": "wrong"})).await.is(401);
    bob.act("user_account/delete_me", json!({"password": "battery staple"})).await.is(200);
    bob.get("/api/user_account/mine").await.is(401);
    admin.get(&format!("/api/user_account/{id}")).await.is(404);
    assert!(smtp.is_empty(), "no letter to who is barred");
    admin.act(&format!("user_account/{}/deactivate", admin.id), json!({})).await.is(409); // the last administrator
}
