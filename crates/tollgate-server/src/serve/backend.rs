//! The one place that names a backend; everything above it is generic.

use std::{future::Future, sync::Arc, time::Instant};

use anyhow::Context as _;
use tollgate_protocol::{ClientId, Now, UnixMillis, UnixSeconds};
use tollgate_store::{
    AssertionUse, ClientChange, ClientRecord, Cut, Health, InsertOutcome, KeyRing, KeyRingChange,
    MemoryStore, NewToken, Page, Probe, Redeemed, Redemption, Revocation, Revoked, Snapshot,
    Standing, Store, StoreError, SweepOutcome, TokenFilter, TokenKey, Watcher,
};
use tollgate_store_embedded::{Durability, EmbeddedConfig, EmbeddedStore};

use super::store_metrics::{Operation, StoreMetrics};
use crate::{config, telemetry::Traces};

/// The most memory for blocks read from disk, and for recent writes, where little is asked for.
const SMALL_CACHE_BYTES: u64 = 16 << 20;
const SMALL_WRITE_BUFFER_BYTES: u64 = 4 << 20;
/// From this many cache entries on the store gets its usual memory.
const SMALL_ENTRIES_MAX: usize = 1000;

/// A store of the configured kind, timed.
pub(crate) struct Backend {
    kind: Kind,
    metrics: StoreMetrics,
    traces: Option<Traces>,
}

enum Kind {
    Embedded(Arc<EmbeddedStore>),
    Memory(MemoryStore),
}

impl Backend {
    /// Opens the configured store; blocks the thread.
    ///
    /// # Errors
    ///
    /// When another process has it open, it is damaged, or the disk refuses.
    pub(crate) fn open(
        config: &config::Config,
        registry: &tollgate_web::metrics::Registry,
        traces: Option<Traces>,
    ) -> anyhow::Result<Self> {
        let (kind, embedded) = match config.store.durability {
            config::Durability::Memory => (Kind::Memory(MemoryStore::default()), None),
            config::Durability::Sync => {
                let store = Arc::new(EmbeddedStore::open(&embedded(config))?);
                (Kind::Embedded(Arc::clone(&store)), Some(store))
            }
        };
        let metrics = StoreMetrics::register(registry, embedded);
        let metrics = metrics.context("failed to register the metrics of the store")?;
        Ok(Self {
            kind,
            metrics,
            traces,
        })
    }

    /// Writes what is left and lets go of the files.
    ///
    /// # Errors
    ///
    /// When the disk did not take the last writes; none of them was acknowledged.
    pub(crate) async fn close(&self) -> Result<(), StoreError> {
        match &self.kind {
            Kind::Embedded(store) => store.close().await,
            Kind::Memory(_) => Ok(()),
        }
    }

    /// Brings the metrics up to what the store counts itself.
    pub(crate) fn copy_metrics(&self) {
        self.metrics.copy();
    }

    async fn timed<T>(&self, operation: Operation, work: impl Future<Output = T>) -> T {
        let started = Instant::now();
        let done = match &self.traces {
            Some(traces) => traces.part(operation.span(), work).await,
            None => work.await,
        };
        self.metrics.observe(operation, started.elapsed());
        done
    }
}

fn embedded(config: &config::Config) -> EmbeddedConfig {
    let mut embedded = EmbeddedConfig::new(&config.store.data_dir);
    embedded.durability = Durability::Sync;
    embedded.records_max = config.batch.records_max;
    embedded.linger = config.batch.linger;
    if config.cache.entries_max <= SMALL_ENTRIES_MAX {
        embedded.cache_bytes = SMALL_CACHE_BYTES;
        embedded.write_buffer_bytes = SMALL_WRITE_BUFFER_BYTES;
    }
    embedded
}

/// Hands each operation to the store that was configured.
macro_rules! delegate {
    ($($operation:ident: $name:ident($($argument:ident: $type:ty),*) -> $answer:ty;)+) => {$(
        async fn $name(&self, $($argument: $type),*) -> $answer {
            self.timed(Operation::$operation, async {
                match &self.kind {
                    Kind::Embedded(store) => store.$name($($argument),*).await,
                    Kind::Memory(store) => store.$name($($argument),*).await,
                }
            })
            .await
        }
    )+};
}

impl Store for Backend {
    fn watch(&self, watcher: Watcher) {
        match &self.kind {
            Kind::Embedded(store) => store.watch(watcher),
            Kind::Memory(store) => store.watch(watcher),
        }
    }

    delegate! {
        Insert: insert(tokens: Vec<NewToken>, active_max: u64, now: UnixSeconds)
            -> Result<InsertOutcome, StoreError>;
        Standing: standing(probes: &[Probe], now: UnixSeconds)
            -> Result<Vec<Standing>, StoreError>;
        Redeem: redeem(redemptions: Vec<Redemption>, now: UnixSeconds)
            -> Result<Vec<Redeemed>, StoreError>;
        Revoke: revoke(revocations: Vec<Revocation>, now: UnixSeconds)
            -> Result<Vec<Revoked>, StoreError>;
        Revoke: cut(cut: Cut) -> Result<(), StoreError>;
        Admin: latest_cut() -> Result<Option<UnixMillis>, StoreError>;
        UseAssertion: use_assertion(assertion: TokenKey, expires_at: UnixSeconds, now: UnixSeconds)
            -> Result<AssertionUse, StoreError>;
        Client: client(id: &ClientId) -> Result<Option<Arc<ClientRecord>>, StoreError>;
        Admin: clients(after: Option<ClientId>, limit: usize)
            -> Result<Vec<Arc<ClientRecord>>, StoreError>;
        Admin: create_client(client: ClientRecord) -> Result<ClientChange, StoreError>;
        Admin: update_client(client: ClientRecord) -> Result<ClientChange, StoreError>;
        Admin: delete_client(id: ClientId) -> Result<ClientChange, StoreError>;
        Admin: key_ring() -> Result<KeyRing, StoreError>;
        Admin: replace_key_ring(ring: KeyRing) -> Result<KeyRingChange, StoreError>;
        Admin: tokens(
            filter: TokenFilter,
            after: Option<TokenKey>,
            limit: usize,
            now: UnixSeconds
        ) -> Result<Page, StoreError>;
        Admin: count(filter: TokenFilter, now: UnixSeconds) -> Result<u64, StoreError>;
        Sweep: sweep(limit: usize, now: Now) -> Result<SweepOutcome, StoreError>;
        Admin: health() -> Health;
        Admin: export() -> Result<Snapshot, StoreError>;
        Admin: import(snapshot: Snapshot) -> Result<(), StoreError>;
    }

    fn active(&self, now: UnixSeconds) -> u64 {
        match &self.kind {
            Kind::Embedded(store) => store.active(now),
            Kind::Memory(store) => store.active(now),
        }
    }
}
