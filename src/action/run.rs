//! Running an action: inputs → phases → outcomes in order, in one transaction → directives.
//!
//! In charge of: the order of one call. Outcomes run as the caller, plus the rights that the action declares, through the
//! same deeds as `/api`.

use std::net::IpAddr;

use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use super::value::holds;
use super::{Action, Deed as Does, Input, InputKind, Lift, Outcome, SubjectUse, performer};
use crate::access::write::Deed;
use crate::account::Caller;
use crate::account::password::Hasher;
use crate::account::seal::Seal;
use crate::account::token::Tokens;
use crate::config::Config;
use crate::error::{Error, Fault, Result};
use crate::permission::Right;
use crate::plan::Planner;
use crate::plan::change::{Change, LinkChange, Target, Verb};
use crate::request::body::{step, uuid};
use crate::schema::kind::Kind;
use crate::schema::{Column, Entity, Schema};
use crate::statement::account;
use crate::store::Store;

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
}

impl Call {
    /// What the session's row says of the device.
    pub fn device(&self) -> String {
        self.agent.chars().filter(|c| !c.is_control()).take(500).collect()
    }
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
    hashes: Map<String, Json>,
    directives: Vec<Json>,
}

/// Runs an action.
///
/// # Errors
/// 401, 403, 404 before any fault of the inputs is told; 422 with all of these; what the outcomes ran into.
pub async fn run(means: &Means<'_>, action: &Action, call: &Call) -> Result<Vec<Json>> {
    let planner = Planner { schema: means.schema, limits: &means.config.limits, page: &means.config.page };
    let entity = planner.entity(&action.entity)?;
    let subject = subject(action, call);
    drop(phases(means, planner, action, call, entity, subject).await?); // asked first, so that nothing is told of inputs otherwise
    let inputs = inputs(action, call)?;
    let mut scope = inputs.clone();
    scope.insert("now".to_owned(), json!(jiff::Timestamp::now().to_string()));
    scope.insert("config".to_owned(), json!({"public": means.config.public}));
    let hashes = hashes(means, action, &inputs).await?;
    let checked = check_password(means, action, call, &mut scope).await?;
    let (mut deed, caller) = phases(means, planner, action, call, entity, subject).await?;
    caller_values(means.schema, &mut deed, caller, &mut scope).await?;
    if let Some(id) = subject {
        let values = values(&mut deed, entity, id).await?;
        scope.insert("subject".to_owned(), values);
    }
    let mut run = Run { app: means, asked: call, deed, caller, checked, action, scope, hashes, directives: vec![] };
    run.lift_known(entity, subject);
    for input in &action.inputs {
        if let InputKind::Row(entity) = &input.kind {
            run.resolve(input, planner.entity(entity)?).await?;
        }
    }
    for outcome in &action.outcomes {
        run.outcome(outcome).await?;
    }
    run.deed.commit().await?;
    if let Some(checked) = &run.checked {
        means.store.read(&account::forget(&account_key(&checked.email, call.address))).await?;
    }
    Ok(run.directives)
}

fn subject(action: &Action, call: &Call) -> Option<Uuid> {
    if action.subject == SubjectUse::None {
        return None;
    }
    let named = call.attributes.get(&format!("{}_id", action.entity)).and_then(Json::as_str);
    let sent = call.subject.as_deref().or(named);
    match (sent, action.subject) {
        (None, SubjectUse::Optional) => None,
        (sent, _) => Some(sent.and_then(uuid).unwrap_or_default()),
    }
}

/// Before: execute on the entity, on the action's row, and on the subject.
async fn phases<'a>(
    means: &Means<'a>,
    planner: Planner<'a>,
    action: &Action,
    call: &Call,
    entity: &'a Entity,
    subject: Option<Uuid>,
) -> Result<(Deed<'a>, Option<Uuid>)> {
    let mut deed = Deed::begin(means.store, planner, call.caller).await?;
    let rows = deed.scope.run(&account::action(&action.entity, &action.name)).await?;
    let id = rows.first().and_then(|row| row.uuid(0)).ok_or(Error::NotFound)?;
    let caller = deed.may_execute(means.schema.system("action"), id, entity, subject).await?;
    Ok((deed, caller))
}

async fn values(deed: &mut Deed<'_>, entity: &Entity, id: Uuid) -> Result<Json> {
    let rows = deed.scope.run(&account::values(entity, id)).await?;
    Ok(rows.first().and_then(|row| row.text(0)).and_then(|t| serde_json::from_str(t).ok()).unwrap_or(Json::Null))
}

async fn caller_values(schema: &Schema, deed: &mut Deed<'_>, caller: Option<Uuid>, scope: &mut Map<String, Json>) -> Result<()> {
    let row = match caller {
        Some(id) => values(deed, schema.system("user_account"), id).await?,
        None => Json::Null,
    };
    scope.insert("caller".to_owned(), row);
    Ok(())
}

/// Checks what was sent against what is declared: all faults at once.
fn inputs(action: &Action, call: &Call) -> Result<Map<String, Json>> {
    let (mut found, mut faults) = (Map::new(), vec![]);
    let own = format!("{}_id", action.entity);
    for name in call.attributes.keys().filter(|n| !action.inputs.iter().any(|i| i.name == **n)) {
        if action.subject == SubjectUse::None || *name != own {
            faults.push(
                Fault::new("unknown-input", format!("`{name}` is not an input of this action."))
                    .at(format!("/attributes{}", step(name))),
            );
        }
    }
    for input in &action.inputs {
        let sent = call.attributes.get(&input.name).filter(|v| !v.is_null()).or(input.default.as_ref());
        match check(input, sent) {
            Ok(value) => _ = found.insert(input.name.clone(), value),
            Err(words) => faults.push(
                Fault::new("invalid", format!("`{}` {words}.", input.name)).at(format!("/attributes{}", step(&input.name))),
            ),
        }
    }
    for input in &action.inputs {
        if let Some(other) = input.equals.as_ref().filter(|o| found.contains_key(*o) && found.get(&input.name) != found.get(*o)) {
            faults.push(
                Fault::new("invalid", format!("`{}` must equal `{other}`.", input.name))
                    .at(format!("/attributes{}", step(&input.name))),
            );
        }
        if input.is_new
            && let Some(password) = found.get(&input.name).and_then(Json::as_str)
        {
            let words: Vec<&str> = found
                .iter()
                .filter(|(n, _)| *n != &input.name)
                .filter_map(|(_, v)| v.as_str())
                .filter(|v| *v != password)
                .collect();
            if let Err(words) = crate::account::password::policy(password, &words) {
                faults.push(
                    Fault::new("weak-password", format!("`{}` {words}.", input.name))
                        .at(format!("/attributes{}", step(&input.name))),
                );
            }
        }
    }
    if faults.is_empty() { Ok(found) } else { Err(Error::Invalid(faults)) }
}

fn check(input: &Input, sent: Option<&Json>) -> Result<Json, String> {
    let Some(sent) = sent else { return if input.required { Err("is required".to_owned()) } else { Ok(Json::Null) } };
    let kind = match &input.kind {
        InputKind::Row(_) => return sent.as_str().map(|id| json!({"id": id})).ok_or_else(|| "must be an id".to_owned()),
        InputKind::Value(kind) => kind,
    };
    let mut value = sent.clone();
    if let Json::String(text) = &mut value {
        if input.trim {
            *text = text.trim().to_owned();
        }
        if input.lower {
            *text = text.to_lowercase();
        }
        if input.required && text.is_empty() {
            return Err("is required".to_owned());
        }
    }
    let text = kind.check(&input.bounds, &value)?;
    // Text comes back cleaned; other types as they were sent.
    Ok(if value.is_string() { Json::String(text) } else { value })
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

fn account_key(email: &str, address: IpAddr) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, format!("{} {address}", email.to_lowercase()).as_bytes());
    format!("account:{}", digest.as_ref().iter().map(|b| format!("{b:02x}")).collect::<String>())
}

/// The first half of `password.check`: counted before it is verified, verified holding no connection, and the same
/// time and answer for an unknown address, a barred row and a wrong password.
async fn check_password(
    means: &Means<'_>,
    action: &Action,
    call: &Call,
    scope: &mut Map<String, Json>,
) -> Result<Option<Checked>> {
    let check = action.outcomes.iter().find_map(|o| match &o.deed {
        Does::Perform { performer, with } if performer.kind == performer::Kind::PasswordCheck => Some(with),
        _ => None,
    });
    let Some(with) = check else { return Ok(None) };
    if with.iter().any(|(_, t)| t.names().is_ok_and(|n| n.contains(&"caller".to_owned()))) {
        let planner = Planner { schema: means.schema, limits: &means.config.limits, page: &means.config.page };
        let mut deed = Deed::begin(means.store, planner, call.caller).await?;
        let caller = deed.caller_id().await?.ok_or(Error::Unauthenticated { bad_token: call.caller.sent_token })?;
        caller_values(means.schema, &mut deed, Some(caller), scope).await?;
    }
    let mut rendered = Map::new();
    for (name, template) in with {
        rendered.insert(name.clone(), template.render(scope)?);
    }
    let text = |name: &str| rendered.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
    let (email, password) = (text("email"), text("password"));
    let limits = &means.config.limits;
    let window = limits.signin_window.as_secs();
    let count = async |key: &str| -> Result<i64> {
        Ok(means.store.read(&account::attempt(key, window)).await?.first().and_then(|r| r.int(0)).unwrap_or(i64::MAX))
    };
    if count(&format!("address:{}", call.address)).await? > i64::from(limits.signin_per_address) {
        return Err(Error::TooMany(window));
    }
    let is_barred = count(&account_key(&email, call.address)).await? > i64::from(limits.signin_per_account);
    let rows = means.store.read(&account::credentials(means.schema.system("user_account"), &email, call.caller.session)).await?;
    let found = rows.first().and_then(|row| Some((row.uuid(0)?, row.text(1)?.to_owned(), row.text(2)?.to_owned())));
    let stored = found.as_ref().filter(|_| !is_barred).map(|(_, hash, _)| hash.clone());
    match (means.hasher.verify(password, stored).await?, found) {
        (true, Some((user, hash, email))) => Ok(Some(Checked { user, hash, email })),
        _ => Err(Error::WrongPassword),
    }
}

fn render(with: &[(String, super::value::Template)], scope: &Map<String, Json>) -> Result<Map<String, Json>> {
    with.iter().map(|(name, template)| Ok((name.clone(), template.render(scope)?))).collect()
}

impl<'a> Run<'a> {
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

    async fn resolve(&mut self, input: &Input, entity: &'a Entity) -> Result<()> {
        let Some(id) = self.id(&input.name) else { return Ok(()) };
        self.deed.require(entity, id, Right::Peek).await?;
        let row = values(&mut self.deed, entity, id).await?;
        self.scope.insert(input.name.clone(), row);
        Ok(())
    }

    fn id(&self, name: &str) -> Option<Uuid> {
        let id = self.scope.get(name)?.get("id")?.as_str()?;
        Some(uuid(id).unwrap_or_default())
    }

    fn row(&self, name: &str) -> Result<Uuid> {
        self.id(name).ok_or(Error::Unauthenticated { bad_token: self.asked.caller.sent_token })
    }

    async fn outcome(&mut self, outcome: &'a Outcome) -> Result<()> {
        let is_skipped = match &outcome.when {
            Some(condition) => !holds(condition, &self.scope)?,
            None => false,
        };
        let result = if is_skipped { Json::Null } else { self.does(outcome).await? };
        if let Some(name) = &outcome.name {
            self.scope.insert(name.clone(), result);
        }
        Ok(())
    }

    async fn does(&mut self, outcome: &'a Outcome) -> Result<Json> {
        let schema = self.app.schema;
        match &outcome.deed {
            Does::Create { entity, with, owner } => {
                let entity = schema.entity(entity).ok_or(Error::NotFound)?;
                let id = Uuid::now_v7();
                let change = self.change(entity, id, true, with)?;
                let owner = owner.as_ref().map(|name| self.row(name)).transpose()?;
                self.deed.create_for(change, owner).await?;
                self.lift_new(|lift| *lift == Lift::Entity(entity.name.clone()), id);
                values(&mut self.deed, entity, id).await
            }
            Does::Update { row, with } => {
                let entity = self.entity_of(row)?;
                let id = self.row(row)?;
                let change = self.change(entity, id, false, with)?;
                self.deed.update_by_action(change).await?;
                values(&mut self.deed, entity, id).await
            }
            Does::Delete { row } => {
                let (entity, id) = (self.entity_of(row)?, self.row(row)?);
                self.deed.delete(entity, id).await?;
                Ok(Json::Null)
            }
            Does::Read { entity, with, .. } => {
                let entity = schema.entity(entity).ok_or(Error::NotFound)?;
                let columns = self.columns(entity, with)?;
                let found: Vec<Uuid> =
                    self.deed.scope.run(&account::find(entity, &columns)).await?.iter().filter_map(|row| row.uuid(0)).collect();
                let [id] = found.as_slice() else { return Err(Error::NotFound) };
                self.deed.require(entity, *id, Right::Peek).await?;
                if let Some(name) = &outcome.name {
                    self.lift_new(|lift| *lift == Lift::Read(name.clone()), *id);
                }
                // Peeked: it may be worked with; its data is not served.
                Ok(json!({"id": id.to_string()}))
            }
            Does::Link { row, relation, to, is_added } => {
                let (entity, id, other) = (self.entity_of(row)?, self.row(row)?, self.row(to)?);
                let relation = entity.relation(relation).ok_or(Error::NotFound)?;
                let verb = if *is_added { Verb::Add } else { Verb::Remove };
                let link = LinkChange { relation, verb, targets: vec![Target { id: other, bits: None }] };
                self.deed.link(entity, id, Some(link), relation, vec![]).await?;
                Ok(Json::Null)
            }
            Does::Perform { performer, with } => {
                let with = render(with, &self.scope)?;
                performer::perform(self, performer.kind, &with).await
            }
            Does::Respond { directive, with } => {
                let shown = self.readable().await?;
                let attributes = render(with, &shown)?;
                self.directives.push(json!({"ResponseType": directive, "Attributes": attributes}));
                Ok(Json::Null)
            }
            Does::Fail { status, message } => {
                let message = message.render(&self.readable().await?)?;
                Err(Error::Failed { status: *status, message: message.as_str().unwrap_or("Failed").to_owned() })
            }
        }
    }

    /// The scope as answers may tell of it: of the subject and of rows that inputs name only the id, unless the caller may
    /// read them. Peek lets an action work with a row; it doesn't serve its data.
    async fn readable(&mut self) -> Result<Map<String, Json>> {
        let mut shown = self.scope.clone();
        let inputs = self.action.inputs.iter().filter(|i| matches!(i.kind, InputKind::Row(_))).map(|i| i.name.clone());
        let updates =
            self.action.outcomes.iter().filter(|o| matches!(o.deed, Does::Update { .. })).filter_map(|o| o.name.clone());
        for name in inputs.chain(updates).chain(["subject".to_owned()]) {
            let Some(id) = self.id(&name) else { continue };
            let row = self.action.outcomes.iter().find_map(|o| match &o.deed {
                Does::Update { row, .. } if o.name.as_deref() == Some(&name) => Some(row.clone()),
                _ => None,
            });
            let entity = self.entity_of(row.as_ref().unwrap_or(&name))?;
            match self.deed.require(entity, id, Right::Read).await {
                Ok(()) => {}
                Err(Error::NotFound | Error::Forbidden(_) | Error::Unauthenticated { .. }) => {
                    shown.insert(name, json!({"id": id.to_string()}));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(shown)
    }

    /// The entity that a name of the scope stands for, as the file was checked.
    fn entity_of(&self, name: &str) -> Result<&'a Entity> {
        let schema = self.app.schema;
        let made = self.action.outcomes.iter().find(|o| o.name.as_deref() == Some(name)).and_then(|o| match &o.deed {
            Does::Create { entity, .. } | Does::Read { entity, .. } => Some(entity.as_str()),
            Does::Perform { .. } => Some("user_account"),
            _ => None,
        });
        let input = self
            .action
            .inputs
            .iter()
            .find(|i| i.name == name)
            .and_then(|i| if let InputKind::Row(e) = &i.kind { Some(e.as_str()) } else { None });
        let entity = match name {
            "subject" => Some(self.action.entity.as_str()),
            "caller" => Some("user_account"),
            _ => made.or(input),
        };
        entity.and_then(|e| schema.entity(e)).ok_or(Error::NotFound)
    }

    fn columns(
        &self,
        entity: &'a Entity,
        with: &[(String, super::value::Template)],
    ) -> Result<Vec<(&'a Column, Option<String>)>> {
        let mut columns = vec![];
        for (name, template) in with {
            let column = entity.column(name).ok_or(Error::NotFound)?;
            let value = template.render(&self.scope)?;
            let text = column
                .kind
                .check(&column.bounds, &value)
                .map_err(|words| Error::Invalid(vec![Fault::new("invalid", format!("`{name}` {words}."))]))?;
            columns.push((column, Some(text)));
        }
        Ok(columns)
    }

    fn change(
        &self,
        entity: &'a Entity,
        id: Uuid,
        is_new: bool,
        with: &[(String, super::value::Template)],
    ) -> Result<Change<'a>> {
        let mut change = Change::links(entity, id, None, vec![]);
        change.is_new = is_new;
        for (name, template) in with {
            let value = match template {
                // A password goes in as its hash, made before the transaction.
                super::value::Template::Path(path) if entity.column(name).is_some_and(|c| c.kind == Kind::Password) => {
                    self.hashes.get(path).cloned().ok_or_else(|| Error::internal("a password without a hash"))?
                }
                template => template.render(&self.scope)?,
            };
            change.set_by_action(name, &value);
        }
        if is_new {
            change.complete(entity);
        }
        Ok(change)
    }
}
