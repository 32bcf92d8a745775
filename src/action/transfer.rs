//! Imports and exports: files of rows, read in and written out as whoever asked for it, by any node, step by step.
//!
//! In charge of: one transfer from its task to its end. Rows go through the same plans, phases and verdicts as those of `/api`:
//! reading files is [`table`], what becomes of their rows [`import`], writing [`export`]; what may be said of both, [`options`].

pub mod export;
pub mod import;
pub mod options;
pub mod table;

use std::sync::OnceLock;
use std::time::Duration;

use serde_json::Value as Json;
use uuid::Uuid;

use super::call::Call;
use super::run::Means;
use table::{Format, Found};

use crate::access::write::Deed;
use crate::error::{Error, Fault, Result, short};
use crate::schema::{Entity, Schema};
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

/// What becomes of the rows of a file together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// All or nothing.
    All,
    /// Each on its own.
    Each,
    /// All or nothing, with what only an administrator brings along from elsewhere: owners, states, when rows were made.
    MoveIn,
}

impl Mode {
    fn of(name: Option<&str>) -> Mode {
        match name {
            Some("each") => Mode::Each,
            Some("move_in") => Mode::MoveIn,
            _ => Mode::All,
        }
    }
}

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
    /// What becomes of them together.
    pub mode: Mode,
    /// The column by which rows that are there already are known.
    pub key: Option<String>,
    /// How far it was when another node left it.
    pub done: i64,
    /// How a file is read.
    pub import: options::Import<'a>,
    /// How it was read.
    pub found: OnceLock<Found>,
    /// Whether rows are kept already that came to nothing.
    pub has_faulty: bool,
    /// Whose rows new ones are by themselves.
    pub user: OnceLock<Uuid>,
}

/// Does a transfer. What is wrong with it stands in its row; an error is what a later try may mend.
///
/// # Errors
/// 503 and defects.
pub async fn run(means: &Means<'_>, call: &Call, claim: Claim, id: Uuid) -> Result<()> {
    let found = means.store.read(&statement::find(id)).await?;
    let Some(row) = found.filter(|row| row.state == "running") else { return Ok(()) }; // deleted, stopped, or done
    let entity = means.schema.entity(&row.entity).ok_or_else(|| Error::internal("a transfer of nothing"))?;
    let mode = Mode::of(row.mode.as_deref());
    let format = Format::of(row.format.as_deref().unwrap_or_default(), row.is_verbatim);
    let is_import = row.kind == "import";
    let said = if is_import { &row.options } else { &Json::Null };
    let import = match options::import(said, format, means.schema, entity) {
        Ok(import) => import,
        Err(faults) => return Err(Error::internal(format!("options that were checked: {faults:?}"))),
    };
    let found = OnceLock::new();
    let transfer = Transfer {
        means,
        call,
        id,
        claim,
        entity,
        format,
        mode,
        key: row.key.clone(),
        done: row.done,
        import,
        found,
        has_faulty: row.has_faulty,
        user: OnceLock::new(),
    };
    let ended = if is_import { import::run(&transfer).await } else { export::run(&transfer, &row).await };
    match ended {
        Ok(progress) => {
            let has_failed = progress.is_broken || progress.failed > 0 && mode != Mode::Each;
            let state = if has_failed { "failed" } else { "done" };
            transfer.note(&progress, state).await?;
        }
        Err(error @ (Error::Unavailable(_) | Error::Again)) => return Err(error),
        Err(error) => {
            if let Error::Internal(cause) = &error {
                tracing::error!(%id, ?cause, "a transfer failed");
            }
            let faults = error.faults();
            if mode == Mode::Each {
                // What is done is done, and stays counted.
                let words: Vec<_> = faults.into_iter().map(|fault| fault.detail).collect();
                means.store.read(&statement::fail_claimed(id, claim, &words.join(" "))).await?;
            } else {
                let faults: Vec<_> = faults.iter().map(|fault| import::told(0, "", fault)).collect();
                let progress = Progress { failed: 1, faults: Some(serde_json::json!(faults).to_string()), ..Progress::default() };
                transfer.note(&progress, "failed").await?;
            }
        }
    }
    if is_import {
        means.store.read(&statement::clear(id, false)).await?; // what was read in is not needed any more
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

    /// Puts a part of its file in.
    ///
    /// # Errors
    /// 503 where somebody stopped it, or another node has it.
    pub async fn put(&self, number: i64, bytes: &[u8]) -> Result<()> {
        self.ours(self.means.store.read(&statement::put_claimed(self.id, self.claim, number, bytes)).await?)
    }

    /// Tells how far it is, where that can be told now.
    ///
    /// # Errors
    /// 503 where somebody stopped it, or another node has it.
    pub async fn tell(&self, progress: &Progress) -> Result<()> {
        self.means.store.read(&self.noted(progress, "running")).await.map_or(Ok(()), |still| self.ours(still))
    }

    /// Notes in the rows' own transaction how far it is: another node that has it since keeps it from lasting, and so does who
    /// stopped it.
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

    /// Tells how the file is read, once that is known.
    ///
    /// # Errors
    /// 503.
    pub async fn tell_found(&self, found: Option<&Found>) -> Result<()> {
        let Some(found) = found.filter(|_| self.found.get().is_none()) else { return Ok(()) };
        self.means.store.read(&statement::found(self.id, &found.told())).await?;
        _ = self.found.set(found.clone()); // said once
        Ok(())
    }

    /// A sentence about the sheets beside the one that was read.
    pub fn other_sheets(&self) -> String {
        let others = self.found.get().map(|found| found.others.as_slice()).unwrap_or_default();
        let named: Vec<_> = others.iter().map(|name| format!("`{}`", short(name))).collect();
        if named.is_empty() { String::new() } else { format!(" There are other sheets, too: {}.", named.join(", ")) }
    }
}

/// What can't be right of a transfer before it starts: told at once.
///
/// # Errors
/// 403 for an import into an entity of the system; 422 for all else.
pub fn check(schema: &Schema, row: &statement::Transfer) -> Result<()> {
    let unknown = |at: &str| Error::Invalid(vec![Fault::new("unknown-entity", "There is no such entity.").at(at)]);
    let entity = schema.entity(&row.entity).ok_or_else(|| unknown("/attributes/entity"))?;
    if row.kind != "import" {
        let export = options::export(&row.options).map_err(Error::Invalid)?;
        for name in &export.columns {
            export::path(schema, entity, name).map_err(|fault| Error::Invalid(vec![fault]))?;
        }
        let is_known = |name: &String| schema.entity(name).is_some();
        return if export.entities.iter().all(is_known) { Ok(()) } else { Err(unknown("/attributes/entities")) };
    }
    if entity.is_system() {
        let words = format!("{} is the system's: it is not imported into.", entity.name);
        return Err(Error::Forbidden(Some(Fault::new("system-entity", words).at("/attributes/entity"))));
    }
    let is_unique = |key: &str| key == "id" || entity.served(key).is_some_and(|c| c.unique == crate::schema::Unique::Everywhere);
    if row.key.as_deref().is_some_and(|key| !is_unique(key)) {
        let words = format!("`key` is a column of {} that is unique, or id.", entity.name);
        return Err(Error::Invalid(vec![Fault::new("no-key", words).at("/attributes/key")]));
    }
    let format = Format::of(row.format.as_deref().unwrap_or_default(), row.is_verbatim);
    options::import(&row.options, format, schema, entity).map(|_| ()).map_err(Error::Invalid)
}
