//! Operations in one request are what each of them is in a request of its own, tried with lists made at random.

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::{Value as Json, json};
use tokio::runtime::Handle;

use super::operations::operate;
use crate::house::answer::Answer;
use crate::house::{Someone, World};

/// What somebody may want of the rows of [`set`], by two numbers that say of which.
const KINDS: [&str; 11] = [
    "add comment",
    "add article",
    "add tag",
    "add reply",
    "text",
    "permission",
    "article",
    "name",
    "remove comment",
    "remove article",
    "link",
];

type Wish = (&'static str, usize, usize);

/// Few kinds in one request: so that many are alike.
fn wishes() -> impl Strategy<Value = Vec<Wish>> {
    let kinds = proptest::sample::subsequence(KINDS.to_vec(), 1..=3);
    kinds.prop_flat_map(|kinds| proptest::collection::vec((proptest::sample::select(kinds), 0_usize..6, 0_usize..6), 2..9))
}

/// The id of a row of one of two like scenes.
fn id(scene: usize, kind: &str, n: usize) -> String {
    format!("0000000{scene}-0000-7000-8000-{:012x}", u64::from(kind.as_bytes()[0]) * 16 + n as u64)
}

/// Two like scenes: articles that Bob may refer to, may only read, and his own; comments of his and of hers, of which he may
/// change one and not the other; tags of his.
async fn set(world: &World, ada: &Someone<'_>, bob: &Someone<'_>) {
    let (ada, bob) = (ada.id, bob.id);
    let mut sql = "delete from comment; delete from article; delete from tag;".to_owned();
    for scene in 0..2 {
        for (n, (owner, permission)) in [(ada, 16256 | 66), (ada, 16256 | 2), (bob, 16256), (bob, 16256)].iter().enumerate() {
            let id = id(scene, "article", n);
            sql += &format!(
                "insert into article (id, owner, permission, title, author) values ('{id}', '{owner}', {permission}, '{scene}a{n}', '{bob}');"
            );
        }
        let comments =
            [(0, bob, 16256), (2, bob, 16256), (2, bob, 16256), (3, bob, 16256), (0, ada, 16256 | 10), (0, ada, 16256 | 2)];
        for (n, (article, owner, permission)) in comments.iter().enumerate() {
            let (id, article) = (id(scene, "comment", n), id(scene, "article", *article));
            sql += &format!(
                "insert into comment (id, owner, permission, text, article) values ('{id}', '{owner}', {permission}, '{scene}c{n}', '{article}');"
            );
        }
        for n in 0..2 {
            let id = id(scene, "tag", n);
            sql += &format!("insert into tag (id, owner, permission, name) values ('{id}', '{bob}', 16256, '{scene}t{n}');");
        }
    }
    world.sql(&format!("do $scene$ begin {sql} end $scene$")).await;
}

/// A wish as an operation. `made`: what names the articles and comments that wishes before it made.
fn operation(wish: &Wish, at: usize, scene: usize, made: &[(&str, Json)]) -> Json {
    let (kind, a, b) = *wish;
    let text = format!("{scene}new {at}");
    let there = |kind: &str, n: usize| json!({"type": kind, "id": id(scene, kind, n)});
    let made = |kind: &str, n: usize| {
        let of: Vec<_> = made.iter().filter(|(of, _)| *of == kind).collect();
        of.get(n % of.len().max(1)).map(|(_, named)| named.clone())
    };
    let article = |n: usize| if n < 4 { there("article", n) } else { made("article", n).unwrap_or_else(|| there("article", 0)) };
    let add = |kind: &str, attributes: Json, relationships: Json| json!({"op": "add", "data": {"type": kind, "lid": format!("l{at}"), "attributes": attributes, "relationships": relationships}});
    let update = |kind: &str, n: usize, more: Json| {
        let mut data = there(kind, n);
        data.as_object_mut().expect("an object").extend(more.as_object().cloned().expect("an object"));
        json!({"op": "update", "data": data})
    };
    match kind {
        "add comment" => add("comment", json!({"text": text}), json!({"article": {"data": article(a)}})),
        "add article" if b < 2 => add("article", json!({"title": text}), json!({"tags": {"data": [there("tag", b)]}})),
        "add article" => add("article", json!({"title": text, "words": a}), json!({})),
        "add tag" => add("tag", json!({"name": format!("{scene}t{}", a + b)}), json!({})),
        "add reply" => {
            let to = made("comment", b).unwrap_or_else(|| there("comment", b));
            add("comment", json!({"text": text}), json!({"article": {"data": article(0)}, "reply_to": {"data": to}}))
        }
        "text" => update("comment", a, json!({"attributes": {"text": text}})),
        "permission" => update("comment", a, json!({"attributes": {"permission": 16256 + b}})),
        "article" => {
            update("comment", a, json!({"attributes": {"text": text}, "relationships": {"article": {"data": article(b)}}}))
        }
        "name" => update("tag", a % 2, json!({"attributes": {"name": format!("{scene}t{b}")}})),
        "remove comment" => json!({"op": "remove", "ref": there("comment", a)}),
        "remove article" => json!({"op": "remove", "ref": there("article", a % 4)}),
        _ => {
            let mut of = article(2 + a % 3);
            of["relationship"] = json!("tags");
            json!({"op": "add", "ref": of, "data": [there("tag", b % 2)]})
        }
    }
}

/// All that stands in a scene, without what tells which one it is.
async fn stands(world: &World, scene: usize) -> String {
    let sql = format!(
        "select coalesce(string_agg(x, E'\n' order by x), '') from ( \
         select concat_ws('|', 'c', substr(c.text, 2), c.permission, c.version, substr(a.title, 2), substr(r.text, 2)) as x \
         from comment c join article a on a.id = c.article left join comment r on r.id = c.reply_to where c.text like '{scene}%' \
         union all select concat_ws('|', 'a', substr(a.title, 2), a.permission, a.version, a.words, \
         (select string_agg(substr(t.name, 2), ',' order by t.name) from \"article.tags\" l join tag t on t.id = l.target where l.source = a.id)) \
         from article a where a.title like '{scene}%' \
         union all select concat_ws('|', 't', substr(t.name, 2), t.version) from tag t where t.name like '{scene}%') all_of_it"
    );
    world.sql(&sql).await[0].text(0).expect("text").to_owned()
}

/// How a request ended: its status (200 for 204, too), and of a failure the operation, the place in it, and the code.
type Ended = (u16, Option<(usize, String, Json)>);

fn ended(answer: &Answer) -> Ended {
    let error = &answer.json["errors"][0];
    let place = error["source"]["pointer"].as_str().and_then(|p| p.strip_prefix("/atomic:operations/")).map(|place| {
        let (at, rest) = place.split_once('/').unwrap_or((place, ""));
        (at.parse().expect("a number"), rest.to_owned(), error["code"].clone())
    });
    (if answer.status == 204 { 200 } else { answer.status }, place)
}

/// What a wish makes, to be named by wishes after it.
fn makes(wish: &Wish) -> Option<&'static str> {
    match wish.0 {
        "add comment" | "add reply" => Some("comment"),
        "add article" => Some("article"),
        _ => None,
    }
}

/// One after the other, each a request of its own, until one fails.
async fn alone(bob: &Someone<'_>, wishes: &[Wish]) -> Ended {
    let mut made = vec![];
    for (at, wish) in wishes.iter().enumerate() {
        let answer = operate(bob, json!([operation(wish, at, 0, &made)])).await;
        let (status, place) = ended(&answer);
        if status >= 400 {
            return (status, place.map(|(_, rest, code)| (at, rest, code)));
        }
        let id = &answer.json["atomic:results"][0]["data"]["id"];
        made.extend(makes(wish).map(|kind| (kind, json!({"type": kind, "id": id}))));
    }
    (200, None)
}

/// All in one request.
async fn together(bob: &Someone<'_>, wishes: &[Wish]) -> Ended {
    let (mut made, mut operations) = (vec![], vec![]);
    for (at, wish) in wishes.iter().enumerate() {
        operations.push(operation(wish, at, 1, &made));
        made.extend(makes(wish).map(|kind| (kind, json!({"type": kind, "lid": format!("l{at}")}))));
    }
    ended(&operate(bob, json!(operations)).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn operations_together_are_what_each_is_alone() {
    let world = World::new().await;
    let (ada, bob) = (world.user("ada", &[]).await, world.user("bob", &[]).await);
    let runtime = Handle::current();
    let mut runner = TestRunner::new(Config { cases: 150, failure_persistence: None, max_shrink_iters: 60, ..Config::default() });
    let (fine, failed) = (std::cell::Cell::new(0), std::cell::Cell::new(0));
    let both = async |wishes: &[Wish]| {
        set(&world, &ada, &bob).await;
        let before = stands(&world, 1).await;
        let ends = (alone(&bob, wishes).await, together(&bob, wishes).await);
        (before, ends, [stands(&world, 0).await, stands(&world, 1).await])
    };
    let result = tokio::task::block_in_place(|| {
        runner.run(&wishes(), |wishes| {
            let (before, ends, [of_each, of_all]) = runtime.block_on(both(&wishes));
            let many = if ends.0.0 == 200 { &fine } else { &failed };
            many.set(many.get() + 1);
            prop_assert_eq!(&ends.0, &ends.1);
            prop_assert_eq!(if ends.0.0 == 200 { of_each } else { before }, of_all);
            Ok(())
        })
    });
    result.unwrap_or_else(|fault| panic!("{fault}"));
    assert!(fine.get() > 20 && failed.get() > 20, "{} and {}", fine.get(), failed.get());
    // The control: both change what they are asked to.
    let (before, ends, after) = both(&[("text", 0, 0), ("text", 1, 0), ("remove comment", 2, 0)]).await;
    assert!(ends == ((200, None), (200, None)) && before != after[1] && after[0] == after[1], "{ends:?} {after:?}");
}
