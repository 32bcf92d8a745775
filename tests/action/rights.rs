//! Rights that actions declare, lend and make use of; and the words of those who are refused.

use serde_json::json;

use crate::house::{Someone, World, cases};
use crate::jsonapi::operations::operate;

const FIRM: &str = "permission: { guest: [execute], group: [peek, read, execute] }
grants: [users]
default_permission: { owner: [peek, read, update], group: [peek, read] }
columns: { name: { type: label, required: true }, note: { type: text, read_only: true } }
";

/// Somebody founds a firm: a group, and a row that is granted to it, both for another owner.
const FOUND: &str = "permission: { guest: [execute], group: [execute] }
grants: [users]
rights: { firm: [create, RIGHT], usergroup: [create, update, refer] }
inputs: { name: { type: label, required: true } }
outcomes:
  - create: usergroup
    as: group
    with: { name: \"{{name}}\" }
  - create: firm
    as: firm
    with: { name: \"{{name}}\" }
  - link: firm.usergroups
    to: group
    permission: { group: [peek, read, update] }
  - respond: client.notify
    with: { type: success, title: Founded, message: \"{{firm.id}}\" }
";

async fn firms(right: &str, change: impl FnOnce(&mut rowhouse::config::Config)) -> World {
    let found = FOUND.replace("RIGHT", right);
    let folder = crate::house::project(&[("schema/firm.yaml", FIRM), ("actions/firm/found.yaml", &found)]);
    World::of_with(&folder, change).await
}

#[tokio::test]
async fn n14_a_row_that_an_action_made_is_granted_by_it_whoever_calls() {
    let world = firms("update", |_| {}).await;
    let guest = world.guest().act("firm/found", json!({"name": "Größe & Söhne"})).await.is(200);
    let id = guest.json[0]["Attributes"]["message"].as_str().expect("an id").to_owned();
    let rows = world.sql(&format!("select group_bits::text from firm where id = '{id}'")).await;
    assert_eq!(rows[0].text(0), Some("{180224}"), "peek, read, update of the group");
    // Afterwards it is as everywhere: who doesn't own a row, grants nothing.
    let ada = world.user("ada", &[]).await;
    let linkage = json!({"data": [{"type": "usergroup", "id": rowhouse::schema::USERS}]});
    ada.post(&format!("/api/firm/{id}/relationships/usergroups"), linkage).await.is(403);
}

#[tokio::test]
async fn n14_a_refusal_names_the_outcome_where_the_project_says_so() {
    let world = firms("read", |config| config.explain_refusals = true).await;
    let refused = world.guest().act("firm/found", json!({"name": "x"})).await.is(401);
    let reason = &refused.json[0]["Attributes"]["faults"][0]["reason"];
    assert_eq!(reason["outcome"], "3 (link firm.usergroups)", "{}", refused.text);
    assert_eq!((&reason["phase"], &reason["asks"]), (&json!("before entity"), &json!("update")));
    let quiet = firms("read", |_| {}).await;
    let refused = quiet.guest().act("firm/found", json!({"name": "x"})).await.is(401);
    assert!(!refused.text.contains("outcome"), "{}", refused.text);
}

const NOTE: &str = "subject: required
LENDSpermission: { group: [execute] }
grants: [users]
outcomes:
  - update: subject
    with: { note: seen }
  - respond: client.reload
";

const VISIT: &str = "subject: required
permission: { group: [execute] }
grants: [users]
rights: { firm: [update], subject: [update, execute] }
outcomes:
  - call: firm/note
    subject: subject
";

#[tokio::test]
async fn n14_rights_pass_through_a_call_only_to_who_names_the_lender() {
    for (lends, status) in [("", 403), ("lends: [firm/visit]\n", 200)] {
        let note = NOTE.replace("LENDS", lends);
        let files = [("schema/firm.yaml", FIRM), ("actions/firm/note.yaml", note.as_str()), ("actions/firm/visit.yaml", VISIT)];
        let folder = crate::house::project(&files);
        let world = World::of_with(&folder, |config| config.explain_refusals = true).await;
        let ada = world.user("ada", &[]).await;
        world
            .sql("insert into firm (id, owner, permission, name) values ('00000000-0000-7000-8000-00000000000a', null, 3, 'Ö')")
            .await;
        let id = "00000000-0000-7000-8000-00000000000a";
        // Whoever calls it themselves has nobody who lends them anything.
        ada.act(&format!("firm/{id}/note"), json!({})).await.is(403);
        let visited = ada.act(&format!("firm/{id}/visit"), json!({})).await.is(status);
        if status == 403 {
            let reason = &visited.json[0]["Attributes"]["faults"][0]["reason"];
            assert_eq!(reason["outcome"], "1 (call firm/note)", "{}", visited.text);
        }
    }
}

#[tokio::test]
async fn what_was_lent_is_not_lent_on() {
    let schema = "permission: { group: [peek, read, execute] }\ngrants: [users]\ncolumns: { line: { type: label } }\n";
    let first =
        "permission: { group: [execute] }\ngrants: [users]\nrights: { log: [create] }\noutcomes: [{ call: log/second }]\n";
    let second = "permission: { group: [execute] }\ngrants: [users]\nlends: [log/first]\noutcomes: [{ call: log/third }]\n";
    let third = "permission: { group: [execute] }\ngrants: [users]\nlends: [log/second]\noutcomes:\n  - create: log\n    with: { line: ö }\n  - respond: client.reload\n";
    let made = async |third: &str| {
        let folder = crate::house::project(&[
            ("schema/log.yaml", schema),
            ("actions/log/first.yaml", first),
            ("actions/log/second.yaml", second),
            ("actions/log/third.yaml", third),
        ]);
        let world = World::of(&folder).await;
        world.user("ada", &[]).await.act("log/first", json!({})).await.status
    };
    assert_eq!(made(third).await, 403, "it names the second, which declares nothing");
    let direct = second.replace("lends: [log/first]", "rights: { log: [create] }");
    let folder = crate::house::project(&[
        ("schema/log.yaml", schema),
        ("actions/log/second.yaml", direct.as_str()),
        ("actions/log/third.yaml", third),
    ]);
    let world = World::of(&folder).await;
    world.user("ada", &[]).await.act("log/second", json!({})).await.is(200);
}

#[test]
fn what_an_event_says_and_nothing_uses_is_a_complaint() {
    let schema = cases("", "      with: { a: b }\n      messages: { guard: Never said }\n", "");
    let line = |word: &str| schema.lines().position(|line| line.contains(word)).expect("a line") + 1;
    let folder = crate::house::project(&[("schema/case.yaml", schema.as_str())]);
    let complaints = rowhouse::project::load(std::path::Path::new(&folder)).map(|_| ()).expect_err("complaints");
    let said: Vec<String> = complaints.iter().map(ToString::to_string).collect();
    assert!(said.iter().any(|c| c.contains(&format!(":{}:", line("with:"))) && c.contains("without `call`")), "{said:?}");
    assert!(said.iter().any(|c| c.contains(&format!(":{}:", line("guard:"))) && c.contains("without `when`")), "{said:?}");
}

#[test]
fn a_lender_is_an_action_that_calls() {
    let note = NOTE.replace("LENDS", "lends: [firm/visits]\n");
    let folder = crate::house::project(&[
        ("schema/firm.yaml", FIRM),
        ("actions/firm/note.yaml", note.as_str()),
        ("actions/firm/visit.yaml", VISIT),
    ]);
    let complaints = rowhouse::project::load(std::path::Path::new(&folder)).expect_err("a complaint");
    let said: Vec<String> = complaints.iter().map(ToString::to_string).collect();
    assert!(said.iter().any(|c| c.contains("note.yaml:2") && c.contains("did you mean `firm/visit`?")), "{said:?}");
}

#[tokio::test]
async fn b21_a_guard_before_a_create_does_not_find_the_row_itself() {
    let booking = "grants: { users: [peek, read, create] }
default_permission: { owner: all, group: [peek, read] }
default_groups: [users]
columns: { room: { type: label }, day: { type: date } }
";
    let free = "on: { before_create: booking }
outcomes:
  - read: booking
    as: other
    where: { room: \"{{event.after.room}}\", day: \"{{event.after.day}}\" }
  - fail: { status: 409, message: Taken }
    when: other | length > 0
";
    let folder = crate::house::project(&[("schema/booking.yaml", booking), ("actions/booking/free.yaml", free)]);
    let world = World::of(&folder).await;
    let (ada, bob) = (world.user("ada", &[]).await, world.user("bob", &[]).await);
    let book = |room: &str| json!({"data": {"type": "booking", "attributes": {"room": room, "day": "2026-12-24"}}});
    ada.post("/api/booking", book("Größe")).await.is(201);
    assert!(bob.post("/api/booking", book("Größe")).await.is(409).text.contains("Taken"));
    bob.post("/api/booking", book("Klein")).await.is(201);
    // Two of one request are each other's, too.
    let add = |room: &str| json!({"op": "add", "data": book(room)["data"]});
    operate(&bob, json!([add("Zwei"), add("Zwei")])).await.is(409);
    operate(&bob, json!([add("Drei"), add("Vier")])).await.is(200);
}

#[tokio::test]
async fn b36_a_front_end_asks_which_actions_are_possible() {
    let guard = "      when: subject.amount > 10 and subject.title is not none\n";
    let events = "    reopen:
      from: closed
      to: open
      permission: { group: [execute] }
      grants: [users]
    lock: { from: [open, closed], to: closed }
";
    let schema = cases("  amount: { type: integer }\n", guard, events);
    let tell = "permission: { guest: [execute] }
outcomes: [ { respond: client.reload } ]
";
    let folder = crate::house::project(&[("schema/case.yaml", schema.as_str()), ("actions/case/tell.yaml", tell)]);
    let world = World::of(&folder).await;
    let (ada, bob) = (world.user("ada", &[]).await, world.user("bob", &[]).await);
    let small = ada.make("case", json!({"title": "größe", "amount": 1}), json!({})).await;
    let large = ada.make("case", json!({"title": "größe", "amount": 11}), json!({})).await;
    let nobody = "00000000-0000-7000-8000-00000000000a";
    let asked = json!({"data": [
        {"action": "case/close", "id": small},
        {"action": "case/close", "id": large},
        {"action": "case/reopen", "id": large},
        {"action": "case/lock", "id": large},
        {"action": "case/close", "id": nobody},
        {"action": "case/tell"},
        {"right": "read", "entity": "case", "id": large},
    ]});
    let told = async |who: &Someone<'_>| {
        let answer = who.post("/permission", asked.clone()).await.is(200);
        let data = answer.json["data"].as_array().expect("a list").clone();
        let one = |item: &serde_json::Value| {
            let of = &item["attributes"];
            (of["allowed"] == true, of["phase"].as_str().unwrap_or_default().to_owned(), of["line"].as_i64())
        };
        (data[1]["id"].clone(), data.iter().map(one).collect::<Vec<_>>())
    };
    let says = |allowed, phase: &str, line| (allowed, phase.to_owned(), line);
    let (place, said) = told(&ada).await;
    assert_eq!(place, format!("case/{large}/action/close"));
    assert_eq!(
        said,
        [
            says(false, "guard", None),
            says(true, "before instance", Some(3)),
            says(false, "state", None),
            says(false, "before entity", None),
            says(false, "", None),
            says(true, "before entity", Some(4)), // execute on the entity is the users'
            says(true, "after instance", Some(3)),
        ]
    );
    // Who may only peek hears of permissions, not of states and guards.
    let (_, said) = told(&bob).await;
    assert_eq!(
        said[..3],
        [says(false, "before instance", None), says(false, "before instance", None), says(false, "before instance", None)]
    );
    // It is what happens.
    ada.act(&format!("case/{small}/close"), json!({})).await.is(409);
    ada.act(&format!("case/{large}/close"), json!({})).await.is(200);
    let (_, said) = told(&ada).await;
    assert_eq!(said[1..3], [says(false, "state", None), says(true, "before instance", Some(3))]);
    let many: Vec<_> = (0..101).map(|_| json!({"action": "case/tell"})).collect();
    ada.post("/permission", json!({"data": many})).await.is(413);
    // Rows that don't fit together are asked one after the other.
    let narrow = world.twin_with(|config| config.limits.action = 2000).await;
    let title = "ö".repeat(200);
    let mut rows = vec![];
    for _ in 0..10 {
        rows.push(ada.make("case", json!({"title": title, "amount": 1}), json!({})).await);
    }
    let data: Vec<_> = rows.iter().map(|id| json!({"action": "case/close", "id": id})).collect();
    let all = ada.at(&narrow).post("/permission", json!({"data": data})).await.is(200);
    let guarded = all.json["data"].as_array().expect("a list").iter().filter(|d| d["attributes"]["phase"] == "guard");
    assert_eq!(guarded.count(), 10, "{}", all.text);
    // However many ask about one row, what each costs is its own.
    let long = ada.make("case", json!({"title": title, "amount": 11}), json!({})).await;
    let data = vec![json!({"action": "case/close", "id": long}); 20];
    let all = ada.at(&narrow).post("/permission", json!({"data": data})).await.is(200);
    let allowed = all.json["data"].as_array().expect("a list").iter().filter(|d| d["attributes"]["allowed"] == true);
    assert_eq!(allowed.count(), 20, "{}", all.text);
    let wrong =
        json!({"data": [{"action": "case/shut", "id": small}, {"action": "case/close"}, {"action": "case/tell", "id": small}]});
    let wrong = ada.post("/permission", wrong).await.is(422);
    let pointers: Vec<_> =
        wrong.json["errors"].as_array().expect("errors").iter().map(|e| e["source"]["pointer"].clone()).collect();
    assert_eq!(pointers, ["/data/0/action", "/data/1/id", "/data/2/id"]);
}
