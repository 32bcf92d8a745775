//! examples/quiet_signup: a project whose sign-up doesn't tell who is here, in files alone.

use serde_json::json;

use crate::house::World;
use crate::house::smtp::Smtp;

const SIGNUP: &str = "user_account/signup";

#[tokio::test]
async fn v16_v17_a_sign_up_that_tells_nobody_who_is_here() {
    let mut smtp = Smtp::new().await;
    let world = World::of_with("examples/quiet_signup", |config| {
        config.mail.smtp = Some(rowhouse::config::Secret::new(smtp.url()));
        config.outbox.poll = std::time::Duration::from_millis(50);
    })
    .await;
    world.user("ada", &[]).await;
    let mut said = vec![];
    for (name, email) in [("bob", "bob@example.org"), ("x", "ada@example.org"), ("eve", "eve@example.org")] {
        said.push(world.guest().act(SIGNUP, json!({"name": name, "email": email})).await.is(200).text);
    }
    assert!(said.iter().all(|text| *text == said[0]), "{said:?}");
    let done = "select 1 from mail union all select 1 from usergroup where name = 'Home' union all select 1 from user_account";
    assert_eq!(world.sql(done).await.len(), 1, "Ada: whatever differs is done after the answer");
    world.run_tasks();
    world.settled().await;
    let mut letters = [smtp.letter().await, smtp.letter().await, smtp.letter().await];
    letters.sort_by(|a, b| a.to.cmp(&b.to));
    let [ada, bob, eve] = &letters;
    assert_eq!((ada.header("Subject").as_str(), bob.header("Subject").as_str()), ("You are here already", "Welcome"));
    assert!(!ada.text.contains("token=") && ada.text.contains("Hello ada"));
    let guest = world.guest();
    for (letter, email) in [(bob, "bob@example.org"), (eve, "eve@example.org")] {
        let word = "correct horse";
        let chosen = json!({"token": letter.token(), "password": word, "passwordConfirm": word});
        guest.act("user_account/signin", json!({"email": email, "password": word})).await.is(401);
        guest.act("user_account/reset_password", chosen).await.is(200);
        guest.act("user_account/signin", json!({"email": email, "password": word})).await.is(200);
    }
    world.settled().await;
    assert!(world.sql("select 1 from signup_request").await.is_empty());
    assert_eq!(world.sql("select 1 from user_account").await.len(), 3);
    assert_eq!(world.sql("select 1 from usergroup where name = 'Home'").await.len(), 2);
}
