//! The rows that lines are, and those that they are linked to: by keys, by what is unique, and by their place in the file.

use std::collections::{BTreeMap, HashMap, HashSet};

use uuid::Uuid;

use super::field::Field;
use super::line::{self, Links};
use crate::access::write::Deed;
use crate::action::transfer::Transfer;
use crate::action::transfer::table::{Cell, Line};
use crate::error::Result;
use crate::permission::Right;
use crate::schema::kind::{Bounds, Kind};
use crate::schema::{Column, Entity};
use crate::statement::transfer as keyed;

/// A row and its key, as keys are compared.
pub(super) type Keyed = (Line, Option<String>);

/// The cell of a field, whatever the file calls it.
fn cell_of(transfer: &Transfer<'_>, line: &Line, wanted: &str) -> Option<Cell> {
    line::fields(transfer, line).find(|(_, name, ..)| *name == wanted).map(|(.., cell)| cell.into_owned())
}

/// Texts as values of a column are compared; what doesn't fit is none.
async fn compared(transfer: &Transfer<'_>, column: Option<&Column>, cells: Vec<Option<Cell>>) -> Result<Vec<Option<String>>> {
    let anything = Bounds::default();
    let (kind, bounds) = column.map_or((&Kind::Uuid, &anything), |column| (&column.kind, &column.bounds));
    let fit = |cell: Option<Cell>| {
        let value = transfer.import.writing.value(kind, &cell?).ok().flatten()?;
        kind.check(bounds, &value).ok() // what doesn't fit is no key, and is told when the row is looked at
    };
    let keys: Vec<_> = cells.into_iter().map(fit).collect();
    transfer.means.store.read(&keyed::compared(kind, &keys)).await
}

/// Rows with their keys, parted where a key comes again: the second finds what the first made.
pub(super) async fn apart(transfer: &Transfer<'_>, lines: Vec<Line>) -> Result<Vec<Vec<Keyed>>> {
    let mut keys: Vec<Option<String>> = vec![None; lines.len()];
    if let Some(name) = &transfer.key {
        let cells = lines.iter().map(|line| cell_of(transfer, line, name)).collect();
        keys = compared(transfer, transfer.entity.column(name), cells).await?;
    }
    let (mut parts, mut met): (Vec<Vec<Keyed>>, HashSet<String>) = (vec![], HashSet::new());
    for (line, key) in lines.into_iter().zip(keys) {
        let comes_again = key.as_ref().is_some_and(|key| met.contains(key));
        if comes_again {
            met.clear();
        }
        met.extend(key.clone());
        match parts.last_mut().filter(|_| !comes_again) {
            Some(part) => part.push((line, key)),
            None => parts.push(vec![(line, key)]),
        }
    }
    Ok(parts)
}

/// The rows that are there already by their keys, as far as the caller may peek them: by the place of their line.
pub(super) async fn known(transfer: &Transfer<'_>, deed: &mut Deed<'_>, lines: &[Keyed]) -> Result<HashMap<usize, Uuid>> {
    let keys: Vec<Option<String>> = lines.iter().map(|(_, key)| key.clone()).collect();
    let Some(name) = transfer.key.as_ref().filter(|_| keys.iter().any(Option::is_some)) else { return Ok(HashMap::new()) };
    deed.require_entity(transfer.entity, Right::Peek).await?;
    let found = rows_of(deed, transfer.entity, transfer.entity.column(name), Right::Peek, &keys).await?;
    Ok(found.into_iter().collect())
}

async fn rows_of(
    deed: &mut Deed<'_>,
    entity: &Entity,
    column: Option<&Column>,
    right: Right,
    keys: &[Option<String>],
) -> Result<Vec<(usize, Uuid)>> {
    let session = deed.caller().counts()?;
    let rows = deed.scope.run(&keyed::known(entity, column, right, keys, session)).await?;
    Ok(rows.into_iter().filter_map(|(at, id)| Some((usize::try_from(at).ok()?, id))).collect())
}

/// The rows that lines are linked to, where they are named by something unique, or may come later in the file.
pub(super) async fn resolve<'l>(
    transfer: &Transfer<'_>,
    deed: &mut Deed<'_>,
    lines: impl IntoIterator<Item = &'l Line>,
) -> Result<Links> {
    let schema = transfer.means.schema;
    let mut wanted: BTreeMap<String, (&Entity, Option<&Column>, Vec<String>)> = BTreeMap::new();
    for line in lines {
        for (file, _, field, cell) in line::fields(transfer, line) {
            let Field::Link(relation, by) = field else { continue };
            if by.is_none() && !line::is_deferrable(transfer, relation) {
                continue; // whether it is there is asked with everything else
            }
            let entry = wanted.entry(file.to_owned()).or_insert_with(|| (schema.target(relation), by, vec![]));
            entry.2.extend(line::named(relation, by, &cell));
        }
    }
    let mut links = Links::default();
    for (file, (entity, by, mut names)) in wanted {
        names.sort_unstable();
        names.dedup();
        for names in names.chunks(NAMED) {
            let cells = names.iter().map(|name| Some(Cell::Text(name.clone()))).collect();
            let keys = compared(transfer, by, cells).await?;
            links.found.extend(names.iter().map(|name| ((file.clone(), name.clone()), None)));
            // Whom a value names is told to who may read it.
            let right = if by.is_some() { Right::Read } else { Right::Peek };
            for (at, id) in rows_of(deed, entity, by, right, &keys).await? {
                links.found.extend(names.get(at).map(|name| ((file.clone(), name.clone()), Some(id))));
            }
        }
    }
    Ok(links)
}

/// Rows that are looked for at once.
const NAMED: usize = 1000;

/// The id of a row that a line makes: the one that stands there, where clients choose ids; else always the same one.
pub(super) fn made(transfer: &Transfer<'_>, line: &Line) -> Uuid {
    let sent = cell_of(transfer, line, "id").filter(|_| transfer.entity.client_ids);
    sent.and_then(|cell| line::id_of(cell.shown().trim())).unwrap_or_else(|| numbered(transfer.id, line.number))
}

/// An id of a file's line: the transfer's time, the line's number, and what nobody guesses of the transfer's id.
fn numbered(transfer: Uuid, number: i64) -> Uuid {
    const NUMBER: u32 = 34; // bits of it, beside 40 of the transfer's
    let bits = transfer.as_u128();
    let time = bits >> 80;
    let number = u128::try_from(number).unwrap_or(0) & ((1 << NUMBER) - 1);
    let rest = number << 40 | bits & ((1 << 40) - 1);
    let (high, low) = (rest >> 62, rest & ((1 << 62) - 1));
    Uuid::from_u128(time << 80 | 7 << 76 | high << 64 | 0b10 << 62 | low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_have_ids_of_their_own_which_are_those_of_their_time() {
        let transfer = Uuid::now_v7();
        let ids: HashSet<Uuid> = [1, 2, 100, 1 << 20, 1 << 30, (1 << 34) - 1].map(|number| numbered(transfer, number)).into();
        assert_eq!(ids.len(), 6);
        for id in ids {
            assert_eq!((id.get_version_num(), id.get_variant()), (7, uuid::Variant::RFC4122));
            assert_eq!(id.as_u128() >> 80, transfer.as_u128() >> 80);
        }
    }
}
