//! Loads and writes under way: who may still fill the cache, and who may be waited for.
//!
//! An invalidation removes what it touches from here. Whoever comes back and does not find itself
//! any more made its value from what has changed since, and keeps nothing.

use std::any::Any;
use std::sync::Arc;

use hashbrown::HashTable;
use tokio::sync::watch;

use super::key::Key;
use super::tags::Tags;

/// What became of a load.
#[derive(Clone)]
pub(crate) enum Outcome<V> {
    Loaded(V),
    /// The loader's error, of whatever type.
    Failed(Arc<dyn Any + Send + Sync>),
}

/// Where a load's outcome will stand; closed without one when its loader was dropped.
pub(crate) type Awaited<V> = watch::Receiver<Option<Outcome<V>>>;

/// Which tags a value under way will have.
pub(crate) enum DependsOn {
    Known(Tags),
    /// Any: so every tag's invalidation counts.
    Unknown,
}

struct Pending<V> {
    id: u64,
    hash: u64,
    key: Key,
    depends_on: DependsOn,
    awaited: Option<Awaited<V>>,
}

/// All that is under way in one shard.
pub(crate) struct PendingTable<V> {
    table: HashTable<Pending<V>>,
    max: usize,
    next: u64,
}

impl<V> PendingTable<V> {
    pub(crate) fn new(max: usize) -> Self {
        Self {
            table: HashTable::new(),
            max,
            next: 0,
        }
    }

    /// Enters one; `None` when too many are under way.
    pub(crate) fn enter(
        &mut self,
        hash: u64,
        key: &str,
        depends_on: DependsOn,
        awaited: Option<Awaited<V>>,
    ) -> Option<u64> {
        if self.table.len() >= self.max {
            return None;
        }
        self.next += 1;
        let pending = Pending {
            id: self.next,
            hash,
            key: Key::new(key),
            depends_on,
            awaited,
        };
        self.table.insert_unique(hash, pending, |other| other.hash);
        Some(self.next)
    }

    /// Removes one; whether nothing has touched it.
    pub(crate) fn leave(&mut self, hash: u64, id: u64) -> bool {
        match self.table.find_entry(hash, |pending| pending.id == id) {
            Ok(entry) => {
                entry.remove();
                true
            }
            Err(_) => false,
        }
    }

    /// The load of `key` to wait for.
    pub(crate) fn joinable(&self, hash: u64, key: &str) -> Option<Awaited<V>> {
        let joinable = |pending: &Pending<V>| {
            pending.awaited.is_some() && pending.key.as_bytes() == key.as_bytes()
        };
        self.table.find(hash, joinable)?.awaited.clone()
    }

    pub(crate) fn void_key(&mut self, hash: u64, key: &str) {
        let same = |pending: &Pending<V>| pending.key.as_bytes() == key.as_bytes();
        while let Ok(entry) = self.table.find_entry(hash, same) {
            entry.remove();
        }
    }

    pub(crate) fn void_prefix(&mut self, prefix: &[u8]) {
        self.table
            .retain(|pending| !pending.key.as_bytes().starts_with(prefix));
    }

    pub(crate) fn void_tag(&mut self, tag: u64) {
        self.table.retain(|pending| match &pending.depends_on {
            DependsOn::Known(tags) => !tags.contains(&tag),
            DependsOn::Unknown => false,
        });
    }
}
