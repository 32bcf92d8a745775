//! What each outcome does.

use std::collections::HashMap;

use futures_util::future::BoxFuture;
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use super::tell::{check_directive, nulls, words};
use super::{MadeOf, Run, unrehearsable};
use crate::access::write::Lifted;
use crate::access::{Execution, Source, may_execute};
use crate::action::directive::Directive;
use crate::action::parameters::misfit;
use crate::action::performer::{Gives, Performer};
use crate::action::value::{Template, holds, render};
use crate::action::{Action, Deed as Does, Outcome, input};
use crate::budget::weight;
use crate::error::{Error, Fault, Result};
use crate::permission::Right;
use crate::plan::change::{LinkChange, Target, Verb, grant_bits};
use crate::request::body::uuid;
use crate::request::precondition::Expected;

/// So many bytes are worked through before others are served.
const PAUSE: usize = 1 << 20;

impl<'a> Run<'a> {
    /// Gives a value a name.
    ///
    /// # Errors
    /// 422 where the action holds too much.
    pub(super) fn hold(&mut self, name: String, value: Json) -> Result<()> {
        self.held.take(weight(&value))?;
        self.scope.insert(name, value);
        Ok(())
    }

    async fn outcome(&mut self, outcome: &'a Outcome) -> Result<()> {
        let is_skipped = match &outcome.when {
            Some(condition) => !holds(condition, &self.scope, &self.work)?,
            None => false,
        };
        // Rendered before: an error of PostgreSQL's leaves nothing to ask afterwards.
        let otherwise = match &outcome.else_fail {
            Some((status, message)) if !is_skipped => {
                let message = self.said(message).into_owned();
                Some((*status, self.rendered(&message).await))
            }
            _ => None,
        };
        let result = if is_skipped { Ok(Json::Null) } else { self.boxed(outcome).await };
        let result = match (result, otherwise) {
            (Err(error), Some((status, message))) if (400..500).contains(&error.status()) => {
                return Err(Error::Failed { status, message: words(&message?) });
            }
            (result, _) => result?,
        };
        if let Some(name) = &outcome.name {
            self.hold(name.clone(), result)?;
        }
        if self.work.taken() > self.paused + PAUSE {
            // Others are served between two outcomes that are much work.
            self.paused = self.work.taken();
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// Outcomes in order; boxed, because outcomes hold others.
    pub(super) fn outcomes<'r>(&'r mut self, outcomes: &'a [Outcome]) -> BoxFuture<'r, Result<()>> {
        Box::pin(async move {
            for (outcome, number) in outcomes.iter().zip(1..) {
                let done = self.outcome(outcome).await;
                done.map_err(|error| error.in_outcome(|| format!("{number} ({})", outcome.deed.words())))?;
            }
            Ok(())
        })
    }

    /// Another action inside of this one: its own checks and names, and of the rights that this one declares none, unless it says
    /// that this one lends them. Boxed, for they call each other.
    fn call<'r>(
        &'r mut self,
        called: &'a Action,
        subject: Option<Uuid>,
        sent: &'r Map<String, Json>,
    ) -> BoxFuture<'r, Result<()>> {
        Box::pin(self.called(called, subject, sent))
    }

    async fn called(&mut self, called: &'a Action, subject: Option<Uuid>, sent: &Map<String, Json>) -> Result<()> {
        if self.depth >= self.app.config.limits.call_depth {
            let words = format!("Actions call each other at most {} deep.", self.app.config.limits.call_depth);
            return Err(Error::Invalid(vec![Fault::new("too-deep", words)]));
        }
        let entity = self.deed.planner.entity(&called.entity)?;
        let caller = self.deed.caller();
        let is_lent = called.lends.iter().any(|(lender, _)| *lender == self.name());
        let is_lifted = |id| is_lent && self.own.holds(id, Right::Execute);
        let is_lifted = called.lifts_execute() || subject.is_some_and(is_lifted);
        let execution = Execution { entity, action: &called.name, subject, is_lifted };
        may_execute(Source::Scope(&mut self.deed.scope), self.app.schema, execution, caller).await?;
        let mut scope = input::inputs(self.app.hasher.policy(), called, sent)?;
        for known in ["now", "config", "caller"] {
            scope.insert(known.to_owned(), self.scope.get(known).cloned().unwrap_or_default());
        }
        let outer = (self.action, std::mem::replace(&mut self.scope, scope));
        let rows = std::mem::take(&mut self.rows);
        // What is called has only its own rights, unless it says whose it may have beside them: those that its caller declares,
        // and not what that one was lent itself.
        let (lent, passed) = match is_lent {
            true => (self.action.rights.clone(), self.own.clone()),
            false => (vec![], Lifted::default()),
        };
        let lent = std::mem::replace(&mut self.lent, lent);
        let lifted = std::mem::replace(&mut self.deed.lifted, passed);
        let own = std::mem::take(&mut self.own);
        (self.action, self.depth) = (called, self.depth + 1);
        let (held, answered) = (self.held.taken(), self.answered);
        self.begin(entity, subject).await?;
        self.outcomes(&called.outcomes).await?;
        // What it named is gone; what it answered stays.
        self.held.give((self.held.taken() - held).saturating_sub(self.answered - answered));
        (self.action, self.scope) = outer;
        (self.rows, self.deed.lifted, self.own, self.lent, self.depth) = (rows, lifted, own, lent, self.depth - 1);
        Ok(())
    }

    fn boxed<'r>(&'r mut self, outcome: &'a Outcome) -> BoxFuture<'r, Result<Json>> {
        Box::pin(self.does(outcome))
    }

    async fn does(&mut self, outcome: &'a Outcome) -> Result<Json> {
        match &outcome.deed {
            Does::Create { entity, with, owner } => {
                let entity = self.deed.planner.entity(entity)?;
                let id = Uuid::now_v7();
                let change = self.change(entity, id, true, with).await?;
                let owner = owner.as_ref().map(|name| self.row(name)).transpose()?;
                self.deed.create_for(change, owner.map(|(_, id)| id)).await?;
                self.lift_made(entity, id);
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
                self.deed.delete_by_action(entity, id).await?;
                Ok(Json::Null)
            }
            Does::Read { entity, condition, sort, most, one } => {
                let most = if *one { Some(1) } else { *most };
                let found = self.finds(outcome, entity, condition.as_ref(), sort, most).await?;
                if *one { found.into_iter().next().ok_or(Error::NotFound) } else { Ok(Json::Array(found)) }
            }
            Does::Link { row, relation, to, is_added, permission } => {
                let verb = if *is_added { Verb::Add } else { Verb::Remove };
                self.links(row, relation, to, verb, permission.as_ref()).await
            }
            Does::Perform { performer, with, by_peek } => self.performs(outcome, performer, *by_peek, with).await,
            Does::Respond { directive, with } => self.responds(directive, with).await,
            Does::RespondRow { row } => {
                let (entity, id) = self.row(row)?;
                let resource = self.resource(entity, id).await?;
                self.count_answer(weight(&resource))?;
                self.kept.push(json!({"row": [entity.name, id]}));
                self.directives.push(json!({"ResponseType": entity.name, "Attributes": resource}));
                Ok(Json::Null)
            }
            Does::Each { list, name, outcomes } => self.each(list, name, outcomes).await,
            Does::Call { entity, action, subject, with, .. } => {
                let called = self.app.actions.find(entity, action).ok_or_else(|| Error::internal("a call of nothing"))?;
                let subject = subject.as_ref().map(|name| self.row(name)).transpose()?.map(|(_, id)| id);
                let (mut sent, mut made_of) = (Map::new(), HashMap::new());
                for (name, template) in with {
                    self.told.clear();
                    sent.insert(name.clone(), self.rendered(template).await?);
                    made_of.insert(name.clone(), MadeOf { rows: std::mem::take(&mut self.told), by_peek: false });
                }
                let made_of = std::mem::replace(&mut self.made_of, made_of);
                self.call(called, subject, &sent).await?;
                self.made_of = made_of;
                Ok(Json::Null)
            }
            Does::Fail { status, message } => {
                let message = self.said(message).into_owned();
                let message = self.rendered(&message).await?;
                Err(Error::Failed { status: *status, message: words(&message) })
            }
        }
    }

    async fn performs(
        &mut self,
        outcome: &'a Outcome,
        performer: &Performer,
        by_peek: bool,
        with: &[(String, Template)],
    ) -> Result<Json> {
        if self.asked.is_rehearsal && performer.is_secret {
            return Err(unrehearsable());
        }
        self.told.clear();
        let is_peeked = |name: &str| !performer.tells || by_peek || performer.by_peek.contains(&name);
        let (peeked, told): (Vec<_>, Vec<_>) = with.iter().cloned().partition(|(name, _)| is_peeked(name));
        if performer.tells && by_peek {
            self.told = self.named_rows(&Template::Map(peeked.clone()))?;
        }
        let mut with = render(&peeked, &self.scope, &self.work)?;
        if let Json::Object(told) = self.rendered(&Template::Map(told)).await? {
            with.extend(told);
        }
        let made_of = MadeOf { rows: std::mem::take(&mut self.told), by_peek };
        for (name, value) in &with {
            if let Some(words) = misfit(&(performer.properties)()[name], value).filter(|_| !value.is_null()) {
                let fault = Fault::new("invalid", format!("`{name}` of {} {words}.", performer.name));
                return Err(Error::Invalid(vec![fault.at("/attributes")]));
            }
        }
        let is_row = !matches!(performer.gives, Gives::Values(_));
        if is_row {
            // Who holds a token was sent it: what it tells of them is theirs to know.
            let entity = match with.get("entity").and_then(Json::as_str) {
                Some(entity) => self.deed.planner.entity(entity)?,
                None => self.app.schema.system("user_account"),
            };
            self.bind(outcome, entity, performer.gives == Gives::User);
        }
        let done = (performer.run)(self, &with).await?;
        if let Some(name) = outcome.name.as_ref().filter(|_| !made_of.rows.is_empty()) {
            self.made_of.insert(name.clone(), made_of);
        }
        if let Some(id) = done.get("id").and_then(Json::as_str).and_then(uuid).filter(|_| is_row) {
            self.lift_found(outcome, id);
        }
        Ok(done)
    }

    async fn responds(&mut self, known: &Directive, with: &[(String, Template)]) -> Result<Json> {
        self.told.clear();
        let said = |(name, template): &(String, Template)| {
            let is_text = known.texts.contains(&name.as_str());
            (name.clone(), if is_text { self.said(template).into_owned() } else { template.clone() })
        };
        let all = Template::Map(with.iter().map(said).collect());
        let mut attributes = self.rendered(&all).await?;
        let properties = (known.properties)();
        for (name, value) in attributes.as_object_mut().into_iter().flatten() {
            // A number that stands where text is wanted means its text.
            if properties[name]["type"] == "string" && (value.is_number() || value.is_boolean()) {
                *value = value.to_string().into();
            }
        }
        check_directive(self.app.config, known, &attributes)?;
        let told = std::mem::take(&mut self.told);
        self.answer(json!({"ResponseType": known.name, "Attributes": attributes}), told)?;
        Ok(Json::Null)
    }

    /// A search, as the caller; its rows get what the action declares for them.
    async fn finds(
        &mut self,
        outcome: &'a Outcome,
        entity: &str,
        condition: Option<&Template>,
        sort: &[(Vec<String>, bool)],
        most: Option<i64>,
    ) -> Result<Vec<Json>> {
        let entity = self.deed.planner.entity(entity)?;
        let condition = condition.map(|c| c.render(&self.scope, &self.work)).transpose()?;
        let each = self.deed.planner.limits.each;
        let bound = i64::try_from(each).unwrap_or(i64::MAX);
        // One more, so that nothing is left out without a word; unless the file says where to stop.
        let wanted = most.filter(|most| *most <= bound).unwrap_or(bound.saturating_add(1));
        // What is only being made is not among what there is already.
        let unborn = self.unborn.filter(|(of, _)| *of == entity.at).map(|(_, id)| json!({"ne": ["id", id]}));
        let conditions = condition.map(nulls).into_iter().chain(unborn).collect();
        let plan = self.deed.planner.search(entity, conditions, sort, wanted);
        let ids = self.deed.search(plan).await?;
        if ids.len() > each {
            let name = &entity.name;
            let words =
                format!("There are more than {each} rows of {name} to work with (limits.each): this action finds too many.");
            return Err(Error::Invalid(vec![Fault::new("too-many", words).at("/attributes")]));
        }
        for id in ids.iter().filter(|_| outcome.name.is_some()) {
            self.lift_found(outcome, *id);
        }
        self.bind(outcome, entity, false);
        self.values(entity, &ids).await
    }

    async fn links(&mut self, row: &str, relation: &str, to: &str, verb: Verb, permission: Option<&Template>) -> Result<Json> {
        let (entity, id) = self.row(row)?;
        let other = match self.scope.get(to) {
            Some(Json::String(id)) => uuid(id).unwrap_or_default(), // an input of type uuid: removing asks nothing of it
            _ => self.row(to)?.1,
        };
        let relation = entity.relation(relation).ok_or(Error::NotFound)?;
        // None said leaves a grant that is there as it is.
        let bits = match permission {
            Some(template) => {
                let sent = self.rendered(template).await?;
                grant_bits(&sent).map_err(|fault| Error::Invalid(vec![fault.at("/attributes/permission")]))?.map(Some)
            }
            None => None,
        };
        let link = LinkChange { relation, verb, targets: vec![Target { id: other, bits }], by_action: true };
        self.deed.link(entity, id, Some(link), relation, vec![], &Expected::Whichever).await?;
        Ok(Json::Null)
    }

    /// Outcomes for each row of a list; what they name is nothing outside.
    async fn each(&mut self, list: &str, name: &str, outcomes: &'a [Outcome]) -> Result<Json> {
        if let Some(bound) = self.rows.get(list).copied() {
            self.rows.insert(name.to_owned(), bound);
        }
        let (outside, mut at) = (self.scope.len(), 0);
        while let Some(row) = self.scope.get(list).and_then(|rows| rows.get(at)).cloned() {
            self.hold(name.to_owned(), row)?;
            self.outcomes(outcomes).await?;
            // Names are in the order in which they were given, and none is given twice.
            let inside: Vec<String> = self.scope.keys().skip(outside).cloned().collect();
            for name in inside.iter().rev() {
                self.scope.remove(name).iter().for_each(|value| self.held.give(weight(value)));
                self.made_of.remove(name);
            }
            at += 1;
        }
        Ok(Json::Null)
    }
}
