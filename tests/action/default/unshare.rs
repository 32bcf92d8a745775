//! unshare, which every entity has: a group's grant on a row of one's own is taken away.

use serde_json::json;

use super::hostile::{self, required};
use super::*;

/// A row of somebody's that is granted to a group of theirs, with everything that groups may.
async fn shared(who: &Someone<'_>, group: &str) -> String {
    let row = who.make("article", json!({"title": "x", "permission": 16256}), json!({})).await;
    who.act(&format!("article/{row}/share"), json!({"usergroup": group, "permission": 2_080_768})).await.is(200);
    row
}

#[tokio::test]
async fn an_owner_takes_a_grant_away_and_it_is_worth_nothing_at_once() {
    let (world, smtp) = with_mail().await;
    let twin = world.twin().await;
    let (ada, bob) = (world.user("ada", &[]).await, world.user("bob", &[]).await);
    let (friends, others) = (group(&ada, "friends", 1 | 64).await, group(&ada, "others", 1 | 64).await);
    put_in(&world, &friends, &bob).await;
    let row = shared(&ada, &friends).await;
    ada.act(&format!("article/{row}/share"), json!({"usergroup": others})).await.is(200);
    let (url, unshare) = (format!("/api/article/{row}"), format!("article/{row}/unshare"));
    bob.get(&url).await.is(200);
    // Removing asks nothing of the group: not even that one may see it.
    world.sql(&format!("update usergroup set permission = 0, owner = null where id = '{friends}'")).await;
    assert_eq!(ada.act(&unshare, json!({"usergroup": friends})).await.is(200).json, json!([success("Not shared any more")]));
    bob.get(&url).await.is(404);
    bob.at(&twin).get(&url).await.is(404);
    let left = ada.get(&format!("{url}/relationships/usergroups")).await.is(200).ids();
    assert!(left.contains(&others) && !left.contains(&friends), "the other grants stay");
    let before = contents(&world).await;
    for id in [&friends, NOBODY, &row] {
        ada.act("article/unshare", json!({"article_id": row, "usergroup": id})).await.is(200); // isn't granted it already
    }
    same(&before, &contents(&world).await, "nothing is changed");
    assert_eq!(fifty(&[&ada], &unshare, &json!({"usergroup": others})).await, [(200, 50)].into());
    assert_eq!(ada.get(&format!("{url}/relationships/usergroups")).await.is(200).ids().len(), left.len() - 1);
    assert!(smtp.is_empty());
}

#[tokio::test]
async fn whose_it_is_not_takes_nothing_away() {
    let (world, _smtp) = with_mail().await;
    let (ada, bob, eve) = (world.user("ada", &[]).await, world.user("bob", &[]).await, world.user("eve", &[]).await);
    let barred = world.user("barred", &[]).await;
    let friends = group(&ada, "friends", 1 | 64).await;
    for who in [&bob, &barred] {
        put_in(&world, &friends, who).await;
    }
    bar(&world, &barred).await;
    let row = shared(&ada, &friends).await;
    let (unshare, good) = (format!("article/{row}/unshare"), json!({"usergroup": friends}));
    refuses(&world, &unshare, &good, &[(&world.guest(), 401), (&barred, 401), (&bob, 403), (&eve, 404)]).await;
    world.sql(&format!("update article set permission = 16256 + 32 + 1 where id = '{row}'")).await; // whoever may execute
    refuses(&world, &unshare, &good, &[(&world.guest(), 401), (&barred, 401), (&bob, 403), (&eve, 403)]).await;
    refuses(&world, &format!("usergroup/{friends}/unshare"), &good, &[(&ada, 404)]).await; // the system's entities have none
}

#[tokio::test]
async fn it_takes_one_row_and_one_group() {
    let (world, _smtp) = with_mail().await;
    let ada = world.user("ada", &[]).await;
    let friends = group(&ada, "friends", 0).await;
    let row = shared(&ada, &friends).await;
    let (unshare, good) = (format!("article/{row}/unshare"), json!({"usergroup": friends}));
    let no_ids = ["", "x", "' or true --", "%", "\u{0}", "00000000-0000-7000-8000-00000000dead0"].map(|id| json!(id));
    let inputs = [("usergroup", required(hostile::row().into_iter().chain(no_ids).collect()))];
    hostile::refuses_bad_inputs(&world, &ada, &unshare, &good, &inputs).await;
    hostile::takes_one_subject(&world, &ada, "article/unshare", &row, &good).await;
    ada.act(&unshare, json!({"usergroup": friends, "permission": 0})).await.is(422);
    assert!(ada.get(&format!("/api/article/{row}/relationships/usergroups")).await.is(200).ids().contains(&friends));
}
