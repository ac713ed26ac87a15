//! Rows of live tokens in memory: what is asked for often costs no walk through the tree.
//!
//! It never answers for a row that a commit replaced: the writer puts or removes each row after
//! the commit and before it answers, and a reader may keep what it read from the tree only if no
//! row of that shard was put or removed since it found the cache without it.

use hashbrown::HashTable;
use parking_lot::Mutex;
use tollgate_store::TokenKey;

const SHARDS: usize = 64;

/// What a row takes beside its own bytes: its slot, its place in the table, its allocation.
const ROW_OVERHEAD_BYTES: usize = 72;

/// A bounded cache of rows.
pub(crate) struct RowCache {
    shards: Vec<Mutex<Shard>>,
    shard_bytes_max: usize,
}

/// What the cache has.
pub(crate) enum Lookup<T> {
    Found(T),
    Missing(Stamp),
}

/// The state of a shard at some time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp(u64);

#[derive(Default)]
struct Shard {
    table: HashTable<u32>,
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// Where the search for the next to be dropped goes on.
    hand: usize,
    bytes: usize,
    stamp: u64,
}

struct Slot {
    key: TokenKey,
    /// None: the slot is free.
    row: Option<Box<[u8]>>,
    used: bool,
}

impl RowCache {
    pub(crate) fn new(bytes_max: u64) -> Self {
        let bytes_max = usize::try_from(bytes_max).unwrap_or(usize::MAX);
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            shard_bytes_max: bytes_max / SHARDS,
        }
    }

    /// What `see` makes of the row of `key`.
    pub(crate) fn look_up<T>(&self, key: TokenKey, see: impl FnOnce(&[u8]) -> T) -> Lookup<T> {
        let Some(mut shard) = self.shard(key) else {
            return Lookup::Missing(Stamp(0));
        };
        let shard = &mut *shard;
        let found = shard
            .find(key)
            .and_then(|number| shard.slots.get_mut(number as usize));
        match found.and_then(|slot| {
            slot.used = true;
            slot.row.as_deref()
        }) {
            Some(row) => Lookup::Found(see(row)),
            None => Lookup::Missing(Stamp(shard.stamp)),
        }
    }

    /// Keeps a row that a reader found in the tree, unless a commit came in between.
    pub(crate) fn keep(&self, key: TokenKey, row: &[u8], missed_at: Stamp) {
        if let Some(mut shard) = self.shard(key)
            && shard.stamp == missed_at.0
        {
            shard.put(key, row, self.shard_bytes_max);
        }
    }

    /// Puts a row that was committed.
    pub(crate) fn put(&self, key: TokenKey, row: &[u8]) {
        if let Some(mut shard) = self.shard(key) {
            shard.stamp += 1;
            shard.put(key, row, self.shard_bytes_max);
        }
    }

    /// Removes a row that a commit removed.
    pub(crate) fn remove(&self, key: TokenKey) {
        if let Some(mut shard) = self.shard(key) {
            shard.stamp += 1;
            shard.remove(key);
        }
    }

    pub(crate) fn clear(&self) {
        for shard in &self.shards {
            let mut shard = shard.lock();
            let stamp = shard.stamp + 1;
            *shard = Shard {
                stamp,
                ..Shard::default()
            };
        }
    }

    fn shard(&self, key: TokenKey) -> Option<parking_lot::MutexGuard<'_, Shard>> {
        let [.., last] = key.0;
        let shard = self.shards.get(usize::from(last) % SHARDS)?;
        Some(shard.lock())
    }
}

/// Keys are hashes under a key of the service's own, so they need no hashing and cannot be chosen.
fn hash(key: TokenKey) -> u64 {
    let [hash @ .., _, _, _, _, _, _, _, _] = key.0;
    u64::from_le_bytes(hash)
}

fn weight(row: &[u8]) -> usize {
    row.len() + ROW_OVERHEAD_BYTES
}

impl Shard {
    fn find(&self, key: TokenKey) -> Option<u32> {
        let is_it = |number: &u32| {
            self.slots
                .get(*number as usize)
                .is_some_and(|slot| slot.key == key)
        };
        self.table.find(hash(key), is_it).copied()
    }

    fn put(&mut self, key: TokenKey, row: &[u8], bytes_max: usize) {
        self.remove(key);
        if weight(row) > bytes_max {
            return;
        }
        while self.bytes + weight(row) > bytes_max {
            self.drop_one();
        }
        let slot = Slot {
            key,
            row: Some(row.into()),
            used: false,
        };
        let number = match self.free.pop() {
            Some(number) => {
                if let Some(free) = self.slots.get_mut(number as usize) {
                    *free = slot;
                }
                number
            }
            None => {
                let Ok(number) = u32::try_from(self.slots.len()) else {
                    return;
                };
                self.slots.push(slot);
                number
            }
        };
        self.bytes += weight(row);
        let slots = &self.slots;
        self.table.insert_unique(hash(key), number, |number| {
            slots.get(*number as usize).map_or(0, |slot| hash(slot.key))
        });
    }

    fn remove(&mut self, key: TokenKey) {
        let slots = &self.slots;
        let is_it = |number: &u32| {
            slots
                .get(*number as usize)
                .is_some_and(|slot| slot.key == key)
        };
        let Ok(entry) = self.table.find_entry(hash(key), is_it) else {
            return;
        };
        let (number, _) = entry.remove();
        if let Some(row) = self
            .slots
            .get_mut(number as usize)
            .and_then(|slot| slot.row.take())
        {
            self.bytes -= weight(&row);
            self.free.push(number);
        }
    }

    /// Drops the next row that was not used since the search last came by.
    fn drop_one(&mut self) {
        loop {
            self.hand = if self.hand + 1 < self.slots.len() {
                self.hand + 1
            } else {
                0
            };
            let Some(slot) = self.slots.get_mut(self.hand) else {
                return;
            };
            if slot.row.is_some() && !std::mem::take(&mut slot.used) {
                let key = slot.key;
                self.remove(key);
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tollgate_store::conformance::sample::key;

    use super::*;

    fn row(cache: &RowCache, number: u64) -> Option<Vec<u8>> {
        match cache.look_up(key(number), <[u8]>::to_vec) {
            Lookup::Found(row) => Some(row),
            Lookup::Missing(_) => None,
        }
    }

    fn missed(cache: &RowCache, number: u64) -> Stamp {
        match cache.look_up(key(number), |_| ()) {
            Lookup::Found(()) => panic!("it is there"),
            Lookup::Missing(stamp) => stamp,
        }
    }

    #[test]
    fn rows_are_put_replaced_and_removed() {
        let cache = RowCache::new(1 << 20);
        cache.put(key(1), b"one");
        cache.put(key(2), b"two");
        cache.put(key(1), b"uno");
        assert_eq!(row(&cache, 1).as_deref(), Some(&b"uno"[..]));
        cache.remove(key(1));
        assert_eq!(row(&cache, 1), None);
        assert_eq!(row(&cache, 2).as_deref(), Some(&b"two"[..]));
        cache.clear();
        assert_eq!(row(&cache, 2), None);
    }

    #[test]
    fn readers_keep_nothing_that_a_commit_overtook() {
        let cache = RowCache::new(1 << 20);
        let stamp = missed(&cache, 1);
        cache.keep(key(1), b"fresh", stamp);
        assert!(row(&cache, 1).is_some());
        let overtakers: [fn(&RowCache); 3] = [
            |cache| cache.remove(key(3)),
            |cache| cache.put(key(3), b"x"),
            RowCache::clear,
        ];
        for overtake in overtakers {
            cache.remove(key(3));
            let stamp = missed(&cache, 3);
            overtake(&cache);
            cache.keep(key(3), b"stale", stamp);
            assert_ne!(row(&cache, 3).as_deref(), Some(&b"stale"[..]));
        }
    }

    #[test]
    fn it_stays_in_its_bounds_and_spares_what_is_used() {
        const ROW: [u8; 100] = [7; 100];
        let bytes_max = SHARDS * 20 * weight(&ROW);
        let cache = RowCache::new(bytes_max as u64);
        for number in 0..10_000 {
            cache.put(key(number), &ROW);
            assert!(
                row(&cache, 0).is_some(),
                "dropped although used, at {number}"
            );
        }
        let kept = (0..10_000)
            .filter(|number| row(&cache, *number).is_some())
            .count();
        assert!((1000..=SHARDS * 20).contains(&kept), "{kept}");
        for shard in &cache.shards {
            let shard = shard.lock();
            assert!(shard.bytes <= cache.shard_bytes_max);
            assert_eq!(shard.bytes, shard.table.len() * weight(&ROW));
            assert!(shard.slots.len() <= 21);
        }
        cache.put(key(20_000), &vec![0; bytes_max]);
        assert_eq!(row(&cache, 20_000), None, "larger than a shard");
    }
}
