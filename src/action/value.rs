//! Values of action files: `"{{name}}"` keeps its JSON type, inside text it is rendered, a missing name is an error.
//!
//! In charge of: templates and conditions, at load and at run time.

use std::collections::HashMap;
use std::io;
use std::sync::LazyLock;

use handlebars::{Context, Handlebars};
use minijinja::{Environment, UndefinedBehavior, filters, tests};
use regex::Regex;
use serde_json::{Map, Value as Json};

use crate::budget::{Budget, Exceeded, weight};
use crate::error::{Error, Fault, Result};
use crate::template;

/// A value that may name others.
#[derive(Debug, Clone, PartialEq)]
pub enum Template {
    /// As it stands.
    Literal(Json),
    /// `"{{a.b}}"` alone.
    Path(String),
    /// Text around names.
    Text(String),
    /// A list of values.
    List(Vec<Template>),
    /// An object of values.
    Map(Vec<(String, Template)>),
}

impl Template {
    /// Reads a value of a file.
    pub fn read(json: Json) -> Template {
        let text = match &json {
            Json::String(text) => text,
            Json::Array(items) => return Template::List(items.iter().cloned().map(Template::read).collect()),
            Json::Object(map) => return Template::Map(map.iter().map(|(n, v)| (n.clone(), Template::read(v.clone()))).collect()),
            _ => return Template::Literal(json),
        };
        let alone = text.trim().strip_prefix("{{").and_then(|t| t.strip_suffix("}}")).map(str::trim);
        match alone.filter(|t| !t.is_empty() && t.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '.')) {
            Some(path) => Template::Path(path.to_owned()),
            None if text.contains("{{") => Template::Text(text.clone()),
            None => Template::Literal(json),
        }
    }

    /// The text that it is, where it is one.
    pub fn text(&self) -> Option<&str> {
        match self {
            Template::Literal(Json::String(text)) | Template::Text(text) => Some(text),
            Template::Literal(_) | Template::Path(_) | Template::List(_) | Template::Map(_) => None,
        }
    }

    /// The names that it starts from, or what is wrong with it.
    ///
    /// # Errors
    /// Words for the file's author.
    pub fn names(&self) -> Result<Vec<String>, String> {
        let root = |path: String| path.split('.').next().unwrap_or_default().to_owned();
        Ok(self.paths()?.into_iter().map(root).collect())
    }

    /// The paths that it takes, from a name on: `subject.title`; or what is wrong with it.
    ///
    /// # Errors
    /// Words for the file's author.
    pub fn paths(&self) -> Result<Vec<String>, String> {
        match self {
            Template::Literal(_) => Ok(vec![]),
            Template::Path(path) => Ok(vec![path.clone()]),
            Template::List(items) => all_paths(items.iter()),
            Template::Map(items) => all_paths(items.iter().map(|(_, t)| t)),
            Template::Text(text) => {
                let template = handlebars::Template::compile(text).map_err(|e| format!("not a template: {e}"))?;
                template::paths(&template, false).map_err(|words| format!("not a template: {words}"))
            }
        }
    }

    /// The value. What is copied for it, and what it becomes, is taken from `work`.
    ///
    /// # Errors
    /// A name without a value: the caller may not read it, or it is a defect of the action; 422 where it is too much.
    pub fn render(&self, scope: &Map<String, Json>, work: &Budget) -> Result<Json> {
        match self {
            Template::Literal(json) => Ok(json.clone()),
            Template::List(items) => items.iter().map(|t| t.render(scope, work)).collect(),
            Template::Map(items) => {
                let rendered = items.iter().map(|(n, t)| Ok((n.clone(), t.render(scope, work)?)));
                rendered.collect::<Result<Map<_, _>>>().map(Json::Object)
            }
            Template::Path(path) => {
                let mut steps = path.split('.');
                let mut at = steps.next().and_then(|s| scope.get(s)).ok_or(Error::Forbidden(None))?;
                for step in steps {
                    if at.is_null() {
                        return Ok(Json::Null);
                    }
                    at = match at {
                        Json::Array(items) => step.parse::<usize>().map_or(&Json::Null, |n| items.get(n).unwrap_or(&Json::Null)),
                        other => other.get(step).ok_or(Error::Forbidden(None))?,
                    };
                }
                work.take(weight(at))?;
                Ok(at.clone())
            }
            Template::Text(text) => {
                let mut handlebars = Handlebars::new();
                handlebars.set_strict_mode(true);
                handlebars.register_escape_fn(handlebars::no_escape);
                // A copy is made of what it is given: so it is given what it names.
                let names = self.names().map_err(Error::internal)?;
                let named: Vec<_> = scope.iter().filter(|(name, _)| names.contains(name)).collect();
                work.take(named.iter().map(|(_, value)| weight(value)).sum())?;
                let context = Context::wraps(named.into_iter().collect::<HashMap<_, _>>()).map_err(Error::internal)?;
                let mut output = Output { text: vec![], work, exceeded: None };
                let rendered = handlebars.render_template_with_context_to_write(text, &context, &mut output);
                match (rendered, output.exceeded) {
                    (_, Some(exceeded)) => Err(exceeded.into()),
                    (Ok(()), None) => String::from_utf8(output.text).map(Json::String).map_err(Error::internal),
                    (Err(_), None) => Err(Error::Forbidden(None)),
                }
            }
        }
    }
}

/// What a template becomes, bounded while it grows.
struct Output<'w> {
    text: Vec<u8>,
    work: &'w Budget,
    exceeded: Option<Exceeded>,
}

impl io::Write for Output<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Err(exceeded) = self.work.take(bytes.len()) {
            self.exceeded = Some(exceeded);
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The values of named templates.
///
/// # Errors
/// As [`Template::render`].
pub fn render(with: &[(String, Template)], scope: &Map<String, Json>, work: &Budget) -> Result<Map<String, Json>> {
    with.iter().map(|(name, template)| Ok((name.clone(), template.render(scope, work)?))).collect()
}

fn all_paths<'t>(templates: impl Iterator<Item = &'t Template>) -> Result<Vec<String>, String> {
    let paths: Result<Vec<_>, String> = templates.map(Template::paths).collect();
    Ok(paths?.concat())
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::empty();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_fuel(Some(10_000));
    environment.add_test("none", tests::is_none);
    environment.add_test("defined", tests::is_defined);
    environment.add_test("startingwith", tests::is_startingwith);
    environment.add_test("endingwith", tests::is_endingwith);
    environment.add_filter("length", filters::length);
    environment.add_filter("lower", filters::lower);
    environment
}

/// What conditions may ask (`x is none`) and apply (`x | length`): the environment's own.
const TESTS: &[&str] = &["none", "defined", "startingwith", "endingwith"];
const FILTERS: &[&str] = &["length", "lower"];

/// A test or filter that there isn't: it would be found out only when the condition is asked.
fn unknown_word(condition: &str) -> Option<String> {
    static STRINGS: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r#""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'"#).ok());
    static WORDS: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"\bis\s+(?:not\s+)?(\w+)|\|\s*(\w+)").ok());
    let bare = STRINGS.as_ref()?.replace_all(condition, "''");
    WORDS.as_ref()?.captures_iter(&bare).find_map(|found| {
        let (word, known) = found.get(1).map(|test| (test, TESTS)).or_else(|| found.get(2).map(|filter| (filter, FILTERS)))?;
        (!known.contains(&word.as_str())).then(|| format!("`{}` is nothing here; known: {}", word.as_str(), known.join(", ")))
    })
}

/// The paths that a condition takes, from a name on, or what is wrong with it.
///
/// # Errors
/// Words for the file's author.
pub fn paths(condition: &str) -> Result<Vec<String>, String> {
    let environment = environment();
    let expression = environment.compile_expression(condition).map_err(|e| format!("not a condition: {e}"))?;
    match unknown_word(condition) {
        Some(words) => Err(format!("not a condition: {words}")),
        None => Ok(expression.undeclared_variables(true).into_iter().collect()),
    }
}

fn object(map: &Map<String, Json>) -> minijinja::Value {
    minijinja::Value::from_pairs(map.iter().map(|(name, value)| (name.clone(), convert(value))))
}

fn convert(json: &Json) -> minijinja::Value {
    match json {
        Json::Null => minijinja::Value::from(()),
        Json::Bool(b) => (*b).into(),
        Json::Number(n) => n.as_i64().map_or_else(|| n.as_f64().unwrap_or_default().into(), minijinja::Value::from),
        Json::String(s) => s.as_str().into(),
        Json::Array(items) => items.iter().map(convert).collect::<Vec<_>>().into(),
        Json::Object(map) => object(map),
    }
}

/// Whether a condition holds. What is copied for it is taken from `work`.
///
/// # Errors
/// 422 where it can't be decided: it compares what isn't there, or is of another kind (the log says which it is); and where
/// it is too much.
pub fn holds(condition: &str, scope: &Map<String, Json>, work: &Budget) -> Result<bool> {
    let environment = environment();
    let expression = environment.compile_expression(condition).map_err(Error::internal)?;
    // Of a scope that may be large it sees what it names, and of a row the values that it names.
    let paths = expression.undeclared_variables(true);
    let mut named = Map::new();
    for (name, value) in scope {
        let of_name = |path: &&String| path.split('.').next() == Some(name);
        let steps: Vec<_> = paths.iter().filter(of_name).map(|path| path.split('.').nth(1)).collect();
        let kept = match value {
            _ if steps.is_empty() => continue,
            Json::Object(values) if steps.iter().all(Option::is_some) => {
                let is_named = |(key, _): &(&String, &Json)| steps.contains(&Some(key.as_str()));
                let kept: Vec<_> = values.iter().filter(is_named).collect();
                work.take(kept.iter().map(|(_, value)| weight(value)).sum())?;
                Json::Object(kept.into_iter().map(|(key, value)| (key.clone(), value.clone())).collect())
            }
            whole => {
                work.take(weight(whole))?;
                whole.clone()
            }
        };
        named.insert(name.clone(), kept);
    }
    match expression.eval(object(&named)) {
        Ok(value) if !value.is_undefined() => Ok(value.is_true()),
        undecided => {
            let cause = undecided.err().map(|error| error.to_string());
            tracing::warn!(condition, cause, "a condition of an action can't be decided");
            let words =
                "A condition of this action can't be decided: it compares a value that isn't there, or is of another kind.";
            Err(Error::Invalid(vec![Fault::new("undecided", words)]))
        }
    }
}

#[cfg(test)]
mod checks {
    use super::*;
    use serde_json::json;

    fn work() -> Budget {
        Budget::new("a test", 10_000)
    }

    #[test]
    fn what_is_worked_through_is_bounded_while_it_grows() {
        let scope = json!({"list": vec!["x"; 100], "text": "y".repeat(5000)}).as_object().cloned().expect("an object");
        let render = |text: &str| Template::read(json!(text)).render(&scope, &work());
        assert!(render("{{list}}").is_ok() && render("{{text}}").is_ok());
        for much in ["{{text}} {{text}}", "{{#each list}}{{#each ../list}}{{this}}{{/each}}{{/each}}"] {
            assert!(render(much).is_err_and(|error| error.status() == 422), "{much}");
        }
        assert!(holds("list | length == 100", &scope, &work()).expect("decided"));
        assert!(holds("text == 'x'", &scope, &Budget::new("a test", 5000)).is_err_and(|error| error.status() == 422));
        assert!(holds("list | length == 100", &scope, &Budget::new("a test", 8000)).expect("decided"), "and of others nothing");
    }

    fn scope() -> Map<String, Json> {
        json!({"n": 7, "s": "größe <\"&", "o": {"x": null, "list": [1]}}).as_object().cloned().expect("an object")
    }

    #[test]
    fn a_name_alone_keeps_its_type_and_inside_text_it_is_rendered_without_escaping() {
        let render = |text: &str| Template::read(json!(text)).render(&scope(), &work());
        assert_eq!(render("{{n}}").expect("a value"), json!(7));
        assert_eq!(render("{{ o.list }}").expect("a value"), json!([1]));
        assert_eq!((render("{{o.list.0}}").ok(), render("{{o.list.7}}").ok()), (Some(json!(1)), Some(json!(null))));
        assert_eq!(render("<{{s}}> {{n}}").expect("a value"), json!("<größe <\"&> 7"));
        assert_eq!(render("plain").expect("a value"), json!("plain"));
        for missing in ["{{m}}", "{{o.m}}", "x {{m}}", "x {{o.m}}"] {
            assert!(render(missing).is_err(), "{missing}");
        }
    }

    #[test]
    fn conditions_see_the_same_names_and_no_others() {
        assert!(holds("n > 3 and o.x is none", &scope(), &work()).expect("a condition"));
        assert!(!holds("s == 'x'", &scope(), &work()).expect("a condition"));
        assert!(holds("m", &scope(), &work()).is_err());
        assert_eq!(
            paths("a.b > c").map(|mut n| {
                n.sort();
                n
            }),
            Ok(vec!["a.b".to_owned(), "c".to_owned()])
        );
        assert!(paths("a >").is_err());
        assert!(paths("a is empty").is_err() && paths("a | first").is_err() && paths("a == 'x is empty'").is_ok());
        assert!(
            holds("o.nothing is not defined and s is startingwith 'gr' and s | length > 3", &scope(), &work())
                .expect("a condition")
        );
    }
}
