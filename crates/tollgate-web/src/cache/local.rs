//! The first level: a sharded map in this process's memory, bounded in bytes.

use std::hash::BuildHasher;
use std::sync::atomic::Ordering;

use hashbrown::DefaultHashBuilder;
use parking_lot::RwLock;
use tokio::sync::watch;

use super::clock::millis_of;
use super::config::{CacheConfig, EntryOptions, KEY_BYTES_MAX};
use super::key::Key;
use super::pending::{Awaited, DependsOn, Outcome};
use super::shard::{Shard, Slot, heap_bytes};
use super::statistics::CacheStatistics;
use super::tags::{self, Tags};
use crate::weigh::Weigh;

/// A cache without a second level.
pub(crate) struct LocalCache<V> {
    config: CacheConfig,
    hasher: DefaultHashBuilder,
    shards: Box<[RwLock<Shard<V>>]>,
}

/// The right to fill one key, unless something touches it before.
pub(crate) struct Ticket {
    hash: u64,
    /// `None`: too many were under way.
    id: Option<u64>,
}

/// How a load begins.
pub(crate) enum Join<V> {
    Hit(V),
    Lead(Ticket, watch::Sender<Option<Outcome<V>>>),
    Wait(Awaited<V>),
}

/// What goes into an entry beside its key and value.
pub(crate) struct Life {
    pub(crate) expires_millis: u64,
    pub(crate) tags: Tags,
}

impl<V: Clone + Weigh> LocalCache<V> {
    pub(crate) fn new(config: CacheConfig) -> Self {
        let count = config.shard_count();
        let bytes_max = config.entry_bytes_max();
        let pending_max = config.pending_max.div_ceil(count);
        Self {
            hasher: DefaultHashBuilder::default(),
            shards: (0..count)
                .map(|_| RwLock::new(Shard::new(bytes_max, pending_max)))
                .collect(),
            config,
        }
    }

    /// `None` when the tags are too many to keep.
    pub(crate) fn life(&self, options: &EntryOptions<'_>) -> Option<Life> {
        let ttl = millis_of(options.ttl.unwrap_or(self.config.ttl));
        Some(Life {
            expires_millis: self.now_millis().saturating_add(ttl),
            tags: tags::numbers(options.tags)?,
        })
    }

    pub(crate) fn ttl(&self) -> std::time::Duration {
        self.config.ttl
    }

    pub(crate) fn now_millis(&self) -> u64 {
        self.config.clock.now_millis()
    }

    #[inline]
    pub(crate) fn get(&self, key: &str) -> Option<V> {
        let hash = self.hasher.hash_one(key);
        let now_millis = self.now_millis();
        let shard = self.shard(hash).read();
        let found = shard.find(hash, key.as_bytes(), now_millis).cloned();
        let counter = match found {
            Some(_) => &shard.figures.hits,
            None => &shard.figures.misses,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        found
    }

    pub(crate) fn contains(&self, key: &str) -> bool {
        let hash = self.hasher.hash_one(key);
        let now_millis = self.now_millis();
        let shard = self.shard(hash).read();
        shard.find(hash, key.as_bytes(), now_millis).is_some()
    }

    /// Begins something that will end in [`fill`](Self::fill) or [`leave`](Self::leave).
    pub(crate) fn ticket(&self, key: &str, depends_on: DependsOn) -> Ticket {
        let hash = self.hasher.hash_one(key);
        let id = match key.len() <= KEY_BYTES_MAX {
            true => {
                let mut shard = self.shard(hash).write();
                shard.pending.enter(hash, key, depends_on, None)
            }
            false => None,
        };
        Ticket { hash, id }
    }

    /// Finds `key`, or whom to wait for, or becomes the one that others wait for. `memory` tells
    /// whether entries may be used.
    pub(crate) fn join(&self, key: &str, depends_on: DependsOn, memory: bool) -> Join<V> {
        let hash = self.hasher.hash_one(key);
        let now_millis = self.now_millis();
        let mut shard = self.shard(hash).write();
        // Another's load may have ended since the caller looked.
        if memory && let Some(value) = shard.find(hash, key.as_bytes(), now_millis) {
            return Join::Hit(value.clone());
        }
        if let Some(awaited) = shard.pending.joinable(hash, key) {
            return Join::Wait(awaited);
        }
        let (sender, awaited) = watch::channel(None);
        let id = match key.len() <= KEY_BYTES_MAX {
            true => shard.pending.enter(hash, key, depends_on, Some(awaited)),
            false => None,
        };
        Join::Lead(Ticket { hash, id }, sender)
    }

    /// Ends what `ticket` began, with `value`, unless something touched its key meanwhile.
    pub(crate) fn fill(&self, ticket: &Ticket, key: &str, value: V, life: Option<Life>) -> bool {
        let mut shard = self.shard(ticket.hash).write();
        let valid = ticket
            .id
            .is_some_and(|id| shard.pending.leave(ticket.hash, id));
        let Some(life) = life.filter(|_| valid) else {
            shard.figures.fills_refused += 1;
            return false;
        };
        let slot = slot(ticket.hash, key, value, life);
        shard.insert(slot, self.now_millis())
    }

    /// Ends a write that `ticket` began: with `value` past all that is under way, or without any
    /// when something touched its key meanwhile.
    pub(crate) fn replace(&self, ticket: &Ticket, key: &str, value: V, life: Option<Life>) {
        let now_millis = self.now_millis();
        let mut shard = self.shard(ticket.hash).write();
        let valid = ticket
            .id
            .is_some_and(|id| shard.pending.leave(ticket.hash, id));
        shard.pending.void_key(ticket.hash, key);
        match life.filter(|_| valid) {
            Some(life) => {
                shard.insert(slot(ticket.hash, key, value, life), now_millis);
            }
            None => {
                shard.figures.fills_refused += 1;
                shard.remove(ticket.hash, key.as_bytes(), now_millis);
            }
        }
    }

    /// Ends what `ticket` began, with nothing.
    pub(crate) fn leave(&self, ticket: &Ticket) {
        if let Some(id) = ticket.id {
            let mut shard = self.shard(ticket.hash).write();
            shard.pending.leave(ticket.hash, id);
        }
    }

    /// Writes an entry, past all that is under way for its key.
    pub(crate) fn set(&self, key: &str, value: V, life: Life) -> bool {
        let hash = self.hasher.hash_one(key);
        let mut shard = self.shard(hash).write();
        shard.pending.void_key(hash, key);
        shard.insert(slot(hash, key, value, life), self.now_millis())
    }

    /// Changes the value of `key` in one step; `None` and a dead one are the same. An error
    /// changes nothing.
    pub(crate) fn update<E>(
        &self,
        key: &str,
        life: Life,
        change: impl FnOnce(Option<&V>) -> Result<V, E>,
    ) -> Result<V, E> {
        let hash = self.hasher.hash_one(key);
        let now_millis = self.now_millis();
        let mut shard = self.shard(hash).write();
        let (expires_millis, before) = match shard.find_slot(hash, key.as_bytes(), now_millis) {
            Some(slot) => (slot.expires_millis, Some(&slot.value)),
            None => (life.expires_millis, None),
        };
        let value = change(before)?;
        let life = Life {
            expires_millis,
            ..life
        };
        let slot = slot(hash, key, value.clone(), life);
        shard.insert(slot, now_millis);
        Ok(value)
    }

    pub(crate) fn remove(&self, key: &str) -> bool {
        let hash = self.hasher.hash_one(key);
        let mut shard = self.shard(hash).write();
        shard.pending.void_key(hash, key);
        shard.remove(hash, key.as_bytes(), self.now_millis())
    }

    pub(crate) fn remove_prefix(&self, prefix: &str) -> usize {
        let prefix = prefix.as_bytes();
        self.each_shard(|shard, now_millis| {
            shard.pending.void_prefix(prefix);
            shard.remove_where(now_millis, |slot| slot.key.as_bytes().starts_with(prefix))
        })
    }

    pub(crate) fn remove_tag(&self, tag: u64) -> usize {
        self.each_shard(|shard, now_millis| {
            shard.pending.void_tag(tag);
            shard.remove_where(now_millis, |slot| slot.tags.contains(&tag))
        })
    }

    /// Evicts until at most `bytes_max` are taken; the bytes given back.
    pub(crate) fn shrink_to(&self, bytes_max: usize) -> usize {
        let share = bytes_max / self.shards.len();
        self.each_shard(|shard, now_millis| {
            let before = shard.bytes();
            shard.shrink_to(share, now_millis);
            before.saturating_sub(shard.bytes())
        })
    }

    /// Adds this level's figures to `sum`.
    pub(crate) fn count(&self, sum: &mut CacheStatistics) {
        sum.bytes_max = self.config.capacity_bytes;
        for shard in &self.shards {
            let shard = shard.read();
            let figures = &shard.figures;
            sum.entries += shard.len();
            sum.bytes += shard.bytes();
            sum.hits += figures.hits.load(Ordering::Relaxed);
            sum.misses += figures.misses.load(Ordering::Relaxed);
            sum.inserts += figures.inserts;
            sum.evictions += figures.evictions;
            sum.expirations += figures.expirations;
            sum.invalidations += figures.invalidations;
            sum.fills_refused += figures.fills_refused;
            sum.too_large += figures.too_large;
        }
    }

    fn each_shard(&self, change: impl Fn(&mut Shard<V>, u64) -> usize) -> usize {
        let now_millis = self.now_millis();
        self.shards
            .iter()
            .map(|shard| change(&mut shard.write(), now_millis))
            .sum()
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "a remainder by the number of shards is below it"
    )]
    fn shard(&self, hash: u64) -> &RwLock<Shard<V>> {
        // The table uses the low and the highest bits; these are others.
        &self.shards[(hash >> 40) as usize % self.shards.len()]
    }
}

fn slot<V: Weigh>(hash: u64, key: &str, value: V, life: Life) -> Slot<V> {
    let key = Key::new(key);
    let heap_bytes = heap_bytes(&key, value.heap_bytes(), &life.tags);
    Slot {
        hash,
        key,
        value,
        tags: life.tags,
        expires_millis: life.expires_millis,
        heap_bytes,
        used: std::sync::atomic::AtomicBool::new(false),
    }
}
