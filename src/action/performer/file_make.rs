//! `file.make`: rows as a file that `client.file.download` takes.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value as Json, json};

use super::{Gives, Performer, plain, text};
use crate::action::run::Run;
use crate::action::transfer::table::csv::{self, Texts};
use crate::error::{Error, Fault, Result};

/// Gives `name`, `contentType` and `content` (base64). Of rows that the caller may not read only the ids are in it.
pub static PERFORMER: Performer = Performer {
    gives: Gives::Values(&["name", "contentType", "content"]),
    tells: true,
    properties: || {
        json!({
            "format": {"enum": ["csv", "json"]}, "columns": {"type": "array"}, "rows": {"type": "array"},
            "verbatim": {"type": "boolean", "description": "Whether what a spreadsheet would run has no apostrophe before it"},
        })
    },
    ..plain(
        "file.make",
        &[("name", true), ("format", true), ("rows", true), ("columns", false), ("verbatim", false)],
        |_: &mut Run<'_>, with| Box::pin(async move { make(with) }),
    )
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
        "csv" => {
            let texts = Texts::of(with.get("verbatim") == Some(&Json::Bool(true)));
            let mut file = csv::head(&columns, texts)?;
            for row in &rows {
                file.extend(csv::record(columns.iter().map(|name| row.get(*name)), texts)?);
            }
            ("text/csv; charset=utf-8", file)
        }
        _ => {
            let picked = |row: &&Map<String, Json>| -> Map<String, Json> {
                columns.iter().filter_map(|name| Some(((*name).to_owned(), row.get(*name)?.clone()))).collect()
            };
            ("application/json", serde_json::to_vec(&rows.iter().map(picked).collect::<Vec<_>>()).map_err(Error::internal)?)
        }
    };
    Ok(json!({"name": text(with, "name"), "contentType": kind, "content": STANDARD.encode(content)}))
}
