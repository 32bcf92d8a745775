//! What is refused costs nothing: no hash, no cleaning, no file that is read, and no lock.

use std::net::TcpListener;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Client, Method};
use serde_json::{Value as Json, json};
use uuid::Uuid;

use crate::house::process::{Folder, Server, serve};
use crate::house::watch::Watched;
use crate::house::{Someone, World};

const ODD: &str = "tests/projects/odd";
const MARKUP: &str = "<p onclick=x>größe <b>fett</b>";
const PASSWORD: &str = "correct horse battery";

/// A server of its own, for what it spends is counted over the process.
struct Place {
    server: Server,
    metrics: String,
    client: Client,
}

/// What was spent: hashes, cleanings, bytes of files.
type Spent = [u64; 3];

impl Place {
    async fn spent(&self) -> Spent {
        let text = self.client.get(&self.metrics).send().await.expect("an answer").text().await.expect("text");
        ["hashes", "cleanings", "file bytes"].map(|work| {
            let start = format!("rowhouse_dear{{work=\"{work}\"}} ");
            text.lines().find_map(|line| line.strip_prefix(&start)).expect("counted").parse().expect("a number")
        })
    }

    async fn ask(&self, token: &str, method: &Method, path: &str, body: &Json) -> (u16, Json) {
        let atomic = r#"application/vnd.api+json;ext="https://jsonapi.org/ext/atomic""#;
        let kind = match path {
            "/api/operations" => atomic,
            path if path.starts_with("/api") => "application/vnd.api+json",
            _ => "application/json",
        };
        let mut request = self.client.request(method.clone(), format!("{}{path}", self.server.url)).header("Content-Type", kind);
        if !token.is_empty() {
            request = request.bearer_auth(token);
        }
        let answer = request.body(body.to_string()).send().await.expect("an answer");
        (answer.status().as_u16(), serde_json::from_str(&answer.text().await.expect("text")).unwrap_or(Json::Null))
    }

    async fn person(&self, name: &str) -> String {
        let email = format!("{name}@example.org");
        let new = json!({"name": name, "email": email, "password": PASSWORD, "passwordConfirm": PASSWORD});
        assert_eq!(self.ask("", &Method::POST, "/action/user_account/signup", &new).await.0, 200);
        let named = json!({"email": email, "password": PASSWORD});
        let (_, told) = self.ask("", &Method::POST, "/action/user_account/signin", &named).await;
        told[0]["Attributes"]["value"].as_str().expect("a token").to_owned()
    }

    async fn make(&self, token: &str, entity: &str, attributes: Json) -> String {
        let body = json!({"data": {"type": entity, "attributes": attributes}});
        let (status, made) = self.ask(token, &Method::POST, &format!("/api/{entity}"), &body).await;
        assert_eq!(status, 201, "{made}");
        made["data"]["id"].as_str().expect("an id").to_owned()
    }
}

/// Each way in which a client may send a password, a secret or markup, to a row or to a new one.
fn dear(vault: &str, thing: &str) -> Vec<(Method, String, Json)> {
    let secrets = json!({"name": "x", "secret": "geheim", "pin": PASSWORD});
    let markup = json!({"html": MARKUP});
    let mut all = vec![];
    for (entity, id, attributes) in [("vault", vault, secrets), ("thing", thing, markup)] {
        let new = json!({"type": entity, "attributes": attributes});
        let old = json!({"type": entity, "id": id, "attributes": attributes});
        all.push((Method::POST, format!("/api/{entity}"), json!({"data": new})));
        for method in [Method::PATCH, Method::PUT] {
            all.push((method, format!("/api/{entity}/{id}"), json!({"data": old})));
        }
        for (op, data) in [("add", &new), ("update", &old)] {
            all.push((Method::POST, "/api/operations".to_owned(), json!({"atomic:operations": [{"op": op, "data": data}]})));
        }
    }
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_is_neither_hashed_nor_cleaned_nor_read() {
    let _watched = Watched::new();
    let folder = Folder::new();
    let listen = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").to_string();
    let settings = [format!("metrics.listen={listen}"), "outbox.poll=50ms".to_owned(), "password.cost=10".to_owned()];
    let settings: Vec<String> = settings.into_iter().flat_map(|set| ["--set".to_owned(), set]).collect();
    let server = serve(&folder.0, ODD, "127.0.0.1:0", &settings);
    let place = Place { server, metrics: format!("http://{listen}/metrics"), client: Client::new() };
    let (ada, bob) = (place.person("ada").await, place.person("bob").await);
    let vault = place.make(&ada, "vault", json!({"name": "x", "pin": PASSWORD})).await;
    let thing = place.make(&ada, "thing", json!({"html": MARKUP})).await;
    let nobodys = Uuid::now_v7().to_string();
    // The control: each is hashed or cleaned for who may.
    for (method, path, body) in dear(&vault, &thing) {
        let before = place.spent().await;
        let (status, told) = place.ask(&ada, &method, &path, &body).await;
        assert!((200..300).contains(&status), "{method} {path}: {told}");
        let after = place.spent().await;
        assert!(after[0] > before[0] || after[1] > before[1], "{method} {path} spent nothing");
    }
    let before = place.spent().await;
    for token in ["", bob.as_str()] {
        for (method, path, body) in dear(&vault, &thing).into_iter().chain(dear(&nobodys, &nobodys)) {
            // Bob makes rows of his own; those of others are not his.
            let is_his = !token.is_empty() && body.to_string().matches("\"id\"").count() == 0;
            if !is_his {
                let (status, told) = place.ask(token, &method, &path, &body).await;
                assert!([401, 403, 404].contains(&status), "{method} {path}: {told}");
            }
        }
        // What a later operation is refused, an earlier one isn't hashed for.
        let mine = json!({"op": "add", "data": {"type": "vault", "attributes": {"name": "x", "pin": PASSWORD}}});
        let others = json!({"op": "update", "data": {"type": "vault", "id": vault, "attributes": {"name": "y"}}});
        let both = json!({"atomic:operations": [mine, others]});
        let (status, told) = place.ask(token, &Method::POST, "/api/operations", &both).await;
        assert!([401, 404].contains(&status), "{told}");
    }
    assert_eq!(place.spent().await, before);
    // Of what is their own to change, where something else of the request refuses it.
    let mine = place.make(&bob, "thing", json!({"html": MARKUP})).await;
    let pins = place.make(&bob, "vault", json!({"name": "x"})).await;
    let before = place.spent().await;
    let html = json!({"type": "thing", "id": mine, "attributes": {"html": MARKUP}});
    let pin = json!({"type": "vault", "id": pins, "attributes": {"pin": PASSWORD}});
    for (entity, id, data) in [("thing", &mine, &html), ("vault", &pins, &pin)] {
        for query in ["include=nope", "fields[nope]=x", "sort=label"] {
            let path = format!("/api/{entity}/{id}?{query}");
            let (status, told) = place.ask(&bob, &Method::PATCH, &path, &json!({"data": data})).await;
            assert_eq!(status, 400, "{path}: {told}");
        }
        let mut granted = data.clone();
        granted["relationships"] = json!({"usergroups": {"data": [{"type": "usergroup", "id": nobodys}]}});
        let (status, told) = place.ask(&bob, &Method::PATCH, &format!("/api/{entity}/{id}"), &json!({"data": granted})).await;
        assert_eq!(status, 404, "{told}");
        let second = json!({"op": "remove", "ref": {"type": "vault", "id": vault}});
        let all = json!({"atomic:operations": [{"op": "update", "data": data}, second]});
        let (status, told) = place.ask(&bob, &Method::POST, "/api/operations", &all).await;
        assert_eq!(status, 404, "{told}");
    }
    assert_eq!(place.spent().await, before);
    for action in ["vault/keep", "user_account/change_password", "user_account/change_email", "user_account/delete_me"] {
        let all = json!({"secret": "x", "pin": PASSWORD, "current": "x", "password": PASSWORD, "passwordConfirm": PASSWORD});
        let (status, told) = place.ask("", &Method::POST, &format!("/action/{action}"), &all).await;
        assert_eq!(status, 401, "{action}: {told}");
    }
    let file = STANDARD.encode(format!("html\n\"{MARKUP}\"\n"));
    for (token, entity, status) in [("", "thing", 401), (&bob, "transfer", 403), (&bob, "user_account", 403)] {
        let order = json!({"entity": entity, "format": "csv", "content": file});
        assert_eq!(place.ask(token, &Method::POST, "/action/world/import_data", &order).await.0, status, "{entity}");
    }
    assert_eq!(place.spent().await, before);
    // Too often: who is told so isn't hashed for.
    let wrong = json!({"name": "x", "email": "x@example.org", "password": PASSWORD, "passwordConfirm": PASSWORD});
    let mut refused = 0;
    for _ in 0..15 {
        let before = place.spent().await;
        if place.ask("", &Method::POST, "/action/user_account/signup", &wrong).await.0 == 429 {
            assert_eq!(place.spent().await, before);
            refused += 1;
        }
    }
    assert!(refused > 0, "there is a limit");
    a_file_is_read_for_who_may_create(&place, &folder, &ada, &bob).await;
}

/// Who began an import and may not create any more: what they send is not read.
async fn a_file_is_read_for_who_may_create(place: &Place, folder: &Folder, ada: &str, bob: &str) {
    let code = String::from_utf8(folder.run_on(ODD, &["admin", "claim-code"], "").stdout).expect("text");
    let named = json!({"code": code.trim()});
    assert_eq!(place.ask(ada, &Method::POST, "/action/world/become_an_administrator", &named).await.0, 200);
    let order = async || {
        let order = json!({"entity": "thing", "format": "csv"});
        let (_, told) = place.ask(bob, &Method::POST, "/action/world/import_data", &order).await;
        told[0]["Attributes"]["id"].as_str().expect("an id").to_owned()
    };
    let (open, closed) = (order().await, order().await);
    let import = async |id: &str| {
        let request = place.client.put(format!("{}/file/{id}", place.server.url)).bearer_auth(bob);
        let sent = request.body(format!("html\n\"{MARKUP}\"\n")).send().await.expect("an answer");
        assert_eq!(sent.status(), 204);
        loop {
            let (_, row) = place.ask(bob, &Method::GET, &format!("/api/transfer/{id}"), &Json::Null).await;
            match row["data"]["attributes"]["state"].as_str() {
                Some("running" | "waiting") => tokio::time::sleep(Duration::from_millis(20)).await,
                _ => return row,
            }
        }
    };
    let before = place.spent().await;
    assert_eq!(import(&open).await["data"]["attributes"]["state"], "done");
    let after = place.spent().await;
    assert!(after[1] > before[1] && after[2] > before[2], "the control: {before:?} {after:?}");
    let (_, found) = place.ask(ada, &Method::GET, "/api/world?filter[name]=thing", &Json::Null).await;
    let id = found["data"][0]["id"].as_str().expect("an id").to_owned();
    let closing = json!({"data": {"type": "world", "id": id, "attributes": {"permission": 0}}});
    assert_eq!(place.ask(ada, &Method::PATCH, &format!("/api/world/{id}"), &closing).await.0, 200);
    let links = format!("/api/world/{id}/relationships/usergroups");
    let (_, grants) = place.ask(ada, &Method::GET, &links, &Json::Null).await;
    assert_eq!(place.ask(ada, &Method::DELETE, &links, &json!({"data": grants["data"]})).await.0, 204);
    let before = place.spent().await;
    let row = import(&closed).await;
    assert_eq!(row["data"]["attributes"]["state"], "failed", "{row}");
    assert_eq!(place.spent().await, before);
}

/// An answer, which nobody waits for that long where nothing is locked.
async fn at_once(who: &Someone<'_>, method: Method, path: &str, body: &Json) -> u16 {
    let kind = if path.starts_with("/api") { "application/vnd.api+json" } else { "application/json" };
    let request = who.request(method.clone(), path).header("Content-Type", kind).body(body.to_string());
    let answer = tokio::time::timeout(Duration::from_secs(20), who.send(request)).await;
    answer.unwrap_or_else(|_| panic!("{method} {path} waits for a lock")).status
}

#[tokio::test]
async fn what_is_refused_waits_for_no_lock() {
    let world = World::with(|config| config.limits.action_rate = false).await;
    let (ada, bob, guest) = (world.user("ada", &["editors"]).await, world.user("bob", &[]).await, world.guest());
    let article = ada.make("article", json!({"title": "x"}), json!({})).await;
    let memo = ada.make("memo", json!({"text": "x"}), json!({})).await;
    let tag = ada.make("tag", json!({"name": "x"}), json!({})).await;
    let group = ada.make("usergroup", json!({"name": "x"}), json!({})).await;
    let begun = ada.act("world/import_data", json!({"entity": "tag", "format": "csv"})).await.is(200);
    let transfer = begun.json[0]["Attributes"]["id"].as_str().expect("an id").to_owned();
    world.sql("update world set groups = '{}', group_bits = null where name in ('memo', 'comment')").await;
    let tables = ["article", "memo", "tag", "usergroup", "user_account", "transfer", "world", "action", "comment", "section"];
    let lock: String = tables.map(|table| format!("select from {table} for update;")).concat();
    let holder = world.hold(&lock).await;
    let rows = [("article", &article), ("memo", &memo), ("tag", &tag), ("usergroup", &group), ("transfer", &transfer)];
    let ada_id = ada.id.to_string();
    for who in [&guest, &bob] {
        let is_guest = who.token.is_none();
        for (entity, id) in rows.into_iter().chain([("user_account", &ada_id)]) {
            let data = json!({"type": entity, "id": id, "attributes": {"name": "y", "text": "y", "title": "y"}});
            for (method, body) in [(Method::PATCH, json!({"data": data})), (Method::DELETE, Json::Null)] {
                let status = at_once(who, method.clone(), &format!("/api/{entity}/{id}"), &body).await;
                assert!([401, 403, 404].contains(&status), "{method} {entity}: {status}");
            }
            if is_guest || entity == "memo" {
                let new = json!({"data": {"type": entity, "attributes": data["attributes"]}});
                let status = at_once(who, Method::POST, &format!("/api/{entity}"), &new).await;
                assert!([401, 403].contains(&status), "{entity}: {status}");
            }
            let grants = json!({"data": [{"type": "usergroup", "id": group}]});
            let links = format!("/api/{entity}/{id}/relationships/usergroups");
            for method in [Method::POST, Method::PATCH, Method::DELETE] {
                let status = at_once(who, method.clone(), &links, &grants).await;
                assert!([401, 403, 404].contains(&status), "{method} {links}: {status}");
            }
        }
        // It would lead to its caller by itself.
        let new = json!({"data": {"type": "comment", "attributes": {"text": "x"}}});
        let status = at_once(who, Method::POST, "/api/comment", &new).await;
        assert!([401, 403].contains(&status), "{status}");
        let status = at_once(who, Method::PUT, &format!("/file/{transfer}"), &Json::Null).await;
        assert!([401, 404].contains(&status), "{status}");
        for action in world.app.actions.all().iter().filter(|action| action.listens.is_empty()) {
            let path = format!("/action/{}/{}", action.entity, action.name);
            let id = rows.iter().find(|(entity, _)| *entity == action.entity).map_or(ada_id.as_str(), |(_, id)| id.as_str());
            let status = at_once(who, Method::POST, &path, &json!({"attributes": {format!("{}_id", action.entity): id}})).await;
            assert!(status != 503 && status != 200, "{path}: {status}");
        }
    }
    // The control: who may waits for it.
    let body = json!({"data": {"type": "tag", "id": tag, "attributes": {"name": "y"}}});
    let path = format!("/api/tag/{tag}");
    let waits = ada.patch(&path, body);
    let others = async {
        world.held_up().await;
        holder.batch_execute("commit").await.expect("let go");
    };
    let (answer, ()) = tokio::join!(waits, others);
    answer.is(200);
}
