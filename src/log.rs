//! The log: lines for people, written by a thread of its own, so that who reads them slowly holds up no request.
//!
//! In charge of: the way out of lines. What there is no room for is counted, and said.

use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::time::Duration;

use tracing_subscriber::EnvFilter;

/// How many lines wait at most.
const ROOM: usize = 2048;

/// How long the end of the process waits for the last lines.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where lines are put in.
#[derive(Clone)]
struct Lines {
    /// A line; none: that was all.
    sender: SyncSender<Option<Vec<u8>>>,
    lost: Arc<AtomicU64>,
}

impl Write for Lines {
    /// Takes a line. It never waits.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.sender.try_send(Some(line.to_vec())).is_err() {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The log of a process. When it is dropped, what waits is written.
pub struct Log {
    lines: Lines,
    done: Receiver<()>,
}

/// Begins the log of this process, on the standard error. `filter`: as `RUST_LOG` has it.
#[must_use]
pub fn start(filter: &str) -> Log {
    let log = Log::to(io::stderr());
    let lines = log.lines.clone();
    tracing_subscriber::fmt().with_env_filter(EnvFilter::new(filter)).with_writer(move || lines.clone()).init();
    log
}

impl Log {
    fn to(out: impl Write + Send + 'static) -> Log {
        let (sender, waiting) = sync_channel(ROOM);
        let (end, done) = sync_channel(1);
        let lines = Lines { sender, lost: Arc::default() };
        let lost = lines.lost.clone();
        std::thread::spawn(move || {
            write(out, &waiting, &lost);
            _ = end.try_send(()); // nobody waits for it any more, or one does
        });
        Log { lines, done }
    }
}

/// Writes what comes, until that was all. Lines that can't be written are nobody's to hear of.
fn write(mut out: impl Write, waiting: &Receiver<Option<Vec<u8>>>, lost: &AtomicU64) {
    loop {
        let next = match waiting.try_recv() {
            Ok(next) => next,
            Err(TryRecvError::Disconnected) => None,
            Err(TryRecvError::Empty) => {
                _ = out.flush();
                waiting.recv().unwrap_or_default()
            }
        };
        let Some(line) = next else { break };
        _ = out.write_all(&line);
        let lost = lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            _ = writeln!(out, "{lost} lines of the log are missing here: who reads it is slower than what happens");
        }
    }
    _ = out.flush();
}

impl Drop for Log {
    fn drop(&mut self) {
        let began = std::time::Instant::now();
        while self.lines.sender.try_send(None).is_err() && began.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(1));
        }
        _ = self.done.recv_timeout(PATIENCE);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Writes nothing before it is let go.
    struct Slow(Receiver<()>, Arc<Mutex<Vec<u8>>>);

    impl Write for Slow {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            _ = self.0.recv(); // from then on it is disconnected, and no wait
            self.1.lock().expect("no panic").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn who_reads_slowly_holds_up_nobody_and_is_told_what_is_missing() {
        let (go, wait) = std::sync::mpsc::channel();
        let written = Arc::new(Mutex::new(vec![]));
        let log = Log::to(Slow(wait, written.clone()));
        let mut lines = log.lines.clone();
        for n in 0..ROOM + 100 {
            lines.write_all(format!("line {n}\n").as_bytes()).expect("taken"); // as the log does: at once
        }
        drop(go);
        drop(log);
        let text = String::from_utf8(written.lock().expect("no panic").clone()).expect("text");
        let (said, kept): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| line.contains("missing"));
        let missing: usize = said.iter().filter_map(|line| line.split(' ').next()?.parse::<usize>().ok()).sum();
        assert_eq!(kept.len() + missing, ROOM + 100, "{said:?}");
        assert!(missing >= 90 && kept[0] == "line 0" && kept[1] == "line 1");
    }
}
