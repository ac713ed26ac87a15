//! Verifying tokens together with what proves possession of the key they are bound to.

use serde::de::DeserializeOwned;
use tollgate_protocol::UnixSeconds;

use crate::dpop::{Dpop, Presented, check_confirmation};
use crate::error::Error;
use crate::policy::Binding;
use crate::token::VerifiedToken;
use crate::verifier::Verifier;

impl<C: DeserializeOwned> Verifier<C> {
    /// Verifies an access token and the proof of possession that came with it, with the keys at
    /// hand and without any I/O.
    ///
    /// A token that is not bound passes when no DPoP proof came with it. A bound one passes only
    /// with everything that it is bound to.
    ///
    /// # Errors
    /// As [`Verifier::verify_at`], [`Error::KeyBinding`] when nothing was presented for a bound
    /// token, and [`Error::Proof`] when what was presented does not count.
    pub fn verify_bound_at(
        &self,
        token: &str,
        presented: &Presented<'_>,
        now: UnixSeconds,
    ) -> Result<VerifiedToken<C>, Error> {
        let token_type = &self.inner.policy.token_type;
        let verified = self
            .inner
            .verify(token, token_type, now, Binding::Presented)?;
        check_binding(&self.inner.dpop, verified, token, presented, now)
    }

    /// The nonce that proofs must carry now, to be sent in the `DPoP-Nonce` header of every
    /// answer; `None` unless a nonce secret was configured (RFC 9449 §9).
    #[must_use]
    pub fn dpop_nonce_at(&self, now: UnixSeconds) -> Option<String> {
        self.inner.dpop.nonce(now)
    }
}

/// Checks what was presented against what a verified token is bound to.
pub(crate) fn check_binding<C>(
    dpop: &Dpop,
    verified: VerifiedToken<C>,
    token: &str,
    presented: &Presented<'_>,
    now: UnixSeconds,
) -> Result<VerifiedToken<C>, Error> {
    let Presented { proof, certificate } = presented;
    let Some(confirmation) = &verified.claims.cnf else {
        // RFC 9449 §7.1: the DPoP scheme is for bound tokens.
        return if proof.is_some() {
            Err(Error::KeyBinding)
        } else {
            Ok(verified)
        };
    };
    if proof.is_none() && certificate.is_none() {
        return Err(Error::KeyBinding);
    }
    let genuine = proof
        .as_ref()
        .map(|proof| dpop.check(proof, token, now))
        .transpose()?;
    check_confirmation(confirmation, genuine.as_ref(), *certificate)?;
    if let Some(genuine) = &genuine {
        dpop.remember(genuine, now)?;
    }
    Ok(verified)
}
