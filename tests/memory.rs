//! What a server's memory grows to, seen from outside: a process of its own, whose peak Linux tells.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Client, Method};
use serde_json::{Value as Json, json};

use crate::house::hostile;
use crate::house::process::{Folder, Server};
use crate::house::watch::Watched;

/// What an import may take above what the server has when it does nothing.
const IMPORT: u64 = 64 << 20;
/// Above what is reserved in the beginning: no more may be had, whatever a file says.
const ADDRESSES: u64 = 256 << 20;
const EMAIL: &str = "ada@example.org";
const PASSWORD: &str = "correct horse battery";

/// A number of bytes that the kernel tells of a process.
fn status(server: &Server, name: &str) -> u64 {
    let told = std::fs::read_to_string(format!("/proc/{}/status", server.child.id())).expect("it runs");
    let line = told.lines().find_map(|line| line.strip_prefix(name)).expect("a line");
    line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") * 1024
}

struct Caller<'s> {
    server: &'s Server,
    client: Client,
    token: String,
}

impl Caller<'_> {
    async fn new(server: &Server) -> Caller<'_> {
        let mut caller = Caller { server, client: Client::new(), token: String::new() };
        let named = json!({"name": "Ada", "email": EMAIL, "password": PASSWORD, "passwordConfirm": PASSWORD});
        caller.ask(Method::POST, "/action/user_account/signup", named.to_string().into_bytes()).await;
        let named = json!({"email": EMAIL, "password": PASSWORD}).to_string().into_bytes();
        let (_, told) = caller.ask(Method::POST, "/action/user_account/signin", named).await;
        caller.token = told[0]["Attributes"]["value"].as_str().expect("a token").to_owned();
        caller
    }

    async fn ask(&self, method: Method, path: &str, body: Vec<u8>) -> (u16, Json) {
        let mut request = self.client.request(method, format!("{}{path}", self.server.url)).bearer_auth(&self.token);
        if self.token.is_empty() {
            request = self.client.post(format!("{}{path}", self.server.url));
        }
        let answer = request.header("Content-Type", "application/json").body(body).send().await.expect("it lives");
        let status = answer.status().as_u16();
        (status, serde_json::from_str(&answer.text().await.expect("text")).unwrap_or(Json::Null))
    }

    /// Imports a file to its end: its state.
    async fn import(&self, format: &str, mode: &str, bytes: &[u8]) -> String {
        let mut order = json!({"entity": "tag", "format": format, "mode": mode});
        let is_small = bytes.len() < 500_000;
        if is_small {
            order["content"] = STANDARD.encode(bytes).into();
        }
        let (status, told) = self.ask(Method::POST, "/action/world/import_data", order.to_string().into_bytes()).await;
        assert_eq!(status, 200, "{told}");
        let id = told[0]["Attributes"]["id"].as_str().expect("an id").to_owned();
        if !is_small {
            let (status, told) = self.ask(Method::PUT, &format!("/file/{id}"), bytes.to_vec()).await;
            assert_eq!(status, 204, "{told}");
        }
        let deadline = Instant::now() + Duration::from_secs(120);
        loop {
            let (_, row) = self.ask(Method::GET, &format!("/api/transfer/{id}"), vec![]).await;
            let state = row["data"]["attributes"]["state"].as_str().expect("a state").to_owned();
            if state != "running" && state != "waiting" {
                return state;
            }
            assert!(Instant::now() < deadline, "{format}: {:.300}", row.to_string());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_takes_no_more_memory_than_is_said_whatever_the_file_says() {
    if !std::path::Path::new("/proc/self/clear_refs").exists() {
        return; // told by Linux alone
    }
    let _watched = Watched::new();
    let folder = Folder::new();
    let server = folder.serve(&["--set", "limits.action_rate=false", "--set", "outbox.poll=100ms"]);
    let caller = Caller::new(&server).await;
    let rows: String = (0..5000).map(|n| format!("tag {n},#00ff00\n")).collect();
    assert_eq!(caller.import("csv", "all", format!("name,color\n{rows}").as_bytes()).await, "done");
    let idle = status(&server, "VmRSS:");
    let files = hostile::files();
    for (at, (format, bytes, _)) in files.iter().enumerate() {
        for mode in ["all", "each"] {
            // What the allocator keeps of the one before is used again, and isn't this one's.
            std::fs::write(format!("/proc/{}/clear_refs", server.child.id()), "5").expect("the peak is what is there now");
            let before = status(&server, "VmHWM:");
            caller.import(format, mode, bytes).await;
            let peak = status(&server, "VmHWM:").saturating_sub(before);
            assert!(peak < IMPORT, "file {at} ({format}, {mode}): {} MiB above {} MiB", peak >> 20, before >> 20);
        }
    }
    let kept = status(&server, "VmRSS:").saturating_sub(idle);
    assert!(kept < 2 * IMPORT, "{} MiB of all are kept", kept >> 20);
    // No address beyond these: what asks for more ends the process.
    let most_addresses = status(&server, "VmSize:") + ADDRESSES;
    let set = std::process::Command::new("prlimit")
        .args([format!("--as={most_addresses}"), format!("--pid={}", server.child.id())])
        .status();
    assert!(set.is_ok_and(|set| set.success()), "prlimit comes with util-linux");
    for (format, bytes, _) in &files {
        caller.import(format, "all", bytes).await;
    }
    // The control: it still imports.
    assert_eq!(caller.import("csv", "all", b"name\nthe last\n").await, "done");
}
