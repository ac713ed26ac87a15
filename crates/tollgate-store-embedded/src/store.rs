//! The store as its callers see it.

use std::{
    sync::{
        Arc,
        mpsc::{SyncSender, TrySendError},
    },
    thread::JoinHandle,
};

use parking_lot::Mutex;
use tollgate_protocol::{ClientId, Now, UnixMillis, UnixSeconds};
use tollgate_store::{
    AssertionUse, Batch, ClientChange, ClientRecord, Cut, Health, InsertOutcome, KeyRing,
    KeyRingChange, NewToken, Page, Probe, Redeemed, Redemption, Revocation, Revoked, Snapshot,
    Standing, Store, StoreError, SweepOutcome, TokenFilter, TokenKey, Watcher,
};

use crate::{
    config::{EmbeddedConfig, OpenError},
    engine::Engine,
    open, reply,
    request::{Administration, Reply, Request},
    stats::StatsSnapshot,
    sweep::{Position, Sweep},
};

/// The embedded store: see the [crate](crate).
///
/// Methods that walk over many records ([`Store::tokens`], [`Store::count`], [`Store::sweep`],
/// [`Store::export`]) do so on the blocking threads of the `tokio` runtime that they are called in.
///
/// Dropping it commits what was asked for before and waits for that; [`EmbeddedStore::close`] does
/// the same without holding up the thread, and says whether it went well.
pub struct EmbeddedStore {
    shared: Arc<Shared>,
    writer: Mutex<Option<JoinHandle<()>>>,
}

/// What outlives the handle for as long as a walk is going on.
struct Shared {
    engine: Arc<Engine>,
    queue: Queue,
    sweep: Mutex<Position>,
    /// Given up last, when all files are closed.
    _lock: open::DirectoryLock,
}

/// The way to the writer.
pub(crate) struct Queue {
    sender: Mutex<Option<SyncSender<Request>>>,
    engine: Arc<Engine>,
}

impl Queue {
    /// Puts an operation before the writer, or says at once why not.
    pub(crate) fn send(&self, request: Request) -> Result<(), StoreError> {
        if let Some(error) = self.engine.stopped() {
            return Err(error);
        }
        let sent = match &*self.sender.lock() {
            None => return Err(StoreError::Unavailable("the store is closed".to_owned())),
            Some(sender) => {
                // Counted before it is sent, or the writer may count it off first.
                self.engine.stats.enqueued();
                sender.try_send(request)
            }
        };
        sent.map_err(|error| {
            self.engine.stats.dequeued();
            match error {
                TrySendError::Full(_) => {
                    self.engine.stats.saturated();
                    StoreError::Saturated
                }
                TrySendError::Disconnected(_) => self.gone(),
            }
        })
    }

    /// What it means that the writer left without an answer.
    pub(crate) fn gone(&self) -> StoreError {
        let closed = || StoreError::Unavailable("the store is closed".to_owned());
        self.engine.stopped().unwrap_or_else(closed)
    }

    async fn ask<T>(&self, request: impl FnOnce(Reply<T>) -> Request) -> Result<T, StoreError> {
        let (reply, answer) = reply::channel();
        self.send(request(reply))?;
        answer.await.map_err(|_| self.gone())?
    }

    async fn administer<T>(
        &self,
        administration: impl FnOnce(Reply<T>) -> Administration,
    ) -> Result<T, StoreError> {
        self.ask(|reply| Request::Administer(Box::new(administration(reply))))
            .await
    }
}

impl EmbeddedStore {
    /// Opens the store in `config.path`, or makes one there.
    ///
    /// Reads what the last process left, which takes a time that grows with the writes since the
    /// tables were last written out, not with the tokens kept. Blocks the thread.
    ///
    /// # Errors
    ///
    /// When another process has the store open, when it is of another format, when it is damaged
    /// and when the disk refuses.
    ///
    /// ```
    /// use tollgate_protocol::UnixSeconds;
    /// use tollgate_store::Store;
    /// use tollgate_store_embedded::{EmbeddedConfig, EmbeddedStore};
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path();
    /// let store = EmbeddedStore::open(&EmbeddedConfig::new(path))?;
    /// assert_eq!(store.active(UnixSeconds(0)), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn open(config: &EmbeddedConfig) -> Result<Self, OpenError> {
        let opened = open::open(config)?;
        let engine = opened.engine;
        let queue = Queue {
            sender: Mutex::new(Some(opened.sender)),
            engine: Arc::clone(&engine),
        };
        let writer = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || opened.writer.run())?;
        Ok(Self {
            shared: Arc::new(Shared {
                engine,
                queue,
                sweep: Mutex::default(),
                _lock: opened.lock,
            }),
            writer: Mutex::new(Some(writer)),
        })
    }

    /// What the store has done so far.
    #[must_use]
    pub fn stats(&self) -> StatsSnapshot {
        self.shared.engine.stats.snapshot()
    }

    /// The bytes that the store has on disk.
    ///
    /// # Errors
    ///
    /// When the file system does not say.
    pub fn disk_bytes(&self) -> Result<u64, StoreError> {
        self.shared
            .engine
            .database
            .disk_space()
            .map_err(crate::engine::store_error)
    }

    /// Commits everything asked for before, refuses everything after, and ends the writing thread.
    /// Reads go on until the store is dropped, which also releases the directory.
    ///
    /// # Errors
    ///
    /// When the last sync, or any write before, failed.
    pub async fn close(&self) -> Result<(), StoreError> {
        let (reply, answer) = reply::channel();
        let sender = self.shared.queue.sender.lock().take();
        let Some(sender) = sender else {
            return Ok(());
        };
        self.shared.engine.stats.enqueued();
        let sent = blocking(move || {
            sender
                .send(Request::Close { reply })
                .map_err(|_| StoreError::Unavailable("the writer is gone".to_owned()))
        });
        sent.await?;
        let closed = answer.await.map_err(|_| self.shared.queue.gone())?;
        let writer = self.writer.lock().take();
        blocking(move || {
            join(writer);
            Ok(())
        })
        .await?;
        closed
    }

    async fn walk<T: Send + 'static>(
        &self,
        walk: impl FnOnce(&Shared) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let shared = Arc::clone(&self.shared);
        blocking(move || walk(&shared)).await
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Result<T, StoreError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(StoreError::Unavailable(error.to_string())))
}

fn join(writer: Option<JoinHandle<()>>) {
    if writer.is_some_and(|writer| writer.join().is_err()) {
        tracing::error!("the writing thread died");
    }
}

impl Drop for EmbeddedStore {
    fn drop(&mut self) {
        // Without a sender the writer commits what is left, and ends.
        drop(self.shared.queue.sender.lock().take());
        join(self.writer.lock().take());
    }
}

impl std::fmt::Debug for EmbeddedStore {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("EmbeddedStore")
            .finish_non_exhaustive()
    }
}

impl Store for EmbeddedStore {
    fn watch(&self, watcher: Watcher) {
        // There is one issuer a store; a second watcher would mean two.
        if self.shared.engine.watcher.set(watcher).is_err() {
            tracing::error!("the store has a watcher already");
        }
    }

    async fn insert(
        &self,
        tokens: Vec<NewToken>,
        active_max: u64,
        now: UnixSeconds,
    ) -> Result<InsertOutcome, StoreError> {
        Batch::check(&tokens)?;
        let insert = |reply| Request::Insert {
            tokens,
            active_max,
            now,
            reply,
        };
        self.shared.queue.ask(insert).await
    }

    async fn standing(
        &self,
        probes: &[Probe],
        now: UnixSeconds,
    ) -> Result<Vec<Standing>, StoreError> {
        Batch::check(probes)?;
        let standing = self.shared.engine.standing(probes, now);
        standing.inspect_err(|_| self.shared.engine.stats.corrupt())
    }

    async fn redeem(
        &self,
        redemptions: Vec<Redemption>,
        now: UnixSeconds,
    ) -> Result<Vec<Redeemed>, StoreError> {
        Batch::check(&redemptions)?;
        let redeem = |reply| Request::Redeem {
            redemptions,
            now,
            reply,
        };
        self.shared.queue.ask(redeem).await
    }

    async fn revoke(
        &self,
        revocations: Vec<Revocation>,
        now: UnixSeconds,
    ) -> Result<Vec<Revoked>, StoreError> {
        Batch::check(&revocations)?;
        let revoke = |reply| Request::Revoke {
            revocations,
            now,
            reply,
        };
        self.shared.queue.ask(revoke).await
    }

    async fn cut(&self, cut: Cut) -> Result<(), StoreError> {
        self.shared
            .queue
            .administer(|reply| Administration::Cut(cut, reply))
            .await
    }

    async fn latest_cut(&self) -> Result<Option<UnixMillis>, StoreError> {
        Ok(self.shared.engine.index.read().latest_cut())
    }

    async fn use_assertion(
        &self,
        assertion: TokenKey,
        expires_at: UnixSeconds,
        now: UnixSeconds,
    ) -> Result<AssertionUse, StoreError> {
        let used = |reply| Request::UseAssertion {
            assertion,
            expires_at,
            now,
            reply,
        };
        self.shared.queue.ask(used).await
    }

    async fn client(&self, id: &ClientId) -> Result<Option<Arc<ClientRecord>>, StoreError> {
        Ok(self.shared.engine.index.read().client(id.as_str()).cloned())
    }

    async fn clients(
        &self,
        after: Option<ClientId>,
        limit: usize,
    ) -> Result<Vec<Arc<ClientRecord>>, StoreError> {
        let index = self.shared.engine.index.read();
        let later = index.clients_after(after.as_ref());
        Ok(later.take(limit).cloned().collect())
    }

    async fn create_client(&self, client: ClientRecord) -> Result<ClientChange, StoreError> {
        let create = |reply| Administration::CreateClient(client, reply);
        self.shared.queue.administer(create).await
    }

    async fn update_client(&self, client: ClientRecord) -> Result<ClientChange, StoreError> {
        let update = |reply| Administration::UpdateClient(client, reply);
        self.shared.queue.administer(update).await
    }

    async fn delete_client(&self, id: ClientId) -> Result<ClientChange, StoreError> {
        let delete = |reply| Administration::DeleteClient(id, reply);
        self.shared.queue.administer(delete).await
    }

    async fn key_ring(&self) -> Result<KeyRing, StoreError> {
        Ok(self.shared.engine.index.read().key_ring.clone())
    }

    async fn replace_key_ring(&self, ring: KeyRing) -> Result<KeyRingChange, StoreError> {
        let replace = |reply| Administration::ReplaceKeyRing(ring, reply);
        self.shared.queue.administer(replace).await
    }

    async fn tokens(
        &self,
        filter: TokenFilter,
        after: Option<TokenKey>,
        limit: usize,
        now: UnixSeconds,
    ) -> Result<Page, StoreError> {
        self.walk(move |shared| shared.engine.tokens(&filter, after, limit, now))
            .await
    }

    async fn count(&self, filter: TokenFilter, now: UnixSeconds) -> Result<u64, StoreError> {
        self.walk(move |shared| shared.engine.count(&filter, now))
            .await
    }

    fn active(&self, now: UnixSeconds) -> u64 {
        self.shared.engine.active.lock().at(now)
    }

    async fn sweep(&self, limit: usize, now: Now) -> Result<SweepOutcome, StoreError> {
        self.walk(move |shared| {
            let mut sweep = Sweep {
                engine: &shared.engine,
                queue: &shared.queue,
                position: &mut shared.sweep.lock(),
                now,
            };
            sweep.run(limit)
        })
        .await
    }

    async fn health(&self) -> Health {
        self.shared.engine.health()
    }

    async fn export(&self) -> Result<Snapshot, StoreError> {
        self.walk(|shared| shared.engine.export()).await
    }

    async fn import(&self, snapshot: Snapshot) -> Result<(), StoreError> {
        let import = |reply| Administration::Import(Box::new(snapshot), reply);
        self.shared.queue.administer(import).await
    }
}

#[cfg(test)]
mod tests;
