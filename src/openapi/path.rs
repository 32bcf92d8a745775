//! The paths, their parameters, bodies and answers.

use serde_json::{Map, Value as Json, json};

use super::shape::{example, is_linked};
use super::{Source, component, schema_ref, segment};
use crate::access::view::View;
use crate::action::{Action, SubjectUse};
use crate::permission::Right;
use crate::request::media::Form;
use crate::schema::kind::Kind;
use crate::schema::{Entity, Relation};

/// Statuses that anything may answer, and what each means.
const ANY: &[(&str, &str)] = &[
    ("400", "The request can't be read"),
    ("401", "Sign in first"),
    ("403", "Not permitted"),
    ("404", "Nothing here, or nothing that you may see"),
    ("406", "No media type that is written here"),
    ("408", "The request took too long to arrive"),
    ("413", "Too large"),
    ("415", "A media type that isn't read here"),
    ("422", "Invalid"),
    ("429", "Too many requests"),
    ("503", "Not available right now"),
];
const CHANGES: &[(&str, &str)] = &[
    ("405", "Not for this one"),
    ("409", "It clashes with what is there"),
    ("412", "Changed meanwhile"),
    ("428", "If-Match is wanted"),
];

fn responses(good: &[(&str, Json)], changes: bool) -> Json {
    let mut all: Map<String, Json> = good.iter().map(|(status, response)| ((*status).to_owned(), response.clone())).collect();
    for (status, words) in ANY.iter().chain(CHANGES.iter().filter(|_| changes)) {
        let content = json!({Form::Plain.media(): {"schema": schema_ref("errors")}});
        all.insert((*status).to_owned(), json!({"description": words, "content": content}));
    }
    Json::Object(all)
}

fn answer(words: &str, schema: Json) -> Json {
    let header = |words: &str| json!({"description": words, "schema": {"type": "string"}});
    json!({"description": words, "headers": {"ETag": header("For If-None-Match and If-Match")}, "content": {Form::Plain.media(): {"schema": schema}}})
}

fn body(schema: Json, example: Option<Json>) -> Json {
    let mut content = json!({"schema": schema});
    if let Some(example) = example {
        content["example"] = example;
    }
    json!({"required": true, "content": {Form::Plain.media(): content}})
}

fn in_path(name: &str) -> Json {
    json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}})
}

fn key() -> Json {
    let mut header = in_header("Idempotency-Key", "Done once, however often it arrives; for a day");
    header["schema"] = json!({"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[\\x20-\\x7e]+$"});
    header
}

fn in_header(name: &str, words: &str) -> Json {
    json!({"name": name, "in": "header", "description": words, "schema": {"type": "string"}})
}

fn list_of(name: &str, words: &str, items: Vec<String>) -> Json {
    json!({"name": name, "in": "query", "description": words, "style": "form", "explode": false, "schema": {"type": "array", "items": {"type": "string", "enum": items}, "uniqueItems": true}})
}

/// `include` and `fields`, which any document of resources takes.
fn shaping(source: &Source<'_>, entity: &Entity, view: &View) -> Vec<Json> {
    let is_seen = |r: &&Relation| view.may(source.schema.target(r), Right::Read);
    let relations: Vec<String> = entity.relations.iter().filter(is_seen).map(|r| r.name.clone()).collect();
    let fields = json!({
        "name": "fields", "in": "query", "style": "deepObject", "explode": true, "description": "Which fields, by type",
        "schema": {"type": "object", "properties": {entity.name.clone(): {"type": "string"}}, "additionalProperties": false},
    });
    let include = (!relations.is_empty()).then(|| {
        list_of("include", "Relationships to include; also paths such as a.b. sort[rel], filter[rel][field] and page[rel][size] shape what is included", relations)
    });
    include.into_iter().chain([fields]).collect()
}

/// `sort`, `filter` and `page` of a collection.
fn listing(source: &Source<'_>, entity: &Entity, view: &View) -> Vec<Json> {
    let columns: Vec<_> = entity.columns.iter().filter(|c| view.shows(c)).collect();
    let keys = columns.iter().filter(|c| c.kind.is_ordered()).flat_map(|c| [c.name.clone(), format!("-{}", c.name)]);
    let filters: Map<String, Json> =
        columns.iter().filter(|c| c.kind != Kind::Json).map(|c| (c.name.clone(), json!({"type": "string"}))).collect();
    let page = json!({
        "size": {"type": "integer", "minimum": 1, "maximum": source.page.most, "default": source.page.size},
        "number": {"type": "integer", "minimum": 1}, "after": {"type": "string"}, "before": {"type": "string"},
        "total": {"enum": ["exact", "estimated"]},
    });
    let object = |name: &str, words: &str, properties: Json| {
        json!({
            "name": name, "in": "query", "style": "deepObject", "explode": true, "description": words,
            "schema": {"type": "object", "properties": properties, "additionalProperties": false},
        })
    };
    vec![
        list_of("sort", "The order; - descends", keys.collect()),
        object(
            "filter",
            "Conditions: filter[field]=value, filter[field][operator]=value with eq ne lt le gt ge in nin null contains icontains starts, or filter={…}",
            json!(filters),
        ),
        object("page", "Pages by cursor (after, before) or by number", page),
    ]
}

pub fn entity_paths(source: &Source<'_>, entity: &Entity, view: &View, paths: &mut Map<String, Json>) {
    let (name, at) = (component(&entity.name), format!("/api/{}", segment(&entity.name)));
    let may = |right| view.may(entity, right);
    let tags = json!([entity.name]);
    let one = json!({"allOf": [schema_ref("document"), {"properties": {"data": schema_ref(&name)}}]});
    let many =
        json!({"allOf": [schema_ref("document"), {"properties": {"data": {"type": "array", "items": schema_ref(&name)}}}]});
    let known = in_header("If-None-Match", "ETag of an answer that you have");
    let expected = in_header("If-Match", "ETag of the version that you change");
    let (mut list, mut row) = (Map::new(), Map::new());
    if may(Right::Read) {
        let parameters = [shaping(source, entity, view), listing(source, entity, view), vec![known.clone()]].concat();
        let unchanged = json!({"description": "You have it already"});
        let good = [("200", answer("A page", many)), ("304", unchanged.clone())];
        list.insert("get".to_owned(), json!({"operationId": format!("list.{name}"), "summary": format!("List {}", entity.label), "tags": tags, "parameters": parameters, "responses": responses(&good, false)}));
        let parameters = [shaping(source, entity, view), vec![known]].concat();
        let good = [("200", answer("The row", one.clone())), ("304", unchanged)];
        row.insert("get".to_owned(), json!({"operationId": format!("get.{name}"), "summary": format!("Read {}", entity.label), "tags": tags, "parameters": parameters, "responses": responses(&good, false)}));
    }
    if may(Right::Create) {
        let key = key();
        let good = [("201", answer("Made", one.clone()))];
        list.insert("post".to_owned(), json!({
            "operationId": format!("create.{name}"), "summary": format!("Create {}", entity.label), "tags": tags, "parameters": [key],
            "requestBody": body(schema_ref(&format!("{name}.new")), Some(example(source.schema, entity, view))), "responses": responses(&good, true),
        }));
    }
    if may(Right::Update) {
        let good = [("200", answer("Changed", one))];
        row.insert("patch".to_owned(), json!({
            "operationId": format!("change.{name}"), "summary": format!("Change {}", entity.label), "tags": tags, "parameters": [expected],
            "requestBody": body(schema_ref(&format!("{name}.change")), None), "responses": responses(&good, true),
        }));
    }
    if may(Right::Delete) {
        let good = [("204", json!({"description": "Deleted"}))];
        row.insert("delete".to_owned(), json!({"operationId": format!("delete.{name}"), "summary": format!("Delete {}", entity.label), "tags": tags, "parameters": [expected], "responses": responses(&good, true)}));
    }
    if !list.is_empty() {
        paths.insert(at.clone(), Json::Object(list));
    }
    if !row.is_empty() {
        row.insert("parameters".to_owned(), json!([in_path("id")]));
        paths.insert(format!("{at}/{{id}}"), Json::Object(row));
    }
    if may(Right::Read) {
        for relation in entity.relations.iter().filter(|r| view.may(source.schema.target(r), Right::Peek)) {
            relation_paths(source, entity, relation, view, paths);
        }
        aggregate_path(source, entity, view, paths);
        if entity.audit || entity.states.is_some() {
            history_path(entity, paths);
        }
        if entity.name == "transfer" {
            file_path(paths);
        }
    }
    permission_paths(entity, paths);
}

fn relation_paths(source: &Source<'_>, entity: &Entity, relation: &Relation, view: &View, paths: &mut Map<String, Json>) {
    let target = source.schema.target(relation);
    let at = format!("/api/{}/{{id}}", segment(&entity.name));
    let (name, own) = (component(&entity.name), component(&relation.name));
    let tags = json!([entity.name]);
    let many = relation.is_many();
    if view.may(target, Right::Read) {
        let parameters = [shaping(source, target, view), if many { listing(source, target, view) } else { vec![] }].concat();
        let good =
            [("200", answer("What is related", schema_ref("document"))), ("304", json!({"description": "You have it already"}))];
        paths.insert(format!("{at}/{}", segment(&relation.name)), json!({
            "parameters": [in_path("id")],
            "get": {"operationId": format!("related.{name}.{own}"), "summary": format!("Read {}", relation.name), "tags": tags, "parameters": parameters, "responses": responses(&good, false)},
        }));
    }
    let linkage = schema_ref(if many { "linkage.many" } else { "linkage.one" });
    let good = [("200", answer("Linkage", linkage))];
    let mut methods = json!({
        "parameters": [in_path("id")],
        "get": {"operationId": format!("linkage.{name}.{own}"), "summary": format!("What {} names", relation.name), "tags": tags, "responses": responses(&good, false)},
    });
    if is_linked(relation) {
        let sent = json!({"type": "object", "required": ["data"], "properties": {"data": {"$ref": format!("#/components/schemas/relationship.{}/properties/data", if many { "many" } else { "one" })}}});
        let verbs: &[(&str, &str)] =
            if many { &[("post", "add"), ("patch", "replace"), ("delete", "remove")] } else { &[("patch", "set")] };
        for (method, verb) in verbs {
            methods[*method] = json!({
                "operationId": format!("{verb}.{name}.{own}"), "summary": format!("{verb} {}", relation.name), "tags": tags,
                "parameters": [in_header("If-Match", "ETag of the version that you change")],
                "requestBody": body(sent.clone(), None), "responses": responses(&[("204", json!({"description": "Done"}))], true),
            });
        }
    }
    paths.insert(format!("{at}/relationships/{}", segment(&relation.name)), methods);
}

fn aggregate_path(source: &Source<'_>, entity: &Entity, view: &View, paths: &mut Map<String, Json>) {
    let fields: Vec<String> = entity.columns.iter().filter(|c| view.shows(c)).map(|c| c.name.clone()).collect();
    let text = |name: &str, words: &str| json!({"name": name, "in": "query", "description": words, "schema": {"type": "string"}});
    let mut parameters = listing(source, entity, view);
    parameters.retain(|p| p["name"] != "sort");
    parameters.push(text("group", &format!("Fields, or year, month, day of a time: {}", fields.join(", "))));
    parameters.push(text("measure", "count, and sum, avg, min, max of a field"));
    parameters.push(text("sort", "By groups and measures; - descends"));
    let good = [("200", answer("Groups", schema_ref("document"))), ("304", json!({"description": "You have it already"}))];
    paths.insert(format!("/aggregate/{}", segment(&entity.name)), json!({
        "get": {"operationId": format!("aggregate.{}", component(&entity.name)), "summary": format!("Count and sum {}", entity.label), "tags": [entity.name], "parameters": parameters, "responses": responses(&good, false)},
    }));
}

fn history_path(entity: &Entity, paths: &mut Map<String, Json>) {
    let number = |name: &str, words: &str| json!({"name": name, "in": "query", "description": words, "schema": {"type": "integer", "minimum": 1}});
    let parameters =
        [in_path("id"), number("page[size]", "Changes on a page"), number("page[after]", "The id of the change before")];
    let good = [
        ("200", answer("Changes, newest first", schema_ref("document"))),
        ("304", json!({"description": "You have it already"})),
    ];
    paths.insert(format!("/history/{}/{{id}}", segment(&entity.name)), json!({
        "get": {"operationId": format!("history.{}", component(&entity.name)), "summary": format!("Who changed what of {}", entity.label), "tags": [entity.name], "parameters": parameters, "responses": responses(&good, false)},
    }));
}

fn file_path(paths: &mut Map<String, Json>) {
    let bytes = json!({"application/octet-stream": {}});
    let (sent, fetched) = ([("204", json!({"description": "It starts"}))], [("200", json!({"description": "The file"}))]);
    paths.insert("/file/{id}".to_owned(), json!({
        "parameters": [in_path("id")],
        "get": {"operationId": "file.get", "summary": "The file of an export that is done, or the rows of an import that came to nothing", "tags": ["transfer"], "responses": responses(&fetched, false)},
        "put": {"operationId": "file.put", "summary": "The file of an import that waits", "tags": ["transfer"], "requestBody": {"required": true, "content": bytes}, "responses": responses(&sent, true)},
    }));
    paths.insert("/download/{id}".to_owned(), json!({
        "parameters": [{"name": "id", "in": "path", "required": true, "description": "What a link of transfer/<id>/download ends with", "schema": {"type": "string"}}],
        "get": {"operationId": "file.follow", "summary": "The same file by a link: once, within a minute, without a header", "tags": ["transfer"], "security": [{}], "responses": responses(&fetched, false)},
    }));
}

fn permission_paths(entity: &Entity, paths: &mut Map<String, Json>) {
    let rights: Vec<_> = Right::ALL.iter().map(|r| r.word()).collect();
    let right = json!({"name": "right", "in": "query", "required": true, "schema": {"enum": rights}});
    let user =
        json!({"name": "user", "in": "query", "description": "Of somebody else", "schema": {"type": "string", "format": "uuid"}});
    let (name, at) = (component(&entity.name), format!("/permission/{}", segment(&entity.name)));
    let good = [("200", answer("Whether, and why", schema_ref("document")))];
    let ask = |id: &str| json!({"operationId": id, "summary": format!("Why may I, on {}", entity.label), "tags": [entity.name], "parameters": [right, user], "responses": responses(&good, false)});
    paths.insert(at.clone(), json!({"get": ask(&format!("permission.{name}"))}));
    paths.insert(format!("{at}/{{id}}"), json!({"parameters": [in_path("id")], "get": ask(&format!("permission.row.{name}"))}));
}

pub fn action_paths(action: &Action, paths: &mut Map<String, Json>) {
    let (entity, name) = (component(&action.entity), component(&action.name));
    let call = schema_ref(&format!("{entity}.{name}.call"));
    let told = |words: &str| json!({"description": words, "content": {"application/json": {"schema": schema_ref("directives")}}});
    let mut responses: Map<String, Json> =
        ANY.iter().chain(CHANGES).map(|(status, words)| ((*status).to_owned(), told(words))).collect();
    responses.insert("200".to_owned(), told("What the client does next"));
    // An action's own file may refuse with any of these.
    responses.insert("4XX".to_owned(), told("What the action's file says"));
    let parameters = json!([
        {"name": "dry_run", "in": "query", "description": "Do everything, and roll it back", "schema": {"type": "boolean"}},
        key(),
    ]);
    let post = |id: String| {
        json!({
            "operationId": id, "summary": action.label, "description": action.description, "tags": [action.entity], "parameters": parameters,
            "requestBody": {"required": false, "content": {"application/json": {"schema": {"anyOf": [{"type": "object", "required": ["attributes"], "properties": {"attributes": call}}, call]}}}},
            "responses": responses,
        })
    };
    let at = format!("/action/{}", segment(&action.entity));
    let mut methods = json!({"post": post(format!("act.{entity}.{name}"))});
    if action.is_safe {
        let inputs = action.inputs.iter().map(|i| json!({"name": i.name, "in": "query", "required": i.required, "schema": {"$ref": format!("#/components/schemas/{entity}.{name}.call/properties/{}", i.name.replace('~', "~0").replace('/', "~1"))}}));
        methods["get"] = json!({"operationId": format!("ask.{entity}.{name}"), "summary": action.label, "tags": [action.entity], "parameters": inputs.collect::<Vec<_>>(), "responses": responses});
    }
    paths.insert(format!("{at}/{}", segment(&action.name)), methods);
    if action.subject != SubjectUse::None {
        paths.insert(
            format!("{at}/{{id}}/{}", segment(&action.name)),
            json!({"parameters": [in_path("id")], "post": post(format!("act.row.{entity}.{name}"))}),
        );
    }
}

/// What is there whatever the schema says.
pub fn own_paths(source: &Source<'_>, paths: &mut Map<String, Json>) {
    let json = |words: &str| json!({"description": words, "content": {"application/json": {"schema": {}}}});
    let get = |id: &str, words: &str, content: Json| json!({"get": {"operationId": id, "summary": words, "tags": ["server"], "responses": responses(&[("200", content)], false)}});
    let text = json!({"description": "It does", "content": {"text/plain": {"schema": {"type": "string"}}}});
    let questions = json!({"type": "object", "required": ["data"], "properties": {"data": {"type": "array", "maxItems": source.limits.links, "items": {
        "type": "object", "required": ["right", "entity"], "properties": {"right": {"type": "string"}, "entity": {"type": "string"}, "id": {"type": ["string", "null"]}},
    }}}});
    let answered = [("200", answer("An answer to each", schema_ref("document")))];
    let results = json!({"description": "Done", "content": {Form::Atomic.media(): {"schema": schema_ref("results")}}});
    let done = [("200", results), ("204", json!({"description": "Done, and nothing to say"}))];
    let operations = json!({"required": true, "content": {Form::Atomic.media(): {"schema": schema_ref("operations")}}});
    let mut put = |at: &str, methods: Json| _ = paths.insert(at.to_owned(), methods);
    put(
        "/api/operations",
        json!({"post": {
            "operationId": "operations", "summary": format!("Up to {} operations, all or none", source.limits.operations), "tags": ["server"],
            "parameters": [key()], "requestBody": operations, "responses": responses(&done, true),
        }}),
    );
    put(
        "/permission",
        json!({"post": {
            "operationId": "permissions", "summary": "Many questions of what you may", "tags": ["server"], "requestBody": body(questions, None), "responses": responses(&answered, false),
        }}),
    );
    put("/actions", get("actions", "What you may execute, with forms", json("Actions")));
    put("/openapi.json", get("openapi", "This", json("OpenAPI 3.1")));
    put("/schema/entity/{name}", {
        let mut described = get(
            "schema.entity",
            "An entity's resource object as a JSON Schema",
            json!({"description": "JSON Schema", "content": {"application/schema+json": {"schema": {}}}}),
        );
        described["parameters"] = json!([in_path("name")]);
        described
    });
    put("/schema/directive/{name}", {
        let mut described = get(
            "schema.directive",
            "A directive as a JSON Schema",
            json!({"description": "JSON Schema", "content": {"application/schema+json": {"schema": {}}}}),
        );
        described["parameters"] = json!([in_path("name")]);
        described
    });
    put("/healthz", get("health", "Whether the process answers", text.clone()));
    put("/readyz", get("ready", "Whether PostgreSQL answers, too", text));
    put("/.well-known/jwks.json", get("keys", "The keys that tokens are verified by", json("JWK set")));
}
