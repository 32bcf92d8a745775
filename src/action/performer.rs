//! What is code in the server: the performers that action files may name.
//!
//! In charge of: the registry, and what the files' reader must know of each. Another performer is a file here and a line in
//! the table. Their powers stand in their files and nowhere else: `session.open` takes only a proof that `password.check` made
//! in the same action.

mod administrator_claim;
mod file_make;
mod http_request;
mod log;
mod mail_send;
pub mod password_check;
mod random;
mod session_close;
mod session_open;
mod session_refresh;
mod template_render;
mod token_issue;
mod token_spend;
mod transfer_link;
mod transfer_start;
mod transfer_stop;

use futures_util::future::BoxFuture;
use serde_json::{Map, Value as Json, json};

use super::run::Run;
use crate::error::Result;
use crate::statement::query::Internal;

/// All of them.
pub static PERFORMERS: &[&Performer] = &[
    &password_check::PERFORMER,
    &session_open::PERFORMER,
    &session_refresh::PERFORMER,
    &session_close::PERFORMER,
    &administrator_claim::PERFORMER,
    &token_issue::PERFORMER,
    &token_spend::PERFORMER,
    &mail_send::PERFORMER,
    &http_request::PERFORMER,
    &file_make::PERFORMER,
    &template_render::PERFORMER,
    &random::PERFORMER,
    &log::PERFORMER,
    &transfer_start::PERFORMER,
    &transfer_stop::PERFORMER,
    &transfer_link::PERFORMER,
];

/// A performer.
pub struct Performer {
    /// Its name in files.
    pub name: &'static str,
    /// Its parameters, and whether each must be there.
    pub parameters: &'static [(&'static str, bool)],
    /// The JSON Schemas of those that aren't simply anything.
    pub properties: fn() -> Json,
    /// Whether it takes any others beside: the values of a letter.
    pub takes_values: bool,
    /// What its result is.
    pub gives: Gives,
    /// Whether its parameter `user` must be a proof.
    pub takes_proof: bool,
    /// Whether what it is told goes further, into an answer, a letter or to another server: then it sees of rows only what the
    /// caller may read, unless the outcome says `tells: true`.
    pub tells: bool,
    /// Parameters for which peek is enough all the same.
    pub by_peek: &'static [&'static str],
    /// Whether it checks or hands out secrets: then it is neither rehearsed, nor kept, nor called by other actions.
    pub is_secret: bool,
    /// Whether what it does outlives a rollback.
    pub outlives: bool,
    /// Its deed, inside the action's transaction.
    pub run: Deed,
    /// What is done where the action failed: the record of an attempt, which lasts in a transaction of its own.
    pub failed: Option<Record>,
}

/// What a performer's result is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gives {
    /// A value that has these in it.
    Values(&'static [&'static str]),
    /// A user.
    User,
    /// A user, and a proof that it is they who call.
    Proof,
}

/// What a performer does with its parameters.
pub type Deed = for<'r> fn(&'r mut Run<'_>, &'r Map<String, Json>) -> BoxFuture<'r, Result<Json>>;

/// The record of an attempt, from the performer's parameters.
pub type Record = fn(&Map<String, Json>) -> Internal<()>;

impl std::fmt::Debug for Performer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

/// A performer with nothing special about it.
const fn plain(name: &'static str, parameters: &'static [(&'static str, bool)], run: Deed) -> Performer {
    Performer {
        name,
        parameters,
        properties: || json!({}),
        takes_values: false,
        gives: Gives::Values(&[]),
        takes_proof: false,
        tells: false,
        by_peek: &[],
        is_secret: false,
        outlives: false,
        run,
        failed: None,
    }
}

/// A parameter that is text; else nothing.
fn text(with: &Map<String, Json>, name: &str) -> String {
    with.get(name).and_then(Json::as_str).unwrap_or_default().to_owned()
}
