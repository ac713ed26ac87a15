//! Writing through: the source first, then the cache, and never what the source did not take last.

use tokio::sync::oneshot;
use tollgate_web::cache::{Cache, WriteError};

use super::{PLAIN, cache};

type Write = tokio::task::JoinHandle<Result<(), WriteError<String>>>;

/// Begins to write `value` and returns once its source is asked.
async fn hold(cache: &Cache<u64>, value: u64) -> (Write, oneshot::Sender<Result<(), String>>) {
    let (go_on, outcome) = oneshot::channel();
    let (started, running) = oneshot::channel();
    let cache = cache.clone();
    let task = tokio::spawn(async move {
        let write = async move {
            started.send(()).unwrap();
            outcome.await.unwrap()
        };
        cache.write_through("a", value, PLAIN, write).await
    });
    running.await.unwrap();
    (task, go_on)
}

#[tokio::test]
async fn what_the_source_took_is_kept() {
    let (cache, _) = cache();
    cache.set("a", 1, PLAIN).await.unwrap();
    let (task, go_on) = hold(&cache, 2).await;
    assert_eq!(cache.get("a").await, None, "the former value went first");
    // A load during the write may have read the former value.
    let loaded = cache.get_or_load("a", PLAIN, async || Ok::<_, String>(1));
    assert_eq!(loaded.await, Ok(1));
    go_on.send(Ok(())).unwrap();
    task.await.unwrap().unwrap();
    assert_eq!(cache.get("a").await, Some(2));
}

#[tokio::test]
async fn what_the_source_refused_is_not_kept() {
    for lost in [false, true] {
        let (cache, _) = cache();
        let (task, go_on) = hold(&cache, 2).await;
        cache.set("a", 1, PLAIN).await.unwrap();
        let expected = match lost {
            true => {
                drop(go_on);
                WriteError::Lost
            }
            false => {
                go_on.send(Err("full".to_owned())).unwrap();
                WriteError::Source("full".to_owned())
            }
        };
        assert_eq!(task.await.unwrap(), Err(expected));
        assert_eq!(cache.get("a").await, None, "{lost}");
    }
}

#[tokio::test]
async fn of_two_at_once_neither_is_kept() {
    for first_ends_first in [false, true] {
        let (cache, _) = cache();
        let (first, let_first) = hold(&cache, 1).await;
        let (second, let_second) = hold(&cache, 2).await;
        let mut both = [(first, let_first), (second, let_second)];
        if !first_ends_first {
            both.reverse();
        }
        for (task, go_on) in both {
            go_on.send(Ok(())).unwrap();
            task.await.unwrap().unwrap();
        }
        assert_eq!(cache.get("a").await, None, "{first_ends_first}");
    }
}

#[tokio::test]
async fn a_caller_who_leaves_does_not_stop_a_write() {
    let (cache, _) = cache();
    let (task, go_on) = hold(&cache, 2).await;
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    go_on.send(Ok(())).unwrap();
    while cache.get("a").await.is_none() {
        tokio::task::yield_now().await;
    }
    assert_eq!(cache.get("a").await, Some(2));
}
