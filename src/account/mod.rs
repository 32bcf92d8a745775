//! Accounts: who a request comes from, as far as its token says; the database decides what that is worth.
//!
//! In charge of: tokens and the secrets that sign them. It must not know HTTP.

pub mod password;
pub mod policy;
pub mod seal;
pub mod token;

use uuid::Uuid;

use crate::error::{Error, Over, Result};

/// Who a request says it comes from. Everything that decides is read from the database under this session's id.
#[derive(Debug, Clone, Copy, Default)]
pub struct Caller {
    /// The session that a verified token names.
    pub session: Option<Uuid>,
    /// Whether a token was sent, good or bad.
    pub sent_token: bool,
    /// Why the token is good no more, where it tells so by itself.
    pub over: Option<Over>,
    /// Whether a token that is over counts as none.
    pub is_lenient: bool,
}

impl Caller {
    /// The session that counts; none: a guest.
    ///
    /// # Errors
    /// 401 where the token is good no more.
    pub fn counts(self) -> Result<Option<Uuid>> {
        match self.over {
            Some(over) if !self.is_lenient || over == Over::NoKey => Err(Error::Over(over)),
            Some(_) => Ok(None),
            None => Ok(self.session),
        }
    }

    /// The same, where a token that is over counts as none.
    pub fn lenient(self) -> Caller {
        Caller { is_lenient: true, ..self }
    }

    /// Nobody any more: their session was ended on the way, by themselves.
    pub fn left(self) -> Caller {
        Caller { session: None, over: None, ..self }
    }
}
