//! user_account/request_email_verification: a link to the caller's own address.

use serde_json::json;

use super::*;

const ASK: &str = "user_account/request_email_verification";

#[tokio::test]
async fn the_caller_is_written_to_at_their_own_address() {
    let (world, mut smtp) = with_mail().await;
    let (ada, bob) = (world.user("ada", &[]).await, world.user("bob", &[]).await);
    for name in hostile::TEXTS {
        world.sql(&format!("update user_account set name = $name${name}$name$ where id = '{}'", ada.id)).await;
        assert_eq!(ada.act(ASK, json!({})).await.is(200).json, json!([success("A letter is on its way")]));
        let letter = smtp.letter().await;
        assert_eq!((letter.to.as_str(), letter.header("Subject").as_str()), ("ada@example.org", "Confirm your address"));
        assert!(letter.words().contains(&format!("Hello {name},")), "as it is: {}", letter.words());
        assert!(letter.words().contains("https://front.example/verify_email?token="));
    }
    let day =
        "select 1 from rowhouse.token where expires_at between now() + interval '1439 minutes' and now() + interval '1 day'";
    assert_eq!(world.sql(day).await.len(), 1, "the newest, for a day");
    bob.act(ASK, json!({})).await.is(200);
    assert_eq!(smtp.letter().await.to, "bob@example.org");
    assert_eq!(world.sql("select 1 from rowhouse.token").await.len(), 2, "another's stays good");
}

#[tokio::test]
async fn who_is_not_signed_in_has_no_address_and_nobody_asks_for_others() {
    let (world, smtp) = with_mail().await;
    let (ada, barred) = (world.user("ada", &[]).await, world.user("barred", &[]).await);
    bar(&world, &barred).await;
    refuses(&world, ASK, &json!({}), &[(&world.guest(), 401), (&barred, 401)]).await;
    hostile::refuses_bad_inputs(&world, &ada, ASK, &json!({}), &[]).await;
    hostile::takes_no_subject(&world, &ada, ASK, &json!({})).await;
    for (name, value) in [
        ("email", json!("eve@example.org")),
        ("to", json!("eve@example.org")),
        ("user", json!(barred.id)),
        ("template", json!("reset_password")),
    ] {
        ada.act(ASK, json!({name: value})).await.is(422);
    }
    assert!(smtp.is_empty());
}

#[tokio::test]
async fn one_link_is_made_after_the_other() {
    let (world, mut smtp) = with_mail().await;
    let ada = world.user("ada", &[]).await;
    let holder = world.hold(&format!("select 1 from user_account where id = '{}' for update", ada.id)).await;
    let release = async {
        world.held_up().await; // else of two at once both would be the newest
        drop(holder);
    };
    let (asked, ()) = tokio::join!(ada.act(ASK, json!({})), release);
    asked.is(200);
    smtp.letter().await;
}
