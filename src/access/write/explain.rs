//! What PostgreSQL refused, in words of the request's.

use crate::error::{Error, Fault, Why};
use crate::schema::diff::field_of;
use crate::schema::{Column, Entity, Schema, Unique};

/// A clash of a unique value, and a value that PostgreSQL didn't take, with the attribute's pointer and nothing of other rows.
/// `sets`: what was sent of one row, for errors that don't say which value they mean.
pub(super) fn explain(schema: &Schema, entity: &Entity, sets: &[(&Column, Option<String>)], error: Error) -> Error {
    let at = |field: &str| match entity.relation(field) {
        Some(_) => format!("/data/relationships/{field}"),
        None => format!("/data/attributes/{field}"),
    };
    match error {
        Error::Conflict(fault) if fault.code == "taken" => match field_of(schema, entity, &fault.detail) {
            Some(field) => Error::Conflict(Fault::new("taken", format!("`{field}` is taken.")).at(at(field))),
            None if fault.detail.ends_with("_pkey") => {
                Error::Conflict(Fault::new("taken", "A row with this id is there already.").at("/data/id"))
            }
            None => Error::Conflict(Fault::new("taken", "A row with this value is there already.")),
        },
        Error::Internal(cause) => {
            let Some(unfit) = cause.unfit() else { return Error::Internal(cause) };
            tracing::warn!(entity = entity.name, words = unfit.words, "PostgreSQL didn't take a value");
            let own = entity.fields().find(|field| *field == unfit.object);
            let named = own.or_else(|| field_of(schema, entity, &unfit.object));
            let is_ordered = |column: &Column| entity.default_order.iter().any(|(at, _)| entity.columns[*at].name == column.name);
            let is_indexed = |column: &Column| column.unique != Unique::No || column.index || is_ordered(column);
            let indexed = sets.iter().filter(|(column, _)| unfit.why == Why::TooLong && is_indexed(column));
            let longest =
                indexed.max_by_key(|(_, value)| value.as_ref().map(String::len)).map(|(column, _)| column.name.as_str());
            let fault = match named.or(longest) {
                Some(field) => Fault::new("invalid", format!("`{field}` {}.", unfit.why.words())).at(at(field)),
                None => Fault::new("invalid", format!("A value of this {} {}.", entity.name, unfit.why.words())).at("/data"),
            };
            Error::Invalid(vec![fault])
        }
        other => other,
    }
}
