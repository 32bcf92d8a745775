//! What exists and what may be asked, as OpenAPI 3.1 and JSON Schema, in a caller's view.
//!
//! In charge of: the words of the description. Pure. It decides nothing: what it leaves out is refused by the rule, and
//! what it shows may still be refused on a row.

mod answer;
mod parameter;
mod path;
pub mod shape;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value as Json, json};

use crate::access::view::View;
use crate::action::{Action, Actions};
use crate::config::{Limits, Page};
use crate::permission::Right;
use crate::schema::{Entity, Schema};
use answer::{headers, refusals};
use path::{Described, action_paths, entity_paths, every_path, own_paths};
use shape::{call, change, components, documents, identifiers, linkages, new, resource, swept};

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

/// The whole as an OpenAPI 3.1 document. `only`: of these entities, where not of all.
pub fn document(source: &Source<'_>, view: &View, only: Option<&[&str]>) -> Json {
    let is_meant = |name: &String| only.is_none_or(|only| only.contains(&name.as_str()));
    let seen: Vec<&Entity> = source.schema.entities().iter().filter(|e| view.may(e, Right::Peek)).collect();
    // What may be in a document of what is meant: its rows, and those that its relations lead to.
    let leads = |of: &Entity, to: &Entity| of.relations.iter().any(|relation| relation.target == to.at);
    let is_near = |to: &Entity| seen.iter().any(|of| is_meant(&of.name) && (of.at == to.at || leads(of, to)));
    let served: Vec<String> =
        seen.iter().filter(|e| view.may(e, Right::Read) && is_near(e)).map(|e| component(&e.name)).collect();
    let (mut described, mut schemas) = (Described::default(), components(&served));
    let mut tags = vec![];
    for entity in seen {
        let name = component(&entity.name);
        identifiers(&name, entity, &mut schemas);
        schemas.insert(name.clone(), resource(source.schema, entity, view));
        documents(&name, entity, &mut schemas);
        if is_meant(&entity.name) {
            tags.push(json!({"name": entity.name, "description": entity.description}));
            linkages(&name, source.schema, entity, view, &mut schemas);
            let (mut new, mut change) = (new(source.schema, entity, view), change(source.schema, entity, view));
            for part in ["attributes", "relationships"] {
                // Where a new row takes what a change takes, that is written once.
                let at = format!("/properties/data/properties/{part}");
                if let (Some(of_new), Some(of_change)) = (new.pointer_mut(&at), change.pointer_mut(&at))
                    && of_new == of_change
                {
                    let shared = std::mem::replace(of_new, schema_ref(&format!("{name}.new.{part}")));
                    *of_change = of_new.clone();
                    schemas.insert(format!("{name}.new.{part}"), shared);
                }
            }
            schemas.insert(format!("{name}.new"), new);
            schemas.insert(format!("{name}.change"), change);
            entity_paths(source, entity, view, &mut described);
        }
    }
    let runs = |action: &&Action| source.schema.entity(&action.entity).is_some_and(|entity| view.runs(entity, &action.name));
    let mut common: Vec<&Action> = vec![];
    for action in source.actions.all().iter().filter(|action| is_meant(&action.entity)).filter(runs) {
        // What every entity has is described once.
        if source.actions.every.contains(&action.name) {
            match common.iter().find(|other| other.name == action.name) {
                Some(other) if call(other) == call(action) => continue,
                Some(_) => {} // an entity's own
                None => {
                    common.push(action);
                    schemas.insert(format!("every.{}.call", component(&action.name)), call(action));
                    every_path(action, &mut described);
                    continue;
                }
            }
        }
        schemas.insert(format!("{}.{}.call", component(&action.entity), component(&action.name)), call(action));
        action_paths(action, &mut described);
    }
    own_paths(source, &mut described);
    let Described { paths, parameters, mut responses } = described;
    responses.extend(refusals());
    let (paths, responses) = (Json::Object(paths), Json::Object(responses));
    swept(&mut schemas, &[&paths, &responses]);
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
            "parameters": parameters,
            "responses": responses,
            "headers": headers(),
        },
    })
}

/// An entity's resource object as a JSON Schema of its own.
pub fn entity(schema: &Schema, entity: &Entity, view: &View) -> Json {
    let mut described = resource(schema, entity, view);
    described["$schema"] = json!(DIALECT);
    described["title"] = json!(entity.label);
    let mut parts = components(&[]);
    for relation in &entity.relations {
        let target = schema.target(relation);
        identifiers(&component(&target.name), target, &mut parts);
    }
    swept(&mut parts, &[&described]);
    described["$defs"] = Json::Object(parts);
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
