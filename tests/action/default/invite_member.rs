//! usergroup/invite_member: a link by which whoever has that address joins, from whoever may update the group.

use serde_json::json;

use super::hostile::{self, required};
use super::*;

#[tokio::test]
async fn whoever_has_the_address_is_sent_a_link() {
    let (world, mut smtp) = with_mail().await;
    let ada = world.user("ada", &[]).await;
    for text in hostile::TEXTS {
        let it = group(&ada, text, 0).await;
        world.sql(&format!("update user_account set name = $name$from {text}$name$ where id = '{}'", ada.id)).await;
        let email = "{{caller.name}}%'--@example.org";
        let told = ada.act(&format!("usergroup/{it}/invite_member"), json!({"email": format!(" {email} ")})).await.is(200);
        assert_eq!(told.json, json!([success(&format!("Invited {email}"))]));
        let letter = smtp.letter().await;
        assert_eq!(letter.to, email);
        assert!(letter.words().contains(&format!("from {text} invites you to the group {text}. Sign in")), "{}", letter.words());
        assert!(letter.words().contains("https://front.example/accept_invitation?token="));
        let token = letter.token();
        assert!(world.sql(&format!("select 1 from rowhouse.token t where t::text like '%{token}%'")).await.is_empty(), "hashed");
        assert!(members(&world, &it).await.is_empty(), "inviting is not joining");
    }
    let week =
        "select 1 from rowhouse.token where expires_at between now() + interval '10079 minutes' and now() + interval '7 days'";
    assert_eq!(world.sql(week).await.len(), hostile::TEXTS.len(), "one for each group, for a week");
    assert!(world.sql("select 1 from user_account where name not like 'from %'").await.is_empty(), "no account is made");
    assert!(smtp.is_empty());
}

#[tokio::test]
async fn nobody_invites_into_what_they_may_not_update() {
    let (world, smtp) = with_mail().await;
    let (ada, bob, eve) = (world.user("ada", &[]).await, world.user("bob", &[]).await, world.user("eve", &[]).await);
    let barred = world.user("barred", &[]).await;
    let (open, hidden) = (group(&ada, "open", 35).await, group(&ada, "hidden", 0).await);
    for it in [&open, &hidden] {
        for who in [&bob, &barred] {
            put_in(&world, it, who).await; // members without update
        }
    }
    bar(&world, &barred).await;
    let body = json!({"email": "x@example.org"});
    let them = [(&world.guest(), 401), (&barred, 401), (&bob, 403), (&eve, 403)];
    refuses(&world, &format!("usergroup/{open}/invite_member"), &body, &them).await;
    refuses(&world, &format!("usergroup/{hidden}/invite_member"), &body, &[(&bob, 404), (&eve, 404)]).await;
    let invite = format!("usergroup/{hidden}/invite_member");
    hostile::refuses_bad_inputs(&world, &ada, &invite, &body, &[("email", required(hostile::address()))]).await;
    hostile::takes_one_subject(&world, &ada, "usergroup/invite_member", &hidden, &body).await;
    assert!(smtp.is_empty());
}
