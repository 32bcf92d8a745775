//! Schemas of other nodes: who serves what is still there goes on; who serves what is gone answers 503, and says so.

use serde_json::json;

use crate::house::{self, World};

const NOTE: &str = "permission: { guest: [peek, read, create] }\ncolumns:\n  text: { type: text }\n";

fn project(files: &[(&str, &str)]) -> String {
    house::project(&files.iter().map(|(name, text)| (format!("schema/{name}.yaml"), *text)).collect::<Vec<_>>())
}

/// Applies other files to a world's database, as a node that is started with them does.
async fn apply(world: &World, files: &[(&str, &str)], destructive: rowhouse::start::Destructive) {
    let mut config = world.app.config.clone();
    config.project = project(files).into();
    let (schema, actions) = rowhouse::start::project(&config).expect("a project");
    rowhouse::start::apply(&world.app.store, &schema, &actions, destructive).await.expect("applied");
}

#[tokio::test]
async fn what_is_added_is_borne_and_what_is_taken_away_is_503() {
    use rowhouse::start::Destructive::{Allowed, Refused};
    let world = World::of(&project(&[("note", NOTE)])).await;
    let guest = world.guest();
    let made = json!({"data": {"type": "note", "attributes": {"text": "x"}}});
    let asks = async || {
        for _ in 0..3 {
            guest.get("/api/note").await.is(200);
            guest.post("/api/note", made.clone()).await.is(201);
        }
        guest.get("/readyz").await.is(200);
    };
    asks().await;
    let more = format!("{NOTE}  more: {{ type: label }}\n");
    apply(&world, &[("note", &more), ("other", NOTE)], Refused).await;
    asks().await;
    // What a new row can't do without, the database knows, too: it keeps the default.
    let filled = format!("{NOTE}  more: {{ type: label, required: true, default: x }}\n");
    apply(&world, &[("note", &filled), ("other", NOTE)], Refused).await;
    asks().await;
    assert_eq!(world.sql("select distinct more from note").await[0].text(0), Some("x"));
    // What it can't do without, and nobody fills, this node doesn't know of.
    world.sql("delete from note").await;
    let needed = format!("{NOTE}  more: {{ type: label, required: true }}\n");
    apply(&world, &[("note", &needed), ("other", NOTE)], Refused).await;
    let away = guest.get("/api/note").await.is(503);
    assert_eq!(away.json["errors"][0]["code"], "schema-changed", "{}", away.text);
    guest.post("/api/note", made.clone()).await.is(503);
    guest.get("/readyz").await.is(503);
    guest.get("/healthz").await.is(200);
    // Another node, whose files are those.
    let mut config = world.app.config.clone();
    config.project = project(&[("note", &needed), ("other", NOTE)]).into();
    let new = world.twin_with(|twin| twin.project = config.project.clone()).await;
    new.guest().get("/api/note").await.is(200);
    apply(&new, &[("note", "columns: {}\n"), ("other", NOTE)], Allowed).await;
    new.guest().get("/readyz").await.is(503);
    new.guest().get("/api/note").await.is(503);
}

#[tokio::test]
async fn other_readers_of_a_column_are_another_schema() {
    let limited = "permission: { guest: [peek, read] }\ncolumns:\n  text: { type: text, read: [owner] }\n";
    let world = World::of(&project(&[("note", &NOTE.replace(", create", ""))])).await;
    world.sql("insert into note (id, permission, text) values (gen_random_uuid(), 2, 'not yet hidden')").await;
    assert!(world.guest().get("/api/note").await.is(200).text.contains("not yet hidden"));
    apply(&world, &[("note", limited)], rowhouse::start::Destructive::Refused).await;
    let away = world.guest().get("/api/note").await.is(503);
    assert!(!away.text.contains("not yet hidden"));
}

#[tokio::test]
async fn a_column_that_goes_away_under_a_node_is_503_and_never_500() {
    let world = World::new().await;
    let ada = world.user("ada", &[]).await;
    let tag = ada.make("tag", json!({"name": "x"}), json!({})).await;
    for _ in 0..3 {
        ada.get(&format!("/api/tag/{tag}")).await.is(200);
        ada.get("/api/tag").await.is(200);
    }
    world.sql("alter table tag rename column color to colour").await;
    for path in [format!("/api/tag/{tag}"), "/api/tag".to_owned(), "/aggregate/tag?measure=count&group=color".to_owned()] {
        let away = ada.get(&path).await.is(503);
        assert_eq!(away.json["errors"][0]["code"], "schema-changed", "{path}: {}", away.text);
    }
    let patch = json!({"data": {"type": "tag", "id": tag, "attributes": {"color": "#123456"}}});
    ada.patch(&format!("/api/tag/{tag}"), patch).await.is(503);
    world.sql("alter table tag rename column colour to color").await;
    ada.get(&format!("/api/tag/{tag}")).await.is(200);
}

#[tokio::test]
async fn options_that_are_added_are_borne_and_those_that_are_renamed_are_another_schema() {
    use rowhouse::start::Destructive::{Allowed, Refused};
    let file = |options: &str| format!("{NOTE}  state: {{ type: enum, options: [{options}] }}\n");
    let world = World::of(&project(&[("note", &file("open, done"))])).await;
    apply(&world, &[("note", &file("open, waits, done"))], Refused).await;
    world.guest().get("/api/note").await.is(200);
    apply(&world, &[("note", &file("open, waits, { name: solved, was: done }"))], Allowed).await;
    world.guest().get("/api/note").await.is(503);
    // An action that is gone from the files is kept, and one that is renamed isn't there any more.
    let act = "permission: { guest: [execute] }\noutcomes:\n  - respond: client.notify\n    with: { type: success, title: T, message: M }\n";
    let files = [("schema/note.yaml", NOTE), ("actions/note/go.yaml", act)];
    let world = World::of(&house::project(&files)).await;
    apply(&world, &[("note", NOTE)], Refused).await;
    world.guest().get("/api/note").await.is(200);
    let renamed = format!("was: go\n{act}");
    let folder = house::project(&[("schema/note.yaml", NOTE), ("actions/note/run.yaml", &renamed)]);
    let (schema, actions) = rowhouse::project::load(folder.as_ref()).expect("loads");
    rowhouse::start::apply(&world.app.store, &schema, &actions, Refused).await.expect("applied");
    world.guest().get("/api/note").await.is(503);
}
