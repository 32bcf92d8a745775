//! Accounts: who a request comes from, as far as its token says; the database decides what that is worth.
//!
//! In charge of: tokens and the secrets that sign them. It must not know HTTP.

pub mod password;
pub mod seal;
pub mod token;

use uuid::Uuid;

/// Who a request says it comes from. Everything that decides is read from the database under this session's id.
#[derive(Debug, Clone, Copy, Default)]
pub struct Caller {
    /// The session that a verified token names.
    pub session: Option<Uuid>,
    /// Whether a token was sent, good or bad.
    pub sent_token: bool,
}
