//! Imports and exports: files of rows, read in and written out as whoever asked for it, by any node, step by step.
//!
//! In charge of: one transfer from its task to its end. Rows go through the same plans, phases and verdicts as those of `/api`:
//! reading files is [`table`], what becomes of their rows [`import`], writing [`export`].

pub mod export;
pub mod import;
pub mod table;

use std::time::Duration;

use uuid::Uuid;

use super::call::Call;
use super::run::Means;
use table::Format;

use crate::access::write::Deed;
use crate::error::{Error, Fault, Result};
use crate::schema::Entity;
use crate::statement::outbox::Claim;
use crate::statement::query::Internal;
use crate::statement::transfer::{self as statement, Progress};

/// Bytes of a part of a file.
pub const PART: usize = 256 * 1024;
/// How many rows go together.
pub const BATCH: usize = 100;
/// The time that a transfer may take.
pub const LONGEST: Duration = Duration::from_hours(24);
/// The time that a step of it may take before another node thinks that nobody does it.
pub const LEASE: Duration = Duration::from_mins(2);

/// A transfer that is being done.
pub struct Transfer<'a> {
    /// What the server has.
    pub means: &'a Means<'a>,
    /// As whom.
    pub call: &'a Call,
    /// Its row.
    pub id: Uuid,
    claim: Claim,
    /// Whose rows.
    pub entity: &'a Entity,
    /// How its rows stand in the file.
    pub format: Format,
    /// Whether each row stands on its own; else all or nothing.
    pub is_each: bool,
    /// The column by which rows that are there already are known.
    pub key: Option<String>,
    /// How far it was when another node left it.
    pub done: i64,
}

/// Does a transfer. What is wrong with it stands in its row; an error is what a later try may mend.
///
/// # Errors
/// 503 and defects.
pub async fn run(means: &Means<'_>, call: &Call, claim: Claim, id: Uuid) -> Result<()> {
    let found = means.store.read(&statement::find(id)).await?;
    let Some(row) = found.filter(|row| row.state == "running") else { return Ok(()) }; // deleted, or done
    let entity = means.schema.entity(&row.entity).ok_or_else(|| Error::internal("a transfer of nothing"))?;
    let is_each = row.mode.as_deref() == Some("each");
    let format = Format::of(row.format.as_deref().unwrap_or_default(), row.is_verbatim);
    let transfer = Transfer { means, call, id, claim, entity, format, is_each, key: row.key, done: row.done };
    let ended = match row.kind.as_str() {
        "export" => export::run(&transfer).await,
        _ => import::run(&transfer).await,
    };
    match ended {
        Ok(progress) => {
            let has_failed = progress.is_broken || progress.failed > 0 && !transfer.is_each;
            let state = if has_failed { "failed" } else { "done" };
            transfer.note(&progress, state).await?;
        }
        Err(error @ (Error::Unavailable(_) | Error::Again)) => return Err(error),
        Err(error) => {
            if let Error::Internal(cause) = &error {
                tracing::error!(%id, ?cause, "a transfer failed");
            }
            let faults = error.faults();
            if transfer.is_each {
                // What is done is done, and stays counted.
                let words: Vec<_> = faults.into_iter().map(|fault| fault.detail).collect();
                means.store.read(&statement::fail(id, &words.join(" "))).await?;
            } else {
                let faults: Vec<_> = faults.iter().map(|fault| import::told(0, fault)).collect();
                let progress = Progress { failed: 1, faults: Some(serde_json::json!(faults).to_string()), ..Progress::default() };
                transfer.note(&progress, "failed").await?;
            }
        }
    }
    if row.kind == "import" {
        means.store.read(&statement::clear(id)).await?; // what was read in is not needed any more
    }
    Ok(())
}

impl Transfer<'_> {
    /// Notes how far it is.
    ///
    /// # Errors
    /// What the statement ran into.
    pub async fn note(&self, progress: &Progress, state: &str) -> Result<()> {
        self.ours(self.means.store.read(&self.noted(progress, state)).await?)
    }

    /// Notes in the rows' own transaction how far it is: another node that has it since keeps it from lasting.
    ///
    /// # Errors
    /// What the statement ran into.
    pub async fn note_in(&self, deed: &mut Deed<'_>, progress: &Progress, state: &str) -> Result<()> {
        self.ours(deed.scope.run(&self.noted(progress, state)).await?)
    }

    fn noted(&self, progress: &Progress, state: &str) -> Internal<bool> {
        statement::progress(self.id, self.claim, progress, state, LEASE.as_secs())
    }

    fn ours(&self, still: bool) -> Result<()> {
        if still { Ok(()) } else { Err(Error::Unavailable(1)) }
    }
}

/// What can't be right of a transfer before it starts: told at once.
///
/// # Errors
/// 403 for an import into an entity of the system; 422 for all else.
pub fn check(entity: Option<&Entity>, kind: &str, key: Option<&str>) -> Result<()> {
    let Some(entity) = entity else {
        return Err(Error::Invalid(vec![Fault::new("unknown-entity", "There is no such entity.").at("/attributes/entity")]));
    };
    if kind == "import" && entity.is_system() {
        let words = format!("{} is the system's: it is not imported into.", entity.name);
        return Err(Error::Forbidden(Some(Fault::new("system-entity", words).at("/attributes/entity"))));
    }
    let is_unique = |key: &str| key == "id" || entity.served(key).is_some_and(|c| c.unique == crate::schema::Unique::Everywhere);
    match key {
        Some(key) if kind == "import" && !is_unique(key) => {
            let words = format!("`key` is a column of {} that is unique, or id.", entity.name);
            Err(Error::Invalid(vec![Fault::new("no-key", words).at("/attributes/key")]))
        }
        _ => Ok(()),
    }
}
