//! Where a request comes from: the socket's address, or what proxies say that are trusted.
//!
//! In charge of: `X-Forwarded-For` and `Forwarded`, which anybody can send.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use http::{HeaderMap, HeaderName, header};

use crate::config::Config;

/// The socket that a request came through.
#[derive(Debug, Clone, Copy)]
pub struct Peer {
    /// Its address.
    pub address: IpAddr,
    /// Whether the request is one of HTTP/1.1, which names its host.
    pub names_host: bool,
}

/// Where a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClientAddress {
    /// The last address that no trusted proxy has.
    pub address: IpAddr,
    /// Whom a proxy names that isn't trusted. It tells clients apart in counts, and nothing else.
    pub behind: Option<IpAddr>,
}

/// Whether somebody was warned of a proxy that isn't trusted: once is enough.
#[derive(Debug, Default)]
pub struct Warned(AtomicBool);

impl Warned {
    fn warn(&self, address: IpAddr, words: &str) {
        if !self.0.swap(true, Ordering::Relaxed) {
            tracing::warn!(%address, "{words}");
        }
    }
}

/// An address, with or without a port, as proxies write it.
fn hop(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_matches('"');
    let inside = text.strip_prefix('[').and_then(|text| text.split(']').next());
    let without_port = || text.rsplit_once(':').map_or(text, |(address, _)| address);
    let parsed = inside.unwrap_or(text).parse().or_else(|_| without_port().parse());
    parsed.ok().map(|address: IpAddr| address.to_canonical())
}

/// The addresses that a header names, from the client on; none where one is no address.
fn hops(headers: &HeaderMap, name: HeaderName) -> Vec<Option<IpAddr>> {
    // Whatever a client wrote before it, what a proxy adds is read.
    let lines = headers.get_all(&name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
    let elements: Vec<String> = lines.flat_map(|line| line.split(',').map(str::to_owned).collect::<Vec<_>>()).collect();
    let of = |element: &str| match name == header::FORWARDED {
        false => hop(element),
        true => element.split(';').find_map(|pair| {
            let (name, value) = pair.split_once('=')?;
            if name.trim().eq_ignore_ascii_case("for") { hop(value) } else { None }
        }),
    };
    elements.iter().map(|element| of(element)).collect()
}

/// Where a request comes from. Of two headers that disagree neither is believed: a proxy that writes one hands on whatever its
/// client wrote into the other.
pub fn client_address(config: &Config, headers: &HeaderMap, peer: Option<Peer>, warned: &Warned) -> ClientAddress {
    let own = peer.map_or(IpAddr::from([0, 0, 0, 0]), |peer| peer.address.to_canonical());
    let alone = ClientAddress { address: own, behind: None };
    let said = [hops(headers, HeaderName::from_static("x-forwarded-for")), hops(headers, header::FORWARDED)];
    let hops = match &said {
        [hops, none] | [none, hops] if none.is_empty() => hops,
        [a, b] if a == b => a,
        [..] => {
            warned.warn(own, "Forwarded and X-Forwarded-For say different things: neither is believed; let the proxy remove one");
            return alone;
        }
    };
    let is_trusted = |address: &IpAddr| config.trusted_proxies.iter().any(|net| net.contains(address));
    if !hops.is_empty() && !is_trusted(&own) {
        let words =
            "it sends Forwarded or X-Forwarded-For and isn't among trusted_proxies: all of its clients count as one address";
        warned.warn(own, words);
        return ClientAddress { address: own, behind: hops.last().copied().flatten() };
    }
    let mut address = own;
    for hop in hops.iter().rev() {
        match hop {
            Some(hop) if is_trusted(&address) => address = *hop,
            Some(_) | None => break,
        }
    }
    ClientAddress { address, behind: None }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lines: &[(&'static str, &str)], trusted: &str, peer: &str) -> (String, Option<String>) {
        let loaded = crate::config::layers::load(&std::collections::BTreeMap::new(), &[("trusted_proxies", trusted.to_owned())]);
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(*name, http::HeaderValue::from_bytes(value.as_bytes()).expect("a value"));
        }
        let peer = Peer { address: peer.parse().expect("an address"), names_host: true };
        let found = client_address(&loaded.expect("good").config, &headers, Some(peer), &Warned::default());
        (found.address.to_string(), found.behind.map(|behind| behind.to_string()))
    }

    #[test]
    fn proxies_are_believed_that_are_trusted_and_no_others() {
        let proxy = "10.0.0.0/8";
        for (lines, expected) in [
            (&[("x-forwarded-for", "1.2.3.4")][..], "1.2.3.4"),
            (&[("x-forwarded-for", "1.2.3.4:4711")], "1.2.3.4"),
            (&[("x-forwarded-for", "9.9.9.9, 1.2.3.4:80, 10.0.0.2")], "1.2.3.4"),
            (&[("x-forwarded-for", "9.9.9.9"), ("x-forwarded-for", "::ffff:1.2.3.4")], "1.2.3.4"),
            (&[("forwarded", "for=1.2.3.4")], "1.2.3.4"),
            (&[("forwarded", "proto=https;For=\"1.2.3.4:81\";by=10.0.0.1")], "1.2.3.4"),
            (&[("forwarded", "for=9.9.9.9, for=\"[2001:db8::1]:4711\"")], "2001:db8::1"),
            (&[("forwarded", "for=\"[2001:db8::1]\"")], "2001:db8::1"),
            (&[("forwarded", "for=unknown")], "10.0.0.1"),
            (&[("forwarded", "for=1.2.3.4"), ("x-forwarded-for", "1.2.3.4")], "1.2.3.4"),
            (&[("forwarded", "for=1.2.3.4"), ("x-forwarded-for", "9.9.9.9")], "10.0.0.1"),
            (&[("x-forwarded-for", "nonsense")], "10.0.0.1"),
            (&[("x-forwarded-for", "é, 1.2.3.4")], "1.2.3.4"),
            (&[("forwarded", "for=ö, for=1.2.3.4")], "1.2.3.4"),
            (&[], "10.0.0.1"),
        ] {
            assert_eq!(of(lines, proxy, "10.0.0.1"), (expected.to_owned(), None), "{lines:?}");
        }
        let (address, behind) = of(&[("x-forwarded-for", "9.9.9.9, 1.2.3.4:80")], proxy, "192.0.2.1");
        assert_eq!((address.as_str(), behind.as_deref()), ("192.0.2.1", Some("1.2.3.4")));
    }
}
