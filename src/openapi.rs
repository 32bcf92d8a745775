//! What exists and what may be asked, as OpenAPI 3.1 and JSON Schema, in a caller's view.
//!
//! In charge of: the words of the description. Pure. It decides nothing: what it leaves out is refused by the rule, and
//! what it shows may still be refused on a row.

mod path;
pub mod shape;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value as Json, json};

use crate::access::view::View;
use crate::action::{Actions, input};
use crate::config::{Limits, Page};
use crate::permission::Right;
use crate::request::media::Form;
use crate::schema::{Entity, Schema};
use path::{action_paths, entity_paths, own_paths};
use shape::{change, components, new, resource};

/// What a description is made from.
pub struct Source<'a> {
    /// What exists.
    pub schema: &'a Schema,
    /// What may be called.
    pub actions: &'a Actions,
    /// How much may be asked.
    pub limits: &'a Limits,
    /// Sizes of pages.
    pub page: &'a Page,
    /// `public_url`, or nothing.
    pub base: &'a str,
}

/// What may stand in a path's segment as it is.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'_').remove(b'-');

/// JSON Schema's dialect of the schemas that are served by themselves.
pub const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// The whole as an OpenAPI 3.1 document.
pub fn document(source: &Source<'_>, view: &View) -> Json {
    let (mut paths, mut schemas) = (Map::new(), components());
    let mut tags = vec![];
    for entity in source.schema.entities().iter().filter(|e| view.may(e, Right::Peek)) {
        tags.push(json!({"name": entity.name, "description": entity.description}));
        let name = component(&entity.name);
        schemas.insert(name.clone(), resource(source.schema, entity, view));
        schemas.insert(format!("{name}.new"), new(source.schema, entity, view));
        schemas.insert(format!("{name}.change"), change(source.schema, entity, view));
        entity_paths(source, entity, view, &mut paths);
    }
    for action in
        source.actions.all().iter().filter(|a| source.schema.entity(&a.entity).is_some_and(|entity| view.runs(entity, &a.name)))
    {
        schemas.insert(format!("{}.{}.call", component(&action.entity), component(&action.name)), input::schema(action));
        action_paths(action, &mut paths);
    }
    own_paths(source, &mut paths);
    json!({
        "openapi": "3.1.0",
        "info": {"title": "Rowhouse", "version": env!("CARGO_PKG_VERSION"), "description": "JSON:API 1.1 under /api, named actions under /action. Every row has a permission: what this shows may still be refused on a row."},
        "jsonSchemaDialect": DIALECT,
        "servers": [{"url": if source.base.is_empty() { "/" } else { source.base }}],
        "security": [{}, {"token": []}],
        "tags": tags,
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
            "schemas": schemas,
            "responses": {"error": {"description": "Refused or failed", "content": {Form::Plain.media(): {"schema": schema_ref("errors")}}}},
        },
    })
}

/// An entity's resource object as a JSON Schema of its own.
pub fn entity(schema: &Schema, entity: &Entity, view: &View) -> Json {
    let mut described = resource(schema, entity, view);
    described["$schema"] = json!(DIALECT);
    described["title"] = json!(entity.label);
    if let Some(definitions) = described.as_object_mut() {
        let all: Map<String, Json> = components()
            .into_iter()
            .filter(|(name, _)| ["relationship.one", "relationship.many", "identifier", "meta"].contains(&name.as_str()))
            .collect();
        definitions.insert("$defs".to_owned(), Json::Object(all));
    }
    // Where it stands alone, its parts stand in it.
    serde_json::from_str(&described.to_string().replace("#/components/schemas/", "#/$defs/")).unwrap_or_default()
}

/// A component's name: letters, digits, `-` and `_`; what else an entity is called is spelled by its code points.
fn component(name: &str) -> String {
    let spelled = name.chars().map(|c| {
        if c.is_ascii_alphanumeric() || c == '-' || c == '_' { c.to_string() } else { format!("_u{:x}_", u32::from(c)) }
    });
    spelled.collect()
}

fn schema_ref(name: &str) -> Json {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

/// A path's segment for a name.
fn segment(name: &str) -> String {
    utf8_percent_encode(name, SEGMENT).to_string()
}
