//! How long a test may take: one that waits for ever ends the run, by name, rather than keep everybody waiting.

use std::collections::HashMap;
use std::io::Write as _;
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

/// Longest that a test may take, on the slowest machine that runs them.
const LONGEST: Duration = Duration::from_secs(1200);

/// The tests that run: by number, their names and when they began.
type Running = Mutex<HashMap<u64, (String, Instant)>>;

/// A test that is watched, for as long as this lives.
pub struct Watched(u64);

impl Watched {
    /// The test whose thread this is.
    pub fn new() -> Watched {
        static COUNT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let number = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let name = std::thread::current().name().unwrap_or("a test").to_owned();
        running().lock().expect("no panic inside").insert(number, (name, Instant::now()));
        Watched(number)
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        running().lock().expect("no panic inside").remove(&self.0);
    }
}

fn running() -> &'static Running {
    static RUNNING: OnceLock<Running> = OnceLock::new();
    RUNNING.get_or_init(|| {
        std::thread::spawn(|| {
            loop {
                std::thread::sleep(Duration::from_secs(5));
                let all = running().lock().expect("no panic inside");
                if let Some((name, _)) = all.values().find(|(_, began)| began.elapsed() > LONGEST) {
                    // Past what the test harness catches.
                    _ = writeln!(std::io::stdout(), "\ntest {name} ... FAILED (it took more than {LONGEST:?})");
                    std::process::exit(101);
                }
            }
        });
        Mutex::default()
    })
}
