//! What the caches have done, for people and for Prometheus.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::error::Error;

/// What one source of keys has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SourceStats {
    /// Tokens that found fresh keys at hand.
    pub hits: u64,
    /// Tokens that had to wait for keys.
    pub misses: u64,
    /// Refreshes that brought keys.
    pub refreshes: u64,
    /// Refreshes that brought none, after all their retries.
    pub failures: u64,
    /// Requests sent.
    pub fetches: u64,
    /// Age of the keys at hand.
    pub age: Option<Duration>,
    /// Keys at hand.
    pub keys: usize,
}

impl SourceStats {
    /// The share of tokens that found keys at hand; 1 when there were none yet.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
    pub fn hit_ratio(&self) -> f64 {
        match self.hits + self.misses {
            0 => 1.0,
            all => self.hits as f64 / all as f64,
        }
    }
}

/// What a verifier has done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Tokens by result: `valid`, or the code of the error; only results that occurred.
    pub results: Vec<(&'static str, u64)>,
    /// Each source of keys, in the order of the issuers; fixed keys have none.
    pub sources: Vec<SourceStats>,
}

impl Stats {
    /// Prometheus text: `token_validation_total`, `jwks_fetch_total` and the caches' figures.
    #[must_use]
    pub fn to_prometheus(&self) -> String {
        let mut out = String::from("# TYPE token_validation_total counter\n");
        for (result, count) in &self.results {
            let _ = writeln!(out, "token_validation_total{{result=\"{result}\"}} {count}");
        }
        let sum = |of: fn(&SourceStats) -> u64| self.sources.iter().map(of).sum::<u64>();
        let _ = writeln!(
            out,
            "# TYPE jwks_fetch_total counter\n\
             jwks_fetch_total{{outcome=\"success\"}} {}\n\
             jwks_fetch_total{{outcome=\"failure\"}} {}\n\
             # TYPE jwks_cache_hits_total counter\n\
             jwks_cache_hits_total {}\n\
             # TYPE jwks_cache_misses_total counter\n\
             jwks_cache_misses_total {}",
            sum(|s| s.refreshes),
            sum(|s| s.failures),
            sum(|s| s.hits),
            sum(|s| s.misses)
        );
        out
    }
}

/// The words that [`Error::code`] knows, and the one for success.
const RESULTS: [&str; 18] = [
    "valid",
    "malformed",
    "too_large",
    "unsupported_alg",
    "alg_not_allowed",
    "key_not_found",
    "weak_key",
    "signature",
    "expired",
    "not_yet_valid",
    "issuer",
    "audience",
    "missing_claim",
    "invalid_claim",
    "critical_header",
    "token_type",
    "key_binding",
    "keys_unavailable",
];

/// Counts results without a lock.
#[derive(Default)]
pub(crate) struct ResultCounters([AtomicU64; RESULTS.len()]);

impl ResultCounters {
    pub(crate) fn count<T>(&self, result: &Result<T, Error>) {
        let word = result.as_ref().map_or_else(Error::code, |_| "valid");
        let position = RESULTS.iter().position(|known| *known == word);
        if let Some(counter) = position.and_then(|position| self.0.get(position)) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(crate) fn read(&self) -> Vec<(&'static str, u64)> {
        let counts = self.0.iter().map(|counter| counter.load(Ordering::Relaxed));
        RESULTS
            .into_iter()
            .zip(counts)
            .filter(|(_, count)| *count > 0)
            .collect()
    }
}
