//! reset_request/send_link: what hears of a forgotten password. It isn't called, and what it hears of isn't made, by anybody else.
//! (What it sends: `request_password_reset`.)

use serde_json::json;

use super::*;

const SEND: &str = "reset_request/send_link";

#[tokio::test]
async fn nobody_calls_it_or_makes_what_it_hears_of() {
    let (world, smtp) = with_mail().await;
    let (ada, admin) = (signed_up(&world, "ada").await, world.administrator().await);
    let all = [(&world.guest(), 401), (&ada, 403), (&admin, 404)];
    for action in [SEND.to_owned(), format!("reset_request/{NOBODY}/send_link")] {
        for body in [json!({}), json!({"email": "ada@example.org"}), json!({"reset_request_id": NOBODY})] {
            refuses(&world, &action, &body, &all).await;
        }
    }
    let made = json!({"data": {"type": "reset_request", "attributes": {"email": "ada@example.org"}}});
    for (who, status) in [(&world.guest(), 401), (&ada, 403), (&admin, 403)] {
        who.post("/api/reset_request", made.clone()).await.is(status);
    }
    world.settled().await;
    assert!(smtp.is_empty() && world.sql("select 1 from mail").await.is_empty());
}

#[tokio::test]
async fn of_what_it_heard_nothing_stays_whatever_was_asked() {
    let (world, smtp) = with_mail().await;
    signed_up(&world, "ada").await;
    for email in ["nobody@example.org", "%@example.org", "{{caller.email}}@example.org", "ada'--@example.org"] {
        world.guest().act("user_account/request_password_reset", json!({"email": email})).await.is(200);
    }
    world.settled().await;
    assert!(smtp.is_empty() && world.sql("select 1 from mail union all select 1 from reset_request").await.is_empty());
    assert!(world.sql("select 1 from rowhouse.token where purpose = 'reset_password'").await.is_empty());
}
