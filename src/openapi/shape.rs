//! The shapes of documents, resources and directives, as JSON Schemas.

use serde_json::{Map, Value as Json, json};

use super::schema_ref;
use crate::access::view::View;
use crate::action::directive::DIRECTIVES;
use crate::permission::Right;
use crate::schema::describe::json_schema;
use crate::schema::kind::Kind;
use crate::schema::{Column, Entity, LinkRule, Relation, Schema, Write};

/// What all documents are made of, by name.
pub fn components() -> Map<String, Json> {
    let link = json!({"type": ["string", "object", "null"], "required": ["href"], "properties": {"href": {"type": "string"}}});
    let links = json!({"type": "object", "additionalProperties": link});
    let identifier = json!({
        "type": "object", "required": ["type"], "anyOf": [{"required": ["id"]}, {"required": ["lid"]}],
        "properties": {"type": {"type": "string"}, "id": {"type": "string"}, "lid": {"type": "string", "minLength": 1}, "meta": schema_ref("meta")},
    });
    let relationship = |data: Json| json!({"type": "object", "properties": {"links": {"type": "object"}, "meta": schema_ref("meta"), "data": data}});
    let top = |data: Json| {
        json!({
            "type": "object", "required": ["jsonapi"], "anyOf": [{"required": ["data"]}, {"required": ["meta"]}],
            "properties": {"jsonapi": {"type": "object"}, "links": schema_ref("links"), "data": data, "included": {"type": "array", "items": {"type": "object"}}, "meta": schema_ref("meta")},
        })
    };
    let error = json!({
        "type": "object", "required": ["status", "code", "title", "detail"], "additionalProperties": false,
        "properties": {
            "id": {"type": "string"}, "status": {"type": "string"}, "code": {"type": "string"}, "title": {"type": "string"}, "detail": {"type": "string"}, "meta": schema_ref("meta"), "links": {"type": "object"},
            "source": {"type": "object", "properties": {"pointer": {"type": "string"}, "parameter": {"type": "string"}, "header": {"type": "string"}}, "additionalProperties": false},
        },
    });
    let operation = json!({
        "type": "object", "required": ["op"],
        "properties": {"op": {"enum": ["add", "update", "remove"]}, "ref": {"type": "object"}, "href": {"type": "string"}, "data": {}, "meta": schema_ref("meta")},
    });
    let mut all = Map::new();
    let mut put = |name: &str, schema: Json| _ = all.insert(name.to_owned(), schema);
    put("meta", json!({"type": "object"}));
    put("links", links);
    put("identifier", identifier);
    put("relationship.one", relationship(json!({"oneOf": [schema_ref("identifier"), {"type": "null"}]})));
    put("relationship.many", relationship(json!({"type": "array", "items": schema_ref("identifier")})));
    put("linkage.one", top(json!({"oneOf": [schema_ref("identifier"), {"type": "null"}]})));
    put("linkage.many", top(json!({"type": "array", "items": schema_ref("identifier")})));
    put("document", top(json!({"type": ["array", "object", "null"]})));
    put(
        "errors",
        json!({"type": "object", "required": ["jsonapi", "errors"], "properties": {"jsonapi": {"type": "object"}, "errors": {"type": "array", "minItems": 1, "items": error}}}),
    );
    put(
        "operations",
        json!({"type": "object", "required": ["atomic:operations"], "properties": {"atomic:operations": {"type": "array", "minItems": 1, "items": operation}, "meta": schema_ref("meta")}}),
    );
    put(
        "results",
        json!({"type": "object", "required": ["atomic:results"], "properties": {"jsonapi": {"type": "object"}, "atomic:results": {"type": "array", "items": {"type": "object"}}}}),
    );
    for directive in DIRECTIVES {
        put(directive.name, directive.schema());
    }
    let row = json!({
        "type": "object", "description": "A row, as its resource object", "required": ["ResponseType", "Attributes"],
        "properties": {"ResponseType": {"type": "string", "not": {"pattern": "^client\\."}}, "Attributes": {"type": "object", "required": ["type", "id"]}},
    });
    put("row", row);
    let known = DIRECTIVES.iter().map(|d| d.name).chain(["row"]).map(schema_ref);
    put("directives", json!({"type": "array", "minItems": 1, "items": {"oneOf": known.collect::<Vec<_>>()}}));
    all
}

/// What a column's values look like where it is served.
fn served(column: &Column) -> Json {
    let mut schema = json_schema(&column.kind, &column.bounds);
    nullable(&mut schema, !column.required && column.name != "permission");
    schema["title"] = json!(column.label);
    schema
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
        let mut told = schema_ref(if r.is_many() { "relationship.many" } else { "relationship.one" });
        told["description"] = json!(format!("To {}", schema.target(r).name));
        (r.name.clone(), told)
    });
    json!({
        "type": "object", "required": ["type", "id"], "description": entity.description,
        "properties": {
            "type": {"const": entity.name}, "id": {"type": "string", "format": "uuid"},
            "attributes": {"type": "object", "properties": attributes.collect::<Map<_, _>>(), "additionalProperties": false},
            "relationships": {"type": "object", "properties": relationships.collect::<Map<_, _>>(), "additionalProperties": false},
            "links": {"type": "object"}, "meta": {"type": "object"},
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
        told["title"] = json!(c.label);
        // A change never takes it.
        if let Some(default) = c.default.as_ref().filter(|_| is_new) {
            told["default"] = default.clone();
        }
        (c.name.clone(), told)
    });
    let needed: Vec<_> = columns.iter().filter(|c| is_new && c.required && c.default.is_none()).map(|c| &c.name).collect();
    let is_theirs = |r: &&Relation| is_linked(r) && view.may(schema.target(r), Right::Peek);
    let relations: Vec<_> = entity.relations.iter().filter(is_theirs).collect();
    let relationships = relations.iter().map(|r| {
        let one = json!({"allOf": [schema_ref("identifier"), {"properties": {"type": {"const": schema.target(r).name}}}]});
        let data = match (r.is_many(), r.required) {
            (true, _) => json!({"type": "array", "items": one}),
            (false, true) => one,
            (false, false) => json!({"oneOf": [one, {"type": "null"}]}),
        };
        (
            r.name.clone(),
            json!({"type": "object", "required": ["data"], "properties": {"data": data, "meta": schema_ref("meta")}}),
        )
    });
    let linked: Vec<_> = relations.iter().filter(|r| is_new && r.required && !r.default_caller).map(|r| &r.name).collect();
    let mut required = if is_new { vec!["type"] } else { vec!["type", "id"] };
    required.extend((!needed.is_empty()).then_some("attributes"));
    required.extend((!linked.is_empty()).then_some("relationships"));
    let mut properties = json!({
        "type": {"const": entity.name}, "lid": {"type": "string"}, "meta": {"type": "object"},
        "attributes": {"type": "object", "required": needed, "properties": attributes.collect::<Map<_, _>>(), "additionalProperties": false},
        "relationships": {"type": "object", "required": linked, "properties": relationships.collect::<Map<_, _>>(), "additionalProperties": false},
    });
    if !is_new || entity.client_ids {
        properties["id"] = json!({"type": "string", "format": "uuid"});
    }
    json!({"type": "object", "required": ["data"], "properties": {"data": {"type": "object", "required": required, "properties": properties}, "meta": {"type": "object"}}})
}

/// A document that makes a row.
pub fn new(schema: &Schema, entity: &Entity, view: &View) -> Json {
    sent(schema, entity, true, view)
}

/// A document that changes a row.
pub fn change(schema: &Schema, entity: &Entity, view: &View) -> Json {
    sent(schema, entity, false, view)
}

/// An example of a document that makes a row; where the entity requires others, with ids that stand for theirs.
pub fn example(schema: &Schema, entity: &Entity, view: &View) -> Json {
    let needed = entity.columns.iter().filter(|c| is_sent(c, true, view) && c.required && c.default.is_none());
    let attributes: Map<String, Json> = needed.map(|c| (c.name.clone(), example_of(c))).collect();
    let mut data = json!({"type": entity.name, "attributes": attributes});
    let linked = entity.relations.iter().filter(|r| r.required && !r.default_caller && is_linked(r));
    let linked: Map<String, Json> = linked
        .map(|r| {
            let one = json!({"type": schema.target(r).name, "id": "018f0000-0000-7000-8000-000000000000"});
            (r.name.clone(), json!({"data": if r.is_many() { json!([one]) } else { one }}))
        })
        .collect();
    if !linked.is_empty() {
        data["relationships"] = Json::Object(linked);
    }
    json!({"data": data})
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
