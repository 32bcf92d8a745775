//! world/become_an_administrator: once, with the code that the server keeps for its first one.

use serde_json::json;

use super::*;

const CLAIM: &str = "world/become_an_administrator";

fn with(code: &str) -> Json {
    json!({"attributes": {"code": code}})
}

async fn code(world: &World) -> Option<String> {
    rowhouse::start::claim_code(&world.app.store, &world.app.seal).await.expect("asked")
}

#[tokio::test]
async fn v30_the_claim_code_makes_one_administrator() {
    let (world, _smtp) = with_mail().await;
    let twin = world.twin().await;
    let (ada, bob) = (world.user("ada", &[]).await, world.user("bob", &[]).await);
    let code_ = code(&world).await.expect("not spent");
    assert!(code_.len() == 20 && code_.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()), "{code_}");
    assert_eq!(code(&world).await, Some(code_.clone()), "the same until spent");
    let seen = fifty(&[&ada, &bob.at(&twin)], CLAIM, &with(&format!(" {code_}\n"))).await;
    assert_eq!(seen, [(200, 1), (403, 49)].into(), "one of those who come at once");
    let mut chiefs = vec![];
    for who in [&ada, &bob] {
        if who.get("/metrics").await.status == 200 {
            chiefs.push(who);
        }
    }
    assert_eq!(chiefs.len(), 1);
    refuses(&world, CLAIM, &with(&code_), &[(&ada, 403), (&bob, 403), (&world.guest(), 401)]).await;
    assert_eq!(code(&world).await, None);
}

#[tokio::test]
async fn who_has_it_is_one_to_the_letter() {
    let (world, smtp) = with_mail().await;
    let ada = world.user("ada", &[]).await;
    let code = code(&world).await.expect("not spent");
    let told = ada.act(CLAIM, json!({"code": code})).await.is(200).json;
    assert_eq!(told, json!([success("You are an administrator now")]));
    ada.get("/metrics").await.is(200);
    assert!(smtp.is_empty());
}

#[tokio::test]
async fn guests_barred_people_and_wrong_codes_get_nowhere() {
    let (world, _smtp) = with_mail().await;
    let (ada, barred) = (world.user("ada", &[]).await, world.user("barred", &[]).await);
    bar(&world, &barred).await;
    let code = code(&world).await.expect("not spent");
    refuses(&world, CLAIM, &with(&code), &[(&world.guest(), 401), (&barred, 401)]).await;
    let (lower, cut, more) = (code.to_lowercase(), &code[..19], format!("{code}A"));
    for wrong in ["AAAAAAAAAAAAAAAAAAAA", &lower, cut, &more, "%", "' or true --", "{{code}}", "\u{202e}", "ＡＡＡＡ"] {
        refuses(&world, CLAIM, &with(wrong), &[(&ada, 403)]).await;
    }
    let inputs = [("code", hostile::required(hostile::line(255)))];
    hostile::refuses_bad_inputs(&world, &ada, CLAIM, &json!({"code": code}), &inputs).await;
    hostile::takes_no_subject(&world, &ada, CLAIM, &json!({"code": code})).await;
    ada.get("/metrics").await.is(403);
}

#[tokio::test]
async fn who_tries_too_often_waits() {
    let world = World::new().await;
    let ada = world.user("ada", &[]).await;
    for _ in 0..10 {
        ada.act(CLAIM, with("AAAAAAAAAAAAAAAAAAAA")).await.is(403);
    }
    let refused = ada.act(CLAIM, with("AAAAAAAAAAAAAAAAAAAA")).await.is(429);
    assert!(!refused.header("retry-after").is_empty());
}
