//! Everything that can go wrong with a request, and the public words for it.
//!
//! In charge of: one enum, and one exhaustive match each for status, stable code and title. It must not know
//! how an answer is written (`document`, `action`) nor how PostgreSQL spells its errors (`store` translates).

use std::fmt;

/// Where in the request a [`Fault`] sits (JSON:API `source`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Nowhere in particular.
    None,
    /// A JSON pointer into the body.
    Pointer(String),
    /// A query parameter, as the client spelled it.
    Parameter(String),
    /// A request header.
    Header(&'static str),
}

/// Why somebody was refused: told only in projects that say `explain_refusals`, and never on a 404 (which says no more than the
/// outcome).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// `before entity`, `before instance`, `after entity` or `after instance`.
    pub phase: &'static str,
    /// Whose entity or row refused.
    pub entity: String,
    /// The right that was missing, or `ownership`.
    pub asks: &'static str,
}

/// One thing wrong with a request. A request reports all of its faults at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// A stable word that programs may compare.
    pub code: &'static str,
    /// A sentence that names the field and says what would be right. Never anything from the server's inside.
    pub detail: String,
    /// Where it sits.
    pub source: Source,
    /// Of a refusal: why.
    pub reason: Option<Box<Reason>>,
    /// Of a refusal within an action: the outcome that was refused, such as `5 (link firm.usergroups)`.
    pub outcome: Option<String>,
    /// Of a page that is too large: how large one may be.
    pub most: Option<i64>,
}

impl Fault {
    /// A fault without a place.
    pub fn new(code: &'static str, detail: impl Into<String>) -> Fault {
        Fault { code, detail: detail.into(), source: Source::None, reason: None, outcome: None, most: None }
    }

    /// The same fault, in the body at `pointer`.
    pub fn at(mut self, pointer: impl Into<String>) -> Fault {
        self.source = Source::Pointer(pointer.into());
        self
    }

    /// The same fault, of a part of the body that stands at `at`. One without a place is the part's as a whole.
    pub fn within(mut self, at: &str) -> Fault {
        match &self.source {
            Source::None => self.source = Source::Pointer(at.to_owned()),
            Source::Pointer(pointer) => self.source = Source::Pointer(format!("{at}{pointer}")),
            Source::Header(_) => self.source = Source::Pointer(at.to_owned()), // an operation has none of its own
            Source::Parameter(_) => {}
        }
        self
    }

    /// The same fault, of an outcome, which may have called the one that is named already.
    fn of_outcome(mut self, outcome: &str) -> Fault {
        self.outcome = Some(self.outcome.map_or_else(|| outcome.to_owned(), |inner| format!("{outcome}, {inner}")));
        self
    }

    /// Why it was refused, as far as that is known: phase, entity and right, and the outcome of an action.
    pub fn why(&self) -> Option<String> {
        let reason = self.reason.as_ref().map(|reason| format!("{} {}: {}", reason.phase, reason.entity, reason.asks));
        let outcome = self.outcome.as_ref().map(|outcome| format!("outcome {outcome}"));
        let all: Vec<String> = outcome.into_iter().chain(reason).collect();
        if all.is_empty() { None } else { Some(all.join("; ")) }
    }

    /// The same fault, in the query parameter `name`.
    pub fn parameter(mut self, name: impl Into<String>) -> Fault {
        self.source = Source::Parameter(name.into());
        self
    }

    /// The same fault, in the header `name`.
    pub fn header(mut self, name: &'static str) -> Fault {
        self.source = Source::Header(name);
        self
    }
}

/// A name as a sentence may hold it.
pub fn short(name: &str) -> String {
    if name.chars().count() > 60 { name.chars().take(60).chain("…".chars()).collect() } else { name.to_owned() }
}

/// What happened inside the server. It has no `Display`, so it can't slip into an answer; the log prints it with `Debug`.
pub struct Cause(Box<dyn std::error::Error + Send + Sync>);

impl Cause {
    /// Keeps an error for the log.
    pub fn new(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Cause {
        Cause(error.into())
    }
}

/// A value that PostgreSQL didn't take. A defect, unless it is known whose value it was.
#[derive(Debug, Clone)]
pub struct Unfit {
    /// What is wrong with it.
    pub why: Why,
    /// The column, constraint or index that says so; empty where none does.
    pub object: String,
    /// What goes to the log.
    pub words: String,
}

/// What is wrong with a value that PostgreSQL didn't take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// There is none.
    Missing,
    /// A constraint refuses it.
    Refused,
    /// It is longer than its column, or than an index takes.
    TooLong,
    /// It is none of its type.
    NoValue,
}

impl Why {
    /// The end of a sentence that starts with the field's name.
    pub fn words(self) -> &'static str {
        match self {
            Why::Missing => "is required",
            Why::Refused => "is not what the database takes",
            Why::TooLong => "is too long for its index",
            Why::NoValue => "doesn't fit its type",
        }
    }
}

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

impl std::error::Error for Unfit {}

impl Cause {
    /// The value that PostgreSQL didn't take, where that is the cause.
    pub fn unfit(&self) -> Option<&Unfit> {
        self.0.downcast_ref()
    }
}

impl fmt::Debug for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut inner = self.0.source();
        while let Some(error) = inner {
            write!(f, ": {error}")?;
            inner = error.source();
        }
        Ok(())
    }
}

/// Why a token of ours is good no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// Its time is over, or that of the key that signed it.
    Expired,
    /// Its session was ended, or is gone, or its user is.
    Ended,
    /// It is of the form of our keys, and none of them.
    NoKey,
}

/// A refused or failed request.
#[derive(Debug)]
pub enum Error {
    /// 400: the request can't be read, or its query names what doesn't exist.
    Unreadable(Vec<Fault>),
    /// 422: read, understood, and wrong.
    Invalid(Vec<Fault>),
    /// 401: a guest was refused. `bad_token` says that a token was sent that counts for nothing.
    Unauthenticated {
        /// Whether the request carried a token that is not valid.
        bad_token: bool,
        /// Why.
        reason: Option<Box<Reason>>,
    },
    /// 403: somebody signed in was refused. With a fault where one part of the request is to blame.
    Forbidden(Option<Fault>),
    /// 404: no such thing, or none that the caller may know of.
    NotFound,
    /// 405: the path exists, the method does not. Holds the methods that do.
    MethodNotAllowed(String),
    /// 406: no media type that we write.
    NotAcceptable,
    /// 408: the client was too slow.
    Timeout,
    /// 409: it clashes with what is there.
    Conflict(Vec<Fault>),
    /// 412: `If-Match` names another version.
    PreconditionFailed,
    /// 428: the entity wants `If-Match`.
    PreconditionRequired,
    /// 413: more than the limit, which the words name.
    TooLarge(String),
    /// 400: what was asked for is larger than an answer may be.
    TooMuch {
        /// Most bytes of an answer.
        most: usize,
        /// So many rows fit; 0: not even one.
        rows: usize,
    },
    /// 415: a media type that we don't read.
    Unsupported(String),
    /// 429: too many; try again after so many seconds.
    TooMany(u64),
    /// 503, unless it goes well when the whole is done once more: a clash with a parallel transaction, a statement that was
    /// prepared before the schema changed, or a cancel that was meant for somebody else.
    Again,
    /// 503: the database or the hashing queue is busy or away; try again after so many seconds.
    Unavailable(u64),
    /// 503: another schema was applied than this node's files have: until it is started with those.
    SchemaChanged,
    /// 401: a token of ours that is good no more.
    Over(Over),
    /// A status of an action's own (`fail`), 400–499.
    Failed {
        /// The HTTP status.
        status: u16,
        /// What the action's file says.
        message: String,
    },
    /// 401 of a sign-in that failed, with the words that are the same for every reason.
    WrongPassword,
    /// What one operation of many ran into, and where that stands in the body.
    Within(String, Box<Error>),
    /// The refusal of an action's outcome, and which one that is.
    Outcome(String, Box<Error>),
    /// 500: a defect. The cause goes to the log only.
    Internal(Cause),
}

/// Seconds after which a node may have been started with its new files.
const SCHEMA_WAIT: u64 = 10;

/// What every fallible function of a request gives.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An internal error from whatever went wrong.
    pub fn internal(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
        Error::Internal(Cause::new(error))
    }

    /// The refusal for a caller: guests are asked to sign in, others are told no.
    pub fn refused(guest: bool, bad_token: bool, reason: Option<Reason>) -> Error {
        let reason = reason.map(Box::new);
        if guest {
            return Error::Unauthenticated { bad_token, reason };
        }
        let fault = |reason| Fault { reason: Some(reason), ..Fault::new("forbidden", Error::Forbidden(None).detail()) };
        Error::Forbidden(reason.map(fault))
    }

    /// The same error, of the operation that stands at `at` in the body. What concerns the whole stays as it is.
    pub fn within(self, at: &str) -> Error {
        match self {
            Error::Again | Error::Unavailable(_) | Error::Internal(_) | Error::Over(_) | Error::SchemaChanged => self,
            other => Error::Within(at.to_owned(), Box::new(other)),
        }
    }

    /// The same refusal, of an action's outcome; what is none stays as it is.
    pub fn in_outcome(self, outcome: impl FnOnce() -> String) -> Error {
        if self.is_refusal() { Error::Outcome(outcome(), Box::new(self)) } else { self }
    }

    /// 409 with one fault.
    pub fn conflict(fault: Fault) -> Error {
        Error::Conflict(vec![fault])
    }

    /// The error itself, wherever in the body it stands.
    pub fn inner(&self) -> &Error {
        if let Error::Within(_, error) | Error::Outcome(_, error) = self { error.inner() } else { self }
    }

    /// Whether it says that something is not permitted, or not there for this caller.
    pub fn is_refusal(&self) -> bool {
        matches!(self.inner(), Error::NotFound | Error::Forbidden(_) | Error::Unauthenticated { .. })
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        match self {
            Error::Unreadable(_) => 400,
            Error::Unauthenticated { .. } | Error::WrongPassword | Error::Over(_) => 401,
            Error::Forbidden(_) => 403,
            Error::NotFound => 404,
            Error::MethodNotAllowed(_) => 405,
            Error::NotAcceptable => 406,
            Error::Timeout => 408,
            Error::Conflict(_) => 409,
            Error::PreconditionFailed => 412,
            Error::PreconditionRequired => 428,
            Error::TooLarge(_) => 413,
            Error::TooMuch { .. } => 400,
            Error::Unsupported(_) => 415,
            Error::Invalid(_) => 422,
            Error::TooMany(_) => 429,
            Error::Failed { status, .. } => *status,
            Error::Within(_, error) | Error::Outcome(_, error) => error.status(),
            Error::Internal(_) => 500,
            Error::Unavailable(_) | Error::Again | Error::SchemaChanged => 503,
        }
    }

    /// The stable code, for errors that carry no fault of their own.
    pub fn code(&self) -> &'static str {
        match self {
            Error::Unreadable(_) => "unreadable",
            Error::Unauthenticated { .. } => "sign-in-needed",
            Error::WrongPassword => "wrong-password",
            Error::Over(Over::Expired) => "token-expired",
            Error::Over(Over::Ended) => "session-ended",
            Error::Over(Over::NoKey) => "unknown-key",
            Error::Forbidden(_) => "forbidden",
            Error::NotFound => "not-found",
            Error::MethodNotAllowed(_) => "method-not-allowed",
            Error::NotAcceptable => "not-acceptable",
            Error::Timeout => "too-slow",
            Error::Conflict(_) => "conflict",
            Error::PreconditionFailed => "precondition-failed",
            Error::PreconditionRequired => "precondition-required",
            Error::TooLarge(_) | Error::TooMuch { .. } => "too-large",
            Error::Unsupported(_) => "unsupported-media-type",
            Error::Invalid(_) => "invalid",
            Error::TooMany(_) => "too-many",
            Error::Failed { .. } => "failed",
            Error::Within(_, error) | Error::Outcome(_, error) => error.code(),
            Error::Internal(_) => "internal",
            Error::Unavailable(_) | Error::Again => "unavailable",
            Error::SchemaChanged => "schema-changed",
        }
    }

    /// The title: the same words for every occurrence.
    pub fn title(&self) -> &'static str {
        match self {
            Error::Unreadable(_) => "The request can't be read",
            Error::Unauthenticated { .. } => "Sign in first",
            Error::WrongPassword => "Not signed in",
            Error::Over(_) => "Signed in no more",
            Error::Forbidden(_) => "Not permitted",
            Error::NotFound => "Not found",
            Error::MethodNotAllowed(_) => "Method not allowed",
            Error::NotAcceptable => "Not acceptable",
            Error::Timeout => "Too slow",
            Error::Conflict(_) => "Conflict",
            Error::PreconditionFailed => "Changed meanwhile",
            Error::PreconditionRequired => "Which version?",
            Error::TooLarge(_) | Error::TooMuch { .. } => "Too large",
            Error::Unsupported(_) => "Unsupported media type",
            Error::Invalid(_) => "Invalid",
            Error::TooMany(_) => "Too many requests",
            Error::Failed { .. } => "Failed",
            Error::Within(_, error) | Error::Outcome(_, error) => error.title(),
            Error::Internal(_) => "Internal error",
            Error::Unavailable(_) | Error::Again | Error::SchemaChanged => "Not available right now",
        }
    }

    /// The sentence for the client, for errors that carry no fault of their own.
    pub fn detail(&self) -> String {
        match self {
            Error::Unreadable(_) | Error::Invalid(_) => "See the faults.".to_owned(),
            Error::Unauthenticated { .. } => "This needs somebody who is signed in and permitted.".to_owned(),
            Error::WrongPassword => "Wrong e-mail or password".to_owned(),
            Error::Over(Over::Expired) => "This token's time is over: sign in again.".to_owned(),
            Error::Over(Over::Ended) => "This session has ended: sign in again.".to_owned(),
            Error::Over(Over::NoKey) => "This is no key that is good here.".to_owned(),
            Error::Forbidden(_) => "You are not permitted to do this.".to_owned(),
            Error::NotFound => "There is nothing here, or nothing that you may see.".to_owned(),
            Error::MethodNotAllowed(allow) => format!("Here one may use: {allow}."),
            Error::NotAcceptable => {
                "Accept must admit application/vnd.api+json without parameters that are unknown here.".to_owned()
            }
            Error::Timeout => "The request took too long to arrive.".to_owned(),
            Error::Conflict(faults) => faults.iter().map(|fault| fault.detail.as_str()).collect::<Vec<_>>().join(" "),
            Error::PreconditionFailed => "The row has another version than the one that is named.".to_owned(),
            Error::PreconditionRequired => "Say which version is meant: If-Match (of an operation meta.if_match) with the ETag that a GET of the row answered.".to_owned(),
            Error::TooLarge(words) | Error::Unsupported(words) => words.clone(),
            Error::TooMuch { most, rows: 0 } => {
                format!("An answer has at most {most} bytes: ask for fewer columns by `fields[…]`, or include less.")
            }
            Error::TooMuch { most, rows } => format!("An answer has at most {most} bytes: `page[size]={rows}` fits."),
            Error::TooMany(seconds) | Error::Unavailable(seconds) => format!("Try again in {seconds} s."),
            Error::Again => "Try again.".to_owned(),
            Error::SchemaChanged => "What is served here has changed: this server waits for its new files.".to_owned(),
            Error::Failed { message, .. } => message.clone(),
            Error::Within(_, error) | Error::Outcome(_, error) => error.detail(),
            Error::Internal(_) => "Something went wrong on our side; it is in the log under the request's id.".to_owned(),
        }
    }

    /// The faults that a client is told, at least one.
    pub fn faults(&self) -> Vec<Fault> {
        match self {
            Error::Unreadable(faults) | Error::Invalid(faults) | Error::Conflict(faults) if !faults.is_empty() => faults.clone(),
            Error::Forbidden(Some(fault)) => vec![fault.clone()],
            Error::Within(at, error) => error.faults().into_iter().map(|fault| fault.within(at)).collect(),
            Error::Outcome(outcome, error) => error.faults().into_iter().map(|fault| fault.of_outcome(outcome)).collect(),
            Error::Unauthenticated { reason, .. } => {
                vec![Fault { reason: reason.clone(), ..Fault::new(self.code(), self.detail()) }]
            }
            Error::PreconditionFailed | Error::PreconditionRequired => {
                vec![Fault::new(self.code(), self.detail()).header("If-Match")]
            }
            Error::NotAcceptable => vec![Fault::new(self.code(), self.detail()).header("Accept")],
            Error::TooMuch { rows: 1.., .. } => vec![Fault::new(self.code(), self.detail()).parameter("page[size]")],
            Error::Unsupported(_) => vec![Fault::new(self.code(), self.detail()).header("Content-Type")],
            _ => vec![Fault::new(self.code(), self.detail())],
        }
    }

    /// Seconds for `Retry-After`, where waiting helps.
    pub fn retry_after(&self) -> Option<u64> {
        match self.inner() {
            Error::TooMany(seconds) | Error::Unavailable(seconds) => Some(*seconds),
            Error::Again => Some(1),
            Error::SchemaChanged => Some(SCHEMA_WAIT),
            _ => None,
        }
    }
}
