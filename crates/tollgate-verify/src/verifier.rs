//! The verifier: finds the key, checks the signature, applies the policy.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread;

use serde::de::DeserializeOwned;
use tollgate_jose::Compact;
use tollgate_protocol::UnixSeconds;

use crate::builder::{VerifierBuilder, WantsIssuer};
use crate::dpop::Dpop;
use crate::error::Error;
use crate::keys::KeyRing;
use crate::policy::{Binding, Policy, Terms, TokenType, missing};
use crate::token::{NoClaims, VerifiedToken};

/// Fewer tokens than this for each thread are not worth starting one.
const TOKENS_PER_THREAD_MIN: usize = 16;

/// Verifies tokens against a policy. Cheap to clone; clones share keys.
pub struct Verifier<C = NoClaims> {
    pub(crate) inner: Arc<Inner<C>>,
}

pub(crate) struct Inner<C> {
    pub(crate) policy: Policy,
    /// The keys of each issuer, in the order of the policy's issuers.
    pub(crate) keys: Vec<Keys>,
    pub(crate) validators: Vec<Validator<C>>,
    pub(crate) dpop: Dpop,
    #[cfg(feature = "client")]
    pub(crate) clock: Arc<dyn crate::client::Clock>,
    #[cfg(feature = "client")]
    pub(crate) validations: crate::client::stats::Validations,
}

/// Where an issuer's keys are.
pub(crate) enum Keys {
    Fixed(KeyRing),
    #[cfg(feature = "client")]
    Remote(Arc<crate::client::source::Source>),
}

/// Why a validator of the caller's refused a token; goes to the log, never to the sender.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection(Box<str>);

impl Rejection {
    /// A rejection with a reason.
    #[must_use]
    pub fn new(reason: &str) -> Self {
        Self(reason.into())
    }
}

pub(crate) type Validator<C> =
    Box<dyn Fn(&VerifiedToken<C>) -> Result<(), Rejection> + Send + Sync>;

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
        let token_type = &self.inner.policy.token_type;
        self.inner.verify(token, token_type, now, Binding::Absent)
    }

    /// Verifies many tokens on all cores; the results stand in the order of the tokens.
    pub fn verify_many_at(
        &self,
        tokens: &[&str],
        now: UnixSeconds,
    ) -> Vec<Result<VerifiedToken<C>, Error>>
    where
        C: Send,
    {
        let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let threads = (tokens.len() / TOKENS_PER_THREAD_MIN).clamp(1, cores);
        let share = tokens.len().div_ceil(threads).max(1);
        let verify_all = |part: &[&str]| -> Vec<_> {
            part.iter()
                .map(|token| self.verify_at(token, now))
                .collect()
        };
        thread::scope(|scope| {
            let mut parts = tokens.chunks(share);
            let first = parts.next().unwrap_or_default();
            let others: Vec<_> = parts
                .map(|part| (part, scope.spawn(move || verify_all(part))))
                .collect();
            let mut results = verify_all(first);
            for (part, other) in others {
                // A validator of the caller's that panics loses its share, not the rest.
                let failed = |_| part.iter().map(|_| Err(Error::KeysUnavailable)).collect();
                results.extend(other.join().unwrap_or_else(failed));
            }
            results
        })
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
        let verified = self
            .inner
            .verify(token, &TokenType::IdToken, now, Binding::Absent)?;
        check_id_token(&self.inner.policy, verified, nonce)
    }
}

/// The checks that ID tokens have beyond those of any token.
pub(crate) fn check_id_token<C>(
    policy: &Policy,
    verified: VerifiedToken<C>,
    nonce: &str,
) -> Result<VerifiedToken<C>, Error> {
    let claims = &verified.claims;
    verified.subject().ok_or_else(|| missing("sub"))?;
    let own = claims.nonce.as_ref().ok_or_else(|| missing("nonce"))?;
    if own.in_payload(&verified.payload) != nonce {
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
    Ok(verified)
}

/// What one verification is about, beside the token itself.
#[derive(Clone, Copy)]
pub(crate) struct Circumstances<'t> {
    pub(crate) token_type: &'t TokenType,
    pub(crate) now: UnixSeconds,
    pub(crate) binding: Binding,
}

impl<C: DeserializeOwned> Inner<C> {
    pub(crate) fn verify(
        &self,
        token: &str,
        token_type: &TokenType,
        now: UnixSeconds,
        binding: Binding,
    ) -> Result<VerifiedToken<C>, Error> {
        let parsed = self.policy.parse(token)?;
        let issuer = self.policy.issuer_of(&parsed)?;
        let circumstances = Circumstances {
            token_type,
            now,
            binding,
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

    /// Everything from the key on, once it is known whose keys to use.
    pub(crate) fn check(
        &self,
        parsed: &Compact<'_>,
        issuer: usize,
        ring: &KeyRing,
        circumstances: Circumstances<'_>,
    ) -> Result<VerifiedToken<C>, Error> {
        let Circumstances {
            token_type,
            now,
            binding,
        } = circumstances;
        let key = ring.find(parsed.header().algorithm(), parsed.header().kid())?;
        let terms = Terms {
            issuer,
            token_type,
            now,
            binding,
        };
        let verified = self.policy.judge(parsed, key, terms)?;
        self.validate(&verified)?;
        Ok(verified)
    }
}

impl<C> Inner<C> {
    /// Runs the caller's own checks.
    pub(crate) fn validate(&self, token: &VerifiedToken<C>) -> Result<(), Error> {
        let mut validators = self.validators.iter();
        validators
            .try_for_each(|validator| validator(token))
            .map_err(|reason| Error::Rejected(reason.0))
    }
}

impl<C> Clone for Verifier<C> {
    fn clone(&self) -> Self {
        Self {
            inner: Arc::clone(&self.inner),
        }
    }
}

impl<C> fmt::Debug for Verifier<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("policy", &self.inner.policy)
            .finish_non_exhaustive()
    }
}
