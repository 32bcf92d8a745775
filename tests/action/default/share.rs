//! share, which every entity has: a row of one's own is granted to a group.

use serde_json::json;

use super::hostile::{self, required};
use super::*;

async fn memo(who: &Someone<'_>) -> String {
    who.make("article", json!({"title": "x", "permission": 16256 | 32768}), json!({})).await
}

async fn grant(world: &World, article: &str, group: &str) -> Option<i64> {
    let sql = format!(
        "select coalesce(group_bits[array_position(groups, '{group}')], 0)::bigint from article where id = '{article}' and '{group}' = any(groups)"
    );
    world.sql(&sql).await.first().and_then(|row| row.int(0))
}

#[tokio::test]
async fn an_owner_grants_a_row_with_its_bits_or_others() {
    let (world, smtp) = with_mail().await;
    let (ada, bob, eve) = (world.user("ada", &[]).await, world.user("bob", &[]).await, world.user("eve", &[]).await);
    let friends = group(&ada, "friends", 1 | 64).await;
    put_in(&world, &friends, &bob).await;
    let row = memo(&ada).await;
    let (url, share) = (format!("/api/article/{row}"), format!("article/{row}/share"));
    let renamed = json!({"data": {"type": "article", "id": row, "attributes": {"title": "by bob"}}});
    bob.get(&url).await.is(404);
    assert_eq!(ada.act(&share, json!({"usergroup": friends})).await.is(200).json, json!([success("Shared")]));
    bob.get(&url).await.is(200);
    bob.patch(&url, renamed.clone()).await.is(403); // the row's own bits
    let more = json!({"article_id": row, "usergroup": friends, "permission": 32768 | 131_072});
    ada.act("article/share", more).await.is(200);
    bob.patch(&url, renamed).await.is(200);
    let before = contents(&world).await;
    ada.act(&share, json!({"usergroup": friends, "permission": null})).await.is(200);
    same(&before, &contents(&world).await, "sharing again without saying more leaves the grant as it is");
    eve.get(&url).await.is(404);
    assert_eq!(fifty(&[&ada], &share, &json!({"usergroup": friends, "permission": 32768})).await, [(200, 50)].into());
    assert_eq!(grant(&world, &row, &friends).await, Some(32768), "one grant, however often");
    let times = format!("select 1 from article where id = '{row}' and cardinality(array_positions(groups, '{friends}')) = 1");
    assert_eq!(world.sql(&times).await.len(), 1);
    assert!(smtp.is_empty());
}

#[tokio::test]
async fn whose_it_is_not_shares_nothing() {
    let (world, _smtp) = with_mail().await;
    let (ada, bob, eve) = (world.user("ada", &[]).await, world.user("bob", &[]).await, world.user("eve", &[]).await);
    let barred = world.user("barred", &[]).await;
    let friends = group(&ada, "friends", 1 | 64).await;
    put_in(&world, &friends, &bob).await;
    let (row, of_barred) = (memo(&ada).await, memo(&barred).await);
    bar(&world, &barred).await;
    let good = json!({"usergroup": friends});
    let share = format!("article/{row}/share");
    refuses(&world, &share, &good, &[(&world.guest(), 401), (&barred, 401), (&bob, 404), (&eve, 404)]).await;
    refuses(&world, &format!("article/{of_barred}/share"), &good, &[(&barred, 401), (&ada, 404)]).await;
    ada.act(&share, json!({"usergroup": friends, "permission": 2_080_768})).await.is(200); // to do all that members may
    refuses(&world, &share, &json!({"usergroup": friends, "permission": 32768}), &[(&bob, 403)]).await;
    world.sql(&format!("update article set permission = 16256 + 32 + 1 where id = '{row}'")).await; // whoever may execute
    refuses(&world, &share, &good, &[(&world.guest(), 401), (&barred, 401), (&bob, 403), (&eve, 403)]).await;
    // The group must be one that the owner may peek and refer to.
    let (hidden, seen) = (group(&eve, "hidden", 0).await, group(&eve, "seen", 3).await);
    refuses(&world, &share, &json!({"usergroup": hidden}), &[(&ada, 404)]).await;
    refuses(&world, &share, &json!({"usergroup": seen}), &[(&ada, 403)]).await;
    refuses(&world, &format!("usergroup/{friends}/share"), &good, &[(&ada, 404)]).await; // the system's entities have none
}

#[tokio::test]
async fn it_takes_one_row_one_group_and_the_bits_of_groups() {
    let (world, _smtp) = with_mail().await;
    let ada = world.user("ada", &[]).await;
    let friends = group(&ada, "friends", 0).await;
    let row = memo(&ada).await;
    let (share, good) = (format!("article/{row}/share"), json!({"usergroup": friends}));
    let bits = [1, -1, 127, 256, 2_097_151, 2_080_769, 4_194_304].iter().map(|bits| json!(bits));
    let bits = bits.chain([json!("32768"), json!("x"), json!(0.5), json!(true), json!([]), json!({}), json!(1e300)]);
    let inputs = [("usergroup", required(hostile::row())), ("permission", bits.collect())];
    hostile::refuses_bad_inputs(&world, &ada, &share, &good, &inputs).await;
    hostile::takes_one_subject(&world, &ada, "article/share", &row, &good).await;
    for id in [NOBODY, "x", "", "' or true --", &row, &ada.id.to_string()] {
        refuses(&world, &share, &json!({"usergroup": id}), &[(&ada, 404)]).await;
    }
    assert_eq!(grant(&world, &row, &friends).await, None);
}
