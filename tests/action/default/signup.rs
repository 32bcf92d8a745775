//! user_account/signup: a person, who owns themselves, with a group of their own.

use serde_json::json;

use super::hostile::{self, required, secret};
use super::*;

#[tokio::test]
async fn c1_a_guest_signs_up_to_the_letter() {
    let (world, _smtp) = with_mail().await;
    let guest = world.guest();
    let body = r#"{"attributes":{"name":" Ada ","email":" Ada@Example.ORG ","password":"correct horse","passwordConfirm":"correct horse"}}"#;
    let request = guest
        .request(reqwest::Method::POST, "/action/user_account/signup")
        .header("Authorization", "Bearer null")
        .header("Content-Type", "application/json;charset=UTF-8")
        .header("Accept", "application/json, text/plain, */*")
        .body(body);
    let answer = guest.send(request).await.is(200);
    assert_eq!(
        answer.text,
        r#"[{"ResponseType":"client.notify","Attributes":{"type":"success","title":"Success","message":"Created user"}}]"#
    );
    assert!(world.sql("select 1 from session").await.is_empty(), "signing up isn't signing in");
    let user = sign_in(&world, "ada@example.org", PASSWORD).await.ok().expect("signed in");
    let id = user.id.to_string();
    let row = user.get("/api/user_account/mine").await.is(200).json["data"].take();
    let told = &row["attributes"];
    assert_eq!((&told["name"], &told["email"]), (&json!("Ada"), &json!("Ada@example.org")));
    assert_eq!((&told["active"], &told["email_verified"]), (&json!(true), &json!(false)));
    assert_eq!(row["relationships"]["owner"]["data"]["id"], id, "owns itself");
    let groups = user.get(&format!("/api/user_account/{id}/relationships/member_of")).await.is(200).ids();
    assert_eq!(groups.len(), 2, "users and a group of its own");
    let homes = world.sql(&format!("select id::text from usergroup where owner = '{id}' and name = 'Home'")).await;
    assert_eq!(members(&world, homes[0].text(0).expect("an id")).await, [id]);
    assert_eq!(homes.len(), 1);
}

#[tokio::test]
async fn what_an_address_is_worth_once_it_is_taken() {
    let (world, _smtp) = with_mail().await;
    let guest = world.guest();
    guest.act("user_account/signup", person("ada")).await.is(200);
    let before = everything(&world).await;
    for email in ["ada@example.org", "ADA@EXAMPLE.ORG", "  aDa@example.Org\n"] {
        let mut body = person("eve");
        body["email"] = json!(email);
        let taken = guest.act("user_account/signup", body).await.is(409);
        assert_eq!(taken.json[0]["Attributes"]["faults"][0]["code"], "taken");
        assert!(!taken.text.contains("ada"), "nothing of the other row: {}", taken.text);
    }
    same(&before, &everything(&world).await, "a failed action leaves no trace");
    let seen = fifty(&[&guest], "user_account/signup", &person("bob")).await;
    assert_eq!(seen, [(200, 1), (409, 49)].into(), "one of those who come at once");
}

#[tokio::test]
async fn names_are_kept_as_they_are() {
    let (world, _smtp) = with_mail().await;
    for (at, name) in hostile::TEXTS.iter().enumerate() {
        let mut body = person(&format!("person{at}"));
        body["name"] = json!(name);
        let answer = world.guest().act("user_account/signup", body).await.is(200);
        assert_eq!(answer.json, json!([success("Created user")]));
        let user = sign_in(&world, &format!("person{at}@example.org"), PASSWORD).await.ok().expect("signed in");
        assert_eq!(mine(&user, "name").await, json!(name));
    }
}

#[tokio::test]
async fn v1_v3_every_character_of_a_password_counts() {
    let (world, _smtp) = with_mail().await;
    let many = |most: u32| (0..most).filter_map(|n| char::from_u32(0x1F600 + (n * 37 + n / 9) % 64)).collect::<String>();
    let start = "viele große Häuser stehen am Fluß und warten dort auf neue Bewohner, und ".to_owned(); // more than 72 bytes
    for (name, password, others) in [
        ("ada", format!("{start}a"), vec![start.clone(), format!("{start}b"), format!("{start}a "), format!("{start}A")]),
        ("bob", many(64), vec![many(63), many(65)]),
        (
            "cyd",
            " Caf\u{e9} {{7*7}} ".to_owned(),
            vec!["Caf\u{e9} {{7*7}}".to_owned(), " Cafe\u{301} {{7*7}} ".to_owned(), " Caf\u{e9} 49 ".to_owned()],
        ),
        ("dan", many(256), vec![many(255)]),
    ] {
        let mut body = person(name);
        (body["password"], body["passwordConfirm"]) = (json!(password), json!(password));
        world.guest().act("user_account/signup", body).await.is(200);
        let email = format!("{name}@example.org");
        for other in others {
            assert_eq!(sign_in(&world, &email, &other).await.err().map(|answer| answer.status), Some(401), "{name}: {other:?}");
        }
        assert!(sign_in(&world, &email, &password).await.is_ok(), "{name}");
    }
}

#[tokio::test]
async fn v6_v26_what_is_wrong_with_a_sign_up_is_told_at_once() {
    let (world, _smtp) = with_mail().await;
    let guest = world.guest();
    let inputs = [
        ("name", required(hostile::line(255))),
        ("email", required(hostile::address())),
        ("password", required(secret())),
        ("passwordConfirm", required(secret())),
    ];
    hostile::refuses_bad_inputs(&world, &guest, "user_account/signup", &person("eve"), &inputs).await;
    hostile::takes_no_subject(&world, &world.user("bob", &[]).await, "user_account/signup", &person("eve")).await;
    let bad = json!({"name": " ", "email": "x", "password": "short", "passwordConfirm": "other", "role": "admin"});
    let bad = guest.act("user_account/signup", bad).await.is(422);
    let faults = bad.json[0]["Attributes"]["faults"].as_array().expect("faults");
    let fields: Vec<_> = faults.iter().map(|fault| fault["field"].as_str().expect("a name")).collect();
    assert_eq!(fields, ["role", "name", "email", "password", "passwordConfirm"], "{}", bad.text);
    for weak in
        ["password1", "qwerty123456", "1234567", "eve@example.org", "EVE@example.org", "evelinde1", "rowhouse1", "aaaaaaaaaaaa"]
    {
        let body = json!({"name": "Evelinde", "email": "eve@example.org", "password": weak, "passwordConfirm": weak});
        let refused = guest.act("user_account/signup", body).await.is(422);
        assert_eq!(refused.json[0]["Attributes"]["faults"][0]["code"], "weak-password", "{weak}");
    }
    assert!(world.sql("select 1 from user_account where name <> 'bob'").await.is_empty());
}

#[tokio::test]
async fn it_is_closed_live() {
    let (world, _smtp) = with_mail().await;
    let (guest, ada) = (world.guest(), world.user("ada", &[]).await);
    let listed = async || {
        let list = guest.get("/actions").await.is(200).json;
        list.as_array().expect("a list").iter().map(|a| a["name"].as_str().expect("a name").to_owned()).collect::<Vec<_>>()
    };
    let before = listed().await;
    assert!(before.contains(&"signup".to_owned()) && !before.contains(&"change_password".to_owned()), "{before:?}");
    world.sql("update action set permission = 0 where name = 'signup'").await;
    refuses(&world, "user_account/signup", &person("eve"), &[(&guest, 401), (&ada, 403)]).await;
    assert!(!listed().await.contains(&"signup".to_owned()));
    guest.act("user_account/nothing", json!({})).await.is(404);
    guest.act("nothing/signup", json!({})).await.is(404);
}
