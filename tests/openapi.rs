//! What the server says of itself: OpenAPI, JSON Schemas, the page.

use std::collections::HashSet;

use serde_json::{Value as Json, json};

use crate::house::process::Folder;
use crate::house::{CANARY, Someone, World};

/// Every `$ref` of a document leads somewhere, every operation has a name of its own.
fn check(document: &Json) {
    let mut names = HashSet::new();
    fn walk(document: &Json, part: &Json, names: &mut HashSet<String>) {
        match part {
            Json::Object(map) => {
                if let Some(Json::String(to)) = map.get("$ref") {
                    assert!(document.pointer(to.trim_start_matches('#')).is_some(), "{to} leads nowhere");
                }
                if let Some(Json::String(id)) = map.get("operationId") {
                    assert!(names.insert(id.clone()), "{id} twice");
                }
                map.values().for_each(|v| walk(document, v, names));
            }
            Json::Array(items) => items.iter().for_each(|v| walk(document, v, names)),
            _ => {}
        }
    }
    walk(document, document, &mut names);
    assert!(names.len() > 20);
}

/// Posts the example of an entity; where it needs others, theirs first.
fn post_example<'a>(
    someone: &'a Someone<'a>,
    document: &'a Json,
    entity: &'a str,
) -> std::pin::Pin<Box<dyn Future<Output = String> + 'a>> {
    Box::pin(async move {
        let path = format!("/paths/~1api~1{entity}/post/requestBody/content/application~1vnd.api+json/example");
        let mut example = document.pointer(&path).unwrap_or_else(|| panic!("{path}")).clone();
        if let Some(relationships) = example.pointer_mut("/data/relationships").and_then(Json::as_object_mut) {
            for relationship in relationships.values_mut() {
                let kind = relationship["data"]["type"].as_str().expect("to-one").to_owned();
                relationship["data"]["id"] = json!(post_example(someone, document, &kind).await);
            }
        }
        let made = someone.post(&format!("/api/{entity}"), example).await.is(201);
        made.json["data"]["id"].as_str().or_else(|| made.header("location").rsplit('/').next()).expect("an id").to_owned()
    })
}

#[tokio::test]
async fn openapi_is_whole_for_administrators_and_a_view_for_others() {
    let world = World::new().await;
    let (admin, ada) = (world.administrator().await, world.user("ada", &[]).await);
    let whole = admin.get("/openapi.json").await.is(200);
    check(&whole.json);
    let guests = world.guest().get("/openapi.json").await.is(200);
    check(&guests.json);
    let adas = ada.get("/openapi.json").await.is(200);
    check(&adas.json);
    assert!(whole.text.contains("/api/memo") && !guests.text.contains("memo") && !adas.text.contains("memo"));
    assert!(whole.json["paths"]["/api/session"].get("post").is_none(), "closed for everybody");
    assert!(
        !whole.text.contains("secret_note") && !whole.text.contains("password_hash"),
        "what is served to nobody is told to nobody"
    );
    let paths = |document: &Json| document["paths"].as_object().expect("paths").len();
    assert!(paths(&guests.json) < paths(&adas.json) && paths(&adas.json) < paths(&whole.json));
    assert!(
        guests.json["paths"]["/api/article"]["get"].is_object() && guests.json["paths"]["/api/article"].get("post").is_none()
    );
    assert!(guests.json["paths"]["/action/user_account/signup"]["post"].is_object());
    assert!(guests.json["paths"].get("/action/user_account/signout").is_none() || guests.text.contains("signout"));
    // It changes with the permissions, and is told apart by its tag.
    let tag = adas.header("etag").to_owned();
    let request = ada.request(reqwest::Method::GET, "/openapi.json").header("If-None-Match", &tag);
    ada.send(request).await.is(304);
    for entity in ["article", "comment", "tag", "section", "memo"] {
        post_example(&admin, &whole.json, entity).await;
    }
}

#[tokio::test]
async fn every_row_is_as_its_schema_says() {
    for project in ["examples/newsroom", "tests/projects/odd", "tests/projects/flow"] {
        let world = World::of(project).await;
        let admin = world.administrator().await;
        let document = admin.get("/openapi.json").await.is(200).json;
        check(&document);
        for entity in world.app.schema.entities() {
            let path = format!("/schema/entity/{}", entity.name);
            let schema = admin.get(&path).await.is(200);
            assert_eq!(schema.header("content-type"), "application/schema+json");
            let schema = jsonschema::validator_for(&schema.json).expect("a schema");
            let at = format!("/paths/~1api~1{}/post", percent(&entity.name));
            if document.pointer(&at).is_some()
                && entity.name != "usergroup"
                && entity.name != "user_account"
                && project.ends_with("newsroom")
            {
                post_example(&admin, &document, &entity.name).await;
            }
            let rows = admin.get(&format!("/api/{}", entity.name)).await.is(200);
            for row in rows.json["data"].as_array().expect("a list") {
                let faults: Vec<_> = schema.iter_errors(row).map(|e| e.to_string()).collect();
                assert!(faults.is_empty(), "{}: {faults:?}", entity.name);
            }
            assert!(!schema.is_valid(&json!({"type": "another", "id": entity.name})), "the control");
        }
    }
}

fn percent(name: &str) -> String {
    name.chars()
        .map(|c| if c.is_ascii() { c.to_string() } else { c.to_string().bytes().map(|b| format!("%{b:02X}")).collect() })
        .collect()
}

#[tokio::test]
async fn schemas_tell_strangers_no_more_than_the_rest() {
    let world = World::new().await;
    let ada = world.user("ada", &[]).await;
    for someone in [&world.guest(), &ada] {
        for hidden in ["memo", "nothing", "%00", CANARY] {
            let refused = someone.get(&format!("/schema/entity/{hidden}")).await;
            assert!(matches!(refused.status, 400 | 404), "{hidden}");
        }
        someone.get("/schema/entity/article").await.is(200);
        someone.get("/schema/directive/nothing").await.is(404);
        let notify = someone.get("/schema/directive/client.notify").await.is(200);
        assert_eq!(notify.json["properties"]["ResponseType"]["const"], "client.notify");
    }
    let odd = World::of("tests/projects/odd").await;
    let (guest, admin) = (odd.guest(), odd.administrator().await);
    let columns = async |someone: &Someone<'_>, entity: &str| {
        let schema = someone.get(&format!("/schema/entity/{entity}")).await.is(200);
        schema.json["properties"]["attributes"]["properties"].as_object().expect("columns").keys().cloned().collect::<Vec<_>>()
    };
    let (theirs, all) = (columns(&guest, "case").await, columns(&admin, "case").await);
    assert!(theirs.len() < all.len(), "columns that only owners and groups read don't exist for guests: {theirs:?} {all:?}");
}

#[tokio::test]
async fn the_page_comes_from_the_binary_alone() {
    let world = World::new().await;
    let page = world.guest().get("/docs").await.is(200);
    assert!(page.header("content-type").starts_with("text/html") && page.text.contains("/docs/scalar.js"));
    assert!(!page.text.contains("https://") && page.header("content-security-policy").starts_with("default-src 'self'"));
    let script = reqwest::get(format!("{}/docs/scalar.js", world.url)).await.expect("an answer");
    assert!(script.headers()["content-type"].to_str().expect("text").starts_with("text/javascript"));
    assert!(script.bytes().await.expect("bytes").len() > 1_000_000);
}

#[test]
fn the_terminal_prints_it_without_a_database() {
    let folder = Folder::new();
    let output = folder.run(&["openapi"], "");
    let document: Json = serde_json::from_slice(&output.stdout).expect("JSON");
    check(&document);
    assert!(document["paths"]["/api/memo/{id}"]["delete"].is_object());
}

/// Two hundred entities, of ten columns and three relations each.
fn large() -> String {
    let mut files = vec![];
    for n in 0..200 {
        let columns: String =
            (0..10).map(|at| format!("  c{at}: {{ type: {} }}\n", ["label", "integer", "datetime"][at % 3])).collect();
        let to = |step: usize| format!("thing{}", (n + step) % 200);
        let relations = format!(
            "  a: {{ belongs_to: {}, inverse: as }}\n  b: {{ belongs_to: {}, inverse: bs }}\n  c: {{ belongs_to: {}, inverse: cs }}\n",
            to(1),
            to(2),
            to(3)
        );
        let text = format!(
            "grants: {{ users: [peek, read, create, update, delete, execute, refer] }}\ncolumns:\n{columns}relations:\n{relations}"
        );
        files.push((format!("schema/thing{n}.yaml"), text));
    }
    crate::house::project(&files)
}

#[test]
fn a27_two_hundred_entities_are_described_in_three_megabytes() {
    let (schema, actions) = rowhouse::project::load(std::path::Path::new(&large())).expect("a project");
    let config = rowhouse::config::layers::load(&Default::default(), &[]).expect("defaults").config;
    let source =
        rowhouse::openapi::Source { schema: &schema, actions: &actions, limits: &config.limits, page: &config.page, base: "" };
    let view = rowhouse::access::view::View::whole();
    let whole = rowhouse::openapi::document(&source, &view, None);
    check(&whole);
    let size = whole.to_string().len();
    assert!(size < 3_000_000, "{size} bytes");
    let part = rowhouse::openapi::document(&source, &view, Some(&["thing7", "user_account"]));
    check(&part);
    let paths: Vec<&String> = part["paths"].as_object().expect("paths").keys().collect();
    assert!(paths.iter().any(|path| *path == "/api/thing7/{id}/{relation}"));
    assert!(paths.iter().any(|path| *path == "/action/user_account/signin"));
    assert!(!paths.iter().any(|path| path.contains("thing8")), "{paths:?}");
    assert!(part.to_string().len() < size / 20, "{} bytes", part.to_string().len());
}

#[tokio::test]
async fn a27_parts_of_it_and_none_of_what_may_not_be_known() {
    let world = World::new().await;
    let (admin, ada) = (world.administrator().await, world.user("ada", &[]).await);
    let part = ada.get("/openapi.json?entity=article,tag").await.is(200);
    check(&part.json);
    assert!(part.json["paths"]["/api/article"].is_object() && part.json["paths"].get("/api/comment").is_none());
    let request = ada.request(reqwest::Method::GET, "/openapi.json?entity=article,tag");
    ada.send(request.header("If-None-Match", part.header("etag"))).await.is(304);
    let known = admin.get("/openapi.json?entity=memo").await.is(200);
    assert!(known.json["paths"]["/api/memo"].is_object());
    let hidden = ada.get("/openapi.json?entity=memo").await.is(400).text.replace("memo", "x");
    assert_eq!(hidden, ada.get("/openapi.json?entity=nothing").await.is(400).text.replace("nothing", "x"));
    ada.get("/openapi.json?entities=tag").await.is(400);
    // Nothing of it is put together from parts: what generators can't follow.
    fn walk(json: &Json) {
        match json {
            Json::Object(map) => {
                for word in ["allOf", "default", "discriminator"] {
                    let is_answer = word == "default" && map.contains_key("default") && map["default"].get("$ref").is_some();
                    assert!(!map.contains_key(word) || is_answer || map.get("type").is_none(), "{word} in {json}");
                }
                for word in ["oneOf", "anyOf"] {
                    assert!(map.get(word).is_none_or(|kinds| *kinds != json!([])), "{word} of nothing");
                }
                if let Some(to) = map.get("$ref").and_then(Json::as_str) {
                    assert!(!to.contains("/properties/"), "{to}");
                }
                map.values().for_each(walk);
            }
            Json::Array(items) => items.iter().for_each(walk),
            _ => {}
        }
    }
    walk(&admin.get("/openapi.json").await.is(200).json["components"]["schemas"]);
    for entity in world.app.schema.entities() {
        for someone in [&world.guest(), &ada] {
            let part = someone.get(&format!("/openapi.json?entity={}", entity.name)).await;
            walk(&part.json["components"]["schemas"]);
        }
    }
    // What may be included stands in a part, too.
    let rows = &part.json["components"]["schemas"]["jsonapi.resource"];
    assert!(rows.to_string().contains("schemas/section"), "{rows}");
}
