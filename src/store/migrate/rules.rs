//! Rules that the database doesn't hold itself: forms, lengths and bounds of values, and markup that is clean.
//!
//! In charge of: saying which rows a rule of today doesn't fit, where the file said another before. They stay as they are, until
//! they are changed; but what is served as clean markup is it.

use serde_json::Value as Json;
use uuid::Uuid;

use super::named;
use crate::error::Result;
use crate::schema::catalog::{Catalog, Described};
use crate::schema::kind::Kind;
use crate::schema::{Column, Entity, Schema};
use crate::statement::migrate::{self as statement, Misfits, NAMED};
use crate::store::Scope;

/// Rows that are looked at together.
const BATCH: i64 = 1000;

/// What there is to say of rows that don't fit.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// Of those that stay.
    pub notes: Vec<String>,
    /// Of those that can't.
    pub faults: Vec<String>,
}

/// Looks at the rows of all columns whose rule is another than it was. `described`: what files said last.
///
/// # Errors
/// What PostgreSQL ran into.
pub(super) async fn look(scope: &mut Scope, schema: &Schema, described: &[(usize, Described)]) -> Result<Said> {
    let mut said = Said::default();
    for (at, described) in described {
        let entity = &schema.entities()[*at];
        for column in entity.columns.iter().filter(|column| is_other(column, described)) {
            let found = misfits(scope, entity, column).await?;
            if found.count == 0 {
                continue;
            }
            let field = format!("{}.{}", entity.name, column.name);
            match column.kind {
                Kind::Html { clean: true } => said.faults.push(format!(
                    "{field} is to be clean markup, and these are not: {}. Clean them first, or say `clean: false`.",
                    named(&found)
                )),
                _ => said.notes.push(format!(
                    "{field}: these don't meet the rule of today, and stay as they are until they are changed: {}",
                    named(&found)
                )),
            }
        }
    }
    Ok(said)
}

/// What files said last of entities that are still there, by their places in the schema.
pub(super) fn described(schema: &Schema, catalog: &mut Catalog) -> Vec<(usize, Described)> {
    let known = schema.entities().iter().filter_map(|entity| Some((entity.at, catalog.described.remove(&entity.name)?)));
    known.collect()
}

/// Whether a column's rule is another one than the file said last, and rows may not fit it.
fn is_other(column: &Column, described: &Described) -> bool {
    let Some(before) = described.columns.get(&column.name) else { return false };
    let now = column.describe();
    let differs = ["type", "min", "max", "length", "pattern", "clean"].iter().any(|key| before.get(key) != now.get(key));
    differs && !column.kind.is_secret() && !matches!(column.kind, Kind::Enum { .. } | Kind::Json)
}

async fn misfits(scope: &mut Scope, entity: &Entity, column: &Column) -> Result<Misfits> {
    let (mut after, mut found) = (Uuid::nil(), Misfits { count: 0, some: vec![] });
    loop {
        let rows = scope.run(&statement::values_of(entity, &column.name, after, BATCH)).await?;
        let Some((last, _)) = rows.last() else { return Ok(found) };
        after = *last;
        for (id, value) in rows.into_iter().filter(|(_, value)| !fits(column, value)) {
            found.count += 1;
            if found.some.len() < NAMED {
                found.some.push((Some(id.to_string()), Some(crate::error::short(&value))));
            }
        }
    }
}

fn fits(column: &Column, value: &str) -> bool {
    if let Kind::Html { clean: true } = column.kind {
        return column.kind.clean(&column.bounds, value).is_ok_and(|clean| clean == value);
    }
    let text = || Json::String(value.to_owned());
    let json = if column.kind.is_written_as_text() { text() } else { serde_json::from_str(value).unwrap_or_else(|_| text()) };
    column.kind.check(&column.bounds, &json).is_ok()
}
