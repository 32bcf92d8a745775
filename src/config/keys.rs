//! Every key with its meaning, default and unit, in one table, and how each value is read.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::{Config, Proof, Secret};

/// One key of the configuration.
pub struct Key {
    /// As it stands in `rowhouse.toml`; `ROWHOUSE_` and upper case with `_` in the environment.
    pub name: &'static str,
    /// What it means, with unit.
    pub meaning: &'static str,
    /// As text; empty means: not set.
    pub default: &'static str,
    pub(super) secret: bool,
    pub(super) apply: Apply,
}

type Apply = fn(&mut Config, &str) -> Result<(), String>;

const fn key(name: &'static str, default: &'static str, meaning: &'static str, apply: Apply) -> Key {
    Key { name, meaning, default, secret: false, apply }
}

const fn hidden(name: &'static str, default: &'static str, meaning: &'static str, apply: Apply) -> Key {
    Key { name, meaning, default, secret: true, apply }
}

/// Every key there is.
#[rustfmt::skip]
pub const KEYS: &[Key] = &[
    key("project", ".", "folder with schema/, actions/, templates/ of your own", |c, v| path(v).map(|v| c.project = v)),
    key("data", ".rowhouse", "folder for the local database cluster and its secrets", |c, v| path(v).map(|v| c.data = v)),
    key("listen", "127.0.0.1:6336", "address and port to serve on; port 0 takes a free one", |c, v| address(v).map(|v| c.listen = v)),
    key("public_url", "", "URL under which clients reach the server; without it links are paths", |c, v| origin_url(v).map(|v| c.public_url = v)),
    key("trusted_proxies", "", "networks whose Forwarded and X-Forwarded-For headers are believed, comma separated", |c, v| list(v, "a network such as 10.0.0.0/8").map(|v| c.trusted_proxies = v)),
    key("cors_origins", "", "origins that browsers may call from, comma separated, or *", |c, v| origins(v).map(|v| c.cors_origins = v)),
    key("cors_headers", "", "further request headers that browsers may send, comma separated: traceparent, tracestate", |c, v| headers(v).map(|v| c.cors_headers = v)),
    key("metrics.listen", "", "a separate address that serves /metrics to anybody who reaches it", |c, v| optional(v, address).map(|v| c.metrics_listen = v)),
    key("log", "info", "what is logged: error, warn, info, debug, trace, or a filter by module", |c, v| log(v).map(|v| c.log = v)),
    hidden("database.url", "", "PostgreSQL 14 or newer, postgres://…; without it a local cluster is managed in the data folder", |c, v| database_url(v).map(|v| c.database.url = v)),
    key("database.binaries", "", "folder with initdb and postgres for the local cluster; without it they are looked for", |c, v| optional(v, path).map(|v| c.database.binaries = v)),
    key("database.user", "postgres", "system user that the local cluster runs as when started by root", |c, v| word(v).map(|v| c.database.user = v)),
    key("database.pool", "8", "most connections for lists and transactions", |c, v| number(v, 2, 1000).map(|v| c.database.pool = v)),
    key("database.shared", "2", "connections that reads of one row share; 0: these take one of the pool, too", |c, v| number(v, 0, 64).map(|v| c.database.shared = v)),
    key("database.wait", "5s", "longest wait for a connection before 503", |c, v| duration(v).map(|v| c.database.wait = v)),
    key("database.connect", "5s", "longest wait for PostgreSQL to accept a connection", |c, v| duration(v).map(|v| c.database.connect = v)),
    key("database.statement", "10s", "longest that one statement may run", |c, v| duration(v).map(|v| c.database.statement = v)),
    key("database.small", "2s", "longest that the read of one row may run on a shared connection; it is then done again on one of the pool", |c, v| duration(v).map(|v| c.database.small = v)),
    key("database.recycle", "30m", "age at which a connection is replaced", |c, v| duration(v).map(|v| c.database.recycle = v)),
    key("database.lock", "1s", "longest that a statement waits for a row that somebody else is changing", |c, v| duration(v).map(|v| c.database.lock = v)),
    key("database.result", "33554432", "most bytes of the rows that one statement brings", |c, v| number(v, 65_536, 1 << 32).map(|v| c.database.result = v)),
    key("database.shapes", "256", "most statements that are kept prepared on each connection", |c, v| number(v, 0, 10_000).map(|v| c.database.shapes = v)),
    key("database.callers", "10000", "most callers of whom groups and rights are known until they are proven or learned anew", |c, v| number(v, 2, 1_000_000).map(|v| c.database.callers = v)),
    key("database.proof", "warm", "how groups and rights of callers are found: warm, proven where they are known; cold, learned for each request; slow, learned in one snapshot with it", |c, v| proof(v).map(|v| c.database.proof = v)),
    hidden("secret_key", "", "32 bytes in base64 that encrypt keys and secrets in the database; without it they are made in the data folder", |c, v| master(v).map(|v| c.secret_key = v)),
    key("token.issuer", "rowhouse", "iss of the tokens", |c, v| word(v).map(|v| c.token.issuer = v)),
    key("token.audience", "rowhouse", "aud of the tokens", |c, v| word(v).map(|v| c.token.audience = v)),
    key("token.life", "1h", "how long a token is good", |c, v| duration(v).map(|v| c.token.life = v)),
    key("token.over", "refuse", "what a token of ours is that is good no more: refuse, 401; or guest, as if there were none", |c, v| over(v).map(|v| c.token.over_is_guest = v)),
    key("token.grace", "10s", "how long a refresh token that was spent gives the same successor again; 0s: not at all", |c, v| pause(v).map(|v| c.token.grace = v)),
    key("token.refresh_life", "30d", "how long a sign-in that is remembered may be refreshed", |c, v| duration(v).map(|v| c.token.refresh_life = v)),
    hidden("mail.smtp", "", "how letters leave: smtps://user:password@host, smtp://host?tls=required, smtp://host; without it they wait in the outbox", |c, v| { c.mail.smtp = (!v.is_empty()).then(|| Secret::new(v)); Ok(()) }),
    key("mail.from", "Rowhouse <rowhouse@localhost>", "whom letters come from", |c, v| word(v).map(|v| c.mail.from = v)),
    key("mail.print", "false", "print letters whole into the log instead of sending them: for development", |c, v| boolean(v).map(|v| c.mail.print = v)),
    key("mail.link_base", "", "a front end that links in letters lead to; without it they lead to pages of ours, at public_url or where it listens", |c, v| { c.mail.link_base = (!v.is_empty()).then(|| v.trim_end_matches('/').to_owned()); Ok(()) }),
    key("mail.timeout", "30s", "longest that sending one letter may take", |c, v| duration(v).map(|v| c.mail.timeout = v)),
    key("mail.per_recipient", "20", "letters to one address in an hour", |c, v| number(v, 1, 1_000_000).map(|v| c.mail.per_recipient = v)),
    key("mail.per_sender", "100", "letters in an hour that one person causes, or one address without a session", |c, v| number(v, 1, 1_000_000).map(|v| c.mail.per_sender = v)),
    key("mail.dkim_selector", "", "signs letters: where the domain of mail.from publishes the key, <selector>._domainkey", |c, v| optional(v, word).map(|v| c.mail.dkim_selector = v)),
    hidden("mail.dkim_key", "", "the key for that: RSA as PKCS#1 PEM, or the 32 bytes of an Ed25519 key in base64", |c, v| { c.mail.dkim_key = (!v.is_empty()).then(|| Secret::new(v)); Ok(()) }),
    key("outbox.poll", "2s", "how often the outbox (letters and tasks) is looked at, beside when something is put in here", |c, v| duration(v).map(|v| c.outbox.poll = v)),
    key("outbox.tries", "12", "how often a letter or a task is tried before it is dead", |c, v| number(v, 1, 100).map(|v| c.outbox.tries = v)),
    key("outbox.keep", "90d", "how long a letter that was sent and a task that is done are still shown", |c, v| duration(v).map(|v| c.outbox.keep = v)),
    key("outgoing.private", "", "networks that http.request may reach although they aren't public, comma separated", |c, v| list(v, "a network such as 10.0.0.0/8").map(|v| c.outgoing.private = v)),
    key("outgoing.timeout", "5s", "longest that http.request waits for another server", |c, v| duration(v).map(|v| c.outgoing.timeout = v)),
    key("outgoing.answer", "1048576", "most bytes of another server's answer", |c, v| number(v, 0, 1 << 30).map(|v| c.outgoing.answer = v)),
    key("schedule.poll", "5s", "how often it is looked whether a scheduled action is due", |c, v| duration(v).map(|v| c.schedule_poll = v)),
    key("password.min_length", "8", "fewest characters of a password that is chosen", |c, v| number(v, 6, 128).map(|v| c.password.min_length = v)),
    key("password.words", "", "a file of words that everybody knows, one a line, instead of rowhouse: a password of little else is refused", |c, v| { c.password.words = (!v.is_empty()).then(|| PathBuf::from(v)); Ok(()) }),
    key("password.cost", "11", "bcrypt cost, 10 to 16: each step doubles the time", |c, v| number(v, 10, 16).map(|v| c.password_cost = v)),
    key("limits.header", "10s", "longest wait for a connection's first byte and for a request's head", |c, v| duration(v).map(|v| c.limits.header = v)),
    key("limits.body_time", "15s", "longest that a body may take to arrive", |c, v| duration(v).map(|v| c.limits.body_time = v)),
    key("limits.request", "30s", "longest that a request may take", |c, v| duration(v).map(|v| c.limits.request = v)),
    key("limits.idle", "75s", "longest that a connection may rest between requests", |c, v| duration(v).map(|v| c.limits.idle = v)),
    key("limits.drain", "20s", "longest that a stopping server waits for what still runs", |c, v| duration(v).map(|v| c.limits.drain = v)),
    key("limits.stall", "30s", "longest that a client may take nothing of an answer before its connection is closed", |c, v| duration(v).map(|v| c.limits.stall = v)),
    key("limits.answer", "16777216", "most bytes of an answer", |c, v| number(v, 65_536, 1 << 32).map(|v| c.limits.answer = v)),
    key("limits.answers", "268435456", "most bytes of all answers that wait to be taken, before 503; at least four times limits.answer", |c, v| number(v, 1 << 20, 1 << 40).map(|v| c.limits.answers = v)),
    key("limits.uploads", "32", "most files that are sent and fetched at once", |c, v| number(v, 1, 10_000).map(|v| c.limits.uploads = v)),
    key("limits.connections", "10000", "most connections at once; one address has at most half", |c, v| number(v, 1, 1_000_000).map(|v| c.limits.connections = v)),
    key("limits.body", "1048576", "most bytes of a body", |c, v| number(v, 1024, 1 << 30).map(|v| c.limits.body = v)),
    key("limits.url", "8192", "most bytes of a URL", |c, v| number(v, 256, 65_535).map(|v| c.limits.url = v)),
    key("limits.file", "104857600", "most bytes of a file that is imported", |c, v| number(v, 1024, 1 << 40).map(|v| c.limits.file = v)),
    key("limits.file_time", "10m", "longest that sending such a file may take", |c, v| duration(v).map(|v| c.limits.file_time = v)),
    key("limits.include_depth", "4", "most steps of an include or filter path", |c, v| number(v, 0, 16).map(|v| c.limits.include_depth = v)),
    key("limits.included", "100", "most rows included per parent and path", |c, v| number(v, 1, 10_000).map(|v| c.limits.included = v)),
    key("limits.includes", "20", "most relationships that one include leads along", |c, v| number(v, 1, 1000).map(|v| c.limits.includes = v)),
    key("limits.included_rows", "10000", "most rows that all parents of one included relationship have together", |c, v| number(v, 1, 1_000_000).map(|v| c.limits.included_rows = v)),
    key("limits.filter_terms", "50", "most conditions in a filter", |c, v| number(v, 1, 1000).map(|v| c.limits.filter_terms = v)),
    key("limits.filter_depth", "8", "deepest nesting of a filter", |c, v| number(v, 1, 32).map(|v| c.limits.filter_depth = v)),
    key("limits.links", "1000", "most identifiers in one relationship of a request", |c, v| number(v, 1, 100_000).map(|v| c.limits.links = v)),
    key("limits.offset", "10000", "most rows that page[number] may skip", |c, v| number(v, 0, 10_000_000).map(|v| c.limits.offset = v)),
    key("limits.count", "10000", "how far page[total]=estimated counts", |c, v| number(v, 1, 100_000_000).map(|v| c.limits.count = v)),
    key("limits.operations", "1000", "most operations in one request to /api/operations", |c, v| number(v, 1, 100_000).map(|v| c.limits.operations = v)),
    key("limits.idempotency", "1d", "how long it is known what was done under an Idempotency-Key", |c, v| duration(v).map(|v| c.limits.idempotency = v)),
    key("limits.walk", "2000", "rows of a list that are walked in order before it is put together from what the caller may see", |c, v| number(v, 100, 1_000_000).map(|v| c.limits.walk = v)),
    key("limits.each", "1000", "most rows that an action's read or each works on", |c, v| number(v, 1, 100_000).map(|v| c.limits.each = v)),
    key("limits.action", "33554432", "most bytes that the values and the answer of an action have together; eight times as many are copied and rendered", |c, v| number(v, 65_536, 1 << 32).map(|v| c.limits.action = v)),
    key("limits.call_depth", "4", "deepest that actions may call each other", |c, v| number(v, 1, 32).map(|v| c.limits.call_depth = v)),
    key("limits.hash_queue", "200", "most passwords waiting to be hashed before 503", |c, v| number(v, 1, 100_000).map(|v| c.limits.hash_queue = v)),
    key("limits.hash_wait", "10s", "longest that a password waits to be hashed before 503", |c, v| duration(v).map(|v| c.limits.hash_wait = v)),
    key("limits.signin_per_account", "5", "wrong passwords per account and address in the window, before none is checked any more", |c, v| number(v, 1, 1_000_000).map(|v| c.limits.signin_per_account = v)),
    key("limits.signin_per_person", "20", "wrong passwords for one account in a day from anywhere, before each further one waits twice as long", |c, v| number(v, 1, 1_000_000).map(|v| c.limits.signin_per_person = v)),
    key("limits.signin_per_address", "100", "sign-ins per address in the window, before 429", |c, v| number(v, 1, 100_000_000).map(|v| c.limits.signin_per_address = v)),
    key("limits.signin_window", "15m", "the window in which sign-ins are counted", |c, v| duration(v).and_then(|v| if v <= Duration::from_hours(24) { Ok(v) } else { Err("at most 24h".to_owned()) }).map(|v| c.limits.signin_window = v)),
    key("limits.action_rate", "true", "whether the limits that action files set are kept", |c, v| boolean(v).map(|v| c.limits.action_rate = v)),
    key("language", "en", "the language that people are answered in who ask for none that there is: that of the texts in your files", |c, v| word(v).map(|v| c.language = v.to_lowercase())),
    key("explain_refusals", "false", "whether a refusal (401, 403) says in its meta which phase, entity and right it was", |c, v| boolean(v).map(|v| c.explain_refusals = v)),
    key("page.size", "25", "rows on a page", |c, v| number(v, 1, 10_000).map(|v| c.page.size = v)),
    key("page.total_as", "", "names in `meta` under which every page tells how many rows there are, for clients that look there: total; each page costs a count then", |c, v| members(v).map(|v| c.page.total_as = v)),
    key("page.most", "100", "most rows on a page", |c, v| number(v, 1, 10_000).map(|v| c.page.most = v)),
];

fn optional<T>(v: &str, read: fn(&str) -> Result<T, String>) -> Result<Option<T>, String> {
    if v.is_empty() { Ok(None) } else { read(v).map(Some) }
}

fn path(v: &str) -> Result<PathBuf, String> {
    if v.is_empty() { Err("a folder".to_owned()) } else { Ok(PathBuf::from(v)) }
}

fn word(v: &str) -> Result<String, String> {
    if v.is_empty() || v.chars().any(char::is_control) { Err("a word".to_owned()) } else { Ok(v.to_owned()) }
}

fn boolean(v: &str) -> Result<bool, String> {
    v.parse().map_err(|_| "true or false".to_owned())
}

fn address(v: &str) -> Result<String, String> {
    match v.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => Ok(v.to_owned()),
        _ => Err("an address and port such as 127.0.0.1:6336".to_owned()),
    }
}

fn origin_url(v: &str) -> Result<Option<String>, String> {
    if v.is_empty() {
        return Ok(None);
    }
    let url: http::Uri = v.parse().map_err(|_| "a URL such as https://example.org".to_owned())?;
    match (url.scheme_str(), url.host(), url.path()) {
        (Some("http" | "https"), Some(_), "/") => Ok(Some(v.trim_end_matches('/').to_owned())),
        _ => Err("a URL without a path, such as https://example.org".to_owned()),
    }
}

fn origins(v: &str) -> Result<Vec<String>, String> {
    let is_all = |o: &str| o.trim() == "*";
    if v.split(',').any(is_all) && !is_all(v) {
        return Err("* alone, or origins: all are all".to_owned());
    }
    v.split(',').map(str::trim).filter(|o| !o.is_empty()).map(|o| if o == "*" { Ok(o.to_owned()) } else { origin(o) }).collect()
}

/// Names of headers.
fn headers(v: &str) -> Result<Vec<http::HeaderName>, String> {
    let header = |name: &str| name.parse().map_err(|_| format!("`{name}` is no name of a header"));
    v.split(',').map(str::trim).filter(|name| !name.is_empty()).map(header).collect()
}

/// Names as JSON:API takes them for members; `page` is a member already.
fn members(v: &str) -> Result<Vec<String>, String> {
    let is_inside = |name: &str| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let is_one = |name: &str| name != "page" && is_inside(name) && !name.starts_with('_') && !name.ends_with('_');
    let member = |name: &str| match is_one(name) {
        true => Ok(name.to_owned()),
        false => Err(format!("`{name}` is no name of a member here: letters, digits and _, such as total")),
    };
    let mut members: Vec<String> =
        v.split(',').map(str::trim).filter(|name| !name.is_empty()).map(member).collect::<Result<_, _>>()?;
    members.sort();
    members.dedup();
    Ok(members)
}

/// An origin as browsers spell it: in lower case, without a port that goes without saying.
fn origin(v: &str) -> Result<String, String> {
    let wrong =
        || "* for all, or origins such as https://example.org: scheme, host and port as they are, no part of them *".to_owned();
    let url = origin_url(v).ok().flatten().ok_or_else(wrong)?.to_lowercase();
    let (scheme, rest) = url.split_once("://").ok_or_else(wrong)?;
    if rest.contains(['*', '@', '?']) {
        return Err(wrong());
    }
    let usual = if scheme == "https" { ":443" } else { ":80" };
    Ok(format!("{scheme}://{}", rest.strip_suffix(usual).unwrap_or(rest)))
}

/// Levels, and modules with theirs. (What else a filter may be, matches nothing, and says so nowhere.)
fn log(v: &str) -> Result<String, String> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    let is_level = |word: &str| LEVELS.contains(&word);
    let is_module = |word: &str| !word.is_empty() && word.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':');
    let is_part = |part: &str| match part.split_once('=') {
        Some((module, level)) => is_module(module.trim()) && is_level(level.trim()),
        None => is_level(part),
    };
    match v.split(',').map(str::trim).all(is_part) {
        true => Ok(v.to_owned()),
        false => Err(format!("one of {}, or module=level, comma separated", LEVELS.join(", "))),
    }
}

fn list<T: std::str::FromStr>(v: &str, what: &str) -> Result<Vec<T>, String> {
    v.split(',').map(str::trim).filter(|i| !i.is_empty()).map(|i| i.parse().map_err(|_| what.to_owned())).collect()
}

fn proof(v: &str) -> Result<Proof, String> {
    match v {
        "warm" => Ok(Proof::Warm),
        "cold" => Ok(Proof::Cold),
        "slow" => Ok(Proof::Slow),
        _ => Err("warm, cold or slow".to_owned()),
    }
}

fn over(v: &str) -> Result<bool, String> {
    match v {
        "refuse" => Ok(false),
        "guest" => Ok(true),
        _ => Err("refuse or guest".to_owned()),
    }
}

fn number<T: std::str::FromStr + PartialOrd + fmt::Display>(v: &str, low: T, high: T) -> Result<T, String> {
    match v.parse::<T>() {
        Ok(n) if n >= low && n <= high => Ok(n),
        _ => Err(format!("a number from {low} to {high}")),
    }
}

fn duration(v: &str) -> Result<Duration, String> {
    let wanted = || "a time such as 500ms, 10s, 15m, 1h".to_owned();
    let split = v.find(|c: char| !c.is_ascii_digit()).ok_or_else(wanted)?;
    let amount: u64 = v[..split].parse().map_err(|_| wanted())?;
    let unit = match v[split..].trim() {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return Err(wanted()),
    };
    amount.checked_mul(unit).filter(|ms| *ms > 0 && *ms < 1 << 45).map(Duration::from_millis).ok_or_else(wanted)
}

fn pause(v: &str) -> Result<Duration, String> {
    if v == "0" || v == "0s" { Ok(Duration::ZERO) } else { duration(v) }
}

fn database_url(v: &str) -> Result<Option<Secret>, String> {
    match v {
        "" => Ok(None),
        _ if v.starts_with("postgres://") || v.starts_with("postgresql://") => Ok(Some(Secret::new(v))),
        _ => Err("a URL such as postgres://user:password@host:5432/name".to_owned()),
    }
}

fn master(v: &str) -> Result<Option<Secret>, String> {
    use base64::Engine as _;
    match v {
        "" => Ok(None),
        _ => match base64::engine::general_purpose::STANDARD.decode(v) {
            Ok(bytes) if bytes.len() == 32 => Ok(Some(Secret::new(v))),
            _ => Err("32 bytes in base64 (head -c 32 /dev/urandom | base64)".to_owned()),
        },
    }
}
