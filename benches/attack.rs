//! `make attack`: what hurt once, bounded, against a release build: how it is answered, how long it takes, the peak of the
//! server's memory above what it has when it does nothing, and how long somebody else waited meanwhile.

#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::expect_used, reason = "a program for whoever tries it")]
#![allow(clippy::cast_precision_loss, reason = "megabytes and milliseconds")]

#[path = "../tests/house/hostile.rs"]
mod hostile;
#[path = "../tests/house/process.rs"]
#[allow(dead_code, reason = "the tests of the process use more of it")]
mod process;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use process::{Folder, Server};
use reqwest::{Client, Method};
use serde_json::{Value as Json, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

const PASSWORD: &str = "correct horse battery";
/// A password that takes long to judge.
const CRAFTED: &str = "28!4|(1%2+{1%|003595||[226956041959{54(2$39@{|45++635@356{9952572(4{99+12974$!!%{@46+$(+<4002%5|5|<9";
/// What is done with a file to its end, at most.
const PATIENCE: Duration = Duration::from_secs(120);

struct Attack {
    server: Server,
    client: Client,
    token: String,
    idle: u64,
    /// The longest that somebody else waited since it was asked last, in microseconds.
    stall: Arc<AtomicU64>,
}

impl Attack {
    async fn ask(&self, method: Method, path: &str, body: Vec<u8>, token: bool) -> (u16, Json) {
        let kind = if path.starts_with("/api/") { "application/vnd.api+json" } else { "application/json" };
        let mut request =
            self.client.request(method, format!("{}{path}", self.server.url)).header("Content-Type", kind).body(body);
        if token {
            request = request.bearer_auth(&self.token);
        }
        let answer = request.send().await.expect("it lives");
        let status = answer.status().as_u16();
        (status, serde_json::from_slice(&answer.bytes().await.unwrap_or_default()).unwrap_or(Json::Null))
    }

    async fn act(&self, action: &str, body: Json) -> (u16, Json) {
        self.ask(Method::POST, &format!("/action/{action}"), body.to_string().into_bytes(), !self.token.is_empty()).await
    }

    fn memory(&self, name: &str) -> u64 {
        let told = std::fs::read_to_string(format!("/proc/{}/status", self.server.child.id())).unwrap_or_default();
        let line = told.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("0");
        line.trim().trim_end_matches(" kB").parse().unwrap_or(0)
    }

    /// Does something, and prints what it took.
    async fn case(&self, name: &str, work: impl Future<Output = String>) {
        _ = std::fs::write(format!("/proc/{}/clear_refs", self.server.child.id()), "5");
        self.stall.store(0, Ordering::Relaxed);
        let began = Instant::now();
        let answer = work.await;
        let took = began.elapsed();
        tokio::time::sleep(Duration::from_millis(100)).await; // who waits still is counted, too
        let peak = self.memory("VmHWM:").saturating_sub(self.idle) as f64 / 1024.0;
        let stall = self.stall.load(Ordering::Relaxed) as f64 / 1000.0;
        println!("| {name} | {answer} | {:.2} s | {peak:.0} MiB | {stall:.0} ms |", took.as_secs_f64());
    }

    async fn import(&self, format: &str, bytes: &[u8]) -> String {
        let (_, told) = self.act("world/import_data", json!({"entity": "tag", "format": format})).await;
        let id = told[0]["Attributes"]["id"].as_str().unwrap_or_default().to_owned();
        self.ask(Method::PUT, &format!("/file/{id}"), bytes.to_vec(), true).await;
        let began = Instant::now();
        loop {
            let (_, row) = self.ask(Method::GET, &format!("/api/transfer/{id}"), vec![], true).await;
            let row = &row["data"]["attributes"];
            if row["state"] == "done" || row["state"] == "failed" {
                let words: String = row["faults"][0]["message"].as_str().unwrap_or("done").chars().take(60).collect();
                return words.replace('|', "/");
            }
            assert!(began.elapsed() < PATIENCE, "{row}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// Somebody else, who asks again and again for what costs nothing and for a page.
async fn bystander(url: String, stall: Arc<AtomicU64>, goes_on: Arc<AtomicBool>) {
    let client = Client::new();
    while goes_on.load(Ordering::Relaxed) {
        for path in ["/healthz", "/api/tag"] {
            let began = Instant::now();
            _ = client.get(format!("{url}{path}")).send().await;
            stall.fetch_max(u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn counted(statuses: impl IntoIterator<Item = u16>) -> String {
    let mut count: BTreeMap<u16, usize> = BTreeMap::new();
    statuses.into_iter().for_each(|status| *count.entry(status).or_default() += 1);
    count.iter().map(|(status, times)| format!("{times} × {status}")).collect::<Vec<_>>().join(", ")
}

/// What is refused, and costs nothing; and what would tell who is here.
async fn refused(attack: &Attack) {
    let data = json!({"type": "dossier", "id": "018f0000-0000-7000-8000-000000000000", "attributes": {"pin": CRAFTED}});
    let body = json!({"data": data}).to_string().into_bytes();
    attack
        .case("40 × PATCH of a password by a guest", async {
            let path = "/api/dossier/018f0000-0000-7000-8000-000000000000";
            let all = (0..40).map(|_| attack.ask(Method::PATCH, path, body.clone(), false));
            counted(futures_util::future::join_all(all).await.into_iter().map(|(status, _)| status))
        })
        .await;
    let operations: Vec<Json> = (0..40).map(|_| json!({"op": "update", "data": data})).collect();
    let body = json!({"atomic:operations": operations}).to_string();
    attack
        .case("40 such operations in one request", async {
            let kind = "application/vnd.api+json;ext=\"https://jsonapi.org/ext/atomic\"";
            let request = attack.client.post(format!("{}/api/operations", attack.server.url)).header("Content-Type", kind);
            counted(request.body(body).send().await.into_iter().map(|answer| answer.status().as_u16()))
        })
        .await;
    let group = json!({"data": {"type": "usergroup", "attributes": {"name": "chess"}}}).to_string().into_bytes();
    let (_, made) = attack.ask(Method::POST, "/api/usergroup", group, true).await;
    let add = format!("usergroup/{}/add_member", made["data"]["id"].as_str().unwrap_or_default());
    attack
        .case("30 × add_member by an address, of which every other is somebody's", async {
            let address =
                |n: usize| if n.is_multiple_of(2) { "eve@example.org".to_owned() } else { format!("nobody{n}@example.org") };
            let all = (0..30).map(|n| attack.act(&add, json!({"email": address(n)})));
            counted(futures_util::future::join_all(all).await.into_iter().map(|(status, _)| status))
        })
        .await;
    attack
        .case("60 wrong passwords for one account", async {
            let wrong = || json!({"email": "eve@example.org", "password": "wrong"}).to_string().into_bytes();
            let all = (0..60).map(|_| attack.ask(Method::POST, "/action/user_account/signin", wrong(), false));
            counted(futures_util::future::join_all(all).await.into_iter().map(|(status, _)| status))
        })
        .await;
}

#[tokio::main]
async fn main() {
    let folder = Folder::new();
    // The newsroom, and a column that is cleaned.
    let project = folder.0.join("project");
    let copied = std::process::Command::new("cp").args(["-r", "examples/newsroom"]).arg(&project).status();
    assert!(copied.is_ok_and(|copied| copied.success()));
    let dossier = "permission: { guest: [peek, read] }\ngrants: { users: all }\ndefault_permission: { guest: [peek, read], owner: all }\n\
                   columns:\n  page: { type: html, clean: true }\n  text: { type: text }\n  pin: { type: password }\n";
    std::fs::write(project.join("schema/dossier.yaml"), dossier).unwrap();
    let more = ["--set", "limits.action_rate=false", "--set", "outbox.poll=100ms", "--set", "limits.stall=5s"].map(str::to_owned);
    let server = process::serve(&folder.0, project.to_str().unwrap(), "127.0.0.1:0", &more);
    let stall = Arc::new(AtomicU64::new(0));
    let mut attack = Attack { server, client: Client::new(), token: String::new(), idle: 0, stall: stall.clone() };
    let person = |name: &str| json!({"name": name, "email": format!("{name}@example.org"), "password": PASSWORD, "passwordConfirm": PASSWORD});
    attack.act("user_account/signup", person("eve")).await;
    let (_, told) = attack.act("user_account/signin", json!({"email": "eve@example.org", "password": PASSWORD})).await;
    attack.token = told[0]["Attributes"]["value"].as_str().expect("a token").to_owned();
    attack.import("csv", b"name\nwarm\n").await;
    attack.idle = attack.memory("VmRSS:");
    let goes_on = Arc::new(AtomicBool::new(true));
    let beside = tokio::spawn(bystander(attack.server.url.clone(), stall, goes_on.clone()));
    println!(
        "{} MiB when it does nothing\n\n| case | answer | took | peak above that | longest stall of a bystander |\n|---|---|---|---|---|",
        attack.idle / 1024
    );
    attack
        .case("nothing (the control)", async {
            tokio::time::sleep(Duration::from_secs(1)).await;
            String::new()
        })
        .await;
    for (at, (format, bytes, _)) in hostile::files().iter().enumerate() {
        let name = format!("file {at}: {format}, {} kB", bytes.len() / 1024);
        attack.case(&name, attack.import(format, bytes)).await;
    }
    attack
        .case("6 × a password that is dear to judge", async {
            let body = || json!({"current": "x", "password": CRAFTED, "passwordConfirm": CRAFTED});
            let all = (0..6).map(|_| attack.act("user_account/change_password", body()));
            counted(futures_util::future::join_all(all).await.into_iter().map(|(status, _)| status))
        })
        .await;
    for (name, unit) in [("nested", "<div>"), ("flat", "<p>x"), ("with attributes", "a=\"\" ")] {
        let page =
            if unit.starts_with('<') { unit.repeat(900_000 / unit.len()) } else { format!("<b {}>", unit.repeat(120_000)) };
        let body = json!({"data": {"type": "dossier", "attributes": {"page": page}}}).to_string().into_bytes();
        attack
            .case(&format!("2 × 900 kB of html, {name}, by a guest"), async {
                let all = (0..2).map(|_| attack.ask(Method::POST, "/api/dossier", body.clone(), false));
                counted(futures_util::future::join_all(all).await.into_iter().map(|(status, _)| status))
            })
            .await;
    }
    attack
        .case("20 × the script, for who takes br alone", async {
            let all = (0..20).map(|_| {
                attack.client.get(format!("{}/docs/scalar.js", attack.server.url)).header("Accept-Encoding", "br").send()
            });
            counted(futures_util::future::join_all(all).await.into_iter().flatten().map(|answer| answer.status().as_u16()))
        })
        .await;
    for _ in 0..15 {
        let body = json!({"data": {"type": "dossier", "attributes": {"text": "x".repeat(900_000)}}}).to_string().into_bytes();
        attack.ask(Method::POST, "/api/dossier", body, true).await;
    }
    let address = attack.server.url.trim_start_matches("http://").to_owned();
    attack
        .case("30 connections that ask for 13 MB and read nothing, for 8 s", async {
            let mut kept = vec![];
            for _ in 0..30 {
                let mut stream = TcpStream::connect(&address).await.expect("connected");
                _ = stream.write_all(b"GET /api/dossier HTTP/1.1\r\nHost: x\r\n\r\n").await;
                kept.push(stream);
            }
            tokio::time::sleep(Duration::from_secs(8)).await;
            String::new()
        })
        .await;
    attack.case("20 changes of one row at once, while an import of all has it", async {
        let (_, told) = attack.ask(Method::POST, "/api/tag", json!({"data": {"type": "tag", "attributes": {"name": "held"}}}).to_string().into_bytes(), true).await;
        let id = told["data"]["id"].as_str().unwrap_or_default().to_owned();
        let rows: String = (0..20_000).map(|n| format!("t{n}\n")).collect();
        let order = json!({"entity": "tag", "format": "csv", "key": "name", "content": STANDARD.encode(format!("name\nheld\n{rows}"))});
        attack.act("world/import_data", order).await;
        let body = json!({"data": {"type": "tag", "id": id, "attributes": {"color": "#00ff00"}}}).to_string().into_bytes();
        let all = (0..20).map(|_| attack.ask(Method::PATCH, "/api/tag/held", body.clone(), true));
        let refused = futures_util::future::join_all(all).await.len();
        let all = (0..20).map(|_| attack.ask(Method::PATCH, Box::leak(format!("/api/tag/{id}").into_boxed_str()), body.clone(), true));
        let answers = counted(futures_util::future::join_all(all).await.into_iter().map(|(status, _)| status));
        format!("{answers}; {refused} to none")
    })
    .await;
    refused(&attack).await;
    goes_on.store(false, Ordering::Relaxed);
    _ = beside.await;
    let (status, _) = attack.ask(Method::GET, "/healthz", vec![], false).await;
    println!("\nIn the end it answers {status}, and has {} MiB.", attack.memory("VmRSS:") / 1024);
}
