//! A bounded, sharded cache with tickets; evicts by CLOCK, an approximation of least recently used.
//! Where it is full, a key must be asked for twice to push another out.

use std::{
    hash::{BuildHasher, Hash},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::Duration,
};

use hashbrown::{DefaultHashBuilder, HashTable};
use parking_lot::RwLock;
use tollgate_protocol::UnixMillis;

const SHARDS: usize = 16;
/// So that one key in sixteen or fewer is let in by the mark of another.
const MARKS_PER_SLOT: usize = 8;

/// A cache of at most `entries_max` entries, none older than `ttl`.
pub(crate) struct NearCache<K, V> {
    name: &'static str,
    entries_max: usize,
    ttl: Duration,
    hasher: DefaultHashBuilder,
    shards: [RwLock<Shard<K, V>>; SHARDS],
    hits: AtomicU64,
    misses: AtomicU64,
    invalidations: AtomicU64,
}

struct Shard<K, V> {
    /// Positions in `slots`, by the hash of their keys.
    index: HashTable<usize>,
    slots: Vec<Slot<K, V>>,
    slots_max: usize,
    hand: usize,
    /// A mark by the hash of each key that was turned away, [`MARKS_PER_SLOT`] of them for a slot.
    marks: Box<[bool]>,
    /// How many marks were made since they were last cleared.
    marked: usize,
    /// Counts the removals; a ticket of an earlier count is void.
    removals: u64,
}

struct Slot<K, V> {
    hash: u64,
    key: K,
    value: V,
    since: UnixMillis,
    used: AtomicBool,
}

/// The right to cache what the store is about to say.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticket {
    removals: u64,
}

/// What the cache knows of a key.
pub(crate) enum Lookup<V> {
    Hit(V),
    Miss(Ticket),
}

/// What a cache holds and how it was used.
#[derive(Clone, Debug, PartialEq)]
pub struct CacheStatistics {
    /// Which cache.
    pub name: &'static str,
    /// How many entries it holds.
    pub entries: usize,
    /// How many it may hold.
    pub entries_max: usize,
    /// Look-ups answered from it.
    pub hits: u64,
    /// Look-ups that went on to the store.
    pub misses: u64,
    /// Entries removed because what they held had changed.
    pub invalidations: u64,
}

impl<K: Hash + Eq + Clone, V: Clone> NearCache<K, V> {
    pub(crate) fn new(name: &'static str, entries_max: usize, ttl: Duration) -> Self {
        let slots_max = entries_max.div_ceil(SHARDS);
        let shard = || {
            RwLock::new(Shard {
                index: HashTable::new(),
                slots: Vec::new(),
                slots_max,
                hand: 0,
                marks: vec![false; slots_max * MARKS_PER_SLOT].into(),
                marked: 0,
                removals: 0,
            })
        };
        Self {
            name,
            entries_max,
            ttl,
            hasher: DefaultHashBuilder::default(),
            shards: std::array::from_fn(|_| shard()),
            hits: AtomicU64::new(0),
            misses: AtomicU64::new(0),
            invalidations: AtomicU64::new(0),
        }
    }

    pub(crate) fn get(&self, key: &K, now: UnixMillis) -> Lookup<V> {
        let hash = self.hasher.hash_one(key);
        let shard = self.shard(hash).read();
        if let Some(slot) = shard.find(hash, key)
            && now.since(slot.since) < self.ttl
        {
            // Written only when it changes, so that readers of a hot entry share its cache line.
            if !slot.used.load(Ordering::Relaxed) {
                slot.used.store(true, Ordering::Relaxed);
            }
            self.hits.fetch_add(1, Ordering::Relaxed);
            return Lookup::Hit(slot.value.clone());
        }
        self.misses.fetch_add(1, Ordering::Relaxed);
        Lookup::Miss(Ticket {
            removals: shard.removals,
        })
    }

    /// Caches `value`, unless something of the same shard was removed since `ticket` was taken, or
    /// there is no room and `key` was not asked for before.
    pub(crate) fn insert(&self, ticket: Ticket, key: K, value: V, now: UnixMillis) {
        let hash = self.hasher.hash_one(&key);
        let mut shard = self.shard(hash).write();
        if shard.removals == ticket.removals && shard.slots_max > 0 {
            shard.insert(Slot {
                hash,
                key,
                value,
                since: now,
                used: AtomicBool::new(false),
            });
        }
    }

    /// Forgets `key`, and voids the tickets of those who are asking for it.
    pub(crate) fn remove(&self, key: &K) -> bool {
        let hash = self.hasher.hash_one(key);
        let mut shard = self.shard(hash).write();
        shard.removals += 1;
        let removed = shard.remove(hash, key);
        self.invalidations
            .fetch_add(u64::from(removed), Ordering::Relaxed);
        removed
    }

    /// Forgets the entries that `goes` names, and voids all tickets.
    pub(crate) fn remove_where(&self, goes: impl Fn(&K, &V) -> bool) -> usize {
        let mut removed = 0;
        for shard in &self.shards {
            let mut shard = shard.write();
            shard.removals += 1;
            let gone = shard
                .slots
                .iter()
                .filter(|slot| goes(&slot.key, &slot.value));
            let gone: Vec<(u64, K)> = gone.map(|slot| (slot.hash, slot.key.clone())).collect();
            removed += gone.len();
            for (hash, key) in gone {
                shard.remove(hash, &key);
            }
        }
        self.invalidations
            .fetch_add(removed as u64, Ordering::Relaxed);
        removed
    }

    pub(crate) fn clear(&self) -> usize {
        self.remove_where(|_, _| true)
    }

    pub(crate) fn statistics(&self) -> CacheStatistics {
        CacheStatistics {
            name: self.name,
            entries: self
                .shards
                .iter()
                .map(|shard| shard.read().slots.len())
                .sum(),
            entries_max: self.entries_max,
            hits: self.hits.load(Ordering::Relaxed),
            misses: self.misses.load(Ordering::Relaxed),
            invalidations: self.invalidations.load(Ordering::Relaxed),
        }
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "the index is below the number of shards"
    )]
    fn shard(&self, hash: u64) -> &RwLock<Shard<K, V>> {
        // The table uses the low and the highest bits; these are others.
        &self.shards[(hash >> 48) as usize % SHARDS]
    }
}

#[expect(
    clippy::indexing_slicing,
    reason = "the index holds positions of slots alone"
)]
impl<K: Eq, V> Shard<K, V> {
    fn find(&self, hash: u64, key: &K) -> Option<&Slot<K, V>> {
        let position = self
            .index
            .find(hash, |position| self.slots[*position].key == *key)?;
        Some(&self.slots[*position])
    }

    fn insert(&mut self, slot: Slot<K, V>) {
        self.remove(slot.hash, &slot.key);
        if self.slots.len() >= self.slots_max {
            if !self.has_come_before(slot.hash) {
                return;
            }
            self.evict();
        }
        let slots = &self.slots;
        self.index
            .insert_unique(slot.hash, slots.len(), |position| slots[*position].hash);
        self.slots.push(slot);
    }

    /// Whether the key of this hash was turned away lately; few others are taken for one that was.
    /// Keys that are asked for once, as most tokens are, push out none that is asked for often.
    fn has_come_before(&mut self, hash: u64) -> bool {
        let place = (hash >> 16) as usize % self.marks.len();
        if std::mem::replace(&mut self.marks[place], true) {
            return true;
        }
        self.marked += 1;
        if self.marked > self.slots_max {
            self.marks.fill(false);
            self.marked = 0;
        }
        false
    }

    /// Evicts the first slot under the hand that was not used since the hand last passed.
    fn evict(&mut self) {
        loop {
            self.hand = (self.hand + 1) % self.slots.len();
            let slot = &mut self.slots[self.hand];
            if !std::mem::take(slot.used.get_mut()) {
                self.remove_at(self.hand);
                return;
            }
        }
    }

    fn remove(&mut self, hash: u64, key: &K) -> bool {
        let slots = &self.slots;
        let found = self
            .index
            .find(hash, |position| slots[*position].key == *key)
            .copied();
        if let Some(position) = found {
            self.remove_at(position);
        }
        found.is_some()
    }

    /// Takes out the slot at `position` and moves the last one there.
    fn remove_at(&mut self, position: usize) {
        let last = self.slots.len() - 1;
        let slots = &self.slots;
        // Not `entry`, which makes a full index grow even for what is there.
        let entry = self
            .index
            .find_entry(slots[position].hash, |candidate| *candidate == position);
        if let Ok(entry) = entry {
            entry.remove();
        }
        if position != last {
            let moved = self
                .index
                .find_mut(slots[last].hash, |candidate| *candidate == last);
            if let Some(moved) = moved {
                *moved = position;
            }
        }
        self.slots.swap_remove(position);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_000_000);

    fn ticket<V: Clone>(cache: &NearCache<u32, V>, key: u32) -> Ticket {
        match cache.get(&key, NOW) {
            Lookup::Miss(ticket) => ticket,
            Lookup::Hit(_) => panic!("{key} is cached already"),
        }
    }

    fn value(cache: &NearCache<u32, u32>, key: u32, now: UnixMillis) -> Option<u32> {
        match cache.get(&key, now) {
            Lookup::Hit(value) => Some(value),
            Lookup::Miss(_) => None,
        }
    }

    #[test]
    fn a_late_answer_does_not_bring_back_what_was_removed() {
        let cache = NearCache::new("test", 100, Duration::from_secs(60));
        let early = ticket(&cache, 1);
        cache.remove(&1);
        cache.insert(early, 1, 10, NOW);
        assert_eq!(value(&cache, 1, NOW), None);
        let early = ticket(&cache, 1);
        cache.clear();
        cache.insert(early, 1, 10, NOW);
        assert_eq!(value(&cache, 1, NOW), None);
        cache.insert(ticket(&cache, 1), 1, 11, NOW);
        assert_eq!(value(&cache, 1, NOW), Some(11));
    }

    #[test]
    fn entries_die_of_age_and_of_number() {
        let ttl = Duration::from_secs(60);
        let cache = NearCache::new("test", 160, ttl);
        for key in 0..10_000 {
            while value(&cache, key, NOW).is_none() {
                cache.insert(ticket(&cache, key), key, key, NOW);
            }
            assert_eq!(value(&cache, key, NOW), Some(key));
            assert_eq!(value(&cache, key, NOW.plus(ttl)), None);
        }
        assert!(cache.statistics().entries <= 160);
        let held = (0..10_000)
            .filter(|key| value(&cache, *key, NOW).is_some())
            .count();
        assert_eq!(held, cache.statistics().entries);
        assert_eq!(
            cache.remove_where(|key, _| key % 2 == 0) + cache.clear(),
            held
        );
        assert_eq!(cache.statistics().entries, 0);
    }

    #[test]
    fn what_is_asked_for_once_pushes_little_out() {
        let cache = NearCache::new("test", 1600, Duration::from_secs(60));
        let insert = |key: u32| cache.insert(ticket(&cache, key), key, key, NOW);
        let held = |keys: std::ops::Range<u32>| {
            let held = keys.filter(|key| value(&cache, *key, NOW).is_some());
            held.count()
        };
        for key in 0..10_000 {
            insert(key);
        }
        let before = held(0..10_000);
        for key in 10_000..11_000 {
            insert(key);
        }
        assert!(held(10_000..11_000) < 300, "let in by marks of others");
        assert!(held(0..10_000) > before - 300);
        // All get in that are asked for again and again, whatever the others' hashes.
        for _ in 0..6 {
            for key in 20_000..20_100 {
                if value(&cache, key, NOW).is_none() {
                    insert(key);
                }
            }
        }
        assert!(held(20_000..20_100) > 95, "all but those just cleared");
    }

    #[test]
    fn a_cache_without_room_keeps_nothing() {
        let cache = NearCache::new("test", 0, Duration::from_secs(60));
        cache.insert(ticket(&cache, 1), 1, 1, NOW);
        assert_eq!(value(&cache, 1, NOW), None);
    }
}
