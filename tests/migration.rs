//! From files to tables: additive steps run, what loses waits for a word, live values stay.

use rowhouse::action::Actions;
use rowhouse::schema::Schema;
use rowhouse::schema::file::{File, load};
use rowhouse::start::{self, Destructive};
use rowhouse::store::Store;
use rowhouse::store::migrate;

use crate::house::{self, beside::Beside};

fn schema(own: &[(&str, &str)]) -> Schema {
    let embedded = ["action", "session", "user_account", "usergroup", "world"].map(|name| {
        let path = format!("schema/{name}.yaml");
        File { text: std::fs::read_to_string(&path).expect("embedded"), path }
    });
    let own = own.iter().map(|(name, text)| File { path: format!("schema/{name}.yaml"), text: (*text).to_owned() });
    load(&embedded.into_iter().chain(own).collect::<Vec<_>>()).expect("no complaints")
}

/// An empty database: the server's way to it, and one beside it.
async fn database() -> (Store, Beside) {
    let url = house::empty_database().await;
    (Store::open(&url, &house::limits()).expect("a store"), Beside::of(&url))
}

#[tokio::test]
async fn what_is_there_needs_no_steps() {
    let (store, _) = database().await;
    let schema = schema(&[(
        "order",
        "columns: { select: { type: integer, unique: owner, index: true }, 'größe': { type: enum, options: [\"a'b\"] } }\nrelations: { user: { many_to_many: order, inverse: from } }",
    )]);
    let first = migrate::plan(&store, &schema, &[]).await.expect("planned");
    assert!(first.steps.len() > 10);
    start::apply(&store, &schema, &Actions::default(), Destructive::Refused).await.expect("applied");
    let second = migrate::plan(&store, &schema, &[]).await.expect("planned");
    assert!(second.steps.is_empty() && second.values.is_empty(), "{second:?}");
}

#[tokio::test]
async fn two_servers_start_at_once_on_an_empty_database() {
    let (store, beside) = database().await;
    let schema = schema(&[("tag", "columns: { name: { type: label } }")]);
    let actions = Actions::default();
    let all = (0..4).map(|_| start::apply(&store, &schema, &actions, Destructive::Refused));
    for report in futures_util::future::join_all(all).await {
        report.expect("applied");
    }
    assert_eq!(beside.sql("select 1 from world where name = 'tag'").await.len(), 1);
}

#[tokio::test]
async fn additions_run_and_losses_wait_for_a_word() {
    let (store, beside) = database().await;
    start::apply(
        &store,
        &schema(&[(
            "tag",
            "columns: { name: { type: label, required: true }, old: { type: text, required: true, default: x } }",
        )]),
        &Actions::default(),
        Destructive::Refused,
    )
    .await
    .expect("applied");
    beside.sql("insert into tag (id, permission, name, old) values (gen_random_uuid(), 0, 'a', 'kept')").await;
    let next = schema(&[(
        "tag",
        "columns: { name: { type: label, required: true }, new: { type: integer, required: true, default: 7 } }",
    )]);
    let report = start::apply(&store, &next, &Actions::default(), Destructive::Refused).await.expect("applied");
    assert_eq!(report.losses().collect::<Vec<_>>(), ["the column tag.old with all its values"]);
    assert_eq!(beside.sql("select new from tag").await[0].int(0), Some(7));
    beside.sql("insert into tag (id, permission, name, new) values (gen_random_uuid(), 0, 'b', 8)").await; // `old` is in nobody's way
    assert_eq!(beside.sql("select old from tag where name = 'a'").await[0].text(0), Some("kept"));
    start::apply(&store, &next, &Actions::default(), Destructive::Allowed).await.expect("applied");
    assert!(migrate::plan(&store, &next, &[]).await.expect("planned").steps.is_empty());
    let gone = start::apply(&store, &schema(&[]), &Actions::default(), Destructive::Refused).await.expect("applied");
    assert_eq!(gone.losses().collect::<Vec<_>>(), ["the table tag with all its rows"]);
    let retyped = schema(&[("tag", "columns: { name: { type: label, required: true }, new: { type: text } }")]);
    let refused = start::apply(&store, &retyped, &Actions::default(), Destructive::Refused).await.expect_err("refused");
    assert!(refused.contains("tag.new from bigint to text"), "{refused}");
    start::apply(&store, &retyped, &Actions::default(), Destructive::Allowed).await.expect("applied");
    assert_eq!(beside.sql("select new from tag where name = 'a'").await[0].text(0), Some("7"));
}

#[tokio::test]
async fn live_values_stay_until_the_files_value_changes() {
    let (store, beside) = database().await;
    let file = |permission: i32| format!("permission: {permission}\ngrants: [writers]\ncolumns: {{ name: {{ type: label }} }}");
    start::apply(&store, &schema(&[("tag", &file(1))]), &Actions::default(), Destructive::Refused).await.expect("applied");
    beside.sql("update world set permission = 0, groups = '{}' where name = 'tag'").await;
    let live = async || {
        let row = &beside.sql("select permission::bigint, cardinality(groups)::bigint from world where name = 'tag'").await[0];
        (row.int(0), row.int(1))
    };
    let report =
        start::apply(&store, &schema(&[("tag", &file(1))]), &Actions::default(), Destructive::Refused).await.expect("applied");
    assert_eq!(live().await, (Some(0), Some(0)), "a restart opens nothing that was closed live");
    assert_eq!(report.values.len(), 2, "and the plan says so: {:?}", report.values);
    start::apply(&store, &schema(&[("tag", &file(3))]), &Actions::default(), Destructive::Refused).await.expect("applied");
    assert_eq!(live().await, (Some(3), Some(0)), "only the key that changed in the file");
}

#[tokio::test]
async fn rows_of_files_that_are_gone_stay_until_losing_them_is_allowed() {
    let (store, beside) = database().await;
    start::apply(&store, &schema(&[("tag", "")]), &Actions::default(), Destructive::Refused).await.expect("applied");
    let report = start::apply(&store, &schema(&[]), &Actions::default(), Destructive::Refused).await.expect("applied");
    assert!(report.values.iter().any(|v| v.starts_with("world tag: its file is gone; its row stays")), "{:?}", report.values);
    assert_eq!(beside.sql("select 1 from world where name = 'tag'").await.len(), 1);
    start::apply(&store, &schema(&[]), &Actions::default(), Destructive::Allowed).await.expect("applied");
    assert!(beside.sql("select 1 from world where name = 'tag'").await.is_empty());
    assert!(migrate::plan(&store, &schema(&[]), &[]).await.expect("planned").values.is_empty());
}
