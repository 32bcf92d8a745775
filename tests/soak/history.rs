//! What may be in force, as far as one can know from outside.

use std::time::{Duration, Instant};

/// How long something that was sent, and not answered, may still come to pass: longer than a statement may take.
const LATE: Duration = Duration::from_secs(20);

/// The values of one thing, in the order in which one writer set them.
pub struct History<T> {
    entries: Vec<Entry<T>>,
}

struct Entry<T> {
    value: T,
    /// When it was sent: from here on it may be in force.
    sent: Instant,
    /// When it was acknowledged: from here on what was before is over. None: it may never have come to pass.
    acknowledged: Option<Instant>,
}

impl<T: Copy + PartialEq> History<T> {
    /// What is in force from the start.
    pub fn new(value: T) -> History<T> {
        let now = Instant::now();
        History { entries: vec![Entry { value, sent: now, acknowledged: Some(now) }] }
    }

    /// Something is about to be sent.
    pub fn send(&mut self, value: T) {
        self.entries.push(Entry { value, sent: Instant::now(), acknowledged: None });
    }

    /// What was sent last was acknowledged.
    pub fn acknowledge(&mut self) {
        if let Some(last) = self.entries.last_mut() {
            last.acknowledged = Some(Instant::now());
        }
    }

    /// The last value that was acknowledged.
    pub fn current(&self) -> T {
        let sure = self.entries.iter().rev().find(|entry| entry.acknowledged.is_some());
        sure.expect("the first is").value
    }

    /// Whether a value may have been seen by a request that began and ended then.
    pub fn may_be(&self, value: T, began: Instant, ended: Instant) -> bool {
        let is_sure = |entry: &Entry<T>| entry.acknowledged.is_some_and(|at| at <= began);
        let sure = self.entries.iter().rposition(is_sure).unwrap_or(0);
        let is_late = |entry: &Entry<T>| entry.acknowledged.is_none() && entry.sent + LATE > began;
        let possible = |(at, entry): (usize, &Entry<T>)| entry.sent <= ended && (at >= sure || is_late(entry));
        self.entries.iter().enumerate().any(|(at, entry)| entry.value == value && possible((at, entry)))
    }
}

#[test]
fn a_history_knows_what_may_be_and_what_may_not() {
    let before = Instant::now();
    let mut history = History::new(1);
    history.send(2);
    let between = Instant::now();
    assert!(history.may_be(1, before, between) && history.may_be(2, between, between));
    history.acknowledge();
    let after = Instant::now() + Duration::from_millis(1);
    assert!(!history.may_be(1, after, after), "what is over isn't seen");
    assert!(history.may_be(1, before, after), "unless one asked before");
    history.send(3);
    let later = Instant::now() + Duration::from_millis(1);
    assert!(history.may_be(2, later, later) && history.may_be(3, later, later), "nobody knows");
    history.send(4);
    history.acknowledge();
    let (soon, late) = (later + Duration::from_secs(1), later + LATE + Duration::from_secs(1));
    assert!(history.may_be(3, soon, soon), "it may be on its way");
    assert!(!history.may_be(3, late, late) && !history.may_be(2, soon, soon) && history.current() == 4);
}
