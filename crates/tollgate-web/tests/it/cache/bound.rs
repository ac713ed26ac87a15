//! The bound in bytes is one of memory, as the allocator counts it.

use bytes::Bytes;
use tollgate_web::cache::{Cache, CacheConfig, EntryOptions};

use super::PLAIN;

const MEBIBYTE: usize = 1 << 20;

fn block_on<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    runtime.unwrap().block_on(future)
}

/// A number that looks random and is always the same.
fn scatter(number: u64) -> u64 {
    let mixed = (number ^ (number >> 31)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ (mixed >> 29)
}

#[test]
fn a_million_inserts_stay_within_it() {
    let capacity = 16 * MEBIBYTE;
    let measured = allocation_counter::measure(|| {
        block_on(async {
            let cache: Cache<Bytes> = Cache::local(CacheConfig::with_capacity_bytes(capacity));
            for number in 0..1_000_000_u64 {
                let scattered = scatter(number);
                let length = usize::try_from(scattered % 300).unwrap();
                let key = format!("key:{number}:{}", "x".repeat(length / 8));
                let options = match number % 4 {
                    0 => EntryOptions::tags(&["some", "tags"]),
                    _ => PLAIN,
                };
                let value = Bytes::from(vec![b'v'; length]);
                cache.set(&key, value, options).await.unwrap();
            }
            let figures = cache.statistics();
            assert!(figures.bytes <= capacity, "{figures:?}");
            assert!(figures.bytes > capacity / 10 * 9, "{figures:?}");
            assert!(figures.evictions > 900_000, "{figures:?}");
            assert_eq!(figures.inserts, 1_000_000);
            assert_eq!(
                figures.entries as u64,
                1_000_000 - figures.evictions,
                "{figures:?}"
            );
        });
    });
    // The most that stood at once: the cache, and one table of one shard moving.
    let moving = capacity / 16;
    let most = usize::try_from(measured.bytes_max).unwrap();
    assert!(most <= capacity + moving, "{most}");
    // The runtime leaves something of its own for the thread.
    assert!(measured.bytes_current < 1024);
}

#[test]
fn an_entry_takes_the_room_that_it_needs() {
    block_on(async {
        let config = CacheConfig::with_capacity_bytes(MEBIBYTE);
        let entry_bytes_max = config.entry_bytes_max();
        assert_eq!(entry_bytes_max, MEBIBYTE);
        let cache: Cache<Bytes> = Cache::local(config);
        for number in 0..10_000 {
            let value = Bytes::from_static(b"small");
            cache
                .set(&format!("small:{number}"), value, PLAIN)
                .await
                .unwrap();
        }
        assert!(cache.statistics().entries > 1_000);
        // One large entry pushes the small ones out, and their tables with them.
        let large = Bytes::from(vec![0; entry_bytes_max / 10 * 8]);
        cache.set("large", large.clone(), PLAIN).await.unwrap();
        assert_eq!(cache.get("large").await, Some(large));
        let figures = cache.statistics();
        assert!(figures.bytes <= MEBIBYTE, "{figures:?}");
        assert_eq!(figures.too_large, 0);
        // One that is larger than everything goes nowhere, and takes the former value with it, but
        // nobody else's.
        for number in 0..100 {
            let value = Bytes::from_static(b"small");
            let key = format!("beside:{number}");
            cache.set(&key, value, PLAIN).await.unwrap();
        }
        let huge = Bytes::from(vec![0; MEBIBYTE]);
        cache.set("large", huge, PLAIN).await.unwrap();
        assert_eq!(cache.get("large").await, None);
        assert_eq!(cache.statistics().too_large, 1);
        for number in 0..100 {
            assert!(cache.exists(&format!("beside:{number}")).await, "{number}");
        }
    });
}

#[test]
fn what_is_used_outlives_what_is_not() {
    block_on(async {
        let cache: Cache<Bytes> = Cache::local(CacheConfig::with_capacity_bytes(MEBIBYTE));
        let value = Bytes::from_static(b"v");
        cache.set("hot", value.clone(), PLAIN).await.unwrap();
        for number in 0..50_000 {
            cache
                .set(&format!("cold:{number}"), value.clone(), PLAIN)
                .await
                .unwrap();
            assert!(cache.get("hot").await.is_some(), "{number}");
        }
        assert!(cache.get("cold:0").await.is_none());
    });
}

#[test]
fn shrinking_gives_memory_back() {
    block_on(async {
        let cache: Cache<Bytes> = Cache::local(CacheConfig::with_capacity_bytes(8 * MEBIBYTE));
        for number in 0..100_000 {
            let value = Bytes::from(vec![0; 100]);
            cache
                .set(&format!("key:{number}"), value, PLAIN)
                .await
                .unwrap();
        }
        let before = cache.statistics().bytes;
        let given_back = cache.shrink_to(MEBIBYTE);
        let after = cache.statistics();
        assert!(
            after.bytes <= MEBIBYTE && after.entries > 1_000,
            "{after:?}"
        );
        assert_eq!(before - after.bytes, given_back);
        cache.shrink_to(0);
        let empty = cache.statistics();
        assert_eq!((empty.entries, empty.bytes), (0, 0));
        cache.set("again", Bytes::new(), PLAIN).await.unwrap();
        assert!(cache.exists("again").await);
    });
}

#[test]
fn a_cache_without_room_keeps_nothing() {
    block_on(async {
        let cache: Cache<Bytes> = Cache::local(CacheConfig::with_capacity_bytes(0));
        cache.set("a", Bytes::new(), PLAIN).await.unwrap();
        assert_eq!(cache.get("a").await, None);
    });
}
