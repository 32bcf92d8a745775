//! Sign up, sign in, sign out, change password, become an administrator.

use serde_json::{Value as Json, json};

use crate::house::{Someone, World};

fn person(name: &str) -> Json {
    json!({"attributes": {"name": name, "email": format!("{name}@example.org"), "password": "correct horse", "passwordConfirm": "correct horse"}})
}

async fn signed_in<'w>(world: &'w World, name: &str) -> Someone<'w> {
    let mut someone = world.guest();
    someone.act("user_account/signup", person(name)).await.is(200);
    let answer = someone
        .act("user_account/signin", json!({"email": format!("{name}@example.org"), "password": "correct horse"}))
        .await
        .is(200);
    someone.token = answer.json[0]["Attributes"]["value"].as_str().map(str::to_owned);
    someone
}

#[tokio::test]
async fn c1_c2_sign_up_and_sign_in_to_the_letter() {
    let world = World::new().await;
    let guest = world.guest();
    let body = r#"{"attributes":{"name":"username","email":"a@example.org","password":"correct horse","passwordConfirm":"correct horse"}}"#;
    let request = guest
        .request(reqwest::Method::POST, "/action/user_account/signup")
        .header("Authorization", "Bearer null")
        .header("Content-Type", "application/json;charset=UTF-8")
        .header("Accept", "application/json, text/plain, */*")
        .body(body);
    let answer = guest.send(request).await.is(200);
    assert_eq!(
        answer.text,
        r#"[{"ResponseType":"client.notify","Attributes":{"type":"success","title":"Success","message":"Created user"}}]"#
    );
    let answer = guest
        .act("user_account/signin", json!({"attributes": {"email": "A@example.org", "password": "correct horse"}}))
        .await
        .is(200);
    let kinds: Vec<_> =
        answer.json.as_array().expect("a list").iter().map(|d| d["ResponseType"].as_str().expect("a type")).collect();
    assert_eq!(kinds, ["client.store.set", "client.notify", "client.redirect"]);
    assert_eq!(answer.json[1]["Attributes"], json!({"type": "success", "title": "Success", "message": "Logged in"}));
    assert_eq!(answer.json[2]["Attributes"], json!({"location": "/", "window": "self", "delay": 2000}));
    let mut user = world.guest();
    user.token = answer.json[0]["Attributes"]["value"].as_str().map(str::to_owned);
    let claims = world.app.tokens.verify(user.token.as_deref().expect("a token")).expect("good");
    assert_eq!((claims.email.as_str(), claims.exp - claims.iat, claims.iss.as_str()), ("a@example.org", 3600, "rowhouse"));
    let mine = user.get("/api/user_account/mine").await.is(200);
    let id = mine.json["data"]["id"].as_str().expect("an id").to_owned();
    assert_eq!(mine.json["data"]["relationships"]["owner"]["data"]["id"], id, "owns itself");
    assert_eq!(
        user.get(&format!("/api/user_account/{id}/relationships/member_of")).await.is(200).ids().len(),
        2,
        "users and a group of its own"
    );
    assert_eq!(world.sql(&format!("select 1 from usergroup where owner = '{id}' and name = 'Home'")).await.len(), 1);
}

#[tokio::test]
async fn v6_v26_what_is_wrong_with_a_sign_up_is_told_at_once() {
    let world = World::new().await;
    let guest = world.guest();
    guest.act("user_account/signup", person("ada")).await.is(200);
    guest.act("user_account/signup", person("ada")).await.is(409);
    let bad = guest
        .act(
            "user_account/signup",
            json!({"attributes": {"name": "", "email": "x", "password": "short", "passwordConfirm": "other", "role": "admin"}}),
        )
        .await
        .is(422);
    assert!(bad.json[0]["Attributes"]["faults"].as_array().expect("faults").len() >= 3, "{}", bad.text);
    for (name, value) in [
        ("password", json!("password1")),
        ("email", json!(7)),
        ("name", json!(["x"])),
        ("name", json!("a\u{0}b")),
        ("active", json!(true)),
        ("permission", json!(2_097_151)),
    ] {
        let mut body = person("bob");
        body["attributes"][name] = value;
        guest.act("user_account/signup", body).await.is(422);
    }
    assert_eq!(world.sql("select 1 from user_account").await.len(), 1, "a failed action leaves no trace");
    guest.act("user_account/nothing", json!({})).await.is(404);
    guest.act("nothing/signup", json!({})).await.is(404);
    guest.act("user_account/signup", json!([])).await.is(400);
    assert_eq!(guest.get("/action/user_account/signup").await.is(405).header("allow"), "POST");
}

#[tokio::test]
async fn v13_v14_v16_wrong_passwords_are_counted_and_answered_alike() {
    let world = World::new().await;
    let guest = world.guest();
    guest.act("user_account/signup", person("ada")).await.is(200);
    guest.act("user_account/signup", person("barred")).await.is(200);
    world.sql("update user_account set permission = 16256 where name = 'barred'").await;
    let try_in =
        async |email: &str, password: &str| guest.act("user_account/signin", json!({"email": email, "password": password})).await;
    let wrong = try_in("ada@example.org", "wrong").await.is(401);
    for (email, password) in [("nobody@example.org", "wrong"), ("barred@example.org", "correct horse")] {
        assert_eq!(try_in(email, password).await.is(401).text, wrong.text);
    }
    assert!(wrong.text.contains("Wrong e-mail or password"));
    let all = (0..10).map(|_| try_in("ada@example.org", "wrong"));
    futures_util::future::join_all(all).await;
    assert_eq!(try_in("ada@example.org", "correct horse").await.is(401).text, wrong.text, "not checked any more");
}

#[tokio::test]
async fn v17_every_bad_sign_in_costs_one_hash_and_the_same_statements() {
    let world = World::with(|config| config.limits.signin_per_account = 3).await;
    let guest = world.guest();
    for name in ["ada", "barred", "inactive", "locked", "without"] {
        guest.act("user_account/signup", person(name)).await.is(200);
    }
    world.sql("update user_account set permission = 16256 where name = 'barred'").await;
    world.sql("update user_account set active = false where name = 'inactive'").await;
    world.sql("update user_account set password = null where name = 'without'").await;
    for _ in 0..4 {
        guest.act("user_account/signin", json!({"email": "locked@example.org", "password": "wrong"})).await.is(401);
    }
    let mut seen = vec![];
    for name in ["ada", "nobody", "barred", "inactive", "locked", "without"] {
        let before = world.app.hasher.done();
        world.wire.listen();
        let password = if name == "locked" { "correct horse" } else { "wrong" };
        let said =
            guest.act("user_account/signin", json!({"email": format!("{name}@example.org"), "password": password})).await.is(401);
        seen.push((name, said.text, world.app.hasher.done() - before, world.wire.executed()));
    }
    for (name, text, hashes, statements) in &seen {
        assert_eq!((text, *hashes, *statements), (&seen[0].1, 1, seen[0].3), "{name}");
    }
    for empty in ["ada", "nobody"] {
        guest.act("user_account/signin", json!({"email": format!("{empty}@example.org"), "password": ""})).await.is(422);
    }
}

#[tokio::test]
async fn v18_an_address_that_tries_too_often_waits() {
    let world = World::with(|config| config.limits.signin_per_address = 3).await;
    let guest = world.guest();
    for n in 0..3 {
        guest.act("user_account/signin", json!({"email": format!("{n}@example.org"), "password": "x"})).await.is(401);
    }
    let refused = guest.act("user_account/signin", json!({"email": "a@example.org", "password": "x"})).await.is(429);
    assert!(!refused.header("retry-after").is_empty());
}

#[tokio::test]
async fn c4_v9_signing_out_and_changing_the_password_end_sessions_at_once() {
    let world = World::new().await;
    let one = signed_in(&world, "ada").await;
    let answer =
        world.guest().act("user_account/signin", json!({"email": "ada@example.org", "password": "correct horse"})).await.is(200);
    let mut two = world.guest();
    two.token = answer.json[0]["Attributes"]["value"].as_str().map(str::to_owned);
    let change = |current: &str| json!({"current": current, "password": "battery staple", "passwordConfirm": "battery staple"});
    world.guest().act("user_account/change_password", change("correct horse")).await.is(401);
    one.act("user_account/change_password", change("wrong")).await.is(401);
    one.act("user_account/change_password", change("correct horse")).await.is(200);
    two.get("/api/user_account/mine").await.is(401);
    one.get("/api/user_account/mine").await.is(200);
    world.guest().act("user_account/signin", json!({"email": "ada@example.org", "password": "correct horse"})).await.is(401);
    world.guest().act("user_account/signin", json!({"email": "ada@example.org", "password": "battery staple"})).await.is(200);
    let out = one.act("user_account/signout", json!({})).await.is(200);
    assert_eq!(out.json[0], json!({"ResponseType": "client.store.remove", "Attributes": {"key": "token"}}));
    one.get("/api/user_account/mine").await.is(401);
}

#[tokio::test]
async fn v30_the_claim_code_makes_one_administrator() {
    let world = World::new().await;
    let (ada, bob) = (signed_in(&world, "ada").await, signed_in(&world, "bob").await);
    let code = rowhouse::start::claim_code(&world.app.store, &world.app.seal).await.expect("a code").expect("not spent");
    assert_eq!(code.len(), 20);
    let claim = |code: &str| json!({"attributes": {"code": code}});
    world.guest().act("world/become_an_administrator", claim(&code)).await.is(401);
    ada.act("world/become_an_administrator", claim("AAAAAAAAAAAAAAAAAAAA")).await.is(403);
    let (first, second) = tokio::join!(
        ada.act("world/become_an_administrator", claim(&code)),
        bob.act("world/become_an_administrator", claim(&code))
    );
    let mut statuses = [first.status, second.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 403]);
    assert_eq!(rowhouse::start::claim_code(&world.app.store, &world.app.seal).await, Ok(None));
}

#[tokio::test]
async fn v5_bad_sign_ins_of_every_kind_at_once_then_a_good_one() {
    let world = World::with(|config| (config.limits.signin_per_address, config.limits.hash_queue) = (100_000, 1000)).await;
    let guest = world.guest();
    guest.act("user_account/signup", person("ada")).await.is(200);
    let bodies = [
        "{",
        "[]",
        "null",
        "{\"attributes\":7}",
        "{\"email\":\"a@b\",\"email\":\"a@b\"}",
        "{\"email\":\"x\u{0}@b\",\"password\":\"x\"}",
        "{\"email\":\"a@b.c\",\"password\":\"wrong\"}",
        "",
    ];
    let all = (0..200).map(|n| {
        let request = guest
            .request(reqwest::Method::POST, "/action/user_account/signin")
            .header("Content-Type", "application/json")
            .body(bodies[n % bodies.len()]);
        guest.send(request)
    });
    for answer in futures_util::future::join_all(all).await {
        assert!((400..500).contains(&answer.status), "{}: {}", answer.status, answer.text);
    }
    guest.act("user_account/signin", json!({"email": "ada@example.org", "password": "correct horse"})).await.is(200);
}

#[tokio::test]
async fn actions_lists_what_the_caller_may_execute_and_signup_is_closed_live() {
    let world = World::new().await;
    let guest = world.guest();
    let names = async |who: &Someone<'_>| {
        who.get("/actions")
            .await
            .is(200)
            .json
            .as_array()
            .expect("a list")
            .iter()
            .map(|a| a["name"].as_str().expect("a name").to_owned())
            .collect::<Vec<_>>()
    };
    let before = names(&guest).await;
    assert!(before.contains(&"signup".to_owned()) && !before.contains(&"change_password".to_owned()), "{before:?}");
    world.sql("update action set permission = 0 where name = 'signup'").await;
    guest.act("user_account/signup", person("ada")).await.is(401);
    assert!(!names(&guest).await.contains(&"signup".to_owned()));
}

#[tokio::test]
async fn c12_a_refresh_token_is_good_once_and_an_old_one_ends_the_family() {
    let world = World::with(|config| config.limits.action_rate = false).await;
    let twin = world.twin().await;
    let guest = world.guest();
    guest.act("user_account/signup", person("ada")).await.is(200);
    let sign_in = json!({"email": "ada@example.org", "password": "correct horse", "remember": true});
    let stored = |answer: &crate::house::answer::Answer, key: &str| {
        let told = answer.json.as_array().expect("a list").iter().find(|d| d["Attributes"]["key"] == key);
        told.map(|d| d["Attributes"]["value"].as_str().expect("text").to_owned())
    };
    let answer = guest.act("user_account/signin", sign_in.clone()).await.is(200);
    let kinds: Vec<_> = answer.json.as_array().expect("a list").iter().map(|d| d["ResponseType"].clone()).collect();
    assert_eq!(kinds, ["client.store.set", "client.store.set", "client.notify", "client.redirect"]);
    let as_ada = |token: Option<String>| {
        let mut ada = world.guest();
        ada.token = token;
        ada
    };
    let mine = async |token: &Option<String>| as_ada(token.clone()).get("/api/user_account/mine").await.status;
    let (first, refresh) = (stored(&answer, "token"), stored(&answer, "refresh_token").expect("one"));
    assert!(refresh.len() >= 43);
    assert!(world.sql(&format!("select 1 from rowhouse.refresh r where r::text like '%{refresh}%'")).await.is_empty(), "hashed");
    let renew = async |token: &str| guest.act("user_account/refresh", json!({"refresh_token": token})).await;
    for bad in ["", "nonsense", &"x".repeat(101), "\u{0}"] {
        assert!(matches!(renew(bad).await.status, 401 | 422), "{bad}");
    }
    let renewed = renew(&refresh).await.is(200);
    let (second, next) = (stored(&renewed, "token"), stored(&renewed, "refresh_token").expect("one"));
    assert_eq!((mine(&first).await, mine(&second).await), (401, 200), "the old token stops");
    // Fifty at once, on two nodes: one gets through; the others are somebody who shouldn't have it, which ends them all.
    let there = guest.at(&twin);
    let all = (0..50)
        .map(|n| if n % 2 == 0 { &guest } else { &there })
        .map(|who| who.act("user_account/refresh", json!({"refresh_token": next})));
    let all = futures_util::future::join_all(all).await;
    let won: Vec<_> = all.iter().filter(|answer| answer.status == 200).collect();
    assert_eq!((won.len(), all.iter().filter(|answer| answer.status == 401).count()), (1, 49));
    let third = stored(won[0], "token");
    let last = stored(won[0], "refresh_token").expect("one");
    renew(&refresh).await.is(401);
    assert_eq!((mine(&second).await, mine(&third).await), (401, 401));
    renew(&last).await.is(401);
    // Signed out, barred or over, it is worth nothing.
    for end in ["signout", "deactivate", "over"] {
        let answer = guest.act("user_account/signin", sign_in.clone()).await.is(200);
        let (token, refresh) = (stored(&answer, "token"), stored(&answer, "refresh_token").expect("one"));
        match end {
            "signout" => _ = as_ada(token).act("user_account/signout", json!({})).await.is(200),
            "deactivate" => _ = world.sql("update user_account set active = false where email = 'ada@example.org'").await,
            _ => _ = world.sql("update rowhouse.refresh set expires_at = now()").await,
        }
        renew(&refresh).await.is(401);
        world.sql("update user_account set active = true").await;
    }
    let answer = guest.act("user_account/signin", json!({"email": "ada@example.org", "password": "correct horse"})).await.is(200);
    assert_eq!(stored(&answer, "refresh_token"), None, "only who asks to be remembered is");
}
