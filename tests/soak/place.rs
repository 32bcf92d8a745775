//! Two servers, their database, and what is done to them.

use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use reqwest::{Client, Method};
use rowhouse::store::local::{Cluster, Options};
use serde_json::{Value as Json, json};
use tokio_postgres::NoTls;

use crate::process::{Folder, Server, serve, signal};

const PROJECT: &str = "tests/projects/soak";
pub const PASSWORD: &str = "correct horse battery";

/// What all work on.
pub struct Place {
    pub folder: Folder,
    cluster: Cluster,
    url: String,
    nodes: [Mutex<Server>; 2],
    /// Where they listen, also while one of them is away.
    pub addresses: [String; 2],
    pub metrics: [String; 2],
    client: Client,
    pub is_over: AtomicBool,
    /// Requests, and those of them that nobody knows the end of.
    pub asked: AtomicUsize,
    pub unanswered: AtomicUsize,
}

/// An answer, and between which moments it was made.
pub struct Answer {
    pub status: u16,
    pub json: Json,
    pub began: Instant,
    pub ended: Instant,
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port").port()
}

impl Place {
    pub async fn new() -> Place {
        let folder = Folder::new();
        // What is acknowledged must be there after PostgreSQL died; not after the machine did.
        let settings = ["fsync=off", "max_connections=100"];
        let options = Options { data: &folder.0, binaries: None, user: "postgres", settings: &settings, makes: true };
        let cluster = Cluster::start(&options).expect("a cluster");
        let (client, connection) = tokio_postgres::connect(&cluster.superuser_url(), NoTls).await.expect("connected");
        tokio::spawn(connection);
        client.batch_execute("create database soak owner rowhouse_server").await.expect("made");
        let url = cluster.url().replace("/postgres", "/soak");
        let ports = [0, 1].map(|_| [free_port(), free_port()]);
        let nodes = [0, 1].map(|at| Mutex::new(start(&folder.0, at, ports[at], &url)));
        let client = Client::builder().timeout(Duration::from_secs(40)).build().expect("a client");
        Place {
            folder,
            cluster,
            url,
            nodes,
            addresses: ports.map(|[port, _]| format!("http://127.0.0.1:{port}")),
            metrics: ports.map(|[_, port]| format!("http://127.0.0.1:{port}/metrics")),
            client,
            is_over: AtomicBool::new(false),
            asked: AtomicUsize::new(0),
            unanswered: AtomicUsize::new(0),
        }
    }

    /// Asks; none where nobody knows what became of it. What is wrong inside is told nobody, and happens never.
    pub async fn ask(
        &self,
        node: usize,
        token: Option<&str>,
        (method, path, body): (Method, &str, Option<Json>),
    ) -> Option<Answer> {
        self.send(node, token, (method, path, body), None).await
    }

    pub async fn send(
        &self,
        node: usize,
        token: Option<&str>,
        (method, path, body): (Method, &str, Option<Json>),
        key: Option<&str>,
    ) -> Option<Answer> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let mut request = self.client.request(method.clone(), format!("{}{path}", self.addresses[node]));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        if let Some(body) = body {
            let is_action = path.starts_with("/action/");
            let kind = if is_action { "application/json" } else { "application/vnd.api+json" };
            request = request.header("Content-Type", kind).body(body.to_string());
        }
        let began = Instant::now();
        let answered = async {
            let answer = request.send().await.ok()?;
            Some((answer.status().as_u16(), answer.text().await.ok()?))
        };
        let answered = answered.await;
        let ended = Instant::now();
        let answer = answered.map(|(status, text)| {
            let json = serde_json::from_str(&text).unwrap_or(Json::Null);
            assert_ne!(status, 500, "{method} {path}: {text}");
            Answer { status, json, began, ended }
        });
        let answer = answer.filter(|answer| answer.status != 503);
        if answer.is_none() {
            self.unanswered.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(Duration::from_millis(50)).await; // whoever is away isn't asked without end
        }
        answer
    }

    /// Signs somebody up and in: their token.
    pub async fn person(&self, name: &str) -> String {
        let email = format!("{name}@example.org");
        let named = json!({"name": name, "email": email, "password": PASSWORD, "passwordConfirm": PASSWORD});
        let path = "/action/user_account/signup";
        assert_eq!(self.ask(0, None, (Method::POST, path, Some(named))).await.expect("an answer").status, 200);
        let named = json!({"email": email, "password": PASSWORD});
        let path = "/action/user_account/signin";
        let answer = self.ask(0, None, (Method::POST, path, Some(named))).await.expect("an answer");
        answer.json[0]["Attributes"]["value"].as_str().expect("a token").to_owned()
    }

    /// Runs SQL beside the servers. An error where nobody knows what became of it.
    pub async fn sql(&self, sql: &str) -> Result<Vec<Vec<String>>, tokio_postgres::Error> {
        let (client, connection) = tokio_postgres::connect(&self.url, NoTls).await?;
        tokio::spawn(connection);
        let said = client.simple_query(sql).await?;
        let rows = said.into_iter().filter_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => Some(row),
            _ => None,
        });
        Ok(rows.map(|row| (0..row.len()).map(|at| row.get(at).unwrap_or_default().to_owned()).collect()).collect())
    }

    /// Ends PostgreSQL, by a signal to its postmaster, and starts it again.
    pub async fn restart_postgres(&self, how: &str) {
        let pid = self.folder.postmaster().expect("a postmaster");
        signal(how, pid);
        while Path::new(&format!("/proc/{pid}")).exists() && self.folder.postmaster() == Some(pid) {
            _ = tokio::task::block_in_place(|| self.cluster.tend()); // it buries its own child
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        tokio::task::block_in_place(|| self.cluster.tend()).expect("started again");
    }

    /// Kills the second server, and starts it again.
    pub fn restart_node(&self) {
        let mut node = self.nodes[1].lock().expect("no panic");
        let port =
            |url: &str| url.trim_end_matches("/metrics").rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
        let ports = [port(&self.addresses[1]), port(&self.metrics[1])];
        node.signal("KILL");
        _ = node.child.wait();
        *node = start(&self.folder.0, 1, ports, &self.url);
    }

    /// Resident memory of the first server, in MiB.
    pub fn memory(&self) -> f64 {
        let pid = self.nodes[0].lock().expect("no panic").child.id();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or("0 kB");
        line.trim().trim_end_matches(" kB").parse::<f64>().unwrap_or(0.0) / 1024.0
    }

    /// What a node says of its connections to PostgreSQL in a state.
    pub async fn connections(&self, node: usize, state: &str) -> Option<u64> {
        let text = self.client.get(&self.metrics[node]).send().await.ok()?.text().await.ok()?;
        let start = format!("rowhouse_database_connections{{state=\"{state}\"}} ");
        text.lines().find_map(|line| line.strip_prefix(&start))?.parse().ok()
    }

    /// Asks again and again until it is so.
    pub async fn until(&self, what: &str, seconds: u64, is_so: impl AsyncFn() -> bool) {
        let deadline = Instant::now() + Duration::from_secs(seconds);
        while !is_so().await {
            assert!(Instant::now() < deadline, "not within {seconds} s: {what}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }

    pub fn goes_on(&self) -> bool {
        !self.is_over.load(Ordering::Relaxed)
    }
}

fn start(folder: &Path, at: usize, [port, metrics]: [u16; 2], url: &str) -> Server {
    let data = folder.join(format!("node{at}"));
    std::fs::create_dir_all(&data).expect("a folder");
    let listen = format!("127.0.0.1:{port}");
    let set = |key: &str, value: &str| ["--set".to_owned(), format!("{key}={value}")];
    let settings = [
        set("metrics.listen", &format!("127.0.0.1:{metrics}")),
        set("token.life", "24h"),
        set("limits.action_rate", "false"),
        set("limits.signin_per_address", "100000"),
        set("outbox.poll", "200ms"),
        set("database.pool", "8"),
        set("secret_key", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
    ];
    let more: Vec<String> =
        ["--database-url".to_owned(), url.to_owned()].into_iter().chain(settings.into_iter().flatten()).collect();
    serve(&data, PROJECT, &listen, &more)
}
