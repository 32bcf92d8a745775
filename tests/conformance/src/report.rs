//! What came out: one finding for each rule, printed by section.

use std::fmt;

use serde::Serialize;

/// How strongly the specification asks for a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Level {
    /// MUST: broken, it fails the run.
    #[serde(rename = "M")]
    Must,
    /// SHOULD.
    #[serde(rename = "S")]
    Should,
    /// Part of the rule is MUST, part SHOULD; a finding of a broken rule says which part it was.
    #[serde(rename = "S/M")]
    Mixed,
    /// Neither: a note of the specification, or a courtesy.
    #[serde(rename = "–")]
    Open,
}

impl Level {
    /// Whether breaking it breaks conformance.
    pub fn binds(self) -> bool {
        matches!(self, Self::Must | Self::Mixed)
    }
}

impl fmt::Display for Level {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(match self {
            Self::Must => "M",
            Self::Should => "S",
            Self::Mixed => "S/M",
            Self::Open => "–",
        })
    }
}

/// What became of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", content = "why", rename_all = "kebab-case")]
pub enum Outcome {
    /// It was tried and held.
    Held,
    /// It was broken: what was asked, what came, what was expected.
    Broken(String),
    /// It could not be tried, and why.
    NotApplicable(String),
}

/// One rule and what became of it.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// The rule's id.
    pub id: &'static str,
    /// Its level; if it was broken, that of the part that was.
    pub level: Level,
    /// Its words.
    pub rule: &'static str,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// All findings, in the order of the table of rules.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// One for each rule.
    pub results: Vec<Finding>,
}

impl Report {
    /// The findings of broken rules, of any level.
    pub fn broken(&self) -> impl Iterator<Item = &Finding> {
        self.results.iter().filter(|finding| matches!(finding.outcome, Outcome::Broken(_)))
    }

    /// Whether nothing that binds is broken.
    pub fn conforms(&self) -> bool {
        !self.broken().any(|finding| finding.level.binds())
    }

    /// The counts, in words.
    pub fn summary(&self) -> String {
        let count = |wanted: fn(&Outcome) -> bool| self.results.iter().filter(|finding| wanted(&finding.outcome)).count();
        let binding = self.broken().filter(|finding| finding.level.binds()).count();
        format!(
            "{} rules: {} held, {} broken ({binding} MUST), {} not applicable",
            self.results.len(),
            count(|outcome| *outcome == Outcome::Held),
            self.broken().count(),
            count(|outcome| matches!(outcome, Outcome::NotApplicable(_))),
        )
    }
}

/// The sections by the letters that their ids begin with.
const SECTIONS: [(&str, &str); 8] = [
    ("CN", "Content Negotiation"),
    ("DS", "Document Structure"),
    ("FE", "Fetching"),
    ("CU", "Creating, updating, deleting"),
    ("QP", "Query parameters"),
    ("ER", "Errors"),
    ("AO", "Atomic Operations extension"),
    ("CP", "Cursor Pagination profile"),
];

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (letters, title) in SECTIONS {
            writeln!(out, "{title}")?;
            for finding in self.results.iter().filter(|finding| finding.id.starts_with(letters)) {
                let (word, why) = match &finding.outcome {
                    Outcome::Held => ("held", None),
                    Outcome::Broken(why) => ("broken", Some(why)),
                    Outcome::NotApplicable(why) => ("not applicable", Some(why)),
                };
                writeln!(out, "  {:<5} {:<4} {word:<15} {}", finding.id, finding.level, finding.rule)?;
                if let Some(why) = why {
                    writeln!(out, "  {:>27}{why}", "")?;
                }
            }
            writeln!(out)?;
        }
        writeln!(out, "{}", self.summary())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(level: Level, outcome: Outcome) -> Finding {
        Finding { id: "CN1", level, rule: "words", outcome }
    }

    #[test]
    fn only_what_binds_fails_the_run() {
        let lapse = finding(Level::Should, Outcome::Broken("why".into()));
        let mut report = Report { results: vec![lapse, finding(Level::Must, Outcome::Held)] };
        assert!(report.conforms());
        report.results.push(finding(Level::Mixed, Outcome::Broken("why".into())));
        assert!(!report.conforms());
        assert_eq!(report.summary(), "3 rules: 1 held, 2 broken (1 MUST), 0 not applicable");
    }

    #[test]
    fn a_finding_is_flat_in_json() {
        let held = serde_json::to_value(finding(Level::Must, Outcome::Held)).expect("good");
        assert_eq!(held, serde_json::json!({"id": "CN1", "level": "M", "rule": "words", "outcome": "held"}));
        let broken = serde_json::to_value(finding(Level::Open, Outcome::NotApplicable("no".into()))).expect("good");
        assert_eq!(broken["outcome"], "not-applicable");
        assert_eq!(broken["why"], "no");
    }

    #[test]
    fn every_rule_has_a_section() {
        for rule in crate::rules() {
            assert!(SECTIONS.iter().any(|(letters, _)| rule.id.starts_with(letters)), "{}", rule.id);
        }
    }
}
