//! The managed local cluster: a PostgreSQL of our own in the data folder, when no URL is configured.
//!
//! In charge of: finding the binaries, making the cluster, starting it, adopting one that a killed server left running,
//! and stopping it when the last user leaves. It listens on a unix socket only. It must not know what is stored.
//!
//! Everybody who uses the cluster holds a shared lock on `in-use.lock`; who leaves and can take it exclusively was the
//! last, and stops it. So commands may run beside a server, in any order of coming and going.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use crate::error::Cause;

/// Who made the cluster, and may do anything in it.
const SUPERUSER: &str = "rowhouse";
/// Whom the server connects as.
const ROLE: &str = "rowhouse_server";

/// A running cluster that this process uses.
pub struct Cluster {
    folder: PathBuf,
    binaries: PathBuf,
    user: Option<(u32, u32)>,
    socket: PathBuf,
    password: String,
    settings: Vec<String>,
    in_use: File,
}

/// How to start one.
#[derive(Debug, Clone)]
pub struct Options<'a> {
    /// The data folder; made if it isn't there.
    pub data: &'a Path,
    /// Folder with `initdb` and `postgres`, if configured.
    pub binaries: Option<&'a Path>,
    /// System user to run as when we are root.
    pub user: &'a str,
    /// Settings beyond the defaults, such as `fsync=off`.
    pub settings: &'a [&'a str],
    /// Whether a cluster is made where there is none.
    pub makes: bool,
}

impl Cluster {
    /// Starts the cluster, or joins it where it runs already. Blocks for some seconds the first time.
    ///
    /// # Errors
    /// Words for the person at the terminal.
    pub fn start(options: &Options<'_>) -> Result<Cluster, String> {
        let data = options.data;
        if !options.makes && !data.join("cluster").exists() {
            return Err(format!("there is no cluster in {}: name the data folder with --data", data.display()));
        }
        fs::create_dir_all(data).map_err(|e| format!("can't make the data folder {}: {e}", data.display()))?;
        let data = data.canonicalize().map_err(|e| format!("{}: {e}", data.display()))?;
        let folder = data.join("cluster");
        let wanted = fs::read_to_string(folder.join("PG_VERSION")).ok().map(|v| v.trim().to_owned());
        let binaries = find_binaries(options.binaries, wanted.as_deref())?;
        let user = if rustix::process::geteuid().is_root() { Some(system_user(options.user)?) } else { None };
        let in_use = lock_file(&data.join("in-use.lock"))?;
        let starting = lock_file(&data.join("start.lock"))?;
        starting.lock().map_err(|e| format!("start.lock: {e}"))?;
        in_use.lock_shared().map_err(|e| format!("in-use.lock: {e}"))?;
        let password = password(&data, user)?;
        let socket = socket_folder(&data, user)?;
        let settings = options.settings.iter().map(|s| (*s).to_owned()).collect();
        let cluster = Cluster { folder, binaries, user, socket, password, settings, in_use };
        cluster.can_enter(&data, options.user)?;
        if !cluster.folder.exists() {
            cluster.init(&data)?;
        }
        if !cluster.is_running() {
            cluster.launch()?;
        }
        cluster.make_role()?;
        Ok(cluster)
    }

    /// Starts the cluster again where it died. Blocks while it does.
    ///
    /// # Errors
    /// Words for the log.
    pub fn tend(&self) -> Result<(), String> {
        if self.is_alive() {
            return Ok(());
        }
        let starting = lock_file(&self.folder.with_file_name("start.lock"))?;
        starting.lock().map_err(|e| format!("start.lock: {e}"))?;
        if self.is_running() {
            return Ok(());
        }
        tracing::warn!("the local cluster died: starting it again");
        self.launch()
    }

    /// Whether the postmaster that the pid file names is there: as much as one may ask every second.
    fn is_alive(&self) -> bool {
        let file = fs::read_to_string(self.folder.join("postmaster.pid")).unwrap_or_default();
        let pid = file.lines().next().and_then(|l| l.trim().parse().ok()).and_then(rustix::process::Pid::from_raw);
        // Where we are the first process of a container the dead postmaster is ours to bury.
        if let Some(pid) = pid {
            _ = rustix::process::waitpid(Some(pid), rustix::process::WaitOptions::NOHANG);
        }
        pid.is_some_and(|pid| rustix::process::test_kill_process(pid) != Err(rustix::io::Errno::SRCH))
    }

    /// Where to connect, as a role that owns its database and may do nothing else.
    pub fn url(&self) -> String {
        self.url_of(ROLE)
    }

    /// Where to connect as the cluster's superuser: for who tends clusters.
    pub fn superuser_url(&self) -> String {
        self.url_of(SUPERUSER)
    }

    fn url_of(&self, role: &str) -> String {
        let path = self.socket.display().to_string().replace('/', "%2F");
        format!("postgres://{role}:{}@{path}/postgres", self.password)
    }

    /// Makes the role that the server connects as, once, and gives it what older releases made as superuser.
    fn make_role(&self) -> Result<(), String> {
        let marker = self.folder.join("rowhouse.role");
        if marker.exists() {
            return Ok(());
        }
        // The password is hexadecimal, and of our making.
        let script = include_str!("role.sql").replace("{role}", ROLE).replace("{password}", &self.password);
        let url = self.superuser_url();
        let ask = async move {
            let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await?;
            let connected = tokio::spawn(connection);
            client.batch_execute(&script).await?;
            drop(client);
            _ = connected.await; // it ends with its client
            Ok::<_, tokio_postgres::Error>(())
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| error.to_string())?;
        // On a thread of its own: whoever starts a cluster may stand in another runtime.
        let made = std::thread::spawn(move || runtime.block_on(ask)).join().map_err(|_| "a panic".to_owned());
        made.and_then(|made| made.map_err(|error| format!("{:?}", Cause::new(error))))
            .map_err(|words| format!("the local cluster's role can't be made: {words}"))?;
        fs::write(&marker, ROLE).map_err(|error| format!("{}: {error}", marker.display()))
    }

    /// Leaves the cluster, and stops it if nobody else uses it.
    pub fn leave(&self) {
        _ = self.in_use.unlock();
        let Ok(starting) = lock_file(&self.folder.with_file_name("start.lock")) else { return };
        if starting.lock().is_ok() && self.in_use.try_lock().is_ok() {
            let output = self.run("pg_ctl", &["stop", "-m", "fast", "-w", "-t", "60"]);
            if !output.is_ok_and(|o| o.status.success()) {
                tracing::warn!("the local cluster did not stop");
            }
            _ = self.in_use.unlock();
        }
    }

    fn is_running(&self) -> bool {
        self.run("pg_ctl", &["status"]).is_ok_and(|o| o.status.success())
    }

    fn init(&self, data: &Path) -> Result<(), String> {
        let fresh = data.join("cluster.new"); // renamed when whole, so a killed initdb leaves no half
        _ = fs::remove_dir_all(&fresh);
        fs::DirBuilder::new().mode(0o700).create(&fresh).map_err(|e| format!("{}: {e}", fresh.display()))?;
        give(&fresh, self.user)?;
        let pwfile = format!("--pwfile={}", data.join("password").display());
        let mut said = String::new();
        for locale in ["--locale=C.UTF-8", "--locale=en_US.UTF-8", "--locale=C"] {
            let arguments = ["-U", SUPERUSER, "-A", "scram-sha-256", "-E", "UTF8", "--data-checksums", locale, pwfile.as_str()];
            let output = self.command("initdb", &fresh).args(arguments).output().map_err(|e| format!("initdb: {e}"))?;
            if output.status.success() {
                return fs::rename(&fresh, &self.folder).map_err(|e| format!("{}: {e}", self.folder.display()));
            }
            said = text(&output);
        }
        Err(format!("initdb failed:\n{said}"))
    }

    fn launch(&self) -> Result<(), String> {
        // A week of logs, in which no values of rows stand.
        let mut options = format!(
            "-c listen_addresses='' -k {} -c log_error_verbosity=terse -c logging_collector=on -c log_directory=log \
             -c log_filename=server-%a.log -c log_truncate_on_rotation=on -c log_rotation_age=1d -c log_rotation_size=0",
            self.socket.display()
        );
        for setting in &self.settings {
            options += &format!(" -c {setting}");
        }
        let log = self.folder.join("server.log").display().to_string();
        let mut said = String::new();
        // A postmaster killed a moment ago leaves children that hold its memory until they notice.
        for _ in 0..20 {
            let output = self.run("pg_ctl", &["start", "-w", "-t", "60", "-l", &log, "-o", &options])?;
            if output.status.success() {
                return Ok(());
            }
            said = text(&output);
            std::thread::sleep(Duration::from_millis(500));
        }
        let log = fs::read_to_string(&log).unwrap_or_default();
        let tail: Vec<_> = log.lines().rev().take(5).collect();
        Err(format!("the local cluster doesn't start:\n{said}{}", tail.into_iter().rev().collect::<Vec<_>>().join("\n")))
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Result<Output, String> {
        // pg_ctl's postmaster inherits what it is given: its output goes to the log, so nothing waits for it here.
        self.command(program, &self.folder).args(arguments).output().map_err(|e| format!("{program}: {e}"))
    }

    fn command(&self, program: &str, folder: &Path) -> Command {
        let mut command = Command::new(self.binaries.join(program));
        command.env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C").current_dir("/").stdin(Stdio::null());
        command.arg("-D").arg(folder);
        if let Some((uid, gid)) = self.user {
            command.uid(uid).gid(gid);
        }
        command.process_group(0); // Ctrl-C in the terminal is for the server, which stops its cluster itself
        command
    }

    fn can_enter(&self, data: &Path, user: &str) -> Result<(), String> {
        let Some((uid, gid)) = self.user else { return Ok(()) };
        let status =
            Command::new("/bin/sh").args(["-c", "cd \"$1\"", "sh"]).arg(data).uid(uid).gid(gid).stderr(Stdio::null()).status();
        match status.is_ok_and(|s| s.success()) {
            true => Ok(()),
            false => Err(format!(
                "{} can't be entered by {user}, the user that PostgreSQL runs as when started by root: choose another folder with --data",
                data.display()
            )),
        }
    }
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn lock_file(path: &Path) -> Result<File, String> {
    File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(path)
        .map_err(|e| format!("{}: {e}", path.display()))
}

fn give(path: &Path, user: Option<(u32, u32)>) -> Result<(), String> {
    let Some((uid, gid)) = user else { return Ok(()) };
    std::os::unix::fs::chown(path, Some(uid), Some(gid)).map_err(|e| format!("{}: {e}", path.display()))
}

fn password(data: &Path, user: Option<(u32, u32)>) -> Result<String, String> {
    let path = data.join("password");
    if let Ok(found) = fs::read_to_string(&path)
        && !found.trim().is_empty()
    {
        return Ok(found.trim().to_owned());
    }
    let mut bytes = [0; 24];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| "no randomness".to_owned())?;
    let made: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    let mut file = File::options().create(true).truncate(true).write(true).mode(0o600).open(&path).map_err(|e| e.to_string())?;
    file.write_all(made.as_bytes()).map_err(|e| e.to_string())?;
    give(&path, user)?;
    Ok(made)
}

/// A folder for the socket: in the data folder where the path is short and plain, otherwise in /tmp.
fn socket_folder(data: &Path, user: Option<(u32, u32)>) -> Result<PathBuf, String> {
    let inside = data.join("socket");
    let shown = inside.display().to_string();
    let plain = shown.bytes().all(|b| b.is_ascii_alphanumeric() || b"/_.-".contains(&b));
    let folder = if plain && shown.len() < 85 {
        inside
    } else {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, shown.as_bytes());
        let hash: String = digest.as_ref()[..8].iter().map(|b| format!("{b:02x}")).collect();
        PathBuf::from(format!("/tmp/rowhouse-{hash}"))
    };
    if let Err(error) = fs::DirBuilder::new().mode(0o700).create(&folder)
        && error.kind() != std::io::ErrorKind::AlreadyExists
    {
        return Err(format!("{}: {error}", folder.display()));
    }
    let owner = user.map_or_else(|| rustix::process::geteuid().as_raw(), |(uid, _)| uid);
    let found = fs::symlink_metadata(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let root = rustix::process::geteuid().is_root() && found.uid() == 0;
    if !found.is_dir() || !(found.uid() == owner || root) {
        return Err(format!("{} belongs to somebody else: remove it", folder.display()));
    }
    give(&folder, user)?;
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).map_err(|e| format!("{}: {e}", folder.display()))?;
    Ok(folder)
}

/// The binaries' folder: the configured one, PATH, or the newest where packages put them; of the version that made the
/// cluster, where there is one.
fn find_binaries(configured: Option<&Path>, wanted: Option<&str>) -> Result<PathBuf, String> {
    let mut folders: Vec<PathBuf> = vec![];
    if let Some(folder) = configured {
        folders.push(folder.to_owned());
    } else {
        folders.extend(std::env::var_os("PATH").iter().flat_map(std::env::split_paths));
        for (base, inside) in [
            ("/usr/lib/postgresql", "bin"),
            ("/opt/homebrew/opt", "bin"),
            ("/usr/local/opt", "bin"),
            ("/Applications/Postgres.app/Contents/Versions", "bin"),
            ("/usr", "bin"),
        ] {
            let mut found: Vec<PathBuf> =
                fs::read_dir(base).into_iter().flatten().flatten().map(|e| e.path().join(inside)).collect();
            found.sort();
            folders.extend(found.into_iter().rev());
            folders.push(PathBuf::from(base).join(inside));
        }
    }
    let mut seen = vec![];
    // pg_ctl may stand beside the real files only: follow links.
    for folder in folders {
        let Ok(real) = folder.join("initdb").canonicalize() else { continue };
        let Some(real) = real.parent().filter(|f| f.join("pg_ctl").exists() && f.join("postgres").exists()) else { continue };
        let Some(major) = major(real) else { continue };
        if wanted.is_none_or(|w| w == major) && major.parse::<u32>().is_ok_and(|m| m >= 14) {
            return Ok(real.to_owned());
        }
        seen.push(format!("{} in {}", major, real.display()));
    }
    seen.dedup();
    Err(match (wanted, seen.is_empty()) {
        (Some(wanted), false) => format!(
            "the cluster was made by PostgreSQL {wanted}, and here is only {}: install PostgreSQL {wanted}, set database.binaries to it, or dump and restore into a new data folder",
            seen.join(", ")
        ),
        (None, false) => format!("PostgreSQL 14 or newer is needed, and here is only {}", seen.join(", ")),
        (_, true) => "no PostgreSQL was found (initdb, pg_ctl, postgres). Any of these helps:\n  - install it: apt-get install postgresql, or brew install postgresql\n  - name its folder: --database-binaries /path/to/bin\n  - use a server that runs elsewhere: --database-url postgres://user:password@host/name".to_owned(),
    })
}

fn major(folder: &Path) -> Option<String> {
    let output = Command::new(folder.join("postgres")).arg("--version").output().ok()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let version = said.split_whitespace().find(|w| w.starts_with(|c: char| c.is_ascii_digit()))?;
    Some(version.chars().take_while(char::is_ascii_digit).collect())
}

fn system_user(name: &str) -> Result<(u32, u32), String> {
    let passwd = fs::read_to_string("/etc/passwd").map_err(|e| format!("/etc/passwd: {e}"))?;
    let find = |wanted: &str| {
        passwd.lines().find_map(|line| {
            let fields: Vec<_> = line.split(':').collect();
            let (uid, gid) = (fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?);
            (fields[0] == wanted && uid != 0).then_some((uid, gid))
        })
    };
    find(name).or_else(|| find("nobody")).ok_or_else(|| {
        format!("PostgreSQL refuses to run as root and there is no user {name}: make one, or name another with database.user")
    })
}
