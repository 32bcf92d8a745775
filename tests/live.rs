//! Changes of the schema on live data: names, types, tighter rules, other people's tables.

use rowhouse::action::Actions;
use rowhouse::schema::Schema;
use rowhouse::start::{self, Destructive};
use rowhouse::store::Store;
use rowhouse::store::migrate::{self, Report};
use serde_json::{Value as Json, json};

use crate::house::{self, World, beside::Beside, project};

/// An empty database, and ways to bring it to files.
struct Database {
    store: Store,
    beside: Beside,
}

impl Database {
    async fn new() -> Database {
        let url = house::empty_database().await;
        Database { store: Store::open(&url, &house::limits()).expect("a store"), beside: Beside::of(&url) }
    }

    fn load(files: &[(&str, &str)]) -> (Schema, Actions) {
        let files: Vec<_> = files.iter().map(|(name, text)| (format!("schema/{name}.yaml"), *text)).collect();
        rowhouse::project::load(project(&files).as_ref()).expect("no complaints")
    }

    async fn apply(&self, files: &[(&str, &str)], destructive: Destructive) -> Result<Report, String> {
        let (schema, actions) = Database::load(files);
        start::apply(&self.store, &schema, &actions, destructive).await
    }

    async fn plan(&self, files: &[(&str, &str)]) -> Report {
        let (schema, actions) = Database::load(files);
        migrate::plan(&self.store, &schema, &start::rows(&actions)).await.expect("planned")
    }

    /// Brings it to files, after a plan that says the same, and sees that nothing is left to do.
    async fn brought(&self, files: &[(&str, &str)]) -> Report {
        let planned = self.plan(files).await;
        let done = self.apply(files, Destructive::Allowed).await.expect("applied");
        assert_eq!(planned.steps, done.steps);
        let left = self.plan(files).await;
        assert!(left.steps.is_empty() && left.faults.is_empty() && left.values.is_empty(), "{left:#?}");
        done
    }

    /// What stands in the way of files: the plan says it beside its steps, and nothing is done.
    async fn faults(&self, files: &[(&str, &str)]) -> Vec<String> {
        let planned = self.plan(files).await;
        let refused = self.apply(files, Destructive::Allowed).await.expect_err("refused");
        assert!(planned.faults.iter().all(|words| refused.contains(words)), "{refused} {:?}", planned.faults);
        // What rows don't fit was tried, so its steps are there.
        assert!(!planned.steps.is_empty() || !planned.faults.iter().any(|words| words.contains(" row")), "{planned:?}");
        planned.faults
    }

    async fn text(&self, sql: &str) -> Option<String> {
        let rows = self.beside.sql(sql).await;
        rows.first().and_then(|row| row.text(0)).map(str::to_owned)
    }
}

const GROUP: (&str, &str) = ("team", "columns: { name: { type: label } }");

#[tokio::test]
async fn a04_types_change_in_one_go_and_leave_nothing_behind() {
    // From, a value as SQL, to, the value as text.
    let changes = [
        ("type: integer", "7", "type: enum, options: [\"1\", \"7\"]", Some("7")),
        ("type: boolean", "true", "type: enum, options: [\"true\", \"false\"], default: \"true\"", Some("true")),
        ("type: integer", "5", "type: name, unique: true", Some("5")),
        ("type: integer, index: true", "5", "type: label, required: true, default: x", Some("5")),
        ("type: label, required: true, default: \"1\"", "'12'", "type: integer, required: true, default: 3", Some("12")),
        ("type: boolean", "true", "type: integer", Some("1")),
        ("type: integer", "1", "type: boolean", Some("true")),
        ("type: float", "2", "type: integer", Some("2")),
        ("type: decimal, precision: 8, scale: 2", "3.00", "type: rating", Some("3")),
        ("type: label", "'12.50'", "type: decimal, precision: 8, scale: 1", Some("12.5")),
        ("type: label", "'2024-02-29'", "type: date, index: true", Some("2024-02-29")),
        ("type: date", "'2024-02-29'", "type: datetime", Some("2024-02-29 00:00:00+00")),
        ("type: enum, options: [a, b]", "'b'", "type: enum, options: [b, c]", Some("b")),
        ("type: enum, options: [a, b]", "'b'", "type: text", Some("b")),
        ("type: label", "'a\"b'", "type: json", Some("\"a\\\"b\"")),
        ("type: json", "'\"größe\"'", "type: label, unique: owner", Some("größe")),
        ("type: uuid", "'0190a3a0-0000-7000-8000-000000000001'", "type: label", Some("0190a3a0-0000-7000-8000-000000000001")),
        ("type: label", "null", "type: integer, required: true, default: 4", Some("4")),
    ];
    let file = |kind: &str| format!("columns: {{ v: {{ {kind} }} }}");
    let database = Database::new().await;
    for (at, (from, value, to, becomes)) in changes.into_iter().enumerate() {
        let name = format!("thing{at}");
        let (before, after) = (file(from), file(to));
        database.brought(&[(&name, &before)]).await;
        database.beside.sql(&format!("insert into {name} (id, permission, v) values (gen_random_uuid(), 0, {value})")).await;
        database.brought(&[(&name, &after)]).await;
        assert_eq!(database.text(&format!("select v::text from {name}")).await.as_deref(), becomes, "{from} → {to}");
        database.brought(&[]).await;
    }
    // Values that become others are said before.
    database.brought(&[("thing", &file("type: label"))]).await;
    for value in ["05", "7", "08"] {
        database.beside.sql(&format!("insert into thing (id, permission, v) values (gen_random_uuid(), 0, '{value}')")).await;
    }
    let said = database.brought(&[("thing", &file("type: integer"))]).await.values;
    assert!(said.len() == 1 && said[0].starts_with("thing.v: the value becomes another one in 2 rows: \"05\" (row "), "{said:?}");
    database.beside.sql("delete from thing").await;
    database.brought(&[("thing", &file("type: datetime"))]).await;
    let times = "insert into thing (id, permission, v) select gen_random_uuid(), 0, v::timestamptz from unnest(array['2024-02-29 00:00Z', '2024-02-29 12:00Z']) v";
    database.beside.sql(times).await;
    let said = database.brought(&[("thing", &file("type: date"))]).await.values;
    assert!(said[0].contains("in 1 row: \"2024-02-29 12:00:00+00\""), "{said:?}");
    database.brought(&[]).await;
    // A column becomes a relation of the same name, and back.
    database.brought(&[GROUP, ("thing", &file("type: label"))]).await;
    let team = "0190a3a0-0000-7000-8000-00000000000a";
    database.beside.sql(&format!("insert into team (id, permission) values ('{team}', 0)")).await;
    database.beside.sql(&format!("insert into thing (id, permission, v) values (gen_random_uuid(), 0, '{team}')")).await;
    let linked = "relations: { v: { belongs_to: team } }";
    database.brought(&[GROUP, ("thing", linked)]).await;
    assert_eq!(database.text("select v::text from thing").await.as_deref(), Some(team));
    database.brought(&[GROUP, ("thing", &file("type: text, required: true"))]).await;
    assert_eq!(database.text("select v from thing").await.as_deref(), Some(team));
    // Without the word, nothing at all is done.
    let refused = database.apply(&[GROUP, ("thing", linked)], Destructive::Refused).await.expect_err("refused");
    assert!(refused.contains("thing.v from text to uuid"), "{refused}");
}

#[tokio::test]
async fn a05_n9_what_rows_dont_fit_says_which_field_how_many_rows_and_which() {
    let database = Database::new().await;
    let file = |columns: &str| format!("columns: {{ {columns} }}");
    let first = file(
        "title: { type: label }, st: { type: enum, options: [a, b] }, n: { type: label }, per: { type: label, unique: owner }",
    );
    database.brought(&[("item", &first)]).await;
    let rows = "insert into item (id, permission, title, st, n, per)
        select ('00000000-0000-7000-8000-00000000000' || i)::uuid, 0, case when i < 3 then 'DÜP' else 't' || i end, 'b', case i when 1 then '' else '5' end,
          case when i < 3 then 'p' else 'q' || i end
        from generate_series(1, 4) i";
    database.beside.sql(rows).await;
    let faults = async |columns: &str| database.faults(&[("item", &file(columns))]).await;
    let unique = faults("title: { type: label, unique: true }, st: { type: enum, options: [a, b] }").await;
    assert_eq!(unique.len(), 1, "{unique:?}");
    assert!(
        unique[0].starts_with("item.title is to be unique, but these share a value with another row: 2 rows: \"DÜP\" (row 00000000-0000-7000-8000-000000000001), "),
        "{unique:?}"
    );
    let options = faults("st: { type: enum, options: [a, c] }").await;
    assert!(options[0].starts_with("item.st has options that these are none of: 4 rows: \"b\" (row 00000000"), "{options:?}");
    let required = faults("title: { type: label }, birthday: { type: date, required: true }").await;
    assert!(required[0].starts_with("item.birthday is new and required, but these would have no value: 4 rows"), "{required:?}");
    let whole = faults("per: { type: label, unique: true }").await;
    assert!(whole[0].contains("item.per is to be unique"), "{whole:?}");
    let kind = faults("n: { type: integer }").await;
    assert!(kind[0].starts_with("item.n is to be bigint, but these don't fit: 1 row: \"\" (row 00000000-"), "{kind:?}");
    // All at once.
    let many = faults(
        "title: { type: label, unique: true }, n: { type: integer, required: true }, new: { type: label, required: true }",
    )
    .await;
    assert_eq!(many.len(), 3, "{many:?}");
    database.beside.sql("update item set n = null").await;
    let null = faults("n: { type: label, required: true }").await;
    assert!(null[0].starts_with("item.n is required now, but these have no value: 4 rows"), "{null:?}");
    let secret = faults("n: { type: encrypted }").await;
    assert!(secret[0].contains("item.n was label and is to be encrypted"), "{secret:?}");
    let hashed = faults("title: { type: password }").await;
    assert!(hashed[0].contains("item.title was label and is to be password"), "{hashed:?}");
}

#[tokio::test]
async fn a21_tables_of_others_are_named_and_left_alone() {
    let database = Database::new().await;
    for sql in [
        "create table customer (id uuid primary key, name text not null, legacy_note text not null)",
        "create table session (sid varchar primary key, sess json, expire timestamp)",
        "create view task as select 1 as one",
        "create table other (id serial primary key)",
        "create domain item as text",
        "create type firm as enum ('a')",
    ] {
        database.beside.sql(sql).await;
    }
    let named = "columns: { name: { type: label } }";
    let files = [("customer", named), ("item", named), ("firm", named)];
    let faults = database.faults(&files).await;
    assert_eq!(faults.len(), 5, "{faults:?}");
    for name in ["item", "firm"] {
        assert!(faults.iter().any(|words| words.starts_with(&format!("public.{name} is there, and no table"))), "{faults:?}");
    }
    assert!(faults.iter().any(|words| words.starts_with("public.customer is a table that Rowhouse didn't make")), "{faults:?}");
    assert!(faults.iter().any(|words| words.starts_with("public.session is a table that Rowhouse didn't make")), "{faults:?}");
    assert!(faults.iter().any(|words| words.starts_with("public.task is there, and no table")), "{faults:?}");
    for sql in [
        "alter table customer rename to old_customer",
        "alter table session rename to web_session",
        "drop view task",
        "drop domain item",
        "drop type firm",
    ] {
        database.beside.sql(sql).await;
    }
    database.brought(&files).await;
    database.brought(&[]).await;
    let columns = "select count(*) from information_schema.columns where table_name in ('old_customer', 'web_session', 'other')";
    assert_eq!(database.beside.sql(columns).await[0].int(0), Some(7), "all as they were");
}

#[tokio::test]
async fn n20_as_many_options_as_check_passes_have_an_index_by_their_order() {
    // Random letters, which no index compresses; the longest names, and the shortest.
    for length in [60, 8, 6] {
        let count = 6000 / (length + 30);
        let letters = crate::cases::long(count * length);
        let options = letters.as_bytes().chunks(length).zip(10_000..);
        let options = options.map(|(part, at)| format!("o{at}{}", &String::from_utf8_lossy(part)[length.min(6)..]));
        let options = options.collect::<Vec<_>>().join(", ");
        let file = format!("default_order: [kind]\ncolumns: {{ kind: {{ type: enum, options: [{options}] }} }}");
        Database::new().await.brought(&[("item", &file)]).await;
    }
}

#[tokio::test]
async fn what_is_kept_of_an_entity_that_is_gone_stands_in_nobodys_way() {
    let database = Database::new().await;
    let item = "columns: { name: { type: label, required: true, unique: true } }
relations: { team: { belongs_to: team, required: true }, more: { many_to_many: team } }";
    database.brought(&[GROUP, ("item", item)]).await;
    database.beside.sql("insert into team (id, permission) values ('00000000-0000-7000-8000-00000000000a', 0)").await;
    let row = "insert into item (id, permission, name, team) values (gen_random_uuid(), 0, 'kept', '00000000-0000-7000-8000-00000000000a')";
    database.beside.sql(row).await;
    database.apply(&[GROUP], Destructive::Refused).await.expect("applied");
    database.beside.sql("delete from team").await; // which the kept row would have forbidden
    assert_eq!(database.text("select name from item").await.as_deref(), Some("kept"));
    let back = database.faults(&[GROUP, ("item", item)]).await;
    assert!(back[0].starts_with("item.team leads to team, but these lead to no row of it: 1 row"), "{back:?}");
    database.beside.sql("update item set name = 'x'").await;
    database.brought(&[GROUP]).await;
    assert!(database.text("select to_regclass('item')::text").await.is_none());
}

#[tokio::test]
async fn a_row_that_loses_a_link_because_the_other_is_deleted_has_a_new_version() {
    let item = "permission: { guest: [peek, read] }\ndefault_permission: { guest: [peek, read], owner: all }\nrelations: { team: { belongs_to: team } }";
    let world =
        World::of(&project(&[("schema/item.yaml", item), ("schema/team.yaml", "columns: { name: { type: label } }")])).await;
    world.sql("update world set permission = 127, groups = '{}' where name in ('item', 'team')").await;
    let ada = world.user("ada", &[]).await;
    let team = ada.make("team", json!({"name": "x"}), json!({})).await;
    let item = ada.make("item", json!({}), json!({"team": {"data": {"type": "team", "id": team}}})).await;
    let path = format!("/api/item/{item}");
    let before = ada.get(&path).await.is(200);
    ada.delete(&format!("/api/team/{team}")).await.is(204);
    let after = ada.get(&path).await.is(200);
    assert_eq!(after.json["data"]["attributes"]["version"], 2, "{}", after.text);
    assert_ne!(before.json["data"]["attributes"]["updated_at"], after.json["data"]["attributes"]["updated_at"]);
    let unchanged = ada.request(reqwest::Method::GET, &path).header("If-None-Match", before.header("etag"));
    ada.send(unchanged).await.is(200);
}

const TICKET: &str = "audit: true
permission: { guest: [peek, read, create, update, execute] }
default_permission: { guest: [peek, read, update, execute], owner: all, group: [peek, read] }
default_groups: [{ group: supporters, permission: [peek, read, update] }]
default_order: [number]
columns:
  number: { type: integer, index: true, default: 1 }
  hours_to_solve: { type: integer, unique: true }
  state: { type: enum, options: [open, done, shelved] }
relations:
  customer: { belongs_to: company, inverse: tickets }
  tags: { many_to_many: company }
states: { column: state, initial: open, events: { finish: { from: [open], to: done, permission: { guest: [execute] } }, shelve: { from: [open, done], to: shelved, permission: { guest: [execute] } } } }
";
const COMPANY: &str = "permission: { guest: [peek, read, create, refer] }
default_permission: { guest: [peek, read, refer] }
columns: { name: { type: label } }
";
const HEAR: &str = "on: { after_update: ticket }
outcomes:
  - create: company
    with: { name: \"heard {{event.after.hours_to_solve}} {{event.after.state}}\" }
";

/// The files of after: everything is called otherwise.
fn renamed() -> Vec<(String, String)> {
    let case = TICKET
        .replace("audit", "was: ticket\naudit")
        .replace("group: supporters,", "group: agents, was: supporters,")
        .replace("  hours_to_solve: { ", "  hours: { was: hours_to_solve, ")
        .replace("options: [open, done, shelved]", "options: [open, { name: solved, was: done }, shelved]")
        .replace("  customer: { belongs_to: company", "  firm: { was: customer, belongs_to: firm")
        .replace("  tags: { many_to_many: company", "  labels: { was: tags, many_to_many: firm")
        .replace("finish: { from: [open], to: done,", "solve: { was: finish, from: [open], to: solved,")
        .replace("from: [open, done]", "from: [open, solved]");
    let hear = HEAR
        .replace("after_update: ticket", "after_update: support_case")
        .replace("create: company", "create: firm")
        .replace("event.after.hours_to_solve", "event.after.hours")
        .replace("on:", "was: hear\non:");
    vec![
        ("schema/support_case.yaml".to_owned(), case),
        ("schema/firm.yaml".to_owned(), format!("was: company\n{COMPANY}")),
        ("actions/support_case/listen.yaml".to_owned(), hear),
    ]
}

#[tokio::test]
async fn a30_n8_what_is_called_otherwise_keeps_its_data_rights_history_and_what_waits() {
    let files = [("schema/ticket.yaml", TICKET), ("schema/company.yaml", COMPANY), ("actions/ticket/hear.yaml", HEAR)];
    let world = World::of(&project(&files)).await;
    let ada = world.user("ada", &[]).await;
    let company = ada.make("company", json!({"name": "Ünion"}), json!({})).await;
    let leads = |id: &str| json!({"type": "company", "id": id});
    let links = json!({"customer": {"data": leads(&company)}, "tags": {"data": [leads(&company)]}});
    let ticket = ada.make("ticket", json!({"number": 7, "hours_to_solve": 5}), links).await;
    ada.act("ticket/finish", json!({"ticket_id": ticket})).await.is(200); // and `hear` waits
    // Set live: it stays, whatever the group is called.
    world.sql("update world set permission = permission | 16, default_permission = 5 where name = 'ticket'").await;
    let live = "select permission::bigint, default_permission::bigint from world where name = ";
    let before = world.sql(&format!("{live}'ticket'")).await;
    let before = (before[0].int(0), before[0].int(1));
    assert_eq!(world.sql("select 1 from task where kind = 'event' and state = 'waiting'").await.len(), 1);

    let files = renamed();
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let folder = project(&files);
    let (schema, actions) = rowhouse::project::load(folder.as_ref()).expect("no complaints");
    let planned = migrate::plan(&world.app.store, &schema, &start::rows(&actions)).await.expect("planned");
    assert!(
        planned.faults.is_empty() && planned.losses().next().is_none() && planned.rewrites().next().is_none(),
        "{planned:#?}"
    );
    assert!(!planned.steps[0].is_borne, "the plan says first that the others stop");
    start::apply(&world.app.store, &schema, &actions, Destructive::Refused).await.expect("applied");
    let new = world.twin_with(|config| config.project = folder.into()).await;
    ada.get("/api/ticket").await.is(503);
    ada.get("/readyz").await.is(503);
    let again = migrate::plan(&new.app.store, &schema, &start::rows(&actions)).await.expect("planned");
    assert!(again.steps.is_empty() && again.faults.is_empty(), "applied once: {again:#?}");

    let eve = ada.at(&new);
    let row = eve.get(&format!("/api/support_case/{ticket}?include=firm,labels")).await.is(200);
    assert_eq!(row.json["data"]["attributes"]["hours"], 5, "{}", row.text);
    assert_eq!(row.json["data"]["attributes"]["state"], "solved", "{}", row.text);
    assert_eq!(row.json["data"]["relationships"]["firm"]["data"]["id"], company, "{}", row.text);
    assert_eq!(row.json["data"]["relationships"]["labels"]["data"][0]["id"], company, "{}", row.text);
    assert_eq!(eve.get(&format!("/api/firm/{company}/tickets")).await.is(200).ids(), std::slice::from_ref(&ticket));
    let history = eve.get(&format!("/history/support_case/{ticket}")).await.is(200);
    let history: Json = history.json;
    let text = history.to_string();
    assert!(text.contains(r#""state":"solved""#) && !text.contains("\"done\""), "{text}");
    assert!(text.contains("hours") && !text.contains("hours_to_solve"), "{text}");
    assert!(text.contains("support_case/solve") && !text.contains("ticket/finish"), "{text}");
    let now = world.sql(&format!("{live}'support_case'")).await;
    assert_eq!((now[0].int(0), now[0].int(1)), before, "what was set live stays");
    let groups = world.sql("select name from usergroup where name in ('agents', 'supporters')").await;
    assert_eq!(groups.iter().filter_map(|row| row.text(0)).collect::<Vec<_>>(), ["agents"]);
    new.run_tasks();
    new.until("select 1 from firm where name = 'heard 5 solved'").await;
    eve.act("support_case/shelve", json!({"support_case_id": ticket})).await.is(200);
}

#[tokio::test]
async fn names_that_are_both_there_are_told() {
    let database = Database::new().await;
    let file = |columns: &str| format!("columns: {{ {columns} }}\nrelations: {{ ones: {{ many_to_many: team }} }}");
    database.brought(&[GROUP, ("item", &file("a: { type: label }, b: { type: enum, options: [x, y] }"))]).await;
    // Somebody changed the file first, and reads of `was` then.
    let next = file("c: { type: label }, b: { type: enum, options: [x, y] }");
    database.apply(&[GROUP, ("item", &next)], Destructive::Refused).await.expect("applied");
    let both = database.faults(&[GROUP, ("item", &file("c: { type: label, was: a }, b: { type: enum, options: [x, y] }"))]).await;
    assert!(both[0].starts_with("item: the field `a` is to be called `c`, and both are there"), "{both:?}");
    let options = "a: { type: label }, b: { type: enum, options: [{ name: y, was: x }] }";
    let both = database.faults(&[GROUP, ("item", &file(options))]).await;
    assert!(both[0].contains("item.b: the option `x` is to be called `y`, and both were there"), "{both:?}");
    database.apply(&[GROUP, ("thing", "was: gone")], Destructive::Refused).await.expect("a name of before that nobody has");
    let both = database.faults(&[GROUP, ("thing", "was: item")]).await;
    assert!(both[0].starts_with("the entity `item` is to be called `thing`, and both are there"), "{both:?}");
    for (name, text, words) in [
        ("x", "columns: { a: { type: text, was: group_bits } }", "`group_bits` is every row's"),
        ("x", "default_groups: [{ group: a, was: b }, b]", "the group `b` is named as well"),
        (
            "x",
            "default_groups: [{ group: a, was: c }]\ngrants: [{ group: b, was: c }]",
            "the group `c` became something else already",
        ),
        ("x", "columns: { a: { type: integer } }\nunique: [{ fields: [a], where: { a: [] } }]", "at least one value is wanted"),
        ("x", "columns: { a: { type: label }, b: { type: label, was: a } }", "`a` is there as well"),
        ("x", "columns: { a: { type: label, was: c }, b: { type: label, was: c } }", "`c` became something else already"),
        ("x", "was: team", "`team` is there as well"),
        ("x", "columns: { a: { type: label, was: a } }", "`was` is the name before"),
        ("x", "columns: { a: { type: enum, options: [b, { name: c, was: b }] } }", "`b` is there as well"),
    ] {
        let files = [("schema/team.yaml", GROUP.1.to_owned()), (&*format!("schema/{name}.yaml"), text.to_owned())]
            .map(|(p, t)| (p.to_owned(), t));
        let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        let complaints = rowhouse::project::load(project(&files).as_ref()).expect_err("a complaint");
        assert!(complaints.iter().any(|complaint| complaint.words.contains(words)), "{text}: {complaints:?}");
    }
}

#[tokio::test]
async fn n12_rows_with_the_defaults_of_before_get_those_of_today_and_no_others() {
    let file = |defaults: &str| format!("audit: true\ncolumns: {{ n: {{ type: integer }} }}\n{defaults}\n");
    let first = "default_permission: { owner: all }\ndefault_groups: [writers]";
    let world = World::of(&project(&[("schema/item.yaml", file(first))])).await;
    let ada = world.user("ada", &[]).await;
    let mut ids = vec![];
    for n in 0..6 {
        ids.push(ada.make("item", json!({"n": n}), json!({})).await);
    }
    world.sql(&format!("update item set permission = permission | 8 where id = '{}'", ids[0])).await;
    world.sql(&format!("update item set groups = '{{}}', group_bits = null where id = '{}'", ids[1])).await;
    // More than one batch.
    let many = "insert into item (id, permission, groups, n) select gen_random_uuid(), i.permission, i.groups, 7 from generate_series(1, 2500), item i where i.n = 5";
    world.sql(many).await;
    let brought = async |defaults: &str| {
        let (schema, actions) =
            rowhouse::project::load(project(&[("schema/item.yaml", file(defaults))]).as_ref()).expect("loads");
        start::apply(&world.app.store, &schema, &actions, Destructive::Refused).await.expect("applied");
        schema
    };
    brought("default_permission: { guest: [read], owner: all }\ndefault_groups: [writers]").await;
    let schema = brought("default_permission: { guest: [peek, read], owner: all }\ndefault_groups: [{ group: readers, permission: [read] }, writers]").await;
    let item = schema.entity("item").expect("there");
    let said = async |from: Option<&str>, is_dry: bool| {
        let from = from.map(|text| start::permission(text).expect("a permission"));
        rowhouse::store::regrant::regrant(&world.app.store, item, from, is_dry).await.expect("done")
    };
    let left = "0 of 2506 have them already; 2 have other rights and stay as they are";
    assert_eq!(said(None, true).await, format!("item: 2504 rows would get today's defaults; {left}"));
    let rights = "select distinct permission::bigint, cardinality(groups)::bigint, version from item where n > 1";
    assert_eq!(world.sql(rights).await.len(), 1, "dry is dry");
    assert_eq!(said(None, false).await, format!("item: 2504 rows have today's defaults now; {left}"));
    let now = world.sql(rights).await;
    assert_eq!((now.len(), now[0].int(1), now[0].int(2)), (1, Some(2), Some(2)));
    let noted =
        "select count(*), min(action) from rowhouse.change where entity = 'item' and verb = 'update' and action is not null";
    let noted = &world.sql(noted).await[0];
    assert_eq!((noted.int(0), noted.text(1)), (Some(2504), Some("admin/regrant")));
    // By a permission that is named: what nobody granted otherwise.
    assert!(said(Some("{ owner: all }"), true).await.starts_with("item: 1 rows would get"));
    let named = said(Some("{ guest: [update], owner: all }"), false).await;
    assert!(named.starts_with("item: 1 rows have today's defaults now"), "{named}");
    assert!(said(None, true).await.starts_with("item: 0 rows would get"));
    assert!(start::permission("{ guest: [reed] }").expect_err("a word").contains("did you mean `read`?"));
}

#[tokio::test]
async fn names_that_are_cut_are_still_told_apart() {
    let long = "quarterly_procurement_report_of_department_and_of_its_team";
    let file =
        "default_order: [a]\ncolumns: { a: { type: integer, index: true, unique: owner }, b: { type: integer, index: true } }
relations: { c: { belongs_to: usergroup }, d: { belongs_to: usergroup } }
unique: [[owner, a], [owner, a], [a, b]]";
    let database = Database::new().await;
    let names = [format!("{long}1"), format!("{long}2")];
    database.brought(&[(&names[0], file), (&names[1], file)]).await;
    // An index that two ask for is there once.
    let indexes = format!("select count(*) from pg_indexes where tablename = '{long}1' and indexdef like '%(a, id)'");
    assert_eq!(database.beside.sql(&indexes).await[0].int(0), Some(1));
}

#[tokio::test]
async fn links_of_a_renamed_entity_go_with_it_however_long_their_names_are() {
    let long = "companies_that_were_asked_to_take_part_in_the_review";
    let file = |was: &str| format!("{was}relations: {{ {long}: {{ many_to_many: team }}, few: {{ many_to_many: team }} }}");
    let database = Database::new().await;
    database.brought(&[GROUP, ("ticket_of_support", &file(""))]).await;
    let tables = "select tablename::text from pg_tables where tablename like '%ticket_of_support.comp%'";
    let table = database.text(tables).await.expect("a table of pairs");
    for table in [table.as_str(), "ticket_of_support.few"] {
        database.beside.sql("insert into team (id, permission) values (gen_random_uuid(), 0)").await;
        database.beside.sql("insert into ticket_of_support (id, permission) values (gen_random_uuid(), 0)").await;
        let links = format!("insert into \"{table}\" select s.id, t.id, now() from ticket_of_support s, team t limit 1");
        database.beside.sql(&links).await;
    }
    let report = database.brought(&[GROUP, ("case_of_support", &file("was: ticket_of_support\n"))]).await;
    assert_eq!(report.losses().count(), 0, "{report:#?}");
    for like in ["case_of_support.comp%", "case_of_support.few"] {
        let table =
            database.text(&format!("select tablename::text from pg_tables where tablename like '{like}'")).await.expect("there");
        assert_eq!(database.beside.sql(&format!("select count(*) from \"{table}\"")).await[0].int(0), Some(1), "{table}");
    }
}

#[tokio::test]
async fn what_held_passwords_never_becomes_readable() {
    let file = |columns: &str| format!("columns: {{ {columns} }}");
    let database = Database::new().await;
    for (at, secret) in ["v: { type: password }", "v: { type: password, hidden: true }"].into_iter().enumerate() {
        let name = format!("thing{at}");
        database.brought(&[(&name, &file(secret))]).await;
        database.beside.sql(&format!("insert into {name} (id, permission, v) values (gen_random_uuid(), 0, 'a hash')")).await;
        let readable = file("v: { type: label }");
        assert!(database.faults(&[(&name, &readable)]).await[0].contains(&format!("{name}.v was password")), "{secret}");
        // Neither after it was gone for a while, nor under another name.
        database.apply(&[(&name, "")], Destructive::Refused).await.expect("kept");
        assert!(database.faults(&[(&name, &readable)]).await[0].contains("was password"), "{secret}");
        assert!(
            database.faults(&[(&name, &file("w: { type: text, was: v }"))]).await[0].contains(&format!("{name}.w was password"))
        );
        database.brought(&[(&name, &file(secret))]).await;
        assert_eq!(database.text(&format!("select v from {name}")).await.as_deref(), Some("a hash"));
    }
}

#[tokio::test]
async fn older_files_make_nothing_anew_of_what_was_renamed() {
    let old = [GROUP, ("ticket", "default_groups: [supporters]\ncolumns: { hours: { type: integer }, n: { type: label } }")];
    let new = [
        GROUP,
        (
            "case",
            "was: ticket\ndefault_groups: [{ group: agents, was: supporters }]\ncolumns: { time: { type: integer, was: hours }, n: { type: label } }",
        ),
    ];
    let database = Database::new().await;
    database.brought(&old).await;
    database.brought(&new).await;
    let faults = database.apply(&old, Destructive::Refused).await.expect_err("older files");
    for words in ["the entity `ticket` became `case` when newer files were applied", "the group `supporters` became `agents`"] {
        assert!(faults.contains(words), "{faults}");
    }
    let half = [GROUP, ("case", "default_groups: [agents]\ncolumns: { hours: { type: integer }, n: { type: label } }")];
    let faults = database.apply(&half, Destructive::Refused).await.expect_err("older fields");
    assert!(faults.contains("case: the field `hours` became `time`"), "{faults}");
    database.brought(&new).await;
    // However often it was renamed.
    database
        .brought(&[
            GROUP,
            ("lawsuit", "was: case\ndefault_groups: [agents]\ncolumns: { time: { type: integer }, n: { type: label } }"),
        ])
        .await;
    let faults = database.apply(&old, Destructive::Refused).await.expect_err("much older files");
    assert!(faults.contains("the entity `ticket` became `lawsuit`"), "{faults}");
    database
        .brought(&[
            GROUP,
            ("case", "was: lawsuit\ndefault_groups: [agents]\ncolumns: { time: { type: integer }, n: { type: label } }"),
        ])
        .await;
    // One may go back by saying so, and use the name for something else where both are named.
    let back = [
        GROUP,
        (
            "ticket",
            "was: case\ndefault_groups: [{ group: supporters, was: agents }]\ncolumns: { hours: { type: integer, was: time }, n: { type: label } }",
        ),
    ];
    database.brought(&back).await;
    database.brought(&old).await;
    database.brought(&new).await;
    let both = [
        GROUP,
        ("case", "columns: { time: { type: integer }, hours: { type: integer }, n: { type: label } }\ndefault_groups: [agents]"),
        ("ticket", ""),
    ];
    database.brought(&both).await;
}

#[tokio::test]
async fn where_something_stands_in_the_way_it_is_said_and_nothing_else() {
    let database = Database::new().await;
    database.beside.sql("create table customer (cid integer)").await;
    let files = [("customer", ""), ("a", "relations: { c: { belongs_to: customer }, d: { many_to_many: customer } }")];
    let faults = database.faults(&files).await;
    assert!(faults.len() == 1 && faults[0].starts_with("public.customer is a table that Rowhouse didn't make"), "{faults:?}");
    database.beside.sql("drop table customer").await;
    database.brought(&[("a", "columns: { n: { type: integer }, l: { type: label }, w: { type: label } }")]).await;
    database.beside.sql("insert into a (id, permission, n, l, w) values (gen_random_uuid(), 0, 7, 'x', 'y')").await;
    let next = "columns: { n: { type: date, required: true, default: 2024-01-01 }, l: { type: date }, w: { type: label } }
unique: [{ fields: [w], where: { l: [2024-01-01] } }]";
    let faults = database.faults(&[("a", next)]).await;
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert!(faults[0].starts_with("a.n is to be date, but these don't fit: 1 row: \"7\""), "{faults:?}");
    assert!(faults[1].starts_with("a.l is to be date, but these don't fit: 1 row: \"x\""), "{faults:?}");
}

#[tokio::test]
async fn defaults_and_conditions_are_what_would_be_stored() {
    let file = "columns:
  j: { type: json, required: true, default: draft }
  i: { type: integer, required: true, default: 1.0 }
  d: { type: date, required: true, default: \"-000043-03-15\" }
  t: { type: datetime, required: true, default: \"+012345-01-01T00:00:00Z\" }
  m: { type: email }
  u: { type: label }
unique: [{ fields: [u], where: { m: A@B.example, i: 1.0 } }]
";
    let database = Database::new().await;
    database.brought(&[("thing", "")]).await;
    database.beside.sql("insert into thing (id, permission) values (gen_random_uuid(), 0)").await;
    database.brought(&[("thing", file)]).await;
    let values = database.text("select concat_ws(' ', j, i, d, t) from thing").await;
    assert_eq!(values.as_deref(), Some("\"draft\" 1 0044-03-15 BC 12345-01-01 00:00:00+00"));
    let index = database
        .text("select indexdef from pg_indexes where tablename = 'thing' and indexdef like '%(u)%'")
        .await
        .expect("there");
    assert!(index.contains("'A@b.example'"), "{index}");
}

#[tokio::test]
async fn what_others_made_of_our_tables_is_named_and_stays() {
    let database = Database::new().await;
    let item = "columns: { n: { type: label }, m: { type: label } }\nrelations: { up: { belongs_to: item }, team: { belongs_to: team } }";
    database.brought(&[GROUP, ("item", item)]).await;
    for sql in [
        "create view of_items as select n from item",
        "create table bill (item uuid references item)",
        "create view of_pairs as select name from team",
    ] {
        database.beside.sql(sql).await;
    }
    let less = "columns: { m: { type: label } }\nrelations: { up: { belongs_to: item }, team: { belongs_to: team } }";
    let retyped = item.replace("n: { type: label }", "n: { type: integer }");
    for (files, words) in [
        (vec![GROUP, ("item", less)], "item.n: what Rowhouse didn't make depends on it: of_items"),
        (vec![GROUP, ("item", retyped.as_str())], "item.n: what Rowhouse didn't make depends on it: of_items"),
        (vec![GROUP], "item: what Rowhouse didn't make depends on it: "),
    ] {
        let planned = database.plan(&files).await;
        assert!(planned.values.iter().chain(&planned.faults).any(|said| said.contains(words)), "{words}: {planned:#?}");
        let refused = database.apply(&files, Destructive::Allowed).await.expect_err("refused");
        assert!(refused.contains(words) && refused.contains("Take it away first"), "{refused}");
    }
    assert!(database.plan(&[GROUP]).await.values.iter().any(|said| said.contains("bill") && said.contains("of_items")));
    assert_eq!(
        database
            .text("select string_agg(viewname, ' ' order by viewname) from pg_views where schemaname = 'public'")
            .await
            .as_deref(),
        Some("of_items of_pairs")
    );
    database.beside.sql("drop view of_items").await;
    database.beside.sql("drop table bill").await;
    database.beside.sql("drop view of_pairs").await;
    database.brought(&[GROUP, ("item", &retyped)]).await;
    database.brought(&[]).await; // tables that lead to each other, and to themselves
}

#[tokio::test]
async fn links_that_lead_nowhere_and_texts_too_long_for_an_index_are_named() {
    let database = Database::new().await;
    let item = |target: &str, index: bool| {
        format!("columns: {{ body: {{ type: text, index: {index} }} }}\nrelations: {{ of: {{ many_to_many: {target} }} }}")
    };
    let other = ("firm", "columns: { name: { type: label } }");
    database.brought(&[GROUP, other, ("item", &item("team", false))]).await;
    database.beside.sql("insert into team (id, permission) values ('00000000-0000-7000-8000-00000000000a', 0)").await;
    let row = "insert into item (id, permission, body) select '00000000-0000-7000-8000-00000000000b', 0, string_agg(md5(i::text), '') from generate_series(1, 400) i";
    database.beside.sql(row).await;
    database.beside.sql("insert into \"item.of\" select i.id, t.id, now() from item i, team t").await;
    let faults = database.faults(&[GROUP, other, ("item", &item("firm", true))]).await;
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert!(faults[0].starts_with("item.body is to have an index, but these are too long for one: 1 row: \"c4ca"), "{faults:?}");
    assert!(faults[1].starts_with("item.of leads to firm, but these lead to no row of it: 1 row: \"00000000-0000-7000-8000-00000000000a\" (row 00000000-0000-7000-8000-00000000000b)"), "{faults:?}");
}

#[tokio::test]
async fn rows_that_a_rule_of_today_does_not_fit_are_named_and_markup_that_is_served_as_clean_is_it() {
    let before = "columns: { a: { type: label }, c: { type: text }, f: { type: float }, g: { type: label }, i: { type: integer, max: 9 } }";
    let database = Database::new().await;
    database.brought(&[("item", before)]).await;
    let row = "insert into item (id, permission, a, c, f, g, i) values ('00000000-0000-7000-8000-000000000001', 0, 'five', '<b>x</b><script>alert(1)</script>', 500.5, 'abcdef', 7)";
    database.beside.sql(row).await;
    let many = "insert into item (id, permission, a, g) select gen_random_uuid(), 0, 'a@example.org', 'abc' from generate_series(1, 2500)";
    database.beside.sql(many).await;
    let after = |c: &str| {
        format!(
            "columns: {{ a: {{ type: email }}, c: {{ type: {c} }}, f: {{ type: latitude }}, g: {{ type: label, pattern: \"^...$\" }}, i: {{ type: integer, max: 5 }}, z: {{ type: date }} }}"
        )
    };
    let faults = database.faults(&[("item", &after("html"))]).await;
    assert!(
        faults.len() == 1 && faults[0].starts_with("item.c is to be clean markup, and these are not: 1 row: \"<b>x</b><script>"),
        "{faults:?}"
    );
    let said = database.brought(&[("item", &after("html, clean: false"))]).await.values;
    let of = |field: &str, value: &str| {
        let words = format!(
            "item.{field}: these don't meet the rule of today, and stay as they are until they are changed: 1 row: \"{value}\" (row 00000000-0000-7000-8000-000000000001)"
        );
        assert!(said.contains(&words), "{words}: {said:?}");
    };
    of("a", "five");
    of("f", "500.5");
    of("g", "abcdef");
    of("i", "7");
    assert_eq!(said.len(), 4, "{said:?}");
    database.beside.sql("update item set c = '<b>x</b>' where c is not null").await;
    assert!(database.brought(&[("item", &after("html"))]).await.values.is_empty());
}
