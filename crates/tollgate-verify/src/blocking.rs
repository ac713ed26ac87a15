//! Verification for programs without an async runtime, under the same names.
//!
//! Built on the same handle, async and blocking verifiers share keys:
//!
//! ```no_run
//! let verifier = tollgate_verify::Verifier::builder()
//!     .issuer("https://as.example")
//!     .audience("https://orders.example")
//!     .build()?;
//! let blocking = verifier.blocking();
//! let token = blocking.verify("eyJ…")?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fmt;

use serde::de::DeserializeOwned;

use crate::client::Stats;
use crate::client::source::Source;
use crate::dpop::Presented;
use crate::error::Error;
use crate::token::{NoClaims, VerifiedToken};
use crate::verifier::Purpose;

/// A verifier that blocks the calling thread while it waits for keys; made by
/// [`Verifier::blocking`](crate::Verifier::blocking).
pub struct Verifier<C = NoClaims> {
    pub(crate) verifier: crate::Verifier<C>,
}

impl<C: DeserializeOwned> Verifier<C> {
    /// See [`crate::Verifier::verify`].
    ///
    /// # Errors
    /// As there.
    pub fn verify(&self, token: &str) -> Result<VerifiedToken<C>, Error> {
        self.verifier.inner.run_blocking(token, Purpose::Bearer)
    }

    /// See [`crate::Verifier::verify_many`].
    pub fn verify_many(&self, tokens: &[&str]) -> Vec<Result<VerifiedToken<C>, Error>>
    where
        C: Send,
    {
        self.wait_for_keys();
        let results = self
            .verifier
            .verify_many_at(tokens, self.verifier.inner.clock.now());
        let again = |token: &&str| self.verify(token);
        self.finish(tokens, results, again)
    }

    /// See [`crate::Verifier::verify_bound_many`].
    pub fn verify_bound_many(
        &self,
        tokens: &[(&str, Presented<'_>)],
    ) -> Vec<Result<VerifiedToken<C>, Error>>
    where
        C: Send,
    {
        self.wait_for_keys();
        let results = self
            .verifier
            .verify_bound_many_at(tokens, self.verifier.inner.clock.now());
        let again =
            |(token, presented): &(&str, Presented<'_>)| self.verify_bound(token, presented);
        self.finish(tokens, results, again)
    }

    /// See [`crate::Verifier::verify_id_token`].
    ///
    /// # Errors
    /// As there.
    pub fn verify_id_token(&self, token: &str, nonce: &str) -> Result<VerifiedToken<C>, Error> {
        let inner = &self.verifier.inner;
        inner.run_blocking(token, Purpose::IdToken { nonce })
    }

    /// See [`crate::Verifier::verify_bound`].
    ///
    /// # Errors
    /// As there.
    pub fn verify_bound(
        &self,
        token: &str,
        presented: &Presented<'_>,
    ) -> Result<VerifiedToken<C>, Error> {
        let inner = &self.verifier.inner;
        inner.run_blocking(token, Purpose::Bound(presented))
    }

    /// See [`crate::Verifier::warm_up`].
    ///
    /// # Errors
    /// As there.
    pub fn warm_up(&self) -> Result<(), Error> {
        for flight in self.verifier.inner.sources().filter_map(Source::refresh) {
            flight.wait();
        }
        self.verifier.inner.check_warm()
    }

    fn wait_for_keys(&self) {
        for flight in self.verifier.inner.flights_for_cold_sources() {
            flight.wait();
        }
    }

    /// Looks again where keys may have been rotated, and counts the rest.
    fn finish<T>(
        &self,
        tokens: &[T],
        mut results: Vec<Result<VerifiedToken<C>, Error>>,
        again: impl Fn(&T) -> Result<VerifiedToken<C>, Error>,
    ) -> Vec<Result<VerifiedToken<C>, Error>> {
        let inner = &self.verifier.inner;
        for (token, result) in tokens.iter().zip(&mut results) {
            if inner.is_worth_a_refresh(result) {
                *result = again(token);
            } else {
                inner.validations.count_result(result);
            }
        }
        results
    }
}

impl<C> Verifier<C> {
    /// See [`crate::Verifier::clear`].
    pub fn clear(&self) {
        self.verifier.clear();
    }

    /// See [`crate::Verifier::stats`].
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.verifier.stats()
    }
}

impl<C> Clone for Verifier<C> {
    fn clone(&self) -> Self {
        Self {
            verifier: self.verifier.clone(),
        }
    }
}

impl<C> fmt::Debug for Verifier<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.verifier.fmt(f)
    }
}
