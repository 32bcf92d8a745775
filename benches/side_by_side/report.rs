//! What came out: tables for people, beside what must be reached.

use std::process::Command;

use crate::Bench;
use crate::cluster::said;
use crate::machine;
use crate::peers::Rate;

/// A server under load.
pub struct Slot {
    pub rate: f64,
    pub p50: f64,
    pub p99: f64,
    pub server_us: Option<f64>,
    pub postgres_us: Option<f64>,
}

/// All columns, one after the other.
pub struct Round {
    pub ours: Slot,
    pub sql: Option<Rate>,
    pub peer: Option<Slot>,
    pub bare: Option<Rate>,
}

/// An operation at so many connections.
pub struct Line {
    pub operation: &'static str,
    pub name: &'static str,
    pub connections: usize,
    pub rounds: Vec<Round>,
    pub messages: usize,
    pub unnamed: usize,
    pub woken: f64,
    /// Cores that somebody else kept busy meanwhile.
    pub others: Option<f64>,
}

/// What must be reached at 8 connections; at 64 the ratios must reach 0.8 of that.
struct Target {
    operation: &'static str,
    /// Times PostgREST.
    peer: f64,
    /// Of pgbench with the SQL that the server sends.
    own: f64,
    /// That SQL of the bare statement, both in pgbench.
    bare: Option<f64>,
    /// CPU of the server in µs, at most.
    cpu: Option<f64>,
}

#[rustfmt::skip]
const TARGETS: [Target; 6] = [
    Target { operation: "row",     peer: 5.0, own: 0.5, bare: Some(0.48), cpu: Some(60.0) },
    Target { operation: "page",    peer: 3.5, own: 0.7, bare: Some(0.5),  cpu: Some(90.0) },
    Target { operation: "include", peer: 3.0, own: 0.7, bare: None,       cpu: None },
    Target { operation: "filter",  peer: 3.5, own: 0.7, bare: Some(0.5),  cpu: Some(90.0) },
    Target { operation: "update",  peer: 2.5, own: 0.6, bare: Some(0.65), cpu: Some(120.0) },
    Target { operation: "create",  peer: 2.5, own: 0.6, bare: Some(0.7),  cpu: Some(120.0) },
];

pub const HEAD: &str = "| operation | connections | Rowhouse /s | p50 ms | p99 ms | CPU µs server + PostgreSQL | messages (unnamed) + woken \
| PostgREST /s | p50 ms | p99 ms | CPU µs | own SQL in pgbench /s | CPU µs | bare SQL in pgbench /s | CPU µs | others' cores |\n\
|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|";

/// The median of what there is; none if there is none.
pub fn median(values: impl IntoIterator<Item = Option<f64>>) -> Option<f64> {
    let mut values: Vec<f64> = values.into_iter().flatten().collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

fn shown(value: Option<f64>, digits: usize) -> String {
    value.map_or_else(|| "–".to_owned(), |v| format!("{v:.digits$}"))
}

impl Line {
    fn of(&self, value: impl Fn(&Round) -> Option<f64>) -> Option<f64> {
        median(self.rounds.iter().map(value))
    }

    pub fn row(&self) -> String {
        let of = |digits, value: &dyn Fn(&Round) -> Option<f64>| shown(self.of(value), digits);
        let peer =
            |value: &dyn Fn(&super::Slot) -> Option<f64>, digits| shown(self.of(|r| r.peer.as_ref().and_then(value)), digits);
        format!(
            "| {} | {} | {} | {} | {} | {} + {} | {} ({}) + {:.1} | {} | {} | {} | {} + {} | {} | {} | {} | {} | {} |",
            self.name,
            self.connections,
            of(0, &|r| Some(r.ours.rate)),
            of(2, &|r| Some(r.ours.p50)),
            of(2, &|r| Some(r.ours.p99)),
            of(0, &|r| r.ours.server_us),
            of(0, &|r| r.ours.postgres_us),
            self.messages,
            self.unnamed,
            self.woken,
            peer(&|s| Some(s.rate), 0),
            peer(&|s| Some(s.p50), 2),
            peer(&|s| Some(s.p99), 2),
            peer(&|s| s.server_us, 0),
            peer(&|s| s.postgres_us, 0),
            of(0, &|r| r.sql.as_ref().map(|s| s.rate)),
            of(0, &|r| r.sql.as_ref().and_then(|s| s.postgres_us)),
            of(0, &|r| r.bare.as_ref().map(|s| s.rate)),
            of(0, &|r| r.bare.as_ref().and_then(|s| s.postgres_us)),
            match self.others {
                Some(cores) if cores > 0.2 => format!("**{cores:.2}**"),
                cores => shown(cores, 2),
            },
        )
    }

    /// Each ratio beside what it must be.
    fn ratios(&self) -> String {
        let Some(target) = TARGETS.iter().find(|t| t.operation == self.operation) else {
            return String::new();
        };
        let share = if self.connections > 8 { 0.8 } else { 1.0 };
        let least = |value: Option<f64>, wanted: Option<f64>| match (value, wanted.map(|w| w * share)) {
            (Some(value), Some(wanted)) => verdict(value, format!("≥ {wanted:.2}"), value >= wanted),
            (value, _) => shown(value, 2),
        };
        let most = |value: Option<f64>, wanted: Option<f64>, digits| match (value, wanted) {
            (Some(value), Some(wanted)) => {
                let met = value <= wanted;
                verdict((value * 100.0).round() / 100.0, format!("≤ {wanted:.digits$}"), met)
            }
            (value, _) => shown(value, digits),
        };
        let at_8 = |wanted: Option<f64>| wanted.filter(|_| self.connections == 8);
        let at_64 = Some(4.0).filter(|_| self.connections > 8);
        let over = |a: f64, b: Option<&f64>| b.map(|b| a / b);
        format!(
            "| {} | {} | {} | {} | {} | {} | {} |",
            self.name,
            self.connections,
            least(self.of(|r| over(r.ours.rate, r.peer.as_ref().map(|p| &p.rate))), Some(target.peer)),
            least(self.of(|r| over(r.ours.rate, r.sql.as_ref().map(|s| &s.rate))), Some(target.own)),
            least(self.of(|r| over(r.sql.as_ref()?.rate, r.bare.as_ref().map(|s| &s.rate))), target.bare),
            most(self.of(|r| r.ours.server_us), at_8(target.cpu), 0),
            most(self.of(|r| Some(r.ours.p99 / r.ours.p50)), at_64, 1),
        )
    }
}

/// A value beside what it must be.
pub fn verdict(value: f64, wanted: String, met: bool) -> String {
    let value = if value >= 20.0 { format!("{value:.0}") } else { format!("{value:.2}") };
    format!("{value} ({wanted}: {})", if met { "met" } else { "**NOT met**" })
}

/// All of it.
pub struct Report {
    head: String,
    pub lines: Vec<Line>,
    /// Further measures: what, what came out, beside what it must be.
    pub further: Vec<[String; 2]>,
    pub seconds: u64,
}

impl Report {
    pub fn new(bench: &Bench, peer: Option<String>, missing: Option<String>) -> Report {
        let folder = env!("CARGO_MANIFEST_DIR");
        let git = |args: &[&str]| said(Command::new("git").args(args).current_dir(folder)).trim().to_owned();
        let changed = git(&["status", "--porcelain", "--", "src", "Cargo.lock", "schema", "actions"]);
        let peer = peer.unwrap_or_else(|| match missing {
            Some(words) => format!("PostgREST left out: {words}"),
            None => "PostgREST not asked for".to_owned(),
        });
        let head = format!(
            "# Results of `make bench`\n\n{}\n{}\nrowhouse {}{} · PostgreSQL {} · {} · {}\n\n\
             Rounds of {} s a slot, {} of them, in turns within one run; medians. The load generator has the same cores. Compare\n\
             figures of one run with each other only.\n",
            said(Command::new("date").args(["-u", "+%Y-%m-%d %H:%M UTC"])).trim(),
            machine::describe(),
            git(&["rev-parse", "--short=10", "HEAD"]),
            if changed.is_empty() { "" } else { " with changes" },
            bench.cluster.version,
            peer,
            said(Command::new("rustc").arg("--version")).trim(),
            bench.seconds,
            bench.rounds,
        );
        Report { head, lines: vec![], further: vec![], seconds: 0 }
    }

    pub fn text(&self) -> String {
        let mut text = self.head.clone();
        if !self.lines.is_empty() {
            text += "\n## Side by side\n\n";
            text += HEAD;
            text.push('\n');
            for line in &self.lines {
                text += &line.row();
                text.push('\n');
            }
            text += NOTES;
            text += "\n## Against what must be reached\n\n\
                | operation | connections | × PostgREST | of its own SQL in pgbench | that SQL of the bare statement | CPU µs of the server \
                | p99 / p50 |\n|---|---|---|---|---|---|---|\n";
            for line in &self.lines {
                text += &line.ratios();
                text.push('\n');
            }
        }
        if !self.further.is_empty() {
            text += "\n## Further\n\n| what | came out |\n|---|---|\n";
            for [what, came] in &self.further {
                text += &format!("| {what} | {came} |\n");
            }
        }
        text + &format!("\nThe whole took {} min {} s.\n", self.seconds / 60, self.seconds % 60)
    }
}

const NOTES: &str = "
100,000 rows, 1,000 users, 100 groups; the caller is in 3, owns every twentieth row, and sees four of five. *Own SQL* is what the
server sent for this request, as PostgreSQL's log had it, with the transaction around it: prepared by `prepare` and run by
`execute` (pgbench's own way sends a parameter as often as it is named), also what the server sends unnamed (in brackets), with values of some hundred requests, others at every hundredth turn. The id of a row that is made is
`gen_random_uuid()` there, and the title is a random number, both in place of the request's own. *Messages* are those of one
request, in order; several commands in one message are several messages in pgbench. *Woken* is what others sent because of it, or
meanwhile. CPU of PostgreSQL is that of all its processes. *Others' cores* are what somebody else kept busy meanwhile: above 0.2
(in bold) a line is worth little.
";
