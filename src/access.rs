//! The phases: which right is asked of entity and row, before and after, for every operation.
//!
//! In charge of: turning the verdicts that a statement brings into rows or a refusal. The only caller of the store's row
//! functions for requests. It must not know HTTP or JSON.

use std::sync::Arc;

use uuid::Uuid;

use crate::account::Caller;
use crate::error::{Error, Fault, Reason, Result};
use crate::permission::Right;
use crate::plan::aggregate::Totals;
use crate::plan::{Guard, Pick, Plan};
use crate::schema::{Entity, Schema};
use crate::statement::action as statement;
use crate::statement::read::layout::{Branch, ID, Layout, NUMBER};
use crate::statement::read::{self, Found, Part, Shape};
use crate::statement::row::Row;
use crate::statement::who::Known;
use crate::store::Store;
use known::Asking;
pub use known::Source;

pub mod explain;
pub mod history;
mod known;
pub mod view;
pub mod write;

/// Rows that may go out, by branch.
pub struct Answer<'s> {
    /// How to read them.
    pub shape: Arc<Shape>,
    /// The rows of each branch of the layout.
    pub rows: Vec<Vec<Row>>,
    /// Whether there are more in the page's direction.
    pub has_more: bool,
    /// Whom it is for: to which entities links may lead.
    known: Arc<Known>,
    schema: &'s Schema,
}

impl Answer<'_> {
    /// How to read the rows.
    pub fn layout(&self) -> &Layout {
        &self.shape.layout
    }

    /// Whether it is for nobody in particular.
    pub fn is_for_guest(&self) -> bool {
        self.known.user().is_none()
    }

    /// Whether links may lead to an entity.
    pub fn is_open(&self, entity: &Entity) -> bool {
        self.known.may(entity, Right::Read)
    }

    /// The version of the row that was asked for by itself.
    ///
    /// # Errors
    /// 500 where it doesn't decode.
    pub fn version(&self) -> Result<Option<i64>> {
        let Some(Branch::Rows(layout)) = self.layout().branches.first() else { return Ok(None) };
        match (self.rows.first().and_then(|rows| rows.first()), layout.version) {
            (Some(row), Some(version)) => row.get(version),
            _ => Ok(None),
        }
    }

    /// The ids of the rows that were asked for.
    ///
    /// # Errors
    /// 500 where one doesn't decode.
    pub fn ids(&self) -> Result<Vec<Uuid>> {
        self.rows.iter().take(1).flatten().filter_map(|row| row.get(ID).transpose()).collect()
    }

    /// What exists.
    pub fn schema(&self) -> &Schema {
        self.schema
    }
}

/// In which phases a right is asked, of the entity and of the row: peek before, read after what is done.
fn phases(right: Right) -> [&'static str; 2] {
    if right == Right::Read { ["after entity", "after instance"] } else { ["before entity", "before instance"] }
}

/// Who is refused, and with which words.
#[derive(Debug, Clone, Copy)]
struct Refused {
    is_guest: bool,
    sent_token: bool,
}

impl Refused {
    fn refusal(self, reason: Option<Reason>) -> Error {
        Error::refused(self.is_guest, self.is_guest && self.sent_token, reason)
    }

    /// The refusal of an entity.
    fn entity(self, entity: &str, right: Right) -> Error {
        self.refusal(Some(Reason { phase: phases(right)[0], entity: entity.to_owned(), asks: right.word() }))
    }

    /// The refusal of a row.
    fn row(self, phase: &'static str, entity: &str, right: Right) -> Error {
        self.refusal(Some(Reason { phase, entity: entity.to_owned(), asks: right.word() }))
    }
}

impl Known {
    fn refused(&self, caller: Caller) -> Refused {
        Refused { is_guest: self.user().is_none(), sent_token: caller.sent_token }
    }
}

/// What can't be planned, for this caller: told only after the entities' verdict.
fn require_planned(known: &Known, faults: &[Fault], guest_faults: &[Fault]) -> Result<()> {
    let guest_faults = guest_faults.iter().filter(|_| known.user().is_none());
    let faults: Vec<Fault> = faults.iter().chain(guest_faults).cloned().collect();
    if faults.is_empty() { Ok(()) } else { Err(Error::Unreadable(faults)) }
}

/// What the entities of a read say, before any row is looked at.
fn require_entities(known: &Known, caller: Caller, plan: &Plan<'_>) -> Result<()> {
    let refused = known.refused(caller);
    if matches!(plan.pick, Pick::Mine) && refused.is_guest {
        return Err(refused.refusal(None));
    }
    let asked = plan.named.iter().filter(|e| !(plan.is_lifted && e.at == plan.root.entity.at));
    for entity in asked {
        let right = plan.asks(entity);
        if !known.may(entity, right) {
            return Err(refused.entity(&entity.name, right));
        }
    }
    require_planned(known, &plan.faults, &plan.guest_faults)
}

/// Runs a read: entities first, then faults of the query, then the row that is named. One statement, where caller and shape are
/// known; one more where a page's walk came up short.
///
/// # Errors
/// 401, 403, 404 as `permissions.md` §5 has them; 400 with all faults of the plan, after the entities' verdict.
pub async fn read<'s>(source: Source<'_>, schema: &'s Schema, caller: Caller, plan: &Plan<'s>) -> Result<Answer<'s>> {
    let mut asking = Asking::of(source, schema, caller);
    loop {
        let known = asking.known().await?;
        if let Err(error) = require_entities(&known, caller, plan) {
            match asking.proves().await? {
                true => return Err(error),
                false => continue,
            }
        }
        let Some(mut found) = asking.rows(plan, &known, Part::First).await.map_err(|error| fitting(plan, error))? else {
            continue;
        };
        let is_short = |found: &Found| {
            found.rows.first().is_some_and(|rows| i64::try_from(rows.len()).is_ok_and(|n| n <= plan.root.window.size))
        };
        let is_walked = matches!(plan.pick, Pick::Page) && read::is_walked(&plan.root) && !known.is_administrator();
        if is_walked && is_short(&found) {
            match asking.rows(plan, &known, Part::Candidates).await.map_err(|error| fitting(plan, error))? {
                Some(candidates) => found = candidates,
                None => continue,
            }
        }
        return answer(schema, caller, plan, known, found);
    }
}

/// How many rows of a page fit into an answer, where these were too much: as a document they are larger, and what is included
/// comes after them.
fn fitting(plan: &Plan<'_>, error: Error) -> Error {
    match error {
        Error::TooMuch { most, rows } => {
            let size = usize::try_from(plan.root.window.size).unwrap_or(usize::MAX);
            let share = if plan.has_include() { rows.min(size) / 2 } else { rows * 3 / 4 };
            Error::TooMuch { most, rows: if plan.pick.is_collection() { share } else { 0 } }
        }
        other => other,
    }
}

/// What was found of a read, or the refusal of the row that is named.
fn answer<'s>(schema: &'s Schema, caller: Caller, plan: &Plan<'s>, known: Arc<Known>, found: Found) -> Result<Answer<'s>> {
    let refused = known.refused(caller);
    let entity = &plan.root.entity.name;
    let Found { shape, may, target, mut rows } = found;
    match (plan.pick, may) {
        (Pick::Page | Pick::These(_), _) => {}
        (Pick::One(_) | Pick::Mine | Pick::Related { .. }, None) => return Err(Error::NotFound),
        (Pick::One(_) | Pick::Mine, Some(may)) => {
            if !may {
                return Err(refused.row("after instance", entity, Right::Read));
            }
        }
        (Pick::Related { parent, .. }, Some(may)) => {
            if !may {
                return Err(refused.row("after instance", &parent.name, Right::Read));
            }
            if target == Some(false) && plan.root.guard == Guard::READ {
                return Err(refused.row("after instance", entity, Right::Read));
            }
        }
    }
    let is_over = |rows: &Vec<Row>| i64::try_from(rows.len()).is_ok_and(|n| n > plan.most_included);
    if shape.layout.branches.iter().zip(&rows).any(|(branch, rows)| matches!(branch, Branch::Links { .. }) && is_over(rows)) {
        let words = format!("An include brings at most {} rows: include less, or a smaller page.", plan.most_included);
        return Err(Error::Unreadable(vec![Fault::new("too-many", words).parameter("include")]));
    }
    let is_branched = !matches!(shape.layout.branches.as_slice(), [_]);
    let has_more = cut(plan, &mut rows, is_branched)?;
    for (branch, rows) in shape.layout.branches.iter().zip(&mut rows) {
        if let Branch::Links { .. } = branch {
            sort(rows)?;
        }
    }
    Ok(Answer { shape, rows, has_more, known, schema })
}

/// Puts the rows of a branch in order.
fn sort(rows: &mut Vec<Row>) -> Result<()> {
    let numbers = rows.iter().map(|row| Ok(row.get(NUMBER)?.unwrap_or(0))).collect::<Result<Vec<i64>>>()?;
    let mut numbered: Vec<(i64, Row)> = numbers.into_iter().zip(std::mem::take(rows)).collect();
    numbered.sort_by_key(|(number, _)| *number);
    rows.extend(numbered.into_iter().map(|(_, row)| row));
    Ok(())
}

/// Puts the page in order and takes off the row that only told that there is more.
fn cut(plan: &Plan<'_>, rows: &mut [Vec<Row>], is_branched: bool) -> Result<bool> {
    let Some(page) = rows.first_mut() else { return Ok(false) };
    if is_branched {
        sort(page)?;
    }
    let size = usize::try_from(plan.root.window.size).unwrap_or(usize::MAX);
    let has_more = page.len() > size;
    page.truncate(size);
    if plan.root.window.before.is_some() {
        page.reverse();
    }
    Ok(has_more)
}

/// The groups of an aggregate.
pub struct Groups {
    /// How to read them.
    pub shape: Arc<Shape>,
    /// One row a group.
    pub rows: Vec<Row>,
    /// Whether there are more.
    pub has_more: bool,
}

/// Runs an aggregate over what the caller may read.
///
/// # Errors
/// 401, 403 where an entity refuses; 400 with all faults of the plan, after that.
pub async fn totals<'s>(source: Source<'_>, schema: &'s Schema, caller: Caller, plan: &Totals<'s>) -> Result<Groups> {
    let mut asking = Asking::of(source, schema, caller);
    loop {
        let known = asking.known().await?;
        let refused = plan.named.iter().find(|entity| !known.may(entity, Right::Read));
        let verdict = match refused {
            Some(entity) => Err(known.refused(caller).entity(&entity.name, Right::Read)),
            None => require_planned(&known, &plan.faults, &plan.guest_faults),
        };
        if let Err(error) = verdict {
            match asking.proves().await? {
                true => return Err(error),
                false => continue,
            }
        }
        let Some(Found { shape, mut rows, .. }) = asking.groups(plan, &known).await? else { continue };
        let mut rows = rows.pop().unwrap_or_default();
        let has_more = i64::try_from(rows.len()).is_ok_and(|n| n > plan.size);
        rows.truncate(usize::try_from(plan.size).unwrap_or(usize::MAX));
        return Ok(Groups { shape, rows, has_more });
    }
}

/// An action that is to be run, as far as it is asked.
#[derive(Debug, Clone, Copy)]
pub struct Execution<'a> {
    /// The action's entity.
    pub entity: &'a Entity,
    /// Its name.
    pub action: &'a str,
    /// The row that it is run on.
    pub subject: Option<Uuid>,
    /// Whether peek is enough of the subject, for the action declares execute.
    pub is_lifted: bool,
}

/// Asks what stands before an action: execute on its entity and its own row, and on the subject. Gives the caller's id.
///
/// # Errors
/// 401 and 403 (names of actions are no secret), then 404, 401 and 403 for the subject.
pub async fn may_execute(source: Source<'_>, schema: &Schema, execution: Execution<'_>, caller: Caller) -> Result<Option<Uuid>> {
    let Execution { entity, action, subject, is_lifted } = execution;
    let mut asking = Asking::of(source, schema, caller);
    loop {
        let known = asking.known().await?;
        let refused = known.refused(caller);
        let verdict = match (known.may(entity, Right::Execute), known.may_run(&entity.name, action)) {
            (false, _) => Err(refused.entity(&entity.name, Right::Execute)),
            (true, false) => Err(refused.entity(&format!("action {action}"), Right::Execute)),
            (true, true) => Ok(known.user()),
        };
        let (Ok(_), Some(subject)) = (&verdict, subject) else {
            match asking.proves().await? {
                true => return verdict,
                false => continue,
            }
        };
        let lock = statement::lock_subject(entity, subject, &known);
        let Some(row) = asking.ask_locked(&lock, &statement::may_execute(entity, subject, &known)).await? else { continue };
        return match row {
            None => Err(Error::NotFound),
            Some(false) if !is_lifted => Err(refused.row("before instance", &entity.name, Right::Execute)),
            Some(_) => verdict,
        };
    }
}

/// Asks an entity, where nothing else of the request can be asked.
///
/// # Errors
/// 401 for guests, 403 for others.
pub async fn require_entity(source: Source<'_>, schema: &Schema, caller: Caller, entity: &Entity, right: Right) -> Result<()> {
    Asking::of(source, schema, caller)
        .verdict(|known| match known.may(entity, right) {
            true => Ok(()),
            false => Err(known.refused(caller).entity(&entity.name, right)),
        })
        .await
}

/// Whether PostgreSQL answers, and what we serve is part of the schema that was applied last.
pub async fn is_ready(store: &Store, schema: &Schema) -> bool {
    known::is_served(store, schema).await.is_ok()
}

/// Lets administrators through.
///
/// # Errors
/// 401 for guests, 403 for others.
pub async fn require_administrator(source: Source<'_>, schema: &Schema, caller: Caller) -> Result<()> {
    Asking::of(source, schema, caller)
        .verdict(|known| if known.is_administrator() { Ok(()) } else { Err(known.refused(caller).refusal(None)) })
        .await
}
