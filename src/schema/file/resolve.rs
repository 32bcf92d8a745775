//! Drafts of entities → [`Schema`]: names resolved, inverses made, rings refused.
//!
//! In charge of: whatever needs more than one file to be known.

use std::collections::{BTreeMap, HashMap};

use super::{Draft, DraftRelation, Place};
use crate::permission::{Class, Permission, Right};
use crate::schema::kind::{Bounds, Kind};
use crate::schema::words::spelled_out;
use crate::schema::{Column, Entity, Grant, Link, LinkRule, OnDelete, Policy, Relation, Schema, Unique, Write, table_name};
use crate::yaml::{self, Complaint, Mark};

/// The columns that every row has, after its own.
fn system_columns() -> [Column; 4] {
    let column = |name: &str, kind: Kind, write: Write| Column {
        name: name.to_owned(),
        label: spelled_out(name),
        kind,
        bounds: Bounds::default(),
        required: true,
        unique: Unique::No,
        index: false,
        default: None,
        hidden: false,
        write,
        readers: None,
        writers: None,
    };
    let mut permission = column("permission", Kind::Integer, Write::Owner);
    permission.bounds = Bounds { min: Some(0.0), max: Some(f64::from(Permission::MAX)), ..Bounds::default() };
    permission.required = false;
    [
        permission,
        column("version", Kind::Integer, Write::System),
        column("created_at", Kind::Datetime, Write::System),
        column("updated_at", Kind::Datetime, Write::System),
    ]
}

/// Takes what is wrong, and where.
type Complain<'c> = &'c mut dyn FnMut(&Place, String);

/// Puts the drafts of all entities together: targets, inverses, groups, orders, cycles.
pub(super) fn resolve(drafts: BTreeMap<String, Draft>, complaints: &mut Vec<Complaint>) -> Schema {
    let by_name: HashMap<String, usize> = drafts.keys().enumerate().map(|(at, n)| (n.clone(), at)).collect();
    let mut complain = |place: &Place, words: String| {
        complaints.push(Complaint { file: place.file.clone(), line: place.mark.line, column: place.mark.column, words });
    };
    let mut entities: Vec<Entity> = vec![];
    let mut inverses: Vec<(Place, usize, Relation)> = vec![];
    for (at, (name, draft)) in drafts.iter().enumerate() {
        let mut made = entity(at, name, draft, &mut complain);
        for (place, drawn) in &draft.relations {
            if draft.columns.iter().any(|(_, c)| c.name == drawn.name) {
                complain(place, format!("`{}` is a column and a relation (JSON:API: fields share one namespace)", drawn.name));
            }
            let Some((relation, back)) = relation(&made, drawn, &by_name, &mut |words| complain(place, words)) else { continue };
            inverses.extend(back.map(|back| (place.clone(), relation.target, back)));
            made.relations.push(relation);
        }
        entities.push(made);
    }
    let groups = groups(&entities);
    for (place, at, relation) in inverses {
        let entity = &mut entities[at];
        let taken = entity.column(&relation.name).is_some() || entity.relation(&relation.name).is_some();
        if taken {
            complain(&place, format!("`{}` has a field `{}` already: choose another inverse", entity.name, relation.name));
        }
        entity.relations.push(relation);
    }
    if let (Some(user), Some(group)) = (by_name.get("user_account"), by_name.get("usergroup")) {
        for entity in &mut entities {
            entity.relations.extend(system_relations(&entity.name, *user, *group));
        }
    } else {
        complain(
            &Place { file: "schema".to_owned(), mark: Mark::default() },
            "user_account and usergroup are missing".to_owned(),
        );
    }
    for (name, draft) in &drafts {
        let entity = &mut entities[by_name[name]];
        entity.default_order = order(entity, draft.default_order.as_deref().unwrap_or_default(), &mut complain);
        if entity.default_order.is_empty() {
            let created = entity.columns.iter().position(|c| c.name == "created_at");
            entity.default_order = created.map(|c| (c, true)).into_iter().collect();
        }
    }
    for cycle in required_cycles(&entities) {
        let names = cycle.iter().map(|at| entities[*at].name.as_str()).collect::<Vec<_>>().join(" → ");
        let file = format!("schema/{}.yaml", entities[cycle[0]].name);
        complain(
            &Place { file, mark: Mark::default() },
            format!("{names}: each requires the next, so none could ever be created"),
        );
    }
    Schema { entities, by_name, groups }
}

/// An entity without its relations.
fn entity(at: usize, name: &str, draft: &Draft, complain: Complain<'_>) -> Entity {
    let open = draft.permission.is_none() && draft.grants.is_none();
    let users = || vec![Grant { group: "users".to_owned(), permission: Some(Permission::NONE.with(Class::Group, &Right::ALL)) }];
    let mut entity = Entity {
        at,
        name: name.to_owned(),
        label: draft.label.clone().unwrap_or_else(|| spelled_out(name)),
        description: draft.description.clone().unwrap_or_default(),
        columns: draft.columns.iter().map(|(_, c)| c.clone()).chain(system_columns()).collect(),
        relations: vec![],
        policy: Policy {
            permission: draft.permission.unwrap_or_default(),
            grants: if open { users() } else { draft.grants.clone().unwrap_or_default() },
        },
        default_permission: draft.default_permission.unwrap_or_else(|| Permission::NONE.with(Class::Owner, &Right::ALL)),
        default_groups: draft.default_groups.clone().unwrap_or_default(),
        join_groups: draft.join_groups.clone().unwrap_or_default(),
        default_order: vec![],
        require_if_match: draft.require_if_match.unwrap_or(false),
        client_ids: draft.client_ids.unwrap_or(false),
        audit: draft.audit.unwrap_or(false),
        states: draft.states.clone(),
    };
    let guests_create = entity.policy.permission.bits() & Right::Create.bit() != 0;
    for (place, column) in draft.columns.iter().filter(|(_, c)| guests_create && c.unique == Unique::PerOwner) {
        let words =
            format!("`{}` is unique per owner, and guests, who own nothing, may create: it wouldn't hold for them", column.name);
        complain(place, words);
    }
    if let Some(machine) = &entity.states {
        for (mark, words) in machine.misfits(&entity.columns) {
            complain(&Place { file: machine.file.clone(), mark }, words);
        }
        // It begins where the machine says, and is moved by events alone.
        for column in entity.columns.iter_mut().filter(|c| c.name == machine.column) {
            (column.required, column.write, column.default) = (true, Write::System, Some(machine.initial.clone().into()));
        }
    }
    entity
}

/// The groups that files name, and those that are always there.
fn groups(entities: &[Entity]) -> Vec<String> {
    let mut groups = vec!["administrators".to_owned(), "users".to_owned()];
    for entity in entities {
        let granted = entity.policy.grants.iter().chain(&entity.default_groups).map(|g| &g.group);
        let fire = entity.states.iter().flat_map(|machine| &machine.events).flat_map(|event| &event.groups);
        for group in granted.chain(&entity.join_groups).chain(fire) {
            if !groups.contains(group) {
                groups.push(group.clone());
            }
        }
    }
    groups
}

/// A relation of an entity, and the way back if it has a name.
fn relation(
    of: &Entity,
    drawn: &DraftRelation,
    by_name: &HashMap<String, usize>,
    complain: &mut dyn FnMut(String),
) -> Option<(Relation, Option<Relation>)> {
    let Some(target) = by_name.get(&drawn.target).copied() else {
        let mut names: Vec<&String> = by_name.keys().collect();
        names.sort_unstable();
        let hint = yaml::nearest(&drawn.target, &names).map(|n| format!("; did you mean `{n}`?")).unwrap_or_default();
        complain(format!("there is no entity `{}`{hint}", drawn.target));
        return None;
    };
    if of.name == "user_account" && drawn.on_delete == Some(OnDelete::Cascade) {
        complain("users can't be deleted by cascade: the last administrator could go with them".to_owned());
    }
    if drawn.default_caller && drawn.target != "user_account" {
        complain("`default: caller` is for relations to user_account".to_owned());
    }
    let rule = match (drawn.read_only, of.name == "usergroup" && drawn.name == "members") {
        (true, _) => LinkRule::System,
        (_, true) => LinkRule::Membership,
        _ => LinkRule::Declared,
    };
    let table = table_name(&of.name, &drawn.name);
    let (link, back) = match drawn.many {
        true => (
            Link::Through { table: table.clone(), near: "source", far: "target" },
            Link::Through { table, near: "target", far: "source" },
        ),
        false => (Link::One { column: drawn.name.clone() }, Link::Inverse { column: drawn.name.clone() }),
    };
    let default = if drawn.required { OnDelete::Restrict } else { OnDelete::SetNull };
    let made = Relation {
        name: drawn.name.clone(),
        target,
        link,
        rule,
        required: drawn.required,
        on_delete: drawn.on_delete.unwrap_or(default),
        default_caller: drawn.default_caller,
        inverse: drawn.inverse.clone(),
    };
    let back = drawn.inverse.as_ref().map(|inverse| Relation {
        name: inverse.clone(),
        target: of.at,
        link: back,
        required: false,
        default_caller: false,
        inverse: Some(drawn.name.clone()),
        ..made.clone()
    });
    Some((made, back))
}

fn system_relations(entity: &str, user: usize, group: usize) -> Vec<Relation> {
    let relation = |name: &str, target, link, rule| Relation {
        name: name.to_owned(),
        target,
        link,
        rule,
        required: false,
        on_delete: OnDelete::SetNull,
        default_caller: false,
        inverse: None,
    };
    let array = |name: &str, ids, bits| relation(name, group, Link::Array { ids, bits }, LinkRule::Grant);
    let mut all = vec![];
    if entity == "world" {
        all.push(array("default_groups", "default_groups", Some("default_group_bits")));
        all.push(array("join_groups", "join_groups", None));
    }
    let given = if matches!(entity, "world" | "action" | "session") { LinkRule::System } else { LinkRule::Owner };
    all.push(relation("owner", user, Link::One { column: "owner".to_owned() }, given));
    all.push(array("usergroups", "groups", Some("group_bits")));
    all
}

fn order(entity: &Entity, items: &[(Place, String)], complain: Complain<'_>) -> Vec<(usize, bool)> {
    let mut found = vec![];
    for (place, item) in items {
        let (name, descends) = item.strip_prefix('-').map_or((item.as_str(), false), |n| (n, true));
        match entity.columns.iter().position(|c| c.name == name && c.is_served() && !c.is_limited() && c.kind.is_ordered()) {
            Some(at) => found.push((at, descends)),
            None => {
                let names: Vec<_> = entity.columns.iter().map(|c| c.name.as_str()).collect();
                let hint = yaml::nearest(name, &names).map(|n| format!("; did you mean `{n}`?")).unwrap_or_default();
                complain(place, format!("there is no column `{name}` to sort by{hint}"));
            }
        }
    }
    found
}

/// Rings of entities in which each requires the next; one ring per entity that starts one.
fn required_cycles(entities: &[Entity]) -> Vec<Vec<usize>> {
    fn walk(entities: &[Entity], path: &mut Vec<usize>, found: &mut Vec<Vec<usize>>) {
        let last = path[path.len() - 1];
        let required = entities[last].relations.iter().filter(|r| r.required && !r.is_many() && !r.default_caller);
        for next in required.map(|r| r.target).collect::<Vec<_>>() {
            if next == path[0] {
                found.push([path.as_slice(), &[next]].concat());
            } else if next > path[0] && !path.contains(&next) {
                path.push(next);
                walk(entities, path, found);
                path.pop();
            }
        }
    }
    let mut found = vec![];
    for start in 0..entities.len() {
        walk(entities, &mut vec![start], &mut found);
    }
    found
}
