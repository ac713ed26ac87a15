//! Opaque tokens, asked about one by one and many at once.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tollgate_verify::client::{
    ClientCredentials, Clock, FetchError, FetchResponse, HttpClient, IntrospectionError,
    IntrospectionSettings, Introspector, IntrospectorBuilder,
};
use tollgate_verify::danger::DangerousBuilder as _;
use tollgate_verify::jose::{Algorithm, SigningKey};
use tollgate_verify::{BuildError, Claim, Error};

use super::fake::{Answer, Fake, HandClock, ok, raw, scene_with, settings, status};
use crate::provider::{AUDIENCE, ISSUER, KEY, NOW, good, sign_with};

pub(super) const URL: &str = "https://as.example/introspect";

pub(super) fn active(changes: &Value) -> Value {
    let mut answer = good();
    answer["active"] = json!(true);
    for (name, value) in changes.as_object().unwrap() {
        answer[name] = value.clone();
    }
    answer
}

pub(super) fn builder(fake: &Arc<Fake>) -> IntrospectorBuilder {
    let credentials = ClientCredentials::new("rs", "secret");
    Introspector::builder(URL, ISSUER, AUDIENCE, credentials)
        .http(Arc::clone(fake) as Arc<dyn HttpClient>)
        .clock(Arc::new(HandClock::default()) as Arc<dyn Clock>)
}

/// What comes of one answer: the subject of an active token, `None` for another.
fn outcome(answer: Answer) -> Result<Option<String>, IntrospectionError> {
    let fake = Arc::new(Fake::default());
    fake.answer(URL, answer);
    let token = builder(&fake)
        .build()
        .unwrap()
        .introspect_blocking("tgat_1")?;
    Ok(token.map(|token| token.subject().unwrap_or_default().to_owned()))
}

#[test]
fn the_provider_is_asked_as_rfc_7662_says() {
    let fake = Arc::new(Fake::default());
    fake.handle(URL, |request| {
        assert_eq!(
            request.form.as_ref().unwrap().as_str(),
            "token=tg%2Bat&token_type_hint=access_token"
        );
        assert_eq!(
            request.authorization.as_ref().unwrap().as_str(),
            "Basic cnM6c2VjcmV0"
        );
        ok(&active(&json!({})))
    });
    let introspector = builder(&fake).build().unwrap();
    let token = introspector.introspect_blocking("tg+at").unwrap().unwrap();
    assert_eq!((token.subject(), token.algorithm()), (Some("alice"), None));
    assert!(token.has_scope("orders:read"));
    for no_token in ["", "a b", "a\n", "é", &"x".repeat(20_000)] {
        assert!(
            introspector
                .introspect_blocking(no_token)
                .unwrap()
                .is_none()
        );
    }
    assert_eq!(introspector.requests_and_hits(), (1, 0));
    assert!(!format!("{introspector:?}").contains("secret"));
}

#[test]
fn answers_are_judged() {
    let check = |answer: Value, expected: Result<Option<&str>, Error>| {
        let expected = expected.map(|subject| subject.map(str::to_owned));
        assert_eq!(
            outcome(ok(&answer)),
            expected.map_err(Into::into),
            "{answer}"
        );
    };
    check(active(&json!({})), Ok(Some("alice")));
    check(
        json!({"active": true, "sub": "bob", "aud": AUDIENCE}),
        Ok(Some("bob")),
    );
    check(
        json!({"active": true, "sub": "bob"}),
        Err(Error::MissingClaim("aud".into())),
    );
    check(json!({"active": false, "sub": "bob"}), Ok(None));
    check(active(&json!({"exp": NOW.0})), Ok(None));
    check(active(&json!({"nbf": NOW.0 + 1})), Ok(None));
    check(
        active(&json!({"aud": "https://other.example"})),
        Err(Error::Audience),
    );
    check(
        active(&json!({"iss": "https://other.example"})),
        Err(Error::Issuer),
    );
    check(
        active(&json!({"exp": "soon"})),
        Err(Error::InvalidClaim("exp".into())),
    );
    check(
        active(&json!({"cnf": {"jkt": "x"}})),
        Err(Error::KeyBinding),
    );
}

#[test]
fn an_audience_may_be_missing_where_that_is_tolerated_by_name() {
    let check = |answer: Value, expected: bool| {
        let fake = Arc::new(Fake::default());
        fake.answer(URL, ok(&answer));
        let introspector = builder(&fake).tolerate_missing(Claim::Audience);
        let token = introspector.build().unwrap().introspect_blocking("tgat_1");
        assert_eq!(token.is_ok(), expected, "{answer}");
    };
    check(json!({"active": true, "sub": "bob"}), true);
    check(
        json!({"active": true, "aud": "https://other.example"}),
        false,
    );
}

#[test]
fn active_is_not_enough_for_what_is_no_access_token() {
    let check = |changes: Value, expected: Result<Option<&str>, Error>| {
        let outcome = outcome(ok(&active(&changes)));
        let expected = expected.map(|subject| subject.map(str::to_owned));
        assert_eq!(outcome, expected.map_err(Into::into), "{changes}");
    };
    for word in ["Bearer", "bearer", "access_token"] {
        check(json!({ "token_type": word }), Ok(Some("alice")));
    }
    check(
        json!({"token_type": "Bearer", "token_use": "access_token"}),
        Ok(Some("alice")),
    );
    for other in ["one_time", "Refresh", "N_A", "mac", ""] {
        check(json!({ "token_type": other }), Err(Error::TokenType));
    }
    for other in ["refresh_token", "id"] {
        let changes = json!({"token_type": "Bearer", "token_use": other});
        check(changes, Err(Error::TokenType));
    }
    // Bound, and not said to which key.
    check(json!({"token_type": "DPoP"}), Err(Error::KeyBinding));
    check(
        json!({"token_type": "DPoP", "cnf": {"jkt": "x"}}),
        Err(Error::KeyBinding),
    );
}

#[test]
fn clocks_may_differ_by_the_leeway() {
    let check = |changes: Value, leeway: u64, expected: bool| {
        let fake = Arc::new(Fake::default());
        fake.answer(URL, ok(&active(&changes)));
        let mut settings = IntrospectionSettings::default();
        settings.leeway = Duration::from_secs(leeway);
        let introspector = builder(&fake).settings(settings).build().unwrap();
        let token = introspector.introspect_blocking("tgat_1").unwrap();
        assert_eq!(token.is_some(), expected, "{changes} {leeway}");
    };
    check(json!({"iat": NOW.0 + 5}), 0, false);
    check(json!({"iat": NOW.0 + 5}), 5, true);
    check(json!({"iat": NOW.0 + 6}), 5, false);
    check(json!({"exp": NOW.0 - 4}), 5, true);
    check(json!({"exp": NOW.0 - 5}), 5, false);
    let mut settings = IntrospectionSettings::default();
    settings.leeway = Duration::from_secs(301);
    let refused = builder(&Arc::default()).settings(settings).build();
    assert_eq!(refused.err(), Some(BuildError::Leeway));
}

#[test]
fn what_is_no_answer_is_an_error() {
    for bad in [
        status(401),
        status(500),
        status(204),
        Err(FetchError::TimedOut),
        raw(b""),
        raw(b"<html>"),
        raw(b"[]"),
        ok(&json!({})),
        ok(&json!({"active": "true"})),
        ok(&json!({"active": 1})),
        ok(&json!({"active": null})),
        raw(br#"{"active":false,"active":true}"#),
        raw(b"\xff"),
        raw(&vec![b' '; 1024 * 1024 + 1]),
    ] {
        let refused = outcome(bad.clone());
        assert!(
            matches!(refused, Err(IntrospectionError::Fetch(_))),
            "{bad:?} {refused:?}"
        );
    }
}

#[test]
fn answers_are_kept_on_demand_and_within_bounds() {
    let fake = Arc::new(Fake::default());
    let exp = NOW.0 + 300;
    fake.answer(URL, ok(&active(&json!({ "exp": exp }))));
    let clock = Arc::new(HandClock::default());
    let mut settings = IntrospectionSettings::default();
    settings.cache_ttl = Duration::from_secs(10);
    settings.cache_entries_max = 2;
    let introspector = builder(&fake)
        .settings(settings)
        .clock(Arc::clone(&clock) as Arc<dyn Clock>)
        .build()
        .unwrap();
    let ask = |token: &str| {
        assert!(introspector.introspect_blocking(token).unwrap().is_some());
        introspector.requests_and_hits()
    };
    assert_eq!(ask("a"), (1, 0));
    assert_eq!(ask("a"), (1, 1));
    assert_eq!(ask("b"), (2, 1));
    assert_eq!(ask("b"), (2, 2));
    clock.advance(Duration::from_secs(10));
    assert_eq!(ask("a"), (3, 2));
    assert_eq!(ask("a"), (3, 3));
    for token in 0..100 {
        ask(&token.to_string());
    }
    // Two of those are kept, and no more.
    let (before, _) = introspector.requests_and_hits();
    for token in 0..100 {
        ask(&token.to_string());
    }
    assert!(introspector.requests_and_hits().0 >= before + 98);
}

#[test]
fn what_is_not_active_is_not_kept() {
    let fake = Arc::new(Fake::default());
    let mut settings = IntrospectionSettings::default();
    settings.cache_ttl = Duration::from_secs(10);
    settings.cache_entries_max = 2;
    let introspector = builder(&fake).settings(settings).build().unwrap();
    let ask = |token: &str| introspector.introspect_blocking(token).unwrap().is_some();
    // Strangers have any number of these, and must not fill the place of others.
    fake.answer(URL, ok(&json!({"active": false})));
    for junk in 0..100 {
        assert!(!ask(&format!("junk{junk}")));
    }
    // Made a second ahead of our clock, it is good a second later.
    fake.answer(URL, ok(&active(&json!({"nbf": NOW.0 + 1}))));
    assert!(!ask("early"));
    fake.answer(URL, ok(&active(&json!({}))));
    assert!(ask("early") && ask("early") && ask("junk0"));
    assert_eq!(introspector.requests_and_hits().1, 1);
}

#[test]
fn signed_answers_are_verified() {
    let keys = Fake::with_keys(&[&KEY]);
    let source = scene_with(Arc::clone(&keys), settings()).source;
    let (_, foreign) = SigningKey::generate(Algorithm::ES256).unwrap();
    let typ = "token-introspection+jwt";
    let claims = |changes: &Value| {
        let mut claims = json!({
            "iss": ISSUER, "aud": "rs", "iat": NOW.0,
            "token_introspection": active(&json!({})),
        });
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        claims.to_string()
    };
    let ask = |body: String, content_type: &str| {
        let fake = Arc::new(Fake::default());
        let mut answer = FetchResponse::new(200, body.into_bytes());
        answer.content_type = Some(content_type.to_owned());
        fake.handle(URL, move |request| {
            assert_eq!(request.accept, "application/token-introspection+jwt");
            Ok(answer.clone())
        });
        let introspector = builder(&fake).signed(&source).build().unwrap();
        introspector
            .introspect_blocking("tgat_1")
            .map(|token| token.is_some())
    };
    let body = || sign_with(&KEY, typ, claims(&json!({})).as_bytes());
    for spelled in [
        "Application/Token-Introspection+JWT",
        "application/token-introspection+jwt ; charset=utf-8",
    ] {
        assert_eq!(ask(body(), spelled), Ok(true), "{spelled}");
    }
    let signed_type = "application/token-introspection+jwt";
    let check = |key: &SigningKey, typ: &str, changes: Value, expected: Result<bool, &str>| {
        let body = sign_with(key, typ, claims(&changes).as_bytes());
        let outcome = ask(body, signed_type).map_err(|error| match error {
            IntrospectionError::Unverified(error) => error.code(),
            _ => "fetch",
        });
        assert_eq!(outcome, expected, "{typ} {changes}");
    };
    check(&KEY, typ, json!({}), Ok(true));
    check(
        &KEY,
        typ,
        json!({"token_introspection": {"active": false}}),
        Ok(false),
    );
    check(&KEY, "at+jwt", json!({}), Err("token_type"));
    check(&foreign, typ, json!({}), Err("key_not_found"));
    check(&KEY, typ, json!({"aud": "another"}), Err("audience"));
    check(
        &KEY,
        typ,
        json!({"iss": "https://evil.example"}),
        Err("issuer"),
    );
    check(&KEY, typ, json!({"iat": NOW.0 - 61}), Err("expired"));
    check(&KEY, typ, json!({"token_introspection": {}}), Err("fetch"));
    let unsigned = ask(active(&json!({})).to_string(), "application/json");
    assert!(matches!(unsigned, Err(IntrospectionError::Fetch(_))));
}
