//! user_account/signin: a session and its token, for who knows the password; everybody else is told the same.

use futures_util::future::join_all;
use serde_json::json;

use super::hostile::{self, required, secret};
use super::*;

#[tokio::test]
async fn c2_c14_who_knows_the_password_is_let_in_to_the_letter() {
    let (world, _smtp) = with_mail().await;
    let guest = world.guest();
    guest.act("user_account/signup", person("ada")).await.is(200);
    let agent = "Mozilla/5.0 {{7*7}} <script>";
    let request = guest.request(reqwest::Method::POST, "/action/user_account/signin").header("User-Agent", agent);
    let body = json!({"attributes": {"email": " ADA@example.org ", "password": PASSWORD}});
    let answer = guest.send(request.body(body.to_string())).await.is(200);
    let token = stored(&answer, "token").expect("a token");
    let set = json!({"ResponseType": "client.store.set", "Attributes": {"key": "token", "value": token}});
    assert_eq!(answer.json, json!([set, success("Logged in"), home()]));
    let claims = world.app.tokens.verify(&token).expect("good");
    assert_eq!((claims.email.as_str(), claims.exp - claims.iat, claims.iss.as_str()), ("ada@example.org", 3600, "rowhouse"));
    let mut ada = world.guest();
    ada.token = Some(token);
    let session = ada.get("/api/session").await.is(200);
    assert_eq!((session.all("device"), session.all("ip")), (vec![json!(agent)], vec![json!("127.0.0.1")]));
    let twice = sign_in(&world, "ada@example.org", PASSWORD).await.ok().expect("a session beside it");
    assert_eq!(twice.get("/api/session").await.is(200).ids().len(), 2);
}

#[tokio::test]
async fn only_who_asks_is_remembered() {
    let (world, _smtp) = with_mail().await;
    signed_up(&world, "ada").await;
    for (remember, is_kept) in [(json!(true), true), (json!(false), false), (json!(null), false)] {
        let body = json!({"email": "ada@example.org", "password": PASSWORD, "remember": remember});
        let answer = world.guest().act("user_account/signin", body).await.is(200);
        let kinds: Vec<_> = answer.json.as_array().expect("a list").iter().map(|d| d["ResponseType"].clone()).collect();
        let wanted = ["client.store.set", "client.store.set", "client.notify", "client.redirect"];
        assert_eq!(kinds, if is_kept { &wanted[..] } else { &wanted[1..] });
        assert_eq!(stored(&answer, "refresh_token").is_some_and(|token| token.len() >= 43), is_kept);
    }
}

#[tokio::test]
async fn v13_v14_v16_wrong_passwords_are_counted_and_answered_alike() {
    let (world, _smtp) = with_mail().await;
    let guest = world.guest();
    for name in ["ada", "barred"] {
        guest.act("user_account/signup", person(name)).await.is(200);
    }
    world.sql("update user_account set permission = 16256 where name = 'barred'").await;
    let try_in =
        async |email: &str, password: &str| guest.act("user_account/signin", json!({"email": email, "password": password})).await;
    let wrong = try_in("ada@example.org", "wrong").await.is(401);
    assert_eq!(wrong.json[0]["Attributes"]["message"], "Wrong e-mail or password");
    for (email, password) in
        [("nobody@example.org", "wrong"), ("barred@example.org", PASSWORD), ("{{email}}%@example.org", "' or true --")]
    {
        assert_eq!(try_in(email, password).await.is(401).text, wrong.text);
    }
    let hashed = world.app.hasher.done();
    join_all((0..50).map(|_| try_in("ada@example.org", "wrong"))).await;
    assert_eq!(world.app.hasher.done() - hashed, 50, "each costs one hash");
    assert_eq!(try_in("ADA@example.org", PASSWORD).await.is(401).text, wrong.text, "not checked any more");
    assert!(world.sql("select 1 from session").await.is_empty());
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
        let password = if name == "locked" { PASSWORD } else { "wrong" };
        let said =
            guest.act("user_account/signin", json!({"email": format!("{name}@example.org"), "password": password})).await.is(401);
        seen.push((name, said.text, world.app.hasher.done() - before, world.wire.executed()));
    }
    for (name, text, hashes, statements) in &seen {
        assert_eq!((text, *hashes, *statements), (&seen[0].1, 1, seen[0].3), "{name}");
    }
    // nor does the right password tell who may not come in from who isn't there
    for (name, status) in [("barred", 401), ("inactive", 401), ("ada", 200)] {
        let email = format!("{name}@example.org");
        let said = guest.act("user_account/signin", json!({"email": email, "password": PASSWORD})).await.is(status);
        assert_eq!(said.text == seen[0].1, status == 401, "{name}: {}", said.text);
    }
    world.sql("update world set permission = 32, groups = '{}' where name = 'user_account'").await; // execute, and no peek
    let said = guest.act("user_account/signin", json!({"email": "ada@example.org", "password": PASSWORD})).await.is(401);
    assert_eq!(said.text, seen[0].1);
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
async fn v5_what_is_no_sign_in_opens_nothing_and_a_good_one_goes_on() {
    let (world, _smtp) = with_mail().await;
    let guest = world.guest();
    guest.act("user_account/signup", person("ada")).await.is(200);
    let good = json!({"email": "ada@example.org", "password": PASSWORD});
    let inputs = [("email", hostile::address()), ("password", required(secret())), ("remember", hostile::flag())];
    hostile::refuses_bad_inputs(&world, &guest, "user_account/signin", &good, &inputs).await;
    hostile::takes_no_subject(&world, &world.user("bob", &[]).await, "user_account/signin", &good).await;
    for empty in ["ada", "nobody"] {
        let body = json!({"email": format!("{empty}@example.org"), "password": ""});
        guest.act("user_account/signin", body).await.is(422); // the same without asking whether there is one
    }
    let bodies = [
        "{",
        "[]",
        "null",
        "{\"attributes\":7}",
        "{\"email\":\"a@b\",\"email\":\"a@b\"}",
        "{\"email\":\"a@b.c\",\"password\":\"wrong\"}",
        "",
    ];
    let all = join_all((0..140).map(|n| {
        let request = guest.request(reqwest::Method::POST, "/action/user_account/signin");
        guest.send(request.header("Content-Type", "application/json").body(bodies[n % bodies.len()]))
    }));
    for answer in all.await {
        assert!((400..500).contains(&answer.status), "{}: {}", answer.status, answer.text);
    }
    world.sql("delete from rowhouse.attempt").await;
    guest.act("user_account/signin", good).await.is(200);
}

#[tokio::test]
async fn m7_an_address_is_counted_however_it_is_written() {
    let world = World::with(|config| config.limits.signin_per_account = 3).await;
    let guest = world.guest();
    let try_in = async |name: &str, password: &str| {
        guest.act("user_account/signin", json!({"email": format!("{name}@example.org"), "password": password})).await.status
    };
    // Whatever the database takes for one address is counted as one: here and there `İ` is an `i`.
    for (name, spellings) in [("ada", ["ADA", "aDa", "Ada"]), ("victim.iii", ["vİctim.iii", "vİctim.İii", "VICTIM.iİi"])] {
        guest.act("user_account/signup", person(name)).await.is(200);
        let theirs = spellings.map(|spelling| async move { format!("lower('{spelling}') = '{name}'") });
        let mut counted = 0;
        for (spelling, is_theirs) in spellings.iter().zip(join_all(theirs).await) {
            assert_eq!(try_in(spelling, "wrong").await, 401);
            counted += usize::from(!world.sql(&format!("select 1 where {is_theirs}")).await.is_empty());
        }
        assert_eq!(try_in(name, PASSWORD).await, if counted == 3 { 401 } else { 200 }, "{name}: {counted}");
    }
}

#[tokio::test]
async fn who_is_known_signs_in_while_others_guess_from_everywhere() {
    let world = World::with(|config| {
        config.trusted_proxies = vec!["127.0.0.0/8".parse().expect("a network")];
        config.limits.signin_per_person = 4;
    })
    .await;
    let guest = world.guest();
    let from = async |who: &Someone<'_>, address: &str, body: Json| {
        let request = who.request(reqwest::Method::POST, "/action/user_account/signin").header("X-Forwarded-For", address);
        who.send(request.header("Content-Type", "application/json").body(body.to_string())).await
    };
    let right = |name: &str| json!({"email": format!("{name}@example.org"), "password": PASSWORD, "remember": true});
    let wrong = |name: &str| json!({"email": format!("{name}@example.org"), "password": "wrong"});
    guest.act("user_account/signup", person("ada")).await.is(200);
    let first = from(&guest, "2001:db8:1:2::1", right("ada")).await.is(200);
    let mut told = String::new();
    for name in ["ada", "nobody"] {
        for n in 0..8 {
            told = from(&guest, &format!("203.0.113.{n}"), wrong(name)).await.is(401).text;
        }
    }
    // The right password, from somewhere new: not yet, and with the same words.
    assert_eq!(from(&guest, "198.51.100.1", right("ada")).await.is(401).text, told);
    // Known by the network of a right sign-in, by a live session, by a refresh token; not by a header that anybody can send.
    from(&guest, "2001:db8:1:2::77", right("ada")).await.is(200);
    let guess = async || {
        for n in 20..28 {
            from(&guest, &format!("203.0.113.{n}"), wrong("ada")).await.is(401);
        }
        from(&guest, "198.51.100.2", right("ada")).await.is(401);
    };
    guess().await;
    let mut ada = world.guest();
    ada.token = stored(&first, "token");
    from(&ada, "198.51.100.3", right("ada")).await.is(200);
    guess().await;
    let mut body = right("ada");
    body["refresh_token"] = stored(&first, "refresh_token").expect("one").into();
    from(&guest, "198.51.100.4", body.clone()).await.is(200);
    guess().await;
    body["refresh_token"] = "made up".into();
    from(&guest, "198.51.100.5", body).await.is(401);
    let bob = world.user("bob", &[]).await;
    from(&bob, "198.51.100.6", right("ada")).await.is(401);
    // Nobody is kept out for good.
    world.sql("update rowhouse.attempt set last = now() - interval '1 hour'").await;
    from(&guest, "198.51.100.7", right("ada")).await.is(200);
    assert_eq!(ada.get("/api/user_account/mine").await.status, 200, "a session that runs is left alone");
}

#[tokio::test]
async fn m8_a_good_sign_in_renews_the_hash() {
    let world = World::new().await; // which hashes at cost 4
    let guest = world.guest();
    guest.act("user_account/signup", person("ada")).await.is(200);
    let dearer = world.twin_with(|config| config.password_cost = 5).await;
    let hash = async || world.sql("select password from user_account").await[0].text(0).expect("one").to_owned();
    let first = hash().await;
    let body = json!({"email": "ada@example.org", "password": "wrong"});
    dearer.guest().act("user_account/signin", body.clone()).await.is(401);
    assert_eq!(hash().await, first);
    for _ in 0..2 {
        sign_in(&dearer, "ada@example.org", PASSWORD).await.ok().expect("let in");
        assert!(hash().await.starts_with("rh1$2b$05$"));
    }
}

#[tokio::test]
async fn b02_a_new_password_is_good_however_often_the_old_one_was_guessed() {
    let (world, mut smtp) = with_mail().await;
    let guest = world.guest();
    let admin = world.administrator().await;
    guest.act("user_account/signup", person("ada")).await.is(200);
    let try_in =
        async |password: &str| guest.act("user_account/signin", json!({"email": "ada@example.org", "password": password})).await;
    for _ in 0..8 {
        try_in("wrong").await.is(401);
    }
    try_in(PASSWORD).await.is(401);
    guest.act("user_account/request_password_reset", json!({"email": "Ada@example.org"})).await.is(200);
    let token = smtp.letter().await.token();
    guest.act("user_account/reset_password", choose(&token, "battery staple")).await.is(200);
    try_in("battery staple").await.is(200);
    // By an administrator, who sets none of others: by a link of theirs, or taken away.
    let id = world.sql("select id from user_account where email = 'ada@example.org'").await[0].uuid(0).expect("an id");
    for _ in 0..8 {
        try_in("wrong").await.is(401);
    }
    let none = json!({"data": {"type": "user_account", "id": id, "attributes": {"password": null}}});
    let changed = admin.patch(&format!("/api/user_account/{id}"), none).await;
    assert!(changed.status == 200 || changed.status == 403, "{}", changed.text);
    let counted = world.sql("select 1 from rowhouse.attempt where person is not null").await.len();
    assert_eq!(counted == 0, changed.status == 200, "what is set anew is counted anew");
}

#[tokio::test]
async fn b04_right_sign_ins_are_not_counted_as_wrong() {
    let world = World::with(|config| config.limits.signin_per_address = 3).await;
    let guest = world.guest();
    guest.act("user_account/signup", person("ada")).await.is(200);
    let good = json!({"email": "ada@example.org", "password": PASSWORD});
    for _ in 0..10 {
        guest.act("user_account/signin", good.clone()).await.is(200);
    }
    for n in 0..3 {
        guest.act("user_account/signin", json!({"email": format!("{n}@example.org"), "password": "x"})).await.is(401);
    }
    guest.act("user_account/signin", good).await.is(429);
}

#[tokio::test]
async fn b07_a_user_name_signs_in_as_an_address_does_and_is_one_account() {
    let (world, _smtp) = with_mail().await;
    let (guest, admin) = (world.guest(), world.administrator().await);
    for name in ["ada", "bob"] {
        guest.act("user_account/signup", person(name)).await.is(200);
    }
    world.sql("update user_account set username = 'Countess' where name = 'ada'").await;
    let try_in = async |body: Json| guest.act("user_account/signin", body).await;
    for login in ["Countess", "countess", "ada@example.org", " ADA@example.org "] {
        try_in(json!({"login": login, "password": PASSWORD})).await.is(200);
    }
    let wrong = try_in(json!({"login": "nobody", "password": PASSWORD})).await.is(401).text;
    for body in [
        json!({"login": "countess", "password": "wrong"}),
        json!({"login": "ada", "password": PASSWORD}), // her name, and no user name
        json!({"login": "Countess' --", "password": PASSWORD}),
    ] {
        assert_eq!(try_in(body).await.is(401).text, wrong);
    }
    for body in [json!({"password": PASSWORD}), json!({"email": "ada@example.org", "login": "countess", "password": PASSWORD})] {
        let refused = try_in(body).await.is(422);
        assert!(refused.text.contains("`email` or `login`"), "{}", refused.text);
    }
    // Whoever guesses by both has no more tries than by one.
    for n in 0..8 {
        try_in(json!({"login": if n % 2 == 0 { "countess" } else { "ada@example.org" }, "password": "wrong"})).await.is(401);
    }
    try_in(json!({"login": "countess", "password": PASSWORD})).await.is(401);
    try_in(json!({"email": "bob@example.org", "password": PASSWORD})).await.is(200);
    // What has an @ is an address, and nobody's user name.
    let named = json!({"name": "Eve", "email": "eve@example.org", "username": "bob@example.org"});
    let refused = admin.post("/api/user_account", json!({"data": {"type": "user_account", "attributes": named}})).await.is(422);
    assert_eq!(refused.json["errors"][0]["source"]["pointer"], "/data/attributes/username", "{}", refused.text);
}
