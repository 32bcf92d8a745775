//! Performers: files, templates, cookies, randomness, and other servers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::house::World;
use crate::house::web::Web;

const FLOW: &str = "tests/projects/flow";

/// A world that may reach this machine.
async fn open() -> World {
    World::of_with(FLOW, |config| {
        config.outgoing.private = vec!["127.0.0.0/8".parse().expect("a net")];
        config.outgoing.timeout = std::time::Duration::from_millis(300);
        config.outgoing.answer = 100;
        config.outbox.poll = std::time::Duration::from_millis(50);
    })
    .await
}

/// Waits until tasks are as they should be, by asking.
async fn until(world: &World, condition: &str) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while std::time::Instant::now() < deadline {
        if world.sql(&format!("select 1 from task where kind = 'request' and not ({condition})")).await.is_empty() {
            return;
        }
    }
    panic!("not every task came to {condition}");
}

#[tokio::test]
async fn rows_become_a_file_of_what_the_caller_may_read() {
    let world = World::of(FLOW).await;
    let (ada, bob) = (world.user("ada", &[]).await, world.user("bob", &[]).await);
    for (title, weight) in [("=1+1", json!(7)), ("größe, \"x\"", json!(null)), ("-2", json!(-2))] {
        let row = json!({"title": title, "weight": weight, "secret": "geheim", "permission": 16256 | 1});
        ada.make("ticket", row, json!({})).await;
    }
    let file = ada.act("ticket/export", json!({})).await.is(200);
    let told = &file.json[0]["Attributes"];
    assert_eq!((&told["name"], &told["contentType"]), (&json!("tickets.csv"), &json!("text/csv; charset=utf-8")));
    let text = |answer: &serde_json::Value| {
        let bytes = STANDARD.decode(answer[0]["Attributes"]["content"].as_str().expect("text")).expect("base64");
        String::from_utf8(bytes).expect("text")
    };
    let mut lines: Vec<_> = text(&file.json).split_inclusive('\n').map(str::to_owned).collect();
    lines.sort();
    assert_eq!(
        lines,
        ["\"größe, \"\"x\"\"\",,geheim\n", "'=1+1,7,geheim\n", "-2,-2,geheim\n", "title,weight,secret\n"],
        "what a spreadsheet would run begins with an apostrophe, and a number isn't run"
    );
    let json: serde_json::Value =
        serde_json::from_str(&text(&ada.act("ticket/export", json!({"format": "json"})).await.json)).expect("JSON");
    assert_eq!(json[0], json!({"title": "-2", "weight": -2, "secret": "geheim"}));
    // What may only be peeked is found, and nothing of it is told.
    let file = bob.act("ticket/export", json!({"format": "json"})).await.is(200);
    assert_eq!(text(&file.json), "[{},{},{}]");
    ada.act("ticket/export", json!({"format": "xls"})).await.is(422);
}

#[tokio::test]
async fn a_template_is_rendered_for_an_answer_and_randomness_is_none_twice() {
    let world = World::of(FLOW).await;
    let ada = world.user("ada", &[]).await;
    let id = ada.make("ticket", json!({"title": "größe <b>"}), json!({})).await;
    let mut seen = std::collections::HashSet::new();
    for _ in 0..5 {
        let told = ada.act(&format!("ticket/{id}/receipt"), json!({})).await.is(200);
        assert_eq!(told.json[0]["Attributes"]["title"], "Receipt for größe <b>");
        let message = told.json[0]["Attributes"]["message"].as_str().expect("text").to_owned();
        let (code, base) = message.split_once(" at ").expect("both");
        assert!(code.len() == 12 && code.chars().all(|c| c.is_ascii_digit()) && base == "https://front.example", "{message}");
        seen.insert(code.to_owned());
    }
    assert_eq!(seen.len(), 5);
}

#[tokio::test]
async fn a_cookie_is_a_header_and_its_value_stands_nowhere_else() {
    let world = World::of(FLOW).await;
    let ada = world.user("ada", &[]).await;
    let answer = ada.act("ticket/remember", json!({"value": "abc=1"})).await.is(200);
    let cookies: Vec<_> = answer.headers.get_all("set-cookie").iter().map(|v| v.to_str().expect("text")).collect();
    assert_eq!(
        cookies,
        ["seen=abc=1; Max-Age=60; Path=/; SameSite=Strict; Secure; HttpOnly", "open=x; Path=/front; SameSite=Lax"]
    );
    assert_eq!(answer.json[0]["Attributes"], json!({"key": "seen", "max_age": 60, "same_site": "strict"}));
    for bad in ["a;b", "a b", "größe", "a\r\nSet-Cookie: b=c", "a\"b", &"x".repeat(4001)] {
        let refused = ada.act("ticket/remember", json!({"value": bad})).await.is(422);
        assert!(!refused.headers.contains_key("set-cookie"), "{bad}");
    }
    let refused = ada.act("ticket/remember", json!({"value": "x", "window": "other"})).await.is(422);
    assert!(refused.text.contains("`window` of client.redirect must be one of self, blank"), "{}", refused.text);
}

#[tokio::test]
async fn another_server_is_asked_inside_the_action() {
    let (world, mut web) = (open().await, Web::new().await);
    let ada = world.user("ada", &[]).await;
    let ask = async |url: &str, more: serde_json::Value| {
        let mut body = json!({"url": url});
        body.as_object_mut().expect("an object").extend(more.as_object().cloned().expect("an object"));
        ada.act("ticket/ask", body).await
    };
    web.says(&["HTTP/1.1 201 Made\r\ncontent-type: application/json\r\ncontent-length: 11\r\n\r\n{\"n\": [42]}"]);
    let answer = ask(&format!("{}/x?y=1", web.url), json!({"method": "POST", "body": {"ö": null}})).await.is(200);
    assert_eq!(
        (&answer.json[0]["Attributes"]["title"], &answer.json[0]["Attributes"]["message"]),
        (&json!("201"), &json!("got [object]"))
    );
    let heard = web.heard().await;
    assert!(heard.head.starts_with("POST /x?y=1 HTTP/1.1") && heard.body == "{\"ö\":null}", "{heard:?}");
    assert_eq!(heard.header("content-type"), "application/json");
    assert!(heard.header("idempotency-key").len() == 43 && !heard.head.to_lowercase().contains("authorization"));
    // No redirect is followed, and nothing is waited for too long or read without end.
    web.says(&["HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n"]);
    assert_eq!(ask(&web.url, json!({})).await.is(200).json[0]["Attributes"]["title"], "302");
    web.says(&["", &format!("HTTP/1.1 200 OK\r\ncontent-length: 101\r\n\r\n{}", "x".repeat(101))]);
    for _ in 0..2 {
        let failed = ask(&web.url, json!({})).await.is(503);
        assert!(!failed.text.contains("127.0.0.1"), "{}", failed.text);
    }
    ask("http://127.0.0.1:1/", json!({})).await.is(503);
    for bad in ["ftp://a.example", "/x", "http://", "geheim"] {
        ask(bad, json!({})).await.is(422);
    }
    let path = "/action/ticket/ask?dry_run=true";
    let rehearsal = ada
        .request(reqwest::Method::POST, path)
        .header("Content-Type", "application/json")
        .body(json!({"url": web.url}).to_string());
    ada.send(rehearsal).await.is(422);
}

#[tokio::test]
async fn v29_private_addresses_are_reached_by_no_name() {
    let (world, web) = (World::of(FLOW).await, Web::new().await);
    let ada = world.user("ada", &[]).await;
    let port = web.url.rsplit(':').next().expect("a port").to_owned();
    for host in
        ["127.0.0.1", "localhost", "[::1]", "[::ffff:127.0.0.1]", "0.0.0.0", "2130706433", "0x7f.1", "127.1", "169.254.169.254"]
    {
        let refused = ada.act("ticket/ask", json!({"url": format!("http://{host}:{port}/")})).await;
        assert_eq!(refused.status, 503, "{host}: {}", refused.text);
    }
    assert!(web.is_empty());
}

#[tokio::test]
async fn what_is_said_after_the_commit_is_said_at_least_once_and_only_then() {
    let (world, mut web) = (open().await, Web::new().await);
    let (ada, admin) = (world.user("ada", &[]).await, world.administrator().await);
    let url = format!("{}/hook/v1/T0geheim99?key=geheim", web.url);
    let announce =
        async |title: &str, fails: bool| ada.act("ticket/announce", json!({"url": url, "title": title, "fails": fails})).await;
    announce("never", true).await.is(409);
    announce("größe", false).await.is(200);
    assert!(world.sql("select 1 from task where task::text like '%geheim%'").await.is_empty(), "what may be secret is sealed");
    let waiting = admin.get("/api/task?filter[kind]=request").await.is(200);
    assert_eq!(
        (waiting.all("state"), waiting.all("name")),
        (vec![json!("waiting")], vec![json!(format!("POST {}/hook/v1/…", web.url))])
    );
    let told = world.sql("select payload ->> 'action', caller::text from task where kind = 'request'").await;
    assert_eq!(
        (told[0].text(0), told[0].text(1)),
        (Some("ticket/announce"), Some(ada.id.to_string().as_str())),
        "which action, whose change"
    );
    ada.get("/api/task").await.is(403);
    // The first try fails on the way; then it goes, under the same key.
    web.says(&["HTTP/1.1 500 Oh\r\ncontent-length: 4\r\n\r\noops"]);
    world.run_tasks();
    let first = web.heard().await;
    assert!(first.body.contains("\"title\":\"größe\"") && first.head.starts_with("POST /hook/v1/T0geheim99"), "{first:?}");
    until(&world, "error like '500: oops%' and state = 'waiting'").await;
    world.sql("update task set next_at = now() where kind = 'request'").await;
    assert_eq!(web.heard().await.header("idempotency-key"), first.header("idempotency-key"));
    until(&world, "state = 'done' and sealed is null").await;
    // What is refused is dead, and an administrator may have it tried again.
    web.says(&["HTTP/1.1 422 No\r\ncontent-length: 0\r\n\r\n"]);
    announce("refused", false).await.is(200);
    web.heard().await;
    until(&world, "state in ('done', 'dead')").await;
    let dead = admin.get("/api/task?filter[state]=dead").await.is(200).ids().remove(0);
    let again = json!({"data": {"type": "task", "id": dead, "attributes": {"state": "waiting"}}});
    admin.patch(&format!("/api/task/{dead}"), again).await.is(200);
    assert!(web.heard().await.body.contains("refused"));
    until(&world, "state = 'done'").await;
    assert!(web.is_empty());
}
