//! Groups that people ask to join, and are invited to.

use futures_util::future::join_all;
use serde_json::json;

use super::outbox::{until, with_mail};

#[tokio::test]
async fn who_asks_to_join_is_let_in_by_who_may_update_the_group() {
    let (world, mut smtp) = with_mail().await;
    let (ada, bob, eve) = (world.user("ada", &[]).await, world.user("bob", &[]).await, world.user("eve", &[]).await);
    let group = ada.make("usergroup", json!({"name": "größe & co", "permission": 16256 + 33}), json!({})).await;
    let ask = format!("usergroup/{group}/ask_to_join");
    world.guest().act(&ask, json!({})).await.is(401);
    let asked = join_all((0..50).map(|_| bob.act(&ask, json!({"message": "please <b>"})))).await;
    let with = |status| asked.iter().filter(|answer| answer.status == status).count();
    assert_eq!((with(200), with(409)), (1, 49), "asked once, however often: {}", asked[0].text);
    let members = format!("/api/usergroup/{group}/relationships/members");
    assert!(ada.get(&members).await.is(200).ids().is_empty(), "asking is not joining");
    let letter = smtp.letter().await;
    assert!(letter.to == "ada@example.org" && letter.text.contains("please <b>"), "its owner is told: {}", letter.text);
    assert_eq!(bob.get("/api/join_request").await.is(200).all("message"), ["please <b>"]);
    assert!(eve.get("/api/join_request").await.is(200).ids().is_empty(), "who isn't concerned sees nothing of it");
    eve.act(&ask, json!({})).await.is(200);
    assert_eq!(smtp.letter().await.to, "ada@example.org");
    // Nobody lets themselves in, or turns others down, who may not update the group.
    let answer = |deed: &str| format!("usergroup/{group}/{deed}");
    let (of_bob, of_eve) = (json!({"user_account_id": bob.id}), json!({"user_account_id": eve.id}));
    bob.act(&answer("accept_member"), of_bob.clone()).await.is(403);
    eve.act(&answer("decline_member"), of_bob.clone()).await.is(403);
    let refused = ada.act(&answer("accept_member"), json!({"user_account_id": ada.id})).await.is(404);
    assert!(refused.text.contains("This person has not asked"));
    let accept = answer("accept_member");
    let accepted = join_all((0..50).map(|_| ada.act(&accept, of_bob.clone()))).await;
    assert_eq!(accepted.iter().filter(|answer| answer.status == 200).count(), 1);
    assert_eq!(ada.get(&members).await.is(200).ids(), [bob.id.to_string()]);
    let letter = smtp.letter().await;
    assert_eq!(letter.to, "bob@example.org");
    bob.act(&ask, json!({})).await.is(409);
    ada.act(&answer("decline_member"), of_eve.clone()).await.is(200);
    assert!(world.sql("select 1 from join_request").await.is_empty());
    eve.act(&ask, json!({})).await.is(200);
    assert_eq!(smtp.letter().await.to, "ada@example.org");
    // Who asked may take it back; what is asked can't be made or bent by hand.
    let mine = eve.get("/api/join_request").await.is(200).ids().remove(0);
    let bent = json!({"data": {"type": "join_request", "id": mine, "relationships": {"person": {"data": {"type": "user_account", "id": bob.id}}}}});
    eve.patch(&format!("/api/join_request/{mine}"), bent).await.is(403);
    eve.delete(&format!("/api/join_request/{mine}")).await.is(204);
    ada.act(&answer("accept_member"), of_eve).await.is(404);
    until(&world, "state = 'sent'").await;
    assert!(smtp.is_empty());
}

#[tokio::test]
async fn an_invitation_is_for_its_address_and_good_once() {
    let (world, mut smtp) = with_mail().await;
    let (ada, bob, eve) = (world.user("ada", &[]).await, world.user("bob", &[]).await, world.user("eve", &[]).await);
    // Nobody but its owner may so much as peek it.
    let group = ada.make("usergroup", json!({"name": "Geheimbund"}), json!({})).await;
    let invite = format!("usergroup/{group}/invite_member");
    eve.act(&invite, json!({"email": "eve@example.org"})).await.is(404);
    ada.act(&invite, json!({"email": "no address"})).await.is(422);
    ada.act(&invite, json!({"email": "BOB@example.org"})).await.is(200);
    let letter = smtp.letter().await;
    assert!(letter.header("Subject").contains("Geheimbund"));
    let old = letter.token();
    ada.act(&invite, json!({"email": "eve@example.org"})).await.is(200);
    let of_eve = smtp.letter().await.token();
    ada.act(&invite, json!({"email": "BOB@example.org"})).await.is(200);
    let token = smtp.letter().await.token();
    let accept = async |who: &crate::house::Someone<'_>, token: &str| {
        who.act("usergroup/accept_invitation", json!({"token": token})).await
    };
    accept(&world.guest(), &token).await.is(401);
    accept(&bob, &old).await.is(422); // the newest for an address
    assert!(accept(&eve, &token).await.is(403).text.contains("for another address"));
    bob.act("user_account/verify_email", json!({"token": token})).await.is(422);
    let joined = join_all((0..50).map(|_| accept(&bob, &token))).await;
    let with = |status| joined.iter().filter(|answer| answer.status == status).count();
    assert_eq!((with(200), with(422)), (1, 49));
    assert!(joined.iter().any(|answer| answer.text.contains("Joined Geheimbund")));
    accept(&eve, &of_eve).await.is(200); // another's stays good
    let members = ada.get(&format!("/api/usergroup/{group}/relationships/members")).await.is(200).ids();
    assert!(members.len() == 2 && members.contains(&bob.id.to_string()) && members.contains(&eve.id.to_string()));
    bob.act(&invite, json!({"email": "x@example.org"})).await.is(403); // a member isn't who may update it
    // Of a group that is gone nothing is left.
    ada.act(&invite, json!({"email": "bob@example.org"})).await.is(200);
    let late = smtp.letter().await.token();
    ada.delete(&format!("/api/usergroup/{group}")).await.is(204);
    accept(&bob, &late).await.is(422);
}
