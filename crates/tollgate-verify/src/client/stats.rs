//! What the caches have done, for people and for Prometheus.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::http::FetchError;
use crate::error::Error;

/// What one source of keys has done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
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
    /// Why the last refresh brought no keys; `None` when it did, or there was none yet.
    pub last_failure: Option<FetchError>,
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

/// What the cache of verified tokens has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifiedCacheStats {
    /// Tokens whose signature was known to be good.
    pub hits: u64,
    /// Tokens whose signature had to be checked.
    pub misses: u64,
    /// Tokens remembered.
    pub entries: usize,
}

impl VerifiedCacheStats {
    /// The share of tokens whose signature was known; 0 when there were none yet.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "a ratio for people")]
    pub fn hit_ratio(&self) -> f64 {
        match self.hits + self.misses {
            0 => 0.0,
            all => self.hits as f64 / all as f64,
        }
    }

    fn write(&self, out: &mut String) {
        let Self {
            hits,
            misses,
            entries,
        } = self;
        let _ = writeln!(
            out,
            "# TYPE token_cache_hits_total counter\n\
             token_cache_hits_total {hits}\n\
             # TYPE token_cache_misses_total counter\n\
             token_cache_misses_total {misses}\n\
             # TYPE token_cache_size gauge\n\
             token_cache_size {entries}\n\
             # TYPE token_cache_hit_ratio gauge\n\
             token_cache_hit_ratio {}",
            self.hit_ratio()
        );
    }
}

/// Upper bounds of the buckets of durations, in seconds as Prometheus writes them, and in
/// microseconds.
const BUCKETS: [(&str, u64); 9] = [
    ("0.000025", 25),
    ("0.00005", 50),
    ("0.0001", 100),
    ("0.00025", 250),
    ("0.001", 1_000),
    ("0.005", 5_000),
    ("0.025", 25_000),
    ("0.1", 100_000),
    ("1", 1_000_000),
];

/// A histogram of durations.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct DurationStats {
    /// How many were measured.
    pub count: u64,
    /// All of them together.
    pub sum: Duration,
    /// How many fell into each bucket and none below it.
    buckets: [u64; BUCKETS.len()],
}

/// What a verifier has done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Tokens by result: `valid`, or the code of the error; only results that occurred.
    pub results: Vec<(&'static str, u64)>,
    /// How long validations took, waiting for keys included; those in batches are not measured.
    pub durations: DurationStats,
    /// The cache of verified tokens, where there is one.
    pub verified_cache: Option<VerifiedCacheStats>,
    /// Each source of keys, in the order of the issuers; fixed keys have none.
    pub sources: Vec<SourceStats>,
}

impl Stats {
    /// Prometheus text: `token_validation_total`, `token_validation_duration_seconds`,
    /// `jwks_fetch_total` and the caches' figures, `token_cache_…` for the verified tokens.
    #[must_use]
    pub fn to_prometheus(&self) -> String {
        let mut out = String::from("# TYPE token_validation_total counter\n");
        for (result, count) in &self.results {
            let _ = writeln!(out, "token_validation_total{{result=\"{result}\"}} {count}");
        }
        self.write_durations(&mut out);
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
        if let Some(cache) = &self.verified_cache {
            cache.write(&mut out);
        }
        out
    }
}

impl Stats {
    fn write_durations(&self, out: &mut String) {
        const NAME: &str = "token_validation_duration_seconds";
        let DurationStats {
            count,
            sum,
            buckets,
        } = self.durations;
        let _ = writeln!(out, "# TYPE {NAME} histogram");
        let mut below = 0;
        for ((bound, _), own) in BUCKETS.iter().zip(buckets) {
            below += own;
            let _ = writeln!(out, "{NAME}_bucket{{le=\"{bound}\"}} {below}");
        }
        let _ = writeln!(out, "{NAME}_bucket{{le=\"+Inf\"}} {count}");
        let _ = writeln!(
            out,
            "{NAME}_sum {}\n{NAME}_count {count}",
            sum.as_secs_f64()
        );
    }
}

/// The words that [`Error::code`] knows, and the one for success.
const RESULTS: [&str; 19] = [
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
    "undecided",
];

/// Counts results and their durations without a lock.
#[derive(Default)]
pub(crate) struct Validations {
    results: [AtomicU64; RESULTS.len()],
    buckets: [AtomicU64; BUCKETS.len()],
    count: AtomicU64,
    sum_nanos: AtomicU64,
}

impl Validations {
    pub(crate) fn count_result<T>(&self, result: &Result<T, Error>) {
        let word = result.as_ref().map_or_else(Error::code, |_| "valid");
        let position = RESULTS.iter().position(|known| *known == word);
        increase(&self.results, position);
    }

    pub(crate) fn count_duration(&self, took: Duration) {
        let position = BUCKETS
            .iter()
            .position(|(_, micros)| took <= Duration::from_micros(*micros));
        increase(&self.buckets, position);
        self.count.fetch_add(1, Ordering::Relaxed);
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        self.sum_nanos.fetch_add(nanos, Ordering::Relaxed);
    }

    pub(crate) fn results(&self) -> Vec<(&'static str, u64)> {
        let counts = self
            .results
            .iter()
            .map(|counter| counter.load(Ordering::Relaxed));
        RESULTS
            .into_iter()
            .zip(counts)
            .filter(|(_, count)| *count > 0)
            .collect()
    }

    pub(crate) fn durations(&self) -> DurationStats {
        DurationStats {
            count: self.count.load(Ordering::Relaxed),
            sum: Duration::from_nanos(self.sum_nanos.load(Ordering::Relaxed)),
            buckets: std::array::from_fn(|position| {
                self.buckets
                    .get(position)
                    .map_or(0, |counter| counter.load(Ordering::Relaxed))
            }),
        }
    }
}

fn increase(counters: &[AtomicU64], position: Option<usize>) {
    if let Some(counter) = position.and_then(|position| counters.get(position)) {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
