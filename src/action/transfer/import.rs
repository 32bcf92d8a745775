//! Imports: rows of a file become rows of an entity, created or, by a unique column, updated.
//!
//! In charge of: all or nothing, or each on its own. What its columns may be is in [`field`], what a row says in [`line`], what its
//! cells mean in [`cell`] and [`locale`], which rows there are already in [`rows`], and what is told of those that can't be in
//! [`tally`].

pub mod cell;
pub mod field;
pub mod line;
pub mod locale;
mod rows;
mod tally;

use std::collections::HashSet;

use serde_json::Value as Json;
use uuid::Uuid;

use super::table::parts::{self, Rows};
use super::table::{Format, Line};
use super::{Mode, Transfer};
use crate::access::write::Deed;
use crate::access::write::many::{Pace, Step};
use crate::action::event::settle;
use crate::error::{Error, Fault, Result, short};
use crate::permission::Right;
use crate::plan::change::{Change, FAULTS};
use crate::request::body::step;
use crate::request::precondition::Expected;
use crate::statement::action as statement;
use crate::statement::event::Origin;
use crate::statement::transfer::{self as keyed, Progress};
use field::Field;
use line::{Drawn, Links, Part, draw};
use rows::{Keyed, apart, known, made, resolve};
use tally::Tally;
pub use tally::told;

/// Imports a file.
///
/// # Errors
/// What concerns the whole: the entity's refusal, a file that can't be read, 503.
pub async fn run(transfer: &Transfer<'_>) -> Result<Progress> {
    // Before anything of the file is read; whoever began it might do it then.
    let mut deed = begin(transfer).await?;
    deed.require_entity(transfer.entity, Right::Create).await?;
    require_mover(transfer, &mut deed).await?;
    if let Some(user) = deed.user(transfer.entity).await? {
        _ = transfer.user.set(user); // said once
    }
    drop(deed);
    if transfer.mode == Mode::Each {
        let mut tally = resumed(transfer).await?;
        each(transfer, &mut tally).await?;
        return Ok(tally.whole());
    }
    // What is wrong with the rows by themselves is found out first, all of it.
    transfer.means.store.read(&keyed::clear(transfer.id, true)).await?; // what a node before us found
    let mut tally = Tally::default();
    check(transfer, &mut tally).await?;
    if tally.counts.failed > 0 {
        tally.counts.done = 0;
        return Ok(tally.whole());
    }
    // Then all together; where a batch fails, once more up to there, and it one by one, so that the row is known.
    let mut single = None;
    loop {
        match all(transfer, single).await? {
            Ok(tally) => return Ok(tally.whole()),
            Err(Failed { batch: Some(batch), .. }) if single.is_none() => single = Some(batch),
            Err(failed) => return Ok(failed.tally.whole()),
        }
    }
}

/// How far a node came that left it: what is done stands with the rows themselves.
async fn resumed(transfer: &Transfer<'_>) -> Result<Tally> {
    let entity = transfer.means.schema.system("transfer");
    let own = statement::row_values(entity, &[transfer.id], transfer.means.config.limits.action);
    let known = transfer.means.store.read(&own).await?.pop().flatten().unwrap_or_default();
    Ok(Tally::of(&known, transfer.done, transfer.has_faulty))
}

async fn begin<'a>(transfer: &Transfer<'a>) -> Result<Deed<'a>> {
    let action = if transfer.mode == Mode::MoveIn { "world/import_data (move_in)" } else { "world/import_data" };
    let origin = Origin { action, ..transfer.call.origin() };
    Deed::begin(transfer.means.store, transfer.means.planner(), transfer.call.caller, &origin).await
}

/// What only administrators bring along, only administrators do.
async fn require_mover(transfer: &Transfer<'_>, deed: &mut Deed<'_>) -> Result<()> {
    match transfer.mode {
        Mode::MoveIn => deed.require_administrator(transfer.entity).await,
        Mode::All | Mode::Each => Ok(()),
    }
}

fn read(transfer: &Transfer<'_>) -> Rows {
    parts::read(transfer.means.store, transfer.id, &transfer.import.layout)
}

/// What is wrong with the columns' names: those that mean nothing, and those that were to be there.
fn misnamed(transfer: &Transfer<'_>) -> Vec<Fault> {
    let Some(names) = transfer.found.get().and_then(|found| found.names.as_ref()) else { return vec![] };
    let header = Line::named(names);
    let fields: Vec<_> = line::fields(transfer, &header).map(|(file, name, field, _)| (file, name, field)).collect();
    let at = |file: &str| format!("/data/attributes{}", step(file));
    let mut faults: Vec<Fault> = fields
        .iter()
        .filter(|(.., field)| matches!(field, Field::Unknown))
        .map(|(file, name, _)| line::unknown(transfer, file, name))
        .take(FAULTS)
        .collect();
    faults.extend(missing(transfer, |file| names.iter().any(|name| name == file)));
    let base = |name: &str| name.split('.').next().unwrap_or_default().to_owned();
    let mut met = HashSet::new();
    for (file, name, _) in fields.iter().filter(|(.., field)| !matches!(field, Field::Nothing | Field::Unknown)) {
        if !met.insert(base(name)) {
            faults.push(Fault::new("twice", format!("`{}` has two values in each row.", short(&base(name)))).at(at(file)));
        }
    }
    if let Some(key) = transfer.key.as_deref().filter(|key| !fields.iter().any(|(_, name, _)| name == key)) {
        faults.push(Fault::new("no-column", format!("`key` is `{key}`, and the file has no such column.")).at(at(key)));
    }
    faults
}

/// Columns that were said to be something, and that the file doesn't have.
fn missing(transfer: &Transfer<'_>, is_there: impl Fn(&str) -> bool) -> Vec<Fault> {
    let mapped = transfer.import.mapped.iter().filter(|(file, _)| !is_there(file));
    let fault = |(file, _): &(String, Option<String>)| {
        let words = format!("The file has no column `{}`.", short(file));
        Fault::new("no-column", words).at(format!("/data/attributes{}", step(file)))
    };
    mapped.map(fault).collect()
}

/// Whether a line may be a new row, or is to be one that is there.
fn part(transfer: &Transfer<'_>) -> Part {
    if transfer.key.is_none() { Part::Create } else { Part::Update }
}

/// Looks at all rows as far as that needs nothing of the database but what they are linked to.
async fn check(transfer: &Transfer<'_>, tally: &mut Tally) -> Result<()> {
    let mut rows = read(transfer);
    let (mut is_asked, mut met) = (false, HashSet::new());
    while let Some(batch) = rows.next().await {
        transfer.tell_found(rows.found()).await?;
        let lines = batch?;
        let mut deed = begin(transfer).await?;
        if let Some(line) = lines.first().filter(|_| !is_asked) {
            // Whoever may not so much as use the entities is told nothing of the form.
            let first = draw(transfer, line, made(transfer, line), part(transfer), &Links::default());
            deed.require_entities(&first.change).await?;
            is_asked = true;
            tally.fail_names(transfer, &misnamed(transfer));
        }
        let links = resolve(transfer, &mut deed, &lines).await?;
        drop(deed);
        for line in &lines {
            met.extend(transfer.import.mapped.iter().map(|(file, _)| file.as_str()).filter(|file| line.has(file)));
            let id = if transfer.key.is_none() { made(transfer, line) } else { Uuid::nil() };
            let mut change = draw(transfer, line, id, part(transfer), &links).change;
            change.clean("/data/attributes");
            if let Some(faults) = wrong(&change) {
                tally.fail(transfer, Some(line), &faults)?;
            }
            tally.counts.done += 1;
            tokio::task::yield_now().await; // a row may have a thousand columns
        }
        let counts = tally.counts;
        transfer.note(&tally.news(counts), "running").await?;
    }
    transfer.tell_found(rows.found()).await?;
    if transfer.format == Format::Json {
        tally.fail_names(transfer, &missing(transfer, |file| met.contains(file)));
    }
    if !is_asked {
        tally.fail_names(transfer, &misnamed(transfer)); // there are no rows, but names
    }
    Ok(())
}

fn wrong(change: &Change<'_>) -> Option<Vec<Fault>> {
    let faults: Vec<Fault> = change.faults.iter().chain(&change.forbidden).cloned().collect();
    (!faults.is_empty()).then_some(faults)
}

/// Which lines of a file, a bit for each.
#[derive(Default)]
struct Lines {
    bits: Vec<u64>,
}

impl Lines {
    fn place(number: i64) -> (usize, u64) {
        let number = usize::try_from(number).unwrap_or(0);
        (number / 64, 1 << (number % 64))
    }

    fn insert(&mut self, number: i64) {
        let (at, bit) = Lines::place(number);
        if self.bits.len() <= at {
            self.bits.resize(at + 1, 0);
        }
        self.bits[at] |= bit;
    }

    fn has(&self, number: i64) -> bool {
        let (at, bit) = Lines::place(number);
        self.bits.get(at).is_some_and(|bits| bits & bit != 0)
    }
}

/// A file that failed as a whole.
struct Failed {
    /// The batch that failed; none: it was a listener that refused in the end, or a link.
    batch: Option<usize>,
    tally: Box<Tally>,
}

impl Failed {
    /// What is told of a row that failed.
    ///
    /// # Errors
    /// What is no fault of the row.
    fn of(transfer: &Transfer<'_>, batch: Option<usize>, line: Option<&Line>, error: Error) -> Result<Failed> {
        if error.status() >= 500 {
            return Err(error);
        }
        let mut tally = Box::<Tally>::default();
        tally.fail(transfer, line, &error.faults())?;
        Ok(Failed { batch, tally })
    }
}

/// All rows in one transaction. `single`: the batch whose rows go one by one.
async fn all(transfer: &Transfer<'_>, single: Option<usize>) -> Result<Result<Tally, Failed>> {
    let mut rows = read(transfer);
    let (mut deed, mut tally, mut number) = (begin(transfer).await?, Tally::default(), 0);
    require_mover(transfer, &mut deed).await?;
    let (mut deferred, mut created) = (Lines::default(), Lines::default());
    while let Some(batch) = rows.next().await {
        for lines in apart(transfer, batch?).await? {
            let steps = steps(transfer, &mut deed, &lines).await?;
            for ((line, _), (step, is_deferred)) in lines.iter().zip(&steps) {
                if *is_deferred {
                    deferred.insert(line.number);
                }
                if *is_deferred && matches!(step, Step::Create(_)) {
                    created.insert(line.number);
                }
            }
            let steps: Vec<Step<'_>> = steps.into_iter().map(|(step, _)| step).collect();
            let pace = if single == Some(number) { Pace::Single } else { Pace::Batches };
            if let Err((at, error)) = deed.all(&steps, pace).await {
                return Failed::of(transfer, Some(number), Some(&lines[at].0), error).map(Err);
            }
            tally.counts.add(&steps);
            number += 1;
        }
        // How far it is, is no part of the whole: it is told while it isn't certain yet.
        let counts = tally.counts;
        transfer.tell(&tally.news(counts)).await?;
    }
    if !deferred.bits.is_empty()
        && let Err(failed) = later(transfer, &mut deed, (&deferred, &created), tally.counts).await?
    {
        return Ok(Err(failed));
    }
    // Also once it was done: whoever is none any more moves nothing in.
    require_mover(transfer, &mut deed).await?;
    let done = match settle(transfer.means, transfer.call, deed, Json::Null).await {
        Ok(mut settled) => {
            // With the rows themselves: whoever dies after this leaves nothing to be done again.
            transfer.note_in(settled.deed(), &tally.news(tally.counts), "done").await?;
            settled.complete().await
        }
        Err(error) => Err(error),
    };
    match done {
        Ok(()) => {
            transfer.means.wake(true, true);
            Ok(Ok(tally))
        }
        Err(error) => Failed::of(transfer, None, None, error).map(Err),
    }
}

/// Links of rows to others of the same file, which weren't there when they were made. What the import made itself, it may link.
async fn later<'a>(
    transfer: &Transfer<'a>,
    deed: &mut Deed<'a>,
    (deferred, created): (&Lines, &Lines),
    counts: tally::Counts,
) -> Result<Result<(), Failed>> {
    let mut rows = read(transfer);
    while let Some(batch) = rows.next().await {
        transfer.tell(&tally::progress(counts)).await?; // it is still being done
        let lines: Vec<Line> = batch?.into_iter().filter(|line| deferred.has(line.number)).collect();
        for lines in apart(transfer, lines).await? {
            let known = known(transfer, deed, &lines).await?;
            let links = resolve(transfer, deed, lines.iter().map(|(line, _)| line)).await?;
            for (at, (line, _)) in lines.iter().enumerate() {
                let id = known.get(&at).copied().unwrap_or_else(|| made(transfer, line));
                let Drawn { change, .. } = draw(transfer, line, id, Part::Links, &links);
                if created.has(line.number) {
                    deed.lifted.entities = vec![(transfer.entity.name.clone(), vec![Right::Read, Right::Update])];
                    deed.lifted.rows = vec![(id, vec![Right::Read, Right::Update])];
                }
                let done = match wrong(&change) {
                    Some(faults) => Err(Error::Invalid(faults)),
                    None if change.links.is_empty() => Ok(()),
                    None => deed.update(change, &Expected::Any).await,
                };
                deed.lifted = Default::default();
                if let Err(error) = done {
                    return Failed::of(transfer, None, Some(line), error).map(Err);
                }
            }
        }
    }
    Ok(Ok(()))
}

/// Rows in transactions of their own: a batch together, and where that fails one by one.
async fn each(transfer: &Transfer<'_>, tally: &mut Tally) -> Result<()> {
    let mut is_asked = false;
    let mut rows = read(transfer);
    while let Some(batch) = rows.next().await {
        transfer.tell_found(rows.found()).await?;
        let mut lines = match batch {
            Ok(lines) => lines,
            Err(error) if error.status() >= 500 => return Err(error),
            Err(error) => {
                // What stands before it is done, and stays; what comes after it nobody knows.
                tally.is_broken = true;
                return tally.fail(transfer, None, &error.faults());
            }
        };
        lines.retain(|line| line.number > tally.counts.done); // a node before us did the others
        if !std::mem::replace(&mut is_asked, true) {
            let faults = misnamed(transfer);
            if !faults.is_empty() {
                tally.is_broken = true;
                tally.fail_names(transfer, &faults);
                return Ok(());
            }
        }
        for lines in apart(transfer, lines).await? {
            if some(transfer, &lines, tally).await?.is_ok() {
                continue;
            }
            for line in lines {
                let line = [line];
                if let Err(error) = some(transfer, &line, tally).await? {
                    tally.fail(transfer, Some(&line[0].0), &error.faults())?;
                    tally.counts.done = line[0].0.number;
                    // With its words: the next row's transaction notes how many there are.
                    let counts = tally.counts;
                    transfer.note(&tally.news(counts), "running").await?;
                }
            }
        }
        if tally.has_news() {
            let counts = tally.counts;
            transfer.note(&tally.news(counts), "running").await?;
        }
    }
    transfer.tell_found(rows.found()).await?;
    let faults = if is_asked { vec![] } else { misnamed(transfer) };
    tally.is_broken |= !faults.is_empty();
    tally.fail_names(transfer, &faults);
    Ok(())
}

/// Some rows in one transaction, together with the note that they are done.
async fn some(transfer: &Transfer<'_>, lines: &[Keyed], tally: &mut Tally) -> Result<Result<(), Error>> {
    let done = async {
        let mut deed = begin(transfer).await?;
        let steps: Vec<Step<'_>> = steps(transfer, &mut deed, lines).await?.into_iter().map(|(step, _)| step).collect();
        let pace = if lines.len() == 1 { Pace::Single } else { Pace::Batches };
        deed.all(&steps, pace).await.map_err(|(_, error)| error)?;
        let mut counts = tally.counts;
        counts.add(&steps);
        counts.done = lines.last().map_or(counts.done, |(line, _)| line.number);
        let mut settled = settle(transfer.means, transfer.call, deed, Json::Null).await?;
        transfer.note_in(settled.deed(), &tally::progress(counts), "running").await?;
        settled.complete().await?;
        Ok(counts)
    };
    match done.await {
        Ok(counts) => {
            tally.counts = counts;
            transfer.means.wake(true, true);
            Ok(Ok(()))
        }
        // Whose session is over does nothing more: each row would say so.
        Err(error @ (Error::Internal(_) | Error::Unavailable(_) | Error::Again | Error::Over(_))) => Err(error),
        Err(error) => Ok(Err(error)),
    }
}

/// What is to be done with some rows, and whether links of them come later: those that are there already by the key are updated.
async fn steps<'a>(transfer: &Transfer<'a>, deed: &mut Deed<'a>, lines: &[Keyed]) -> Result<Vec<(Step<'a>, bool)>> {
    let known = known(transfer, deed, lines).await?;
    let links = resolve(transfer, deed, lines.iter().map(|(line, _)| line)).await?;
    let steps: Vec<(Step<'a>, bool)> = lines
        .iter()
        .enumerate()
        .map(|(at, (line, _))| match known.get(&at) {
            Some(id) => {
                let Drawn { change, is_deferred } = draw(transfer, line, *id, Part::Update, &links);
                (Step::Update(change, Expected::Any), is_deferred)
            }
            None => {
                let Drawn { change, is_deferred } = draw(transfer, line, made(transfer, line), Part::Create, &links);
                (Step::Create(change), is_deferred)
            }
        })
        .collect();
    let changes = || {
        steps.iter().filter_map(|(step, _)| match step {
            Step::Create(change) | Step::Update(change, _) => Some(change),
            Step::Delete(..) | Step::Link { .. } | Step::Nothing(_) => None,
        })
    };
    let owners: Vec<Uuid> = changes().filter_map(|change| change.owner.flatten()).collect();
    let groups: Vec<Uuid> = changes().flat_map(|change| change.groups.iter().flatten().map(|(id, _)| *id)).collect();
    if !owners.is_empty() || !groups.is_empty() {
        deed.scope.run(&keyed::keep_gone(&owners, &groups)).await?;
    }
    Ok(steps)
}
