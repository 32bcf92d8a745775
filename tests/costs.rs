//! What things cost: how much there may be of an answer, who takes nothing of one, what one caller and one address have of
//! what all share, and that no check takes more than its text is long.

use std::time::{Duration, Instant};

use reqwest::Method;
use rowhouse::schema::kind::{Bounds, KINDS, Kind};
use serde_json::{Value as Json, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::house::{Someone, World};

const LIMIT: usize = 128 * 1024;

fn address(world: &World) -> String {
    world.url.strip_prefix("http://").expect("http").to_owned()
}

async fn articles(who: &Someone<'_>, count: usize, bytes: usize) {
    for at in 0..count {
        let words = format!("größe {at} ").repeat(bytes / 10);
        who.make("article", json!({"title": format!("a{at}"), "body": words}), json!({})).await;
    }
}

fn fitting(answer: &Json) -> String {
    let detail = answer["errors"][0]["detail"].as_str().expect("words");
    assert_eq!(answer["errors"][0]["source"]["parameter"], "page[size]", "{answer}");
    let size = detail.split("page[size]=").nth(1).expect("a size");
    size.chars().take_while(char::is_ascii_digit).collect()
}

#[tokio::test]
async fn an_answer_has_a_largest_size_and_says_which_page_fits() {
    for of_rows in [false, true] {
        let world = World::with(|config| {
            (config.limits.answer, config.limits.body) = (LIMIT, 2 << 20);
            config.database.result = if of_rows { LIMIT } else { 32 << 20 };
        })
        .await;
        let ada = world.user("ada", &["editors"]).await;
        articles(&ada, 12, 20_000).await;
        for path in
            ["/api/article?page[size]=12", "/api/article?page[size]=12&sort=title", "/api/article?page[size]=12&include=author"]
        {
            let refused = ada.get(path).await.is(400);
            assert_eq!(refused.json["errors"][0]["code"], "too-large", "{}", refused.text);
            let size = fitting(&refused.json);
            assert_ne!(size, "0");
            ada.get(&path.replace("page[size]=12", &format!("page[size]={size}"))).await.is(200);
        }
        // Of one row fewer columns are asked for.
        let large = ada.make("article", json!({"title": "large"}), json!({})).await;
        world.sql(&format!("update article set body = repeat('x', 200000) where id = '{large}'")).await;
        let path = format!("/api/article/{large}");
        let refused = ada.get(&path).await.is(400);
        assert!(refused.text.contains("fields["), "{}", refused.text);
        ada.get(&format!("{path}?fields[article]=title")).await.is(200);
    }
}

#[tokio::test]
async fn what_was_done_is_not_said_not_to_be_because_its_row_is_large() {
    let world = World::with(|config| (config.limits.answer, config.database.result) = (64 * 1024, 64 * 1024)).await;
    let ada = world.user("ada", &["editors"]).await;
    let memo = ada.make("memo", json!({"text": "x"}), json!({})).await;
    let article = ada.make("article", json!({"title": "x"}), json!({})).await;
    let text = "größe ".repeat(20_000);
    let change = |kind: &str, id: &str, name: &str| json!({"data": {"type": kind, "id": id, "attributes": {name: text}}});
    // In one message, and the long way.
    for (path, body) in [
        (format!("/api/memo/{memo}"), change("memo", &memo, "text")),
        (format!("/api/article/{article}?include=author"), change("article", &article, "body")),
    ] {
        let answer = ada.patch(&path, body).await.is(200);
        assert_eq!(answer.json["meta"]["tooLarge"], true, "{}", answer.text);
    }
    let made = ada.post("/api/memo", json!({"data": {"type": "memo", "attributes": {"text": text}}})).await.is(201);
    assert!(made.json["meta"]["tooLarge"] == true && made.header("location").starts_with("/api/memo/"), "{}", made.text);
    let whole = world.sql("select (select count(*) from memo where length(text) = 120000) + (select count(*) from article where length(body) = 120000)").await;
    assert_eq!(whole[0].int(0), Some(3));
    ada.get(&format!("/api/memo/{memo}")).await.is(400);
}

#[tokio::test]
async fn large_rows_are_exported_a_few_at_a_time() {
    let world = World::with(|config| {
        config.limits.answer = LIMIT;
        config.limits.action_rate = false;
        config.outbox.poll = Duration::from_millis(50);
    })
    .await;
    world.run_tasks();
    let ada = world.user("ada", &["editors"]).await;
    articles(&ada, 15, 20_000).await;
    let begun = ada.act("world/export_data", json!({"entity": "article", "format": "csv"})).await.is(200);
    let id = begun.json[0]["Attributes"]["id"].as_str().expect("an id").to_owned();
    world.settled().await;
    let row = ada.get(&format!("/api/transfer/{id}")).await.is(200);
    assert_eq!(row.json["data"]["attributes"]["state"], "done", "{}", row.text);
    let file = ada.get(&format!("/file/{id}")).await.is(200);
    assert_eq!(file.text.matches("größe").count(), 15 * 2000);
}

/// A number as HPACK has it, after 7 bits.
fn number(mut rest: usize) -> Vec<u8> {
    if rest < 127 {
        return vec![u8::try_from(rest).expect("small")];
    }
    rest -= 127;
    let mut bytes = vec![127];
    while rest >= 128 {
        bytes.push(u8::try_from(rest % 128).expect("small") | 128);
        rest /= 128;
    }
    bytes.push(u8::try_from(rest).expect("small"));
    bytes
}

fn frame(kind: u8, flags: u8, stream: u32, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).expect("small").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), body].concat()
}

const SETTINGS: u8 = 4;
const HEADERS: u8 = 1;
const PING: u8 = 6;
const ACK: u8 = 1;

/// How a client of HTTP/2 begins that takes no byte of any answer.
fn greedy(path: &str, token: &str) -> Vec<u8> {
    let no_window = [&4_u16.to_be_bytes()[..], &0_u32.to_be_bytes()].concat();
    let text = |text: &str| [number(text.len()), text.as_bytes().to_vec()].concat();
    let head = [
        vec![0x82, 0x86, 0x44],
        text(path),
        vec![0x41],
        text("x"),
        vec![0x40],
        text("authorization"),
        text(&format!("Bearer {token}")),
    ];
    let request = frame(HEADERS, 5, 1, &head.concat());
    [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), frame(SETTINGS, 0, 0, &no_window), request].concat()
}

/// Reads frames, and answers pings, until the server closes.
async fn until_closed(stream: &mut TcpStream) -> Vec<u8> {
    let mut kinds = vec![];
    loop {
        let mut head = [0; 9];
        if stream.read_exact(&mut head).await.is_err() {
            return kinds;
        }
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut body = vec![0; usize::try_from(length).expect("small")];
        if stream.read_exact(&mut body).await.is_err() {
            return kinds;
        }
        kinds.push(head[3]);
        if head[3] == PING && head[4] & ACK == 0 {
            _ = stream.write_all(&frame(PING, ACK, 0, &body)).await;
        }
    }
}

#[tokio::test]
async fn who_takes_nothing_of_an_answer_is_let_go() {
    let world = World::with(|config| {
        config.limits.stall = Duration::from_millis(500);
        (config.limits.answer, config.database.result) = (64 << 20, 64 << 20);
    })
    .await;
    let ada = world.user("ada", &["editors"]).await;
    ada.make("article", json!({"title": "x"}), json!({})).await;
    // Far more than the sockets themselves keep.
    world.sql("insert into article (id, owner, permission, title, body, author) select gen_random_uuid(), owner, permission, 'y' || n, repeat('z', 3000000), author from article, generate_series(1, 8) n").await;
    let (path, token) = ("/api/article?page%5Bsize%5D=9", ada.token.clone().expect("one"));
    let mut first = TcpStream::connect(address(&world)).await.expect("connected");
    let asked = format!("GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n");
    first.write_all(asked.as_bytes()).await.expect("sent");
    let mut second = TcpStream::connect(address(&world)).await.expect("connected");
    second.write_all(&greedy(path, &token)).await.expect("sent");
    let deadline = Instant::now() + Duration::from_secs(60);
    while world.app.outflow.waiting() == 0 {
        assert!(Instant::now() < deadline, "nothing waits");
        tokio::task::yield_now().await;
    }
    // Their bytes are nobody's any more: what waited is gone.
    let deadline = Instant::now() + Duration::from_secs(30);
    while world.app.outflow.waiting() > 0 {
        assert!(Instant::now() < deadline, "{} bytes wait still", world.app.outflow.waiting());
        tokio::task::yield_now().await;
    }
    let mut said = vec![];
    _ = first.read_to_end(&mut said).await;
    assert!(said.len() < 24_000_000, "it was cut: {}", said.len());
    until_closed(&mut second).await;
    // Who takes it slowly, but takes it, has all of it.
    let mut slow = TcpStream::connect(address(&world)).await.expect("connected");
    slow.write_all(asked.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n").as_bytes()).await.expect("sent");
    let (mut whole, mut part) = (0, vec![0; 4 << 20]);
    loop {
        let read = slow.read(&mut part).await.expect("read");
        if read == 0 {
            break;
        }
        whole += read;
        if whole % 7 == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    assert!(whole > 24_000_000, "{whole}");
}

#[tokio::test]
async fn a_connection_that_only_answers_pings_rests() {
    let world = World::with(|config| config.limits.idle = Duration::from_millis(700)).await;
    let mut resting = TcpStream::connect(address(&world)).await.expect("connected");
    resting.write_all(&[b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), frame(SETTINGS, 0, 0, &[])].concat()).await.expect("sent");
    let kinds = tokio::time::timeout(Duration::from_secs(30), until_closed(&mut resting)).await.expect("let go");
    assert!(kinds.contains(&7), "it is told so (GOAWAY): {kinds:?}");
}

#[tokio::test]
async fn one_address_has_half_of_the_connections() {
    let world = World::with(|config| config.limits.connections = 8).await;
    let hello = async |mut stream: TcpStream| {
        _ = stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await;
        let mut said = [0; 15];
        (stream.read_exact(&mut said).await.is_ok_and(|_| said.starts_with(b"HTTP/1.1 200 OK")), stream)
    };
    let mut kept = vec![];
    for _ in 0..8 {
        let (is_served, stream) = hello(TcpStream::connect(address(&world)).await.expect("connected")).await;
        kept.extend(is_served.then_some(stream));
    }
    assert_eq!(kept.len(), 4);
    let other = TcpSocket::new_v4().expect("a socket");
    other.bind("127.0.0.2:0".parse().expect("an address")).expect("bound");
    let stream = other.connect(address(&world).parse().expect("an address")).await.expect("connected");
    assert!(hello(stream).await.0, "others are served");
}

#[tokio::test]
async fn who_waits_for_a_row_holds_up_nobody_else() {
    let world = World::with(|config| config.database.wait = Duration::from_millis(500)).await;
    let (ada, bob) = (world.user("ada", &["editors"]).await, world.user("bob", &["editors"]).await);
    let memo = ada.make("memo", json!({"text": "x"}), json!({})).await;
    let holder = world.hold(&format!("select from memo where id = '{memo}' for update")).await;
    let body = json!({"data": {"type": "memo", "id": memo, "attributes": {"text": "y"}}});
    let path = format!("/api/memo/{memo}");
    let waiting = futures_util::future::join_all((0..10).map(|_| ada.patch(&path, body.clone())));
    let others = async {
        world.held_up().await;
        for _ in 0..5 {
            bob.get("/api/memo").await.is(200);
            bob.make("memo", json!({"text": "z"}), json!({})).await;
        }
        holder.batch_execute("commit").await.expect("let go");
    };
    let (answers, ()) = tokio::join!(waiting, others);
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    assert!(statuses.contains(&200) && statuses.iter().all(|status| [200, 503].contains(status)), "{statuses:?}");
}

#[tokio::test]
async fn what_breaks_off_is_kept_by_nobody() {
    let world = World::with(|config| config.limits.action_rate = false).await;
    let ada = world.user("ada", &[]).await;
    let begun = ada.act("world/import_data", json!({"entity": "tag", "format": "csv"})).await.is(200);
    let id = begun.json[0]["Attributes"]["id"].as_str().expect("an id").to_owned();
    let mut stream = TcpStream::connect(address(&world)).await.expect("connected");
    let token = ada.token.clone().expect("one");
    let head = format!(
        "PUT /file/{id} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: text/csv\r\nContent-Length: 9000000\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.expect("sent");
    stream.write_all(&vec![b'x'; 3_000_000]).await.expect("sent");
    world.until("select 1 from rowhouse.part having count(*) >= 5").await;
    drop(stream);
    world.until("select 1 where not exists (select from rowhouse.part)").await;
}

#[tokio::test]
async fn the_script_is_compressed_once_and_is_what_it_is() {
    let world = World::new().await;
    let guest = world.guest();
    let ask = async |takes: &'static str| {
        guest.send(guest.request(Method::GET, "/docs/scalar.js").header("Accept-Encoding", takes)).await.is(200)
    };
    let plain = ask("identity").await;
    assert!(plain.header("content-encoding").is_empty());
    for takes in ["br", "zstd", "deflate"] {
        let answer = ask(takes).await;
        assert!(answer.header("content-encoding").is_empty() && answer.text.len() == plain.text.len(), "{takes}");
    }
    let compressed = reqwest::Client::new()
        .get(format!("{}/docs/scalar.js", world.url))
        .header("Accept-Encoding", "br, gzip;q=0.5")
        .send()
        .await
        .expect("an answer");
    assert_eq!(compressed.headers()["content-encoding"], "gzip");
    let bytes = compressed.bytes().await.expect("bytes");
    let mut unpacked = String::new();
    std::io::Read::read_to_string(&mut flate2::read::GzDecoder::new(&bytes[..]), &mut unpacked).expect("gzip");
    assert_eq!(unpacked, plain.text);
}

/// The quickest of some runs: what else the machine does isn't counted.
fn quickest(mut work: impl FnMut()) -> Duration {
    let run = |_| {
        let began = Instant::now();
        work();
        began.elapsed()
    };
    (0..5).map(run).min().expect("some")
}

/// Texts that hurt some parser, of about so many bytes.
fn texts(bytes: usize) -> Vec<String> {
    let units = [
        "<div>",
        "<b><i>",
        "<p>",
        "<table>",
        "<a href=x>",
        "<b a=1>",
        "</p>",
        "<svg>",
        "<select>",
        "<li><ul>",
        "<!--",
        "<![CDATA[",
        "&amp;",
        "&#x41;",
        "<b a='",
        "<b \n",
        "<form><input>",
        "</b></i>",
        "<b></i>",
        "<nobr>",
        "<font>",
        "x",
        "é",
        "&nosuch;",
        "<div><i></div>",
        "<b><p>",
        "<div><!--</div>-->",
        "<textarea></div></textarea><div>",
        "<b x\"><div>",
        "<rb>",
        "<optgroup>",
        "<div><table></div>",
        "<svg><td></x>",
        "</",
        "<style>",
        "\u{1f4f0}",
        "<",
        "\"",
        "\\",
        "[",
        "{\"a\":",
        "1",
        "-",
        ".",
        "0",
        "a@",
        "@",
        "http://",
        "%",
        " ",
        "\n",
        "#",
    ];
    let mut all: Vec<String> = units.iter().map(|unit| unit.repeat(bytes / unit.len())).collect();
    all.push((0..bytes / 8).map(|n| format!("<b a{n}>")).collect());
    all.push(format!("<b {}>", (0..bytes / 8).map(|n| format!("a{n} ")).collect::<String>()));
    all.push((0..bytes / 18).map(|n| format!("<b><i a{n}></b>")).collect());
    all.push((0..bytes / 18).map(|n| format!("<p><b a={n}>x")).collect());
    all.push(format!("<table>{}", "<tr><td>x".repeat(bytes / 9)));
    all.push(format!("{}{}", "<b>".repeat(bytes / 6), "<p>".repeat(bytes / 6)));
    all
}

#[test]
fn no_check_takes_more_than_its_text_is_long() {
    let bounds = Bounds::default();
    let mut kinds: Vec<Kind> = KINDS.iter().map(|(_, kind)| kind.clone()).collect();
    kinds.push(Kind::Html { clean: true });
    const SMALL: usize = 30_000;
    const TIMES: usize = 4;
    let (small, large) = (texts(SMALL), texts(SMALL * TIMES));
    for kind in kinds {
        for (a, b) in small.iter().zip(&large) {
            let [a, b] = [json!(a), json!(b)];
            let time = |text: &Json| quickest(|| _ = kind.check(&bounds, text).and_then(|text| kind.clean(&bounds, &text)));
            let (first, second) = (time(&a), time(&b));
            let unit = a.as_str().expect("text").chars().take(20).collect::<String>();
            // Four times the text is four times the work, and sixteen where it grows with the square.
            assert!(second < first * 10 + Duration::from_millis(20), "{kind:?} of {unit:?}…: {first:?}, then {second:?}");
        }
    }
}

#[test]
fn sealing_takes_no_more_than_its_text_is_long() {
    let key = rowhouse::config::Secret::new("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    let seal = rowhouse::account::seal::Seal::open(Some(&key), std::path::Path::new("/nowhere")).expect("a key");
    let [first, second] = [100_000, 400_000].map(|bytes| {
        let text = "x".repeat(bytes);
        quickest(|| assert!(seal.seal_text("column", &text).len() > 2 * bytes))
    });
    assert!(second < first * 10 + Duration::from_millis(20), "{first:?}, then {second:?}");
}

/// Documents of about so many parts, each of another kind.
fn documents(parts: usize) -> Vec<String> {
    let list = |one: &dyn Fn(usize) -> String| (0..parts).map(one).collect::<Vec<_>>().join(",");
    let data = |kind: &str, inside: String| format!(r#"{{"data":{{"type":"order","{kind}":{{{inside}}}}}}}"#);
    let operations = |one: &dyn Fn(usize) -> String| format!(r#"{{"atomic:operations":[{}]}}"#, list(one));
    let id = "018f0000-0000-7000-8000-000000000000";
    vec![
        data("attributes", list(&|n| format!(r#""a{n}":{n}"#))),
        data("attributes", list(&|n| format!(r#""@a{n}":{n}"#))),
        data("relationships", list(&|n| format!(r#""a{n}":{{"data":null}}"#))),
        data("relationships", format!(r#""where":{{"data":[{}]}}"#, list(&|n| format!(r#"{{"type":"a","id":"{n}"}}"#)))),
        format!(r#"{{"data":[{}]}}"#, list(&|_| format!(r#"{{"type":"a","id":"{id}"}}"#))),
        format!(r#"{{"data":[{}]}}"#, list(&|n| format!(r#"{{"type":"a","lid":"{n}"}}"#))),
        format!(r#"{{"data":[{}]}}"#, list(&|n| n.to_string())),
        operations(&|n| format!(r#"{{"op":"add","data":{{"type":"order","lid":"l{n}","attributes":{{}}}}}}"#)),
        operations(&|n| {
            format!(r#"{{"op":"update","ref":{{"type":"order","lid":"l{n}"}},"data":{{"type":"order","lid":"l{}"}}}}"#, n + 1)
        }),
        operations(&|_| r#"{"op":"remove","href":"/api/order/1"}"#.to_owned()),
        operations(&|_| "7".to_owned()),
    ]
}

#[test]
fn no_document_takes_more_than_it_is_long() {
    use rowhouse::plan::Planner;
    use rowhouse::request::{body, operation};
    const SMALL: usize = 1500;
    const TIMES: usize = 4;
    let (schema, _) = rowhouse::project::load(std::path::Path::new("tests/projects/odd")).expect("a project");
    let config = rowhouse::config::layers::load(&std::collections::BTreeMap::new(), &[]).expect("defaults").config;
    let planner = Planner { schema: &schema, limits: &config.limits, page: &config.page };
    let order = schema.entity("order").expect("there");
    let read = |text: &str| {
        let Ok(document) = body::json(text.as_bytes()) else { return };
        _ = body::relationship(&document);
        _ = operation::read(&document, "", 100_000, &mut uuid::Uuid::now_v7);
        if let Ok(mut resource) = body::resource(&document) {
            _ = resource.resolve(&body::Lids::new());
            _ = planner.change(order, uuid::Uuid::nil(), true, &resource);
        }
    };
    for (small, large) in documents(SMALL).iter().zip(&documents(SMALL * TIMES)) {
        let (first, second) = (quickest(|| read(small)), quickest(|| read(large)));
        assert!(second < first * 10 + Duration::from_millis(20), "{small:.80}…: {first:?}, then {second:?}");
    }
}
