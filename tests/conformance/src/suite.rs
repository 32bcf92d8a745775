//! One run: it sends requests, shows every response to the rules that watch, and remembers what it made.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap};
use reqwest::{Client, Method, Url};
use serde_json::Value;

use crate::document::{each, is_identifier};
use crate::exchange::{Exchange, Failure, Verdict};
use crate::media::JSON_API;
use crate::report::{Finding, Level, Outcome};
use crate::rules::{Rule, rules};
use crate::target::{Description, Target};

/// A server that takes longer than this for one small request has as good as not answered.
const PATIENCE: Duration = Duration::from_secs(30);

/// One run of the suite.
pub struct Suite<'t> {
    target: &'t Target,
    http: Client,
    notes: Mutex<Notes>,
    started: u64,
    counter: AtomicU64,
}

/// What a run remembers.
#[derive(Default)]
struct Notes {
    /// The first breach of a watched rule, and how many responses broke it.
    breaches: BTreeMap<&'static str, (String, usize)>,
    /// Watched rules that some response had something to say about.
    seen: BTreeSet<&'static str>,
    /// URLs of what was made, in order.
    made: Vec<String>,
}

impl<'t> Suite<'t> {
    pub fn new(target: &'t Target) -> Self {
        // No proxy: this judges the server, not what stands before it.
        let http = Client::builder().no_proxy().timeout(PATIENCE).build().expect("a client without TLS has nothing to load");
        let started = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64);
        Self { target, http, notes: Mutex::default(), started, counter: AtomicU64::new(0) }
    }

    /// What is known about the server.
    pub fn description(&self) -> &'t Description {
        self.target.description()
    }

    /// The base URL with a path below it; absolute URLs stay as they are.
    pub fn locate(&self, place: &str) -> Result<Url, Failure> {
        self.target
            .base()
            .join(place.trim_start_matches('/'))
            .map_err(|why| Failure::Broken(format!("the link `{place}` is no URL: {why}")))
    }

    pub fn get<'s>(&'s self, place: &str) -> Ask<'s> {
        Ask::new(self, Method::GET, place)
    }

    pub fn post<'s>(&'s self, place: &str, body: Value) -> Ask<'s> {
        Ask { body: Some(body), ..Ask::new(self, Method::POST, place) }
    }

    pub fn patch<'s>(&'s self, place: &str, body: Value) -> Ask<'s> {
        Ask { body: Some(body), ..Ask::new(self, Method::PATCH, place) }
    }

    pub fn delete<'s>(&'s self, place: &str) -> Ask<'s> {
        Ask::new(self, Method::DELETE, place)
    }

    /// A text that no run and no call before had, of `-`, lower case letters and digits.
    pub fn suffix(&self) -> String {
        format!("-{}-{}", base36(self.started), base36(self.number()))
    }

    /// A number that grows with each call.
    pub fn number(&self) -> u64 {
        self.counter.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Headers of the target, for requests that don't go through [`Ask`].
    pub fn headers(&self) -> &HeaderMap {
        self.target.headers()
    }

    /// Remembers something to delete at the end.
    pub fn remember(&self, url: String) {
        self.notes().made.push(url);
    }

    /// Deletes what was made, the newest first: what refers goes before what is referred to.
    pub async fn clear(&self) {
        let made = std::mem::take(&mut self.notes().made);
        let mut gone = BTreeSet::new();
        for url in made.into_iter().rev() {
            if gone.insert(url.clone()) {
                // Best effort: much of it has been deleted by the checks themselves.
                let _ = self.delete(&url).await;
            }
        }
    }

    /// What became of a rule, from its check and from all that was watched.
    pub fn finding(&self, rule: &Rule, verdict: Option<Verdict>) -> Finding {
        let notes = self.notes();
        let mut level = rule.level;
        let outcome = match (notes.breaches.get(rule.id), verdict) {
            (Some((first, 1)), _) => Outcome::Broken(first.clone()),
            (Some((first, count)), _) => Outcome::Broken(format!("{first} (so in {count} responses)")),
            (None, Some(Ok(()))) => Outcome::Held,
            (None, Some(Err(Failure::Broken(why)))) => Outcome::Broken(why),
            (None, Some(Err(Failure::Lapse(why)))) => {
                level = Level::Should;
                Outcome::Broken(why)
            }
            (None, _) if notes.seen.contains(rule.id) => Outcome::Held,
            (None, Some(Err(Failure::NotApplicable(why)))) => Outcome::NotApplicable(why),
            (None, None) => Outcome::NotApplicable("no response of the run had anything that the rule is about".into()),
        };
        Finding { id: rule.id, level, rule: rule.text, outcome }
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn watch(&self, exchange: &Exchange) {
        let mut notes = self.notes();
        for rule in rules() {
            let Some(watch) = rule.watch else { continue };
            match watch(exchange, self.description()) {
                Ok(false) => {}
                Ok(true) => {
                    notes.seen.insert(rule.id);
                }
                Err(why) => {
                    let line = || format!("asked {}; got {} with {why}", exchange.asked(), exchange.status);
                    notes.breaches.entry(rule.id).or_insert_with(|| (line(), 0)).1 += 1;
                }
            }
        }
        notes.made.extend(self.made_by(exchange));
    }

    /// Resources that a response says were made: a check that expected a refusal doesn't have to clean up after it.
    fn made_by(&self, exchange: &Exchange) -> Vec<String> {
        if exchange.method != Method::POST || !exchange.succeeded() || exchange.data().is_array() {
            return Vec::new();
        }
        let results = each(exchange.at("/atomic:results")).map(|result| &result["data"]);
        let resources = results.chain([exchange.data()]).filter(|data| data.is_object() && !is_identifier(data));
        let mut made: Vec<_> = resources.filter_map(|resource| self.url_of(exchange, resource)).collect();
        made.extend(exchange.header("location").and_then(|location| Some(exchange.url.join(location).ok()?.into())));
        made
    }

    /// The URL of a resource in a response: its own link, else its id below its collection.
    pub fn url_of(&self, exchange: &Exchange, resource: &Value) -> Option<String> {
        let below = || {
            let description = self.description();
            let related = [&description.to_one, &description.to_many].into_iter().flatten().map(|relation| &relation.target);
            let mut kinds = [&description.resource].into_iter().chain(related);
            let kind = kinds.find(|kind| resource["type"] == *kind.name)?;
            Some(self.locate(&format!("{}/{}", kind.path, resource["id"].as_str()?)).ok()?.into())
        };
        exchange.link(&resource["links"]["self"]).or_else(below)
    }
}

/// A request on its way; awaiting it sends it.
#[must_use]
pub struct Ask<'s> {
    suite: &'s Suite<'s>,
    method: Method,
    place: String,
    query: Vec<(String, String)>,
    accept: String,
    content_type: String,
    body: Option<Value>,
    anonymous: bool,
}

impl<'s> Ask<'s> {
    fn new(suite: &'s Suite<'_>, method: Method, place: &str) -> Self {
        let (accept, content_type) = (JSON_API.to_owned(), JSON_API.to_owned());
        Self { suite, method, place: place.to_owned(), query: Vec::new(), accept, content_type, body: None, anonymous: false }
    }

    /// Adds parameters, serialized as the specification says (brackets and commas encoded).
    pub fn query(mut self, pairs: &[(&str, &str)]) -> Self {
        self.query.extend(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        self
    }

    pub fn accept(mut self, accept: impl Into<String>) -> Self {
        self.accept = accept.into();
        self
    }

    pub fn content_type(mut self, content_type: impl Into<String>) -> Self {
        self.content_type = content_type.into();
        self
    }

    pub fn body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    /// Leaves the target's headers out.
    pub fn anonymous(mut self) -> Self {
        self.anonymous = true;
        self
    }

    async fn send(self) -> Result<Exchange, Failure> {
        let mut url = self.suite.locate(&self.place)?;
        if !self.query.is_empty() {
            url.query_pairs_mut().extend_pairs(&self.query);
        }
        let mut request = self.suite.http.request(self.method.clone(), url.clone()).header(ACCEPT, &self.accept);
        // Links may lead elsewhere, where the credentials have no business.
        if !self.anonymous && url.origin() == self.suite.target.base().origin() {
            request = request.headers(self.suite.headers().clone());
        }
        if let Some(body) = &self.body {
            request = request.header(CONTENT_TYPE, &self.content_type).body(body.to_string());
        }
        let failed = |why: reqwest::Error| Failure::Broken(format!("asked {} {url}; got no answer: {why:?}", self.method));
        let response = request.send().await.map_err(failed)?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.text().await.map_err(failed)?;
        let exchange = Exchange {
            document: serde_json::from_str(&text).ok(),
            content_type: self.body.is_some().then_some(self.content_type),
            sent: self.body,
            method: self.method,
            accept: self.accept,
            url,
            status,
            headers,
            text,
        };
        self.suite.watch(&exchange);
        Ok(exchange)
    }
}

impl<'s> IntoFuture for Ask<'s> {
    type Output = Result<Exchange, Failure>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 's>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.send())
    }
}

fn base36(mut number: u64) -> String {
    let mut digits = Vec::new();
    loop {
        digits.extend(char::from_digit((number % 36) as u32, 36));
        number /= 36;
        if number == 0 {
            return digits.into_iter().rev().collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::base36;

    #[test]
    fn numbers_become_short_names() {
        assert_eq!((base36(0).as_str(), base36(35).as_str(), base36(36 * 36 + 1).as_str()), ("0", "z", "101"));
    }
}
