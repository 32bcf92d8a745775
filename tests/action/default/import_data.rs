//! world/import_data: rows of a file, as whoever sends it. (How files are read: `action/transfers.rs`.)

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::*;

const IMPORT: &str = "world/import_data";

fn tags(content: &str) -> Json {
    json!({"entity": "tag", "format": "csv", "content": STANDARD.encode(content)})
}

#[tokio::test]
async fn a_file_is_read_in_as_its_sender() {
    let (world, smtp) = with_mail().await;
    let ada = world.user("ada", &[]).await;
    let names: Vec<_> = hostile::TEXTS.iter().map(|text| format!("\"{}\"", text.replace('"', "\"\""))).collect();
    let told = ada.act(IMPORT, tags(&format!("name\n{}\n", names.join("\n")))).await.is(200).json;
    assert_eq!(told[1], success("The import is on its way"));
    assert_eq!((told.as_array().map(Vec::len), told[0]["ResponseType"].as_str()), (Some(2), Some("transfer")));
    world.settled().await;
    let rows = world.sql("select name, owner from tag order by created_at, id").await;
    let seen: Vec<_> = rows.iter().map(|row| (row.text(0).expect("a name"), row.uuid(1))).collect();
    assert_eq!(seen, hostile::TEXTS.iter().map(|text| (*text, Some(ada.id))).collect::<Vec<_>>(), "text is text, and hers");
    let waits = ada.act(IMPORT, json!({"entity": "tag", "format": "csv"})).await.is(200).json;
    let id = waits[0]["Attributes"]["id"].as_str().expect("an id");
    assert_eq!(waits[1]["Attributes"]["message"], format!("Send the file by PUT to /file/{id}"));
    assert!(smtp.is_empty());
}

#[tokio::test]
async fn nobody_brings_in_what_they_may_not_create_and_bad_inputs_start_nothing() {
    let (world, _smtp) = with_mail().await;
    let (ada, barred) = (world.user("ada", &[]).await, world.user("barred", &[]).await);
    bar(&world, &barred).await;
    refuses(&world, IMPORT, &tags("name\nx\n"), &[(&world.guest(), 401), (&barred, 401)]).await;
    for entity in ["memo", "world", "session", "task", "user_account"] {
        let body = json!({"entity": entity, "format": "csv", "content": STANDARD.encode("id\n")});
        refuses(&world, IMPORT, &body, &[(&ada, 403)]).await;
    }
    let good = json!({"entity": "tag", "format": "csv"});
    let words = |more: &[&str]| hostile::line(255).into_iter().chain(more.iter().map(|word| json!(word))).collect::<Vec<_>>();
    let inputs = [
        ("entity", hostile::required(words(&["nothing", "Tag", "tag; --", "{{caller.id}}"]))),
        ("format", hostile::required(words(&["yaml", "CSV"]))),
        ("mode", words(&["some"])),
        ("key", words(&["color", "nothing", "owner", "permission"])),
        (
            "content",
            vec![json!(7), json!(true), json!(["x"]), json!({"x": 1}), json!("a\u{0}b"), json!("not base64!"), json!("=")],
        ),
    ];
    hostile::refuses_bad_inputs(&world, &ada, IMPORT, &good, &inputs).await;
    hostile::takes_no_subject(&world, &ada, IMPORT, &good).await;
}
