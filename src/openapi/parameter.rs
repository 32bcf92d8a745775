//! The parameters of operations, each written once.

use serde_json::{Map, Value as Json, json};

use super::{Source, component};
use crate::access::view::View;
use crate::permission::Right;
use crate::schema::describe::json_schema;
use crate::schema::kind::Kind;
use crate::schema::{Column, Entity, Relation};

/// Parameters by their names as components.
pub type Parameters = Map<String, Json>;

/// Keeps a parameter as a component, and refers to it.
pub fn kept(all: &mut Parameters, name: &str, parameter: impl FnOnce() -> Json) -> Json {
    if !all.contains_key(name) {
        all.insert(name.to_owned(), parameter());
    }
    json!({"$ref": format!("#/components/parameters/{name}")})
}

/// A parameter of the query.
pub fn in_query(name: &str, words: &str, schema: Json) -> Json {
    let mut parameter = json!({"name": name, "in": "query", "schema": schema});
    if !words.is_empty() {
        parameter["description"] = json!(words);
    }
    parameter
}

/// A part of the path.
pub fn in_path(name: &str) -> Json {
    json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}})
}

fn in_header(name: &str, words: &str, schema: Json) -> Json {
    json!({"name": name, "in": "header", "description": words, "schema": schema})
}

/// The row's id.
pub fn id(all: &mut Parameters) -> Json {
    kept(all, "id", || in_path("id"))
}

/// The idempotency key.
pub fn key(all: &mut Parameters) -> Json {
    let schema = json!({"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[\\x20-\\x7e]+$"});
    kept(all, "Idempotency-Key", || in_header("Idempotency-Key", "Done once, however often it arrives; for a day", schema))
}

/// The tag of an answer that the client has.
pub fn known(all: &mut Parameters) -> Json {
    let text = json!({"type": "string"});
    kept(all, "If-None-Match", || in_header("If-None-Match", "ETag of an answer that you have", text))
}

/// The version that a change is made for.
pub fn expected(all: &mut Parameters) -> Json {
    kept(all, "If-Match", || in_header("If-Match", "ETag of the version that you change", json!({"type": "string"})))
}

/// A list with commas.
fn list_of(name: &str, items: &[String]) -> Json {
    json!({
        "name": name, "in": "query", "style": "form", "explode": false,
        "schema": {"type": "array", "items": {"type": "string", "enum": items}},
    })
}

/// `include` and `fields`, which any document of resources takes.
pub fn shaping(source: &Source<'_>, entity: &Entity, view: &View, all: &mut Parameters) -> Vec<Json> {
    let name = component(&entity.name);
    let is_seen = |r: &&Relation| view.may(source.schema.target(r), Right::Read);
    let relations: Vec<String> = entity.relations.iter().filter(is_seen).map(|r| r.name.clone()).collect();
    let fields = kept(all, &format!("{name}.fields"), || {
        in_query(&format!("fields[{}]", entity.name), "Which fields, with commas", json!({"type": "string"}))
    });
    let include = (!relations.is_empty()).then(|| kept(all, &format!("{name}.include"), || list_of("include", &relations)));
    include.into_iter().chain([fields]).collect()
}

/// What a column is compared to.
fn compared(column: &Column) -> Json {
    match json_schema(&column.kind, &column.bounds) {
        Json::Object(schema) => schema.into_iter().filter(|(word, _)| matches!(word.as_str(), "type" | "enum")).collect(),
        other => other,
    }
}

/// `page[…]`.
pub fn paging(source: &Source<'_>, all: &mut Parameters) -> Vec<Json> {
    let size = format!("{} unless it is said", source.page.size);
    let whole = json!({"type": "integer", "minimum": 1});
    let text = json!({"type": "string"});
    [
        ("size", size.as_str(), json!({"type": "integer", "minimum": 1, "maximum": source.page.most})),
        ("number", "Pages by number", whole),
        ("after", "Pages by cursor", text.clone()),
        ("before", "Pages by cursor", text),
        ("total", "How many there are", json!({"type": "string", "enum": ["exact", "estimated"]})),
    ]
    .map(|(part, words, schema)| kept(all, &format!("page.{part}"), || in_query(&format!("page[{part}]"), words, schema)))
    .to_vec()
}

/// `filter` as JSON.
pub fn tree(all: &mut Parameters) -> Json {
    let words = "Conditions as JSON: {\"and\": [{\"eq\": [\"field\", \"value\"]}, …]}; or filter[field][operator]=value, with \
                 eq ne lt le gt ge in nin null contains icontains starts";
    kept(all, "filter", || in_query("filter", words, json!({"type": "string"})))
}

/// `sort` and `page` of a collection, and `filter` as JSON.
pub fn listing(source: &Source<'_>, entity: &Entity, view: &View, all: &mut Parameters) -> Vec<Json> {
    let columns = entity.columns.iter().filter(|c| view.shows(c) && c.kind.is_ordered());
    let keys: Vec<String> = columns.flat_map(|c| [c.name.clone(), format!("-{}", c.name)]).collect();
    let sort = kept(all, &format!("{}.sort", component(&entity.name)), || list_of("sort", &keys));
    [vec![sort, tree(all)], paging(source, all)].concat()
}

/// `filter[field]` for each column. (They stand in one operation alone.)
pub fn filters(entity: &Entity, view: &View) -> Vec<Json> {
    let is_asked = |c: &&Column| view.shows(c) && c.kind != Kind::Json && !matches!(c.name.as_str(), "permission" | "version");
    let columns = entity.columns.iter().filter(is_asked);
    columns.map(|column| in_query(&format!("filter[{}]", column.name), "", compared(column))).collect()
}
