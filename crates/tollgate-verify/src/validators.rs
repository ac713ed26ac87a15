//! Checks of the caller's own: run at once on the calling thread, or awaited.

use std::fmt;
#[cfg(feature = "client")]
use std::{future::Future, pin::Pin};

use crate::error::Error;
use crate::token::VerifiedToken;

/// The kind of a [`Verifier`](crate::Verifier) whose checks all run at once, wherever it is used.
#[derive(Debug)]
pub enum AtOnce {}

/// The kind of a [`Verifier`](crate::Verifier) with validators that have to be awaited.
///
/// It has no entry that could not run them: no `verify_at`, and no
/// [`blocking`](crate::Verifier::blocking) twin.
#[derive(Debug)]
pub enum Awaited {}

/// What a validator that is awaited gives back: a future that may borrow the token.
#[cfg(feature = "client")]
pub type Validation<'t> = Pin<Box<dyn Future<Output = Result<(), Rejection>> + Send + 't>>;

/// Why a validator of the caller's did not let a token pass; goes to the log, never to the sender.
#[derive(Clone, PartialEq, Eq)]
pub struct Rejection(Cause);

#[derive(Clone, PartialEq, Eq)]
enum Cause {
    Refused(Box<str>),
    Undecided(Box<str>),
}

impl Rejection {
    /// The token is refused: [`Error::Rejected`].
    #[must_use]
    pub fn new(reason: &str) -> Self {
        Self(Cause::Refused(reason.into()))
    }

    /// It could not be found out whether to let the token pass, so it does not:
    /// [`Error::Undecided`], which a server answers with 503 and not with 401.
    #[must_use]
    pub fn undecided(reason: &str) -> Self {
        Self(Cause::Undecided(reason.into()))
    }
}

impl fmt::Debug for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, reason) = match &self.0 {
            Cause::Refused(reason) => ("Refused", reason),
            Cause::Undecided(reason) => ("Undecided", reason),
        };
        f.debug_tuple(name).field(reason).finish()
    }
}

impl From<Rejection> for Error {
    fn from(rejection: Rejection) -> Self {
        match rejection.0 {
            Cause::Refused(reason) => Self::Rejected(reason),
            Cause::Undecided(reason) => Self::Undecided(reason),
        }
    }
}

type Check<C> = Box<dyn Fn(&VerifiedToken<C>) -> Result<(), Rejection> + Send + Sync>;
#[cfg(feature = "client")]
type Query<C> = Box<dyn for<'t> Fn(&'t VerifiedToken<C>) -> Validation<'t> + Send + Sync>;

/// All validators of a verifier, in the order in which they were added.
pub(crate) struct Validators<C> {
    checks: Vec<Check<C>>,
    #[cfg(feature = "client")]
    queries: Vec<Query<C>>,
}

impl<C> Default for Validators<C> {
    fn default() -> Self {
        Self {
            checks: Vec::new(),
            #[cfg(feature = "client")]
            queries: Vec::new(),
        }
    }
}

impl<C> Validators<C> {
    pub(crate) fn push(&mut self, check: Check<C>) {
        self.checks.push(check);
    }

    /// Runs those that need not be awaited.
    pub(crate) fn check(&self, token: &VerifiedToken<C>) -> Result<(), Error> {
        let mut checks = self.checks.iter();
        checks
            .try_for_each(|check| check(token))
            .map_err(Error::from)
    }

    #[cfg(not(feature = "client"))]
    pub(crate) fn is_empty(&self) -> bool {
        self.checks.is_empty()
    }
}

#[cfg(feature = "client")]
impl<C> Validators<C> {
    pub(crate) fn push_awaited(&mut self, query: Query<C>) {
        self.queries.push(query);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.checks.is_empty() && self.queries.is_empty()
    }

    /// Runs those that are awaited, one after the other: the first that refuses ends it.
    pub(crate) async fn query(&self, token: &VerifiedToken<C>) -> Result<(), Error> {
        for query in &self.queries {
            query(token).await?;
        }
        Ok(())
    }
}
