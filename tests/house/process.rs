//! A real server process, with a cluster of its own, that can be killed.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use uuid::Uuid;

/// A data folder of its own, removed in the end.
pub struct Folder(pub PathBuf);

impl Folder {
    /// A new one.
    pub fn new() -> Folder {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(Uuid::now_v7().simple().to_string());
        std::fs::create_dir_all(&path).expect("a folder");
        Folder(path)
    }

    /// Runs a command on the newsroom, with this data folder, to its end.
    pub fn run(&self, arguments: &[&str], input: &str) -> Output {
        self.run_on(NEWSROOM, arguments, input)
    }

    /// Runs a command on a project.
    pub fn run_on(&self, project: &str, arguments: &[&str], input: &str) -> Output {
        let mut child = command(&self.0, project, arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("runs");
        child.stdin.take().expect("piped").write_all(input.as_bytes()).expect("written");
        child.wait_with_output().expect("ends")
    }

    /// Starts a server.
    pub fn serve(&self, more: &[&str]) -> Server {
        let more: Vec<String> = more.iter().map(|word| (*word).to_owned()).collect();
        serve(&self.0, NEWSROOM, "127.0.0.1:0", &more)
    }

    /// The process id of the folder's postmaster.
    pub fn postmaster(&self) -> Option<u32> {
        let file = std::fs::read_to_string(self.0.join("cluster/postmaster.pid")).ok()?;
        file.lines().next()?.trim().parse().ok()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Some(pid) = self.postmaster() {
            signal("KILL", pid);
        }
        _ = std::fs::remove_dir_all(&self.0);
    }
}

const NEWSROOM: &str = "examples/newsroom";

/// Starts a server on a project, with a data folder, and waits until it listens.
pub fn serve(data: &Path, project: &str, listen: &str, more: &[String]) -> Server {
    let more: Vec<&str> = more.iter().map(String::as_str).collect();
    let arguments = [&["serve", "--listen", listen], &more[..]].concat();
    let mut child = command(data, project, &arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("runs");
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
    let url = line.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("{line:?}")).to_owned();
    Server { child, url }
}

fn command(data: &Path, project: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rowhouse"));
    command.args(arguments).args(["--project", project, "--data"]).arg(data).env("ROWHOUSE_LOG", "warn");
    command
}

/// Sends a signal.
pub fn signal(name: &str, pid: u32) {
    _ = Command::new("kill").args([format!("-{name}"), pid.to_string()]).stderr(Stdio::null()).status();
}

/// A server process.
pub struct Server {
    pub child: Child,
    pub url: String,
}

impl Server {
    /// Sends it a signal.
    pub fn signal(&self, name: &str) {
        signal(name, self.child.id());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}
