//! Names of before: what files say was called otherwise (`was`) is brought to its name of today, before anything is compared.
//!
//! In charge of: the steps that rename tables, columns, options, groups and actions, and with them what is kept under their
//! names: rights, histories, what waits. Pure, like [`diff`](super::diff).

use super::catalog::Catalog;
use super::diff::{Step, additive, demanding};
use super::{Link, Renamed, Schema, quote, table_name, text};

/// What is called otherwise, beside what the schema says itself.
#[derive(Debug, Default)]
pub struct Others {
    /// Actions: the entity, the name before, and the one of today.
    pub actions: Vec<(String, String, String)>,
    /// Groups: the name before, and the one of today.
    pub groups: Vec<(String, String)>,
    /// All actions there are: entity and name.
    pub named: Vec<(String, String)>,
}

/// Something that was renamed when files were applied.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct Past {
    /// `entity`, `field`, `group` or `action`.
    pub kind: String,
    /// Whose, of fields and actions; else empty.
    pub entity: String,
    pub was: String,
    pub now: String,
}

/// The steps from the names of before to those of today, as they are found.
pub(super) struct Renaming<'a> {
    pub schema: &'a Schema,
    /// As it is after the steps.
    pub catalog: &'a mut Catalog,
    pub steps: Vec<Step>,
    /// What can't be brought, because both names are there.
    pub faults: Vec<String>,
}

impl Renaming<'_> {
    /// Entities first, then what they have.
    pub fn all(&mut self, others: &Others) {
        for renamed in &self.schema.renamed {
            match renamed {
                Renamed::Entity { was, now } => self.entity(was, now),
                Renamed::Field { entity, was, now } => self.field(entity, was, now),
                Renamed::Choice { .. } => {} // when the constraint of before is gone: see `choice`
            }
        }
        for (was, now) in &others.groups {
            self.group(was, now);
        }
        for (entity, was, now) in &others.actions {
            self.action(entity, was, now);
        }
        self.older(others);
    }

    /// Files that were written before something was renamed would make it anew, beside what became of it.
    fn older(&mut self, others: &Others) {
        let field = |entity: &str, name: &str| {
            self.schema.entity(entity).is_some_and(|e| e.column(name).is_some() || e.relation(name).is_some())
        };
        let action = |entity: &str, name: &str| others.named.iter().any(|(of, known)| of == entity && known == name);
        let stands = |past: &&Past| {
            let Past { kind, entity, was, now } = past;
            let (names_was, names_now, is_there) = match kind.as_str() {
                "entity" => {
                    let named = |name: &str| self.schema.entity(name).is_some();
                    (named(was), named(now), self.catalog.tables.contains_key(now))
                }
                "field" => {
                    let is_column = self.catalog.tables.get(entity).is_some_and(|table| table.columns.contains_key(now));
                    let is_pairs = self.catalog.tables.contains_key(&table_name(entity, now));
                    (field(entity, was), field(entity, now), is_column || is_pairs)
                }
                "group" => {
                    let named = |name: &String| self.schema.groups.contains(name);
                    (named(was), named(now), self.catalog.groups.contains(now))
                }
                _ => {
                    let is_there = self.catalog.actions.contains(&(entity.clone(), now.clone()));
                    (action(entity, was), action(entity, now), is_there)
                }
            };
            names_was && !names_now && is_there
        };
        let found = self.catalog.renamed.iter().filter(stands).map(|Past { kind, entity, was, now }| {
            let of = if entity.is_empty() { String::new() } else { format!("{entity}: ") };
            format!(
                "{of}the {kind} `{was}` became `{now}` when newer files were applied, and these are older: start with those, or say `was: {now}` of `{was}` to go back"
            )
        });
        self.faults.extend(found.collect::<Vec<_>>());
    }

    fn remember(&mut self, kind: &str, entity: &str, was: &str, now: &str) {
        let [kind, of, old, new] = [kind, entity, was, now].map(text);
        self.steps.push(additive(format!(
            "update rowhouse.renamed set now = {new} where kind = {kind} and entity = {of} and now = {old}"
        )));
        self.steps.push(additive(format!(
            "delete from rowhouse.renamed where kind = {kind} and entity = {of} and was in ({old}, {new})"
        )));
        self.steps
            .push(additive(format!("insert into rowhouse.renamed (kind, entity, was, now) values ({kind}, {of}, {old}, {new})")));
    }

    fn clash(&mut self, what: &str, was: &str, now: &str) {
        self.faults.push(format!(
            "{what} `{was}` is to be called `{now}`, and both are there: move by hand what `{was}` keeps, and take it away"
        ));
    }

    fn table(&mut self, was: &str, now: &str) {
        self.steps.push(demanding(format!("alter table public.{} rename to {}", quote(was), quote(now))));
        if let Some(table) = self.catalog.tables.remove(was) {
            self.catalog.tables.insert(now.to_owned(), table);
        }
    }

    fn entity(&mut self, was: &str, now: &str) {
        if !self.catalog.entities.contains(was) || !self.catalog.tables.contains_key(was) {
            return;
        }
        if self.catalog.tables.contains_key(now) || self.catalog.others.contains(now) {
            return self.clash("the entity", was, now);
        }
        let fields = self.schema.renamed.iter().filter_map(|renamed| match renamed {
            Renamed::Field { entity, was, .. } if entity == now => Some(was.clone()),
            Renamed::Field { .. } | Renamed::Entity { .. } | Renamed::Choice { .. } => None,
        });
        let relations = self.schema.entity(now).into_iter().flat_map(|entity| &entity.relations).map(|r| r.name.clone());
        // Of relations that are gone from the files, too; a name that was cut tells nothing of them.
        let kept = self.catalog.tables.keys().filter_map(|table| {
            let relation = table.strip_prefix(was)?.strip_prefix('.')?;
            (table_name(was, relation) == *table).then(|| relation.to_owned())
        });
        let relations: Vec<String> = fields.chain(relations).chain(kept).collect();
        self.table(was, now);
        for relation in relations {
            let table = table_name(was, &relation);
            if self.catalog.tables.contains_key(&table) {
                self.table(&table, &table_name(now, &relation));
            }
        }
        let (old, new) = (text(was), text(now));
        self.steps.push(demanding(format!("update world set name = {new} where name = {old}")));
        for table in ["action", "transfer", "rowhouse.change", "rowhouse.renamed"] {
            self.steps.push(additive(format!("update {table} set entity = {new} where entity = {old}")));
        }
        self.steps.push(additive(format!(
            "update task
set payload = payload || jsonb_build_object('entity', {new}::text), line = {new} || substr(line, length({old}) + 1)
where payload ->> 'entity' = {old}"
        )));
        for (table, column) in [("task", "name"), ("rowhouse.tick", "action"), ("rowhouse.change", "action")] {
            self.steps.push(additive(format!(
                "update {table} set {column} = {new} || substr({column}, length({old}) + 1) where starts_with({column}, {old} || '/')"
            )));
        }
        self.remember("entity", "", was, now);
        self.catalog.renamed.iter_mut().filter(|past| past.entity == was).for_each(|past| now.clone_into(&mut past.entity));
        self.catalog.entities.remove(was);
        self.catalog.entities.insert(now.to_owned());
        if let Some(described) = self.catalog.described.remove(was) {
            self.catalog.described.insert(now.to_owned(), described);
        }
        let actions = std::mem::take(&mut self.catalog.actions).into_iter();
        self.catalog.actions = actions.map(|(of, name)| (if of == was { now.to_owned() } else { of }, name)).collect();
    }

    fn field(&mut self, entity: &str, was: &str, now: &str) {
        let relation = self.schema.entity(entity).and_then(|entity| entity.relation(now));
        if relation.is_some_and(|relation| matches!(relation.link, Link::Through { near: "source", .. })) {
            let (old, new) = (table_name(entity, was), table_name(entity, now));
            match (self.catalog.tables.contains_key(&old), self.catalog.tables.contains_key(&new)) {
                (false, _) => return,
                (true, true) => return self.clash(&format!("{entity}: the relation"), was, now),
                (true, false) => self.table(&old, &new),
            }
        } else {
            let Some(table) = self.catalog.tables.get_mut(entity) else { return };
            if !table.columns.contains_key(was) {
                return;
            }
            if table.columns.contains_key(now) {
                return self.clash(&format!("{entity}: the field"), was, now);
            }
            if let Some(column) = table.columns.remove(was) {
                table.columns.insert(now.to_owned(), column);
            }
            let (table, old, new) = (quote(entity), quote(was), quote(now));
            self.steps.push(demanding(format!("alter table public.{table} rename column {old} to {new}")));
            let columns = &mut self.catalog.described.entry(entity.to_owned()).or_default().columns;
            if let Some(column) = columns.remove(was) {
                columns.insert(now.to_owned(), column);
            }
        }
        self.remember("field", entity, was, now);
        let (old, new) = (text(was), text(now));
        self.steps.extend(kept(entity, |values| {
            format!("({values} - {old} || case when {values} ? {old} then jsonb_build_object({new}::text, {values} -> {old}) else '{{}}' end)")
        }));
    }

    fn group(&mut self, was: &str, now: &str) {
        if !self.catalog.groups.contains(was) {
            return;
        }
        if self.catalog.groups.contains(now) {
            return self.clash("the group", was, now);
        }
        let (old, new) = (text(was), text(now));
        self.steps.push(demanding(format!(
            "update usergroup set name = {new}, version = version + 1, updated_at = now() where declared and name = {old}"
        )));
        // What the files said last names groups, too: else what was set live would be taken for another value.
        for table in ["world", "action"] {
            let named = |name: &str| format!("'\"group\": ' || to_json({name}::text)::text");
            let sql = format!(
                "update {table} set applied = replace(applied::text, {}, {})::jsonb where strpos(applied::text, {}) > 0",
                named(&old),
                named(&new),
                named(&old),
            );
            self.steps.push(additive(sql));
        }
        self.remember("group", "", was, now);
        self.catalog.groups.remove(was);
        self.catalog.groups.insert(now.to_owned());
    }

    fn action(&mut self, entity: &str, was: &str, now: &str) {
        let key = |name: &str| (entity.to_owned(), name.to_owned());
        if !self.catalog.actions.contains(&key(was)) {
            return;
        }
        if self.catalog.actions.contains(&key(now)) {
            return self.clash(&format!("{entity}: the action"), was, now);
        }
        let (of, old, new) = (text(entity), text(was), text(now));
        self.steps.push(demanding(format!("update action set name = {new} where entity = {of} and name = {old}")));
        let [old, new] = [was, now].map(|name| text(&format!("{entity}/{name}")));
        for (table, column) in [("task", "name"), ("rowhouse.tick", "action"), ("rowhouse.change", "action")] {
            self.steps.push(additive(format!("update {table} set {column} = {new} where {column} = {old}")));
        }
        self.remember("action", entity, was, now);
        self.catalog.actions.remove(&key(was));
        self.catalog.actions.insert(key(now));
    }
}

/// The steps that change values of rows where they are kept: in histories, and in what listeners are still to hear.
/// `change`: the changed values, of values as an expression.
fn kept(entity: &str, change: impl Fn(&str) -> String) -> [Step; 2] {
    let of = text(entity);
    let [before, after] = ["before", "after"].map(&change);
    let [was, is] = ["payload -> 'before'", "payload -> 'after'"].map(|values| change(&format!("({values})")));
    [
        format!(
            "update rowhouse.change set before = {before}, after = {after}
where entity = {of} and (before, after) is distinct from ({before}, {after})"
        ),
        format!(
            "update task set payload = payload || jsonb_build_object('before', {was}, 'after', {is})
where kind = 'event' and state <> 'done' and payload ->> 'entity' = {of}"
        ),
    ]
    .map(additive)
}

/// The steps that call an option of an enum otherwise in all rows, and where it is kept; for when no constraint knows the one of
/// before any more.
pub(super) fn choice(entity: &str, column: &str, was: &str, now: &str) -> Vec<Step> {
    let (table, name) = (quote(entity), quote(column));
    let (field, old, new) = (text(column), text(was), text(now));
    let mut steps = vec![demanding(format!(
        "update public.{table} set {name} = {new}, version = version + 1, updated_at = now() where {name} = {old}"
    ))];
    steps.extend(kept(entity, |values| {
        format!("({values} || case when {values} ->> {field} = {old} then jsonb_build_object({field}::text, {new}::text) else '{{}}' end)")
    }));
    steps
}
