//! Imports: rows of a file become rows of an entity, created or, by a unique column, updated.
//!
//! In charge of: all or nothing, or each on its own; and what is told of each row that can't be. What a row says is in [`line`].

pub mod line;

use std::collections::{HashMap, HashSet};

use serde_json::{Value as Json, json};
use uuid::Uuid;

use super::Transfer;
use super::table::{Cell, Line, parts};
use crate::access::write::Deed;
use crate::access::write::many::{Pace, Step};
use crate::action::event::settle;
use crate::error::{Error, Fault, Result, Source};
use crate::permission::Right;
use crate::plan::Planner;
use crate::plan::change::Change;
use crate::request::body::uuid;
use crate::request::precondition::Expected;
use crate::schema::kind::{Bounds, Kind};
use crate::statement::action as statement;
use crate::statement::event::Origin;
use crate::statement::kept;
use crate::statement::transfer::{self as keyed, Progress};

/// Most faults that are kept.
const FAULTS: usize = 1000;

/// How many rows came to what.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    done: i64,
    created: i64,
    updated: i64,
    failed: i64,
}

/// What became of a file.
#[derive(Default)]
struct Tally {
    counts: Counts,
    faults: Vec<Json>,
    /// How many of the faults were noted: where there are no others, all of them aren't written once more.
    noted: usize,
    is_broken: bool,
}

impl Tally {
    /// All of it.
    fn whole(&self) -> Progress {
        Progress { faults: Some(json!(self.faults).to_string()), is_broken: self.is_broken, ..progress(self.counts) }
    }

    /// What is new with these counts.
    fn news(&self, counts: Counts) -> Progress {
        let is_new = self.faults.len() > self.noted;
        Progress { faults: is_new.then(|| json!(self.faults).to_string()), ..progress(counts) }
    }

    fn fail(&mut self, number: i64, faults: &[Fault]) {
        self.counts.failed += 1;
        let room = FAULTS.saturating_sub(self.faults.len());
        self.faults.extend(faults.iter().take(room).map(|fault| told(number, fault)));
    }
}

fn progress(counts: Counts) -> Progress {
    let Counts { done, created, updated, failed } = counts;
    Progress { done, created, updated, failed, ..Progress::default() }
}

/// A fault, as the transfer's row has it.
pub fn told(number: i64, fault: &Fault) -> Json {
    let field = match &fault.source {
        Source::Pointer(pointer) => pointer.rsplit('/').next().unwrap_or_default().to_owned(),
        _ => String::new(),
    };
    json!({"row": number, "field": kept(&field), "code": fault.code, "message": kept(&fault.detail)})
}

/// Imports a file.
///
/// # Errors
/// What concerns the whole: the entity's refusal, a file that can't be read, 503.
pub async fn run(transfer: &Transfer<'_>) -> Result<Progress> {
    // Before anything of the file is read; whoever began it might do it then.
    begin(transfer).await?.require_entity(transfer.entity, Right::Create).await?;
    let mut tally = if transfer.is_each { resumed(transfer).await? } else { Tally::default() };
    if transfer.is_each {
        each(transfer, &mut tally).await?;
        return Ok(tally.whole());
    }
    // What is wrong with the rows by themselves is found out first, all of it.
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
            Err((Some(batch), _)) if single.is_none() => single = Some(batch),
            Err((_, tally)) => return Ok(tally.whole()),
        }
    }
}

/// How far a node came that left it: what is done stands with the rows themselves.
async fn resumed(transfer: &Transfer<'_>) -> Result<Tally> {
    let mut tally = Tally { counts: Counts { done: transfer.done, ..Counts::default() }, ..Tally::default() };
    if transfer.done > 0 {
        let own =
            statement::row_values(transfer.means.schema.system("transfer"), &[transfer.id], transfer.means.config.limits.action);
        let known = transfer.means.store.read(&own).await?.pop().flatten().unwrap_or_default();
        let count = |name: &str| known[name].as_i64().unwrap_or(0);
        let [created, updated, failed] = ["created", "updated", "failed"].map(count);
        tally.counts = Counts { done: transfer.done, created, updated, failed };
        tally.faults = known["faults"].as_array().cloned().unwrap_or_default();
        tally.noted = tally.faults.len();
    }
    Ok(tally)
}

fn planner<'a>(transfer: &Transfer<'a>) -> Planner<'a> {
    let means = transfer.means;
    Planner { schema: means.schema, limits: &means.config.limits, page: &means.config.page }
}

async fn begin<'a>(transfer: &Transfer<'a>) -> Result<Deed<'a>> {
    let origin = Origin { action: "world/import_data", ..transfer.call.origin() };
    Deed::begin(transfer.means.store, planner(transfer), transfer.call.caller, &origin).await
}

async fn check(transfer: &Transfer<'_>, tally: &mut Tally) -> Result<()> {
    let mut rows = parts::read(transfer.means.store, transfer.id, transfer.format);
    let mut is_asked = false;
    while let Some(batch) = rows.recv().await {
        for line in batch? {
            let mut change = line::change(transfer, &line, Uuid::nil(), transfer.key.is_none());
            if !is_asked {
                // Whoever may not so much as use the entities is told nothing of the form.
                begin(transfer).await?.require_entities(&change).await?;
                is_asked = true;
                let unknown = line::unknown(transfer, &line);
                if !unknown.is_empty() {
                    tally.fail(line.number, &unknown);
                    return Ok(());
                }
            }
            change.clean("/data/attributes");
            if let Some(faults) = wrong(&change) {
                tally.fail(line.number, &faults);
            }
            tally.counts.done += 1;
            tokio::task::yield_now().await; // a row may have a thousand columns
        }
        transfer.note(&tally.news(tally.counts), "running").await?;
        tally.noted = tally.faults.len();
    }
    Ok(())
}

fn wrong(change: &Change<'_>) -> Option<Vec<Fault>> {
    let faults: Vec<Fault> = change.faults.iter().chain(&change.forbidden).cloned().collect();
    (!faults.is_empty()).then_some(faults)
}

/// All rows in one transaction. `single`: the batch whose rows go one by one. Where it fails: which batch, unless it was a
/// listener that refused in the end, and the tally.
async fn all(transfer: &Transfer<'_>, single: Option<usize>) -> Result<Result<Tally, (Option<usize>, Tally)>> {
    let mut rows = parts::read(transfer.means.store, transfer.id, transfer.format);
    let (mut deed, mut tally, mut number) = (begin(transfer).await?, Tally::default(), 0);
    while let Some(batch) = rows.recv().await {
        for lines in apart(transfer, batch?).await? {
            let steps = steps(transfer, &mut deed, &lines).await?;
            let pace = if single == Some(number) { Pace::Single } else { Pace::Batches };
            if let Err((at, error)) = deed.all(&steps, pace).await {
                if error.status() >= 500 {
                    return Err(error);
                }
                let mut failed = Tally::default();
                failed.fail(lines[at].0.number, &error.faults());
                return Ok(Err((Some(number), failed)));
            }
            count(&mut tally.counts, &steps);
            number += 1;
        }
        // How far it is, is no part of the whole: it is told while it isn't certain yet.
        _ = transfer.note(&tally.news(tally.counts), "running").await;
    }
    let done = match settle(transfer.means, transfer.call, deed, Json::Null).await {
        Ok(mut settled) => {
            // With the rows themselves: whoever dies after this leaves nothing to be done again.
            transfer.note_in(settled.deed(), &tally.whole(), "done").await?;
            settled.complete().await
        }
        Err(error) => Err(error),
    };
    match done {
        Ok(()) => {
            transfer.means.wake(true, true);
            Ok(Ok(tally))
        }
        Err(error) if error.status() < 500 => {
            let mut failed = Tally::default();
            failed.fail(0, &error.faults());
            Ok(Err((None, failed)))
        }
        Err(error) => Err(error),
    }
}

/// Rows in transactions of their own: a batch together, and where that fails one by one.
async fn each(transfer: &Transfer<'_>, tally: &mut Tally) -> Result<()> {
    let mut is_asked = false;
    let mut rows = parts::read(transfer.means.store, transfer.id, transfer.format);
    while let Some(batch) = rows.recv().await {
        let mut lines = match batch {
            Ok(lines) => lines,
            Err(error) if error.status() >= 500 => return Err(error),
            Err(error) => {
                // What stands before it is done, and stays; what comes after it nobody knows.
                tally.is_broken = true;
                tally.fail(tally.counts.done + 1, &error.faults());
                return Ok(());
            }
        };
        lines.retain(|line| line.number > tally.counts.done); // a node before us did the others
        if let Some(line) = lines.first().filter(|_| !is_asked) {
            let unknown = line::unknown(transfer, line);
            if !unknown.is_empty() {
                tally.is_broken = true;
                tally.fail(line.number, &unknown);
                return Ok(());
            }
            is_asked = true;
        }
        for lines in apart(transfer, lines).await? {
            if some(transfer, &lines, tally).await?.is_ok() {
                continue;
            }
            for line in lines {
                let line = [line];
                if let Err(error) = some(transfer, &line, tally).await? {
                    tally.fail(line[0].0.number, &error.faults());
                    tally.counts.done = line[0].0.number;
                }
            }
        }
        if tally.faults.len() > tally.noted {
            transfer.note(&tally.news(tally.counts), "running").await?;
            tally.noted = tally.faults.len();
        }
    }
    Ok(())
}

/// A row and its key, as keys are compared.
type Keyed = (Line, Option<String>);

/// Rows with their keys, parted where a key comes again: the second finds what the first made.
async fn apart(transfer: &Transfer<'_>, lines: Vec<Line>) -> Result<Vec<Vec<Keyed>>> {
    let mut keys: Vec<Option<String>> = vec![None; lines.len()];
    if let Some(name) = &transfer.key {
        let anything = Bounds::default();
        let (kind, bounds) =
            transfer.entity.column(name).map_or((&Kind::Uuid, &anything), |column| (&column.kind, &column.bounds));
        let fit = |line: &Line| {
            let cell = line.get(name).filter(|cell| !cell.is_empty())?;
            kind.check(bounds, &line::typed(kind, cell)).ok() // what doesn't fit is no key, and is told when the row is looked at
        };
        keys = transfer.means.store.read(&keyed::compared(kind, &lines.iter().map(fit).collect::<Vec<_>>())).await?;
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

/// Some rows in one transaction, together with the note that they are done.
async fn some(transfer: &Transfer<'_>, lines: &[Keyed], tally: &mut Tally) -> Result<Result<(), Error>> {
    let done = async {
        let mut deed = begin(transfer).await?;
        let steps = steps(transfer, &mut deed, lines).await?;
        let pace = if lines.len() == 1 { Pace::Single } else { Pace::Batches };
        deed.all(&steps, pace).await.map_err(|(_, error)| error)?;
        let mut counts = tally.counts;
        count(&mut counts, &steps);
        counts.done = lines.last().map_or(counts.done, |(line, _)| line.number);
        let mut settled = settle(transfer.means, transfer.call, deed, Json::Null).await?;
        transfer.note_in(settled.deed(), &tally.news(counts), "running").await?;
        settled.complete().await?;
        Ok(counts)
    };
    match done.await {
        Ok(counts) => {
            (tally.counts, tally.noted) = (counts, tally.faults.len());
            transfer.means.wake(true, true);
            Ok(Ok(()))
        }
        // Whose session is over does nothing more: each row would say so.
        Err(error @ (Error::Internal(_) | Error::Unavailable(_) | Error::Again | Error::Over(_))) => Err(error),
        Err(error) => Ok(Err(error)),
    }
}

fn count(counts: &mut Counts, steps: &[Step<'_>]) {
    for step in steps {
        match step {
            Step::Update(..) => counts.updated += 1,
            _ => counts.created += 1,
        }
        counts.done += 1;
    }
}

/// What is to be done with some rows: those that are there already by the key are updated, as far as the caller may peek them.
async fn steps<'a>(transfer: &Transfer<'a>, deed: &mut Deed<'a>, lines: &[Keyed]) -> Result<Vec<Step<'a>>> {
    let keys: Vec<Option<String>> = lines.iter().map(|(_, key)| key.clone()).collect();
    let mut known: HashMap<usize, Uuid> = HashMap::new();
    if let (Some(name), true) = (&transfer.key, keys.iter().any(Option::is_some)) {
        deed.require_entity(transfer.entity, Right::Peek).await?;
        let column = transfer.entity.column(name);
        let session = deed.caller().counts()?;
        let rows = deed.scope.run(&keyed::known(transfer.entity, column, &keys, session)).await?;
        known = rows.into_iter().filter_map(|(at, id)| Some((usize::try_from(at).ok()?, id))).collect();
    }
    let by_id = transfer.key.as_deref() == Some("id");
    let steps = lines.iter().enumerate().map(|(at, (line, _))| match known.get(&at) {
        Some(id) => Step::Update(line::change(transfer, line, *id, false), Expected::Any),
        None => {
            let sent = line.get("id").filter(|id| by_id && !id.is_empty()).map(Cell::json);
            let chosen = sent.as_ref().and_then(Json::as_str).and_then(uuid).filter(|_| transfer.entity.client_ids);
            let mut made = line::change(transfer, line, chosen.unwrap_or_else(Uuid::now_v7), true);
            if sent.is_some() && chosen.is_none() {
                made.faults.push(Fault::new("no-row", "There is no row of this `id` that you know of.").at("/data/id"));
            }
            Step::Create(made)
        }
    });
    Ok(steps.collect())
}
