//! The layer before opaque tokens.

use std::sync::{Arc, Mutex};

use http::StatusCode;
use serde_json::{Value, json};
use tollgate_verify::client::{
    ClientCredentials, FetchResponse, HttpClient, Introspector, IntrospectorBuilder,
};
use tollgate_verify::jose::{Algorithm, SigningKey};
use tollgate_verify::web::RequireToken;
use tollgate_verify::{Error, Ready, VerifierBuilder};

use crate::client::fake::{Fake, ok as answer_of, scene_with, settings};
use crate::provider::{AUDIENCE, ISSUER, KEY, NOW, builder, good, sign_with, token, with};
use crate::web::{Stopped, app, layer, request, send, status_for};

const URL: &str = "https://as.example/introspect";

fn introspector(fake: Arc<Fake>) -> IntrospectorBuilder {
    let credentials = ClientCredentials::new("rs", "secret");
    Introspector::builder(URL, ISSUER, AUDIENCE, credentials)
        .http(fake as Arc<dyn HttpClient>)
        .clock(Arc::new(Stopped))
}

/// An answer that calls a token active, with one claim changed.
fn active(name: &str, value: Value) -> Value {
    let mut answer = with(name, value);
    answer["active"] = json!(true);
    answer
}

#[tokio::test]
async fn opaque_tokens_are_asked_about() {
    let check = async |answer: Value, expected: StatusCode| {
        let fake = Arc::new(Fake::default());
        fake.answer(URL, answer_of(&answer));
        let introspector = introspector(fake).build().unwrap();
        let layer = layer().introspection(&introspector);
        let (status, _, _) = send(app(layer), request(&["Bearer tgat_1"])).await;
        assert_eq!(status, expected, "{answer}");
    };
    check(active("sub", json!("bob")), StatusCode::OK).await;
    check(json!({"active": false}), StatusCode::UNAUTHORIZED).await;
    check(active("aud", json!("other")), StatusCode::UNAUTHORIZED).await;
    check(active("cnf", json!({"jkt": "x"})), StatusCode::UNAUTHORIZED).await;
    check(json!({}), StatusCode::SERVICE_UNAVAILABLE).await;
    assert_eq!(
        send(app(layer()), request(&["Bearer tgat_1"])).await.0,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn opaque_tokens_are_held_to_the_verifiers_policy() {
    let check = async |bearer: &str, answer: Value, policy: VerifierBuilder<Ready>, expected| {
        let fake = Arc::new(Fake::default());
        fake.answer(URL, answer_of(&answer));
        let introspector = introspector(fake).build().unwrap();
        let verifier = policy.clock(Arc::new(Stopped)).build().unwrap();
        let layer = RequireToken::new(verifier).introspection(&introspector);
        let authorization = format!("Bearer {bearer}");
        let (status, _, _) = send(app(layer), request(&[&authorization])).await;
        assert_eq!(status, expected, "{bearer} {answer}");
    };
    let (ok, refused) = (StatusCode::OK, StatusCode::UNAUTHORIZED);
    let demanding = || builder().require("amr");
    check("tgat_1", active("amr", json!("pwd")), demanding(), ok).await;
    check("tgat_1", active("sub", json!("bob")), demanding(), refused).await;
    let impatient = || builder().max_age(std::time::Duration::from_secs(60));
    let issued = |ago: u64| active("iat", json!(NOW.0 - ago));
    check("tgat_1", issued(60), impatient(), ok).await;
    check("tgat_1", issued(61), impatient(), refused).await;
    check("tgat_1", active("iat", json!(null)), impatient(), refused).await;
    check("tgat_1", active("iat", json!(null)), builder(), ok).await;
    check(
        "tgat_1",
        active("token_type", json!("one_time")),
        builder(),
        refused,
    )
    .await;
    // Opaque tokens may have dots; what has the form of a JWT is for the verifier alone.
    check("ya29.opaque", issued(1), builder(), ok).await;
    check("a.b.c.d.e", issued(1), builder(), ok).await;
    check("a.b.c", issued(1), builder(), refused).await;
}

#[tokio::test]
async fn an_answer_that_cannot_be_verified_says_nothing_of_the_token() {
    let source = scene_with(Fake::with_keys(&[&KEY]), settings()).source;
    let (_, foreign) = SigningKey::generate(Algorithm::ES256).unwrap();
    let check = async |key: &SigningKey, iat: u64, expected: StatusCode| {
        let claims = json!({
            "iss": ISSUER, "aud": "rs", "iat": iat,
            "token_introspection": active("sub", json!("bob")),
        });
        let typ = "token-introspection+jwt";
        let fake = Arc::new(Fake::default());
        let body = sign_with(key, typ, claims.to_string().as_bytes());
        let mut answer = FetchResponse::new(200, body.into());
        answer.content_type = Some(format!("application/{typ}"));
        fake.answer(URL, Ok(answer));
        let introspector = introspector(fake).signed(&source).build().unwrap();
        let layer = layer().introspection(&introspector);
        assert_eq!(status_for(layer, "tgat_1").await, expected, "{iat}");
    };
    check(&KEY, NOW.0, StatusCode::OK).await;
    for unusable in [NOW.0 + 1, NOW.0 - 61] {
        check(&KEY, unusable, StatusCode::SERVICE_UNAVAILABLE).await;
    }
    check(&foreign, NOW.0, StatusCode::SERVICE_UNAVAILABLE).await;
}

#[tokio::test]
async fn opaque_tokens_are_counted_like_others() {
    let fake = Arc::new(Fake::default());
    let introspector = introspector(Arc::clone(&fake)).build().unwrap();
    let verifier = builder().clock(Arc::new(Stopped)).build().unwrap();
    let refused = Arc::<Mutex<Vec<Error>>>::default();
    let log = Arc::clone(&refused);
    let layer = RequireToken::new(verifier.clone())
        .introspection(&introspector)
        .on_refusal(move |error| log.lock().unwrap().push(error.clone()));
    let answers = [
        answer_of(&active("sub", json!("bob"))),
        answer_of(&json!({"active": false})),
        crate::client::fake::status(500),
    ];
    for answer in answers {
        fake.answer(URL, answer);
        let _ = status_for(layer.clone(), "tgat_1").await;
    }
    let _ = status_for(layer, &token(&good())).await;
    assert_eq!(
        *refused.lock().unwrap(),
        [Error::Inactive, Error::KeysUnavailable]
    );
    let stats = verifier.stats();
    let results: Vec<(&str, u64)> = stats.results.clone();
    let count = |code: &str| {
        results
            .iter()
            .find(|(word, _)| *word == code)
            .map(|(_, n)| *n)
    };
    assert_eq!(count("valid"), Some(2), "{results:?}");
    assert_eq!(count("expired"), Some(1), "{results:?}");
    assert_eq!(count("keys_unavailable"), Some(1), "{results:?}");
    assert_eq!(stats.durations.count, 4);
}
