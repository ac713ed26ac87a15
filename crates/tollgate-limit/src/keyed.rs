//! A bounded table of buckets by key, sharded so that cores seldom meet.

use std::hash::{BuildHasher, Hash, RandomState};

use hashbrown::{Equivalent, HashTable};
use parking_lot::Mutex;

use crate::{Bucket, Decision, Quota, QuotaError, bucket};

const SHARDS: usize = 64;
const SHARDS_BITS: u32 = SHARDS.trailing_zeros();
const KEYS_MAX: usize = 1 << 28;

/// Slots that one newcomer may look at for a bucket to forget: bounds the work under a flood.
const EVICTION_SCAN_MAX: usize = 64;

/// The most keys that a table holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeysMax(usize);

impl KeysMax {
    /// A bound of `keys`, rounded up to a multiple of the number of shards.
    ///
    /// # Errors
    /// When zero or above 2^28.
    pub fn new(keys: usize) -> Result<Self, QuotaError> {
        if keys == 0 || keys > KEYS_MAX {
            return Err(QuotaError::KeysOutOfRange);
        }
        Ok(Self(keys))
    }
}

/// One [`Quota`] applied to each of many keys, in bounded memory.
///
/// When the table is full, a newcomer takes the place of a key whose bucket is full again, which
/// loses nothing. Where none is found, newcomers share one bucket of the same quota: a flood of
/// keys neither frees a key that is being limited, nor passes without limit.
///
/// # Security
/// Give it a keyed hasher ([`RandomState`]) wherever strangers choose keys; with a predictable one
/// they could crowd a victim's shard.
pub struct KeyedLimiter<K, S = RandomState> {
    quota: Quota,
    keys_max_per_shard: usize,
    hasher: S,
    shards: Box<[Shard<K>; SHARDS]>,
}

/// Aligned so that two shards' locks never share a cache line.
#[repr(align(128))]
struct Shard<K>(Mutex<Table<K>>);

struct Table<K> {
    entries: HashTable<Slot<K>>,
    overflow: Bucket,
    /// Where the next search for a forgettable bucket begins.
    hand: usize,
}

struct Slot<K> {
    key: K,
    bucket: Bucket,
}

impl<K, S> KeyedLimiter<K, S> {
    /// An empty table for at most `keys_max` keys.
    pub fn with_hasher(quota: Quota, keys_max: KeysMax, hasher: S) -> Self {
        let shards = std::array::from_fn(|_| {
            Shard(Mutex::new(Table {
                entries: HashTable::new(),
                overflow: Bucket::FULL,
                hand: 0,
            }))
        });
        let keys_max_per_shard = keys_max.0.div_ceil(SHARDS);
        Self {
            quota,
            keys_max_per_shard,
            hasher,
            shards: Box::new(shards),
        }
    }

    /// The quota that each key has.
    pub fn quota(&self) -> &Quota {
        &self.quota
    }

    /// How many keys are remembered.
    pub fn keys(&self) -> usize {
        self.shards
            .iter()
            .map(|shard| shard.0.lock().entries.len())
            .sum()
    }
}

impl<K: Hash + Eq, S: BuildHasher> KeyedLimiter<K, S> {
    /// Takes `cost` tokens from the key's bucket, or refuses; see [`bucket::decide`].
    pub fn check<Q>(&self, key: &Q, cost: u32, now_nanos: u64) -> Decision
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
    {
        self.update(key, now_nanos, |bucket, quota| {
            bucket::decide(bucket, quota, cost, now_nanos)
        })
    }

    /// Takes `cost` tokens from the key's bucket, as far as they are there; see [`bucket::charge`].
    pub fn charge<Q>(&self, key: &Q, cost: u32, now_nanos: u64) -> Decision
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
    {
        self.update(key, now_nanos, |bucket, quota| {
            bucket::charge(bucket, quota, cost, now_nanos)
        })
    }

    /// Whether one token is there, taking none: pair it with [`charge`](Self::charge) where only
    /// failures cost. Requests between the two can overshoot by as many as are in flight.
    pub fn peek<Q>(&self, key: &Q, now_nanos: u64) -> Decision
    where
        Q: Hash + Equivalent<K> + ?Sized,
    {
        let hash = self.hasher.hash_one(key);
        let table = self.shard(hash).lock();
        let bucket = match table.entries.find(hash, |slot| key.equivalent(&slot.key)) {
            Some(slot) => slot.bucket,
            None if table.entries.len() < self.keys_max_per_shard => Bucket::FULL,
            None => table.overflow,
        };
        bucket::peek(bucket, &self.quota, 1, now_nanos)
    }

    /// Forgets every key whose bucket is full again and returns how many that were.
    pub fn evict_idle(&self, now_nanos: u64) -> usize {
        let mut evicted = 0;
        for shard in self.shards.iter() {
            let mut table = shard.0.lock();
            let before = table.entries.len();
            table.entries.retain(|slot| !slot.bucket.is_full(now_nanos));
            evicted += before - table.entries.len();
            let hasher = &self.hasher;
            table
                .entries
                .shrink_to_fit(|slot| hasher.hash_one(&slot.key));
        }
        evicted
    }

    fn update<Q>(
        &self,
        key: &Q,
        now_nanos: u64,
        apply: impl FnOnce(&mut Bucket, &Quota) -> Decision,
    ) -> Decision
    where
        Q: Hash + Equivalent<K> + ToOwned<Owned = K> + ?Sized,
    {
        let hash = self.hasher.hash_one(key);
        let mut table = self.shard(hash).lock();
        if let Some(slot) = table
            .entries
            .find_mut(hash, |slot| key.equivalent(&slot.key))
        {
            return apply(&mut slot.bucket, &self.quota);
        }
        if table.entries.len() >= self.keys_max_per_shard && !table.forget_one(now_nanos) {
            return apply(&mut table.overflow, &self.quota);
        }
        let mut bucket = Bucket::FULL;
        let decision = apply(&mut bucket, &self.quota);
        let slot = Slot {
            key: key.to_owned(),
            bucket,
        };
        let hasher = &self.hasher;
        table
            .entries
            .insert_unique(hash, slot, |slot| hasher.hash_one(&slot.key));
        decision
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "the remainder is below the array's length"
    )]
    fn shard(&self, hash: u64) -> &Mutex<Table<K>> {
        // hashbrown indexes by the low bits and tags by the top seven: take bits from between.
        let index = (hash >> (57 - SHARDS_BITS)) as usize % SHARDS;
        &self.shards[index].0
    }
}

impl<K> Table<K> {
    /// Forgets one full bucket, if a bounded search finds one.
    fn forget_one(&mut self, now_nanos: u64) -> bool {
        let slots = self.entries.num_buckets();
        for _ in 0..EVICTION_SCAN_MAX.min(slots) {
            let index = self.hand % slots;
            self.hand = index + 1;
            let full = self
                .entries
                .get_bucket(index)
                .is_some_and(|s| s.bucket.is_full(now_nanos));
            if full && let Ok(entry) = self.entries.get_bucket_entry(index) {
                entry.remove();
                return true;
            }
        }
        false
    }
}
