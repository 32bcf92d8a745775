//! The server as a process: its words, its signals, and what a kill in the middle of writes leaves behind.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::house::process::{Folder, Server, signal};
use crate::house::smtp::{Says, Smtp};
use reqwest::Client;
use rowhouse::store::local::{Cluster, Options};
use serde_json::{Value as Json, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_owned()
}

async fn act(client: &Client, url: &str, action: &str, body: Json, token: Option<&str>) -> (u16, Json) {
    let mut request =
        client.post(format!("{url}/action/{action}")).header("Content-Type", "application/json").body(body.to_string());
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let answer = request.send().await.expect("an answer");
    (answer.status().as_u16(), serde_json::from_str(&answer.text().await.expect("text")).unwrap_or(Json::Null))
}

async fn sign_in(client: &Client, url: &str, email: &str) -> String {
    let (status, said) =
        act(client, url, "user_account/signin", json!({"email": email, "password": "correct horse"}), None).await;
    assert_eq!(status, 200, "{said}");
    said[0]["Attributes"]["value"].as_str().expect("a token").to_owned()
}

async fn post(client: &Client, url: &str, token: &str, entity: &str, data: Json) -> Option<(u16, Json)> {
    let request =
        client.post(format!("{url}/api/{entity}")).bearer_auth(token).header("Content-Type", "application/vnd.api+json");
    let answer = request.body(json!({"data": data}).to_string()).send().await.ok()?;
    Some((answer.status().as_u16(), serde_json::from_str(&answer.text().await.ok()?).ok()?))
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_run_beside_a_server_and_leave_it_running() {
    let folder = Arc::new(Folder::new());
    let metrics = "127.0.0.1:0";
    let server = folder.serve(&["--set", &format!("metrics.listen={metrics}")]);
    let client = Client::new();
    assert_eq!(client.get(format!("{}/readyz", server.url)).send().await.expect("an answer").status(), 200);
    assert_eq!(client.get(format!("{}/metrics", server.url)).send().await.expect("an answer").status(), 401);
    let run = async |arguments: &'static [&'static str], input: &'static str| {
        let folder = folder.clone();
        tokio::task::spawn_blocking(move || folder.run(arguments, input)).await.expect("no panic")
    };
    assert!(text(&run(&["check"], "").await.stdout).ends_with("no complaints"));
    assert_eq!(text(&run(&["plan"], "").await.stdout), "-- nothing to do");
    assert_eq!(text(&run(&["apply"], "").await.stdout), "-- nothing to do");
    let code = text(&run(&["admin", "claim-code"], "").await.stdout);
    assert!(code.len() == 20 && code.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit()), "{code}");
    assert_eq!(text(&run(&["admin", "claim-code"], "").await.stdout), code, "the same until spent");
    let create: &[&str] = &["admin", "create", "--email", "root@example.org", "--name", "Root"];
    for (input, words) in
        [("", "standard input"), ("short\n", "at least 8"), ("rowhouse1\n", "too easy"), ("root@example.org\n", "too easy")]
    {
        let refused = run(create, input).await;
        assert!(!refused.status.success() && text(&refused.stderr).contains(words), "{input:?}: {}", text(&refused.stderr));
    }
    let refused = run(&["admin", "create", "--email", "nonsense", "--name", "Root"], "correct horse\n").await;
    assert!(text(&refused.stderr).contains("--email must be an e-mail address"), "{}", text(&refused.stderr));
    let made = run(create, "correct horse\n").await;
    assert!(made.status.success(), "{}", text(&made.stderr));
    assert!(text(&run(create, "correct horse\n").await.stderr).contains("taken"));
    assert!(text(&run(&["admin", "claim-code"], "").await.stderr).contains("spent"));
    let token = sign_in(&client, &server.url, "root@example.org").await;
    let made =
        post(&client, &server.url, &token, "tag", json!({"type": "tag", "attributes": {"name": "x"}})).await.expect("an answer");
    let row: &'static str = format!("tag/{}", made.1["data"]["id"].as_str().expect("an id")).leak();
    let who = text(&run(vec!["admin", "who-can", "read", row].leak(), "").await.stdout);
    assert!(who.contains("guests") && who.contains("root@example.org") && who.contains("administrator"), "{who}");
    let who = text(&run(vec!["admin", "who-can", "delete", row].leak(), "").await.stdout);
    assert!(!who.contains("guests") && who.contains("root@example.org"), "{who}");
    for (arguments, words) in [
        (&["admin", "who-can", "raed", "tag/x"][..], "is no right"),
        (&["admin", "who-can", "read", "tga/x"], "did you mean tag?"),
        (&["admin", "who-can", "read", "tag/x"], "is no id"),
        (&["admin", "who-can", "read", "tag/00000000-0000-7000-8000-000000000009"], "there is no tag"),
        (&["admin", "matrix", "tga"], "did you mean tag?"),
    ] {
        let said = run(arguments.to_vec().leak(), "").await;
        assert!(!said.status.success() && text(&said.stderr).contains(words), "{}", text(&said.stderr));
    }
    let matrix = text(&run(&["admin", "matrix", "article"], "").await.stdout);
    let line = |start: &str| {
        matrix
            .lines()
            .find(|l| l.starts_with(start))
            .unwrap_or_else(|| panic!("{start} in {matrix}"))
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ")
    };
    assert_eq!(line("article "), "article peek read create update delete execute refer");
    assert_eq!(line("entity · guests"), "entity · guests x x . . . . .");
    assert_eq!(line("new rows · owner"), "new rows · owner x x x x x x x");
    assert_eq!(line("new rows · group editors"), "new rows · group editors x x . x . . .");
    assert_eq!(line("action publish · group editors"), "action publish · group editors . . . . . x .");
    let counted = client.get(format!("{}/metrics", server.url)).bearer_auth(&token).send().await.expect("an answer");
    assert!(counted.text().await.expect("text").contains("rowhouse_requests_total{method=\"GET\",status=\"401\"} 1"));
    let config = text(&run(&["config"], "").await.stdout);
    assert!(config.contains("database.url = (not set)") && config.contains("from flag --data"), "{config}");
}

#[test]
fn what_is_wrong_at_the_terminal_is_said_all_at_once() {
    let folder = Folder::new();
    let said =
        folder.run(&["serve", "--listen", "nowhere", "--set", "page.size=0", "--database-url", "mysql://x:geheim@y/z"], "");
    let words = text(&said.stderr);
    assert_eq!(said.status.code(), Some(2));
    assert!(words.contains("listen (flag --listen)") && words.contains("page.size") && words.contains("database.url"), "{words}");
    assert!(!words.contains("geheim"));
    let words = text(&folder.run(&["check", "--database-binaries", "/nowhere"], "").stdout);
    assert!(words.ends_with("no complaints"), "{words}");
    for asks in [&["plan"][..], &["admin", "claim-code"], &["admin", "matrix", "article"], &["action", "run", "a/b"]] {
        let said = folder.run(asks, "");
        assert!(!said.status.success() && text(&said.stderr).contains("there is no cluster in"), "N11: {asks:?}");
        assert!(!folder.0.join("cluster").exists(), "and none is made");
    }
    let words = text(&folder.run(&["apply", "--database-binaries", "/nowhere"], "").stderr);
    assert!(words.contains("apt-get") && words.contains("--database-binaries") && words.contains("--database-url"), "{words}");
    std::fs::create_dir_all(folder.0.join("cluster")).expect("a folder");
    std::fs::write(folder.0.join("cluster/PG_VERSION"), "9.6\n").expect("written");
    let words = text(&folder.run(&["plan"], "").stderr);
    assert!(words.contains("made by PostgreSQL 9.6") && words.contains("dump and restore"), "{words}");
    let made = folder.0.join("project");
    let path = made.display().to_string();
    assert!(folder.run(&["new", &path], "").status.success());
    assert!(text(&folder.run(&["new", &path], "").stderr).contains("not empty"));
    rowhouse::project::load(&made).expect("no complaints");
    std::fs::write(made.join("schema/note.yaml"), "colums: {}").expect("written");
    let complaints = rowhouse::project::load(&made).expect_err("a complaint");
    assert!(complaints[0].to_string().starts_with("schema/note.yaml:1:1: unknown key `colums`"), "{complaints:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminated_server_finishes_what_runs_and_stops_its_cluster() {
    let folder = Folder::new();
    let mut server = folder.serve(&[]);
    let url = server.url.clone();
    // The request has begun when the server asks for its body.
    let body = r#"{"name":"Ada","email":"ada@example.org","password":"correct horse","passwordConfirm":"correct horse"}"#;
    let mut running = TcpStream::connect(url.strip_prefix("http://").expect("http")).await.expect("connected");
    let head = format!(
        "POST /action/user_account/signup HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    running.write_all(head.as_bytes()).await.expect("sent");
    let mut said = [0; 25];
    running.read_exact(&mut said).await.expect("an interim answer");
    assert!(said.starts_with(b"HTTP/1.1 100 Continue"));
    server.signal("TERM");
    until(async || TcpStream::connect(url.strip_prefix("http://").expect("http")).await.is_err()).await;
    running.write_all(body.as_bytes()).await.expect("sent");
    let mut said = String::new();
    running.read_to_string(&mut said).await.expect("an answer");
    assert!(said.starts_with("HTTP/1.1 200") && said.contains("Created user"), "it was finished: {said}");
    let status = tokio::task::spawn_blocking(move || server.child.wait()).await.expect("no panic").expect("ended");
    assert!(status.success());
    assert!(folder.postmaster().is_none(), "the cluster was stopped");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_terminated_server_finishes_the_letter_that_it_sends() {
    let folder = Arc::new(Folder::new());
    let mut smtp = Smtp::new().await;
    let mut server = folder.serve(&["--set", &format!("mail.smtp={}", smtp.url())]);
    let client = Client::new();
    let create = ["admin", "create", "--email", "root@example.org", "--name", "Root"];
    let beside = folder.clone();
    tokio::task::spawn_blocking(move || beside.run(&create, "correct horse\n")).await.expect("no panic");
    let token = sign_in(&client, &server.url, "root@example.org").await;
    smtp.says(&[Says::Slowly]);
    act(&client, &server.url, "user_account/request_email_verification", json!({}), Some(&token)).await;
    smtp.letter().await;
    server.signal("TERM");
    let status = tokio::task::spawn_blocking(move || server.child.wait()).await.expect("no panic").expect("ended");
    assert!(status.success());
    let server = folder.serve(&[]); // sends none
    let listed = client.get(format!("{}/api/mail", server.url)).bearer_auth(&token).send().await.expect("an answer");
    let listed = listed.text().await.expect("text");
    assert!(listed.contains("\"state\":\"sent\""), "{listed}");
}

/// Creates articles with two tags each; knows the ids that were acknowledged.
#[derive(Default, Clone)]
struct Hammer {
    made: Arc<Mutex<Vec<String>>>,
    is_stopped: Arc<AtomicBool>,
}

impl Hammer {
    /// Four at once; comes back when writes are under way.
    async fn start(url: &str, token: &str, tags: &[String; 2]) -> Hammer {
        let hammer = Hammer::default();
        for _ in 0..4 {
            tokio::spawn(hammer.clone().strike(url.to_owned(), token.to_owned(), tags.clone()));
        }
        until(async || hammer.acknowledged().len() > 30).await;
        hammer
    }

    async fn strike(self, url: String, token: String, tags: [String; 2]) {
        let client = Client::new();
        while !self.is_stopped.load(Ordering::SeqCst) {
            let linked: Vec<_> = tags.iter().map(|id| json!({"type": "tag", "id": id})).collect();
            let data = json!({"type": "article", "attributes": {"title": "whole"}, "relationships": {"tags": {"data": linked}}});
            match post(&client, &url, &token, "article", data).await {
                Some((201, answer)) => {
                    self.made.lock().expect("no panic").push(answer["data"]["id"].as_str().expect("an id").to_owned());
                }
                Some((503, _)) | None => tokio::task::yield_now().await,
                Some((status, answer)) => panic!("{status}: {answer}"),
            }
        }
    }

    fn stop(&self) {
        self.is_stopped.store(true, Ordering::SeqCst);
    }

    fn acknowledged(&self) -> Vec<String> {
        self.made.lock().expect("no panic").clone()
    }
}

async fn people_and_tags(client: &Client, server: &Server) -> (String, [String; 2]) {
    let person =
        json!({"name": "Ada", "email": "ada@example.org", "password": "correct horse", "passwordConfirm": "correct horse"});
    assert_eq!(act(client, &server.url, "user_account/signup", person, None).await.0, 200);
    let token = sign_in(client, &server.url, "ada@example.org").await;
    let mut tags = vec![];
    for name in ["one", "two"] {
        let data = json!({"type": "tag", "attributes": {"name": name}});
        let made = post(client, &server.url, &token, "tag", data).await.expect("an answer");
        tags.push(made.1["data"]["id"].as_str().expect("an id").to_owned());
    }
    (token, [tags.remove(0), tags.remove(0)])
}

/// Every article that is there has both of its tags, and every one that was acknowledged is there.
async fn nothing_is_half_done(client: &Client, url: &str, token: &str, acknowledged: &[String]) {
    let (mut next, mut found) = (format!("{url}/api/article?include=tags&sort=id&page[size]=100"), vec![]);
    loop {
        let answer = client.get(&next).bearer_auth(token).send().await.expect("an answer");
        assert_eq!(answer.status(), 200);
        let page: Json = serde_json::from_str(&answer.text().await.expect("text")).expect("JSON");
        for article in page["data"].as_array().expect("a list") {
            assert_eq!(article["relationships"]["tags"]["data"].as_array().map(Vec::len), Some(2), "half done: {article}");
            found.push(article["id"].as_str().expect("an id").to_owned());
        }
        match page["links"]["next"].as_str() {
            Some(link) => next = format!("{url}{link}"),
            None => break,
        }
    }
    for id in acknowledged {
        assert!(found.contains(id), "{id} was acknowledged and is gone");
    }
}

async fn until(mut done: impl AsyncFnMut() -> bool) {
    for _ in 0..600 {
        if done().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("it never came");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_server_leaves_nothing_half_done_and_its_cluster_is_adopted() {
    let folder = Folder::new();
    let client = Client::new();
    let server = folder.serve(&[]);
    let (token, tags) = people_and_tags(&client, &server).await;
    let hammer = Hammer::start(&server.url, &token, &tags).await;
    server.signal("KILL");
    hammer.stop();
    let postmaster = folder.postmaster();
    drop(server);
    let server = folder.serve(&[]);
    assert_eq!(folder.postmaster(), postmaster, "the cluster ran on and was adopted");
    nothing_is_half_done(&client, &server.url, &token, &hammer.acknowledged()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_postgresql_comes_back_and_nothing_is_half_done() {
    let folder = Folder::new();
    let client = Client::new();
    let server = folder.serve(&[]);
    let (token, tags) = people_and_tags(&client, &server).await;
    let hammer = Hammer::start(&server.url, &token, &tags).await;
    let first = folder.postmaster().expect("it runs");
    signal("KILL", first);
    let ready = async || client.get(format!("{}/readyz", server.url)).send().await.expect("an answer").status() == 200;
    until(async || folder.postmaster().is_some_and(|pid| pid != first) && ready().await).await;
    hammer.stop();
    nothing_is_half_done(&client, &server.url, &token, &hammer.acknowledged()).await;
}

/// PostgreSQL with a certificate for `localhost`, which an authority of the tests signed.
fn with_certificate(folder: &Folder) -> (Cluster, String) {
    let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port();
    let options = |settings: &[&str]| {
        Cluster::start(&Options { data: &folder.0, binaries: None, user: "postgres", settings, makes: true }).expect("a cluster")
    };
    let cluster = options(&[]);
    cluster.leave();
    let owner = std::fs::metadata(folder.0.join("cluster")).expect("there");
    for name in ["server.pem", "server.key"] {
        let path = folder.0.join("cluster").join(name);
        std::fs::copy(std::path::Path::new("tests/house/tls").join(name), &path).expect("copied");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).expect("set");
        std::os::unix::fs::chown(&path, Some(owner.uid()), Some(owner.gid())).expect("given");
    }
    let port_setting = format!("port={port}");
    let cluster =
        options(&["ssl=on", "ssl_cert_file=server.pem", "ssl_key_file=server.key", "listen_addresses=localhost", &port_setting]);
    let password = std::fs::read_to_string(folder.0.join("password")).expect("there");
    (cluster, format!("postgres://rowhouse:{password}@localhost:{port}/postgres"))
}

#[test]
fn postgresql_by_tls_is_asked_for_a_certificate_that_is_believed() {
    let folder = Folder::new();
    let (cluster, url) = with_certificate(&folder);
    let plan = |url: &str, authority: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rowhouse"));
        command
            .args(["plan", "--project", "examples/newsroom", "--data"])
            .arg(folder.0.join("other"))
            .args(["--database-url", url]);
        command.env("SSL_CERT_FILE", authority).output().expect("runs")
    };
    let believed = plan(&format!("{url}?sslmode=require"), "tests/house/tls/ca.pem");
    assert!(text(&believed.stdout).contains("create table"), "{}", text(&believed.stderr));
    let unknown = plan(&format!("{url}?sslmode=require"), "/dev/null");
    assert!(!unknown.status.success() && text(&unknown.stderr).contains("doesn't answer"), "{}", text(&unknown.stderr));
    let other_name = plan(&format!("{}?sslmode=require", url.replace("localhost", "127.0.0.1")), "tests/house/tls/ca.pem");
    assert!(!other_name.status.success(), "the certificate is localhost's");
    assert!(plan(&format!("{url}?sslmode=disable"), "/dev/null").status.success(), "the control: without TLS it answers");
    cluster.leave();
}

#[test]
fn a_command_whose_words_nobody_reads_ends_all_the_same() {
    for command in ["config", "openapi", "check"] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader); // as `head` does, sooner or later
        let mut run = Command::new(env!("CARGO_BIN_EXE_rowhouse"));
        let done = run.args([command, "--project", "examples/newsroom"]).stdout(writer).output().expect("runs");
        assert!(done.status.success() && done.stderr.is_empty(), "{command}: {}", text(&done.stderr));
    }
}

#[test]
fn actions_and_letters_are_tried_at_the_terminal() {
    let folder = Folder::new();
    let letter = text(&folder.run(&["mail", "preview", "reset_password"], "").stdout);
    assert!(
        letter.starts_with("Subject: Set a new password") && letter.contains("[base]/reset_password?token=[token]"),
        "{letter}"
    );
    let unknown = folder.run(&["mail", "preview", "nothing"], "");
    assert!(!unknown.status.success() && text(&unknown.stderr).contains("known: confirm_email_change"));
    for _ in 0..2 {
        let applied = folder.run(&["apply"], "");
        assert!(applied.status.success() && applied.stderr.is_empty(), "{}", text(&applied.stderr));
    }
    let made = folder.run(&["admin", "create", "--email", "root@example.org", "--name", "Root"], "correct horse battery");
    assert!(made.status.success(), "{}", text(&made.stderr));
    let invite = ["action", "run", "user_account/invite", "--input", "name=Ada", "--input", "email=ada@example.org"];
    let as_root = [&invite[..], &["--as", "ROOT@example.org"]].concat();
    let done = folder.run(&as_root, "");
    assert!(text(&done.stdout).contains("Invited ada@example.org"), "{}", text(&done.stderr));
    let guest = folder.run(&invite, "");
    assert!(!guest.status.success() && text(&guest.stderr).contains("signed in"), "{}", text(&guest.stderr));
    for (wrong, words) in [("--as", "there is no active user x"), ("--input", "NAME=VALUE"), ("--subject", "nothing here")] {
        let output = folder.run(
            &[&as_root[..7], &["--as", "root@example.org"][..if wrong == "--as" { 0 } else { 2 }], &[wrong, "x"]].concat(),
            "",
        );
        assert!(!output.status.success() && text(&output.stderr).contains(words), "{wrong}: {}", text(&output.stderr));
    }
}

#[test]
fn l5_a_line_of_the_log_is_a_line_of_ours() {
    let folder = Folder::new();
    let flow = "tests/projects/flow";
    assert!(folder.run_on(flow, &["apply"], "").status.success());
    let words = "words=fine\r\n2026-11-29T00:00:00Z  INFO forged\u{1b}[31m";
    let root = ["admin", "create", "--email", "root@example.org", "--name", "Root"];
    assert!(folder.run_on(flow, &root, "correct horse battery").status.success());
    let say = ["action", "run", "ticket/say", "--as", "root@example.org", "--input", words, "--set", "log=info"];
    let said = folder.run_on(flow, &say, "");
    let log = text(&said.stderr) + &text(&said.stdout);
    assert!(log.contains("an action says") && log.contains("fine\\r\\n2026"), "{log}");
    assert!(!log.lines().any(|line| line.starts_with("2026-11-29T00:00:00Z")) && !log.contains("\u{1b}[31m"), "{log}");
}
