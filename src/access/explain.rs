//! Explanations: the verdict without the deed, and the line of the rule that it rests on (`permissions.md` §9).
//!
//! In charge of: who may be told what. A row that may not be peeked is not there; of others only its owner and
//! administrators may ask, and only administrators hear the line.

use uuid::Uuid;

use super::{Refused, phases};
use crate::account::Caller;
use crate::error::{Error, Over, Reason, Result};
use crate::permission::Right;
use crate::schema::{Entity, Schema};
use crate::statement::explain::{self, Explanation, Question};
use crate::store::Store;

/// What an explanation says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explained {
    /// Whether it would be done.
    pub allowed: bool,
    /// Which phase decided; none where there is no row to speak of.
    pub phase: Option<&'static str>,
    /// The first line of the rule that holds.
    pub line: Option<i64>,
}

impl Explained {
    /// What is said of what isn't there, or not for the caller.
    pub const NOTHING: Explained = Explained { allowed: false, phase: None, line: None };
}

/// Explains one right on one row, or on an entity itself where `id` is none.
///
/// # Errors
/// 401, 403 where the entity may not be peeked; 404 where the row or the user may not; 401, 403 where it is about somebody
/// else and not the caller's to ask.
pub async fn one(
    store: &Store,
    caller: Caller,
    entity: &Entity,
    right: Right,
    id: Option<Uuid>,
    user: Option<Uuid>,
) -> Result<Explained> {
    let question = Question { entity, right, ids: id.into_iter().collect(), is_of_action: false };
    let found = asked(store, caller, std::slice::from_ref(&question), user).await?;
    let found = found.into_iter().next().ok_or_else(|| Error::internal("no verdict"))?;
    let refused = Refused { is_guest: !found.is_user, sent_token: caller.sent_token };
    if !found.is_open {
        return Err(refused.entity(&entity.name, Right::Peek));
    }
    if id.is_some() && !found.is_peekable {
        return Err(Error::NotFound);
    }
    if user.is_some() {
        if !(found.is_administrator || id.is_some() && found.is_own) {
            let reason = Reason { phase: "before instance", entity: entity.name.clone(), asks: "ownership" };
            return Err(refused.refusal(Some(reason)));
        }
        if !found.is_known {
            return Err(Error::NotFound);
        }
    }
    let mut explained = judged(&question, &found);
    if user.is_some() && !found.is_administrator {
        explained.line = None;
    }
    Ok(explained)
}

/// What is found of questions. Nothing at all is found where the session is over: then it may count as none.
async fn asked(store: &Store, caller: Caller, questions: &[Question<'_>], user: Option<Uuid>) -> Result<Vec<Explanation>> {
    let found = store.read(&explain::explain(questions, user, caller.counts()?)).await?;
    match found.is_empty() && !questions.is_empty() {
        true if caller.is_lenient => store.read(&explain::explain(questions, user, None)).await,
        true => Err(Error::Over(Over::Ended)),
        false => Ok(found),
    }
}

/// Explains many at once, for the caller. What may not be peeked is answered like what isn't there: no.
///
/// # Errors
/// What the statement ran into.
pub async fn many(store: &Store, caller: Caller, questions: &[Question<'_>]) -> Result<Vec<Vec<Explained>>> {
    let mut all: Vec<Vec<Explained>> = questions.iter().map(|q| vec![Explained::NOTHING; q.ids.len().max(1)]).collect();
    for found in asked(store, caller, questions, None).await? {
        let question = &questions[found.question];
        if (found.is_open || question.is_of_action) && (question.ids.is_empty() || found.is_peekable) {
            all[found.question][found.row.saturating_sub(1)] = judged(question, &found);
        }
    }
    Ok(all)
}

/// Entity first, then the row; adding a row is asked of the entity only.
fn judged(question: &Question<'_>, found: &Explanation) -> Explained {
    let (entity, line) = (found.entity_line, found.row_line);
    let only_entity = question.ids.is_empty() || question.right == Right::Create;
    let [of_entity, of_row] = phases(question.right);
    match (question.entity.is_closed(question.right) || entity.is_none(), only_entity) {
        (true, _) => Explained { allowed: false, phase: Some(of_entity), line: None },
        (false, true) => Explained { allowed: true, phase: Some(of_entity), line: entity },
        (false, false) => Explained { allowed: line.is_some(), phase: Some(of_row), line },
    }
}

/// Guests and users who may do something with a row, as a table for people at the terminal.
///
/// # Errors
/// Words for the person at the terminal.
pub async fn who_can(store: &Store, schema: &Schema, right: &str, row: &str) -> std::result::Result<String, String> {
    let right = Right::from_word(right)
        .ok_or_else(|| format!("{right} is no right; known: {}", Right::ALL.map(Right::word).join(", ")))?;
    let (entity, id) = row.split_once('/').ok_or("a row is written <entity>/<id>")?;
    let entity = known(schema, entity)?;
    let id = crate::request::body::uuid(id).ok_or_else(|| format!("{id} is no id"))?;
    let holders = store.read(&explain::who_can(entity, right, id)).await.map_err(|e| e.detail())?;
    if holders.is_empty() {
        return Err(format!("there is no {} with that id", entity.name));
    }
    let reasons = ["administrator", "guest bit", "owner bit", "group bit"];
    let mut table = String::new();
    for holder in &holders {
        if let (Some(_), Some(line)) = (holder.entity_line, holder.row_line.filter(|_| !entity.is_closed(right))) {
            let reason = usize::try_from(line - 1).ok().and_then(|at| reasons.get(at)).copied().unwrap_or_default();
            table += &format!("{:30} {:40} {reason}\n", holder.name, holder.email.as_deref().unwrap_or_default());
        }
    }
    Ok(if table.is_empty() { format!("nobody may {} it, but through actions", right.word()) } else { table })
}

/// The permissions around an entity as they are now, as a table for people at the terminal.
///
/// # Errors
/// Words for the person at the terminal.
pub async fn matrix(store: &Store, schema: &Schema, entity: &str) -> std::result::Result<String, String> {
    let entity = known(schema, entity)?;
    let granted = store.read(&explain::matrix(&entity.name)).await.map_err(|e| e.detail())?;
    let mut table = format!("{:44}{}\n", entity.name, Right::ALL.map(|r| format!("{:>8}", r.word())).concat());
    for granted in &granted {
        let is_held = |right: Right| granted.bits & i64::from(right.bit()) != 0;
        let held = Right::ALL.map(|right| format!("{:>8}", if is_held(right) { "x" } else { "." }));
        table += &format!("{:44}{}\n", format!("{} · {}", granted.what, granted.whom), held.concat());
    }
    Ok(table)
}

fn known<'s>(schema: &'s Schema, name: &str) -> std::result::Result<&'s Entity, String> {
    let names: Vec<_> = schema.entities().iter().map(|e| e.name.as_str()).collect();
    let hint = crate::yaml::nearest(name, &names).map(|n| format!("; did you mean {n}?")).unwrap_or_default();
    schema.entity(name).ok_or_else(|| format!("there is no entity {name}{hint}"))
}
