//! Letters that are signed (DKIM, RFC 6376 and 8463), verified by our own reading of the standard.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use crate::house::World;
use crate::house::smtp::Smtp;
use rowhouse::config::Secret;

/// White space as "relaxed" has it.
fn relaxed(text: &str) -> String {
    text.split([' ', '\t']).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// A header in its relaxed form, whole, and unfolded.
fn header(head: &str, name: &str) -> String {
    let unfolded = head.replace("\r\n ", " ").replace("\r\n\t", " ");
    let line = unfolded.lines().find(|line| line.to_lowercase().starts_with(&format!("{}:", name.to_lowercase())));
    let (name, value) = line.unwrap_or_else(|| panic!("no {name} in {head}")).split_once(':').expect("a header");
    format!("{}:{}", name.to_lowercase(), relaxed(value))
}

/// Whether a letter is signed by the owner of a key.
fn is_signed(letter: &str, public: &[u8]) -> bool {
    let (head, body) = letter.split_once("\r\n\r\n").expect("a head and a body");
    let signature = header(head, "DKIM-Signature");
    let tag = |name: &str| {
        let found = signature.split([';', ':']).find_map(|tag| tag.trim().strip_prefix(&format!("{name}=")));
        found.unwrap_or_else(|| panic!("no {name} in {signature}")).replace(' ', "")
    };
    let body = body.lines().map(|line| relaxed(line.trim_end()) + "\r\n").collect::<String>();
    let body = format!("{}\r\n", body.trim_end_matches("\r\n"));
    let names = signature.split("; h=").nth(1).expect("h").split(';').next().expect("names").to_owned();
    // One that is signed and isn't there is signed as nothing (RFC 6376, 5.4): nobody adds it on the way.
    let is_there = |name: &&str| head.lines().any(|line| line.to_lowercase().starts_with(&format!("{}:", name.trim())));
    let signed: String = names.split(':').filter(is_there).map(|name| header(head, name.trim()) + "\r\n").collect();
    let own = format!("{}; b=", signature.split_once("; b=").expect("b").0);
    let hash = digest(&SHA256, format!("{signed}{own}").as_bytes());
    let sealed = STANDARD.decode(tag("b")).expect("base64");
    names.starts_with("from:")
        && STANDARD.encode(digest(&SHA256, body.as_bytes())) == tag("bh")
        && UnparsedPublicKey::new(&ED25519, public).verify(hash.as_ref(), &sealed).is_ok()
}

#[tokio::test]
async fn a_letter_is_signed_for_its_domain_where_a_key_is_configured() {
    let mut smtp = Smtp::new().await;
    let (url, seed) = (smtp.url(), [7; 32]);
    let world = World::with(|config| {
        config.mail.smtp = Some(Secret::new(url));
        config.mail.from = "Größe <post@example.org>".to_owned();
        config.mail.dkim_selector = Some("today".to_owned());
        config.mail.dkim_key = Some(Secret::new(STANDARD.encode(seed)));
    })
    .await;
    let ada = world.user("ada", &[]).await;
    ada.act("user_account/request_email_verification", json!({})).await.is(200);
    let letter = smtp.letter().await;
    let key = Ed25519KeyPair::from_seed_unchecked(&seed).expect("a key");
    let public = key.public_key().as_ref();
    assert!(letter.text.contains("d=example.org") && letter.text.contains("s=today"), "{}", letter.text);
    assert!(is_signed(&letter.text, public), "{}", letter.text);
    let other = Ed25519KeyPair::from_seed_unchecked(&[8; 32]).expect("a key");
    assert!(!is_signed(&letter.text, other.public_key().as_ref()));
    for (is, forged) in [("To: ada@", "To: eve@"), ("Subject: Confirm", "Subject: Forget"), ("Hello ada", "Hello eve")] {
        assert!(letter.text.contains(is) && !is_signed(&letter.text.replace(is, forged), public), "{is}");
    }
}
