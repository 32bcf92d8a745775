//! What exists: entities with their columns and relations, read from files, checked, and then immutable.
//!
//! In charge of: the [`Schema`] that everything else asks. Reading and checking files is [`file`], column types are
//! [`kind`], states are [`machine`], what dashboards are told of it is [`describe`], the way from a catalog to a schema is [`diff`]. It must not know requests, callers or connections.

pub mod catalog;
mod column;
pub mod describe;
pub mod diff;
pub mod facts;
pub mod file;
pub mod kind;
pub mod machine;
mod name;
pub mod rename;
pub mod words;

use std::collections::HashMap;

use serde_json::Value as Json;
use uuid::Uuid;

use crate::permission::{Permission, Right, Subject};
use crate::yaml::Complaint;
pub use column::{Column, Reading, Unique, Write};
use kind::Kind;
use machine::Machine;
pub use name::{object_name, quote, table_name, text};

/// The group `administrators`: matched by id, never by name.
pub const ADMINISTRATORS: Uuid = Uuid::from_u128(0x0000_0000_0000_7000_8000_0000_0000_0001);
/// The columns that every row has beside its own: the database sets them.
pub const SYSTEM_COLUMNS: &[&str] = &["permission", "version", "created_at", "updated_at"];
/// The group `users`.
pub const USERS: Uuid = Uuid::from_u128(0x0000_0000_0000_7000_8000_0000_0000_0002);

/// All entities. Made by [`file::load`] only, so whatever is here has been checked.
#[derive(Debug, Default)]
pub struct Schema {
    entities: Vec<Entity>,
    by_name: HashMap<String, usize>,
    /// Names of the declared groups, `administrators` and `users` first.
    pub groups: Vec<String>,
    /// The actions that go with it, `<entity>/<name>`: once they are loaded.
    pub actions: Vec<String>,
    /// What was called otherwise before: entities first, then their fields, then options.
    pub renamed: Vec<Renamed>,
    /// What will be refused by the next release.
    pub warnings: Vec<Complaint>,
}

/// What a file says was called otherwise (`was`): what is kept under the old name goes on under the new one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Renamed {
    Entity {
        was: String,
        now: String,
    },
    /// A column or a relation of an entity, by the entity's name of today.
    Field {
        entity: String,
        was: String,
        now: String,
    },
    /// An option of an enum.
    Choice {
        entity: String,
        column: String,
        was: String,
        now: String,
    },
}

/// One entity: a table, and a row in `world`.
#[derive(Debug)]
pub struct Entity {
    /// Its place in the schema.
    pub at: usize,
    /// Its name, in URLs, as `type`, and as the table's name.
    pub name: String,
    /// For people.
    pub label: String,
    /// For people.
    pub description: String,
    /// Everything that is an attribute, the system's last.
    pub columns: Vec<Column>,
    /// Everything that is a relationship, `owner` and `usergroups` last.
    pub relations: Vec<Relation>,
    /// What the file says of the entity's own row.
    pub policy: Policy,
    /// What the file says of new rows.
    pub default_permission: Permission,
    /// The groups that new rows are granted to.
    pub default_groups: Vec<Grant>,
    /// Of `user_account`: the groups that new users join.
    pub join_groups: Vec<String>,
    /// Column and whether it descends.
    pub default_order: Vec<(usize, bool)>,
    /// Whether a change has to say with `If-Match` which version it is made for.
    pub require_if_match: bool,
    /// Whether clients may choose the ids of new rows.
    pub client_ids: bool,
    /// Whether it is kept who changed what of its rows.
    pub audit: bool,
    /// The states of its rows, and what moves them.
    pub states: Option<Machine>,
    /// Fields whose values together are no other row's.
    pub unique: Vec<Together>,
}

/// Fields whose values together are those of one row at most. Rows in which one of them is null aren't compared.
#[derive(Debug, Clone, PartialEq)]
pub struct Together {
    /// Columns and relations to one row, by name.
    pub fields: Vec<String>,
    /// Which rows count: those that meet all of these.
    pub counted: Vec<Counted>,
}

/// What a row must hold to count.
#[derive(Debug, Clone, PartialEq)]
pub struct Counted {
    /// A column, or a relation to one row.
    pub field: String,
    /// Any of these; null among them.
    pub values: Vec<Json>,
    /// None of them instead.
    pub is_negated: bool,
}

/// What happens to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Happening {
    Create,
    Update,
    Delete,
}

impl Happening {
    /// All three.
    pub const ALL: [Happening; 3] = [Happening::Create, Happening::Update, Happening::Delete];

    /// As files and notes have it.
    pub fn word(self) -> &'static str {
        match self {
            Happening::Create => "create",
            Happening::Update => "update",
            Happening::Delete => "delete",
        }
    }
}

/// An action that listens to what happens to the rows of an entity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listener {
    /// Whose rows.
    pub entity: String,
    /// To what.
    pub happening: Happening,
    /// Whether it hears of it before it lasts, and may refuse; else after the commit.
    pub is_before: bool,
    /// The action, `<entity>/<name>`.
    pub action: String,
}

/// Permission and grants of an entity's or an action's own row, as its file says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Policy {
    /// The row's permission.
    pub permission: Permission,
    /// The groups that the row is granted to.
    pub grants: Vec<Grant>,
}

/// A grant to a declared group.
#[derive(Debug, Clone, PartialEq)]
pub struct Grant {
    /// The group's name.
    pub group: String,
    /// Bits of its own; none: the row's.
    pub permission: Option<Permission>,
    /// What the group was called before.
    pub was: Option<String>,
}

/// A relation of an entity to another.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct Relation {
    pub name: String,
    /// Whom it leads to.
    pub target: usize,
    pub link: Link,
    pub rule: LinkRule,
    pub required: bool,
    pub on_delete: OnDelete,
    /// A create that doesn't name it links to the caller.
    pub default_caller: bool,
    /// The relation's name on the other side.
    pub inverse: Option<String>,
}

/// How a link is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Link {
    /// A foreign key of this name in the entity's own table: to-one. (`owner` has no constraint.)
    One {
        /// The column.
        column: String,
    },
    /// The foreign key of this name in the other table points here: to-many.
    Inverse {
        /// The column.
        column: String,
    },
    /// A table of pairs: to-many.
    Through {
        /// The table's name.
        table: String,
        /// The column that holds this side's id.
        near: &'static str,
        /// The column that holds the other side's id.
        far: &'static str,
    },
    /// An array of ids in the row itself, with bits beside it where links carry a permission: to-many.
    Array {
        /// The array's column.
        ids: &'static str,
        /// The bits' column.
        bits: Option<&'static str>,
    },
}

/// Which rule asks whether a link may be made or removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkRule {
    /// Update on the row that holds it, refer on the other.
    Declared,
    /// The row's owner: given away by the owner or an administrator.
    Owner,
    /// A grant: made and removed by the row's owner or an administrator.
    Grant,
    /// A membership: made and removed by whoever has update on the group.
    Membership,
    /// Nobody through a request.
    System,
}

/// What happens to a row when the row that it belongs to is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum OnDelete {
    Restrict,
    Cascade,
    SetNull,
}

impl Schema {
    /// All entities, in the order of their names.
    pub fn entities(&self) -> &[Entity] {
        &self.entities
    }

    /// The entity of that name.
    pub fn entity(&self, name: &str) -> Option<&Entity> {
        self.by_name.get(name).map(|at| &self.entities[*at])
    }

    /// One of the entities that are always there.
    ///
    /// # Panics
    /// Never for the names of the embedded schema files: [`file::load`] refuses a schema without them.
    pub fn system(&self, name: &'static str) -> &Entity {
        self.entity(name).unwrap_or_else(|| unreachable!("{name} is embedded"))
    }

    /// Whom a relation leads to.
    pub fn target(&self, relation: &Relation) -> &Entity {
        &self.entities[relation.target]
    }

    /// The same relation seen from the other side.
    pub fn inverse(&self, relation: &Relation) -> Option<&Relation> {
        let name = relation.inverse.as_deref()?;
        self.target(relation).relation(name)
    }
}

impl Entity {
    /// The column of that name, whoever may see it.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|c| c.name == name)
    }

    /// The column of that name if clients may be served it.
    pub fn served(&self, name: &str) -> Option<&Column> {
        self.column(name).filter(|c| c.is_served())
    }

    /// A value of a field as PostgreSQL has it in json, as it is served.
    pub fn told_again(&self, field: &str, value: Json) -> Json {
        let is_time = self.column(field).is_some_and(|c| matches!(c.kind, Kind::Date | Kind::Datetime));
        match value.as_str().filter(|_| is_time).and_then(kind::calendar::respelled) {
            Some(spelled) => spelled.into(),
            None => value,
        }
    }

    /// The relation of that name.
    pub fn relation(&self, name: &str) -> Option<&Relation> {
        self.relations.iter().find(|r| r.name == name)
    }

    /// Names of all that clients may be served: attributes and relationships.
    pub fn fields(&self) -> impl Iterator<Item = &str> {
        let columns = self.columns.iter().filter(|c| c.is_served()).map(|c| c.name.as_str());
        columns.chain(self.relations.iter().map(|r| r.name.as_str()))
    }

    /// Names of what a row holds by itself, beside its id: the attributes that clients may be served, and to-one links.
    pub fn values(&self) -> impl Iterator<Item = &str> {
        let columns = self.columns.iter().filter(|c| c.is_served()).map(|c| c.name.as_str());
        columns.chain(self.relations.iter().filter(|r| !r.is_many()).map(|r| r.name.as_str()))
    }

    /// Of [`Entity::values`] those that everybody is told who may read the row.
    pub fn told(&self) -> impl Iterator<Item = &str> {
        self.values().filter(|name| self.served(name).is_none_or(|column| !column.is_limited()))
    }

    /// The table, quoted.
    pub fn table(&self) -> String {
        format!("public.{}", quote(&self.name)) // so that no name of a statement's own stands before it
    }

    /// How the rule finds a row of this entity under an alias.
    pub fn subject<'a>(&self, row: &'a str) -> Subject<'a> {
        Subject { row, is_group: self.name == "usergroup" }
    }

    /// The orders that have an index: the default one, if its keys are short and not of a language, and that of creation; each key with whether it
    /// descends, the first one never: a b-tree is read both ways.
    pub fn listed_orders(&self) -> Vec<Vec<(&str, bool)>> {
        let is_short = |at: &usize| {
            let column = &self.columns[*at];
            column.reading == Reading::default() && (column.kind.is_line() || column.kind.wire() != kind::Wire::Text)
        };
        let mut orders = vec![];
        if self.default_order.iter().all(|(at, _)| is_short(at)) {
            let keys = self.default_order.iter().map(|(at, descends)| (self.columns[*at].name.as_str(), *descends));
            let last = self.default_order.last().is_some_and(|(_, descends)| *descends);
            orders.push(forwards(&keys.chain([("id", last)]).collect::<Vec<_>>()));
        }
        let created = vec![("created_at", false), ("id", false)];
        if !orders.contains(&created) {
            orders.push(created);
        }
        orders
    }

    /// Whether an index gives rows in this order: each key with whether it descends.
    pub fn is_indexed(&self, keys: &[(&str, bool)]) -> bool {
        let keys = forwards(keys);
        // What is compared folded, is indexed folded.
        let is_plain =
            |c: &Column| c.ordered("x") == "x" && (c.kind.folded("x") == "x" || c.kind == Kind::Name && c.unique == Unique::No);
        let has_own = |name: &str| self.column(name).is_some_and(|c| is_plain(c) && (c.index || c.unique == Unique::Everywhere));
        match keys.as_slice() {
            [("id", _)] => true,
            [(name, false), ("id", false)] if has_own(name) => true,
            _ => self.listed_orders().contains(&keys),
        }
    }

    /// Whether Rowhouse itself brings it.
    pub fn is_system(&self) -> bool {
        matches!(
            self.name.as_str(),
            "world"
                | "action"
                | "session"
                | "user_account"
                | "usergroup"
                | "mail"
                | "task"
                | "transfer"
                | "join_request"
                | "action_run"
        )
    }

    /// Whether requests can make a row at all: not where what is required is only an action's to set.
    pub fn is_creatable(&self) -> bool {
        let by_action = |c: &Column| c.required && c.write == Write::System && c.default.is_none();
        let own = self.columns.iter().filter(|c| !matches!(c.name.as_str(), "version" | "created_at" | "updated_at"));
        !own.into_iter().any(by_action) && !self.relations.iter().any(|r| r.required && r.rule == LinkRule::System)
    }

    /// Whether a right is nobody's through requests, whatever rows say: what the loader or the engine makes.
    pub fn is_closed(&self, right: Right) -> bool {
        matches!(
            (self.name.as_str(), right),
            ("world" | "action", Right::Create | Right::Delete)
                | ("mail" | "task" | "action_run", Right::Create)
                | ("session", Right::Create | Right::Update | Right::Delete)
        )
    }
}

/// An order, or the same read backwards: the one whose first key ascends.
fn forwards<'a>(keys: &[(&'a str, bool)]) -> Vec<(&'a str, bool)> {
    let turns = keys.first().is_some_and(|(_, descends)| *descends);
    keys.iter().map(|(name, descends)| (*name, *descends != turns)).collect()
}

impl Relation {
    /// Whether it leads to many rows.
    pub fn is_many(&self) -> bool {
        !matches!(self.link, Link::One { .. })
    }

    /// The foreign key of one that leads to one row.
    pub fn foreign_key(&self) -> Option<&str> {
        if let Link::One { column } = &self.link { Some(column) } else { None }
    }
}
