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
use crate::statement::outbox::Others;

/// The letter's values stand beside its parameters.
pub static PERFORMER: Performer = Performer {
    takes_values: true,
    tells: true,
    by_peek: &["to"],
    properties: || {
        let addresses = json!({"type": ["string", "array"], "format": "email"});
        json!({"to": addresses, "cc": addresses, "bcc": addresses, "reply_to": {"type": "string", "format": "email"}})
    },
    ..plain(
        "mail.send",
        &[("template", true), ("to", true), ("cc", false), ("bcc", false), ("reply_to", false), ("language", false)],
        |run, with| Box::pin(send(run, with)),
    )
};

async fn send(run: &mut Run<'_>, with: &Map<String, Json>) -> Result<Json> {
    let mut values = with.clone();
    let lists = ["to", "cc", "bcc"].map(|name| list(values.shift_remove(name)));
    if lists.iter().map(Vec::len).sum::<usize>() > RECIPIENTS {
        return Err(unfit(format!("A letter goes to at most {RECIPIENTS} addresses.")));
    }
    let [to, cc, bcc] = lists;
    let reply_to = addresses("reply_to", list(values.shift_remove("reply_to")))?.pop();
    let [template, language] = ["template", "language"].map(|name| {
        let value = values.shift_remove(name);
        value.and_then(|v| v.as_str().map(str::to_owned))
    });
    let (id, name) = (Uuid::now_v7(), template.unwrap_or_default());
    // Whoever is named twice gets it once, where they are named first.
    let mut known: Vec<String> = vec![];
    let [mut to, cc, bcc] = [addresses("to", to)?, addresses("cc", cc)?, addresses("bcc", bcc)?].map(|mut new| {
        new.retain(|address| {
            let folded = address.to_lowercase();
            let is_new = !known.contains(&folded);
            known.push(folded);
            is_new
        });
        new
    });
    if to.is_empty() {
        return Err(unfit("The letter's `to` is nobody's address: it is required.".to_owned()));
    }
    let first = to.remove(0);
    let letter = Letter { id, to: first, others: Others { to, cc, bcc, reply_to }, name, language, values };
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

/// Most addresses of one letter.
const RECIPIENTS: usize = 50;

/// The values of a parameter: one, or a list; of what isn't there none.
fn list(sent: Option<Json>) -> Vec<Json> {
    match sent {
        None | Some(Json::Null) => vec![],
        Some(Json::Array(values)) => values,
        Some(value) => vec![value],
    }
}

/// Addresses as they are written to.
fn addresses(name: &str, sent: Vec<Json>) -> Result<Vec<String>> {
    let check = |address: Json| {
        let checked = Kind::Email.check(&Bounds::default(), &address);
        checked.map_err(|words| unfit(format!("The letter's `{name}` {words}.")))
    };
    sent.into_iter().map(check).collect()
}

fn unfit(words: String) -> Error {
    Error::Invalid(vec![Fault::new("bad-address", words).at("/attributes")])
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
    let person = run.caller.map_or_else(|| prefix(run.asked.address), |user| user.to_string());
    let sender = Attempts { what: "letter of", of: &person, from: "" };
    let sender = Some((sender, limits.per_sender)).filter(|_| !is_heard && !run.asked.is_own);
    let all = letter.others.recipients().chain([&letter.to]);
    let recipients = all.map(|address| (Attempts { what: "letter to", of: address, from: &kind }, limits.per_recipient));
    let senders = std::iter::repeat_n(sender, letter.others.recipients().count() + 1).flatten();
    for (attempts, most) in recipients.chain(senders) {
        if run.deed.scope.run(&attempt::count(attempts, HOUR)).await? > most {
            return Err(Error::TooMany(HOUR));
        }
    }
    Ok(())
}
