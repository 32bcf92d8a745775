//! What an aggregate asks: `group=status,month(created_at)&measure=count,sum(total)&having[count][gt]=1`.
//!
//! In charge of: its grammar. `filter`, `sort` and `page` are as in every query. Pure; it knows no schema.

use super::Query;
use crate::error::Fault;

/// A field, alone or inside a function: `status`, `month(created_at)`, `count`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    /// The function's name, where there is one.
    pub function: Option<String>,
    /// The field's path; empty for `count` alone.
    pub path: Vec<String>,
}

/// An aggregate's parameters.
#[derive(Debug, Default)]
pub struct Aggregate {
    /// What rows are put together by.
    pub groups: Vec<Term>,
    /// What is told of each group.
    pub measures: Vec<Term>,
    /// Conditions on measures: which, operator, value; with the parameter's name.
    pub having: Vec<(Term, String, String, String)>,
    /// Where days, months, quarters and years begin; none: in UTC.
    pub zone: Option<String>,
    /// Orders, and whether each descends.
    pub sort: Vec<(Term, bool)>,
    /// Filter and page.
    pub query: Query,
}

impl Term {
    /// Reads `f(a.b)` or `a.b`; none where it is neither.
    pub fn read(text: &str) -> Option<Term> {
        let path = |text: &str| text.split('.').map(str::to_owned).collect::<Vec<_>>();
        match text.split_once('(') {
            None if text == "count" => Some(Term { function: Some("count".to_owned()), path: vec![] }),
            None if text.is_empty() || text.contains(')') => None,
            None => Some(Term { function: None, path: path(text) }),
            Some((function, rest)) => {
                let field = rest.strip_suffix(')').filter(|f| !f.is_empty() && !f.contains(['(', ')']))?;
                Some(Term { function: Some(function.to_owned()), path: path(field) })
            }
        }
    }

    /// As it is written in a query.
    pub fn written(&self) -> String {
        match (&self.function, self.path.is_empty()) {
            (Some(function), true) => function.clone(),
            (Some(function), false) => format!("{function}({})", self.path.join(".")),
            (None, _) => self.path.join("."),
        }
    }

    /// As an attribute may be called (JSON:API, member names).
    pub fn member(&self) -> String {
        self.function.iter().chain(&self.path).map(String::as_str).collect::<Vec<_>>().join("_")
    }
}

impl Aggregate {
    /// Takes a query string apart. Faults are kept in `query`: they wait for the verdict of the permissions.
    pub fn read(text: &str) -> Aggregate {
        let (found, faults) = super::parameters(text);
        let found = super::joined(found, |name| matches!(name, "group" | "measure" | "sort"));
        let mut read = Aggregate { query: Query { faults, ..Query::default() }, ..Aggregate::default() };
        let mut seen: Vec<&str> = vec![];
        for (name, value) in &found {
            if seen.contains(&name.as_str()) {
                read.query.fault(name, "twice", "is given twice");
                continue;
            }
            seen.push(name);
            match super::family(name) {
                Some(("group", members)) if members.is_empty() => read.groups = read.terms(name, value),
                Some(("measure", members)) if members.is_empty() => read.measures = read.terms(name, value),
                Some(("sort", members)) if members.is_empty() => {
                    let keys: Vec<_> =
                        super::list(value).map(|k| k.strip_prefix('-').map_or((k, false), |k| (k, true))).collect();
                    read.sort = keys.into_iter().filter_map(|(k, descends)| Some((read.term(name, k)?, descends))).collect();
                }
                Some(("having", members)) if matches!(members.len(), 1 | 2) => {
                    let operator = members.get(1).map_or("eq", |o| *o).to_owned();
                    if let Some(term) = read.term(name, members[0]) {
                        read.having.push((term, operator, value.clone(), name.clone()));
                    }
                }
                Some(("zone", members)) if members.is_empty() => match jiff::tz::TimeZone::get(value) {
                    Ok(zone) if zone.iana_name().is_some() => read.zone = Some(value.clone()),
                    _ => read.query.fault(name, "bad-zone", "is a zone of the time zone database, such as Europe/Berlin"),
                },
                Some(("filter", _)) => read.query.parameter(name, value),
                Some(("page", members)) if matches!(members.as_slice(), ["size" | "number"]) => read.query.parameter(name, value),
                _ => read.query.fault(
                    name,
                    "unknown-parameter",
                    "is unknown here; known: group, measure, filter[field], having[measure], sort, zone, page[size|number]",
                ),
            }
        }
        if read.measures.is_empty() {
            read.measures.push(Term { function: Some("count".to_owned()), path: vec![] });
        }
        read
    }

    fn terms(&mut self, name: &str, value: &str) -> Vec<Term> {
        super::list(value).filter_map(|text| self.term(name, text)).collect()
    }

    fn term(&mut self, name: &str, text: &str) -> Option<Term> {
        let term = Term::read(text);
        if term.is_none() {
            let words = format!("`{}` is neither a field nor a function of one.", crate::error::short(text));
            self.query.faults.push(Fault::new("bad-parameter", words).parameter(name));
        }
        term
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_read_and_written() {
        for good in ["status", "a.b", "month(created_at)", "count", "sum(a.b)", "count(x)"] {
            assert_eq!(Term::read(good).map(|t| t.written()).as_deref(), Some(good));
        }
        assert_eq!(Term::read("sum(a.b)").map(|t| t.member()).as_deref(), Some("sum_a_b"));
        for bad in ["", "sum(", "sum()", "sum)x(", "a(b(c))", "a)"] {
            assert_eq!(Term::read(bad), None, "{bad}");
        }
    }

    #[test]
    fn parameters_fall_into_place() {
        let read = Aggregate::read(
            "group=status,month(created_at)&measure=count,sum(x)&having[sum(x)][gt]=3&sort=-count&page[size]=5&filter[a]=b",
        );
        assert!(read.query.faults.is_empty(), "{:?}", read.query.faults);
        assert_eq!((read.groups.len(), read.measures.len(), read.having.len(), read.sort[0].1), (2, 2, 1, true));
        let bad = Aggregate::read("group=a(&x=1&page[after]=x&having[a][b][c]=1&fields[a]=b&zone=Mars/Olympus");
        assert_eq!(bad.query.faults.len(), 6, "{:?}", bad.query.faults);
    }
}
