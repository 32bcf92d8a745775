//! The matrix: caller × bits × owner × grant × surface, all of it, against the oracle; and a table of it for people.

use rowhouse::config::{Config, Proof};
use serde_json::json;

use super::oracle::{Actor, Grant, RIGHTS, Row, actors, line, may};
use crate::house::{Someone, World};

/// How groups and rights of callers are found, and what a token is that is over. Every way must answer the same.
#[derive(Clone, Copy)]
struct Way {
    proof: Proof,
    over_is_guest: bool,
}

const WARM: Way = Way { proof: Proof::Warm, over_is_guest: false };
const COLD: Way = Way { proof: Proof::Cold, over_is_guest: true };
const SLOW: Way = Way { proof: Proof::Slow, over_is_guest: true };

impl Way {
    fn set(self, config: &mut Config) {
        (config.database.proof, config.token.over_is_guest) = (self.proof, self.over_is_guest);
    }

    /// Whether whatever an actor asks is 401: their token is over.
    fn refuses(self, actor: Actor) -> bool {
        actor.name.starts_with("deactivated") && !self.over_is_guest
    }
}

struct Kind {
    id: String,
    name: String,
    row: Row,
    /// Whom it belongs to: `owner` and `owner and member` are asked on rows of their own.
    owner: Option<&'static str>,
}

fn permission(class: usize, right: usize) -> i32 {
    1 << (class * 7 + right)
}

/// Each bit alone, nothing, everything; with each owner and each kind of grant.
fn kinds() -> Vec<Kind> {
    let mut permissions = vec![("nothing".to_owned(), 0), ("everything".to_owned(), 2_097_151)];
    for (class, word) in ["guest", "owner", "group"].iter().enumerate() {
        permissions.extend((0..7).map(|right| (format!("{word} {}", RIGHTS[right]), permission(class, right))));
    }
    let mut kinds = vec![];
    for (name, bits) in permissions {
        for owner in [None, Some("owner"), Some("owner and member"), Some("deactivated owner")] {
            let grants = [
                ("no grant", Grant::None),
                ("granted", Grant::RowsBits),
                ("granted all", Grant::Own(2_080_768)),
                ("granted nothing", Grant::Own(0)),
            ];
            for (grant_name, grant) in grants {
                let id = format!("00000000-0000-7000-8000-{:012x}", kinds.len() + 1);
                let name = format!("{name} · {} · {grant_name}", owner.unwrap_or("no owner"));
                kinds.push(Kind { id, name, row: Row { permission: bits, has_owner: owner.is_some(), grant }, owner });
            }
        }
    }
    kinds
}

fn asks(actor: Actor, kind: &Kind) -> Actor {
    Actor { is_owner: kind.owner == Some(actor.name), ..actor }
}

async fn cast<'w>(world: &'w World) -> Vec<(Actor, Someone<'w>)> {
    let mut cast = vec![];
    for actor in actors() {
        let name = actor.name.replace(' ', "-");
        let someone = match actor.name {
            "guest" => world.guest(),
            "administrator" => world.administrator().await,
            _ => world.user(&name, if actor.is_member { &["editors"] } else { &[] }).await,
        };
        if actor.name.starts_with("deactivated") {
            world.sql(&format!("update user_account set active = false where id = '{}'", someone.id)).await;
        }
        cast.push((actor, someone));
    }
    cast
}

/// Tags of all kinds, on an entity that grants everything to everybody.
async fn scene(world: &World, cast: &[(Actor, Someone<'_>)]) -> Vec<Kind> {
    world.sql("update world set permission = 2097151 where name in ('tag', 'article', 'comment', 'section')").await;
    world.sql("delete from tag").await;
    let kinds = kinds();
    for chunk in kinds.chunks(100) {
        let rows: Vec<_> = chunk
            .iter()
            .map(|kind| {
                let owner = kind
                    .owner
                    .and_then(|o| cast.iter().find(|(a, _)| a.name == o))
                    .map_or("null".to_owned(), |(_, s)| format!("'{}'::uuid", s.id));
                let editors = "(select id from usergroup where declared and name = 'editors')";
                let (groups, bits) = match kind.row.grant {
                    Grant::None => ("'{}'::uuid[]".to_owned(), "null::int[]".to_owned()),
                    Grant::RowsBits => (format!("array[{editors}]"), "null::int[]".to_owned()),
                    Grant::Own(bits) => (format!("array[{editors}]"), format!("array[{bits}]")),
                };
                format!("('{}'::uuid, {owner}, {}, {groups}, {bits}, '{}')", kind.id, kind.row.permission, kind.id)
            })
            .collect();
        world.sql(&format!("insert into tag (id, owner, permission, groups, group_bits, name) values {}", rows.join(", "))).await;
    }
    kinds
}

/// What §5 answers for a row: done, refused, or unknown.
fn verdict(actor: Actor, row: Row, right: usize, done: u16) -> u16 {
    match (may(actor, 0, row), may(actor, right, row), actor.is_user) {
        (false, ..) => 404,
        (_, true, _) => done,
        (_, _, true) => 403,
        (_, _, false) => 401,
    }
}

#[tokio::test]
async fn list_get_filter_sort_related_linkage_and_include_agree_with_the_oracle_warm() {
    reads(WARM).await;
}

#[tokio::test]
async fn list_get_filter_sort_related_linkage_and_include_agree_with_the_oracle_cold() {
    reads(COLD).await;
}

#[tokio::test]
async fn list_get_filter_sort_related_linkage_and_include_agree_with_the_oracle_slow() {
    reads(SLOW).await;
}

async fn reads(way: Way) {
    let world = World::with(|config| {
        (config.page.most, config.limits.included) = (1000, 1000);
        way.set(config);
    })
    .await;
    let cast = cast(&world).await;
    let kinds = scene(&world, &cast).await;
    let article = "00000000-0000-7000-8000-00000000a001";
    world.sql(&format!("insert into article (id, permission, title, author) select '{article}', 2, 'x', id from user_account where name = 'admin'")).await;
    world.sql(&format!("insert into \"article.tags\" (source, target, created_at) select '{article}', id, now() from tag")).await;
    let (comment, reply) = ("00000000-0000-7000-8000-00000000c001", "00000000-0000-7000-8000-00000000c002");
    world.sql(&format!("insert into comment (id, permission, text, article, reply_to) values ('{comment}', 2, 'x', '{article}', null), ('{reply}', 2, 'x', '{article}', '{comment}')")).await;
    for (actor, someone) in &cast {
        if way.refuses(*actor) {
            for path in ["tag", "tag?filter[name]=x", "tag/00000000-0000-7000-8000-000000000001", "article/x/tags"] {
                someone.get(&format!("/api/{path}")).await.is(401);
            }
            someone.get("/aggregate/tag?measure=count").await.is(401);
            continue;
        }
        let seen =
            |right: usize| kinds.iter().filter(|k| may(asks(*actor, k), right, k.row)).map(|k| k.id.clone()).collect::<Vec<_>>();
        let (peeked, read) = (seen(0), seen(1));
        for surface in ["tag?sort=id", "tag?sort=id&filter[name][starts]=0", "tag?sort=id&filter[name][ne]=x"] {
            assert_eq!(
                someone.get(&format!("/api/{surface}&page[size]=1000")).await.is(200).ids(),
                read,
                "{} {surface}",
                actor.name
            );
        }
        let related = someone.get(&format!("/api/article/{article}/tags?sort=id&page[size]=1000")).await.is(200);
        assert_eq!(related.ids(), read, "{} related", actor.name);
        let linkage = someone.get(&format!("/api/article/{article}/relationships/tags?sort=id&page[size]=1000")).await.is(200);
        assert_eq!(linkage.ids(), peeked, "{} linkage", actor.name);
        let included = someone.get(&format!("/api/article/{article}?include=tags")).await.is(200);
        let mut ids: Vec<_> = included.json["included"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|r| r["id"].as_str().expect("an id").to_owned())
            .collect();
        ids.sort();
        assert_eq!(ids, read, "{} include", actor.name);
        for (path, depth) in [
            (format!("comment/{comment}?include=article.tags"), 2),
            (format!("comment/{reply}?include=reply_to.article.tags"), 3),
        ] {
            let included = someone.get(&format!("/api/{path}")).await.is(200);
            let tags = included.json["included"].as_array().expect("a list").iter().filter(|r| r["type"] == "tag");
            let mut ids: Vec<_> = tags.map(|r| r["id"].as_str().expect("an id").to_owned()).collect();
            ids.sort();
            assert_eq!(ids, read, "{} include depth {depth}", actor.name);
        }
        let counted = someone.get("/aggregate/tag?measure=count").await.is(200);
        assert_eq!(counted.json["data"][0]["attributes"]["count"], read.len(), "{} aggregate", actor.name);
        let total = someone.get("/api/tag?page[total]=exact").await.is(200);
        assert_eq!(total.json["meta"]["page"]["total"], read.len(), "{} total", actor.name);
        let filtered = someone.get("/api/comment?filter[article.tags.name][starts]=0&sort=id").await.is(200).ids();
        assert_eq!(filtered.len(), if read.is_empty() { 0 } else { 2 }, "{} filter through relations", actor.name);
        for kind in &kinds {
            let got = someone.get(&format!("/api/tag/{}", kind.id)).await;
            assert_eq!(got.status, verdict(asks(*actor, kind), kind.row, 1, 200), "{} get {}", actor.name, kind.name);
        }
    }
}

#[tokio::test]
async fn a_list_is_the_same_however_short_its_walk_warm() {
    short_walks(WARM).await;
}

#[tokio::test]
async fn a_list_is_the_same_however_short_its_walk_cold() {
    short_walks(COLD).await;
}

#[tokio::test]
async fn a_list_is_the_same_however_short_its_walk_slow() {
    short_walks(SLOW).await;
}

async fn short_walks(way: Way) {
    let world = World::with(|config| {
        config.limits.walk = 3;
        way.set(config);
    })
    .await;
    let cast = cast(&world).await;
    let kinds = scene(&world, &cast).await;
    for (actor, someone) in &cast {
        if way.refuses(*actor) {
            someone.get("/api/tag?sort=id").await.is(401);
            continue;
        }
        let seen = kinds.iter().filter(|k| may(asks(*actor, k), 1, k.row)).map(|k| k.id.clone());
        let mut read: Vec<_> = seen.collect();
        for order in ["id", "-id"] {
            let (mut found, mut url) = (vec![], format!("/api/tag?sort={order}&filter[name][ne]=x&page[size]=50"));
            while url != "null" {
                let page = someone.get(&url).await.is(200);
                found.extend(page.ids());
                url = page.json["links"]["next"].as_str().unwrap_or("null").to_owned();
            }
            assert_eq!(found, read, "{} by {order}", actor.name);
            read.reverse();
        }
    }
    // a group's members see it, if its bits say so
    world.sql("update usergroup set permission = 0, groups = '{}'").await;
    world.sql("update usergroup set permission = 32768 where name = 'editors'").await;
    world.sql("insert into usergroup (id, permission, name, joinable, declared) select gen_random_uuid(), 0, 'a' || n, false, false from generate_series(1, 9) n").await;
    for (actor, someone) in &cast {
        let found = someone.get("/api/usergroup?sort=name").await;
        if way.refuses(*actor) {
            found.is(401);
            continue;
        }
        let wanted = if actor.is_administrator { 12 } else { usize::from(actor.is_member && actor.is_user) };
        let count = if found.status == 200 { found.ids().len() } else { 0 };
        assert_eq!(count, wanted, "{}", actor.name);
    }
}

#[tokio::test]
async fn explanations_agree_with_the_oracle_and_so_with_every_surface_warm() {
    explanations(WARM).await;
}

#[tokio::test]
async fn explanations_agree_with_the_oracle_and_so_with_every_surface_cold() {
    explanations(COLD).await;
}

#[tokio::test]
async fn explanations_agree_with_the_oracle_and_so_with_every_surface_slow() {
    explanations(SLOW).await;
}

async fn explanations(way: Way) {
    let world = World::with(|config| way.set(config)).await;
    let cast = cast(&world).await;
    let kinds = scene(&world, &cast).await;
    for (actor, someone) in &cast {
        if way.refuses(*actor) {
            let question = json!({"right": "read", "entity": "tag", "id": kinds[0].id});
            someone.post("/permission", json!({"data": [question]})).await.is(401);
            someone.get(&format!("/permission/tag/{}?right=read", kinds[0].id)).await.is(401);
            continue;
        }
        for (right, word) in RIGHTS.iter().enumerate().filter(|(_, word)| **word != "create") {
            let questions: Vec<_> = kinds.iter().map(|k| json!({"right": word, "entity": "tag", "id": k.id})).collect();
            world.wire.listen();
            let all = someone.post("/permission", json!({"data": questions})).await.is(200);
            // A token that is over is found out, and then counts as none.
            let is_over = actor.name.starts_with("deactivated");
            assert_eq!(world.wire.executed(), if is_over { 2 } else { 1 });
            for (kind, said) in kinds.iter().zip(all.json["data"].as_array().expect("a list")) {
                let actor = asks(*actor, kind);
                let peeked = may(actor, 0, kind.row);
                let wanted = json!({
                    "allowed": peeked && may(actor, right, kind.row),
                    "phase": peeked.then_some(if *word == "read" { "after instance" } else { "before instance" }),
                    "line": line(actor, right, kind.row).filter(|_| peeked),
                });
                assert_eq!(said["attributes"], wanted, "{} {word} {}", actor.name, kind.name);
                assert_eq!(said["id"], format!("tag/{}/{word}", kind.id));
            }
        }
        for kind in kinds.iter().step_by(9) {
            let one = someone.get(&format!("/permission/tag/{}?right=update", kind.id)).await;
            assert_eq!(one.status, if may(asks(*actor, kind), 0, kind.row) { 200 } else { 404 }, "{} {}", actor.name, kind.name);
        }
    }
}

/// The rows of all kinds once more for each caller, so that nobody finds what somebody else changed.
fn id_for(kind: &Kind, place: usize) -> String {
    format!("{}{:04x}{}", &kind.id[..24], place + 1, &kind.id[28..])
}

async fn operate(someone: &Someone<'_>, operations: Vec<serde_json::Value>) -> crate::house::answer::Answer {
    let body = json!({"atomic:operations": operations}).to_string();
    let request = someone.request(reqwest::Method::POST, "/api/operations").header("Content-Type", "application/json");
    someone.send(request.body(body)).await
}

#[tokio::test]
async fn execute_update_link_unlink_and_delete_agree_with_the_oracle_warm() {
    changes(WARM).await;
}

#[tokio::test]
async fn execute_update_link_unlink_and_delete_agree_with_the_oracle_cold() {
    changes(COLD).await;
}

#[tokio::test]
async fn execute_update_link_unlink_and_delete_agree_with_the_oracle_slow() {
    changes(SLOW).await;
}

async fn changes(way: Way) {
    let world = World::with(|config| way.set(config)).await;
    let cast = cast(&world).await;
    let kinds = scene(&world, &cast).await;
    let article = "00000000-0000-7000-8000-00000000b001";
    world.sql(&format!("insert into article (id, permission, title, author) select '{article}', 127, 'x', id from user_account where name = 'admin'")).await;
    world.sql("update action set permission = 32 where name = 'paint'").await;
    for place in 0..cast.len() {
        world
            .sql(&format!(
                "insert into tag (id, owner, permission, groups, group_bits, name) select overlay(id::text placing '{:04x}' from 25 for 4)::uuid, owner, \
                 permission, groups, group_bits, name || ' {place}' from tag where substr(id::text, 25, 4) = '0000'",
                place + 1
            ))
            .await;
    }
    let free = "00000000-0000-7000-8000-00000000f4ee"; // everybody may do everything with it, as far as the entity lets them
    world.sql(&format!("insert into tag (id, permission, name) values ('{free}', 2097151, 'free')")).await;
    let all = cast.iter().enumerate().map(|(place, (actor, someone))| {
        let kinds = &kinds;
        async move {
            // Writes ask the database themselves, but for actions' gates and what is read back: some are enough, the other ways.
            let step = if way.proof == Proof::Warm { 1 } else { 9 };
            for kind in kinds.iter().step_by(step) {
                let (actor, id) = (asks(*actor, kind), id_for(kind, place));
                let is_refused = way.refuses(actor);
                let wanted = |right, done| if is_refused { 401 } else { verdict(actor, kind.row, right, done) };
                let unlinked = if is_refused { 401 } else { 204 };
                let said = format!("{} on {}", actor.name, kind.name);
                // Together with one that is permitted, so that both share their statements.
                let batch = operate(
                    someone,
                    [free, &id]
                        .map(|id| json!({"op": "update", "data": {"type": "tag", "id": id, "attributes": {"color": "#123456"}}}))
                        .to_vec(),
                );
                assert_eq!(batch.await.status, wanted(3, 200), "update in a batch: {said}");
                let mut removes = [free, &id].map(|id| json!({"op": "remove", "ref": {"type": "tag", "id": id}})).to_vec();
                removes.push(json!({"op": "add", "data": {"type": "tag", "attributes": {"name": 7}}})); // so that none of it lasts
                assert_eq!(operate(someone, removes).await.status, wanted(4, 422), "delete in a batch: {said}");
                let painted = someone.act(&format!("tag/{id}/paint"), json!({"color": "#000"})).await;
                assert_eq!(painted.status, wanted(5, 200), "execute: {said}");
                let url = format!("/api/tag/{id}");
                let patch = json!({"data": {"type": "tag", "id": id, "attributes": {"color": "#fff"}}});
                assert_eq!(someone.patch(&url, patch).await.status, wanted(3, 200), "update: {said}");
                let (tags, articles) =
                    (format!("/api/article/{article}/relationships/tags"), format!("{url}/relationships/articles"));
                let (tag, other) =
                    (json!({"data": [{"type": "tag", "id": id}]}), json!({"data": [{"type": "article", "id": article}]}));
                assert_eq!(someone.post(&tags, tag.clone()).await.status, wanted(6, 204), "link: {said}");
                assert_eq!(someone.unlink(&tags, tag).await.status, unlinked, "unlink asks nothing of the other row: {said}");
                assert_eq!(
                    someone.post(&articles, other.clone()).await.status,
                    wanted(3, 204),
                    "link from the other side: {said}"
                );
                assert_eq!(someone.unlink(&articles, other).await.status, wanted(3, 204), "unlink from the other side: {said}");
                assert_eq!(someone.delete(&url).await.status, wanted(4, 204), "delete: {said}");
            }
        }
    });
    futures_util::future::join_all(all).await;
    let mut table = String::new();
    for kind in &kinds {
        let letters = cast.iter().map(|(actor, _)| {
            let actor = asks(*actor, kind);
            (0..7).map(|r| if may(actor, r, kind.row) { ["p", "r", "c", "u", "d", "x", "f"][r] } else { "-" }).collect::<String>()
        });
        table += format!("{:58} {}", kind.name, letters.collect::<Vec<_>>().join(" ")).trim_end();
        table += "\n";
    }
    let names: Vec<_> = cast.iter().map(|(a, _)| a.name).collect();
    insta::assert_snapshot!(
        "matrix",
        format!("someone: {}\npeek read create update delete xecute reFer\n\n{table}", names.join(" | "))
    );
}

#[tokio::test]
async fn the_entity_is_asked_too_warm() {
    entities(WARM).await;
}

#[tokio::test]
async fn the_entity_is_asked_too_cold() {
    entities(COLD).await;
}

#[tokio::test]
async fn the_entity_is_asked_too_slow() {
    entities(SLOW).await;
}

async fn entities(way: Way) {
    let world = World::with(|config| way.set(config)).await;
    let cast = cast(&world).await;
    let url = "/api/tag/00000000-0000-7000-8000-000000000001";
    world.sql("insert into tag (id, permission, name) values ('00000000-0000-7000-8000-000000000001', 2097151, 'x')").await;
    for right in 0..7 {
        for class in 0..3 {
            world.sql(&format!("update world set permission = {}, group_bits = null, groups = array[(select id from usergroup where declared and name = 'editors')] where name = 'tag'", permission(class, right))).await;
            let row = Row { permission: permission(class, right), has_owner: false, grant: Grant::RowsBits };
            for (actor, someone) in &cast {
                let wanted = |right: usize, done: u16| match (may(*actor, right, row), actor.is_user) {
                    _ if way.refuses(*actor) => 401,
                    (true, _) => done,
                    (_, true) => 403,
                    (_, false) => 401,
                };
                assert_eq!(someone.get("/api/tag").await.status, wanted(1, 200), "{} list {right} {class}", actor.name);
                assert_eq!(someone.get(url).await.status, wanted(1, 200), "{} get {right} {class}", actor.name);
                let change = json!({"data": {"type": "tag", "id": url.rsplit('/').next(), "attributes": {"color": "#000"}}});
                assert_eq!(someone.patch(url, change).await.status, wanted(3, 200), "{} update {right} {class}", actor.name);
                let new = json!({"data": {"type": "tag", "attributes": {"name": format!("{}-{right}-{class}", actor.name)}}});
                assert_eq!(someone.post("/api/tag", new).await.status, wanted(2, 201), "{} create {right} {class}", actor.name);
                assert_eq!(
                    someone.delete("/api/tag/00000000-0000-7000-8000-000000000009").await.status,
                    wanted(4, 404),
                    "{} delete {right} {class}",
                    actor.name
                );
            }
        }
    }
}
