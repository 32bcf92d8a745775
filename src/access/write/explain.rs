//! What PostgreSQL refused, in words of the request's.

use crate::error::{Error, Fault, Why};
use crate::schema::diff::fields_of;
use crate::schema::{Column, Entity, Schema, Unique};

/// A clash of a unique value, and a value that PostgreSQL didn't take, with the attribute's pointer and nothing of other rows.
/// `sets`: what was sent of one row, for errors that don't say which value they mean.
pub(super) fn explain(schema: &Schema, entity: &Entity, sets: &[(&Column, Option<String>)], error: Error) -> Error {
    let at = |field: &str| match entity.relation(field) {
        Some(_) => format!("/data/relationships/{field}"),
        None => format!("/data/attributes/{field}"),
    };
    match error {
        Error::Conflict(faults) if faults.iter().any(|fault| fault.code == "taken") => {
            let object = faults.first().map(|fault| fault.detail.as_str()).unwrap_or_default();
            let fields = fields_of(schema, entity, object);
            Error::Conflict(taken(&fields.iter().map(String::as_str).collect::<Vec<_>>(), object, at))
        }
        Error::Internal(cause) => {
            let Some(unfit) = cause.unfit() else { return Error::Internal(cause) };
            tracing::warn!(entity = entity.name, words = unfit.words, "PostgreSQL didn't take a value");
            let own = entity.fields().find(|field| *field == unfit.object).map(str::to_owned);
            let named = own.or_else(|| fields_of(schema, entity, &unfit.object).into_iter().next());
            let is_ordered = |column: &Column| entity.default_order.iter().any(|(at, _)| entity.columns[*at].name == column.name);
            let is_indexed = |column: &Column| column.unique != Unique::No || column.index || is_ordered(column);
            let indexed = sets.iter().filter(|(column, _)| unfit.why == Why::TooLong && is_indexed(column));
            let longest = indexed.max_by_key(|(_, value)| value.as_ref().map(String::len)).map(|(column, _)| column.name.clone());
            let fault = match named.or(longest) {
                Some(field) => Fault::new("invalid", format!("`{field}` {}.", unfit.why.words())).at(at(&field)),
                None => Fault::new("invalid", format!("A value of this {} {}.", entity.name, unfit.why.words())).at("/data"),
            };
            Error::Invalid(vec![fault])
        }
        other => other,
    }
}

/// What is said of values that another row has already: at each of the fields that are unique together.
fn taken(fields: &[&str], object: &str, at: impl Fn(&str) -> String) -> Vec<Fault> {
    match fields {
        [] if object.ends_with("_pkey") => vec![Fault::new("taken", "A row with this id is there already.").at("/data/id")],
        [] => vec![Fault::new("taken", "A row with this value is there already.")],
        [field] => vec![Fault::new("taken", format!("`{field}` is taken.")).at(at(field))],
        ["owner", field] | [field, "owner"] => vec![Fault::new("taken", format!("`{field}` is taken.")).at(at(field))],
        several => {
            let names = several.iter().map(|field| format!("`{field}`")).collect::<Vec<_>>().join(" and ");
            let words = format!("{names} are taken together.");
            several.iter().map(|field| Fault::new("taken", words.clone()).at(at(field))).collect()
        }
    }
}
