//! A store that several issuers share, and that fails when told to.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicUsize, Ordering},
    mpsc::{Receiver, SyncSender, sync_channel},
};

use tollgate_protocol::{ClientId, Now, UnixMillis, UnixSeconds};
use tollgate_store::{
    AssertionUse, ClientChange, ClientRecord, Cut, Health, InsertOutcome, KeyRing, KeyRingChange,
    MemoryStore, NewToken, Page, Probe, Redeemed, Redemption, Revocation, Revoked, Snapshot,
    Standing, Store, StoreError, SweepOutcome, TokenFilter, TokenKey, Watcher,
};

#[derive(Clone, Default)]
pub(crate) struct SharedStore(Arc<Inner>);

#[derive(Default)]
struct Inner {
    memory: MemoryStore,
    is_down: AtomicBool,
    keeps_ring: AtomicBool,
    conflicts: AtomicUsize,
    client_pages: AtomicUsize,
    standings: AtomicUsize,
    gate: Mutex<Option<Gate>>,
    rings: Mutex<Vec<KeyRing>>,
}

/// Where one answer of the store waits on its way to the issuer.
struct Gate {
    arrived: SyncSender<()>,
    open: Receiver<()>,
}

impl Gate {
    fn pass(self) {
        self.arrived.send(()).unwrap();
        self.open.recv().unwrap();
    }
}

/// The other side of a gate.
pub(crate) struct Gatekeeper {
    arrived: Receiver<()>,
    open: SyncSender<()>,
}

impl Gatekeeper {
    pub(crate) fn await_arrival(&self) {
        self.arrived.recv().unwrap();
    }

    pub(crate) fn open(&self) {
        self.open.send(()).unwrap();
    }
}

impl SharedStore {
    pub(crate) fn set_down(&self, is_down: bool) {
        self.0.is_down.store(is_down, Ordering::Relaxed);
    }

    /// Whether no change of the key ring is stored.
    pub(crate) fn keep_ring(&self, keeps: bool) {
        self.0.keeps_ring.store(keeps, Ordering::Relaxed);
    }

    /// Lets the next so many changes of a client or the key ring meet a faster one.
    pub(crate) fn conflict(&self, times: usize) {
        self.0.conflicts.store(times, Ordering::Relaxed);
    }

    pub(crate) fn conflicts_left(&self) -> usize {
        self.0.conflicts.load(Ordering::Relaxed)
    }

    /// How many pages of clients were asked for since last told.
    pub(crate) fn take_client_pages(&self) -> usize {
        self.0.client_pages.swap(0, Ordering::Relaxed)
    }

    /// The key rings that were stored since last told, in order.
    pub(crate) fn take_rings(&self) -> Vec<KeyRing> {
        std::mem::take(&mut *self.0.rings.lock().unwrap())
    }

    /// How often tokens were looked up since last told.
    pub(crate) fn take_standings(&self) -> usize {
        self.0.standings.swap(0, Ordering::Relaxed)
    }

    /// Holds back what the store next says of a token.
    pub(crate) fn hold_next_standing(&self) -> Gatekeeper {
        let (arrive, arrived) = sync_channel(1);
        let (open, opened) = sync_channel(1);
        *self.0.gate.lock().unwrap() = Some(Gate {
            arrived: arrive,
            open: opened,
        });
        Gatekeeper { arrived, open }
    }

    fn up(&self) -> Result<&MemoryStore, StoreError> {
        if self.0.is_down.load(Ordering::Relaxed) {
            Err(StoreError::Unavailable("switched off".into()))
        } else {
            Ok(&self.0.memory)
        }
    }

    fn takes_conflict(&self) -> bool {
        let fewer = |left: usize| left.checked_sub(1);
        self.0
            .conflicts
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, fewer)
            .is_ok()
    }
}

impl Store for SharedStore {
    fn watch(&self, watcher: Watcher) {
        self.0.memory.watch(watcher);
    }

    async fn insert(
        &self,
        tokens: Vec<NewToken>,
        active_max: u64,
        now: UnixSeconds,
    ) -> Result<InsertOutcome, StoreError> {
        self.up()?.insert(tokens, active_max, now).await
    }

    async fn standing(
        &self,
        probes: &[Probe],
        now: UnixSeconds,
    ) -> Result<Vec<Standing>, StoreError> {
        self.0.standings.fetch_add(1, Ordering::Relaxed);
        let standing = self.up()?.standing(probes, now).await;
        if let Some(gate) = self.0.gate.lock().unwrap().take() {
            gate.pass();
        }
        standing
    }

    async fn redeem(
        &self,
        redemptions: Vec<Redemption>,
        now: UnixSeconds,
    ) -> Result<Vec<Redeemed>, StoreError> {
        self.up()?.redeem(redemptions, now).await
    }

    async fn revoke(
        &self,
        revocations: Vec<Revocation>,
        now: UnixSeconds,
    ) -> Result<Vec<Revoked>, StoreError> {
        self.up()?.revoke(revocations, now).await
    }

    async fn cut(&self, cut: Cut) -> Result<(), StoreError> {
        self.up()?.cut(cut).await
    }

    async fn latest_cut(&self) -> Result<Option<UnixMillis>, StoreError> {
        self.up()?.latest_cut().await
    }

    async fn use_assertion(
        &self,
        assertion: TokenKey,
        expires_at: UnixSeconds,
        now: UnixSeconds,
    ) -> Result<AssertionUse, StoreError> {
        self.up()?.use_assertion(assertion, expires_at, now).await
    }

    async fn client(&self, id: &ClientId) -> Result<Option<Arc<ClientRecord>>, StoreError> {
        self.up()?.client(id).await
    }

    async fn clients(
        &self,
        after: Option<ClientId>,
        limit: usize,
    ) -> Result<Vec<Arc<ClientRecord>>, StoreError> {
        self.0.client_pages.fetch_add(1, Ordering::Relaxed);
        self.up()?.clients(after, limit).await
    }

    async fn create_client(&self, client: ClientRecord) -> Result<ClientChange, StoreError> {
        self.up()?.create_client(client).await
    }

    async fn update_client(&self, client: ClientRecord) -> Result<ClientChange, StoreError> {
        if self.takes_conflict() {
            return Ok(ClientChange::Conflict);
        }
        self.up()?.update_client(client).await
    }

    async fn delete_client(&self, id: ClientId) -> Result<ClientChange, StoreError> {
        self.up()?.delete_client(id).await
    }

    async fn key_ring(&self) -> Result<KeyRing, StoreError> {
        self.up()?.key_ring().await
    }

    async fn replace_key_ring(&self, ring: KeyRing) -> Result<KeyRingChange, StoreError> {
        if self.0.keeps_ring.load(Ordering::Relaxed) {
            return Err(StoreError::WriteFailed("switched off".into()));
        }
        if self.takes_conflict() {
            return Ok(KeyRingChange::Conflict);
        }
        let change = self.up()?.replace_key_ring(ring.clone()).await?;
        if change == KeyRingChange::Done {
            self.0.rings.lock().unwrap().push(ring);
        }
        Ok(change)
    }

    async fn tokens(
        &self,
        filter: TokenFilter,
        after: Option<TokenKey>,
        limit: usize,
        now: UnixSeconds,
    ) -> Result<Page, StoreError> {
        self.up()?.tokens(filter, after, limit, now).await
    }

    async fn count(&self, filter: TokenFilter, now: UnixSeconds) -> Result<u64, StoreError> {
        self.up()?.count(filter, now).await
    }

    fn active(&self, now: UnixSeconds) -> u64 {
        self.0.memory.active(now)
    }

    async fn sweep(&self, limit: usize, now: Now) -> Result<SweepOutcome, StoreError> {
        self.up()?.sweep(limit, now).await
    }

    async fn health(&self) -> Health {
        self.0.memory.health().await
    }

    async fn export(&self) -> Result<Snapshot, StoreError> {
        self.up()?.export().await
    }

    async fn import(&self, snapshot: Snapshot) -> Result<(), StoreError> {
        self.up()?.import(snapshot).await
    }
}
