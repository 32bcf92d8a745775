//! `token.spend`: a token of a letter, once, in time and for its purpose alone.

use serde_json::{Map, Value as Json, json};

use super::{Gives, Performer, plain, text};
use crate::account::token::hash;
use crate::action::run::Run;
use crate::error::{Error, Fault, Result};
use crate::permission::Right;
use crate::statement::account::{self, Spent};
use crate::statement::explain::holds;

/// Gives the user whose token it was; or, with `entity`, the row that it leads to, with `right` only while that user has the
/// right to it. Both with the data that it was issued with.
pub static PERFORMER: Performer = Performer {
    gives: Gives::User,
    is_secret: true,
    properties: || json!({"purpose": {"type": "string"}, "right": {"enum": Right::ALL.map(Right::word)}}),
    ..plain("token.spend", &[("purpose", true), ("token", true), ("entity", false), ("right", false)], |run, with| {
        Box::pin(spend(run, with))
    })
};

async fn spend(run: &mut Run<'_>, with: &Map<String, Json>) -> Result<Json> {
    let words = "This link is not good any more: ask for a new one.";
    let spent = || Error::Invalid(vec![Fault::new("spent", words).at("/attributes/token")]);
    let found = run.deed.scope.run(&account::spend(&hash(&text(with, "token")), &text(with, "purpose"))).await?;
    let Spent { user, person, data, row } = found.ok_or_else(spent)?;
    let entity = text(with, "entity");
    if entity.is_empty() {
        return Ok(json!({"id": user.to_string(), "email": person.email, "name": person.name, "data": data}));
    }
    let id = row.unwrap_or_default();
    if with.contains_key("right") {
        let right = Right::from_word(&text(with, "right")).ok_or_else(spent)?;
        let held = holds(run.deed.planner.entity(&entity)?, id, right, user);
        if !run.deed.scope.run(&held).await? {
            return Err(spent());
        }
    }
    let mut values = run.row_of(&entity, id).await?.ok_or_else(spent)?;
    values["data"] = json!(data);
    Ok(values)
}
