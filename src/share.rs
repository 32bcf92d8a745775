//! Shares of what everybody uses: connections to PostgreSQL and from clients, the hashing queue, uploads.
//!
//! In charge of: that one caller has at most a quarter of it (and always one), and one address half; and who asks, which the
//! edge says once for all that a request does. What nobody asked for (schedules, tasks) has no such bound.

use std::cell::Cell;
use std::collections::HashMap;
use std::future::Future;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

/// One caller may have this part of the whole.
pub const OF_CALLER: usize = 4;
/// One address may have this part of it.
const OF_HOST: usize = 2;
/// So many hosts' worth of anything has a site, which may give itself as many IPv6 networks as it likes.
pub const HOSTS_OF_SITE: u32 = 8;

/// So many of its clients are told apart.
const CLASSES: usize = 64;
/// One client of a proxy that isn't trusted has this part of what the proxy has.
const OF_CLIENT: u32 = 2;

/// The bits of an IPv6 address that tell networks apart, and sites: who has one has all below.
const HOST_BITS: u32 = 64;
const SITE_BITS: u32 = 48;

fn network(address: Ipv6Addr, bits: u32) -> IpAddr {
    let mask = u128::MAX << (128 - bits);
    IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & mask))
}

/// What counts as one address: an IPv4 address, also where it is written as IPv6, and of others the first 64 bits.
pub fn host(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => network(address, HOST_BITS),
        address => address,
    }
}

/// The networks that attempts from an address are counted for, each with its most, where one address has `most`. `behind`: what a
/// proxy says that isn't trusted. It widens nothing; but of what that proxy's clients have together, one has no more than half.
pub fn networks(address: IpAddr, behind: Option<IpAddr>, most: u32) -> Vec<(String, i64)> {
    let own = host(address);
    // In some classes: who makes them up makes no more keys than that.
    let class = |behind: IpAddr| {
        let octets = match host(behind) {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        octets.into_iter().map(usize::from).sum::<usize>() % CLASSES
    };
    let behind = behind.map(|behind| (format!("{own} #{}", class(behind)), i64::from((most / OF_CLIENT).max(1))));
    let site = site(address).map(|site| (format!("{site}/{SITE_BITS}"), i64::from(most) * i64::from(HOSTS_OF_SITE)));
    [behind, Some((own.to_string(), i64::from(most))), site].into_iter().flatten().collect()
}

/// The same with its bits, as PostgreSQL's `cidr` spells it.
pub fn prefix(address: IpAddr) -> String {
    match host(address) {
        IpAddr::V4(address) => format!("{address}/32"),
        IpAddr::V6(network) => format!("{network}/{HOST_BITS}"),
    }
}

/// Whose networks are many: of IPv6 addresses the first 48 bits.
pub fn site(address: IpAddr) -> Option<IpAddr> {
    if let IpAddr::V6(address) = address.to_canonical() { Some(network(address, SITE_BITS)) } else { None }
}

/// Who asks for something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asker {
    /// Their session; none: a guest.
    pub session: Option<Uuid>,
    /// From where.
    pub address: IpAddr,
}

tokio::task_local! {
    static ASKER: (Asker, Cell<usize>);
}

/// Does something for somebody: what it takes of what is shared counts as theirs.
pub async fn on_behalf<F: Future>(asker: Asker, work: F) -> F::Output {
    ASKER.scope((asker, Cell::new(0)), work).await
}

fn asker() -> Option<Asker> {
    ASKER.try_with(|(asker, _)| *asker).ok()
}

/// Whose share something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Whose {
    Caller(Uuid),
    Host(IpAddr),
    Site(IpAddr),
    Everybody,
}

/// Something that is shared.
#[derive(Debug)]
pub struct Shares {
    whole: usize,
    taken: Mutex<HashMap<Whose, Weak<Semaphore>>>,
}

/// A part that somebody has, until it is dropped.
#[derive(Debug)]
pub struct Share {
    permits: Vec<OwnedSemaphorePermit>,
    /// Whether it counts for what its own request takes besides.
    is_counted: bool,
}

impl Share {
    /// The same, for what goes on after its request: that may take others meanwhile.
    pub fn aside(mut self) -> Share {
        let share = Share { permits: std::mem::take(&mut self.permits), is_counted: false };
        drop(self);
        share
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        if self.is_counted {
            _ = ASKER.try_with(|(_, held)| held.set(held.get().saturating_sub(1)));
        }
        self.permits.clear();
    }
}

impl Shares {
    /// `whole`: how many there are of it.
    pub fn new(whole: usize) -> Shares {
        Shares { whole, taken: Mutex::default() }
    }

    fn most(&self, whose: Whose) -> usize {
        let part = match whose {
            Whose::Caller(_) => self.whole / OF_CALLER,
            Whose::Host(_) => self.whole / OF_HOST,
            Whose::Site(_) => self.whole - self.whole / OF_CALLER,
            Whose::Everybody => self.whole,
        };
        part.max(1)
    }

    fn places(&self, whose: Whose) -> Arc<Semaphore> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(places) = taken.get(&whose).and_then(Weak::upgrade) {
            return places;
        }
        if taken.len() >= taken.capacity() {
            taken.retain(|_, places| places.strong_count() > 0); // before it would grow
        }
        let places = Arc::new(Semaphore::new(self.most(whose)));
        taken.insert(whose, Arc::downgrade(&places));
        places
    }

    /// Whose share something is that they ask for. The sum of a site is looked at first: of its hosts each may have half; and in the end the whole.
    fn whose(asker: Asker) -> impl Iterator<Item = Whose> {
        let Asker { session, address } = asker;
        let addresses = [site(address).map(Whose::Site), Some(Whose::Host(host(address)))];
        session.map(Whose::Caller).into_iter().chain(addresses.into_iter().flatten()).chain([Whose::Everybody])
    }

    /// Waits until the asker has less than their share; in the order in which it was asked for. Who has some of it already for
    /// the same request gets more at once: they would wait for themselves.
    pub async fn wait(&self) -> Share {
        let none = Share { permits: vec![], is_counted: false };
        let Some(asker) = asker().filter(|_| ASKER.try_with(|(_, held)| held.get() == 0).unwrap_or(false)) else { return none };
        let mut permits = vec![];
        for whose in Shares::whose(asker) {
            // It is never closed; and if it were, it would be nobody's share.
            permits.extend(self.places(whose).acquire_owned().await.ok());
        }
        _ = ASKER.try_with(|(_, held)| held.set(held.get() + 1));
        Share { permits, is_counted: true }
    }

    /// The same without waiting; none where the asker has their share already.
    pub fn at_once(&self) -> Option<Share> {
        asker().map_or(Some(Share { permits: vec![], is_counted: false }), |asker| self.for_asker(asker))
    }

    /// The same, for who is no request yet.
    pub fn for_asker(&self, asker: Asker) -> Option<Share> {
        let permits = Shares::whose(asker).map(|whose| self.places(whose).try_acquire_owned().ok());
        Some(Share { permits: permits.collect::<Option<_>>()?, is_counted: false })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(address: &str, session: Option<u128>) -> Asker {
        Asker { session: session.map(Uuid::from_u128), address: address.parse().expect("an address") }
    }

    #[test]
    fn a_network_counts_as_one_address() {
        let same = |a: &str, b: &str| host(a.parse().expect("one")) == host(b.parse().expect("one"));
        assert!(same("2001:db8:1:2::1", "2001:db8:1:2:ffff::9") && !same("2001:db8:1:2::1", "2001:db8:1:3::1"));
        assert!(same("::ffff:192.0.2.1", "192.0.2.1") && !same("192.0.2.1", "192.0.2.2"));
        assert_eq!(site("2001:db8:1:2::1".parse().expect("one")), site("2001:db8:1:ffff::".parse().expect("one")));
        assert!(site("::ffff:192.0.2.1".parse().expect("one")).is_none());
    }

    #[test]
    fn one_has_a_quarter_their_address_half_and_their_site_no_more_than_leaves_others_some() {
        let shares = Shares::new(16);
        let take = |asker: Asker| std::iter::from_fn(|| shares.for_asker(asker)).take(20).collect::<Vec<_>>();
        let ada = take(from("192.0.2.1", Some(1)));
        assert_eq!(ada.len(), 4);
        let bob = take(from("192.0.2.1", Some(2)));
        assert_eq!((bob.len(), take(from("192.0.2.1", None)).len()), (4, 0), "the address has half");
        assert_eq!(take(from("192.0.2.2", Some(1))).len(), 0, "and a caller no more from elsewhere");
        drop(ada);
        assert_eq!(take(from("192.0.2.1", None)).len(), 4);
        drop(bob);
        let site: Vec<_> = (0..9).map(|n| take(from(&format!("2001:db8:0:{n}::"), None)).len()).collect();
        assert_eq!(site[..2], [8, 8], "what they give back others have");
        let kept: Vec<_> = (0..9).flat_map(|n| take(from(&format!("2001:db8:0:{n}::"), None))).collect();
        assert_eq!(kept.len(), 12);
        assert_eq!(Shares::new(1).for_asker(from("192.0.2.1", Some(1))).map(|_| ()), Some(()), "and always one");
        assert!(shares.taken.lock().expect("no panic").len() < 32);
    }

    #[tokio::test]
    async fn who_waits_is_served_in_order_and_nobody_waits_for_themselves() {
        let shares = Arc::new(Shares::new(4));
        let one = on_behalf(from("192.0.2.1", Some(1)), async { shares.wait().await }).await;
        let second = {
            let shares = shares.clone();
            tokio::spawn(on_behalf(from("192.0.2.1", Some(1)), async move { shares.wait().await }))
        };
        tokio::task::yield_now().await;
        assert!(!second.is_finished());
        on_behalf(from("192.0.2.1", Some(2)), async { _ = (shares.wait().await, shares.wait().await) }).await;
        drop(one);
        drop(second.await.expect("had"));
        assert!(shares.wait().await.permits.is_empty(), "nobody asked");
    }
}
