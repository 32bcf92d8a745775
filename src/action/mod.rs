//! Actions: every operation has a name, and a file that says what it does.
//!
//! In charge of: what an action is. Reading and checking files is [`file`] (and `outcome`), what callers send is [`input`],
//! values are [`value`], running is [`run`], what is code in the server is [`performer`].

pub mod call;
pub mod directive;
pub mod event;
pub mod file;
pub mod input;
mod machine;
pub mod obstacle;
mod outcome;
pub mod parameters;
pub mod performer;
pub mod run;
pub mod schedule;
pub mod task;
pub mod transfer;
pub mod value;

use std::collections::HashMap;

use crate::locale::Texts;
use crate::mail::Letters;
use crate::page::Pages;
use crate::permission::Right;
use crate::schema::kind::{Bounds, Kind};
use crate::schema::{Happening, Listener, Policy};
use crate::yaml::Mark;
use value::Template;

/// All actions, by entity and name.
#[derive(Debug, Default)]
pub struct Actions {
    /// The letters that they send.
    pub letters: Letters,
    /// The names of those that every entity of a project has.
    pub every: Vec<String>,
    /// The pages that letters lead to.
    pub pages: Pages,
    /// What their texts are in other languages.
    pub texts: Texts,
    all: Vec<Action>,
    by_name: HashMap<(String, String), usize>,
}

/// An action that was checked: if it loads, it can run.
#[derive(Debug)]
#[allow(missing_docs)] // the keys of an action file
pub struct Action {
    pub entity: String,
    pub name: String,
    pub label: String,
    pub description: String,
    pub subject: SubjectUse,
    pub policy: Policy,
    pub rights: Vec<(Lift, Vec<Right>)>,
    /// The actions whose rights it has beside its own when they call it: `<entity>/<name>`.
    pub lends: Vec<(String, Mark)>,
    /// Calls per minute from one address.
    pub limit: Option<u32>,
    /// Whether it writes nothing, and so may be called by GET.
    pub is_safe: bool,
    /// Whether a token that is over counts as none, instead of 401.
    pub takes_over_token: bool,
    pub inputs: Vec<Input>,
    pub outcomes: Vec<Outcome>,
    /// When it runs by itself.
    pub schedule: Option<schedule::Schedule>,
    /// To what it listens.
    pub listens: Vec<Listener>,
    /// Its name before.
    pub was: Option<String>,
}

/// Whether the action works on one row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum SubjectUse {
    None,
    Optional,
    Required,
}

/// Where a declared right holds, beside the entity's own check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lift {
    /// For rows of this entity that the action made, the subject, and the caller's own user row.
    Entity(String),
    /// For the subject row.
    Subject,
    /// For rows that the outcome of this name found.
    Read(String),
}

/// What a caller sends.
#[derive(Debug)]
#[allow(missing_docs)]
pub struct Input {
    pub name: String,
    pub kind: InputKind,
    pub bounds: Bounds,
    pub required: bool,
    pub default: Option<serde_json::Value>,
    /// The values that there are, where they are counted up.
    pub one_of: Vec<serde_json::Value>,
    pub equals: Option<String>,
    pub trim: bool,
    pub lower: bool,
    /// A password that is being chosen: the policy applies.
    pub is_new: bool,
    /// Of a row: that the caller may peek it by more than the guests' bit.
    pub beyond_guest: bool,
}

/// What kind of value an input is.
#[derive(Debug)]
pub enum InputKind {
    /// A value, checked like a column's.
    Value(Kind),
    /// The id of a row that the caller may peek.
    Row(String),
}

/// One step of an action.
#[derive(Debug)]
#[allow(missing_docs)]
pub struct Outcome {
    pub deed: Deed,
    pub name: Option<String>,
    pub when: Option<String>,
    /// Status and words that replace the outcome's own refusal.
    pub else_fail: Option<(u16, Template)>,
}

/// What a step does.
#[derive(Debug)]
#[allow(missing_docs)]
pub enum Deed {
    Create {
        entity: String,
        with: Vec<(String, Template)>,
        owner: Option<String>,
    },
    Update {
        row: String,
        with: Vec<(String, Template)>,
    },
    Delete {
        row: String,
    },
    Read {
        entity: String,
        condition: Option<Template>,
        sort: Vec<(Vec<String>, bool)>,
        most: Option<i64>,
        one: bool,
    },
    Link {
        row: String,
        relation: String,
        to: String,
        is_added: bool,
        permission: Option<Template>,
    },
    Perform {
        performer: &'static performer::Performer,
        with: Vec<(String, Template)>,
        /// Whether the file says that it may be told what the caller may only peek (`tells: true`).
        by_peek: bool,
    },
    Respond {
        directive: &'static directive::Directive,
        with: Vec<(String, Template)>,
    },
    /// The row as its resource object, as far as the caller may read it.
    RespondRow {
        row: String,
    },
    /// Outcomes for each row that a read found.
    Each {
        list: String,
        name: String,
        outcomes: Vec<Outcome>,
    },
    /// Another action, with its own checks, in the same transaction.
    Call {
        entity: String,
        action: String,
        subject: Option<String>,
        with: Vec<(String, Template)>,
        mark: Mark,
    },
    Fail {
        status: u16,
        message: Template,
    },
}

impl Deed {
    /// What it does, as a file says it: for who looks for the outcome that failed.
    pub fn words(&self) -> String {
        match self {
            Deed::Create { entity, .. } => format!("create {entity}"),
            Deed::Update { row, .. } => format!("update {row}"),
            Deed::Delete { row } => format!("delete {row}"),
            Deed::Read { entity, .. } => format!("read {entity}"),
            Deed::Link { row, relation, is_added, .. } => {
                format!("{} {row}.{relation}", if *is_added { "link" } else { "unlink" })
            }
            Deed::Perform { performer, .. } => format!("perform {}", performer.name),
            Deed::Respond { directive, .. } => format!("respond {}", directive.name),
            Deed::RespondRow { row } => format!("respond {row}"),
            Deed::Each { list, .. } => format!("each {list}"),
            Deed::Call { entity, action, .. } => format!("call {entity}/{action}"),
            Deed::Fail { .. } => "fail".to_owned(),
        }
    }
}

impl Outcome {
    /// What it says to people itself: its notice, and why it fails.
    fn texts(&self) -> Vec<&Template> {
        let otherwise = self.else_fail.as_ref().map(|(_, message)| message);
        let said: Vec<&Template> = match &self.deed {
            Deed::Respond { directive, with } => {
                with.iter().filter(|(name, _)| directive.texts.contains(&name.as_str())).map(|(_, text)| text).collect()
            }
            Deed::Fail { message, .. } => vec![message],
            Deed::Create { .. } | Deed::Update { .. } | Deed::Delete { .. } | Deed::Read { .. } | Deed::Link { .. } => vec![],
            Deed::Perform { .. } | Deed::RespondRow { .. } | Deed::Each { .. } | Deed::Call { .. } => vec![],
        };
        said.into_iter().chain(otherwise).collect()
    }

    /// This outcome and those inside it.
    pub fn all(&self) -> Vec<&Outcome> {
        let inner: &[Outcome] = if let Deed::Each { outcomes, .. } = &self.deed { outcomes } else { &[] };
        std::iter::once(self).chain(inner.iter().flat_map(Outcome::all)).collect()
    }
}

impl Action {
    /// All outcomes, also those inside others.
    pub fn outcomes(&self) -> impl Iterator<Item = &Outcome> {
        self.outcomes.iter().flat_map(Outcome::all)
    }

    /// The texts for people that its file says.
    pub fn texts(&self) -> Vec<&str> {
        let said = self.outcomes().flat_map(Outcome::texts).filter_map(Template::text);
        [self.label.as_str(), self.description.as_str()].into_iter().chain(said).collect()
    }

    /// Whether it works on subjects that the caller may peek but not execute.
    pub fn lifts_execute(&self) -> bool {
        self.rights.iter().any(|(lift, rights)| *lift == Lift::Subject && rights.contains(&Right::Execute))
    }

    /// Whether it may be done to see what it would do. Where it would come to secrets by what its caller sends alone, it is refused
    /// there; where that depends on what it finds, it is refused always, for that would tell what it found.
    pub fn may_be_rehearsed(&self) -> bool {
        let is_secret = |outcome: &Outcome| matches!(&outcome.deed, Deed::Perform { performer, .. } if performer.is_secret);
        let is_proof =
            |o: &Outcome| matches!(&o.deed, Deed::Perform { performer, .. } if performer.gives == performer::Gives::Proof);
        let is_sent = |name: &String| self.inputs.iter().any(|input| input.name == *name.split('.').next().unwrap_or(name));
        let is_open = |outcome: &Outcome| match (&outcome.when, is_secret(outcome)) {
            (_, false) => !outcome.all().into_iter().any(is_secret),
            (Some(when), true) => value::paths(when).is_ok_and(|names| names.iter().all(is_sent)),
            (None, true) => false,
        };
        !self.outlives() && !self.outcomes().any(is_proof) && self.outcomes.iter().all(is_open)
    }

    /// Whether it checks or hands out secrets.
    pub fn is_secret(&self) -> bool {
        self.outcomes().any(|o| matches!(&o.deed, Deed::Perform { performer, .. } if performer.is_secret))
    }

    /// Whether it does what a rollback doesn't undo.
    pub fn outlives(&self) -> bool {
        self.outcomes().any(|o| matches!(&o.deed, Deed::Perform { performer, .. } if performer.outlives))
    }
}

impl Actions {
    /// All of them, in the order of entity and name.
    pub fn all(&self) -> &[Action] {
        &self.all
    }

    /// The action of that name.
    pub fn find(&self, entity: &str, name: &str) -> Option<&Action> {
        self.by_name.get(&(entity.to_owned(), name.to_owned())).map(|at| &self.all[*at])
    }

    /// Whether any action listens to anything.
    pub fn listens(&self) -> bool {
        self.all.iter().any(|action| !action.listens.is_empty())
    }

    /// Whether any action hears of an entity's rows.
    pub fn listens_to(&self, entity: &str) -> bool {
        self.all.iter().any(|action| action.listens.iter().any(|l| l.entity == entity))
    }

    /// Whether any action hears of changes before they last.
    pub fn listens_before(&self) -> bool {
        self.all.iter().any(|action| action.listens.iter().any(|l| l.is_before))
    }

    /// Those that hear of such a change of an entity's rows before it lasts.
    pub fn listeners<'a>(&'a self, entity: &'a str, happening: Happening) -> impl Iterator<Item = &'a Action> {
        let is_meant = move |l: &Listener| l.is_before && l.entity == entity && l.happening == happening;
        self.all.iter().filter(move |action| action.listens.iter().any(is_meant))
    }

    fn put(&mut self, action: Action) {
        let key = (action.entity.clone(), action.name.clone());
        match self.by_name.get(&key) {
            Some(at) => self.all[*at] = action, // a project's file replaces the embedded one
            None => {
                self.by_name.insert(key, self.all.len());
                self.all.push(action);
            }
        }
    }
}
