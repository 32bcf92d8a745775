//! user_account/invite: an account for somebody, and a link to choose a password. For administrators.

use serde_json::json;

use super::hostile::{self, required};
use super::*;

const INVITE: &str = "user_account/invite";

fn bob() -> Json {
    json!({"name": "Bob", "email": "bob@example.org"})
}

#[tokio::test]
async fn who_is_invited_chooses_a_password_by_the_link() {
    let (world, mut smtp) = with_mail().await;
    let admin = world.administrator().await;
    let answer = admin.act(INVITE, json!({"name": " Bob ", "email": " Bob@Example.ORG "})).await.is(200);
    assert_eq!(answer.json, json!([success("Invited Bob@example.org")]));
    let letter = smtp.letter().await;
    assert_eq!((letter.to.as_str(), letter.header("Subject").as_str()), ("Bob@example.org", "You are invited"));
    assert!(letter.words().contains("https://front.example/reset_password?token="));
    for password in ["", "null", "{}"] {
        assert!(sign_in(&world, "bob@example.org", password).await.is_err(), "no password yet");
    }
    world.guest().act("user_account/reset_password", choose(&letter.token(), "battery staple")).await.is(200);
    let bob = sign_in(&world, "bob@example.org", "battery staple").await.ok().expect("signed in");
    let row = bob.get("/api/user_account/mine").await.is(200).json["data"].take();
    assert_eq!((&row["attributes"]["name"], &row["attributes"]["email_verified"]), (&json!("Bob"), &json!(true)));
    assert_eq!(row["relationships"]["owner"]["data"]["id"], json!(bob.id), "owns itself, whoever invited");
    let groups = bob.get(&format!("/api/user_account/{}/relationships/member_of", bob.id)).await.is(200).ids();
    assert_eq!(groups.len(), 1, "users");
    bob.act(INVITE, json!({"name": "x", "email": "x@example.org"})).await.is(403);
}

#[tokio::test]
async fn names_are_told_as_they_are() {
    let (world, mut smtp) = with_mail().await;
    let admin = world.administrator().await;
    for (at, name) in hostile::TEXTS.iter().enumerate() {
        let email = format!("{{{{caller.name}}}}%'--{at}@example.org");
        world.sql(&format!("update user_account set name = $name$from {name}$name$ where id = '{}'", admin.id)).await;
        let answer = admin.act(INVITE, json!({"name": name, "email": email})).await.is(200);
        assert_eq!(answer.json, json!([success(&format!("Invited {email}"))]));
        let letter = smtp.letter().await;
        assert_eq!(letter.to, email);
        assert!(letter.words().starts_with(&format!("Hello {name},\r\n\r\nfrom {name} invites you.")), "{}", letter.words());
        let kept = format!("select 1 from user_account where name = $name${name}$name$ and email = $name${email}$name$");
        assert_eq!(world.sql(&kept).await.len(), 1);
    }
}

#[tokio::test]
async fn only_administrators_invite_and_each_address_once() {
    let (world, mut smtp) = with_mail().await;
    let (admin, ada, barred) =
        (world.administrator().await, world.user("ada", &["editors"]).await, world.user("barred", &["administrators"]).await);
    bar(&world, &barred).await;
    refuses(&world, INVITE, &bob(), &[(&world.guest(), 401), (&ada, 403), (&barred, 401)]).await;
    for taken in ["ADA@example.org", "barred@example.org", "admin@example.org"] {
        refuses(&world, INVITE, &json!({"name": "x", "email": taken}), &[(&admin, 409)]).await;
    }
    // At once one makes the account; who comes later sends another link, as often as letters may go there.
    let all = fifty(&[&admin], INVITE, &bob()).await;
    assert!(all.contains_key(&200) && all.keys().all(|status| [200, 409, 429].contains(status)), "{all:?}");
    assert_eq!(world.sql("select 1 from user_account where email = 'bob@example.org'").await.len(), 1);
    crate::mail::outbox::until(&world, "state = 'sent'").await;
    while !smtp.is_empty() {
        assert_eq!(smtp.letter().await.to, "bob@example.org", "nobody else is written to");
    }
}

#[tokio::test]
async fn b06_who_was_invited_and_has_no_password_yet_is_invited_again_and_the_old_link_dies() {
    let (world, mut smtp) = with_mail().await;
    let admin = world.administrator().await;
    admin.act(INVITE, bob()).await.is(200);
    let old = smtp.letter().await.token();
    admin.act(INVITE, json!({"name": "Bob", "email": "BOB@example.org"})).await.is(200);
    let letter = smtp.letter().await;
    assert_eq!((letter.to.as_str(), letter.header("Subject").as_str()), ("BOB@example.org", "You are invited"));
    let guest = world.guest();
    guest.act("user_account/reset_password", choose(&old, "battery staple")).await.is(422);
    guest.act("user_account/reset_password", choose(&letter.token(), "battery staple")).await.is(200);
    assert!(sign_in(&world, "bob@example.org", "battery staple").await.is_ok());
    admin.act(INVITE, bob()).await.is(409); // there is a password now
    assert_eq!(world.sql("select 1 from user_account where email = 'bob@example.org' and invited_at is null").await.len(), 1);
}

#[tokio::test]
async fn what_is_nobody_is_not_invited() {
    let (world, smtp) = with_mail().await;
    let admin = world.administrator().await;
    let inputs = [("name", required(hostile::line(255))), ("email", required(hostile::address()))];
    hostile::refuses_bad_inputs(&world, &admin, INVITE, &bob(), &inputs).await;
    hostile::takes_no_subject(&world, &admin, INVITE, &bob()).await;
    for (name, value) in [("password", json!("battery staple")), ("inviter", json!("x")), ("template", json!("reset_password"))] {
        let mut body = bob();
        body[name] = value;
        admin.act(INVITE, body).await.is(422); // an administrator chooses nobody's password
    }
    assert!(smtp.is_empty());
}
