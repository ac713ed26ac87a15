//! The layers, as a client of the service sees them.

use std::sync::{Arc, Mutex};

use axum::body::{Body, to_bytes};
use axum::routing::get;
use axum::{Json, Router};
use http::header::WWW_AUTHENTICATE;
use http::{Request, Response, StatusCode};
use serde_json::{Value, json};
use tollgate_verify::client::Clock;
use tollgate_verify::jose::{Algorithm, sha256_base64url};
use tollgate_verify::web::{
    Authenticated, ClientCertificate, RequireScope, RequireToken, ResourceMetadata,
};
use tollgate_verify::{DpopSettings, UnixSeconds};
use tower::ServiceExt as _;

use crate::client::fake::{Fake, scene_with, settings, status};
use crate::provider::{AUDIENCE, ISSUER, NOW, builder, good, token, with};

pub(crate) struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> UnixSeconds {
        NOW
    }

    fn elapsed(&self) -> std::time::Duration {
        std::time::Duration::ZERO
    }
}

pub(crate) fn layer() -> RequireToken {
    RequireToken::new(builder().clock(Arc::new(Stopped)).build().unwrap()).realm("orders")
}

async fn who(token: Authenticated) -> Json<Value> {
    Json(json!({"sub": token.subject(), "scope": token.scopes().collect::<Vec<_>>()}))
}

pub(crate) fn app(layer: RequireToken) -> Router {
    Router::new().route("/who", get(who)).route_layer(layer)
}

pub(crate) fn request(authorization: &[&str]) -> Request<Body> {
    let mut request = Request::get("/who");
    for value in authorization {
        request = request.header("authorization", *value);
    }
    request.body(Body::empty()).unwrap()
}

pub(crate) async fn send(app: Router, request: Request<Body>) -> (StatusCode, Vec<String>, String) {
    let response: Response<Body> = app.oneshot(request).await.unwrap();
    let challenges = response.headers().get_all(WWW_AUTHENTICATE);
    let challenges = challenges
        .iter()
        .map(|value| value.to_str().unwrap().to_owned())
        .collect();
    let status = response.status();
    let body = to_bytes(response.into_body(), 10_000).await.unwrap();
    (
        status,
        challenges,
        String::from_utf8(body.to_vec()).unwrap(),
    )
}

/// The status that a token gets behind a layer.
pub(crate) async fn status_for(layer: RequireToken, token: &str) -> StatusCode {
    send(app(layer), request(&[&format!("Bearer {token}")]))
        .await
        .0
}

#[tokio::test]
async fn a_good_token_is_let_in() {
    let (status, _, body) = send(
        app(layer()),
        request(&[&format!("Bearer {}", token(&good()))]),
    )
    .await;
    assert_eq!(status, StatusCode::OK);
    let body: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        body,
        json!({"sub": "alice", "scope": ["orders:read", "orders:write"]})
    );
}

#[tokio::test]
async fn refusals_are_uniform() {
    let unauthorized = r#"{"error":"unauthorized"}"#;
    let (status, challenges, body) = send(app(layer()), request(&[])).await;
    assert_eq!(
        (status, body.as_str()),
        (StatusCode::UNAUTHORIZED, unauthorized)
    );
    assert_eq!(challenges, [r#"Bearer realm="orders""#]);
    // No scope is no parameter, not an empty one.
    let (_, challenges, _) = send(app(layer().scope("")), request(&[])).await;
    assert_eq!(challenges, [r#"Bearer realm="orders""#]);

    let bound = token(&with("cnf", json!({"jkt": "x"})));
    for bad in [
        "abc",
        &token(&with("exp", json!(NOW.0))),
        &token(&with("aud", json!("other"))),
        &format!("{}x", token(&good())),
        &bound,
    ] {
        let seen = send(app(layer()), request(&[&format!("Bearer {bad}")])).await;
        let challenge = r#"Bearer realm="orders", error="invalid_token""#.to_owned();
        assert_eq!(
            seen,
            (
                StatusCode::UNAUTHORIZED,
                vec![challenge],
                unauthorized.to_owned()
            )
        );
    }
    for other in ["Basic YTpi", "DPoP abc", "Digest x"] {
        let (status, challenges, _) = send(app(layer()), request(&[other])).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{other}");
        assert!(!challenges[0].contains("invalid_token"), "{other}");
    }
    let good = format!("Bearer {}", token(&good()));
    for broken in [
        &[good.as_str(), good.as_str()][..],
        &["Bearer"],
        &["Bearer a b"],
    ] {
        let (status, challenges, _) = send(app(layer()), request(broken)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{broken:?}");
        assert_eq!(
            challenges,
            [r#"Bearer realm="orders", error="invalid_request""#]
        );
    }
}

#[tokio::test]
async fn scope_is_demanded() {
    let good = format!("Bearer {}", token(&good()));
    let ok = send(
        app(layer().scope("orders:read orders:write")),
        request(&[&good]),
    )
    .await;
    assert_eq!(ok.0, StatusCode::OK);
    let (status, challenges, body) = send(app(layer().scope("admin")), request(&[&good])).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let challenge = r#"Bearer realm="orders", error="insufficient_scope", scope="admin""#;
    assert_eq!(
        (challenges[0].as_str(), body.as_str()),
        (challenge, r#"{"error":"insufficient_scope"}"#)
    );

    let guarded = |scope: &str| {
        Router::new()
            .route("/who", get(who))
            .route_layer(RequireScope::new(scope))
            .route_layer(layer())
    };
    assert_eq!(
        send(guarded("orders:read"), request(&[&good])).await.0,
        StatusCode::OK
    );
    // The guard speaks with the words of the layer in front of it.
    let (status, challenges, _) = send(guarded("admin"), request(&[&good])).await;
    assert_eq!(
        (status, challenges),
        (StatusCode::FORBIDDEN, vec![challenge.to_owned()])
    );
    let bound = Router::new()
        .route("/who", get(who))
        .route_layer(RequireScope::new("admin"))
        .route_layer(layer().dpop("https://orders.example").unwrap());
    let (_, challenges, _) = send(bound, request(&[&good])).await;
    assert_eq!(challenges.len(), 2);
    assert!(
        challenges[1]
            .starts_with(r#"DPoP realm="orders", error="insufficient_scope", scope="admin""#),
        "{challenges:?}"
    );
    let open = Router::new()
        .route("/who", get(who))
        .route_layer(RequireScope::new("a"));
    assert_eq!(
        send(open, request(&[&good])).await.0,
        StatusCode::UNAUTHORIZED
    );
    // A token is there, and of another claims type: no fault of the client's.
    let misplaced = Router::new()
        .route("/who", get(who))
        .route_layer(RequireScope::<Value>::for_claims("orders:read"))
        .route_layer(layer());
    let (status, challenges, _) = send(misplaced, request(&[&good])).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(challenges.is_empty(), "{challenges:?}");
    let bare = Router::new().route("/who", get(who));
    assert_eq!(
        send(bare, request(&[&good])).await.0,
        StatusCode::INTERNAL_SERVER_ERROR
    );
}

#[tokio::test]
async fn servers_without_tower_judge_the_head_alone() {
    let check =
        async |authorization: Option<&str>, scope: &str, expected: Result<(), StatusCode>| {
            let mut request = Request::get("/who");
            if let Some(authorization) = authorization {
                request = request.header("authorization", authorization);
            }
            let (head, ()) = request.body(()).unwrap().into_parts();
            let layer = layer().scope(scope);
            let outcome = layer.authenticate::<&'static str>(&head).await;
            let outcome = outcome
                .as_ref()
                .map(|token| assert_eq!(token.subject(), Some("alice")));
            if let Err(answer) = &outcome {
                assert!(answer.headers().contains_key(WWW_AUTHENTICATE));
                assert!(answer.body().starts_with(r#"{"error":""#));
            }
            assert_eq!(outcome.map_err(Response::status), expected);
        };
    let good = format!("Bearer {}", token(&good()));
    check(Some(&good), "orders:read", Ok(())).await;
    check(Some(&good), "admin", Err(StatusCode::FORBIDDEN)).await;
    check(Some("Bearer x"), "", Err(StatusCode::UNAUTHORIZED)).await;
    check(Some("Bearer x y"), "", Err(StatusCode::BAD_REQUEST)).await;
    check(Some("DPoP"), "", Err(StatusCode::UNAUTHORIZED)).await;
    check(None, "", Err(StatusCode::UNAUTHORIZED)).await;
}

#[tokio::test]
async fn without_keys_the_service_is_unavailable() {
    let fake = Fake::with_keys(&[]);
    fake.answer(crate::client::fake::METADATA, status(500));
    let scene = scene_with(fake, settings());
    let causes = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&causes);
    let layer = RequireToken::new(scene.verifier.clone())
        .on_refusal(move |error| log.lock().unwrap().push(error.code()));
    let (status, challenges, _) = send(
        app(layer),
        request(&[&format!("Bearer {}", token(&good()))]),
    )
    .await;
    assert_eq!(
        (status, challenges.len()),
        (StatusCode::SERVICE_UNAVAILABLE, 0)
    );
    assert_eq!(*causes.lock().unwrap(), ["keys_unavailable"]);
}

#[tokio::test]
async fn certificates_count_when_the_connection_brings_them() {
    let bound = token(&with("cnf", json!({"x5t#S256": sha256_base64url(b"der")})));
    for (certificate, expected) in [
        (Some(&b"der"[..]), StatusCode::OK),
        (Some(&b"other"[..]), StatusCode::UNAUTHORIZED),
        (None, StatusCode::UNAUTHORIZED),
    ] {
        let mut request = request(&[&format!("Bearer {bound}")]);
        if let Some(der) = certificate {
            request
                .extensions_mut()
                .insert(ClientCertificate(der.into()));
        }
        assert_eq!(send(app(layer()), request).await.0, expected);
    }
}

#[tokio::test]
async fn dpop_is_told_what_it_needs() {
    let mut settings = DpopSettings::default();
    settings.nonce_secret = Some(vec![1; 32].into());
    settings.algorithms = vec![Algorithm::ES256, Algorithm::EdDSA];
    let verifier = builder()
        .clock(Arc::new(Stopped))
        .dpop(settings)
        .build()
        .unwrap();
    let nonce = verifier.dpop_nonce_at(NOW).unwrap();
    let layer = || {
        RequireToken::new(verifier.clone())
            .dpop("https://orders.example/")
            .unwrap()
    };
    let send_proof = async |nonce: Option<&str>, url: &str, proofs: usize| {
        let (token, proof) = crate::bound::token_and_proof(nonce, url);
        let mut request = Request::get("/who").header("authorization", format!("DPoP {token}"));
        for _ in 0..proofs {
            request = request.header("dpop", &proof);
        }
        let request = request.body(Body::empty()).unwrap();
        let response = app(layer()).oneshot(request).await.unwrap();
        let challenge = response.headers().get(WWW_AUTHENTICATE);
        let challenge = challenge
            .map_or("", |value| value.to_str().unwrap())
            .to_owned();
        (
            response.status(),
            challenge,
            response.headers().get("dpop-nonce").cloned(),
        )
    };
    let url = "https://orders.example/who";
    let (status, _, next) = send_proof(Some(&nonce), url, 1).await;
    assert_eq!(
        (status, next.unwrap().to_str().unwrap()),
        (StatusCode::OK, &*nonce)
    );
    let (status, challenge, told) = send_proof(None, url, 1).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert!(
        challenge.starts_with(r#"DPoP error="use_dpop_nonce", algs="ES256 EdDSA""#),
        "{challenge}"
    );
    assert_eq!(told.unwrap(), nonce.as_str());
    for (url, proofs) in [("https://orders.example/other", 1), (url, 0), (url, 2)] {
        let (status, challenge, _) = send_proof(Some(&nonce), url, proofs).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED);
        assert!(
            challenge.starts_with(r#"DPoP error="invalid_dpop_proof""#),
            "{challenge}"
        );
    }
    let (status, challenges, _) = send(app(layer()), request(&[])).await;
    assert_eq!((status, challenges.len()), (StatusCode::UNAUTHORIZED, 2));
    for (header, expected) in [
        ("DPoP", StatusCode::BAD_REQUEST),
        ("dpop ", StatusCode::BAD_REQUEST),
        ("DPoP a b", StatusCode::BAD_REQUEST),
        ("DPoPx a", StatusCode::UNAUTHORIZED),
    ] {
        let (status, _, _) = send(app(layer()), request(&[header])).await;
        assert_eq!(status, expected, "{header}");
    }
}

#[test]
fn an_origin_that_no_proof_can_name_is_refused() {
    let check = |origin: &str, expected: bool| {
        assert_eq!(layer().dpop(origin).is_ok(), expected, "{origin}");
    };
    for good in [
        "https://orders.example",
        "http://127.0.0.1:3000/",
        "https://orders.example/api",
    ] {
        check(good, true);
    }
    for bad in [
        "orders.example",
        "",
        "https://",
        "ftp://orders.example",
        "https://user@orders.example",
    ] {
        check(bad, false);
    }
}

#[tokio::test]
async fn a_path_taken_off_before_the_layer_belongs_to_the_origin() {
    let verifier = builder().clock(Arc::new(Stopped)).build().unwrap();
    let status = async |url: &str| {
        let layer = RequireToken::new(verifier.clone())
            .dpop("https://orders.example/api")
            .unwrap();
        let (token, proof) = crate::bound::token_and_proof(None, url);
        let request = Request::get("/api/who")
            .header("authorization", format!("DPoP {token}"))
            .header("dpop", proof)
            .body(Body::empty())
            .unwrap();
        let nested = Router::new().nest("/api", app(layer));
        nested.oneshot(request).await.unwrap().status()
    };
    assert_eq!(
        status("https://orders.example/api/who").await,
        StatusCode::OK
    );
    for elsewhere in [
        "https://orders.example/who",
        "https://orders.example/api/api/who",
    ] {
        assert_eq!(
            status(elsewhere).await,
            StatusCode::UNAUTHORIZED,
            "{elsewhere}"
        );
    }
}

#[tokio::test]
async fn nothing_breaks_out_of_a_challenge() {
    let evil = "a\" b\\\r\nset-cookie: x=1\u{e9}\0";
    let layer = layer().realm(evil).scope(evil).resource_metadata(evil);
    let response = app(layer).oneshot(request(&[])).await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    assert!(response.headers().get("set-cookie").is_none());
    let challenges: Vec<_> = response
        .headers()
        .get_all(WWW_AUTHENTICATE)
        .iter()
        .collect();
    let [challenge] = challenges.as_slice() else {
        panic!("{challenges:?}");
    };
    let safe = "a bset-cookie: x=1";
    let expected = format!(r#"Bearer realm="{safe}", scope="{safe}", resource_metadata="{safe}""#);
    assert_eq!(challenge.to_str().unwrap(), expected);
}

#[test]
fn resource_metadata_is_where_rfc_9728_looks() {
    let check = |resource: &str, path: &str| {
        let metadata = ResourceMetadata::new(resource, ISSUER);
        assert_eq!(
            metadata.path(),
            format!("/.well-known/oauth-protected-resource{path}")
        );
    };
    check(AUDIENCE, "");
    check("https://rs.example/", "");
    check("https://rs.example/a/b", "/a/b");
    check("https://rs.example?next=/x", "");
    check("https://rs.example/a?t=/x", "/a");
    let url = |resource: &str| ResourceMetadata::new(resource, ISSUER).url();
    let known = "https://rs.example/.well-known/oauth-protected-resource";
    assert_eq!(url("https://rs.example").as_deref(), Some(known));
    assert_eq!(url("https://rs.example/a"), Some(format!("{known}/a")));
    assert_eq!(
        url("https://rs.example?t=/a"),
        Some(format!("{known}?t=/a"))
    );
    assert_eq!(url("https://rs.example/a/?t"), Some(format!("{known}/a?t")));
    assert_eq!(
        [url("orders"), url("urn://x"), url("https://")],
        [None, None, None]
    );
    let mut settings = DpopSettings::default();
    settings.algorithms = vec![Algorithm::HS256, Algorithm::ES256];
    let metadata = ResourceMetadata::new(AUDIENCE, ISSUER).scopes(["a"]);
    let plain = serde_json::to_value(&metadata).unwrap();
    assert_eq!(plain.as_object().unwrap().len(), 4, "{plain}");
    let other = "https://other.example";
    let bound = metadata
        .clone()
        .or_issuer(other)
        .certificate_bound()
        .dpop_required();
    let bound = serde_json::to_value(bound).unwrap();
    assert_eq!(bound["authorization_servers"], json!([ISSUER, other]));
    assert_eq!(bound["tls_client_certificate_bound_access_tokens"], true);
    assert_eq!(bound["dpop_bound_access_tokens_required"], true);
    let json = serde_json::to_value(metadata.dpop(&settings)).unwrap();
    assert_eq!(json["authorization_servers"], json!([ISSUER]));
    assert_eq!(json["scopes_supported"], json!(["a"]));
    assert_eq!(json["dpop_signing_alg_values_supported"], json!(["ES256"]));
}
