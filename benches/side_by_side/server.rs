//! The server that is measured: its release binary on a database of ours, a caller of its own, and rows by SQL.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

use crate::cluster::Cluster;
use crate::load::{Connection, Target};

pub const PROJECT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/benches/project");

/// The connections that each server may have to PostgreSQL, ours and its peer.
pub const POOL: &str = "16";

pub struct Server {
    pub address: SocketAddr,
    /// From starting the process to its first answer.
    pub start: Duration,
    pub database: String,
    child: Child,
    data: PathBuf,
}

impl Server {
    pub fn start(cluster: &Cluster, database: &str, project: &Path) -> Server {
        let data = cluster.folder.join(format!("data-{database}"));
        fs::create_dir_all(&data).unwrap();
        let began = Instant::now();
        let mut child = Command::new(env!("CARGO_BIN_EXE_rowhouse"))
            .args(["serve", "--listen", "127.0.0.1:0", "--project"])
            .arg(project)
            .arg("--data")
            .arg(&data)
            .args(["--database-url", &cluster.url("postgres", database)])
            .env("ROWHOUSE_LOG", "error")
            .env("ROWHOUSE_TOKEN_LIFE", "24h")
            .env("ROWHOUSE_DATABASE_POOL", POOL)
            .env("ROWHOUSE_LIMITS_SIGNIN_PER_ADDRESS", "1000000")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on http://").expect("the server starts").parse().unwrap();
        Server { address, start: began.elapsed(), database: database.to_owned(), child, data }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Signs somebody up, and in: what asks as that caller.
    pub fn caller(&self, runtime: &Runtime, email: &str) -> Target {
        let headers = "Content-Type: application/json\r\n".to_owned();
        let target = Target { address: self.address, headers };
        let person = |more: &str| format!(r#"{{"email":"{email}","password":"correct horse battery"{more}}}"#);
        let named = person(r#","name":"Caller","passwordConfirm":"correct horse battery""#);
        runtime.block_on(async {
            let mut connection = Connection::open(&target).await;
            connection.ask(&target, "POST", "/action/user_account/signup", Some(&named)).await;
            let said = connection.ask(&target, "POST", "/action/user_account/signin", Some(&person(""))).await;
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
        _ = fs::remove_dir_all(&self.data);
    }
}
