//! Those who work: each knows what they did, what was acknowledged of it, and holds each answer against that.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::{Value as Json, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use uuid::Uuid;

use crate::history::History;
use crate::place::Place;

/// Rows of an import.
pub const IMPORTED: usize = 40;
/// A note's permission: its owner's, and its readers'; or everybody's besides.
const CLOSED: i64 = 16_256 + 49_152;
const OPEN: i64 = CLOSED + 3;

/// Some number below that. (An id's last bits are as good as drawn.)
fn any(below: usize) -> usize {
    let (_, drawn) = Uuid::now_v7().as_u64_pair();
    usize::try_from(drawn & 0xFFFF_FFFF).expect("32 bits") % below
}

fn resource(kind: &str, attributes: Json, id: Option<&str>) -> Option<Json> {
    let mut data = json!({"type": kind, "attributes": attributes});
    if let Some(id) = id {
        data["id"] = json!(id);
    }
    Some(json!({"data": data}))
}

/// What was done, for the end.
#[derive(Default)]
pub struct Ledger {
    /// Entries by their id: what their count may be; none where they are gone.
    pub entries: HashMap<String, History<Option<i64>>>,
    /// Names of which there must be one each: entries, of which it is known that they are there; orders, and so their echoes.
    pub names: HashSet<String>,
    pub orders: HashSet<String>,
    /// Transfers that were begun, and what the names of their rows begin with.
    pub imports: Vec<(String, String)>,
}

/// Makes, changes, reads and deletes entries of their own.
pub async fn writer(place: &Place, who: usize, token: &str) -> Ledger {
    let token = Some(token);
    let mut ledger = Ledger::default();
    let mut count = 0;
    while place.goes_on() {
        count += 1;
        let node = any(2);
        let known: Vec<String> = ledger.entries.keys().cloned().collect();
        match any(10) {
            0..=2 => {
                let (id, name) = (Uuid::now_v7().to_string(), format!("writer {who}, entry {count}"));
                let history = ledger.entries.entry(id.clone()).or_insert_with(|| History::new(None));
                history.send(Some(0));
                let body = resource("entry", json!({"name": name}), Some(&id));
                if let Some(answer) = place.ask(node, token, (Method::POST, "/api/entry", body)).await {
                    assert_eq!(answer.status, 201, "{}", answer.json);
                    history.acknowledge();
                    ledger.names.insert(name);
                }
            }
            3 => keyed(place, token, &format!("writer {who}, key {count}"), &mut ledger).await,
            4..=6 if !known.is_empty() => {
                let id = &known[any(known.len())];
                let history = ledger.entries.get_mut(id).expect("known");
                if history.current().is_none() {
                    continue;
                }
                history.send(Some(count));
                let path = format!("/api/entry/{id}");
                let body = resource("entry", json!({"count": count}), Some(id));
                let answer = place.ask(node, token, (Method::PATCH, &path, body)).await;
                let Some(answer) = answer else { continue };
                match answer.status {
                    200 => {
                        assert_eq!(answer.json["data"]["attributes"]["count"], count);
                        history.acknowledge();
                    }
                    404 => assert!(history.may_be(None, answer.began, answer.ended), "{path} is lost"),
                    status => panic!("{status}: {}", answer.json),
                }
            }
            7 if known.len() > 20 => {
                let id = &known[any(known.len())];
                let history = ledger.entries.get_mut(id).expect("known");
                let may_be_gone = history.current().is_none();
                history.send(None);
                let path = format!("/api/entry/{id}");
                let Some(answer) = place.ask(node, token, (Method::DELETE, &path, None)).await else { continue };
                let is_gone = may_be_gone || history.may_be(None, answer.began, answer.began);
                assert!(answer.status == 204 || answer.status == 404 && is_gone, "{path}: {}", answer.status);
                history.acknowledge();
            }
            _ if !known.is_empty() => {
                let id = &known[any(known.len())];
                look(place, node, token, id, &ledger.entries[id]).await;
            }
            _ => {}
        }
    }
    ledger
}

/// Sends until there is an answer: it is done once, whatever became of the answers before.
async fn keyed(place: &Place, token: Option<&str>, name: &str, ledger: &mut Ledger) {
    let key = format!("\"{}\"", Uuid::now_v7());
    for _ in 0..100 {
        let body = resource("entry", json!({"name": name}), None);
        let asked = (Method::POST, "/api/entry", body);
        let Some(answer) = place.send(any(2), token, asked, Some(&key)).await else { continue };
        if answer.status == 409 {
            continue; // the first may still be at it
        }
        assert_eq!(answer.status, 201, "{}", answer.json);
        let id = answer.json["data"]["id"].as_str().expect("an id").to_owned();
        ledger.entries.insert(id, History::new(Some(0)));
        ledger.names.insert(name.to_owned());
        return;
    }
    panic!("{name} is never answered");
}

/// Reads a row, and holds it against what it may be.
pub async fn look(place: &Place, node: usize, token: Option<&str>, id: &str, history: &History<Option<i64>>) -> bool {
    let path = format!("/api/entry/{id}");
    let Some(answer) = place.ask(node, token, (Method::GET, &path, None)).await else { return false };
    let found = match answer.status {
        200 => answer.json["data"]["attributes"]["count"].as_i64(),
        404 => None,
        status => panic!("{status}: {}", answer.json),
    };
    assert!(history.may_be(found, answer.began, answer.ended), "{path} is {found:?}, and was {:?}", history.current());
    true
}

/// Makes orders, of which others hear.
pub async fn orders(place: &Place, token: &str) -> Ledger {
    let mut ledger = Ledger::default();
    let mut count = 0;
    while place.goes_on() {
        count += 1;
        let name = format!("order {count}");
        let body = resource("order", json!({"name": name}), None);
        if let Some(answer) = place.ask(any(2), Some(token), (Method::POST, "/api/order", body)).await {
            assert_eq!(answer.status, 201, "{}", answer.json);
            ledger.orders.insert(name);
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    ledger
}

/// Imports.
pub async fn imports(place: &Place, token: &str) -> Ledger {
    let mut ledger = Ledger::default();
    let mut count = 0;
    while place.goes_on() {
        count += 1;
        let start = format!("import {count}, ");
        let rows: String = (0..IMPORTED).map(|at| format!("\"{start}{at}\",{at}\n")).collect();
        let mode = if count % 2 == 0 { "all" } else { "each" };
        let content = STANDARD.encode(format!("name,count\n{rows}"));
        let body = json!({"entity": "entry", "format": "csv", "mode": mode, "content": content});
        let asked = (Method::POST, "/action/world/import_data", Some(body));
        if let Some(answer) = place.ask(any(2), Some(token), asked).await {
            assert_eq!(answer.status, 200, "{}", answer.json);
            let id = answer.json[0]["Attributes"]["id"].as_str().expect("a transfer").to_owned();
            ledger.imports.push((id, start));
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    ledger
}

/// Who may read which note.
pub struct Rights {
    /// Notes, and whether everybody may read them.
    pub notes: Vec<(String, Mutex<History<bool>>)>,
    /// Whether the reader is in the group that may read all.
    pub is_reader: Mutex<History<bool>>,
    pub owner: String,
    pub reader: String,
    pub changes: Mutex<usize>,
}

impl Rights {
    pub async fn new(place: &Place) -> Rights {
        let (owner, reader) = (place.person("owner").await, place.person("reader").await);
        let mut notes = vec![];
        for at in 0..6 {
            let body = resource("note", json!({"text": format!("note {at}"), "permission": CLOSED}), None);
            let answer = place.ask(0, Some(&owner), (Method::POST, "/api/note", body)).await.expect("an answer");
            assert_eq!(answer.status, 201, "{}", answer.json);
            let id = answer.json["data"]["id"].as_str().expect("an id").to_owned();
            notes.push((id, Mutex::new(History::new(false))));
        }
        let is_reader = Mutex::new(History::new(false));
        Rights { notes, is_reader, owner, reader, changes: Mutex::new(0) }
    }

    /// Changes who may, by requests and by SQL beside.
    pub async fn change(&self, place: &Place) {
        while place.goes_on() {
            let note = any(self.notes.len() + 1);
            let is_done = match self.notes.get(note) {
                Some((id, history)) => {
                    let opens = !history.lock().expect("no panic").current();
                    history.lock().expect("no panic").send(opens);
                    let permission = if opens { OPEN } else { CLOSED };
                    let path = format!("/api/note/{id}");
                    let body = resource("note", json!({"permission": permission}), Some(id));
                    let answer = place.ask(any(2), Some(&self.owner), (Method::PATCH, &path, body)).await;
                    let is_done = answer.is_some_and(|answer| {
                        assert_eq!(answer.status, 200, "{}", answer.json);
                        true
                    });
                    if is_done {
                        history.lock().expect("no panic").acknowledge();
                    }
                    is_done
                }
                None => {
                    let joins = !self.is_reader.lock().expect("no panic").current();
                    self.is_reader.lock().expect("no panic").send(joins);
                    let (group, person) = (
                        "(select id from usergroup where name = 'readers')",
                        "(select id from user_account where email = 'reader@example.org')",
                    );
                    let sql = match joins {
                        true => format!(
                            "insert into \"usergroup.members\" (source, target, created_at) values ({group}, {person}, now()) on conflict do nothing"
                        ),
                        false => format!("delete from \"usergroup.members\" where source = {group} and target = {person}"),
                    };
                    let is_done = place.sql(&sql).await.is_ok();
                    if is_done {
                        self.is_reader.lock().expect("no panic").acknowledge();
                    }
                    is_done
                }
            };
            *self.changes.lock().expect("no panic") += usize::from(is_done);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Reads notes as a guest and as the reader, one by one and as a list.
    pub async fn read(&self, place: &Place) {
        while place.goes_on() {
            let (node, is_guest) = (any(2), any(2) == 0);
            let token = (!is_guest).then_some(self.reader.as_str());
            if any(2) == 0 {
                let (id, _) = &self.notes[any(self.notes.len())];
                let asked = (Method::GET, format!("/api/note/{id}"), None);
                let Some(answer) = place.ask(node, token, (asked.0, &asked.1, asked.2)).await else { continue };
                assert!(matches!(answer.status, 200 | 404), "{}: {}", answer.status, answer.json);
                self.expect(id, is_guest, answer.status == 200, [answer.began, answer.ended]);
            } else {
                let asked = (Method::GET, "/api/note?page[size]=100&sort=text", None);
                let Some(answer) = place.ask(node, token, asked).await else { continue };
                assert_eq!(answer.status, 200, "{}", answer.json);
                let shown: Vec<&str> =
                    answer.json["data"].as_array().into_iter().flatten().filter_map(|row| row["id"].as_str()).collect();
                for (id, _) in &self.notes {
                    self.expect(id, is_guest, shown.contains(&id.as_str()), [answer.began, answer.ended]);
                }
            }
        }
    }

    fn expect(&self, id: &str, is_guest: bool, is_seen: bool, [began, ended]: [Instant; 2]) {
        let (_, open) = self.notes.iter().find(|(note, _)| note == id).expect("one of them");
        let open = open.lock().expect("no panic");
        let reader = self.is_reader.lock().expect("no panic");
        let may_open = |value| open.may_be(value, began, ended);
        let may_reader = |value| !is_guest && reader.may_be(value, began, ended);
        let is_right = match is_seen {
            true => may_open(true) || may_reader(true),
            false => may_open(false) && (is_guest || may_reader(false)),
        };
        assert!(
            is_right,
            "note {id} is {} for {}",
            if is_seen { "shown" } else { "hidden" },
            if is_guest { "a guest" } else { "the reader" }
        );
    }
}

/// Sends halves of requests, reads answers byte by byte, and leaves before it is answered.
pub async fn rude(place: &Place, token: &str) {
    let mut count = 0;
    while place.goes_on() {
        count += 1;
        let address = place.addresses[any(2)].trim_start_matches("http://").to_owned();
        let Ok(mut stream) = TcpStream::connect(&address).await else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let head = format!("Host: {address}\r\nAuthorization: Bearer {token}\r\n");
        match any(3) {
            0 => {
                _ = stream.write_all(format!("GET /api/note HTTP/1.1\r\n{head}").as_bytes()).await;
                tokio::time::sleep(Duration::from_millis(700)).await;
            }
            1 => {
                let asked = format!("GET /api/entry?page[size]=100 HTTP/1.1\r\n{head}\r\n").repeat(8);
                _ = stream.write_all(asked.as_bytes()).await;
                let mut byte = [0];
                for _ in 0..20 {
                    _ = stream.read(&mut byte).await;
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
            _ => {
                let body = resource("entry", json!({"name": format!("dropped {count} {}", Uuid::now_v7())}), None)
                    .expect("one")
                    .to_string();
                let kind = "Content-Type: application/vnd.api+json";
                let asked = format!("POST /api/entry HTTP/1.1\r\n{head}{kind}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
                _ = stream.write_all(asked.as_bytes()).await;
            }
        }
    }
}
