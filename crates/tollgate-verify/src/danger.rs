//! What tests and debuggers need and services do not; every use of this module can be found by
//! its name.

use tollgate_jose::{Compact, Limits};

use crate::builder::VerifierBuilder;
use crate::error::Error;
use crate::policy::Claim;

/// Settings that weaken a verifier, or an [introspector](crate::client::Introspector).
pub trait DangerousBuilder: Sized {
    /// Accepts tokens without this claim; where it is there, it is still checked.
    ///
    /// # Security
    /// A token without `exp` is valid for ever, one without `aud` valid everywhere, one without
    /// `iss` says nothing about who vouches for it.
    #[must_use]
    fn tolerate_missing(self, claim: Claim) -> Self;
}

impl<S, C, M> DangerousBuilder for VerifierBuilder<S, C, M> {
    fn tolerate_missing(self, claim: Claim) -> Self {
        self.tolerate(claim)
    }
}

/// The claims of a token that nobody has verified, to be shown to a human.
///
/// # Errors
/// [`Error::Malformed`] and the like when there is nothing to show.
///
/// # Security
/// Anybody can have written them.
pub fn unverified_claims(token: &str) -> Result<String, Error> {
    let parsed = Compact::parse(token, &Limits::default())?;
    String::from_utf8(parsed.unverified_payload()?).map_err(|_| Error::Malformed("claims"))
}
