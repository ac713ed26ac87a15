//! Finding the keys by the issuer's metadata.

use serde_json::json;

use super::fake::{
    Fake, JWKS, METADATA, METADATA_8414, keys_answer, ok, raw, scene, scene_with, settings, status,
};
use crate::provider::{ISSUER, KEY, good, token};

#[test]
fn a_provider_cannot_point_any_client_inside() {
    for inside in [
        "https://169.254.169.254/keys",
        "https://10.0.0.5/keys",
        "https://[fd00::1]/keys",
        "https://2130706433/keys",
        "https://0x7f.1/keys",
    ] {
        let scene = scene();
        let metadata = json!({"issuer": ISSUER, "jwks_uri": inside});
        scene.fake.answer(METADATA, ok(&metadata));
        scene.fake.answer(inside, keys_answer(&[&KEY]));
        assert_eq!(
            scene.outcome(&token(&good())),
            "keys_unavailable",
            "{inside}"
        );
        assert_eq!(scene.fake.requests(inside), 0, "{inside}");
    }
}

#[test]
fn rfc_8414_is_the_second_place() {
    // Nothing there, a log-in page, or a page for people under every name.
    for first in [
        status(404),
        status(302),
        status(401),
        raw(b"<!doctype html>"),
        raw(b""),
        raw(b"[]"),
        ok(&json!({"issuer": ISSUER})),
        ok(&json!({"issuer": ISSUER, "jwks_uri": 5})),
    ] {
        let scene = scene();
        scene.fake.answer(METADATA, first.clone());
        scene.fake.answer(METADATA_8414, Fake::metadata());
        assert_eq!(scene.outcome(&token(&good())), "ok", "{first:?}");
        assert_eq!(scene.fake.requests(METADATA_8414), 1, "{first:?}");

        let nowhere = super::fake::scene();
        nowhere.fake.answer(METADATA, first);
        nowhere.fake.answer(METADATA_8414, status(404));
        assert_eq!(nowhere.outcome(&token(&good())), "keys_unavailable");
        assert_eq!(nowhere.fake.requests(JWKS), 0);
    }
}

#[test]
fn metadata_that_cannot_be_trusted_is_refused() {
    for bad in [
        ok(&json!({"issuer": "https://as.example/", "jwks_uri": JWKS})),
        ok(&json!({"issuer": "https://evil.example", "jwks_uri": JWKS})),
        ok(&json!({"issuer": ISSUER, "jwks_uri": "http://as.example/jwks"})),
        ok(&json!({"issuer": ISSUER, "jwks_uri": "file:///etc/passwd"})),
        ok(&json!({"issuer": ISSUER, "jwks_uri": "http://127.0.0.1:6379/"})),
        ok(&json!({"issuer": ISSUER, "jwks_uri": "https://localhost/jwks"})),
        status(429),
        status(500),
    ] {
        let scene = scene();
        scene.fake.answer(METADATA, bad.clone());
        scene.fake.answer(METADATA_8414, Fake::metadata());
        assert_eq!(
            scene.outcome(&token(&good())),
            "keys_unavailable",
            "{bad:?}"
        );
        assert_eq!(scene.fake.requests(JWKS), 0, "{bad:?}");
        assert_eq!(scene.fake.requests(METADATA_8414), 0, "{bad:?}");
    }
}

#[test]
fn metadata_is_looked_up_again_when_the_keys_have_moved() {
    let moved = "https://as.example/moved";
    let scene = scene();
    assert_eq!(scene.outcome(&token(&good())), "ok");
    scene
        .fake
        .answer(METADATA, ok(&json!({"issuer": ISSUER, "jwks_uri": moved})));
    scene.fake.answer(moved, keys_answer(&[&KEY]));
    scene.fake.answer(JWKS, status(404));
    scene.verifier.blocking().warm_up().unwrap();
    assert_eq!(scene.fake.requests(moved), 0);
    scene.verifier.blocking().warm_up().unwrap();
    assert_eq!(
        (scene.fake.requests(METADATA), scene.fake.requests(moved)),
        (2, 1)
    );
}

#[test]
fn warming_up_says_when_it_could_not() {
    let scene = scene_with(Fake::with_keys(&[]), settings());
    let error = scene.verifier.blocking().warm_up().unwrap_err();
    assert_eq!(error.code(), "keys_unavailable");
    assert_eq!(
        scene
            .verifier
            .verify_at(&token(&good()), crate::provider::NOW)
            .unwrap_err(),
        error
    );
}
