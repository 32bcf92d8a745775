//! Request × schema → plan: a tree of nodes, names resolved, a guard on every node.
//!
//! In charge of: resolving names, checking values against column types, and putting the right that is asked for on every
//! node. Pure. It must not know SQL or callers. Faults stay in the plan: they are told only after the verdict.

pub mod aggregate;
pub mod change;
pub mod filter;
mod include;
pub mod page;

use serde_json::Value as Json;
use uuid::Uuid;

use crate::config::{Limits, Page};
use crate::error::{Error, Fault, Result};
use crate::permission::Right;
use crate::request::{Query, RawFilter};
use crate::schema::{Column, Entity, Relation, Schema};
use filter::Filter;
use page::{Key, Window};

/// The right that a node asks of each of its rows. There is no node without one, and no right but these:
///
/// ```
/// let guard = rowhouse::plan::Guard::READ;
/// ```
/// ```compile_fail
/// let guard = rowhouse::plan::Guard { right: rowhouse::permission::Right::Create };
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Guard {
    /// Asked of every row.
    right: Right,
}

impl Guard {
    /// Rows whose data goes out.
    pub const READ: Guard = Guard { right: Right::Read };
    /// Rows of which only the identifier goes out.
    pub const PEEK: Guard = Guard { right: Right::Peek };

    /// The right.
    pub fn right(self) -> Right {
        self.right
    }
}

/// A read.
#[derive(Debug)]
pub struct Plan<'s> {
    /// Which rows.
    pub pick: Pick<'s>,
    /// What of them.
    pub root: Node<'s>,
    /// Of linkage: the rows that it names, where they are included (FE10).
    pub linked: Option<Node<'s>>,
    /// Entities that the request names: each must grant read, or the request is refused.
    pub named: Vec<&'s Entity>,
    /// What can't be planned.
    pub faults: Vec<Fault>,
    /// What can't be planned for guests, for whom columns that only owners or groups read don't exist.
    pub guest_faults: Vec<Fault>,
    has_include: bool,
    /// Rows of a list that are walked in order before it is put together from what the caller may see.
    pub walk: i64,
    /// Most rows that all parents of one included relationship have together.
    pub most_included: i64,
    /// Whether the entity itself is not asked, because an action declares the right.
    pub is_lifted: bool,
}

/// Which rows a plan is about.
#[derive(Debug, Clone, Copy)]
pub enum Pick<'s> {
    /// The row with this id.
    One(Uuid),
    /// The caller's own user row.
    Mine,
    /// These rows, in no order.
    These(&'s [Uuid]),
    /// A page of all.
    Page,
    /// What a row is linked to.
    Related {
        /// The row's entity.
        parent: &'s Entity,
        /// The row.
        id: Uuid,
        /// Along which relation.
        relation: &'s Relation,
    },
}

impl Pick<'_> {
    /// Whether they come as a list with pages.
    pub fn is_collection(&self) -> bool {
        match self {
            Pick::Page => true,
            Pick::Related { relation, .. } => relation.is_many(),
            Pick::One(_) | Pick::Mine | Pick::These(_) => false,
        }
    }
}

/// Rows of one entity at one place of the answer.
#[derive(Debug)]
pub struct Node<'s> {
    /// Whose rows.
    pub entity: &'s Entity,
    /// What is asked of each.
    pub guard: Guard,
    /// The attributes that go out.
    pub columns: Vec<&'s Column>,
    /// The relationships that go out.
    pub relations: Vec<&'s Relation>,
    /// Conditions, all of which must hold.
    pub filters: Vec<Filter<'s>>,
    /// The order.
    pub order: Vec<Key<'s>>,
    /// Which part.
    pub window: Window,
    /// What is included.
    pub includes: Vec<Include<'s>>,
    /// Whether each row says what the caller may do with it.
    pub tells_may: bool,
}

/// Rows along a relation.
#[derive(Debug)]
pub struct Include<'s> {
    /// The relation.
    pub relation: &'s Relation,
    /// The rows.
    pub node: Node<'s>,
    /// The parameters that ask the same of the related rows by themselves: for links to their pages.
    pub shape: Vec<(String, String)>,
}

impl<'s> Node<'s> {
    fn new(entity: &'s Entity, guard: Guard, window: Window) -> Node<'s> {
        let order = page::complete(entity.default_order.iter().map(|(c, d)| Key::column(&entity.columns[*c], *d)).collect());
        Node {
            entity,
            guard,
            columns: vec![],
            relations: vec![],
            filters: vec![],
            order,
            window,
            includes: vec![],
            tells_may: entity.name == "world" && guard == Guard::READ,
        }
    }
}

/// Where planning happens: the schema and the limits.
#[derive(Clone, Copy)]
pub struct Planner<'s> {
    /// What exists.
    pub schema: &'s Schema,
    /// How much may be asked.
    pub limits: &'s Limits,
    /// Sizes of pages.
    pub page: &'s Page,
}

impl<'s> Planner<'s> {
    /// The entity that a URL names.
    ///
    /// # Errors
    /// 404.
    pub fn entity(&self, name: &str) -> Result<&'s Entity> {
        self.schema.entity(name).ok_or(Error::NotFound)
    }

    /// Plans a read of resources.
    pub fn read(&self, entity: &'s Entity, pick: Pick<'s>, query: &Query) -> Plan<'s> {
        self.plan(entity, pick, query, Guard::READ)
    }

    /// Plans a read of linkage.
    pub fn linkage(&self, parent: &'s Entity, id: Uuid, relation: &'s Relation, query: &Query) -> Plan<'s> {
        let pick = Pick::Related { parent, id, relation };
        self.plan(self.schema.target(relation), pick, query, Guard::PEEK)
    }

    /// Plans a search for rows that an action works with: peek is enough, and nothing of them goes out.
    pub fn search(&self, entity: &'s Entity, filters: Vec<Json>, sort: &[(Vec<String>, bool)], most: i64) -> Plan<'s> {
        let query =
            Query { filters: filters.into_iter().map(RawFilter::Tree).collect(), sort: sort.to_vec(), ..Query::default() };
        let mut plan = self.plan(entity, Pick::Page, &query, Guard::PEEK);
        plan.root.window = Window::first(most);
        plan.guest_faults.clear(); // what an action's file searches by is its own affair
        plan
    }

    fn plan(&self, entity: &'s Entity, pick: Pick<'s>, query: &Query, guard: Guard) -> Plan<'s> {
        let (mut faults, mut guest_faults) = (query.faults.clone(), vec![]);
        let is_many = pick.is_collection();
        let mut named = if let Pick::Related { parent, .. } = pick { vec![parent] } else { vec![] };
        name(&mut named, entity);
        let window = match pick {
            Pick::These(ids) => Window::first(i64::try_from(ids.len()).unwrap_or(i64::MAX)),
            _ if is_many => page::window(query, self, &mut faults),
            _ => Window::first(1),
        };
        let mut root = Node::new(entity, guard, window);
        let is_linkage = guard == Guard::PEEK && matches!(pick, Pick::Related { .. });
        if is_linkage {
            page::order_linkage(&mut root, query, &mut faults);
        } else if is_many {
            root.order = self.order(entity, &query.sort, "sort", &mut named, [&mut faults, &mut guest_faults]);
            page::check_cursor(&mut root, &mut faults);
            let mut terms = 0;
            let filters = query
                .filters
                .iter()
                .filter(|raw| self.shapes(entity, raw).is_none())
                .filter_map(|raw| filter::plan(self, entity, raw, &mut terms, &mut named, [&mut faults, &mut guest_faults]));
            root.filters = filters.collect();
        } else {
            let is_fit = query.filters.iter().all(|raw| self.shapes(entity, raw).is_some());
            if !is_fit || !query.sort.is_empty() || !query.page.is_empty() {
                faults.push(Fault::new("unknown-parameter", "sort, filter and page are for collections."));
            }
        }
        let linked = match pick {
            Pick::Related { relation, .. } if is_linkage => self.linked(&root, relation, query, &mut named, &mut faults),
            _ => None,
        };
        if guard == Guard::READ {
            self.includes(&mut root, query, &mut named, &mut faults);
            self.shape(&mut root, query, &mut named, [&mut faults, &mut guest_faults]);
        } else if !query.sort_included.is_empty() || !query.size_included.is_empty() {
            let words = "What is included is shaped where its resources are read, not with linkage.";
            faults.push(Fault::new("unknown-parameter", words).parameter("include"));
        }
        for (kind, names) in &query.fields {
            self.check_fields(kind, names, &mut named, [&mut faults, &mut guest_faults]);
        }
        self.fields(&mut root, query);
        let linked = linked.map(|mut node| {
            self.fields(&mut node, query);
            node
        });
        Plan {
            pick,
            root,
            linked,
            named,
            faults,
            guest_faults,
            has_include: query.include.is_some(),
            is_lifted: false,
            walk: self.limits.walk,
            most_included: i64::try_from(self.limits.included_rows).unwrap_or(i64::MAX),
        }
    }

    fn order(
        &self,
        entity: &'s Entity,
        sort: &[(Vec<String>, bool)],
        parameter: &str,
        named: &mut Vec<&'s Entity>,
        [faults, guest_faults]: [&mut Vec<Fault>; 2],
    ) -> Vec<Key<'s>> {
        let mut keys = vec![];
        for (path, descends) in sort {
            let unknown = || {
                let words = format!("{} has no field `{}` to sort by.", entity.name, path.join("."));
                Fault::new("unsupported-sort", words).parameter(parameter)
            };
            match self.path(entity, path, named) {
                Ok((steps, Some(column))) if column.kind.is_ordered() && steps.iter().all(|r| !r.is_many()) => {
                    guest_faults.extend(column.is_limited().then(unknown));
                    keys.push(Key { steps, column: Some(column), descends: *descends });
                }
                Ok((steps, None)) if steps.is_empty() => keys.push(Key { steps, column: None, descends: *descends }),
                _ => faults.push(unknown()),
            }
        }
        if keys.is_empty() {
            keys = entity.default_order.iter().map(|(c, d)| Key::column(&entity.columns[*c], *d)).collect();
        }
        page::complete(keys)
    }

    /// Resolves a path: relations, then a column; no column where it ends in `id` or at a relation.
    fn path(
        &self,
        entity: &'s Entity,
        path: &[String],
        named: &mut Vec<&'s Entity>,
    ) -> Result<(Vec<&'s Relation>, Option<&'s Column>), ()> {
        let (mut at, mut steps) = (entity, vec![]);
        for (place, step) in path.iter().enumerate() {
            let is_last = place + 1 == path.len();
            if is_last && let Some(column) = at.served(step) {
                return Ok((steps, Some(column)));
            }
            if is_last && step == "id" {
                return Ok((steps, None));
            }
            let relation = at.relation(step).filter(|_| steps.len() < self.limits.include_depth).ok_or(())?;
            at = self.schema.target(relation);
            name(named, at);
            steps.push(relation);
        }
        if steps.is_empty() { Err(()) } else { Ok((steps, None)) }
    }

    fn check_fields(
        &self,
        kind: &str,
        names: &[String],
        named: &mut Vec<&'s Entity>,
        [faults, guest_faults]: [&mut Vec<Fault>; 2],
    ) {
        let parameter = format!("fields[{kind}]");
        let Some(entity) = self.schema.entity(kind) else {
            faults.push(Fault::new("unknown-type", format!("There is no type `{kind}`.")).parameter(parameter));
            return;
        };
        name(named, entity); // what it has is not everybody's to know
        for name in names {
            let unknown = || Fault::new("unknown-field", format!("{kind} has no field `{name}`.")).parameter(&parameter);
            match entity.fields().any(|f| f == name.as_str()) {
                true => guest_faults.extend(entity.column(name).filter(|c| c.is_limited()).map(|_| unknown())),
                false => faults.push(unknown()),
            }
        }
    }

    /// Puts on each node the fields that go out.
    fn fields(&self, node: &mut Node<'s>, query: &Query) {
        let entity = node.entity;
        let only = query.fields.iter().find(|(kind, _)| *kind == entity.name).map(|(_, names)| names);
        let wanted = |name: &String| only.is_none_or(|names| names.contains(name));
        if node.guard == Guard::READ {
            node.columns = entity.columns.iter().filter(|c| c.is_served() && wanted(&c.name)).collect();
            node.relations = entity.relations.iter().filter(|r| wanted(&r.name)).collect();
        }
        for include in &mut node.includes {
            self.fields(&mut include.node, query);
        }
    }
}

fn name<'s>(named: &mut Vec<&'s Entity>, entity: &'s Entity) {
    if !named.iter().any(|e| e.at == entity.at) {
        named.push(entity);
    }
}

impl<'s> Plan<'s> {
    /// What is asked of an entity that the request names: that it may be read, or, of rows that only an action works with,
    /// that it may be peeked.
    pub fn asks(&self, entity: &Entity) -> Right {
        if self.is_search() && entity.at == self.root.entity.at { Right::Peek } else { Right::Read }
    }

    /// Whether it finds rows that an action works with, and nothing of them goes out.
    pub fn is_search(&self) -> bool {
        matches!(self.pick, Pick::Page) && self.root.guard == Guard::PEEK
    }

    /// All that is included, in order: what a row leads to stands after it.
    pub fn includes(&self) -> Vec<&Include<'s>> {
        fn all<'p, 's>(node: &'p Node<'s>, found: &mut Vec<&'p Include<'s>>) {
            for include in &node.includes {
                found.push(include);
                all(&include.node, found);
            }
        }
        let mut found = vec![];
        all(&self.root, &mut found);
        self.linked.iter().for_each(|linked| all(linked, &mut found));
        found
    }

    /// Whether it is about one row and nothing that is linked to it: quickly done.
    pub fn is_small(&self) -> bool {
        matches!(self.pick, Pick::One(_) | Pick::Mine) && self.root.includes.is_empty()
    }

    /// Whether the request has the parameter `include`, so that the answer has `included` (FE7).
    pub fn has_include(&self) -> bool {
        self.has_include
    }
}
