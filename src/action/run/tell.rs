//! What an action may tell: values in answers and in rows that it writes.

use std::borrow::Cow;
use std::collections::HashSet;

use futures_util::future::BoxFuture;
use serde_json::{Map, Value as Json, json};
use uuid::Uuid;

use super::Run;
use crate::access::{self, Source};
use crate::action::directive::{Directive, cookie};
use crate::action::parameters::misfit;
use crate::action::value::Template;
use crate::budget::weight;
use crate::config::Config;
use crate::document::{self, Place};
use crate::error::{Error, Fault, Result};
use crate::plan::Pick;
use crate::plan::change::{Change, LinkChange, Target, Verb};
use crate::request::Query;
use crate::request::body::{step, uuid};
use crate::request::media::Form;
use crate::schema::Entity;
use crate::schema::kind::Kind;

impl<'a> Run<'a> {
    /// Adds a directive to the answer; kept with the rows that it tells of.
    ///
    /// # Errors
    /// 422 where the answer is too large.
    pub(super) fn answer(&mut self, directive: Json, told: Vec<(&'a Entity, Uuid)>) -> Result<()> {
        self.count_answer(2 * weight(&directive))?; // it is kept, too
        let rows: Vec<Json> = told.into_iter().map(|(entity, id)| json!([entity.name, id])).collect();
        self.kept.push(json!({"directive": directive, "of": rows}));
        self.directives.push(directive);
        Ok(())
    }

    /// Takes so many bytes for the answer.
    pub(super) fn count_answer(&mut self, bytes: usize) -> Result<()> {
        self.held.take(bytes)?;
        self.answered += bytes;
        Ok(())
    }

    /// The directives of a call that was done before, its rows as they are served now.
    pub(super) async fn again(&mut self, kept: Json) -> Result<Vec<Json>> {
        let Json::Array(mut directives) = kept else { return Err(Error::internal("kept directives are a list")) };
        for directive in &mut directives {
            let Some(row) = directive.get("row") else {
                let mut rows = vec![];
                for row in directive["of"].as_array().into_iter().flatten() {
                    let entity = self.deed.planner.entity(row[0].as_str().unwrap_or_default())?;
                    rows.push((entity, row[1].as_str().and_then(uuid).unwrap_or_default()));
                }
                let is_readable = self.are_readable(&rows).await?;
                let words = "This was done before; what it said is not yours to read any more.";
                *directive = match is_readable {
                    true => directive["directive"].take(),
                    false => {
                        json!({"ResponseType": "client.notify", "Attributes": {"type": "info", "title": "Done before", "message": words}})
                    }
                };
                continue;
            };
            let entity = self.deed.planner.entity(row[0].as_str().unwrap_or_default())?;
            let id = row[1].as_str().and_then(uuid).unwrap_or_default();
            *directive = json!({"ResponseType": entity.name, "Attributes": self.resource(entity, id).await?});
        }
        Ok(directives)
    }

    /// The row's resource object, as `GET /api/<entity>/<id>` would serve it to the caller.
    pub(super) async fn resource(&mut self, entity: &'a Entity, id: Uuid) -> Result<Json> {
        let plan = self.deed.planner.read(entity, Pick::One(id), &Query::default());
        let schema = self.app.schema;
        let caller = self.deed.caller();
        let answer = access::read(Source::Scope(&mut self.deed.scope), schema, caller, &plan).await?;
        let base = self.app.config.public_url.as_deref().unwrap_or_default();
        let document = document::render(
            &plan,
            &answer,
            &Place { base, path: "", query: "", form: Form::Plain, most: self.held.left(), total_as: &[] },
        )?;
        let mut document: Json = serde_json::from_slice(&document).map_err(Error::internal)?;
        Ok(document["data"].take())
    }

    /// A text for people in the caller's language.
    pub(super) fn said<'t>(&self, template: &'t Template) -> Cow<'t, Template> {
        let translation = |text| self.app.actions.texts.translation(self.asked.language.as_deref(), text);
        match template.text().and_then(translation) {
            Some(text) => Cow::Owned(Template::read(text.into())),
            None => Cow::Borrowed(template),
        }
    }

    /// A template's value, as an answer may tell of it. (Boxed: outcomes hold others, and each has this in many places.)
    pub(super) fn rendered<'r>(&'r mut self, template: &'r Template) -> BoxFuture<'r, Result<Json>> {
        Box::pin(async move {
            let told = self.tellable(template).await?;
            template.render(&told, &self.work)
        })
    }

    /// Whether the caller may read all of some rows.
    async fn are_readable(&mut self, rows: &[(&'a Entity, Uuid)]) -> Result<bool> {
        let mut left: Vec<_> = rows.to_vec();
        while let Some((entity, _)) = left.first().copied() {
            let (of, others): (Vec<_>, Vec<_>) = left.into_iter().partition(|(other, _)| other.at == entity.at);
            let ids: HashSet<Uuid> = of.into_iter().map(|(_, id)| id).collect();
            let ids: Vec<Uuid> = ids.into_iter().collect();
            if self.deed.readable(entity, &ids).await?.len() < ids.len() {
                return Ok(false);
            }
            left = others;
        }
        Ok(true)
    }

    /// The rows that a template names, and those that what it names was made of.
    pub(super) fn named_rows(&self, template: &Template) -> Result<Vec<(&'a Entity, Uuid)>> {
        let names = template.names().map_err(Error::internal)?;
        let mut rows: Vec<(&'a Entity, Uuid)> = vec![];
        for name in &names {
            rows.extend(self.made_of.get(name).into_iter().flat_map(|made_of| made_of.rows.iter().copied()));
            let (Some(bound), Some(value)) = (self.rows.get(name).filter(|bound| !bound.is_made), self.scope.get(name)) else {
                continue;
            };
            let all: &[Json] = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
            rows.extend(all.iter().filter_map(|row| Some((bound.entity, row["id"].as_str().and_then(uuid)?))));
        }
        Ok(rows)
    }

    /// The scope as an answer may tell of it: of rows that the action didn't make only the id, unless the caller may read
    /// them. Peek lets an action work with a row; it doesn't serve its data.
    async fn tellable(&mut self, template: &Template) -> Result<Map<String, Json>> {
        let names = template.names().map_err(Error::internal)?;
        // What isn't named isn't there: no way of speaking leads past what follows.
        let mut told: Map<String, Json> = self
            .scope
            .iter()
            .filter(|(name, _)| names.contains(name))
            .map(|(name, value)| {
                self.work.take(weight(value))?;
                Ok((name.clone(), value.clone()))
            })
            .collect::<Result<_>>()?;
        for (name, bound) in self.rows.clone().into_iter().filter(|(name, _)| names.contains(name)) {
            let Some(value) = told.get_mut(&name) else { continue };
            if bound.is_made {
                // It is told whatever its maker may read of it; kept, it is told again by the rights of then.
                let id = value["id"].as_str().and_then(uuid).filter(|_| name != "caller");
                self.told.extend(id.map(|id| (bound.entity, id)));
                continue;
            }
            let rows = match value {
                Json::Array(rows) => rows.iter_mut().collect(),
                Json::Null => vec![],
                row => vec![row],
            };
            let id = |row: &Json| row["id"].as_str().and_then(uuid).unwrap_or_default();
            let ids: Vec<Uuid> = rows.iter().map(|row| id(row)).collect();
            self.told.extend(ids.iter().map(|id| (bound.entity, *id)));
            let readable = self.deed.unseen(bound.entity, &ids).await?;
            for row in rows {
                match readable.iter().find(|(readable, _)| *readable == id(row)) {
                    None => *row = json!({"id": row["id"]}),
                    Some((_, unseen)) => {
                        if let Some(row) = row.as_object_mut() {
                            // Where a link leads is told by `/api`, by the rule of the other row.
                            row.retain(|name, _| !unseen.contains(&name.as_str()) && bound.entity.relation(name).is_none());
                        }
                    }
                }
            }
        }
        for (name, made_of) in self.made_of.clone().into_iter().filter(|(name, _)| names.contains(name)) {
            if made_of.by_peek && !self.are_readable(&made_of.rows).await? {
                told.insert(name, Json::Null);
            }
            self.told.extend(made_of.rows);
        }
        if let Some(event) = told.get_mut("event") {
            // What a row was or became is told to who may read it; where its links lead, by the rule of the other row.
            let entity = self.deed.planner.entity(event["entity"].as_str().unwrap_or_default())?;
            let id = event["id"].as_str().and_then(uuid).unwrap_or_default();
            let is_readable = match &self.gone {
                Some(gone) => self.deed.might_read(entity, gone).await?,
                None => !self.deed.readable(entity, &[id]).await?.is_empty(),
            };
            for values in ["before", "after"] {
                match event[values].as_object_mut() {
                    Some(values) if is_readable => values.retain(|name, _| entity.relation(name).is_none()),
                    _ => event[values] = json!({}),
                }
            }
        }
        Ok(told)
    }

    /// What is written is what an answer may tell: otherwise a peeked value could be had by copying it.
    pub(super) async fn change(
        &mut self,
        entity: &'a Entity,
        id: Uuid,
        is_new: bool,
        with: &'a [(String, Template)],
    ) -> Result<Change<'a>> {
        let mut change = Change::links(entity, id, None, vec![]);
        change.is_new = is_new;
        for (name, template) in with {
            if let Some(relation) = entity.relation(name) {
                // Referring to a row asks refer, not read: its id is enough.
                let value = template.render(&self.scope, &self.work)?;
                let targets = match (value.as_str().or_else(|| value["id"].as_str()), &value) {
                    (Some(id), _) => vec![Target { id: uuid(id).unwrap_or_default(), bits: None }],
                    (None, Json::Null) => vec![],
                    _ => {
                        let fault = Fault::new("invalid", format!("`{name}` takes a row, its id, or null."));
                        return Err(Error::Invalid(vec![fault.at("/attributes")]));
                    }
                };
                change.links.push(LinkChange { relation, verb: Verb::Replace, targets, by_action: true });
                continue;
            }
            let value = match (template, entity.column(name).map(|c| &c.kind)) {
                // A password goes in as its hash, made before the transaction.
                (Template::Path(input), Some(Kind::Password)) => {
                    if !is_new {
                        self.require_unguessable(entity, id, input).await?;
                    }
                    self.hashes.get(input).cloned().unwrap_or_default()
                }
                (template, kind) => match (self.rendered(template).await?, kind) {
                    (Json::String(text), Some(Kind::Encrypted)) => Json::String(self.app.seal.seal_text("column", &text)),
                    (value, _) => value,
                },
            };
            change.set_by_action(name, &value);
        }
        if is_new {
            change.complete(entity, [true, true], true);
        }
        Ok(change)
    }

    /// The password policy once more, now that it is known whose it is: their name and address are no passwords of theirs.
    async fn require_unguessable(&mut self, entity: &Entity, id: Uuid, input: &str) -> Result<()> {
        let row = self.values(entity, &[id]).await?.pop().unwrap_or_default();
        let lines = entity.columns.iter().filter(|column| column.kind.is_line());
        let words: Vec<&str> = lines.filter_map(|column| row[&column.name].as_str()).collect();
        let Some(password) = self.scope.get(input).and_then(Json::as_str) else { return Ok(()) };
        self.app.hasher.policy().judge(password, &words).map_err(|words| {
            let fault = Fault::new("weak-password", format!("`{input}` {words}."));
            Error::Invalid(vec![fault.at(format!("/attributes{}", step(input)))])
        })
    }
}

pub(super) fn words(message: &Json) -> String {
    message.as_str().map_or_else(|| message.to_string(), str::to_owned)
}

/// In a search, equal to nothing means that nothing is there.
pub(super) fn nulls(tree: Json) -> Json {
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

/// What is wrong with a directive's values, now that they are known. A place is a path, or at an origin of the configuration.
pub(super) fn check_directive(config: &Config, directive: &Directive, attributes: &Json) -> Result<()> {
    let properties = (directive.properties)();
    for (name, value) in attributes.as_object().into_iter().flatten() {
        let place = properties[name]["format"] == "uri-reference" && !value.as_str().is_some_and(|place| is_ours(config, place));
        let words =
            if place { Some("is a path here, or at a configured origin".to_owned()) } else { misfit(&properties[name], value) };
        if let Some(words) = words {
            return Err(Error::Invalid(vec![Fault::new("bad-directive", format!("`{name}` of {} {words}.", directive.name))]));
        }
    }
    match directive.unsaid {
        Some(_) => cookie(attributes).map(|_| ()).map_err(|words| Error::Invalid(vec![Fault::new("bad-cookie", words)])),
        None => Ok(()),
    }
}

fn is_ours(config: &Config, place: &str) -> bool {
    let is_path = place.starts_with('/') && !place.starts_with("//") && !place.contains(['\\', '\t', '\n', '\r']);
    let mut origins = config.cors_origins.iter().chain(&config.public_url).filter(|o| *o != "*");
    is_path || origins.any(|o| place.strip_prefix(o.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}
