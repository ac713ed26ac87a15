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
use tollgate_protocol::UnixSeconds;

use crate::batch::on_all_cores;
use crate::client::Stats;
use crate::client::batch::{at, missed, replace};
use crate::client::flight::Flight;
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
        let inner = &self.verifier.inner;
        let verify = |token: &&str, now| inner.verify(token, Purpose::Bearer, now);
        self.run_many(tokens, |token| token, verify)
    }

    /// See [`crate::Verifier::verify_bound_many`].
    pub fn verify_bound_many(
        &self,
        tokens: &[(&str, Presented<'_>)],
    ) -> Vec<Result<VerifiedToken<C>, Error>>
    where
        C: Send,
    {
        let inner = &self.verifier.inner;
        let verify = |(token, presented): &(&str, Presented<'_>), now| {
            inner.verify(token, Purpose::Bound(presented), now)
        };
        self.run_many(tokens, |(token, _)| token, verify)
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
        for flight in self.verifier.inner.refreshes() {
            flight.wait();
        }
        self.verifier.inner.check_warm()
    }

    /// Verifies items once the keys are there, and those that newer keys may fit once more.
    fn run_many<T: Sync>(
        &self,
        items: &[T],
        token_of: impl Fn(&T) -> &str,
        verify: impl Fn(&T, UnixSeconds) -> Result<VerifiedToken<C>, Error> + Sync,
    ) -> Vec<Result<VerifiedToken<C>, Error>>
    where
        C: Send,
    {
        let inner = &self.verifier.inner;
        for flight in inner.flights_for(items.iter().map(&token_of)) {
            flight.wait();
        }
        let (used, now) = (inner.snapshots(), inner.clock.now());
        let mut results = on_all_cores(items, |item| verify(item, now));
        let missed = missed(&results);
        let again: Vec<&T> = at(items, &missed).collect();
        let tokens = again.iter().map(|item| token_of(item));
        if let Some(flights) = inner.refreshed_for(tokens, &used) {
            flights.iter().for_each(Flight::wait);
            let now = inner.clock.now();
            let found = on_all_cores(&again, |item| verify(item, now));
            replace(&mut results, missed, found);
        }
        for result in &results {
            inner.validations.count_result(result);
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
