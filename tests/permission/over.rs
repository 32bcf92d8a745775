//! Tokens that are over (`permissions.md` §2): 401 with a code, where a caller is asked; none, where an action takes them over;
//! and a guest's, where the configuration says so.

use serde_json::{Value as Json, json};

use crate::house::answer::Answer;
use crate::house::{Someone, World};

fn code(answer: &Answer) -> String {
    let directive = answer.json[0]["Attributes"]["faults"][0]["code"].as_str();
    directive.or(answer.json["errors"][0]["code"].as_str()).unwrap_or_default().to_owned()
}

/// 401, with the header that says why and the code.
fn is_over(answer: Answer, wanted: &str) {
    assert_eq!((answer.status, code(&answer).as_str()), (401, wanted), "{}", answer.text);
    assert_eq!(answer.header("www-authenticate"), "Bearer error=\"invalid_token\"");
}

/// Makes a session over, in each of the ways that there are.
const WAYS: &[(&str, &str)] = &[
    ("signed out", "update session set ended_at = now() where \"user\" = '$'"),
    ("expired", "update session set expires_at = now() where \"user\" = '$'"),
    ("deactivated", "update user_account set active = false where id = '$'"),
    ("its session is gone", "delete from session where \"user\" = '$'"),
    ("deleted", "delete from user_account where id = '$'"),
];

async fn ways<'w>(world: &'w World) -> Vec<(&'static str, Someone<'w>)> {
    let mut all = vec![];
    for (at, (name, sql)) in WAYS.iter().enumerate() {
        let someone = world.user(&format!("u{at}"), &["editors"]).await;
        someone.get("/api/user_account/mine").await.is(200); // known, so that the proof fails
        world.sql(&sql.replace('$', &someone.id.to_string())).await;
        all.push((*name, someone));
    }
    all
}

async fn every_route(someone: &Someone<'_>, row: &str) -> Vec<(String, Answer)> {
    let mut all = vec![];
    for path in [
        "/api/article".to_owned(),
        format!("/api/article/{row}"),
        format!("/api/article/{row}/tags"),
        format!("/api/article/{row}/relationships/tags"),
        format!("/api/article/{row}?include=author"),
        "/api/article?filter[title]=x&sort=words".to_owned(),
        "/api/article/00000000-0000-7000-8000-00000000dead".to_owned(),
        "/api/memo".to_owned(),
        "/aggregate/article?measure=count".to_owned(),
        format!("/history/article/{row}"),
        "/actions".to_owned(),
        "/openapi.json".to_owned(),
        "/schema/entity/article".to_owned(),
        format!("/permission/article/{row}?right=read"),
        "/permission/article?right=read".to_owned(),
        format!("/file/{row}"),
        "/metrics".to_owned(),
    ] {
        all.push((path.clone(), someone.get(&path).await));
    }
    let article = json!({"data": {"type": "article", "attributes": {"title": "x"}}});
    let patch = json!({"data": {"type": "article", "id": row, "attributes": {"title": "y"}}});
    let tags = json!({"data": []});
    let url = format!("/api/article/{row}");
    all.push(("POST".to_owned(), someone.post("/api/article", article.clone()).await));
    all.push(("PATCH".to_owned(), someone.patch(&url, patch).await));
    all.push(("DELETE".to_owned(), someone.delete(&url).await));
    all.push(("links".to_owned(), someone.patch(&format!("{url}/relationships/tags"), tags).await));
    let operations = json!({"atomic:operations": [{"op": "add", "data": article["data"]}]});
    let request = someone.request(reqwest::Method::POST, "/api/operations").header("Content-Type", "application/json");
    all.push(("operations".to_owned(), someone.send(request.body(operations.to_string())).await));
    let keyed = someone.request(reqwest::Method::POST, "/api/article").header("Idempotency-Key", "a-key");
    let keyed = keyed.header("Content-Type", "application/vnd.api+json").body(article.to_string());
    all.push(("with a key".to_owned(), someone.send(keyed).await));
    let question = json!({"data": [{"right": "read", "entity": "article", "id": row}]});
    all.push(("questions".to_owned(), someone.post("/permission", question).await));
    all.push(("an action".to_owned(), someone.act(&format!("article/{row}/publish"), json!({})).await));
    all.push(("change_password".to_owned(), someone.act("user_account/change_password", json!({})).await));
    all
}

#[tokio::test]
async fn whoever_asks_with_a_token_that_is_over_is_told_on_every_route() {
    let world = World::new().await;
    let ada = world.user("ada", &["editors"]).await;
    let row = ada.make("article", json!({"title": "x", "permission": 2_097_151}), json!({})).await;
    world.sql("update world set permission = 2097151 where name in ('article', 'memo')").await;
    for (way, someone) in ways(&world).await {
        for (route, answer) in every_route(&someone, &row).await {
            assert_eq!(answer.status, 401, "{way}: {route}: {}", answer.text);
            is_over(answer, "session-ended");
        }
        // Who is asked nothing, is told nothing.
        for path in ["/healthz", "/readyz", "/.well-known/jwks.json", "/docs"] {
            someone.get(path).await.is(200);
        }
        // What can't be read is told before: who asks doesn't matter for that.
        someone.get("/api/nothing_of_that_name").await.is(404);
        someone.post("/api/article", json!({"data": 7})).await.is(400);
        let text = someone.request(reqwest::Method::POST, "/api/article").header("Content-Type", "text/plain").body("x");
        someone.send(text).await.is(415);
        let accept = someone.request(reqwest::Method::GET, "/api/article").header("Accept", "application/vnd.api+json;x=y");
        someone.send(accept).await.is(406);
        someone.send(someone.request(reqwest::Method::PUT, "/api/article")).await.is(405);
    }
    assert_eq!(world.sql("select count(*) from article").await[0].int(0), Some(1), "nothing was made or deleted");
    world.guest().get(&format!("/api/article/{row}")).await.is(200); // guests may, and so may who never had a token of ours
}

#[tokio::test]
async fn where_the_configuration_says_so_a_token_that_is_over_is_a_guests() {
    let world = World::with(|config| config.token.over_is_guest = true).await;
    let ada = world.user("ada", &["editors"]).await;
    let row = ada.make("article", json!({"title": "x", "permission": 2_097_151}), json!({})).await;
    let guest: Vec<(String, u16)> =
        every_route(&world.guest(), &row).await.into_iter().map(|(route, answer)| (route, answer.status)).collect();
    for (way, someone) in ways(&world).await {
        let same = ada.make("article", json!({"title": "x", "permission": 2_097_151}), json!({})).await;
        let theirs = every_route(&someone, &same).await.into_iter().map(|(route, answer)| (route, answer.status));
        for ((route, wanted), (asked, status)) in guest.iter().zip(theirs) {
            assert_eq!((status, &asked.replace(&same, &row)), (*wanted, route), "{way}");
        }
        // What guests are told, they are told.
        let (theirs, guests) = (someone.get("/openapi.json").await, world.guest().get("/openapi.json").await);
        assert_eq!(theirs.text, guests.text, "{way}");
    }
}

#[tokio::test]
async fn a_token_tells_by_itself_that_its_time_is_over_or_that_it_was_never_ours() {
    let world = World::with(|config| config.token.life = std::time::Duration::from_secs(0)).await;
    let mut ada = world.user("ada", &[]).await;
    ada.get("/api/user_account/mine").await.is(200); // clocks may differ a little
    let short = ada.token.clone().expect("a token");
    let claims = world.app.tokens.verify(&short).expect("ours");
    // As if it were a while ago: the same key signed, for a time that is over.
    let old =
        world.app.tokens.sign_for(&rowhouse::account::token::Claims { exp: claims.iat - 60, nbf: claims.iat - 120, ..claims });
    ada.token = Some(old.expect("signed"));
    is_over(ada.get("/api/article").await, "token-expired");
    is_over(ada.post("/api/tag", json!({"data": {"type": "tag", "attributes": {"name": "x"}}})).await, "token-expired");
    ada.act("user_account/signout", json!({})).await.is(200);
    // Never ours: a guest's.
    for token in ["null", "x.y.z", &short.replace('.', ""), &format!("{short}x")] {
        ada.token = Some(token.to_owned());
        ada.get("/api/article").await.is(200);
        let refused = ada.get("/api/user_account/mine").await;
        assert_eq!((refused.status, code(&refused).as_str()), (401, "sign-in-needed"), "{token}");
        assert_eq!(refused.header("www-authenticate"), "Bearer error=\"invalid_token\"");
    }
    // Of the form of our keys, and none of them: everywhere, whatever the action takes over.
    for value in ["Bearer rh_0123456789", "Basic YWRhOnNlY3JldA==", "basic x"] {
        let ask = |path: &str| world.guest().request(reqwest::Method::GET, path).header("Authorization", value);
        for path in ["/api/article", "/api/user_account/mine", "/actions"] {
            is_over(world.guest().send(ask(path)).await, "unknown-key");
        }
        let request = world.guest().request(reqwest::Method::POST, "/action/user_account/signout");
        is_over(world.guest().send(request.header("Authorization", value)).await, "unknown-key");
    }
}

#[tokio::test]
async fn a_key_that_signs_no_more_is_over_and_no_claim_of_it_is_looked_up() {
    let world = World::new().await;
    let ada = world.user("ada", &[]).await;
    ada.get("/api/user_account/mine").await.is(200);
    world.sql("update rowhouse.signing_key set retired_at = now()").await;
    let later = world.twin().await;
    let mut ada = ada.at(&later);
    later.wire.listen();
    is_over(ada.get("/api/article").await, "token-expired");
    assert_eq!(later.wire.executed(), 0, "nothing is asked for");
    let signed = later.app.tokens.sign(ada.id, uuid::Uuid::now_v7(), "ada@example.org");
    ada.token = Some(signed.expect("a token"));
    is_over(ada.get("/api/article").await, "session-ended");
}

#[tokio::test]
async fn some_actions_take_over_a_token_that_is_over_and_no_others() {
    let world = World::new().await;
    for (way, someone) in ways(&world).await {
        let sign_up = json!({
            "name": "new", "email": format!("new{}@example.org", way.replace(' ', "")), "password": "correct horse", "passwordConfirm": "correct horse"
        });
        someone.act("user_account/signup", sign_up.clone()).await.is(200);
        let mut again = world.guest();
        let sign_in = json!({"email": sign_up["email"], "password": sign_up["password"]});
        let said = someone.act("user_account/signin", sign_in).await.is(200);
        again.token = said.json[0]["Attributes"]["value"].as_str().map(str::to_owned);
        again.get("/api/user_account/mine").await.is(200);
        someone.act("user_account/signout", json!({})).await.is(200);
        someone.act("user_account/request_password_reset", json!({"email": "new@example.org"})).await.is(200);
        for action in ["user_account/change_password", "usergroup/leave", "user_account/delete_me", "world/export_data"] {
            is_over(someone.act(action, json!({})).await, "session-ended");
        }
    }
    let taking = world.app.actions.all().iter().filter(|a| a.takes_over_token).map(|a| format!("{}/{}", a.entity, a.name));
    let mut taking: Vec<String> = taking.collect();
    taking.sort();
    let wanted = [
        "confirm_email_change",
        "refresh",
        "request_password_reset",
        "reset_password",
        "signin",
        "signout",
        "signup",
        "undo_email_change",
        "verify_email",
    ];
    assert_eq!(taking, wanted.map(|name| format!("user_account/{name}")));
}

#[tokio::test]
async fn who_ends_themselves_goes_on_as_a_guest_and_who_is_ended_is_stopped() {
    let world = World::new().await;
    let ada = world.user("ada", &[]).await;
    ada.act("user_account/signout", json!({})).await.is(200);
    is_over(ada.get("/api/user_account/mine").await, "session-ended");
    // An administrator who deactivates themselves is answered, as a guest.
    let (admin, other) = (world.administrator().await, world.user("other", &["administrators"]).await);
    other.get("/api/user_account/mine").await.is(200);
    let patch = json!({"data": {"type": "user_account", "id": admin.id.to_string(), "attributes": {"active": false}}});
    let answer = admin.patch(&format!("/api/user_account/{}", admin.id), patch).await.is(200);
    assert_eq!(answer.json["meta"]["readable"], Json::Bool(false), "a guest may not read the row: {}", answer.text);
    is_over(admin.get("/api/user_account/mine").await, "session-ended");
    // Somebody else ends a session while its write waits: nothing of it lasts.
    let bob = world.user("bob", &["editors"]).await;
    let tag = bob.make("tag", json!({"name": "before"}), json!({})).await;
    let holder = world.hold("lock table tag in share mode").await;
    let patch = json!({"data": {"type": "tag", "id": tag, "attributes": {"name": "after"}}});
    let meddle = async {
        world.held_up().await;
        world.sql(&format!("update session set ended_at = now() where \"user\" = '{}'", bob.id)).await;
        drop(holder);
    };
    let url = format!("/api/tag/{tag}");
    let (answer, ()) = tokio::join!(bob.patch(&url, patch), meddle);
    is_over(answer, "session-ended");
    assert_eq!(world.sql("select name from tag").await[0].text(0), Some("before"));
}

#[tokio::test]
async fn browsers_of_other_origins_may_read_why() {
    let world = World::with(|config| config.cors_origins = vec!["https://front.example".to_owned()]).await;
    let ada = world.user("ada", &[]).await;
    world.sql("update session set ended_at = now()").await;
    let request = ada.request(reqwest::Method::GET, "/api/article").header("Origin", "https://front.example");
    let answer = ada.send(request).await.is(401);
    assert!(answer.header("access-control-expose-headers").to_lowercase().contains("www-authenticate"));
}
