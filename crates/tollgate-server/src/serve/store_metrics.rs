//! What the metrics say of the store.

use std::{sync::Arc, time::Duration};

use tollgate_store_embedded::{EmbeddedStore, StatsSnapshot};
use tollgate_web::metrics::{Buckets, HistogramFamily, Registry, RegistryError};

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
        if let Some(store) = embedded {
            commits(registry, &store)?;
        }
        Ok(Self { durations })
    }

    pub(super) fn observe(&self, operation: Operation, duration: Duration) {
        self.durations.observe(operation as usize, duration);
    }
}

fn commits(registry: &Registry, store: &Arc<EmbeddedStore>) -> Result<(), RegistryError> {
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
        "store_commit_batch_size_sum",
        "Operations committed; divided by the count, the mean size of a commit.",
        count(|stats| stats.commit_operations.sum),
    )?;
    registry.counter_fn(
        "store_commit_batch_size_count",
        "Commits.",
        count(|stats| stats.commit_operations.count),
    )?;
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
