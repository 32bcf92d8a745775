//! `file.make`: rows as a file that `client.file.download` takes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value as Json, json};

use super::{Gives, Performer, plain, text};
use crate::action::run::Run;
use crate::error::{Error, Fault, Result};

/// Gives `name`, `contentType` and `content` (base64). Of rows that the caller may not read only the ids are in it.
pub static PERFORMER: Performer = Performer {
    gives: Gives::Values(&["name", "contentType", "content"]),
    tells: true,
    properties: || json!({"format": {"enum": ["csv", "json"]}, "columns": {"type": "array"}, "rows": {"type": "array"}}),
    ..plain("file.make", &[("name", true), ("format", true), ("rows", true), ("columns", false)], |_: &mut Run<'_>, with| {
        Box::pin(async move { make(with) })
    })
};

fn make(with: &Map<String, Json>) -> Result<Json> {
    let no_rows = || Error::Invalid(vec![Fault::new("bad-rows", "`rows` is a list of objects.").at("/attributes")]);
    let rows = with.get("rows").and_then(Json::as_array).ok_or_else(no_rows)?;
    let rows: Vec<&Map<String, Json>> = rows.iter().map(|row| row.as_object().ok_or_else(no_rows)).collect::<Result<_>>()?;
    let mut columns: Vec<&str> =
        with.get("columns").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_str).collect();
    if columns.is_empty() {
        for name in rows.iter().flat_map(|row| row.keys()) {
            if !columns.contains(&name.as_str()) {
                columns.push(name);
            }
        }
    }
    let (kind, content) = match text(with, "format").as_str() {
        "csv" => ("text/csv; charset=utf-8", csv(&columns, &rows)?),
        _ => {
            let picked = |row: &&Map<String, Json>| -> Map<String, Json> {
                columns.iter().filter_map(|name| Some(((*name).to_owned(), row.get(*name)?.clone()))).collect()
            };
            ("application/json", serde_json::to_vec(&rows.iter().map(picked).collect::<Vec<_>>()).map_err(Error::internal)?)
        }
    };
    Ok(json!({"name": text(with, "name"), "contentType": kind, "content": STANDARD.encode(content)}))
}

fn csv(columns: &[&str], rows: &[&Map<String, Json>]) -> Result<Vec<u8>> {
    let mut writer = csv::Writer::from_writer(vec![]);
    writer.write_record(columns).map_err(Error::internal)?;
    for row in rows {
        let cells = columns.iter().map(|name| match row.get(*name) {
            None | Some(Json::Null) => String::new(),
            Some(Json::String(text)) => harmless(text),
            Some(other) => other.to_string(),
        });
        writer.write_record(cells).map_err(Error::internal)?;
    }
    writer.into_inner().map_err(|e| Error::internal(e.to_string()))
}

/// What a spreadsheet would take for a formula begins with an apostrophe.
fn harmless(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() }
}
