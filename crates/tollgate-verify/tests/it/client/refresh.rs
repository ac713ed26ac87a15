//! When the provider is asked, and when it is left alone.

use std::future::Future as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use serde_json::json;
use tollgate_verify::Verifier;
use tollgate_verify::client::{FetchError, FetchResponse, HttpClient, KeySource};
use tollgate_verify::jose::{Algorithm, SigningKey};

use super::fake::{
    Answer, Fake, JWKS, METADATA, Scene, keys_answer, ok, raw, scene, scene_with, settings, status,
    with_cache_control,
};
use crate::provider::{AUDIENCE, ISSUER, KEY, good, sign_with, token};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn signed_by(key: &SigningKey) -> String {
    sign_with(key, "at+jwt", good().to_string().as_bytes())
}

#[test]
fn keys_are_fetched_once_and_kept() {
    let scene = scene();
    assert_eq!(scene.fake.requests(METADATA), 0);
    for _ in 0..10 {
        assert_eq!(scene.outcome(&token(&good())), "ok");
    }
    assert_eq!(
        (scene.fake.requests(METADATA), scene.fake.requests(JWKS)),
        (1, 1)
    );
    let stats = scene.source.stats();
    assert_eq!(
        (stats.hits, stats.misses, stats.refreshes, stats.failures),
        (9, 1, 1, 0)
    );
    assert_eq!((stats.keys, stats.age), (1, Some(Duration::ZERO)));
    assert!((stats.hit_ratio() - 0.9).abs() < 1e-9);
}

#[test]
fn malformed_tokens_cause_no_requests() {
    let scene = scene();
    for bad in ["", "a.b.c", "tgat_opaque"] {
        assert_eq!(scene.outcome(bad), "malformed");
    }
    let hmac = SigningKey::hmac(Algorithm::HS256, &[7; 32]).unwrap();
    assert_eq!(scene.outcome(&signed_by(&hmac)), "alg_not_allowed");
    assert_eq!(scene.fake.requests(METADATA), 0);
}

#[test]
fn a_rotated_key_is_found_at_once_and_unknown_ones_cost_one_request_per_cool_down() {
    let scene = scene();
    assert_eq!(scene.outcome(&token(&good())), "ok");
    let (_, new) = SigningKey::generate(Algorithm::ES256).unwrap();
    scene.fake.answer(JWKS, keys_answer(&[&KEY, &new]));
    assert_eq!(scene.outcome(&signed_by(&new)), "ok");
    assert_eq!(scene.fake.requests(JWKS), 2);

    let (_, foreign) = SigningKey::generate(Algorithm::ES256).unwrap();
    let forged = signed_by(&foreign.with_kid(KEY.kid()));
    let (_, foreign) = SigningKey::generate(Algorithm::ES256).unwrap();
    for _ in 0..100 {
        assert_eq!(scene.outcome(&signed_by(&foreign)), "key_not_found");
        assert_eq!(scene.outcome(&forged), "signature");
    }
    assert_eq!(scene.fake.requests(JWKS), 2);
    for round in 1..=3 {
        scene.clock.advance(seconds(10));
        for _ in 0..100 {
            assert_eq!(scene.outcome(&signed_by(&foreign)), "key_not_found");
            assert_eq!(scene.outcome(&forged), "signature");
        }
        assert_eq!(scene.fake.requests(JWKS), 2 + round);
    }
    assert_eq!(scene.outcome(&token(&good())), "ok");
}

/// Answers that bring no usable key.
fn bad_answers() -> Vec<Answer> {
    vec![
        status(500),
        status(429),
        status(404),
        status(302),
        Err(FetchError::TimedOut),
        raw(b""),
        raw(b"<html>"),
        raw(b"{}"),
        ok(&json!({"keys": []})),
        ok(&json!({"keys": [{"kty": "RSA", "n": "AQAB", "e": "AQ"}]})),
        ok(&json!({"keys": vec![json!({}); 101]})),
        raw(&vec![b' '; 256 * 1024 + 1]),
    ]
}

#[test]
fn good_keys_outlive_bad_answers_until_they_are_too_old() {
    for bad in bad_answers() {
        let scene = scene();
        assert_eq!(scene.outcome(&token(&good())), "ok");
        scene.fake.answer(JWKS, bad.clone());
        scene.fake.answer(METADATA, status(500));
        let requests = scene.fake.requests(JWKS);

        scene.clock.advance(seconds(15 * 60));
        for _ in 0..10 {
            assert_eq!(scene.outcome(&token(&good())), "ok", "{bad:?}");
        }
        assert!(scene.fake.requests(JWKS) <= requests + 1, "{bad:?}");
        // An unknown key does not get around the cool-down after a failure.
        let (_, foreign) = SigningKey::generate(Algorithm::ES256).unwrap();
        assert_eq!(scene.outcome(&signed_by(&foreign)), "key_not_found");
        assert!(scene.fake.requests(JWKS) <= requests + 1, "{bad:?}");
        assert_eq!(scene.source.stats().failures, 1, "{bad:?}");

        scene.clock.advance(seconds(6 * 60 * 60));
        assert_eq!(
            scene.outcome(&token(&good())),
            "keys_unavailable",
            "{bad:?}"
        );
        scene.fake.answer(JWKS, keys_answer(&[&KEY]));
        scene.fake.answer(METADATA, Fake::metadata());
        assert_eq!(
            scene.outcome(&token(&good())),
            "keys_unavailable",
            "cools down"
        );
        scene.clock.advance(seconds(10));
        assert_eq!(scene.outcome(&token(&good())), "ok", "{bad:?}");
    }
}

#[test]
fn a_dead_provider_is_asked_once_per_cool_down() {
    for bad in bad_answers() {
        let scene = scene();
        scene.fake.answer(JWKS, bad.clone());
        for _ in 0..20 {
            assert_eq!(
                scene.outcome(&token(&good())),
                "keys_unavailable",
                "{bad:?}"
            );
        }
        assert_eq!(scene.fake.requests(JWKS), 1, "{bad:?}");
        scene.clock.advance(seconds(10));
        assert_eq!(
            scene.outcome(&token(&good())),
            "keys_unavailable",
            "{bad:?}"
        );
        assert_eq!(scene.fake.requests(JWKS), 2, "{bad:?}");
    }
}

#[test]
fn passing_failures_are_retried_after_growing_pauses() {
    let mut settings = settings();
    settings.retries = 4;
    for passing in [
        status(503),
        status(429),
        status(500),
        Err(FetchError::TimedOut),
    ] {
        let fake = Fake::with_keys(&[&KEY]);
        fake.answer(JWKS, passing);
        let scene = scene_with(fake, settings);
        assert_eq!(scene.outcome(&token(&good())), "keys_unavailable");
        assert_eq!(scene.fake.requests(JWKS), 5);
        // Each is twice the one before, shortened at random by up to a half.
        for (doublings, pause) in scene.clock.pauses().into_iter().enumerate() {
            let full = Duration::from_millis(100 << doublings);
            assert!((full / 2..=full).contains(&pause), "{doublings} {pause:?}");
        }
        assert_eq!(scene.clock.pauses().len(), 4);
    }
    // What will not get better is not tried again.
    for lasting in [
        raw(b"<html>"),
        status(404),
        status(302),
        Err(FetchError::TooLarge),
    ] {
        let fake = Fake::with_keys(&[&KEY]);
        fake.answer(JWKS, lasting);
        let scene = scene_with(fake, settings);
        assert_eq!(scene.outcome(&token(&good())), "keys_unavailable");
        assert_eq!(
            (scene.fake.requests(JWKS), scene.clock.pauses().len()),
            (1, 0)
        );
    }
}

#[test]
fn a_second_attempt_that_succeeds_costs_no_token() {
    let mut settings = settings();
    settings.retries = 1;
    let fake = Fake::with_keys(&[&KEY]);
    let is_second = AtomicBool::new(false);
    fake.handle(JWKS, move |_| {
        match is_second.swap(true, Ordering::SeqCst) {
            true => keys_answer(&[&KEY]),
            false => status(500),
        }
    });
    let scene = scene_with(fake, settings);
    assert_eq!(scene.outcome(&token(&good())), "ok");
    let stats = scene.source.stats();
    assert_eq!((stats.refreshes, stats.failures, stats.fetches), (1, 0, 3));
}

#[test]
fn retries_end_with_the_time_for_a_refresh() {
    let mut settings = settings();
    (settings.retries, settings.timeout) = (1000, seconds(10));
    let fake = Fake::with_keys(&[&KEY]);
    fake.answer(JWKS, status(500));
    let scene = scene_with(fake, settings);
    assert_eq!(scene.outcome(&token(&good())), "keys_unavailable");
    let total: Duration = scene.clock.pauses().iter().sum();
    assert!(total < seconds(10) && total > seconds(2), "{total:?}");
}

/// A provider that answers 503 and says when to come back.
fn busy(retry_after: Duration) -> Answer {
    let mut answer = FetchResponse::new(503, Vec::new());
    answer.retry_after = Some(retry_after);
    Ok(answer)
}

#[test]
fn a_busy_provider_is_not_asked_before_it_says() {
    let check = |retry_after: u64, retries: u32, requests: u64, rests: u64| {
        let mut settings = settings();
        settings.retries = retries;
        let fake = Fake::with_keys(&[&KEY]);
        fake.answer(JWKS, busy(seconds(retry_after)));
        let scene = scene_with(fake, settings);
        assert_eq!(scene.outcome(&token(&good())), "keys_unavailable");
        assert_eq!(scene.fake.requests(JWKS), requests, "{retry_after}");
        for pause in scene.clock.pauses() {
            assert!(pause >= seconds(retry_after), "{pause:?}");
        }
        // Left alone until then, whoever asks and with whatever token.
        scene.fake.answer(JWKS, keys_answer(&[&KEY]));
        scene
            .clock
            .advance(seconds(rests) - Duration::from_millis(1));
        assert_eq!(scene.outcome(&token(&good())), "keys_unavailable");
        assert_eq!(scene.fake.requests(JWKS), requests, "{retry_after}");
        scene.clock.advance(Duration::from_millis(1));
        assert_eq!(scene.outcome(&token(&good())), "ok", "{retry_after}");
    };
    // Within the time for a refresh it is waited for, beyond it given up at once.
    check(0, 2, 3, 10);
    check(3, 2, 3, 10);
    check(11, 2, 1, 11);
    check(60, 0, 1, 60);
    // No provider keeps a verifier from asking for ever.
    check(1_000_000, 2, 1, 5 * 60);
}

#[test]
fn metadata_is_kept_no_longer_than_it_says() {
    let fake = Fake::with_keys(&[&KEY]);
    fake.answer(METADATA, with_cache_control(Fake::metadata(), "max-age=60"));
    fake.answer(JWKS, with_cache_control(keys_answer(&[&KEY]), "max-age=10"));
    let scene = scene_with(fake, settings());
    let mut seen = Vec::new();
    for _ in 0..8 {
        assert_eq!(scene.outcome(&token(&good())), "ok");
        seen.push(scene.fake.requests(METADATA));
        scene.clock.advance(seconds(10));
    }
    assert_eq!(seen, [1, 1, 1, 1, 1, 1, 2, 2]);
}

#[test]
fn rotation_ahead_of_use_costs_no_token() {
    // Keys rotate every two seconds and stand in the set one second before they sign, which is
    // as long as the set may be kept; four verifiers under load see all of it.
    let fake = Fake::with_keys(&[&KEY]);
    let scenes: Vec<Scene> = (0..4)
        .map(|_| scene_with(Arc::clone(&fake), settings()))
        .collect();
    let mut keys = vec![SigningKey::generate(Algorithm::EdDSA).unwrap().1];
    for _ in 0..30 {
        keys.push(SigningKey::generate(Algorithm::EdDSA).unwrap().1);
        let published: Vec<&SigningKey> = keys.iter().rev().take(3).collect();
        fake.answer(
            JWKS,
            with_cache_control(keys_answer(&published), "max-age=1"),
        );
        let tokens = [
            signed_by(&keys[keys.len() - 2]),
            signed_by(&keys[keys.len() - 1]),
        ];
        for token in &tokens {
            std::thread::scope(|scope| {
                for scene in &scenes {
                    scope.spawn(|| {
                        for _ in 0..20 {
                            assert_eq!(scene.outcome(token), "ok");
                            scene.clock.advance(Duration::from_millis(50));
                        }
                    });
                }
            });
        }
    }
    for scene in &scenes {
        assert_eq!(scene.source.stats().failures, 0);
        assert!(scene.source.stats().refreshes >= 30);
    }
}

#[test]
fn freshness_is_the_providers_word_within_bounds() {
    let check = |cache_control: &str, fresh_seconds: u64| {
        let fake = Fake::with_keys(&[&KEY]);
        fake.answer(
            JWKS,
            with_cache_control(keys_answer(&[&KEY]), cache_control),
        );
        let scene = scene_with(fake, settings());
        assert_eq!(scene.outcome(&token(&good())), "ok");
        // Just before four fifths nothing happens …
        scene
            .clock
            .advance(seconds(fresh_seconds) * 4 / 5 - Duration::from_millis(1));
        assert_eq!(scene.outcome(&token(&good())), "ok");
        assert_eq!(scene.fake.requests(JWKS), 1, "{cache_control}");
        // … at four fifths the keys are refreshed while they still serve …
        scene.fake.close();
        scene.clock.advance(Duration::from_millis(1));
        assert_eq!(scene.outcome(&token(&good())), "ok");
        scene.fake.open();
        scene.verifier.blocking().warm_up().unwrap();
        assert!(scene.fake.requests(JWKS) >= 2, "{cache_control}");
        // … and once they are no longer fresh, the token waits for new ones.
        let before = scene.fake.requests(JWKS);
        scene.clock.advance(seconds(fresh_seconds));
        assert_eq!(scene.outcome(&token(&good())), "ok");
        assert_eq!(scene.fake.requests(JWKS), before + 1, "{cache_control}");
    };
    check("max-age=60", 60);
    check("max-age=0", 1);
    check("no-store", 1);
    check("max-age=10000000", 24 * 60 * 60);
    check("private", 15 * 60);
}

#[test]
fn a_key_that_was_withdrawn_is_gone_after_the_refresh() {
    let scene = scene();
    assert_eq!(scene.outcome(&token(&good())), "ok");
    let (_, new) = SigningKey::generate(Algorithm::ES256).unwrap();
    scene.fake.answer(JWKS, keys_answer(&[&new]));
    scene.clock.advance(seconds(15 * 60));
    assert_eq!(scene.outcome(&token(&good())), "key_not_found");
    assert_eq!(scene.outcome(&signed_by(&new)), "ok");
}

#[test]
fn clearing_forgets() {
    let scene = scene();
    assert_eq!(scene.outcome(&token(&good())), "ok");
    scene.verifier.clear();
    assert_eq!(scene.outcome(&token(&good())), "ok");
    // Where they are as well: they may have moved.
    assert_eq!(
        (scene.fake.requests(METADATA), scene.fake.requests(JWKS)),
        (2, 2)
    );
}

#[test]
fn keys_that_were_on_their_way_when_all_was_forgotten_are_not_kept() {
    let scene = scene();
    let (_, new) = SigningKey::generate(Algorithm::ES256).unwrap();
    let (old_keys, new_keys) = (keys_answer(&[&KEY]), keys_answer(&[&new]));
    let (verifier, is_first) = (scene.verifier.clone(), AtomicBool::new(true));
    // The provider withdraws the key, and the operator clears, after the answer was written.
    scene.fake.handle(JWKS, move |_| {
        if is_first.swap(false, Ordering::SeqCst) {
            verifier.clear();
            return old_keys.clone();
        }
        new_keys.clone()
    });
    assert_eq!(scene.outcome(&signed_by(&new)), "ok");
    assert_eq!(scene.outcome(&token(&good())), "key_not_found");
    // Once before it was cleared, once after, and once for the key that is unknown now.
    assert_eq!(
        (scene.fake.requests(METADATA), scene.fake.requests(JWKS)),
        (2, 3)
    );
}

#[test]
fn nobody_waits_for_a_provider_that_is_down_while_old_keys_serve() {
    let scene = scene();
    assert_eq!(scene.outcome(&token(&good())), "ok");
    scene.fake.answer(JWKS, Err(FetchError::TimedOut));
    scene.clock.advance(seconds(15 * 60));
    assert_eq!(scene.outcome(&token(&good())), "ok");
    // The next attempt hangs: whoever waited for it would wait here for ever.
    scene.clock.advance(seconds(10));
    scene.fake.close();
    let token = token(&good());
    for _ in 0..3 {
        let verifying = std::pin::pin!(scene.verifier.verify(&token));
        let polled = verifying.poll(&mut Context::from_waker(Waker::noop()));
        assert!(matches!(polled, Poll::Ready(Ok(_))));
    }
    scene.fake.answer(JWKS, keys_answer(&[&KEY]));
    scene.fake.open();
    scene.verifier.blocking().warm_up().unwrap();
    assert_eq!(scene.source.stats().last_failure, None);
}

#[test]
fn all_issuers_are_asked_at_once_at_the_start() {
    let fake = Fake::with_keys(&[&KEY]);
    let sources = [JWKS, "https://other.example/jwks"].map(|url| {
        fake.answer(url, keys_answer(&[&KEY]));
        let http = Arc::clone(&fake) as Arc<dyn HttpClient>;
        KeySource::jwks_url(url).http(http).build()
    });
    let verifier = Verifier::builder()
        .issuer(ISSUER)
        .audience(AUDIENCE)
        .key_source(&sources[0])
        .or_issuer_with("https://other.example", &sources[1])
        .build()
        .unwrap();
    fake.close();
    let mut warming = std::pin::pin!(verifier.warm_up());
    let polled = warming
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()));
    assert!(polled.is_pending());
    // Whoever asked one after the other would not ask the second before the first has answered.
    let since = Instant::now();
    while sources.iter().any(|source| source.stats().fetches == 0) {
        assert!(since.elapsed() < seconds(60), "the second was never asked");
        std::thread::yield_now();
    }
    fake.open();
    verifier.blocking().warm_up().unwrap();
}
