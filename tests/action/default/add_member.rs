//! usergroup/add_member: a person into a group, by whoever may update it.

use serde_json::json;

use super::*;

fn inputs() -> [(&'static str, Vec<Json>); 1] {
    [("email", hostile::address())]
}

#[tokio::test]
async fn who_may_update_a_group_puts_people_in() {
    let (world, smtp) = with_mail().await;
    let (ada, bob, cyd) = (world.user("ada", &[]).await, world.user("bob", &[]).await, world.user("cyd", &[]).await);
    let chess = group(&ada, "chess", 0).await;
    let add = format!("usergroup/{chess}/add_member");
    let by_address = json!({"email": " BOB@example.org "});
    assert_eq!(ada.act(&add, by_address.clone()).await.is(200).json, json!([success("Member added")]));
    assert_eq!(members(&world, &chess).await, [bob.id.to_string()]);
    assert_eq!(fifty(&[&ada], &add, &by_address).await, [(200, 50)].into());
    assert_eq!(members(&world, &chess).await.len(), 1, "once, however often");
    // By id only who may be referred to: an input is never lifted.
    refuses(&world, &add, &json!({"user_account_id": cyd.id}), &[(&ada, 403)]).await;
    world.sql(&format!("update user_account set permission = permission | 64 where id = '{}'", cyd.id)).await;
    ada.act("usergroup/add_member", json!({"usergroup_id": chess, "user_account_id": cyd.id})).await.is(200);
    assert_eq!(members(&world, &chess).await.len(), 2);
    ada.act(&add, json!({"email": null, "user_account_id": ada.id})).await.is(200); // null is nothing
    assert!(smtp.is_empty());
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
    for body in [json!({"email": "eve@example.org"}), json!({"user_account_id": eve.id})] {
        let them = [(&world.guest(), 401), (&barred, 401), (&bob, 403), (&eve, 403)];
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
    for body in [json!({}), json!({"email": null}), json!({"email": "bob@example.org", "user_account_id": bob.id})] {
        let refused = ada.act(&add, body).await.is(422);
        assert!(refused.text.contains("exactly one of user_account_id and email"), "{}", refused.text);
    }
    let nobody = ada.act(&add, json!({"email": "nobody@example.org"})).await.is(404).text;
    assert_eq!(ada.act(&add, json!({"email": "hidden@example.org"})).await.is(404).text, nobody, "V16: the same bytes");
    for id in [NOBODY, "x", "", &hidden.id.to_string(), &chess] {
        assert_eq!(ada.act(&add, json!({"user_account_id": id})).await.is(404).text, nobody, "{id:?}");
    }
    assert!(members(&world, &chess).await.is_empty());
}
