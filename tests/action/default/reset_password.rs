//! user_account/reset_password: a new password by the token of a letter, once; all sessions end.

use serde_json::json;

use super::hostile::{self, required, secret};
use super::*;

const RESET: &str = "user_account/reset_password";
const NEW: &str = "battery staple";

#[tokio::test]
async fn c22_v9_v10_a_forgotten_password_is_set_by_a_link_that_is_good_once() {
    let (world, mut smtp) = with_mail().await;
    let (ada, bob) = (signed_up(&world, "ada").await, signed_up(&world, "bob").await);
    let guest = world.guest();
    guest.act("user_account/request_password_reset", json!({"email": "ada@example.org"})).await.is(200);
    let token = smtp.letter().await.token();
    guest.act(RESET, choose(&token, "password1")).await.is(422); // the policy, and the link stays good
    guest.get(&format!("/action/{RESET}?token={token}")).await.is(405); // a GET never spends it
    let done = bob.act(RESET, choose(&token, NEW)).await.is(200); // whoever holds it
    assert_eq!(done.json, json!([success("Password changed"), home()]));
    guest.act(RESET, choose(&token, NEW)).await.is(422);
    ada.get("/api/user_account/mine").await.is(401); // all sessions ended
    bob.get("/api/user_account/mine").await.is(200);
    assert!(sign_in(&world, "ada@example.org", PASSWORD).await.is_err());
    assert!(sign_in(&world, "bob@example.org", PASSWORD).await.is_ok(), "whose link it was, not who used it");
    let ada = sign_in(&world, "ada@example.org", NEW).await.ok().expect("signed in");
    assert_eq!(mine(&ada, "email_verified").await, true, "who reads its mail has proved the address");
    assert!(smtp.is_empty());
}

#[tokio::test]
async fn of_those_who_come_at_once_one_gets_through() {
    let (world, _smtp) = with_mail().await;
    let twin = world.twin().await;
    let ada = signed_up(&world, "ada").await;
    let token = token(&world, &ada, "reset_password", "", None).await;
    let guest = world.guest();
    let seen = fifty(&[&guest, &guest.at(&twin)], RESET, &choose(&token, NEW)).await;
    assert_eq!(seen, [(200, 1), (422, 49)].into());
    assert!(sign_in(&world, "ada@example.org", NEW).await.is_ok());
}

#[tokio::test]
async fn v10_late_or_after_the_address_or_the_password_changed_it_is_worth_nothing() {
    let (world, _smtp) = with_mail().await;
    let (ada, admin) = (signed_up(&world, "ada").await, world.administrator().await);
    let id = ada.id.to_string();
    for what in ["password", "address", "barred", "barred and let in", "gone"] {
        let token = token(&world, &ada, "reset_password", "", None).await;
        match what {
            "password" => {
                let change = json!({"current": PASSWORD, "password": "another one", "passwordConfirm": "another one"});
                ada.act("user_account/change_password", change).await.is(200);
            }
            "address" => {
                let moved = json!({"data": {"type": "user_account", "id": id, "attributes": {"email": "moved@example.org"}}});
                admin.patch(&format!("/api/user_account/{id}"), moved).await.is(200);
            }
            "barred" => bar(&world, &ada).await,
            "barred and let in" => {
                world.sql("update user_account set active = true").await;
                for deed in ["deactivate", "activate"] {
                    admin.act(&format!("user_account/{id}/{deed}"), json!({})).await.is(200);
                }
            }
            _ => _ = admin.delete(&format!("/api/user_account/{id}")).await.is(204),
        }
        let refused = world.guest().act(RESET, choose(&token, NEW)).await;
        assert_eq!(refused.status, 422, "{what}: {}", refused.text);
    }
    for email in ["ada@example.org", "moved@example.org"] {
        assert!(sign_in(&world, email, NEW).await.is_err());
    }
}

#[tokio::test]
async fn v6_a_password_that_is_easily_guessed_by_who_knows_the_person_is_not_taken() {
    let (world, _smtp) = with_mail().await;
    let mut body = person("quixotry.vaults");
    body["name"] = json!("Zoltan Xylander");
    world.guest().act("user_account/signup", body).await.is(200);
    let zoltan = sign_in(&world, "quixotry.vaults@example.org", PASSWORD).await.ok().expect("signed in");
    let token = token(&world, &zoltan, "reset_password", "", None).await;
    let before = everything(&world).await;
    for weak in ["password1", "1234567", "rowhouse1", "Zoltan Xylander", "quixotry.vaults", "quixotry.vaults@example.org"] {
        let refused = world.guest().act(RESET, choose(&token, weak)).await;
        assert_eq!(refused.status, 422, "{weak} was taken");
        assert_eq!(refused.json[0]["Attributes"]["faults"][0]["code"], "weak-password", "{weak}");
    }
    same(&before, &everything(&world).await, "the link stays good");
}

#[tokio::test]
async fn what_is_no_token_of_a_forgotten_password_sets_none() {
    let (world, _smtp) = with_mail().await;
    let ada = signed_up(&world, "ada").await;
    let good = choose(&token(&world, &ada, "reset_password", "", None).await, NEW);
    let inputs =
        [("token", required(hostile::line(100))), ("password", required(secret())), ("passwordConfirm", required(secret()))];
    hostile::refuses_bad_inputs(&world, &world.guest(), RESET, &good, &inputs).await;
    hostile::takes_no_subject(&world, &ada, RESET, &good).await;
    hostile::refuses_other_tokens(&world, &world.guest(), RESET, "reset_password", &ada, |token| choose(token, NEW)).await;
}
