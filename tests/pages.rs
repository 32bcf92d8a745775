//! Pages that letters lead to: what they show, what their forms do, and to whom else they tell nothing.

use serde_json::json;

use crate::house::answer::Answer;
use crate::house::smtp::Smtp;
use crate::house::{Someone, World, cases};
use crate::mail::outbox::with_mail_and;

async fn without_front_end() -> (World, Smtp) {
    with_mail_and(|config| {
        config.mail.link_base = None;
        config.public_url = Some("https://rows.example".to_owned());
    })
    .await
}

async fn send(guest: &Someone<'_>, page: &str, fields: &[(&str, &str)]) -> Answer {
    let body = serde_urlencoded(fields);
    let request = guest.request(reqwest::Method::POST, page).header("Content-Type", "application/x-www-form-urlencoded");
    guest.send(request.body(body)).await
}

fn serde_urlencoded(fields: &[(&str, &str)]) -> String {
    let encoded = |text: &str| percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string();
    fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect::<Vec<_>>().join("&")
}

/// What every page says of itself: no script, no other place, no copy, no referrer.
fn check_page(page: &Answer) {
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    let policy = page.header("content-security-policy");
    let nonce = policy.split("'nonce-").nth(1).and_then(|rest| rest.split('\'').next()).expect("a nonce").to_owned();
    assert!(policy.starts_with("default-src 'none'; ") && policy.contains("form-action 'self'") && !policy.contains("unsafe"));
    assert!(page.text.contains(&format!("<style nonce=\"{nonce}\">")), "{}", page.text);
    assert_eq!(page.header("referrer-policy"), "no-referrer");
    assert_eq!(page.header("cache-control"), "no-store");
    assert!(!page.text.contains("<script") && !page.text.contains("http"), "{}", page.text);
}

#[tokio::test]
async fn b10_a_letters_link_leads_to_a_form_and_only_the_form_spends_it() {
    let (world, mut smtp) = without_front_end().await;
    let (ada, guest) = (world.user("ada", &[]).await, world.guest());
    ada.act("user_account/request_email_verification", json!({})).await.is(200);
    let letter = smtp.letter().await;
    let token = letter.token();
    assert!(letter.words().contains("https://rows.example/verify_email?token="), "{}", letter.words());
    for _ in 0..2 {
        // Whoever scans links may look as often as they like.
        let page = guest.get(&format!("/verify_email?token={token}")).await.is(200);
        check_page(&page);
        assert!(page.text.contains(&format!("name=\"token\" value=\"{token}\"")) && page.text.contains("lang=\"en\""));
    }
    let verified = "select 1 from user_account where name = 'ada' and email_verified";
    assert!(world.sql(verified).await.is_empty());
    let done = send(&guest, "/verify_email", &[("token", &token)]).await.is(200);
    check_page(&done);
    assert!(done.text.contains("Address confirmed") && !done.text.contains("<form"), "{}", done.text);
    assert_eq!(world.sql(verified).await.len(), 1);
    let spent = send(&guest, "/verify_email", &[("token", &token)]).await.is(422);
    check_page(&spent);
    assert!(spent.text.contains("not good any more") && spent.text.contains("<form"), "{}", spent.text);
}

#[tokio::test]
async fn b10_a_password_is_chosen_on_a_page_of_ours_in_the_readers_language() {
    let (world, mut smtp) = without_front_end().await;
    let (ada, guest) = (world.user("ada", &[]).await, world.guest());
    guest.act("user_account/request_password_reset", json!({"email": "ada@example.org"})).await.is(200);
    let token = smtp.letter().await.token();
    let german = async |request: reqwest::RequestBuilder| guest.send(request.header("Accept-Language", "de-AT, en;q=0.5")).await;
    let page = german(guest.request(reqwest::Method::GET, &format!("/reset_password?token={token}"))).await.is(200);
    assert!(page.text.contains("lang=\"de\"") && page.text.contains("Neues Passwort"), "{}", page.text);
    let choose = |password: &str, again: &str| {
        let form = serde_urlencoded(&[("token", &token), ("password", password), ("passwordConfirm", again)]);
        let request = guest.request(reqwest::Method::POST, "/reset_password");
        request.header("Content-Type", "application/x-www-form-urlencoded; charset=UTF-8").body(form)
    };
    let different = german(choose("correct größe + & battery", "correct")).await.is(422);
    assert!(different.text.contains("passwordConfirm") && !different.text.contains("battery"), "{}", different.text);
    let done = german(choose("correct größe + & battery", "correct größe + & battery")).await.is(200);
    assert!(done.text.contains("Passwort geändert"), "{}", done.text);
    let signin = json!({"email": "ada@example.org", "password": "correct größe + & battery"});
    guest.act("user_account/signin", signin).await.is(200);
    ada.get("/api/user_account/mine").await.is(401);
    let spent = german(choose("correct größe + & battery", "correct größe + & battery")).await.is(422);
    assert!(spent.text.contains("Dieser Link gilt nicht mehr"), "{}", spent.text);
}

#[tokio::test]
async fn b10_an_invitation_asks_who_it_is_and_leaves_no_session() {
    let (world, mut smtp) = without_front_end().await;
    let (ada, guest) = (world.user("ada", &[]).await, world.guest());
    for name in ["bob", "eve"] {
        let password = "correct horse";
        let email = format!("{name}@example.org");
        let person = json!({"name": name, "email": email, "password": password, "passwordConfirm": password});
        guest.act("user_account/signup", person).await.is(200);
    }
    let group = ada.make("usergroup", json!({"name": "Größe <b>"}), json!({})).await;
    ada.act(&format!("usergroup/{group}/invite_member"), json!({"email": "bob@example.org"})).await.is(200);
    let token = smtp.letter().await.token();
    let page = guest.get(&format!("/accept_invitation?token={token}%22%3E%3Cscript%3E")).await.is(200);
    check_page(&page);
    let sessions = async || {
        world
            .sql("select 1 from session s join user_account u on u.id = s.owner where u.name = 'bob' and s.ended_at is null")
            .await
            .len()
    };
    let before = sessions().await;
    let form = |login: &'static str, password: &'static str| {
        [("token", token.clone()), ("login", login.to_owned()), ("password", password.to_owned())]
    };
    let send_form = async |fields: [(&str, String); 3]| {
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        send(&guest, "/accept_invitation", &fields).await
    };
    let wrong = send_form(form("bob@example.org\"><i>", "wrong horse")).await.is(401);
    check_page(&wrong);
    assert!(wrong.text.contains("bob@example.org&quot;&gt;&lt;i&gt;"), "what was typed is kept: {}", wrong.text);
    assert!(wrong.text.contains("Wrong e-mail or password") && !wrong.text.contains("wrong horse"), "{}", wrong.text);
    let other = send_form(form("eve@example.org", "correct horse")).await.is(403);
    assert!(other.text.contains("another address"), "{}", other.text);
    let joined = send_form(form("bob@example.org", "correct horse")).await.is(200);
    assert!(joined.text.contains("Joined Größe &lt;b&gt;"), "{}", joined.text);
    assert!(joined.headers.get("set-cookie").is_none());
    assert_eq!(sessions().await, before);
}

#[tokio::test]
async fn pages_are_there_only_where_no_front_end_is_and_take_only_forms() {
    let front = World::new().await;
    for page in rowhouse::page::Page::ALL {
        front.guest().get(&format!("/{}?token=x", page.name())).await.is(404);
    }
    let (world, _smtp) = without_front_end().await;
    let guest = world.guest();
    for page in rowhouse::page::Page::ALL {
        let path = format!("/{}", page.name());
        check_page(&guest.get(&path).await.is(200));
        guest.act(&format!("..{path}"), json!({})).await.is(415);
        guest.delete(&path).await.is(405);
        let request = guest.request(reqwest::Method::POST, &path).header("Content-Type", "application/x-www-form-urlencoded");
        guest.send(request.body("token=%zz")).await.is(400);
    }
}

#[test]
fn what_is_wrong_with_a_page_is_told_before_anybody_sees_it() {
    let said = |files: &[(&str, &str)]| {
        let folder = crate::house::project(files);
        let complaints = rowhouse::project::load(std::path::Path::new(&folder)).map(|_| ()).err().unwrap_or_default();
        complaints.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(said(&[("templates/pages.fr/verify_email.hbs", "{{#> layout title=\"Oui\"}}{{token}}{{/layout}}")]), "");
    for (file, text, words) in [
        ("templates/pages/verify.hbs", "x", "there is no page `verify`"),
        ("templates/pages/layout.hbs", "{{#if", "templates/pages/layout.hbs"),
        ("templates/pages/verify_email.hbs", "{{password}}", "not `password`"),
        ("templates/pages.fr/verify_email.hbs", "{{> layuot}}", "not a page"),
        ("templates/pages/verify_email.hbs", "{{#if token}}{{> nope}}{{/if}}", "not a page"),
        ("templates/pages/verify_email.hbs", "{{#if wrong}}{{> nope}}{{/if}}", "not a page"),
        ("templates/pages/layout.hbs", "{{#if done}}{{> nope}}{{/if}}", "not a page"),
    ] {
        let said = said(&[(file, text)]);
        assert!(said.contains(words), "{file}: {said}");
    }
}

#[tokio::test]
async fn n20_what_people_are_told_is_set_and_translated_in_files() {
    let close = "      when: subject.title is not none
      label: Close the case
      messages:
        state: This case is closed already
        guard: A case without a title stays open
        done: \"{{subject.title}} is closed\"
";
    let schema = cases("", close, "");
    let schema = schema.as_str();
    let german = "Close the case: Fall abschließen
This case is closed already: Dieser Fall ist schon abgeschlossen
\"{{subject.title}} is closed\": \"{{subject.title}} ist abgeschlossen\"
";
    let folder = crate::house::project(&[("schema/case.yaml", schema), ("locale/de.yaml", german)]);
    let world = World::of(&folder).await;
    let ada = world.user("ada", &[]).await;
    let id = ada.make("case", json!({"title": "Größe"}), json!({})).await;
    let untitled = ada.make("case", json!({}), json!({})).await;
    let close = async |id: &str, languages: &str| {
        let request = ada.request(reqwest::Method::POST, &format!("/action/case/{id}/close")).body("{}");
        ada.send(request.header("Content-Type", "application/json").header("Accept-Language", languages)).await
    };
    let message = |answer: Answer| answer.json[0]["Attributes"]["message"].as_str().expect("a message").to_owned();
    let done = close(&id, "de").await.is(200);
    assert_eq!(done.json[0]["Attributes"]["title"], "Gelungen");
    assert_eq!(message(done), "Größe ist abgeschlossen");
    assert_eq!(message(close(&id, "de").await.is(409)), "Dieser Fall ist schon abgeschlossen");
    assert_eq!(message(close(&id, "fr, en").await.is(409)), "This case is closed already");
    assert_eq!(message(close(&untitled, "de").await.is(409)), "A case without a title stays open"); // it isn't translated
    // Our own texts are in the project's language for who asks for none.
    let german = world.twin_with(|config| config.language = "de".to_owned()).await;
    let wrong = json!({"email": "nobody@example.org", "password": "wrong horse"});
    let refused = german.guest().act("user_account/signin", wrong).await.is(401);
    assert_eq!(refused.json[0]["Attributes"]["title"], "Nicht gelungen");
    assert_eq!(message(refused), "E-Mail oder Passwort ist falsch");
    let actions = ada.send(ada.request(reqwest::Method::GET, "/actions").header("Accept-Language", "de")).await.is(200);
    assert!(actions.text.contains("Fall abschließen") && actions.header("vary").contains("Accept-Language"));
    let wrong = crate::house::project(&[("schema/case.yaml", schema), ("locale/de.yaml", "Close the cas: x\n")]);
    let complaints = rowhouse::project::load(std::path::Path::new(&wrong)).map(|_| ()).expect_err("a complaint");
    assert!(complaints[0].to_string().contains("did you mean `Close the case`?"), "{complaints:?}");
}
