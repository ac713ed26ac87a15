//! Counters add in one step and stop at their ends.

use std::time::Duration;

use tollgate_web::cache::{CacheClock, CacheConfig, CacheError, Counters, EntryOptions};

use super::PLAIN;

#[tokio::test]
async fn they_add_and_end() {
    let clock = CacheClock::manual();
    let counters = Counters::local(CacheConfig {
        clock: clock.clone(),
        ..CacheConfig::with_capacity_bytes(1 << 16)
    });
    assert_eq!(counters.value("a").await, Ok(0));
    let second = EntryOptions::ttl(Duration::from_secs(1));
    assert_eq!(counters.add("a", 3, second).await, Ok(3));
    clock.advance(Duration::from_millis(600));
    // The window is that of the first addition.
    assert_eq!(counters.add("a", -1, second).await, Ok(2));
    clock.advance(Duration::from_millis(400));
    assert_eq!(counters.value("a").await, Ok(0));
    assert_eq!(counters.add("a", i64::MAX, PLAIN).await, Ok(i64::MAX));
    assert_eq!(
        counters.add("a", 1, PLAIN).await,
        Err(CacheError::CounterOverflow)
    );
    assert_eq!(counters.value("a").await, Ok(i64::MAX));
}

#[test]
fn no_addition_is_lost() {
    let counters = Counters::local(CacheConfig::with_capacity_bytes(1 << 16));
    let add = || {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.unwrap().block_on(async {
            for _ in 0..5_000 {
                counters.add("a", 1, PLAIN).await.unwrap();
            }
        });
    };
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(add);
        }
    });
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    assert_eq!(runtime.unwrap().block_on(counters.value("a")), Ok(20_000));
}
