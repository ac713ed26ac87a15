//! Stale answers are given while one newer one is fetched.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use tollgate_web::response_cache::ResponseCacheConfig;

use super::{Headers, Origin, answer};

const SAID: Headers<'static> = &[("cache-control", "max-age=60, stale-while-revalidate=30")];

/// Lets the background run; a manual runtime of one thread does so in order.
async fn settle(origin: &Origin, calls: u32) {
    while origin.calls() < calls {
        tokio::task::yield_now().await;
    }
    for _ in 0..10 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn one_newer_answer_is_fetched_while_the_stale_one_is_given() {
    let origin = Origin::saying(SAID);
    origin.get("/a", &[]).await;
    origin.clock.advance(Duration::from_secs(89));
    for _ in 0..5 {
        // None of these lets the background run.
        let stale = origin.get("/a", &[]).await;
        assert_eq!(
            (stale.body.as_str(), stale.header("age")),
            ("1", Some("89"))
        );
        assert_eq!(stale.header("cache-status"), Some("tollgate; hit; ttl=0"));
    }
    settle(&origin, 2).await;
    let newer = origin.get("/a", &[]).await;
    assert_eq!((newer.body.as_str(), newer.header("age")), ("2", Some("0")));
    let figures = origin.cache.statistics();
    assert_eq!((figures.stale_hits, figures.refreshes), (5, 1));
    assert_eq!((figures.refresh_failures, origin.calls()), (0, 2));
}

#[tokio::test]
async fn what_is_too_old_or_not_wanted_stale_is_fetched_first() {
    let check = async |said: Headers<'static>, asked: Headers<'static>, seconds, stale: bool| {
        let origin = Origin::saying(said);
        origin.get("/a", &[]).await;
        origin.clock.advance(Duration::from_secs(seconds));
        let seen = origin.get("/a", asked).await;
        let expected = if stale { "1" } else { "2" };
        assert_eq!(seen.body, expected, "{said:?} {asked:?} {seconds}");
    };
    check(SAID, &[], 60, true).await;
    check(SAID, &[], 90, false).await;
    check(SAID, &[("cache-control", "max-age=999")], 60, false).await;
    check(SAID, &[("cache-control", "min-fresh=0")], 60, false).await;
    let strict: Headers<'static> = &[(
        "cache-control",
        "max-age=60, stale-while-revalidate=30, must-revalidate",
    )];
    check(strict, &[], 60, false).await;
}

#[tokio::test]
async fn a_failed_refresh_leaves_the_stale_answer_and_is_tried_again() {
    let status = Arc::new(AtomicU16::new(200));
    let says = Arc::clone(&status);
    let origin = Origin::with(ResponseCacheConfig::default(), move |_| {
        let mut response = answer(SAID);
        *response.status_mut() = says.load(Ordering::SeqCst).try_into().unwrap();
        response
    });
    origin.get("/a", &[]).await;
    origin.clock.advance(Duration::from_secs(60));
    status.store(500, Ordering::SeqCst);
    assert_eq!(origin.get("/a", &[]).await.body, "1");
    settle(&origin, 2).await;
    status.store(200, Ordering::SeqCst);
    assert_eq!(origin.get("/a", &[]).await.body, "1");
    settle(&origin, 3).await;
    assert_eq!(origin.get("/a", &[]).await.body, "3");
    assert_eq!(origin.cache.statistics().refresh_failures, 1);
}

#[tokio::test]
async fn a_refresh_that_a_purge_overtook_is_not_stored() {
    let origin = Origin::saying(SAID);
    origin.get("/a", &[]).await;
    origin.clock.advance(Duration::from_secs(60));
    assert_eq!(origin.get("/a", &[]).await.body, "1");
    origin.cache.purge("example.com", "/a");
    settle(&origin, 2).await;
    assert_eq!(origin.get("/a", &[]).await.body, "3");
}

#[tokio::test]
async fn a_refresh_asks_unconditionally() {
    let origin = Origin::with(ResponseCacheConfig::default(), |request| {
        assert!(!request.headers().contains_key("if-none-match"));
        assert_eq!(request.method(), "GET");
        answer(SAID)
    });
    origin.get("/a", &[]).await;
    origin.clock.advance(Duration::from_secs(60));
    origin
        .ask("HEAD", "/a", &[("if-none-match", "\"x\"")])
        .await;
    settle(&origin, 2).await;
    assert_eq!(origin.get("/a", &[]).await.body, "2");
}
