//! Events: actions that listen to what happens to rows.
//!
//! In charge of: `on` of action files, and running listeners: before a change lasts, in its transaction, where they may refuse
//! it; or after the commit, as the user whose change it was. What happened, the database noted (`statement::event`).

use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use super::call::Call;
use super::run::{Means, Run};
use super::{Action, SubjectUse};
use crate::access::write::{Deed, Lifted, Settled};
use crate::error::{Error, Fault, Result};
use crate::schema::{Entity, Happening, Listener, Schema};
use crate::statement::event::{self, Note, Origin};
use crate::statement::outbox::{Claim, TASKS};
use crate::store::twice;
use crate::yaml::{Reader, Tree};

/// What happened to a row.
#[derive(Debug)]
pub struct Event<'a> {
    /// Whose row.
    pub entity: &'a Entity,
    /// Which row.
    pub id: Uuid,
    happening: Happening,
    /// Whether it may still be refused.
    is_before: bool,
    before: Json,
    after: Json,
    /// Of what is gone: what the rule asks of it.
    pub gone: Option<Json>,
}

/// Reads `on: { after_create: article, before_delete: [comment, article] }`.
pub fn read(reader: &mut Reader, schema: &Schema, tree: &Tree, action: &Action) -> Vec<Listener> {
    let moments: Vec<(String, bool, Happening)> = [true, false]
        .into_iter()
        .flat_map(|is_before| Happening::ALL.map(|happening| (is_before, happening)))
        .map(|(is_before, h)| (format!("{}_{}", if is_before { "before" } else { "after" }, h.word()), is_before, h))
        .collect();
    let words: Vec<&str> = moments.iter().map(|(word, ..)| word.as_str()).collect();
    let mut found = vec![];
    for (key, value) in reader.keys(tree, &words) {
        let Some((_, is_before, happening)) = moments.iter().find(|(word, ..)| *word == key.name) else { continue };
        for item in reader.list(value) {
            let entity = reader.text(item).to_owned();
            if super::file::known_entity(reader, schema, item.mark, &entity).is_none() {
                continue;
            }
            if matches!(entity.as_str(), "task" | "mail" | "transfer" | "world" | "action" | "action_run") {
                reader.complain(item.mark, format!("nothing listens to {entity}: it would hear itself"));
            }
            if action.subject == SubjectUse::Required && (*happening == Happening::Delete || entity != action.entity) {
                let words = format!("`{}` of {entity} leaves no row of {} as subject: see `event`", key.name, action.entity);
                reader.complain(item.mark, words);
            }
            let action = format!("{}/{}", action.entity, action.name);
            found.push(Listener { entity, happening: *happening, is_before: *is_before, action });
        }
    }
    found
}

impl<'a> Event<'a> {
    /// Of a note.
    fn of(schema: &'a Schema, note: &Note) -> Option<Event<'a>> {
        let event = Event::new(schema.entity(&note.entity)?, note.row, &note.verb, &note.before, &note.after)?;
        Some(Event { is_before: true, ..event })
    }

    /// Of a task's payload.
    pub fn told(schema: &'a Schema, payload: &Json) -> Option<Event<'a>> {
        let entity = schema.entity(payload["entity"].as_str()?)?;
        let id = payload["id"].as_str().and_then(|id| id.parse().ok())?;
        Event::new(entity, id, payload["verb"].as_str()?, &payload["before"], &payload["after"])
    }

    fn new(entity: &'a Entity, id: Uuid, verb: &str, before: &Json, after: &Json) -> Option<Event<'a>> {
        let happening = Happening::ALL.into_iter().find(|h| h.word() == verb)?;
        // A column that is nobody's, or not everybody's, is none of a listener's either. Before it was made, and after it
        // was deleted, everything in a row is null: so conditions may compare.
        let open = |values: &Json| -> Json {
            entity
                .told()
                .map(|name| (name.to_owned(), entity.told_again(name, values[name].clone())))
                .collect::<Map<_, _>>()
                .into()
        };
        let asked = ["id", "permission", "owner", "groups", "group_bits"].map(|name| (name.to_owned(), before[name].clone()));
        let gone = (happening == Happening::Delete).then(|| asked.into_iter().collect::<Map<_, _>>().into());
        Some(Event { entity, id, happening, is_before: false, before: open(before), after: open(after), gone })
    }

    /// Whether the row is one that may still not come to be.
    pub fn is_being_made(&self) -> bool {
        self.is_before && self.happening == Happening::Create
    }

    /// As files may speak of it.
    pub fn scope(&self) -> Json {
        json!({"entity": self.entity.name, "id": self.id, "name": self.happening.word(), "before": self.before, "after": self.after})
    }
}

/// Lets those hear what happened in a transaction who may refuse it, until nothing new happens.
///
/// # Errors
/// What a listener refused with; 422 where events lead to each other without end.
pub async fn hear<'a>(means: &'a Means<'a>, call: &'a Call, mut deed: Deed<'a>) -> Result<Deed<'a>> {
    if deed.scope.is_reading || !means.actions.listens_before() {
        return Ok(deed);
    }
    let mut heard: Vec<String> = vec![];
    for _ in 0..=means.config.limits.call_depth {
        let notes = deed.scope.run(&event::unheard(call.caller.session)).await?;
        let Some(first) = notes.first() else { return Ok(deed) };
        heard.clear();
        let user = first.user;
        let known = Run::known(&mut deed, user).await?;
        for note in notes {
            let Some(event) = Event::of(means.schema, &note) else { continue };
            for action in means.actions.listeners(&event.entity.name, event.happening) {
                heard.push(format!("{}/{}", action.entity, action.name));
                // What the action that raised it may do is none of a listener's, nor is one's the next one's.
                deed.lifted = Lifted::default();
                let mut run = Run::new(means, action, call, deed, (user, known.clone()))?;
                match run.listen(&event).await {
                    Err(Error::NotFound) if run.lacks_subject() => {} // a row that never lasts
                    done => done?,
                }
                deed = run.deed;
                deed.lifted = Lifted::default();
            }
        }
    }
    let words = format!("Events lead to each other without end: {}.", heard.join(", "));
    Err(Error::Invalid(vec![Fault::new("too-deep", words)]))
}

/// Lets the listeners hear that there are, and keeps what was done, where the request has a key.
///
/// # Errors
/// What a listener refused with; 422 where events lead to each other without end.
pub async fn settle<'a>(means: &'a Means<'a>, call: &'a Call, deed: Deed<'a>, kept: Json) -> Result<Settled<'a>> {
    deed.settle(|deed| hear(means, call, deed), kept).await
}

/// What a listener hears of after the commit.
#[derive(Debug)]
pub struct Heard<'a> {
    /// What happened.
    pub event: &'a Event<'a>,
    /// The user whose change it was; none: a guest's, or of one who is gone.
    pub user: Option<Uuid>,
    /// How many events led to each other before it.
    pub depth: i64,
    /// The task that the listener's run is.
    pub claim: Claim,
}

/// Runs a listener after the commit that it heard of, in a transaction of its own, which ends its task, too: whatever becomes
/// of the server, what it does is done once. Gives whether it was still to be done by this claim.
///
/// # Errors
/// What its outcomes ran into.
pub async fn run(means: &Means<'_>, action: &Action, call: &Call, heard: &Heard<'_>) -> Result<bool> {
    let Heard { event, user, depth, claim } = *heard;
    let planner = means.planner();
    let name = format!("{}/{}", action.entity, action.name);
    let name = &name;
    let done = twice(|| async move {
        let origin = Origin { action: name, depth, ..call.origin() };
        let mut deed = Deed::begin(means.store, planner, call.caller, &origin).await?;
        if !deed.scope.run(&TASKS.done_within(claim)).await? {
            return Ok(false);
        }
        let known = Run::known(&mut deed, user).await?;
        let mut run = Run::new(means, action, call, deed, (user, known))?;
        run.listen(event).await?;
        settle(means, call, run.deed, Json::Null).await?.complete().await?;
        means.wake(true, true);
        Ok(true)
    });
    done.await
}
