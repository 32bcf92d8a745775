//! Outcomes of action files → checked steps.
//!
//! In charge of: every name of an outcome against the inputs and the earlier outcomes; `check` holds it against the schema.

mod check;
mod scope;

use serde_json::Value as Json;

use super::file::known_entity;
use super::performer::{Gives, PERFORMERS};
use super::value::{self, Template};
use super::{Deed, Outcome, directive};
use crate::schema::{Entity, LinkRule, Schema};
use crate::yaml::{Key, Reader, Tree, Value};
use check::{check_complete, check_fields, check_parameters, check_performer, condition, order, unused};
pub use scope::{Meaning, Scope, misnamed};

const DEEDS: &[&str] = &["create", "update", "delete", "read", "link", "unlink", "perform", "respond", "each", "call", "fail"];
const OUTCOME_KEYS: &[&str] = &[
    "create",
    "update",
    "delete",
    "read",
    "link",
    "unlink",
    "perform",
    "respond",
    "fail",
    "each",
    "call",
    "do",
    "subject",
    "as",
    "when",
    "with",
    "where",
    "sort",
    "limit",
    "to",
    "permission",
    "owner",
    "one",
    "else_fail",
    "tells",
];
/// An outcome that is being read: its keys, what stands behind the deed's word, and what its result is to be called.
struct Item<'r, 't, 's> {
    reader: &'r mut Reader,
    schema: &'s Schema,
    scope: &'r mut Scope<'s>,
    entries: &'t [(Key, Tree)],
    what: &'t Tree,
    name: Option<String>,
}

/// What an outcome does, and what its result is.
type Read<'s> = (Deed, Meaning<'s>);

const NOTHING: Meaning<'static> = Meaning::Values(&[]);

/// Reads one outcome, and adds its result to the names.
pub fn read_outcome<'s>(reader: &mut Reader, schema: &'s Schema, scope: &mut Scope<'s>, tree: &Tree) -> Option<Outcome> {
    let entries = reader.keys(tree, OUTCOME_KEYS);
    let find = |name: &str| entries.iter().find(|(k, _)| k.name == name).map(|(_, v)| v);
    let deeds: Vec<_> = entries.iter().filter(|(k, _)| DEEDS.contains(&k.name.as_str())).collect();
    let [(deed, what)] = deeds.as_slice() else {
        reader.complain(tree.mark, format!("an outcome does exactly one of: {}", DEEDS.join(", ")));
        return None;
    };
    let name = find("as").map(|n| reader.text(n).to_owned());
    let when = find("when").map(|w| {
        let text = if let Value::Bool(b) = w.value { b.to_string() } else { reader.text(w).to_owned() };
        match value::paths(&text) {
            Ok(paths) => paths.iter().for_each(|n| scope.check(reader, w.mark, n)),
            Err(words) => reader.complain(w.mark, words),
        }
        text
    });
    let else_fail = find("else_fail").map(|e| failure(reader, scope, e));
    let mut item = Item { reader: &mut *reader, schema, scope: &mut *scope, entries, what, name: name.clone() };
    let (made, meaning) = match deed.name.as_str() {
        "create" => item.create(),
        "update" => item.update(),
        "delete" => item.delete(),
        "read" => item.read(),
        "link" => item.link(true),
        "unlink" => item.link(false),
        "perform" => item.perform()?,
        "respond" => item.respond()?,
        "each" => item.each(),
        "call" => item.call(),
        _ => {
            let (status, message) = failure(reader, scope, what);
            (Deed::Fail { status, message }, NOTHING)
        }
    };
    if let Some(name) = &name {
        scope.add(reader, tree.mark, name, meaning);
    }
    unused(reader, entries, &deed.name);
    Some(Outcome { deed: made, name, when, else_fail })
}

impl<'t, 's> Item<'_, 't, 's> {
    fn find(&self, name: &str) -> Option<&'t Tree> {
        self.entries.iter().find(|(key, _)| key.name == name).map(|(_, value)| value)
    }

    fn text(&mut self, name: &str) -> Option<String> {
        let found = self.find(name)?;
        Some(self.reader.text(found).to_owned())
    }

    fn with(&mut self) -> Vec<(String, Template)> {
        let Some(tree) = self.find("with") else { return vec![] };
        let (reader, scope) = (&mut *self.reader, &*self.scope);
        reader.map(tree).iter().map(|(key, value)| (key.name.clone(), template(reader, scope, value))).collect()
    }

    fn entity(&mut self, name: &str) -> Option<&'s Entity> {
        known_entity(self.reader, self.schema, self.what.mark, name)
    }

    fn complain(&mut self, words: impl Into<String>) {
        self.reader.complain(self.what.mark, words);
    }

    fn create(&mut self) -> Read<'s> {
        let entity = self.entity(self.what.as_text());
        let with = self.with();
        check_fields(self.reader, self.scope, entity, self.what.mark, &with);
        check_complete(self.reader, entity, self.what.mark, &with);
        let owner = self.text("owner");
        if let Some(owner) = &owner {
            self.scope.check_maker(self.reader, self.what.mark, owner);
        }
        (Deed::Create { entity: self.what.as_text().to_owned(), with, owner }, Meaning::made(entity))
    }

    fn update(&mut self) -> Read<'s> {
        let row = self.reader.text(self.what).to_owned();
        let entity = self.scope.check_changed(self.reader, self.what.mark, &row);
        let with = self.with();
        check_fields(self.reader, self.scope, entity, self.what.mark, &with);
        let meaning =
            self.scope.names.iter().find(|(name, _)| *name == row && row != "caller").map(|(_, meaning)| meaning.clone());
        (Deed::Update { row, with }, meaning.unwrap_or_else(|| Meaning::one(entity)))
    }

    fn delete(&mut self) -> Read<'s> {
        let row = self.reader.text(self.what).to_owned();
        self.scope.check_changed(self.reader, self.what.mark, &row);
        (Deed::Delete { row }, NOTHING)
    }

    fn read(&mut self) -> Read<'s> {
        let entity = self.entity(self.what.as_text());
        let condition = self.find("where").map(|tree| condition(self.reader, self.scope, self.schema, entity, tree));
        let one = self.find("one").is_some_and(|o| self.reader.bool(o));
        let most = self.find("limit").map(|l| self.reader.int(l, 1..=100_000));
        let sort = self.find("sort").map(|s| order(self.reader, self.schema, entity, s)).unwrap_or_default();
        let meaning = if one { Meaning::one(entity) } else { entity.map_or(Meaning::Anything, Meaning::List) };
        (Deed::Read { entity: self.what.as_text().to_owned(), condition, sort, most, one }, meaning)
    }

    fn link(&mut self, is_added: bool) -> Read<'s> {
        let path = self.reader.text(self.what).to_owned();
        let (row, relation) = path.split_once('.').unwrap_or((&path, ""));
        let entity = self.scope.check_row(self.reader, self.what.mark, row);
        if let Some(entity) = entity.filter(|e| e.relation(relation).is_none_or(|r| !r.is_many())) {
            let names: Vec<_> = entity.relations.iter().filter(|r| r.is_many()).map(|r| r.name.as_str()).collect();
            self.reader.unknown(self.what.mark, "to-many relation", relation, &names);
        }
        let to = self.text("to").unwrap_or_default();
        if is_added || !self.scope.ids.contains(&to) {
            self.scope.check_row(self.reader, self.what.mark, &to);
        }
        let permission = self.find("permission").map(|p| (p.mark, template(self.reader, self.scope, p)));
        let is_grant = entity.and_then(|e| e.relation(relation)).is_some_and(|r| r.rule == LinkRule::Grant);
        if let Some((mark, _)) = permission.as_ref().filter(|_| !is_grant || !is_added) {
            self.reader.complain(*mark, "`permission` is for a link to usergroups: the bits of the grant's own");
        }
        let permission = permission.map(|(_, p)| p);
        (Deed::Link { row: row.to_owned(), relation: relation.to_owned(), to, is_added, permission }, NOTHING)
    }

    fn perform(&mut self) -> Option<Read<'s>> {
        let text = self.reader.text(self.what).to_owned();
        let Some(performer) = PERFORMERS.iter().find(|p| p.name == text) else {
            let names: Vec<_> = PERFORMERS.iter().map(|p| p.name).collect();
            self.reader.unknown(self.what.mark, "performer", &text, &names);
            return None;
        };
        let with = self.with();
        check_performer(self.reader, self.what.mark, performer, self.scope, &with);
        let tells = self.find("tells").map(|tells| (tells.mark, self.reader.bool(tells)));
        if let Some((mark, _)) = tells.filter(|_| !performer.tells) {
            self.reader.complain(mark, format!("`tells` means nothing for {text}: it needs no more than peek anyway"));
        }
        let by_peek = tells.is_some_and(|(_, tells)| tells);
        if performer.tells && !by_peek {
            let told = with.iter().filter(|(name, _)| !performer.by_peek.contains(&name.as_str()));
            told.for_each(|(_, template)| self.scope.check_told(self.reader, self.what.mark, template));
        }
        if performer.takes_proof {
            let proof = with.iter().find(|(n, _)| n == "user").map(|(_, t)| t);
            if !matches!(proof, Some(Template::Literal(Json::String(p))) if self.scope.proofs.contains(p)) {
                self.complain(format!("{text} takes only a proof: `user` names a password.check of this action"));
            }
        }
        if performer.gives == Gives::Proof {
            self.check_proof(&with);
        }
        let named = with.iter().find_map(|(name, template)| match template {
            Template::Literal(Json::String(entity)) if name == "entity" => Some(entity.clone()),
            _ => None,
        });
        let right = with.iter().find(|(name, _)| name == "right" && performer.gives == Gives::User).map(|(_, right)| right);
        if right.is_some_and(|right| named.is_none() || !matches!(right, Template::Literal(Json::String(_)))) {
            self.complain("`right` is a word as it stands, and goes with `entity`");
        }
        let of = named.map_or(self.schema.entity("user_account"), |named| self.entity(&named));
        let meaning = match (performer.gives, of) {
            (Gives::Values(names), _) => Meaning::Values(names),
            (Gives::User, Some(entity)) if entity.name == "user_account" => {
                Meaning::Known(entity, vec!["id", "email", "name", "data"])
            }
            (Gives::User, Some(entity)) => Meaning::Known(entity, ["id", "data"].into_iter().chain(entity.values()).collect()),
            (Gives::Proof, Some(entity)) => Meaning::Known(entity, vec!["id", "email", "name"]),
            (_, None) => Meaning::Anything,
        };
        Some((Deed::Perform { performer, with, by_peek }, meaning))
    }

    /// A password is checked once, and before the transaction: of what is known then.
    fn check_proof(&mut self, with: &[(String, Template)]) {
        if !self.scope.proofs.is_empty() {
            self.complain("an action checks one password");
        }
        let names: Vec<String> = with.iter().filter_map(|(_, t)| t.names().ok()).flatten().collect();
        for name in names.iter().filter(|n| !["caller", "config", "now"].contains(&n.as_str()) && !self.scope.inputs.contains(n))
        {
            let words = format!("a password is checked before `{name}` is known: take an input or caller");
            self.reader.complain(self.what.mark, words);
        }
        self.scope.proofs.push(self.name.clone().unwrap_or_default());
    }

    fn respond(&mut self) -> Option<Read<'s>> {
        let directive = self.reader.text(self.what).to_owned();
        if directive == "row" {
            let row = self.find("with").and_then(|w| self.reader.keys(w, &["row"]).iter().find(|(k, _)| k.name == "row"));
            let (mark, row) = row.map_or((self.what.mark, String::new()), |(_, v)| (v.mark, self.reader.text(v).to_owned()));
            self.scope.check_row(self.reader, mark, &row);
            return Some((Deed::RespondRow { row }, NOTHING));
        }
        let Some(known) = directive::find(&directive) else {
            let names: Vec<_> = directive::DIRECTIVES.iter().map(|d| d.name).chain(["row"]).collect();
            self.reader.unknown(self.what.mark, "directive", &directive, &names);
            return None;
        };
        let with = self.with();
        check_parameters(self.reader, self.what.mark, known.attributes, &(known.properties)(), &with);
        with.iter().for_each(|(_, template)| self.scope.check_told(self.reader, self.what.mark, template));
        let is_sent = |name: &str| with.iter().any(|(n, _)| n == name);
        if directive == "client.file.download" && is_sent("content") == is_sent("url") {
            self.complain("a file comes by exactly one of `content` and `url`");
        }
        Some((Deed::Respond { directive: known, with }, NOTHING))
    }

    fn each(&mut self) -> Read<'s> {
        let (mut list, mut each) = (String::new(), String::new());
        for (key, value) in self.reader.keys(self.what, &["in", "as"]) {
            let text = self.reader.text(value).to_owned();
            if key.name == "in" { list = text } else { each = text }
        }
        let row = self.scope.list(self.reader, self.what.mark, &list);
        let before = self.scope.names.len();
        match each.is_empty() {
            true => self.complain("`as` gives each row a name of its own"),
            false => self.scope.add(self.reader, self.what.mark, &each, Meaning::one(row)),
        }
        let steps = self.find("do").map(|steps| self.reader.list(steps)).unwrap_or_default();
        let read = |step| read_outcome(self.reader, self.schema, self.scope, step);
        let outcomes: Vec<_> = steps.iter().filter_map(read).collect();
        self.scope.names.truncate(before); // what is named inside is nothing outside
        if outcomes.is_empty() {
            self.complain("`do` says what is done with each row");
        }
        (Deed::Each { list, name: each, outcomes }, NOTHING)
    }

    fn call(&mut self) -> Read<'s> {
        let path = self.reader.text(self.what).to_owned();
        let (entity, action) = path.split_once('/').unwrap_or((&path, ""));
        let of = self.entity(entity);
        let with = self.with();
        with.iter().for_each(|(_, template)| self.scope.check_told(self.reader, self.what.mark, template));
        let subject = self.text("subject");
        if let Some(subject) = &subject {
            let row = self.scope.check_row(self.reader, self.what.mark, subject);
            if let (Some(row), Some(of)) = (row, of)
                && row.at != of.at
            {
                self.complain(format!("`{subject}` is a row of {}, not of {}", row.name, of.name));
            }
        }
        let (entity, action) = (entity.to_owned(), action.to_owned());
        (Deed::Call { entity, action, subject, with, mark: self.what.mark }, NOTHING)
    }
}

fn template(reader: &mut Reader, scope: &Scope<'_>, tree: &Tree) -> Template {
    let template = Template::read(tree.to_json());
    match template.paths() {
        Ok(paths) => paths.iter().for_each(|path| scope.check(reader, tree.mark, path)),
        Err(words) => reader.complain(tree.mark, words),
    }
    template
}

/// `{status, message}`
fn failure(reader: &mut Reader, scope: &Scope<'_>, tree: &Tree) -> (u16, Template) {
    let (mut status, mut message) = (0, Template::Literal("Failed".into()));
    for (key, value) in reader.keys(tree, &["status", "message"]) {
        match key.name.as_str() {
            "status" => status = u16::try_from(reader.int(value, 400..=499)).unwrap_or(400),
            "message" => {
                message = template(reader, scope, value);
                scope.check_told(reader, value.mark, &message);
            }
            _ => {}
        }
    }
    if status == 0 && reader.complaints.is_empty() {
        reader.complain(tree.mark, "`status` is missing: 400 to 499");
    }
    (status, message)
}
