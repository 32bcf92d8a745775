//! Running an action: inputs → phases → outcomes in order, in one transaction → directives.
//!
//! In charge of: the order of one call. Outcomes run as the caller, plus the rights that the action declares, through the
//! same deeds as `/api`.

use std::collections::HashMap;
use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use super::call::Call;
use super::event::{self, Event};
use super::performer::password_check;
use super::value::render;
use super::{Action, Actions, Deed as Does, Lift, SubjectUse, input, task};
use crate::access::write::{Deed, Lifted};
use crate::access::{Execution, Source, may_execute};
use crate::account::password::Hasher;
use crate::account::seal::Seal;
use crate::account::token::{Tokens, hash};
use crate::budget::Budget;
use crate::config::Config;
use crate::error::{Error, Fault, Result};
use crate::mail::post::Post;
use crate::outbox::Outbox;
use crate::outgoing::{Outgoing, Request};
use crate::permission::Right;
use crate::plan::Planner;
use crate::plan::change::Change;
use crate::request::body::uuid;
use crate::schema::{Entity, Schema};
use crate::statement::event::Origin;
use crate::statement::outbox::Task;
use crate::statement::query::Internal;
use crate::statement::{action as statement, outbox};
use crate::store::{Store, twice};

mod bind;
mod does;
mod tell;

/// What actions need of the server.
pub struct Means<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// What exists.
    pub schema: &'a Schema,
    /// PostgreSQL.
    pub store: &'a Store,
    /// Who signs tokens.
    pub tokens: &'a Tokens,
    /// Who hashes passwords.
    pub hasher: &'a Hasher,
    /// Who seals secrets.
    pub seal: &'a Seal,
    /// What may be called.
    pub actions: &'a Actions,
    /// How letters leave.
    pub post: &'a Post,
    /// Where tasks wait.
    pub tasks: &'a Outbox<Task>,
    /// Where imports and exports wait.
    pub transfers: &'a Outbox<Task>,
    /// Who asks other servers.
    pub outgoing: &'a Outgoing,
}

impl<'a> Means<'a> {
    /// Who plans what actions read and change.
    pub fn planner(&self) -> Planner<'a> {
        Planner { schema: self.schema, limits: &self.config.limits, page: &self.config.page }
    }

    /// What every action knows, beside its inputs. `caller`: as files may speak of them.
    pub fn known(&self, caller: Json) -> Map<String, Json> {
        let now = json!(jiff::Timestamp::now().to_string());
        let known = [("now", now), ("config", json!({"public": self.config.public})), ("caller", caller)];
        known.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    /// Says after a row was made or changed that something may wait, if somebody hears of it, or of what it was linked to.
    pub fn wake_for(&self, change: &Change<'_>) {
        let is_heard = |entity: &Entity| self.actions.listens_to(&entity.name);
        let mut linked = change.links.iter().filter(|l| l.relation.is_many()).map(|l| self.schema.target(l.relation));
        if is_heard(change.entity) || linked.any(is_heard) {
            self.wake(false, false);
        }
    }

    /// Says after a commit that something may wait in the outbox: listeners may have put in anything.
    pub fn wake(&self, has_mail: bool, has_tasks: bool) {
        let listens = self.actions.listens();
        if has_mail || listens {
            self.post.wake();
        }
        if has_tasks || listens {
            self.tasks.wake();
            self.transfers.wake();
        }
    }
}

/// What a call answers.
#[derive(Debug)]
pub struct Done {
    /// What the client is told to do.
    pub directives: Vec<Json>,
    /// Whether it was done before, under the same key.
    pub is_replayed: bool,
}

/// A password that was verified before the transaction.
#[derive(Debug, Clone)]
pub struct Checked {
    /// Whose.
    pub user: Uuid,
    /// The hash that it was verified against.
    pub hash: String,
    /// The user's address.
    pub email: String,
    /// The password hashed as it is hashed now, where it was hashed otherwise.
    pub renewed: Option<String>,
}

/// An action while it runs.
pub struct Run<'a> {
    /// What the server has.
    pub app: &'a Means<'a>,
    /// The call.
    pub asked: &'a Call,
    /// The transaction.
    pub deed: Deed<'a>,
    /// The caller's user row.
    pub caller: Option<Uuid>,
    /// The verified password, where the action checks one.
    pub checked: Option<Checked>,
    action: &'a Action,
    scope: Map<String, Json>,
    /// What its values and its answer may be.
    held: Budget,
    /// How much of that the answer has.
    answered: usize,
    /// What may be copied and rendered of them.
    work: Budget,
    /// How much of that was done when others were served last.
    paused: usize,
    /// The names that stand for rows.
    rows: HashMap<String, Bound<'a>>,
    hashes: &'a Map<String, Json>,
    directives: Vec<Json>,
    /// The directives as they are kept under an idempotency key: of rows only which, they are read again.
    kept: Vec<Json>,
    /// The rows of which the answer that is being made tells.
    told: Vec<(&'a Entity, Uuid)>,
    /// Results that were made of rows.
    made_of: HashMap<String, MadeOf<'a>>,
    /// Texts that may be kept nowhere in the clear.
    pub secrets: Vec<String>,
    /// Whether a letter waits to be sent.
    pub has_mail: bool,
    /// How many requests to other servers were made.
    pub requests: usize,
    /// Whether a task waits to be done.
    pub has_tasks: bool,
    /// How deep actions called each other.
    depth: usize,
    /// Rights that the action declares that called this one and lends it them.
    lent: Vec<(Lift, Vec<Right>)>,
    /// What holds by the rights that this action declares itself: that much it lends.
    own: Lifted,
    /// The row that is only being made, while those hear of it who may refuse it; and of which entity.
    unborn: Option<(usize, Uuid)>,
    /// Of the row that an event tells of, if it is gone: what the rule asks of it.
    gone: Option<Json>,
}

/// What a name that stands for rows is bound to.
#[derive(Clone, Copy)]
struct Bound<'a> {
    entity: &'a Entity,
    /// Whether the action made the row: then its values may be told.
    is_made: bool,
}

/// What a result was made of.
#[derive(Debug, Default, Clone)]
struct MadeOf<'a> {
    /// Rows whose values went into it.
    rows: Vec<(&'a Entity, Uuid)>,
    /// Whether values that the caller may only peek may be among them: then it is told to who may read these rows.
    by_peek: bool,
}

/// Runs an action.
///
/// # Errors
/// 401, 403, 404 before any fault of the inputs is told; 422 with all of these; what the outcomes ran into.
pub async fn run(means: &Means<'_>, action: &Action, call: &Call) -> Result<Done> {
    let planner = means.planner();
    let entity = planner.entity(&action.entity)?;
    let subject = subject(action, call)?;
    // Asked first, and again in the transaction: nothing is told of the inputs otherwise.
    let call = &match action.takes_over_token {
        true => Call { caller: call.caller.lenient(), ..call.clone() },
        false => call.clone(),
    };
    let execution = Execution { entity, action: &action.name, subject, is_lifted: action.lifts_execute() };
    let caller = may_execute(Source::Store(means.store), means.schema, execution, call.caller).await?;
    // A token that is over, and is taken over, counts as none from here on.
    let call = &match caller {
        Some(_) => call.clone(),
        None => Call { caller: call.caller.left(), ..call.clone() },
    };
    if !action.listens.is_empty() {
        let message = "This action listens to events: it isn't called.".to_owned();
        return Err(Error::Failed { status: 409, message });
    }
    let mut scope = input::inputs(means.hasher.policy(), action, &call.attributes)?;
    if call.is_rehearsal && !action.may_be_rehearsed() {
        return Err(unrehearsable());
    }
    let known = match caller {
        Some(id) => means.store.read(&statement::caller(id)).await?.unwrap_or_default(),
        None => Json::Null,
    };
    scope.extend(means.known(known));
    let checked = password_check::before(means, action, call, &scope).await?;
    let hashes = hashes(means, action, &scope).await?;
    let (scope, hashes, checked) = (&scope, &hashes, &checked);
    // What hands out secrets is done as often as it is asked for: they are kept nowhere.
    let once = call.once.as_ref().filter(|_| !action.is_secret() && !call.is_rehearsal && !action.is_safe);
    let name = format!("{}/{}", action.entity, action.name);
    let name = &name;
    let done = twice(|| async move {
        let origin = Origin { action: name, ..call.origin() };
        let mut deed = match action.is_safe {
            true => Deed::begin_reading(means.store, planner, call.caller).await?,
            false => Deed::begin(means.store, planner, call.caller, &origin).await?,
        };
        let caller = may_execute(Source::Scope(&mut deed.scope), means.schema, execution, call.caller).await?;
        let mut run =
            Run { scope: scope.clone(), checked: checked.clone(), ..Run::bare(means, action, call, deed, caller, hashes) };
        if let Some(kept) = run.deed.done_before(once).await? {
            return Ok(Done { directives: run.again(kept).await?, is_replayed: true });
        }
        run.begin(entity, subject).await?;
        run.outcomes(&action.outcomes).await?;
        if run.directives.is_empty() {
            let [title, message] = ["Success", "Done"].map(|text| means.actions.texts.say(call.language.as_deref(), text));
            let said = json!({"type": "success", "title": title, "message": message});
            run.answer(json!({"ResponseType": "client.notify", "Attributes": said}), vec![])?;
        }
        let Run { deed, kept, has_mail, has_tasks, directives, .. } = run;
        if call.is_rehearsal {
            event::hear(means, call, deed).await?.check().await?; // and no more: it is rolled back
            return Ok(Done { directives, is_replayed: false });
        }
        event::settle(means, call, deed, kept.into()).await?.complete().await?;
        means.wake(has_mail, has_tasks);
        Ok(Done { directives, is_replayed: false })
    });
    let done = match done.await {
        Ok(done) => done,
        Err(error) => {
            for statement in records(means.config, action, scope) {
                means.store.read(&statement).await?;
            }
            return Err(error);
        }
    };
    if let Some(checked) = checked {
        // It is done; that the counter stays is no failure of it.
        _ = password_check::forget(means, call, &checked.email).await;
    }
    Ok(done)
}

/// The refusal of a rehearsal of what a rollback doesn't undo, or of what tells of secrets.
fn unrehearsable() -> Error {
    let words = "This action checks passwords, opens sessions, uses tokens or asks other servers: it can't be rehearsed.";
    Error::Invalid(vec![Fault::new("dry-run", words).parameter("dry_run")])
}

/// What is kept of an attempt that failed.
fn records(config: &Config, action: &Action, scope: &Map<String, Json>) -> Vec<Internal<()>> {
    let performed = action.outcomes().filter_map(|o| match &o.deed {
        Does::Perform { performer, with, .. } => Some((performer.failed?, with)),
        _ => None,
    });
    performed.filter_map(|(failed, with)| Some(failed(&render(with, scope, &work(config)).ok()?))).collect()
}

fn subject(action: &Action, call: &Call) -> Result<Option<Uuid>> {
    if action.subject == SubjectUse::None {
        return if call.subject.is_some() { Err(Error::NotFound) } else { Ok(None) };
    }
    let named = call.attributes.get(&format!("{}_id", action.entity)).filter(|id| !id.is_null());
    let is_other = |path: &String| named.is_some_and(|named| !named.as_str().is_some_and(|id| id.eq_ignore_ascii_case(path)));
    if call.subject.as_ref().is_some_and(is_other) {
        let words = format!("`{}_id` is not the row that the path names.", action.entity);
        return Err(Error::Unreadable(vec![Fault::new("wrong-id", words).at(format!("/attributes/{}_id", action.entity))]));
    }
    let sent = call.subject.as_deref().or(named.and_then(Json::as_str));
    Ok(match (sent, action.subject) {
        (None, SubjectUse::Optional) if named.is_none() => None,
        (sent, _) => Some(sent.and_then(uuid).unwrap_or_default()),
    })
}

/// Hashes new passwords before a connection is taken.
async fn hashes(means: &Means<'_>, action: &Action, inputs: &Map<String, Json>) -> Result<Map<String, Json>> {
    let mut hashes = Map::new();
    for input in action.inputs.iter().filter(|i| i.is_new) {
        if let Some(password) = inputs.get(&input.name).and_then(Json::as_str) {
            hashes.insert(input.name.clone(), means.hasher.hash(password.to_owned()).await?.into());
        }
    }
    Ok(hashes)
}

/// How often all that an action may hold may be copied and rendered.
const TIMES: usize = 8;

fn work(config: &Config) -> Budget {
    Budget::new("what an action copies and renders", config.limits.action.saturating_mul(TIMES))
}

static NO_HASHES: LazyLock<Map<String, Json>> = LazyLock::new(Map::new);

impl<'a> Run<'a> {
    fn bare(
        app: &'a Means<'a>,
        action: &'a Action,
        asked: &'a Call,
        deed: Deed<'a>,
        caller: Option<Uuid>,
        hashes: &'a Map<String, Json>,
    ) -> Run<'a> {
        Run {
            app,
            asked,
            deed,
            caller,
            action,
            hashes,
            checked: None,
            scope: Map::new(),
            held: Budget::new("what an action holds", app.config.limits.action),
            answered: 0,
            work: work(app.config),
            paused: 0,
            rows: HashMap::new(),
            directives: vec![],
            kept: vec![],
            told: vec![],
            made_of: HashMap::new(),
            secrets: vec![],
            has_mail: false,
            has_tasks: false,
            requests: 0,
            depth: 0,
            lent: vec![],
            own: Lifted::default(),
            unborn: None,
            gone: None,
        }
    }

    /// For a listener: nobody sent it anything, and nobody is answered. `known`: the caller, as files may speak of them.
    ///
    /// # Errors
    /// 422 where it has inputs that it can't do without.
    pub fn new(
        means: &'a Means<'a>,
        action: &'a Action,
        call: &'a Call,
        deed: Deed<'a>,
        (caller, known): (Option<Uuid>, Json),
    ) -> Result<Run<'a>> {
        let mut scope = input::inputs(means.hasher.policy(), action, &Map::new())?;
        scope.extend(means.known(known));
        Ok(Run { scope, ..Run::bare(means, action, call, deed, caller, &NO_HASHES) })
    }

    /// The caller, as files may speak of them.
    ///
    /// # Errors
    /// What the statement ran into.
    pub async fn known(deed: &mut Deed<'_>, caller: Option<Uuid>) -> Result<Json> {
        match caller {
            Some(id) => Ok(deed.scope.run(&statement::caller(id)).await?.unwrap_or_default()),
            None => Ok(Json::Null),
        }
    }

    /// Hears of an event. It is asked no right to: that the action listens says its file; what it does it does as the caller,
    /// and by the rights that it declares.
    ///
    /// # Errors
    /// What its outcomes ran into; 404 where its subject is gone.
    pub async fn listen(&mut self, event: &Event<'_>) -> Result<()> {
        let mut told = event.scope();
        // Of the entities that it listens to, one may have columns that another hasn't.
        let heard = self.action.listens.iter().filter_map(|listener| self.app.schema.entity(&listener.entity));
        for (name, values) in heard.flat_map(Entity::told).flat_map(|name| ["before", "after"].map(|values| (name, values))) {
            if told[values].get(name).is_none() {
                told[values][name] = Json::Null;
            }
        }
        self.hold("event".to_owned(), told)?;
        self.gone.clone_from(&event.gone);
        self.unborn = event.is_being_made().then_some((event.entity.at, event.id));
        let entity = self.deed.planner.entity(&self.action.entity)?;
        let subject = (self.action.subject != SubjectUse::None && entity.at == event.entity.at).then_some(event.id);
        self.begin(entity, subject).await?;
        if self.lacks_subject() {
            return Err(Error::NotFound);
        }
        self.outcomes(&self.action.outcomes).await
    }

    /// Whether it works on a row that isn't there (any more).
    pub fn lacks_subject(&self) -> bool {
        self.action.subject == SubjectUse::Required && self.scope.get("subject").is_none_or(Json::is_null)
    }

    /// Puts a request to another server into the outbox.
    ///
    /// # Errors
    /// What the statement ran into.
    pub async fn ask_after_commit(&mut self, request: &Request) -> Result<()> {
        let sealed = self.app.seal.seal_text(task::PURPOSE, &serde_json::to_string(request).map_err(Error::internal)?);
        // Of one row in order: of the one that raised it, or that the action is about.
        let row = |name: &str| self.scope.get(name)?["id"].as_str().map(str::to_owned);
        let id = Uuid::now_v7();
        let about = row("event").or_else(|| row("subject"));
        let line = about.as_ref().map_or_else(|| id.to_string(), |row| format!("request {row}"));
        let payload = json!({"action": self.name(), "row": about}).to_string();
        let asked = outbox::NewRequest { id, place: &request.place(), line: &line, payload: &payload, sealed: &sealed };
        self.deed.scope.run(&outbox::put_request(&asked, self.deed.caller().counts()?)).await?;
        self.has_tasks = true;
        Ok(())
    }

    /// What a request of this run is known by, however often the transaction is done.
    pub fn key(&mut self, request: &Request) -> String {
        self.requests += 1;
        let event = self.scope.get("event").map(|event| event["id"].to_string()).unwrap_or_default();
        let all = format!("{} {} {event} {} {request:?}", self.asked.id, self.name(), self.requests);
        URL_SAFE_NO_PAD.encode(hash(&all))
    }

    /// Whether it hears of an event: nobody waits for what it answers.
    pub fn is_listening(&self) -> bool {
        self.scope.contains_key("event")
    }

    /// The action's name, for the log.
    pub fn name(&self) -> String {
        format!("{}/{}", self.action.entity, self.action.name)
    }
}
