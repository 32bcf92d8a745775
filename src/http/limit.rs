//! Limits that action files set: calls per minute, per action and address, in this process.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::Mutex;

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::error::{Error, Result};

/// One limiter per number of calls; their keys are action and address.
#[derive(Default)]
pub struct Limiters(Mutex<std::collections::HashMap<u32, DefaultKeyedRateLimiter<(String, IpAddr)>>>);

impl Limiters {
    /// Counts a call.
    ///
    /// # Errors
    /// 429.
    pub fn count(&self, action: &str, address: IpAddr, per_minute: u32) -> Result<()> {
        let Some(quota) = NonZeroU32::new(per_minute) else { return Ok(()) };
        let mut limiters = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let limiter = limiters.entry(per_minute).or_insert_with(|| RateLimiter::keyed(Quota::per_minute(quota)));
        if limiter.len() > 10_000 {
            limiter.retain_recent();
        }
        limiter.check_key(&(action.to_owned(), address)).map_err(|_| Error::TooMany(60 / u64::from(per_minute) + 1))
    }
}
