//! What becomes of a file: how many rows came to what, the faults, and the faulty rows, which come back.

use std::collections::HashSet;

use serde_json::{Map, Value as Json, json};

use super::field::{FAULT, Field};
use super::line::{self, BROKEN};
use crate::access::write::many::Step;
use crate::action::transfer::Transfer;
use crate::action::transfer::table::csv::{self, Texts};
use crate::action::transfer::table::{Cell, Format, Line};
use crate::error::{Fault, Result};
use crate::statement::kept;
use crate::statement::transfer::Progress;

/// Most faults that are kept.
pub const FAULTS: usize = 1000;

/// Faults of a column, which every row has: they are told once.
const OF_COLUMNS: [&str; 5] = ["unknown-attribute", "read-only", "secret", "encoding", "no-name"];

/// How many rows came to what.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    pub done: i64,
    pub created: i64,
    pub updated: i64,
    pub failed: i64,
}

impl Counts {
    /// Counts what was done.
    pub fn add(&mut self, steps: &[Step<'_>]) {
        for step in steps {
            match step {
                Step::Update(..) => self.updated += 1,
                _ => self.created += 1,
            }
            self.done += 1;
        }
    }
}

/// What became of a file.
#[derive(Default)]
pub(super) struct Tally {
    pub counts: Counts,
    faults: Vec<Json>,
    /// How many of the faults were noted: where there are no others, all of them aren't written once more.
    noted: usize,
    /// Faults of columns that were told.
    once: HashSet<(String, String)>,
    /// Whether the columns' names are wrong: a column that is missing may be one of them.
    is_misnamed: bool,
    /// Faulty rows that weren't kept yet, as a file.
    rows: Vec<u8>,
    /// Bytes of all that were kept, how many rows, and whether there is room for no more.
    size: usize,
    kept: usize,
    is_full: bool,
    has_rows: bool,
    pub is_broken: bool,
}

impl Tally {
    /// As a row of a transfer has it, which another node began.
    pub fn of(row: &Json, done: i64, has_rows: bool) -> Tally {
        let count = |name: &str| row[name].as_i64().unwrap_or(0);
        let [created, updated, failed] = ["created", "updated", "failed"].map(count);
        let faults = row["faults"].as_array().cloned().unwrap_or_default();
        let text = |fault: &Json, name: &str| fault[name].as_str().unwrap_or_default().to_owned();
        Tally {
            counts: Counts { done, created, updated, failed },
            noted: faults.len(),
            once: faults.iter().map(|fault| (text(fault, "code"), text(fault, "field"))).collect(),
            faults,
            has_rows,
            ..Tally::default()
        }
    }

    /// All of it.
    pub fn whole(mut self) -> Progress {
        let faulty = self.taken();
        Progress { faults: Some(json!(self.faults).to_string()), faulty, is_broken: self.is_broken, ..progress(self.counts) }
    }

    /// What is new, with these counts.
    pub fn news(&mut self, counts: Counts) -> Progress {
        let is_new = self.faults.len() > self.noted;
        self.noted = self.faults.len();
        let faulty = self.taken();
        Progress { faults: is_new.then(|| json!(self.faults).to_string()), faulty, ..progress(counts) }
    }

    /// Whether there is something that wasn't noted.
    pub fn has_news(&self) -> bool {
        self.faults.len() > self.noted || !self.rows.is_empty()
    }

    fn taken(&mut self) -> Option<Vec<u8>> {
        let rows = std::mem::take(&mut self.rows);
        (!rows.is_empty()).then_some(rows)
    }

    /// A row that came to nothing; of the file as a whole none.
    pub fn fail(&mut self, transfer: &Transfer<'_>, line: Option<&Line>, faults: &[Fault]) -> Result<()> {
        self.counts.failed += 1;
        let row = line.map_or(0, |line| i64::try_from(line.place).unwrap_or(i64::MAX));
        self.tell(transfer, row, line, faults);
        match line {
            Some(line) => self.keep(transfer, line, faults),
            None => Ok(()),
        }
    }

    /// What is wrong with the columns' names.
    pub fn fail_names(&mut self, transfer: &Transfer<'_>, faults: &[Fault]) {
        self.is_misnamed |= !faults.is_empty();
        self.counts.failed += i64::from(!faults.is_empty());
        self.tell(transfer, 1, None, faults);
    }

    fn tell(&mut self, transfer: &Transfer<'_>, row: i64, line: Option<&Line>, faults: &[Fault]) {
        for fault in faults {
            let field = line::column_of(transfer, line, fault);
            // That a column isn't there is no row's mistake.
            let is_missing = fault.code == "required" && line.is_some_and(|line| !line.has(&field));
            let is_of_column = OF_COLUMNS.contains(&fault.code) || is_missing;
            let is_told = is_of_column && (self.once.len() >= FAULTS || !self.once.insert((fault.code.to_owned(), kept(&field))));
            let follows = is_missing && self.is_misnamed;
            if !(is_told || follows) && self.faults.len() < FAULTS {
                self.faults.push(told(row, &field, fault));
            }
        }
    }

    /// Keeps a faulty row as it came, with the words beside it. Nothing that is secret is kept.
    fn keep(&mut self, transfer: &Transfer<'_>, line: &Line, faults: &[Fault]) -> Result<()> {
        let words = faults.iter().map(|fault| fault.detail.as_str()).collect::<Vec<_>>().join(" ");
        let words = if line.fault.is_some() { format!("{BROKEN} {words}") } else { words };
        let is_first = !std::mem::replace(&mut self.has_rows, true);
        let is_secret = |file: &str| match transfer.import.fields.get(file) {
            Some((_, Field::Column(column))) => column.kind.is_secret(),
            Some((_, Field::Id | Field::Link(..) | Field::Groups | Field::Nothing | Field::Unknown)) | None => false,
        };
        self.kept += 1;
        if self.size > transfer.means.config.limits.file {
            if !std::mem::replace(&mut self.is_full, true) {
                let words = format!("Of the rows that came to nothing the first {} come back, and no more.", self.kept - 1);
                self.faults.push(told(0, "", &Fault::new("too-many", words)));
            }
            return Ok(());
        }
        let before = self.rows.len();
        let cells = || line.iter().filter(|(file, _)| *file != FAULT);
        if transfer.format == Format::Json {
            let mut row: Map<String, Json> =
                cells().filter(|(file, _)| !is_secret(file)).map(|(file, cell)| (file.to_owned(), cell.value())).collect();
            row.insert(FAULT.to_owned(), words.into());
            self.rows.extend_from_slice(format!("{}\n", Json::Object(row)).as_bytes());
            self.size += self.rows.len() - before;
            return Ok(());
        }
        let texts = match transfer.format {
            Format::Csv(texts) => texts,
            Format::Json | Format::Workbook => Texts::Harmless,
        };
        // As the file was: whoever reads that one reads this one. The mark tells UTF-8 from what was said of it.
        let delimiter = transfer.found.get().and_then(|found| found.delimiter).unwrap_or(b',');
        if is_first {
            self.rows.extend_from_slice("\u{feff}".as_bytes());
            let names: Vec<&str> = cells().map(|(file, _)| file).chain([FAULT]).collect();
            self.rows.extend(csv::head_with(delimiter, &names, texts)?);
        }
        let shown = |(file, cell): (&str, &Cell)| match is_secret(file) || cell.is_empty() {
            true => Json::Null,
            false => Json::String(cell.shown()),
        };
        let row: Vec<Json> = cells().map(shown).chain([words.into()]).collect();
        self.rows.extend(csv::record_with(delimiter, row.iter().map(Some), texts)?);
        self.size += self.rows.len() - before;
        Ok(())
    }
}

/// Counts, as they are noted.
pub(super) fn progress(counts: Counts) -> Progress {
    let Counts { done, created, updated, failed } = counts;
    Progress { done, created, updated, failed, ..Progress::default() }
}

/// A fault, as the transfer's row has it: which row, as a person counts it; 0: the file as a whole.
pub fn told(row: i64, field: &str, fault: &Fault) -> Json {
    json!({"row": row, "field": kept(field), "code": fault.code, "message": kept(&fault.detail)})
}
