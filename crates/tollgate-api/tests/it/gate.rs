//! The reference store behind a gate: while it is shut, what changes tokens is done at once and
//! answered once the gate opens, as on a slow disk.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::watch;
use tollgate_protocol::{ClientId, Now, UnixMillis, UnixSeconds};
use tollgate_store::{
    AssertionUse, ClientChange, ClientRecord, Cut, Health, InsertOutcome, KeyRing, KeyRingChange,
    MemoryStore, NewToken, Page, Probe, Redeemed, Redemption, Revocation, Revoked, Snapshot,
    Standing, Store, StoreError, SweepOutcome, TokenFilter, TokenKey, Watcher,
};

pub(crate) struct GatedStore {
    memory: MemoryStore,
    is_open: watch::Sender<bool>,
    waiting: AtomicUsize,
}

impl GatedStore {
    pub(crate) fn new() -> Self {
        Self {
            memory: MemoryStore::default(),
            is_open: watch::Sender::new(true),
            waiting: AtomicUsize::default(),
        }
    }

    pub(crate) fn shut(&self) {
        self.waiting.store(0, Ordering::SeqCst);
        self.is_open.send_replace(false);
    }

    pub(crate) fn open(&self) {
        self.is_open.send_replace(true);
    }

    /// How many answers came to the gate since it was shut.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }

    async fn pass<T>(&self, answer: T) -> T {
        let mut is_open = self.is_open.subscribe();
        if !*is_open.borrow() {
            self.waiting.fetch_add(1, Ordering::SeqCst);
        }
        let _ = is_open.wait_for(|is_open| *is_open).await;
        answer
    }
}

macro_rules! delegate {
    ($($name:ident($($argument:ident: $type:ty),*) -> $answer:ty;)+) => {$(
        async fn $name(&self, $($argument: $type),*) -> $answer {
            self.memory.$name($($argument),*).await
        }
    )+};
}

macro_rules! gated {
    ($($name:ident($($argument:ident: $type:ty),*) -> $answer:ty;)+) => {$(
        async fn $name(&self, $($argument: $type),*) -> $answer {
            self.pass(self.memory.$name($($argument),*).await).await
        }
    )+};
}

impl Store for GatedStore {
    fn watch(&self, watcher: Watcher) {
        self.memory.watch(watcher);
    }

    gated! {
        insert(tokens: Vec<NewToken>, active_max: u64, now: UnixSeconds)
            -> Result<InsertOutcome, StoreError>;
        redeem(redemptions: Vec<Redemption>, now: UnixSeconds)
            -> Result<Vec<Redeemed>, StoreError>;
        revoke(revocations: Vec<Revocation>, now: UnixSeconds)
            -> Result<Vec<Revoked>, StoreError>;
    }

    delegate! {
        standing(probes: &[Probe], now: UnixSeconds) -> Result<Vec<Standing>, StoreError>;
        cut(cut: Cut) -> Result<(), StoreError>;
        latest_cut() -> Result<Option<UnixMillis>, StoreError>;
        use_assertion(assertion: TokenKey, expires_at: UnixSeconds, now: UnixSeconds)
            -> Result<AssertionUse, StoreError>;
        client(id: &ClientId) -> Result<Option<Arc<ClientRecord>>, StoreError>;
        clients(after: Option<ClientId>, limit: usize)
            -> Result<Vec<Arc<ClientRecord>>, StoreError>;
        create_client(client: ClientRecord) -> Result<ClientChange, StoreError>;
        update_client(client: ClientRecord) -> Result<ClientChange, StoreError>;
        delete_client(id: ClientId) -> Result<ClientChange, StoreError>;
        key_ring() -> Result<KeyRing, StoreError>;
        replace_key_ring(ring: KeyRing) -> Result<KeyRingChange, StoreError>;
        tokens(filter: TokenFilter, after: Option<TokenKey>, limit: usize, now: UnixSeconds)
            -> Result<Page, StoreError>;
        count(filter: TokenFilter, now: UnixSeconds) -> Result<u64, StoreError>;
        sweep(limit: usize, now: Now) -> Result<SweepOutcome, StoreError>;
        health() -> Health;
        export() -> Result<Snapshot, StoreError>;
        import(snapshot: Snapshot) -> Result<(), StoreError>;
    }

    fn active(&self, now: UnixSeconds) -> u64 {
        self.memory.active(now)
    }
}
