//! What was asked: URL, headers and body → a request, or all of its faults at once.
//!
//! In charge of: JSON:API's grammar. Pure; it knows no schema: names are resolved in `plan`.

pub mod aggregate;
pub mod body;
pub mod media;
pub mod number;
pub mod once;
pub mod operation;
pub mod precondition;

use percent_encoding::percent_decode_str;

use crate::error::{Fault, Result};

/// The keys of an order: a path each, and whether it descends.
pub type Keys = Vec<(Vec<String>, bool)>;

/// A query string, taken apart.
#[derive(Debug, Default)]
pub struct Query {
    /// Paths of `include`; none when the parameter is missing, empty when it is empty.
    pub include: Option<Vec<Vec<String>>>,
    /// `fields[type]` → names.
    pub fields: Vec<(String, Vec<String>)>,
    /// Paths of `sort`, and whether each descends.
    pub sort: Keys,
    /// `sort[rel]`: the order of what is included along a path, and the text.
    pub sort_included: Vec<(Vec<String>, Keys, String)>,
    /// `page[rel][size]`: how many are included along a path.
    pub size_included: Vec<(Vec<String>, i64)>,
    /// Conditions.
    pub filters: Vec<RawFilter>,
    /// The page.
    pub page: RawPage,
    /// What can't be understood.
    pub faults: Vec<Fault>,
}

/// A condition as it was written.
#[derive(Debug)]
pub enum RawFilter {
    /// `filter[a.b][op]=value`, or `filter[rel][a.b][op]=value` of what is included.
    Plain {
        /// The parameter's name, for faults.
        parameter: String,
        /// What stands in the brackets: one to three.
        members: Vec<String>,
        /// The text.
        value: String,
    },
    /// `filter={…}`
    Tree(serde_json::Value),
}

/// `page[…]` as it was written.
#[derive(Debug, Default)]
#[allow(missing_docs)]
pub struct RawPage {
    pub size: Option<i64>,
    pub number: Option<i64>,
    pub after: Option<String>,
    pub before: Option<String>,
    pub total: Option<Total>,
}

/// How `page[total]` is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Total {
    /// To the end.
    Exact,
    /// As far as the configuration says.
    Estimated,
}

/// The segments of a path, decoded.
///
/// # Errors
/// A fault where the percent-encoding is broken, or decodes to NUL or to no UTF-8.
pub fn segments(path: &str) -> Result<Vec<String>, Fault> {
    let decode = |s: &str| {
        decode(s)
            .ok_or_else(|| Fault::new("bad-encoding", "The path's percent-encoding is broken, or decodes to NUL or to no UTF-8."))
    };
    path.split('/').skip(1).map(decode).collect()
}

fn decode(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let hex = |b: Option<&u8>| b.is_some_and(u8::is_ascii_hexdigit);
    let whole = bytes.iter().enumerate().all(|(i, b)| *b != b'%' || hex(bytes.get(i + 1)) && hex(bytes.get(i + 2)));
    let decoded = percent_decode_str(text).decode_utf8().ok().filter(|t| whole && !t.contains('\0'))?;
    Some(decoded.into_owned())
}

/// A query string's parameters, decoded (`+` is a space).
pub fn parameters(query: &str) -> (Vec<(String, String)>, Vec<Fault>) {
    let (mut found, mut faults) = (vec![], vec![]);
    for pair in query.split('&').filter(|p| !p.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        match (decode(&name.replace('+', " ")), decode(&value.replace('+', " "))) {
            (Some(name), Some(value)) => found.push((name, value)),
            (name, _) => {
                let shown = name.unwrap_or_else(|| "?".to_owned());
                faults.push(
                    Fault::new("bad-encoding", "The query's percent-encoding is broken, or decodes to NUL or to no UTF-8.")
                        .parameter(shown),
                );
            }
        }
    }
    (found, faults)
}

impl Query {
    /// Takes a query string apart. Faults are kept in it: they wait for the verdict of the permissions.
    pub fn read(query: &str) -> Query {
        let mut read = Query::default();
        let (found, faults) = parameters(query);
        read.faults = faults;
        let found = joined(found, |name| matches!(name, "include" | "sort") || name.starts_with("fields["));
        let (mut seen, mut lists): (Vec<&str>, Vec<(String, Vec<&str>)>) = (vec![], vec![]);
        for (name, value) in &found {
            if let Some(list) = listed(name) {
                match lists.iter_mut().find(|(of, _)| *of == list) {
                    Some((_, values)) => values.push(value),
                    None => lists.push((list, vec![value])),
                }
                continue;
            }
            if seen.contains(&name.as_str()) {
                read.fault(name, "twice", "is given twice");
                continue;
            }
            seen.push(name);
            read.parameter(name, value);
        }
        for (name, values) in &lists {
            match seen.contains(&name.as_str()) {
                true => read.fault(name, "twice", "is given twice"),
                false => read.parameter(name, &serde_json::json!(values).to_string()),
            }
        }
        read
    }

    fn fault(&mut self, parameter: &str, code: &'static str, words: &str) {
        self.faults.push(Fault::new(code, format!("`{parameter}` {words}.")).parameter(parameter));
    }

    fn parameter(&mut self, name: &str, value: &str) {
        let Some((family, members)) = family(name) else {
            return self.fault(name, "bad-parameter", "is not a legal parameter name");
        };
        match (family, members.as_slice()) {
            ("include", []) => self.include = Some(list(value).map(path).collect()),
            ("sort", []) => self.sort = keys(value),
            ("sort", [relation]) => self.sort_included.push((path(relation), keys(value), value.to_owned())),
            ("fields", [kind]) => self.fields.push(((*kind).to_owned(), list(value).map(str::to_owned).collect())),
            ("filter", []) => match body::json(value.as_bytes()) {
                Ok(tree @ serde_json::Value::Object(_)) => self.filters.push(RawFilter::Tree(tree)),
                _ => self.fault(name, "bad-filter", "must be a JSON object, or be written filter[field]=value"),
            },
            ("filter", members) if members.len() <= 3 => self.filters.push(RawFilter::Plain {
                parameter: name.to_owned(),
                members: members.iter().map(|m| (*m).to_owned()).collect(),
                value: value.to_owned(),
            }),
            ("page", [relation, "size"]) => {
                let size = self.number(name, value);
                self.size_included.extend(size.map(|size| (path(relation), size)));
            }
            ("page", ["size"]) => self.page.size = self.number(name, value),
            ("page", ["number"]) => self.page.number = self.number(name, value),
            ("page", ["total"]) => match value {
                "exact" => self.page.total = Some(Total::Exact),
                "estimated" => self.page.total = Some(Total::Estimated),
                _ => self.fault(name, "bad-page", "is exact or estimated"),
            },
            ("page", ["after"]) => self.page.after = Some(value.to_owned()),
            ("page", ["before"]) => self.page.before = Some(value.to_owned()),
            _ => self.fault(
                name,
                "unknown-parameter",
                "is unknown here; known: include, fields[type], sort, filter[field], page[size|after|before|number|total], and of what is included sort[rel], filter[rel][field], page[rel][size]",
            ),
        }
    }

    fn number(&mut self, name: &str, value: &str) -> Option<i64> {
        let number = value.parse().ok().filter(|n: &i64| *n > 0);
        if number.is_none() {
            self.fault(name, "bad-page", "must be a whole number above 0");
        }
        number
    }
}

/// Parameters that are lists, and come value by value, as one: `sort=a&sort=b` is `sort=a,b`.
fn joined(found: Vec<(String, String)>, is_list: impl Fn(&str) -> bool) -> Vec<(String, String)> {
    let mut joined: Vec<(String, String)> = vec![];
    for (name, value) in found {
        match joined.iter_mut().find(|(known, _)| *known == name && is_list(known)) {
            Some((_, values)) => {
                values.push(',');
                values.push_str(&value);
            }
            None => joined.push((name, value)),
        }
    }
    joined
}

/// The condition of which a parameter brings one value of several, as forms and clients write lists: `filter[id][]=…` and
/// `filter[id][0]=…` are values of `filter[id][in]`.
fn listed(name: &str) -> Option<String> {
    let (filter, members) = family(name)?;
    let (last, members) = members.split_last()?;
    if filter != "filter" || members.is_empty() || !last.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let is_said = members.last().is_some_and(|word| matches!(*word, "in" | "nin"));
    let members: String = members.iter().chain((!is_said).then_some(&"in")).map(|member| format!("[{member}]")).collect();
    Some(format!("filter{members}"))
}

fn list(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').filter(|v| !v.is_empty())
}

/// Reads an order.
pub fn keys(value: &str) -> Keys {
    list(value).map(|s| s.strip_prefix('-').map_or((path(s), false), |s| (path(s), true))).collect()
}

/// The steps of `a.b`.
pub fn path(value: &str) -> Vec<String> {
    value.split('.').map(str::to_owned).collect()
}

/// `filter[a][b]` → `filter`, [`a`, `b`]; none where brackets don't match.
fn family(name: &str) -> Option<(&str, Vec<&str>)> {
    let Some(open) = name.find('[') else { return (!name.contains(']')).then_some((name, vec![])) };
    let (family, mut rest) = name.split_at(open);
    let mut members = vec![];
    while !rest.is_empty() {
        let (member, after) = rest.strip_prefix('[')?.split_once(']')?;
        if member.contains('[') {
            return None;
        }
        members.push(member);
        rest = after;
    }
    Some((family, members))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn qp4_qp5_brackets_and_plus_are_read_as_forms_write_them() {
        let query = Query::read("filter%5Ba.b%5D%5Bcontains%5D=x+y%2B&fields[a]=b,c&fields[d]=&sort=-a,b.c");
        assert!(query.faults.is_empty(), "{:?}", query.faults);
        let RawFilter::Plain { members, value, .. } = &query.filters[0] else { panic!("plain") };
        assert_eq!((members.join("/").as_str(), value.as_str()), ("a.b/contains", "x y+"));
        assert_eq!(query.fields[1], ("d".to_owned(), vec![]));
        assert_eq!(query.sort[0], (vec!["a".to_owned()], true));
    }

    #[test]
    fn values_of_a_list_are_one_condition_however_they_are_written() {
        for query in
            ["filter[id][]=a&filter[id][]=b,c", "filter[id][0]=a&filter[id][1]=b,c", "filter[id][in][]=a&filter[id][in][]=b,c"]
        {
            let query = Query::read(query);
            assert!(query.faults.is_empty(), "{:?}", query.faults);
            let [RawFilter::Plain { members, value, .. }] = query.filters.as_slice() else { panic!("one condition") };
            assert_eq!((members.join("/").as_str(), value.as_str()), ("id/in", "[\"a\",\"b,c\"]"));
        }
        assert_eq!(Query::read("filter[id][in]=a&filter[id][]=b").faults.len(), 1, "said in two ways");
        assert_eq!(Query::read("filter[]=a").faults.len(), 0, "is for who knows the fields to complain of");
    }

    #[test]
    fn lists_may_come_value_by_value() {
        let query = Query::read("include=a&sort=-b&include=c,d&sort=e&fields[x]=f&fields[x]=g");
        assert!(query.faults.is_empty(), "{:?}", query.faults);
        assert_eq!((query.include.map(|paths| paths.len()), query.sort.len(), query.fields[0].1.len()), (Some(3), 2, 2));
    }

    #[test]
    fn qp1_qp3_every_fault_is_told_at_once() {
        let query = Query::read("foo=1&filter[_=1&page[size]=0&page[x]=1&page[after]=a&page[after]=b&fields=x&q=%zz");
        assert_eq!(query.faults.len(), 7, "{:?}", query.faults);
    }

    #[test]
    fn broken_encoding_and_nul_are_no_path() {
        assert_eq!(segments("/api/gr%C3%B6%C3%9Fe").expect("good"), ["api", "größe"]);
        for bad in ["/a%", "/%zz", "/%ff", "/a%00b"] {
            assert!(segments(bad).is_err(), "{bad}");
        }
    }
}
