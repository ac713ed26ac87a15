//! One loader runs however many wait, and nothing it brings outlives an invalidation.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio::sync::{Notify, oneshot};
use tollgate_web::cache::{Cache, EntryOptions};

use super::{PLAIN, cache};

/// A load that stands still, and the task that runs it.
struct Held {
    task: tokio::task::JoinHandle<Result<u64, String>>,
    go_on: oneshot::Sender<Result<u64, String>>,
}

/// Begins a load of `key` and returns once its loader runs.
async fn hold(cache: &Cache<u64>, key: &'static str, tags: &'static [&'static str]) -> Held {
    let (go_on, outcome) = oneshot::channel();
    let running = Arc::new(Notify::new());
    let (cache, started) = (cache.clone(), Arc::clone(&running));
    let task = tokio::spawn(async move {
        let load = async || {
            started.notify_one();
            outcome.await.unwrap()
        };
        cache.get_or_load(key, EntryOptions::tags(tags), load).await
    });
    running.notified().await;
    Held { task, go_on }
}

/// Waits until `number` callers wait for the loader of another.
async fn until_waiting(cache: &Cache<u64>, number: u64) {
    while cache.statistics().loads_shared < number {
        tokio::task::yield_now().await;
    }
}

/// Callers who find a load under way; each counts in `ran` when its own loader runs.
fn crowd(
    cache: &Cache<u64>,
    ran: &Arc<AtomicU32>,
) -> Vec<tokio::task::JoinHandle<Result<u64, String>>> {
    let caller = || {
        let (cache, ran) = (cache.clone(), Arc::clone(ran));
        tokio::spawn(async move {
            let load = async || {
                ran.fetch_add(1, Ordering::SeqCst);
                Ok(99)
            };
            cache.get_or_load("a", PLAIN, load).await
        })
    };
    (0..100).map(|_| caller()).collect()
}

async fn results(
    tasks: Vec<tokio::task::JoinHandle<Result<u64, String>>>,
) -> Vec<Result<u64, String>> {
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.unwrap());
    }
    results
}

#[tokio::test]
async fn one_loader_serves_all_who_wait() {
    let (cache, _) = cache();
    let held = hold(&cache, "a", &[]).await;
    let ran = Arc::default();
    let waiting = crowd(&cache, &ran);
    until_waiting(&cache, 100).await;
    held.go_on.send(Ok(7)).unwrap();
    assert_eq!(results(waiting).await, vec![Ok(7); 100]);
    assert_eq!(held.task.await.unwrap(), Ok(7));
    assert_eq!(ran.load(Ordering::SeqCst), 0);
    assert_eq!(cache.get("a").await, Some(7));
    assert_eq!(cache.statistics().loads, 1);
}

#[tokio::test]
async fn an_error_goes_to_all_who_wait_and_is_not_kept() {
    let (cache, _) = cache();
    let held = hold(&cache, "a", &[]).await;
    let ran = Arc::default();
    let waiting = crowd(&cache, &ran);
    until_waiting(&cache, 100).await;
    held.go_on.send(Err("down".to_owned())).unwrap();
    assert_eq!(results(waiting).await, vec![Err("down".to_owned()); 100]);
    assert_eq!(cache.statistics().load_failures, 1);
    let again = cache.get_or_load("a", PLAIN, async || Ok::<_, String>(8));
    assert_eq!(again.await, Ok(8));
}

#[tokio::test]
async fn an_error_of_another_type_is_nobody_elses() {
    let (cache, _) = cache();
    let held = hold(&cache, "a", &[]).await;
    let other = tokio::spawn({
        let cache = cache.clone();
        async move {
            let load = async || Ok::<u64, u8>(8);
            cache.get_or_load("a", PLAIN, load).await
        }
    });
    until_waiting(&cache, 1).await;
    held.go_on.send(Err("down".to_owned())).unwrap();
    assert_eq!(other.await.unwrap(), Ok(8));
}

#[tokio::test]
async fn a_dropped_or_panicking_leader_leaves_nobody_waiting() {
    for panics in [false, true] {
        let (cache, _) = cache();
        let held = hold(&cache, "a", &[]).await;
        let ran = Arc::default();
        let waiting = crowd(&cache, &ran);
        until_waiting(&cache, 100).await;
        match panics {
            true => drop(held.go_on),
            false => held.task.abort(),
        }
        assert_eq!(results(waiting).await, vec![Ok(99); 100], "{panics}");
        assert_eq!(ran.load(Ordering::SeqCst), 1, "{panics}");
        assert!(held.task.await.is_err());
    }
}

#[tokio::test]
async fn a_load_that_an_invalidation_overtook_is_not_kept() {
    let check = async |invalidation: &str, kept: bool| {
        let (cache, _) = cache();
        let held = hold(&cache, "user:1", &["team"]).await;
        match invalidation.strip_prefix("tag ") {
            Some(tag) => cache.invalidate_tag(tag).await.unwrap(),
            None => cache.invalidate(invalidation).await.unwrap(),
        };
        held.go_on.send(Ok(7)).unwrap();
        // Whoever asked before may still have it.
        assert_eq!(held.task.await.unwrap(), Ok(7));
        assert_eq!(
            cache.get("user:1").await,
            kept.then_some(7),
            "{invalidation}"
        );
        assert_eq!(cache.statistics().fills_refused, u64::from(!kept));
    };
    check("user:1", false).await;
    check("user:*", false).await;
    check("*", false).await;
    check("tag team", false).await;
    check("user:2", true).await;
    check("users:*", true).await;
    check("tag other", true).await;
}

#[tokio::test]
async fn who_asks_after_an_invalidation_waits_for_no_earlier_load() {
    let (cache, _) = cache();
    let held = hold(&cache, "a", &[]).await;
    cache.delete("a").await.unwrap();
    let fresh = cache.get_or_load("a", PLAIN, async || Ok::<_, String>(8));
    assert_eq!(fresh.await, Ok(8));
    held.go_on.send(Ok(7)).unwrap();
    assert_eq!(held.task.await.unwrap(), Ok(7));
    assert_eq!(cache.get("a").await, Some(8));
}

#[tokio::test]
async fn a_load_does_not_undo_a_set() {
    let (cache, _) = cache();
    let held = hold(&cache, "a", &[]).await;
    cache.set("a", 8, PLAIN).await.unwrap();
    held.go_on.send(Ok(7)).unwrap();
    assert_eq!(held.task.await.unwrap(), Ok(7));
    assert_eq!(cache.get("a").await, Some(8));
}
