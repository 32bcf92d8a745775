//! What a schema wants of PostgreSQL: its tables with their columns, indexes, constraints and triggers.
//!
//! Names of objects hold a digest of their definition, so that names alone tell what is there.

use serde_json::Value as Json;

use super::step::Demand;
use super::trigger;
use crate::permission::Right;
use crate::schema::catalog::{ROW, STAMP};
use crate::schema::kind::{Bounds, Kind, Wire};
use crate::schema::{Counted, Entity, Link, Listener, OnDelete, Relation, Schema, Together, Unique, object_name, quote, text};

pub(super) struct Wanted {
    pub name: String,
    pub columns: Vec<Asked>,
    pub key: &'static str,
    pub indexes: Vec<Object>,
    pub constraints: Vec<Object>,
    /// Name and statement.
    pub triggers: Vec<(String, String)>,
}

/// A column as it is wanted.
pub(super) struct Asked {
    pub name: String,
    pub kind: String,
    pub is_required: bool,
    /// What a row holds that says nothing of it.
    pub default: Option<String>,
    /// As files describe it; of the system's own columns nothing.
    pub told: Option<Json>,
}

/// An index or a constraint.
pub(super) struct Object {
    pub name: String,
    /// The columns and relations that it speaks of.
    pub fields: Vec<String>,
    /// The statement of an index, the definition of a constraint.
    pub sql: String,
    pub demand: Option<Demand>,
}

/// Everything that a schema wants. `listeners`: the actions that listen to what happens to rows.
pub(super) fn all(schema: &Schema, listeners: &[Listener]) -> Vec<Wanted> {
    let mut wanted: Vec<Wanted> = schema.entities().iter().flat_map(|entity| tables(schema, entity)).collect();
    schema.entities().iter().for_each(|entity| trigger::notes(entity, listeners, &mut wanted));
    trigger::stamps(&mut wanted);
    trigger::gone(&mut wanted);
    trigger::raises(schema, &mut wanted);
    wanted
}

impl Wanted {
    /// The statement that makes the table.
    pub fn create(&self) -> String {
        let columns = self.columns.iter().map(|column| {
            let fixed = match column.name.as_str() {
                "version" => " default 1".to_owned(),
                "created_at" | "updated_at" => " default now()".to_owned(),
                "groups" => " default '{}'".to_owned(),
                _ => column.kept_default().map(|default| format!(" default {default}")).unwrap_or_default(),
            };
            let not_null = if column.is_required { " not null" } else { "" };
            format!("  {} {}{not_null}{fixed}", quote(&column.name), column.kind)
        });
        let lines: Vec<_> = columns.chain([format!("  primary key ({})", self.key)]).collect();
        format!("create table public.{} (\n{}\n)", quote(&self.name), lines.join(",\n"))
    }
}

impl Asked {
    pub fn of(name: &str, kind: &str, is_required: bool) -> Asked {
        Asked { name: name.to_owned(), kind: kind.to_owned(), is_required, default: None, told: None }
    }

    /// The default that the database has, too: nodes whose files don't know the column write on.
    pub fn kept_default(&self) -> Option<&str> {
        self.default.as_deref().filter(|_| self.is_required)
    }
}

/// The entity's own table, and those of its many-to-many relations.
fn tables(schema: &Schema, entity: &Entity) -> Vec<Wanted> {
    let mut own = Wanted {
        name: entity.name.clone(),
        columns: ROW.iter().map(|(name, kind, is_required)| Asked::of(name, kind, *is_required)).collect(),
        key: "id",
        indexes: vec![],
        constraints: vec![],
        triggers: vec![],
    };
    if entity.name == "world" {
        let granted = [("default_groups", "uuid[]"), ("default_group_bits", "integer[]"), ("join_groups", "uuid[]")];
        own.columns.extend(granted.map(|(name, kind)| Asked::of(name, kind, false)));
    }
    for column in entity.columns.iter().filter(|c| !own.columns.iter().any(|asked| asked.name == c.name)).collect::<Vec<_>>() {
        let default = column.default.as_ref().map(|json| literal(&column.kind, json));
        own.columns.push(Asked {
            default,
            told: Some(column.describe()),
            ..Asked::of(&column.name, &column.kind.sql(), column.required)
        });
        let name = quote(&column.name);
        let spelled = column.kind.folded(&name);
        match column.unique {
            Unique::Everywhere => unique(&mut own, entity, &[&column.name], ""),
            Unique::PerOwner => unique(&mut own, entity, &["owner", &column.name], ""),
            Unique::No if column.index => {
                let spelled = if column.kind == Kind::Name { &name } else { &spelled };
                index(&mut own, entity, &column.name, "idx", (&[&column.name], &format!("({spelled}, \"id\")")));
            }
            Unique::No => {}
        }
        if let Kind::Enum { options } = &column.kind {
            let options = options.iter().map(|o| text(o)).collect::<Vec<_>>().join(", ");
            let demand = Demand {
                words: "has options that these are none of".to_owned(),
                remedy: "Give them one of the options first, or say `{ name: …, was: … }` of one that is called otherwise now",
                ..Demand::of(
                    &format!("{}.{}", entity.name, column.name),
                    format!("select id::text as id, {name} as value from {} where {name} not in ({options})", entity.table()),
                )
            };
            constraint(&mut own, entity, &column.name, &format!("check ({name} in ({options}))"), demand);
        }
    }
    for together in &entity.unique {
        let fields: Vec<&str> = together.fields.iter().map(String::as_str).collect();
        unique(&mut own, entity, &fields, &counted(entity, together));
    }
    lists(&mut own, entity);
    let mut all = vec![];
    for relation in &entity.relations {
        match &relation.link {
            Link::One { column } if relation.name != "owner" => {
                own.columns.push(Asked::of(column, "uuid", relation.required));
                index(&mut own, entity, column, "idx", (&[column], &format!("({})", quote(column))));
                let key = foreign_key(schema, relation, column);
                let (name, target) = (quote(column), schema.target(relation).table());
                let demand = Demand {
                    words: format!("leads to {}, but these lead to no row of it", schema.target(relation).name),
                    remedy: "Give them another one, or none, first",
                    ..Demand::of(
                        &format!("{}.{}", entity.name, relation.name),
                        format!(
                            "select t.id::text as id, t.{name}::text as value from {} t
where t.{name} is not null and not exists (select from {target} o where o.id = t.{name})",
                            entity.table()
                        ),
                    )
                };
                constraint(&mut own, entity, column, &key, demand);
            }
            Link::Through { table, near: "source", .. } => all.push(pairs(schema, entity, relation, table)),
            _ => {}
        }
    }
    all.insert(0, own);
    all
}

/// The indexes that lists need: the default order, also of what guests may read; the owner's and the groups' rows.
fn lists(own: &mut Wanted, entity: &Entity) {
    for (at, order) in entity.listed_orders().into_iter().enumerate() {
        let key = |name: &str| entity.column(name).map_or_else(|| quote(name), |column| column.ordered(&quote(name)));
        let keys = order.iter().map(|(name, descends)| format!("{}{}", key(name), if *descends { " desc" } else { "" }));
        let keys = keys.collect::<Vec<_>>().join(", ");
        let fields: Vec<&str> = order.iter().map(|(name, _)| *name).filter(|name| *name != "id").collect();
        index(own, entity, "order", "idx", (&fields, &format!("({keys})")));
        if at == 0 {
            let guest = format!("({keys}) where permission & {} <> 0", Right::Read.bit());
            index(own, entity, "guest", "idx", (&fields, &guest));
        }
    }
    index(own, entity, "owner", "idx", (&["owner"], "(\"owner\")"));
    index(own, entity, "groups", "gin", (&["usergroups"], "using gin (\"groups\") with (fastupdate = off)"));
}

fn pairs(schema: &Schema, entity: &Entity, relation: &Relation, table: &str) -> Wanted {
    let column = |name: &str| Asked::of(name, "uuid", true);
    let stamp = Asked::of("created_at", STAMP, true);
    let mut wanted = Wanted {
        name: table.to_owned(),
        columns: vec![column("source"), column("target"), stamp],
        key: "\"source\", \"target\"",
        indexes: vec![],
        constraints: vec![],
        triggers: vec![],
    };
    for (column, other) in [("source", entity), ("target", schema.target(relation))] {
        let key = format!("foreign key (\"{column}\") references {} (id) on delete cascade", other.table());
        let demand = Demand {
            words: format!("leads to {}, but these lead to no row of it", other.name),
            remedy: "Take the links away first",
            ..Demand::of(
                &format!("{}.{}", entity.name, relation.name),
                format!(
                    "select t.source::text as id, t.{column}::text as value from public.{} t
where not exists (select from {} o where o.id = t.{column})",
                    quote(table),
                    other.table()
                ),
            )
        };
        let name = object_name(table, column, "fk", &key);
        wanted.constraints.push(Object { name, fields: vec![relation.name.clone()], sql: key, demand: Some(demand) });
    }
    // With both, what a row is linked to is read from the index alone, in order: every proof reads somebody's groups so.
    let definition = "(\"target\", \"source\")";
    let name = object_name(table, "target", "idx", definition);
    let sql = format!("create index {} on public.{} {definition}", quote(&name), quote(table));
    wanted.indexes.push(Object { name, fields: vec![relation.name.clone()], sql, demand: None });
    wanted
}

/// An index of an entity's table: of which fields, and how it is defined.
fn index(wanted: &mut Wanted, entity: &Entity, part: &str, kind: &str, (fields, definition): (&[&str], &str)) {
    let name = object_name(&entity.name, part, kind, definition);
    let on = format!(" on {} {definition}", entity.table());
    if wanted.indexes.iter().any(|known| known.sql.ends_with(&on)) {
        return; // one is enough, whoever asked for it
    }
    let sql = format!("create index {}{on}", quote(&name));
    let texts = fields.iter().filter(|field| entity.column(field).is_some_and(|column| column.kind.wire() == Wire::Text));
    let size = texts.map(|field| format!("pg_column_size({})", quote(field))).collect::<Vec<_>>().join(" + ");
    let demand = (!size.is_empty()).then(|| Demand {
        words: "is to have an index, but these are too long for one".to_owned(),
        remedy: "Make them shorter first",
        ..Demand::of(
            &format!("{}.{}", entity.name, fields.join(" and ")),
            format!(
                "select id::text as id, {}::text as value from {} where {size} > {INDEXED}",
                quote(fields[0]),
                entity.table()
            ),
        )
    });
    wanted.indexes.push(Object { name, fields: owned(fields), sql, demand });
}

/// About so many bytes of a row an index takes.
const INDEXED: usize = 2600;

fn owned(fields: &[&str]) -> Vec<String> {
    fields.iter().map(|field| (*field).to_owned()).collect()
}

/// A field as an index compares it.
fn compared(entity: &Entity, field: &str) -> String {
    let name = quote(field);
    entity.column(field).map_or(name.clone(), |column| column.kind.folded(&name))
}

/// A unique index of fields together, of the rows that count.
fn unique(wanted: &mut Wanted, entity: &Entity, fields: &[&str], counted: &str) {
    let keys: Vec<String> = fields.iter().map(|field| compared(entity, field)).collect();
    let all = keys.join(", ");
    let filter = if counted.is_empty() { String::new() } else { format!(" where {counted}") };
    let definition = format!("({all}){filter}");
    let name = object_name(&entity.name, fields[fields.len() - 1], "key", &definition);
    if wanted.indexes.iter().any(|known| known.name == name) {
        return; // said twice
    }
    let sql = format!("create unique index {} on {} {definition}", quote(&name), entity.table());
    let shown = fields.iter().map(|field| format!("{}::text", quote(field))).collect::<Vec<_>>().join(", ");
    let whole = keys.iter().map(|key| format!("{key} is not null")).chain((!counted.is_empty()).then(|| counted.to_owned()));
    let demand = Demand {
        words: "is to be unique, but these share a value with another row".to_owned(),
        remedy: "Make them differ first",
        ..Demand::of(
            &format!("{}.{}", entity.name, fields.join(" and ")),
            format!(
                "select id, value from (
  select id::text as id, concat_ws(' · ', {shown}) as value, count(*) over (partition by {all}) as times
  from {} where {}
) t where times > 1",
                entity.table(),
                whole.collect::<Vec<_>>().join(" and "),
            ),
        )
    };
    wanted.indexes.push(Object { name, fields: owned(fields), sql, demand: Some(demand) });
}

/// Which rows count where fields are unique together, as a condition.
fn counted(entity: &Entity, together: &Together) -> String {
    let one = |counted: &Counted| {
        let name = quote(&counted.field);
        let kind = entity.column(&counted.field).map(|column| &column.kind);
        let values = counted.values.iter().filter(|value| !value.is_null());
        let values: Vec<_> = kind.into_iter().flat_map(|kind| values.clone().map(|value| literal(kind, value))).collect();
        let has_null = counted.values.iter().any(Json::is_null);
        let (is, among) = if counted.is_negated { ("is not", "not in") } else { ("is", "in") };
        let null = has_null.then(|| format!("{name} {is} null"));
        let listed = (!values.is_empty()).then(|| format!("{name} {among} ({})", values.join(", ")));
        match (null, listed) {
            (Some(null), Some(listed)) if counted.is_negated => format!("{null} and {listed}"),
            (Some(null), Some(listed)) => format!("({null} or {listed})"),
            (None, Some(listed)) if counted.is_negated => format!("({name} is null or {listed})"),
            (one, other) => one.or(other).unwrap_or_else(|| "true".to_owned()),
        }
    };
    together.counted.iter().map(one).collect::<Vec<_>>().join(" and ")
}

fn constraint(wanted: &mut Wanted, entity: &Entity, part: &str, definition: &str, demand: Demand) {
    let kind = if definition.starts_with("check") { "check" } else { "fk" };
    let name = object_name(&entity.name, part, kind, definition);
    wanted.constraints.push(Object { name, fields: owned(&[part]), sql: definition.to_owned(), demand: Some(demand) });
}

fn foreign_key(schema: &Schema, relation: &Relation, column: &str) -> String {
    let action = match relation.on_delete {
        OnDelete::Restrict => "restrict",
        OnDelete::Cascade => "cascade",
        OnDelete::SetNull => "set null",
    };
    let target = schema.target(relation).table();
    format!("foreign key ({}) references {target} (id) on delete {action}", quote(column))
}

/// The fields that an index or a constraint of ours speaks of, by its name; none: it is none of ours.
pub fn fields_of(schema: &Schema, entity: &Entity, object: &str) -> Vec<String> {
    let wanted = tables(schema, entity);
    let objects = wanted.first().into_iter().flat_map(|own| own.indexes.iter().chain(&own.constraints));
    objects.filter(|known| known.name == object).flat_map(|known| known.fields.clone()).collect()
}

/// A file's value, as it would be stored.
fn literal(kind: &Kind, json: &Json) -> String {
    let free = Bounds { max: Some(f64::MAX), ..Bounds::default() };
    let value = kind.check(&free, json).unwrap_or_else(|_| json.as_str().map_or_else(|| json.to_string(), str::to_owned));
    format!("{}::{}", text(&value), kind.sql())
}
