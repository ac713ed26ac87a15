//! One shard: entries in an array, their positions by hash, and the hand of a CLOCK over them.
//!
//! CLOCK approximates "least recently used" at the price of one flag a look-up. The array and the
//! index are counted as they are allocated, so that the bound is one of memory, not of payload.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use hashbrown::HashTable;

use super::key::Key;
use super::pending::PendingTable;
use super::tags::Tags;
use crate::weigh::allocation_bytes;

/// Slots that the array grows by at least.
const GROWTH_SLOTS_MIN: usize = 16;
/// What the first index of a shard is counted as.
const INDEX_BYTES_MIN: usize = 128;

pub(crate) struct Slot<V> {
    pub(crate) hash: u64,
    pub(crate) key: Key,
    pub(crate) value: V,
    pub(crate) tags: Tags,
    /// Dead from then on.
    pub(crate) expires_millis: u64,
    /// What hangs from the slot beside its own size.
    pub(crate) heap_bytes: usize,
    pub(crate) used: AtomicBool,
}

/// What happened in one shard.
#[derive(Default)]
pub(crate) struct Figures {
    pub(crate) hits: AtomicU64,
    pub(crate) misses: AtomicU64,
    pub(crate) inserts: u64,
    pub(crate) evictions: u64,
    pub(crate) expirations: u64,
    pub(crate) invalidations: u64,
    pub(crate) fills_refused: u64,
    pub(crate) too_large: u64,
}

pub(crate) struct Shard<V> {
    /// Positions in `slots`, by the hash of their keys.
    index: HashTable<u32>,
    /// What the index holds before it must grow, were nothing ever removed from it.
    index_slots_max: usize,
    slots: Vec<Slot<V>>,
    heap_bytes: usize,
    bytes_max: usize,
    hand: usize,
    pub(crate) pending: PendingTable<V>,
    pub(crate) figures: Figures,
}

#[expect(
    clippy::indexing_slicing,
    reason = "the index holds positions of slots alone"
)]
impl<V> Shard<V> {
    pub(crate) fn new(bytes_max: usize, pending_max: usize) -> Self {
        Self {
            index: HashTable::new(),
            index_slots_max: 0,
            slots: Vec::new(),
            heap_bytes: 0,
            bytes_max,
            hand: 0,
            pending: PendingTable::new(pending_max),
            figures: Figures::default(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len()
    }

    /// All memory of the entries and of what finds them.
    pub(crate) fn bytes(&self) -> usize {
        self.slots.capacity() * size_of::<Slot<V>>()
            + self.index.allocation_size()
            + self.heap_bytes
    }

    #[inline]
    pub(crate) fn find(&self, hash: u64, key: &[u8], now_millis: u64) -> Option<&V> {
        Some(&self.find_slot(hash, key, now_millis)?.value)
    }

    #[inline]
    pub(crate) fn find_slot(&self, hash: u64, key: &[u8], now_millis: u64) -> Option<&Slot<V>> {
        let position = self.position(hash, key)?;
        let slot = &self.slots[position];
        if slot.expires_millis <= now_millis {
            return None;
        }
        // Written only when it changes, so that readers of a hot entry share its cache line.
        if !slot.used.load(Ordering::Relaxed) {
            slot.used.store(true, Ordering::Relaxed);
        }
        Some(slot)
    }

    /// Puts `slot` in the place of what its key had; whether there is room for it.
    pub(crate) fn insert(&mut self, slot: Slot<V>, now_millis: u64) -> bool {
        if let Some(position) = self.position(slot.hash, slot.key.as_bytes()) {
            self.remove_at(position);
        }
        if !self.could_hold(slot.heap_bytes) || !self.make_room(slot.heap_bytes, now_millis) {
            self.figures.too_large += 1;
            return false;
        }
        self.grow();
        let (Ok(position), slots) = (u32::try_from(self.slots.len()), &self.slots) else {
            self.figures.too_large += 1;
            return false;
        };
        self.index.insert_unique(slot.hash, position, |position| {
            slots[*position as usize].hash
        });
        self.heap_bytes += slot.heap_bytes;
        self.slots.push(slot);
        self.figures.inserts += 1;
        true
    }

    /// Removes one entry; whether it was there and alive.
    pub(crate) fn remove(&mut self, hash: u64, key: &[u8], now_millis: u64) -> bool {
        let Some(position) = self.position(hash, key) else {
            return false;
        };
        let slot = self.remove_at(position);
        self.note_removal(slot.expires_millis <= now_millis)
    }

    /// Removes the entries that `goes` names; how many of them were alive.
    pub(crate) fn remove_where(
        &mut self,
        now_millis: u64,
        goes: impl Fn(&Slot<V>) -> bool,
    ) -> usize {
        let mut removed = 0;
        // From the end, so that the slot moved into a gap has been looked at.
        for position in (0..self.slots.len()).rev() {
            if goes(&self.slots[position]) {
                let slot = self.remove_at(position);
                removed += usize::from(self.note_removal(slot.expires_millis <= now_millis));
            }
        }
        self.shrink();
        removed
    }

    /// Evicts until at most `bytes_max` are taken, the dead first.
    pub(crate) fn shrink_to(&mut self, bytes_max: usize, now_millis: u64) {
        self.remove_where(now_millis, |slot| slot.expires_millis <= now_millis);
        while self.bytes() > bytes_max && !self.slots.is_empty() {
            self.evict(now_millis);
            self.shrink();
        }
        self.fit();
    }

    fn note_removal(&mut self, dead: bool) -> bool {
        if dead {
            self.figures.expirations += 1;
        } else {
            self.figures.invalidations += 1;
        }
        !dead
    }

    #[inline]
    fn position(&self, hash: u64, key: &[u8]) -> Option<usize> {
        let same = |position: &u32| {
            let slot = &self.slots[*position as usize];
            slot.hash == hash && slot.key.as_bytes() == key
        };
        Some(*self.index.find(hash, same)? as usize)
    }

    /// Whether there is room in an empty shard: nothing is evicted for what will not fit.
    fn could_hold(&self, heap_bytes: usize) -> bool {
        let tables = GROWTH_SLOTS_MIN * size_of::<Slot<V>>() + INDEX_BYTES_MIN;
        tables.saturating_add(heap_bytes) <= self.bytes_max
    }

    fn make_room(&mut self, heap_bytes: usize, now_millis: u64) -> bool {
        loop {
            if self.bytes() + self.growth_bytes() + heap_bytes <= self.bytes_max {
                return true;
            }
            if self.slots.is_empty() {
                // Arrays that many small entries had grown leave no room for a large one.
                self.fit();
                return self.bytes() + self.growth_bytes() + heap_bytes <= self.bytes_max;
            }
            self.evict(now_millis);
            self.shrink();
        }
    }

    /// Evicts the first entry under the hand that is dead, or was not used since the hand last
    /// passed.
    fn evict(&mut self, now_millis: u64) {
        loop {
            self.hand = (self.hand + 1) % self.slots.len();
            let slot = &mut self.slots[self.hand];
            let dead = slot.expires_millis <= now_millis;
            if dead || !std::mem::take(slot.used.get_mut()) {
                self.remove_at(self.hand);
                match dead {
                    true => self.figures.expirations += 1,
                    false => self.figures.evictions += 1,
                }
                return;
            }
        }
    }

    /// Takes out the slot at `position` and moves the last one there.
    fn remove_at(&mut self, position: usize) -> Slot<V> {
        let last = self.slots.len() - 1;
        let slots = &self.slots;
        // Not `entry`, which makes a full index grow even for what is there.
        let entry = self.index.find_entry(slots[position].hash, |candidate| {
            *candidate as usize == position
        });
        if let Ok(entry) = entry {
            let (place, _) = entry.remove();
            if position != last {
                let moved = self
                    .index
                    .find_mut(slots[last].hash, |candidate| *candidate as usize == last);
                if let Some(moved) = moved {
                    *moved = place;
                }
            }
        }
        let slot = self.slots.swap_remove(position);
        self.heap_bytes -= slot.heap_bytes;
        slot
    }
}

/// The memory of the array and of the index.
#[expect(
    clippy::indexing_slicing,
    reason = "the index holds positions of slots alone"
)]
impl<V> Shard<V> {
    fn slots_growth(&self) -> usize {
        match self.slots.len() < self.slots.capacity() {
            true => 0,
            false => GROWTH_SLOTS_MIN.max(self.slots.len() / 8),
        }
    }

    fn index_is_full(&self) -> bool {
        self.index.len() >= self.index.capacity()
    }

    /// Whether what fills the index is entries, not the traces of removed ones.
    fn index_must_grow(&self) -> bool {
        self.index_is_full() && self.index.len() >= self.index_slots_max - self.index_slots_max / 8
    }

    /// What one more entry will make the array and the index grow by.
    fn growth_bytes(&self) -> usize {
        let index = match self.index_must_grow() {
            true => self.index.allocation_size().max(INDEX_BYTES_MIN),
            false => 0,
        };
        self.slots_growth() * size_of::<Slot<V>>() + index
    }

    /// Makes the array and the index hold one entry more.
    fn grow(&mut self) {
        self.slots.reserve_exact(self.slots_growth());
        if self.index_must_grow() {
            self.rebuild_index(self.index_slots_max + 1);
        } else if self.index_is_full() {
            self.rebuild_index(self.index_slots_max);
        }
    }

    fn rebuild_index(&mut self, slots_max: usize) {
        let mut index = HashTable::with_capacity(slots_max);
        self.index_slots_max = index.capacity();
        for (position, slot) in (0_u32..).zip(&self.slots) {
            index.insert_unique(slot.hash, position, |position: &u32| {
                self.slots[*position as usize].hash
            });
        }
        self.index = index;
    }

    /// Gives memory back once less than half of it is used.
    fn shrink(&mut self) {
        if self.slots.capacity() > 4 * GROWTH_SLOTS_MIN
            && self.slots.len() < self.slots.capacity() / 2
        {
            self.fit();
        }
    }

    /// Gives back what the entries do not use.
    fn fit(&mut self) {
        self.hand = 0;
        self.slots.shrink_to(self.slots.len());
        match self.slots.is_empty() {
            true => {
                self.index = HashTable::new();
                self.index_slots_max = 0;
            }
            false => self.rebuild_index(self.slots.len()),
        }
    }
}

/// What an entry with `key`, `value` and `tags` has on the heap.
pub(crate) fn heap_bytes(key: &Key, value_bytes: usize, tags: &Tags) -> usize {
    key.heap_bytes() + value_bytes + allocation_bytes(size_of_val::<[u64]>(tags))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot(number: u64) -> Slot<u64> {
        let name = number.to_string();
        Slot {
            hash: number.wrapping_mul(0x9e37_79b9_7f4a_7c15),
            key: Key::new(&name),
            value: number,
            tags: Tags::default(),
            expires_millis: u64::MAX,
            heap_bytes: 0,
            used: AtomicBool::new(false),
        }
    }

    #[test]
    fn a_removal_takes_no_memory() {
        let mut shard = Shard::new(usize::MAX, 1);
        // As many as an index of this size takes before it must grow.
        for number in 0..1792 {
            assert!(shard.insert(slot(number), 0));
        }
        assert!(shard.index_is_full());
        let before = shard.bytes();
        let gone = slot(7);
        assert!(shard.remove(gone.hash, gone.key.as_bytes(), 0));
        assert_eq!(shard.bytes(), before);
    }
}
