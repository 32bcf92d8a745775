//! What must be reached besides the table: other sizes, memory, starts, passwords.
//!
//! Each measure is two sides in turns within one run, and the median of their ratios.

use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, Instant};

use crate::load::{self, Ask, Random, Target};
use crate::report::{median, verdict};
use crate::seed::{self, Known, Size};
use crate::server::{self, Server, person};
use crate::{Bench, CALLER, DATABASE, capture, machine, peers};

/// A line of the report: what, and what came out.
pub type Further = [String; 2];

fn get(path: impl Fn(&mut Random) -> String + 'static) -> Ask {
    Ask { method: "GET", path: Box::new(path), body: None }
}

fn page() -> Ask {
    get(|_| "/api/article?sort=-created_at&page[size]=25".to_owned())
}

fn rows(ids: Vec<String>) -> Ask {
    get(move |random| format!("/api/article/{}", random.one_of(&ids)))
}

fn post(path: &'static str, body: impl Fn(&str, u64) -> String + 'static) -> Ask {
    Ask { method: "POST", path: Box::new(move |_| path.to_owned()), body: Some(Box::new(body)) }
}

/// The caller again, who speaks plain JSON.
fn plain(target: &Target) -> Target {
    Target { address: target.address, headers: target.headers.replace("vnd.api+json", "json") }
}

pub fn say(what: &str, came: String) -> Further {
    println!("| {what} | {came} |");
    [what.to_owned(), came]
}

/// A server on a database of its own, filled, and its caller.
pub struct Place {
    server: Server,
    caller: Target,
    pub known: Rc<Known>,
}

impl Place {
    fn new(bench: &Bench, database: &str, project: &Path, fill: impl Fn(&str)) -> Place {
        let (cluster, runtime) = (&bench.cluster, &bench.runtime);
        cluster.sql(runtime, "postgres", &format!("create database {database}"));
        let server = Server::start(cluster, database, project);
        let caller = server.caller(runtime, CALLER);
        fill(database);
        let known = Rc::new(Known::of(cluster, runtime, database, CALLER));
        Place { server, caller, known }
    }

    pub fn sized(bench: &Bench, database: &str, project: &Path, size: &Size) -> Place {
        Place::new(bench, database, project, |database| seed::seed(&bench.cluster, &bench.runtime, database, CALLER, size))
    }

    /// So many rows, of which one in `every` may be seen.
    fn scarce(bench: &Bench, database: &str, rows: u64, every: u64) -> Place {
        let fill = |database: &str| seed::scarce(&bench.cluster, &bench.runtime, database, CALLER, rows, every);
        Place::new(bench, database, Path::new(server::PROJECT), fill)
    }
}

/// How much dearer the first is than the second, in turns: rates of both, and the median of their ratios.
pub fn dearer(bench: &Bench, [first, second]: [(&Place, &Ask); 2], seconds: f64) -> (f64, f64, f64) {
    for (place, ask) in [first, second] {
        load::run(&bench.runtime, &place.caller, ask, 8, 0.5); // no more than the pool has, for a page may take seconds
    }
    let rounds: Vec<(f64, f64)> = (0..bench.rounds)
        .map(|_| {
            let rate = |(place, ask): (&Place, &Ask)| load::run(&bench.runtime, &place.caller, ask, 8, seconds).rate();
            (rate(first), rate(second))
        })
        .collect();
    let of = |value: &dyn Fn(&(f64, f64)) -> f64| median(rounds.iter().map(|r| Some(value(r)))).unwrap_or(f64::NAN);
    (of(&|r| r.0), of(&|r| r.1), of(&|r| r.1 / r.0))
}

fn compared(bench: &Bench, what: &str, sides: [(&Place, &Ask); 2], most: f64) -> Further {
    let (first, second, ratio) = dearer(bench, sides, bench.seconds as f64 / 2.0);
    say(what, format!("{first:.0}/s against {second:.0}/s: {}", verdict(ratio, format!("≤ {most} ×"), ratio <= most)))
}

/// Resident memory after 64 connections; call it when they have been there.
pub fn memory(bench: &Bench, server: &Server) -> Vec<Further> {
    let Some(ours) = machine::status(server.pid(), "VmRSS:") else { return vec![] };
    let (private, backends) = bench.cluster.backends(DATABASE);
    vec![
        say("resident memory of the server after 64 connections", verdict(ours, "≤ 60 MiB".to_owned(), ours <= 60.0)),
        say(
            "memory of its PostgreSQL backends, shared with nobody",
            format!("{private:.0} MiB in {backends}: {:.1} MiB each", private / backends.max(1) as f64),
        ),
    ]
}

/// From starting the process to where it listens, with PostgreSQL up and the schema applied.
pub fn start(bench: &Bench) -> Further {
    let times = (0..3).map(|_| Some(Server::start(&bench.cluster, DATABASE, Path::new(server::PROJECT)).start.as_secs_f64()));
    let seconds = median(times).unwrap_or(f64::NAN);
    say("start with PostgreSQL up", format!("{seconds:.2} s ({})", met("≤ 0.5 s", seconds <= 0.5)))
}

fn met(wanted: &str, is_met: bool) -> String {
    format!("{wanted}: {}", if is_met { "met" } else { "**NOT met**" })
}

/// A hundred creates in one request against ten single ones, in CPU of both.
pub fn operations(bench: &Bench, server: &Server, caller: &Target) -> Option<Further> {
    let one = r#"{"op":"add","data":{"type":"article","attributes":{"title":"{n}","body":"some text"}}}"#;
    let many = post("/api/operations", move |_, n| {
        let all: Vec<_> = (0..100).map(|i| one.replace("{n}", &format!("{n:09}-{i}"))).collect();
        format!(r#"{{"atomic:operations":[{}]}}"#, all.join(","))
    });
    let single = post("/api/article", |_, n| {
        format!(r#"{{"data":{{"type":"article","attributes":{{"title":"{n:09}","body":"some text"}}}}}}"#)
    });
    let atomic = "application/vnd.api+json;ext=\"https://jsonapi.org/ext/atomic\"";
    let headers = caller.headers.replace("application/vnd.api+json", atomic);
    let operations = Target { address: caller.address, headers };
    let mut rounds = vec![];
    for _ in 0..bench.rounds {
        let cpu = |target: &Target, ask: &Ask| {
            let slot = bench.slot(target, server.pid(), ask, 8, bench.seconds as f64 / 2.0);
            Some(slot.server_us? + slot.postgres_us?)
        };
        rounds.push((cpu(&operations, &many)?, cpu(caller, &single)?));
    }
    let of = |value: &dyn Fn(&(f64, f64)) -> f64| median(rounds.iter().map(|r| Some(value(r)))).unwrap_or(f64::NAN);
    let ratio = of(&|r| r.0 / (10.0 * r.1));
    let came = format!(
        "{:.0} µs against {:.0} µs for one: {}",
        of(&|r| r.0),
        of(&|r| r.1),
        verdict(ratio, "≤ 1 × ten".to_owned(), ratio <= 1.0)
    );
    Some(say("100 creates in one request, CPU of both", came))
}

/// A small action against its own SQL.
pub fn action(bench: &Bench, caller: &Target, known: &Rc<Known>, idle: &std::collections::HashSet<String>) -> Further {
    let (cluster, runtime) = (&bench.cluster, &bench.runtime);
    let caller = plain(caller);
    let own = known.clone();
    let ask = Ask {
        method: "POST",
        path: Box::new(move |random| format!("/action/article/{}/retitle", random.one_of(&own.own))),
        body: Some(Box::new(|_, n| format!(r#"{{"title":"{n:09}"}}"#))),
    };
    load::run(runtime, &caller, &ask, 32, 1.0);
    let captured = capture::capture(cluster, runtime, ("action", DATABASE), (&caller, &ask), idle);
    let script = capture::script(cluster, runtime, DATABASE, &captured);
    let rounds: Vec<(f64, f64)> = (0..bench.rounds)
        .map(|_| {
            let ours = load::run(runtime, &caller, &ask, 8, bench.seconds as f64).rate();
            (ours, peers::pgbench(cluster, DATABASE, &script, 8, bench.seconds).rate)
        })
        .collect();
    let of = |value: &dyn Fn(&(f64, f64)) -> f64| median(rounds.iter().map(|r| Some(value(r)))).unwrap_or(f64::NAN);
    script.check(cluster, runtime, DATABASE);
    let ratio = of(&|r| r.0 / r.1);
    let came = format!(
        "{:.0}/s against {:.0}/s of its own SQL, {} messages ({} unnamed): {}",
        of(&|r| r.0),
        of(&|r| r.1),
        captured.count(),
        captured.unnamed(),
        verdict(ratio, "≥ 0.5".to_owned(), ratio >= 0.5)
    );
    say("a small action (its subject's title set)", came)
}

fn signin() -> Ask {
    post("/action/user_account/signin", |_, _| person(CALLER, ""))
}

/// Sign-ins against what the cores can hash.
pub fn signins(bench: &Bench, server: &Server) -> Further {
    let guest = server.guest();
    let rounds: Vec<(f64, f64)> =
        (0..bench.rounds).map(|_| (load::run(&bench.runtime, &guest, &signin(), 8, 2.0).rate(), hashes(2.0))).collect();
    let of = |value: &dyn Fn(&(f64, f64)) -> f64| median(rounds.iter().map(|r| Some(value(r)))).unwrap_or(f64::NAN);
    let ratio = of(&|r| r.0 / r.1);
    let came =
        format!("{:.1}/s against {:.1}/s: {}", of(&|r| r.0), of(&|r| r.1), verdict(ratio, "≥ 0.9".to_owned(), ratio >= 0.9));
    say("sign-ins against what the cores can hash", came)
}

/// Passwords that all cores verify in a second, at the cost that is the default.
fn hashes(seconds: f64) -> f64 {
    let hash = bcrypt::hash(server::PASSWORD, 11).unwrap();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let began = Instant::now();
    let one = || {
        let (began, mut done) = (Instant::now(), 0);
        while began.elapsed().as_secs_f64() < seconds {
            assert!(bcrypt::verify(server::PASSWORD, &hash).unwrap());
            done += 1;
        }
        done
    };
    let done: u32 = std::thread::scope(|scope| {
        let all: Vec<_> = (0..cores).map(|_| scope.spawn(one)).collect();
        all.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    f64::from(done) / began.elapsed().as_secs_f64()
}

/// Reads at a fixed rate, with and without sign-ins as fast as they go.
pub fn beside_signins(bench: &Bench, server: &Server, caller: &Target, known: &Known) -> Further {
    const RATE: f64 = 300.0;
    let (guest, ask) = (server.guest(), rows(known.visible.clone()));
    load::run(&bench.runtime, caller, &ask, 32, 0.5);
    let rounds: Vec<(f64, f64)> = (0..bench.rounds)
        .map(|_| {
            let p99 = |beside| load::paced(&bench.runtime, caller, &ask, RATE, bench.seconds as f64, beside).p99;
            (p99(None), p99(Some((&guest, &signin(), 8))))
        })
        .collect();
    let of = |value: &dyn Fn(&(f64, f64)) -> f64| median(rounds.iter().map(|r| Some(value(r)))).unwrap_or(f64::NAN);
    let ratio = of(&|r| r.1 / r.0);
    let came = format!(
        "p99 {:.2} ms without, {:.2} ms with: {}",
        of(&|r| r.0),
        of(&|r| r.1),
        verdict(ratio, "≤ 2 ×".to_owned(), ratio <= 2.0)
    );
    say("reads of one row at 300/s, sign-ins at the limit beside", came)
}

/// Who is in many groups of very many.
pub fn groups(bench: &Bench) -> Vec<Further> {
    let project = Path::new(server::PROJECT);
    let few = Place::sized(bench, "few_groups", project, &Size { rows: 100_000, users: 1000, groups: 100, mine: 3 });
    let many = Place::sized(bench, "many_groups", project, &Size { rows: 100_000, users: 1000, groups: 10_000, mine: 50 });
    let what = "50 of 10,000 groups are one's own, against 3 of 100";
    let asks = [&many, &few].map(|place| rows(place.known.visible.clone()));
    vec![
        compared(bench, &format!("page: {what}"), [(&many, &page()), (&few, &page())], 1.5),
        compared(bench, &format!("one row: {what}"), [(&many, &asks[0]), (&few, &asks[1])], 1.5),
    ]
}

/// Who sees little of much.
pub fn million(bench: &Bench) -> Vec<Further> {
    let small = Place::scarce(bench, "small", 10_000, 1000);
    let even = Place::scarce(bench, "even", 10_000, 10);
    let big = Place::scarce(bench, "big", 1_000_000, 1000);
    let what = "page for who sees 0.1 % of 1,000,000 rows, against";
    let share = format!("{what} 0.1 % (10 rows, all on one page) of 10,000");
    let count = format!("{what} as many rows (1,000) of 10,000");
    vec![
        compared(bench, &share, [(&big, &page()), (&small, &page())], 3.0),
        compared(bench, &count, [(&big, &page()), (&even, &page())], 3.0),
    ]
}

/// Ten, a hundred, a thousand entities in place of one.
pub fn entities(bench: &Bench) -> Vec<Further> {
    let size = Size { rows: 10_000, users: 1000, groups: 100, mine: 3 };
    let one = Place::sized(bench, "one_entity", Path::new(server::PROJECT), &size);
    let mut lines = vec![];
    for count in [10, 100, 1000] {
        let folder = many_entities(bench, count);
        let database = format!("entities_{count}");
        let began = Instant::now();
        let many = Place::sized(bench, &database, &folder, &size);
        let first = began.elapsed();
        let asks = [&many, &one].map(|place| rows(place.known.visible.clone()));
        let what = format!("one row: with {count} entities, against 1");
        lines.push(compared(bench, &what, [(&many, &asks[0]), (&one, &asks[1])], 1.1));
        let resident = machine::status(many.server.pid(), "VmRSS:").unwrap_or(f64::NAN);
        drop(many);
        let again = Server::start(&bench.cluster, &database, &folder).start;
        let came = format!(
            "{:.2} s ({}); {:.1} s the first time, {resident:.0} MiB resident",
            again.as_secs_f64(),
            met("≤ 3 s", again <= Duration::from_secs(3)),
            first.as_secs_f64()
        );
        lines.push(say(&format!("start with {count} entities on a database that has them"), came));
    }
    lines
}

/// A project of so many entities, ours among them.
fn many_entities(bench: &Bench, count: usize) -> PathBuf {
    let folder = bench.cluster.folder.join(format!("entities_{count}"));
    let schema = folder.join("schema");
    fs::create_dir_all(&schema).unwrap();
    let ours = Path::new(server::PROJECT).join("schema/article.yaml");
    fs::copy(ours, schema.join("article.yaml")).unwrap();
    for n in 1..count {
        let text = "permission: { guest: [peek, read] }\ngrants: { users: all }\ncolumns:\n  title: { type: label, required: true, index: true }\n  \
                    words: { type: integer }\nrelations:\n  article: { belongs_to: article }\n";
        fs::write(schema.join(format!("thing_{n}.yaml")), text).unwrap();
    }
    folder
}
