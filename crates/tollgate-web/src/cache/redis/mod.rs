//! Redis or Valkey (version 6 or later) as the second level: one multiplexed connection for
//! commands, one for invalidations, every wait bounded.
//!
//! A value stands under `{namespace}:v:KEY`, with its tags before it. Beside it stand a generation
//! for each invalidated key and one for prefixes and tags: random, so that a server that lost its
//! memory cannot repeat one. A fill names the generations that it was read under, and a script
//! refuses it when they have moved on. Invalidations are published on `{namespace}:i`.

mod channel;
mod config;
mod keys;
mod repair;
mod scripts;

use std::sync::Arc;
use std::sync::Weak;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use async_trait::async_trait;
use bytes::Bytes;
use parking_lot::Mutex;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, Cmd, FromRedisValue, Pipeline};
use tokio::sync::{Notify, Semaphore};
use tokio::task::JoinHandle;

use super::second_level::{
    FillKind, Invalidation, InvalidationListener, SecondLevel, SecondLevelStatistics, SharedEntry,
    SharedRead, SharedTicket, Unavailable,
};
use channel::Session;
use keys::{Namespace, decode};
use repair::Debts;

pub use config::{RedisConfig, RedisConfigError};

/// Keys in one exchange; more go in several.
const KEYS_MAX: usize = 512;
/// Writes and invalidations under way, of callers who wait or have left; others wait their turn.
const WRITES_MAX: usize = 1024;

/// A connection to Redis or Valkey that mends itself.
pub struct RedisLevel {
    shared: Arc<Shared>,
    tasks: [JoinHandle<()>; 2],
}

struct Shared {
    config: RedisConfig,
    client: Client,
    commands: ConnectionManager,
    namespace: Namespace,
    /// The channel that invalidations are heard on, while they are.
    session: ArcSwapOption<Session>,
    listeners: Mutex<Vec<Weak<dyn InvalidationListener>>>,
    /// Whether commands are sent: not while the server is away or an invalidation is owed.
    usable: AtomicBool,
    debts: Mutex<Debts>,
    writes: Arc<Semaphore>,
    broken: Notify,
    failures: AtomicU64,
    channel_losses: AtomicU64,
    heard: AtomicU64,
}

impl RedisLevel {
    /// Begins to connect, within the calling runtime, which must outlive the level.
    ///
    /// # Errors
    /// When the configuration is no good. That nobody answers is no error: memory and the second
    /// level are passed by until somebody does.
    ///
    /// # Panics
    /// Outside a Tokio runtime.
    pub fn start(config: RedisConfig) -> Result<Arc<Self>, RedisConfigError> {
        let client = config.client()?;
        let manager = ConnectionManagerConfig::new()
            .set_number_of_retries(0)
            .set_connection_timeout(Some(config.connect_timeout))
            .set_response_timeout(Some(config.response_timeout));
        let commands = ConnectionManager::new_lazy_with_config(client.clone(), manager)
            .map_err(|_| RedisConfigError::Url)?;
        let shared = Arc::new(Shared {
            namespace: Namespace::new(&config.namespace)?,
            config,
            client,
            commands,
            session: ArcSwapOption::empty(),
            listeners: Mutex::default(),
            usable: AtomicBool::new(true),
            debts: Mutex::default(),
            writes: Arc::new(Semaphore::new(WRITES_MAX)),
            broken: Notify::new(),
            failures: AtomicU64::new(0),
            channel_losses: AtomicU64::new(0),
            heard: AtomicU64::new(0),
        });
        Ok(Arc::new(Self {
            tasks: [
                tokio::spawn(channel::run(Arc::clone(&shared))),
                tokio::spawn(repair::run(Arc::clone(&shared))),
            ],
            shared,
        }))
    }
}

impl Drop for RedisLevel {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

#[async_trait]
impl SecondLevel for RedisLevel {
    async fn read(&self, keys: &[&str]) -> Result<Vec<SharedRead>, Unavailable> {
        let shared = &self.shared;
        shared.check_usable()?;
        let mut reads = Vec::with_capacity(keys.len());
        for keys in keys.chunks(KEYS_MAX) {
            reads.extend(shared.settle(shared.read(keys).await)?);
        }
        Ok(reads)
    }

    async fn fill(
        &self,
        key: &str,
        ticket: &SharedTicket,
        entry: &SharedEntry,
        kind: FillKind,
    ) -> Result<bool, Unavailable> {
        let shared = &self.shared;
        shared.check_usable()?;
        let mode = match kind {
            FillKind::Loaded => scripts::LOADED,
            FillKind::Written => scripts::WRITTEN,
        };
        let put = scripts::put(&shared.namespace, key, entry, mode, Some(ticket));
        shared.settle(shared.command(&put).await)
    }

    async fn write(&self, entries: &[(&str, SharedEntry)]) -> Result<(), Unavailable> {
        let shared = &self.shared;
        let keys = entries.iter().map(|(key, _)| (*key).to_owned());
        // What was written of them nobody knows unless all was, so none may stay.
        let debt = Debt::new(shared, Invalidation::Keys(keys.collect()));
        let pipelines = entries.chunks(KEYS_MAX).map(|entries| {
            let mut pipeline = Pipeline::new();
            for (key, entry) in entries {
                let mode = scripts::SET;
                let put = scripts::put(&shared.namespace, key, entry, mode, None);
                pipeline.add_command(put).ignore();
            }
            pipeline
        });
        let pipelines: Vec<Pipeline> = pipelines.collect();
        let shared = Arc::clone(shared);
        let work = async move {
            for pipeline in &pipelines {
                shared.pipeline::<()>(pipeline).await?;
            }
            Ok(())
        };
        debt.pay(work).await
    }

    async fn remove(&self, what: &Invalidation) -> Result<u64, Unavailable> {
        let debt = Debt::new(&self.shared, what.clone());
        let (shared, what) = (Arc::clone(&self.shared), what.clone());
        debt.pay(async move { shared.remove(&what).await }).await
    }

    async fn add(&self, key: &str, by: i64, ttl: Duration) -> Result<Option<i64>, Unavailable> {
        let shared = &self.shared;
        shared.check_usable()?;
        let add = scripts::add(&shared.namespace, key, by, ttl);
        let sum: Option<String> = shared.settle(shared.command(&add).await)?;
        Ok(sum.and_then(|sum| sum.parse().ok()))
    }

    fn is_coherent(&self) -> bool {
        let session = self.shared.session.load();
        session.as_ref().is_some_and(|session| session.hears())
    }

    fn listen(&self, listener: Weak<dyn InvalidationListener>) {
        let mut listeners = self.shared.listeners.lock();
        listeners.retain(|other| other.strong_count() > 0);
        listeners.push(listener);
    }

    fn statistics(&self) -> SecondLevelStatistics {
        SecondLevelStatistics {
            failures: self.shared.failures.load(Ordering::Relaxed),
            channel_losses: self.shared.channel_losses.load(Ordering::Relaxed),
            invalidations_heard: self.shared.heard.load(Ordering::Relaxed),
        }
    }
}

/// An invalidation that is owed from now on, unless it is [paid](Self::pay).
struct Debt {
    shared: Arc<Shared>,
    what: Option<Invalidation>,
}

impl Debt {
    fn new(shared: &Arc<Shared>, what: Invalidation) -> Self {
        Self {
            shared: Arc::clone(shared),
            what: Some(what),
        }
    }

    /// Does the work in a task of its own. Ended with its caller, who may be a client that leaves
    /// on purpose, it would be owed, and nobody would have a second level until it was made up for.
    async fn pay<T: Send + 'static>(
        self,
        work: impl Future<Output = redis::RedisResult<T>> + Send + 'static,
    ) -> Result<T, Unavailable> {
        self.shared.check_usable()?;
        let turn = Arc::clone(&self.shared.writes).acquire_owned().await;
        let task = tokio::spawn(async move {
            let _turn = turn;
            let done = self.shared.settle(work.await)?;
            self.paid();
            Ok(done)
        });
        task.await.unwrap_or(Err(Unavailable))
    }

    fn paid(mut self) {
        self.what = None;
    }
}

impl Drop for Debt {
    fn drop(&mut self) {
        if let Some(what) = self.what.take() {
            self.shared.owe(what);
        }
    }
}

impl Shared {
    fn check_usable(&self) -> Result<(), Unavailable> {
        if self.usable.load(Ordering::Acquire) {
            return Ok(());
        }
        self.failures.fetch_add(1, Ordering::Relaxed);
        Err(Unavailable)
    }

    /// Counts a failure, and sends no more until the server answers again.
    fn settle<T>(&self, result: redis::RedisResult<T>) -> Result<T, Unavailable> {
        result.map_err(|error| {
            tracing::warn!(%error, "the second level of a cache failed");
            self.failures.fetch_add(1, Ordering::Relaxed);
            self.usable.store(false, Ordering::Release);
            self.broken.notify_one();
            Unavailable
        })
    }

    fn owe(&self, what: Invalidation) {
        let mut debts = self.debts.lock();
        debts.add(what);
        self.usable.store(false, Ordering::Release);
        self.broken.notify_one();
    }

    fn tell(&self, what: &Invalidation) {
        let listeners = self.listeners.lock().clone();
        for listener in listeners.iter().filter_map(Weak::upgrade) {
            listener.invalidated(what);
        }
    }

    async fn command<T: FromRedisValue>(&self, command: &Cmd) -> redis::RedisResult<T> {
        let mut commands = self.commands.clone();
        self.bounded(command.query_async(&mut commands)).await
    }

    async fn pipeline<T: FromRedisValue>(&self, pipeline: &Pipeline) -> redis::RedisResult<T> {
        let mut commands = self.commands.clone();
        self.bounded(pipeline.query_async(&mut commands)).await
    }

    /// The connection's own time-outs do not bound the wait for a new connection by others.
    async fn bounded<T>(
        &self,
        answer: impl Future<Output = redis::RedisResult<T>>,
    ) -> redis::RedisResult<T> {
        let wait = self.config.connect_timeout + self.config.response_timeout;
        match tokio::time::timeout(wait, answer).await {
            Ok(answer) => answer,
            Err(_) => Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
        }
    }

    async fn read(&self, keys: &[&str]) -> redis::RedisResult<Vec<SharedRead>> {
        let names = &self.namespace;
        let mut get = redis::cmd("MGET");
        get.arg(names.generation());
        for key in keys {
            get.arg(names.value(key)).arg(names.key_generation(key));
        }
        let mut pipeline = Pipeline::new();
        // So that the first generation of a server is random, too.
        pipeline.add_command(scripts::seed(names)).ignore();
        pipeline.add_command(get);
        for key in keys {
            pipeline.cmd("PTTL").arg(names.value(key));
        }
        let mut answers: Vec<redis::Value> = self.pipeline(&pipeline).await?;
        let ttls = answers.split_off(1.min(answers.len()));
        let found = answers.pop().unwrap_or(redis::Value::Nil);
        let mut found = Vec::<Option<Bytes>>::from_redis_value(found)?.into_iter();
        let generation = found.next().flatten().unwrap_or_default();
        let mut reads = Vec::with_capacity(keys.len());
        for ttl in ttls {
            let value = found.next().flatten();
            let key_generation = found.next().flatten().unwrap_or_default();
            let ttl_millis = i64::from_redis_value(ttl)?;
            reads.push(SharedRead {
                entry: value.and_then(|value| decode(&value, ttl_millis)),
                ticket: SharedTicket {
                    key_generation,
                    generation: generation.clone(),
                },
            });
        }
        Ok(reads)
    }

    async fn remove(&self, what: &Invalidation) -> redis::RedisResult<u64> {
        let names = &self.namespace;
        match what {
            Invalidation::Keys(keys) => {
                let mut removed = 0;
                for keys in keys.chunks(KEYS_MAX) {
                    let command = scripts::remove_keys(names, keys);
                    removed += self.command::<u64>(&command).await?;
                }
                Ok(removed)
            }
            Invalidation::Prefix(prefix) => self.remove_prefix(prefix).await,
            Invalidation::Tag(tag) => self.command(&scripts::remove_tag(names, *tag)).await,
        }
    }

    async fn remove_prefix(&self, prefix: &str) -> redis::RedisResult<u64> {
        let names = &self.namespace;
        // What is under way must not come back behind the scan.
        let announce = scripts::announce(names, prefix);
        self.command::<()>(&announce).await?;
        let (mut removed, mut cursor) = (0, 0);
        loop {
            let mut scan = redis::cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(names.pattern(prefix));
            scan.arg("COUNT").arg(KEYS_MAX);
            let (next, found): (u64, Vec<Bytes>) = self.command(&scan).await?;
            if !found.is_empty() {
                let mut unlink = redis::cmd("UNLINK");
                for key in &found {
                    unlink.arg(&**key);
                }
                removed += self.command::<u64>(&unlink).await?;
            }
            cursor = next;
            if cursor == 0 {
                break;
            }
        }
        // And what others read into their memories before the scan had passed must go from there.
        self.command::<()>(&scripts::announce(names, prefix))
            .await?;
        Ok(removed)
    }
}
