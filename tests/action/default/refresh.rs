//! user_account/refresh: a new session for a refresh token, which is good once; an old one that comes again ends the family.

use serde_json::json;

use super::*;

async fn remembered<'w>(world: &'w World, name: &str) -> (Someone<'w>, String) {
    let body = json!({"email": format!("{name}@example.org"), "password": PASSWORD, "remember": true});
    let answer = world.guest().act("user_account/signin", body).await.is(200);
    let mut someone = world.guest();
    someone.token = stored(&answer, "token");
    (someone, stored(&answer, "refresh_token").expect("one"))
}

async fn is_in(world: &World, token: Option<String>) -> bool {
    let mut someone = world.guest();
    someone.token = token;
    someone.get("/api/user_account/mine").await.status == 200
}

#[tokio::test]
async fn c12_a_refresh_token_is_good_once_and_an_old_one_ends_the_family() {
    let (world, _smtp) = with_mail_and(|config| config.token.grace = std::time::Duration::ZERO).await;
    let twin = world.twin().await;
    let guest = world.guest();
    guest.act("user_account/signup", person("ada")).await.is(200);
    let (first, refresh) = remembered(&world, "ada").await;
    assert!(world.sql(&format!("select 1 from rowhouse.refresh r where r::text like '%{refresh}%'")).await.is_empty(), "hashed");
    let renew = async |token: &str| guest.act("user_account/refresh", json!({"refresh_token": token})).await;
    let renewed = renew(&refresh).await.is(200);
    let (second, next) = (stored(&renewed, "token").expect("one"), stored(&renewed, "refresh_token").expect("one"));
    let set = |key: &str, value: &str| json!({"ResponseType": "client.store.set", "Attributes": {"key": key, "value": value}});
    assert_eq!(renewed.json, json!([set("token", &second), set("refresh_token", &next)]));
    assert!(!is_in(&world, first.token).await && is_in(&world, Some(second.clone())).await, "the old token stops");
    // Fifty at once, on two nodes: one gets through; the others are somebody who shouldn't have it, which ends them all.
    let there = guest.at(&twin);
    let all = (0..50)
        .map(|n| if n % 2 == 0 { &guest } else { &there })
        .map(|who| who.act("user_account/refresh", json!({"refresh_token": next})));
    let all = futures_util::future::join_all(all).await;
    let won: Vec<_> = all.iter().filter(|answer| answer.status == 200).collect();
    assert_eq!((won.len(), all.iter().filter(|answer| answer.status == 401).count()), (1, 49));
    let (third, last) = (stored(won[0], "token"), stored(won[0], "refresh_token").expect("one"));
    renew(&refresh).await.is(401);
    assert!(!is_in(&world, Some(second)).await && !is_in(&world, third).await);
    renew(&last).await.is(401);
}

#[tokio::test]
async fn signed_out_barred_or_over_it_is_worth_nothing() {
    let (world, _smtp) = with_mail().await;
    let bob = signed_up(&world, "bob").await;
    signed_up(&world, "ada").await;
    for end in ["signout", "barred", "over", "password", "gone"] {
        let (ada, refresh) = remembered(&world, "ada").await;
        let same = json!({"current": PASSWORD, "password": "battery staple", "passwordConfirm": "battery staple"});
        match end {
            "signout" => _ = ada.act("user_account/signout", json!({})).await.is(200),
            "barred" => _ = world.sql("update user_account set active = false where name = 'ada'").await,
            "over" => _ = world.sql("update rowhouse.refresh set expires_at = now()").await,
            "password" => {
                let elsewhere = sign_in(&world, "ada@example.org", PASSWORD).await.ok().expect("signed in");
                elsewhere.act("user_account/change_password", same).await.is(200);
            }
            _ => {
                world.sql("delete from user_account where name = 'ada'").await;
            }
        }
        let refused = world.guest().act("user_account/refresh", json!({"refresh_token": refresh})).await;
        assert_eq!(refused.status, 401, "{end}: {}", refused.text);
        world.sql("update user_account set active = true").await;
        if end == "over" {
            assert!(is_in(&world, ada.token.clone()).await, "nobody has stolen it: the session goes on");
        }
        if end == "password" {
            world.sql("delete from user_account where name = 'ada'").await;
            signed_up(&world, "ada").await;
        }
    }
    bob.get("/api/user_account/mine").await.is(200);
}

#[tokio::test]
async fn what_is_no_refresh_token_gives_nothing_and_ends_nothing() {
    let (world, _smtp) = with_mail().await;
    let ada = signed_up(&world, "ada").await;
    let (kept, refresh) = remembered(&world, "ada").await;
    let guest = world.guest();
    let good = json!({"refresh_token": refresh});
    let inputs = [("refresh_token", hostile::required(hostile::line(100)))];
    hostile::refuses_bad_inputs(&world, &guest, "user_account/refresh", &good, &inputs).await;
    hostile::takes_no_subject(&world, &ada, "user_account/refresh", &good).await;
    let before = everything(&world).await;
    let access = ada.token.clone().expect("a token");
    let letter = token(&world, &ada, "reset_password", "", None).await;
    world.sql("delete from rowhouse.token").await;
    for text in
        ["nonsense", "' or true --", "%", &refresh.to_uppercase(), &refresh[1..], &format!("{refresh} "), &access[..100], &letter]
    {
        let refused = guest.act("user_account/refresh", json!({"refresh_token": text})).await.is(401);
        assert!(!refused.text.contains(text), "not told again: {}", refused.text);
    }
    same(&before, &everything(&world).await, "nothing is changed");
    kept.get("/api/user_account/mine").await.is(200);
    guest.act("user_account/refresh", good).await.is(200);
}

#[tokio::test]
async fn b03_a_token_that_comes_again_at_once_gives_its_successor_again_and_no_second_tip() {
    let (world, _smtp) = with_mail().await; // ten seconds
    let twin = world.twin().await;
    let guest = world.guest();
    guest.act("user_account/signup", person("ada")).await.is(200);
    let (_, refresh) = remembered(&world, "ada").await;
    let there = guest.at(&twin);
    let renew = async |who: &Someone<'_>, token: &str| who.act("user_account/refresh", json!({"refresh_token": token})).await;
    let all = (0..20).map(|n| renew(if n % 2 == 0 { &guest } else { &there }, &refresh));
    let all = futures_util::future::join_all(all).await;
    let next: std::collections::HashSet<_> =
        all.into_iter().map(|answer| stored(&answer.is(200), "refresh_token").expect("one")).collect();
    assert_eq!(next.len(), 1, "all have the same");
    let next = next.into_iter().next().expect("one");
    assert_eq!(world.sql("select 1 from session where ended_at is null").await.len(), 1 + usize::from(false));
    assert_eq!(world.sql("select 1 from rowhouse.refresh where spent_at is null").await.len(), 1, "one tip");
    let lost = stored(&renew(&guest, &refresh).await.is(200), "token");
    assert!(is_in(&world, lost.clone()).await, "whose answer was lost goes on");
    // Where somebody went on meanwhile, it leads to where they are.
    let last = stored(&renew(&guest, &next).await.is(200), "refresh_token").expect("one");
    assert_eq!(stored(&renew(&guest, &refresh).await.is(200), "refresh_token").as_ref(), Some(&last));
    // Later it is somebody's who shouldn't have it.
    world.sql("update rowhouse.refresh set again_until = now() where spent_at is not null").await;
    renew(&guest, &refresh).await.is(401);
    renew(&guest, &last).await.is(401);
    assert!(world.sql("select 1 from session where ended_at is null").await.is_empty());
}
