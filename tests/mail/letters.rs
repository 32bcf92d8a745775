//! The letters that the default actions send, as they read, and what no value does to them.

use rowhouse::mail::Letters;
use rowhouse::statement::outbox::Others;
use serde_json::{Map, Value as Json, json};

use crate::house::World;

/// What each letter is sent with here, beside where links lead and to whom it goes.
fn values(letter: &str) -> Json {
    match letter {
        "confirm_email_change" => json!({"name": "Ada", "minutes": 60, "token": "TOKEN"}),
        "email_changed" => json!({"name": "Ada", "new": "new@example.org", "token": "TOKEN"}),
        "group_invitation" => json!({"group": "Chess", "inviter": "Ada", "token": "TOKEN"}),
        "invitation" => json!({"name": "Bob", "inviter": "Ada", "token": "TOKEN"}),
        "join_accepted" => json!({"name": "Bob", "group": "Chess"}),
        "join_request" => {
            json!({"name": "Bob", "email": "bob@example.org", "group": "Chess", "id": "ID", "message": "Let me in!\nPlease."})
        }
        "reset_password" => json!({"name": "Ada", "minutes": 30, "token": "TOKEN"}),
        "verify_email" => json!({"name": "Ada", "token": "TOKEN"}),
        other => panic!("the letter {other} has no golden file: give it values here"),
    }
}

fn letters() -> Letters {
    let (_, actions) = rowhouse::project::load(std::path::Path::new("examples/newsroom")).expect("a project");
    actions.letters
}

fn complete(values: Json) -> Map<String, Json> {
    let mut values = values.as_object().cloned().expect("an object");
    values.extend([("base".to_owned(), json!("https://front.example")), ("to".to_owned(), json!("to@example.org"))]);
    values
}

#[test]
fn each_letter_reads_as_its_golden_file() {
    let letters = letters();
    for name in letters.names() {
        let rendered = letters.render(name, None, &complete(values(name))).expect("rendered");
        let html = rendered.html.map(|html| format!("\n=== html\n{html}")).unwrap_or_default();
        insta::assert_snapshot!(name, format!("=== subject\n{}\n=== text\n{}{html}", rendered.subject, rendered.text));
    }
}

#[test]
fn no_value_is_rendered_or_becomes_markup_or_a_header() {
    let letters = letters();
    let bad = "<a>{{token}} {{ 7*7 }}</a>\r\nBcc: eve@example.org\r\n\r\n.\r\n& \u{202e}größe";
    for name in letters.names() {
        let sent: Map<_, _> = letters.values(name).into_iter().map(|value| (value, json!(bad))).collect();
        let rendered = letters.render(name, None, &complete(Json::Object(sent))).expect("rendered");
        assert!(!rendered.subject.contains(['\r', '\n']), "{name}: {}", rendered.subject);
        assert!(rendered.text.contains(bad), "{name}: plain text tells it as it is");
        if let Some(html) = &rendered.html {
            assert!(html.contains("&lt;a&gt;{{token}} {{ 7*7 }}&lt;/a&gt;"), "{html}");
            assert!(!html.contains("<a>"), "{html}");
        }
        let from = "Rowhouse <post@example.org>".parse().expect("an address");
        let message =
            rendered.message(&from, "to@example.org", &Others::default(), "<id@example.org>").expect("a message").formatted();
        let message = String::from_utf8(message).expect("text");
        let head = message.split("\r\n\r\n").next().expect("a head");
        let headers: Vec<_> = head.lines().filter(|line| !line.starts_with([' ', '\t'])).collect();
        let names: Vec<_> = headers.iter().filter_map(|line| line.split(':').next()).collect();
        for header in &names {
            let known = [
                "From",
                "To",
                "Subject",
                "Message-ID",
                "MIME-Version",
                "Content-Type",
                "Content-Transfer-Encoding",
                "Date",
                "Auto-Submitted",
            ];
            assert!(known.contains(header), "{name}: {header} in {head}");
        }
        assert_eq!(names.iter().filter(|header| **header == "Subject").count(), 1, "{head}");
    }
}

#[test]
fn an_address_that_is_several_or_none_is_not_written_to() {
    let rendered = letters().render("verify_email", None, &complete(values("verify_email"))).expect("rendered");
    let from = "Rowhouse <post@example.org>".parse().expect("an address");
    for bad in
        ["", "x", "a@example.org, eve@example.org", "a@example.org\r\nBcc: eve@example.org", "a@example.org\neve@example.org"]
    {
        assert!(rendered.message(&from, bad, &Others::default(), "<id@example.org>").is_err(), "{bad:?}");
    }
}

#[tokio::test]
async fn b41_a_letter_goes_to_several_with_copies_and_says_who_is_answered() {
    let room = "columns: { name: { type: label } }\ngrants: { users: [execute] }\n";
    let tell = "permission: { group: [execute] }
grants: [users]
inputs: { to: { type: json, required: true }, copy: { type: json } }
outcomes:
  - perform: mail.send
    with:
      template: note
      to: \"{{to}}\"
      cc: \"{{copy}}\"
      bcc: [secret@example.org, ADA@example.org]
      reply_to: help@größe.example
  - respond: client.reload
";
    let folder = crate::house::project(&[
        ("schema/room.yaml", room),
        ("actions/room/tell.yaml", tell),
        ("templates/note/subject.hbs", "Größe"),
        ("templates/note/text.hbs", "to {{to}}"),
    ]);
    let mut smtp = crate::house::smtp::Smtp::new().await;
    let url = smtp.url();
    let world = World::of_with(&folder, |config| {
        config.mail.smtp = Some(rowhouse::config::Secret::new(url));
        config.outbox.poll = std::time::Duration::from_millis(50);
        config.mail.per_recipient = 2;
    })
    .await;
    world.run_tasks();
    let ada = world.user("ada", &[]).await;
    let sent = json!({"to": ["ada@example.org", "bob@example.org"], "copy": "carol@münchen.example"});
    ada.act("room/tell", sent.clone()).await.is(200);
    let letter = smtp.letter().await;
    assert_eq!(letter.all, ["ada@example.org", "bob@example.org", "carol@xn--mnchen-3ya.example", "secret@example.org"]);
    assert_eq!(letter.header("To"), "ada@example.org, bob@example.org");
    assert_eq!(letter.header("Cc"), "carol@xn--mnchen-3ya.example");
    assert!(letter.header("Reply-To").starts_with("help@xn--gr"), "{}", letter.text);
    assert!(!letter.text.contains("secret@"), "{}", letter.text);
    let root = world.administrator().await;
    let rows = root.get("/api/mail").await.is(200);
    let others = &rows.json["data"][0]["attributes"]["others"];
    assert_eq!(others["bcc"], json!(["secret@example.org"]), "{}", rows.text);
    // What is no address is told; so is too many, and everybody's letters are counted.
    for wrong in [json!({"to": []}), json!({"to": ["ada@example.org", "x"]}), json!({"to": "ada@example.org", "copy": [7]})] {
        assert!(
            ada.act("room/tell", wrong.clone()).await.is(422).text.contains("an e-mail address") || wrong["to"] == json!([]),
            "{wrong}"
        );
    }
    let many: Vec<String> = (0..60).map(|n| format!("p{n}@example.org")).collect();
    assert!(ada.act("room/tell", json!({"to": many})).await.is(422).text.contains("at most 50"));
    ada.act("room/tell", json!({"to": "bob@example.org"})).await.is(200);
    ada.act("room/tell", json!({"to": ["eve@example.org", "bob@example.org"]})).await.is(429);
}
