//! The server that is measured: its release binary on a database of ours, a caller of its own, and rows by SQL.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

use crate::cluster::Cluster;
use crate::load::{Connection, Target};

pub const PROJECT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/project");

/// The connections that each server may have to PostgreSQL, ours and its peer.
pub const POOL: &str = "16";

pub const PASSWORD: &str = "correct horse battery";

pub fn person(email: &str, more: &str) -> String {
    format!(r#"{{"email":"{email}","password":"{PASSWORD}"{more}}}"#)
}

pub struct Server {
    pub address: SocketAddr,
    /// From starting the process to where it says that it listens.
    pub start: Duration,
    child: Child,
}

impl Server {
    pub fn start(cluster: &Cluster, database: &str, project: &Path) -> Server {
        // its keys are there: who starts it again on the same database finds them
        let data = cluster.folder.join(format!("data-{database}"));
        fs::create_dir_all(&data).unwrap();
        // One binary for the whole run, whatever is built meanwhile.
        let program = cluster.folder.join("rowhouse");
        if !program.exists() {
            fs::copy(env!("CARGO_BIN_EXE_rowhouse"), &program).unwrap();
        }
        let began = Instant::now();
        let mut child = Command::new(program)
            .args(["serve", "--listen", "127.0.0.1:0", "--project"])
            .arg(project)
            .arg("--data")
            .arg(&data)
            .args(["--database-url", &cluster.url("postgres", database)])
            .env("ROWHOUSE_LOG", "error")
            .env("ROWHOUSE_TOKEN_LIFE", "24h")
            .env("ROWHOUSE_DATABASE_POOL", POOL)
            // so that signing in is slowed by hashing alone
            .env("ROWHOUSE_LIMITS_SIGNIN_PER_ADDRESS", "1000000")
            .env("ROWHOUSE_LIMITS_SIGNIN_PER_ACCOUNT", "1000000") // 8 at once for one account are more than 5
            .env("ROWHOUSE_LIMITS_ACTION_RATE", "false")
            .env("ROWHOUSE_LIMITS_CONNECTIONS", "15000")
            .env("ROWHOUSE_LIMITS_HEADER", "60s") // opening 10,000 connections takes longer than 10 s
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on http://").expect("the server starts").parse().unwrap();
        Server { address, start: began.elapsed(), child }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Who asks without a token, in plain JSON, as actions take it.
    pub fn guest(&self) -> Target {
        Target { address: self.address, headers: "Content-Type: application/json\r\n".to_owned() }
    }

    /// Signs somebody up, and in: what asks as that caller.
    pub fn caller(&self, runtime: &Runtime, email: &str) -> Target {
        let target = self.guest();
        let named = person(email, &format!(r#","name":"Caller","passwordConfirm":"{PASSWORD}""#));
        runtime.block_on(async {
            let mut connection = Connection::open(&target).await;
            connection.ask(&target, "POST", "/action/user_account/signup", Some(&named)).await;
            let said = connection.ask(&target, "POST", "/action/user_account/signin", Some(&person(email, ""))).await;
            let said = String::from_utf8_lossy(said);
            let token = said.split("\"value\":\"").nth(1).unwrap().split('"').next().unwrap();
            let headers = format!("Authorization: Bearer {token}\r\nContent-Type: application/vnd.api+json\r\n");
            Target { address: self.address, headers }
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        _ = Command::new("kill").arg(self.child.id().to_string()).status();
        _ = self.child.wait();
    }
}
