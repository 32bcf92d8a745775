//! What is counted, in Prometheus' text form. Label values come from closed sets only, never from requests.

use std::time::Duration;

use http::{Method, StatusCode};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use crate::cost::{Dear, counted};
use crate::statement::schedule::Ran;
use crate::store::Store;

/// The media type of [`Metrics::text`].
pub const TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

type Labels = [(&'static str, String); 2];

/// Counters of one server.
pub struct Metrics {
    registry: Registry,
    requests: Family<Labels, Counter>,
    seconds: Histogram,
    connections: Family<[(&'static str, String); 1], Gauge>,
    dear: Family<[(&'static str, &'static str); 1], Gauge>,
    runs: Family<[(&'static str, &'static str); 1], Counter>,
}

impl Default for Metrics {
    fn default() -> Metrics {
        let mut metrics = Metrics {
            registry: Registry::with_prefix("rowhouse"),
            requests: Family::default(),
            seconds: Histogram::new(exponential_buckets(0.0005, 2.0, 16)),
            connections: Family::default(),
            dear: Family::default(),
            runs: Family::default(),
        };
        metrics.registry.register("requests", "Requests by method and status", metrics.requests.clone());
        metrics.registry.register("request_seconds", "Time to answer", metrics.seconds.clone());
        metrics.registry.register("database_connections", "Connections to PostgreSQL by state", metrics.connections.clone());
        metrics.registry.register("dear", "Work that is dear, since the start", metrics.dear.clone());
        metrics.registry.register(
            "scheduled_runs",
            "Runs of actions by themselves, by what became of them",
            metrics.runs.clone(),
        );
        metrics
    }
}

impl Metrics {
    /// Counts a request.
    pub fn count(&self, method: &Method, status: StatusCode, time: Duration) {
        let method = match method.as_str() {
            known @ ("GET" | "POST" | "PATCH" | "PUT" | "DELETE" | "OPTIONS") => known,
            _ => "other",
        };
        let labels = [("method", method.to_owned()), ("status", status.as_str().to_owned())];
        self.requests.get_or_create(&labels).inc();
        self.seconds.observe(time.as_secs_f64());
    }

    /// Counts a run of an action by itself.
    pub fn ran(&self, ran: Ran) {
        self.runs.get_or_create(&[("state", ran.word())]).inc();
    }

    /// Everything, as text.
    pub fn text(&self, store: &Store) -> String {
        let (in_use, idle, most) = store.connections();
        for (state, count) in [("in use", in_use), ("idle", idle), ("most", most)] {
            self.connections.get_or_create(&[("state", state.to_owned())]).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        for dear in Dear::ALL {
            self.dear.get_or_create(&[("work", dear.name())]).set(i64::try_from(counted(dear)).unwrap_or(i64::MAX));
        }
        let mut text = String::new();
        _ = encode(&mut text, &self.registry); // writing to memory can't fail
        text
    }
}
