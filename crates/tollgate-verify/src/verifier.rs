//! The verifier: finds the key, checks the signature, applies the policy.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use tollgate_jose::Compact;
use tollgate_protocol::UnixSeconds;

use crate::bound::check_binding;
use crate::builder::{VerifierBuilder, WantsIssuer};
use crate::dpop::{Dpop, Presented};
use crate::error::Error;
use crate::keys::KeyRing;
use crate::policy::{Binding, Policy, Terms, TokenType, missing};
use crate::token::{NoClaims, VerifiedToken};
use crate::validators::{AtOnce, Validators};

/// Verifies tokens against a policy. Cheap to clone; clones share keys.
///
/// `C` are the caller's own claims. `M` is [`AtOnce`] unless a validator has to be awaited
/// ([`VerifierBuilder::validate_async`]): what cannot await does not exist on such a verifier.
pub struct Verifier<C = NoClaims, M = AtOnce> {
    pub(crate) inner: Arc<Inner<C>>,
    pub(crate) mode: PhantomData<fn() -> M>,
}

pub(crate) struct Inner<C> {
    pub(crate) policy: Policy,
    /// The keys of each issuer, in the order of the policy's issuers.
    pub(crate) keys: Vec<Keys>,
    pub(crate) validators: Validators<C>,
    pub(crate) dpop: Dpop,
    #[cfg(feature = "client")]
    pub(crate) clock: Arc<dyn crate::client::Clock>,
    #[cfg(feature = "client")]
    pub(crate) validations: crate::client::stats::Validations,
    #[cfg(feature = "client")]
    pub(crate) verified: Option<crate::verified::VerifiedCache>,
}

/// Where an issuer's keys are.
pub(crate) enum Keys {
    Fixed(KeyRing),
    #[cfg(feature = "client")]
    Remote(Arc<crate::client::source::Source>),
}

impl Verifier {
    /// Starts building a verifier.
    #[must_use]
    pub fn builder() -> VerifierBuilder<WantsIssuer> {
        VerifierBuilder::default()
    }
}

impl<C: DeserializeOwned> Verifier<C> {
    /// Verifies an access token at the given time with the keys at hand, without any I/O.
    ///
    /// # Errors
    /// [`Error`] by cause. A token bound to a key is refused with [`Error::KeyBinding`], since
    /// nothing was presented to prove possession.
    pub fn verify_at(&self, token: &str, now: UnixSeconds) -> Result<VerifiedToken<C>, Error> {
        self.inner.verify(token, Purpose::Bearer, now)
    }

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
        self.inner.verify(token, Purpose::Bound(presented), now)
    }

    /// Verifies an OpenID Connect ID token (OpenID Connect Core §3.1.3.7); the audience of the
    /// policy is the client's own id.
    ///
    /// # Errors
    /// As [`Verifier::verify_at`]; besides, `sub` and `nonce` must be there, `nonce` must be the
    /// one that was sent, and `azp` must be the client where it or several audiences are named.
    pub fn verify_id_token_at(
        &self,
        token: &str,
        nonce: &str,
        now: UnixSeconds,
    ) -> Result<VerifiedToken<C>, Error> {
        self.inner.verify(token, Purpose::IdToken { nonce }, now)
    }
}

impl<C, M> Verifier<C, M> {
    /// The nonce that proofs must carry now, to be sent in the `DPoP-Nonce` header of every
    /// answer; `None` unless a nonce secret was configured (RFC 9449 §9).
    #[must_use]
    pub fn dpop_nonce_at(&self, now: UnixSeconds) -> Option<String> {
        self.inner.dpop.nonce(now)
    }
}

/// What a token is presented as.
#[derive(Clone, Copy)]
pub(crate) enum Purpose<'p> {
    /// An access token with nothing to prove possession of a key.
    Bearer,
    /// An access token with what came along.
    Bound(&'p Presented<'p>),
    /// An ID token, made for this nonce.
    IdToken { nonce: &'p str },
}

/// What one verification is about, beside the policy.
#[derive(Clone, Copy)]
pub(crate) struct Circumstances<'t> {
    pub(crate) token: &'t str,
    pub(crate) purpose: Purpose<'t>,
    pub(crate) now: UnixSeconds,
}

impl<C: DeserializeOwned> Inner<C> {
    /// The token, with the keys at hand.
    pub(crate) fn verify(
        &self,
        token: &str,
        purpose: Purpose<'_>,
        now: UnixSeconds,
    ) -> Result<VerifiedToken<C>, Error> {
        let parsed = self.policy.parse(token)?;
        let issuer = self.policy.issuer_of(&parsed)?;
        let circumstances = Circumstances {
            token,
            purpose,
            now,
        };
        match self.keys.get(issuer) {
            Some(Keys::Fixed(ring)) => self.check(&parsed, issuer, ring, circumstances),
            #[cfg(feature = "client")]
            Some(Keys::Remote(source)) => {
                let snapshot = source.at_hand().ok_or(Error::KeysUnavailable)?;
                self.check(&parsed, issuer, &snapshot.ring, circumstances)
            }
            None => Err(Error::KeysUnavailable),
        }
    }

    /// Everything from the key on, once it is known whose keys to use; validators that are
    /// awaited come afterwards.
    pub(crate) fn check(
        &self,
        parsed: &Compact<'_>,
        issuer: usize,
        ring: &KeyRing,
        circumstances: Circumstances<'_>,
    ) -> Result<VerifiedToken<C>, Error> {
        let Circumstances {
            token,
            purpose,
            now,
        } = circumstances;
        let (token_type, binding) = match purpose {
            Purpose::Bearer => (&self.policy.token_type, Binding::Absent),
            Purpose::Bound(_) => (&self.policy.token_type, Binding::Presented),
            Purpose::IdToken { .. } => (&TokenType::IdToken, Binding::Absent),
        };
        let terms = Terms {
            issuer,
            token_type,
            now,
            binding,
        };
        let verified = self.judge(token, parsed, ring, terms)?;
        match purpose {
            Purpose::Bearer => {}
            Purpose::Bound(presented) => {
                check_binding(&self.dpop, &verified, token, presented, now)?;
            }
            Purpose::IdToken { nonce } => check_id_token(&self.policy, &verified, nonce)?,
        }
        self.validators.check(&verified)?;
        Ok(verified)
    }

    /// The key, the signature and the policy.
    fn judge(
        &self,
        token: &str,
        parsed: &Compact<'_>,
        ring: &KeyRing,
        terms: Terms<'_>,
    ) -> Result<VerifiedToken<C>, Error> {
        // Also where the signature is known to be good: the key has to be there still.
        let key = ring.find(parsed.header().algorithm(), parsed.header().kid())?;
        #[cfg(feature = "client")]
        if let Some(cache) = &self.verified {
            let hash = crate::verified::hash(token.as_bytes());
            if cache.knows(&hash, &ring.identity) {
                return self.policy.judge_known(parsed, terms);
            }
            let verified = self.policy.judge(parsed, key, terms)?;
            cache.remember(hash, ring.identity);
            return Ok(verified);
        }
        #[cfg(not(feature = "client"))]
        let _ = token;
        self.policy.judge(parsed, key, terms)
    }
}

/// The checks that ID tokens have beyond those of any token.
fn check_id_token<C>(
    policy: &Policy,
    verified: &VerifiedToken<C>,
    nonce: &str,
) -> Result<(), Error> {
    let claims = &verified.claims;
    verified.subject().ok_or_else(|| missing("sub"))?;
    let own = claims.nonce.as_ref().ok_or_else(|| missing("nonce"))?;
    // A session that has lost its nonce would match a token that was asked for without one.
    if nonce.is_empty() || own.in_payload(&verified.payload) != nonce {
        return Err(Error::InvalidClaim("nonce".into()));
    }
    let is_us = |name: &str| policy.audiences.iter().any(|own| &**own == name);
    match claims
        .azp
        .as_ref()
        .map(|azp| azp.in_payload(&verified.payload))
    {
        Some(azp) if !is_us(azp) => return Err(Error::InvalidClaim("azp".into())),
        None if verified.audiences().nth(1).is_some() => return Err(missing("azp")),
        _ => {}
    }
    Ok(())
}

impl<C, M> Clone for Verifier<C, M> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
            mode: PhantomData,
        }
    }
}

impl<C, M> fmt::Debug for Verifier<C, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("policy", &self.inner.policy)
            .finish_non_exhaustive()
    }
}
