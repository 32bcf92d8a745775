//! usergroup/accept_invitation: into a group by the token of a letter, for who has the address that it was sent to.

use serde_json::json;

use super::hostile::{self, required};
use super::*;

const ACCEPT: &str = "usergroup/accept_invitation";

fn with(token: &str) -> Json {
    json!({"token": token})
}

#[tokio::test]
async fn an_invitation_is_for_its_address_and_good_once() {
    let (world, mut smtp) = with_mail().await;
    let (ada, bob, eve) = (world.user("ada", &[]).await, world.user("bob", &[]).await, world.user("eve", &[]).await);
    let (barred, name) = (world.user("barred", &[]).await, hostile::TEXTS[0]);
    bar(&world, &barred).await;
    let it = group(&ada, name, 0).await; // nobody but its owner may so much as peek it
    let invite = async |email: &str| ada.act(&format!("usergroup/{it}/invite_member"), json!({"email": email})).await.is(200);
    let mut tokens = vec![];
    for email in ["BOB@example.org", "eve@example.org", "BOB@example.org"] {
        invite(email).await;
        tokens.push(smtp.letter().await.token());
    }
    let [old, of_eve, token] = &tokens[..] else { panic!("three") };
    refuses(&world, ACCEPT, &with(old), &[(&bob, 422)]).await; // the newest for an address
    refuses(&world, ACCEPT, &with(token), &[(&world.guest(), 401), (&barred, 401), (&eve, 403), (&ada, 403)]).await;
    assert!(eve.act(ACCEPT, with(token)).await.text.contains("for another address"));
    bob.get(&format!("/action/{ACCEPT}?token={token}")).await.is(405); // a GET never spends it
    let joined = futures_util::future::join_all((0..50).map(|_| bob.act(ACCEPT, with(token)))).await;
    let count = |status| joined.iter().filter(|answer| answer.status == status).count();
    assert_eq!((count(200), count(422)), (1, 49));
    let told = joined.iter().find(|answer| answer.status == 200).expect("one");
    assert_eq!(told.json, json!([success(&format!("Joined {name}"))]), "who holds a token was sent the name");
    eve.act(ACCEPT, with(of_eve)).await.is(200); // another's stays good
    let members = members(&world, &it).await;
    assert!(members.len() == 2 && members.contains(&bob.id.to_string()) && members.contains(&eve.id.to_string()));
    assert!(smtp.is_empty());
}

#[tokio::test]
async fn it_is_worth_what_who_sent_it_may_do() {
    let (world, mut smtp) = with_mail().await;
    let (ada, bob, eve) = (world.user("ada", &[]).await, world.user("bob", &[]).await, world.user("eve", &[]).await);
    let it = group(&ada, "it", 16384 + 131_072 + 524_288).await; // its members may peek, update and execute
    put_in(&world, &it, &eve).await;
    eve.act(&format!("usergroup/{it}/invite_member"), json!({"email": "bob@example.org"})).await.is(200);
    let link = smtp.letter().await.token();
    ada.act(&format!("usergroup/{it}/remove_member"), json!({"email": "eve@example.org"})).await.is(200);
    refuses(&world, ACCEPT, &with(&link), &[(&bob, 422)]).await;
    for (change, status) in [
        ("update usergroup set permission = permission | 8", 200), // anybody may
        (
            "update world set permission = permission & ~ (8 | 131072), group_bits = array_fill(2080768 - 131072, array[cardinality(group_bits)]) where name = 'usergroup'",
            422,
        ),
    ] {
        world.sql("delete from \"usergroup.members\" m using user_account u where u.id = m.target and u.name = 'bob' and m.source in (select id from usergroup where name = 'it')").await;
        world.sql(change).await;
        let link = token(&world, &eve, "invite_member", "bob@example.org", Some(&it)).await;
        let answer = bob.act(ACCEPT, with(&link)).await;
        assert_eq!(answer.status, status, "{change}: {}", answer.text);
    }
}

#[tokio::test]
async fn look_alikes_of_an_address_are_other_addresses() {
    let (world, _smtp) = with_mail().await;
    let ada = world.user("ada", &[]).await;
    let it = group(&ada, "it", 0).await;
    let link = token(&world, &ada, "invite_member", "kate.ii@example.org", Some(&it)).await;
    for alike in ["kаte.ii", "ｋate.ii", "kate.ıı", "kateii", "kate.ii+x", "kate.ii\u{200b}", "kate%", "kate_ii"] {
        let twin = world.user(alike, &[]).await;
        refuses(&world, ACCEPT, &with(&link), &[(&twin, 403)]).await;
    }
    world.user("Kate.II", &[]).await.act(ACCEPT, with(&link)).await.is(200);
}

#[tokio::test]
async fn of_what_is_gone_or_closed_nothing_is_left() {
    let (world, _smtp) = with_mail().await;
    let (ada, bob, admin) = (world.user("ada", &[]).await, world.user("bob", &[]).await, world.administrator().await);
    let (gone, late) = (group(&ada, "gone", 0).await, group(&ada, "late", 0).await);
    let admins = world.sql("select id::text from usergroup where declared and name = 'administrators'").await;
    let admins = admins[0].text(0).expect("an id").to_owned();
    let mut links = vec![];
    for (from, it) in [(&ada, &gone), (&ada, &late), (&admin, &admins)] {
        links.push(token(&world, from, "invite_member", "bob@example.org", Some(it)).await);
    }
    ada.delete(&format!("/api/usergroup/{gone}")).await.is(204);
    refuses(&world, ACCEPT, &with(&links[0]), &[(&bob, 422)]).await;
    refuses(&world, ACCEPT, &with(&links[2]), &[(&bob, 403)]).await; // nobody becomes an administrator by a letter
    bar(&world, &ada).await;
    refuses(&world, ACCEPT, &with(&links[1]), &[(&bob, 422)]).await; // nor joins by the word of who is barred
}

#[tokio::test]
async fn what_is_no_invitation_leads_nowhere() {
    let (world, smtp) = with_mail().await;
    let (ada, bob) = (world.user("ada", &[]).await, world.user("bob", &[]).await);
    let it = group(&ada, "it", 0).await;
    let link = token(&world, &ada, "invite_member", "bob@example.org", Some(&it)).await;
    hostile::refuses_bad_inputs(&world, &bob, ACCEPT, &with(&link), &[("token", required(hostile::line(100)))]).await;
    hostile::takes_no_subject(&world, &bob, ACCEPT, &with(&link)).await;
    hostile::refuses_other_tokens(&world, &bob, ACCEPT, "invite_member", &ada, with).await;
    for verb in ["verify_email", "confirm_email_change", "undo_email_change"] {
        let other = token(&world, &ada, "invite_member", "bob@example.org", Some(&it)).await;
        refuses(&world, &format!("user_account/{verb}"), &with(&other), &[(&bob, 422)]).await;
    }
    assert!(members(&world, &it).await.is_empty() && smtp.is_empty());
}
