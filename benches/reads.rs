//! Reads against pgbench, in the same run, on a cluster of their own: `cargo bench`.
//!
//! One row by its key and a page of 25 of 100,000 articles, of which the caller may see every fourth; 8 connections each,
//! in turns, the median of the rounds. pgbench runs the bare statement: prepared, no rule, raw columns.

#![allow(clippy::print_stdout, clippy::unwrap_used)] // a program for people at a terminal

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const ROWS: u64 = 100_000;
const CONNECTIONS: usize = 8;
const ROUNDS: usize = 3;
const SECONDS: u64 = 4;

struct Scene {
    data: PathBuf,
    server: Child,
    address: String,
    token: String,
}

fn binaries() -> PathBuf {
    let mut found: Vec<_> =
        std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten().map(|e| e.path().join("bin")).collect();
    found.sort();
    found.pop().unwrap_or_default()
}

impl Scene {
    fn new() -> Scene {
        let data = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("bench-{}", std::process::id()));
        let mut server = Command::new(env!("CARGO_BIN_EXE_rowhouse"))
            .args(["serve", "--project", "examples/newsroom", "--listen", "127.0.0.1:0", "--data"])
            .arg(&data)
            .env("ROWHOUSE_LOG", "error")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on http://").unwrap().to_owned();
        let mut scene = Scene { data, server, address, token: String::new() };
        let person = r#"{"name":"Ada","email":"ada@example.org","password":"correct horse","passwordConfirm":"correct horse"}"#;
        scene.post("/action/user_account/signup", person);
        let said = scene.post("/action/user_account/signin", r#"{"email":"ada@example.org","password":"correct horse"}"#);
        scene.token = said.split("\"value\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        scene.sql(&format!(
            "insert into article (id, owner, permission, groups, title, body, status, words, published_at, author) \
             select ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, case when n % 4 = 0 then u.id end, 16256, \
             array[(select id from usergroup where name = 'editors')], 'Article ' || n, repeat('words ', 40), 'published', n, \
             now() - n * interval '1 minute', u.id from generate_series(1, {ROWS}) n, user_account u; vacuum analyze"
        ));
        scene
    }

    fn post(&self, path: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let length = body.len();
        write!(stream, "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}").unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).unwrap();
        assert!(said.starts_with("HTTP/1.1 200"), "{said}");
        said
    }

    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(binaries().join(name));
        let password = std::fs::read_to_string(self.data.join("password")).unwrap();
        command.arg("-h").arg(self.data.join("socket")).args(["-U", "rowhouse"]).env("PGPASSWORD", password);
        command
    }

    fn sql(&self, sql: &str) {
        for part in sql.split("; ") {
            assert!(
                self.program("psql").args(["-q", "-v", "ON_ERROR_STOP=1", "-c", part, "postgres"]).status().unwrap().success()
            );
        }
    }

    /// Transactions per second of a script.
    fn pgbench(&self, script: &str) -> f64 {
        let file = self.data.join("script.sql");
        std::fs::write(&file, script).unwrap();
        let connections = CONNECTIONS.to_string();
        let seconds = SECONDS.to_string();
        let output = self
            .program("pgbench")
            .args(["-n", "-M", "prepared", "-c", &connections, "-j", "1", "-T", &seconds, "-f"])
            .arg(&file)
            .arg("postgres")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let line = said
            .lines()
            .find(|l| l.starts_with("tps"))
            .unwrap_or_else(|| panic!("{said} {}", String::from_utf8_lossy(&output.stderr)));
        line.split_whitespace().nth(2).unwrap().parse().unwrap()
    }

    /// Answers per second.
    fn requests(&self, path: impl Fn(u64) -> String + Sync) -> f64 {
        let (stop, count) = (AtomicBool::new(false), AtomicU64::new(0));
        let started = Instant::now();
        std::thread::scope(|scope| {
            for place in 0..CONNECTIONS as u64 {
                let (stop, count, path) = (&stop, &count, &path);
                scope.spawn(move || {
                    let mut stream = TcpStream::connect(&self.address).unwrap();
                    stream.set_nodelay(true).unwrap();
                    let mut seed = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(place + 1);
                    let (mut buffer, mut head) = (vec![0; 1 << 17], String::new());
                    while !stop.load(Ordering::Relaxed) {
                        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                        head.clear();
                        let target = path(seed >> 33);
                        head += &format!("GET {target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {}\r\n\r\n", self.token);
                        stream.write_all(head.as_bytes()).unwrap();
                        answer(&mut stream, &mut buffer);
                        count.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
            std::thread::sleep(Duration::from_secs(SECONDS));
            stop.store(true, Ordering::Relaxed);
        });
        count.load(Ordering::Relaxed) as f64 / started.elapsed().as_secs_f64()
    }
}

/// Reads one answer, which must be 200.
fn answer(stream: &mut TcpStream, buffer: &mut [u8]) {
    let mut filled = 0;
    loop {
        filled += stream.read(&mut buffer[filled..]).unwrap();
        let Some(end) = buffer[..filled].windows(4).position(|w| w == b"\r\n\r\n") else { continue };
        let head = std::str::from_utf8(&buffer[..end]).unwrap();
        assert!(head.starts_with("HTTP/1.1 200"), "{head}");
        let length: usize = head.lines().find_map(|l| l.strip_prefix("content-length: ")).unwrap().parse().unwrap();
        if filled >= end + 4 + length {
            return;
        }
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        _ = Command::new("kill").arg(self.server.id().to_string()).status();
        _ = self.server.wait();
        _ = std::fs::remove_dir_all(&self.data);
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    let scene = Scene::new();
    let key = "('00000000-0000-7000-8000-' || lpad(to_hex(:n::bigint), 12, '0'))::uuid";
    let row = format!("\\set n 4 * random(1, {})\nselect * from article where id = {key};\n", ROWS / 4);
    let page = "select * from article order by published_at desc, title desc, id desc limit 26;\n";
    let one = |seed: u64| format!("/api/article/00000000-0000-7000-8000-{:012x}", seed % (ROWS / 4) * 4 + 4);
    let (mut rows, mut bare_rows, mut pages, mut bare_pages) = (vec![], vec![], vec![], vec![]);
    for _ in 0..ROUNDS {
        bare_rows.push(scene.pgbench(&row));
        rows.push(scene.requests(one));
        bare_pages.push(scene.pgbench(page));
        pages.push(scene.requests(|_| "/api/article".to_owned()));
    }
    for (what, ours, bare) in [("one row by key", rows, bare_rows), ("page of 25", pages, bare_pages)] {
        let (ours, bare) = (median(ours), median(bare));
        println!("{what}: {ours:.0}/s over HTTP, {bare:.0}/s bare in pgbench: {:.2}", ours / bare);
    }
}
