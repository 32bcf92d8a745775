//! What is kept of shapes: bounded, here and in PostgreSQL, whatever clients invent.

use futures_util::future::join_all;
use rowhouse::plan::{Pick, Planner};
use rowhouse::request::Query;
use rowhouse::statement::read::{self, Part};
use rowhouse::statement::who::{Known, Standing};
use serde_json::json;

use crate::house::World;

/// Every set of a few columns in every order is a shape of its own.
fn invented(n: usize) -> String {
    let columns = ["title", "slug", "body", "status", "price", "words", "published_at", "settings", "created_at", "updated_at"];
    let some = columns.iter().enumerate().filter(|(at, _)| n >> at & 1 == 1).map(|(_, name)| *name);
    let fields = some.collect::<Vec<_>>().join(",");
    let operators = ["eq", "ne", "lt", "le", "gt", "ge"];
    let some = operators.iter().enumerate().filter(|(at, _)| (n / 1024) >> at & 1 == 1);
    let filters: String = some.map(|(_, operator)| format!("&filter[words][{operator}]=1")).collect();
    let more = if n / 65_536 == 1 { "&filter[price]=1" } else { "" };
    format!("fields[article]={fields}{filters}{more}")
}

#[tokio::test]
async fn a_hundred_thousand_invented_shapes_leave_no_more_than_there_may_be() {
    let world = World::with(|config| config.database.shapes = 32).await;
    let (schema, store) = (&world.app.schema, &world.app.store);
    let planner = Planner { schema, limits: &world.app.config.limits, page: &world.app.config.page };
    let known = Known::example(schema, Standing::Guest);
    let article = schema.entity("article").expect("there");
    // What is used all the time: it is spelled once, whatever else comes by.
    let (mut spelled, mut invented_keys) = (0, std::collections::HashSet::new());
    for n in 0..100_000 {
        let plan = planner.read(article, Pick::Page, &Query::read(&invented(n)));
        let key = read::key(schema, &plan, &known, Part::First);
        if n % 50 == 0 {
            store.shape(&key, || read::shape(schema, &plan, &known, Part::First));
            invented_keys.insert(key);
            let good = planner.read(article, Pick::Page, &Query::read("sort=-published_at"));
            let key = read::key(schema, &good, &known, Part::First);
            store.shape(&key, || {
                spelled += 1;
                read::shape(schema, &good, &known, Part::First)
            });
        } else {
            invented_keys.insert(key);
        }
    }
    assert!(invented_keys.len() > 90_000, "they are shapes of their own: {}", invented_keys.len());
    assert!(spelled <= 2, "what is used all the time was spelled {spelled} times");
    assert!(store.kept().0 <= 32, "{:?}", store.kept());
}

#[tokio::test]
async fn postgresql_keeps_no_more_prepared_than_there_may_be() {
    let world = World::with(|config| {
        config.database.shapes = 16;
        config.database.pool = 2;
        config.database.shared = 1;
    })
    .await;
    let ada = world.user("ada", &[]).await;
    let article = ada.make("article", json!({"title": "x", "permission": 16258}), json!({})).await;
    let good = format!("/api/article/{article}");
    for chunk in (0..120).collect::<Vec<usize>>().chunks(8) {
        // Each three times, so that it is worth preparing.
        let asks = chunk.iter().flat_map(|n| [n, n, n]).map(|n| {
            let (ada, good) = (ada.clone(), good.clone());
            async move {
                ada.get(&format!("/api/article?{}", invented(*n))).await.is(200);
                ada.get(&good).await.is(200);
            }
        });
        join_all(asks).await;
    }
    let (shapes, prepared, _) = world.app.store.kept();
    assert!(shapes <= 16 && prepared <= 16, "{shapes} {prepared}");
    // On one of its own connections, what PostgreSQL itself says.
    let counted = world.prepared().await;
    assert!(!counted.is_empty() && counted.iter().all(|count| *count <= 16), "{counted:?}");
}
