//! The default actions, a file each: what each does to the letter, who may not, and what nobody should send it.

mod accept_invitation;
mod accept_member;
mod activate;
mod add_member;
mod ask_to_join;
mod become_an_administrator;
mod change_email;
mod change_password;
mod confirm_email_change;
mod deactivate;
mod decline_member;
mod delete_me;
mod evidence;
mod export_data;
mod hostile;
mod import_data;
mod invite;
mod invite_member;
mod join;
mod leave;
mod refresh;
mod remove_member;
mod request_email_verification;
mod request_password_reset;
mod reset_password;
mod send_link;
mod share;
mod signin;
mod signout;
mod signup;
mod undo_email_change;
mod unshare;
mod values;
mod verify_email;

use serde_json::{Value as Json, json};

use evidence::{contents, everything, fifty, refuses, same, token};

use crate::house::answer::Answer;
use crate::house::{Someone, World};
pub use crate::mail::outbox::{with_mail, with_mail_and};

/// What people choose here.
const PASSWORD: &str = "correct horse";

/// Nobody's id.
const NOBODY: &str = "00000000-0000-7000-8000-00000000dead";

/// The directive that says that it went well.
fn success(message: &str) -> Json {
    json!({"ResponseType": "client.notify", "Attributes": {"type": "success", "title": "Success", "message": message}})
}

/// The directive that leads home after signing in and out.
fn home() -> Json {
    json!({"ResponseType": "client.redirect", "Attributes": {"location": "/", "window": "self", "delay": 2000}})
}

/// What an answer has the browser store.
fn stored(answer: &Answer, key: &str) -> Option<String> {
    let told = answer.json.as_array().expect("a list").iter().find(|d| d["Attributes"]["key"] == key)?;
    told["Attributes"]["value"].as_str().map(str::to_owned)
}

fn person(name: &str) -> Json {
    json!({"name": name, "email": format!("{name}@example.org"), "password": PASSWORD, "passwordConfirm": PASSWORD})
}

fn choose(token: &str, password: &str) -> Json {
    json!({"token": token, "password": password, "passwordConfirm": password})
}

async fn sign_in<'w>(world: &'w World, email: &str, password: &str) -> Result<Someone<'w>, Answer> {
    let answer = world.guest().act("user_account/signin", json!({"email": email, "password": password})).await;
    if answer.status != 200 {
        return Err(answer);
    }
    let mut someone = world.guest();
    someone.token = stored(&answer, "token");
    let mine = someone.get("/api/user_account/mine").await.is(200);
    someone.id = mine.json["data"]["id"].as_str().expect("an id").parse().expect("an id");
    Ok(someone)
}

/// Somebody who signed up, and in.
async fn signed_up<'w>(world: &'w World, name: &str) -> Someone<'w> {
    world.guest().act("user_account/signup", person(name)).await.is(200);
    let email = format!("{name}@example.org");
    sign_in(world, &email, PASSWORD).await.unwrap_or_else(|answer| panic!("{name} isn't let in: {}", answer.text))
}

/// What somebody reads of their own row.
async fn mine(someone: &Someone<'_>, attribute: &str) -> Json {
    someone.get("/api/user_account/mine").await.is(200).json["data"]["attributes"][attribute].clone()
}

/// The members of a group, as it is.
async fn members(world: &World, group: &str) -> Vec<String> {
    let sql = format!("select target::text from \"usergroup.members\" where source = '{group}' order by target");
    world.sql(&sql).await.iter().map(|row| row.text(0).expect("an id").to_owned()).collect()
}

/// A group of somebody's, with rights for others beside theirs.
async fn group(owner: &Someone<'_>, name: &str, rights: i64) -> String {
    owner.make("usergroup", json!({"name": name, "permission": 16256 | rights}), json!({})).await
}

/// Puts somebody into a group.
async fn put_in(world: &World, group: &str, who: &Someone<'_>) {
    let sql = format!("insert into \"usergroup.members\" (source, target, created_at) values ('{group}', '{}', now())", who.id);
    world.sql(&sql).await;
}

/// Bars somebody, as their row has it; their sessions stand.
async fn bar(world: &World, who: &Someone<'_>) {
    world.sql(&format!("update user_account set active = false where id = '{}'", who.id)).await;
}

/// Somebody asks to join a group.
async fn asked(world: &World, group: &str, who: &Someone<'_>) {
    world.sql(&format!("update usergroup set permission = permission | 33 where id = '{group}'")).await;
    who.act(&format!("usergroup/{group}/ask_to_join"), json!({})).await.is(200);
}
