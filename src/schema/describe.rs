//! What dashboards and programs are told of the schema: columns and relations as JSON, types as JSON Schema.
//!
//! In charge of: words about the schema. It must not know what a caller may see: it leaves out only what nobody is served.

use serde_json::{Value as Json, json};

use super::kind::{Bounds, Kind};
use super::{Column, Entity, LinkRule, Schema, Unique, Write};

impl Entity {
    /// What dashboards draw themselves from: columns and relations as JSON.
    pub fn describe(&self, schema: &Schema) -> (Json, Json) {
        let columns = self.columns.iter().filter(|c| !c.hidden).map(Column::describe);
        let relations = self.relations.iter().map(|r| {
            json!({
                "name": r.name, "entity": schema.target(r).name, "many": r.is_many(), "required": r.required, "inverse": r.inverse,
                "read_only": r.rule == LinkRule::System,
            })
        });
        (columns.collect(), relations.collect())
    }
}

impl Column {
    /// What is told of it, and remembered of what the files said last.
    pub fn describe(&self) -> Json {
        let mut column = json!({
            "name": self.name, "label": self.label, "type": self.kind.word(), "required": self.required,
            "read_only": self.write != Write::Anyone, "unique": self.unique != Unique::No,
        });
        if let Kind::Enum { options } = &self.kind {
            column["options"] = json!(options);
        }
        for (name, value) in [("min", self.bounds.min), ("max", self.bounds.max)] {
            if let Some(value) = value {
                column[name] = json!(value);
            }
        }
        if let Some(length) = self.bounds.length {
            column["length"] = json!(length);
        }
        if let Some(pattern) = &self.bounds.pattern {
            column["pattern"] = json!(pattern.as_str());
        }
        if let Kind::Html { clean } = self.kind {
            column["clean"] = json!(clean);
        }
        if let Some(default) = &self.default {
            column["default"] = default.clone();
        }
        column
    }
}

/// A type's values as a JSON Schema.
pub fn json_schema(kind: &Kind, bounds: &Bounds) -> Json {
    let mut schema = match kind {
        Kind::Integer => json!({"type": "integer"}),
        Kind::Rating => json!({"type": "integer", "minimum": 0, "maximum": 10}),
        Kind::Float => json!({"type": "number"}),
        Kind::Latitude => json!({"type": "number", "minimum": -90, "maximum": 90}),
        Kind::Longitude => json!({"type": "number", "minimum": -180, "maximum": 180}),
        Kind::Boolean => json!({"type": "boolean"}),
        Kind::Json => json!({}),
        Kind::Decimal { .. } => json!({"type": "string", "pattern": "^-?[0-9]+(\\.[0-9]+)?$"}),
        Kind::Date => json!({"type": "string", "format": "date"}),
        Kind::Time => json!({"type": "string", "pattern": "^[0-9]{2}:[0-9]{2}:[0-9]{2}"}),
        Kind::Datetime => json!({"type": "string", "format": "date-time"}),
        Kind::Uuid => json!({"type": "string", "format": "uuid"}),
        Kind::Email => json!({"type": "string", "format": "email", "maxLength": 255}),
        Kind::Url => json!({"type": "string", "format": "uri", "maxLength": 255}),
        Kind::Color => json!({"type": "string", "pattern": "^#[0-9A-Fa-f]{3,8}$"}),
        Kind::Enum { options } => json!({"type": "string", "enum": options}),
        Kind::Label | Kind::Name => json!({"type": "string", "maxLength": 255}),
        Kind::Password => json!({"type": "string", "maxLength": 256, "writeOnly": true}),
        Kind::Encrypted => json!({"type": "string", "writeOnly": true}),
        Kind::Text | Kind::Markdown | Kind::Html { .. } => json!({"type": "string"}),
    };
    let is_number = matches!(kind, Kind::Integer | Kind::Rating | Kind::Float | Kind::Latitude | Kind::Longitude);
    let is_decimal = matches!(kind, Kind::Decimal { .. });
    for (bound, number, length) in [(bounds.min, "minimum", "minLength"), (bounds.max, "maximum", "maxLength")] {
        if let Some(bound) = bound.filter(|_| !is_decimal) {
            // whole bounds are written as whole numbers
            let whole = bound.fract() == 0.0 && bound.abs() < 9e15;
            schema[if is_number { number } else { length }] = if whole { json!(bound as i64) } else { json!(bound) };
        }
    }
    if let Some(length) = bounds.length {
        schema["minLength"] = json!(length);
        schema["maxLength"] = json!(length);
    }
    if let Some(pattern) = &bounds.pattern {
        schema["pattern"] = json!(pattern.as_str());
    }
    schema
}
