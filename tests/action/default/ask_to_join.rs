//! usergroup/ask_to_join: asks those who may update a group to be let in; its owner is written to.

use serde_json::json;

use super::*;

#[tokio::test]
async fn who_asks_is_noted_once_and_the_owner_told() {
    let (world, mut smtp) = with_mail().await;
    let (ada, bob, eve) = (world.user("ada", &[]).await, world.user("bob", &[]).await, world.user("eve", &[]).await);
    let it = group(&ada, "größe & co", 33).await;
    let ask = format!("usergroup/{it}/ask_to_join");
    assert_eq!(fifty(&[&bob], &ask, &json!({"message": " please <b> "})).await, [(200, 1), (409, 49)].into());
    assert!(members(&world, &it).await.is_empty(), "asking is not joining");
    let letter = smtp.letter().await;
    assert_eq!(letter.to, "ada@example.org");
    assert!(
        letter.words().contains("bob (bob@example.org) asks to join größe & co:\r\n\r\nplease <b>\r\n"),
        "{}",
        letter.words()
    );
    assert!(letter.words().contains(&format!("https://front.example/join_requests?group={it}")));
    assert_eq!(bob.get("/api/join_request").await.is(200).all("message"), ["please <b>"]);
    assert!(eve.get("/api/join_request").await.is(200).ids().is_empty(), "who isn't concerned sees nothing of it");
    let answer = eve.act("usergroup/ask_to_join", json!({"usergroup_id": it})).await.is(200);
    assert_eq!(answer.json, json!([success("Asked")]));
    assert_eq!(smtp.letter().await.to, "ada@example.org");
    // Who asked may take it back; what is asked can't be made or bent by hand.
    let mine = eve.get("/api/join_request").await.is(200).ids().remove(0);
    let link = |entity: &str, id: &str| json!({"data": {"type": entity, "id": id}});
    let bent =
        json!({"type": "join_request", "id": mine, "relationships": {"person": link("user_account", &bob.id.to_string())}});
    eve.patch(&format!("/api/join_request/{mine}"), json!({"data": bent})).await.is(403);
    let made = json!({"group": link("usergroup", &it), "person": link("user_account", &eve.id.to_string())});
    eve.post("/api/join_request", json!({"data": {"type": "join_request", "relationships": made}})).await.is(403);
    eve.delete(&format!("/api/join_request/{mine}")).await.is(204);
    eve.act(&ask, json!({})).await.is(200);
    assert_eq!(smtp.letter().await.to, "ada@example.org");
    assert!(smtp.is_empty());
}

#[tokio::test]
async fn messages_are_told_as_they_are() {
    let (world, mut smtp) = with_mail().await;
    let (ada, bob) = (world.user("ada", &[]).await, world.user("bob", &[]).await);
    // Whatever a letter holds it is one, to one address.
    let smuggled = [
        "x\n.\nMAIL FROM:<eve@example.org>\nRCPT TO:<bob@example.org>\nDATA\nx\n.\n",
        "\r\n.\r\nQUIT\r\n",
        "\r.\r\n.\rx",
        "x\r\nBcc: eve@example.org",
    ];
    for text in hostile::TEXTS.iter().chain(&smuggled) {
        let it =
            group(&ada, text.lines().next().filter(|line| !line.is_empty() && !line.contains('\r')).unwrap_or("x"), 33).await;
        world.sql(&format!("update user_account set name = $name$bob {}$name$ where id = '{}'", hostile::TEXTS[0], bob.id)).await;
        bob.act(&format!("usergroup/{it}/ask_to_join"), json!({"message": text})).await.is(200);
        let letter = smtp.letter().await;
        assert_eq!(letter.to, "ada@example.org");
        let plain = |text: &str| text.replace("\r\n", "\n").replace('\r', "\n");
        let words = plain(&letter.words());
        assert!(words.contains(&plain(text.trim())), "{text:?} in {words:?}");
        assert!(words.contains(&format!("bob {} (bob@example.org) asks to join", hostile::TEXTS[0])), "{words}");
        let head = letter.text.split("\r\n\r\n").next().expect("a head");
        assert!(
            !head.contains("Bcc") && head.matches("\nSubject: ").count() + usize::from(head.starts_with("Subject: ")) == 1,
            "{head}"
        );
        let kept = bob.get("/api/join_request?sort=-created_at&page[size]=1").await.is(200);
        assert_eq!(kept.all("message"), [text.trim()]);
    }
    crate::mail::outbox::until(&world, "state = 'sent'").await;
    assert!(smtp.is_empty());
}

#[tokio::test]
async fn who_is_in_or_may_not_ask_is_told_so() {
    let (world, mut smtp) = with_mail().await;
    let (ada, bob, barred) = (world.user("ada", &[]).await, world.user("bob", &[]).await, world.user("barred", &[]).await);
    bar(&world, &barred).await;
    let (open, hidden, seen) = (group(&ada, "open", 33).await, group(&ada, "hidden", 0).await, group(&ada, "seen", 3).await);
    let ask = |group: &str| format!("usergroup/{group}/ask_to_join");
    refuses(&world, &ask(&open), &json!({}), &[(&world.guest(), 401), (&barred, 401)]).await;
    refuses(&world, &ask(&hidden), &json!({}), &[(&bob, 404)]).await;
    refuses(&world, &ask(&seen), &json!({}), &[(&bob, 403)]).await;
    put_in(&world, &open, &bob).await;
    refuses(&world, &ask(&open), &json!({}), &[(&bob, 409)]).await;
    hostile::refuses_bad_inputs(&world, &ada, &ask(&open), &json!({}), &[("message", hostile::text(500))]).await;
    hostile::takes_one_subject(&world, &ada, "usergroup/ask_to_join", &open, &json!({})).await;
    // A group without an owner is asked, and nobody is written to.
    world.sql(&format!("update usergroup set owner = null, permission = permission | 33 where id = '{seen}'")).await;
    bob.act(&ask(&seen), json!({"message": null})).await.is(200);
    assert!(smtp.is_empty());
    ada.act(&ask(&open), json!({"message": ""})).await.is(200);
    assert_eq!(smtp.letter().await.to, "ada@example.org");
}
