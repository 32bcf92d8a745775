//! A conformance suite for [JSON:API 1.1](https://jsonapi.org/format/1.1/), the Atomic Operations extension and the
//! Cursor Pagination profile, aimed at any server by its base URL.
//!
//! [`run`] tries every rule of [`rules`] over real HTTP. Some rules are checks that make requests of their own; some
//! are watched: every response of the whole run is looked at, and one that breaks the rule is enough. Many are both.
//! The suite makes the resources that it needs and deletes them at the end, as far as the server lets it.
//!
//! ```no_run
//! # async fn example() -> Result<(), conformance::TargetError> {
//! let target = conformance::Target::from_json("http://127.0.0.1:7001/api", include_str!("../newsroom.json"))?;
//! let report = conformance::run(&target).await;
//! assert!(report.conforms(), "{report}");
//! # Ok(())
//! # }
//! ```
//!
//! What the suite has to know about a server is a small [`Description`]; the README shows one.

mod atomic;
mod cursor;
mod document;
mod exchange;
mod faults;
mod fetching;
mod fixture;
mod linking;
mod media;
mod narrowing;
mod negotiation;
mod observe;
mod query;
mod report;
mod rules;
mod structure;
mod suite;
mod target;
mod writing;

pub use report::{Finding, Level, Outcome, Report};
pub use rules::{Rule, rules};
pub use target::{Description, Filter, Kind, Relation, Target, TargetError};

/// Tries every rule on the target, one after the other, and reports on each exactly once.
///
/// Nothing is thrown: a server that can't be reached is a server on which every rule is broken.
pub async fn run(target: &Target) -> Report {
    let suite = suite::Suite::new(target);
    let mut verdicts = Vec::new();
    for rule in rules() {
        verdicts.push(match rule.check {
            Some(check) => Some(check(&suite).await),
            None => None,
        });
    }
    suite.clear().await;
    // Only now: what is watched may break in the very last response.
    Report { results: rules().iter().zip(verdicts).map(|(rule, verdict)| suite.finding(rule, verdict)).collect() }
}
