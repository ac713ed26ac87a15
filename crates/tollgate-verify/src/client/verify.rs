//! Verification that waits for keys when it has to: as a future, or on the calling thread.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::flight::Flight;
use super::source::{AfterMiss, LookUp, Snapshot, Source};
use super::stats::Stats;
use crate::dpop::Presented;
use crate::error::Error;
use crate::token::VerifiedToken;
use crate::validators::Awaited;
use crate::verified::VerifiedCache;
use crate::verifier::{Circumstances, Inner, Keys, Purpose, Verifier};

impl<C: DeserializeOwned, M> Verifier<C, M> {
    /// Verifies an access token, and fetches keys when they are needed; works on any runtime.
    ///
    /// # Errors
    /// [`Error`] by cause, [`Error::KeysUnavailable`] when the provider cannot be reached and the
    /// keys at hand are too old to serve.
    pub async fn verify(&self, token: &str) -> Result<VerifiedToken<C>, Error> {
        self.inner.run(token, Purpose::Bearer).await
    }

    /// Verifies an ID token, see [`Verifier::verify_id_token_at`].
    ///
    /// # Errors
    /// As [`Verifier::verify_id_token_at`] and [`Verifier::verify`].
    pub async fn verify_id_token(
        &self,
        token: &str,
        nonce: &str,
    ) -> Result<VerifiedToken<C>, Error> {
        self.inner.run(token, Purpose::IdToken { nonce }).await
    }

    /// Verifies a token and the proof of possession that came with it, see
    /// [`Verifier::verify_bound_at`].
    ///
    /// # Errors
    /// As [`Verifier::verify_bound_at`] and [`Verifier::verify`].
    pub async fn verify_bound(
        &self,
        token: &str,
        presented: &Presented<'_>,
    ) -> Result<VerifiedToken<C>, Error> {
        self.inner.run(token, Purpose::Bound(presented)).await
    }

    /// Fetches the keys of every issuer now, so that the first token need not wait; a provider that is
    /// busy is left alone until it wants to be asked again.
    ///
    /// # Errors
    /// [`Error::KeysUnavailable`] when there are none for some issuer afterwards.
    pub async fn warm_up(&self) -> Result<(), Error> {
        for flight in self.inner.refreshes() {
            flight.landing().await;
        }
        self.inner.check_warm()
    }
}

impl<C, M> Verifier<C, M> {
    /// Forgets all fetched keys and where they are, and which tokens had a good signature.
    pub fn clear(&self) {
        if let Some(cache) = &self.inner.verified {
            cache.clear();
        }
        for source in self.inner.sources() {
            source.clear();
        }
    }

    /// What this verifier and its sources of keys have done.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let sources = self.inner.sources().map(|source| source.stats()).collect();
        Stats {
            results: self.inner.validations.results(),
            durations: self.inner.validations.durations(),
            verified_cache: self.inner.verified.as_ref().map(VerifiedCache::stats),
            sources,
        }
    }

    /// The same verifier among those whose validators are awaited, where it lacks nothing.
    #[must_use]
    pub fn awaited(&self) -> Verifier<C, Awaited> {
        Verifier {
            inner: Arc::clone(&self.inner),
            mode: PhantomData,
        }
    }
}

impl<C> Verifier<C> {
    /// The same verifier for code without an async runtime: same policy, same keys.
    #[must_use]
    pub fn blocking(&self) -> crate::blocking::Verifier<C> {
        crate::blocking::Verifier {
            verifier: self.clone(),
        }
    }
}

/// How often a token looks for newer keys: a refresh that was under way already may be of before a
/// rotation. The cool-down bounds what is asked of the provider all the same.
const MISSES_MAX: u32 = 2;

/// How far one token has come.
#[derive(Default)]
struct Progress {
    has_waited: bool,
    /// How often the keys at hand did not fit.
    misses: u32,
}

enum Step<C> {
    Done(Result<VerifiedToken<C>, Error>),
    Wait(Flight),
}

impl<C: DeserializeOwned> Inner<C> {
    pub(crate) async fn run(
        &self,
        token: &str,
        purpose: Purpose<'_>,
    ) -> Result<VerifiedToken<C>, Error> {
        let (mut progress, started) = (Progress::default(), self.clock.elapsed());
        let result = loop {
            match self.step(token, purpose, &mut progress) {
                Step::Done(result) => break result,
                Step::Wait(flight) => flight.landing().await,
            }
        };
        let result = match result {
            Ok(verified) => self.validators.query(&verified).await.map(|()| verified),
            refused => refused,
        };
        self.counted(result, started)
    }

    /// The same on a thread that waits; for verifiers without awaited validators.
    pub(crate) fn run_blocking(
        &self,
        token: &str,
        purpose: Purpose<'_>,
    ) -> Result<VerifiedToken<C>, Error> {
        let (mut progress, started) = (Progress::default(), self.clock.elapsed());
        loop {
            match self.step(token, purpose, &mut progress) {
                Step::Done(result) => return self.counted(result, started),
                Step::Wait(flight) => flight.wait(),
            }
        }
    }

    /// Goes as far as it can without waiting. A token waits for keys to be there, and then at most
    /// twice for newer ones.
    fn step(&self, token: &str, purpose: Purpose<'_>, progress: &mut Progress) -> Step<C> {
        let circumstances = Circumstances {
            token,
            purpose,
            now: self.clock.now(),
        };
        let step = self.try_step(circumstances, progress);
        step.unwrap_or_else(|error| Step::Done(Err(error)))
    }

    pub(crate) fn counted(
        &self,
        result: Result<VerifiedToken<C>, Error>,
        started: Duration,
    ) -> Result<VerifiedToken<C>, Error> {
        self.validations.count_result(&result);
        self.validations
            .count_duration(self.clock.elapsed().saturating_sub(started));
        result
    }

    fn try_step(
        &self,
        circumstances: Circumstances<'_>,
        progress: &mut Progress,
    ) -> Result<Step<C>, Error> {
        let parsed = self.policy.parse(circumstances.token)?;
        let issuer = self.policy.issuer_of(&parsed)?;
        let source = match self.keys.get(issuer) {
            Some(Keys::Remote(source)) => source,
            Some(Keys::Fixed(ring)) => {
                return Ok(Step::Done(self.check(&parsed, issuer, ring, circumstances)));
            }
            None => return Err(Error::KeysUnavailable),
        };
        let snapshot = match source.look_up(progress.has_waited) {
            LookUp::Ready(snapshot) => snapshot,
            LookUp::Unavailable => return Err(Error::KeysUnavailable),
            LookUp::Wait(flight) => {
                progress.has_waited = true;
                return Ok(Step::Wait(flight));
            }
        };
        let result = self.check(&parsed, issuer, &snapshot.ring, circumstances);
        if !may_be_rotation(&result) || progress.misses == MISSES_MAX {
            return Ok(Step::Done(result));
        }
        progress.misses += 1;
        progress.has_waited = true;
        match source.after_miss(&snapshot) {
            AfterMiss::Retry => self.try_step(circumstances, progress),
            AfterMiss::Wait(flight) => Ok(Step::Wait(flight)),
            AfterMiss::GiveUp => Ok(Step::Done(result)),
        }
    }
}

impl<C> Inner<C> {
    pub(crate) fn sources(&self) -> impl Iterator<Item = &Arc<Source>> {
        self.keys.iter().filter_map(|keys| match keys {
            Keys::Remote(source) => Some(source),
            Keys::Fixed(_) => None,
        })
    }

    /// A refresh of every source, all of them under way before the first is waited for.
    pub(crate) fn refreshes(&self) -> Vec<Flight> {
        self.sources().filter_map(Source::refresh).collect()
    }

    pub(crate) fn check_warm(&self) -> Result<(), Error> {
        let all_warm = self.sources().all(|source| source.at_hand().is_some());
        if all_warm {
            Ok(())
        } else {
            Err(Error::KeysUnavailable)
        }
    }

    /// What has to be waited for before these tokens find keys; issuers that none of them names are
    /// not asked, so that no batch waits for a stranger to it.
    pub(crate) fn flights_for<'t>(&self, tokens: impl Iterator<Item = &'t str>) -> Vec<Flight> {
        let mut tokens = tokens.peekable();
        let named = match self.keys.as_slice() {
            // Nothing else can be meant, so that no token is taken apart to find out.
            [_] => vec![tokens.peek().is_some()],
            _ => self.named_by(tokens),
        };
        let named = self.keys.iter().zip(named);
        let flights = named.filter_map(|(keys, is_named)| match keys {
            Keys::Remote(source) if is_named => match source.look_up(false) {
                LookUp::Wait(flight) => Some(flight),
                LookUp::Ready(_) | LookUp::Unavailable => None,
            },
            Keys::Remote(_) | Keys::Fixed(_) => None,
        });
        flights.collect()
    }

    /// Which issuers these tokens name, in the order of the policy's issuers.
    fn named_by<'t>(&self, tokens: impl Iterator<Item = &'t str>) -> Vec<bool> {
        let mut named = vec![false; self.keys.len()];
        for token in tokens {
            let parsed = self.policy.parse(token);
            if let Ok(issuer) = parsed.and_then(|parsed| self.policy.issuer_of(&parsed))
                && let Some(named) = named.get_mut(issuer)
            {
                *named = true;
            }
        }
        named
    }

    /// The keys of each issuer as they stand.
    pub(crate) fn snapshots(&self) -> Vec<Option<Arc<Snapshot>>> {
        let at_hand = |keys: &Keys| match keys {
            Keys::Remote(source) => source.at_hand(),
            Keys::Fixed(_) => None,
        };
        self.keys.iter().map(at_hand).collect()
    }

    /// Gets newer keys for tokens that those in `used` did not fit, from their own issuers alone;
    /// what has to be waited for, and `None` when there are no newer ones to be had.
    pub(crate) fn refreshed_for<'t>(
        &self,
        tokens: impl Iterator<Item = &'t str>,
        used: &[Option<Arc<Snapshot>>],
    ) -> Option<Vec<Flight>> {
        let named = self.named_by(tokens);
        let mut flights = None::<Vec<Flight>>;
        for ((keys, used), is_named) in self.keys.iter().zip(used).zip(named) {
            let (Keys::Remote(source), Some(used), true) = (keys, used, is_named) else {
                continue;
            };
            match source.after_miss(used) {
                AfterMiss::Retry => drop(flights.get_or_insert_default()),
                AfterMiss::Wait(flight) => flights.get_or_insert_default().push(flight),
                AfterMiss::GiveUp => {}
            }
        }
        flights
    }
}

/// Whether the issuer may have changed its keys since they were fetched: it may have replaced a weak
/// one, too, or given its id to one of another type.
pub(crate) fn may_be_rotation<T>(result: &Result<T, Error>) -> bool {
    use Error::{AlgorithmNotAllowed, KeyNotFound, Signature, WeakKey};
    matches!(
        result,
        Err(KeyNotFound | Signature | WeakKey | AlgorithmNotAllowed(_))
    )
}
