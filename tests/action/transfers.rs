//! Imports and exports: CSV, JSON and XLSX; all or nothing, or each row on its own; as whoever asks.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rowhouse::statement::outbox::Claim;
use rowhouse::statement::transfer::{self, Progress};
use serde_json::{Value as Json, json};

use crate::house::answer::Answer;
use crate::house::{Someone, World};

const FLOW: &str = "tests/projects/flow";

pub async fn flow() -> World {
    let world = World::of_with(FLOW, |config| {
        config.outbox.poll = std::time::Duration::from_millis(50);
        config.limits.action_rate = false;
        config.limits.file = 3_000_000;
    })
    .await;
    world.run_tasks();
    world
}

/// The transfer's row when it is over.
pub async fn over(who: &Someone<'_>, id: &str) -> Json {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while std::time::Instant::now() < deadline {
        let row = who.get(&format!("/api/transfer/{id}")).await.is(200).json["data"]["attributes"].take();
        if row["state"] != "running" {
            return row;
        }
    }
    panic!("the transfer runs for ever");
}

pub async fn import(who: &Someone<'_>, inputs: Json, content: impl AsRef<[u8]>) -> Json {
    let mut body = json!({"entity": "ticket", "format": "csv", "content": STANDARD.encode(content)});
    body.as_object_mut().expect("an object").extend(inputs.as_object().cloned().expect("an object"));
    let started = who.act("world/import_data", body).await.is(200);
    over(who, started.json[0]["Attributes"]["id"].as_str().expect("an id")).await
}

pub async fn send(who: &Someone<'_>, id: &str, bytes: Vec<u8>) -> Answer {
    who.send(who.request(reqwest::Method::PUT, &format!("/file/{id}")).header("Content-Type", "text/csv").body(bytes)).await
}

pub fn counts(row: &Json) -> [i64; 4] {
    ["done", "created", "updated", "failed"].map(|name| row[name].as_i64().expect("a number"))
}

#[tokio::test]
async fn rows_come_in_as_the_caller_with_all_their_types() {
    let world = flow().await;
    let (ada, bob) = (world.user("ada", &[]).await, world.user("bob", &[]).await);
    let parent = ada.make("ticket", json!({"title": "parent"}), json!({})).await;
    let file = format!(
        "\u{feff}title,weight,permission,parent,version,status\n\"größe, \"\"x\"\"\n{{{{caller.email}}}}\",7,16258,{parent},,open\n' or 1=1 --,,,,,\n"
    );
    let file = file.replace("\n{{", " {{");
    let row = import(&ada, json!({}), &file).await;
    assert_eq!((row["state"].as_str(), counts(&row)), (Some("done"), [2, 2, 0, 0]), "{row}");
    let rows = ada.get("/api/ticket?filter[title][ne]=parent&sort=title&include=parent").await.is(200);
    assert_eq!(rows.all("title"), ["' or 1=1 --", "größe, \"x\" {{caller.email}}"]);
    assert_eq!(
        (rows.all("weight"), rows.all("status")),
        (vec![Json::Null, json!(7)], vec![json!("open"), json!("open")]),
        "states are moved by events"
    );
    assert_eq!(rows.json["data"][1]["relationships"]["parent"]["data"]["id"], parent);
    assert_eq!(rows.json["data"][1]["attributes"]["version"], 1);
    assert_eq!(bob.get("/api/ticket").await.is(200).all("title"), ["größe, \"x\" {{caller.email}}"], "permissions as everywhere");
    // Who may not create can't import; guests not at all; what is wrong with the order is told at once.
    let order = |entity: &str| json!({"entity": entity, "format": "csv", "content": ""});
    bob.act("world/import_data", order("entry")).await.is(403);
    world.guest().act("world/import_data", order("ticket")).await.is(401);
    bob.act("world/import_data", order("nothing")).await.is(422);
    bob.act("world/import_data", json!({"entity": "ticket", "format": "csv", "key": "title"})).await.is(422);
    bob.act("world/import_data", json!({"entity": "ticket", "format": "pdf"})).await.is(422);
    bob.act("world/import_data", json!({"entity": "ticket", "format": "csv", "content": "no base64!"})).await.is(422);
    assert!(world.sql("select 1 from rowhouse.part").await.is_empty(), "what was read in is not kept");
}

#[tokio::test]
async fn all_or_nothing_tells_every_fault_and_leaves_nothing() {
    let world = flow().await;
    let ada = world.user("ada", &[]).await;
    let row = import(&ada, json!({}), "title,weight,nope\nfine,1,\n,2,\nbad,heavy,x\n").await;
    assert_eq!((row["state"].as_str(), row["failed"].as_i64()), (Some("failed"), Some(3)));
    let faults: Vec<_> =
        row["faults"].as_array().expect("a list").iter().map(|f| (f["row"].as_i64(), f["field"].as_str())).collect();
    assert_eq!(faults, [(Some(1), Some("nope")), (Some(3), Some("title")), (Some(4), Some("weight"))]);
    // What only the database or a listener finds is told of its row, in whatever batch it stands.
    let bob = world.user("bob", &[]).await;
    bob.make("tag", json!({"name": "t233", "permission": 0}), json!({})).await;
    let file = (1..=250).fold("name\n".to_owned(), |file, n| format!("{file}t{n}\n"));
    let row = import(&ada, json!({"entity": "tag"}), &file).await;
    assert_eq!((row["failed"].as_i64(), &row["faults"][0]["row"]), (Some(1), &json!(234)), "{row}");
    assert!(row["state"] == "failed" && ada.get("/api/tag").await.is(200).ids().is_empty());
    assert!(import(&ada, json!({}), "title,weight\na,1\nb,2000\n").await["faults"].to_string().contains("Nobody lifts 2000"));
    assert!(ada.get("/api/ticket").await.is(200).ids().is_empty(), "nothing stays");
    // Each on its own: all but those.
    let row = import(&ada, json!({"entity": "tag", "mode": "each"}), &file).await;
    assert_eq!((row["state"].as_str(), counts(&row)), (Some("done"), [250, 249, 0, 1]), "{row}");
    assert_eq!(row["faults"].as_array().map(Vec::len), Some(1));
    assert_eq!(ada.get("/api/tag?page[total]=exact").await.is(200).json["meta"]["page"]["total"], 249);
}

#[tokio::test]
async fn rows_that_are_there_already_are_updated_by_a_unique_column_if_they_may_be() {
    let world = flow().await;
    let (ada, bob) = (world.user("ada", &[]).await, world.user("bob", &[]).await);
    let old = ada.make("tag", json!({"name": "old", "permission": 16256}), json!({})).await;
    let row = import(&ada, json!({"entity": "tag", "key": "name"}), "name,permission\nold,16258\nnew,\n").await;
    assert_eq!((row["state"].as_str(), counts(&row)), (Some("done"), [2, 1, 1, 0]), "{row}");
    assert_eq!(ada.get(&format!("/api/tag/{old}")).await.is(200).json["data"]["attributes"]["permission"], 16258);
    // Bob may see it and not change it: refused, and nothing else of the file stays.
    let row = import(&bob, json!({"entity": "tag", "key": "name"}), "name,permission\nbob's,\nold,16256\n").await;
    assert_eq!(
        (row["state"].as_str(), &row["faults"][0]["row"], &row["faults"][0]["code"]),
        (Some("failed"), &json!(3), &json!("forbidden")),
        "{row}"
    );
    let row = import(&bob, json!({"entity": "tag", "key": "name", "mode": "each"}), "name,permission\nbob's,\nold,16256\n").await;
    assert_eq!(counts(&row), [2, 1, 0, 1]);
    // A key that comes again finds what the row before it made.
    for (mode, name) in [("all", "twice"), ("each", "again")] {
        let file = format!("name,permission\n{name},16256\nother {name},\n{name},16258\n{name},16259\n");
        let row = import(&ada, json!({"entity": "tag", "key": "name", "mode": mode}), file).await;
        assert_eq!((row["state"].as_str(), counts(&row)), (Some("done"), [4, 2, 2, 0]), "{row}");
        let kept = world.sql(&format!("select permission::text from tag where name = '{name}'")).await;
        assert_eq!(kept[0].text(0), Some("16259"));
    }
    let row = import(
        &ada,
        json!({"entity": "tag", "key": "id", "format": "json"}),
        json!([{"id": old.to_uppercase(), "name": "older"}]).to_string(),
    )
    .await;
    assert_eq!(
        (counts(&row), &ada.get(&format!("/api/tag/{old}")).await.is(200).json["data"]["attributes"]["name"]),
        ([1, 0, 1, 0], &json!("older"))
    );
}

#[tokio::test]
async fn keys_are_the_same_however_they_are_written() {
    let world = flow().await;
    let ada = world.user("ada", &[]).await;
    let file = "text,at,price,who\nfirst,2026-01-01T00:00:00Z,1.50,Größe\n";
    assert_eq!(counts(&import(&ada, json!({"entity": "measure"}), file).await), [1, 1, 0, 0]);
    for (key, values) in [
        ("at", &["2026-01-01T00:00:00+00:00", "2026-01-01T01:00:00.000+01:00", "2026-01-01T00:00:00Z"][..]),
        ("price", &["1.5", "1.50", "01.5"]),
        ("who", &["Größe", "GRÖSSE", " größe ", "\u{a0}größe"]),
    ] {
        for value in values {
            let same = !["GRÖSSE", "\u{a0}größe"].contains(value); // ß is no SS, and a space that doesn't break is no space
            let file = format!("text,{key}\n{value},{value}\nagain,{value}\n");
            let row = import(&ada, json!({"entity": "measure", "key": key, "mode": "each"}), file).await;
            let wanted = if same { [2, 0, 2, 0] } else { [2, 1, 1, 0] };
            assert_eq!(counts(&row), wanted, "{key} {value}: {row}");
        }
    }
    let row = import(&ada, json!({"entity": "measure", "key": "at"}), "text,at\nx,05\n").await;
    assert_eq!((row["state"].as_str(), &row["faults"][0]["field"]), (Some("failed"), &json!("at")), "{row}");
}

#[tokio::test]
async fn files_that_are_none_are_told_where_they_break() {
    let world = flow().await;
    let ada = world.user("ada", &[]).await;
    for (format, content, words) in [
        ("csv", "title,title\na,b\n".as_bytes(), "The column `title` stands twice"),
        ("csv", b"title,weight\na\n", "The row has 1 cells, and the first row names 2 columns"),
        ("csv", b"title\n\xff\xfe\n", "It is neither UTF-8 nor UTF-16: say which `encoding`"),
        ("json", b"[{\"title\": \"a\"}, 7]", "Row 2: an object is wanted"),
        ("json", b"{\"title\": \"a\"}\n{\"title\": ", "Row 2: it is no JSON"),
        ("json", b"[{\"title\": \"a\"}", "Row 2: it is no JSON"),
        ("json", b"[{\"title\": \"a\", \"title\": \"b\"}]", "Row 1: a key stands twice in one object"),
        ("json", b"{\"title\": \"a\", \"title\": \"b\"}", "Row 1: a key stands twice in one object"),
        ("csv", b"title,a\0b\nx,y\n", "The first row: a column's name is one line of at most 255 bytes"),
        ("csv", format!("title,{}\nx,y\n", "n".repeat(256)).as_bytes(), "The first row: a column's name"),
        ("json", b"[{\"title\": \"a\"}, {\"a\\u0000b\": 1}]", "Row 2: a column's name"),
        ("csv", b"title,weight\na,\0\n", "weight"),
        ("json", b"\"a\"", "Row 1: an object is wanted"),
        ("json", b"[[{\"title\": \"a\"}]]", "Row 1: an object is wanted"),
        ("xlsx", b"PK\x03\x04 no workbook", "no XLSX file"),
        ("xlsx", &bomb(), "no XLSX file"),
        ("csv", (0..1001).map(|n| n.to_string()).collect::<Vec<_>>().join(",").as_bytes(), "at most 1000 columns"),
        ("xlsx", b"", "no XLSX file"),
    ] {
        let row = import(&ada, json!({"format": format}), content).await;
        assert_eq!(row["state"], "failed");
        assert!(row["faults"].to_string().contains(words), "{words} in {row}");
    }
    assert!(ada.get("/api/ticket").await.is(200).ids().is_empty());
    // What stands before the break is done, where each row stands on its own.
    let broken = import(&ada, json!({"mode": "each"}), "title,weight\na,1\nb,2\n\"c,3\nd,4\n").await;
    assert_eq!((broken["state"].as_str(), counts(&broken)), (Some("failed"), [2, 2, 0, 1]), "{broken}");
    // One row that is too short is that row's fault.
    let short = import(&ada, json!({"mode": "each"}), "title,weight\na,1\nb\nc,3\n").await;
    assert_eq!(
        (short["state"].as_str(), counts(&short), &short["faults"][0]["row"]),
        (Some("done"), [3, 2, 0, 1], &json!(3)),
        "{short}"
    );
    let unknown = import(&ada, json!({"key": "id", "format": "json"}), json!([{"id": ada.id, "title": "x"}]).to_string()).await;
    assert!(unknown["faults"].to_string().contains("There is no row of this `id`"), "{unknown}");
    let nothing = import(&ada, json!({}), "").await;
    assert_eq!((nothing["state"].as_str(), counts(&nothing)), (Some("done"), [0, 0, 0, 0]));
    // What is wrong with a file is told to who may do what it asks.
    world.sql("update world set permission = 7, groups = '{}', group_bits = null where name = 'tag'").await; // peek, read, create
    let refused = import(&ada, json!({"entity": "tag", "key": "name"}), "name,permission\na,wrong\n").await;
    assert!(refused["state"] == "failed" && !refused["faults"].to_string().contains("permission\""), "{refused}");
    let told = import(&ada, json!({"entity": "tag"}), "name,permission\na,wrong\n").await;
    assert_eq!(told["faults"][0]["field"], "permission", "{told}");
    let secret = import(&ada, json!({}), "title,code\na,geheim\n").await;
    assert!(secret["faults"].to_string().contains("`code` can't be imported") && !secret.to_string().contains("geheim"));
}

#[tokio::test]
async fn lists_and_lines_of_json_are_read_row_by_row() {
    let world = flow().await;
    let ada = world.user("ada", &[]).await;
    let rows: Vec<_> =
        (0..250).map(|n| json!({"title": format!("größe {n} \"]}}"), "weight": n + 100, "nothing": null})).collect();
    let known = |row: &Json| json!({"title": row["title"], "weight": row["weight"]}).to_string();
    let lines: Vec<_> = rows.iter().map(known).collect();
    let files = [
        format!("\u{feff}[{}]", lines.join(" ,\n")),
        lines.join("\n"),
        format!("\u{feff}[{}]\n{}\n[]", lines[..100].join(","), lines[100..].join(" ")),
    ];
    for file in files {
        let row = import(&ada, json!({"format": "json"}), file).await;
        assert_eq!((row["state"].as_str(), counts(&row)), (Some("done"), [250, 250, 0, 0]), "{row}");
        assert_eq!(world.sql("select 1 from ticket where title = 'größe ' || weight::integer - 100 || ' \"]}'").await.len(), 250);
        world.sql("delete from ticket").await;
    }
    let row = import(&ada, json!({"format": "json"}), "").await;
    assert_eq!((row["state"].as_str(), counts(&row)), (Some("done"), [0, 0, 0, 0]), "{row}");
    let row = import(&ada, json!({"format": "json"}), json!(rows).to_string()).await;
    assert!(row["faults"].to_string().contains("nothing"), "what no column is called is told: {row}");
    let started = ada.act("world/import_data", json!({"entity": "ticket", "format": "json"})).await.is(200);
    let id = started.json[0]["Attributes"]["id"].as_str().expect("an id").to_owned();
    let huge = json!([{"title": "a"}, {"title": "x".repeat(1_100_000)}]).to_string();
    send(&ada, &id, huge.into_bytes()).await.is(204);
    let row = over(&ada, &id).await;
    assert!(row["faults"].to_string().contains("Row 2: a row has at most 1048576 bytes"), "{row}");
}

#[tokio::test]
async fn a_sheet_is_read_with_its_dates_and_gaps() {
    let world = flow().await;
    let ada = world.user("ada", &[]).await;
    let row = import(&ada, json!({"format": "xlsx"}), include_bytes!("../projects/flow/tickets.xlsx")).await;
    assert_eq!((row["state"].as_str(), counts(&row)), (Some("done"), [3, 3, 0, 0]), "{row}");
    let rows = ada.get("/api/ticket?sort=title").await.is(200);
    assert_eq!(rows.all("title"), ["2026-11-22", "größe", "true"]);
    assert_eq!(rows.all("weight"), [json!(7), json!(12), Json::Null]);
}

#[tokio::test]
async fn a_large_file_is_sent_and_fetched_part_by_part_and_comes_back_the_same() {
    let world = World::with(|config| {
        config.outbox.poll = std::time::Duration::from_millis(50);
        config.limits.action_rate = false;
        config.limits.file = 3_000_000;
    })
    .await;
    world.run_tasks();
    let (ada, bob) = (world.user("ada", &[]).await, world.user("bob", &[]).await);
    let started = ada.act("world/import_data", json!({"entity": "article", "format": "csv"})).await.is(200);
    let id = started.json[0]["Attributes"]["id"].as_str().expect("an id").to_owned();
    assert_eq!(started.json[0]["Attributes"]["attributes"]["state"], "waiting");
    let mut file = "title,body\n".to_owned();
    for n in 0..1500 {
        file += &format!("t{n:05},{}\n", "x".repeat(1000));
    }
    send(&bob, &id, file.clone().into_bytes()).await.is(404);
    send(&world.guest(), &id, file.clone().into_bytes()).await.is(401);
    send(&ada, &id, vec![b'x'; 3_000_001]).await.is(413);
    let both = tokio::join!(send(&ada, &id, file.clone().into_bytes()), send(&ada, &id, file.clone().into_bytes()));
    let mut statuses = [both.0.status, both.1.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 409], "one file is enough");
    let row = over(&ada, &id).await;
    assert_eq!((row["state"].as_str(), counts(&row)), (Some("done"), [1500, 1500, 0, 0]));
    ada.get(&format!("/file/{id}")).await.is(409); // no row of it came to nothing
    // Out again: what the caller may read, and nothing else.
    let export = async |who: &Someone<'_>, format: &str| {
        let started = who.act("world/export_data", json!({"entity": "article", "format": format})).await.is(200);
        let id = started.json[0]["Attributes"]["id"].as_str().expect("an id").to_owned();
        over(who, &id).await;
        let url = format!("/file/{id}");
        (who.get(&url).await.is(200), url)
    };
    let (csv, url) = export(&ada, "csv").await;
    assert_eq!(csv.header("content-disposition"), "attachment; filename=\"article.csv\"");
    assert_eq!((csv.text.lines().count(), csv.text.matches(&"x".repeat(1000)).count()), (1501, 1500));
    assert!(
        csv.text.starts_with(
            "id,title,slug,body,status,price,words,published_at,settings,permission,created_at,author,section,tags,owner,usergroups\n"
        ),
        "{}",
        &csv.text[..200]
    );
    bob.get(&url).await.is(404);
    assert_eq!(export(&bob, "csv").await.0.text.lines().count(), 1);
    assert_eq!(export(&bob, "json").await.0.text, "[]\n");
    let json: Json = serde_json::from_str(&export(&ada, "json").await.0.text).expect("JSON");
    assert_eq!(json.as_array().map(Vec::len), Some(1500));
    bob.act("world/export_data", json!({"entity": "mail"})).await.is(403);
    // What went out comes in again.
    world.sql("delete from article").await;
    let left_out = json!({"id": null, "created_at": null, "usergroups": null});
    let again = ada.act("world/import_data", json!({"entity": "article", "format": "csv", "columns": left_out})).await.is(200);
    let id = again.json[0]["Attributes"]["id"].as_str().expect("an id").to_owned();
    send(&ada, &id, csv.text.into_bytes()).await.is(204);
    assert_eq!(counts(&over(&ada, &id).await), [1500, 1500, 0, 0]);
}

/// Few bytes that unpack to many.
fn bomb() -> Vec<u8> {
    let mut file = zip::ZipWriter::new(std::io::Cursor::new(vec![]));
    file.start_file("xl/sharedStrings.xml", zip::write::SimpleFileOptions::default()).expect("begun");
    for _ in 0..300 {
        std::io::Write::write_all(&mut file, &vec![b'A'; 1 << 20]).expect("written");
    }
    file.finish().expect("finished").into_inner()
}

#[tokio::test]
async fn an_import_is_done_in_the_transaction_of_its_rows() {
    let world = flow().await;
    let ada = world.user("ada", &[]).await;
    world.sql("create table seen (state text, rows bigint)").await;
    world
        .sql(
            "create function see() returns trigger language plpgsql as $$ begin insert into seen \
             select new.state, count(*) from tag where xmin::text = pg_current_xact_id()::xid::text; return new; end $$",
        )
        .await;
    world.sql("create trigger see before update on transfer for each row execute function see()").await;
    let row = import(&ada, json!({"entity": "tag"}), "name\na\nb\nc\n").await;
    assert_eq!(counts(&row), [3, 3, 0, 0]);
    assert_eq!(
        world.sql("select 1 from seen where state = 'done' and rows = 3").await.len(),
        1,
        "who dies afterwards has done it"
    );
    world.sql("update task set state = 'waiting', done_at = null, next_at = now() where kind = 'transfer'").await;
    world.until("select 1 from task where kind = 'transfer' and state = 'done'").await;
    assert_eq!(world.sql("select 1 from tag").await.len(), 3, "and nobody does it again");
}

#[tokio::test]
async fn what_a_node_left_undone_another_does_to_its_end_and_no_row_twice() {
    let world = World::of_with(FLOW, |config| config.outbox.poll = std::time::Duration::from_millis(50)).await;
    let ada = world.user("ada", &[]).await;
    let mut file = "title\n".to_owned();
    (0..450).for_each(|n| file += &format!("t{n}\n"));
    let body = json!({"entity": "ticket", "format": "csv", "mode": "each", "content": STANDARD.encode(&file)});
    let started = ada.act("world/import_data", body).await.is(200);
    let id = started.json[0]["Attributes"]["id"].as_str().expect("an id").to_owned();
    // A node takes it, and is gone in the middle.
    let app = world.app.clone();
    let node = tokio::spawn(async move { rowhouse::start::tasks(&app, std::future::pending()).await });
    world.until("select 1 from transfer where done > 0").await;
    node.abort();
    _ = node.await;
    world.sql("update task set next_at = now()").await;
    let twin = world.twin().await;
    twin.run_tasks();
    let row = over(&ada, &id).await;
    assert_eq!((row["state"].as_str(), counts(&row)), (Some("done"), [450, 450, 0, 0]));
    assert_eq!(world.sql("select 1 from ticket group by title having count(*) > 1").await.len(), 0);
    assert_eq!(world.sql("select 1 from ticket").await.len(), 450);
}

#[tokio::test]
async fn a_claim_that_ran_out_notes_nothing_and_a_failure_says_why() {
    let world = flow().await;
    let ada = world.user("ada", &[]).await;
    import(&ada, json!({}), "title\nx\n").await;
    world.settled().await; // whose task it is notes its end, too
    let row = &world.sql("select t.id, k.id, k.tries::bigint from transfer t, task k where k.kind = 'transfer'").await[0];
    let (id, task, claim) = (row.uuid(0).expect("an id"), row.uuid(1).expect("an id"), row.int(2).expect("a number"));
    world.sql("update transfer set state = 'running'").await;
    let note = async |tries: i64| {
        let claim = Claim { id: task, tries };
        let progress = Progress { done: 7, ..Progress::default() };
        _ = world.app.store.read(&transfer::progress(id, claim, &progress, "running", 60)).await.expect("asked");
        world.sql(&format!("select done from transfer where id = '{id}'")).await[0].int(0)
    };
    assert_eq!((note(claim + 1).await, note(claim).await), (Some(1), Some(7)));
    world.app.store.read(&transfer::fail(id, "größe 'x' \0 {}")).await.expect("failed");
    let failed = over(&ada, &id.to_string()).await;
    assert_eq!((&failed["state"], &failed["done"]), (&json!("failed"), &json!(7)));
    assert_eq!(failed["faults"][0]["message"], "größe 'x' \u{fffd} {}", "{failed}");
    world.app.store.read(&transfer::fail(id, "again")).await.expect("nothing");
    assert_eq!(over(&ada, &id.to_string()).await["faults"], failed["faults"], "what is over stays as it is");
}

#[tokio::test]
async fn what_a_spreadsheet_would_run_is_harmless_and_comes_back_as_it_went() {
    let world = flow().await;
    let ada = world.user("ada", &[]).await;
    let texts = [
        "=1+1",
        "'=1+1",
        "''=1",
        "+49 (170) 123-45",
        "-12.5",
        "-1+cmd|'x'!A0",
        "@SUM(A1)",
        "\t=1",
        "'quoted'",
        "＝1",
        "+",
        "- item",
        "größe, \"x\"",
        "a\nb",
        "'-5",
        "-",
    ];
    for text in texts {
        ada.make("ticket", json!({"title": "x", "aside": text}), json!({})).await;
    }
    let export = async |more: Json| {
        let mut order = json!({"entity": "ticket"});
        order.as_object_mut().expect("an object").extend(more.as_object().cloned().expect("an object"));
        let begun = ada.act("world/export_data", order).await.is(200);
        let id = begun.json[0]["Attributes"]["id"].as_str().expect("an id").to_owned();
        over(&ada, &id).await;
        ada.get(&format!("/file/{id}")).await.is(200).text
    };
    for verbatim in [false, true] {
        let file = export(json!({"verbatim": verbatim})).await;
        let marked = |text: &str| file.contains(&format!("'{text}"));
        assert_eq!(marked("=1+1") && marked("@SUM") && marked("-1+cmd") && marked("＝1"), !verbatim, "{file}");
        assert!(!marked("+49") && !marked("-12.5") && file.contains("-12.5"), "{file}");
        world.sql("delete from ticket").await;
        let left_out = json!({"id": null, "created_at": null, "usergroups": null});
        let row = import(&ada, json!({"verbatim": verbatim, "columns": left_out}), &file).await;
        assert_eq!(row["state"], "done", "{row}");
        let found = world.sql("select aside from ticket order by created_at, id").await;
        let mut back: Vec<&str> = found.iter().filter_map(|row| row.text(0)).collect();
        let mut went = texts.to_vec();
        back.sort_unstable();
        went.sort_unstable();
        assert_eq!(back, went, "{file}");
    }
    // Names of columns, too.
    let row = import(&ada, json!({}), "title,'=x\na,b\n").await;
    assert!(row["faults"][0]["message"].as_str().is_some_and(|words| words.contains("`=x`")), "{row}");
}

#[tokio::test]
async fn an_import_ends_when_its_user_is_deactivated() {
    let world = flow().await;
    let (ada, admin) = (world.user("ada", &[]).await, world.administrator().await);
    let holder = world.hold("lock table ticket in share mode").await;
    let rows: String = (0..400).map(|n| format!("t{n}\n")).collect();
    let order =
        json!({"entity": "ticket", "format": "csv", "mode": "each", "content": STANDARD.encode(format!("title\n{rows}"))});
    let begun = ada.act("world/import_data", order).await.is(200);
    let id = begun.json[0]["Attributes"]["id"].as_str().expect("an id").to_owned();
    world.held_up().await;
    admin.act(&format!("user_account/{}/deactivate", ada.id), json!({})).await.is(200);
    holder.batch_execute("commit").await.expect("let go");
    let row = over(&admin, &id).await;
    let faults = row["faults"].as_array().map_or(0, Vec::len);
    assert!(row["state"] == "failed" || row["done"].as_i64() < Some(400), "{row}");
    assert!(faults <= 1, "each row would say the same: {row}");
    assert!(world.sql("select 1 from ticket").await.len() <= 100);
    for entity in ["user_account", "usergroup", "world", "transfer", "mail"] {
        let refused = admin.act("world/import_data", json!({"entity": entity, "format": "csv"})).await.is(403);
        assert!(refused.text.contains("the system's"), "{}", refused.text);
    }
}
