//! The plans of lists on 1,000,000 rows, for who sees all, half, little and nothing: indexes, and no scan of the table.

use std::sync::Arc;

use rowhouse::plan::{Pick, Planner};
use rowhouse::request::Query;
use rowhouse::statement::read::{self, Part};
use rowhouse::statement::who;
use uuid::Uuid;

use crate::house::World;

/// Articles by 1,000 owners; each granted to one of 1,000 groups, to one that all are granted to, and every second one to
/// one more. Indexes are made when the rows are there, which is quicker.
async fn seed(world: &World) {
    let kept = "select replace(indexrelid::regclass::text, '\"', ''), pg_get_indexdef(indexrelid) from pg_index where indrelid = 'article'::regclass and not indisprimary";
    let kept: Vec<(String, String)> = world
        .sql(kept)
        .await
        .iter()
        .map(|row| (row.text(0).expect("a name").to_owned(), row.text(1).expect("SQL").to_owned()))
        .collect();
    assert!(kept.len() > 5);
    for (name, _) in &kept {
        world.sql(&format!("drop index \"{name}\"")).await;
    }
    for sql in [
        "insert into user_account (id, owner, permission, name, email, active, email_verified) select gen_random_uuid(), null, 16257, 'u' || n, 'u' || n || '@example.org', true, false from generate_series(1, 1000) n",
        "insert into usergroup (id, permission, name, joinable, declared) select ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, 0, 'g' || n, false, false from generate_series(100000, 101002) n",
    ] {
        world.sql(sql).await;
    }
    let group = |n: &str| format!("('00000000-0000-7000-8000-' || lpad(to_hex({n}), 12, '0'))::uuid");
    for part in 0..10 {
        world
            .sql(&format!(
                "insert into article (id, owner, permission, groups, title, status, published_at, author) select gen_random_uuid(), u.ids[1 + n % 1000], 16256 + 32768, \
                 case when n % 2 = 0 then array[{}, {}, {}] else array[{}, {}] end, 'Article ' || n, 'published', timestamptz '2026-01-01' - n * interval '1 minute', u.ids[1 + n % 1000] \
                 from generate_series({}, {}) n, (select array_agg(id) as ids from user_account) u",
                group("100000 + n % 1000"), group("101000"), group("101001"), group("100000 + n % 1000"), group("101000"),
                part * 100_000, part * 100_000 + 99_999
            ))
            .await;
    }
    for (_, definition) in &kept {
        world.sql(definition).await;
    }
    world.sql("analyze").await;
}

/// What PostgreSQL did for a list as somebody: for its walk, and for its candidates.
async fn plan(world: &World, session: Uuid, query: &str) -> Vec<String> {
    let (schema, store) = (&world.app.schema, &world.app.store);
    let planner = Planner { schema, limits: &world.app.config.limits, page: &world.app.config.page };
    let plan = planner.read(schema.entity("article").expect("there"), Pick::Page, &Query::read(query));
    let known = store.read(&who::learn(Some(session))).await.expect("learned").known(schema).expect("a session");
    let mut found = vec![];
    for part in [Part::First, Part::Candidates] {
        let list = Arc::new(read::shape(schema, &plan, &known, part)).read(&plan, &known);
        found.push(store.read(&list.explain()).await.expect("a plan").join("\n"));
    }
    found
}

/// The longest way through the table: rows that a node touched, fetched or thrown away.
fn touched(plan: &str) -> i64 {
    let number = |line: &str, word: &str| {
        let after = line.split(word).nth(1)?;
        after.trim_start_matches([':', ' ']).split(|c: char| !c.is_ascii_digit()).next()?.parse::<i64>().ok()
    };
    plan.lines()
        .filter_map(|line| number(line, "actual rows=").or_else(|| number(line, "Rows Removed by Filter")))
        .max()
        .unwrap_or(0)
}

#[tokio::test]
async fn a_page_of_a_million_rows_walks_no_table_whoever_asks() {
    let world = World::with(|config| config.database.statement = std::time::Duration::from_secs(300)).await;
    seed(&world).await;
    let mut people = vec![];
    for (name, group) in
        [("everything", Some(101_000)), ("half", Some(101_001)), ("a thousandth", Some(100_007)), ("nothing", None)]
    {
        let someone = world.user(&name.replace(' ', "-"), &[]).await;
        if let Some(group) = group {
            let member = format!(
                "insert into \"usergroup.members\" (source, target, created_at) values ('00000000-0000-7000-8000-{group:012x}', '{}', now())",
                someone.id
            );
            world.sql(&member).await;
        }
        let session =
            world.sql(&format!("select id from session where \"user\" = '{}'", someone.id)).await[0].uuid(0).expect("a session");
        people.push((name, someone, session));
    }
    for (name, someone, session) in &people {
        for query in ["", "page[size]=25&page[number]=2"] {
            let is_much = matches!(*name, "everything" | "half");
            // Those who see much need no candidates: of these there are as many as they see.
            for did in plan(&world, *session, query).await.iter().take(if is_much { 1 } else { 2 }) {
                let scans = did.lines().filter(|l| l.contains("Seq Scan on public.article") && !l.contains("never executed"));
                assert_eq!(scans.count(), 0, "{name}: {did}");
                assert!(touched(did) <= 20_000, "{name} touches {} rows: {did}", touched(did));
            }
        }
        let wanted = if *name == "nothing" { 0 } else { 25 };
        let first = someone.get("/api/article").await.is(200);
        assert_eq!(first.ids().len(), wanted, "{name}");
        if wanted > 0 {
            let second = someone.get(first.json["links"]["next"].as_str().expect("a next page")).await.is(200);
            assert!(second.ids().iter().all(|id| !first.ids().contains(id)));
            let numbered = someone.get("/api/article?page[number]=2").await.is(200);
            assert_eq!(numbered.ids(), second.ids(), "{name}: cursors and numbers lead to the same page");
            let back = someone.get(second.json["links"]["prev"].as_str().expect("a page before")).await.is(200);
            assert_eq!(back.ids(), first.ids());
        }
    }
}
