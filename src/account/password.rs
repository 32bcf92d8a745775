//! Passwords: hashing and verifying, bounded, off the runtime, holding no connection.
//!
//! In charge of: the stored form. bcrypt sees the base64 of a SHA-256, so that every character of a long password counts;
//! the prefix `rh1` names this scheme.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::sync::{Semaphore, oneshot};

use super::policy::Policy;
use crate::config::Config;
use crate::cost::{self, Dear};
use crate::error::{Error, Result};
use crate::share::Shares;

const SCHEME: &str = "rh1";

/// What a thread is to do.
type Job = Box<dyn FnOnce() + Send>;

/// How much less urgent hashing is than serving, as nice counts it: whoever is served while others sign in waits no longer.
const NICE: i32 = 10;

/// Hashes with a bounded number of threads and a bounded queue.
pub struct Hasher {
    cost: u32,
    /// What the dearest of those costs that were verified.
    dearest: AtomicU32,
    threads: Sender<Job>,
    permits: Arc<Semaphore>,
    /// Places to wait for one of them.
    queue: Arc<Semaphore>,
    done: AtomicU64,
    /// Rounds of hashing that were done in verifying.
    rounds: Arc<AtomicU64>,
    shares: Shares,
    wait: Duration,
    dummy: String,
    policy: Policy,
}

/// Threads that do one job after the other, each the next that comes, until nobody sends any more.
fn threads(count: usize) -> Result<Sender<Job>, String> {
    let (send, receive) = std::sync::mpsc::channel::<Job>();
    let receive = Arc::new(Mutex::new(receive));
    for _ in 0..count {
        let receive = receive.clone();
        let work = move || {
            #[cfg(target_os = "linux")] // there it is this thread's own
            {
                _ = rustix::process::setpriority_process(None, NICE);
            }
            loop {
                let next = receive.lock().unwrap_or_else(PoisonError::into_inner).recv();
                let Ok(job) = next else { break };
                job();
            }
        };
        std::thread::Builder::new().name("hash".to_owned()).spawn(work).map_err(|error| error.to_string())?;
    }
    Ok(send)
}

impl Hasher {
    /// As the configuration says: all cores hash at a time.
    ///
    /// # Errors
    /// Words for the person who starts the server.
    pub fn new(config: &Config) -> Result<Hasher, String> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Hasher {
            cost: config.password_cost,
            dearest: AtomicU32::new(config.password_cost),
            threads: threads(cores)?,
            permits: Arc::new(Semaphore::new(cores)),
            queue: Arc::new(Semaphore::new(config.limits.hash_queue)),
            done: AtomicU64::new(0),
            rounds: Arc::default(),
            shares: Shares::new(config.limits.hash_queue),
            wait: config.limits.hash_wait,
            dummy: hash("nobody's password", config.password_cost).map_err(|e| e.to_string())?,
            policy: Policy::new(config)?,
        })
    }

    /// Which passwords may be chosen.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The stored form of a password.
    ///
    /// # Errors
    /// 503 when too many wait already.
    pub async fn hash(&self, password: String) -> Result<String> {
        let cost = self.cost;
        self.run(move || hash(&password, cost)).await?.map_err(Error::internal)
    }

    /// Whether a password is the one that was stored. Without a stored one a dummy is verified, which takes the same time.
    ///
    /// # Errors
    /// 503 when too many wait already.
    pub async fn verify(&self, password: String, stored: Option<String>) -> Result<bool> {
        let is_known = stored.is_some();
        let stored = stored.unwrap_or_else(|| self.dummy.clone());
        // Every password costs as much as the dearest that was met.
        let cost = cost_of(&stored);
        let most = self.dearest.fetch_max(cost, Ordering::Relaxed).max(cost);
        let rounds = self.rounds.clone();
        let matches = self.run(move || {
            let count = |cost: u32| rounds.fetch_add(1 << cost.min(63), Ordering::Relaxed);
            count(cost);
            let hash = stored.strip_prefix(SCHEME).unwrap_or_default();
            let matches = bcrypt::verify(prehash(&password), hash).unwrap_or(false);
            for cost in cost..most {
                count(cost);
                _ = bcrypt::hash(prehash(&password), cost); // twice the work each: together with the first, as much as `most`
            }
            matches
        });
        Ok(matches.await? && is_known)
    }

    /// Whether a stored form cost something else than one that is made now.
    pub fn is_outdated(&self, stored: &str) -> bool {
        cost_of(stored) != self.cost
    }

    /// How many passwords were hashed or verified so far.
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::SeqCst)
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        let share = self.shares.at_once().ok_or(Error::Unavailable(2))?;
        // Given back also where the request goes away while it waits.
        let place = self.queue.clone().try_acquire_owned().map_err(|_| Error::Unavailable(2))?;
        let permit = tokio::time::timeout(self.wait, self.permits.clone().acquire_owned()).await;
        drop(place);
        let permit = permit.map_err(|_| Error::Unavailable(2))?.map_err(Error::internal)?;
        self.done.fetch_add(1, Ordering::SeqCst);
        cost::count(Dear::Hash, 1);
        let (answer, done) = oneshot::channel();
        let job = move || {
            let done = work(); // also where the request went away
            drop((permit, share)); // who is answered may ask for more
            _ = answer.send(done);
        };
        self.threads.send(Box::new(job)).map_err(|_| Error::internal("the hashing threads are gone"))?;
        done.await.map_err(Error::internal)
    }
}

/// What a stored form costs, as bcrypt counts it: `rh1$2b$12$…`; 0 where it is none.
fn cost_of(stored: &str) -> u32 {
    stored.split('$').nth(2).and_then(|cost| cost.parse().ok()).unwrap_or(0)
}

fn prehash(password: &str) -> String {
    STANDARD.encode(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, password.as_bytes()))
}

fn hash(password: &str, cost: u32) -> Result<String, bcrypt::BcryptError> {
    bcrypt::non_truncating_hash(prehash(password), cost).map(|hash| format!("{SCHEME}{hash}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_check_costs_the_same_whatever_the_stored_form_cost() {
        let mut config = crate::config::layers::load(&std::collections::BTreeMap::new(), &[]).expect("good").config;
        config.password_cost = 9;
        let hasher = Hasher::new(&config).expect("threads");
        let cheap = hash("x", 5).expect("hashed");
        for stored in [Some(cheap.clone()), None, Some(hash("x", 9).expect("hashed"))] {
            let before = hasher.rounds.load(Ordering::Relaxed);
            assert!(!hasher.verify("wrong".to_owned(), stored).await.expect("verified"));
            assert_eq!(hasher.rounds.load(Ordering::Relaxed) - before, 1 << 9, "counted, for a clock tells of others, too");
        }
        assert!(hasher.is_outdated(&cheap) && hasher.verify("x".to_owned(), Some(cheap)).await.expect("verified"));
    }

    fn hasher(queue: usize) -> Hasher {
        let mut config = Config { password_cost: 4, ..Config::default() };
        (config.limits.hash_queue, config.limits.hash_wait) = (queue, Duration::from_secs(10));
        Hasher::new(&config).expect("a hasher")
    }

    #[tokio::test]
    async fn v1_v3_every_character_counts() {
        let hasher = hasher(10);
        let long = "é".repeat(100);
        let stored = hasher.hash(format!("{long}a")).await.expect("hashed");
        assert!(stored.starts_with("rh1$2b$04$"));
        assert!(hasher.verify(format!("{long}a"), Some(stored.clone())).await.expect("verified"));
        for other in [format!("{long}b"), format!(" {long}a"), format!("{long}A"), String::new()] {
            assert!(!hasher.verify(other, Some(stored.clone())).await.expect("verified"));
        }
        assert!(!hasher.verify("nobody's password".to_owned(), None).await.expect("verified"));
        assert!(!hasher.verify("x".to_owned(), Some("nonsense".to_owned())).await.expect("verified"));
    }

    #[tokio::test]
    async fn who_goes_away_while_they_wait_takes_no_place_with_them() {
        let hasher = Arc::new(hasher(1));
        let all = hasher.permits.clone().acquire_many_owned(u32::try_from(hasher.permits.available_permits()).expect("few"));
        let all = all.await.expect("theirs");
        for _ in 0..5 {
            let waits = tokio::time::timeout(Duration::from_millis(1), hasher.hash("x".to_owned()));
            assert!(waits.await.is_err(), "it waits, and is given up");
        }
        drop(all);
        assert!(hasher.hash("x".to_owned()).await.is_ok());
    }

    #[tokio::test]
    async fn v5_a_full_queue_is_told_so() {
        let hasher = Arc::new(hasher(0));
        assert!(matches!(hasher.hash("x".to_owned()).await, Err(Error::Unavailable(_))));
    }
}
