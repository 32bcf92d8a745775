//! The scene of the proof: tags on two nodes, what is asked there, and what changes, by requests and by SQL.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value as Json, json};
use tokio_postgres::Client;
use uuid::Uuid;

use super::model::{Ask, GROUPS, Granted, Model, OWN, PEOPLE, ROWS, Told};
use super::oracle::{Grant, RIGHTS};
use crate::house::{Someone, World, answer::Answer};

const NAMES: [&str; PEOPLE] = ["ada", "bob", "eve", "dan", "amy"];

/// How a change is made.
#[derive(Debug, Clone, Copy)]
pub enum Way {
    Sql,
    /// By a request to one of the nodes; a membership from the group's side or from the person's.
    Api {
        node: usize,
        is_from_person: bool,
    },
}

#[derive(Debug, Clone, Copy)]
pub enum Change {
    SignOut(usize, Way),
    Expire(usize),
    /// The session that is over is open again: what was known of it as over isn't true any more, either.
    Revive(usize),
    /// A session more, which is used from now on.
    SignIn(usize),
    Join(usize, usize, Way),
    Leave(usize, usize, Way),
    /// Deletes a group. Another one takes its number.
    Dissolve(usize, Way),
    Deactivate(usize, Way),
    Activate(usize, Way),
    Entity(Granted, Way),
    NewRows(Granted, Way),
    Action(Granted, Way),
    Row(usize, Granted),
}

impl Change {
    /// Whom it is about.
    pub fn person(self) -> Option<usize> {
        match self {
            Change::SignOut(who, _) | Change::Expire(who) => Some(who),
            Change::Revive(who) | Change::SignIn(who) => Some(who),
            Change::Join(who, ..) | Change::Leave(who, ..) => Some(who),
            Change::Deactivate(who, _) | Change::Activate(who, _) => Some(who),
            _ => None,
        }
    }

    /// The same, turned round where it would change nothing.
    pub fn that_matters(self, model: &Model) -> Change {
        match self {
            Change::SignOut(who, _) if !model.is_signed_in[who] => Change::Revive(who),
            Change::Expire(who) if !model.is_signed_in[who] => Change::SignIn(who),
            Change::Revive(who) if model.is_signed_in[who] => Change::Expire(who),
            Change::Join(who, group, way) if model.members[who][group] => Change::Leave(who, group, way),
            Change::Leave(who, group, way) if !model.members[who][group] => Change::Join(who, group, way),
            Change::Deactivate(who, way) if !model.is_active[who] => Change::Activate(who, way),
            Change::Activate(who, way) if model.is_active[who] => Change::Deactivate(who, way),
            other => other,
        }
    }
}

/// What stays the same from case to case.
pub struct Stage<'w> {
    pub nodes: [&'w World; 2],
    /// An administrator to whom nothing happens: who makes changes by requests.
    chief: Someone<'w>,
    people: Vec<Someone<'w>>,
    /// The ids of the groups that files declare.
    declared: [Uuid; 3],
    pub rows: [Uuid; ROWS],
    /// Everybody may read it, and all tags are linked to it.
    article: Uuid,
    /// The rows in `world` and `action` that stand before the tags.
    entity: Uuid,
    action: Uuid,
    /// So that each write writes something else.
    marks: AtomicUsize,
}

/// A case's state: what the model says, and by which names the database has it.
pub struct Scene<'w> {
    pub model: Model,
    groups: [Uuid; GROUPS],
    sessions: [Uuid; PEOPLE],
    /// Those who ask; the guest is the last.
    pub callers: Vec<Someone<'w>>,
}

impl Scene<'_> {
    /// The groups that something is granted to, each with bits of the grant's own.
    fn held(&self, granted: &Granted) -> Vec<(Uuid, Option<i32>)> {
        let all = self.groups.iter().zip(granted.grants);
        let held = all.filter_map(|(group, grant)| match grant {
            Grant::None => None,
            Grant::RowsBits => Some((*group, None)),
            Grant::Own(bits) => Some((*group, Some(bits))),
        });
        held.collect()
    }

    /// Owner, permission, groups and group bits, as SQL.
    fn values(&self, granted: &Granted) -> [String; 4] {
        let owner = granted.owner.map(|owner| format!("'{}'::uuid", self.callers[owner].id));
        let owner = owner.unwrap_or_else(|| "null".to_owned());
        let held = self.held(granted);
        let groups: Vec<_> = held.iter().map(|(group, _)| format!("'{group}'")).collect();
        let bits = held.iter().map(|(_, bits)| bits.map_or("null".to_owned(), |bits| bits.to_string()));
        let bits = match held.iter().all(|(_, bits)| bits.is_none()) {
            true => "null".to_owned(),
            false => format!("array[{}]::integer[]", bits.collect::<Vec<_>>().join(", ")),
        };
        [owner, granted.permission.to_string(), format!("array[{}]::uuid[]", groups.join(", ")), bits]
    }

    fn set(&self, table: &str, id: Uuid, granted: &Granted) -> String {
        let [owner, permission, groups, bits] = self.values(granted);
        let set = format!("permission = {permission}, groups = {groups}, group_bits = {bits}");
        format!("update {table} set owner = {owner}, {set} where id = '{id}'")
    }

    /// The defaults of new rows, which have no owner.
    fn set_defaults(&self, entity: Uuid, granted: &Granted) -> String {
        let [_, permission, groups, bits] = self.values(granted);
        let set = format!("default_groups = {groups}, default_group_bits = {bits}");
        format!("update world set default_permission = {permission}, {set} where id = '{entity}'")
    }
}

fn join(group: Uuid, person: Uuid) -> String {
    let row = format!("values ('{group}', '{person}', now())");
    format!("insert into \"usergroup.members\" (source, target, created_at) {row} on conflict do nothing")
}

fn leave(group: Uuid, person: Uuid) -> String {
    format!("delete from \"usergroup.members\" where source = '{group}' and target = '{person}'")
}

fn new_group(id: Uuid) -> String {
    let row = format!("values ('{id}', 0, 'own', false, false)");
    format!("insert into usergroup (id, permission, name, joinable, declared) {row}")
}

fn new_session(id: Uuid, person: Uuid) -> String {
    let row = format!("values ('{id}', '{person}', 4480, now() + interval '1 hour', '{person}')");
    format!("insert into session (id, owner, permission, expires_at, \"user\") {row}")
}

async fn together(world: &World, statements: &[String]) {
    world.sql(&format!("do $together$ begin {}; end $together$", statements.join("; "))).await;
}

impl<'w> Stage<'w> {
    /// Makes who and what stays.
    pub async fn new(nodes: [&'w World; 2]) -> Stage<'w> {
        let world = nodes[0];
        let chief = world.user("chief", &["administrators"]).await;
        let mut people = vec![];
        for name in NAMES {
            people.push(world.user(name, &[]).await);
        }
        let id = async |sql: &str| world.sql(sql).await[0].uuid(0).expect("an id");
        let group = "select id from usergroup where declared and name =";
        let group = async |name: &str| id(&format!("{group} '{name}'")).await;
        let declared = [group("administrators").await, group("users").await, group("editors").await];
        let entity = id("select id from world where name = 'tag'").await;
        let action = id("select id from action where entity = 'tag' and name = 'paint'").await;
        let (rows, article) = ([(); ROWS].map(|()| Uuid::now_v7()), Uuid::now_v7());
        let open = |name, bits| format!("update world set permission = {bits} where name = '{name}'");
        let row = format!("values ('{article}', 2, 'x', '{}')", chief.id);
        let new = format!("insert into article (id, permission, title, author) {row}");
        together(world, &[open("user_account", 35), open("article", 3), open("action", 1), new]).await;
        Stage { nodes, chief, people, declared, rows, article, entity, action, marks: AtomicUsize::new(0) }
    }

    /// Sets the scene of a case.
    pub async fn scene(&self, model: &Model) -> Scene<'w> {
        let mut groups = [(); GROUPS].map(|()| Uuid::now_v7());
        groups[..self.declared.len()].copy_from_slice(&self.declared);
        let callers = self.people.iter().cloned().chain([self.nodes[0].guest()]).collect();
        let mut scene = Scene { model: model.clone(), groups, sessions: [Uuid::nil(); PEOPLE], callers };
        let people = self.people.iter().map(|p| format!("'{}'", p.id)).collect::<Vec<_>>().join(", ");
        let mut all = vec![
            format!("delete from session where \"user\" in ({people})"),
            format!("delete from \"usergroup.members\" where target in ({people})"),
            format!("update user_account set active = true where id in ({people})"),
            "delete from usergroup where not declared".to_owned(),
            "delete from tag".to_owned(),
        ];
        all.extend(scene.groups[OWN].iter().map(|group| new_group(*group)));
        for (who, person) in self.people.iter().enumerate() {
            let joined = (0..GROUPS).filter(|group| model.members[who][*group]);
            all.extend(joined.map(|group| join(scene.groups[group], person.id)));
            all.push(self.sign_in(&mut scene, who));
        }
        all.extend((0..ROWS).flat_map(|row| self.new_row(&scene, row)));
        all.push(scene.set("world", self.entity, &model.entity));
        all.push(scene.set_defaults(self.entity, &model.new_rows));
        all.push(scene.set("action", self.action, &model.action));
        together(self.nodes[0], &all).await;
        scene
    }

    fn new_row(&self, scene: &Scene<'_>, row: usize) -> [String; 2] {
        let id = self.rows[row];
        let values = scene.values(&scene.model.rows[row]).join(", ");
        let columns = "(id, name, owner, permission, groups, group_bits)";
        let link = format!("values ('{}', '{id}', now())", self.article);
        [
            format!("insert into tag {columns} values ('{id}', 'r{row}', {values})"),
            format!("insert into \"article.tags\" (source, target, created_at) {link}"),
        ]
    }

    /// A new session, and the token for it.
    fn sign_in(&self, scene: &mut Scene<'_>, who: usize) -> String {
        let (session, person) = (Uuid::now_v7(), self.people[who].id);
        let email = format!("{}@example.org", NAMES[who]);
        scene.sessions[who] = session;
        let token = self.nodes[0].app.tokens.sign(person, session, &email);
        scene.callers[who].token = Some(token.expect("a token"));
        new_session(session, person)
    }

    /// The number of a row by its id.
    fn number(&self, id: &str) -> usize {
        let place = self.rows.iter().position(|row| row.to_string() == id);
        place.unwrap_or_else(|| panic!("{id} is none of the rows"))
    }

    fn numbers(&self, rows: &Json) -> Vec<usize> {
        let tags = rows.as_array().into_iter().flatten().filter(|r| r["type"] == "tag");
        tags.map(|r| self.number(r["id"].as_str().expect("an id"))).collect()
    }

    async fn is_so(&self, sql: String) -> bool {
        !self.nodes[0].sql(&sql).await.is_empty()
    }

    /// Asks, and says what is answered.
    pub async fn ask(&self, someone: &Someone<'_>, node: usize, ask: Ask) -> Told {
        let someone = &someone.at(self.nodes[node]);
        let mark = self.marks.fetch_add(1, Ordering::SeqCst);
        let color = format!("#{mark:06x}");
        let named = |row: usize| format!("select 1 from tag where id = '{}'", self.rows[row]);
        let colored = |row: usize| self.is_so(format!("{} and color = '{color}'", named(row)));
        let plain = |answer: &Answer| Told { status: answer.status, ..Told::default() };
        match ask {
            Ask::Paint(row) => {
                let action = format!("tag/{}/paint", self.rows[row]);
                let answer = someone.act(&action, json!({"color": color})).await;
                Told { is_done: colored(row).await, ..plain(&answer) }
            }
            Ask::Patch(row) => {
                let data = json!({"type": "tag", "id": self.rows[row], "attributes": {"color": color}});
                let path = format!("/api/tag/{}", self.rows[row]);
                let answer = someone.patch(&path, json!({"data": data})).await;
                let shows = answer.json["data"].is_object();
                Told { is_done: colored(row).await, shows, ..plain(&answer) }
            }
            Ask::Delete(row) => {
                let answer = someone.delete(&format!("/api/tag/{}", self.rows[row])).await;
                let is_there = self.is_so(named(row)).await;
                Told { is_done: !is_there, ..plain(&answer) }
            }
            Ask::Create => {
                let data = json!({"type": "tag", "attributes": {"name": format!("new {mark}")}});
                let answer = someone.post("/api/tag", json!({"data": data})).await;
                let made = self.nodes[0].sql(&format!("select id from tag where name = 'new {mark}'")).await;
                let shows = answer.json["data"].is_object();
                let made = made.first().and_then(|row| row.uuid(0));
                let Some(id) = made else { return Told { shows, ..plain(&answer) } };
                let then = someone.delete(&format!("/api/tag/{id}")).await.status;
                let is_there = self.is_so(format!("delete from tag where id = '{id}' returning id")).await;
                assert_eq!(is_there, then != 204, "gone, if it says so");
                Told { is_done: true, shows, then, ..plain(&answer) }
            }
            Ask::Explain(right) => {
                let right = RIGHTS[right];
                let rows = self.rows.iter().map(|id| json!({"right": right, "entity": "tag", "id": id}));
                let create = json!({"right": "create", "entity": "tag"});
                let execute = json!({"right": "execute", "entity": "action", "id": self.action});
                let data: Vec<_> = rows.chain([create, execute]).collect();
                let answer = someone.post("/permission", json!({"data": data})).await;
                let said = answer.json["data"].as_array().into_iter().flatten();
                let allowed = said.map(|said| said["attributes"]["allowed"] == true);
                Told { allowed: allowed.collect(), ..plain(&answer) }
            }
            Ask::Mine => plain(&someone.get("/api/user_account/mine").await),
            Ask::One(row) => {
                let answer = someone.get(&format!("/api/tag/{}", self.rows[row])).await;
                if answer.status == 200 {
                    assert_eq!(self.number(answer.json["data"]["id"].as_str().expect("an id")), row);
                }
                plain(&answer)
            }
            Ask::Count => {
                let answer = someone.get("/aggregate/tag?measure=count").await;
                let count = answer.json["data"][0]["attributes"]["count"].as_u64().unwrap_or(0);
                Told { count: usize::try_from(count).expect("few"), ..plain(&answer) }
            }
            Ask::Include => {
                let answer = someone.get(&format!("/api/article/{}?include=tags", self.article)).await;
                let mut rows = self.numbers(&answer.json["included"]);
                rows.sort_unstable();
                Told { rows, ..plain(&answer) }
            }
            Ask::List | Ask::Filter | Ask::Related | Ask::Linkage => {
                let path = match ask {
                    Ask::Filter => "tag?filter[name][in]=r0,r2,r4&sort=id".to_owned(),
                    Ask::Related => format!("article/{}/tags?sort=id", self.article),
                    Ask::Linkage => format!("article/{}/relationships/tags?sort=id", self.article),
                    _ => "tag?sort=id".to_owned(),
                };
                let answer = someone.get(&format!("/api/{path}")).await;
                Told { rows: self.numbers(&answer.json["data"]), ..plain(&answer) }
            }
        }
    }

    /// Makes a change, and notes it. A row's own is made by who holds it, if somebody does.
    pub async fn change(&self, scene: &mut Scene<'w>, change: Change, holder: Option<&Client>) {
        match change {
            Change::SignOut(who, way) => {
                match way {
                    Way::Api { node, .. } if scene.model.is_signed_in[who] && scene.model.is_active[who] => {
                        let caller = scene.callers[who].at(self.nodes[node]);
                        caller.act("user_account/signout", json!({})).await.is(200);
                    }
                    _ => self.session(scene, who, "ended_at = now()").await,
                }
                scene.model.is_signed_in[who] = false;
            }
            Change::Expire(who) => {
                self.session(scene, who, "expires_at = now() - interval '1 hour'").await;
                scene.model.is_signed_in[who] = false;
            }
            Change::Revive(who) => {
                self.session(scene, who, "ended_at = null, expires_at = now() + interval '1 hour'").await;
                scene.model.is_signed_in[who] = true;
            }
            Change::SignIn(who) => {
                let sql = self.sign_in(scene, who);
                self.nodes[0].sql(&sql).await;
                scene.model.is_signed_in[who] = true;
            }
            Change::Join(who, group, way) => {
                let (group_id, person) = (scene.groups[group], self.people[who].id);
                match way {
                    Way::Sql => _ = self.nodes[0].sql(&join(group_id, person)).await,
                    Way::Api { .. } => {
                        let (chief, path, body) = self.membership(way, group_id, person);
                        chief.post(&path, body).await.is(204);
                    }
                }
                scene.model.members[who][group] = true;
            }
            Change::Leave(who, group, way) => {
                let (group_id, person) = (scene.groups[group], self.people[who].id);
                match way {
                    Way::Sql => _ = self.nodes[0].sql(&leave(group_id, person)).await,
                    Way::Api { .. } => {
                        let (chief, path, body) = self.membership(way, group_id, person);
                        chief.unlink(&path, body).await.is(204);
                    }
                }
                scene.model.members[who][group] = false;
            }
            Change::Dissolve(group, way) => {
                let id = scene.groups[group];
                match way {
                    Way::Sql => {
                        let members = format!("delete from \"usergroup.members\" where source = '{id}'");
                        let group = format!("delete from usergroup where id = '{id}'");
                        together(self.nodes[0], &[members, group]).await;
                    }
                    Way::Api { node, .. } => {
                        let chief = self.chief.at(self.nodes[node]);
                        chief.delete(&format!("/api/usergroup/{id}")).await.is(204);
                    }
                }
                scene.groups[group] = Uuid::now_v7();
                self.nodes[0].sql(&new_group(scene.groups[group])).await;
                let model = &mut scene.model;
                model.members.iter_mut().for_each(|groups| groups[group] = false);
                let before_rows = [&mut model.entity, &mut model.new_rows, &mut model.action];
                let all = before_rows.into_iter().chain(&mut model.rows);
                all.for_each(|granted| granted.grants[group] = Grant::None);
            }
            Change::Deactivate(who, way) => {
                match way {
                    Way::Sql => self.activity(who, false).await,
                    Way::Api { node, .. } => {
                        self.administer(node, who, "deactivate").await;
                        scene.model.is_signed_in[who] = false; // its sessions end
                    }
                }
                scene.model.is_active[who] = false;
            }
            Change::Activate(who, way) => {
                match way {
                    Way::Sql => self.activity(who, true).await,
                    Way::Api { node, .. } => self.administer(node, who, "activate").await,
                }
                scene.model.is_active[who] = true;
            }
            Change::Entity(granted, way) => {
                let (row, owner) = (("world", self.entity), scene.model.entity.owner);
                scene.model.entity = self.grant(scene, row, &granted, way, owner).await;
            }
            Change::Action(granted, way) => {
                let (row, owner) = (("action", self.action), scene.model.action.owner);
                scene.model.action = self.grant(scene, row, &granted, way, owner).await;
            }
            Change::NewRows(granted, way) => {
                match way {
                    Way::Sql => _ = self.nodes[0].sql(&scene.set_defaults(self.entity, &granted)).await,
                    Way::Api { node, .. } => {
                        let names = ("world", self.entity, "default_permission", "default_groups");
                        self.patch_granted(scene, node, names, &granted).await;
                    }
                }
                scene.model.new_rows = granted;
            }
            Change::Row(row, granted) => {
                let sql = scene.set("tag", self.rows[row], &granted);
                match holder {
                    Some(holder) => holder.batch_execute(&sql).await.expect("set"),
                    None => _ = self.nodes[0].sql(&sql).await,
                }
                scene.model.rows[row] = granted;
            }
        }
    }

    async fn session(&self, scene: &Scene<'_>, who: usize, set: &str) {
        let session = scene.sessions[who];
        self.nodes[0].sql(&format!("update session set {set} where id = '{session}'")).await;
    }

    async fn activity(&self, who: usize, is_active: bool) {
        let set = format!("update user_account set active = {is_active}");
        self.nodes[0].sql(&format!("{set} where id = '{}'", self.people[who].id)).await;
    }

    async fn administer(&self, node: usize, who: usize, action: &str) {
        let path = format!("user_account/{}/{action}", self.people[who].id);
        self.chief.at(self.nodes[node]).act(&path, json!({})).await.is(200);
    }

    /// Who changes a membership by a request, where, and with what.
    fn membership(&self, way: Way, group: Uuid, person: Uuid) -> (Someone<'w>, String, Json) {
        let (node, is_from_person) = match way {
            Way::Sql => (0, false),
            Way::Api { node, is_from_person } => (node, is_from_person),
        };
        let (path, other) = match is_from_person {
            true => (format!("/api/user_account/{person}/relationships/member_of"), ("usergroup", group)),
            false => (format!("/api/usergroup/{group}/relationships/members"), ("user_account", person)),
        };
        (self.chief.at(self.nodes[node]), path, json!({"data": [{"type": other.0, "id": other.1}]}))
    }

    /// Sets permission and grants of a row, by SQL its owner, too. Gives what it has then.
    async fn grant(
        &self,
        scene: &Scene<'_>,
        (table, id): (&str, Uuid),
        granted: &Granted,
        way: Way,
        owner: Option<usize>,
    ) -> Granted {
        match way {
            Way::Sql => {
                self.nodes[0].sql(&scene.set(table, id, granted)).await;
                *granted
            }
            Way::Api { node, .. } => {
                self.patch_granted(scene, node, (table, id, "permission", "usergroups"), granted).await;
                Granted { owner, ..*granted }
            }
        }
    }

    async fn patch_granted(
        &self,
        scene: &Scene<'_>,
        node: usize,
        (entity, id, attribute, relation): (&str, Uuid, &str, &str),
        granted: &Granted,
    ) {
        let chief = self.chief.at(self.nodes[node]);
        let url = format!("/api/{entity}/{id}");
        let data = json!({"type": entity, "id": id, "attributes": {attribute: granted.permission}});
        chief.patch(&url, json!({"data": data})).await.is(200);
        let grants = scene.held(granted).into_iter();
        let linkage = |(id, bits)| json!({"type": "usergroup", "id": id, "meta": {"permission": bits}});
        let grants = grants.map(linkage);
        let grants = json!({"data": grants.collect::<Vec<_>>()});
        chief.patch(&format!("{url}/relationships/{relation}"), grants).await.is(204);
    }

    /// Puts a deleted row back.
    pub async fn put_back(&self, scene: &Scene<'_>, ask: Ask, told: &Told) {
        if let (Ask::Delete(row), true) = (ask, told.is_done) {
            together(self.nodes[0], &self.new_row(scene, row)).await;
        }
    }
}
