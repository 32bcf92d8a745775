//! The shapes of documents, resources and directives, as JSON Schemas.

use std::collections::HashSet;

use serde_json::{Map, Value as Json, json};

use super::{component, schema_ref};
use crate::access::view::View;
use crate::action::directive::DIRECTIVES;
use crate::action::{Action, SubjectUse, input};
use crate::permission::Right;
use crate::schema::describe::json_schema;
use crate::schema::kind::Kind;
use crate::schema::words::spelled_out;
use crate::schema::{Column, Entity, LinkRule, Relation, Schema, Write};

/// An object that may hold anything.
fn open() -> Json {
    json!({"type": "object", "additionalProperties": true})
}

/// A list of what a schema says.
fn list(items: Json) -> Json {
    json!({"type": "array", "items": items})
}

/// What a schema says, or null.
fn or_null(schema: Json) -> Json {
    json!({"oneOf": [schema, {"type": "null"}]})
}

/// A document with this data. (Written out whole: generators make nothing of schemas that are put together.)
fn document(data: Json, included: bool) -> Json {
    let mut properties = json!({"data": data, "links": shared("links")});
    if included {
        properties["included"] = list(shared("resource"));
    }
    json!({"type": "object", "required": ["data"], "properties": properties})
}

/// What all documents are made of, by name. `served`: the components of entities whose rows may be in a document.
pub fn components(served: &[String]) -> Map<String, Json> {
    let link = json!({"type": ["string", "null"]});
    let names = ["self", "related", "describedby", "first", "last", "prev", "next"];
    let links: Map<String, Json> = names.iter().map(|name| ((*name).to_owned(), link.clone())).collect();
    let source = json!({
        "type": "object", "additionalProperties": false,
        "properties": {"pointer": {"type": "string"}, "parameter": {"type": "string"}, "header": {"type": "string"}},
    });
    let error = json!({
        "type": "object", "required": ["status", "code", "title", "detail"], "additionalProperties": false,
        "properties": {
            "id": {"type": "string"}, "status": {"type": "string"}, "code": {"type": "string"}, "title": {"type": "string"},
            "detail": {"type": "string"}, "meta": shared("meta"), "links": open(), "source": shared("source"),
        },
    });
    let operation = json!({
        "type": "object", "required": ["op"],
        "properties": {
            "op": {"type": "string", "enum": ["add", "update", "remove"]}, "href": {"type": "string"}, "data": {}, "meta": shared("meta"),
            "ref": {"type": "object", "required": ["type"], "properties": {
                "type": {"type": "string"}, "id": {"type": "string"}, "lid": {"type": "string"}, "relationship": {"type": "string"},
            }},
        },
    });
    let group = json!({
        "type": "object", "required": ["type", "id", "attributes"],
        "properties": {"type": {"const": "aggregate"}, "id": {"type": "string"}, "attributes": open()},
    });
    let permission = json!({
        "type": "object", "required": ["type", "id", "attributes"],
        "properties": {"type": {"const": "permission"}, "id": {"type": "string"}, "attributes": {
            "type": "object", "required": ["allowed", "phase", "line"],
            "properties": {"allowed": {"type": "boolean"}, "phase": {"type": ["string", "null"]}, "line": {"type": ["integer", "null"]}},
        }},
    });
    let change = json!({
        "type": "object", "required": ["type", "id"],
        "properties": {"type": {"type": "string"}, "id": {"type": "string"}, "attributes": open(), "relationships": open(), "links": open(), "meta": open()},
    });
    let result = json!({"type": "object", "properties": {"data": or_null(shared("resource")), "links": shared("links"), "meta": shared("meta")}});
    let mut all = Map::new();
    let mut put = |name: &str, schema: Json| _ = all.insert(format!("jsonapi.{name}"), schema);
    put("meta", open());
    put("links", json!({"type": "object", "properties": links}));
    put(
        "version",
        json!({"type": "object", "required": ["version"], "properties": {"version": {"type": "string"}, "ext": list(json!({"type": "string"})), "profile": list(json!({"type": "string"})), "meta": shared("meta")}}),
    );
    let resources: Vec<Json> = served.iter().map(|name| schema_ref(name)).collect();
    put("resource", if resources.is_empty() { open() } else { json!({"oneOf": resources}) });
    put("source", source);
    put("error", error);
    put(
        "errors",
        json!({"type": "object", "required": ["jsonapi", "errors"], "properties": {"jsonapi": shared("version"), "errors": {"type": "array", "minItems": 1, "items": shared("error")}}}),
    );
    put(
        "operations",
        json!({"type": "object", "required": ["atomic:operations"], "properties": {"atomic:operations": {"type": "array", "minItems": 1, "items": operation}, "meta": shared("meta")}}),
    );
    put(
        "results",
        json!({"type": "object", "required": ["atomic:results"], "properties": {"jsonapi": shared("version"), "atomic:results": list(result)}}),
    );
    put("groups", document(list(group), false));
    put("permission", document(permission.clone(), false));
    put("permissions", document(list(permission), false));
    put("changes", document(list(change), false));
    for directive in DIRECTIVES {
        all.insert(directive.name.to_owned(), directive.schema());
    }
    let rows = served.iter().map(|name| format!("{name}.row"));
    let known: Vec<Json> = DIRECTIVES.iter().map(|d| d.name.to_owned()).chain(rows).map(|name| schema_ref(&name)).collect();
    all.insert("jsonapi.directives".to_owned(), json!({"type": "array", "minItems": 1, "items": {"oneOf": known}}));
    all
}

/// One of the schemas that no entity has of its own.
pub fn shared(name: &str) -> Json {
    schema_ref(&format!("jsonapi.{name}"))
}

/// What is made of an entity's rows: documents of them, and the directive that brings one.
pub fn documents(name: &str, entity: &Entity, schemas: &mut Map<String, Json>) {
    let row = json!({
        "type": "object", "required": ["ResponseType", "Attributes"],
        "properties": {"ResponseType": {"const": entity.name}, "Attributes": schema_ref(name)},
    });
    schemas.insert(format!("{name}.document"), document(schema_ref(name), true));
    // Who may change a row and not read it is answered without it.
    let mut changed = document(schema_ref(name), true);
    changed["properties"]["meta"] = shared("meta");
    changed.as_object_mut().map(|changed| changed.shift_remove("required"));
    schemas.insert(format!("{name}.changed"), changed);
    let mut page = document(list(schema_ref(name)), true);
    page["properties"]["meta"] = shared("meta");
    schemas.insert(format!("{name}.page"), page);
    schemas.insert(format!("{name}.row"), row);
}

/// What leads to an entity's rows: identifiers, and what holds them: where it is told (`relationship`), and where it is asked
/// for or sent (`one`, `many`).
pub fn identifiers(name: &str, entity: &Entity, schemas: &mut Map<String, Json>) {
    let own = |part: &str| schema_ref(&format!("{name}.{part}"));
    let held = |data: Json| json!({"type": "object", "properties": {"data": data, "links": shared("links")}});
    let sent = |data: Json| json!({"type": "object", "required": ["data"], "properties": {"data": data}});
    let identifier = json!({
        "type": "object", "required": ["type", "id"],
        "properties": {"type": {"const": entity.name}, "id": {"type": "string", "format": "uuid"}, "meta": shared("meta")},
    });
    let (one, many) = (or_null(own("identifier")), list(own("identifier")));
    let mut put = |part: &str, schema: Json| _ = schemas.insert(format!("{name}.{part}"), schema);
    put("identifier", identifier);
    put("relationship.one", held(one.clone()));
    put("relationship.many", held(many.clone()));
    put("one", sent(one));
    put("one.required", sent(own("identifier")));
    put("many", sent(many));
}

/// What an entity's relations name (`linkage`), and what they lead to (`related`).
pub fn linkages(name: &str, schema: &Schema, entity: &Entity, view: &View, schemas: &mut Map<String, Json>) {
    let seen: Vec<&Relation> = entity.relations.iter().filter(|r| view.may(schema.target(r), Right::Peek)).collect();
    // One document, whose data is of several kinds: of several documents, generators take the first that seems to fit.
    let any_of = |relations: &[&Relation], part: &str| {
        let mut kinds: Vec<Json> = vec![];
        for relation in relations {
            let one = schema_ref(&format!("{}{part}", component(&schema.target(relation).name)));
            let kind = if relation.is_many() { list(one) } else { one };
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        if relations.iter().any(|relation| !relation.is_many()) {
            kinds.push(json!({"type": "null"}));
        }
        match kinds.as_slice() {
            [only] => only.clone(),
            _ => json!({"anyOf": kinds}),
        }
    };
    let readable: Vec<&Relation> = seen.iter().copied().filter(|r| view.may(schema.target(r), Right::Read)).collect();
    let sent = |data: Json| json!({"type": "object", "required": ["data"], "properties": {"data": data}});
    schemas.insert(format!("{name}.related"), document(any_of(&readable, ""), true));
    schemas.insert(format!("{name}.linkage"), sent(any_of(&seen, ".identifier")));
}

/// Leaves out what nothing leads to.
pub fn swept(schemas: &mut Map<String, Json>, roots: &[&Json]) {
    fn refs(json: &Json, found: &mut Vec<String>) {
        match json {
            Json::Object(map) => {
                let name = map.get("$ref").and_then(Json::as_str).and_then(|to| to.strip_prefix("#/components/schemas/"));
                found.extend(name.map(str::to_owned));
                map.values().for_each(|value| refs(value, found));
            }
            Json::Array(items) => items.iter().for_each(|item| refs(item, found)),
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
        }
    }
    let (mut waiting, mut kept) = (vec![], HashSet::new());
    roots.iter().for_each(|root| refs(root, &mut waiting));
    while let Some(name) = waiting.pop() {
        if let Some(schema) = schemas.get(&name).filter(|_| !kept.contains(&name)) {
            refs(schema, &mut waiting);
            kept.insert(name);
        }
    }
    schemas.retain(|name, _| kept.contains(name));
}

/// What a column's values look like where it is served.
fn served(column: &Column) -> Json {
    let mut schema = json_schema(&column.kind, &column.bounds);
    nullable(&mut schema, !column.required && column.name != "permission");
    titled(&mut schema, column);
    schema
}

/// A column's label, where it says more than its name.
fn titled(schema: &mut Json, column: &Column) {
    if column.label != spelled_out(&column.name) || schema.get("enum").is_some() {
        schema["title"] = json!(column.label);
    }
}

fn nullable(schema: &mut Json, is_nullable: bool) {
    if !is_nullable {
        return;
    }
    if let Some(kind) = schema.get("type").cloned() {
        schema["type"] = json!([kind, "null"]);
    }
    if let Some(options) = schema.get_mut("enum").and_then(Json::as_array_mut) {
        options.push(Json::Null);
    }
}

/// A resource object, as it is served.
pub fn resource(schema: &Schema, entity: &Entity, view: &View) -> Json {
    let attributes = entity.columns.iter().filter(|c| view.shows(c)).map(|c| {
        let mut served = served(c);
        if c.write == Write::System {
            served["readOnly"] = json!(true);
        }
        (c.name.clone(), served)
    });
    // Where the other entity isn't theirs to know of, rows have no such relationship.
    let seen = entity.relations.iter().filter(|r| view.may(schema.target(r), Right::Peek));
    let relationships = seen.map(|r| {
        let name = component(&schema.target(r).name);
        (r.name.clone(), schema_ref(&format!("{name}.relationship.{}", if r.is_many() { "many" } else { "one" })))
    });
    json!({
        "type": "object", "required": ["type", "id", "attributes", "relationships"],
        "properties": {
            "type": {"const": entity.name}, "id": {"type": "string", "format": "uuid"},
            "attributes": {"type": "object", "properties": attributes.collect::<Map<_, _>>(), "additionalProperties": false},
            "relationships": {"type": "object", "properties": relationships.collect::<Map<_, _>>(), "additionalProperties": false},
            "links": shared("links"), "meta": shared("meta"),
        },
    })
}

/// Whether a caller may send a column: of a new row, or of one that is there.
fn is_sent(column: &Column, is_new: bool, view: &View) -> bool {
    let is_theirs = view.shows(column) || column.kind.is_secret() && !column.hidden;
    is_theirs
        && match column.write {
            Write::Anyone | Write::Owner => true,
            Write::OnCreate => is_new,
            Write::System => false,
        }
}

/// Whether a caller may change what a relationship names.
pub fn is_linked(relation: &Relation) -> bool {
    relation.rule != LinkRule::System
}

fn sent(schema: &Schema, entity: &Entity, is_new: bool, view: &View) -> Json {
    let columns: Vec<_> = entity.columns.iter().filter(|c| is_sent(c, is_new, view)).collect();
    let attributes = columns.iter().map(|c| {
        let mut told = json_schema(&c.kind, &c.bounds);
        nullable(&mut told, !c.refuses_null());
        titled(&mut told, c);
        if let Some(default) = c.default.as_ref().filter(|_| is_new) {
            told["description"] = json!(without(default));
        }
        (c.name.clone(), told)
    });
    let needed: Vec<_> = columns.iter().filter(|c| is_new && c.required && c.default.is_none()).map(|c| &c.name).collect();
    let is_theirs = |r: &&Relation| is_linked(r) && view.may(schema.target(r), Right::Peek);
    let relations: Vec<_> = entity.relations.iter().filter(is_theirs).collect();
    let relationships = relations.iter().map(|r| {
        let kind = match (r.is_many(), r.required) {
            (true, _) => "many",
            (false, true) => "one.required",
            (false, false) => "one",
        };
        (r.name.clone(), schema_ref(&format!("{}.{kind}", component(&schema.target(r).name))))
    });
    let linked: Vec<_> = relations.iter().filter(|r| is_new && r.required && !r.default_caller).map(|r| &r.name).collect();
    let mut required = if is_new { vec!["type"] } else { vec!["type", "id"] };
    required.extend((!needed.is_empty()).then_some("attributes"));
    required.extend((!linked.is_empty()).then_some("relationships"));
    let object = |required: &[&String], properties: Map<String, Json>| {
        let mut object = json!({"type": "object", "properties": properties, "additionalProperties": false});
        if !required.is_empty() {
            object["required"] = json!(required);
        }
        object
    };
    let mut properties = json!({
        "type": {"const": entity.name},
        "attributes": object(&needed, attributes.collect()), "relationships": object(&linked, relationships.collect()),
    });
    if !is_new || entity.client_ids {
        properties["id"] = json!({"type": "string", "format": "uuid"});
    }
    json!({"type": "object", "required": ["data"], "properties": {"data": {"type": "object", "required": required, "properties": properties}}})
}

/// What an action is sent.
pub fn call(action: &Action) -> Json {
    let mut schema = input::schema(action);
    if let Some(properties) = schema["properties"].as_object_mut().filter(|_| action.subject == SubjectUse::Required) {
        properties.shift_remove(&format!("{}_id", action.entity)); // the path names it
    }
    for property in schema["properties"].as_object_mut().into_iter().flat_map(|properties| properties.values_mut()) {
        if let Some(default) = property.as_object_mut().and_then(|property| property.shift_remove("default")) {
            property["description"] = json!(without(&default));
        }
    }
    schema
}

/// Says a default in words: what has a `default` is wanted by generators.
fn without(default: &Json) -> String {
    format!("Without it: {default}")
}

/// A document that makes a row.
pub fn new(schema: &Schema, entity: &Entity, view: &View) -> Json {
    sent(schema, entity, true, view)
}

/// A document that changes a row.
pub fn change(schema: &Schema, entity: &Entity, view: &View) -> Json {
    sent(schema, entity, false, view)
}

/// An example of a document that makes a row; where the entity requires others, with ids that stand for theirs. None where nothing
/// is required: then there is nothing to show.
pub fn example(schema: &Schema, entity: &Entity, view: &View) -> Option<Json> {
    let needed = entity.columns.iter().filter(|c| is_sent(c, true, view) && c.required && c.default.is_none());
    let attributes: Map<String, Json> = needed.map(|c| (c.name.clone(), example_of(c))).collect();
    let is_bare = attributes.is_empty();
    let mut data = json!({"type": entity.name, "attributes": attributes});
    let linked = entity.relations.iter().filter(|r| r.required && !r.default_caller && is_linked(r));
    let linked: Map<String, Json> = linked
        .map(|r| {
            let one = json!({"type": schema.target(r).name, "id": "018f0000-0000-7000-8000-000000000000"});
            (r.name.clone(), json!({"data": if r.is_many() { json!([one]) } else { one }}))
        })
        .collect();
    if is_bare && linked.is_empty() {
        return None;
    }
    if !linked.is_empty() {
        data["relationships"] = Json::Object(linked);
    }
    Some(json!({"data": data}))
}

fn example_of(column: &Column) -> Json {
    match &column.kind {
        Kind::Integer | Kind::Rating | Kind::Float | Kind::Latitude | Kind::Longitude => {
            json!(column.bounds.min.map_or(1, |min| min.ceil() as i64))
        }
        Kind::Boolean => json!(true),
        Kind::Json => json!({}),
        Kind::Decimal { .. } => json!(column.bounds.min.map_or(1.0, f64::ceil).to_string()),
        Kind::Date => json!("2026-11-22"),
        Kind::Time => json!("12:30:00"),
        Kind::Datetime => json!("2026-11-22T12:30:00Z"),
        Kind::Uuid => json!("018f0000-0000-7000-8000-000000000001"),
        Kind::Email => json!("ada@example.org"),
        Kind::Url => json!("https://example.org/"),
        Kind::Color => json!("#336699"),
        Kind::Enum { options } => json!(options.first()),
        Kind::Password => json!("correct horse battery"),
        Kind::Label | Kind::Name | Kind::Encrypted | Kind::Text | Kind::Markdown | Kind::Html { .. } => {
            let length = column.bounds.length.or(column.bounds.min.map(|min| min as usize)).unwrap_or(0);
            json!(
                format!("{:x<length$}", "Example", length = length)
                    .chars()
                    .take(column.bounds.length.unwrap_or(usize::MAX))
                    .collect::<String>()
            )
        }
    }
}
