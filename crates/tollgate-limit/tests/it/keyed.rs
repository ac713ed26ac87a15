//! Many keys in bounded memory.

use std::hash::RandomState;
use std::sync::atomic::{AtomicU32, Ordering};

use tollgate_limit::{KeyedLimiter, KeysMax, Quota, QuotaError};

use crate::SECOND;

fn limiter(capacity: u32, keys_max: usize) -> KeyedLimiter<u64> {
    let quota = Quota::new(capacity, 1.0).unwrap();
    KeyedLimiter::with_hasher(quota, KeysMax::new(keys_max).unwrap(), RandomState::new())
}

#[test]
fn bounds_of_the_table_are_checked() {
    for (keys, fits) in [
        (0, false),
        (1, true),
        (1 << 28, true),
        ((1 << 28) + 1, false),
    ] {
        assert_eq!(
            KeysMax::new(keys).err(),
            (!fits).then_some(QuotaError::KeysOutOfRange)
        );
    }
}

#[test]
fn keys_do_not_share_a_bucket() {
    let limiter = limiter(2, 1000);
    for key in 0..100 {
        assert!(limiter.check(&key, 2, 0).is_allowed());
        assert!(!limiter.check(&key, 1, 0).is_allowed());
        assert!(limiter.check(&key, 1, SECOND).is_allowed());
    }
    assert_eq!(limiter.keys(), 100);
}

#[test]
fn only_what_is_charged_counts() {
    let limiter = limiter(2, 1000);
    for _ in 0..10 {
        assert!(limiter.peek(&7, 0).is_allowed());
    }
    assert_eq!(limiter.keys(), 0);
    limiter.charge(&7, 1, 0);
    assert!(limiter.peek(&7, 0).is_allowed());
    limiter.charge(&7, 1, 0);
    assert_eq!(limiter.peek(&7, 0).retry_after_seconds(), Some(1));
    assert!(limiter.peek(&8, 0).is_allowed());
    assert!(limiter.peek(&7, SECOND).is_allowed());
}

#[test]
fn full_buckets_are_forgotten() {
    let limiter = limiter(2, 1000);
    for key in 0..100 {
        limiter.check(&key, 1 + u32::from(key % 2 == 0), 0);
    }
    assert_eq!(limiter.evict_idle(0), 0);
    assert_eq!(limiter.evict_idle(SECOND), 50);
    assert_eq!(limiter.evict_idle(2 * SECOND), 50);
    assert_eq!(limiter.keys(), 0);
}

#[test]
fn a_flood_of_keys_frees_nobody_and_is_limited_itself() {
    let limiter = limiter(10, 640);
    let victims: Vec<u64> = (0..100).collect();
    for victim in &victims {
        assert!(limiter.check(victim, 10, 0).is_allowed());
    }
    let passed = (1000..101_000_u64)
        .filter(|key| limiter.check(key, 1, 0).is_allowed())
        .count();
    assert!(limiter.keys() <= 640);
    // What found a place of its own, and what passed on the shared buckets: one a shard of 64.
    assert!(passed <= 640 + 64 * 10, "{passed} passed");
    for victim in &victims {
        assert!(
            !limiter.check(victim, 1, 0).is_allowed(),
            "{victim} was let go"
        );
    }
    let newcomer = limiter.peek(&u64::MAX, 0);
    assert!(!newcomer.is_allowed());
}

#[test]
fn newcomers_take_the_places_of_full_buckets() {
    let limiter = limiter(10, 640);
    for key in 0..10_000 {
        limiter.check(&key, 1, 0);
    }
    assert_eq!(limiter.keys(), 640);
    // A second later every bucket but the shared ones is full, so each newcomer finds a place.
    for key in 10_000..10_100 {
        for _ in 0..10 {
            assert!(limiter.check(&key, 1, SECOND).is_allowed(), "{key}");
        }
        assert!(!limiter.check(&key, 1, SECOND).is_allowed(), "{key}");
    }
    assert!(limiter.keys() <= 640);
}

#[test]
fn text_keys_are_found_by_slice() {
    let quota = Quota::new(1, 1.0).unwrap();
    let keys_max = KeysMax::new(10).unwrap();
    let limiter: KeyedLimiter<String> =
        KeyedLimiter::with_hasher(quota, keys_max, RandomState::new());
    assert!(limiter.check("a", 1, 0).is_allowed());
    assert!(!limiter.check(&"a".to_owned(), 1, 0).is_allowed());
    assert_eq!(limiter.quota(), &quota);
}

#[test]
fn threads_together_pass_no_more_than_the_quota() {
    let limiter = limiter(1000, 1000);
    let passed = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..1000 {
                    if limiter.check(&1, 1, 0).is_allowed() {
                        passed.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    assert_eq!(passed.into_inner(), 1000);
}
