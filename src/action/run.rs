//! Running an action: inputs → phases → outcomes in order, in one transaction → directives.
//!
//! In charge of: the order of one call. Outcomes run as the caller, plus the rights that the action declares, through the
//! same deeds as `/api`.

use std::collections::HashMap;
use std::net::IpAddr;

use futures_util::future::BoxFuture;
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use super::value::{Template, holds, render};
use super::{Action, Actions, Deed as Does, InputKind, Lift, Outcome, SubjectUse, input, performer};
use crate::access::write::Deed;
use crate::access::{self, Source, may_execute};
use crate::account::Caller;
use crate::account::password::Hasher;
use crate::account::seal::Seal;
use crate::account::token::Tokens;
use crate::config::Config;
use crate::document::{self, Place};
use crate::error::{Error, Fault, Result};
use crate::mail::outbox::Outbox;
use crate::permission::Right;
use crate::plan::change::{Change, LinkChange, Target, Verb, grant_bits};
use crate::plan::{Pick, Planner};
use crate::request::Query;
use crate::request::body::uuid;
use crate::request::media::Form;
use crate::request::once::Once;
use crate::request::precondition::Expected;
use crate::schema::kind::Kind;
use crate::schema::{Entity, Schema};
use crate::statement::{account, action as statement};
use crate::store::{Row, Store, twice};

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
    /// Where letters wait.
    pub outbox: &'a Outbox,
}

/// A call.
#[derive(Debug, Clone)]
pub struct Call {
    /// Who calls.
    pub caller: Caller,
    /// From where.
    pub address: IpAddr,
    /// With what, as the browser says.
    pub agent: String,
    /// The row that the path names.
    pub subject: Option<String>,
    /// What was sent.
    pub attributes: Map<String, Json>,
    /// Whether everything is rolled back in the end.
    pub is_rehearsal: bool,
    /// What the call is, where it is to be done once.
    pub once: Option<Once>,
}

impl Call {
    /// What the session's row says of the device.
    pub fn device(&self) -> String {
        self.agent.chars().filter(|c| !c.is_control()).take(500).collect()
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
    /// The names that stand for rows.
    rows: HashMap<String, Bound<'a>>,
    hashes: &'a Map<String, Json>,
    directives: Vec<Json>,
    /// The directives as they are kept under an idempotency key: of rows only which, they are read again.
    kept: Vec<Json>,
    /// Texts that may be kept nowhere in the clear.
    pub secrets: Vec<String>,
    /// Whether a letter waits to be sent.
    pub has_mail: bool,
    /// How deep actions called each other.
    depth: usize,
}

/// What a name that stands for rows is bound to.
#[derive(Clone, Copy)]
struct Bound<'a> {
    entity: &'a Entity,
    /// Whether the action made the row: then its values may be told.
    is_made: bool,
}

/// Runs an action.
///
/// # Errors
/// 401, 403, 404 before any fault of the inputs is told; 422 with all of these; what the outcomes ran into.
pub async fn run(means: &Means<'_>, action: &Action, call: &Call) -> Result<Done> {
    let planner = Planner { schema: means.schema, limits: &means.config.limits, page: &means.config.page };
    let entity = planner.entity(&action.entity)?;
    let subject = subject(action, call)?;
    // Asked first, and again in the transaction: nothing is told of the inputs otherwise.
    let caller = may_execute(Source::Store(means.store), entity, &action.name, subject, call.caller).await?;
    let mut scope = input::inputs(action, &call.attributes)?;
    if call.is_rehearsal && action.is_final() {
        let words = "This action checks passwords or opens sessions: it can't be rehearsed.";
        return Err(Error::Invalid(vec![Fault::new("dry-run", words).parameter("dry_run")]));
    }
    let hashes = hashes(means, action, &scope).await?;
    scope.insert("now".to_owned(), json!(jiff::Timestamp::now().to_string()));
    scope.insert("config".to_owned(), json!({"public": means.config.public}));
    scope.insert("caller".to_owned(), Json::Null);
    if let Some(id) = caller {
        scope.insert("caller".to_owned(), first_json(&means.store.read(&statement::caller(id)).await?));
    }
    let checked = performer::check_password(means, action, call, &scope).await?;
    let (scope, hashes, checked) = (&scope, &hashes, &checked);
    // What hands out secrets is done as often as it is asked for: they are kept nowhere.
    let once = call.once.as_ref().filter(|_| !action.is_final() && !call.is_rehearsal && !action.is_safe);
    let done = twice(|| async move {
        let mut deed = match action.is_safe {
            true => Deed::begin_reading(means.store, planner, call.caller).await?,
            false => Deed::begin(means.store, planner, call.caller).await?,
        };
        let caller = may_execute(Source::Scope(&mut deed.scope), entity, &action.name, subject, call.caller).await?;
        let (scope, rows, checked) = (scope.clone(), HashMap::new(), checked.clone());
        let mut run = Run {
            app: means,
            asked: call,
            deed,
            caller,
            checked,
            action,
            scope,
            rows,
            hashes,
            directives: vec![],
            kept: vec![],
            secrets: vec![],
            has_mail: false,
            depth: 0,
        };
        if let Some(kept) = run.deed.done_before(once).await? {
            return Ok(Done { directives: run.again(kept).await?, is_replayed: true });
        }
        run.begin(entity, subject).await?;
        run.outcomes(&action.outcomes).await?;
        run.deed.keep(run.kept.into()).await?;
        match call.is_rehearsal {
            true => run.deed.check().await?,
            false => run.deed.commit().await?,
        }
        if run.has_mail && !call.is_rehearsal {
            means.outbox.wake();
        }
        Ok(Done { directives: run.directives, is_replayed: false })
    });
    let done = done.await?;
    if let Some(checked) = checked {
        // It is done; that the counter stays is no failure of it.
        _ = means.store.read(&account::forget(&performer::account_key(&checked.email, call.address))).await;
    }
    Ok(done)
}

fn subject(action: &Action, call: &Call) -> Result<Option<Uuid>> {
    if action.subject == SubjectUse::None {
        return if call.subject.is_some() { Err(Error::NotFound) } else { Ok(None) };
    }
    let named = call.attributes.get(&format!("{}_id", action.entity)).and_then(Json::as_str);
    if named.is_some() && call.subject.is_some() && named != call.subject.as_deref() {
        let words = format!("`{}_id` is not the row that the path names.", action.entity);
        return Err(Error::Unreadable(vec![Fault::new("wrong-id", words).at(format!("/attributes/{}_id", action.entity))]));
    }
    let sent = call.subject.as_deref().or(named);
    Ok(match (sent, action.subject) {
        (None, SubjectUse::Optional) => None,
        (sent, _) => Some(sent.and_then(uuid).unwrap_or_default()),
    })
}

fn first_json(rows: &[Row]) -> Json {
    rows.first().and_then(|row| row.text(0)).and_then(|t| serde_json::from_str(t).ok()).unwrap_or(Json::Null)
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

impl<'a> Run<'a> {
    /// Binds the rows that are known from the start, and resolves those that inputs name.
    async fn begin(&mut self, entity: &'a Entity, subject: Option<Uuid>) -> Result<()> {
        let users = self.app.schema.system("user_account");
        self.rows.insert("caller".to_owned(), Bound { entity: users, is_made: true }); // what everybody knows of themselves
        self.rows.insert("subject".to_owned(), Bound { entity, is_made: false });
        if let Some(id) = subject {
            let values = self.values(entity, &[id]).await?.pop().unwrap_or_default();
            self.scope.insert("subject".to_owned(), values);
        } else if self.action.subject != SubjectUse::None {
            self.scope.insert("subject".to_owned(), Json::Null);
        }
        self.lift_known(entity, subject);
        for input in &self.action.inputs {
            if let InputKind::Row(name) = &input.kind {
                let entity = self.deed.planner.entity(name)?;
                self.rows.insert(input.name.clone(), Bound { entity, is_made: false });
                let Some(id) = self.id(&input.name) else { continue };
                self.deed.require(entity, id, Right::Peek).await?;
                let values = self.values(entity, &[id]).await?.pop().unwrap_or_default();
                self.scope.insert(input.name.clone(), values);
            }
        }
        Ok(())
    }

    /// Declared rights hold for the subject row and the caller's own user row from the start.
    fn lift_known(&mut self, entity: &'a Entity, subject: Option<Uuid>) {
        let action = self.action;
        for (lift, rights) in &action.rights {
            match lift {
                Lift::Entity(name) => {
                    self.deed.lifted.entities.push((name.clone(), rights.clone()));
                    if let Some(id) = subject.filter(|_| *name == entity.name) {
                        self.deed.lifted.rows.push((id, rights.clone()));
                    }
                    if let Some(id) = self.caller.filter(|_| name == "user_account") {
                        self.deed.lifted.rows.push((id, rights.clone()));
                    }
                }
                Lift::Subject => self.deed.lifted.rows.extend(subject.map(|id| (id, rights.clone()))),
                Lift::Read(_) => {}
            }
        }
    }

    /// … and for rows made here, and found by a named read.
    fn lift_new(&mut self, matches: impl Fn(&Lift) -> bool, id: Uuid) {
        let rights = self.action.rights.iter().filter(|(lift, _)| matches(lift)).map(|(_, rights)| (id, rights.clone()));
        self.deed.lifted.rows.extend(rights);
    }

    async fn values(&mut self, entity: &Entity, ids: &[Uuid]) -> Result<Vec<Json>> {
        let rows = self.deed.scope.run(&statement::values(entity, ids)).await?;
        Ok(rows.iter().map(|row| first_json(std::slice::from_ref(row))).collect())
    }

    /// The action's name, for the log.
    pub fn name(&self) -> String {
        format!("{}/{}", self.action.entity, self.action.name)
    }

    fn id(&self, name: &str) -> Option<Uuid> {
        let id = self.scope.get(name)?.get("id")?.as_str()?;
        Some(uuid(id).unwrap_or_default())
    }

    /// The row that a name stands for. A guest has no `caller`; what a skipped outcome would have found is not there.
    fn row(&self, name: &str) -> Result<(&'a Entity, Uuid)> {
        let missing = match name {
            "caller" => Error::Unauthenticated { bad_token: self.asked.caller.sent_token, reason: None },
            _ => Error::NotFound,
        };
        let bound = self.rows.get(name).ok_or_else(|| Error::internal("a name that stands for no row"))?;
        Ok((bound.entity, self.id(name).ok_or(missing)?))
    }

    async fn outcome(&mut self, outcome: &'a Outcome) -> Result<()> {
        let is_skipped = match &outcome.when {
            Some(condition) => !holds(condition, &self.scope)?,
            None => false,
        };
        // Rendered before: an error of PostgreSQL's leaves nothing to ask afterwards.
        let otherwise = match &outcome.else_fail {
            Some((status, message)) if !is_skipped => {
                let told = self.tellable(message).await?;
                Some((*status, message.render(&told)))
            }
            _ => None,
        };
        let result = if is_skipped { Ok(Json::Null) } else { self.does(outcome).await };
        let result = match (result, otherwise) {
            (Err(error), Some((status, message))) if (400..500).contains(&error.status()) => {
                return Err(Error::Failed { status, message: words(&message?) });
            }
            (result, _) => result?,
        };
        if let Some(name) = &outcome.name {
            self.scope.insert(name.clone(), result);
        }
        Ok(())
    }

    /// Outcomes in order; boxed, because outcomes hold others.
    fn outcomes<'r>(&'r mut self, outcomes: &'a [Outcome]) -> BoxFuture<'r, Result<()>> {
        Box::pin(async move {
            for outcome in outcomes {
                self.outcome(outcome).await?;
            }
            Ok(())
        })
    }

    /// Another action inside of this one: its own checks and names, and none of the rights that this one declares.
    async fn call(&mut self, called: &'a Action, subject: Option<Uuid>, sent: &Map<String, Json>) -> Result<()> {
        if self.depth >= self.app.config.limits.call_depth {
            let words = format!("Actions call each other at most {} deep.", self.app.config.limits.call_depth);
            return Err(Error::Invalid(vec![Fault::new("too-deep", words)]));
        }
        let entity = self.deed.planner.entity(&called.entity)?;
        let source = Source::Scope(&mut self.deed.scope);
        may_execute(source, entity, &called.name, subject, self.asked.caller).await?;
        let mut scope = input::inputs(called, sent)?;
        for known in ["now", "config", "caller"] {
            scope.insert(known.to_owned(), self.scope.get(known).cloned().unwrap_or_default());
        }
        let outer = (self.action, std::mem::replace(&mut self.scope, scope));
        let rows = std::mem::take(&mut self.rows);
        let lifted = std::mem::take(&mut self.deed.lifted);
        (self.action, self.depth) = (called, self.depth + 1);
        self.begin(entity, subject).await?;
        self.outcomes(&called.outcomes).await?;
        (self.action, self.scope) = outer;
        (self.rows, self.deed.lifted, self.depth) = (rows, lifted, self.depth - 1);
        Ok(())
    }

    async fn does(&mut self, outcome: &'a Outcome) -> Result<Json> {
        match &outcome.deed {
            Does::Create { entity, with, owner } => {
                let entity = self.deed.planner.entity(entity)?;
                let id = Uuid::now_v7();
                let change = self.change(entity, id, true, with).await?;
                let owner = owner.as_ref().map(|name| self.row(name)).transpose()?;
                self.deed.create_for(change, owner.map(|(_, id)| id)).await?;
                self.lift_new(|lift| *lift == Lift::Entity(entity.name.clone()), id);
                self.bind(outcome, entity, true);
                Ok(self.values(entity, &[id]).await?.pop().unwrap_or_default())
            }
            Does::Update { row, with } => {
                let (entity, id) = self.row(row)?;
                let change = self.change(entity, id, false, with).await?;
                self.deed.update_by_action(change).await?;
                let is_made = self.rows.get(row).is_some_and(|b| b.is_made && row != "caller");
                self.bind(outcome, entity, is_made);
                Ok(self.values(entity, &[id]).await?.pop().unwrap_or_default())
            }
            Does::Delete { row } => {
                let (entity, id) = self.row(row)?;
                self.deed.delete(entity, id, &Expected::Whichever).await?;
                Ok(Json::Null)
            }
            Does::Read { entity, condition, sort, most, one } => {
                let entity = self.deed.planner.entity(entity)?;
                let condition = condition.as_ref().map(|c| c.render(&self.scope)).transpose()?;
                let most = if *one {
                    1
                } else {
                    most.unwrap_or(i64::MAX).min(self.deed.planner.limits.each.try_into().unwrap_or(i64::MAX))
                };
                let plan = self.deed.planner.search(entity, condition.map(nulls), sort, most);
                let ids = self.deed.search(plan).await?;
                if *one && ids.is_empty() {
                    return Err(Error::NotFound);
                }
                for id in ids.iter().filter(|_| outcome.name.is_some()) {
                    self.lift_new(|lift| matches!(lift, Lift::Read(name) if Some(name) == outcome.name.as_ref()), *id);
                }
                self.bind(outcome, entity, false);
                let mut found = self.values(entity, &ids).await?;
                Ok(if *one { found.pop().unwrap_or_default() } else { Json::Array(found) })
            }
            Does::Link { row, relation, to, is_added, permission } => {
                let (entity, id) = self.row(row)?;
                let other = match self.scope.get(to) {
                    Some(Json::String(id)) => uuid(id).unwrap_or_default(), // an input of type uuid: removing asks nothing of it
                    _ => self.row(to)?.1,
                };
                let relation = entity.relation(relation).ok_or(Error::NotFound)?;
                let verb = if *is_added { Verb::Add } else { Verb::Remove };
                // None said leaves a grant that is there as it is.
                let bits = match permission {
                    Some(template) => {
                        let sent = template.render(&self.tellable(template).await?)?;
                        grant_bits(&sent).map_err(|fault| Error::Invalid(vec![fault.at("/attributes/permission")]))?.map(Some)
                    }
                    None => None,
                };
                let link = LinkChange { relation, verb, targets: vec![Target { id: other, bits }] };
                self.deed.link(entity, id, Some(link), relation, vec![], &Expected::Whichever).await?;
                Ok(Json::Null)
            }
            Does::Perform { performer, with } => {
                let with = render(with, &self.scope)?;
                if performer.gives_user {
                    // Who holds a token was sent it: what it tells of them is theirs to know.
                    self.bind(outcome, self.app.schema.system("user_account"), !performer.gives_proof);
                }
                let done = performer::perform(self, performer.kind, &with).await?;
                if let Some(id) = done.get("id").and_then(Json::as_str).and_then(uuid).filter(|_| performer.gives_user) {
                    self.lift_new(|lift| matches!(lift, Lift::Read(name) if Some(name) == outcome.name.as_ref()), id);
                }
                Ok(done)
            }
            Does::Respond { directive, with } => {
                let all = Template::Map(with.clone());
                let attributes = all.render(&self.tellable(&all).await?)?;
                check_directive(self.app.config, directive, &attributes)?;
                let directive = json!({"ResponseType": directive, "Attributes": attributes});
                self.kept.push(directive.clone());
                self.directives.push(directive);
                Ok(Json::Null)
            }
            Does::RespondRow { row } => {
                let (entity, id) = self.row(row)?;
                let resource = self.resource(entity, id).await?;
                self.kept.push(json!({"row": [entity.name, id]}));
                self.directives.push(json!({"ResponseType": entity.name, "Attributes": resource}));
                Ok(Json::Null)
            }
            Does::Each { list, name, outcomes } => {
                let rows = self.scope.get(list).and_then(Json::as_array).cloned().unwrap_or_default();
                if let Some(bound) = self.rows.get(list).copied() {
                    self.rows.insert(name.clone(), bound);
                }
                let outside = self.scope.clone();
                for row in rows {
                    self.scope.clone_from(&outside);
                    self.scope.insert(name.clone(), row);
                    self.outcomes(outcomes).await?;
                }
                self.scope = outside;
                Ok(Json::Null)
            }
            Does::Call { entity, action, subject, with, .. } => {
                let called = self.app.actions.find(entity, action).ok_or_else(|| Error::internal("a call of nothing"))?;
                let subject = subject.as_ref().map(|name| self.row(name)).transpose()?.map(|(_, id)| id);
                let mut sent = Map::new();
                for (name, template) in with {
                    sent.insert(name.clone(), template.render(&self.tellable(template).await?)?);
                }
                self.call(called, subject, &sent).await?;
                Ok(Json::Null)
            }
            Does::Fail { status, message } => {
                let message = message.render(&self.tellable(message).await?)?;
                Err(Error::Failed { status: *status, message: words(&message) })
            }
        }
    }

    fn bind(&mut self, outcome: &Outcome, entity: &'a Entity, is_made: bool) {
        if let Some(name) = &outcome.name {
            self.rows.insert(name.clone(), Bound { entity, is_made });
        }
    }

    /// The directives of a call that was done before, its rows as they are served now.
    async fn again(&mut self, kept: Json) -> Result<Vec<Json>> {
        let Json::Array(mut directives) = kept else { return Err(Error::internal("kept directives are a list")) };
        for directive in &mut directives {
            let Some(row) = directive.get("row") else { continue };
            let entity = self.deed.planner.entity(row[0].as_str().unwrap_or_default())?;
            let id = row[1].as_str().and_then(uuid).unwrap_or_default();
            *directive = json!({"ResponseType": entity.name, "Attributes": self.resource(entity, id).await?});
        }
        Ok(directives)
    }

    /// The row's resource object, as `GET /api/<entity>/<id>` would serve it to the caller.
    async fn resource(&mut self, entity: &'a Entity, id: Uuid) -> Result<Json> {
        let plan = self.deed.planner.read(entity, Pick::One(id), &Query::default());
        let schema = self.app.schema;
        let answer = access::read(Source::Scope(&mut self.deed.scope), schema, self.asked.caller, &plan).await?;
        let base = self.app.config.public_url.as_deref().unwrap_or_default();
        let document = document::render(schema, &plan, &answer, &Place { base, path: "", query: "", form: Form::Plain });
        let mut document: Json = serde_json::from_slice(&document).map_err(Error::internal)?;
        Ok(document["data"].take())
    }

    /// The scope as an answer may tell of it: of rows that the action didn't make only the id, unless the caller may read
    /// them. Peek lets an action work with a row; it doesn't serve its data.
    async fn tellable(&mut self, template: &Template) -> Result<Map<String, Json>> {
        let mut told = self.scope.clone();
        let names = template.names().map_err(Error::internal)?;
        for (name, bound) in self.rows.clone().into_iter().filter(|(name, b)| !b.is_made && names.contains(name)) {
            let Some(value) = told.get_mut(&name) else { continue };
            let rows = match value {
                Json::Array(rows) => rows.iter_mut().collect(),
                Json::Null => vec![],
                row => vec![row],
            };
            let id = |row: &Json| row["id"].as_str().and_then(uuid).unwrap_or_default();
            let ids: Vec<Uuid> = rows.iter().map(|row| id(row)).collect();
            let readable = self.deed.unseen(bound.entity, &ids).await?;
            for row in rows {
                match readable.iter().find(|(readable, _)| *readable == id(row)) {
                    None => *row = json!({"id": row["id"]}),
                    Some((_, unseen)) => {
                        if let Some(row) = row.as_object_mut() {
                            row.retain(|name, _| !unseen.contains(&name.as_str()));
                        }
                    }
                }
            }
        }
        Ok(told)
    }

    /// What is written is what an answer may tell: otherwise a peeked value could be had by copying it.
    async fn change(&mut self, entity: &'a Entity, id: Uuid, is_new: bool, with: &'a [(String, Template)]) -> Result<Change<'a>> {
        let mut change = Change::links(entity, id, None, vec![]);
        change.is_new = is_new;
        for (name, template) in with {
            if let Some(relation) = entity.relation(name) {
                // Referring to a row asks refer, not read: its id is enough.
                let value = template.render(&self.scope)?;
                let sent = value.as_str().or_else(|| value["id"].as_str());
                let targets = sent.map(|id| Target { id: uuid(id).unwrap_or_default(), bits: None });
                change.links.push(LinkChange { relation, verb: Verb::Replace, targets: targets.into_iter().collect() });
                continue;
            }
            let value = match (template, entity.column(name).map(|c| &c.kind)) {
                // A password goes in as its hash, made before the transaction.
                (Template::Path(input), Some(Kind::Password)) => self.hashes.get(input).cloned().unwrap_or_default(),
                (template, kind) => match (template.render(&self.tellable(template).await?)?, kind) {
                    (Json::String(text), Some(Kind::Encrypted)) => Json::String(self.app.seal.seal_text("column", &text)),
                    (value, _) => value,
                },
            };
            change.set_by_action(name, &value);
        }
        if is_new {
            change.complete(entity, [true, true]);
        }
        Ok(change)
    }
}

fn words(message: &Json) -> String {
    message.as_str().map_or_else(|| message.to_string(), str::to_owned)
}

/// In a search, equal to nothing means that nothing is there.
fn nulls(tree: Json) -> Json {
    match tree {
        Json::Array(parts) => parts.into_iter().map(nulls).collect(),
        Json::Object(map) => {
            let parts = map.into_iter().map(|(word, value)| match (word.as_str(), value.as_array().map(Vec::as_slice)) {
                ("eq", Some([field, Json::Null])) => ("null".to_owned(), json!([field, true])),
                _ => (word, nulls(value)),
            });
            Json::Object(parts.collect())
        }
        other => other,
    }
}

/// A redirect leads to a path, or to an origin of the configuration.
fn check_directive(config: &Config, directive: &str, attributes: &Json) -> Result<()> {
    if directive != "client.redirect" {
        return Ok(());
    }
    let location = attributes["location"].as_str().unwrap_or_default();
    let is_path = location.starts_with('/') && !location.starts_with("//") && !location.contains(['\\', '\t', '\n', '\r']);
    let origins = config.cors_origins.iter().chain(&config.public_url).filter(|o| *o != "*");
    let is_ours = origins
        .into_iter()
        .any(|o| location.strip_prefix(o.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')));
    match is_path || is_ours {
        true => Ok(()),
        false => {
            Err(Error::Invalid(vec![Fault::new("bad-location", "A redirect leads to a path here, or to a configured origin.")]))
        }
    }
}
