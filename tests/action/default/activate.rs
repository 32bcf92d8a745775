//! user_account/activate: who was barred is let in again. For administrators.

use serde_json::json;

use super::*;

const NAME: &str = "user_account/activate";

fn of(who: &Someone<'_>) -> String {
    format!("user_account/{}/activate", who.id)
}

#[tokio::test]
async fn who_was_barred_is_let_in_again() {
    let (world, smtp) = with_mail().await;
    let (admin, ada, bob) = (world.administrator().await, signed_up(&world, "ada").await, signed_up(&world, "bob").await);
    for who in [&ada, &bob] {
        admin.act(&format!("user_account/{}/deactivate", who.id), json!({})).await.is(200);
    }
    assert_eq!(admin.act(&of(&ada), json!({})).await.is(200).json, json!([success("Activated")]));
    assert!(sign_in(&world, "ada@example.org", PASSWORD).await.is_ok());
    assert!(sign_in(&world, "bob@example.org", PASSWORD).await.is_err(), "nobody else");
    admin.act(NAME, json!({"user_account_id": ada.id})).await.is(200); // it is done already
    assert_eq!(fifty(&[&admin], &of(&bob), &json!({})).await, [(200, 50)].into());
    assert!(sign_in(&world, "bob@example.org", PASSWORD).await.is_ok());
    assert!(smtp.is_empty());
}

#[tokio::test]
async fn nobody_lets_others_or_themselves_in_but_administrators() {
    let (world, _smtp) = with_mail().await;
    let (admin, ada, bob) = (world.administrator().await, world.user("ada", &[]).await, world.user("bob", &["editors"]).await);
    bar(&world, &ada).await;
    refuses(&world, &of(&ada), &json!({}), &[(&world.guest(), 401), (&ada, 401), (&bob, 403)]).await;
    refuses(&world, &of(&bob), &json!({}), &[(&world.guest(), 401), (&bob, 403)]).await;
    hostile::refuses_bad_inputs(&world, &admin, &of(&ada), &json!({}), &[]).await;
    hostile::takes_one_subject(&world, &admin, NAME, &ada.id.to_string(), &json!({})).await;
}
