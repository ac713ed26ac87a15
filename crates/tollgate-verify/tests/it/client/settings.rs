//! Every setting has its effect.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tollgate_verify::client::{
    CacheSettings, ClientCredentials, DefaultHttpClient, FetchError, FetchResponse, HttpClient,
    HttpSettings, IntrospectionSettings, Introspector, KeySource,
};
use tollgate_verify::jose::{Algorithm, SigningKey};
use tollgate_verify::{BuildError, DpopSettings, Verifier};

use super::fake::{
    Fake, JWKS, METADATA, Scene, keys_answer, scene_with, settings, status, with_cache_control,
};
use crate::provider::{AUDIENCE, ISSUER, KEY, good, sign_with, token};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn scene_of(change: impl FnOnce(&mut CacheSettings)) -> Scene {
    let mut settings = settings();
    change(&mut settings);
    scene_with(Fake::with_keys(&[&KEY]), settings)
}

#[test]
fn keys_are_fresh_as_long_as_set() {
    let check = |change: fn(&mut CacheSettings), cache_control: &str, fresh: u64| {
        let scene = scene_of(change);
        let answer = with_cache_control(keys_answer(&[&KEY]), cache_control);
        scene.fake.answer(JWKS, answer);
        assert_eq!(scene.outcome(&token(&good())), "ok");
        // Up to four fifths of the time nobody asks, at the end of it a token waits.
        let ahead = seconds(fresh) * 4 / 5 - Duration::from_millis(1);
        scene.clock.advance(ahead);
        assert_eq!(scene.outcome(&token(&good())), "ok");
        assert_eq!(scene.fake.requests(JWKS), 1, "{cache_control}");
        scene.clock.advance(seconds(fresh) - ahead);
        assert_eq!(scene.outcome(&token(&good())), "ok");
        assert_eq!(scene.fake.requests(JWKS), 2, "{cache_control}");
    };
    check(|settings| settings.ttl = seconds(60), "private", 60);
    check(|settings| settings.ttl_min = seconds(120), "max-age=1", 120);
    check(|settings| settings.ttl_min = seconds(120), "no-store", 120);
    check(
        |settings| settings.ttl_max = seconds(30),
        "max-age=1000",
        30,
    );
}

#[test]
fn old_keys_serve_as_long_as_set() {
    let scene = scene_of(|settings| settings.max_stale = seconds(100));
    assert_eq!(scene.outcome(&token(&good())), "ok");
    scene.fake.answer(JWKS, status(500));
    scene.clock.advance(seconds(15 * 60 + 99));
    assert_eq!(scene.outcome(&token(&good())), "ok");
    scene.clock.advance(seconds(1));
    assert_eq!(scene.outcome(&token(&good())), "keys_unavailable");
}

#[test]
fn the_provider_is_left_alone_as_long_as_set() {
    let scene = scene_of(|settings| settings.cool_down = seconds(100));
    assert_eq!(scene.outcome(&token(&good())), "ok");
    let (_, foreign) = SigningKey::generate(Algorithm::ES256).unwrap();
    let unknown = sign_with(&foreign, "at+jwt", good().to_string().as_bytes());
    for (advance, requests) in [(0, 2), (99, 2), (1, 3)] {
        scene.clock.advance(seconds(advance));
        assert_eq!(scene.outcome(&unknown), "key_not_found");
        assert_eq!(scene.fake.requests(JWKS), requests);
    }

    let scene = scene_of(|settings| settings.retry_after_max = seconds(20));
    let mut busy = FetchResponse::new(503, Vec::new());
    busy.retry_after = Some(seconds(60));
    scene.fake.answer(JWKS, Ok(busy));
    for (advance, requests) in [(0, 1), (19, 1), (1, 2)] {
        scene.clock.advance(seconds(advance));
        assert_eq!(scene.outcome(&token(&good())), "keys_unavailable");
        assert_eq!(scene.fake.requests(JWKS), requests);
    }
}

#[test]
fn documents_are_as_large_as_set() {
    let check = |change: fn(&mut CacheSettings), expected: &str| {
        let scene = scene_of(change);
        let (_, other) = SigningKey::generate(Algorithm::ES256).unwrap();
        scene.fake.answer(JWKS, keys_answer(&[&KEY, &other]));
        assert_eq!(scene.outcome(&token(&good())), expected);
    };
    let size = |count: usize| {
        let (_, other) = SigningKey::generate(Algorithm::ES256).unwrap();
        let keys = [&*KEY, &other];
        keys_answer(&keys[..count]).unwrap().body.len()
    };
    assert!(size(1) < 300 && size(2) > 300, "{} {}", size(1), size(2));
    check(|settings| settings.bytes_max = 600, "ok");
    check(|settings| settings.bytes_max = 300, "keys_unavailable");
    check(|settings| settings.keys_max = 2, "ok");
    check(|settings| settings.keys_max = 1, "keys_unavailable");
}

#[test]
fn what_could_never_be_asked_does_not_build() {
    let verifier = |issuer: &str, source: &KeySource| {
        let builder = Verifier::builder().issuer(issuer).audience(AUDIENCE);
        builder.key_source(source).build().err()
    };
    let refused = |url: &str| Some(BuildError::Url(url.into()));
    for url in [
        "http://as.example",
        "as.example",
        "https://u@as.example",
        "https://169.254.169.254",
    ] {
        let by_metadata = KeySource::discovery(url).build();
        assert_eq!(verifier(url, &by_metadata), refused(url));
        let elsewhere = KeySource::metadata_url(ISSUER, url).build();
        assert_eq!(verifier(ISSUER, &elsewhere), refused(url));
        let document = KeySource::jwks_url(url).build();
        assert_eq!(verifier(ISSUER, &document), refused(url));
        let credentials = || ClientCredentials::new("rs", "secret");
        let one = Introspector::builder(url, ISSUER, AUDIENCE, credentials());
        assert_eq!(one.build().err(), refused(url));
        let good = "https://as.example/introspect";
        let many = Introspector::builder(good, ISSUER, AUDIENCE, credentials()).batch_url(url);
        assert_eq!(many.build().err(), refused(url));
    }
    let mut roots = HttpSettings::default();
    roots.roots = Some(vec![b"not DER".to_vec()]);
    let refused = DefaultHttpClient::new(roots).err();
    assert_eq!(refused, Some(FetchError::Invalid("root certificate")));
}

#[test]
fn secrets_are_not_shown() {
    let mut dpop = DpopSettings::default();
    assert!(format!("{dpop:?}").contains("nonce_secret: false"));
    dpop.nonce_secret = Some(vec![77; 32].into());
    let shown = format!("{dpop:?}");
    assert!(
        shown.contains("nonce_secret: true") && !shown.contains("77"),
        "{shown}"
    );
    for proxy in [
        "http://user:pass@word@proxy.example:3128",
        "user:password@proxy.example",
        "http://proxy.example",
    ] {
        let mut settings = HttpSettings::default();
        settings.proxy = Some(proxy.to_owned());
        let shown = format!("{settings:?}");
        assert!(shown.contains("proxy.example"), "{shown}");
        assert!(
            !shown.contains("user") && !shown.contains("word"),
            "{shown}"
        );
    }
}

#[test]
fn requests_carry_their_bounds() {
    let scene = scene_of(|settings| (settings.bytes_max, settings.timeout) = (777, seconds(7)));
    scene.fake.handle(METADATA, |request| {
        assert_eq!((request.bytes_max, request.timeout), (777, seconds(7)));
        Fake::metadata()
    });
    assert_eq!(scene.outcome(&token(&good())), "ok");

    let url = "https://as.example/introspect";
    let fake = Arc::new(Fake::default());
    fake.handle(url, |request| {
        assert_eq!(request.bytes_max, 777);
        assert!(request.timeout <= seconds(7) && request.timeout > seconds(3));
        Err(FetchError::TimedOut)
    });
    let mut settings = IntrospectionSettings::default();
    (settings.bytes_max, settings.timeout, settings.retries) = (777, seconds(7), 3);
    let credentials = ClientCredentials::new("rs", "secret");
    let introspector = Introspector::builder(url, ISSUER, AUDIENCE, credentials)
        .settings(settings)
        .http(Arc::clone(&fake) as Arc<dyn HttpClient>)
        .clock(Arc::new(super::fake::HandClock::default()))
        .build()
        .unwrap();
    let refused = introspector.introspect_blocking("tgat_1");
    assert_eq!(refused.unwrap_err(), FetchError::TimedOut.into());
    assert_eq!(fake.requests(url), 4);
    let small = json!({"active": true, "sub": "x".repeat(800)});
    fake.answer(url, super::fake::ok(&small));
    let refused = introspector.introspect_blocking("tgat_1");
    assert_eq!(refused.unwrap_err(), FetchError::TooLarge.into());
}
