//! A PostgreSQL of the bench's own: made, started, asked, and thrown away.
//!
//! In charge of: the cluster with default durability, its databases, its log of statements, and the CPU that it took.

use std::fs;
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use crate::machine;

/// What the server sets on its own connections (`src/store/mod.rs`), so that pgbench is given the same plans.
pub const SETTINGS: &str = "-c jit=off -c timezone=UTC -c datestyle=ISO -c search_path=public -c extra_float_digits=1 \
    -c plan_cache_mode=force_generic_plan";

pub struct Cluster {
    pub folder: PathBuf,
    pub port: u16,
    pub version: String,
    binaries: PathBuf,
    postmaster: Child,
}

impl Cluster {
    pub fn start() -> Cluster {
        let binaries = binaries();
        let user = if is_root() { Some(system_user()) } else { None };
        let folder = folder(user);
        let data = folder.join("data");
        fs::create_dir_all(&data).unwrap();
        for path in [&folder, &data] {
            if let Some((uid, gid)) = user {
                std::os::unix::fs::chown(path, Some(uid), Some(gid)).unwrap();
            }
        }
        let command = |program: &str| {
            let mut command = Command::new(binaries.join(program));
            command.arg("-D").arg(&data).current_dir("/").env("LC_ALL", "C").stdin(Stdio::null()).stdout(Stdio::null());
            if let Some((uid, gid)) = user {
                command.uid(uid).gid(gid);
            }
            command
        };
        let made = command("initdb").args(["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C"]).status().unwrap();
        assert!(made.success(), "initdb failed");
        let port = free_port();
        // Durability, planner and JIT are as they come; the log is read back to learn what the server sends.
        let settings = format!(
            "listen_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = '{folder}'\nmax_connections = 200\n\
             shared_buffers = 512MB\nmax_wal_size = 4GB\ncheckpoint_timeout = 30min\nautovacuum = off\n\
             logging_collector = on\nlog_destination = csvlog\nlog_directory = '{folder}'\nlog_filename = 'postgres.log'\n\
             log_rotation_age = 0\nlog_rotation_size = 0\nlog_file_mode = 0644\n",
            folder = folder.display()
        );
        let path = data.join("postgresql.conf");
        fs::write(&path, fs::read_to_string(&path).unwrap() + &settings).unwrap();
        // A child of ours and no daemon: who interrupts the bench at the terminal interrupts PostgreSQL, too.
        let postmaster = command("postgres").stderr(Stdio::null()).spawn().unwrap();
        let version = said(Command::new(binaries.join("postgres")).arg("--version"));
        let version = version.trim().trim_start_matches("postgres (PostgreSQL) ").to_owned();
        Cluster { folder, port, version, binaries, postmaster }
    }

    /// Waits until it takes connections.
    pub fn wait(&self, runtime: &Runtime) {
        for _ in 0..200 {
            if runtime.block_on(self.try_connect("postgres")).is_some() {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("PostgreSQL doesn't start: see {}", self.folder.display());
    }

    async fn try_connect(&self, database: &str) -> Option<Client> {
        let mut config = tokio_postgres::Config::new();
        config.host("127.0.0.1").port(self.port).user("postgres").dbname(database).options(SETTINGS);
        let (client, connection) = config.connect(NoTls).await.ok()?;
        tokio::spawn(connection);
        Some(client)
    }

    pub async fn connect(&self, database: &str) -> Client {
        self.try_connect(database).await.unwrap_or_else(|| panic!("no connection to database {database}"))
    }

    /// Runs statements, one after the other, as one transaction unless they say otherwise.
    pub fn sql(&self, runtime: &Runtime, database: &str, sql: &str) {
        runtime.block_on(async {
            let client = self.connect(database).await;
            if let Err(error) = client.batch_execute(sql).await {
                panic!("{}\n{sql}", error.as_db_error().map_or_else(|| error.to_string(), |e| e.to_string()));
            }
        });
    }

    /// Rows of a query, as text.
    pub fn ask(&self, runtime: &Runtime, database: &str, sql: &str) -> Vec<Vec<String>> {
        runtime.block_on(async {
            let said = self.connect(database).await.simple_query(sql).await.unwrap_or_else(|e| panic!("{e:?}\n{sql}"));
            let rows = said.into_iter().filter_map(|m| if let SimpleQueryMessage::Row(row) = m { Some(row) } else { None });
            rows.map(|row| (0..row.len()).map(|i| row.get(i).unwrap_or_default().to_owned()).collect()).collect()
        })
    }

    pub fn url(&self, user: &str, database: &str) -> String {
        format!("postgres://{user}@127.0.0.1:{}/{database}", self.port)
    }

    /// A program that comes with PostgreSQL, aimed at one of our databases.
    pub fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.binaries.join(name));
        command.args(["-h", "127.0.0.1", "-U", "postgres", "-p"]).arg(self.port.to_string()).env("PGOPTIONS", SETTINGS);
        command
    }

    /// Where statements are logged once [`Cluster::log_statements`] says so.
    pub fn log(&self) -> PathBuf {
        self.folder.join("postgres.csv")
    }

    pub fn log_statements(&self, runtime: &Runtime, on: bool) {
        let value = if on { "all" } else { "none" };
        runtime.block_on(async {
            let client = self.connect("postgres").await;
            client.batch_execute(&format!("alter system set log_statement = '{value}'")).await.unwrap();
            client.batch_execute("select pg_reload_conf()").await.unwrap();
            tokio::time::sleep(Duration::from_millis(300)).await; // every backend takes it up before its next statement
        });
    }

    /// CPU seconds of the postmaster and all its backends, also of those that are gone.
    pub fn cpu(&self) -> Option<f64> {
        let root = self.postmaster.id();
        let (own, reaped) = machine::cpu(root)?;
        let backends: f64 = machine::children(root).into_iter().filter_map(machine::cpu).map(|(own, _)| own).sum();
        Some(own + reaped + backends)
    }

    /// Memory of the backends of one database that they share with nobody, in MiB, and how many there are.
    pub fn backends(&self, database: &str) -> (f64, usize) {
        let all = machine::children(self.postmaster.id());
        let its = |pid: &u32| {
            let title = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            title.contains(&format!(" {database} 127.0.0.1"))
        };
        let memory: Vec<f64> = all.into_iter().filter(its).filter_map(|pid| machine::status(pid, "RssAnon:")).collect();
        (memory.iter().sum(), memory.len())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // SIGINT is PostgreSQL's fast shutdown.
        _ = Command::new("kill").arg("-INT").arg(self.postmaster.id().to_string()).status();
        _ = self.postmaster.wait();
        _ = fs::remove_dir_all(&self.folder);
    }
}

pub fn said(command: &mut Command) -> String {
    command.output().map(|o| String::from_utf8_lossy(&o.stdout).into_owned()).unwrap_or_default()
}

pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn binaries() -> PathBuf {
    let mut folders: Vec<PathBuf> = std::env::var_os("PATH").iter().flat_map(std::env::split_paths).collect();
    for (base, inside) in [("/usr/lib/postgresql", "bin"), ("/opt/homebrew/opt", "bin"), ("/usr/local/opt", "bin")] {
        let mut found: Vec<_> = fs::read_dir(base).into_iter().flatten().flatten().map(|e| e.path().join(inside)).collect();
        found.sort();
        folders.extend(found.into_iter().rev());
    }
    let real = |folder: PathBuf| Some(folder.join("initdb").canonicalize().ok()?.parent()?.to_owned());
    let whole = |folder: &PathBuf| ["postgres", "pgbench"].iter().all(|p| folder.join(p).exists());
    folders.into_iter().filter_map(real).find(whole).expect("PostgreSQL's programs (initdb, postgres, pgbench)")
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

/// PostgreSQL refuses to run as root.
fn system_user() -> (u32, u32) {
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let find = |wanted: &str| {
        passwd.lines().find_map(|line| {
            let fields: Vec<_> = line.split(':').collect();
            (fields[0] == wanted).then(|| Some((fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?)))?
        })
    };
    find("postgres").or_else(|| find("nobody")).expect("a user other than root to run PostgreSQL as")
}

/// A folder of this run's own; those of runs that were killed are swept.
fn folder(user: Option<(u32, u32)>) -> PathBuf {
    let inside = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let enters = |(uid, gid)| {
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", "cd \"$1\"", "sh"]).arg(inside).uid(uid).gid(gid).stderr(Stdio::null());
        shell.status().is_ok_and(|s| s.success())
    };
    // A socket's path is short, and the user that PostgreSQL runs as must get there.
    let short = inside.display().to_string().len() < 70;
    let base = if short && user.is_none_or(enters) { inside.to_owned() } else { std::env::temp_dir() };
    for entry in fs::read_dir(&base).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(pid) = name.strip_prefix("side-by-side-") else { continue };
        if Path::new("/proc/self").exists() && !Path::new("/proc").join(pid).exists() {
            _ = fs::remove_dir_all(entry.path());
        }
    }
    base.join(format!("side-by-side-{}", std::process::id()))
}
