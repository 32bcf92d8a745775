//! Drafts of entities → [`Schema`]: names resolved, inverses made, rings refused.
//!
//! In charge of: whatever needs more than one file to be known.

use std::collections::{BTreeMap, HashMap};

use super::{Draft, DraftRelation, Place};
use crate::permission::{Class, Permission, Right};
use crate::schema::kind::{Bounds, Kind};
use crate::schema::words::spelled_out;
use crate::schema::{
    Column, Entity, Grant, Link, LinkRule, OnDelete, Policy, Reading, Relation, Renamed, Schema, Together, Unique, Write,
    table_name,
};
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
        reading: Reading::default(),
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
        let listed = draft.default_order.as_deref().unwrap_or_default();
        entity.default_order = order(entity, listed, &mut complain);
        too_many_options(entity, listed, &mut complain);
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
    for (name, draft) in &drafts {
        let entity = &entities[by_name[name]];
        draft.unique.iter().for_each(|(place, together)| misfits(entity, together, &mut |words| complain(place, words)));
    }
    let renamed = renamed(&drafts, &entities, &mut complain);
    misnamed_groups(&entities, &groups, &mut complain);
    Schema { entities, by_name, groups, actions: vec![], renamed, warnings: vec![] }
}

/// What is wrong with fields that are to be unique together.
fn misfits(entity: &Entity, together: &Together, complain: &mut dyn FnMut(String)) {
    let to_one = |name: &str| entity.relation(name).is_some_and(|r| !r.is_many());
    let mut names: Vec<&str> = entity.columns.iter().map(|c| c.name.as_str()).collect();
    names.extend(entity.relations.iter().filter(|r| !r.is_many()).map(|r| r.name.as_str()));
    let hint = |name: &str| yaml::nearest(name, &names).map(|n| format!("; did you mean `{n}`?")).unwrap_or_default();
    for (at, field) in together.fields.iter().enumerate() {
        match entity.column(field) {
            Some(column) if column.kind.is_secret() || column.kind == Kind::Json => {
                complain(format!("a column of type {} can't be unique", column.kind.word()))
            }
            None if !to_one(field) => {
                complain(format!("`{}` has no column or relation to one row `{field}`{}", entity.name, hint(field)))
            }
            Some(_) | None if together.fields[..at].contains(field) => complain(format!("`{field}` is named twice")),
            Some(_) | None => {}
        }
    }
    let guests_create = entity.policy.permission.bits() & Right::Create.bit() != 0;
    if guests_create && together.fields.iter().any(|field| field == "owner") {
        complain("it is unique per owner, and guests, who own nothing, may create: it wouldn't hold for them".to_owned());
    }
    for counted in &together.counted {
        let column = entity.column(&counted.field);
        if counted.values.is_empty() {
            complain(format!("of `{}` at least one value is wanted", counted.field));
        }
        if column.is_none() && !to_one(&counted.field) {
            complain(format!(
                "`{}` has no column or relation to one row `{}`{}",
                entity.name,
                counted.field,
                hint(&counted.field)
            ));
            continue;
        }
        for value in counted.values.iter().filter(|value| !value.is_null()) {
            match column {
                Some(column) if column.kind.is_secret() || column.kind == Kind::Json => {
                    complain(format!("of `{}`, of type {}, only null can be asked", column.name, column.kind.word()))
                }
                Some(column) => {
                    if let Err(words) = column.kind.check(&column.bounds, value) {
                        complain(format!("`{}` {words}", column.name));
                    }
                }
                None => complain(format!("of `{}` only null can be asked", counted.field)),
            }
        }
    }
}

/// What was called otherwise before, in the order in which it is brought to the names of today; complains about names that are
/// still there, and about those that two claim.
fn renamed(drafts: &BTreeMap<String, Draft>, entities: &[Entity], complain: Complain<'_>) -> Vec<Renamed> {
    let mut all: Vec<&(Place, Renamed)> = drafts.values().flat_map(|draft| &draft.renamed).collect();
    all.sort_by_key(|(_, renamed)| match renamed {
        Renamed::Entity { .. } => 0,
        Renamed::Field { .. } => 1,
        Renamed::Choice { .. } => 2,
    });
    let entity = |name: &str| entities.iter().find(|entity| entity.name == name);
    for (at, (place, renamed)) in all.iter().enumerate() {
        let (is_there, was, now) = match renamed {
            Renamed::Entity { was, now } => (drafts.contains_key(was), was, now),
            Renamed::Field { entity: of, was, now } => {
                let is_there = entity(of).is_some_and(|e| e.column(was).is_some() || e.relation(was).is_some());
                (is_there, was, now)
            }
            Renamed::Choice { entity: of, column, was, now } => {
                let kind = entity(of).and_then(|e| e.column(column)).map(|column| &column.kind);
                (matches!(kind, Some(Kind::Enum { options }) if options.contains(was)), was, now)
            }
        };
        if is_there {
            complain(place, format!("`{was}` is there as well: what is kept under it can't become `{now}`"));
        }
        let claims = |other: &&(Place, Renamed)| match (&other.1, renamed) {
            (Renamed::Entity { was: other, .. }, Renamed::Entity { was, .. }) => other == was,
            (Renamed::Field { entity: a, was: other, .. }, Renamed::Field { entity: b, was, .. }) => a == b && other == was,
            (Renamed::Choice { entity: a, column: c, was: other, .. }, Renamed::Choice { entity: b, column: d, was, .. }) => {
                a == b && c == d && other == was
            }
            (Renamed::Entity { .. } | Renamed::Field { .. } | Renamed::Choice { .. }, _) => false,
        };
        if all[..at].iter().any(claims) {
            complain(place, format!("`{was}` became something else already"));
        }
    }
    all.into_iter().map(|(_, renamed)| renamed.clone()).collect()
}

/// Groups that are called otherwise now, and are named as before, too; and those that two claim.
fn misnamed_groups(entities: &[Entity], groups: &[String], complain: Complain<'_>) {
    let mut claimed: HashMap<&str, &str> = HashMap::new();
    for entity in entities {
        let place = Place { file: format!("schema/{}.yaml", entity.name), mark: Mark::default() };
        for grant in entity.policy.grants.iter().chain(&entity.default_groups) {
            let Some(was) = grant.was.as_deref() else { continue };
            if groups.iter().any(|group| group == was) {
                complain(&place, format!("the group `{was}` is named as well: it can't become `{}`", grant.group));
            }
            if claimed.insert(was, &grant.group).is_some_and(|other| other != grant.group) {
                complain(&place, format!("the group `{was}` became something else already"));
            }
        }
    }
}

/// An entity without its relations.
fn entity(at: usize, name: &str, draft: &Draft, complain: Complain<'_>) -> Entity {
    let open = draft.permission.is_none() && draft.grants.is_none();
    let users = || {
        vec![Grant { group: "users".to_owned(), permission: Some(Permission::NONE.with(Class::Group, &Right::ALL)), was: None }]
    };
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
        unique: draft.unique.iter().map(|(_, together)| together.clone()).collect(),
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
            None if entity.column(name).is_some() => {
                let words = "that is served to everybody who reads the row, and has an order, is wanted";
                complain(place, format!("`{name}` can't be sorted by: a column {words}"));
            }
            None => {
                let names: Vec<_> = entity.columns.iter().map(|c| c.name.as_str()).collect();
                let hint = yaml::nearest(name, &names).map(|n| format!("; did you mean `{n}`?")).unwrap_or_default();
                complain(place, format!("there is no column `{name}` to sort by{hint}"));
            }
        }
    }
    found
}

/// An index by the order of options holds them all, and a row of PostgreSQL's catalog takes about so many bytes of them.
const ORDERED_OPTIONS: usize = 6000;
/// What an option takes beside its name.
const OPTION: usize = 30;

/// Options that are too many, or too long, to be in an index of the default order.
fn too_many_options(entity: &Entity, listed: &[(Place, String)], complain: Complain<'_>) {
    for ((at, _), (place, _)) in entity.default_order.iter().zip(listed) {
        let column = &entity.columns[*at];
        let Kind::Enum { options } = &column.kind else { continue };
        if options.iter().map(|option| option.len() + OPTION).sum::<usize>() > ORDERED_OPTIONS {
            let words = "options are too many for an order by default: make them an entity of their own, and a relation";
            complain(place, format!("`{}`: {} {words}", column.name, options.len()));
        }
    }
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
