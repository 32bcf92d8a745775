//! Exports: what the caller may read of entities, page by page, as a file in parts.
//!
//! In charge of: which values of which rows go out. How a file is written is in [`file`], sheets in [`sheet`].

pub mod file;
mod sheet;

use std::collections::HashMap;

use form_urlencoded::Serializer;
use serde_json::{Map, Value as Json};

use super::Transfer;
use super::import::field;
use super::options::{self, Export};
use super::table::Format;
use crate::access::write::Deed;
use crate::access::{self, Source};
use crate::config::Limits;
use crate::document::{self, Place};
use crate::error::{Error, Fault, Result, short};
use crate::permission::Right;
use crate::plan::{Pick, Planner};
use crate::request::Query;
use crate::request::body::step;
use crate::request::media::Form;
use crate::schema::kind::Kind;
use crate::schema::{Column, Entity, Link, Relation, Schema};
use crate::statement::transfer::{self as statement, Progress};
use file::File;

/// A column of an export: along which relations, and what stands at their end.
pub struct Path<'s> {
    name: String,
    relations: Vec<&'s Relation>,
    /// None: the id.
    column: Option<&'s Column>,
}

/// A column by its name: `title`, `team`, `team.code`, `team.lead.name`.
///
/// # Errors
/// What is wrong with it.
pub fn path<'s>(schema: &'s Schema, entity: &'s Entity, name: &str) -> Result<Path<'s>, Fault> {
    let (mut at, mut relations) = (entity, vec![]);
    let mut steps = name.split('.').peekable();
    let unknown = |at: &Entity, step: &str| {
        let names: Vec<&str> = at.fields().collect();
        let hint = crate::yaml::nearest(step, &names).map(|near| format!(" Did you mean `{near}`?")).unwrap_or_default();
        let words = format!("{} has no field `{}`.{hint}", at.name, short(step));
        Fault::new("unknown-field", words).at("/attributes/columns")
    };
    while let Some(step) = steps.next() {
        let is_last = steps.peek().is_none();
        let column = at.served(step);
        if is_last && (column.is_some() || step == "id") {
            return Ok(Path { name: name.to_owned(), relations, column });
        }
        let relation = at.relation(step).ok_or_else(|| unknown(at, step))?;
        // Grants are of the row itself, and lead no further.
        if matches!(relation.link, Link::Array { .. }) && !(is_last && relations.is_empty() && step == "usergroups") {
            return Err(unknown(at, step));
        }
        relations.push(relation);
        at = schema.target(relation);
    }
    Ok(Path { name: name.to_owned(), relations, column: None })
}

impl Path<'_> {
    fn is_list(&self) -> bool {
        self.relations.iter().any(|relation| relation.is_many())
    }

    /// Of what type its values are; ids and lists are text.
    pub fn kind(&self) -> Option<&Kind> {
        self.column.map(|column| &column.kind).filter(|_| !self.is_list())
    }

    /// The relations that are to be included for it. (The id of one linked row is known without.)
    fn include(&self) -> Option<String> {
        let is_id = self.column.is_none() && !self.is_list();
        let relations = if is_id { &self.relations[..self.relations.len().saturating_sub(1)] } else { &self.relations[..] };
        let names: Vec<_> = relations.iter().map(|relation| relation.name.as_str()).collect();
        (!names.is_empty()).then(|| names.join("."))
    }

    /// Its values in a resource object; none: nothing is told of it.
    fn values(&self, resource: &Json, included: &Included<'_>) -> Result<Option<Json>> {
        let mut at: Vec<&Json> = vec![resource];
        let last = self.relations.len();
        for (nth, relation) in self.relations.iter().enumerate() {
            let mut next = vec![];
            for row in at {
                let linked = &row["relationships"][&relation.name];
                if !linked["links"]["next"].is_null() || linked["meta"]["truncated"] == Json::Bool(true) {
                    let words = format!("A row has too many `{}` for a file: leave `{}` out.", relation.name, self.name);
                    return Err(Error::Invalid(vec![Fault::new("too-many", words).at("/attributes/columns")]));
                }
                match &linked["data"] {
                    Json::Array(items) => next.extend(items),
                    Json::Object(_) => next.push(&linked["data"]),
                    Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
                }
            }
            // Of the last ones only the id may be wanted, which linkage has.
            at = match nth + 1 == last && self.column.is_none() {
                true => next,
                false => next.into_iter().filter_map(|identifier| included.get(&key(identifier)).copied()).collect(),
            };
        }
        let value = |row: &Json| match self.column {
            Some(column) => row["attributes"].get(&column.name).cloned(),
            None => match (row["id"].as_str(), row["meta"]["permission"].as_i64()) {
                (Some(id), Some(bits)) => Some(format!("{id}={bits}").into()), // a grant with bits of its own
                (id, _) => id.map(Json::from),
            },
        };
        let mut values: Vec<Json> = at.into_iter().filter_map(value).collect();
        // A link to nothing is told; one that isn't the caller's to see is not.
        let leads_nowhere = || {
            self.relations.first().is_some_and(|first| resource["relationships"][&first.name].get("data") == Some(&Json::Null))
        };
        Ok(match self.is_list() {
            true => Some(Json::Array(values)),
            false if values.is_empty() => leads_nowhere().then_some(Json::Null),
            false => Some(values.swap_remove(0)),
        })
    }
}

/// Rows of a page, and those that are included with it, by type and id.
type Included<'j> = HashMap<(&'j str, &'j str), &'j Json>;

fn key(row: &Json) -> (&str, &str) {
    (row["type"].as_str().unwrap_or_default(), row["id"].as_str().unwrap_or_default())
}

/// Exports entities.
///
/// # Errors
/// An entity's refusal; 422 where `/api` would say so, or a sheet has no room; 503.
pub async fn run(transfer: &Transfer<'_>, row: &statement::Transfer) -> Result<Progress> {
    let means = transfer.means;
    means.store.read(&statement::clear(transfer.id, false)).await?; // what a node before us wrote
    let export = options::export(&row.options).map_err(Error::Invalid)?;
    let schema = means.schema;
    let others = export.entities.iter().filter(|name| **name != transfer.entity.name).filter_map(|name| schema.entity(name));
    let mut entities = vec![transfer.entity];
    for other in others {
        if !entities.iter().any(|entity| entity.at == other.at) {
            entities.push(other);
        }
    }
    let mut file = File::begin(transfer, &entities, export.has_mark)?;
    let mut progress = Progress::default();
    for entity in entities {
        one(transfer, entity, &export, &mut file, &mut progress).await?;
    }
    file.end().await?;
    Ok(progress)
}

/// Exports an entity.
async fn one(
    transfer: &Transfer<'_>,
    entity: &Entity,
    export: &Export,
    file: &mut File<'_, '_>,
    progress: &mut Progress,
) -> Result<()> {
    let means = transfer.means;
    let limits = Limits { included: means.config.limits.links, included_rows: 1_000_000, ..means.config.limits.clone() };
    let planner = Planner { schema: means.schema, limits: &limits, page: &means.config.page };
    let columns = columns(transfer, planner, entity, export).await?;
    let query = query(entity, export, &columns, means.schema)?;
    file.head(entity, &columns)?;
    let (mut after, mut size) = (Some(String::new()), means.config.page.most);
    while let Some(cursor) = after.take() {
        // By cursor, and the rule stands in each page's statement.
        let text = format!("page[size]={size}&{query}{cursor}");
        let document = match page(transfer, planner, entity, &text).await {
            Err(Error::TooMuch { .. }) if size > 1 => {
                (after, size) = (Some(cursor), size / 2); // large rows go out a few at a time
                continue;
            }
            document => document?,
        };
        let all = [&document["data"], &document["included"]].into_iter().filter_map(Json::as_array).flatten();
        let included: Included<'_> = all.map(|row| (key(row), row)).collect();
        for resource in document["data"].as_array().into_iter().flatten() {
            let mut row = Map::new();
            for column in &columns {
                row.extend(column.values(resource, &included)?.map(|value| (column.name.clone(), value)));
            }
            file.row(&columns, row)?;
            progress.done += 1;
        }
        file.flush().await?;
        let next = document["links"]["next"].as_str().and_then(|next| next.split_once('?'));
        let cursor = next.and_then(|(_, query)| query.split('&').find(|pair| is_cursor(pair)));
        after = cursor.map(|cursor| format!("&{cursor}"));
        transfer.note(progress, "running").await?;
    }
    file.foot()
}

/// The columns that are wanted; else all but links to entities that the caller may not read.
async fn columns<'s>(
    transfer: &Transfer<'s>,
    planner: Planner<'s>,
    entity: &'s Entity,
    export: &Export,
) -> Result<Vec<Path<'s>>> {
    let schema = transfer.means.schema;
    if !export.columns.is_empty() {
        let paths = export.columns.iter().map(|name| path(schema, entity, name));
        return paths.collect::<Result<_, _>>().map_err(|fault| Error::Invalid(vec![fault]));
    }
    let mut found = vec![];
    let mut deed = Deed::begin_reading(transfer.means.store, planner, transfer.call.caller).await?;
    for name in field::columns(schema, entity, export.is_named) {
        let path = path(schema, entity, &name).map_err(|fault| Error::Invalid(vec![fault]))?;
        let mut is_open = true;
        for relation in path.relations.iter().filter(|_| path.include().is_some()) {
            match deed.require_entity(schema.target(relation), Right::Read).await {
                Err(Error::Forbidden(_)) => is_open = false,
                asked => asked?,
            }
        }
        if is_open {
            found.push(path);
        }
    }
    Ok(found)
}

/// The query of a list that brings all columns.
fn query(entity: &Entity, export: &Export, columns: &[Path<'_>], schema: &Schema) -> Result<String> {
    let mut query = Serializer::new(String::new());
    query.append_pair("sort", export.order.as_deref().unwrap_or("id"));
    let mut include: Vec<String> = columns.iter().filter_map(Path::include).collect();
    include.sort_unstable();
    include.dedup();
    if !include.is_empty() {
        query.append_pair("include", &include.join(","));
        // Of rows that are linked nothing goes along that no column has.
        let steps = || columns.iter().flat_map(|path| path.relations.iter().map(move |relation| (path, *relation)));
        let mut targets: Vec<&Entity> = steps().map(|(_, relation)| schema.target(relation)).collect();
        targets.sort_by_key(|target| target.at);
        targets.dedup_by_key(|target| target.at);
        for target in targets.into_iter().filter(|target| target.at != entity.at) {
            let mut fields: Vec<&str> = vec![];
            for path in columns {
                for (nth, relation) in path.relations.iter().enumerate().filter(|(_, r)| schema.target(r).at == target.at) {
                    _ = relation;
                    fields.extend(match path.relations.get(nth + 1) {
                        Some(next) => Some(next.name.as_str()),
                        None => path.column.map(|column| column.name.as_str()),
                    });
                }
            }
            fields.sort_unstable();
            fields.dedup();
            query.append_pair(&format!("fields[{}]", target.name), &fields.join(","));
        }
    }
    match export.filter.as_deref() {
        Some(filter) if filter.starts_with("filter") => {
            for (name, value) in form_urlencoded::parse(filter.as_bytes()) {
                if !name.starts_with("filter") {
                    let words = format!("`filter` holds nothing but filters; not `{}`.", short(&name));
                    return Err(Error::Invalid(vec![Fault::new("invalid", words).at(format!("/attributes{}", step("filter")))]));
                }
                query.append_pair(&name, &value);
            }
        }
        Some(filter) => _ = query.append_pair("filter", filter),
        None => {}
    }
    Ok(query.finish())
}

/// A page of it, as `/api` would serve it.
async fn page(transfer: &Transfer<'_>, planner: Planner<'_>, entity: &Entity, query: &str) -> Result<Json> {
    let means = transfer.means;
    let plan = planner.read(entity, Pick::Page, &Query::read(query));
    let answer = access::read(Source::Store(means.store), means.schema, transfer.call.caller, &plan).await?;
    let place = Place { base: "", path: "/", query, form: Form::Plain, most: means.config.limits.answer, total_as: &[] };
    serde_json::from_slice(&document::render(&plan, &answer, &place)?).map_err(Error::internal)
}

fn is_cursor(pair: &str) -> bool {
    pair.starts_with("page[after]=") || pair.starts_with("page%5Bafter%5D=")
}

/// How a file of a transfer is called, and of what type it is.
pub fn named(row: &statement::Transfer) -> (String, &'static str) {
    let entity: String = row.entity.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let format = row.format.as_deref().unwrap_or_default();
    let is_archive = row.options["entities"].as_array().is_some_and(|entities| !entities.is_empty());
    match (row.kind.as_str(), format, is_archive) {
        ("import", "json", _) => (format!("{entity}_faults.json"), "application/json"),
        ("import", ..) => (format!("{entity}_faults.csv"), "text/csv; charset=utf-8"),
        (_, "xlsx", _) => (format!("{entity}.xlsx"), sheet::TYPE),
        (_, _, true) => ("export.zip".to_owned(), "application/zip"),
        (_, "csv", false) => (format!("{entity}.csv"), "text/csv; charset=utf-8"),
        (_, _, false) => (format!("{entity}.json"), "application/json"),
    }
}

/// Whether a file is a table whose cells are text.
fn is_table(format: Format) -> bool {
    match format {
        Format::Csv(_) | Format::Workbook => true,
        Format::Json => false,
    }
}
