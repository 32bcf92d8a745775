//! Bodies × schema → changes: columns with checked values, links with their targets.
//!
//! In charge of: which attributes and relationships a body may name, and all faults of its values. Pure. Whether the
//! caller may is decided by `access`, before any of these faults is told.

use serde_json::Value as Json;
use uuid::Uuid;

use super::Planner;
use crate::error::{Error, Fault, short};
use crate::permission::Permission;
use crate::request::body::{Identifier, Linkage, Resource, step, uuid};
use crate::schema::kind::Kind;
use crate::schema::{Column, Entity, LinkRule, Relation, SYSTEM_COLUMNS, Write};

/// A row to be made or changed.
#[derive(Debug, Clone)]
pub struct Change<'s> {
    /// Whose row.
    pub entity: &'s Entity,
    /// Which.
    pub id: Uuid,
    /// Whether it is to be made.
    pub is_new: bool,
    /// Columns and their values as text; none is null. What is [unfinished](Self::unfinished) is empty in here.
    pub sets: Vec<(&'s Column, Option<String>)>,
    /// Values that are dear to make: passwords, secrets, markup that is cleaned. They are made once the change is allowed.
    pub unfinished: Vec<(&'s Column, String)>,
    /// The names that were sent, as against those that have a default.
    pub sent: Vec<String>,
    /// Read-only columns that were sent back: ignored where unchanged, refused where not.
    pub echoes: Vec<(&'s Column, Option<String>)>,
    /// Links.
    pub links: Vec<LinkChange<'s>>,
    /// Whose it is to be, where an administrator brings it along from elsewhere; none inside: nobody's.
    pub owner: Option<Option<Uuid>>,
    /// The groups that it is to be granted to, likewise.
    pub groups: Option<Vec<(Uuid, Option<i32>)>>,
    /// 422.
    pub faults: Vec<Fault>,
    /// 403 that speak of one field.
    pub forbidden: Option<Fault>,
    /// 409: the document is of another type or row than the URL.
    pub conflict: Option<Fault>,
}

/// What of a change may be stored: nothing of it waits to be made. There is no other way to have one than to ask a change:
///
/// ```compile_fail
/// let sets = rowhouse::plan::change::Finished(&[]);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Finished<'a, 's>(&'a [(&'s Column, Option<String>)]);

impl<'a, 's> Finished<'a, 's> {
    /// Columns and their values as text; none is null.
    pub fn values(self) -> &'a [(&'s Column, Option<String>)] {
        self.0
    }
}

/// A change of what a row is linked to.
#[derive(Debug, Clone)]
pub struct LinkChange<'s> {
    /// Along which relation.
    pub relation: &'s Relation,
    /// How.
    pub verb: Verb,
    /// The other rows.
    pub targets: Vec<Target>,
    /// Whether an action says so, which may set what clients may not.
    pub by_action: bool,
}

impl LinkChange<'_> {
    /// Whether it is an action's to make, as against the engine's own: who owns a session is nobody's to say.
    pub fn is_by_action(&self) -> bool {
        self.by_action && self.relation.name != "owner"
    }
}

/// Most faults that one answer tells.
pub const FAULTS: usize = 100;

/// How links change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// These, too.
    Add,
    /// These no more.
    Remove,
    /// These, and of those that the caller sees no others.
    Replace,
}

/// The other end of a link.
#[derive(Debug, Clone)]
pub struct Target {
    /// The row; nil, which nobody has, where no id was sent.
    pub id: Uuid,
    /// Of a grant: bits of its own, where they were sent; none inside: the row's.
    pub bits: Option<Option<i32>>,
}

impl<'s> Planner<'s> {
    /// A row from a resource object. `id` is the row's: made anew for one that is to be created.
    pub fn change(&self, entity: &'s Entity, id: Uuid, is_new: bool, resource: &Resource) -> Change<'s> {
        let mut change = Change { is_new, ..Change::nothing(entity, id) };
        change.identify(resource);
        for (name, value) in &resource.attributes {
            change.attribute(name, value);
        }
        for (name, linkage) in &resource.relationships {
            let at = format!("/data/relationships{}", step(name));
            match entity.relation(name) {
                Some(relation) => {
                    let link = self.link(relation, Verb::Replace, linkage, &at, &mut change.faults);
                    change.links.extend(link);
                }
                None if change.faults.len() >= FAULTS => {}
                None => {
                    let words = format!("{} has no relationship `{}`.", entity.name, short(name));
                    change.faults.push(Fault::new("unknown-relationship", words).at(at));
                }
            }
        }
        if is_new {
            change.complete(entity, resource.has, false);
        }
        change
    }

    /// A change of links from linkage.
    pub fn link(
        &self,
        relation: &'s Relation,
        verb: Verb,
        linkage: &Linkage,
        at: &str,
        faults: &mut Vec<Fault>,
    ) -> Option<LinkChange<'s>> {
        let data = format!("{at}/data");
        let items: &[Identifier] = match (linkage, relation.is_many()) {
            (Linkage::Many(items), true) => items,
            (Linkage::One(item), false) => item.as_slice(),
            (_, many) => {
                let wanted = if many { "a list" } else { "one identifier, or null" };
                faults.push(Fault::new("bad-linkage", format!("`{}` takes {wanted}.", relation.name)).at(data));
                return None;
            }
        };
        if items.len() > self.limits.links {
            faults.push(Fault::new("too-many", format!("At most {} identifiers at once.", self.limits.links)).at(&data));
            return None;
        }
        if items.is_empty() && relation.required {
            faults.push(Fault::new("required", format!("`{}` is required.", relation.name)).at(&data));
        }
        let target = &self.schema.target(relation).name;
        let mut targets: Vec<Target> = vec![];
        for (place, item) in items.iter().enumerate() {
            let at = if relation.is_many() { format!("{data}/{place}") } else { data.clone() };
            if item.kind != *target {
                faults.push(Fault::new("wrong-type", format!("`{}` links to {target}.", relation.name)).at(format!("{at}/type")));
            }
            let sent = item.permission.as_ref().filter(|_| relation.rule == LinkRule::Grant);
            let bits = sent.map(|sent| {
                grant_bits(sent).unwrap_or_else(|fault| {
                    faults.push(fault.at(format!("{at}/meta/permission")));
                    None
                })
            });
            let id = item.id.unwrap_or_default();
            if !targets.iter().any(|t| t.id == id) {
                targets.push(Target { id, bits });
            }
        }
        Some(LinkChange { relation, verb, targets, by_action: false })
    }
}

/// A permission in words as the number that it is; what is none stays what it is, and is refused as such.
fn worded(column: &Column, value: &Json) -> Option<Json> {
    let is_permission = matches!(column.name.as_str(), "permission" | "default_permission") && column.kind == Kind::Integer;
    let read = || Permission::read(value).ok().map(|permission| permission.bits().into());
    if is_permission && value.is_object() { read() } else { None }
}

/// The bits of a grant's own: group bits, or null for the row's.
///
/// # Errors
/// A fault, whose place its caller knows.
pub fn grant_bits(sent: &Json) -> Result<Option<i32>, Fault> {
    let read = match sent {
        Json::Null => return Ok(None),
        Json::Array(words) if words.is_empty() => None, // a grant of nothing is none
        Json::Object(words) if words.is_empty() => None,
        // Of a grant only the group's rights mean something: they may stand by themselves.
        Json::Array(_) | Json::String(_) => Permission::read(&serde_json::json!({"group": sent})).ok(),
        Json::Object(_) | Json::Number(_) | Json::Bool(_) => Permission::read(sent).ok(),
    };
    let bits = read.map(Permission::bits).filter(|bits| bits & !Permission::GROUP == 0);
    bits.map(Some).ok_or_else(|| {
        let words = format!(
            "`permission` of a grant holds rights of the group only, as a list or as bits (mask {}), or is null.",
            Permission::GROUP
        );
        Fault::new("bad-permission", words)
    })
}

impl<'s> Change<'s> {
    /// A change of a to-one link alone.
    pub fn links(entity: &'s Entity, id: Uuid, link: Option<LinkChange<'s>>, faults: Vec<Fault>) -> Change<'s> {
        Change { links: link.into_iter().collect(), faults, ..Change::nothing(entity, id) }
    }

    /// A row of which nothing changes: as a whole it may go.
    pub fn nothing(entity: &'s Entity, id: Uuid) -> Change<'s> {
        Change {
            entity,
            id,
            is_new: false,
            sets: vec![],
            unfinished: vec![],
            sent: vec![],
            echoes: vec![],
            links: vec![],
            owner: None,
            groups: None,
            faults: vec![],
            forbidden: None,
            conflict: None,
        }
    }

    /// Type and id of the document against those of the URL (CU6, CU7, CU9).
    fn identify(&mut self, resource: &Resource) {
        if resource.kind != self.entity.name {
            let words = format!("`type` is {} here, not {}.", self.entity.name, resource.kind);
            self.conflict = Some(Fault::new("wrong-type", words).at("/data/type"));
        }
        match (&resource.id, self.is_new) {
            (Some(id), true) if self.entity.client_ids => {
                let words = "`id` is a UUID, with hyphens.";
                let is_one = uuid(id).is_some_and(|id| !id.is_nil());
                self.faults.extend((!is_one).then(|| Fault::new("invalid", words).at("/data/id")));
            }
            (Some(_), true) => {
                self.forbidden = Some(Fault::new("client-id", "Ids are made by the server: leave `id` out.").at("/data/id"));
            }
            (None, false) => self.faults.push(Fault::new("required", "`id` is missing.").at("/data")),
            (Some(id), false) if uuid(id) != Some(self.id) => {
                self.conflict = Some(Fault::new("wrong-id", "`id` is not the one in the URL.").at("/data/id"));
            }
            _ => {}
        }
    }

    fn attribute(&mut self, name: &str, value: &Json) {
        let at = format!("/data/attributes{}", step(name));
        let Some(column) = self.entity.column(name) else {
            if self.faults.len() >= FAULTS {
                return;
            }
            let fields: Vec<_> = self.entity.fields().collect();
            let hint = match self.entity.relation(name) {
                Some(_) => " It is a relationship.".to_owned(),
                None => crate::yaml::nearest(name, &fields).map(|n| format!(" Did you mean `{n}`?")).unwrap_or_default(),
            };
            let words = format!("{} has no attribute `{}`.{hint}", self.entity.name, short(name));
            self.faults.push(Fault::new("unknown-attribute", words).at(at));
            return;
        };
        let worded = worded(column, value);
        let value = worded.as_ref().unwrap_or(value);
        let forbid = |words: String| Some(Fault::new("read-only", words).at(at.clone()));
        let text = match value {
            // "null on write means no password"
            Json::Null if column.refuses_null() => Err("is required".to_owned()),
            Json::Null => Ok(None),
            value => column.kind.check(&column.bounds, value).map(Some),
        };
        match (column.write, text) {
            // A row begins there anyway.
            (Write::System, Ok(Some(state))) if self.is_new && self.entity.begins_in(name) == Some(state.as_str()) => {}
            (Write::System, _) if !column.is_served() || self.is_new => {
                self.forbidden = forbid(format!("`{name}` is {}.", self.entity.setter(name)));
            }
            (Write::System, Ok(text)) => self.echoes.push((column, text)),
            (Write::System, Err(_)) => self.forbidden = forbid(format!("`{name}` is {}.", self.entity.setter(name))),
            (Write::OnCreate, _) if !self.is_new && column.kind == Kind::Password => {
                self.forbidden = forbid(format!("`{name}` is changed by the action change_password."));
            }
            (_, Ok(text)) => {
                self.sent.push(column.name.clone());
                self.set(column, text);
            }
            (_, Err(words)) => self.faults.push(Fault::new("invalid", format!("`{name}` {words}.")).at(at)),
        }
    }

    /// Sets a column to what a client, a default or an action says.
    fn set(&mut self, column: &'s Column, text: Option<String>) {
        let text = match text {
            Some(text) if column.kind.is_dear() => {
                self.unfinished.push((column, text));
                Some(String::new())
            }
            text => text,
        };
        self.sets.push((column, text));
    }

    /// The same, as far as that tells whether it is allowed: nothing stands for what is dear to make.
    pub fn rehearsal(&self) -> Change<'s> {
        Change { unfinished: vec![], ..self.clone() }
    }

    /// Takes the passwords and secrets that are to be made.
    pub fn take_secrets(&mut self) -> Vec<(&'s Column, String)> {
        self.unfinished.extract_if(.., |(column, _)| column.kind.is_secret()).collect()
    }

    /// Sets what was made of a value.
    pub fn finish(&mut self, column: &Column, value: String) {
        self.sets.iter_mut().filter(|(set, _)| set.name == column.name).for_each(|set| set.1 = Some(value.clone()));
    }

    /// Cleans markup: once the change is allowed. What is wrong with it becomes a fault; `place`: where its attributes stand.
    pub fn clean(&mut self, place: &str) {
        let markup: Vec<_> = self.unfinished.extract_if(.., |(column, _)| !column.kind.is_secret()).collect();
        for (column, text) in markup {
            match column.kind.clean(&column.bounds, &text) {
                Ok(text) => self.finish(column, text),
                Err(words) => self.fault(column, place, &words),
            }
        }
    }

    fn fault(&mut self, column: &Column, place: &str, words: &str) {
        let at = format!("{place}{}", step(&column.name));
        self.faults.push(Fault::new("invalid", format!("`{}` {words}.", column.name)).at(at));
    }

    /// What of it may be stored.
    ///
    /// # Errors
    /// A defect, where something of it was never made.
    pub fn finished(&self) -> Result<Finished<'_, 's>, Error> {
        if self.unfinished.is_empty() { Ok(Finished(&self.sets)) } else { Err(Error::internal("a change was not finished")) }
    }

    /// Sets a column for an action, which may set what clients may not. A password comes as its hash, a secret sealed.
    pub fn set_by_action(&mut self, name: &str, value: &Json) {
        let Some(column) = self.entity.column(name) else { return }; // the file was checked
        self.sent.push(name.to_owned());
        let at = format!("/attributes{}", step(name));
        let worded = worded(column, value);
        let value = worded.as_ref().unwrap_or(value);
        match (value, &column.kind) {
            (Json::Null, _) if column.refuses_null() => {
                self.faults.push(Fault::new("required", format!("`{name}` is required.")).at(at));
            }
            (Json::Null, _) => self.sets.push((column, None)),
            (Json::String(kept), Kind::Password | Kind::Encrypted) => self.sets.push((column, Some(kept.clone()))),
            (value, kind) => match kind.check(&column.bounds, value) {
                Ok(text) => self.set(column, Some(text)),
                Err(words) => {
                    self.faults.push(Fault::new("invalid", format!("`{name}` {words}.")).at(at));
                }
            },
        }
    }

    /// Fills in defaults, and names what is missing. `by_action`: whether an action makes the row, which sets what clients may
    /// not. `has`: whether attributes and relationships were sent at all, for faults point at what is there (ER3).
    pub fn complete(&mut self, entity: &'s Entity, has: [bool; 2], by_action: bool) {
        let [attributes, relationships] = [("/data/attributes", has[0]), ("/data/relationships", has[1])]
            .map(|(at, is_there)| if is_there { at } else { "/data" });
        let missing: Vec<&'s Column> =
            entity.columns.iter().filter(|c| !self.sets.iter().any(|(s, _)| s.name == c.name)).collect();
        for column in missing {
            let at = format!("/data/attributes{}", step(&column.name));
            let is_faulty = self.faults.iter().any(|f| f.source == crate::error::Source::Pointer(at.clone()));
            if let Some(default) = &column.default {
                // Checked when the file was loaded.
                if let Ok(text) = column.kind.check(&column.bounds, default) {
                    self.set(column, Some(text));
                }
            } else if column.required && !is_faulty && !SYSTEM_COLUMNS.contains(&column.name.as_str()) {
                match column.write {
                    Write::System if !by_action => {
                        let words = format!("`{}` is required, and set by actions alone.", column.name);
                        self.forbidden = Some(Fault::new("read-only", words).at(attributes));
                    }
                    Write::System | Write::Anyone | Write::OnCreate | Write::Owner => {
                        self.faults.push(Fault::new("required", format!("`{}` is required.", column.name)).at(attributes));
                    }
                }
            }
        }
        for relation in entity.relations.iter().filter(|r| r.required && !r.default_caller) {
            if !self.links.iter().any(|l| l.relation.name == relation.name)
                && !self.faults.iter().any(|f| f.detail.contains(&format!("`{}`", relation.name)))
            {
                self.faults.push(Fault::new("required", format!("`{}` is required.", relation.name)).at(relationships));
            }
        }
    }

    /// The faults as one refusal, if there are any.
    ///
    /// # Errors
    /// 403 where a field is read-only, 409 where type or id clash, 422 with all others.
    pub fn check(&mut self) -> Result<(), Error> {
        if let Some(fault) = self.forbidden.take() {
            return Err(Error::Forbidden(Some(fault)));
        }
        if let Some(fault) = self.conflict.take() {
            return Err(Error::conflict(fault));
        }
        if self.faults.is_empty() { Ok(()) } else { Err(Error::Invalid(std::mem::take(&mut self.faults))) }
    }
}
