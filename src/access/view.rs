//! What a caller may know of: entities with the rights on them, and actions. For descriptions, which decide nothing.

use std::sync::Arc;

use super::known::{Asking, Source};
use crate::account::Caller;
use crate::error::Result;
use crate::permission::Right;
use crate::schema::{Column, Entity, Schema};
use crate::statement::who::Known;
use crate::store::Store;

/// A caller's view, as it is now.
#[derive(Debug)]
pub struct View {
    /// What is known of the caller; none: the whole, for the terminal.
    known: Option<Arc<Known>>,
}

impl View {
    /// Everything.
    pub fn whole() -> View {
        View { known: None }
    }

    /// What a caller sees.
    ///
    /// # Errors
    /// 401 where the token is over, 503.
    pub async fn of(store: &Store, schema: &Schema, caller: Caller) -> Result<View> {
        let known = Asking::of(Source::Store(store), schema, caller).verdict(|known| Ok(Arc::new(known.clone()))).await?;
        Ok(View { known: Some(known) })
    }

    fn is_whole(&self) -> bool {
        self.known.as_ref().is_none_or(|known| known.is_administrator())
    }

    /// Whether the caller may do this with an entity.
    pub fn may(&self, entity: &Entity, right: Right) -> bool {
        let is_possible = !entity.is_closed(right) && (right != Right::Create || entity.is_creatable());
        let is_seen = |known: &Arc<Known>| known.may(entity, Right::Peek) && known.may(entity, right);
        is_possible && (self.is_whole() || self.known.as_ref().is_some_and(is_seen))
    }

    /// Whether the caller may execute an action: its entity is asked, too.
    pub fn runs(&self, entity: &Entity, name: &str) -> bool {
        let may_run = |known: &Arc<Known>| known.may(entity, Right::Execute) && known.may_run(&entity.name, name);
        self.known.as_ref().is_none_or(may_run)
    }

    /// All that a description is made of, as bytes: two views that have the same are described by the same.
    pub fn digest<'a>(&self, schema: &Schema, actions: impl Iterator<Item = (&'a str, &'a str)>) -> Vec<u8> {
        let is_guest = self.known.as_ref().is_some_and(|known| known.user().is_none());
        let rights = schema.entities().iter().map(|entity| {
            Right::ALL.into_iter().filter(|right| self.may(entity, *right)).fold(0, |bits, right| bits | 1 << right as u8)
        });
        let runs = actions.map(|(entity, name)| u8::from(schema.entity(entity).is_some_and(|entity| self.runs(entity, name))));
        std::iter::once(u8::from(is_guest)).chain(rights).chain(runs).collect()
    }

    /// Whether a column exists for the caller: one that only owners or groups read is nothing for guests.
    pub fn shows(&self, column: &Column) -> bool {
        let is_guest = self.known.as_ref().is_some_and(|known| known.user().is_none());
        column.is_served() && !(is_guest && column.is_limited())
    }
}
