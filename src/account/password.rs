//! Passwords: hashing and verifying, bounded, off the runtime, holding no connection.
//!
//! In charge of: the stored form. bcrypt sees the base64 of a SHA-256, so that every character of a long password counts;
//! the prefix `rh1` names this scheme.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::sync::Semaphore;

use crate::config::Config;
use crate::error::{Error, Result};

const SCHEME: &str = "rh1";

/// Hashes with a bounded number of threads and a bounded queue.
pub struct Hasher {
    cost: u32,
    permits: Arc<Semaphore>,
    waiting: AtomicUsize,
    done: AtomicU64,
    queue: usize,
    wait: Duration,
    dummy: String,
}

impl Hasher {
    /// As the configuration says: all cores but one hash at a time.
    ///
    /// # Errors
    /// Words for the person who starts the server.
    pub fn new(config: &Config) -> Result<Hasher, String> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Hasher {
            cost: config.password_cost,
            permits: Arc::new(Semaphore::new(cores.saturating_sub(1).max(1))),
            waiting: AtomicUsize::new(0),
            done: AtomicU64::new(0),
            queue: config.limits.hash_queue,
            wait: config.limits.hash_wait,
            dummy: hash("nobody's password", config.password_cost).map_err(|e| e.to_string())?,
        })
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
        let matches = self.run(move || {
            let hash = stored.strip_prefix(SCHEME).unwrap_or_default();
            bcrypt::verify(prehash(&password), hash).unwrap_or(false)
        });
        Ok(matches.await? && is_known)
    }

    /// How many passwords were hashed or verified so far.
    pub fn done(&self) -> u64 {
        self.done.load(Ordering::SeqCst)
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
        if self.waiting.fetch_add(1, Ordering::SeqCst) >= self.queue {
            self.waiting.fetch_sub(1, Ordering::SeqCst);
            return Err(Error::Unavailable(2));
        }
        let permit = tokio::time::timeout(self.wait, self.permits.clone().acquire_owned()).await;
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        let permit = permit.map_err(|_| Error::Unavailable(2))?.map_err(Error::internal)?;
        self.done.fetch_add(1, Ordering::SeqCst);
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(permit); // only now: a request that went away still hashes
            done
        });
        done.await.map_err(Error::internal)
    }
}

/// Whether a password may be chosen: 8 characters or more, and hard to guess, also for who knows the person.
///
/// # Errors
/// The end of a sentence that starts with the field's name.
pub fn policy(password: &str, context: &[&str]) -> Result<(), String> {
    if password.chars().count() < 8 {
        return Err("must have at least 8 characters".to_owned());
    }
    let mut words: Vec<&str> =
        context.iter().flat_map(|w| w.split(['@', ' ', '.']).chain(w.split('@')).chain([*w])).filter(|w| w.len() > 2).collect();
    words.push("rowhouse");
    match zxcvbn::zxcvbn(password, &words).guesses_log10() < 6.0 {
        true => Err("is too easy to guess: take a longer or rarer one".to_owned()),
        false => Ok(()),
    }
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

    #[test]
    fn v6_what_is_easily_guessed_is_refused() {
        for bad in ["short", "password1", "qwerty123456", "rowhouse", "aaaaaaaaaaaa", "ada@example.org", "12345678"] {
            assert!(policy(bad, &["ada@example.org", "Ada"]).is_err(), "{bad}");
        }
        assert!(policy("quixotry.vaults", &["quixotry.vaults@example.org"]).is_err(), "what stands before the @, whole");
        for good in ["correct horse", "größere Häuser überall", "xK9#mQ2$vL"] {
            assert!(policy(good, &["ada@example.org"]).is_ok(), "{good}");
        }
    }

    #[tokio::test]
    async fn v5_a_full_queue_is_told_so() {
        let hasher = Arc::new(hasher(0));
        assert!(matches!(hasher.hash("x".to_owned()).await, Err(Error::Unavailable(_))));
    }
}
