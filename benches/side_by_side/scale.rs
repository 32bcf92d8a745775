//! What grows: rows, users, groups, connections, nodes.

use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use crate::further::{Further, Place, dearer, say};
use crate::load::{self, Target};
use crate::report::median;
use crate::seed::{self, Known, Size};
use crate::server::{self, Server};
use crate::{Bench, DATABASE, machine};

/// A slot of these: there are many.
const SECONDS: f64 = 0.7;
/// Each of very many connections asks once in this time.
const RARELY: Duration = Duration::from_secs(8);
const CONNECTIONS: usize = 10_000;

/// Ten and a hundred times the rows, users and groups: how much dearer each operation is.
pub fn sizes(bench: &Bench) -> Vec<Further> {
    let base = || Size { rows: 10_000, users: 100, groups: 20, mine: 3 };
    let first = Place::sized(bench, "base", Path::new(server::PROJECT), &base());
    let grown = [
        ("rows", 10, Size { rows: 100_000, ..base() }),
        ("rows", 100, Size { rows: 1_000_000, ..base() }),
        ("users", 10, Size { users: 1000, ..base() }),
        ("users", 100, Size { users: 10_000, ..base() }),
        ("groups", 10, Size { groups: 200, ..base() }),
        ("groups", 100, Size { groups: 2000, ..base() }),
    ];
    let mut lines = vec![];
    for (what, times, size) in grown {
        let more = Place::sized(bench, &format!("{what}_{times}"), Path::new(server::PROJECT), &size);
        let pairs = seed::operations(&more.known).into_iter().zip(seed::operations(&first.known));
        let came = pairs.map(|(ours, theirs)| {
            let (.., ratio) = dearer(bench, [(&more, &ours.ours), (&first, &theirs.ours)], SECONDS);
            format!("{} {ratio:.2}", ours.name)
        });
        let came = came.collect::<Vec<_>>().join(" · ");
        lines.push(say(&format!("{times} × the {what}: times as dear"), came));
    }
    lines
}

/// Ten thousand connections that do little.
pub fn connections(bench: &Bench, server: &Server, caller: &Target, known: &Rc<Known>) -> Further {
    let row = seed::operations(known).into_iter().find(|operation| operation.key == "row").unwrap().ours;
    let before = machine::status(server.pid(), "VmRSS:").unwrap_or(f64::NAN);
    let measured = load::rarely(&bench.runtime, caller, &row, (CONNECTIONS, RARELY), 16.0);
    let most = machine::status(server.pid(), "VmHWM:").unwrap_or(f64::NAN);
    let came = format!(
        "{:.0}/s, p50 {:.2} ms, p99 {:.2} ms; resident {before:.0} MiB before, {most:.0} MiB at most: {:.1} KiB a connection",
        measured.rate(),
        measured.p50,
        measured.p99,
        (most - before) * 1024.0 / CONNECTIONS as f64
    );
    say("one row, on 10,000 connections that ask every 8 s", came)
}

/// What a second node on the same PostgreSQL adds, or costs.
pub fn nodes(bench: &Bench, caller: &Target, known: &Rc<Known>) -> Vec<Further> {
    let second = Server::start(&bench.cluster, DATABASE, Path::new(server::PROJECT));
    let other = Target { address: second.address, headers: caller.headers.clone() };
    let mut lines = vec![];
    for operation in seed::operations(known).into_iter().filter(|o| ["row", "page", "update"].contains(&o.key)) {
        let rate = |targets: &[&Target]| load::run_on(&bench.runtime, targets, &operation.ours, 64, bench.seconds as f64).rate();
        rate(&[&other]);
        let rounds: Vec<_> = (0..bench.rounds).map(|_| (rate(&[caller]), rate(&[caller, &other]))).collect();
        let of = |value: &dyn Fn(&(f64, f64)) -> f64| median(rounds.iter().map(|r| Some(value(r)))).unwrap_or(f64::NAN);
        let came = format!("{:.0}/s against {:.0}/s: {:.2} ×", of(&|r| r.1), of(&|r| r.0), of(&|r| r.1 / r.0));
        lines.push(say(&format!("{}: two nodes on these cores, against one", operation.name), came));
    }
    lines
}
