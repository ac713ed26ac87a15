//! Tokens for a service's own calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tollgate_verify::client::{ClientCredentials, ClientTokens, Clock, FetchError, HttpClient};

use super::fake::{Answer, Fake, HandClock, ok, raw, status};

const URL: &str = "https://as.example/token";

fn scene() -> (Arc<Fake>, Arc<HandClock>, ClientTokens) {
    let (fake, clock) = (Arc::new(Fake::default()), Arc::new(HandClock::default()));
    let count = AtomicU64::new(0);
    fake.handle(URL, move |request| {
        let form = request.form.as_ref().unwrap().as_str();
        assert_eq!(form, "grant_type=client_credentials&scope=a+b&resource=https%3A%2F%2Frs.example");
        assert_eq!(request.authorization.as_ref().unwrap().as_str(), "Basic YzpzZWNyZXQ=");
        let number = count.fetch_add(1, Ordering::SeqCst);
        answer(&json!({"access_token": format!("t{number}"), "token_type": "bearer", "expires_in": 100}))
    });
    let tokens = ClientTokens::builder(URL, ClientCredentials::new("c", "secret"))
        .scope("a b")
        .resource("https://rs.example")
        .http(Arc::clone(&fake) as Arc<dyn HttpClient>)
        .clock(Arc::clone(&clock) as Arc<dyn Clock>)
        .build();
    (fake, clock, tokens)
}

fn answer(json: &Value) -> Answer {
    ok(json)
}

fn token(tokens: &ClientTokens) -> String {
    tokens.token_blocking().unwrap().expose().to_owned()
}

#[test]
fn a_token_is_kept_and_renewed_ahead() {
    let (fake, clock, tokens) = scene();
    assert_eq!((token(&tokens), token(&tokens)), ("t0".into(), "t0".into()));
    clock.advance(Duration::from_millis(79_999));
    assert_eq!((token(&tokens), fake.requests(URL)), ("t0".into(), 1));
    // At four fifths the next one is fetched, while this one serves …
    fake.close();
    clock.advance(Duration::from_millis(1));
    assert_eq!((token(&tokens), token(&tokens)), ("t0".into(), "t0".into()));
    fake.open();
    // … and once it has run out, whoever comes waits for that same request.
    clock.advance(Duration::from_secs(20));
    assert_eq!((token(&tokens), fake.requests(URL)), ("t1".into(), 2));
    assert!(!format!("{tokens:?} {:?}", tokens.token_blocking()).contains("t1"));
}

#[test]
fn a_token_that_ran_out_on_its_way_is_a_failure() {
    let (fake, clock, tokens) = scene();
    let slow = Arc::clone(&clock);
    fake.handle(URL, move |_| {
        slow.advance(Duration::from_secs(5));
        answer(&json!({"access_token": "t", "token_type": "Bearer", "expires_in": 5}))
    });
    for _ in 0..10 {
        let error = tokens.token_blocking().unwrap_err();
        assert_eq!(error, FetchError::Invalid("token expired on arrival"));
    }
    assert_eq!(fake.requests(URL), 1);
}

#[test]
fn a_token_about_to_run_out_is_renewed_first() {
    let check = |life: u64, idle: u64, expected: &str| {
        let (fake, clock, tokens) = scene();
        let answer_of = move |token: &str| {
            answer(&json!({"access_token": token, "token_type": "Bearer", "expires_in": life}))
        };
        fake.answer(URL, answer_of("old"));
        assert_eq!(token(&tokens), "old");
        clock.advance(Duration::from_secs(idle));
        fake.answer(URL, answer_of("new"));
        assert_eq!(token(&tokens), expected, "{life} {idle}");
    };
    check(3600, 3589, "old");
    check(3600, 3590, "new");
    check(20, 17, "old");
    check(20, 18, "new");
    // Where none can be had, the old one serves as long as it lives.
    let (fake, clock, tokens) = scene();
    assert_eq!(token(&tokens), "t0");
    fake.answer(URL, status(500));
    for _ in 0..9 {
        clock.advance(Duration::from_secs(11));
        assert_eq!(token(&tokens), "t0");
    }
    clock.advance(Duration::from_secs(1));
    assert!(tokens.token_blocking().is_err());
}

#[test]
fn a_refused_token_is_discarded_once() {
    let (fake, clock, tokens) = scene();
    let first = tokens.token_blocking().unwrap();
    // Only just made: who refuses this one refuses the next as well.
    tokens.discard(&first);
    assert_eq!((token(&tokens), fake.requests(URL)), ("t0".into(), 1));
    clock.advance(Duration::from_secs(1));
    tokens.discard(&first);
    assert_eq!(token(&tokens), "t1");
    // Somebody else noticed later: the new one stays.
    tokens.discard(&first);
    assert_eq!(token(&tokens), "t1");
}

#[tokio::test]
async fn many_wait_for_one_request() {
    let (fake, _, tokens) = scene();
    fake.close();
    let wait = async || tokens.token().await.unwrap().expose().to_owned();
    let (one, two, three, ()) = tokio::join!(wait(), wait(), wait(), async { fake.open() });
    assert_eq!([one, two, three], ["t0", "t0", "t0"]);
    assert_eq!(fake.requests(URL), 1);
}

#[test]
fn failures_are_told_and_not_hammered() {
    for bad in [
        status(400),
        status(500),
        Err(FetchError::TimedOut),
        raw(b"<html>"),
        answer(&json!({"token_type": "Bearer"})),
        answer(&json!({"access_token": "", "token_type": "Bearer"})),
        answer(&json!({"access_token": "t", "token_type": "DPoP"})),
        answer(&json!({"access_token": "t", "token_type": "Bearer", "expires_in": 0})),
    ] {
        let (fake, clock, tokens) = scene();
        fake.answer(URL, bad.clone());
        let error = tokens.token_blocking().unwrap_err();
        for _ in 0..10 {
            assert_eq!(tokens.token_blocking().unwrap_err(), error, "{bad:?}");
        }
        assert_eq!(fake.requests(URL), 1, "{bad:?}");
        clock.advance(Duration::from_secs(1));
        fake.answer(
            URL,
            answer(&json!({"access_token": "t", "token_type": "Bearer"})),
        );
        assert_eq!(token(&tokens), "t", "{bad:?}");
    }
}

#[test]
fn a_failed_renewal_does_not_cost_the_token_that_serves() {
    let (fake, clock, tokens) = scene();
    assert_eq!(token(&tokens), "t0");
    fake.answer(URL, status(500));
    clock.advance(Duration::from_secs(90));
    assert_eq!((token(&tokens), token(&tokens)), ("t0".into(), "t0".into()));
}
