//! Many at once: futures and threads on one handle.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tollgate_verify::client::{
    Clock, FetchError, FetchRequest, FetchResponse, HttpClient, KeySource,
};
use tollgate_verify::jose::{Algorithm, SigningKey};
use tollgate_verify::{Error, Verifier};

use super::fake::{Fake, HandClock, JWKS, METADATA, keys_answer, scene, verifier};
use crate::provider::{AUDIENCE, ISSUER, KEY, NOW, good, sign_with, token, with};

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

#[tokio::test]
async fn a_batch_finds_rotated_keys_of_the_issuers_concerned() {
    const OTHER: &str = "https://other.example/jwks";
    let (_, new) = SigningKey::generate(Algorithm::ES256).unwrap();
    let (_, foreign) = SigningKey::generate(Algorithm::ES256).unwrap();
    let signed = |key: &SigningKey| sign_with(key, "at+jwt", good().to_string().as_bytes());
    let forged = signed(&foreign.with_kid(KEY.kid()));
    let (old, new_token) = (signed(&KEY), signed(&new));
    let mut batch = vec![old.as_str(), &new_token, "bad", &forged];
    // Enough of them for more than one thread.
    batch.extend(std::iter::repeat_n(new_token.as_str(), 60));
    for is_blocking in [true, false] {
        let scene = scene();
        scene.fake.answer(OTHER, keys_answer(&[&KEY]));
        let http = Arc::clone(&scene.fake) as Arc<dyn HttpClient>;
        let other = KeySource::jwks_url(OTHER).http(http).build();
        let verifier = Verifier::builder()
            .issuer(ISSUER)
            .audience(AUDIENCE)
            .key_source(&scene.source)
            .or_issuer_with("https://other.example", &other)
            .clock(Arc::clone(&scene.clock) as Arc<dyn Clock>)
            .build()
            .unwrap();
        verifier.warm_up().await.unwrap();
        scene.fake.answer(JWKS, keys_answer(&[&KEY, &new]));
        for _ in 0..2 {
            let results = match is_blocking {
                true => verifier.blocking().verify_many(&batch),
                false => verifier.verify_many(&batch).await,
            };
            let codes: Vec<&str> = results
                .iter()
                .map(|result| result.as_ref().map_or_else(Error::code, |_| "ok"))
                .collect();
            assert_eq!(codes[..4], ["ok", "ok", "malformed", "signature"]);
            assert!(codes[4..].iter().all(|code| *code == "ok"));
            // Once for all of them, and not again within the cool-down.
            let requests = (scene.fake.requests(JWKS), scene.fake.requests(OTHER));
            assert_eq!(requests, (2, 1), "{is_blocking}");
        }
    }
}

#[tokio::test]
async fn a_batch_waits_for_no_issuer_that_none_of_its_tokens_names() {
    const OTHER: &str = "https://other.example";
    for is_blocking in [true, false] {
        let scene = scene();
        let other = KeySource::discovery(OTHER).http(Arc::new(Fake::default()));
        let other = other.build();
        let verifier = Verifier::builder()
            .issuer(ISSUER)
            .audience(AUDIENCE)
            .key_source(&scene.source)
            .or_issuer_with(OTHER, &other)
            .clock(Arc::clone(&scene.clock) as Arc<dyn Clock>)
            .build()
            .unwrap();
        let token = token(&good());
        let batch = [token.as_str(), "bad", &token];
        let results = match is_blocking {
            true => verifier.blocking().verify_many(&batch),
            false => verifier.verify_many(&batch).await,
        };
        let is_good: Vec<bool> = results.iter().map(Result::is_ok).collect();
        assert_eq!(is_good, [true, false, true], "{is_blocking}");
        let stats = other.stats();
        assert_eq!((stats.misses, stats.fetches), (0, 0));
        // One look for the whole batch.
        assert_eq!(scene.source.stats().misses, 1);
    }
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
