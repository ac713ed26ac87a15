//! The service as its clients see it.

use actix_web::http::StatusCode;
use actix_web::http::header::WWW_AUTHENTICATE;
use actix_web::{App, test};
use tollgate_verify::client::{Clock as _, SystemClock};
use tollgate_verify::jose::{Algorithm, JwkSet, SigningKey, compact, encode_header};

use super::*;

const ISSUER: &str = "https://as.example";
const AUDIENCE: &str = "https://orders.example";

fn token(key: &SigningKey, scope: &str) -> String {
    let now = SystemClock::default().now().0;
    let claims = json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "client_id": "web", "scope": scope,
        "iat": now, "exp": now + 300,
    });
    let mut token = String::new();
    let header = encode_header(key.algorithm(), key.kid(), "at+jwt");
    compact(&header, claims.to_string().as_bytes(), key, &mut token).expect("signs");
    token
}

#[actix_web::test]
async fn answers_are_those_of_the_layer() {
    let (_, key) = SigningKey::generate(Algorithm::ES256).expect("generates");
    let keys = JwkSet {
        keys: vec![key.public_jwk().expect("has a public key")],
    };
    let verifier = Verifier::builder()
        .issuer(ISSUER)
        .audience(AUDIENCE)
        .jwk_set(&keys)
        .build()
        .expect("builds");
    let gate = Gate::new(RequireToken::new(verifier), "orders:read");
    let app = test::init_service(App::new().configure(|config| routes(config, &gate))).await;
    let good = format!("Bearer {}", token(&key, "orders:read"));
    let narrow = format!("Bearer {}", token(&key, "other"));
    for (path, authorization, status, challenge, body) in [
        ("/health", "", StatusCode::OK, "", r#"{"status":"ok"}"#),
        (
            "/protected",
            &*good,
            StatusCode::OK,
            "",
            r#"{"scope":"orders:read","sub":"alice"}"#,
        ),
        (
            "/whoami",
            &*narrow,
            StatusCode::OK,
            "",
            r#"{"client_id":"web","iss":"https://as.example","sub":"alice"}"#,
        ),
        (
            "/protected",
            "",
            StatusCode::UNAUTHORIZED,
            r#"Bearer scope="orders:read""#,
            r#"{"error":"unauthorized"}"#,
        ),
        (
            "/whoami",
            "",
            StatusCode::UNAUTHORIZED,
            "Bearer",
            r#"{"error":"unauthorized"}"#,
        ),
        (
            "/whoami",
            "Bearer x",
            StatusCode::UNAUTHORIZED,
            r#"Bearer error="invalid_token""#,
            r#"{"error":"unauthorized"}"#,
        ),
        (
            "/protected",
            &*narrow,
            StatusCode::FORBIDDEN,
            r#"Bearer error="insufficient_scope", scope="orders:read""#,
            r#"{"error":"insufficient_scope"}"#,
        ),
    ] {
        let mut request = test::TestRequest::get().uri(path);
        if !authorization.is_empty() {
            request = request.insert_header(("authorization", authorization));
        }
        let response = test::call_service(&app, request.to_request()).await;
        assert_eq!(response.status(), status, "{path} {authorization}");
        let challenged = response.headers().get(WWW_AUTHENTICATE);
        let challenged = challenged.map_or("", |value| value.to_str().expect("is ASCII"));
        assert_eq!(challenged, challenge, "{path} {authorization}");
        assert_eq!(
            test::read_body(response).await,
            body,
            "{path} {authorization}"
        );
    }
}
