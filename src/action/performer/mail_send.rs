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
    count(run, &letter).await?;
    let statement = run.app.post.put(run.app.seal, &letter, &run.secrets);
    run.deed.scope.run(&statement).await?;
    run.has_mail = true;
    Ok(Json::Null)
}

/// In which letters are counted, in seconds.
const HOUR: u64 = 60 * 60;

/// Counts a letter: per recipient, of each kind of letter apart, so that nobody keeps anybody's from coming by causing
/// others; and per sender, where it is somebody's request that sends it. Letters that nobody waits for, a listener's, are
/// apart from those whose sender is told: by that nobody finds out to whom there were others. A listener's, for which there
/// is no room, is tried again later.
///
/// # Errors
/// 429 where there were too many in an hour.
async fn count(run: &mut Run<'_>, letter: &Letter) -> Result<()> {
    let limits = &run.app.config.mail;
    let is_heard = run.is_listening();
    let kind = format!("{} {is_heard}", letter.name);
    let recipient = Attempts { what: "letter to", of: &letter.to, from: &kind };
    let person = run.caller.map_or_else(|| prefix(run.asked.address), |user| user.to_string());
    let sender = Attempts { what: "letter of", of: &person, from: "" };
    let sender = Some((sender, limits.per_sender)).filter(|_| !is_heard && !run.asked.is_own);
    for (attempts, most) in [Some((recipient, limits.per_recipient)), sender].into_iter().flatten() {
        if run.deed.scope.run(&attempt::count(attempts, HOUR)).await? > most {
            return Err(Error::TooMany(HOUR));
        }
    }
    Ok(())
}
