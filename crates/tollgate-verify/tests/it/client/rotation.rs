//! What makes a verifier look for newer keys, and what keeps it from asking.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tollgate_verify::Verifier;
use tollgate_verify::client::FetchResponse;
use tollgate_verify::jose::{Algorithm, Jwk, SigningKey};

use super::fake::{
    Answer, Fake, JWKS, METADATA, keys_answer, ok, scene, scene_with, settings, status,
};
use crate::provider::{AUDIENCE, ISSUER, KEY, changed, good, sign_with, token};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn signed_by(key: &SigningKey) -> String {
    sign_with(key, "at+jwt", good().to_string().as_bytes())
}

fn busy(retry_after: u64) -> Answer {
    let mut answer = FetchResponse::new(429, Vec::new());
    answer.retry_after = Some(seconds(retry_after));
    Ok(answer)
}

fn public(key: &SigningKey, change: impl FnOnce(&mut Value)) -> Value {
    let jwk: Jwk = key.public_jwk().unwrap();
    changed(&jwk, change)
}

#[test]
fn a_key_refused_for_what_it_is_may_have_been_replaced() {
    let check = |old: &[Value], new: &SigningKey, before: &str| {
        let scene = scene();
        scene.fake.answer(JWKS, ok(&json!({ "keys": old })));
        let token = signed_by(new);
        assert_eq!(scene.outcome(&token), before, "{old:?}");
        scene.fake.answer(JWKS, keys_answer(&[new]));
        // Once each cool-down, as with unknown keys.
        assert_eq!(scene.outcome(&token), before, "{old:?}");
        scene.clock.advance(seconds(10));
        assert_eq!(scene.outcome(&token), "ok", "{old:?}");
    };
    let (_, rsa) = SigningKey::generate(Algorithm::RS256).unwrap();
    let weak = |jwk: &mut Value| jwk["e"] = json!("AQ");
    let no_kid = |jwk: &mut Value| drop(jwk.as_object_mut().unwrap().remove("kid"));
    let next = || SigningKey::generate(Algorithm::EdDSA).unwrap().1;
    // A leftover that is weak, where nobody has an id.
    let leftovers = [
        public(&rsa, |jwk| (weak(jwk), no_kid(jwk)).1),
        public(&KEY, no_kid),
    ];

    check(&leftovers, &next().with_kid(""), "weak_key");
    // A key replaced under its own id: by a sound one, and by one of another type.
    let own = [public(&rsa, weak), public(&KEY, |_| {})];
    check(&own, &rsa, "weak_key");
    let namesake = [public(&KEY, |_| {})];
    check(&namesake, &next().with_kid(KEY.kid()), "alg_not_allowed");
}

#[test]
fn a_refresh_from_before_the_rotation_costs_no_token() {
    let (_, new) = SigningKey::generate(Algorithm::ES256).unwrap();
    let scene = scene();
    assert_eq!(scene.outcome(&token(&good())), "ok");
    let (old, both) = (keys_answer(&[&KEY]), keys_answer(&[&KEY, &new]));
    let requests = AtomicU64::new(0);
    scene.fake.handle(JWKS, move |_| {
        match requests.fetch_add(1, Ordering::SeqCst) {
            0 => old.clone(),
            _ => both.clone(),
        }
    });
    // The refresh ahead of need brings the old keys once more, and the token has joined it.
    scene.clock.advance(seconds(12 * 60));
    assert_eq!(scene.outcome(&signed_by(&new)), "ok");
    assert_eq!(scene.fake.requests(JWKS), 3);
}

#[test]
fn what_the_policy_refuses_is_no_reason_to_look_for_keys() {
    let scene = scene();
    let hmac = SigningKey::hmac(Algorithm::HS256, &[7; 32]).unwrap();
    let (forged, good) = (signed_by(&hmac), token(&good()));
    let batch = [good.as_str(), &forged];
    let results = scene.verifier.blocking().verify_many(&batch);
    assert!(results[0].is_ok());
    assert_eq!(results[1].as_ref().unwrap_err().code(), "alg_not_allowed");
    assert_eq!(scene.fake.requests(JWKS), 1);
}

#[test]
fn secrets_that_were_fetched_are_none() {
    let secret = SigningKey::hmac(Algorithm::HS256, &[7; 32]).unwrap();
    let oct = json!({"kty": "oct", "k": "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc"});
    let fake = Fake::with_keys(&[]);
    fake.answer(JWKS, ok(&json!({"keys": [oct]})));
    let source = scene_with(fake, settings()).source;
    let verifier = Verifier::builder()
        .issuer(ISSUER)
        .audience(AUDIENCE)
        .key_source(&source)
        .algorithms([Algorithm::HS256])
        .build()
        .unwrap();
    let refused = verifier.blocking().verify(&signed_by(&secret));
    assert_eq!(refused.unwrap_err().code(), "keys_unavailable");
    assert_eq!(source.stats().keys, 0);
}

#[test]
fn forgetting_the_keys_ends_the_rest_too() {
    for failure in [status(500), busy(300)] {
        let scene = scene();
        assert_eq!(scene.outcome(&token(&good())), "ok");
        scene.clock.advance(seconds(15 * 60));
        scene.fake.answer(JWKS, failure.clone());
        assert_eq!(scene.outcome(&token(&good())), "ok", "{failure:?}");
        scene.fake.answer(JWKS, keys_answer(&[&KEY]));
        scene.source.clear();
        assert_eq!(scene.outcome(&token(&good())), "ok", "{failure:?}");
    }
}

#[test]
fn warming_up_leaves_a_busy_provider_alone() {
    let check = |failure: Answer, requests: u64| {
        let scene = scene();
        scene.fake.answer(METADATA, failure.clone());
        for _ in 0..5 {
            let outcome = scene.verifier.blocking().warm_up();
            assert_eq!(outcome.unwrap_err().code(), "keys_unavailable");
        }
        assert_eq!(scene.fake.requests(METADATA), requests, "{failure:?}");
        scene.fake.answer(METADATA, Fake::metadata());
        scene.clock.advance(seconds(300));
        assert_eq!(scene.verifier.blocking().warm_up(), Ok(()));
    };
    check(busy(300), 1);
    // Whoever warms up decides how often to ask one that is down.
    check(status(500), 5);
}
