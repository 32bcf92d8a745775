//! Requests to other servers: to public addresses only, in time, bounded, following no redirects.
//!
//! In charge of: where a request may go. A name is resolved here, and the address that was looked at is the one that is
//! connected to, so that nothing can change in between. It must not know actions.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr as _;
use std::sync::{Arc, LazyLock};

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use ipnet::IpNet;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::{Client, Url, redirect};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::config;
use crate::error::{Cause, Error, Result};

/// Networks that aren't everybody's (IANA's special-purpose registries, and multicast).
static SPECIAL: LazyLock<Vec<IpNet>> = LazyLock::new(|| {
    let nets = "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 \
                192.88.99.0/24 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/3 \
                ::/96 ::1/128 64:ff9b::/96 64:ff9b:1::/48 100::/64 2001::/23 2001:db8::/32 2002::/16 3fff::/20 5f00::/16 \
                fc00::/7 fe80::/10 fec0::/10 ff00::/8";
    nets.split_whitespace().filter_map(|net| net.parse().ok()).collect()
});

/// Headers that are the connection's own business.
const OURS: &[&str] =
    &["host", "content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer", "expect", "idempotency-key"];

/// Longest part of a path that is told as it is: a plain word, or a few characters such as `v1`.
const WORD: usize = 32;
const SHORT: usize = 4;

/// A request that may be sent.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Request {
    /// Such as POST.
    pub method: String,
    /// http or https.
    pub url: String,
    headers: Vec<(String, String)>,
    body: Option<String>,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    /// Such as 200.
    pub status: u16,
    /// As JSON where it says that it is; else text.
    pub body: Json,
    /// In how many seconds it wants to be asked again.
    pub retry_after: Option<u64>,
}

/// `Retry-After`: seconds, or a date.
fn seconds(header: &str) -> Option<u64> {
    let date = || {
        let at = jiff::fmt::rfc2822::parse(header).ok()?.timestamp();
        u64::try_from(at.duration_since(jiff::Timestamp::now()).as_secs()).ok()
    };
    header.trim().parse().ok().or_else(date)
}

/// Who sends requests.
pub struct Outgoing {
    client: Client,
    gate: Arc<Gate>,
    most: usize,
}

/// Which addresses may be reached.
struct Gate {
    private: Vec<IpNet>,
}

impl Gate {
    fn admits(&self, address: IpAddr) -> bool {
        let address = match address {
            IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
            v4 => v4,
        };
        self.private.iter().any(|net| net.contains(&address)) || !SPECIAL.iter().any(|net| net.contains(&address))
    }
}

impl Resolve for Gate {
    fn resolve(&self, name: Name) -> Resolving {
        let gate = Gate { private: self.private.clone() };
        Box::pin(async move {
            let found: Vec<SocketAddr> =
                tokio::net::lookup_host((name.as_str(), 0)).await?.filter(|a| gate.admits(a.ip())).collect();
            match found.is_empty() {
                true => Err("it has no address that may be reached".into()),
                false => Ok(Box::new(found.into_iter()) as Addrs),
            }
        })
    }
}

impl Request {
    /// Reads `url`, `method`, `headers`, and `json` or `text`.
    ///
    /// # Errors
    /// Words for whoever wrote the values.
    pub fn read(with: &Map<String, Json>) -> Result<Request, String> {
        let text = |name: &str| with.get(name).and_then(Json::as_str);
        let url = Url::parse(text("url").unwrap_or_default())
            .map_err(|_| "`url` is a whole URL, such as https://example.org/x".to_owned())?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err("`url` begins with http:// or https://".to_owned());
        }
        let mut headers = vec![];
        for (name, value) in with.get("headers").and_then(Json::as_object).into_iter().flatten() {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let is_good = HeaderName::from_str(name).is_ok() && HeaderValue::from_str(&value).is_ok();
            if !is_good || OURS.contains(&name.to_lowercase().as_str()) {
                return Err(format!("`headers` can't hold `{}`", crate::error::short(name)));
            }
            headers.push((name.clone(), value));
        }
        let json = with.get("json").filter(|json| !json.is_null());
        if json.is_some() && text("text").is_some() {
            return Err("a request carries `json` or `text`, not both".to_owned());
        }
        if json.is_some() && !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
            headers.push(("content-type".to_owned(), "application/json".to_owned()));
        }
        let body = json.map(Json::to_string).or_else(|| text("text").map(str::to_owned));
        Ok(Request { method: text("method").unwrap_or("GET").to_owned(), url: url.into(), headers, body })
    }

    /// Where it goes, without what may be secret in it: its query, and whatever of its path is no plain word.
    pub fn place(&self) -> String {
        let is_short = |step: &str| step.len() <= SHORT && step.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let is_word =
            |step: &str| step.len() <= WORD && step.bytes().all(|byte| byte.is_ascii_lowercase() || b"-_.".contains(&byte));
        let is_plain = |step: &&str| is_short(step) || is_word(step);
        let path = |url: &Url| -> String {
            let steps = url.path().split('/').filter(|step| !step.is_empty());
            steps.map(|step| if is_plain(&step) { format!("/{step}") } else { "/…".to_owned() }).collect()
        };
        let place = Url::parse(&self.url).map(|url| format!("{}{}", url.origin().ascii_serialization(), path(&url)));
        format!("{} {}", self.method, place.unwrap_or_default())
    }
}

impl Outgoing {
    /// From the configuration.
    ///
    /// # Errors
    /// Words for the person at the terminal.
    pub fn open(config: &config::Outgoing) -> Result<Outgoing, String> {
        let gate = Arc::new(Gate { private: config.private.clone() });
        let client = Client::builder()
            .dns_resolver(gate.clone())
            .redirect(redirect::Policy::none())
            .no_proxy()
            .timeout(config.timeout)
            .user_agent(concat!("rowhouse/", env!("CARGO_PKG_VERSION")));
        let client = client.build().map_err(|e| format!("requests to others: {e}"))?;
        Ok(Outgoing { client, gate, most: config.answer })
    }

    /// Sends a request. `key`: the same for every try, so that a receiver who knows `Idempotency-Key` does it once.
    ///
    /// # Errors
    /// 503 where the other server can't be reached, is too slow, or answers too much. The log says which.
    pub async fn send(&self, request: &Request, key: &str) -> Result<Answer> {
        self.sent(request, key).await.map_err(|cause| {
            tracing::warn!(to = request.place(), ?cause, "a request to another server failed");
            Error::Unavailable(10)
        })
    }

    /// As [`Outgoing::send`], with the cause.
    ///
    /// # Errors
    /// What went wrong, for the log and for administrators.
    pub async fn sent(&self, request: &Request, key: &str) -> Result<Answer, Cause> {
        let url = Url::parse(&request.url).map_err(Cause::new)?;
        // A literal address is never resolved.
        let literal = url.host_str().and_then(|host| host.trim_matches(['[', ']']).parse::<IpAddr>().ok());
        if literal.is_some_and(|address| !self.gate.admits(address)) {
            return Err(Cause::new("it is no address that may be reached (outgoing.private)"));
        }
        let method = Method::from_bytes(request.method.as_bytes()).map_err(Cause::new)?;
        let mut headers = HeaderMap::new();
        for (name, value) in &request.headers {
            headers.append(HeaderName::from_str(name).map_err(Cause::new)?, HeaderValue::from_str(value).map_err(Cause::new)?);
        }
        headers.insert("idempotency-key", HeaderValue::from_str(key).map_err(Cause::new)?);
        let asked = self.client.request(method, url).headers(headers).body(request.body.clone().unwrap_or_default());
        // The URL may hold secrets: it stays out of the words.
        let mut response = asked.send().await.map_err(|e| Cause::new(e.without_url()))?;
        let (status, mut body) = (response.status().as_u16(), vec![]);
        let kind =
            response.headers().get(http::header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default().to_owned();
        let again = response.headers().get(http::header::RETRY_AFTER).and_then(|v| seconds(v.to_str().ok()?));
        while let Some(part) = response.chunk().await.map_err(|e| Cause::new(e.without_url()))? {
            if body.len() + part.len() > self.most {
                return Err(Cause::new(format!("it answers more than {} bytes (outgoing.answer)", self.most)));
            }
            body.extend_from_slice(&part);
        }
        let json = kind.contains("json").then(|| serde_json::from_slice(&body).ok()).flatten();
        let body = json.unwrap_or_else(|| String::from_utf8_lossy(&body).into_owned().into());
        Ok(Answer { status, body, retry_after: again })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn when_to_ask_again_is_said_in_seconds_or_as_a_date() {
        assert_eq!((seconds("120"), seconds(" 0 "), seconds("soon"), seconds("-5")), (Some(120), Some(0), None, None));
        let later = jiff::Timestamp::now().checked_add(jiff::SignedDuration::from_secs(90)).expect("a time");
        let date = later.to_zoned(jiff::tz::TimeZone::UTC).strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        assert!(seconds(&date).is_some_and(|seconds| (85..=90).contains(&seconds)), "{date}");
        assert_eq!(seconds("Sun, 06 Nov 1994 08:49:37 GMT"), None, "long ago");
    }

    #[test]
    fn only_public_addresses_are_reached_unless_configured() {
        let gate = Gate { private: vec!["10.1.0.0/16".parse().expect("a net")] };
        for open in ["93.184.216.34", "2606:2800:220:1::1", "10.1.2.3", "::ffff:10.1.2.3"] {
            assert!(gate.admits(open.parse().expect("an address")), "{open}");
        }
        for shut in [
            "127.0.0.1",
            "10.2.0.1",
            "169.254.169.254",
            "0.0.0.0",
            "192.168.1.1",
            "100.64.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "::1",
            "::",
            "fe80::1",
            "fd00::1",
            "::ffff:127.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "::7f00:1",
        ] {
            assert!(!gate.admits(shut.parse().expect("an address")), "{shut}");
        }
    }

    #[test]
    fn what_no_request_can_carry_is_refused() {
        let read = |json: Json| Request::read(json.as_object().expect("an object"));
        for bad in [
            json!({}),
            json!({"url": "/x"}),
            json!({"url": "file:///etc/passwd"}),
            json!({"url": "https://a.example", "headers": {"Host": "b.example"}}),
            json!({"url": "https://a.example", "headers": {"X": "a\r\nY: b"}}),
            json!({"url": "https://a.example", "json": {}, "text": "x"}),
        ] {
            assert!(read(bad.clone()).is_err(), "{bad}");
        }
        let good = read(json!({"url": "https://u:geheim@a.example/x?key=geheim", "json": {"ö": 1}})).expect("a request");
        assert_eq!(good.place(), "GET https://a.example/x");
        assert_eq!(good.headers, [("content-type".to_owned(), "application/json".to_owned())]);
    }
}
