//! Exports: what the caller may read of an entity, page by page, as a file in parts.

use serde_json::{Map, Value as Json};

use super::import::line;
use super::table::{Format, csv};
use super::{PART, Transfer};
use crate::access::{self, Source};
use crate::document::{self, Place};
use crate::error::{Error, Result};
use crate::plan::{Pick, Planner};
use crate::request::Query;
use crate::request::media::Form;
use crate::schema::kind::Kind;
use crate::statement::transfer::{self as statement, Progress};

/// A file that is being written.
struct Writer<'t, 'a> {
    transfer: &'t Transfer<'a>,
    bytes: Vec<u8>,
    number: i64,
}

impl Writer<'_, '_> {
    async fn write(&mut self, bytes: &[u8], is_last: bool) -> Result<()> {
        self.bytes.extend_from_slice(bytes);
        while self.bytes.len() >= PART || is_last && !self.bytes.is_empty() {
            let rest = self.bytes.split_off(self.bytes.len().min(PART));
            let part = std::mem::replace(&mut self.bytes, rest);
            self.transfer.means.store.read(&statement::put(self.transfer.id, self.number, &part)).await?;
            self.number += 1;
        }
        Ok(())
    }
}

/// Exports an entity: CSV with the columns' names first, or a JSON list of objects.
///
/// # Errors
/// The entity's refusal; 503.
pub async fn run(transfer: &Transfer<'_>) -> Result<Progress> {
    let means = transfer.means;
    means.store.read(&statement::clear(transfer.id)).await?; // what a node before us wrote
    let planner = Planner { schema: means.schema, limits: &means.config.limits, page: &means.config.page };
    let columns = line::columns(transfer.entity);
    let texts = match transfer.format {
        Format::Csv(texts) => Some(texts),
        Format::Json | Format::Workbook => None,
    };
    let mut writer = Writer { transfer, bytes: vec![], number: 0 };
    let mut progress = Progress::default();
    if let Some(texts) = texts {
        writer.write(&csv::head(&columns, texts)?, false).await?;
    }
    let (mut after, mut size) = (Some(String::new()), means.config.page.most);
    while let Some(cursor) = after.take() {
        // By cursor, and the rule stands in each page's statement.
        let text = format!("page[size]={size}&sort=id{cursor}");
        let document = match page(transfer, &planner, &text).await {
            Err(Error::TooMuch { .. }) if size > 1 => {
                (after, size) = (Some(cursor), size / 2); // large rows go out a few at a time
                continue;
            }
            document => document?,
        };
        for resource in document["data"].as_array().into_iter().flatten() {
            let mut row = flat(resource, &columns);
            let line = match texts {
                Some(texts) => {
                    // A text in a column of json has its quotes: else it were another value.
                    let is_json = |name: &String| transfer.entity.column(name).is_some_and(|column| column.kind == Kind::Json);
                    for (_, value) in row.iter_mut().filter(|(name, value)| value.is_string() && is_json(name)) {
                        *value = value.to_string().into();
                    }
                    csv::record(columns.iter().map(|name| row.get(name)), texts)?
                }
                None => {
                    [if progress.done == 0 { "[" } else { ",\n" }.as_bytes(), Json::Object(row).to_string().as_bytes()].concat()
                }
            };
            writer.write(&line, false).await?;
            progress.done += 1;
        }
        let next = document["links"]["next"].as_str().and_then(|next| next.split_once('?'));
        let cursor = next.and_then(|(_, query)| query.split('&').find(|pair| is_cursor(pair)));
        after = cursor.map(|cursor| format!("&{cursor}"));
        transfer.note(&progress, "running").await?;
    }
    let end: &str = match (texts, progress.done) {
        (Some(_), _) => "",
        (None, 0) => "[]\n",
        _ => "]\n",
    };
    writer.write(end.as_bytes(), true).await?;
    Ok(progress)
}

/// A page of it, as `/api` would serve it.
async fn page(transfer: &Transfer<'_>, planner: &Planner<'_>, query: &str) -> Result<Json> {
    let means = transfer.means;
    let plan = planner.read(transfer.entity, Pick::Page, &Query::read(query));
    let answer = access::read(Source::Store(means.store), means.schema, transfer.call.caller, &plan).await?;
    let place = Place { base: "", path: "/", query, form: Form::Plain, most: means.config.limits.answer };
    serde_json::from_slice(&document::render(&plan, &answer, &place)?).map_err(Error::internal)
}

fn is_cursor(pair: &str) -> bool {
    pair.starts_with("page[after]=") || pair.starts_with("page%5Bafter%5D=")
}

/// A resource object as a row: its id, attributes, and the ids of its to-one links; what isn't told isn't there.
fn flat(resource: &Json, columns: &[String]) -> Map<String, Json> {
    let mut row = Map::new();
    for name in columns {
        let value = match name.as_str() {
            "id" => Some(&resource["id"]),
            _ => resource["attributes"].get(name).or_else(|| resource["relationships"][name]["data"].get("id")),
        };
        row.extend(value.map(|value| (name.clone(), value.clone())));
    }
    row
}
