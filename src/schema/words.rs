//! What files of entities and of actions have in common: names, types with their bounds, permissions and grants.

use regex::Regex;

use crate::permission::{Class, Permission, Right};
use crate::schema::Grant;
use crate::schema::kind::{Bounds, KINDS, Kind};
use crate::yaml::{self, Mark, Reader, Tree, Value};

/// JSON:API's rule for member names, and ours: letters of any script, digits, `_` and `-` inside.
pub fn member_name(name: &str) -> Result<(), String> {
    let edge = |c: char| c.is_alphanumeric();
    let good = name.starts_with(edge) && name.ends_with(edge) && name.chars().all(|c| edge(c) || c == '_' || c == '-');
    match good && name.len() <= 60 {
        true => Ok(()),
        false => Err(format!(
            "`{name}` can't be a name: letters and digits, with _ or - between them, at most 60 bytes (JSON:API, member names)"
        )),
    }
}

/// Complains about what can't be a group's name.
pub(super) fn group_name(reader: &mut Reader, mark: Mark, name: &str) {
    if name.trim().is_empty() || name.len() > 255 || name.chars().any(char::is_control) {
        reader.complain(mark, "a group's name is one line of 1 to 255 characters");
    }
}

/// Reads a permission: `{guest: […], owner: […], group: […]}` or the integer.
pub fn permission(reader: &mut Reader, tree: &Tree) -> Permission {
    if let Value::Int(bits) = tree.value {
        return Permission::new(bits).unwrap_or_else(|| {
            reader.complain(tree.mark, format!("a permission is at most {}", Permission::MAX));
            Permission::NONE
        });
    }
    let mut permission = Permission::NONE;
    for (key, value) in reader.keys(tree, &Class::ALL.map(Class::word)) {
        let rights = rights(reader, value);
        if let Some(class) = Class::ALL.into_iter().find(|c| c.word() == key.name) {
            permission = permission.with(class, &rights);
        }
    }
    permission
}

/// Reads a list of rights, or `all`.
pub fn rights(reader: &mut Reader, tree: &Tree) -> Vec<Right> {
    if matches!(&tree.value, Value::Text(text) if text == "all") {
        return Right::ALL.to_vec();
    }
    let mut found = vec![];
    for item in reader.list(tree) {
        let word = reader.text(item);
        match Right::from_word(word) {
            Some(right) => found.push(right),
            None => reader.unknown(item.mark, "right", word, &Right::ALL.map(Right::word)),
        }
    }
    found
}

/// Reads what something was called before.
pub fn was(reader: &mut Reader, tree: &Tree, now: &str) -> Option<String> {
    let was = reader.text(tree).to_owned();
    if was == now || was.is_empty() {
        reader.complain(tree.mark, format!("`was` is the name before; this one is called `{now}` now"));
        return None;
    }
    Some(was)
}

/// Reads grants: `{group: [rights]}`, or a list of names and `{group, permission, was}`.
pub fn grants(reader: &mut Reader, tree: &Tree) -> Vec<Grant> {
    let mut found: Vec<Grant> = vec![];
    let own = |rights: &[Right]| Some(Permission::NONE.with(Class::Group, rights));
    if let Value::Map(entries) = &tree.value {
        for (key, value) in entries {
            group_name(reader, key.mark, &key.name);
            found.push(Grant { group: key.name.clone(), permission: own(&rights(reader, value)), was: None });
        }
        return found;
    }
    for item in reader.list(tree) {
        let mut grant = Grant { group: String::new(), permission: None, was: None };
        if let Value::Map(_) = item.value {
            for (key, value) in reader.keys(item, &["group", "permission", "was"]) {
                match key.name.as_str() {
                    "group" => grant.group = reader.text(value).to_owned(),
                    "permission" => grant.permission = own(&rights(reader, value)),
                    "was" => grant.was = was(reader, value, &grant.group),
                    _ => {}
                }
            }
        } else {
            grant.group = reader.text(item).to_owned();
        }
        group_name(reader, item.mark, &grant.group);
        if found.iter().any(|g| g.group == grant.group) {
            reader.complain(item.mark, format!("`{}` is named twice", grant.group));
        }
        found.push(grant);
    }
    found
}

/// Reads `type: …` with its options into a column type. The map may have other keys, which the caller has checked.
pub fn kind(reader: &mut Reader, mark: Mark, entries: &[(yaml::Key, Tree)]) -> Option<Kind> {
    let entry = |name: &str| entries.iter().find(|(k, _)| k.name == name);
    let Some((_, word)) = entry("type") else {
        reader.complain(mark, "`type` is missing");
        return None;
    };
    let text = reader.text(word).to_owned();
    let Some((_, kind)) = KINDS.iter().find(|(n, _)| *n == text) else {
        let names: Vec<_> = KINDS.iter().map(|(n, _)| *n).collect();
        reader.unknown(word.mark, "type", &text, &names);
        return None;
    };
    let mut kind = kind.clone();
    for (key, value) in entries {
        match (key.name.as_str(), &mut kind) {
            ("options", Kind::Enum { options }) => {
                *options = reader.list(value).iter().map(|option| choice(reader, option).0).collect();
                if options.is_empty() {
                    reader.complain(value.mark, "an enum has at least one option");
                }
                for (at, option) in options.iter().enumerate() {
                    if option.chars().any(char::is_control) {
                        reader.complain(value.mark, format!("{option:?}: an option is one line, without control characters"));
                    } else if options[..at].contains(option) {
                        reader.complain(value.mark, format!("`{option}` is there twice"));
                    }
                }
            }
            ("precision", Kind::Decimal { precision, .. }) => *precision = reader.int(value, 1..=1000),
            ("scale", Kind::Decimal { scale, .. }) => *scale = reader.int(value, 0..=1000),
            ("clean", Kind::Html { clean }) => *clean = reader.bool(value),
            ("options" | "precision" | "scale" | "clean", _) => {
                reader.complain(key.mark, format!("`{}` means nothing for type {text}", key.name));
            }
            _ => {}
        }
    }
    match &kind {
        Kind::Enum { options } if options.is_empty() && entry("options").is_none() => {
            reader.complain(mark, "an enum needs `options`")
        }
        Kind::Decimal { precision, scale } if scale > precision => reader.complain(mark, "`scale` is above `precision`"),
        _ => {}
    }
    Some(kind)
}

/// Reads an option of an enum, a word or `{name, was}`: what it is called, and what it was called before.
pub fn choice(reader: &mut Reader, tree: &Tree) -> (String, Option<String>) {
    if !matches!(tree.value, Value::Map(_)) {
        return (reader.text(tree).to_owned(), None);
    }
    let (mut name, mut before) = (String::new(), None);
    for (key, value) in reader.keys(tree, &["name", "was"]) {
        match key.name.as_str() {
            "name" => name = reader.text(value).to_owned(),
            "was" => before = was(reader, value, &name),
            _ => {}
        }
    }
    if name.is_empty() {
        reader.complain(tree.mark, "an option is a word, or `{ name: the word, was: the word before }`");
    }
    (name, before)
}

/// Reads `min`, `max`, `length`, `pattern`.
pub fn bounds(reader: &mut Reader, kind: &Kind, entries: &[(yaml::Key, Tree)]) -> Bounds {
    let mut bounds = Bounds::default();
    let textual = kind.is_text() || kind.is_secret();
    let numeric =
        matches!(kind, Kind::Integer | Kind::Decimal { .. } | Kind::Float | Kind::Rating | Kind::Latitude | Kind::Longitude);
    for (key, value) in entries {
        match key.name.as_str() {
            name @ ("min" | "max") if textual || numeric => {
                let number = reader.number(value);
                *(if name == "min" { &mut bounds.min } else { &mut bounds.max }) = Some(number);
            }
            "length" if textual => bounds.length = usize::try_from(reader.int(value, 0..=1_000_000)).ok(),
            "pattern" if textual => match Regex::new(reader.text(value)) {
                Ok(pattern) => bounds.pattern = Some(pattern),
                Err(_) => reader.complain(value.mark, "not a regular expression"),
            },
            name @ ("min" | "max" | "length" | "pattern") => {
                reader.complain(key.mark, format!("`{name}` means nothing for type {}", kind.word()));
            }
            _ => {}
        }
    }
    if bounds.min.zip(bounds.max).is_some_and(|(min, max)| min > max) {
        reader.complain(entries[0].0.mark, "`min` is above `max`");
    }
    bounds
}

/// "published_at" → "Published at".
pub fn spelled_out(name: &str) -> String {
    let words = name.replace(['_', '-'], " ");
    let mut letters = words.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// Reads a list of classes.
pub(super) fn classes(reader: &mut Reader, tree: &Tree) -> Vec<Class> {
    let mut found = vec![];
    for item in reader.list(tree) {
        let word = reader.text(item);
        match Class::ALL.into_iter().find(|c| c.word() == word) {
            Some(class) => found.push(class),
            None => reader.unknown(item.mark, "class", word, &Class::ALL.map(Class::word)),
        }
    }
    found
}
