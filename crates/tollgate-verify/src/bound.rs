//! Judging what was presented against what a verified token is bound to.

use tollgate_protocol::UnixSeconds;

use crate::dpop::{Dpop, Presented, check_confirmation};
use crate::error::Error;
use crate::token::VerifiedToken;

/// Checks what was presented against what a verified token is bound to.
pub(crate) fn check_binding<C>(
    dpop: &Dpop,
    verified: &VerifiedToken<C>,
    token: &str,
    presented: &Presented<'_>,
    now: UnixSeconds,
) -> Result<(), Error> {
    let Presented { proof, certificate } = presented;
    let Some(confirmation) = &verified.claims.cnf else {
        // RFC 9449 §7.1: the DPoP scheme is for bound tokens.
        return if proof.is_some() {
            Err(Error::KeyBinding)
        } else {
            Ok(())
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
    Ok(())
}
