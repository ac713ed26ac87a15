//! What the metrics say of the store.

use std::{sync::Arc, time::Duration};

use tollgate_store_embedded::{EmbeddedStore, StatsSnapshot};
use tollgate_web::metrics::{Buckets, HistogramFamily, Registry, RegistryError};

use super::commit_sizes::CommitSizes;

/// An operation as the metrics tell them apart.
#[derive(Clone, Copy, Debug)]
pub(super) enum Operation {
    Insert,
    Standing,
    Redeem,
    Revoke,
    UseAssertion,
    Client,
    Sweep,
    Admin,
}

impl Operation {
    /// The name of its spans.
    pub(super) const fn span(self) -> &'static str {
        match self {
            Self::Insert => "store insert",
            Self::Standing => "store standing",
            Self::Redeem => "store redeem",
            Self::Revoke => "store revoke",
            Self::UseAssertion => "store use_assertion",
            Self::Client => "store client",
            Self::Sweep => "store sweep",
            Self::Admin => "store admin",
        }
    }
}

/// The words of [`Operation`], in its order.
const OPERATIONS: [&str; 8] = [
    "insert",
    "standing",
    "redeem",
    "revoke",
    "use_assertion",
    "client",
    "sweep",
    "admin",
];

/// The store's metrics.
pub(super) struct StoreMetrics {
    durations: HistogramFamily,
    commits: Option<(Arc<EmbeddedStore>, CommitSizes)>,
}

impl StoreMetrics {
    /// Registers them; those of commits only for a store that has any.
    ///
    /// # Errors
    ///
    /// When a name is taken.
    pub(super) fn register(
        registry: &Registry,
        embedded: Option<Arc<EmbeddedStore>>,
    ) -> Result<Self, RegistryError> {
        let durations = registry.histogram_family(
            "store_operation_duration_seconds",
            "How long operations of the store took.",
            ("operation", &OPERATIONS),
            &Buckets::latency(),
        )?;
        let commits = match embedded {
            Some(store) => {
                refusals(registry, &store)?;
                Some((store, CommitSizes::register(registry)?))
            }
            None => None,
        };
        Ok(Self { durations, commits })
    }

    /// Copies what the store counts itself.
    pub(super) fn copy(&self) {
        if let Some((store, sizes)) = &self.commits {
            sizes.copy(store);
        }
    }

    pub(super) fn observe(&self, operation: Operation, duration: Duration) {
        self.durations.observe(operation as usize, duration);
    }
}

fn refusals(registry: &Registry, store: &Arc<EmbeddedStore>) -> Result<(), RegistryError> {
    // The registry has a handle that outlives the server; the store must not, it holds a lock.
    let count = |read: fn(&StatsSnapshot) -> u64| {
        let store = Arc::downgrade(store);
        #[expect(
            clippy::cast_precision_loss,
            reason = "metrics are floating-point numbers"
        )]
        move || {
            store
                .upgrade()
                .map_or(0.0, |store| read(&store.stats()) as f64)
        }
    };
    registry.counter_fn(
        "store_saturated_total",
        "Writes refused because too many were waiting.",
        count(|stats| stats.saturated),
    )?;
    registry.counter_fn(
        "store_corrupt_records_total",
        "Operations that met a damaged record.",
        count(|stats| stats.corrupt),
    )
}
