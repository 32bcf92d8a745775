//! world/export_data: the rows that whoever asks may read, as a file of theirs. (How files are written: `action/transfers.rs`.)

use serde_json::json;

use super::*;

const EXPORT: &str = "world/export_data";

#[tokio::test]
async fn a_file_holds_what_its_owner_may_read_and_is_theirs() {
    let (world, smtp) = with_mail().await;
    let (ada, bob) = (world.user("ada", &[]).await, world.user("bob", &[]).await);
    for (n, text) in hostile::TEXTS.iter().enumerate() {
        ada.make("tag", json!({"name": text, "permission": if n == 0 { 16258 } else { 16256 }}), json!({})).await;
    }
    let export = async |who: &Someone<'_>| {
        let told = who.act(EXPORT, json!({"entity": "tag", "format": "json"})).await.is(200).json;
        let id = told[0]["Attributes"]["id"].as_str().expect("an id").to_owned();
        assert_eq!(told.as_array().map(Vec::len), Some(1), "the file isn't there yet");
        world.settled().await;
        format!("/file/{id}")
    };
    let names = async |who: &Someone<'_>, url: &str| -> Vec<String> {
        let rows: Json = serde_json::from_str(&who.get(url).await.is(200).text).expect("JSON");
        rows.as_array().expect("a list").iter().map(|row| row["name"].as_str().expect("a name").to_owned()).collect()
    };
    let (hers, his) = (export(&ada).await, export(&bob).await);
    let mut all = names(&ada, &hers).await;
    all.sort();
    let mut wanted: Vec<_> = hostile::TEXTS.iter().map(|text| (*text).to_owned()).collect();
    wanted.sort();
    assert_eq!(all, wanted);
    assert_eq!(names(&bob, &his).await, [hostile::TEXTS[0]]);
    bob.get(&hers).await.is(404);
    world.guest().get(&hers).await.is(401);
    assert!(smtp.is_empty());
}

#[tokio::test]
async fn nobody_takes_out_what_they_may_not_read_and_bad_inputs_start_nothing() {
    let (world, _smtp) = with_mail().await;
    let (ada, barred) = (world.user("ada", &[]).await, world.user("barred", &[]).await);
    bar(&world, &barred).await;
    refuses(&world, EXPORT, &json!({"entity": "tag"}), &[(&world.guest(), 401), (&barred, 401)]).await;
    for entity in ["memo", "mail", "task"] {
        refuses(&world, EXPORT, &json!({"entity": entity}), &[(&ada, 403)]).await;
    }
    let words = |more: &[&str]| hostile::line(255).into_iter().chain(more.iter().map(|word| json!(word))).collect::<Vec<_>>();
    let inputs = [
        ("entity", hostile::required(words(&["nothing", "Tag", "tag; --", "../tag", "{{caller.id}}"]))),
        ("format", words(&["ods", "CSV"])),
    ];
    hostile::refuses_bad_inputs(&world, &ada, EXPORT, &json!({"entity": "tag"}), &inputs).await;
    hostile::takes_no_subject(&world, &ada, EXPORT, &json!({"entity": "tag"})).await;
}
