//! What of a schema nodes rely on while they run: whether a node with other files may go on beside the schema that was applied.

use std::collections::BTreeMap;

use super::kind::Kind;
use super::{Column, Schema, Write};

/// What is served, by name; and its digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Each entity, column and relation, and what it is.
    pub all: BTreeMap<String, String>,
    /// Differs where something of it does.
    pub digest: String,
}

impl Facts {
    /// Of a schema.
    pub fn of(schema: &Schema) -> Facts {
        let mut all = BTreeMap::new();
        for entity in schema.entities() {
            let name = &entity.name;
            // What a row can't do without, a node must know; where there is a default, the database has it, too.
            let is_needed = |c: &&Column| c.required && c.write != Write::System && c.default.is_none();
            let needed = entity.columns.iter().filter(is_needed).map(|c| c.name.as_str());
            let needed = needed.chain(entity.relations.iter().filter(|r| r.required).map(|r| r.name.as_str()));
            all.insert(name.clone(), format!("needs {}", needed.collect::<Vec<_>>().join(",")));
            for column in &entity.columns {
                let readers =
                    column.readers.as_ref().map(|classes| classes.iter().map(|c| c.word()).collect::<Vec<_>>().join(","));
                let (kind, readers) = (&column.kind, readers.unwrap_or_default());
                let what = format!("{} {} readers {readers} hidden {}", kind.word(), kind.sql(), column.hidden);
                all.insert(format!("{name}.{}", column.name), what);
                if let Kind::Enum { options } = &column.kind {
                    all.extend(options.iter().map(|option| (format!("{name}.{}={option}", column.name), String::new())));
                }
            }
            for relation in &entity.relations {
                let target = &schema.target(relation).name;
                let what = format!("{:?} to {target} by {:?}", relation.link, relation.rule);
                all.insert(format!("{name}>{}", relation.name), what);
            }
        }
        all.extend(schema.groups.iter().map(|group| (in_words("group", group), String::new())));
        all.extend(schema.actions.iter().map(|action| (in_words("action", action), String::new())));
        let text = serde_json::json!(all).to_string();
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
        Facts { all, digest: digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect() }
    }

    /// Adds groups and actions (entity and name) that have a row, whether or not files still name them.
    pub fn keep<'a>(&mut self, groups: impl Iterator<Item = &'a String>, actions: &[(String, String)]) {
        self.all.extend(groups.map(|group| (in_words("group", group), String::new())));
        let actions = actions.iter().map(|(entity, name)| in_words("action", &format!("{entity}/{name}")));
        self.all.extend(actions.map(|action| (action, String::new())));
    }

    /// Whether all of it is as it is in another schema, which may have more.
    pub fn are_contained_in(&self, other: &BTreeMap<String, String>) -> bool {
        self.all.iter().all(|(name, what)| other.get(name) == Some(what))
    }
}

/// A group or an action, as no entity's field is called.
fn in_words(kind: &str, name: &str) -> String {
    format!("{kind} {name}")
}
