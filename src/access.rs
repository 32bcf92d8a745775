//! The phases: which right is asked of entity and row, before and after, for every operation.
//!
//! In charge of: turning the verdicts that a statement brings into rows or a refusal. The only caller of the store's row
//! functions for requests. It must not know HTTP or JSON.

use uuid::Uuid;

use crate::account::Caller;
use crate::error::{Error, Fault, Reason, Result};
use crate::permission::Right;
use crate::plan::aggregate::Totals;
use crate::plan::{Guard, Pick, Plan};
use crate::schema::{Entity, Schema};
use crate::statement::action::{SUBJECT, may_execute as may_execute_statement};
use crate::statement::read::{self, Branch, Layout};
use crate::statement::who::{verdict, who};
use crate::statement::write::judge;
use crate::store::{Row, Scope, Store};

pub mod explain;
pub mod history;
pub mod view;
pub mod write;

/// Where a read runs: on its own, or inside a transaction.
pub enum Source<'a> {
    /// On its own.
    Store(&'a Store),
    /// Inside a transaction, so that it sees what was changed there.
    Scope(&'a mut Scope),
}

/// Rows that may go out, by branch.
pub struct Answer<'s> {
    /// How to read them.
    pub layout: Layout<'s>,
    /// The rows of each branch of the layout.
    pub rows: Vec<Vec<Row>>,
    /// Whether there are more in the page's direction.
    pub has_more: bool,
    /// The entities, by their place in the schema, to which links may lead.
    pub open: Vec<usize>,
}

impl Answer<'_> {
    /// The version of the row that was asked for by itself.
    pub fn version(&self) -> Option<i64> {
        let Some(Branch::Rows(layout)) = self.layout.branches.first() else { return None };
        self.rows.first()?.first()?.int(layout.version?)
    }
}

struct Verdict {
    bits: i64,
    caller: Caller,
    /// Entities that are asked, in the order of their bits.
    named: Vec<(String, Right)>,
}

impl Verdict {
    /// Of a statement's head.
    fn of(layout: &Layout<'_>, bits: Option<i64>, caller: Caller) -> Verdict {
        let named = layout.named.iter().map(|(entity, right)| (entity.name.clone(), *right)).collect();
        Verdict { bits: bits.unwrap_or(0), caller, named }
    }

    /// What can't be planned, for this caller: told only after the entities' verdict.
    fn require_planned(&self, faults: &[Fault], guest_faults: &[Fault]) -> Result<()> {
        let guest_faults = guest_faults.iter().filter(|_| !self.has(verdict::USER));
        let faults: Vec<Fault> = faults.iter().chain(guest_faults).cloned().collect();
        if faults.is_empty() { Ok(()) } else { Err(Error::Unreadable(faults)) }
    }

    fn has(&self, bit: i64) -> bool {
        self.bits & bit != 0
    }

    fn refusal(&self, reason: Option<Reason>) -> Error {
        let guest = !self.has(verdict::USER);
        Error::refused(guest, guest && self.caller.sent_token, reason)
    }

    /// The refusal of a row.
    fn row_refusal(&self, phase: &'static str, entity: &str, right: Right) -> Error {
        self.refusal(Some(Reason { phase, entity: entity.to_owned(), asks: right.word() }))
    }

    fn require_entities(&self) -> Result<()> {
        for (at, (entity, right)) in self.named.iter().enumerate() {
            if !self.has(1 << (verdict::ENTITY as usize + at)) {
                return Err(self.refusal(Some(Reason { phase: phases(*right)[0], entity: entity.clone(), asks: right.word() })));
            }
        }
        Ok(())
    }
}

/// In which phases a right is asked, of the entity and of the row: peek before, read after what is done.
fn phases(right: Right) -> [&'static str; 2] {
    if right == Right::Read { ["after entity", "after instance"] } else { ["before entity", "before instance"] }
}

/// Runs a read: entities first, then the row that is named, then faults of the query.
///
/// # Errors
/// 401, 403, 404 as `permissions.md` §5 has them; 400 with all faults of the plan, after the entities' verdict.
pub async fn read<'s>(source: Source<'_>, schema: &'s Schema, caller: Caller, plan: &Plan<'s>) -> Result<Answer<'s>> {
    let is_faulty = !plan.faults.is_empty();
    let (statement, layout) = read::read(schema, plan, caller.session, is_faulty);
    let mut rows: Vec<Vec<Row>> = layout.branches.iter().map(|_| vec![]).collect();
    let (mut bits, mut open) = (None, vec![]);
    let found = match source {
        Source::Store(store) if plan.is_small() => store.read_small(&statement).await?,
        Source::Store(store) => store.read(&statement).await?,
        Source::Scope(scope) => scope.run(&statement).await?,
    };
    for row in found {
        match usize::try_from(row.int(0).unwrap_or(0)).unwrap_or(0) {
            0 => {
                bits = row.int(1);
                let numbers = layout.open.and_then(|slot| row.text(slot)).unwrap_or_default();
                open.extend(numbers.split(' ').filter_map(|number| number.parse::<usize>().ok()));
            }
            branch => rows[branch - 1].push(row),
        }
    }
    let verdict = Verdict::of(&layout, bits, caller);
    let entity = &plan.root.entity.name;
    if matches!(plan.pick, Pick::Mine) && !verdict.has(verdict::USER) {
        return Err(verdict.refusal(None));
    }
    verdict.require_entities()?;
    verdict.require_planned(&plan.faults, &plan.guest_faults)?;
    let is_empty = rows.first().is_none_or(Vec::is_empty);
    match plan.pick {
        Pick::Page | Pick::These(_) => {}
        Pick::One(_) | Pick::Mine => {
            if !verdict.has(verdict::PEEKABLE) {
                return Err(Error::NotFound);
            }
            if is_empty {
                return Err(verdict.row_refusal("after instance", entity, Right::Read));
            }
        }
        Pick::Related { parent, relation, .. } => {
            if !verdict.has(verdict::PEEKABLE) {
                return Err(Error::NotFound);
            }
            if !verdict.has(verdict::PARENT) {
                return Err(verdict.row_refusal("after instance", &parent.name, Right::Read));
            }
            if !relation.is_many() && is_empty && plan.root.guard == Guard::READ && verdict.has(verdict::TARGET) {
                return Err(verdict.row_refusal("after instance", entity, Right::Read));
            }
        }
    }
    let is_over = |rows: &Vec<Row>| i64::try_from(rows.len()).is_ok_and(|n| n > plan.most_included);
    if layout.branches.iter().zip(&rows).any(|(branch, rows)| matches!(branch, Branch::Links { .. }) && is_over(rows)) {
        let words = format!("An include brings at most {} rows: include less, or a smaller page.", plan.most_included);
        return Err(Error::Unreadable(vec![Fault::new("too-many", words).parameter("include")]));
    }
    let has_more = cut(plan, &mut rows);
    sort_links(&layout, &mut rows);
    Ok(Answer { layout, rows, has_more, open })
}

/// Runs an aggregate over what the caller may read. Gives the groups, and whether there are more.
///
/// # Errors
/// 401, 403 where an entity refuses; 400 with all faults of the plan, after that.
pub async fn totals<'s>(
    store: &Store,
    schema: &'s Schema,
    caller: Caller,
    plan: &Totals<'s>,
) -> Result<(Layout<'s>, Vec<Row>, bool)> {
    let (statement, layout) = read::aggregate::totals(schema, plan, caller.session, !plan.faults.is_empty());
    let mut rows = store.read(&statement).await?;
    let head = rows.iter().position(|row| row.int(0) == Some(0)).map(|at| rows.swap_remove(at));
    let verdict = Verdict::of(&layout, head.and_then(|row| row.int(1)), caller);
    verdict.require_entities()?;
    verdict.require_planned(&plan.faults, &plan.guest_faults)?;
    rows.sort_by_key(|row| row.int(1));
    let has_more = i64::try_from(rows.len()).is_ok_and(|n| n > plan.size);
    rows.truncate(usize::try_from(plan.size).unwrap_or(usize::MAX));
    Ok((layout, rows, has_more))
}

/// Puts the page in order and takes off the row that only told that there is more.
fn cut(plan: &Plan<'_>, rows: &mut [Vec<Row>]) -> bool {
    let Some(page) = rows.first_mut() else { return false };
    page.sort_by_key(|row| row.int(1));
    let size = usize::try_from(plan.root.window.size).unwrap_or(usize::MAX);
    let has_more = page.len() > size;
    page.truncate(size);
    if plan.root.window.before.is_some() {
        page.reverse();
    }
    has_more
}

fn sort_links(layout: &Layout<'_>, rows: &mut [Vec<Row>]) {
    for (branch, rows) in layout.branches.iter().zip(rows) {
        if let Branch::Links { .. } = branch {
            rows.sort_by_key(|row| row.int(1));
        }
    }
}

/// Asks what stands before an action: execute on its entity and its own row, and on the subject; peek is enough there where
/// the action lifts that (`is_lifted`). Gives the caller's id.
///
/// # Errors
/// 401 and 403 (names of actions are no secret), then 404, 401 and 403 for the subject.
pub async fn may_execute(
    source: Source<'_>,
    entity: &Entity,
    action: &str,
    subject: Option<Uuid>,
    is_lifted: bool,
    caller: Caller,
) -> Result<Option<Uuid>> {
    let ask = |lock| may_execute_statement(entity, action, subject, caller.session, lock);
    let rows = match source {
        Source::Store(store) => store.read(&ask(false)).await?,
        Source::Scope(scope) => scope.run(&ask(!scope.is_reading)).await?,
    };
    let row = rows.first().ok_or_else(|| Error::internal("no verdict"))?;
    let named = vec![(entity.name.clone(), Right::Execute), (format!("action {action}"), Right::Execute)];
    let verdict = Verdict { bits: row.int(0).unwrap_or(0), caller, named };
    verdict.require_entities()?;
    if subject.is_some() {
        if !verdict.has(verdict::PEEKABLE) {
            return Err(Error::NotFound);
        }
        if !is_lifted && !verdict.has(SUBJECT) {
            return Err(verdict.row_refusal("before instance", &entity.name, Right::Execute));
        }
    }
    Ok(row.uuid(1))
}

/// Asks an entity, where nothing else of the request can be asked.
///
/// # Errors
/// 401 for guests, 403 for others.
pub async fn require_entity(store: &Store, caller: Caller, entity: &Entity, right: Right) -> Result<()> {
    let rows = store.read(&judge(entity, &[], &[], &[(entity, right)], caller.session, "")).await?;
    let verdict =
        Verdict { bits: rows.first().and_then(|row| row.int(1)).unwrap_or(0), caller, named: vec![(entity.name.clone(), right)] };
    verdict.require_entities()
}

/// Lets administrators through.
///
/// # Errors
/// 401 for guests, 403 for others.
pub async fn require_administrator(store: &Store, caller: Caller) -> Result<()> {
    let mut statement = crate::statement::Statement { keep: true, ..Default::default() };
    let who = who(&mut statement, caller.session);
    statement.sql = format!("with {who} select id, admin from who");
    let rows = store.read(&statement).await?;
    let (is_guest, is_administrator) = rows.first().map_or((true, false), |row| (row.uuid(0).is_none(), row.bool(1)));
    if is_administrator { Ok(()) } else { Err(Error::refused(is_guest, is_guest && caller.sent_token, None)) }
}
