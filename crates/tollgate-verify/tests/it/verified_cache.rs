//! Remembered signatures spare the check of the signature, and of nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde_json::json;
use tollgate_verify::client::{Clock, HttpClient, KeySource, VerifiedCacheStats};
use tollgate_verify::jose::{Algorithm, SigningKey};
use tollgate_verify::{Error, Presented, Rejection, UnixSeconds, Verifier};

use crate::client::fake::{Fake, HandClock, JWKS, keys_answer, settings};
use crate::provider::{AUDIENCE, ISSUER, KEY, NOW, builder, good, token, with};

fn figures(verifier: &Verifier) -> (u64, u64, usize) {
    let VerifiedCacheStats {
        hits,
        misses,
        entries,
        ..
    } = verifier.stats().verified_cache.unwrap();
    (hits, misses, entries)
}

fn code(verifier: &Verifier, token: &str, now: u64) -> &'static str {
    let result = verifier.verify_at(token, UnixSeconds(now));
    result.as_ref().map_or_else(Error::code, |_| "ok")
}

#[test]
fn it_is_off_unless_asked_for() {
    for verifier in [builder(), builder().verified_cache(0)].map(|b| b.build().unwrap()) {
        assert_eq!(code(&verifier, &token(&good()), NOW.0), "ok");
        assert_eq!(verifier.stats().verified_cache, None);
        assert!(!verifier.stats().to_prometheus().contains("token_cache"));
    }
}

#[test]
fn the_same_token_is_a_hit_and_reads_the_same() {
    let verifier = builder().verified_cache(100).build().unwrap();
    let token = token(&good());
    let first = verifier.verify_at(&token, NOW).unwrap();
    assert_eq!(figures(&verifier), (0, 1, 1));
    let second = verifier.verify_at(&token, NOW).unwrap();
    assert_eq!(figures(&verifier), (1, 1, 1));
    assert_eq!(first.claims_json(), second.claims_json());
    assert_eq!(
        (first.subject(), first.algorithm()),
        (second.subject(), second.algorithm())
    );
    let text = verifier.stats().to_prometheus();
    for line in [
        "token_cache_hits_total 1\n",
        "token_cache_misses_total 1\n",
        "token_cache_size 1\n",
        "token_cache_hit_ratio 0.5\n",
    ] {
        assert!(text.contains(line), "{text}");
    }
    verifier.clear();
    assert_eq!(figures(&verifier).2, 0);
}

#[test]
fn the_clock_is_never_spared() {
    let verifier = builder().verified_cache(100).build().unwrap();
    let token = token(&good());
    assert_eq!(code(&verifier, &token, NOW.0), "ok");
    assert_eq!(code(&verifier, &token, NOW.0 + 299), "ok");
    assert_eq!(code(&verifier, &token, NOW.0 + 300), "expired");
    assert_eq!(code(&verifier, &token, NOW.0 - 11), "not_yet_valid");
    assert_eq!(figures(&verifier), (3, 1, 1));
}

#[test]
fn other_bytes_are_another_token() {
    let verifier = builder().verified_cache(100).build().unwrap();
    let token = token(&good());
    assert_eq!(code(&verifier, &token, NOW.0), "ok");
    let (input, signature) = token.rsplit_once('.').unwrap();
    let last = if signature.starts_with('A') { "B" } else { "A" };
    let forged = format!("{input}.{last}{}", &signature[1..]);
    for _ in 0..3 {
        assert_eq!(code(&verifier, &forged, NOW.0), "signature");
    }
    let padded = format!("{token}=");
    assert_eq!(code(&verifier, &padded, NOW.0), "malformed");
    // What was refused is not remembered.
    assert_eq!(figures(&verifier).2, 1);
}

#[test]
fn purpose_and_possession_are_never_spared() {
    let verifier = builder().verified_cache(100).build().unwrap();
    let der: &[u8] = b"der";
    let x5t = tollgate_verify::jose::sha256_base64url(der);
    let bound = token(&with("cnf", json!({ "x5t#S256": x5t })));
    let present = |certificate: &[u8]| {
        let presented = Presented {
            certificate: Some(certificate),
            ..Presented::default()
        };
        let result = verifier.verify_bound_at(&bound, &presented, NOW);
        result.as_ref().map_or_else(Error::code, |_| "ok")
    };
    assert_eq!(present(der), "ok");
    assert_eq!(present(b"another"), "key_binding");
    assert_eq!(code(&verifier, &bound, NOW.0), "key_binding");
    assert_eq!(present(der), "ok");
    let as_id_token = verifier.verify_id_token_at(&bound, "n", NOW);
    assert_eq!(as_id_token.unwrap_err().code(), "token_type");
    assert_eq!(figures(&verifier), (4, 1, 1));
}

#[test]
fn validators_are_never_spared() {
    let is_revoked = Arc::<AtomicBool>::default();
    let revoked = Arc::clone(&is_revoked);
    let verifier = builder()
        .verified_cache(100)
        .validate(move |_| match revoked.load(Ordering::SeqCst) {
            true => Err(Rejection::new("revoked")),
            false => Ok(()),
        })
        .build()
        .unwrap();
    let token = token(&good());
    assert_eq!(code(&verifier, &token, NOW.0), "ok");
    is_revoked.store(true, Ordering::SeqCst);
    assert_eq!(code(&verifier, &token, NOW.0), "invalid_claim");
}

#[test]
fn a_withdrawn_or_replaced_key_takes_its_tokens_along() {
    let (_, other) = SigningKey::generate(Algorithm::ES256).unwrap();
    let (_, same_kid) = SigningKey::generate(Algorithm::ES256).unwrap();
    let same_kid = same_kid.with_kid(KEY.kid());
    for (keys, expected) in [
        (vec![&other], "key_not_found"),
        (vec![&same_kid, &other], "signature"),
        (vec![&*KEY, &other], "ok"),
    ] {
        let (fake, clock) = (Fake::with_keys(&[&KEY]), Arc::new(HandClock::default()));
        let source = KeySource::discovery(ISSUER)
            .settings(settings())
            .http(Arc::clone(&fake) as Arc<dyn HttpClient>)
            .clock(Arc::clone(&clock) as Arc<dyn Clock>)
            .build();
        let verifier = Verifier::builder()
            .issuer(ISSUER)
            .audience(AUDIENCE)
            .key_source(&source)
            .clock(Arc::clone(&clock) as Arc<dyn Clock>)
            .verified_cache(100)
            .build()
            .unwrap();
        let token = token(&good());
        let outcome = || {
            let result = verifier.blocking().verify(&token);
            result.as_ref().map_or_else(Error::code, |_| "ok")
        };
        assert_eq!((outcome(), outcome()), ("ok", "ok"));
        // The same document again changes nothing.
        clock.advance(Duration::from_secs(15 * 60));
        assert_eq!((outcome(), figures(&verifier).1), ("ok", 1));
        fake.answer(JWKS, keys_answer(&keys));
        clock.advance(Duration::from_secs(15 * 60));
        assert_eq!(outcome(), expected);
    }
}

#[test]
fn it_is_bounded() {
    let verifier = builder().verified_cache(10).build().unwrap();
    let accepted = AtomicU64::new(0);
    for i in 0..200 {
        let token = token(&with("sub", json!(i.to_string())));
        accepted.fetch_add(
            u64::from(code(&verifier, &token, NOW.0) == "ok"),
            Ordering::SeqCst,
        );
    }
    assert_eq!(accepted.load(Ordering::SeqCst), 200);
    assert!(figures(&verifier).2 <= 10, "{:?}", figures(&verifier));
}
