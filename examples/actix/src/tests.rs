//! The service as its clients see it.

use std::any::Any;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use actix_web::dev::Extensions;
use actix_web::http::StatusCode;
use actix_web::http::header::WWW_AUTHENTICATE;
use actix_web::{App, test};
use serde_json::Value;
use tollgate_verify::client::{Clock as _, SystemClock};
use tollgate_verify::jose::{
    Algorithm, JwkSet, SigningKey, compact, encode_header, sha256_base64url,
};
use tollgate_verify::web::ClientCertificate;

use super::*;

const ISSUER: &str = "https://as.example";
const AUDIENCE: &str = "https://orders.example";

/// Claims that are good for a while, with others beside them.
fn claims(others: &Value) -> Value {
    let now = SystemClock::default().now().0;
    let mut claims = json!({
        "iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "client_id": "web", "iat": now, "exp": now + 300,
    });
    for (name, value) in others.as_object().expect("is an object") {
        claims[name] = value.clone();
    }
    claims
}

fn sign(key: &SigningKey, claims: &Value) -> String {
    let mut token = String::new();
    let header = encode_header(key.algorithm(), key.kid(), "at+jwt");
    compact(&header, claims.to_string().as_bytes(), key, &mut token).expect("signs");
    token
}

fn gate(key: &SigningKey) -> Gate {
    let keys = JwkSet {
        keys: vec![key.public_jwk().expect("has a public key")],
    };
    let verifier = Verifier::builder()
        .issuer(ISSUER)
        .audience(AUDIENCE)
        .jwk_set(&keys)
        .build()
        .expect("builds");
    Gate::new(RequireToken::new(verifier), "orders:read")
}

#[actix_web::test]
async fn certificates_of_connections_count() {
    let (_, key) = SigningKey::generate(Algorithm::ES256).expect("generates");
    let gate = gate(&key);
    let bound = claims(&json!({"cnf": {"x5t#S256": sha256_base64url(b"der")}}));
    let bearer = format!("Bearer {}", sign(&key, &bound));
    for (certificate, status) in [(&b"der"[..], 200), (b"another", 401), (b"", 401)] {
        let connected = move |_: &dyn Any, data: &mut Extensions| {
            if !certificate.is_empty() {
                data.insert(ClientCertificate(certificate.into()));
            }
        };
        let gate = gate.clone();
        let server = HttpServer::new(move || App::new().configure(|config| routes(config, &gate)))
            .workers(1)
            .on_connect(connected)
            .bind("127.0.0.1:0")
            .expect("binds");
        let address = server.addrs()[0];
        let server = server.run();
        let handle = server.handle();
        let served = actix_web::rt::spawn(server);
        let request = format!(
            "GET /whoami HTTP/1.1\r\nHost: rs\r\nAuthorization: {bearer}\r\nConnection: close\r\n\r\n"
        );
        let answer = web::block(move || {
            let mut stream = TcpStream::connect(address).expect("connects");
            stream.write_all(request.as_bytes()).expect("sends");
            let mut answer = String::new();
            stream.read_to_string(&mut answer).expect("reads");
            answer
        });
        let answer = answer.await.expect("is answered");
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
        handle.stop(true).await;
        served.await.expect("is joined").expect("has served");
    }
}

#[actix_web::test]
async fn answers_are_those_of_the_layer() {
    let (_, key) = SigningKey::generate(Algorithm::ES256).expect("generates");
    let gate = gate(&key);
    let app = test::init_service(App::new().configure(|config| routes(config, &gate))).await;
    let good = format!(
        "Bearer {}",
        sign(&key, &claims(&json!({"scope": "orders:read"})))
    );
    let others = claims(&json!({"scope": "other"}));
    let narrow = format!("Bearer {}", sign(&key, &others));
    let own = json!({
        "iss": ISSUER, "sub": "alice", "client_id": "web", "aud": [AUDIENCE], "scope": "other",
        "exp": others["exp"],
    });
    let own = own.to_string();
    for (path, authorization, status, challenge, body) in [
        ("/health", "", StatusCode::OK, "", r#"{"status":"ok"}"#),
        (
            "/protected",
            &*good,
            StatusCode::OK,
            "",
            r#"{"scope":"orders:read","sub":"alice"}"#,
        ),
        ("/whoami", &*narrow, StatusCode::OK, "", &own),
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
