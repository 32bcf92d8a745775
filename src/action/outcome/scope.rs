//! What the names of an action file mean where they stand.
//!
//! In charge of: that a name is known, and that it has inside what a path speaks of: `subject.title`, `link.token`.

use crate::action::value::Template;
use crate::schema::Entity;
use crate::schema::kind::Kind;
use crate::template;
use crate::yaml::{Mark, Reader};

/// What is known while a file is read.
#[derive(Default)]
pub struct Scope<'s> {
    /// The names, and what they stand for.
    pub names: Vec<(String, Meaning<'s>)>,
    /// The letters that there are, and the values that each needs.
    pub letters: Vec<(String, Vec<String>)>,
    /// Those that callers send.
    pub inputs: Vec<String>,
    /// Inputs of type uuid: enough to remove a link to.
    pub ids: Vec<String>,
    /// Passwords that are being chosen.
    pub passwords: Vec<String>,
    /// Those that prove who somebody is.
    pub proofs: Vec<String>,
    /// Whether the action is an event of a state machine.
    pub moves: bool,
}

/// What a name stands for.
#[derive(Clone)]
pub enum Meaning<'s> {
    /// A row.
    Row(&'s Entity),
    /// A row of which these are known; also one that the action made, of which everything is.
    Known(&'s Entity, Vec<&'s str>),
    /// The rows that a read found.
    List(&'s Entity),
    /// What happened to a row of one of these.
    Event(Vec<&'s Entity>),
    /// A value that has these in it.
    Values(&'static [&'static str]),
    /// What somebody else sent.
    Anything,
}

impl<'s> Meaning<'s> {
    /// A row, if it is known of what.
    pub fn one(entity: Option<&'s Entity>) -> Meaning<'s> {
        entity.map_or(Meaning::Anything, Meaning::Row)
    }

    /// A row that the action makes.
    pub fn made(entity: Option<&'s Entity>) -> Meaning<'s> {
        entity.map_or(Meaning::Anything, |e| Meaning::Known(e, std::iter::once("id").chain(e.values()).collect()))
    }

    /// Whose row it is, if it is one.
    pub fn row(&self) -> Option<&'s Entity> {
        match self {
            Meaning::Row(entity) | Meaning::Known(entity, _) => Some(entity),
            _ => None,
        }
    }

    /// What may follow in a path, step by step; nothing where that isn't known. An empty list ends it.
    fn within(&self, steps: &[&str]) -> Option<Vec<&'s str>> {
        let values = |entity: &'s Entity| std::iter::once("id").chain(entity.values());
        let inside = |entity: &Entity, column: &str| match entity.column(column) {
            Some(column) if column.kind == Kind::Json => None,
            _ => Some(vec![]),
        };
        match (self, steps) {
            (Meaning::Anything, _) | (Meaning::Values([_, ..]), [_, ..]) => None,
            (Meaning::Values(known), _) => Some(known.to_vec()),
            (Meaning::Known(_, known), []) => Some(known.clone()),
            (Meaning::Row(entity), []) => Some(values(entity).collect()),
            (Meaning::Row(entity), [column, ..]) => inside(entity, column),
            // what else is known of it, such as `groups`, may have anything in it
            (Meaning::Known(entity, _), [name, ..]) => entity.column(name).and_then(|_| inside(entity, name)),
            (Meaning::List(_), []) => None,
            (Meaning::List(entity), [_]) => Some(values(entity).collect()),
            (Meaning::List(entity), [_, column, ..]) => inside(entity, column),
            (Meaning::Event(_), []) => Some(vec!["entity", "id", "name", "before", "after"]),
            (Meaning::Event(entities), ["before" | "after"]) => Some(entities.iter().flat_map(|e| e.told()).collect()),
            (Meaning::Event(entities), ["before" | "after", column, ..]) => {
                entities.iter().find(|e| e.column(column).is_some()).map_or(Some(vec![]), |e| inside(e, column))
            }
            (Meaning::Event(_), _) => Some(vec![]),
        }
    }
}

/// What is wrong with a name that a file gives: templates and conditions must be able to speak of it.
pub fn misnamed(name: &str) -> Option<String> {
    if ["caller", "subject", "now", "config", "event"].contains(&name) {
        return Some(format!("`{name}` is a name already"));
    }
    let is_letter = |c: char| c.is_alphanumeric() || c == '_';
    let is_name = !name.is_empty() && name.chars().all(is_letter) && !name.starts_with(|c: char| c.is_ascii_digit());
    let is_taken = ["else", "in", "is", "true", "false", "none"].contains(&name) || template::is_word(name);
    (!is_name || is_taken)
        .then(|| format!("`{name}` can't be a name: letters, digits and _, and none of the words of templates and conditions"))
}

impl<'s> Scope<'s> {
    /// Adds a name that an outcome gives.
    pub fn add(&mut self, reader: &mut Reader, mark: Mark, name: &str, meaning: Meaning<'s>) {
        let is_known = self.names.iter().any(|(n, _)| n == name);
        if let Some(words) = misnamed(name).or_else(|| is_known.then(|| format!("`{name}` is a name already"))) {
            reader.complain(mark, words);
        }
        self.names.push((name.to_owned(), meaning));
    }

    /// Holds a path against the names, step by step.
    pub fn check(&self, reader: &mut Reader, mark: Mark, path: &str) {
        let steps: Vec<&str> = path.split('.').collect();
        let Some((_, meaning)) = self.names.iter().find(|(name, _)| name == steps[0]) else {
            let names: Vec<_> = self.names.iter().map(|(n, _)| n.as_str()).collect();
            return reader.unknown(mark, "name", steps[0], &names);
        };
        if let (Meaning::List(_), Some(place)) = (meaning, steps.get(1))
            && !place.chars().all(|c| c.is_ascii_digit())
        {
            return reader.complain(mark, format!("`{}` is a list: go through it by `each`, or take one by its place", steps[0]));
        }
        for at in 1..steps.len() {
            match meaning.within(&steps[1..at]) {
                Some(known) if known.is_empty() => {
                    return reader.complain(mark, format!("`{}` has nothing in it", steps[..at].join(".")));
                }
                Some(known) if !known.contains(&steps[at]) => {
                    return reader.unknown(mark, &format!("value of `{}`", steps[..at].join(".")), steps[at], &known);
                }
                _ => {}
            }
        }
    }

    /// Complains about what is told but never may be: where a row that the action didn't make links to. That is told by `/api`,
    /// by the rule of the other row.
    pub fn check_told(&self, reader: &mut Reader, mark: Mark, template: &Template) {
        for path in template.paths().unwrap_or_default() {
            let steps: Vec<&str> = path.split('.').collect();
            let meaning = self.names.iter().find(|(name, _)| name == steps[0]).map(|(_, meaning)| meaning);
            let is_link = match (meaning, &steps[1..]) {
                (Some(Meaning::Row(entity)), [name]) | (Some(Meaning::List(entity)), [_, name]) => {
                    entity.relation(name).is_some()
                }
                (Some(Meaning::Event(entities)), ["before" | "after", name]) => {
                    entities.iter().any(|e| e.relation(name).is_some())
                }
                _ => false,
            };
            if is_link {
                let words = "a link is told to nobody by an action: take it in `where`, in `when` or for a relation";
                reader.complain(mark, format!("`{path}`: {words}"));
            }
        }
    }

    /// A name that must stand for a row.
    pub fn check_row(&self, reader: &mut Reader, mark: Mark, name: &str) -> Option<&'s Entity> {
        let found = self.names.iter().find(|(n, _)| n == name).and_then(|(_, meaning)| meaning.row());
        if found.is_none() {
            let names: Vec<_> = self.names.iter().filter(|(_, m)| m.row().is_some()).map(|(n, _)| n.as_str()).collect();
            reader.unknown(mark, "row", name, &names);
        }
        found
    }

    /// A row that is changed or deleted: a result, the subject or the caller, never what an input names.
    pub fn check_changed(&self, reader: &mut Reader, mark: Mark, name: &str) -> Option<&'s Entity> {
        if self.inputs.iter().any(|i| i == name) {
            reader.complain(mark, format!("`{name}` is an input: read it first, or take a subject"));
            return None;
        }
        self.check_row(reader, mark, name)
    }

    /// Who owns what is made: a user that is a result, the subject or the caller, never what an input names.
    pub fn check_maker(&self, reader: &mut Reader, mark: Mark, name: &str) {
        if self.check_changed(reader, mark, name).is_some_and(|e| e.name != "user_account") {
            reader.complain(mark, format!("`{name}` is no user, so it can't own anything"));
        }
    }

    /// The rows that a name stands for, all of which `each` goes through.
    pub fn list(&self, reader: &mut Reader, mark: Mark, name: &str) -> Option<&'s Entity> {
        let lists: Vec<_> = self
            .names
            .iter()
            .filter_map(|(name, meaning)| if let Meaning::List(entity) = meaning { Some((name.as_str(), *entity)) } else { None })
            .collect();
        let found = lists.iter().find(|(list, _)| *list == name).map(|(_, entity)| *entity);
        if found.is_none() {
            match self.inputs.iter().any(|input| input == name) {
                true => reader.complain(mark, format!("`{name}` is an input; `each` goes over what a `read` found")),
                false => reader.unknown(mark, "list", name, &lists.iter().map(|(n, _)| *n).collect::<Vec<_>>()),
            }
        }
        found
    }
}
