//! Checks of the caller's own: run last, run every time, at once or awaited.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::StatusCode;
use serde_json::{Value, json};
use tollgate_verify::web::RequireToken;
use tollgate_verify::{Awaited, BuildError, Error, NoClaims, Presented, Rejection, Verifier};

use crate::client::fake::HandClock;
use crate::provider::{builder, good, token, with};

/// A verifier that asks about each subject, and how often it has asked.
fn asking() -> (Verifier<NoClaims, Awaited>, Arc<AtomicUsize>) {
    let asked = Arc::<AtomicUsize>::default();
    let counter = Arc::clone(&asked);
    let verifier = builder()
        .clock(Arc::new(HandClock::default()))
        .validate_async(move |token| {
            counter.fetch_add(1, Ordering::SeqCst);
            Box::pin(async move {
                tokio::task::yield_now().await;
                match token.subject() {
                    Some("mallory") => Err(Rejection::new("blocked")),
                    Some("nobody knows") => Err(Rejection::undecided("no answer")),
                    _ => Ok(()),
                }
            })
        })
        .build()
        .unwrap();
    (verifier, asked)
}

fn of(subject: &str) -> String {
    token(&with("sub", json!(subject)))
}

#[tokio::test]
async fn awaited_validators_decide() {
    let (verifier, asked) = asking();
    assert!(verifier.verify(&of("alice")).await.is_ok());
    let refused = verifier.verify(&of("mallory")).await.unwrap_err();
    assert_eq!(refused, Error::Rejected("blocked".into()));
    let undecided = verifier.verify(&of("nobody knows")).await.unwrap_err();
    assert_eq!(undecided, Error::Undecided("no answer".into()));
    assert_eq!(asked.load(Ordering::SeqCst), 3);
    let stats = verifier.stats();
    assert_eq!(
        stats.results,
        [("valid", 1), ("invalid_claim", 1), ("undecided", 1)]
    );
}

#[tokio::test]
async fn nobody_is_asked_about_a_token_that_is_refused_anyway() {
    let (verifier, asked) = asking();
    let bound = token(&with("cnf", json!({"jkt": "x"})));
    for (refused, code) in [
        (token(&with("exp", json!(1))), "expired"),
        (format!("{}x", token(&good())), "malformed"),
        (bound.clone(), "key_binding"),
    ] {
        assert_eq!(verifier.verify(&refused).await.unwrap_err().code(), code);
    }
    let presented = Presented {
        certificate: Some(b"another"),
        ..Presented::default()
    };
    let unproven = verifier.verify_bound(&bound, &presented).await;
    assert_eq!(unproven.unwrap_err().code(), "key_binding");
    assert_eq!(asked.load(Ordering::SeqCst), 0);
    // What was not proven is not counted as valid.
    let results = verifier.stats().results;
    assert!(
        !results.iter().any(|(word, _)| *word == "valid"),
        "{results:?}"
    );
    assert!(results.contains(&("key_binding", 2)), "{results:?}");
}

#[tokio::test]
async fn those_at_once_go_before_those_awaited() {
    let asked = Arc::<AtomicUsize>::default();
    let counter = Arc::clone(&asked);
    let verifier = builder()
        .clock(Arc::new(HandClock::default()))
        .validate_async(move |_| {
            counter.fetch_add(1, Ordering::SeqCst);
            Box::pin(async { Ok(()) })
        })
        .validate(|_| Err(Rejection::new("no")))
        .build()
        .unwrap();
    let refused = verifier.verify(&of("alice")).await.unwrap_err();
    assert_eq!(refused.code(), "invalid_claim");
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_batch_awaits_a_bounded_number_at_a_time() {
    let (running, most) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let (now, max) = (Arc::clone(&running), Arc::clone(&most));
    let verifier = builder()
        .clock(Arc::new(HandClock::default()))
        .validate_async(move |token| {
            let (now, max) = (Arc::clone(&now), Arc::clone(&max));
            Box::pin(async move {
                max.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::task::yield_now().await;
                now.fetch_sub(1, Ordering::SeqCst);
                match token.subject() {
                    Some("7") => Err(Rejection::new("seven")),
                    _ => Ok(()),
                }
            })
        })
        .build()
        .unwrap();
    let tokens: Vec<String> = (0..50).map(|i| of(&i.to_string())).collect();
    let borrowed: Vec<&str> = tokens.iter().map(String::as_str).collect();
    let results = verifier.verify_many(&borrowed).await;
    for (i, result) in results.iter().enumerate() {
        let subject = result.as_ref().map(|token| token.subject().unwrap());
        let expected = i.to_string();
        let expected = if i == 7 {
            Err("invalid_claim")
        } else {
            Ok(expected.as_str())
        };
        assert_eq!(subject.map_err(Error::code), expected);
    }
    assert_eq!(most.load(Ordering::SeqCst), 16);
    assert_eq!(
        verifier.stats().results,
        [("valid", 49), ("invalid_claim", 1)]
    );
}

#[tokio::test]
async fn a_server_tells_refused_from_undecided() {
    let (verifier, _) = asking();
    for (subject, expected) in [
        ("alice", StatusCode::OK),
        ("mallory", StatusCode::UNAUTHORIZED),
        ("nobody knows", StatusCode::SERVICE_UNAVAILABLE),
    ] {
        let layer = RequireToken::new(verifier.clone());
        assert_eq!(crate::web::status_for(layer, &of(subject)).await, expected);
    }
}

#[test]
fn a_check_for_another_claims_type_is_not_lost_in_silence() {
    let built = builder()
        .validate_async(|_| Box::pin(async { Ok(()) }))
        .claims::<Value>()
        .build();
    assert_eq!(built.unwrap_err(), BuildError::ValidatorLost);
}
