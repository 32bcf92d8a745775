//! What holds whatever is written: an active administrator stays, and groups that files name keep their names.

use uuid::Uuid;

use super::Deed;
use super::held::Held;
use crate::error::{Error, Fault, Result};
use crate::schema::Entity;
use crate::statement::write::{self, Declared};

impl Deed<'_> {
    pub(super) async fn administrators(&mut self) -> Result<i64> {
        self.scope.run(&write::administrators()).await
    }

    /// From here on the last active administrator is protected, under one lock.
    pub(super) async fn guard_administrators(&mut self) -> Result<()> {
        if !self.guards_administrators {
            self.scope.run(&write::administrators_lock()).await?;
            self.guards_administrators = self.administrators().await? > 0;
        }
        Ok(())
    }

    pub(super) async fn is_declared(&mut self, group: Uuid) -> Result<bool> {
        Ok(self.scope.run(&write::group_name(group)).await?.is_declared)
    }

    /// The names of declared groups are theirs; they themselves are for administrators.
    pub(super) async fn check_group(&mut self, entity: &Entity, id: Uuid, held: &Held) -> Result<()> {
        if entity.name != "usergroup" {
            return Ok(());
        }
        let Declared { is_declared, is_taken } = self.scope.run(&write::group_name(id)).await?;
        if is_taken {
            return Err(Error::conflict(
                Fault::new("taken", "This name is reserved for a group that a schema file names.").at("/data/attributes/name"),
            ));
        }
        if is_declared && !held.is_administrator() { Err(held.refusal()) } else { Ok(()) }
    }
}
