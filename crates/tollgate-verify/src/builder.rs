//! Building a verifier step by step; each missing step is a compile error.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use tollgate_jose::{Algorithm, JwkSet, Limits, VerifyingKey};

#[cfg(feature = "client")]
use crate::client::KeySource;
use crate::dpop::{Dpop, DpopSettings};
use crate::error::BuildError;
use crate::keys::KeyRing;
use crate::policy::{Claim, Policy, TokenType};
use crate::token::{NoClaims, VerifiedToken};
use crate::verifier::{Inner, Keys, Rejection, Validator, Verifier};

/// Clocks further apart than this are broken; no leeway makes up for it.
const LEEWAY_MAX: Duration = Duration::from_secs(300);

/// The next step is [`VerifierBuilder::issuer`].
#[derive(Debug)]
pub struct WantsIssuer(());
/// The next step is [`VerifierBuilder::audience`].
#[derive(Debug)]
pub struct WantsAudience(());
/// The next step names the keys.
#[derive(Debug)]
pub struct WantsKeys(());
/// Everything needed is there: [`VerifierBuilder::build`].
#[derive(Debug)]
pub struct Ready(());

/// A verifier in the making; `S` is the step it stands at, `C` the caller's claims type.
///
/// ```compile_fail
/// # use tollgate_verify::Verifier;
/// let without_audience = Verifier::builder().issuer("https://as.example").build();
/// ```
pub struct VerifierBuilder<S, C = NoClaims> {
    parts: Parts,
    validators: Vec<Validator<C>>,
    step: S,
}

/// What the builder has gathered, apart from what depends on the types.
#[derive(Default)]
struct Parts {
    policy: Policy,
    keys: Vec<Keys>,
    dpop: Option<DpopSettings>,
    #[cfg(feature = "client")]
    clock: Option<Arc<dyn crate::client::Clock>>,
}

impl Default for VerifierBuilder<WantsIssuer> {
    fn default() -> Self {
        Self {
            parts: Parts::default(),
            validators: Vec::new(),
            step: WantsIssuer(()),
        }
    }
}

impl<C> VerifierBuilder<WantsIssuer, C> {
    /// Trusts the issuer of this name, compared character by character (RFC 8414 §2).
    #[must_use]
    pub fn issuer(mut self, issuer: &str) -> VerifierBuilder<WantsAudience, C> {
        self.parts.policy.issuers.push(issuer.into());
        self.at(WantsAudience(()))
    }
}

impl<C> VerifierBuilder<WantsAudience, C> {
    /// Accepts tokens meant for this audience: the name of the resource server that asks.
    #[must_use]
    pub fn audience(mut self, audience: &str) -> VerifierBuilder<WantsKeys, C> {
        self.parts.policy.audiences.push(audience.into());
        self.at(WantsKeys(()))
    }
}

impl<C> VerifierBuilder<WantsKeys, C> {
    /// Checks signatures with the keys of this document; unusable ones are left out.
    #[must_use]
    pub fn jwk_set(mut self, set: &JwkSet) -> VerifierBuilder<Ready, C> {
        self.parts
            .keys
            .push(Keys::Fixed(KeyRing::from_jwk_set(set)));
        self.at(Ready(()))
    }

    /// Checks signatures with these keys.
    #[must_use]
    pub fn keys(
        mut self,
        keys: impl IntoIterator<Item = VerifyingKey>,
    ) -> VerifierBuilder<Ready, C> {
        self.parts.keys.push(Keys::Fixed(KeyRing::from_keys(keys)));
        self.at(Ready(()))
    }
}

impl<C: DeserializeOwned> VerifierBuilder<Ready, C> {
    /// Trusts another issuer, with keys of its own: no issuer's key counts for another's tokens.
    #[must_use]
    pub fn or_issuer(mut self, issuer: &str, set: &JwkSet) -> Self {
        self.parts.policy.issuers.push(issuer.into());
        self.parts
            .keys
            .push(Keys::Fixed(KeyRing::from_jwk_set(set)));
        self
    }

    /// The verifier.
    ///
    /// # Errors
    /// [`BuildError`] for settings that contradict each other or defeat the purpose.
    pub fn build(self) -> Result<Verifier<C>, BuildError> {
        let Parts {
            policy, keys, dpop, ..
        } = self.parts;
        let dpop = Dpop::new(dpop.unwrap_or_default()).map_err(|_| BuildError::NonceSecret)?;
        check(&policy)?;
        let inner = Inner {
            policy,
            keys,
            validators: self.validators,
            dpop,
            #[cfg(feature = "client")]
            clock: self
                .parts
                .clock
                .unwrap_or_else(|| Arc::new(crate::client::SystemClock::default())),
            #[cfg(feature = "client")]
            validations: crate::client::stats::Validations::default(),
        };
        Ok(Verifier {
            inner: Arc::new(inner),
        })
    }
}

#[cfg(feature = "client")]
impl<C> VerifierBuilder<WantsKeys, C> {
    /// Checks signatures with the keys of this source; every verifier built on it shares them.
    #[must_use]
    pub fn key_source(mut self, source: &KeySource) -> VerifierBuilder<Ready, C> {
        self.parts
            .keys
            .push(Keys::Remote(Arc::clone(&source.source)));
        self.at(Ready(()))
    }

    /// Checks signatures with the keys that the issuer's metadata points to.
    #[must_use]
    pub fn discovery(self) -> VerifierBuilder<Ready, C> {
        let issuer = self
            .parts
            .policy
            .issuers
            .first()
            .map(AsRef::as_ref)
            .unwrap_or_default();
        let source = KeySource::discovery(issuer).build();
        self.key_source(&source)
    }

    /// Checks signatures with the keys of the JWK Set at this URL.
    #[must_use]
    pub fn jwks_url(self, url: &str) -> VerifierBuilder<Ready, C> {
        self.key_source(&KeySource::jwks_url(url).build())
    }
}

#[cfg(feature = "client")]
impl<C: DeserializeOwned> VerifierBuilder<WantsKeys, C> {
    /// The verifier, with the keys that the issuer's metadata points to.
    ///
    /// # Errors
    /// [`BuildError`] for settings that contradict each other or defeat the purpose.
    pub fn build(self) -> Result<Verifier<C>, BuildError> {
        self.discovery().build()
    }
}

#[cfg(feature = "client")]
impl<C> VerifierBuilder<Ready, C> {
    /// Trusts another issuer, with the keys of this source.
    #[must_use]
    pub fn or_issuer_with(mut self, issuer: &str, source: &KeySource) -> Self {
        self.parts.policy.issuers.push(issuer.into());
        self.parts
            .keys
            .push(Keys::Remote(Arc::clone(&source.source)));
        self
    }
}

#[cfg(feature = "client")]
impl<S, C> VerifierBuilder<S, C> {
    /// Takes the time from here instead of the system's clock.
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn crate::client::Clock>) -> Self {
        self.parts.clock = Some(clock);
        self
    }
}

impl<S, C> VerifierBuilder<S, C> {
    /// Accepts tokens meant for this audience too.
    #[must_use]
    pub fn or_audience(mut self, audience: &str) -> Self {
        self.parts.policy.audiences.push(audience.into());
        self
    }

    /// Accepts these algorithms alone. By default every asymmetric one is accepted from keys that
    /// answer to it; shared secrets have to be asked for here.
    #[must_use]
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.parts.policy.algorithms = algorithms.into_iter().collect();
        self
    }

    /// How far clocks may differ, up to five minutes; zero by default. Whole seconds count.
    #[must_use]
    pub fn leeway(mut self, leeway: Duration) -> Self {
        self.parts.policy.leeway = leeway;
        self
    }

    /// Refuses tokens whose `iat` is longer ago than this, whatever their `exp`.
    #[must_use]
    pub fn max_age(mut self, age: Duration) -> Self {
        self.parts.policy.max_age = Some(age);
        self
    }

    /// Refuses tokens without this claim; `iss`, `aud`, `exp` and `iat` are required anyway.
    #[must_use]
    pub fn require(mut self, claim: &str) -> Self {
        self.parts.policy.required.push(claim.into());
        self
    }

    /// Which `typ` is accepted.
    #[must_use]
    pub fn token_type(mut self, token_type: TokenType) -> Self {
        self.parts.policy.token_type = token_type;
        self
    }

    /// Bounds on the size of tokens.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.parts.policy.limits = limits;
        self
    }

    /// Reads the caller's own claims into `T`. Validators added before are dropped, so add them
    /// afterwards.
    #[must_use]
    pub fn claims<T: DeserializeOwned>(self) -> VerifierBuilder<S, T> {
        let Self { parts, step, .. } = self;
        VerifierBuilder {
            parts,
            validators: Vec::new(),
            step,
        }
    }

    /// Adds a check of the caller's own, run when everything else has passed.
    #[must_use]
    pub fn validate<F>(mut self, validator: F) -> Self
    where
        F: Fn(&VerifiedToken<C>) -> Result<(), Rejection> + Send + Sync + 'static,
    {
        self.validators.push(Box::new(validator));
        self
    }

    /// How DPoP proofs are judged.
    #[must_use]
    pub fn dpop(mut self, settings: DpopSettings) -> Self {
        self.parts.dpop = Some(settings);
        self
    }

    pub(crate) fn tolerate(mut self, claim: Claim) -> Self {
        self.parts.policy.tolerated.push(claim);
        self
    }

    fn at<T>(self, step: T) -> VerifierBuilder<T, C> {
        let Self {
            parts, validators, ..
        } = self;
        VerifierBuilder {
            parts,
            validators,
            step,
        }
    }
}

impl<S: fmt::Debug, C> fmt::Debug for VerifierBuilder<S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifierBuilder")
            .field("policy", &self.parts.policy)
            .field("step", &self.step)
            .finish_non_exhaustive()
    }
}

fn check(policy: &Policy) -> Result<(), BuildError> {
    if policy.issuers.iter().any(|issuer| issuer.is_empty()) {
        return Err(BuildError::Empty("issuer"));
    }
    if policy.audiences.iter().any(|audience| audience.is_empty()) {
        return Err(BuildError::Empty("audience"));
    }
    let mut issuers: Vec<_> = policy.issuers.iter().collect();
    issuers.sort();
    issuers.dedup();
    if issuers.len() != policy.issuers.len() {
        return Err(BuildError::IssuerTwice);
    }
    if policy.leeway > LEEWAY_MAX {
        return Err(BuildError::Leeway);
    }
    let symmetric = policy
        .algorithms
        .iter()
        .filter(|alg| alg.is_symmetric())
        .count();
    if policy.algorithms.is_empty() || (symmetric != 0 && symmetric != policy.algorithms.len()) {
        return Err(BuildError::Algorithms);
    }
    if policy.required.len() > 64 {
        return Err(BuildError::RequiredClaims);
    }
    Ok(())
}
