//! What nobody should send, and what becomes of it: inputs that nobody declared; rows that aren't meant; tokens that were
//! issued for something else.

use serde_json::{Value as Json, json};

pub use super::values::*;
use super::{NOBODY, everything, same, token};
use crate::house::{Someone, World};

/// What nobody declared, and who would sneak it in (V26).
const UNDECLARED: &[(&str, &str)] = &[
    ("role", "\"administrator\""),
    ("active", "true"),
    ("email_verified", "true"),
    ("owner", "\"00000000-0000-7000-8000-000000000001\""),
    ("permission", "2097151"),
    ("id", "\"00000000-0000-7000-8000-000000000001\""),
    ("password_hash", "\"$2b$04$x\""),
    ("groups", "[\"administrators\"]"),
    ("member_of", "[]"),
    ("usergroups", "null"),
    ("caller", "{\"id\": \"x\"}"),
    ("subject", "{}"),
    ("person", "{}"),
    ("rights", "[]"),
    ("now", "0"),
    ("config", "{}"),
    ("checked", "true"),
    ("dry_run", "true"),
    ("__proto__", "{}"),
    ("", "1"),
    ("Email", "\"x@example.org\""),
    ("token ", "\"x\""),
];

/// Each input with each bad value, or left out, is refused by name; so is each input that nobody declared, and what is no
/// body. Nothing of it does anything.
pub async fn refuses_bad_inputs(world: &World, who: &Someone<'_>, action: &str, good: &Json, inputs: &[(&str, Vec<Json>)]) {
    let before = everything(world).await;
    let refused = async |body: &Json, field: &str| {
        let answer = who.act(action, body.clone()).await;
        let sent = body[field].to_string().chars().take(100).collect::<String>();
        assert_eq!(answer.status, 422, "{action} took {sent} as {field:?}: {}", answer.text);
        let faults = answer.json[0]["Attributes"]["faults"].as_array().expect("faults").clone();
        assert!(faults.iter().any(|fault| fault["field"] == field), "{action}: {field:?} isn't named: {}", answer.text);
        faults
    };
    for (name, values) in inputs {
        for value in values {
            let mut body = good.clone();
            body[*name] = value.clone();
            refused(&body, name).await;
            if value.is_null() {
                body.as_object_mut().expect("an object").remove(*name);
                refused(&body, name).await;
            }
        }
        let mut body = good.clone();
        body[*name] = json!("x".repeat(1 << 20));
        who.act(action, body).await.is(413);
    }
    for (name, value) in UNDECLARED.iter().filter(|(name, _)| !inputs.iter().any(|(input, _)| input == name)) {
        let mut body = good.clone();
        body[*name] = serde_json::from_str(value).expect("JSON");
        let faults = refused(&body, name).await;
        assert!(faults.iter().any(|fault| fault["code"] == "unknown-input"), "{action}: {name:?}: {faults:?}");
    }
    let twice = format!("{{\"attributes\": {good}, \"attributes\": {good}}}");
    for body in ["[]", "null", "7", "\"x\"", "{", "{\"attributes\": []}", "{\"attributes\": null}", &twice, "\u{feff}{}"] {
        let request = who.request(reqwest::Method::POST, &format!("/action/{action}"));
        let answer = who.send(request.header("Content-Type", "application/json").body(body.to_owned())).await;
        assert_eq!(answer.status, 400, "{action} took {body}: {}", answer.text);
    }
    let form = who.request(reqwest::Method::POST, &format!("/action/{action}"));
    who.send(form.header("Content-Type", "application/x-www-form-urlencoded").body("x=1")).await.is(415);
    assert_eq!(who.get(&format!("/action/{action}")).await.is(405).header("allow"), "POST");
    same(&before, &everything(world).await, &format!("{action}: what is refused changes nothing"));
}

/// An action that works on no row is given none.
pub async fn takes_no_subject(world: &World, who: &Someone<'_>, action: &str, good: &Json) {
    let before = everything(world).await;
    let (entity, name) = action.split_once('/').expect("entity/name");
    for id in [who.id.to_string().as_str(), NOBODY, "mine", "x"] {
        who.act(&format!("{entity}/{id}/{name}"), good.clone()).await.is(404);
        let mut body = good.clone();
        body[format!("{entity}_id")] = json!(id);
        who.act(action, body).await.is(422);
    }
    same(&before, &everything(world).await, &format!("{action}: nothing is changed"));
}

/// An action on one row: none, one that isn't there, another entity's, no id at all, and two that differ.
pub async fn takes_one_subject(world: &World, who: &Someone<'_>, action: &str, subject: &str, good: &Json) {
    let before = everything(world).await;
    let (entity, name) = action.split_once('/').expect("entity/name");
    let field = format!("{entity}_id");
    let with = |id: Json| {
        let mut body = good.clone();
        body[&field] = id;
        body
    };
    who.act(action, good.clone()).await.is(404);
    let session = world.sql("select id::text from session limit 1").await;
    let session = session[0].text(0).expect("an id");
    for id in [session, NOBODY, "00000000-0000-0000-0000-000000000000", "x", "mine", "' or true --", "%00", "*"] {
        who.act(&format!("{entity}/{}/{name}", id.replace('%', "%25").replace(' ', "%20")), good.clone()).await.is(404);
        who.act(action, with(json!(id))).await.is(404);
        let two = who.act(&format!("{entity}/{subject}/{name}"), with(json!(id))).await;
        assert_eq!(two.status, 400, "{action} on two rows, the other {id}: {}", two.text);
    }
    for id in [json!(7), json!(true), json!([subject]), json!({"id": subject})] {
        who.act(action, with(id.clone())).await.is(404);
        let two = who.act(&format!("{entity}/{subject}/{name}"), with(id.clone())).await;
        assert_eq!(two.status, 400, "{action} on two rows, the other {id}: {}", two.text);
    }
    same(&before, &everything(world).await, &format!("{action}: nothing is changed"));
}

/// What letters hand out.
const PURPOSES: &[&str] = &["reset_password", "verify_email", "change_email", "undo_email_change", "invite_member"];

/// Tokens that were issued for something else, or are late, and texts that are none: each is refused, and stays as it is.
pub async fn refuses_other_tokens(
    world: &World,
    who: &Someone<'_>,
    action: &str,
    purpose: &str,
    owner: &Someone<'_>,
    body: impl Fn(&str) -> Json,
) {
    let mut bad = vec!["nonsense".to_owned(), "' or true --".to_owned(), "%".to_owned(), "_".repeat(43), "\\x00".to_owned()];
    for other in PURPOSES.iter().filter(|other| **other != purpose) {
        bad.push(token(world, owner, other, "new@example.org", None).await);
    }
    let good = token(world, owner, purpose, "new@example.org", None).await;
    bad.extend([good.to_uppercase(), good[..42].to_owned(), format!("{good}="), format!("{good}x")]);
    world.sql(&format!("update rowhouse.token set expires_at = now() where purpose = '{purpose}'")).await;
    bad.push(good);
    let before = everything(world).await;
    for text in bad {
        let answer = who.act(action, body(&text)).await;
        assert_eq!(answer.status, 422, "{action} took {text}: {}", answer.text);
        assert_eq!(answer.json[0]["Attributes"]["faults"][0]["code"], "spent", "{}", answer.text);
    }
    same(&before, &everything(world).await, &format!("{action}: nothing is changed"));
}
