//! Building a verifier step by step; each missing step is a compile error.

use std::fmt;
use std::marker::PhantomData;
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
use crate::validators::{AtOnce, Rejection, Validators};
#[cfg(feature = "client")]
use crate::validators::{Awaited, Validation};
use crate::verifier::{Inner, Keys, Verifier};

/// Clocks further apart than this are broken; no leeway makes up for it.
pub(crate) const LEEWAY_MAX: Duration = Duration::from_secs(300);

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

/// A verifier in the making; `S` is the step it stands at, `C` the caller's claims type, `M`
/// whether its validators have to be awaited.
///
/// ```compile_fail
/// # use tollgate_verify::Verifier;
/// let without_audience = Verifier::builder().issuer("https://as.example").build();
/// ```
pub struct VerifierBuilder<S, C = NoClaims, M = AtOnce> {
    parts: Parts,
    validators: Validators<C>,
    step: S,
    mode: PhantomData<fn() -> M>,
}

/// What the builder has gathered, apart from what depends on the types.
#[derive(Default)]
struct Parts {
    policy: Policy,
    keys: Vec<Keys>,
    dpop: Option<DpopSettings>,
    has_lost_validators: bool,
    #[cfg(feature = "client")]
    clock: Option<Arc<dyn crate::client::Clock>>,
    #[cfg(feature = "client")]
    verified_entries_max: usize,
}

impl Default for VerifierBuilder<WantsIssuer> {
    fn default() -> Self {
        Self {
            parts: Parts::default(),
            validators: Validators::default(),
            step: WantsIssuer(()),
            mode: PhantomData,
        }
    }
}

impl<C, M> VerifierBuilder<WantsIssuer, C, M> {
    /// Trusts the issuer of this name, compared character by character (RFC 8414 §2).
    #[must_use]
    pub fn issuer(mut self, issuer: &str) -> VerifierBuilder<WantsAudience, C, M> {
        self.parts.policy.issuers.push(issuer.into());
        self.at(WantsAudience(()))
    }
}

impl<C, M> VerifierBuilder<WantsAudience, C, M> {
    /// Accepts tokens meant for this audience: the name of the resource server that asks.
    #[must_use]
    pub fn audience(mut self, audience: &str) -> VerifierBuilder<WantsKeys, C, M> {
        self.parts.policy.audiences.push(audience.into());
        self.at(WantsKeys(()))
    }
}

impl<C, M> VerifierBuilder<WantsKeys, C, M> {
    /// Checks signatures with the keys of this document; unusable ones are left out.
    #[must_use]
    pub fn jwk_set(mut self, set: &JwkSet) -> VerifierBuilder<Ready, C, M> {
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
    ) -> VerifierBuilder<Ready, C, M> {
        self.parts.keys.push(Keys::Fixed(KeyRing::from_keys(keys)));
        self.at(Ready(()))
    }
}

impl<C: DeserializeOwned, M> VerifierBuilder<Ready, C, M> {
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
    pub fn build(self) -> Result<Verifier<C, M>, BuildError> {
        let Parts {
            policy, keys, dpop, ..
        } = self.parts;
        if self.parts.has_lost_validators {
            return Err(BuildError::ValidatorLost);
        }
        let dpop = Dpop::new(dpop.unwrap_or_default()).map_err(|_| BuildError::NonceSecret)?;
        check(&policy)?;
        #[cfg(feature = "client")]
        check_sources(&policy, &keys)?;
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
            #[cfg(feature = "client")]
            verified: crate::verified::VerifiedCache::new(self.parts.verified_entries_max),
        };
        Ok(Verifier {
            inner: Arc::new(inner),
            mode: PhantomData,
        })
    }
}

#[cfg(feature = "client")]
impl<C, M> VerifierBuilder<WantsKeys, C, M> {
    /// Checks signatures with the keys of this source; every verifier built on it shares them.
    #[must_use]
    pub fn key_source(mut self, source: &KeySource) -> VerifierBuilder<Ready, C, M> {
        self.parts
            .keys
            .push(Keys::Remote(Arc::clone(&source.source)));
        self.at(Ready(()))
    }

    /// Checks signatures with the keys that the issuer's metadata points to.
    #[must_use]
    pub fn discovery(self) -> VerifierBuilder<Ready, C, M> {
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
    pub fn jwks_url(self, url: &str) -> VerifierBuilder<Ready, C, M> {
        self.key_source(&KeySource::jwks_url(url).build())
    }
}

#[cfg(feature = "client")]
impl<C: DeserializeOwned, M> VerifierBuilder<WantsKeys, C, M> {
    /// The verifier, with the keys that the issuer's metadata points to.
    ///
    /// # Errors
    /// [`BuildError`] for settings that contradict each other or defeat the purpose.
    pub fn build(self) -> Result<Verifier<C, M>, BuildError> {
        self.discovery().build()
    }
}

#[cfg(feature = "client")]
impl<C, M> VerifierBuilder<Ready, C, M> {
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
impl<S, C, M> VerifierBuilder<S, C, M> {
    /// Takes the time from here instead of the system's clock. How old keys are is for their source
    /// to say, which has a clock [of its own](crate::client::KeySourceBuilder::clock).
    #[must_use]
    pub fn clock(mut self, clock: Arc<dyn crate::client::Clock>) -> Self {
        self.parts.clock = Some(clock);
        self
    }

    /// Remembers up to this many tokens whose signature was good, about 150 bytes each, and spares
    /// the check of it when the very same token comes again; zero, the default, remembers none.
    ///
    /// # Security
    /// Nothing else is spared. Claims are read and held against the clock, proof of possession is
    /// demanded, and validators run each time. As soon as the issuer's key set changes, every
    /// signature is checked again, so a withdrawn key counts no longer than without the cache.
    #[must_use]
    pub fn verified_cache(mut self, entries_max: usize) -> Self {
        self.parts.verified_entries_max = entries_max;
        self
    }
}

impl<S, C, M> VerifierBuilder<S, C, M> {
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

    /// Refuses tokens without this claim, whatever its value; `iss`, `aud`, `exp` and `iat` are
    /// required anyway.
    #[must_use]
    pub fn require(mut self, claim: &str) -> Self {
        let required = &mut self.parts.policy.required;
        if !required.iter().any(|own| &**own == claim) {
            required.push(claim.into());
        }
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

    /// Reads the caller's own claims into `T`. It comes before the validators, which look at
    /// them: with one added already, [`build`](VerifierBuilder::build) refuses.
    #[must_use]
    pub fn claims<T: DeserializeOwned>(self) -> VerifierBuilder<S, T, M> {
        let Self {
            mut parts,
            validators,
            step,
            mode,
        } = self;
        parts.has_lost_validators |= !validators.is_empty();
        VerifierBuilder {
            parts,
            validators: Validators::default(),
            step,
            mode,
        }
    }

    /// Adds a check of the caller's own, run when everything else has passed, each time that the
    /// token is verified.
    #[must_use]
    pub fn validate<F>(mut self, validator: F) -> Self
    where
        F: Fn(&VerifiedToken<C>) -> Result<(), Rejection> + Send + Sync + 'static,
    {
        self.validators.push(Box::new(validator));
        self
    }

    /// Adds a check that has to be awaited, such as a question to a database, run when everything
    /// else has passed. How long it may take is for the check itself to bound.
    ///
    /// The verifier then has async entries alone:
    ///
    /// ```
    /// # use tollgate_verify::{Rejection, Verifier, jose::JwkSet};
    /// # async fn is_blocked(subject: &str) -> Result<bool, ()> { Ok(subject == "mallory") }
    /// let verifier = Verifier::builder()
    ///     .issuer("https://as.example")
    ///     .audience("https://orders.example")
    ///     .jwk_set(&JwkSet { keys: Vec::new() })
    ///     .validate_async(|token| Box::pin(async {
    ///         match is_blocked(token.subject().unwrap_or_default()).await {
    ///             Ok(false) => Ok(()),
    ///             Ok(true) => Err(Rejection::new("blocked")),
    ///             Err(()) => Err(Rejection::undecided("no answer about the subject")),
    ///         }
    ///     }))
    ///     .build()?;
    /// # async fn example(verifier: Verifier<tollgate_verify::NoClaims, tollgate_verify::Awaited>) {
    /// let refused = verifier.verify("not.a.token").await.unwrap_err();
    /// # }
    /// # Ok::<(), tollgate_verify::BuildError>(())
    /// ```
    ///
    /// ```compile_fail,E0599
    /// # use tollgate_verify::{Verifier, jose::JwkSet};
    /// let verifier = Verifier::builder()
    ///     .issuer("https://as.example")
    ///     .audience("https://orders.example")
    ///     .jwk_set(&JwkSet { keys: Vec::new() })
    ///     .validate_async(|_| Box::pin(async { Ok(()) }))
    ///     .build()?;
    /// let cannot_await = verifier.blocking();
    /// # Ok::<(), tollgate_verify::BuildError>(())
    /// ```
    #[cfg(feature = "client")]
    #[must_use]
    pub fn validate_async<F>(mut self, validator: F) -> VerifierBuilder<S, C, Awaited>
    where
        F: for<'t> Fn(&'t VerifiedToken<C>) -> Validation<'t> + Send + Sync + 'static,
    {
        self.validators.push_awaited(Box::new(validator));
        let Self {
            parts,
            validators,
            step,
            ..
        } = self;
        VerifierBuilder {
            parts,
            validators,
            step,
            mode: PhantomData,
        }
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

    fn at<T>(self, step: T) -> VerifierBuilder<T, C, M> {
        let Self {
            parts,
            validators,
            mode,
            ..
        } = self;
        VerifierBuilder {
            parts,
            validators,
            step,
            mode,
        }
    }
}

impl<S: fmt::Debug, C, M> fmt::Debug for VerifierBuilder<S, C, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifierBuilder")
            .field("policy", &self.parts.policy)
            .field("step", &self.step)
            .finish_non_exhaustive()
    }
}

/// A source that knows whose keys it finds vouches for nobody else: else one issuer could speak for
/// another.
#[cfg(feature = "client")]
fn check_sources(policy: &Policy, keys: &[Keys]) -> Result<(), BuildError> {
    let is_of = |issuer: &str, keys: &Keys| match keys {
        Keys::Fixed(_) => true,
        Keys::Remote(source) => source.issuer().is_none_or(|own| own == issuer),
    };
    for keys in keys {
        if let Keys::Remote(source) = keys {
            crate::client::check_askable(source.url())?;
        }
    }
    let mut pairs = policy.issuers.iter().zip(keys);
    if pairs.all(|(issuer, keys)| is_of(issuer, keys)) {
        Ok(())
    } else {
        Err(BuildError::OtherIssuer)
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
