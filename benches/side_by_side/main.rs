//! Rowhouse side by side with PostgREST, with pgbench running the very SQL that it sends, and with pgbench running the bare
//! statement for the same rows: in turns, within one run, on a PostgreSQL of the bench's own. `make bench` runs it all and
//! writes `benches/RESULTS.md`.
//!
//! `BENCH_ROUNDS` (3) and `BENCH_SECONDS` (3) say how often and how long each slot is measured, `BENCH_ONLY` which columns
//! (`sql,bare,postgrest` beside ours), `BENCH_LINES` which operations (`row,page,include,filter,update,create`) and further lines
//! (`memory,operations,action,signins,connections,nodes,start,groups,million,entities,sizes`): all, where they aren't set. `BENCH_RESULTS` names another
//! file than that, or none when empty; `BENCH_KEEP` a folder that is there, for the SQL that was captured.

#![allow(clippy::print_stdout, clippy::unwrap_used, missing_docs)] // a program for people at a terminal

mod capture;
mod cluster;
mod further;
mod load;
mod machine;
mod peers;
mod report;
mod scale;
mod seed;
mod server;

use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

use capture::Script;
use cluster::Cluster;
use load::{Ask, Target};
use report::{Line, Round, Slot};
use seed::{Known, Operation, Size};
use server::Server;

pub const DATABASE: &str = "rowhouse";
pub const CALLER: &str = "caller@example.org";

/// What a run measures, and on what.
pub struct Bench {
    pub cluster: Cluster,
    pub runtime: Runtime,
    rounds: u64,
    seconds: u64,
    only: Option<String>,
    lines: Option<String>,
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|v| v.parse().ok()).unwrap_or(default)
}

fn names(list: &Option<String>, name: &str) -> bool {
    list.as_ref().is_none_or(|list| list.split(',').any(|n| n.trim() == name))
}

impl Bench {
    pub fn has_column(&self, name: &str) -> bool {
        names(&self.only, name)
    }

    pub fn has_line(&self, name: &str) -> bool {
        names(&self.lines, name)
    }

    /// Load on a server, with the CPU that it and PostgreSQL took.
    pub fn slot(&self, target: &Target, pid: u32, ask: &Ask, connections: usize, seconds: f64) -> Slot {
        let clocks = || machine::cpu(pid).map(|(own, _)| own).zip(self.cluster.cpu());
        let before = clocks();
        let measured = load::run(&self.runtime, target, ask, connections, seconds);
        let used = clocks().zip(before).map(|(now, then)| (now.0 - then.0, now.1 - then.1));
        let each = |seconds: f64| seconds * 1e6 / measured.done as f64;
        Slot {
            rate: measured.rate(),
            p50: measured.p50,
            p99: measured.p99,
            server_us: used.map(|(server, _)| each(server)),
            postgres_us: used.map(|(_, postgres)| each(postgres)),
        }
    }
}

fn main() {
    let began = Instant::now();
    let list = |name: &str| std::env::var(name).ok().filter(|v| !v.is_empty());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let bench = Bench {
        cluster: Cluster::start(),
        runtime,
        rounds: number("BENCH_ROUNDS", 3).max(1),
        seconds: number("BENCH_SECONDS", 3).max(1),
        only: list("BENCH_ONLY"),
        lines: list("BENCH_LINES"),
    };
    let (cluster, runtime) = (&bench.cluster, &bench.runtime);
    cluster.wait(runtime);
    cluster.sql(runtime, "postgres", &format!("create database {DATABASE}"));
    let server = Server::start(cluster, DATABASE, Path::new(server::PROJECT));
    let caller = server.caller(runtime, CALLER);
    seed::seed(cluster, runtime, DATABASE, CALLER, &Size { rows: 100_000, users: 1000, groups: 100, mine: 3 });
    println!("{:.0} s: 100,000 rows are there", began.elapsed().as_secs_f64());
    let mut missing = None;
    let peer = match peers::Postgrest::install() {
        _ if !bench.has_column("postgrest") => None,
        Ok(program) => Some(peers::Postgrest::start(cluster, runtime, &program, DATABASE)),
        Err(words) => {
            println!("PostgREST is left out: {words}");
            missing = Some(words);
            None
        }
    };
    let known = Rc::new(Known::of(cluster, runtime, DATABASE, CALLER));
    let idle = capture::idle(cluster, runtime, DATABASE, Duration::from_secs(6));
    let mut report = report::Report::new(&bench, peer.as_ref().map(|p| p.version.clone()), missing);
    println!("{}", report::HEAD);
    // Kept after each piece: what fails late costs itself alone.
    let save = |report: &mut report::Report| {
        report.seconds = began.elapsed().as_secs();
        let file = std::env::var("BENCH_RESULTS").unwrap_or_else(|_| "benches/RESULTS.md".to_owned());
        if !file.is_empty() {
            std::fs::write(Path::new(env!("CARGO_MANIFEST_DIR")).join(file), report.text()).unwrap();
        }
    };
    for operation in seed::operations(&known).into_iter().filter(|o| bench.has_line(o.key)) {
        let lines = table(&bench, &server, &caller, peer.as_ref(), &operation, &known, &idle);
        report.lines.extend(lines);
        save(&mut report);
    }
    let mut further = |name: &str, measure: &dyn Fn() -> Vec<further::Further>| {
        if bench.has_line(name) {
            let came = std::panic::catch_unwind(std::panic::AssertUnwindSafe(measure));
            report.further.extend(came.unwrap_or_else(|_| vec![[name.to_owned(), "**failed**".to_owned()]]));
            save(&mut report);
        }
    };
    further("memory", &|| further::memory(&bench, &server));
    further("operations", &|| further::operations(&bench, &server, &caller).into_iter().collect());
    further("action", &|| vec![further::action(&bench, &caller, &known, &idle)]);
    further("signins", &|| vec![further::signins(&bench, &server), further::beside_signins(&bench, &server, &caller, &known)]);
    drop(peer);
    further("connections", &|| vec![scale::connections(&bench, &server, &caller, &known)]);
    further("nodes", &|| scale::nodes(&bench, &caller, &known));
    drop(server);
    further("start", &|| vec![further::start(&bench)]);
    further("groups", &|| further::groups(&bench));
    further("million", &|| further::million(&bench));
    further("entities", &|| further::entities(&bench));
    further("sizes", &|| scale::sizes(&bench));
    println!("{}", report.text());
}

/// The two lines of an operation: at 8 and at 64 connections.
fn table(
    bench: &Bench,
    server: &Server,
    caller: &Target,
    peer: Option<&peers::Postgrest>,
    operation: &Operation,
    known: &Known,
    idle: &std::collections::HashSet<String>,
) -> Vec<Line> {
    let (cluster, runtime) = (&bench.cluster, &bench.runtime);
    load::run(runtime, caller, &operation.ours, 32, 1.0); // what is learned and prepared on first sight, on all connections
    if let Some(peer) = peer {
        load::run(runtime, &peer.target, &operation.peer, 32, 1.0);
    }
    let captured = capture::capture(cluster, runtime, (operation.key, DATABASE), (caller, &operation.ours), idle);
    let own = capture::script(cluster, runtime, DATABASE, &captured);
    own.check(cluster, runtime, DATABASE);
    let bare = bare(bench, operation, known);
    if let Ok(folder) = std::env::var("BENCH_KEEP") {
        let all = format!("{}\n-- as the server sends it\n{}", own.text, captured.texts().join(";\n"));
        std::fs::write(Path::new(&folder).join(format!("{}.sql", operation.key)), all).unwrap();
    }
    let mut lines = vec![];
    for connections in [8, 64] {
        peers::vacuum(cluster, runtime, DATABASE);
        if peer.is_some() {
            peers::vacuum(cluster, runtime, peers::DATABASE);
        }
        cluster.sql(runtime, "postgres", "checkpoint");
        // What everybody took, less what we and ours did: whether somebody else was working.
        let clock = || {
            let with_reaped = |pid| machine::cpu(pid).map(|(own, reaped)| own + reaped);
            let ours = with_reaped(std::process::id())? + with_reaped(server.pid())? + cluster.cpu()?;
            let peer = peer.and_then(|p| with_reaped(p.pid())).unwrap_or_default();
            Some(machine::busy()? - ours - peer)
        };
        let (began, before) = (Instant::now(), clock());
        let mut rounds = vec![];
        for _ in 0..bench.rounds {
            let seconds = bench.seconds as f64;
            let pgbench = |column: &str, script: &Script| {
                bench.has_column(column).then(|| peers::pgbench(cluster, DATABASE, script, connections, bench.seconds))
            };
            rounds.push(Round {
                ours: bench.slot(caller, server.pid(), &operation.ours, connections, seconds),
                sql: pgbench("sql", &own),
                peer: peer.map(|p| bench.slot(&p.target, p.pid(), &operation.peer, connections, seconds)),
                bare: pgbench("bare", &bare),
            });
        }
        own.check(cluster, runtime, DATABASE);
        let line = Line {
            operation: operation.key,
            name: operation.name,
            connections,
            rounds,
            messages: captured.count(),
            unnamed: captured.unnamed(),
            woken: captured.woken,
            others: clock().zip(before).map(|(now, then)| (now - then) / began.elapsed().as_secs_f64()),
        };
        println!("{}", line.row());
        lines.push(line);
    }
    lines
}

fn bare(bench: &Bench, operation: &Operation, known: &Known) -> Script {
    let lots = 512;
    let all = [("id", &known.visible), ("own", &known.own), ("title", &known.titles)];
    let mut columns: Vec<(String, Vec<String>)> =
        all.iter().map(|(name, values)| ((*name).to_owned(), values.iter().cycle().take(lots).cloned().collect())).collect();
    columns.push(("me".to_owned(), vec![known.me.clone(); lots]));
    columns.retain(|(name, _)| operation.bare.contains(&format!(":{name}")));
    let table = format!("bench.bare_{}", operation.key);
    capture::fill(&bench.cluster, &bench.runtime, DATABASE, &table, &columns);
    let names: Vec<_> = columns.iter().map(|(name, _)| name.as_str()).collect();
    let (mut text, mut used) = (operation.bare.to_owned(), vec![]);
    for (name, kind) in [("id", "uuid"), ("own", "uuid"), ("title", "text"), ("me", "uuid"), ("fresh", "text")] {
        let variable = format!(":{name}::{kind}");
        if text.contains(&variable) {
            let value = if name == "fresh" { "(:fresh)::text".to_owned() } else { format!(":{name}") };
            used.push((value, kind.to_owned()));
            text = text.replace(&variable, &format!("${}", used.len()));
        }
    }
    let (values, kinds): (Vec<_>, Vec<_>) = used.into_iter().unzip();
    capture::bare(&table, &names, &text, (&kinds, &values), lots)
}
