//! usergroup/remove_member: a person out of a group, by whoever may update it.

use serde_json::json;

use super::*;

#[tokio::test]
async fn who_may_update_a_group_takes_people_out() {
    let (world, smtp) = with_mail().await;
    let (ada, bob, cyd) = (world.user("ada", &[]).await, world.user("bob", &[]).await, world.user("cyd", &[]).await);
    let chess = group(&ada, "chess", 0).await;
    for who in [&ada, &bob, &cyd] {
        put_in(&world, &chess, who).await;
    }
    bar(&world, &cyd).await;
    let remove = format!("usergroup/{chess}/remove_member");
    let told = ada.act(&remove, json!({"user_account_id": bob.id})).await.is(200).json;
    assert_eq!(told, json!([success("Member removed")]));
    assert!(!members(&world, &chess).await.contains(&bob.id.to_string()));
    let before = contents(&world).await;
    ada.act(&remove, json!({"email": "bob@example.org"})).await.is(200); // is out already
    same(&before, &contents(&world).await, "nothing is changed");
    assert_eq!(fifty(&[&ada], &remove, &json!({"email": "CYD@example.org"})).await, [(200, 50)].into());
    assert_eq!(members(&world, &chess).await, [ada.id.to_string()], "also who is barred");
    assert!(smtp.is_empty());
}

#[tokio::test]
async fn nobody_takes_people_out_of_what_they_may_not_update() {
    let (world, _smtp) = with_mail().await;
    let (ada, bob, eve) = (world.user("ada", &[]).await, world.user("bob", &[]).await, world.user("eve", &[]).await);
    let barred = world.user("barred", &[]).await;
    let (open, hidden) = (group(&ada, "open", 35).await, group(&ada, "hidden", 0).await);
    for it in [&open, &hidden] {
        for who in [&ada, &bob, &barred] {
            put_in(&world, it, who).await;
        }
    }
    bar(&world, &barred).await;
    for body in [json!({"email": "ada@example.org"}), json!({"user_account_id": ada.id})] {
        let them = [(&world.guest(), 401), (&barred, 401), (&bob, 403), (&eve, 403)];
        refuses(&world, &format!("usergroup/{open}/remove_member"), &body, &them).await;
        refuses(&world, &format!("usergroup/{hidden}/remove_member"), &body, &[(&bob, 404), (&eve, 404)]).await;
    }
    let admin = world.administrator().await;
    world.sql("update usergroup set permission = 2097151 where declared").await;
    let admins = world.sql("select id::text from usergroup where declared and name = 'administrators'").await;
    let remove = format!("usergroup/{}/remove_member", admins[0].text(0).expect("an id"));
    refuses(&world, &remove, &json!({"email": "admin@example.org"}), &[(&eve, 403), (&admin, 409)]).await;
}

#[tokio::test]
async fn it_takes_one_group_and_one_person() {
    let (world, _smtp) = with_mail().await;
    let (ada, bob) = (world.user("ada", &[]).await, world.user("bob", &[]).await);
    let chess = group(&ada, "chess", 0).await;
    put_in(&world, &chess, &bob).await;
    let remove = format!("usergroup/{chess}/remove_member");
    let good = json!({"email": "bob@example.org"});
    hostile::refuses_bad_inputs(&world, &ada, &remove, &good, &[("email", hostile::address())]).await;
    hostile::takes_one_subject(&world, &ada, "usergroup/remove_member", &chess, &good).await;
    hostile::refuses_bad_inputs(&world, &ada, &remove, &json!({}), &[("user_account_id", hostile::uuid())]).await;
    for body in [json!({}), json!({"user_account_id": null}), json!({"email": "bob@example.org", "user_account_id": bob.id})] {
        let refused = ada.act(&remove, body).await.is(422);
        assert!(refused.text.contains("exactly one of user_account_id and email"), "{}", refused.text);
    }
    // Whether there is such a person is not told.
    let told = ada.act(&remove, json!({"email": "nobody@example.org"})).await.is(200).text;
    let not_in = world.user("not_in", &[]).await.id.to_string();
    for body in [json!({"email": "not_in@example.org"}), json!({"user_account_id": NOBODY}), json!({"user_account_id": not_in})] {
        assert_eq!(ada.act(&remove, body).await.is(200).text, told);
    }
    assert_eq!(members(&world, &chess).await, [bob.id.to_string()]);
}
