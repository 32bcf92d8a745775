//! user_account/delete_me: the caller's account goes, for who knows its password.

use serde_json::json;

use super::hostile::{self, required};
use super::*;

const DELETE: &str = "user_account/delete_me";

fn with(password: &str) -> Json {
    json!({"password": password})
}

#[tokio::test]
async fn an_account_goes_with_all_that_opens_it() {
    let (world, smtp) = with_mail().await;
    let (ada, bob, admin) = (signed_up(&world, "ada").await, signed_up(&world, "bob").await, world.administrator().await);
    let elsewhere = sign_in(&world, "ada@example.org", PASSWORD).await.ok().expect("signed in");
    let link = token(&world, &ada, "reset_password", "", None).await;
    let tag = ada.make("tag", json!({"name": "kept"}), json!({})).await;
    let refused = ada.delete(&format!("/api/user_account/{}", ada.id)).await.is(403);
    assert!(refused.text.contains("delete_me"), "the API asks for no password: {}", refused.text);
    let done = ada.act(DELETE, with(PASSWORD)).await.is(200);
    let remove = json!({"ResponseType": "client.store.remove", "Attributes": {"key": "token"}});
    let refresh = json!({"ResponseType": "client.store.remove", "Attributes": {"key": "refresh_token"}});
    assert_eq!(done.json, json!([remove, refresh, success("Account deleted")]));
    for over in [&ada, &elsewhere] {
        over.get("/api/user_account/mine").await.is(401);
    }
    assert!(sign_in(&world, "ada@example.org", PASSWORD).await.is_err());
    admin.get(&format!("/api/user_account/{}", ada.id)).await.is(404);
    let left = format!(
        "select 1 from \"usergroup.members\" where target = '{0}' union all select 1 from session where \"user\" = '{0}'",
        ada.id
    );
    assert!(world.sql(&left).await.is_empty());
    world.guest().act("user_account/reset_password", choose(&link, "battery staple")).await.is(422);
    let kept = admin.get(&format!("/api/tag/{tag}")).await.is(200);
    assert_eq!(kept.json["data"]["relationships"]["owner"]["data"], Json::Null, "what was theirs stays, nobody's");
    assert_eq!(mine(&bob, "name").await, "bob");
    let again = signed_up(&world, "ada").await;
    assert_ne!(again.id, ada.id, "the address is free, and its next holder somebody else");
    assert_eq!(again.get("/api/session").await.is(200).ids().len(), 1);
    again
        .patch(&format!("/api/tag/{tag}"), json!({"data": {"type": "tag", "id": tag, "attributes": {"name": "mine"}}}))
        .await
        .is(403);
    assert!(smtp.is_empty());
}

#[tokio::test]
async fn nobody_deletes_others_or_without_the_password() {
    let (world, _smtp) = with_mail().await;
    let (ada, bob, barred) = (signed_up(&world, "ada").await, signed_up(&world, "bob").await, signed_up(&world, "cyd").await);
    bar(&world, &barred).await;
    let without = world.user("dan", &[]).await;
    refuses(&world, DELETE, &with(PASSWORD), &[(&world.guest(), 401), (&barred, 401), (&without, 401)]).await;
    refuses(&world, DELETE, &with("wrong"), &[(&ada, 401), (&bob, 401)]).await;
    for (name, value) in [("user_account_id", json!(bob.id)), ("email", json!("bob@example.org")), ("user", json!(bob.id))] {
        let mut body = with(PASSWORD);
        body[name] = value;
        ada.act(DELETE, body).await.is(422);
    }
    for _ in 0..5 {
        bob.act(DELETE, with("wrong")).await.is(401);
    }
    refuses(&world, DELETE, &with(PASSWORD), &[(&bob, 401)]).await; // counted as those of a sign-in are
    hostile::refuses_bad_inputs(&world, &ada, DELETE, &with(PASSWORD), &[("password", required(hostile::secret()))]).await;
    hostile::takes_no_subject(&world, &ada, DELETE, &with(PASSWORD)).await;
    let seen = fifty(&[&ada], DELETE, &with(PASSWORD)).await;
    assert_eq!((seen.get(&200), seen.get(&401)), (Some(&1), Some(&49)), "of those who come at once: {seen:?}");
}

#[tokio::test]
async fn the_last_administrator_stays() {
    let (world, _smtp) = with_mail().await;
    let admins = "(select id from usergroup where declared and name = 'administrators')";
    let mut chiefs = vec![];
    for name in ["ada", "bob"] {
        let chief = signed_up(&world, name).await;
        world
            .sql(&format!(
                "insert into \"usergroup.members\" (source, target, created_at) values ({admins}, '{}', now())",
                chief.id
            ))
            .await;
        chiefs.push(chief);
    }
    let (one, two) = tokio::join!(chiefs[0].act(DELETE, with(PASSWORD)), chiefs[1].act(DELETE, with(PASSWORD)));
    let mut seen = [one.status, two.status];
    seen.sort_unstable();
    assert_eq!(seen, [200, 409], "{} {}", one.text, two.text);
    let last = if one.status == 409 { &chiefs[0] } else { &chiefs[1] };
    refuses(&world, DELETE, &with(PASSWORD), &[(last, 409)]).await;
}
