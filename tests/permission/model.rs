//! The reference model of answers: who somebody is, and what they are told, by `permissions.md` §2–§5.

use super::oracle::{Actor, Grant, Row, may_by_any};

/// Callers are numbered: these, and the guest after them.
pub const PEOPLE: usize = 5;
pub const GUEST: usize = PEOPLE;
/// Groups are numbered: administrators, users, editors, and some of the people's own.
pub const GROUPS: usize = 6;
pub const ADMINISTRATORS: usize = 0;
pub const USERS: usize = 1;
pub const OWN: std::ops::Range<usize> = 3..GROUPS;
/// Tags that are there all the time.
pub const ROWS: usize = 5;

/// Rights by the place of their bit, as in the oracle's `RIGHTS`.
pub const PEEK: usize = 0;
pub const READ: usize = 1;
const CREATE: usize = 2;
const UPDATE: usize = 3;
const DELETE: usize = 4;
const EXECUTE: usize = 5;

/// What a caller is whose session is over: signed out, expired, or of a user who is not active (§2).
#[derive(Clone, Copy, PartialEq, Eq)]
#[allow(dead_code, reason = "one of them is the server's way")]
pub enum Over {
    /// A guest, as if nothing had been sent.
    Guest,
    /// Nobody: 401, whatever is asked.
    Unauthorized,
}

/// The server's way.
pub const OVER: Over = Over::Unauthorized;

/// What permits something on a row: a tag, or the row of the entity or of the action.
#[derive(Debug, Clone, Copy)]
pub struct Granted {
    pub permission: i32,
    pub owner: Option<usize>,
    pub grants: [Grant; GROUPS],
}

/// What is asked. Rows are tags by their number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// GET of oneself.
    Mine,
    /// GET of one row.
    One(usize),
    /// GET of all.
    List,
    /// GET of those with an even number, by a filter.
    Filter,
    /// GET of all through an article that is linked to them: related, linkage, and included.
    Related,
    Linkage,
    Include,
    /// The aggregate's count.
    Count,
    /// POST /permission: this right on each row, then create on the entity, then execute on the action.
    Explain(usize),
    /// The action on a row.
    Paint(usize),
    /// PATCH of a row.
    Patch(usize),
    /// DELETE of a row.
    Delete(usize),
    /// POST of a new row, and then its DELETE by the same caller.
    Create,
}

impl Ask {
    /// Whether something is changed by it.
    pub fn writes(self) -> bool {
        matches!(self, Ask::Paint(_) | Ask::Patch(_) | Ask::Delete(_) | Ask::Create)
    }
}

/// What is answered, as far as rights decide it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Told {
    pub status: u16,
    /// The rows that a list names, in their order.
    pub rows: Vec<usize>,
    /// How many are counted.
    pub count: usize,
    /// What explanations say.
    pub allowed: Vec<bool>,
    /// Whether the answer to a write shows the row.
    pub shows: bool,
    /// Whether the row is changed afterwards.
    pub is_done: bool,
    /// How a created row's DELETE is answered.
    pub then: u16,
}

impl Told {
    fn status(status: u16) -> Told {
        Told { status, ..Told::default() }
    }

    /// Whether it was refused.
    pub fn is_refused(&self) -> bool {
        matches!(self.status, 401 | 403 | 404) && !self.is_done
    }
}

/// Everything that decides.
#[derive(Debug, Clone)]
pub struct Model {
    pub is_signed_in: [bool; PEOPLE],
    pub is_active: [bool; PEOPLE],
    pub members: [[bool; GROUPS]; PEOPLE],
    /// The entity's row in `world`.
    pub entity: Granted,
    /// What a new row gets from it.
    pub new_rows: Granted,
    /// The row of the action.
    pub action: Granted,
    pub rows: [Granted; ROWS],
}

impl Model {
    /// Whom the database knows the caller as; none is a guest.
    fn user(&self, who: usize) -> Option<usize> {
        Some(who).filter(|who| *who < PEOPLE && self.is_signed_in[*who] && self.is_active[*who])
    }

    /// The rule.
    fn holds(&self, who: usize, right: usize, row: &Granted) -> bool {
        let user = self.user(who);
        let is_in = |group: usize| user.is_some_and(|user| self.members[user][group]);
        let actor = Actor {
            name: "",
            is_user: user.is_some(),
            is_administrator: is_in(ADMINISTRATORS),
            is_owner: user.is_some() && row.owner == user,
            is_member: false,
        };
        let theirs = (0..GROUPS).filter(|group| is_in(*group)).map(|group| row.grants[group]);
        let theirs: Vec<Grant> = theirs.collect();
        let row = Row { permission: row.permission, has_owner: row.owner.is_some(), grant: Grant::None };
        may_by_any(actor, right, row, &theirs)
    }

    /// What is answered about one row that the entity doesn't stand before.
    fn verdict(&self, who: usize, right: usize, row: &Granted, done: u16) -> u16 {
        match (self.holds(who, PEEK, row), self.holds(who, right, row)) {
            (false, _) => 404,
            (true, true) => done,
            (true, false) => self.refusal(who),
        }
    }

    fn refusal(&self, who: usize) -> u16 {
        if self.user(who).is_some() { 403 } else { 401 }
    }

    fn which(&self, who: usize, right: usize) -> Vec<usize> {
        (0..ROWS).filter(|row| self.holds(who, right, &self.rows[*row])).collect()
    }

    /// What is answered to whom.
    pub fn told(&self, who: usize, ask: Ask) -> Told {
        if OVER == Over::Unauthorized && who != GUEST && self.user(who).is_none() {
            return Told::status(401);
        }
        let gate = |right| self.holds(who, right, &self.entity);
        let asks = match ask {
            Ask::Mine if self.user(who).is_some() => return Told::status(200),
            Ask::Mine => return Told::status(401),
            Ask::Explain(right) => return Told { allowed: self.explained(who, right), ..Told::status(200) },
            Ask::Paint(_) => EXECUTE,
            Ask::Patch(_) => UPDATE,
            Ask::Delete(_) => DELETE,
            Ask::Create => CREATE,
            _ => READ,
        };
        let is_closed_action = matches!(ask, Ask::Paint(_)) && !self.holds(who, EXECUTE, &self.action);
        if !gate(asks) || is_closed_action {
            return Told::status(self.refusal(who));
        }
        let shows = |row: &Granted| gate(READ) && self.holds(who, READ, row);
        let of = |row: usize, done: u16| {
            let row = &self.rows[row];
            let status = self.verdict(who, asks, row, done);
            let is_done = status == done && ask.writes();
            let shows = is_done && matches!(ask, Ask::Patch(_)) && shows(row);
            Told { is_done, shows, ..Told::status(status) }
        };
        match ask {
            // The action declares update on the row; its entity is asked as ever.
            Ask::Paint(row) if of(row, 200).is_done && !gate(UPDATE) => Told::status(self.refusal(who)),
            Ask::One(row) | Ask::Patch(row) | Ask::Paint(row) => of(row, 200),
            Ask::Delete(row) => of(row, 204),
            Ask::Filter => {
                let rows = self.which(who, READ).into_iter().filter(|row| row % 2 == 0);
                Told { rows: rows.collect(), ..Told::status(200) }
            }
            Ask::Count => Told { count: self.which(who, READ).len(), ..Told::status(200) },
            Ask::Create => {
                let new = Granted { owner: self.user(who), ..self.new_rows };
                let of_row = self.verdict(who, DELETE, &new, 204);
                let then = if gate(DELETE) { of_row } else { self.refusal(who) };
                Told { is_done: true, shows: shows(&new), then, ..Told::status(201) }
            }
            Ask::Linkage => Told { rows: self.which(who, PEEK), ..Told::status(200) },
            _ => Told { rows: self.which(who, READ), ..Told::status(200) },
        }
    }

    /// Entities are asked peek, and then what is asked of them; of what may not be peeked nothing is allowed,
    /// and create is asked of the entity only. Whoever asks may peek the entity `action`.
    fn explained(&self, who: usize, right: usize) -> Vec<bool> {
        let gate = |right| self.holds(who, right, &self.entity);
        let may = |right, row| self.holds(who, PEEK, row) && (right == CREATE || self.holds(who, right, row));
        let rows = self.rows.iter().map(|row| gate(PEEK) && gate(right) && may(right, row));
        rows.chain([gate(PEEK) && gate(CREATE), gate(EXECUTE) && may(EXECUTE, &self.action)]).collect()
    }
}
