//! Many at once: futures and threads on one handle.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tollgate_verify::client::{FetchError, FetchRequest, FetchResponse, HttpClient, KeySource};

use super::fake::{HandClock, JWKS, METADATA, scene, verifier};
use crate::provider::{ISSUER, NOW, good, token, with};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_cold_tasks_cost_one_request_each_kind() {
    let scene = scene();
    let token = token(&good());
    scene.fake.close();
    let waiting = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> = (0..64)
        .map(|_| {
            let (verifier, token) = (scene.verifier.clone(), token.clone());
            let waiting = Arc::clone(&waiting);
            tokio::spawn(async move {
                waiting.fetch_add(1, Ordering::SeqCst);
                verifier.verify(&token).await.map(|_| ())
            })
        })
        .collect();
    while waiting.load(Ordering::SeqCst) < 64 {
        tokio::task::yield_now().await;
    }
    scene.fake.open();
    for task in tasks {
        assert_eq!(task.await.unwrap(), Ok(()));
    }
    assert_eq!(
        (scene.fake.requests(METADATA), scene.fake.requests(JWKS)),
        (1, 1)
    );
}

#[tokio::test]
async fn async_and_blocking_share_keys() {
    let scene = scene();
    let other = verifier(&scene.source, &scene.clock);
    scene.verifier.warm_up().await.unwrap();
    let token = token(&good());
    assert!(scene.verifier.verify(&token).await.is_ok());
    assert!(other.blocking().verify(&token).is_ok());
    assert!(other.verify_at(&token, NOW).is_ok());
    assert_eq!(scene.fake.requests(JWKS), 1);
}

#[test]
fn blocking_threads_wait_together() {
    // Over and over: whoever looks for keys just as they arrive must not ask for them again.
    for _ in 0..50 {
        let scene = scene();
        let token = token(&good());
        std::thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| assert!(scene.verifier.blocking().verify(&token).is_ok()));
            }
        });
        assert_eq!(scene.fake.requests(JWKS), 1);
    }
}

#[tokio::test]
async fn batches_wait_for_keys_and_keep_their_order() {
    let scene = scene();
    let tokens = [
        token(&good()),
        "bad".to_owned(),
        token(&with("exp", serde_json::json!(1))),
    ];
    let borrowed: Vec<&str> = tokens.iter().map(String::as_str).collect();
    let codes = |results: Vec<Result<tollgate_verify::VerifiedToken, tollgate_verify::Error>>| {
        results
            .iter()
            .map(|result| {
                result
                    .as_ref()
                    .map_or_else(tollgate_verify::Error::code, |_| "ok")
            })
            .collect::<Vec<_>>()
    };
    let expected = ["ok", "malformed", "expired"];
    assert_eq!(codes(scene.verifier.verify_many(&borrowed).await), expected);
    scene.verifier.clear();
    assert_eq!(
        codes(scene.verifier.blocking().verify_many(&borrowed)),
        expected
    );
    assert_eq!(scene.fake.requests(JWKS), 2);
    assert!(scene.verifier.verify_many(&[]).await.is_empty());
}

#[test]
fn a_client_that_panics_leaves_nobody_waiting() {
    struct Panics;
    impl HttpClient for Panics {
        fn fetch(&self, _: &FetchRequest) -> Result<FetchResponse, FetchError> {
            panic!("a bug in the caller's client");
        }
    }
    let source = KeySource::discovery(ISSUER).http(Arc::new(Panics)).build();
    let verifier = verifier(&source, &Arc::new(HandClock::default()));
    let error = verifier.blocking().verify(&token(&good())).unwrap_err();
    assert_eq!(error.code(), "keys_unavailable");
}

#[test]
fn figures_are_counted() {
    let scene = scene();
    let _ = scene.outcome(&token(&good()));
    let _ = scene.outcome("bad");
    let _ = scene.outcome("bad");
    let stats = scene.verifier.stats();
    assert_eq!(stats.results, [("valid", 1), ("malformed", 2)]);
    let text = stats.to_prometheus();
    assert!(
        text.contains("token_validation_total{result=\"malformed\"} 2\n"),
        "{text}"
    );
    assert!(
        text.contains("jwks_fetch_total{outcome=\"success\"} 1\n"),
        "{text}"
    );
}
