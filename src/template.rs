//! Handlebars templates: which values they take.
//!
//! In charge of: every path of a template from its root on, so that whatever it tells is known before it is rendered.

use handlebars::template::{HelperTemplate, Parameter, TemplateElement};
use handlebars::{Path, Template};

/// The words of blocks, and of what isn't taken.
const BLOCKS: &[&str] = &["if", "unless", "each", "with", "raw", "log"];
/// What stands where a value or a block could, and takes values.
const HELPERS: &[&str] = &["lookup", "len", "eq", "ne", "gt", "gte", "lt", "lte", "and", "or", "not"];
/// Names of an item's place in an `#each`.
const PLACES: &[&str] = &["index", "key", "first", "last"];

/// The paths that a template takes, from a name at the root on, with dots between: `subject.title`. What an item of an `#each`
/// holds isn't followed any further. `has_partials`: whether there are partials that it may name; they are templates of their own.
///
/// # Errors
/// Words for its author, where it takes something else.
pub fn paths(template: &Template, has_partials: bool) -> Result<Vec<String>, String> {
    let mut found = vec![];
    Walk { found: &mut found, has_partials }.template(template, &[Some(String::new())])?;
    Ok(found)
}

/// Whether a name is a word of templates, so that no value can be called by it.
pub fn is_word(name: &str) -> bool {
    name == "this" || HELPERS.contains(&name) || BLOCKS.contains(&name)
}

struct Walk<'f> {
    found: &'f mut Vec<String>,
    has_partials: bool,
}

/// What stands around: for each block, from the root on, what its paths begin with; nothing where that is an item.
type Around<'a> = &'a [Option<String>];

impl Walk<'_> {
    fn template(&mut self, template: &Template, around: Around<'_>) -> Result<(), String> {
        template.elements.iter().try_for_each(|element| self.element(element, around))
    }

    fn element(&mut self, element: &TemplateElement, around: Around<'_>) -> Result<(), String> {
        match element {
            TemplateElement::RawString(_) | TemplateElement::Comment(_) => Ok(()),
            TemplateElement::Expression(e) | TemplateElement::HtmlExpression(e) => self.expression(e, around),
            TemplateElement::HelperBlock(block) => self.block(block, around),
            TemplateElement::PartialExpression(p) | TemplateElement::PartialBlock(p) if self.has_partials => {
                p.params.iter().chain(p.hash.values()).try_for_each(|p| self.parameter(p, around).map(|_| ()))?;
                p.template.iter().try_for_each(|inner| self.template(inner, around))
            }
            _ => Err("partials (`{{> …}}`) and decorators (`{{* …}}`) are nothing here".to_owned()),
        }
    }

    fn expression(&mut self, expression: &HelperTemplate, around: Around<'_>) -> Result<(), String> {
        let name = raw(&expression.name);
        if expression.params.is_empty() && expression.hash.is_empty() {
            return match is_word(name) && name != "this" {
                true => Err(format!("`{name}` is a word of templates, and takes a value")),
                false => self.parameter(&expression.name, around).map(|_| ()),
            };
        }
        if !HELPERS.contains(&name) {
            return Err(format!("`{name}` is no helper; known: {}", HELPERS.join(", ")));
        }
        self.parameters(expression, around)
    }

    fn block(&mut self, block: &HelperTemplate, around: Around<'_>) -> Result<(), String> {
        let name = raw(&block.name);
        let inside = match (name, block.params.as_slice()) {
            ("if" | "unless", [_, ..]) => {
                self.parameters(block, around)?;
                around.to_vec()
            }
            ("each" | "with", [whole]) => {
                let whole = self.parameter(whole, around)?;
                [around, &[whole.filter(|_| name == "with")]].concat()
            }
            _ => return Err(format!("`#{name}` is no block; known: #if, #unless, #each and #with, each of a value")),
        };
        if block.block_param.is_some() {
            return Err("`as |name|` is nothing here: an item is `this`".to_owned());
        }
        block.template.iter().try_for_each(|inner| self.template(inner, &inside))?;
        block.inverse.iter().try_for_each(|inner| self.template(inner, around))
    }

    fn parameters(&mut self, helper: &HelperTemplate, around: Around<'_>) -> Result<(), String> {
        helper.params.iter().chain(helper.hash.values()).try_for_each(|p| self.parameter(p, around).map(|_| ()))
    }

    /// Gives where a path leads, if that can be said.
    fn parameter(&mut self, parameter: &Parameter, around: Around<'_>) -> Result<Option<String>, String> {
        let path = match parameter {
            Parameter::Literal(_) => return Ok(None),
            Parameter::Subexpression(inner) => return self.element(&inner.element, around).map(|()| None),
            Parameter::Path(Path::Local((_, name, raw))) => {
                let is_item = around.iter().any(Option::is_none) && PLACES.contains(&name.as_str());
                return if is_item { Ok(None) } else { Err(format!("`{raw}` is nothing here")) };
            }
            Parameter::Path(Path::Relative((_, raw))) | Parameter::Name(raw) => resolved(raw, around)?,
            _ => return Err("this is nothing here".to_owned()),
        };
        self.found.extend(path.clone());
        Ok(path)
    }
}

fn raw(parameter: &Parameter) -> &str {
    match parameter {
        Parameter::Name(name) | Parameter::Path(Path::Relative((_, name))) => name,
        Parameter::Path(Path::Local((_, _, raw))) => raw,
        _ => "",
    }
}

/// A path from the root on; nothing where it begins at an item.
fn resolved(raw: &str, around: Around<'_>) -> Result<Option<String>, String> {
    let mut steps = steps(raw).into_iter().peekable();
    let mut at = around.len() - 1;
    while let Some(step) = steps.peek().map(String::as_str) {
        match step {
            "@root" => at = 0,
            ".." if at > 0 => at -= 1,
            "this" | "." => {}
            _ => break,
        }
        steps.next();
    }
    let steps: Vec<String> = steps.collect();
    if steps.iter().any(|step| matches!(step.as_str(), "this" | "." | "..") || step.starts_with('@')) {
        return Err(format!("`{raw}` goes another way than from a name on"));
    }
    let Some(from) = &around[at] else { return Ok(None) };
    let path: Vec<String> = Some(from.clone()).filter(|from| !from.is_empty()).into_iter().chain(steps).collect();
    match path.is_empty() {
        true => Err(format!("`{raw}` is an item of an #each: name a value")),
        false => Ok(Some(path.join("."))),
    }
}

/// The steps of a path as it is written: `a.b`, `a/b`, `../a`, `a.[b c]`.
fn steps(raw: &str) -> Vec<String> {
    let (mut found, mut rest) = (vec![], raw.trim());
    while !rest.is_empty() {
        let (step, after) = match rest.strip_prefix('[').and_then(|inner| inner.split_once(']')) {
            Some(bracketed) => bracketed,
            None if rest.starts_with("..") => rest.split_at(2),
            None if rest.starts_with('.') => rest.split_at(1),
            None => rest.split_at(rest.find(['.', '/']).unwrap_or(rest.len())),
        };
        found.push(step.to_owned());
        rest = after.strip_prefix(['.', '/']).unwrap_or(after);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<Vec<String>, String> {
        paths(&Template::compile(text).expect("a template"), false)
    }

    #[test]
    fn partials_are_followed_where_there_are_any() {
        let template = Template::compile("{{> p}}{{> q a.b c=d}}{{#> r}}{{e.f}}{{/r}}").expect("a template");
        assert_eq!(paths(&template, true), Ok(["a.b", "d", "e.f"].map(str::to_owned).to_vec()));
    }

    #[test]
    fn whatever_a_template_takes_is_a_path_from_the_root() {
        let known = |names: &[&str]| Ok(names.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>());
        for (text, names) in [
            ("x {{a.b}} {{{c}}} {{! no }} {{a/b}} {{./a}} {{a.[b].c}}", &["a.b", "c", "a.b", "a", "a.b.c"][..]),
            (
                "{{#each o.list}}{{@index}} {{this.x}} {{x}} {{this}} {{@root.s}} {{../t}}{{else}}{{e}}{{/each}}",
                &["o.list", "s", "t", "e"],
            ),
            ("{{#if n}}{{s}}{{else}}{{t.u}}{{/if}}{{#unless a}}b{{/unless}}", &["n", "s", "t.u", "a"]),
            (
                "{{#with a.b}}{{c}} {{this.d}} {{../e}}{{#each f}}{{../g}}{{/each}}{{/with}}",
                &["a.b", "a.b.c", "a.b.d", "e", "a.b.f", "a.b.g"],
            ),
            ("{{#if (eq a.b \"x\")}}{{lookup c d}}{{/if}} {{len e}}", &["a.b", "c", "d", "e"]),
            ("{{this.subject.title}} {{@root.a}} {{#each this.b}}{{this}}{{/each}}", &["subject.title", "a", "b"]),
        ] {
            assert_eq!(of(text), known(names), "{text}");
        }
        for bad in [
            "{{this}}",
            "{{.}}",
            "{{@root}}",
            "{{@secret}}",
            "{{@index}}",
            "{{#each this}}{{this}}{{/each}}",
            "{{a/../b}}",
            "{{a.this}}",
            "{{#each a as |b|}}{{b}}{{/each}}",
            "{{log a}}",
            "{{shout a}}",
            "{{#raw a}}{{/raw}}",
            "{{* inline}}",
            "{{#with @root}}{{a}}{{/with}}",
            "{{> p}}",
            "{{#> p}}{{a}}{{/p}}",
            "{{@root/@a.b}}",
            "{{#with a}}{{@index}}{{/with}}",
            "{{len}}",
            "{{eq}}",
            "{{#each a}}{{len}}{{/each}}",
        ] {
            if let Ok(template) = Template::compile(bad) {
                assert!(paths(&template, false).is_err(), "{bad}: {:?}", paths(&template, false));
            }
        }
    }
}
