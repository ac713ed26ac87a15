//! Opaque tokens, asked about one by one and many at once.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tollgate_verify::client::{
    ClientCredentials, Clock, FetchError, FetchRequest, FetchResponse, HttpClient,
    IntrospectionError, IntrospectionSettings, Introspector, IntrospectorBuilder,
};
use tollgate_verify::jose::{Algorithm, SigningKey};
use tollgate_verify::{BuildError, Error};

use super::fake::{Answer, Fake, HandClock, ok, raw, scene_with, settings, status};
use crate::provider::{AUDIENCE, ISSUER, KEY, NOW, good, sign_with};

const URL: &str = "https://as.example/introspect";
const BATCH: &str = "https://as.example/introspect/batch";

fn active(changes: &Value) -> Value {
    let mut answer = good();
    answer["active"] = json!(true);
    for (name, value) in changes.as_object().unwrap() {
        answer[name] = value.clone();
    }
    answer
}

fn builder(fake: &Arc<Fake>) -> IntrospectorBuilder {
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
    check(json!({"active": true, "sub": "bob"}), Ok(Some("bob")));
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_token_is_asked_about_once_at_a_time() {
    let fake = Arc::new(Fake::default());
    fake.answer(URL, ok(&active(&json!({}))));
    fake.close();
    let introspector = builder(&fake).build().unwrap();
    let all: Vec<&str> = vec!["tgat_1"; 50];
    let asking = introspector.introspect_many(&all);
    let opening = async {
        while fake.requests(URL) == 0 {
            tokio::task::yield_now().await;
        }
        fake.open();
    };
    let (answers, ()) = tokio::join!(asking, opening);
    assert!(
        answers
            .iter()
            .all(|answer| answer.as_ref().unwrap().is_some())
    );
    assert_eq!(fake.requests(URL), 1);
    // Nothing is kept by default: a revocation counts at once.
    fake.answer(URL, ok(&json!({"active": false})));
    assert!(introspector.introspect("tgat_1").await.unwrap().is_none());
}

fn batch_answer(request: &FetchRequest) -> Answer {
    let body: Value = serde_json::from_str(request.json.as_ref().unwrap()).unwrap();
    let tokens = body["tokens"].as_array().unwrap();
    let results: Vec<Value> = tokens
        .iter()
        .map(|token| active(&json!({ "sub": token })))
        .collect();
    ok(&json!({ "results": results }))
}

#[tokio::test]
async fn what_arrives_meanwhile_goes_into_the_next_request() {
    let fake = Arc::new(Fake::default());
    fake.answer(URL, ok(&active(&json!({"sub": "t0"}))));
    fake.handle(BATCH, batch_answer);
    fake.close();
    let mut settings = IntrospectionSettings::default();
    settings.requests_max = 1;
    let introspector = builder(&fake)
        .settings(settings)
        .batch_url(BATCH)
        .build()
        .unwrap();
    let first = introspector.introspect("t0");
    let rest = async {
        while fake.requests(URL) == 0 {
            tokio::task::yield_now().await;
        }
        let tokens: Vec<String> = (1..=150).map(|i| format!("t{i}")).collect();
        let borrowed: Vec<&str> = tokens.iter().map(String::as_str).collect();
        let asking = introspector.introspect_many(&borrowed);
        let opening = async { fake.open() };
        let (answers, ()) = tokio::join!(asking, opening);
        for (token, answer) in tokens.iter().zip(answers) {
            assert_eq!(answer.unwrap().unwrap().subject(), Some(token.as_str()));
        }
    };
    let (first, ()) = tokio::join!(first, rest);
    assert_eq!(first.unwrap().unwrap().subject(), Some("t0"));
    assert_eq!((fake.requests(URL), fake.requests(BATCH)), (1, 2));
}

#[tokio::test]
async fn a_batch_with_the_wrong_number_of_answers_is_no_answer() {
    let fake = Arc::new(Fake::default());
    fake.answer(URL, status(500));
    fake.answer(BATCH, ok(&json!({"results": [active(&json!({}))]})));
    let mut settings = IntrospectionSettings::default();
    settings.requests_max = 1;
    fake.close();
    let introspector = builder(&fake)
        .settings(settings)
        .batch_url(BATCH)
        .build()
        .unwrap();
    let asking = introspector.introspect_many(&["t1", "t2", "t3", "t4"]);
    let (answers, ()) = tokio::join!(asking, async { fake.open() });
    assert!(
        answers
            .iter()
            .all(|answer| matches!(answer, Err(IntrospectionError::Fetch(_))))
    );
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
    // No room: asked every time.
    assert_eq!(ask("c"), (3, 1));
    assert_eq!(ask("c"), (4, 1));
    clock.advance(Duration::from_secs(10));
    assert_eq!(ask("a"), (5, 1));
    assert_eq!(ask("a"), (5, 2));
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
        let answer = FetchResponse {
            status: 200,
            body: body.into_bytes(),
            content_type: Some(content_type.to_owned()),
            ..FetchResponse::default()
        };
        fake.handle(URL, move |request| {
            assert_eq!(request.accept, "application/token-introspection+jwt");
            Ok(answer.clone())
        });
        let introspector = builder(&fake).signed(&source).build().unwrap();
        introspector
            .introspect_blocking("tgat_1")
            .map(|token| token.is_some())
    };
    let signed_type = "application/token-introspection+jwt";
    let check = |key: &SigningKey, typ: &str, changes: Value, expected: Result<bool, &str>| {
        let body = sign_with(key, typ, claims(&changes).as_bytes());
        let outcome = ask(body, signed_type).map_err(|error| match error {
            IntrospectionError::Refused(error) => error.code(),
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

#[tokio::test]
async fn more_than_may_wait_is_refused() {
    let fake = Arc::new(Fake::default());
    fake.answer(URL, ok(&active(&json!({}))));
    fake.close();
    let mut settings = IntrospectionSettings::default();
    (settings.requests_max, settings.waiting_max) = (1, 2);
    let introspector = builder(&fake).settings(settings).build().unwrap();
    let tokens: Vec<String> = (0..10).map(|i| i.to_string()).collect();
    let borrowed: Vec<&str> = tokens.iter().map(String::as_str).collect();
    let (answers, ()) = tokio::join!(introspector.introspect_many(&borrowed), async {
        fake.open();
    });
    let refused = answers
        .iter()
        .filter(|answer| matches!(answer, Err(IntrospectionError::Overloaded)))
        .count();
    // One may be under way beside the two that wait.
    assert!((7..=8).contains(&refused), "{refused}");
}

#[test]
fn a_client_that_panics_leaves_nobody_waiting() {
    let fake = Arc::new(Fake::default());
    fake.handle(URL, |_| panic!("a bug in the caller's client"));
    let introspector = builder(&fake).build().unwrap();
    for _ in 0..20 {
        let refused = introspector.introspect_blocking("tgat_1");
        assert!(matches!(refused, Err(IntrospectionError::Fetch(_))));
    }
    fake.answer(URL, ok(&active(&json!({}))));
    assert!(
        introspector
            .introspect_blocking("tgat_1")
            .unwrap()
            .is_some()
    );
}
