//! The application cache: its bound, its entries' lives, its loaders, its invalidations.

mod bound;
mod counters;
mod entries;
mod loads;
#[cfg(feature = "redis")]
mod redis;
#[cfg(feature = "redis")]
mod redis_server;
mod writes;

use std::time::Duration;

use tollgate_web::cache::{Cache, CacheClock, CacheConfig, EntryOptions};

pub(super) const PLAIN: EntryOptions<'static> = EntryOptions {
    ttl: None,
    tags: &[],
};

pub(super) const TTL: Duration = Duration::from_secs(60);

/// A cache of a mebibyte and the clock that it lives by.
pub(super) fn cache() -> (Cache<u64>, CacheClock) {
    let clock = CacheClock::manual();
    let config = CacheConfig {
        ttl: TTL,
        clock: clock.clone(),
        ..CacheConfig::with_capacity_bytes(1 << 20)
    };
    (Cache::local(config), clock)
}
