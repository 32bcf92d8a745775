//! The configuration: its values, checked.
//!
//! In charge of: what there is to configure. Which keys there are stands in [`keys`], where their values come from in
//! [`layers`]. It must not know what the values are used for.

pub mod keys;
pub mod layers;

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

/// A value that must not be seen: prints as `***`.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Secret(String);

impl Secret {
    /// Hides a value.
    pub fn new(value: impl Into<String>) -> Secret {
        Secret(value.into())
    }

    /// The value, for the one place that needs it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The whole configuration, checked.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs)] // each field's meaning stands beside its key in KEYS
pub struct Config {
    pub project: PathBuf,
    pub data: PathBuf,
    pub listen: String,
    pub public_url: Option<String>,
    pub trusted_proxies: Vec<IpNet>,
    pub cors_origins: Vec<String>,
    pub cors_headers: Vec<http::HeaderName>,
    pub metrics_listen: Option<String>,
    pub log: String,
    pub database: Database,
    pub secret_key: Option<Secret>,
    pub token: Token,
    pub mail: Mail,
    pub outbox: Outbox,
    pub outgoing: Outgoing,
    pub schedule_poll: Duration,
    pub password_cost: u32,
    pub password: Password,
    pub limits: Limits,
    pub page: Page,
    pub public: BTreeMap<String, String>,
    pub explain_refusals: bool,
    pub language: String,
}

#[derive(Debug, Clone, Default)]
#[allow(missing_docs)]
pub struct Database {
    pub url: Option<Secret>,
    pub binaries: Option<PathBuf>,
    pub user: String,
    pub pool: usize,
    pub shared: usize,
    pub wait: Duration,
    pub connect: Duration,
    pub statement: Duration,
    /// Longest that it may wait for what another transaction holds.
    pub lock: Duration,
    pub small: Duration,
    pub recycle: Duration,
    pub result: usize,
    pub shapes: usize,
    pub callers: usize,
    pub proof: Proof,
}

/// What is done with what the process knows of callers. Each way answers the same: the tests run them all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Proof {
    /// It is used where a statement proves it.
    #[default]
    Warm,
    /// It is learned anew for each request.
    Cold,
    /// It is learned anew in one snapshot with what it is used for.
    Slow,
}

#[derive(Debug, Clone, Default)]
#[allow(missing_docs)]
pub struct Token {
    pub issuer: String,
    pub audience: String,
    pub life: Duration,
    pub grace: Duration,
    pub refresh_life: Duration,
    pub over_is_guest: bool,
}

#[derive(Debug, Clone, Default)]
#[allow(missing_docs)]
pub struct Mail {
    pub smtp: Option<Secret>,
    pub from: String,
    pub print: bool,
    pub link_base: Option<String>,
    pub timeout: Duration,
    pub per_recipient: i64,
    pub per_sender: i64,
    pub dkim_selector: Option<String>,
    pub dkim_key: Option<Secret>,
}

#[derive(Debug, Clone, Default)]
#[allow(missing_docs)]
pub struct Password {
    pub min_length: usize,
    pub words: Option<PathBuf>,
}

#[derive(Debug, Clone, Default)]
#[allow(missing_docs)]
pub struct Outbox {
    pub poll: Duration,
    pub tries: i64,
    pub keep: Duration,
}

#[derive(Debug, Clone, Default)]
#[allow(missing_docs)]
pub struct Outgoing {
    pub private: Vec<IpNet>,
    pub timeout: Duration,
    pub answer: usize,
}

impl Config {
    /// What links in letters begin with.
    pub fn link_base(&self) -> String {
        let base = self.mail.link_base.as_ref().or(self.public_url.as_ref());
        base.cloned().unwrap_or_else(|| format!("http://{}", self.listen))
    }
}

#[derive(Debug, Clone, Default)]
#[allow(missing_docs)]
pub struct Limits {
    pub header: Duration,
    pub request: Duration,
    pub body_time: Duration,
    pub idle: Duration,
    pub drain: Duration,
    pub connections: usize,
    pub body: usize,
    pub url: usize,
    pub file: usize,
    pub file_time: Duration,
    pub include_depth: usize,
    pub included: usize,
    pub includes: usize,
    pub included_rows: usize,
    pub filter_terms: usize,
    pub filter_depth: usize,
    pub links: usize,
    pub offset: i64,
    pub count: i64,
    pub walk: i64,
    pub operations: usize,
    pub idempotency: Duration,
    pub each: usize,
    pub action: usize,
    pub stall: Duration,
    pub answer: usize,
    pub answers: usize,
    pub uploads: usize,
    pub call_depth: usize,
    pub hash_queue: usize,
    pub hash_wait: Duration,
    pub signin_per_account: i32,
    pub signin_per_address: u32,
    pub signin_per_person: i32,
    pub signin_window: Duration,
    pub action_rate: bool,
}

#[derive(Debug, Clone, Default)]
#[allow(missing_docs)]
pub struct Page {
    pub size: i64,
    pub most: i64,
    pub total_as: Vec<String>,
}
