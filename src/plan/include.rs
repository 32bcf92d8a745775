//! What is included with the rows that are asked for, and how that is shaped.

use super::page::Window;
use super::{Guard, Include, Node, Planner, filter, name};
use crate::error::Fault;
use crate::request::{Query, RawFilter, path};
use crate::schema::{Entity, Relation};

impl<'s> Planner<'s> {
    /// The rows of linkage with what they lead to, where the request includes them (FE10).
    pub(super) fn linked(
        &self,
        root: &Node<'s>,
        relation: &Relation,
        query: &Query,
        named: &mut Vec<&'s Entity>,
        faults: &mut Vec<Fault>,
    ) -> Option<Node<'s>> {
        let include = query.include.as_ref()?;
        let (ours, others): (Vec<_>, Vec<_>) = include.iter().partition(|path| path.first() == Some(&relation.name));
        faults.extend(others.iter().map(|path| {
            let words =
                format!("Of this linkage `{}` can be included, and what that leads to; not `{}`.", relation.name, path.join("."));
            Fault::new("unknown-relationship", words).parameter("include")
        }));
        let onwards = ours.iter().map(|path| path[1..].to_vec()).filter(|path| !path.is_empty()).collect();
        let mut node = Node::new(root.entity, Guard::READ, Window::first(root.window.size));
        self.includes(&mut node, &Query { include: Some(onwards), ..Query::default() }, named, faults);
        Some(node).filter(|_| !ours.is_empty())
    }

    /// Puts on a node what the request includes.
    pub(super) fn includes(&self, root: &mut Node<'s>, query: &Query, named: &mut Vec<&'s Entity>, faults: &mut Vec<Fault>) {
        let mut count = 0;
        for path in query.include.iter().flatten() {
            if path.len() > self.limits.include_depth {
                let words = format!("An include has at most {} steps.", self.limits.include_depth);
                faults.push(Fault::new("too-deep", words).parameter("include"));
                continue;
            }
            let mut node = &mut *root;
            for step in path {
                let entity = node.entity;
                let Some(relation) = entity.relation(step) else {
                    let words = format!("{} has no relationship `{step}` to include.", entity.name);
                    faults.push(Fault::new("unknown-relationship", words).parameter("include"));
                    break;
                };
                let target = self.schema.target(relation);
                name(named, target);
                let place = match node.includes.iter().position(|i| i.relation.name == *step) {
                    Some(place) => place,
                    None => {
                        count += 1;
                        if count > self.limits.includes {
                            let words = format!("An include leads along at most {} relationships.", self.limits.includes);
                            faults.push(Fault::new("too-many", words).parameter("include"));
                            return;
                        }
                        let window = Window::first(i64::try_from(self.limits.included).unwrap_or(i64::MAX));
                        node.includes.push(Include { relation, node: Node::new(target, Guard::READ, window), shape: vec![] });
                        node.includes.len() - 1
                    }
                };
                node = &mut node.includes[place].node;
            }
        }
    }

    /// The path of the include that a filter shapes, if its first bracket is a to-many relationship.
    pub(super) fn shapes(&self, entity: &'s Entity, raw: &RawFilter) -> Option<Vec<String>> {
        let RawFilter::Plain { members, .. } = raw else { return None };
        let steps = path(members.first()?);
        let (mut at, mut last) = (entity, None);
        for step in &steps {
            let relation = at.relation(step)?;
            (at, last) = (self.schema.target(relation), Some(relation));
        }
        last.is_some_and(Relation::is_many).then_some(steps)
    }

    /// Order, conditions and size of what is included (`sort[rel]`, `filter[rel][…]`, `page[rel][size]`).
    pub(super) fn shape(
        &self,
        root: &mut Node<'s>,
        query: &Query,
        named: &mut Vec<&'s Entity>,
        [faults, guest_faults]: [&mut Vec<Fault>; 2],
    ) {
        let entity = root.entity;
        let missing = |path: &[String], parameter: &str| {
            let words = format!("`{}` is no to-many relationship that is included.", crate::error::short(&path.join(".")));
            Fault::new("not-included", words).parameter(parameter)
        };
        for (path, sort, text) in &query.sort_included {
            let parameter = format!("sort[{}]", path.join("."));
            let Some(include) = included(root, path) else {
                faults.push(missing(path, &parameter));
                continue;
            };
            include.node.order = self.order(include.node.entity, sort, &parameter, named, [faults, guest_faults]);
            include.shape.push(("sort".to_owned(), text.clone()));
        }
        let mut terms = 0;
        for raw in &query.filters {
            let (Some(path), RawFilter::Plain { parameter, members, value }) = (self.shapes(entity, raw), raw) else { continue };
            let Some(include) = included(root, &path) else {
                faults.push(missing(&path, parameter));
                continue;
            };
            let own = RawFilter::Plain { parameter: parameter.clone(), members: members[1..].to_vec(), value: value.clone() };
            let found = filter::plan(self, include.node.entity, &own, &mut terms, named, [faults, guest_faults]);
            include.node.filters.extend(found);
            let members: Vec<_> = members[1..].iter().map(|m| format!("[{m}]")).collect();
            include.shape.push((format!("filter{}", members.concat()), value.clone()));
        }
        for (path, size) in &query.size_included {
            let parameter = format!("page[{}][size]", path.join("."));
            if *size > self.page.most {
                let words = format!("{parameter} is at most {}.", self.page.most);
                faults.push(Fault { most: Some(self.page.most), ..Fault::new("max-size-exceeded", words).parameter(&parameter) });
            }
            match included(root, path) {
                Some(include) => include.node.window.size = *size,
                None => faults.push(missing(path, &parameter)),
            }
        }
    }
}

/// The to-many include along a path.
fn included<'n, 's>(node: &'n mut Node<'s>, path: &[String]) -> Option<&'n mut Include<'s>> {
    let (first, rest) = path.split_first()?;
    let include = node.includes.iter_mut().find(|i| i.relation.name == *first)?;
    if rest.is_empty() { Some(include).filter(|i| i.relation.is_many()) } else { included(&mut include.node, rest) }
}
