//! What a caller may know of: entities with the rights on them, and actions. For descriptions, which decide nothing.

use std::collections::{HashMap, HashSet};

use crate::account::Caller;
use crate::error::Result;
use crate::permission::Right;
use crate::schema::{Column, Entity};
use crate::statement::action;
use crate::store::Store;

/// A caller's view, as it is now.
#[derive(Debug)]
pub struct View {
    /// The bits of the rights on each entity that may be peeked; none: the whole, for administrators and the terminal.
    entities: Option<HashMap<String, i64>>,
    actions: HashSet<(String, String)>,
    is_guest: bool,
}

impl View {
    /// Everything.
    pub fn whole() -> View {
        View { entities: None, actions: HashSet::new(), is_guest: false }
    }

    /// What a caller sees.
    ///
    /// # Errors
    /// 503.
    pub async fn of(store: &Store, caller: Caller) -> Result<View> {
        let rows = store.read(&action::entities(caller.session)).await?;
        let last = rows.iter().find(|row| row.text(0).is_none());
        if last.is_some_and(|row| row.bool(3)) {
            return Ok(View::whole());
        }
        let entities = rows.iter().filter_map(|row| Some((row.text(0)?.to_owned(), row.int(1)?)));
        let found = store.read(&action::executable(caller.session)).await?;
        let actions = found.iter().filter_map(|row| Some((row.text(0)?.to_owned(), row.text(1)?.to_owned())));
        let is_guest = !last.is_some_and(|row| row.bool(2));
        Ok(View { entities: Some(entities.collect()), actions: actions.collect(), is_guest })
    }

    /// Whether the caller may do this with an entity.
    pub fn may(&self, entity: &Entity, right: Right) -> bool {
        let held = |bits: &HashMap<String, i64>| bits.get(&entity.name).is_some_and(|b| b & i64::from(right.bit()) != 0);
        let is_possible = !entity.is_closed(right) && (right != Right::Create || entity.is_creatable());
        is_possible && self.entities.as_ref().is_none_or(held)
    }

    /// Whether the caller may execute an action.
    pub fn runs(&self, entity: &str, name: &str) -> bool {
        self.entities.is_none() || self.actions.contains(&(entity.to_owned(), name.to_owned()))
    }

    /// Whether a column exists for the caller: one that only owners or groups read is nothing for guests.
    pub fn shows(&self, column: &Column) -> bool {
        column.is_served() && !(self.is_guest && column.is_limited())
    }
}
