//! What a link asks, one by one: of the row that holds it, of the other one, and of nobody else.

use serde_json::{Value as Json, json};

use crate::house::{Someone, World};

fn one(kind: &str, id: &str) -> Json {
    json!({"data": {"type": kind, "id": id}})
}

fn many(kind: &str, ids: &[&str]) -> Json {
    json!({"data": ids.iter().map(|id| json!({"type": kind, "id": id})).collect::<Json>()})
}

#[tokio::test]
async fn a_new_row_is_its_creators_whether_they_say_so_or_not() {
    let world = World::new().await;
    let (ada, bob) = (world.user("ada", &[]).await, world.user("bob", &[]).await);
    let tag = |name: &str, owner: &str| json!({"data": {"type": "tag", "attributes": {"name": name}, "relationships": {"owner": one("user_account", owner)}}});
    let (ada_id, bob_id) = (ada.id.to_string(), bob.id.to_string());
    world.sql("update user_account set permission = permission | 127").await; // everybody may refer to everybody
    ada.post("/api/tag", tag("bob's", &bob_id)).await.is(403);
    ada.post(
        "/api/tag",
        json!({"data": {"type": "tag", "attributes": {"name": "nobody's"}, "relationships": {"owner": {"data": null}}}}),
    )
    .await
    .is(403);
    world.sql("update user_account set permission = 0").await; // and nobody to anybody
    ada.post("/api/tag", tag("mine", &ada_id)).await.is(201);
    ada.make("tag", json!({"name": "mine, too"}), json!({})).await;
    world.sql("update world set permission = 127 where name = 'tag'").await;
    world.guest().post("/api/tag", tag("a guest's", &ada_id)).await.is(401);
    let owners = world
        .sql("select string_agg(t.name || ' ' || u.name, ', ' order by t.name) from tag t join user_account u on u.id = t.owner")
        .await;
    assert_eq!(owners[0].text(0), Some("mine ada, mine, too ada"));
}

#[tokio::test]
async fn what_is_not_seen_is_not_taken_away_by_null() {
    let world = World::new().await;
    let ada = world.user("ada", &[]).await;
    let section = |n: usize| format!("00000000-0000-7000-8000-0000000000c{n}");
    for (n, permission) in [(1, 0), (2, 127)] {
        world.sql(&format!("insert into section (id, permission, name) values ('{}', {permission}, '{n}')", section(n))).await;
    }
    let article = ada.make("article", json!({"title": "x", "permission": 16256}), json!({})).await;
    let url = format!("/api/article/{article}");
    let hide = format!("update article set section = '{}'", section(1));
    let set = async |to: Json| {
        world.sql(&hide).await;
        let whole = json!({"data": {"type": "article", "id": article, "relationships": {"section": {"data": to}}}});
        ada.patch(&url, whole).await.is(200);
        let by_whole = world.sql("select section from article").await[0].uuid(0);
        world.sql(&hide).await;
        assert!([200, 204].contains(&ada.patch(&format!("{url}/relationships/section"), json!({"data": to})).await.status));
        assert_eq!(world.sql("select section from article").await[0].uuid(0), by_whole);
        by_whole.map(|id| id.to_string())
    };
    assert_eq!(set(Json::Null).await, Some(section(1)), "what is hidden stays");
    assert_eq!(set(json!({"type": "section", "id": section(2)})).await, Some(section(2)), "and is replaced by what is not");
    world.sql("update section set permission = 127").await;
    assert_eq!(set(Json::Null).await, None);
    world.sql("update world set permission = 0, groups = '{}', group_bits = null where name = 'section'").await;
    assert_eq!(set(Json::Null).await, Some(section(1)), "nor is anything of an entity that is closed");
}

#[tokio::test]
async fn an_inverse_link_asks_the_rows_that_hold_it_and_their_entity() {
    let world = World::new().await;
    let (ada, bob) = (world.user("ada", &[]).await, world.user("bob", &[]).await);
    let article = async |title: &str| ada.make("article", json!({"title": title, "permission": 16256 | 66}), json!({})).await;
    let (from, to) = (article("from").await, article("to").await);
    let on = json!({"article": one("article", &from)});
    let comment = async |bits: i32| bob.make("comment", json!({"text": "x", "permission": 16256 | bits}), on.clone()).await;
    let (changed, read) = (comment(1 | 2 | 8).await, comment(1 | 2).await);
    let comments = format!("/api/article/{to}/relationships/comments");
    let move_to = async |id: &str| ada.post(&comments, many("comment", &[id])).await.status;
    world.sql("update world set permission = 3, groups = '{}', group_bits = null where name = 'article'").await;
    assert_eq!((move_to(&changed).await, move_to(&read).await), (204, 403), "whatever may be done with articles");
    world.sql("update world set permission = 3, groups = '{}', group_bits = null where name = 'comment'").await;
    assert_eq!(move_to(&changed).await, 403);
    world.sql("update world set permission = 127 where name in ('article', 'comment')").await;
    // A new row that others are to lead to: those are changed, and not referred to.
    let new = |reply: &str| json!({"data": {"type": "comment", "attributes": {"text": "new"}, "relationships": {"article": one("article", &from), "replies": many("comment", &[reply])}}});
    ada.post("/api/comment", new(&read)).await.is(403);
    let made = ada.post("/api/comment", new(&changed)).await.is(201);
    let linked = world.sql(&format!("select reply_to from comment where id = '{changed}'")).await[0].uuid(0);
    assert_eq!(linked.map(|id| id.to_string()).as_deref(), made.json["data"]["id"].as_str());
}

#[tokio::test]
async fn what_the_system_links_nobody_else_does() {
    let world = World::new().await;
    let (ada, admin) = (world.user("ada", &[]).await, world.administrator().await);
    let session = world.sql(&format!("select id from session where \"user\" = '{}'", ada.id)).await[0].uuid(0).expect("hers");
    let sessions = format!("/api/user_account/{}/relationships/sessions", admin.id);
    let all = "select string_agg(s::text, ',' order by id) from session s";
    let before = world.sql(all).await[0].text(0).map(str::to_owned);
    let linkage = many("session", &[&session.to_string()]);
    admin.post(&sessions, linkage.clone()).await.is(403);
    admin.patch(&sessions, linkage.clone()).await.is(403);
    admin.unlink(&sessions.replace(&admin.id.to_string(), &ada.id.to_string()), linkage.clone()).await.is(403);
    admin.patch(&format!("/api/session/{session}/relationships/user"), one("user_account", &admin.id.to_string())).await.is(403);
    assert_eq!(world.sql(all).await[0].text(0).map(str::to_owned), before);
    let group =
        json!({"data": {"type": "usergroup", "attributes": {"name": "x"}, "relationships": {"join_requests": {"data": []}}}});
    let refused = admin.post("/api/usergroup", group).await.is(403);
    assert_eq!(refused.json["errors"][0]["code"], "read-only", "{}", refused.text);
    // Whatever else may be done with the rows, from whichever side.
    let world = World::of("tests/projects/odd").await;
    let ada = world.user("ada", &[]).await;
    let a = ada.make("a", json!({"name": "x"}), json!({})).await;
    let order = ada.make("order", json!({"n": 1}), json!({})).await;
    let whole = |kind: &str, id: Option<&str>, name: &str, linkage: Json| {
        let attributes = if kind == "a" { json!({"name": "y"}) } else { json!({}) };
        json!({"data": {"type": kind, "id": id, "attributes": attributes, "relationships": {name: linkage}}})
    };
    for (kind, id, name, linkage) in [
        ("order", &order, "origin", one("a", &a)),
        ("order", &order, "stamps", many("a", &[&a])),
        ("a", &a, "begun", many("order", &[&order])),
        ("a", &a, "stamped", many("order", &[&order])),
    ] {
        let url = format!("/api/{kind}/{id}");
        let path = format!("{url}/relationships/{name}");
        ada.patch(&path, linkage.clone()).await.is(403);
        ada.patch(&url, whole(kind, Some(id), name, linkage.clone())).await.is(403);
        let mut new = whole(kind, None, name, linkage.clone());
        new["data"].as_object_mut().expect("an object").remove("id");
        ada.post(&format!("/api/{kind}"), new).await.is(403);
        if linkage["data"].is_array() {
            ada.post(&path, linkage.clone()).await.is(403);
            ada.unlink(&path, linkage).await.is(403);
        }
    }
    assert_eq!(
        world.sql("select 1 from \"order.stamps\" union all select 1 from \"order\" where origin is not null").await.len(),
        0
    );
}

#[tokio::test]
async fn a_new_account_is_made_a_member_by_who_may_change_the_group_alone() {
    let world = World::new().await;
    let bob = world.user("bob", &[]).await;
    world.sql("update world set permission = 127, default_permission = 127 where name in ('user_account', 'usergroup')").await;
    let id = |n: usize| format!("00000000-0000-7000-8000-0000000000c{n}");
    for (n, permission) in [(1, 1 | 2 | 8), (2, 1 | 2 | 64)] {
        world.sql(&format!("insert into usergroup (id, permission, name, joinable, declared) values ('{}', {permission}, 'g{n}', false, false)", id(n))).await;
    }
    let account = |name: &str, group: &str| json!({"data": {"type": "user_account", "attributes": {"name": name, "email": format!("{name}@example.org"), "password": "correct horse größe"}, "relationships": {"member_of": many("usergroup", &[group])}}});
    bob.post("/api/user_account", account("eve", &id(2))).await.is(403);
    bob.post("/api/user_account", account("eva", &id(1))).await.is(201);
    let members = "select string_agg(u.name, ',') from \"usergroup.members\" m join user_account u on u.id = m.target join usergroup g on g.id = m.source where g.name in ('g1', 'g2')";
    assert_eq!(world.sql(members).await[0].text(0), Some("eva"));
}

#[tokio::test]
async fn what_is_wrong_with_the_form_of_a_link_is_told_to_who_may_make_it() {
    let world = World::new().await;
    let (ada, bob) = (world.user("ada", &[]).await, world.user("bob", &[]).await);
    let article = ada.make("article", json!({"title": "x", "permission": 16256 | 1 | 2}), json!({})).await;
    let form = many("memo", &["00000000-0000-7000-8000-00000000dead"]);
    let ask = async |path: String| (ada.post(&path, form.clone()).await.status, bob.post(&path, form.clone()).await.status);
    let links = |name: &str| format!("/api/article/{article}/relationships/{name}");
    assert_eq!(ask(links("tags")).await, (422, 403));
    assert_eq!(ask(links("comments")).await, (422, 422), "that asks each of the others");
    world.sql("update article set permission = permission | 8").await;
    assert_eq!(ask(links("tags")).await, (422, 422));
    assert_eq!(ask(links("usergroups")).await, (422, 403), "and grants are their owner's");
    let member_of = |id: &uuid::Uuid| format!("/api/user_account/{id}/relationships/member_of");
    world.sql("update user_account set permission = 3").await; // nobody changes their account, or another's
    assert_eq!(ask(member_of(&ada.id)).await, (422, 403), "anybody may leave");
    assert_eq!(ask(member_of(&bob.id)).await, (403, 422));
}

#[tokio::test]
async fn entities_are_asked_before_rows() {
    let world = World::new().await;
    let (ada, bob) = (world.user("ada", &[]).await, world.user("bob", &[]).await);
    let hidden = bob.make("article", json!({"title": "x", "permission": 16256}), json!({})).await;
    let (tag, own) = (
        bob.make("tag", json!({"name": "x", "permission": 16256}), json!({})).await,
        ada.make("article", json!({"title": "x"}), json!({})).await,
    );
    let comment = ada.make("comment", json!({"text": "x"}), json!({"article": one("article", &own)})).await;
    world.sql("insert into section (id, permission, name) values ('00000000-0000-7000-8000-0000000000c1', 127, 'x')").await;
    let open = async |entity: &str, bits: i32| {
        world
            .sql(&format!("update world set permission = {bits}, groups = '{{}}', group_bits = null where name = '{entity}'"))
            .await;
    };
    let new = async |someone: &Someone<'_>| {
        let relationships = json!({"article": one("article", &hidden), "reply_to": one("comment", &comment)});
        let body = json!({"data": {"type": "comment", "attributes": {"text": "y"}, "relationships": relationships}});
        someone.post("/api/comment", body).await.status
    };
    open("comment", 1 | 2 | 4).await; // create, and not refer
    assert_eq!((new(&ada).await, new(&world.guest()).await), (403, 401));
    open("comment", 127).await;
    assert_eq!(new(&ada).await, 404);
    let change = async || {
        let section = one("section", "00000000-0000-7000-8000-0000000000c1");
        let relationships = json!({"tags": many("tag", &[&tag]), "section": section});
        ada.patch(&format!("/api/article/{own}"), json!({"data": {"type": "article", "id": own, "relationships": relationships}}))
            .await
            .status
    };
    open("section", 1 | 2).await;
    assert_eq!(change().await, 403);
    open("section", 127).await;
    assert_eq!(change().await, 404);
    // Who makes a row is its owner, whatever may be done with users.
    open("user_account", 0).await;
    let mine = json!({"data": {"type": "tag", "attributes": {"name": "mine"}, "relationships": {"owner": one("user_account", &ada.id.to_string())}}});
    ada.post("/api/tag", mine).await.is(201);
}

#[tokio::test]
async fn a_request_names_and_a_row_leads_to_any_number_of_entities() {
    let project = std::env::temp_dir().join(format!("rowhouse-{}", uuid::Uuid::now_v7()));
    std::fs::create_dir_all(project.join("schema")).expect("a folder");
    let mut hub = "grants: { users: all }\nrelations:\n".to_owned();
    for n in 0..70 {
        let place = |name: &str| project.join(format!("schema/{name}.yaml"));
        std::fs::write(place(&format!("t{n}")), "grants: { users: all }\ncolumns:\n  name: { type: label }\n").expect("written");
        hub += &format!("  r{n}: {{ belongs_to: t{n} }}\n");
        std::fs::write(place("hub"), &hub).expect("written");
    }
    let world = World::of(project.to_str().expect("a path")).await;
    let ada = world.user("ada", &[]).await;
    let id = ada.make("hub", json!({}), json!({})).await;
    let change = async |most: usize| {
        let nobody = "00000000-0000-7000-8000-00000000dead";
        let links: serde_json::Map<_, _> = (0..most).map(|n| (format!("r{n}"), one(&format!("t{n}"), nobody))).collect();
        ada.patch(&format!("/api/hub/{id}"), json!({"data": {"type": "hub", "id": id, "relationships": links}})).await.status
    };
    assert_eq!((change(47).await, change(70).await), (404, 404), "each is asked, and the rows are not there");
    let include: Vec<_> = (0..20).map(|n| format!("r{n}")).collect();
    let named: String = (0..70).map(|n| format!("&fields[t{n}]=name")).collect();
    ada.get(&format!("/api/hub/{id}?include={}{named}", include.join(","))).await.is(200);
    let shown = |answer: &crate::house::answer::Answer| {
        let links = answer.json["data"]["relationships"].as_object().expect("links").clone();
        links.iter().filter(|(_, link)| link["links"]["related"].is_string()).map(|(name, _)| name.clone()).collect::<Vec<_>>()
    };
    let all = shown(&ada.get(&format!("/api/hub/{id}")).await.is(200));
    assert!((0..70).all(|n| all.contains(&format!("r{n}"))), "{all:?}");
    world.sql("update world set groups = '{}', group_bits = null where name = 't69'").await;
    let all = shown(&ada.get(&format!("/api/hub/{id}")).await.is(200));
    assert!((0..69).all(|n| all.contains(&format!("r{n}"))) && !all.contains(&"r69".to_owned()), "{all:?}");
    std::fs::remove_dir_all(project).expect("gone");
}
