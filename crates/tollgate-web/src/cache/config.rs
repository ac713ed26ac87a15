//! What a cache is told at its making, and what an entry is told when it goes in.

use std::time::Duration;

use super::clock::CacheClock;

/// The bounds of one cache.
#[derive(Clone, Debug)]
pub struct CacheConfig {
    /// Bytes of memory that the cache may take: values, keys, tags, index and the allocator's
    /// share. Never exceeded, but for the moment in which a table moves. An entry larger than
    /// [`entry_bytes_max`](Self::entry_bytes_max) is not kept.
    pub capacity_bytes: usize,
    /// The age at which an entry dies unless its own [`EntryOptions::ttl`] says otherwise.
    pub ttl: Duration,
    /// Loads and writes under way at once that may still fill the cache; those beyond run, but
    /// leave nothing behind.
    pub pending_max: usize,
    /// The time that entries age by.
    pub clock: CacheClock,
}

impl Default for CacheConfig {
    fn default() -> Self {
        Self {
            capacity_bytes: 64 << 20,
            ttl: Duration::from_secs(300),
            pending_max: 16_384,
            clock: CacheClock::default(),
        }
    }
}

/// A shard must hold some of the larger entries, so small caches have few.
const SHARD_BYTES_MIN: usize = 1 << 20;
const SHARDS_MAX: usize = 64;

impl CacheConfig {
    /// The default with another capacity.
    #[must_use]
    pub fn with_capacity_bytes(capacity_bytes: usize) -> Self {
        Self {
            capacity_bytes,
            ..Self::default()
        }
    }

    /// The largest entry that is kept, in bytes: the share of one shard.
    #[must_use]
    pub fn entry_bytes_max(&self) -> usize {
        self.capacity_bytes / self.shard_count()
    }

    /// A power of two.
    pub(crate) fn shard_count(&self) -> usize {
        let wanted = (self.capacity_bytes / SHARD_BYTES_MIN).clamp(1, SHARDS_MAX);
        1 << wanted.ilog2()
    }
}

/// How long one entry lives, and what takes it away before.
#[derive(Clone, Copy, Debug, Default)]
pub struct EntryOptions<'a> {
    /// The age at which it dies; `None`: the cache's own.
    pub ttl: Option<Duration>,
    /// What it depends on, at most [`TAGS_MAX`]: invalidating one of them removes it.
    pub tags: &'a [&'a str],
}

impl<'a> EntryOptions<'a> {
    /// An entry of another age.
    #[must_use]
    pub fn ttl(ttl: Duration) -> Self {
        Self {
            ttl: Some(ttl),
            tags: &[],
        }
    }

    /// An entry that depends on `tags`.
    #[must_use]
    pub fn tags(tags: &'a [&'a str]) -> Self {
        Self { ttl: None, tags }
    }
}

/// Tags that one entry may have. An entry with more is not kept, since it could not be removed.
pub const TAGS_MAX: usize = 16;

/// The bytes that a key may have. A longer one is not kept.
pub const KEY_BYTES_MAX: usize = 4096;

/// Why a change did not take effect everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// The second level did not answer in time, or not well.
    #[error("the cache's second level is unavailable")]
    Unavailable,
    /// The key is longer than [`KEY_BYTES_MAX`], or there are more than [`TAGS_MAX`] tags.
    #[error("the cache's key or tags are too long")]
    TooLong,
    /// A counter would leave the range of an `i64`.
    #[error("the counter is at its end")]
    CounterOverflow,
}
