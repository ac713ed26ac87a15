//! The metrics of the token service; their labels have few values, all known at the start.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tollgate_issuer::{Context, Issuer, keys::KeyState};
use tollgate_protocol::{TokenFormat, TokenKind};
use tollgate_store::Store;
use tollgate_web::metrics::{
    Buckets, Counter, CounterFamily, Histogram, HistogramFamily, Registry, RegistryError,
};

use crate::{clock::Clock, entropy::SystemEntropy};

/// An operation on tokens, as `token_operation_duration_seconds` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    Issue,
    IssueOneTime,
    Redeem,
    Introspect,
    Validate,
    Revoke,
}

const OPERATIONS: [&str; 6] = [
    "issue",
    "issue_one_time",
    "redeem",
    "introspect",
    "validate",
    "revoke",
];

/// How a validation ended, as `token_validation_total` names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Validation {
    Valid,
    Invalid,
    Insufficient,
}

const VALIDATIONS: [&str; 3] = ["valid", "invalid", "insufficient_scope"];
const KINDS: [&str; 2] = ["access", "one_time"];
const FORMATS: [&str; 2] = ["jwt", "opaque"];

/// The families that the endpoints count in.
pub(crate) struct Metrics {
    operations: HistogramFamily,
    validation: Histogram,
    validations: CounterFamily,
    issued: CounterFamily,
    revoked: Counter,
}

impl Metrics {
    pub(crate) fn register<S: Store>(
        registry: &Registry,
        issuer: &Arc<Issuer<S>>,
        clock: &Clock,
    ) -> Result<Self, RegistryError> {
        register_gauges(registry, issuer, clock)?;
        Ok(Self {
            operations: registry.histogram_family(
                "token_operation_duration_seconds",
                "From the end of a request's head to the end of the operation, in seconds.",
                ("operation", &OPERATIONS),
                &Buckets::latency(),
            )?,
            validation: registry.histogram(
                "token_validation_duration_seconds",
                "How long a validation took, in seconds.",
                &Buckets::latency(),
            )?,
            validations: registry.counter_family(
                "token_validation_total",
                "Validations, by result.",
                &[("result", &VALIDATIONS)],
            )?,
            issued: registry.counter_family(
                "tokens_issued_total",
                "Tokens issued.",
                &[("kind", &KINDS), ("format", &FORMATS)],
            )?,
            revoked: registry.counter("tokens_revoked_total", "Tokens revoked while alive.")?,
        })
    }

    pub(crate) fn operation(&self, operation: Operation, started: Instant) {
        self.operations
            .observe(operation as usize, started.elapsed());
    }

    pub(crate) fn validated(&self, result: Validation, duration: Duration) {
        self.validation.observe(duration);
        self.validations.increment([result as usize]);
    }

    pub(crate) fn issued(&self, kind: TokenKind, format: TokenFormat) {
        let kind = usize::from(kind == TokenKind::OneTime);
        self.issued
            .increment([kind, usize::from(format == TokenFormat::Opaque)]);
    }

    pub(crate) fn revoked(&self) {
        self.revoked.increment();
    }
}

/// The figures that somebody else keeps, read when they are asked for.
fn register_gauges<S: Store>(
    registry: &Registry,
    issuer: &Arc<Issuer<S>>,
    clock: &Clock,
) -> Result<(), RegistryError> {
    let (active, time) = (Arc::clone(issuer), clock.clone());
    registry.gauge_fn(
        "tokens_active",
        "Stored tokens that are alive.",
        move || active.store().active(time.now().steady.to_seconds()) as f64,
    )?;
    register_key_gauges(registry, issuer, clock)?;
    let sum = |read: fn(&tollgate_issuer::cache::CacheStatistics) -> u64| {
        let issuer = Arc::clone(issuer);
        move || issuer.cache_statistics().iter().map(read).sum::<u64>() as f64
    };
    registry.counter_fn(
        "token_cache_hits_total",
        "Look-ups answered by the near caches.",
        sum(|cache| cache.hits),
    )?;
    registry.counter_fn(
        "token_cache_misses_total",
        "Look-ups that the near caches could not answer.",
        sum(|cache| cache.misses),
    )?;
    registry.gauge_fn(
        "token_cache_size",
        "Entries in the near caches.",
        sum(|cache| cache.entries as u64),
    )?;
    let caches = Arc::clone(issuer);
    registry.gauge_fn(
        "token_cache_hit_ratio",
        "Hits by look-ups of the near caches.",
        move || {
            let statistics = caches.cache_statistics();
            let hits = statistics.iter().map(|cache| cache.hits).sum::<u64>() as f64;
            let misses = statistics.iter().map(|cache| cache.misses).sum::<u64>() as f64;
            if hits + misses > 0.0 {
                hits / (hits + misses)
            } else {
                0.0
            }
        },
    )
}

/// What the signing keys are up to.
fn register_key_gauges<S: Store>(
    registry: &Registry,
    issuer: &Arc<Issuer<S>>,
    clock: &Clock,
) -> Result<(), RegistryError> {
    let (keys, time) = (Arc::clone(issuer), clock.clone());
    registry.gauge_fn(
        "signing_key_age_seconds",
        "How long the oldest key that signs has been signing, in seconds.",
        move || {
            let context = Context {
                now: time.now(),
                entropy: &SystemEntropy,
            };
            let signing = keys
                .keys(&context)
                .into_iter()
                .filter(|key| key.state == KeyState::Signing);
            let since = signing.map(|key| key.signs_from).min();
            let now = context.now.steady.to_seconds();
            since.map_or(0.0, |since| now.since(since).as_secs_f64())
        },
    )?;
    let (keys, time) = (Arc::clone(issuer), clock.clone());
    registry.gauge_fn(
        "signing_key_rotations_held_back",
        "Algorithms whose next key is due but would be one more than validators read.",
        move || {
            let context = Context {
                now: time.now(),
                entropy: &SystemEntropy,
            };
            let held_back = keys.rotations_held_back(&context);
            held_back.map_or(f64::NAN, |held_back| held_back.len() as f64)
        },
    )
}
