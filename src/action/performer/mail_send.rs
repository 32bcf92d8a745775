//! `mail.send`: a letter into the outbox, in the action's own transaction.

use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use super::{Performer, plain};
use crate::action::run::Run;
use crate::error::{Error, Fault, Result};
use crate::mail::KNOWN;
use crate::mail::post::Letter;
use crate::schema::kind::{Bounds, Kind};

/// The letter's values stand beside its parameters.
pub static PERFORMER: Performer = Performer {
    takes_values: true,
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
    let statement = run.app.post.put(run.app.seal, &letter, &run.secrets);
    run.deed.scope.run(&statement).await?;
    run.has_mail = true;
    Ok(Json::Null)
}
