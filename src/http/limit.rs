//! Limits that action files set: calls per minute, per action and address, in this process.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::error::{Error, Result};
use crate::share::{HOSTS_OF_SITE, host, site};

/// Fewest keys that are looked through for those of which nothing is to be known any more.
const SWEPT: usize = 10_000;

/// A limiter, whose keys are action and network, and how many of these there are before it is swept again.
struct Limiter {
    keys: DefaultKeyedRateLimiter<(String, IpAddr)>,
    room: usize,
}

/// One limiter per number of calls.
#[derive(Default)]
pub struct Limiters(Mutex<HashMap<u32, Limiter>>);

impl Limiters {
    /// Counts a call; of IPv6 by its network, and by the sum of its site's networks.
    ///
    /// # Errors
    /// 429.
    pub fn count(&self, action: &str, address: IpAddr, per_minute: u32) -> Result<()> {
        self.network(action, host(address), per_minute)?;
        site(address).map_or(Ok(()), |site| self.network(action, site, per_minute.saturating_mul(HOSTS_OF_SITE)))
    }

    fn network(&self, action: &str, network: IpAddr, per_minute: u32) -> Result<()> {
        let Some(quota) = NonZeroU32::new(per_minute) else { return Ok(()) };
        let mut limiters = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Limiter { keys: RateLimiter::keyed(Quota::per_minute(quota)), room: SWEPT };
        let Limiter { keys, room } = limiters.entry(per_minute).or_insert_with(new);
        if keys.len() > *room {
            keys.retain_recent();
            *room = SWEPT.max(2 * keys.len()); // so that looking through them costs each call little
        }
        keys.check_key(&(action.to_owned(), network)).map_err(|_| Error::TooMany(60 / u64::from(per_minute) + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_has_one_limit_and_a_site_some() {
        let limiters = Limiters::default();
        let calls = |address: &str, times: usize| {
            (0..times).filter(|_| limiters.count("a/b", address.parse().expect("an address"), 10).is_ok()).count()
        };
        assert_eq!(calls("192.0.2.1", 30), 10);
        assert_eq!(calls("::ffff:192.0.2.1", 5), 0, "it is the same");
        assert_eq!((0..30).map(|n| calls(&format!("2001:db8:1:2::{n}"), 1)).sum::<usize>(), 10);
        let site: usize = (0..30).map(|n| calls(&format!("2001:db8:7:{n}::1"), 10)).sum();
        assert_eq!(site, 80);
    }
}
