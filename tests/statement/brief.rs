//! Which way a write goes: one message, unless something of it asks for more; and that the one message never judges what it
//! didn't see, and never waits for a row.

use reqwest::Method;
use rowhouse::access::write::brief::{LONG, Long};
use serde_json::{Value as Json, json};

use crate::house::{Someone, World};

/// A write: method, path, body, and whether it has an Idempotency-Key.
struct Asked(Method, String, Json, bool);

async fn send(someone: &Someone<'_>, asked: &Asked) -> u16 {
    let Asked(method, path, body, has_key) = asked;
    let mut request = someone.request(method.clone(), path).header("Content-Type", "application/vnd.api+json");
    if *has_key {
        request = request.header("Idempotency-Key", "a key of one's own");
    }
    someone.send(request.body(body.to_string())).await.status
}

/// How many messages it takes of a caller and a shape that are known.
async fn messages(world: &World, someone: &Someone<'_>, asked: &Asked) -> usize {
    for _ in 0..3 {
        send(someone, asked).await;
    }
    world.wire.listen();
    send(someone, asked).await;
    world.wire.executed()
}

fn patch(entity: &str, id: &str, attributes: Json, relationships: Json) -> Asked {
    let data = json!({"type": entity, "id": id, "attributes": attributes, "relationships": relationships});
    Asked(Method::PATCH, format!("/api/{entity}/{id}"), json!({"data": data}), false)
}

fn post(entity: &str, attributes: Json) -> Asked {
    let data = json!({"type": entity, "attributes": attributes});
    Asked(Method::POST, format!("/api/{entity}"), json!({"data": data}), false)
}

#[tokio::test]
async fn a_write_is_one_message_unless_something_asks_for_more() {
    let world = World::new().await;
    let ada = world.user("ada", &["editors"]).await;
    let bob = world.user("bob", &[]).await;
    let none = || json!({});
    let article = ada.make("article", json!({"title": "x\u{1f4f0}"}), none()).await;
    let section = ada.make("section", json!({"name": "sect"}), none()).await;
    let memo = ada.make("memo", json!({"text": "\"x\"\n"}), none()).await;
    let leads = |kind: &str, id: &str| json!({"data": {"type": kind, "id": id}});
    let comment = ada.make("comment", json!({"text": "c"}), json!({"article": leads("article", &article)})).await;
    let plain = [
        patch("memo", &memo, json!({"text": "y", "when": "2024-02-29", "weight": 0.1, "urgent": true, "key": null}), none()),
        patch("article", &article, json!({"title": "z", "price": "12.50", "settings": {"a": [null]}}), none()),
        patch("article", &article, none(), json!({"section": leads("section", &section)})),
        post("memo", json!({"text": "new", "starts": "23:59:59"})),
        post("article", json!({"title": "new"})), // its author is the caller
    ];
    for asked in &plain {
        assert_eq!(messages(&world, &ada, asked).await, 1, "{} {} {}", asked.0, asked.1, asked.2);
    }
    let linkage = |path: &str| Asked(Method::PATCH, path.to_owned(), leads("section", &section), false);
    let to_section = format!("/api/article/{article}/relationships/section");
    assert_eq!(messages(&world, &ada, &linkage(&to_section)).await, 1);
    let delete = |path: String| Asked(Method::DELETE, path, json!(null), false);
    let mut memos = vec![];
    for text in ["1", "2", "3", "4"] {
        memos.push(ada.make("memo", json!({"text": text}), none()).await);
    }
    for (at, memo) in memos.iter().enumerate() {
        world.wire.listen();
        assert_eq!(send(&ada, &delete(format!("/api/memo/{memo}"))).await, 204);
        assert!(at == 0 || world.wire.executed() == 1, "the delete of memo {at}");
        assert_eq!(ada.get(&format!("/api/memo/{memo}")).await.status, 404);
    }
    let parameter = messages(&world, &ada, &linkage(&(to_section.clone() + "?sort=id"))).await;
    assert!(parameter > 1, "{parameter}");
    // The plain ones, each with one thing more.
    world.sql("create trigger heard after update on comment for each row execute function rowhouse.note('comment', '', '', '*', '', '')").await;
    world.sql("update world set permission = permission | 4 where name = 'article'").await;
    for (long, _) in LONG {
        let more = match long {
            Long::Key => {
                Asked(Method::POST, "/api/memo".to_owned(), json!({"data": {"type": "memo", "attributes": {"text": "k"}}}), true)
            }
            Long::Include => {
                let Asked(method, path, body, key) = patch("article", &article, json!({"title": "i"}), none());
                Asked(method, path + "?include=author", body, key)
            }
            Long::System => patch("user_account", &ada.id.to_string(), json!({"name": "Ada"}), none()),
            Long::Noted => patch("comment", &comment, json!({"text": "d"}), none()),
            Long::Faults => patch("memo", &memo, json!({"text": "y", "nothing": 1}), none()),
            Long::Nothing => patch("memo", &memo, none(), none()),
            Long::Echo => patch("memo", &memo, json!({"text": "y", "created_at": "2020-01-01T00:00:00Z"}), none()),
            Long::Column => patch("memo", &memo, json!({"permission": 16256}), none()),
            Long::Null => patch("article", &article, none(), json!({"section": {"data": null}})),
            Long::Many => patch("article", &article, none(), json!({"tags": {"data": []}})),
            Long::Owner => patch("article", &article, none(), json!({"owner": leads("user_account", &ada.id.to_string())})),
            Long::Itself => patch("comment", &comment, none(), json!({"reply_to": leads("comment", &comment)})),
            Long::ReferredTo => delete(format!("/api/article/{}", ada.make("article", json!({"title": "z"}), none()).await)),
            Long::Unsaid => {
                long_for_want_of_if_match().await;
                continue;
            }
            Long::Caller => post("article", json!({"title": "a guest's"})),
            Long::Closed => patch("memo", &memo, json!({"text": "not mine"}), none()),
        };
        let guest = world.guest();
        let who = match long {
            Long::Caller => &guest,
            Long::Closed => &bob,
            _ => &ada,
        };
        let count = match long {
            Long::ReferredTo => {
                world.wire.listen();
                assert_eq!(send(who, &more).await, 204);
                world.wire.executed()
            }
            _ => messages(&world, who, &more).await,
        };
        assert!(count > 1, "{long:?}: {} {} took {count}", more.0, more.1);
    }
}

/// An entity of other files wants to be told the version.
async fn long_for_want_of_if_match() {
    let world = World::of("tests/projects/odd").await;
    let ada = world.administrator().await;
    let row = ada.make("ledger", json!({"line": "x"}), json!({})).await;
    let asked = patch("ledger", &row, json!({"line": "y"}), json!({}));
    let count = messages(&world, &ada, &asked).await;
    assert!(count > 1, "{count}");
    let said = async |version: &str| {
        let request = ada.request(Method::PATCH, &asked.1).header("If-Match", format!("\"{version}\""));
        ada.send(request.header("Content-Type", "application/vnd.api+json").body(asked.2.to_string())).await
    };
    let version = ada.get(&asked.1).await.header("etag").trim_matches('"').to_owned();
    let next = said(&version).await.is(200).header("etag").trim_matches('"').to_owned();
    world.wire.listen();
    said(&next).await.is(200);
    assert_eq!(world.wire.executed(), 1);
}

/// Makes the rule wait in the middle of a statement, at rows that are granted with bits of their own, while somebody holds 4711.
const WAITING_RULE: &str = "
create or replace function rowhouse.granted_1(groups uuid[], bits integer[], mine uuid[], permission integer, mask integer)
returns boolean language plpgsql immutable parallel safe as $$
begin
  perform pg_advisory_lock_shared(4711);
  perform pg_advisory_unlock_shared(4711);
  return exists (
    select from unnest(groups, bits) as g (id, bits)
    where g.id = any(mine) and coalesce(g.bits, permission) & mask <> 0);
end $$";

#[tokio::test]
async fn what_changed_between_snapshot_and_lock_is_not_judged_by_an_old_proof() {
    let world = World::new().await;
    let ada = world.user("ada", &["editors"]).await;
    let article = ada.make("article", json!({"title": "x"}), json!({})).await;
    let editors = "(select id from usergroup where name = 'editors')";
    let grant = format!(
        "update article set owner = null, permission = 0, groups = array[{editors}], group_bits = array[2080768] where id = '{article}'"
    );
    world.sql(WAITING_RULE).await;
    let title = async || {
        let rows = world.sql(&format!("select title, words::text from article where id = '{article}'")).await;
        (rows[0].text(0).expect("a title").to_owned(), rows[0].text(1).map(str::to_owned))
    };
    for (meanwhile, status, becomes) in [
        ("groups = '{}', group_bits = null", 404, ("x", None)),
        ("group_bits = array[16384]", 403, ("x", None)), // only peek is left
        ("words = 7", 200, ("mine", Some("7"))),
    ] {
        world.sql(&grant).await;
        world.sql(&format!("update article set title = 'x', words = null where id = '{article}'")).await;
        ada.patch(
            &format!("/api/article/{article}"),
            json!({"data": {"type": "article", "id": article, "attributes": {"title": "x"}}}),
        )
        .await
        .is(200);
        let holder = world.hold("select pg_advisory_lock(4711)").await;
        let body = json!({"data": {"type": "article", "id": article, "attributes": {"title": "mine"}}});
        let path = format!("/api/article/{article}");
        let asked = ada.patch(&path, body);
        let change = async {
            world.held_up().await;
            world.sql(&format!("update article set {meanwhile} where id = '{article}'")).await;
            holder.batch_execute("commit; select pg_advisory_unlock(4711)").await.expect("let go");
        };
        let (answer, ()) = tokio::join!(asked, change);
        assert_eq!(answer.status, status, "{meanwhile}: {}", answer.text);
        let (found, words) = title().await;
        assert_eq!((found.as_str(), words.as_deref()), becomes, "{meanwhile}");
    }
}

#[tokio::test]
async fn a_target_that_went_meanwhile_is_not_linked_to() {
    let world = World::new().await;
    let ada = world.user("ada", &["editors"]).await;
    let article = ada.make("article", json!({"title": "x"}), json!({})).await;
    let section = ada.make("section", json!({"name": "s"}), json!({})).await;
    let editors = "(select id from usergroup where name = 'editors')";
    world.sql(WAITING_RULE).await;
    world
        .sql(&format!("update section set owner = null, permission = 0, groups = array[{editors}], group_bits = array[2080768]"))
        .await;
    let body = json!({"data": {"type": "article", "id": article,
        "relationships": {"section": {"data": {"type": "section", "id": section}}}}});
    let path = format!("/api/article/{article}");
    // (A right to refer that is taken back in the same moment changes no key: PostgreSQL lets both be, the link first.)
    let holder = world.hold("select pg_advisory_lock(4711)").await;
    let asked = ada.patch(&path, body);
    let change = async {
        world.held_up().await;
        world.sql("delete from section").await;
        holder.batch_execute("commit; select pg_advisory_unlock(4711)").await.expect("let go");
    };
    let (answer, ()) = tokio::join!(asked, change);
    assert_eq!(answer.status, 404, "{}", answer.text);
    assert!(world.sql("select section from article").await[0].uuid(0).is_none());
}

#[tokio::test]
async fn a_lock_is_waited_for_shortly() {
    let world = World::with(|config| config.database.lock = std::time::Duration::from_millis(100)).await;
    let ada = world.user("ada", &["editors"]).await;
    let memo = ada.make("memo", json!({"text": "x"}), json!({})).await;
    let path = format!("/api/memo/{memo}");
    let body = json!({"data": {"type": "memo", "id": memo, "attributes": {"text": "y"}}});
    let holder = world.hold(&format!("select from memo where id = '{memo}' for update")).await;
    let refused = ada.patch(&path, body.clone()).await.is(503);
    assert!(refused.header("retry-after").parse::<u64>().is_ok(), "{}", refused.text);
    ada.delete(&path).await.is(503);
    ada.get(&path).await.is(200); // nobody else waits
    holder.batch_execute("commit").await.expect("let go");
    ada.patch(&path, body).await.is(200);
    ada.delete(&path).await.is(204);
}

#[tokio::test]
async fn a_row_that_leads_to_its_caller_is_not_made_for_who_is_gone_meanwhile() {
    let world = World::new().await;
    let ada = world.user("ada", &["editors"]).await;
    ada.make("article", json!({"title": "x"}), json!({})).await;
    let (id, body) = (ada.id, json!({"data": {"type": "article", "attributes": {"title": "late"}}}));
    let goes = format!(
        "select from user_account where id = '{id}' for update; update user_account set active = false where id = '{id}'"
    );
    let holder = world.hold(&goes).await;
    let change = async {
        world.held_up().await;
        holder.batch_execute("commit").await.expect("let go");
    };
    let (answer, ()) = tokio::join!(ada.post("/api/article", body), change);
    assert_eq!(answer.status, 401, "{}", answer.text);
    assert!(world.sql("select 1 from article where title = 'late'").await.is_empty());
}

#[tokio::test]
async fn a_row_that_changes_may_be_linked_to() {
    let world = World::new().await;
    let ada = world.user("ada", &["editors"]).await;
    let article = ada.make("article", json!({"title": "x"}), json!({})).await;
    // As a change holds it, and an action its subject.
    let holder = world.hold(&format!("select from article where id = '{article}' for no key update")).await;
    let leads = json!({"article": {"data": {"type": "article", "id": article}}});
    ada.make("comment", json!({"text": "c"}), leads).await;
    holder.batch_execute("commit").await.expect("let go");
}
