//! Filters: `filter[a.b][op]=x` and the JSON tree, resolved and with values checked.
//!
//! In charge of: which operators a type has (only such as can't raise an error in PostgreSQL), and the limits on size
//! and depth. Pure.

use serde_json::Value as Json;

use super::Planner;
use crate::error::Fault;
use crate::request::{RawFilter, body, path};
use crate::schema::kind::{Kind, written};
use crate::schema::{Column, Entity, Relation};

/// A condition on a row.
#[derive(Debug)]
pub enum Filter<'s> {
    /// All hold.
    And(Vec<Filter<'s>>),
    /// One holds.
    Or(Vec<Filter<'s>>),
    /// It doesn't hold.
    Not(Box<Filter<'s>>),
    /// A comparison, at the end of a path through relations ("any of them").
    Compare {
        /// The relations.
        steps: Vec<&'s Relation>,
        /// The column; none: the id.
        column: Option<&'s Column>,
        /// How it compares.
        operator: Operator,
        /// To what, checked: as many as the operator takes.
        values: Vec<String>,
    },
}

/// How a column is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Operator {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    In,
    NotIn,
    Null,
    NotNull,
    Contains,
    ContainsIgnoringCase,
    Starts,
}

const OPERATORS: &[(&str, Operator)] = &[
    ("eq", Operator::Eq),
    ("ne", Operator::Ne),
    ("lt", Operator::Lt),
    ("le", Operator::Le),
    ("gt", Operator::Gt),
    ("ge", Operator::Ge),
    ("in", Operator::In),
    ("nin", Operator::NotIn),
    ("null", Operator::Null),
    ("contains", Operator::Contains),
    ("icontains", Operator::ContainsIgnoringCase),
    ("starts", Operator::Starts),
];

impl Operator {
    /// The word that stands for it, in shapes.
    pub fn word(self) -> &'static str {
        OPERATORS.iter().find(|(_, operator)| *operator == self).map_or("set", |(word, _)| word)
    }

    /// Whether it compares with a value.
    pub fn takes_values(self) -> bool {
        !matches!(self, Operator::Null | Operator::NotNull)
    }

    /// Whether it only compares values as a whole (`permissions.md` §4): it can't raise, and costs the same for all.
    pub fn is_comparison(self) -> bool {
        match self {
            Operator::Eq | Operator::Ne | Operator::Lt | Operator::Le | Operator::Gt | Operator::Ge => true,
            Operator::In | Operator::NotIn | Operator::Null | Operator::NotNull => true,
            Operator::Contains | Operator::ContainsIgnoringCase | Operator::Starts => false,
        }
    }
}

struct Reader<'p, 's> {
    planner: &'p Planner<'s>,
    entity: &'s Entity,
    named: &'p mut Vec<&'s Entity>,
    guest_faults: &'p mut Vec<Fault>,
    terms: &'p mut usize,
}

/// Resolves a condition; none, and a fault, where it can't be.
pub fn plan<'s>(
    planner: &Planner<'s>,
    entity: &'s Entity,
    raw: &RawFilter,
    terms: &mut usize,
    named: &mut Vec<&'s Entity>,
    [faults, guest_faults]: [&mut Vec<Fault>; 2],
) -> Option<Filter<'s>> {
    let before = guest_faults.len();
    let mut reader = Reader { planner, entity, named, guest_faults, terms };
    let (parameter, found) = match raw {
        RawFilter::Plain { parameter, members, value } => (parameter.as_str(), reader.plain(members, value)),
        RawFilter::Tree(tree) => ("filter", reader.tree(tree, 0)),
    };
    for fault in &mut guest_faults[before..] {
        *fault = fault.clone().parameter(parameter);
    }
    found.map_err(|fault| faults.push(fault.parameter(parameter))).ok()
}

impl<'s> Reader<'_, 's> {
    /// `[field]`, or `[field, operator]`; with neither, the text is a tree.
    fn plain(&mut self, members: &[String], value: &str) -> Result<Filter<'s>, Fault> {
        let text = Json::String(value.to_owned());
        match members {
            [] => match body::json(value.as_bytes()) {
                Ok(tree) => self.tree(&tree, 0),
                Err(_) => Err(Fault::new("bad-filter", "A JSON object, or filter[relation][field]=value, is wanted.")),
            },
            [field] => self.compare(&path(field), "eq", &text, true),
            [field, operator] => self.compare(&path(field), operator, &text, true),
            _ => Err(Fault::new("bad-filter", "A condition is filter[field][operator]; three brackets shape a to-many include.")),
        }
    }

    fn tree(&mut self, tree: &Json, depth: usize) -> Result<Filter<'s>, Fault> {
        let bad = |words: String| Err(Fault::new("bad-filter", words));
        if depth > self.planner.limits.filter_depth {
            return bad(format!("A filter nests at most {} deep.", self.planner.limits.filter_depth));
        }
        let Some((word, value)) = tree.as_object().filter(|o| o.len() == 1).and_then(|o| o.iter().next()) else {
            return bad("Each part of a filter is an object with one key: and, or, not, or an operator.".to_owned());
        };
        match (word.as_str(), value) {
            ("and" | "or", Json::Array(parts)) if !parts.is_empty() => {
                let parts = parts.iter().map(|p| self.tree(p, depth + 1)).collect::<Result<_, _>>()?;
                Ok(if word == "and" { Filter::And(parts) } else { Filter::Or(parts) })
            }
            ("not", part) => Ok(Filter::Not(Box::new(self.tree(part, depth + 1)?))),
            (operator, Json::Array(parts)) if parts.len() == 2 => {
                let Some(path) = parts[0].as_str() else {
                    return bad("An operator takes a field's name and a value.".to_owned());
                };
                let path: Vec<_> = path.split('.').map(str::to_owned).collect();
                self.compare(&path, operator, &parts[1], false)
            }
            _ => bad(format!("`{word}` takes a list: of filters (and, or), or of a field's name and a value (operators).")),
        }
    }

    fn compare(&mut self, path: &[String], operator: &str, value: &Json, is_query: bool) -> Result<Filter<'s>, Fault> {
        *self.terms += 1;
        if *self.terms > self.planner.limits.filter_terms {
            return Err(Fault::new(
                "bad-filter",
                format!("A filter has at most {} conditions.", self.planner.limits.filter_terms),
            ));
        }
        let field = path.join(".");
        let unknown = || Fault::new("unknown-field", format!("{} has no field `{field}` to filter by.", self.entity.name));
        let (steps, column) = self.planner.path(self.entity, path, self.named).map_err(|()| unknown())?;
        self.guest_faults.extend(column.filter(|c| c.is_limited()).map(|_| unknown()));
        let kind = column.map_or(&Kind::Uuid, |c| &c.kind);
        let known = OPERATORS.iter().find(|(word, o)| *word == operator && fits(kind, *o)).map(|(_, o)| *o);
        let Some(operator) = known else {
            let words: Vec<_> = OPERATORS.iter().filter(|(_, o)| fits(kind, *o)).map(|(w, _)| *w).collect();
            return Err(Fault::new("unknown-operator", format!("`{field}` can be compared by: {}.", words.join(", "))));
        };
        let wrong = |words: String| Fault::new("bad-filter", format!("`{field}` {words}."));
        let one = |value: &Json| match (value, is_query) {
            (Json::String(text), _) if is_query || kind.wire() != crate::schema::kind::Wire::Boolean => {
                kind.check_query(text).map_err(wrong)
            }
            (Json::Number(_) | Json::Bool(_), false) => kind.check_query(&value.to_string()).map_err(wrong),
            (Json::Object(_), false) if written(value).is_some() => {
                kind.check_query(written(value).unwrap_or_default()).map_err(wrong)
            }
            _ => Err(wrong("can't be compared to this".to_owned())),
        };
        let compare = |operator, values| Ok(Filter::Compare { steps, column, operator, values });
        match operator {
            Operator::Null => match value.as_bool().or_else(|| value.as_str().and_then(|t| t.parse().ok())) {
                Some(true) => compare(Operator::Null, vec![]),
                Some(false) => compare(Operator::NotNull, vec![]),
                None => Err(wrong("[null] takes true or false".to_owned())),
            },
            Operator::In | Operator::NotIn => {
                let listed = match value {
                    Json::Array(items) => items.clone(),
                    Json::String(text) if text.starts_with('[') => match crate::request::body::json(text.as_bytes()) {
                        Ok(Json::Array(items)) => {
                            let text = |item: &Json| written(item).map_or_else(|| item.to_string(), str::to_owned);
                            items.into_iter().map(|i| if i.is_string() { i } else { Json::String(text(&i)) }).collect()
                        }
                        _ => return Err(wrong("takes values with commas between them, or a JSON array".to_owned())),
                    },
                    Json::String(text) => text.split(',').map(|t| Json::String(t.to_owned())).collect(),
                    _ => return Err(wrong("takes a list".to_owned())),
                };
                if listed.len() > self.planner.limits.links {
                    return Err(wrong(format!("takes at most {} values", self.planner.limits.links)));
                }
                compare(operator, listed.iter().map(one).collect::<Result<_, _>>()?)
            }
            _ => compare(operator, vec![one(value)?]),
        }
    }
}

/// The words that a filter tree is made of.
pub fn words() -> impl Iterator<Item = &'static str> {
    ["and", "or", "not"].into_iter().chain(OPERATORS.iter().map(|(word, _)| *word))
}

/// Checks an operator against a column's type, for files.
///
/// # Errors
/// Words that say which there are.
pub fn check_operator(kind: &Kind, word: &str) -> Result<(), String> {
    match OPERATORS.iter().any(|(w, o)| *w == word && fits(kind, *o)) {
        true => Ok(()),
        false => Err(OPERATORS.iter().filter(|(_, o)| fits(kind, *o)).map(|(w, _)| *w).collect::<Vec<_>>().join(", ")),
    }
}

/// Which operators a type has.
fn fits(kind: &Kind, operator: Operator) -> bool {
    match operator {
        Operator::Null | Operator::NotNull => true,
        Operator::Eq | Operator::Ne | Operator::In | Operator::NotIn => *kind != Kind::Json,
        Operator::Contains | Operator::ContainsIgnoringCase | Operator::Starts => kind.is_text(),
        Operator::Lt | Operator::Le | Operator::Gt | Operator::Ge => kind.is_ordered() && *kind != Kind::Uuid,
    }
}
