//! usergroup/add_member: a person into a group, by whoever may update it.

use serde_json::json;

use super::*;

fn inputs() -> [(&'static str, Vec<Json>); 1] {
    [("email", hostile::address())]
}

#[tokio::test]
async fn who_may_update_a_group_puts_people_in_whom_they_know_and_invites_others() {
    let (world, mut smtp) = with_mail().await;
    let (ada, bob, cyd) = (world.user("ada", &[]).await, world.user("bob", &[]).await, world.user("cyd", &[]).await);
    let chess = group(&ada, "chess", 0).await;
    let add = format!("usergroup/{chess}/add_member");
    // Known and unknown are answered and written to alike, and nobody is in before they accept.
    for address in ["bob@example.org", "nobody@example.org"] {
        let told = ada.act(&add, json!({"email": format!(" {address} ")})).await.is(200);
        assert_eq!(told.json, json!([success(&format!("Invited {address}"))]));
        let letter = smtp.letter().await;
        assert!(letter.to == address && letter.text.contains("chess"), "{}", letter.text);
    }
    assert!(members(&world, &chess).await.is_empty());
    ada.act(&format!("{add}?dry_run=true"), json!({"email": "bob@example.org"})).await.is(422);
    // By id only who is known to the caller by more than what guests are, and may be referred to: an input is never lifted.
    refuses(&world, &add, &json!({"user_account_id": cyd.id}), &[(&ada, 404)]).await;
    world.sql(&format!("update user_account set permission = permission | 64 where id = '{}'", cyd.id)).await;
    refuses(&world, &add, &json!({"user_account_id": cyd.id}), &[(&ada, 404)]).await;
    let peeked = format!(
        "update user_account set groups = array['{chess}'::uuid], permission = permission | 16384 where id = '{}'",
        cyd.id
    );
    world.sql(&peeked).await;
    put_in(&world, &chess, &ada).await;
    ada.act("usergroup/add_member", json!({"usergroup_id": chess, "user_account_id": cyd.id})).await.is(200);
    assert_eq!(members(&world, &chess).await.len(), 2);
    ada.act(&add, json!({"email": null, "user_account_id": ada.id})).await.is(200); // null is nothing
    assert!(smtp.is_empty() && bob.token.is_some());
}

#[tokio::test]
async fn nobody_puts_people_into_what_they_may_not_update() {
    let (world, _smtp) = with_mail().await;
    let (ada, bob, eve) = (world.user("ada", &[]).await, world.user("bob", &[]).await, world.user("eve", &[]).await);
    let barred = world.user("barred", &[]).await;
    bar(&world, &barred).await;
    let (open, hidden) = (group(&ada, "open", 35 | 64).await, group(&ada, "hidden", 0).await);
    for it in [&open, &hidden] {
        put_in(&world, it, &bob).await; // a member without update
    }
    for (body, unknown) in [(json!({"email": "eve@example.org"}), 403), (json!({"user_account_id": eve.id}), 404)] {
        let them = [(&world.guest(), 401), (&barred, 401), (&bob, unknown), (&eve, 403)]; // eve knows herself
        refuses(&world, &format!("usergroup/{open}/add_member"), &body, &them).await;
        refuses(&world, &format!("usergroup/{hidden}/add_member"), &body, &[(&bob, 404), (&eve, 404)]).await;
    }
    let admins = world.sql("select id::text from usergroup where declared and name = 'administrators'").await;
    world.sql("update usergroup set permission = 2097151 where declared").await;
    let add = format!("usergroup/{}/add_member", admins[0].text(0).expect("an id"));
    refuses(&world, &add, &json!({"email": "eve@example.org"}), &[(&ada, 403), (&eve, 403)]).await;
}

#[tokio::test]
async fn it_takes_one_group_and_one_person() {
    let (world, _smtp) = with_mail().await;
    let (ada, bob, hidden) = (world.user("ada", &[]).await, world.user("bob", &[]).await, world.user("hidden", &[]).await);
    world.sql(&format!("update user_account set permission = 16256 where id = '{}'", hidden.id)).await;
    let chess = group(&ada, "chess", 0).await;
    let add = format!("usergroup/{chess}/add_member");
    let good = json!({"email": "bob@example.org"});
    hostile::refuses_bad_inputs(&world, &ada, &add, &good, &inputs()).await;
    hostile::takes_one_subject(&world, &ada, "usergroup/add_member", &chess, &good).await;
    hostile::refuses_bad_inputs(&world, &ada, &add, &json!({}), &[("user_account_id", hostile::row())]).await;
    for body in [json!({}), json!({"email": null}), json!({"email": "bob@example.org", "user_account_id": ada.id})] {
        let refused = ada.act(&add, body).await.is(422);
        assert!(refused.text.contains("exactly one of user_account_id and email"), "{}", refused.text);
    }
    let nobody = ada.act(&add, json!({"user_account_id": NOBODY})).await.is(404).text;
    for id in ["x", "", &hidden.id.to_string(), &bob.id.to_string(), &chess] {
        assert_eq!(ada.act(&add, json!({"user_account_id": id})).await.is(404).text, nobody, "{id:?}");
    }
    assert!(members(&world, &chess).await.is_empty());
}
