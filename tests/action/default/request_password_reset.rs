//! user_account/request_password_reset: a link for who has that address; the answer doesn't say whether.

use serde_json::json;

use super::hostile::{self, required};
use super::*;
use crate::house::smtp::Smtp;

const ASK: &str = "user_account/request_password_reset";
const SAID: &str = "If this address is known here a letter is on its way";

#[tokio::test]
async fn v16_known_and_unknown_addresses_are_answered_alike() {
    let (world, mut smtp) = with_mail().await;
    let (guest, _ada, bob) = (world.guest(), signed_up(&world, "ada").await, world.user("bob", &[]).await);
    for name in ["inactive", "hidden"] {
        signed_up(&world, name).await;
    }
    world.sql("update user_account set active = false where name = 'inactive'").await;
    world.sql("update user_account set permission = 16256 where name = 'hidden'").await;
    for email in [
        "nobody@example.org",
        "inactive@example.org",
        "hidden@example.org",
        "%@example.org",
        "_da@example.org",
        "{{caller.email}}'--@example.org",
    ] {
        for who in [&guest, &bob] {
            assert_eq!(who.act(ASK, json!({"email": email})).await.is(200).json, json!([success(SAID)]), "{email}");
        }
    }
    for (who, email) in [(&guest, "ADA@example.org"), (&bob, " ada@EXAMPLE.org ")] {
        assert_eq!(who.act(ASK, json!({"email": email})).await.is(200).json, json!([success(SAID)]));
        let letter = smtp.letter().await;
        assert_eq!((letter.to.as_str(), letter.header("Subject").as_str()), ("ada@example.org", "Set a new password"));
        let link = letter.token();
        assert!(world.sql(&format!("select 1 from rowhouse.token t where t::text like '%{link}%'")).await.is_empty(), "hashed");
        guest.act("user_account/reset_password", choose(&link, "battery staple")).await.is(200);
    }
    world.settled().await;
    assert!(smtp.is_empty(), "nobody else is written to");
    assert_eq!(world.sql("select 1 from mail").await.len(), 2);
}

#[tokio::test]
async fn v17_nothing_is_done_for_a_known_address_before_the_answer() {
    let world = World::new().await;
    for name in ["ada", "inactive"] {
        world.user(name, &[]).await;
    }
    world.sql("update user_account set active = false where name = 'inactive'").await;
    let statements = async |email: &str| {
        world.wire.listen();
        world.guest().act(ASK, json!({"email": email})).await.is(200);
        world.wire.executed()
    };
    statements("nobody@example.org").await; // what is only done once
    let unknown = statements("nobody@example.org").await;
    for email in ["ada@example.org", "inactive@example.org"] {
        assert_eq!(statements(email).await, unknown, "{email}");
    }
    assert!(world.sql("select 1 from rowhouse.token union all select 1 from mail").await.is_empty(), "but it waits");
    assert_eq!(world.sql("select 1 from task where state = 'waiting'").await.len(), 4);
}

#[tokio::test]
async fn the_newest_link_alone_is_good_and_lasts_half_an_hour() {
    let (world, mut smtp) = with_mail().await;
    signed_up(&world, "ada").await;
    let good = json!({"email": "ada@example.org"});
    world.guest().act(ASK, good.clone()).await.is(200);
    let old = smtp.letter().await.token();
    world.guest().act(ASK, good.clone()).await.is(200);
    let new = smtp.letter().await.token();
    world.guest().act("user_account/reset_password", choose(&old, "battery staple")).await.is(422);
    let late =
        "select 1 from rowhouse.token where expires_at between now() + interval '29 minutes' and now() + interval '30 minutes'";
    assert_eq!(world.sql(late).await.len(), 1);
    world.guest().act("user_account/reset_password", choose(&new, "battery staple")).await.is(200);
    assert_eq!(fifty(&[&world.guest()], ASK, &good).await, [(200, 50)].into());
    world.settled().await;
    assert_eq!(world.sql("select 1 from rowhouse.token where purpose = 'reset_password'").await.len(), 1, "one is good of fifty");
    assert_eq!(world.sql("select 1 from mail").await.len(), 52);
    assert!(world.sql("select 1 from reset_request").await.is_empty(), "what was asked for is not kept");
}

#[tokio::test]
async fn v10_the_link_leads_where_the_configuration_says_whatever_the_request_says() {
    let (world, mut smtp) = with_mail().await;
    let guest = world.guest();
    let mut body = person("ada");
    body["name"] = json!("<img>{{token}} {{ 7*7 }}");
    guest.act("user_account/signup", body).await.is(200);
    let mut request = guest.request(reqwest::Method::POST, &format!("/action/{ASK}")).body("{\"email\": \"ada@example.org\"}");
    for name in ["Host", "X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded", "Origin", "Referer"] {
        request = request.header(name, "evil.example");
    }
    guest.send(request).await.is(200);
    let letter = smtp.letter().await;
    let text = letter.text.replace("=\r\n", "").replace("=3D", "=");
    assert!(!text.contains("evil.example"), "{text}");
    assert!(text.matches("https://front.example/reset_password?token=").count() == 2, "{text}");
    assert!(text.contains("Hello <img>{{token}} {{ 7*7 }},"), "plain: as it is: {text}");
    assert!(text.contains("<p>Hello &lt;img&gt;{{token}} {{ 7*7 }},</p>"), "HTML: escaped: {text}");
}

#[tokio::test]
async fn what_is_no_address_is_refused() {
    let (world, smtp) = with_mail().await;
    let ada = signed_up(&world, "ada").await;
    let good = json!({"email": "ada@example.org"});
    let inputs = [("email", required(hostile::address()))];
    hostile::refuses_bad_inputs(&world, &world.guest(), ASK, &good, &inputs).await;
    hostile::takes_no_subject(&world, &ada, ASK, &good).await;
    assert!(smtp.is_empty());
}

#[tokio::test]
async fn v18_who_asks_too_often_waits() {
    let world = World::new().await;
    for _ in 0..10 {
        world.guest().act(ASK, json!({"email": "nobody@example.org"})).await.is(200);
    }
    let refused = world.guest().act(ASK, json!({"email": "nobody@example.org"})).await.is(429);
    assert!(!refused.header("retry-after").is_empty());
}

#[tokio::test]
async fn l15_letters_are_counted_per_recipient_and_per_sender() {
    let smtp = Smtp::new().await;
    let url = smtp.url();
    let world = World::with(|config| {
        config.mail.smtp = Some(rowhouse::config::Secret::new(url));
        config.limits.action_rate = false;
        (config.mail.per_recipient, config.mail.per_sender) = (3, 5);
    })
    .await;
    world.run_tasks();
    let ada = signed_up(&world, "ada").await;
    // Whoever isn't there is answered alike, and nobody is flooded.
    let mut told = std::collections::HashSet::new();
    for email in ["ada@example.org", "nobody@example.org"] {
        for _ in 0..6 {
            told.insert(world.guest().act(ASK, json!({"email": email})).await.is(200).text);
        }
    }
    assert_eq!(told.len(), 1);
    world.until("select 1 from task where state = 'waiting' and tries > 0 having count(*) = 3").await;
    assert_eq!(world.sql("select 1 from mail").await.len(), 3, "no more of them, and nobody is told");
    assert_eq!(
        world.sql("select 1 from rowhouse.token where purpose = 'reset_password'").await.len(),
        1,
        "the last link is good"
    );
    // They wait, and go when there is room; others' letters don't.
    world.sql("update rowhouse.attempt set since = now() - interval '2 hours'").await;
    world.sql("update task set next_at = now()").await;
    world.until("select 1 from mail having count(*) = 6").await;
    world.settled().await;
    // Who is told so is told when to come back.
    let chess = group(&ada, "chess", 0).await;
    let invite = async |n: usize| {
        let body = json!({"email": format!("guest{n}@example.org")});
        ada.act(&format!("usergroup/{chess}/invite_member"), body).await
    };
    for n in 0..5 {
        invite(n).await.is(200);
    }
    let refused = invite(5).await.is(429);
    assert!(!refused.header("retry-after").is_empty());
    world.sql("update rowhouse.attempt set since = now() - interval '2 hours'").await;
    invite(6).await.is(200);
}
