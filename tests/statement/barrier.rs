//! The rule stands before the client's conditions (`permissions.md` §4): by what PostgreSQL does, and by the clock.

use std::sync::Arc;

use rowhouse::plan::Planner;
use rowhouse::request::aggregate::Aggregate;
use rowhouse::statement::query::Guarded;
use rowhouse::statement::read::{self, Part};
use rowhouse::statement::who;
use serde_json::json;
use uuid::Uuid;

use super::golden::{AGGREGATE, READS, plan};
use crate::house::World;

/// Functions of a client's that may not stand beside the rule.
const BEHIND: &[&str] = &["starts_with", "strpos", "~~", "SubPlan"];

/// Nodes of a plan: how deep each stands, and its lines.
fn nodes(explained: &[String]) -> Vec<(usize, Vec<&str>)> {
    let mut nodes: Vec<(usize, Vec<&str>)> = vec![];
    for line in explained {
        let depth = line.len() - line.trim_start().len();
        match is_node(line.trim_start()) || nodes.is_empty() {
            true => nodes.push((depth, vec![line.trim()])),
            false => nodes.last_mut().expect("a node").1.push(line.trim()),
        }
    }
    nodes
}

fn is_node(line: &str) -> bool {
    ["->", "CTE ", "SubPlan ", "InitPlan "].iter().any(|mark| line.starts_with(mark))
}

fn is_rule(line: &str) -> bool {
    line.contains(".permission & ")
}

fn conditions<'a>(lines: &[&'a str]) -> Vec<&'a str> {
    let words = ["Filter:", "Index Cond:", "Recheck Cond:", "Join Filter:", "Sort Key:", "Hash Cond:"];
    lines.iter().copied().filter(|line| words.iter().any(|word| line.starts_with(word))).collect()
}

/// Nothing of a client's but what is listed stands in a node at or below one that holds the rule.
fn check(name: &str, explained: &[String]) {
    let nodes = nodes(explained);
    let mut rules = 0;
    for (at, (depth, lines)) in nodes.iter().enumerate() {
        if !conditions(lines).iter().any(|line| is_rule(line)) {
            continue;
        }
        rules += 1;
        let below = nodes[at + 1..].iter().take_while(|(below, _)| below > depth);
        for (_, lines) in [&nodes[at]].into_iter().chain(below) {
            for line in conditions(lines) {
                let found = BEHIND.iter().find(|word| line.contains(**word));
                assert!(found.is_none(), "{name}: {found:?} beside the rule: {line}\n{}", explained.join("\n"));
            }
        }
    }
    assert!(rules > 0, "{name}: the rule is somewhere\n{}", explained.join("\n"));
}

#[tokio::test]
async fn no_condition_of_a_clients_is_computed_beside_the_rule() {
    let world = World::new().await;
    let ada = world.user("ada", &["editors"]).await;
    let (schema, store) = (&world.app.schema, &world.app.store);
    let planner = Planner { schema, limits: &world.app.config.limits, page: &world.app.config.page };
    let session = world.sql(&format!("select id from session where \"user\" = '{}'", ada.id)).await[0].uuid(0);
    for session in [session, None] {
        let known = store.read(&who::learn(session)).await.expect("learned").known(schema).expect("somebody");
        let explain = async |name: &str, statement: &Guarded<Option<read::Found>>| {
            let explained = store.read(&statement.explain()).await.expect("a plan");
            check(name, &explained);
        };
        for (name, entity, what) in READS.iter().filter(|(.., what)| *what != "mine") {
            let plan = plan(planner, schema.entity(entity).expect("there"), what);
            for part in [Part::First, Part::Candidates] {
                explain(name, &Arc::new(read::shape(schema, &plan, &known, part)).read(&plan, &known)).await;
            }
        }
        let totals = planner.totals(schema.entity("article").expect("there"), &Aggregate::read(AGGREGATE));
        let shape = Arc::new(read::aggregate::totals(schema, &totals, &known));
        explain("aggregate", &shape.totals(&totals, &known)).await;
    }
}

#[tokio::test]
async fn where_the_proof_fails_no_row_is_touched() {
    let world = World::new().await;
    let ada = world.user("ada", &["editors"]).await;
    ada.make("article", json!({"title": "x"}), json!({})).await;
    let (schema, store) = (&world.app.schema, &world.app.store);
    let planner = Planner { schema, limits: &world.app.config.limits, page: &world.app.config.page };
    let session = world.sql(&format!("select id from session where \"user\" = '{}'", ada.id)).await[0].uuid(0);
    let known = store.read(&who::learn(session)).await.expect("learned").known(schema).expect("somebody");
    let touched = |explained: &[String]| {
        let scans = explained.iter().filter(|line| line.contains(" on public."));
        let own = ["session", "user_account u", "usergroup.members"];
        scans.filter(|line| !own.iter().any(|name| line.contains(name)) && !line.contains("never executed")).cloned().collect()
    };
    for stale in [false, true] {
        if stale {
            world.sql("update world set permission = permission # 64 where name = 'memo'").await;
        }
        for (name, entity, what) in READS.iter().filter(|(.., what)| *what != "mine") {
            let plan = plan(planner, schema.entity(entity).expect("there"), what);
            for part in [Part::First, Part::Candidates] {
                let statement = Arc::new(read::shape(schema, &plan, &known, part)).read(&plan, &known);
                let explained = store.read(&statement.explain()).await.expect("a plan");
                let touched: Vec<String> = touched(&explained);
                assert_eq!(touched.is_empty(), stale, "{name}: {touched:#?}\n{}", explained.join("\n"));
                assert_eq!(store.read(&statement).await.expect("read").is_none(), stale, "{name}");
            }
        }
    }
}

/// The attack of H6: a cheap condition on a hidden column, and a dear one that is reached only where it holds.
#[tokio::test]
async fn hidden_values_are_not_told_by_the_work_that_they_cause() {
    let world = World::new().await;
    let admin = world.administrator().await;
    let section = admin.make("section", json!({"name": "open", "permission": 16258}), json!({})).await;
    let to = |kind: &str, id: &str| json!({"data": {"type": kind, "id": id}});
    let shown =
        admin.make("article", json!({"title": "shown", "permission": 16258}), json!({"section": to("section", &section)}));
    let shown = shown.await;
    let hidden = json!({"title": "zq-kestrel", "price": "12.34", "permission": 16256});
    let hidden = admin.make("article", hidden, json!({"section": to("section", &section)})).await;
    world
        .sql(&format!(
            "insert into comment (id, permission, text, article) select gen_random_uuid(), 2, repeat('größe ', 20), '{shown}' \
             from generate_series(1, 4000)"
        ))
        .await;
    world.sql("analyze").await;
    // What PostgreSQL did tells more than a clock: how many rows of comments were looked at.
    let looked_at = async |path: &str| {
        world.as_superuser("select pg_stat_reset()").await;
        world.guest().get(path).await.is(200);
        let (schema, store) = (&world.app.schema, &world.app.store);
        let planner = Planner { schema, limits: &world.app.config.limits, page: &world.app.config.page };
        let known = store.read(&who::learn(None)).await.expect("learned").known(schema).expect("a guest");
        let query = path.split_once('?').expect("a query").1;
        let mut rows = 0;
        if path.starts_with("/aggregate") {
            let totals = planner.totals(schema.entity("article").expect("there"), &Aggregate::read(query));
            let shape = Arc::new(read::aggregate::totals(schema, &totals, &known));
            rows += visited(&store.read(&shape.totals(&totals, &known).explain()).await.expect("a plan"));
        } else {
            let query = percent_encoding::percent_decode_str(query).decode_utf8_lossy().into_owned();
            let plan = plan(planner, schema.entity("article").expect("there"), &format!("page?{query}"));
            for part in [Part::First, Part::Candidates] {
                let statement = Arc::new(read::shape(schema, &plan, &known, part)).read(&plan, &known);
                rows += visited(&store.read(&statement.explain()).await.expect("a plan"));
            }
        }
        rows
    };
    let dear = json!({"or": [{"contains": ["section.articles.comments.text", "nope0"]}, {"contains": ["section.articles.comments.text", "nope1"]}]});
    let conditions = [
        ("starts", "title", "zq-k", "zq-x"),
        ("starts", "title", "zq-kestrel", "zq-kestrez"),
        ("gt", "price", "12.33", "12.35"),
        ("eq", "price", "12.34", "12.35"),
    ];
    for (operator, field, right, wrong) in conditions {
        for surface in ["/api/article?page[size]=1&filter=", "/aggregate/article?measure=count&filter="] {
            let path = |value: &str| {
                let tree = json!({"and": [{operator: [field, value]}, dear]}).to_string();
                format!("{surface}{}", percent_encoding::utf8_percent_encode(&tree, percent_encoding::NON_ALPHANUMERIC))
            };
            let found = (looked_at(&path(right)).await, looked_at(&path(wrong)).await);
            assert_eq!(found.0, found.1, "{field} {operator} {right} tells itself from {wrong} on {surface}");
        }
    }
    // The control: what is seen by the caller makes the same difference that is not to be seen otherwise.
    world.sql(&format!("update article set permission = 16258 where id = '{hidden}'")).await;
    let path = |value: &str| {
        let tree = json!({"and": [{"starts": ["title", value]}, dear]}).to_string();
        format!("/api/article?filter={}", percent_encoding::utf8_percent_encode(&tree, percent_encoding::NON_ALPHANUMERIC))
    };
    assert_ne!(looked_at(&path("zq-k")).await, looked_at(&path("zq-x")).await, "who may see it, causes the work");
}

/// How many rows of comments were looked at.
fn visited(explained: &[String]) -> i64 {
    let mut total = 0;
    for (at, line) in explained.iter().enumerate().filter(|(_, line)| line.contains(" on public.comment")) {
        let number = |line: &str, word: &str| {
            let after = line.split(word).nth(1)?;
            after.split(|c: char| !c.is_ascii_digit()).next()?.parse::<i64>().ok()
        };
        let (rows, loops) = (number(line, "actual rows=").unwrap_or(0), number(line, "loops=").unwrap_or(0));
        let removed = explained[at + 1..].iter().take(6).find_map(|line| number(line, "Rows Removed by Filter: "));
        total += (rows + removed.unwrap_or(0)) * loops;
    }
    total
}

#[tokio::test]
async fn a_nil_stamp_proves_nothing() {
    let world = World::new().await;
    let known = who::Known::example(&world.app.schema, who::Standing::Guest);
    assert!(world.app.store.read(&who::proof(&known)).await.expect("asked").is_none());
    let administrator = who::Known::example(&world.app.schema, who::Standing::Administrator);
    assert!(world.app.store.read(&who::proof(&administrator)).await.expect("asked").is_none());
    let stamps = world.sql("select value from rowhouse.stamp").await;
    assert!(stamps.len() == 1 && stamps[0].uuid(0) != Some(Uuid::nil()));
}
