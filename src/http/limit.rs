//! Limits that action files set: calls per minute, per action and address, in this process.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

use crate::error::{Error, Result};

/// Fewest keys that are looked through for those of which nothing is to be known any more.
const SWEPT: usize = 10_000;

/// A limiter, whose keys are action and network, and how many of these there are before it is swept again.
struct Limiter {
    keys: DefaultKeyedRateLimiter<(String, String)>,
    room: usize,
}

/// One limiter per number of calls.
#[derive(Default)]
pub struct Limiters(Mutex<HashMap<u32, Limiter>>);

impl Limiters {
    /// Counts a call for each of the networks that it comes from, of which each may have so many a minute.
    ///
    /// # Errors
    /// 429.
    pub fn count(&self, action: &str, networks: Vec<(String, i64)>) -> Result<()> {
        networks
            .into_iter()
            .try_for_each(|(network, per_minute)| self.network(action, network, u32::try_from(per_minute).unwrap_or(u32::MAX)))
    }

    fn network(&self, action: &str, network: String, per_minute: u32) -> Result<()> {
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
    use crate::share::networks;

    #[test]
    fn a_network_has_one_limit_and_a_site_some() {
        let limiters = Limiters::default();
        let calls = |address: &str, behind: Option<&str>, times: usize| {
            let [address, behind] = [Some(address), behind].map(|text| text.map(|text| text.parse().expect("an address")));
            let networks = networks(address.expect("one"), behind, 10);
            (0..times).filter(|_| limiters.count("a/b", networks.clone()).is_ok()).count()
        };
        assert_eq!(calls("192.0.2.1", None, 30), 10);
        assert_eq!(calls("::ffff:192.0.2.1", None, 5), 0, "it is the same");
        assert_eq!((0..30).map(|n| calls(&format!("2001:db8:1:2::{n}"), None, 1)).sum::<usize>(), 10);
        let site: usize = (0..30).map(|n| calls(&format!("2001:db8:7:{n}::1"), None, 10)).sum();
        assert_eq!(site, 80);
        // Behind a proxy that nobody trusts one client keeps nobody else out; and who makes them up has no end of them.
        assert_eq!(calls("192.0.2.9", Some("198.51.100.1"), 30), 5);
        assert_eq!(calls("192.0.2.9", Some("198.51.100.2"), 30), 5);
        let made_up: usize = (0..30).map(|n| calls("192.0.2.10", Some(&format!("203.0.113.{n}")), 10)).sum();
        assert_eq!(made_up, 10);
    }
}
