//! Gives memory back to the system on demand and at an interval: registered caches shrink, then the
//! allocator lets go of what it keeps for later. It holds no memory itself.
//!
//! ```no_run
//! use std::sync::Arc;
//! use std::time::Duration;
//! use tollgate_web::memory::MemoryTrimmer;
//! use tollgate_web::metrics::Registry;
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let trimmer = Arc::new(MemoryTrimmer::register(&Registry::new())?);
//! trimmer.add("sessions", || 0 /* drop what can be done without; say how many bytes */);
//! let report = trimmer.trim();
//! println!("{}", serde_json::to_string(&report)?);
//! tokio::spawn(trimmer.trim_every(Duration::from_secs(600)));
//! # Ok(())
//! # }
//! ```
//!
//! The allocator is purged behind the feature `jemalloc`, in a process that allocates with it.

#[cfg(feature = "jemalloc")]
mod jemalloc;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use serde::Serialize;

use crate::metrics::{Counter, Registry, RegistryError, resident_bytes};

type Shrink = Arc<dyn Fn() -> u64 + Send + Sync>;

/// No interval is shorter: purging costs the allocator what it kept for speed.
const INTERVAL_MIN: Duration = Duration::from_secs(1);

/// What can give memory back.
pub struct MemoryTrimmer {
    caches: Mutex<BTreeMap<&'static str, Shrink>>,
    /// Held while trimming: two at once would count the same bytes.
    trimming: Mutex<()>,
    trims: Counter,
    given_back: Counter,
}

/// What a trim did.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TrimReport {
    /// Bytes that each cache let go of, as it says.
    pub caches_bytes: BTreeMap<&'static str, u64>,
    /// Whether the allocator was told to let go too.
    pub allocator_purged: bool,
    /// Resident memory of the process before, in bytes; 0 where the system does not tell.
    pub resident_bytes_before: u64,
    /// Resident memory of the process after, in bytes.
    pub resident_bytes_after: u64,
    /// What the system got back, in bytes; other threads may take memory meanwhile.
    pub given_back_bytes: u64,
}

impl MemoryTrimmer {
    /// A trimmer that counts `memory_trims_total` and `memory_given_back_bytes_total`.
    ///
    /// # Errors
    /// See [`RegistryError`].
    pub fn register(registry: &Registry) -> Result<Self, RegistryError> {
        let trims = registry.counter("memory_trims_total", "Times that memory was trimmed.")?;
        let given_back = registry.counter(
            "memory_given_back_bytes_total",
            "Bytes of resident memory that the system got back.",
        )?;
        Ok(Self {
            caches: Mutex::default(),
            trimming: Mutex::default(),
            trims,
            given_back,
        })
    }

    /// Adds a cache, in place of one with the same name. `shrink` drops what the cache can do
    /// without and returns how many bytes that was; it may block for a moment.
    pub fn add(&self, name: &'static str, shrink: impl Fn() -> u64 + Send + Sync + 'static) {
        self.caches.lock().insert(name, Arc::new(shrink));
    }

    /// Shrinks every cache and purges the allocator. It may block for some milliseconds: on a
    /// serving thread, call it through `tokio::task::spawn_blocking`.
    pub fn trim(&self) -> TrimReport {
        let _alone = self.trimming.lock();
        let resident_bytes_before = resident_bytes();
        // Shrunk outside the lock: a cache may be added meanwhile.
        let caches = self.caches.lock().clone();
        let caches_bytes = caches
            .into_iter()
            .map(|(name, shrink)| (name, shrink()))
            .collect();
        let allocator_purged = purge();
        let resident_bytes_after = resident_bytes();
        let given_back_bytes = resident_bytes_before.saturating_sub(resident_bytes_after);
        self.trims.increment();
        self.given_back.add(given_back_bytes);
        TrimReport {
            caches_bytes,
            allocator_purged,
            resident_bytes_before,
            resident_bytes_after,
            given_back_bytes,
        }
    }

    /// Trims again and again, at most once a second, until dropped; the first time after one
    /// interval.
    pub async fn trim_every(self: Arc<Self>, interval: Duration) {
        let interval = interval.max(INTERVAL_MIN);
        loop {
            tokio::time::sleep(interval).await;
            let trimmer = Arc::clone(&self);
            match tokio::task::spawn_blocking(move || trimmer.trim()).await {
                Ok(report) => {
                    tracing::debug!(bytes = report.given_back_bytes, "gave memory back");
                }
                Err(error) => tracing::error!(%error, "a cache panicked when it was shrunk"),
            }
        }
    }
}

#[cfg(feature = "jemalloc")]
fn purge() -> bool {
    jemalloc::purge()
}

#[cfg(not(feature = "jemalloc"))]
fn purge() -> bool {
    false
}
