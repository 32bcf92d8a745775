//! `random`: text that nobody can guess.

use serde_json::{Map, Value as Json, json};

use super::{Performer, plain, text};
use crate::action::run::Run;
use crate::error::{Error, Result};

/// Gives the text. It counts as a secret: a letter that waits carries it sealed, and no answer with it is kept.
pub static PERFORMER: Performer = Performer {
    is_secret: true,
    properties: || json!({"length": {"type": "integer", "minimum": 1, "maximum": 1000}, "of": {"enum": ["digits", "hex", "letters"]}}),
    ..plain("random", &[("length", true), ("of", false)], |run, with| Box::pin(random(run, with)))
};

async fn random(run: &mut Run<'_>, with: &Map<String, Json>) -> Result<Json> {
    let alphabet: &[u8] = match text(with, "of").as_str() {
        "digits" => b"0123456789",
        "hex" => b"0123456789abcdef",
        _ => b"ABCDEFGHJKMNPQRSTUVWXYZabcdefghjkmnpqrstuvwxyz23456789", // none that look alike
    };
    let length = with.get("length").and_then(Json::as_u64).and_then(|n| usize::try_from(n).ok()).unwrap_or(1);
    // A byte above the last whole round of the alphabet would favour its first characters: it is drawn again.
    let whole = 256 / alphabet.len() * alphabet.len();
    let mut drawn = String::with_capacity(length);
    while drawn.len() < length {
        let mut bytes = [0; 64];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_| Error::internal("no randomness"))?;
        let fair = bytes.iter().map(|b| usize::from(*b)).filter(|b| *b < whole);
        drawn.extend(fair.take(length - drawn.len()).map(|b| char::from(alphabet[b % alphabet.len()])));
    }
    run.secrets.push(drawn.clone());
    Ok(drawn.into())
}
