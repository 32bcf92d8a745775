//! The outbox: at least once, in order for each address, with nothing secret in the clear.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::house::smtp::{Says, Smtp};
use crate::house::{Someone, World};
use rowhouse::config::{Config, Secret};
use rowhouse::statement::outbox::{Claim, MAIL};

/// A world that sends its letters, and to whom.
pub async fn with_mail() -> (World, Smtp) {
    with_mail_and(|_| {}).await
}

async fn with_timeout(timeout: Duration) -> (World, Smtp) {
    with_mail_and(|config| config.mail.timeout = timeout).await
}

/// The same, with a change of the configuration.
pub async fn with_mail_and(change: impl FnOnce(&mut Config)) -> (World, Smtp) {
    let smtp = Smtp::new().await;
    let url = smtp.url();
    let world = World::with(|config| {
        config.mail.smtp = Some(Secret::new(url));
        config.limits.action_rate = false;
        config.outbox.poll = Duration::from_millis(50);
        config.mail.timeout = Duration::from_secs(30);
        change(config);
    })
    .await;
    world.run_tasks();
    (world, smtp)
}

/// Waits until letters are as they should be, by asking.
pub async fn until(world: &World, condition: &str) {
    let end = Instant::now() + Duration::from_secs(20);
    while Instant::now() < end {
        if world.sql(&format!("select 1 from mail where ({condition}) is not true")).await.is_empty() {
            return;
        }
    }
    panic!("not every letter came to {condition}");
}

async fn ask(someone: &Someone<'_>) {
    someone.act("user_account/request_email_verification", json!({})).await.is(200);
}

#[tokio::test]
async fn a_letter_goes_out_after_the_commit_and_its_secret_stands_nowhere() {
    let (world, mut smtp) = with_mail().await;
    let (ada, admin) = (world.user("ada", &[]).await, world.administrator().await);
    ask(&ada).await;
    let letter = smtp.letter().await;
    let token = letter.token();
    assert_eq!((letter.to.as_str(), letter.header("Subject").as_str()), ("ada@example.org", "Confirm your address"));
    assert!(token.len() >= 43 && letter.text.contains("https://front.example/verify_email"));
    until(&world, "state = 'sent'").await;
    let listed = admin.get("/api/mail").await.is(200);
    assert_eq!(listed.all("values")[0]["token"], "***");
    assert_eq!(listed.all("message_id")[0], letter.header("Message-ID"));
    assert!(world.sql(&format!("select 1 from mail m where m::text like '%{token}%'")).await.is_empty());
    assert!(world.sql("select 1 from mail where sealed is not null").await.is_empty(), "wiped");
    assert!(world.sql(&format!("select 1 from rowhouse.token t where t::text like '%{token}%'")).await.is_empty(), "hashed");
    ada.get("/api/mail").await.is(403);
    world.guest().get("/api/mail").await.is(401);
    let row = json!({"data": {"type": "mail", "attributes": {"to": "x@example.org"}}});
    admin.post("/api/mail", row).await.is(403); // letters are sent by actions
    let id = listed.ids().remove(0);
    let again = json!({"data": {"type": "mail", "id": id, "attributes": {"state": "waiting"}}});
    admin.patch(&format!("/api/mail/{id}"), again).await.is(200);
    ask(&ada).await;
    assert_ne!(smtp.letter().await.token(), "", "what was sent doesn't go again, without its secret");
    assert!(smtp.is_empty());
}

#[tokio::test]
async fn what_fails_is_tried_again_and_what_can_never_go_is_dead_until_somebody_says_otherwise() {
    let (world, mut smtp) = with_mail().await;
    let (ada, admin) = (world.user("ada", &[]).await, world.administrator().await);
    smtp.says(&[Says::Later]);
    ask(&ada).await;
    until(&world, "tries = 1 and error is not null").await;
    assert!(smtp.is_empty());
    assert!(world.sql("select 1 from mail where next_at < now() + interval '5 seconds'").await.is_empty(), "not at once");
    world.sql("update mail set next_at = now()").await;
    smtp.letter().await;
    until(&world, "state = 'sent' and error is null").await;
    smtp.says(&[Says::Never]);
    ask(&ada).await;
    until(&world, "state in ('sent', 'dead')").await;
    let dead = admin.get("/api/mail?filter[state]=dead").await.is(200);
    let id = dead.ids().remove(0);
    assert!(dead.all("error")[0].as_str().is_some_and(|words| words.contains("550")), "{}", dead.text);
    let again =
        json!({"data": {"type": "mail", "id": id, "attributes": {"state": "waiting", "next_at": "2000-01-01T00:00:00Z"}}});
    admin.patch(&format!("/api/mail/{id}"), again).await.is(200);
    assert_eq!(smtp.letter().await.header("Message-ID"), dead.all("message_id")[0], "its secret was kept, its name is the same");
}

#[tokio::test]
async fn a_letter_of_which_nobody_knows_whether_it_went_goes_again_under_the_same_name() {
    let (world, mut smtp) = with_mail().await;
    let ada = world.user("ada", &[]).await;
    smtp.says(&[Says::HangsUp]);
    ask(&ada).await;
    let first = smtp.letter().await;
    until(&world, "error is not null").await;
    world.sql("update mail set next_at = now()").await;
    assert_eq!(first.header("Message-ID"), smtp.letter().await.header("Message-ID"));
    until(&world, "state = 'sent'").await;
    // A node that died between claiming and sending: its lease runs out.
    ask(&ada).await;
    smtp.letter().await;
    until(&world, "state = 'sent'").await;
    world.sql("update mail set state = 'waiting', sent_at = null, sealed = null, values = '{\"name\": \"x\", \"token\": \"y\"}', next_at = now() where tries = 1").await;
    assert_eq!(smtp.letter().await.token(), "y");
}

#[tokio::test]
async fn a_server_that_says_nothing_any_more_holds_nobody_up() {
    let (world, mut smtp) = with_timeout(Duration::from_secs(3)).await;
    let (ada, bob) = (world.user("ada", &[]).await, world.user("bob", &[]).await);
    smtp.says(&[Says::Nothing]);
    ask(&ada).await;
    let first = smtp.letter().await;
    ask(&bob).await;
    assert_eq!(smtp.letter().await.to, "bob@example.org");
    until(&world, "state = 'sent' or error like '%longer than 3s%'").await;
    world.sql("update mail set next_at = now()").await;
    assert_eq!(first.header("Message-ID"), smtp.letter().await.header("Message-ID"));
    until(&world, "state = 'sent'").await;
}

#[tokio::test]
async fn a_server_that_does_not_let_us_in_kills_no_letters() {
    let (world, mut smtp) = with_mail().await;
    let ada = world.user("ada", &[]).await;
    smtp.says(&[Says::NotYou, Says::Later]);
    ask(&ada).await;
    until(&world, "state = 'waiting' and error like '%535%'").await;
    world.sql("update mail set tries = 10, next_at = now()").await;
    until(&world, "tries = 11 and next_at between now() + interval '59 minutes' and now() + interval '1 hour'").await;
    world.sql("update mail set next_at = now()").await;
    smtp.letter().await;
}

#[tokio::test]
async fn a_claim_that_ran_out_has_no_say() {
    let (world, mut smtp) = with_mail().await;
    let ada = world.user("ada", &[]).await;
    smtp.says(&[Says::Later]);
    ask(&ada).await;
    until(&world, "error is not null").await;
    let id = world.sql("select id from mail").await[0].uuid(0).expect("an id");
    // Another node has it now, and then has sent it.
    world.sql("update mail set tries = 2").await;
    let late = MAIL.failed(Claim { id, tries: 1 }, "stale", None);
    world.app.store.read(&late).await.expect("asked");
    until(&world, "state = 'waiting' and error not like '%stale%'").await;
    world.sql("update mail set next_at = now()").await;
    smtp.letter().await;
    until(&world, "state = 'sent'").await;
    for tries in 1..=3 {
        world.app.store.read(&MAIL.failed(Claim { id, tries }, "stale", None)).await.expect("asked");
    }
    until(&world, "state = 'sent' and error is null").await;
}

#[tokio::test]
async fn each_address_gets_its_letters_in_order_from_however_many_nodes() {
    let (world, mut smtp) = with_mail().await;
    let _twin = world.twin().await;
    let people = [world.user("ada", &[]).await, world.user("bob", &[]).await];
    smtp.says(&[Says::Later]);
    let mut sent = 0;
    for _ in 0..6 {
        for person in &people {
            ask(person).await;
            sent += 1;
        }
    }
    // The first of all failed; those behind it wait for it.
    until(&world, "exists (select from mail where error is not null)").await;
    world.sql("update mail set next_at = now() where error is not null").await;
    let mut letters = vec![];
    for _ in 0..sent {
        letters.push(smtp.letter().await);
    }
    until(&world, "state = 'sent'").await;
    for person in ["ada@example.org", "bob@example.org"] {
        let arrived: Vec<_> = letters.iter().filter(|l| l.to == person).map(|l| l.header("Message-ID")).collect();
        let mut in_order = arrived.clone();
        in_order.sort(); // ids are made in the order of time
        assert_eq!((arrived.len(), &arrived), (6, &in_order), "each exactly once, in order");
    }
    assert!(smtp.is_empty());
}

#[tokio::test]
async fn without_smtp_letters_wait_and_a_rolled_back_action_sends_none() {
    let world = World::with(|config| config.limits.action_rate = false).await;
    let admin = world.administrator().await;
    ask(&admin).await;
    let waiting = admin.get("/api/mail").await.is(200);
    assert_eq!((waiting.all("state"), waiting.all("tries")), (vec![json!("waiting")], vec![json!(0)]));
    assert_eq!(waiting.all("values")[0]["name"], "admin");
    assert!(!world.sql("select 1 from mail where sealed is not null").await.is_empty());
    let taken = json!({"name": "x", "email": "admin@example.org"});
    admin.act("user_account/invite", taken).await.is(409);
    assert_eq!(admin.get("/api/mail").await.ids().len(), 1);
}

#[tokio::test]
async fn what_was_sent_long_ago_is_swept_and_nothing_else() {
    let (world, mut smtp) = with_mail().await;
    let ada = world.user("ada", &[]).await;
    for (state, made, sent) in [
        ("sent", 200, "now() - interval '100 days'"),
        ("sent", 200, "now() - interval '80 days'"),
        ("sent", 80, "now() - interval '80 days'"),
        ("dead", 200, "null"),
    ] {
        let columns = "id, permission, created_at, \"to\", letter, message_id, state, sent_at, tries, next_at";
        let values = format!(
            "gen_random_uuid(), 0, now() - interval '{made} days', 'a@example.org', 'x', 'x', '{state}', {sent}, 1, now() - interval '{made} days'"
        );
        world.sql(&format!("insert into mail ({columns}, values) values ({values}, '{{}}')")).await;
    }
    ask(&ada).await;
    smtp.letter().await;
    until(&world, "state = 'dead' or sent_at > now() - interval '90 days'").await;
    until(&world, "state <> 'waiting'").await;
    let left = world.sql("select state, count(*)::text from mail group by 1 order by 1").await;
    let left: Vec<_> = left.iter().map(|row| (row.text(0), row.text(1))).collect();
    assert_eq!(left, [(Some("dead"), Some("1")), (Some("sent"), Some("3"))]);
}
