//! State machines: a row moves by its events alone.

use serde_json::json;

use crate::house::{World, cases};

const FLOW: &str = "tests/projects/flow";

#[tokio::test]
async fn a_row_moves_by_its_events_and_no_other_way() {
    let world = World::of(FLOW).await;
    let (ada, bob) = (world.user("ada", &[]).await, world.user("bob", &["shelvers"]).await);
    let id = ada.make("ticket", json!({"title": "x"}), json!({})).await;
    let status = async || ada.get(&format!("/api/ticket/{id}")).await.is(200).json["data"]["attributes"]["status"].clone();
    let fire = async |event: &str| ada.act(&format!("ticket/{id}/{event}"), json!({})).await;
    assert_eq!(status().await, "open");
    let set = json!({"data": {"type": "ticket", "id": id, "attributes": {"status": "done"}}});
    let refused = ada.patch(&format!("/api/ticket/{id}"), set).await.is(403);
    assert_eq!(refused.json["errors"][0]["source"]["pointer"], "/data/attributes/status");
    let made = json!({"data": {"type": "ticket", "attributes": {"title": "y", "status": "done"}}});
    ada.post("/api/ticket", made).await.is(403);
    assert!(fire("finish").await.is(409).text.contains("finish is for what is doing"));
    fire("start").await.is(200);
    assert!(fire("start").await.is(409).text.contains("start is for what is open or shelved"));
    assert!(fire("finish").await.is(409).text.contains("finish is not possible now"), "its guard wants a weight");
    let weigh = json!({"data": {"type": "ticket", "id": id, "attributes": {"weight": 3}}});
    ada.patch(&format!("/api/ticket/{id}"), weigh).await.is(200);
    let done = fire("finish").await.is(200);
    assert_eq!(done.json[0]["Attributes"]["message"], "Well done", "what it calls answers, too");
    assert_eq!(status().await, "done");
    assert_eq!(ada.get("/api/entry").await.is(200).all("text"), ["x is done"]);
    // Who may fire it: the action's permission, and execute on the row.
    let other = ada.make("ticket", json!({"title": "z"}), json!({})).await;
    ada.act(&format!("ticket/{other}/shelve"), json!({})).await.is(403);
    bob.act(&format!("ticket/{other}/shelve"), json!({})).await.is(404);
    let open = json!({"data": {"type": "ticket", "id": other, "attributes": {"permission": 16256 | 1 | 2 | 32}}});
    ada.patch(&format!("/api/ticket/{other}"), open).await.is(200);
    bob.act(&format!("ticket/{other}/shelve"), json!({})).await.is(200);
    // The history tells who moved it, and by what.
    let history = ada.get(&format!("/history/ticket/{other}")).await.is(200);
    let moved = &history.json["data"][0];
    assert_eq!(
        (&moved["attributes"]["before"], &moved["attributes"]["after"]),
        (&json!({"status": "open"}), &json!({"status": "shelved"}))
    );
    assert_eq!(
        (&moved["attributes"]["action"], &moved["relationships"]["user"]["data"]["id"]),
        (&json!("ticket/shelve"), &json!(bob.id.to_string()))
    );
    let listed = ada.get("/actions").await.is(200);
    let names: Vec<&str> = listed
        .json
        .as_array()
        .expect("a list")
        .iter()
        .filter(|a| a["entity"] == "ticket")
        .map(|a| a["name"].as_str().expect("text"))
        .collect();
    assert!(names.contains(&"start") && names.contains(&"finish") && !names.contains(&"shelve"), "{names:?}");
    let said = bob.get("/actions").await.is(200);
    assert!(said.json.as_array().expect("a list").iter().any(|a| a["name"] == "shelve" && a["label"] == "Put away"));
}

#[tokio::test]
async fn of_fifty_who_fire_at_once_one_wins() {
    let world = World::of(FLOW).await;
    let twin = world.twin().await;
    let ada = world.user("ada", &[]).await;
    let id = ada.make("ticket", json!({"title": "x"}), json!({})).await;
    let path = format!("ticket/{id}/start");
    let (here, there) = (ada.clone(), ada.at(&twin));
    let fired = (0..50).map(|n| if n % 2 == 0 { &here } else { &there }).map(|who| who.act(&path, json!({})));
    let fired = futures_util::future::join_all(fired).await;
    let with = |status| fired.iter().filter(|answer| answer.status == status).count();
    assert_eq!((with(200), with(409)), (1, 49));
    assert_eq!(ada.get(&format!("/history/ticket/{id}")).await.is(200).all("verb"), ["update", "create"]);
}

#[test]
fn what_is_wrong_with_states_is_said_with_its_place() {
    let said = |states: &str, columns: &str, actions: &[(&str, &str)]| -> Vec<String> {
        let folder = std::env::temp_dir().join(format!("rowhouse-states-{}", uuid::Uuid::now_v7()));
        std::fs::create_dir_all(folder.join("schema")).expect("a folder");
        std::fs::create_dir_all(folder.join("actions/job")).expect("a folder");
        std::fs::write(folder.join("schema/job.yaml"), format!("columns:\n{columns}\nstates:\n{states}")).expect("written");
        for (name, text) in actions {
            std::fs::write(folder.join(format!("actions/job/{name}.yaml")), text).expect("written");
        }
        let loaded = rowhouse::project::load(&folder);
        std::fs::remove_dir_all(&folder).expect("removed");
        loaded.err().unwrap_or_default().iter().map(ToString::to_string).collect()
    };
    let state = "  state: { type: enum, options: [new, old] }";
    let good = "  column: state\n  initial: new\n  events:\n    age: { from: new, to: old }";
    assert_eq!(said(good, state, &[]), Vec::<String>::new());
    let with = |event: &str| good.replace("{ from: new, to: old }", event);
    for (states, columns, words) in [
        (
            good.replace("initial: new", "initial: nwe"),
            state,
            "schema/job.yaml:4:3: `nwe` is no option of `state`; did you mean `new`?",
        ),
        (good.replace("column: state", "column: stat"), state, "there is no column `stat` for the states; did you mean `state`?"),
        (good.to_owned(), "  state: { type: label }", "`state` is no enum"),
        (good.to_owned(), "  state: { type: enum, options: [new, old, lost] }", "no event leads to `lost`"),
        (
            good.to_owned(),
            "  state: { type: enum, options: [new, old], default: old }",
            "`state` has another default than `initial` says",
        ),
        (with("{ from: [new, odl], to: old }"), state, ":7:5: `odl` is no option of `state`; did you mean `old`?"),
        (with("{ to: old }"), state, ":7:5: an event leads `from` some states `to` another"),
        (with("{ from: new, to: old, wen: x }"), state, ": unknown key `wen`; did you mean `when`?"),
        (
            with("{ from: new, to: old, when: subjekt.state }"),
            state,
            "schema/job.yaml:7:38: unknown name `subjekt`; did you mean `subject`?",
        ),
        (with("{ from: new, to: old, when: 0 }"), state, ": text is wanted here"),
        (with("{ from: new, to: old, when: [x] }"), state, ": text is wanted here"),
        (with("{ from: new, to: old, when: state is empty }"), state, ": not a condition: `empty` is nothing here"),
        (with("{ from: new, to: old, call: job/shuot }"), state, "schema/job.yaml:7:38: unknown action `job/shuot`"),
        ("  column: state".to_owned(), state, ": `events` is missing"),
    ] {
        let said = said(&states, columns, &[]);
        assert!(said.iter().any(|s| s.contains(words)), "{states}\nwanted {words}\nsaid {said:#?}");
    }
    let responds = "outcomes: [{ respond: client.reload }]";
    assert!(said(good, state, &[("age", responds)])[0].contains("schema/job.yaml:7:5: there is an action `age` already"));
    let sets = "subject: required\noutcomes:\n  - { update: subject, with: { state: old } }\n  - { respond: client.reload }";
    assert!(said(good, state, &[("cheat", sets)])[0].contains("actions/job/cheat.yaml:3:15: `state` is moved by its events"));
    for (on, words) in [
        ("{ after_craete: job }", "actions/job/l.yaml:1:7: unknown key `after_craete`; did you mean `after_create`?"),
        ("{ after_create: jbo }", ":1:21: unknown entity `jbo`; did you mean `job`?"),
        ("{ after_create: task }", ":1:21: nothing listens to task"),
        ("{ after_delete: job }\nsubject: required", "`after_delete` of job leaves no row of job as subject"),
        ("{ after_update: usergroup }\nsubject: required", "`after_update` of usergroup leaves no row of job as subject"),
        (
            "{ after_update: job }\ninputs: { a: { type: label, required: true } }",
            "nobody sends inputs to an action that listens",
        ),
    ] {
        let said = said(good, state, &[("l", &format!("on: {on}\n{responds}"))]);
        assert!(said.iter().any(|s| s.contains(words)), "{on}\nwanted {words}\nsaid {said:#?}");
    }
    let unheard = said(good, state, &[("l", "outcomes: [{ respond: client.reload, when: event.name == 'create' }]")]);
    assert!(unheard[0].contains("unknown name `event`"), "{unheard:?}");
}

#[tokio::test]
async fn b36_the_state_that_rows_begin_in_may_be_sent_and_events_are_told() {
    let world = World::of(FLOW).await;
    let ada = world.user("ada", &[]).await;
    let post = async |status: &str| {
        let attributes = json!({"title": "x", "status": status});
        ada.post("/api/ticket", json!({"data": {"type": "ticket", "attributes": attributes}})).await
    };
    let id = post("open").await.is(201).json["data"]["id"].as_str().expect("an id").to_owned();
    let refused = post("done").await.is(403);
    assert!(refused.text.contains("`status` is moved by its events: start, finish, shelve, never."), "{}", refused.text);
    let change = json!({"data": {"type": "ticket", "id": id, "attributes": {"status": "done"}}});
    let refused = ada.patch(&format!("/api/ticket/{id}"), change).await.is(403);
    assert!(refused.text.contains("is moved by its events"), "{}", refused.text);
    let all = ada.get("/actions").await.is(200).json;
    let start = all.as_array().expect("a list").iter().find(|a| a["entity"] == "ticket" && a["name"] == "start").expect("there");
    assert_eq!(start["event"], json!({"column": "status", "from": ["open", "shelved"], "to": "doing"}));
}

#[tokio::test]
async fn n4_an_event_declares_rights_and_takes_inputs() {
    let close = "      rights: { subject: read, case: refer }
      inputs: { reason: { type: label, required: true } }
      call: case/explain
      with: { reason: \"{{reason}}\" }
";
    let reopen = "    reopen:
      from: closed
      to: open
      permission: { group: [execute] }
      grants: [users]
      inputs: { reason: { type: label, required: true } }
      call: case/explain
      with: { reason: \"{{reason}}\" }
";
    let schema = cases("  note:   { type: text, read_only: true }\n", close, reopen);
    let explain = "subject: required
permission: { group: [execute] }
grants: [users]
lends: [case/close]
inputs: { reason: { type: label, required: true } }
outcomes:
  - update: subject
    with: { note: \"{{reason}}\" }
  - respond: client.reload
";
    let folder = crate::house::project(&[("schema/case.yaml", schema.as_str()), ("actions/case/explain.yaml", explain)]);
    let world = World::of(&folder).await;
    let ada = world.user("ada", &[]).await;
    let id = ada.make("case", json!({"title": "größe"}), json!({})).await;
    let change = json!({"data": {"type": "case", "id": id, "attributes": {"title": "x"}}});
    ada.patch(&format!("/api/case/{id}"), change).await.is(403);
    ada.act(&format!("case/{id}/close"), json!({})).await.is(422);
    ada.act(&format!("case/{id}/close"), json!({"reason": "done"})).await.is(200);
    let row = ada.get(&format!("/api/case/{id}")).await.is(200).json["data"]["attributes"].take();
    assert_eq!((&row["status"], &row["note"]), (&json!("closed"), &json!("done")));
    ada.act(&format!("case/{id}/reopen"), json!({"reason": "again"})).await.is(403); // it isn't lent that one's
}
