//! The paths: which operations there are, with their parameters, bodies and answers.

use serde_json::{Map, Value as Json, json};

use super::answer::{bytes, directives, document, nothing, responses, tagged};
use super::parameter::{self, Parameters, in_query};
use super::shape::{example, is_linked, shared};
use super::{Source, component, schema_ref, segment};
use crate::access::view::View;
use crate::action::{Action, SubjectUse};
use crate::permission::Right;
use crate::request::media::Form;
use crate::schema::{Entity, Relation};

/// What is described: paths, and what they refer to.
#[derive(Default)]
pub struct Described {
    /// By their patterns.
    pub paths: Map<String, Json>,
    /// Parameters, each once.
    pub parameters: Parameters,
    /// Answers, each once.
    pub responses: Map<String, Json>,
}

impl Described {
    /// Keeps an answer, and refers to it. `schema`: the component that it is.
    fn answer(&mut self, schema: &str, words: &str) -> Json {
        if !self.responses.contains_key(schema) {
            self.responses.insert(schema.to_owned(), tagged(words, schema_ref(schema)));
        }
        json!({"$ref": format!("#/components/responses/{schema}")})
    }
}

fn body(schema: Json, example: Option<Json>) -> Json {
    let mut content = json!({"schema": schema});
    if let Some(example) = example {
        content["example"] = example;
    }
    json!({"required": true, "content": {Form::Plain.media(): content}})
}

fn unchanged() -> (&'static str, Json) {
    ("304", nothing("You have it already"))
}

/// What an entity's rows have: list, row, relations, aggregate, history.
pub fn entity_paths(source: &Source<'_>, entity: &Entity, view: &View, described: &mut Described) {
    let (name, at) = (component(&entity.name), format!("/api/{}", segment(&entity.name)));
    let may = |right| view.may(entity, right);
    let tags = json!([entity.name]);
    let operation = |id: &str| json!({"operationId": format!("{id}.{name}"), "tags": tags});
    let all = &mut described.parameters;
    let (id, known, expected, key) = (parameter::id(all), parameter::known(all), parameter::expected(all), parameter::key(all));
    let changed = described.answer(&format!("{name}.changed"), "The row, for who may read it");
    let (mut list, mut row) = (Map::new(), Map::new());
    if may(Right::Read) {
        let all = &mut described.parameters;
        let shaping = parameter::shaping(source, entity, view, all);
        let listing = parameter::listing(source, entity, view, all);
        let filters = parameter::filters(entity, view);
        let mut get = operation("list");
        get["summary"] = json!(format!("List {}", entity.label));
        get["parameters"] = json!([shaping.clone(), listing, filters, vec![known.clone()]].concat());
        get["responses"] = responses(&[("200", described.answer(&format!("{name}.page"), "A page")), unchanged()]);
        list.insert("get".to_owned(), get);
        let mut get = operation("get");
        get["parameters"] = json!([shaping, vec![known]].concat());
        let one = described.answer(&format!("{name}.document"), "The row");
        get["responses"] = responses(&[("200", one), unchanged()]);
        row.insert("get".to_owned(), get);
    }
    if may(Right::Create) {
        let mut post = operation("create");
        post["summary"] = json!(format!("Create {}", entity.label));
        post["parameters"] = json!([key]);
        post["requestBody"] = body(schema_ref(&format!("{name}.new")), example(source.schema, entity, view));
        post["responses"] = responses(&[("201", changed.clone())]);
        list.insert("post".to_owned(), post);
    }
    if may(Right::Update) {
        let mut patch = operation("change");
        patch["parameters"] = json!([expected]);
        patch["requestBody"] = body(schema_ref(&format!("{name}.change")), None);
        patch["responses"] = responses(&[("200", changed)]);
        row.insert("patch".to_owned(), patch);
    }
    if may(Right::Delete) {
        let mut delete = operation("delete");
        delete["parameters"] = json!([expected]);
        delete["responses"] = responses(&[("204", nothing("Deleted"))]);
        row.insert("delete".to_owned(), delete);
    }
    if !list.is_empty() {
        described.paths.insert(at.clone(), Json::Object(list));
    }
    if !row.is_empty() {
        row.insert("parameters".to_owned(), json!([id]));
        described.paths.insert(format!("{at}/{{id}}"), Json::Object(row));
    }
    if may(Right::Read) {
        let seen: Vec<&Relation> = entity.relations.iter().filter(|r| view.may(source.schema.target(r), Right::Peek)).collect();
        let readable = seen.iter().copied().filter(|r| view.may(source.schema.target(r), Right::Read)).collect::<Vec<_>>();
        related_path(source, &readable, entity, described);
        linkage_path(&seen, entity, described);
        if entity.name == "transfer" {
            file_path(described);
        }
    }
}

/// A part of the path that is one of these relations. None where there is none.
fn in_relations(name: &str, relations: &[&Relation], described: &mut Described) -> Option<Json> {
    let names: Vec<&String> = relations.iter().map(|relation| &relation.name).collect();
    let of = json!({"name": "relation", "in": "path", "required": true, "schema": {"type": "string", "enum": names}});
    (!names.is_empty()).then(|| parameter::kept(&mut described.parameters, name, || of))
}

/// What the relations of an entity lead to. (One path for all of them: written out each, they would be most of a large
/// document.)
fn related_path(source: &Source<'_>, relations: &[&Relation], entity: &Entity, described: &mut Described) {
    let name = component(&entity.name);
    let Some(relation) = in_relations(&format!("{name}.related"), relations, described) else { return };
    let all = &mut described.parameters;
    let id = parameter::id(all);
    let text = || json!({"type": "string"});
    let mut parameters = vec![
        parameter::kept(all, "related.include", || in_query("include", "Relationships of what is related, with commas", text())),
        parameter::kept(all, "related.sort", || in_query("sort", "The order of many; - descends", text())),
        parameter::tree(all),
    ];
    parameters.extend(parameter::paging(source, all));
    let answer = described.answer(&format!("{name}.related"), "A page, or a row or null");
    described.paths.insert(format!("/api/{}/{{id}}/{{relation}}", segment(&entity.name)), json!({
        "parameters": [id, relation],
        "get": {"operationId": format!("related.{name}"), "tags": [entity.name], "parameters": parameters, "responses": responses(&[("200", answer)])},
    }));
}

/// What the relations of an entity name, and how that is changed.
fn linkage_path(relations: &[&Relation], entity: &Entity, described: &mut Described) {
    let name = component(&entity.name);
    let id = parameter::id(&mut described.parameters);
    let of = |is_meant: fn(&Relation) -> bool| relations.iter().copied().filter(|r| is_meant(r)).collect::<Vec<_>>();
    let any = in_relations(&format!("{name}.relation"), relations, described);
    let linked = match of(is_linked) {
        all if all.len() == relations.len() => any.clone(),
        some => in_relations(&format!("{name}.relation.linked"), &some, described),
    };
    let many = in_relations(&format!("{name}.relation.many"), &of(|r| is_linked(r) && r.is_many()), described);
    let operation = |verb: &str, parameters: Vec<Json>| json!({"operationId": format!("{verb}.{name}"), "tags": [entity.name], "parameters": parameters});
    let mut methods = json!({"parameters": [id]});
    let Some(any) = any else { return };
    let mut get = operation("linkage", vec![any]);
    get["responses"] = responses(&[("200", document("What it names", schema_ref(&format!("{name}.linkage"))))]);
    methods["get"] = get;
    for (method, verb, relation) in [("patch", "replace", &linked), ("post", "add", &many), ("delete", "remove", &many)] {
        let Some(relation) = relation else { continue };
        let expected = parameter::expected(&mut described.parameters);
        let mut change = operation(verb, vec![relation.clone(), expected]);
        change["requestBody"] = body(schema_ref(&format!("{name}.linkage")), None);
        change["responses"] = responses(&[("204", nothing("Done"))]);
        methods[method] = change;
    }
    described.paths.insert(format!("/api/{}/{{id}}/relationships/{{relation}}", segment(&entity.name)), methods);
}

/// Groups and sums of any entity's rows.
fn aggregate_path(source: &Source<'_>, described: &mut Described) {
    let text = || json!({"type": "string"});
    let words = [
        ("group", "Fields, or year, quarter, month, week, day, hour of a time: status,month(created_at)"),
        ("measure", "count, and sum, avg, min, max of a field: count,sum(words)"),
        ("zone", "Where days, months, quarters and years begin: Europe/Berlin; UTC without it"),
        ("sort", "By groups and measures; - descends"),
    ];
    let all = &mut described.parameters;
    let mut parameters: Vec<Json> = words.iter().map(|(name, words)| in_query(name, words, text())).collect();
    parameters.push(parameter::tree(all));
    parameters.extend(parameter::paging(source, all).into_iter().take(2)); // size and number
    let groups = described.answer("jsonapi.groups", "Groups");
    described.paths.insert(
        "/aggregate/{entity}".to_owned(),
        json!({"parameters": [parameter::in_path("entity")], "get": {
            "operationId": "aggregate", "summary": "Count and sum rows", "tags": ["server"], "parameters": parameters,
            "responses": responses(&[("200", groups), unchanged()]),
        }}),
    );
}

/// Who changed what of a row, where its entity keeps that.
fn history_path(described: &mut Described) {
    let number = || json!({"type": "integer", "minimum": 1});
    let id = parameter::id(&mut described.parameters);
    let parameters =
        [in_query("page[size]", "Changes on a page", number()), in_query("page[after]", "The id of the change before", number())];
    let changes = described.answer("jsonapi.changes", "Changes, newest first");
    described.paths.insert(
        "/history/{entity}/{id}".to_owned(),
        json!({"parameters": [parameter::in_path("entity"), id], "get": {
            "operationId": "history", "summary": "Who changed what of a row, where its entity keeps that", "tags": ["server"],
            "parameters": parameters, "responses": responses(&[("200", changes), unchanged()]),
        }}),
    );
}

fn file_path(described: &mut Described) {
    let fetched = || responses(&[("200", json!({"description": "The file", "content": bytes()}))]);
    let id = parameter::id(&mut described.parameters);
    described.paths.insert("/file/{id}".to_owned(), json!({
        "parameters": [id],
        "get": {"operationId": "file.get", "summary": "The file of an export that is done, or the rows of an import that came to nothing", "tags": ["transfer"], "responses": fetched()},
        "put": {"operationId": "file.put", "summary": "The file of an import that waits", "tags": ["transfer"], "requestBody": {"required": true, "content": bytes()}, "responses": responses(&[("204", nothing("It starts"))])},
    }));
    let token = json!({"name": "id", "in": "path", "required": true, "description": "What a link of transfer/<id>/download ends with", "schema": {"type": "string"}});
    described.paths.insert("/download/{id}".to_owned(), json!({
        "parameters": [token],
        "get": {"operationId": "file.follow", "summary": "The same file by a link: once, within a minute, without a header", "tags": ["transfer"], "security": [{}], "responses": fetched()},
    }));
}

/// What any call is sent beside its inputs.
fn call_parameters(described: &mut Described) -> Json {
    let all = &mut described.parameters;
    let words = "Do everything, and roll it back";
    json!([parameter::kept(all, "dry_run", || in_query("dry_run", words, json!({"type": "boolean"}))), parameter::key(all)])
}

/// A call of an action. `call`: the component of what it is sent.
fn post(action: &Action, id: &str, tag: &str, call: &str, parameters: &Json) -> Json {
    let is_wanted = action.inputs.iter().any(|input| input.required && input.default.is_none());
    json!({
        "operationId": id, "summary": action.label, "description": action.description, "tags": [tag], "parameters": parameters,
        "requestBody": {"required": is_wanted, "content": {"application/json": {"schema": schema_ref(call)}}},
        "responses": directives(),
    })
}

/// An action that every entity has.
pub fn every_path(action: &Action, described: &mut Described) {
    let name = component(&action.name);
    let (parameters, id) = (call_parameters(described), parameter::id(&mut described.parameters));
    let methods = json!({
        "parameters": [parameter::in_path("entity"), id],
        "post": post(action, &format!("act.{name}"), "server", &format!("every.{name}.call"), &parameters),
    });
    described.paths.insert(format!("/action/{{entity}}/{{id}}/{}", segment(&action.name)), methods);
}

/// The calls of an action; of one that needs a row, with it in the path.
pub fn action_paths(action: &Action, described: &mut Described) {
    let (entity, name) = (component(&action.entity), component(&action.name));
    let call = format!("{entity}.{name}.call");
    let (parameters, id) = (call_parameters(described), parameter::id(&mut described.parameters));
    let at = format!("/action/{}", segment(&action.entity));
    if action.subject != SubjectUse::Required {
        let mut methods = json!({"post": post(action, &format!("act.{entity}.{name}"), &action.entity, &call, &parameters)});
        if action.is_safe {
            let schema = crate::action::input::schema(action);
            let inputs = action
                .inputs
                .iter()
                .map(|i| json!({"name": i.name, "in": "query", "required": i.required, "schema": schema["properties"][&i.name]}));
            methods["get"] = json!({"operationId": format!("ask.{entity}.{name}"), "summary": action.label, "tags": [action.entity], "parameters": inputs.collect::<Vec<_>>(), "responses": directives()});
        }
        described.paths.insert(format!("{at}/{}", segment(&action.name)), methods);
    }
    if action.subject != SubjectUse::None {
        let post = post(action, &format!("act.row.{entity}.{name}"), &action.entity, &call, &parameters);
        described.paths.insert(format!("{at}/{{id}}/{}", segment(&action.name)), json!({"parameters": [id], "post": post}));
    }
}

/// What is there whatever the schema says.
pub fn own_paths(source: &Source<'_>, described: &mut Described) {
    let json = |words: &str, schema: Json| json!({"description": words, "content": {"application/json": {"schema": schema}}});
    let of_schema = |words: &str| json!({"description": words, "content": {"application/schema+json": {"schema": {"type": "object", "additionalProperties": true}}}});
    let get = |id: &str, words: &str, content: Json| json!({"get": {"operationId": id, "summary": words, "tags": ["server"], "responses": responses(&[("200", content)])}});
    let text = json!({"description": "It does", "content": {"text/plain": {"schema": {"type": "string"}}}});
    let open = || json!({"type": "object", "additionalProperties": true});
    let string = || json!({"type": "string"});
    let questions = json!({"type": "object", "required": ["data"], "properties": {"data": {"type": "array", "maxItems": source.limits.links, "items": {
        "type": "object", "properties": {
            "right": {"type": "string"}, "entity": {"type": "string"}, "action": {"type": "string", "description": "<entity>/<action>, in place of right and entity"},
            "id": {"type": ["string", "null"]},
        },
    }}}});
    let permissions = described.answer("jsonapi.permissions", "An answer to each");
    let permission = described.answer("jsonapi.permission", "Whether, and why");
    let results = json!({"description": "Done", "content": {Form::Atomic.media(): {"schema": shared("results")}}});
    let done = [("200", results), ("204", nothing("Done, and nothing to say"))];
    let operations = json!({"required": true, "content": {Form::Atomic.media(): {"schema": shared("operations")}}});
    let key = parameter::key(&mut described.parameters);
    let id = parameter::id(&mut described.parameters);
    let named = |name: &str| parameter::in_path(name);
    let rights: Vec<_> = Right::ALL.iter().map(|r| r.word()).collect();
    let asks = json!([
        {"name": "right", "in": "query", "required": true, "schema": {"type": "string", "enum": rights}},
        in_query("user", "Of somebody else", json!({"type": "string", "format": "uuid"})),
    ]);
    let mut ask = get("permission", "Why may I", permission.clone());
    (ask["parameters"], ask["get"]["parameters"]) = (json!([named("entity")]), asks.clone());
    let mut ask_row = get("permission.row", "Why may I, on a row", permission);
    (ask_row["parameters"], ask_row["get"]["parameters"]) = (json!([named("entity"), id]), asks);
    let field = json!({"type": "object", "required": ["name", "type", "required"], "properties": {"name": string(), "type": string(), "required": {"type": "boolean"}, "entity": string(), "default": {}, "equals": string()}});
    let listed = json!({"type": "array", "items": {
        "type": "object", "required": ["entity", "name", "label", "subject", "safe", "inputs", "schema"],
        "properties": {
            "entity": string(), "name": string(), "label": string(), "description": string(), "subject": {"type": "string", "enum": ["none", "optional", "required"]},
            "safe": {"type": "boolean"}, "inputs": {"type": "array", "items": field}, "schema": open(),
            "event": {"oneOf": [{"type": "object", "required": ["column", "from", "to"], "properties": {"column": string(), "from": {"type": "array", "items": string()}, "to": string()}}, {"type": "null"}]},
        },
    }});
    let only = in_query("entity", "Only what these entities have, with commas", string());
    let mut openapi = get("openapi", "This", json("OpenAPI 3.1", open()));
    openapi["get"]["parameters"] = json!([only]);
    aggregate_path(source, described);
    history_path(described);
    let mut put = |at: &str, methods: Json| _ = described.paths.insert(at.to_owned(), methods);
    put(
        "/api/operations",
        json!({"post": {
            "operationId": "operations", "summary": format!("Up to {} operations, all or none", source.limits.operations), "tags": ["server"],
            "parameters": [key], "requestBody": operations, "responses": responses(&done),
        }}),
    );
    put(
        "/permission",
        json!({"post": {
            "operationId": "permissions", "summary": "Many questions of what you may", "tags": ["server"], "requestBody": body(questions, None), "responses": responses(&[("200", permissions)]),
        }}),
    );
    put("/permission/{entity}", ask);
    put("/permission/{entity}/{id}", ask_row);
    put("/actions", get("actions", "What you may execute, with forms", json("Actions", listed)));
    put("/openapi.json", openapi);
    for (at, id, words) in [
        ("/schema/entity/{name}", "schema.entity", "An entity's resource object as a JSON Schema"),
        ("/schema/directive/{name}", "schema.directive", "A directive as a JSON Schema"),
    ] {
        let mut described = get(id, words, of_schema("JSON Schema"));
        described["parameters"] = json!([named("name")]);
        put(at, described);
    }
    put("/healthz", get("health", "Whether the process answers", text.clone()));
    put("/readyz", get("ready", "Whether PostgreSQL answers, too", text));
    let keys = json!({"type": "object", "required": ["keys"], "properties": {"keys": {"type": "array", "items": open()}}});
    put("/.well-known/jwks.json", get("keys", "The keys that tokens are verified by", json("JWK set", keys)));
}
