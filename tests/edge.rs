//! The edge: limits on time and size, HTTP/2, headers, proxies, origins.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::house::World;

async fn connect(world: &World) -> TcpStream {
    TcpStream::connect(world.url.strip_prefix("http://").expect("http")).await.expect("connected")
}

/// Sends bytes and reads until the server closes.
async fn talk(world: &World, bytes: &[u8]) -> String {
    let mut stream = connect(world).await;
    stream.write_all(bytes).await.expect("sent");
    let mut said = vec![];
    _ = stream.read_to_end(&mut said).await;
    String::from_utf8_lossy(&said).into_owned()
}

#[tokio::test]
async fn who_is_slow_is_let_go() {
    let world = World::with(|config| {
        (config.limits.header, config.limits.body_time) = (Duration::from_millis(300), Duration::from_millis(300));
    })
    .await;
    assert_eq!(talk(&world, b"").await, "", "who says nothing hears nothing");
    let said = talk(&world, b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: ").await;
    assert!(said.is_empty() || said.starts_with("HTTP/1.1 408"), "{said}");
    let said = talk(&world, b"PRI * HTT").await;
    assert!(said.is_empty(), "{said}");
    let head = "HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{";
    let said = talk(&world, format!("POST /api/tag {head}").as_bytes()).await;
    assert!(said.starts_with("HTTP/1.1 408") && said.contains("\"too-slow\"") && said.contains("vnd.api+json"), "{said}");
    let said = talk(&world, format!("POST /action/user_account/signup {head}").as_bytes()).await;
    assert!(said.starts_with("HTTP/1.1 408") && said.contains("client.notify"), "{said}");
    world.guest().get("/api/tag").await.is(200);
}

#[tokio::test]
async fn what_is_too_large_is_refused_before_it_is_read() {
    let world = World::with(|config| config.limits.body = 2000).await;
    let head = "Host: x\r\nConnection: close\r\nContent-Type: application/json\r\n";
    let said = talk(&world, format!("POST /api/tag HTTP/1.1\r\n{head}Content-Length: 99999999999\r\n\r\n").as_bytes()).await;
    assert!(said.starts_with("HTTP/1.1 413"), "{said}");
    let chunk = format!("7d0\r\n{}\r\n", "x".repeat(2000));
    let said =
        talk(&world, format!("POST /api/tag HTTP/1.1\r\n{head}Transfer-Encoding: chunked\r\n\r\n{chunk}{chunk}").as_bytes())
            .await;
    assert!(said.starts_with("HTTP/1.1 413"), "{said}");
    let guest = world.guest();
    guest.get(&format!("/api/tag?filter[name]={}", "x".repeat(9000))).await.is(413);
    let said = talk(
        &world,
        format!("GET /api/tag HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX: {}\r\n\r\n", "x".repeat(900_000)).as_bytes(),
    )
    .await;
    assert!(said.is_empty() || said.starts_with("HTTP/1.1 431"), "{said}");
    let encoded = guest
        .request(Method::POST, "/api/tag")
        .header("Content-Encoding", "gzip")
        .header("Content-Type", "application/json")
        .body("{}");
    assert_eq!(guest.send(encoded).await.is(415).json["errors"][0]["source"]["header"], "Content-Type");
}

#[tokio::test]
async fn what_is_no_http_is_answered_or_let_go_and_never_a_5xx() {
    let world = World::with(|config| config.limits.header = Duration::from_millis(500)).await;
    for bytes in [
        &b"\0\0\0\0\r\n\r\n"[..],
        b"GET\r\n\r\n",
        b"GET /api/tag HTTP/9.9\r\n\r\n",
        b"GET /api/tag HTTP/1.1\r\nBad Header: x\r\n\r\n",
        b"POST /api/tag HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /api/tag HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"POST /api/tag HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /api/tag%00 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET //api//tag HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"BREW /api/tag HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET /api/../metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"GET * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"CONNECT x:1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
    ] {
        let said = talk(&world, bytes).await;
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 4"), "{:?}: {said}", String::from_utf8_lossy(bytes));
    }
    let said = talk(&world, b"GET /healthz HTTP/1.0\r\n\r\n").await;
    assert!(said.starts_with("HTTP/1.0 200"), "{said}");
    let two = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /api/memo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    let said = talk(&world, two).await;
    assert!(said.starts_with("HTTP/1.1 200") && said.contains("HTTP/1.1 401"), "pipelined: {said}");
}

#[tokio::test]
async fn http2_is_spoken_by_who_knows_it() {
    let world = World::new().await;
    let mut stream = connect(&world).await;
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.expect("sent");
    let mut frame = [0; 9];
    stream.read_exact(&mut frame).await.expect("a frame");
    assert_eq!(frame[3], 4, "the server's settings");
    // a GET of /healthz by static and literal header fields (RFC 7541)
    let mut block = vec![0x82, 0x86, 0x04, 8];
    block.extend_from_slice(b"/healthz");
    block.extend_from_slice(&[0x01, 1, b'x']);
    let mut request = vec![0, 0, u8::try_from(block.len()).expect("short"), 1, 5, 0, 0, 0, 1];
    request.extend(block);
    stream.write_all(&request).await.expect("sent");
    let mut said = vec![0; 4096];
    let mut all = vec![];
    while !all.windows(3).any(|w| w == b"ok\n") {
        let count = stream.read(&mut said).await.expect("read");
        assert!(count > 0, "closed after {all:?}");
        all.extend_from_slice(&said[..count]);
    }
}

#[tokio::test]
async fn browsers_may_call_from_configured_origins_and_read_our_headers() {
    let world = World::with(|config| config.cors_origins = vec!["https://app.example".to_owned()]).await;
    let guest = world.guest();
    let ask = async |origin: &str, path: &str| guest.send(guest.request(Method::GET, path).header("Origin", origin)).await;
    for path in ["/api/tag", "/api/memo", "/nothing"] {
        let answer = ask("https://app.example", path).await;
        assert_eq!(answer.header("access-control-allow-origin"), "https://app.example", "{path}: errors, too");
        for exposed in ["location", "etag", "retry-after", "x-request-id"] {
            assert!(answer.header("access-control-expose-headers").contains(exposed), "{exposed}");
        }
    }
    assert_eq!(ask("https://evil.example", "/api/tag").await.header("access-control-allow-origin"), "");
    let client = reqwest::Client::new();
    let preflight = client.request(Method::OPTIONS, format!("{}/api/tag", world.url)).header("Origin", "https://app.example");
    let preflight = preflight
        .header("Access-Control-Request-Method", "PATCH")
        .header("Access-Control-Request-Headers", "authorization,content-type");
    let answer = preflight.send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    assert!(answer.headers()["access-control-allow-methods"].to_str().expect("text").contains("PATCH"));
}

#[tokio::test]
async fn answers_are_compressed_for_who_asks() {
    let world = World::new().await;
    let ada = world.user("ada", &[]).await;
    world
        .sql("insert into tag (id, permission, name) select gen_random_uuid(), 2, 'tag ' || n from generate_series(1, 50) n")
        .await;
    for (accepted, wanted) in [("gzip", Some("gzip")), ("br", Some("br")), ("identity", None), ("gzip;q=0", None)] {
        let answer = reqwest::Client::new()
            .get(format!("{}/api/tag", world.url))
            .header("Accept-Encoding", accepted)
            .send()
            .await
            .expect("an answer");
        assert_eq!(answer.headers().get("content-encoding").map(|v| v.to_str().expect("text")), wanted, "{accepted}");
    }
    ada.get("/api/tag").await.is(200);
}

#[tokio::test]
async fn v13_only_trusted_proxies_are_believed_about_addresses() {
    let limits = |config: &mut rowhouse::config::Config| config.limits.signin_per_address = 2;
    let trusting = World::with(|config| {
        limits(config);
        config.trusted_proxies = vec!["127.0.0.0/8".parse().expect("a network")];
    })
    .await;
    let doubting = World::with(limits).await;
    let try_from = async |world: &World, from: String| {
        let guest = world.guest();
        let request = guest
            .request(Method::POST, "/action/user_account/signin")
            .header("X-Forwarded-For", from)
            .header("Content-Type", "application/json");
        guest.send(request.body(json!({"email": "x@example.org", "password": "x"}).to_string())).await.status
    };
    for n in 0..6 {
        assert_eq!(try_from(&trusting, format!("evil, 203.0.113.{n}")).await, 401, "each address is its own");
        let doubted = try_from(&doubting, format!("203.0.113.{n}")).await;
        assert_eq!(doubted, if n < 2 { 401 } else { 429 }, "nobody says who they are");
    }
    // the address before the trusted one counts, whatever is written before that
    assert_eq!(try_from(&trusting, "198.51.100.9, 203.0.113.1".to_owned()).await, 401);
    assert_eq!(try_from(&trusting, "198.51.100.10, 203.0.113.1".to_owned()).await, 429);
}

#[tokio::test]
async fn links_stand_under_the_public_url() {
    let world = World::with(|config| config.public_url = Some("https://news.example".to_owned())).await;
    let ada = world.user("ada", &[]).await;
    let made = ada.post("/api/tag", json!({"data": {"type": "tag", "attributes": {"name": "x"}}})).await.is(201);
    assert!(made.header("location").starts_with("https://news.example/api/tag/"));
    assert_eq!(made.header("location"), made.json["data"]["links"]["self"]);
    assert!(
        ada.get("/api/tag").await.json["links"]["self"].as_str().expect("a link").starts_with("https://news.example/api/tag")
    );
}

#[tokio::test]
async fn one_client_of_a_proxy_that_nobody_declared_keeps_no_other_out() {
    let world = World::with(|config| config.limits.signin_per_address = 10).await;
    let guest = world.guest();
    let try_from = async |name: &'static str, from: &str| {
        let request = guest.request(Method::POST, "/action/user_account/signin").header(name, from);
        let body = json!({"email": format!("x{from}@example.org").replace(['"', '=', ':', '[', ']'], ""), "password": "x"});
        guest.send(request.header("Content-Type", "application/json").body(body.to_string())).await.status
    };
    for n in 0..20 {
        let status = try_from("X-Forwarded-For", "203.0.113.7:4711").await;
        assert_eq!(status, if n < 5 { 401 } else { 429 });
    }
    assert_eq!(try_from("X-Forwarded-For", "203.0.113.8").await, 401, "another one");
    assert_eq!(try_from("Forwarded", "for=\"[2001:db8::1]:80\"").await, 401);
}

#[tokio::test]
async fn a_request_names_its_host_once() {
    let world = World::new().await;
    let ask = async |hosts: &str| {
        let mut stream = TcpStream::connect(world.url.trim_start_matches("http://")).await.expect("connected");
        let head = format!("GET /healthz HTTP/1.1\r\n{hosts}Connection: close\r\n\r\n");
        stream.write_all(head.as_bytes()).await.expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.expect("read");
        answer.split(' ').nth(1).expect("a status").to_owned()
    };
    assert_eq!(ask("Host: x\r\n").await, "200");
    for hosts in ["", "Host: x\r\nHost: x\r\n", "Host: x\r\nhost: y\r\n"] {
        assert_eq!(ask(hosts).await, "400", "{hosts:?}");
    }
}

#[tokio::test]
async fn what_depends_on_who_asks_says_so() {
    let world = World::new().await;
    let (ada, guest) = (world.user("ada", &[]).await, world.guest());
    for path in ["/actions", "/schema/directive/client.notify", "/schema/entity/tag", "/openapi.json"] {
        for who in [&ada, &guest] {
            let answer = who.get(path).await.is(200);
            assert_eq!(answer.header("cache-control"), "private, no-cache", "{path}");
            assert!(answer.header("vary").contains("Authorization") && !answer.header("etag").is_empty(), "{path}");
            let again = who.request(Method::GET, path).header("If-None-Match", answer.header("etag"));
            who.send(again).await.is(304);
        }
    }
}

#[tokio::test]
async fn what_is_over_is_swept_and_nothing_else() {
    let world = World::new().await;
    let ada = world.user("ada", &[]).await;
    let made =
        "insert into session (id, permission, \"user\", device, created_at, expires_at, ended_at) select gen_random_uuid(), 0";
    for (device, expires, ended) in [
        ("long over", "- interval '31 days'", "null"),
        ("ended long ago", "+ interval '1 hour'", "now() - interval '31 days'"),
        ("over", "- interval '29 days'", "null"),
    ] {
        world.sql(&format!("{made}, '{}', '{device}', now() - interval '40 days', now() {expires}, {ended}", ada.id)).await;
    }
    let part = "insert into rowhouse.part (transfer, number, bytes, at) values (gen_random_uuid(), 0, 'x'";
    for at in ["now()", "now() - interval '2 days'"] {
        world.sql(&format!("{part}, {at})")).await;
    }
    world
        .sql("insert into rowhouse.attempt (key, tries, since) values ('x', 1, now() - interval '2 days'), ('y', 1, now())")
        .await;
    rowhouse::start::sweep(&world.app).await;
    let left = "select (select string_agg(device, ',') from session where device is not null), (select count(*)::text from rowhouse.part), (select string_agg(key, ',') from rowhouse.attempt)";
    let row = &world.sql(left).await[0];
    assert_eq!([row.text(0), row.text(1), row.text(2)], [Some("over"), Some("1"), Some("y")]);
    ada.get("/api/user_account/mine").await.is(200);
}

#[tokio::test]
async fn l10_the_local_cluster_serves_a_plain_role_and_its_log_holds_no_values() {
    let world = World::new().await;
    let role = "select rolsuper or rolcreaterole or rolcreatedb or rolreplication or rolbypassrls from pg_roles where rolname = current_user";
    assert_eq!(world.sql(&format!("select 1 where ({role})")).await.len(), 0);
    let settings = "select current_setting('log_error_verbosity') || current_setting('logging_collector') || current_setting('log_rotation_age')";
    assert_eq!(world.sql(settings).await[0].text(0), Some("terseon1d"));
}
