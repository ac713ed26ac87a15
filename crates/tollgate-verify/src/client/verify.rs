//! Verification that waits for keys when it has to: as a future, or on the calling thread.

use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use serde::de::DeserializeOwned;

use super::flight::Flight;
use super::source::{AfterMiss, LookUp, Source};
use super::stats::Stats;
use crate::bound::check_binding;
use crate::dpop::Presented;
use crate::error::Error;
use crate::policy::{Binding, TokenType};
use crate::token::VerifiedToken;
use crate::verifier::{Circumstances, Inner, Keys, Verifier, check_id_token};

impl<C: DeserializeOwned> Verifier<C> {
    /// Verifies an access token, and fetches keys when they are needed; works on any runtime.
    ///
    /// # Errors
    /// [`Error`] by cause, [`Error::KeysUnavailable`] when the provider cannot be reached and the
    /// keys at hand are too old to serve.
    pub async fn verify(&self, token: &str) -> Result<VerifiedToken<C>, Error> {
        self.inner
            .run(token, &self.inner.policy.token_type, Binding::Absent)
            .await
    }

    /// Verifies many tokens on all cores; the results stand in the order of the tokens.
    ///
    /// Keys are waited for first; the work is then done on threads of its own, so that the
    /// runtime's are not held up.
    pub async fn verify_many(&self, tokens: &[&str]) -> Vec<Result<VerifiedToken<C>, Error>>
    where
        C: Send + 'static,
    {
        for flight in self.inner.flights_for_cold_sources() {
            flight.landing().await;
        }
        let (landed, results) = (Flight::default(), Arc::<Results<C>>::default());
        let worker = BatchWorker {
            verifier: self.clone(),
            tokens: tokens.iter().map(|&token| token.to_owned()).collect(),
            results: Arc::clone(&results),
            landed: landed.clone(),
        };
        let spawned = thread::Builder::new()
            .name("tollgate-batch".into())
            .spawn(move || worker.run());
        drop(spawned);
        landed.landing().await;
        let results: Option<Vec<_>> = results
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let mut results = results.unwrap_or_default();
        results.resize_with(tokens.len(), || Err(Error::KeysUnavailable));
        for (token, result) in tokens.iter().zip(&mut results) {
            if self.inner.is_worth_a_refresh(result) {
                *result = self.verify(token).await;
            } else {
                self.inner.validations.count_result(result);
            }
        }
        results
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
        let verified = self
            .inner
            .run(token, &TokenType::IdToken, Binding::Absent)
            .await?;
        check_id_token(&self.inner.policy, verified, nonce)
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
        let token_type = &self.inner.policy.token_type;
        let verified = self
            .inner
            .run(token, token_type, Binding::Presented)
            .await?;
        check_binding(
            &self.inner.dpop,
            verified,
            token,
            presented,
            self.inner.clock.now(),
        )
    }

    /// Fetches the keys of every issuer now, so that the first token need not wait.
    ///
    /// # Errors
    /// [`Error::KeysUnavailable`] when there are none for some issuer afterwards.
    pub async fn warm_up(&self) -> Result<(), Error> {
        for flight in self.inner.sources().filter_map(Source::refresh) {
            flight.landing().await;
        }
        self.inner.check_warm()
    }
}

impl<C> Verifier<C> {
    /// Forgets all fetched keys.
    pub fn clear(&self) {
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
            sources,
        }
    }

    /// The same verifier for code without an async runtime: same policy, same keys.
    #[must_use]
    pub fn blocking(&self) -> crate::blocking::Verifier<C> {
        crate::blocking::Verifier {
            verifier: self.clone(),
        }
    }
}

/// How far one token has come.
#[derive(Default)]
struct Progress {
    has_waited: bool,
    has_retried: bool,
}

#[expect(clippy::large_enum_variant, reason = "handed on at once, never kept")]
enum Step<C> {
    Done(Result<VerifiedToken<C>, Error>),
    Wait(Flight),
}

impl<C: DeserializeOwned> Inner<C> {
    pub(crate) async fn run(
        &self,
        token: &str,
        token_type: &TokenType,
        binding: Binding,
    ) -> Result<VerifiedToken<C>, Error> {
        let (mut progress, started) = (Progress::default(), self.clock.elapsed());
        loop {
            match self.step(token, token_type, binding, &mut progress) {
                Step::Done(result) => return self.counted(result, started),
                Step::Wait(flight) => flight.landing().await,
            }
        }
    }

    pub(crate) fn run_blocking(
        &self,
        token: &str,
        token_type: &TokenType,
        binding: Binding,
    ) -> Result<VerifiedToken<C>, Error> {
        let (mut progress, started) = (Progress::default(), self.clock.elapsed());
        loop {
            match self.step(token, token_type, binding, &mut progress) {
                Step::Done(result) => return self.counted(result, started),
                Step::Wait(flight) => flight.wait(),
            }
        }
    }

    /// Goes as far as it can without waiting. A token waits at most twice: for keys to be there,
    /// and once for newer ones.
    fn step(
        &self,
        token: &str,
        token_type: &TokenType,
        binding: Binding,
        progress: &mut Progress,
    ) -> Step<C> {
        let circumstances = Circumstances {
            token_type,
            now: self.clock.now(),
            binding,
        };
        let step = self.try_step(token, circumstances, progress);
        step.unwrap_or_else(|error| Step::Done(Err(error)))
    }

    fn counted(
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
        token: &str,
        circumstances: Circumstances<'_>,
        progress: &mut Progress,
    ) -> Result<Step<C>, Error> {
        let parsed = self.policy.parse(token)?;
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
        let may_be_rotation = matches!(result, Err(Error::KeyNotFound | Error::Signature));
        if !may_be_rotation || progress.has_retried {
            return Ok(Step::Done(result));
        }
        progress.has_retried = true;
        progress.has_waited = true;
        match source.after_miss(&snapshot) {
            AfterMiss::Retry => self.try_step(token, circumstances, progress),
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

    pub(crate) fn check_warm(&self) -> Result<(), Error> {
        let all_warm = self.sources().all(|source| source.at_hand().is_some());
        if all_warm {
            Ok(())
        } else {
            Err(Error::KeysUnavailable)
        }
    }

    pub(crate) fn flights_for_cold_sources(&self) -> Vec<Flight> {
        let cold = self
            .sources()
            .filter_map(|source| match source.look_up(false) {
                LookUp::Wait(flight) => Some(flight),
                LookUp::Ready(_) | LookUp::Unavailable => None,
            });
        cold.collect()
    }

    pub(crate) fn is_worth_a_refresh<T>(&self, result: &Result<T, Error>) -> bool {
        self.sources().next().is_some()
            && matches!(
                result,
                Err(Error::KeyNotFound | Error::Signature | Error::KeysUnavailable)
            )
    }
}

/// Where a batch leaves its results.
type Results<C> = Mutex<Option<Vec<Result<VerifiedToken<C>, Error>>>>;

/// Does a batch on a thread of its own.
struct BatchWorker<C> {
    verifier: Verifier<C>,
    tokens: Vec<String>,
    results: Arc<Results<C>>,
    landed: Flight,
}

impl<C: DeserializeOwned + Send> BatchWorker<C> {
    fn run(&self) {
        let tokens: Vec<&str> = self.tokens.iter().map(String::as_str).collect();
        let results = self
            .verifier
            .verify_many_at(&tokens, self.verifier.inner.clock.now());
        *self.results.lock().unwrap_or_else(PoisonError::into_inner) = Some(results);
    }
}

impl<C> Drop for BatchWorker<C> {
    fn drop(&mut self) {
        self.landed.land();
    }
}
