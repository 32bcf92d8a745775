//! What the machine says of itself and of processes: Linux's /proc. Elsewhere there is no CPU and no memory to report.

use std::fs;

use crate::cluster::said;

/// Linux counts CPU in hundredths of a second for programs, whatever its own clock does.
const TICKS: f64 = 100.0;

struct Stat {
    parent: u32,
    own: f64,
    reaped: f64,
}

fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect(); // names may hold anything
    let ticks = |i: usize| Some(fields.get(i)?.parse::<f64>().ok()? / TICKS);
    let parent = fields.get(1)?.parse().ok()?;
    Some(Stat { parent, own: ticks(11)? + ticks(12)?, reaped: ticks(13)? + ticks(14)? })
}

/// CPU seconds of a process, and of its children that are gone.
pub fn cpu(pid: u32) -> Option<(f64, f64)> {
    stat(pid).map(|s| (s.own, s.reaped))
}

pub fn children(parent: u32) -> Vec<u32> {
    let all = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = all.filter_map(|e| e.file_name().to_string_lossy().parse::<u32>().ok());
    pids.filter(|pid| stat(*pid).is_some_and(|s| s.parent == parent)).collect()
}

/// CPU seconds that programs took since the machine started, and that other machines on the same host took from this one.
/// Interrupts belong to nobody.
pub fn busy() -> Option<f64> {
    let text = fs::read_to_string("/proc/stat").ok()?;
    let fields: Vec<f64> = text.lines().next()?.split_whitespace().skip(1).filter_map(|f| f.parse().ok()).collect();
    let [user, nice, system, _, _, _, _, stolen, ..] = fields[..] else { return None };
    Some((user + nice + system + stolen) / TICKS)
}

/// A line of a process's status, in MiB.
pub fn status(pid: u32, line: &str) -> Option<f64> {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let value = text.lines().find_map(|l| l.strip_prefix(line))?;
    Some(value.split_whitespace().next()?.parse::<f64>().ok()? / 1024.0)
}

/// Cores, model, memory, kernel.
pub fn describe() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let find = |file: &str, key: &str| {
        let text = fs::read_to_string(file).unwrap_or_default();
        text.lines().find_map(|l| l.strip_prefix(key)?.split_once(':').map(|(_, v)| v.trim().to_owned())).unwrap_or_default()
    };
    let model = find("/proc/cpuinfo", "model name");
    let memory = find("/proc/meminfo", "MemTotal");
    let memory = memory.split_whitespace().next().and_then(|kb| kb.parse::<f64>().ok()).unwrap_or_default() / 1048576.0;
    let kernel = said(std::process::Command::new("uname").arg("-sr"));
    format!("{cores} cores, {model}, {memory:.0} GiB, {}", kernel.trim())
}
