//! What people hit with comparable software, rebuilt here: each test names its case.

use reqwest::Method;
use rowhouse::start::{self, Destructive};
use serde_json::{Value as Json, json};

use crate::action::transfers::import;
use crate::house::{Someone, World};

const CASES: &str = "tests/projects/cases";

#[tokio::test]
async fn a01_names_made_of_parts_are_as_long_as_they_like_and_it_starts_again() {
    let world = World::of(CASES).await;
    let ada = world.user("ada", &[]).await;
    let note = ada.make("note", json!({"body": "x"}), json!({})).await;
    let links = json!({"responsible_contact_persons": {"data": [{"type": "note", "id": note}]}});
    let report = ada.make("quarterly_procurement_report_of_department", json!({"title": "x"}), links).await;
    assert_eq!(ada.get(&format!("/api/note/{note}/reports")).await.is(200).ids(), [report]);
    let again = world.twin().await; // which reads the same files
    let report = start::apply(&again.app.store, &again.app.schema, &again.app.actions, Destructive::Refused).await;
    assert_eq!(report.expect("it starts again").steps.len(), 0);
}

/// Random letters, which no index compresses.
pub fn long(bytes: usize) -> String {
    let mut state = 7_u64;
    let mut letter = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'a' + u8::try_from((state >> 40) % 26).expect("small"))
    };
    (0..bytes).map(|_| letter()).collect()
}

async fn operation(who: &Someone<'_>, data: &Json) -> crate::house::answer::Answer {
    let kind = r#"application/vnd.api+json;ext="https://jsonapi.org/ext/atomic""#;
    let body = json!({"atomic:operations": [{"op": "add", "data": data}, {"op": "add", "data": data}]});
    let request = who.request(Method::POST, "/api/operations").header("Content-Type", kind).header("Accept", kind);
    who.send(request.body(body.to_string())).await
}

#[tokio::test]
async fn a02_a24_a_value_that_an_index_does_not_take_is_told_by_every_way_in() {
    let world = World::of_with(CASES, |config| config.outbox.poll = std::time::Duration::from_millis(50)).await;
    world.run_tasks();
    let ada = world.user("ada", &[]).await;
    let values = [("body", long(9000)), ("slug", long(9000)), ("link", format!("https://x.example/{}", long(4500)))];
    for (column, value) in &values {
        let data = json!({"type": "note", "attributes": {*column: value}});
        let refused = ada.post("/api/note", json!({"data": data})).await.is(422);
        assert_eq!(refused.json["errors"][0]["source"]["pointer"], format!("/data/attributes/{column}"), "{}", refused.text);
        assert!(refused.text.contains("too long for its index"), "{}", refused.text);
        let refused = operation(&ada, &data).await.is(422);
        let pointer = format!("/atomic:operations/0/data/attributes/{column}");
        assert_eq!(refused.json["errors"][0]["source"]["pointer"], pointer, "{}", refused.text);
        let id = ada.make("note", json!({}), json!({})).await;
        let change = json!({"data": {"type": "note", "id": id, "attributes": {*column: value}}});
        ada.patch(&format!("/api/note/{id}"), change).await.is(422);
    }
    // The good row of a file is made, and the other told.
    let file = format!("body\nshort\n{}\nshort too\n", values[0].1);
    let row = import(&ada, json!({"entity": "note", "mode": "each"}), file).await;
    assert_eq!((&row["created"], &row["failed"], &row["faults"][0]["row"]), (&json!(2), &json!(1), &json!(3)), "{row}");
    assert_eq!(row["faults"][0]["field"], "body");
}

#[tokio::test]
async fn n6_what_actions_alone_set_is_said_to_be() {
    let world = World::of_with(CASES, |config| config.outbox.poll = std::time::Duration::from_millis(50)).await;
    world.run_tasks();
    let ada = world.user("ada", &[]).await;
    let refused = ada.post("/api/invoice", json!({"data": {"type": "invoice", "attributes": {"amount": "1.00"}}})).await.is(403);
    assert!(refused.text.contains("`number` is required, and set by actions alone"), "{}", refused.text);
    ada.act("invoice/issue", json!({"number": "R-1", "amount": "12.50"})).await.is(200);
    let row = import(&ada, json!({"entity": "invoice", "mode": "each"}), "amount\n1.00\n2.00\n").await;
    assert_eq!((&row["failed"], &row["faults"][0]["row"]), (&json!(2), &json!(2)), "{row}");
    assert_eq!(row["faults"].as_array().map(Vec::len), Some(1), "told once: {row}");
}

#[tokio::test]
async fn a31_b21_fields_are_unique_together_for_fifty_at_once_and_the_clash_stands_at_each() {
    let world = World::of(CASES).await;
    let ada = world.user("ada", &[]).await;
    let room = ada.make("room", json!({"name": "Großer Saal"}), json!({})).await;
    let links = json!({"room": {"data": {"type": "room", "id": room}}});
    let body = json!({"data": {"type": "booking", "attributes": {"day": "2026-02-28"}, "relationships": links}});
    let answers = futures_util::future::join_all((0..50).map(|_| ada.post("/api/booking", body.clone()))).await;
    let made = answers.iter().filter(|answer| answer.status == 201).count();
    assert_eq!((made, answers.iter().filter(|answer| answer.status == 409).count()), (1, 49));
    let clash = ada.post("/api/booking", body.clone()).await.is(409);
    let pointers: Vec<_> = clash.json["errors"].as_array().expect("errors").iter().map(|e| &e["source"]["pointer"]).collect();
    assert_eq!(pointers, ["/data/relationships/room", "/data/attributes/day"], "{}", clash.text);
    assert!(clash.text.contains("`room` and `day` are taken together."), "{}", clash.text);
    let other = json!({"data": {"type": "booking", "attributes": {"day": "2026-03-01"}, "relationships": links}});
    let second = ada.post("/api/booking", other.clone()).await.is(201).json["data"]["id"].clone();
    let change = json!({"data": {"type": "booking", "id": second, "attributes": {"day": "2026-02-28"}}});
    ada.patch(&format!("/api/booking/{}", second.as_str().expect("an id")), change).await.is(409);
    let operation = operation(&ada, &other["data"]).await.is(409);
    assert_eq!(
        operation.json["errors"][0]["source"]["pointer"], "/atomic:operations/0/data/relationships/room",
        "{}",
        operation.text
    );
    // The same by an action, and by a link of an entity that holds each pair once.
    let book = json!({"room": room, "day": "2026-02-28"});
    assert!(ada.act("booking/book", book).await.is(409).text.contains("are taken together"));
}

#[tokio::test]
async fn a32_rows_that_are_dead_are_told_apart() {
    let world = World::of(CASES).await;
    let ada = world.user("ada", &[]).await;
    let post = async |slug: &str, deleted: Json| {
        let attributes = json!({"slug": slug, "deleted_at": deleted});
        ada.post("/api/page", json!({"data": {"type": "page", "attributes": attributes}})).await
    };
    let first = post("über-uns", Json::Null).await.is(201).json["data"]["id"].as_str().expect("an id").to_owned();
    let clash = post("ÜBER-UNS", Json::Null).await.is(409);
    assert_eq!(clash.json["errors"][0]["source"]["pointer"], "/data/attributes/slug", "{}", clash.text);
    let delete = |at: Json| json!({"data": {"type": "page", "id": first, "attributes": {"deleted_at": at}}});
    ada.patch(&format!("/api/page/{first}"), delete(json!("2026-01-01T00:00:00Z"))).await.is(200);
    post("über-uns", Json::Null).await.is(201);
    post("über-uns", json!("2026-01-02T00:00:00Z")).await.is(201);
    // It can't come back while another is alive.
    ada.patch(&format!("/api/page/{first}"), delete(Json::Null)).await.is(409);
}

/// All pages of a list, forwards and backwards: the values of one attribute.
async fn paged(who: &Someone<'_>, path: &str, attribute: &str) -> Vec<Json> {
    let mut found = [vec![], vec![]];
    for (direction, name) in [(0, "next"), (1, "prev")] {
        let mut next = Some(format!("{path}&page[size]=2"));
        if direction == 1 {
            // From the end: the cursor of the last page's only row.
            let mut last = who.get(next.as_deref().expect("a path")).await.is(200);
            while let Some(link) = last.json["links"]["next"].as_str() {
                let link = link.to_owned();
                last = who.get(&link).await.is(200);
            }
            found[1].extend(last.all(attribute).into_iter().rev());
            next = last.json["links"]["prev"].as_str().map(str::to_owned);
        }
        while let Some(path) = next {
            let page = who.get(&path).await.is(200);
            let values = page.all(attribute);
            if direction == 0 {
                found[0].extend(values)
            } else {
                found[1].extend(values.into_iter().rev())
            }
            next = page.json["links"][name].as_str().map(str::to_owned);
        }
    }
    found[1].reverse();
    assert_eq!(found[0], found[1], "{path}: backwards as forwards");
    found[0].clone()
}

#[tokio::test]
async fn n20_enums_are_sorted_and_compared_in_the_order_of_their_options() {
    let world = World::of(CASES).await;
    let ada = world.user("ada", &[]).await;
    let priorities =
        [json!("urgent"), json!("low"), json!("it's normal"), json!("high"), Json::Null, json!("low"), json!("high")];
    for (at, priority) in priorities.iter().enumerate() {
        ada.make("word", json!({"name": format!("w{at}"), "priority": priority}), json!({})).await;
    }
    let ordered = [json!("low"), json!("low"), json!("it's normal"), json!("high"), json!("high"), json!("urgent"), Json::Null];
    assert_eq!(paged(&ada, "/api/word?sort=priority", "priority").await, ordered);
    let mut backwards = ordered.to_vec();
    backwards.reverse();
    assert_eq!(paged(&ada, "/api/word?sort=-priority,name", "priority").await, backwards);
    assert_eq!(paged(&ada, "/api/word?fields[word]=priority", "priority").await, backwards, "the default order, by its index");
    for (filter, count) in
        [("ge]=high", 3), ("gt]=high", 1), ("lt]=high", 3), ("le]=low", 2), ("eq]=high", 2), ("in]=low,urgent", 3)]
    {
        let found = ada.get(&format!("/api/word?filter[priority][{filter}")).await.is(200);
        assert_eq!(found.ids().len(), count, "{filter}: {}", found.text);
    }
    ada.get("/api/word?filter[priority][ge]=highest").await.is(400);
    let totals = ada.get("/aggregate/word?measure=min(priority),max(priority)").await.is(200);
    assert!(totals.text.contains("\"low\"") && totals.text.contains("\"urgent\""), "{}", totals.text);
    let groups = ada.get("/aggregate/word?group=priority&measure=count&sort=priority").await.is(200);
    let by_least = ada.get("/aggregate/word?group=name&measure=min(priority)&sort=min(priority),name").await.is(200);
    assert_eq!(by_least.all("name")[..3], ["w1", "w5", "w2"].map(|name| json!(name)), "{}", by_least.text);
    let first: Vec<_> = groups.all("priority").into_iter().take(2).collect();
    assert_eq!(first, [json!("low"), json!("it's normal")], "{}", groups.text);
}

#[tokio::test]
async fn a38_texts_are_sorted_and_searched_by_a_language_or_without_accents() {
    let world = World::of(CASES).await;
    let ada = world.user("ada", &[]).await;
    let words = ["Zebra", "apple", "Äpfel", "zoo", "Öl", "A\u{308}nder", "Éclair", "eclipse", "Ørsted"];
    for word in words {
        ada.make("word", json!({"name": word, "german": word, "swedish": word, "plain": word}), json!({})).await;
    }
    let sorted = async |column: &str| -> Vec<String> {
        let found = paged(&ada, &format!("/api/word?sort={column}"), column).await;
        found.iter().map(|word| word.as_str().expect("a text").to_owned()).collect()
    };
    assert_eq!(sorted("german").await, ["A\u{308}nder", "Äpfel", "apple", "Éclair", "eclipse", "Öl", "Ørsted", "Zebra", "zoo"]);
    assert_eq!(sorted("swedish").await, ["apple", "Éclair", "eclipse", "Zebra", "zoo", "A\u{308}nder", "Äpfel", "Öl", "Ørsted"]);
    assert_eq!(sorted("plain").await[..5], ["A\u{308}nder", "Äpfel", "apple", "Éclair", "eclipse"]);
    for (filter, count) in [
        ("plain][icontains]=APFEL", 1),
        ("plain][icontains]=ander", 1),
        ("plain][icontains]=e\u{301}cl", 2),
        ("name][icontains]=apfel", 0),
        ("german][icontains]=äPFEL", 1),
        ("german][ge]=z", 2),
    ] {
        let found = ada.get(&format!("/api/word?filter[{filter}")).await.is(200);
        assert_eq!(found.ids().len(), count, "{filter}: {}", found.text);
    }
}

#[tokio::test]
async fn a16_numbers_in_json_are_kept_to_the_last_digit_or_refused() {
    let world = World::of_with(CASES, |config| config.outbox.poll = std::time::Duration::from_millis(50)).await;
    world.run_tasks();
    let ada = world.user("ada", &[]).await;
    let send = async |path: &str, body: String| {
        let request = ada.request(Method::POST, path).header("Content-Type", "application/vnd.api+json");
        ada.send(request.body(body)).await
    };
    let word = |attributes: &str| format!(r#"{{"data": {{"type": "word", "attributes": {{"name": "n", {attributes}}}}}}}"#);
    for number in ["123456789012345678901234567890", "0.1000000000000000055511151231257827", "-1e-400", "9007199254740993.0"] {
        let refused = send("/api/word", word(&format!(r#""meta": {{"a": [1, {number}], "b": 2.5}}"#))).await.is(422);
        assert_eq!(refused.json["errors"][0]["source"]["pointer"], "/data/attributes/meta", "{}", refused.text);
        assert!(refused.text.contains(&format!("`meta` holds {number}, a number that isn't kept")), "{}", refused.text);
        send("/api/word", word(&format!(r#""price": {number}"#))).await.is(422);
    }
    for number in ["9007199254740993", "-18446744073709551615e0".trim_end_matches("e0"), "0.1", "1e23", "1.50"] {
        let made = send("/api/word", word(&format!(r#""meta": {number}"#))).await;
        assert!(made.status == 201 || number.starts_with("-1844"), "{number}: {}", made.text);
    }
    let exact = send("/api/word", word(r#""meta": {"n": 9007199254740993, "f": 0.30000000000000004}"#)).await.is(201);
    assert!(exact.text.contains("9007199254740993") && exact.text.contains("0.30000000000000004"), "{}", exact.text);
    // Floats are read to the last bit.
    for number in ["15.313339332965427", "-109225.61189039715", "2.7715077941825975e-163", "1.7976931348623157e308", "5e-324"] {
        let made = send("/api/word", word(&format!(r#""weight": {number}, "meta": {{"n": {number}}}"#))).await.is(201);
        let wanted: f64 = number.parse().expect("a float");
        assert_eq!(made.json["data"]["attributes"]["weight"], json!(wanted), "{number}: {}", made.text);
        assert_eq!(made.json["data"]["attributes"]["meta"]["n"].as_f64(), Some(wanted), "{number}: {}", made.text);
        let stored = world.sql(&format!("select (weight = '{number}'::float8 and meta -> 'n' = '{number}'::jsonb)::text from word where weight = '{number}'::float8")).await;
        assert_eq!(stored.first().and_then(|row| row.text(0)), Some("true"), "{number}");
        let id = made.json["data"]["id"].as_str().expect("an id");
        ada.get(&format!("/history/word/{id}")).await.is(200);
    }
    // A float takes what it can, and a filter asks for it; a list is none.
    let long = send("/api/word", word(r#""weight": 3.14159265358979323846"#)).await.is(201);
    assert_eq!(long.json["data"]["attributes"]["weight"], json!(std::f64::consts::PI), "{}", long.text);
    for value in ["[0.10000000000000000001]", r#"{"a": 0.10000000000000000001}"#, "1e-400", "-1e-400"] {
        send("/api/word", word(&format!(r#""weight": {value}"#))).await.is(422);
    }
    for filter in [r#"{"eq":["weight",3.14159265358979323846]}"#, r#"{"in":["weight",[1,3.14159265358979323846]]}"#] {
        assert_eq!(ada.get(&format!("/api/word?filter={filter}")).await.is(200).ids().len(), 1, "{filter}");
    }
    // In files, too.
    let rows = r#"[{"name": "a", "meta": {"n": 1}}, {"name": "b", "meta": [0.10000000000000000001]}, {"name": "c", "meta": 7}]"#;
    let row = import(&ada, json!({"entity": "word", "mode": "each", "format": "json"}), rows).await;
    assert_eq!((&row["created"], &row["failed"], &row["faults"][0]["row"]), (&json!(2), &json!(1), &json!(2)), "{row}");
    let row = import(&ada, json!({"entity": "word", "mode": "each"}), "name,meta\nd,0.10000000000000000001\ne,2\n").await;
    assert_eq!((&row["created"], &row["failed"], &row["faults"][0]["row"]), (&json!(1), &json!(1), &json!(2)), "{row}");
}

#[tokio::test]
async fn times_go_in_and_out_at_both_ends_of_what_postgresql_holds() {
    let world = World::of(CASES).await;
    let ada = world.user("ada", &[]).await;
    for at in ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "-004712-01-01T00:00:00Z", "-009999-01-01T00:00:00Z"] {
        let body = json!({"data": {"type": "word", "attributes": {"name": at, "at": at}}});
        let made = ada.post("/api/word", body).await;
        assert!(made.status == 201 || made.status == 422, "{at}: {}", made.text);
        if made.status == 201 {
            assert_eq!(made.json["data"]["attributes"]["at"], at, "{}", made.text);
        }
    }
    // Set by others: whatever it is, it is served, and as a cursor it comes back.
    for (name, at) in
        [("past", "-infinity"), ("future", "infinity"), ("bc", "4713-01-01 00:00:00 BC"), ("late", "294276-12-31 23:59:59")]
    {
        world.sql(&format!("insert into word (id, permission, owner, name, at) select gen_random_uuid(), 16256, id, '{name}', '{at}' from user_account where email like 'ada%'")).await;
    }
    ada.make("word", json!({"name": "first", "day": "-004713-11-24"}), json!({})).await;
    ada.make("word", json!({"name": "last", "day": "+5874897-12-31"}), json!({})).await;
    for group in [
        "year(at)",
        "month(at)",
        "week(at)",
        "day(at)",
        "hour(at)",
        "year(day)",
        "quarter(day)",
        "month(day)",
        "week(day)",
        "day(day)",
    ] {
        ada.get(&format!("/aggregate/word?group={group}&measure=count&sort=-count")).await.is(200);
    }
    for sort in ["at", "-at", "day"] {
        let mut next = Some(format!("/api/word?sort={sort}&page[size]=1"));
        let mut count = 0;
        while let Some(path) = next {
            let page = ada.get(&path).await.is(200);
            count += page.ids().len();
            next = page.json["links"]["next"].as_str().map(str::to_owned);
        }
        let all = ada.get("/api/word?page[size]=100").await.is(200).ids().len();
        assert_eq!(count, all, "{sort}");
    }
}

#[tokio::test]
async fn n18_what_keeps_a_row_is_said_to_whom_may_see_it() {
    let world = World::of(CASES).await;
    let (ada, bob) = (world.user("ada", &[]).await, world.user("bob", &[]).await);
    let room = ada.make("room", json!({"name": "x"}), json!({})).await;
    world.sql("update room set permission = permission | 65 | 16").await; // others may refer to it and delete it
    let leads = json!({"room": {"data": {"type": "room", "id": room}}});
    for (who, day) in [(&ada, "2026-01-01"), (&ada, "2026-01-02"), (&bob, "2026-01-03")] {
        who.make("booking", json!({"day": day}), leads.clone()).await;
    }
    let path = format!("/api/room/{room}");
    let words = |count: &str| format!("{count} of `booking` still need");
    let refused = ada.delete(&path).await.is(409);
    assert!(refused.text.contains(&words("2 rows")) && refused.text.contains("by `room`"), "{}", refused.text);
    assert!(bob.delete(&path).await.is(409).text.contains("1 row of `booking` still needs this one, by `room`."));
    let eve = world.user("eve", &[]).await;
    let unseen = eve.delete(&path).await.is(409);
    assert!(unseen.text.contains("Other rows still need this one.") && !unseen.text.contains("booking"), "{}", unseen.text);
    let root = world.administrator().await;
    assert!(root.delete(&path).await.is(409).text.contains(&words("3 rows")));
    // In operations at the one that is refused.
    let other = ada.make("room", json!({"name": "y"}), json!({})).await;
    let kind = r#"application/vnd.api+json;ext="https://jsonapi.org/ext/atomic""#;
    let gone = |id: &str| json!({"op": "remove", "ref": {"type": "room", "id": id}});
    let body = json!({"atomic:operations": [gone(&other), gone(&room)]});
    let request = ada.request(Method::POST, "/api/operations").header("Content-Type", kind).header("Accept", kind);
    let refused = ada.send(request.body(body.to_string())).await.is(409);
    assert_eq!(refused.json["errors"][0]["source"]["pointer"], "/atomic:operations/1", "{}", refused.text);
    assert!(refused.text.contains(&words("2 rows")), "{}", refused.text);
}

/// What is said of a project's action.
fn said_of(outcomes: &str) -> String {
    let schema = "columns: { n: { type: integer }, b: { type: boolean }, status: { type: enum, options: [a, b] }, due: { type: datetime }, name: { type: label }, sealed: { type: encrypted } }\n";
    let action = format!(
        "subject: required\noutcomes:\n{outcomes}\n  - respond: client.notify\n    with: {{ type: success, title: T, message: M }}\n"
    );
    let folder = crate::house::project(&[("schema/item.yaml", schema), ("actions/item/do.yaml", &action)]);
    match rowhouse::project::load(folder.as_ref()) {
        Ok(_) => String::new(),
        Err(complaints) => complaints.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
    }
}

#[test]
fn a20_b22_values_that_can_never_fit_a_column_are_complaints() {
    for value in [
        "{ n: { increment: 1 } }",
        "{ n: \"{{subject.n}} - 1\" }",
        "{ n: [1] }",
        "{ b: 5 }",
        "{ due: \"{{now}} + 7d\" }",
        "{ n: \"{{now}}\" }",
        "{ status: \"{{now}}\" }",
        "{ sealed: 5 }",
        "{ status: c }",
    ] {
        let said = said_of(&format!("  - update: subject\n    with: {value}"));
        assert!(said.starts_with("actions/item/do.yaml:"), "{value}: {said}");
    }
    for value in [
        "{ n: 1 }",
        "{ n: \"{{subject.n}}\" }",
        "{ name: \"{{subject.n}} - 1\" }",
        "{ due: \"{{now}}\", name: \"{{now}}\" }",
        "{ status: a, sealed: five }",
    ] {
        assert_eq!(said_of(&format!("  - update: subject\n    with: {value}")), "", "{value}");
    }
}

#[test]
fn b23_n15_conditions_that_could_never_hold_or_be_asked_are_complaints() {
    for condition in [
        "{ lt: [due, \"{{now}} + 7d\"] }",
        "{ due: { foo: 1 } }",
        "{ status: { in: [a, b] } }",
        "{ status: [a, b] }",
        "{ in: [status, [a, c]] }",
        "{ contains: [n, 1] }",
        "{ eq: [nmae, x] }",
        "{}",
    ] {
        let said = said_of(&format!("  - read: item\n    as: found\n    where: {condition}"));
        assert!(said.starts_with("actions/item/do.yaml:"), "{condition}: {said}");
    }
    for condition in [
        "{ in: [status, [a, b]] }",
        "{ status: a, n: 3 }",
        "{ and: [{ lt: [due, \"{{now}}\"] }, { ge: [status, b] }] }",
        "{ \"null\": [due, true] }",
    ] {
        assert_eq!(
            said_of(&format!(
                "  - read: item\n    as: found\n    where: {condition}\n  - update: subject\n    when: found|length > 0\n    with: {{ n: 1 }}"
            )),
            "",
            "{condition}"
        );
    }
}

#[test]
fn b41_what_a_performer_takes_no_notice_of_is_a_complaint() {
    let letter = |more: &str| {
        said_of(&format!("  - perform: mail.send\n    with: {{ template: reset_password, to: a@example.org, {more} }}"))
    };
    let said = letter("subjekt: x");
    assert!(said.contains("subjekt"), "{said}");
    for wrong in ["cc: 7", "cc: [b@example.org, x y]", "reply_to: nobody"] {
        let name = wrong.split(':').next().unwrap_or_default();
        assert!(letter(wrong).contains(&format!("`{name}` must be")), "{wrong}: {}", letter(wrong));
    }
    assert!(said_of("  - perform: random\n    with: { lenght: 7 }\n    as: made").contains("`length`"));
}

#[tokio::test]
async fn n13_permissions_are_words_wherever_they_are_numbers() {
    let world = World::of(CASES).await;
    let ada = world.user("ada", &[]).await;
    let words = json!({"guest": ["read"], "owner": "all"});
    let id = ada.make("room", json!({"name": "x", "permission": words}), json!({})).await;
    let kept = async || ada.get(&format!("/api/room/{id}")).await.is(200).json["data"]["attributes"]["permission"].clone();
    assert_eq!(kept().await, 16258);
    let change = |permission: Json| json!({"data": {"type": "room", "id": id, "attributes": {"permission": permission}}});
    ada.patch(&format!("/api/room/{id}"), change(json!({"owner": "all", "group": ["peek", "read"]}))).await.is(200);
    assert_eq!(kept().await, 65408);
    for bad in [
        json!({"owner": "everything"}),
        json!({"nobody": "all"}),
        json!({"guest": ["look"]}),
        json!({"guest": [1]}),
        json!("all"),
        json!([]),
    ] {
        let refused = ada.patch(&format!("/api/room/{id}"), change(bad.clone())).await.is(422);
        assert_eq!(refused.json["errors"][0]["source"]["pointer"], "/data/attributes/permission", "{bad}: {}", refused.text);
    }
    let group = ada.make("usergroup", json!({"name": "g"}), json!({})).await;
    for (sent, bits) in [(json!(["read", "update"]), 163_840), (json!({"group": ["read"]}), 32_768), (json!(16_384), 16_384)] {
        let link = json!({"data": [{"type": "usergroup", "id": group, "meta": {"permission": sent}}]});
        ada.post(&format!("/api/room/{id}/relationships/usergroups"), link).await;
        let found = world.sql(&format!("select group_bits[1]::bigint from room where id = '{id}'")).await;
        assert_eq!(found[0].int(0), Some(bits), "{sent}");
    }
    ada.act(&format!("room/{id}/share"), json!({"usergroup": group, "permission": ["peek"]})).await.is(200);
    // In files of actions, too.
    for (value, is_good) in
        [("{ guest: [read], owner: all }", true), ("{ guest: [look] }", false), ("16258", true), ("{ guests: all }", false)]
    {
        let said = said_of(&format!("  - update: subject\n    with: {{ permission: {value} }}"));
        assert_eq!(said.is_empty(), is_good, "{value}: {said}");
    }
}
