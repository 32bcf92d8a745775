//! Columns that not everybody sees or sets who sees or changes the row.

use serde_json::{Value as Json, json};

use crate::house::{CANARY, Someone, World};

async fn cases(world: &World) -> (Someone<'_>, Someone<'_>, Someone<'_>, [String; 2]) {
    let (ada, bob, eve) = (world.user("ada", &[]).await, world.user("bob", &["team"]).await, world.user("eve", &[]).await);
    let mut ids = vec![];
    for (n, owner) in [(1, &ada), (2, &eve)] {
        let id = format!("00000000-0000-7000-8000-00000000000{n}");
        let team = "(select id from usergroup where declared and name = 'team')";
        world
            .sql(&format!(
                "insert into \"case\" (id, owner, permission, groups, open, own, team, boss) values ('{id}', '{}', 16256 + 42 + 163840, array[{team}], 'open {n}', 'own {n}', {n}, '{CANARY}')",
                owner.id
            ))
            .await;
        ids.push(id);
    }
    (ada, bob, eve, [ids.remove(0), ids.remove(0)])
}

fn keys(answer: &Json) -> Vec<&str> {
    let all = answer["attributes"].as_object().expect("attributes").keys().map(String::as_str);
    all.filter(|k| ["open", "own", "team", "boss"].contains(k)).collect()
}

#[tokio::test]
async fn a_row_shows_each_caller_the_columns_that_are_theirs() {
    let world = World::of("tests/projects/odd").await;
    let (ada, bob, eve, [one, two]) = cases(&world).await;
    let guest = world.guest();
    let shown =
        async |someone: &Someone<'_>, id: &str| someone.get(&format!("/api/case/{id}")).await.is(200).json["data"].clone();
    world.wire.listen();
    assert_eq!(keys(&shown(&guest, &one).await), ["open"]);
    assert_eq!(keys(&shown(&ada, &one).await), ["open", "own", "team"]);
    assert_eq!(keys(&shown(&ada, &two).await), ["open"], "left out of that row");
    assert_eq!(keys(&shown(&bob, &one).await), ["open", "team"]);
    assert!(!world.wire.heard(CANARY), "what isn't theirs doesn't leave PostgreSQL");
    let mut admin = world.administrator().await;
    admin.hears_canaries = true;
    assert_eq!(keys(&shown(&admin, &one).await), ["open", "own", "team", "boss"]);
    assert!(world.wire.heard(CANARY), "the ear works");
    // by every way that shows a row
    world.sql(&format!("insert into clue (id, permission, text, \"case\") values (gen_random_uuid(), 2, 'x', '{one}')")).await;
    for (someone, wanted) in
        [(&guest, vec!["open"]), (&ada, vec!["open", "own", "team"]), (&bob, vec!["open", "team"]), (&eve, vec!["open"])]
    {
        let included = someone.get("/api/clue?include=case").await.is(200);
        assert_eq!(keys(&included.json["included"][0]), wanted);
        let list = someone.get("/api/case?sort=open&page[size]=1").await.is(200);
        assert_eq!(keys(&list.json["data"][0]), wanted);
        let related = someone.get(&format!("/api/clue/{}/case", included.ids()[0])).await.is(200);
        assert_eq!(keys(&related.json["data"]), wanted);
        let told = someone.act(&format!("case/{one}/tell"), json!({"what": "own"})).await;
        assert_eq!(
            told.status,
            if wanted.contains(&"own") {
                200
            } else if someone.token.is_none() {
                401
            } else {
                403
            },
            "{}",
            told.text
        );
    }
}

#[tokio::test]
async fn what_a_caller_never_reads_does_not_exist_for_them() {
    let world = World::of("tests/projects/odd").await;
    let (_, bob, _, _) = cases(&world).await;
    let guest = world.guest();
    for query in [
        "filter[own]=own 1",
        "filter[own][null]=false",
        "sort=own",
        "sort=-team",
        "fields[case]=own",
        "filter={\"or\":[{\"not\":{\"eq\":[\"own\",\"x\"]}}]}",
    ] {
        let refused = guest.get(&format!("/api/case?{query}")).await.is(400).text;
        let missing = guest.get(&format!("/api/case?{}", query.replace("own", "xyz").replace("team", "xxxx"))).await.is(400).text;
        assert_eq!(
            refused.replace("unknown", "UNKNOWN").replace("own", "xyz").replace("UNKNOWN", "unknown").replace("team", "xxxx"),
            missing
        );
        bob.get(&format!("/api/case?{query}")).await.is(200); // the control
    }
    guest.get("/api/clue?filter[case.own]=x").await.is(400);
    bob.get("/api/clue?filter[case.own]=x").await.is(200);
    let mut bad_token = guest.clone();
    bad_token.token = Some("nonsense".to_owned());
    bad_token.get("/api/case?sort=own").await.is(400);
    let unknown = guest
        .patch(
            "/api/case/00000000-0000-7000-8000-000000000001",
            json!({"data": {"type": "case", "id": "00000000-0000-7000-8000-000000000001", "attributes": {"own": "x"}}}),
        )
        .await
        .is(422);
    assert_eq!(unknown.json["errors"][0]["code"], "unknown-attribute");
}

#[tokio::test]
async fn filters_and_orders_see_a_column_only_in_rows_where_it_is_theirs() {
    let world = World::of("tests/projects/odd").await;
    let (ada, bob, eve, [one, two]) = cases(&world).await;
    let ids = async |someone: &Someone<'_>, query: &str| someone.get(&format!("/api/case?{query}")).await.is(200).ids();
    assert_eq!(ids(&ada, "filter[own][starts]=own").await, [one.as_str()]);
    assert_eq!(ids(&eve, "filter[own][starts]=own").await, [two.as_str()]);
    assert_eq!(ids(&bob, "filter[own][starts]=own").await, Vec::<String>::new());
    assert_eq!(ids(&bob, "filter[team][gt]=1").await, [two.as_str()]);
    assert_eq!(ids(&ada, "filter[own][ne]=own 2&sort=open").await.len(), 2, "what can't be seen is different from anything");
    assert_eq!(ids(&ada, "sort=own").await, [one.as_str(), two.as_str()], "unseen values come last, like none");
    assert_eq!(ids(&eve, "sort=own").await, [two.as_str(), one.as_str()]);
    // cursors carry what is seen, and pages join up
    for someone in [&ada, &eve, &bob] {
        for sort in ["own", "-own", "team", "-team"] {
            let all = ids(someone, &format!("sort={sort}")).await;
            let first = someone.get(&format!("/api/case?sort={sort}&page[size]=1")).await.is(200);
            let next = first.json["links"]["next"].as_str().expect("a next page").to_owned();
            assert_eq!([first.ids(), someone.get(&next).await.is(200).ids()].concat(), all, "{sort}");
        }
    }
    ada.get("/api/case?sort=boss&filter[boss][null]=true").await.is(200); // for users it may exist in some row
}

#[tokio::test]
async fn a_column_is_set_by_whom_it_names() {
    let world = World::of("tests/projects/odd").await;
    let (ada, bob, eve, [one, _]) = cases(&world).await;
    let url = format!("/api/case/{one}");
    let set =
        |name: &str, value: Json| json!({"data": {"type": "case", "id": one, "attributes": {"open": "changed", name: value}}});
    let refused = bob.patch(&url, set("own", json!("x"))).await.is(403);
    assert_eq!(refused.json["errors"][0]["source"]["pointer"], "/data/attributes/own");
    ada.patch(&url, set("own", json!("x"))).await.is(200);
    ada.patch(&url, set("team", json!(7))).await.is(403);
    bob.patch(&url, set("team", json!(7))).await.is(200);
    eve.patch(&url, set("team", json!(7))).await.is(403);
    eve.patch(&url, set("open", json!("by eve"))).await.is(200);
    ada.patch(&url, set("boss", json!("x"))).await.is(403);
    let mut admin = world.administrator().await;
    admin.hears_canaries = true;
    admin.patch(&url, set("boss", json!("x"))).await.is(200);
    // an action may set what it declares, whoever calls it
    world.sql("update \"case\" set permission = permission | 32").await;
    eve.act(&format!("case/{one}/appoint"), json!({})).await.is(200);
    assert!(world.sql(&format!("select boss = 'eve' from \"case\" where id = '{one}'")).await[0].bool(0));
    // on create: the owner's are the creator's; the group's are whose group it comes to; a default is nobody's deed
    let make = |attributes: Json| json!({"data": {"type": "case", "attributes": attributes}});
    eve.post("/api/case", make(json!({"own": "mine"}))).await.is(201);
    eve.post("/api/case", make(json!({"open": "x"}))).await.is(201);
    eve.post("/api/case", make(json!({"team": 1}))).await.is(403);
    bob.post("/api/case", make(json!({"team": 1}))).await.is(201);
    eve.post("/api/case", make(json!({"boss": "x"}))).await.is(403);
    admin.post("/api/case", make(json!({"boss": "x"}))).await.is(201);
    assert_eq!(world.sql("select 1 from \"case\"").await.len(), 6, "what was refused is not there");
}

#[tokio::test]
async fn a_value_that_is_not_theirs_is_not_guessed_by_sending_it() {
    let world = World::of("tests/projects/odd").await;
    let (ada, bob, eve, [one, _]) = cases(&world).await;
    world.sql("update \"case\" set score = 41, code = 'secret' where open = 'open 1'").await;
    let url = format!("/api/case/{one}");
    let set = |attributes: Json| json!({"data": {"type": "case", "id": one, "attributes": attributes}});
    for someone in [&bob, &eve] {
        let (right, wrong) = (
            someone.patch(&url, set(json!({"score": 41}))).await.is(403),
            someone.patch(&url, set(json!({"score": 40}))).await.is(403),
        );
        assert_eq!(right.text, wrong.text);
    }
    ada.patch(&url, set(json!({"score": 41}))).await.is(200); // the control
    // what is sent back as it is, is no change, for who sees it
    bob.patch(&url, set(json!({"open": "x", "team": 1, "code": "secret"}))).await.is(200);
    ada.patch(&url, set(json!({"open": "y", "team": 1}))).await.is(200); // ada reads team, and may not set it
    ada.patch(&url, set(json!({"team": 2}))).await.is(403);
    let (right, wrong) =
        (eve.patch(&url, set(json!({"team": 1}))).await.is(403), eve.patch(&url, set(json!({"team": 2}))).await.is(403));
    assert_eq!(right.text, wrong.text);
    // nor by a clash
    let make = |code: &str| json!({"data": {"type": "case", "attributes": {"code": code}}});
    let (taken, free) = (eve.post("/api/case", make("secret")).await.is(403), eve.post("/api/case", make("free")).await.is(403));
    assert_eq!((taken.status, &taken.json["errors"][0]["title"]), (free.status, &free.json["errors"][0]["title"]));
    bob.post("/api/case", make("free")).await.is(201);
    world.sql("update world set permission = permission | 4 where name = 'case'").await;
    let (taken, free) = (
        world.guest().post("/api/case", make("secret")).await.is(422),
        world.guest().post("/api/case", make("free2")).await.is(422),
    );
    assert_eq!(taken.text, free.text);
}

#[tokio::test]
async fn an_action_finds_by_what_its_caller_may_not_see_and_tells_only_what_they_may() {
    let world = World::of("tests/projects/odd").await;
    let (_, _, eve, [one, _]) = cases(&world).await;
    world.sql("update \"case\" set code = 'secret' where open = 'open 1'").await;
    world.sql("update world set permission = permission | 32 where name = 'case'").await;
    for someone in [&eve, &world.guest()] {
        assert!(someone.act("case/find", json!({"code": "secret"})).await.is(200).text.contains("open 1"));
        someone.act("case/find", json!({"code": "other"})).await.is(404);
    }
    // an outcome's own words, when PostgreSQL refuses it; a declared right to read tells the row
    world.sql(&format!("update \"case\" set permission = 16256 + 1 + 32 where id = '{one}'")).await;
    world.sql(&format!("insert into clue (id, permission, text, \"case\") values (gen_random_uuid(), 2, 'x', '{one}')")).await;
    let refused = eve.act(&format!("case/{one}/close"), json!({})).await.is(409);
    assert_eq!(refused.json[0]["Attributes"]["message"], "open 1 has clues");
    world.sql("delete from clue").await;
    eve.act(&format!("case/{one}/close"), json!({})).await.is(200);
}

#[tokio::test]
async fn a_group_is_granted_to_its_own_members_column_by_column() {
    let world = World::of("tests/projects/odd").await;
    let (ada, bob) = (world.user("ada", &[]).await, world.user("bob", &[]).await);
    let group = ada.make("usergroup", json!({"name": "Choir", "permission": 16258}), json!({})).await;
    let url = format!("/api/usergroup/{group}");
    world.sql(&format!("update usergroup set motto = 'sing' where id = '{group}'")).await;
    let motto = async |someone: &Someone<'_>| someone.get(&url).await.is(200).json["data"]["attributes"].get("motto").cloned();
    assert_eq!((motto(&bob).await, motto(&ada).await), (None, None), "nobody is in it");
    world
        .sql(&format!("insert into \"usergroup.members\" (source, target, created_at) values ('{group}', '{}', now())", bob.id))
        .await;
    assert_eq!((motto(&bob).await, motto(&ada).await), (Some(json!("sing")), None), "who is in it, and not its owner");
}
