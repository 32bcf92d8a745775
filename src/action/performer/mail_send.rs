//! `mail.send`: a letter into the outbox, in the action's own transaction.

use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use super::{Performer, plain};
use crate::action::run::Run;
use crate::error::{Error, Fault, Result};
use crate::mail::KNOWN;
use crate::mail::post::Letter;
use crate::schema::kind::{Bounds, Kind};
use crate::share::prefix;
use crate::statement::attempt::{self, Attempts};

/// The letter's values stand beside its parameters.
pub static PERFORMER: Performer = Performer {
    takes_values: true,
    tells: true,
    by_peek: &["to"],
    properties: || json!({"to": {"type": "string"}}),
    ..plain("mail.send", &[("template", true), ("to", true), ("language", false)], |run, with| Box::pin(send(run, with)))
};

async fn send(run: &mut Run<'_>, with: &Map<String, Json>) -> Result<Json> {
    let mut values = with.clone();
    let [template, to, language] = ["template", "to", "language"].map(|name| {
        let value = values.shift_remove(name);
        value.and_then(|v| v.as_str().map(str::to_owned))
    });
    let (id, name) = (Uuid::now_v7(), template.unwrap_or_default());
    let letter = Letter { id, to: to.unwrap_or_default(), name, language, values };
    Kind::Email.check(&Bounds::default(), &letter.to.as_str().into()).map_err(|words| {
        Error::Invalid(vec![Fault::new("bad-address", format!("The letter's `to` {words}.")).at("/attributes")])
    })?;
    // What can't be rendered must not wait to be found out.
    let mut known = letter.values.clone();
    known.extend(KNOWN.iter().map(|name| ((*name).to_owned(), Json::String(String::new()))));
    run.app.actions.letters.render(&letter.name, letter.language.as_deref(), &known)?;
    if !is_room(run, &letter.to).await? {
        return Ok(Json::Null);
    }
    let statement = run.app.post.put(run.app.seal, &letter, &run.secrets);
    run.deed.scope.run(&statement).await?;
    run.has_mail = true;
    Ok(Json::Null)
}

/// In which letters are counted, in seconds.
const HOUR: u64 = 60 * 60;

/// Counts a letter, per recipient and per sender, also where it is rehearsed or comes to nothing. A listener, whom nobody waits
/// for, is told to leave it; and so nobody is told by it to whom there were letters.
async fn is_room(run: &mut Run<'_>, to: &str) -> Result<bool> {
    let limits = &run.app.config.mail;
    let sender = run.caller.map_or_else(|| prefix(run.asked.address), |user| user.to_string());
    let recipient = Attempts { what: "letter to", of: to, from: "" };
    let sender = Attempts { what: "letter of", of: &sender, from: "" };
    for (attempts, most) in [(recipient, limits.per_recipient), (sender, limits.per_sender)] {
        if run.app.store.read_small(&attempt::count(attempts, HOUR)).await? <= most {
            continue;
        }
        if !run.is_listening() {
            return Err(Error::TooMany(HOUR));
        }
        tracing::warn!(action = run.name(), limit = attempts.what, "too many letters in an hour: one was not written");
        return Ok(false);
    }
    Ok(true)
}
