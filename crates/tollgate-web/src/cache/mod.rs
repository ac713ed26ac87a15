//! An application cache: bounded in bytes, with one loader a key, never older than its
//! invalidation.
//!
//! ```
//! use bytes::Bytes;
//! use tollgate_web::cache::{Cache, CacheConfig, EntryOptions};
//!
//! # async fn source() -> Result<Bytes, String> { Ok(Bytes::from_static(b"Ada")) }
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let cache: Cache<Bytes> = Cache::local(CacheConfig::with_capacity_bytes(64 << 20));
//! let options = EntryOptions::tags(&["team:7"]);
//! // However many ask at once, the source is asked once.
//! let name = cache.get_or_load("user:1:name", options, source).await?;
//! assert_eq!(name, "Ada");
//! cache.invalidate("user:*").await?;
//! cache.invalidate_tag("team:7").await?;
//! # Ok(())
//! # }
//! # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(run()).unwrap();
//! ```
//!
//! **What holds.** A load that began before an invalidation does not fill the cache after it. The
//! capacity counts keys, tags, index and the allocator's share. A dropped, failed or panicking
//! loader leaves nobody waiting.
//!
//! **Two levels.** Behind [`Cache::shared`] stands a [`SecondLevel`] that instances share, such as
//! Redis or Valkey (feature `redis`). Invalidations reach the memory of every instance; while they
//! cannot be heard, memory is passed by rather than believed.

mod clock;
mod config;
mod counters;
mod key;
mod load;
mod local;
mod pending;
#[cfg(feature = "redis")]
pub mod redis;
mod second_level;
mod shard;
mod statistics;
mod tags;
mod tiered;

pub use clock::CacheClock;
pub use config::{CacheConfig, CacheError, EntryOptions, KEY_BYTES_MAX, TAGS_MAX};
pub use counters::Counters;
pub use load::WriteError;
pub use second_level::{
    Encode, FILL_WITHIN, FillKind, Invalidation, InvalidationListener, SecondLevel,
    SecondLevelStatistics, SharedEntry, SharedRead, SharedTicket, Unavailable,
};
pub use statistics::CacheStatistics;
pub use tiered::Cache;

// What the response cache is made of.
#[cfg(feature = "tower")]
pub(crate) use {
    clock::millis_of,
    local::{Join, Life, LocalCache, Ticket},
    pending::{DependsOn, Outcome},
    tags::{number as tag_number, numbers as tag_numbers},
};
