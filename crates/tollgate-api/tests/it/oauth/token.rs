//! `POST /oauth/token`.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;

use crate::service::{BILLING, ISSUER, ORDERS, Service, basic};

const GRANT: (&str, &str) = ("grant_type", "client_credentials");

fn claims(jwt: &str) -> Value {
    let payload = jwt.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

#[test]
fn a_jwt_says_what_the_answer_says() {
    let service = Service::start();
    let answer = service.post(
        "/oauth/token",
        &service.demo,
        &[GRANT, ("scope", "orders:read"), ("resource", ORDERS)],
    );
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("pragma"), Some("no-cache"));
    let body = answer.json();
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["scope"], "orders:read");
    let claims = claims(body["access_token"].as_str().unwrap());
    assert_eq!(claims["iss"], ISSUER);
    assert_eq!(
        (&claims["sub"], &claims["client_id"]),
        (&"demo".into(), &"demo".into())
    );
    assert_eq!(
        (&claims["aud"], &claims["scope"]),
        (&ORDERS.into(), &"orders:read".into())
    );
    let life = claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap();
    assert_eq!(Some(life), body["expires_in"].as_u64());
}

#[test]
fn without_scope_or_resource_a_token_gets_all() {
    let service = Service::start();
    let body = service
        .post("/oauth/token", &service.demo, &[GRANT, ("scope", "")])
        .json();
    assert_eq!(body["scope"], "orders:read orders:write");
    let all = claims(body["access_token"].as_str().unwrap());
    assert_eq!(all["aud"], serde_json::json!([ORDERS, BILLING]));
    let own = claims(&service.access_token(&service.orders));
    assert_eq!(own["aud"], ISSUER);
}

#[test]
fn an_opaque_token_is_no_jwt() {
    let service = Service::start();
    let token = service.access_token(&service.stranger);
    assert!(token.starts_with("tgat_"), "{token}");
    assert_eq!(token.len(), 54);
    assert_ne!(token, service.access_token(&service.stranger));
}

#[test]
fn requests_that_ask_for_too_much_or_nothing_are_refused() {
    let service = Service::start();
    let long_scope = "s".repeat(50_000);
    for (form, code) in [
        (vec![], "invalid_request"),
        (vec![("grant_type", "")], "invalid_request"),
        (vec![("grant_type", "password")], "unsupported_grant_type"),
        (vec![GRANT, ("scope", "admin")], "invalid_scope"),
        (vec![GRANT, ("scope", "orders:read admin")], "invalid_scope"),
        (vec![GRANT, ("scope", "\"quoted\"")], "invalid_scope"),
        (vec![GRANT, ("scope", &long_scope)], "invalid_scope"),
        (
            vec![GRANT, ("resource", "https://other.example.com")],
            "invalid_target",
        ),
        (vec![GRANT, ("resource", "not a uri")], "invalid_target"),
        (
            vec![GRANT, ("resource", "https://orders.example.com#x")],
            "invalid_target",
        ),
        (vec![GRANT, GRANT], "invalid_request"),
        (
            vec![GRANT, ("scope", "orders:read"), ("scope", "orders:read")],
            "invalid_request",
        ),
        (
            vec![GRANT, ("unknown", "a"), ("unknown", "b")],
            "invalid_request",
        ),
    ] {
        let answer = service.post("/oauth/token", &service.demo, &form);
        let expected = (400, Some(code.to_owned()));
        let got = (
            answer.status,
            answer.json()["error"].as_str().map(str::to_owned),
        );
        assert_eq!(got, expected, "{:?}", form.first());
    }
    let unknown_is_ignored = [GRANT, ("unknown", "a")];
    assert_eq!(
        service
            .post("/oauth/token", &service.demo, &unknown_is_ignored)
            .status,
        200
    );
}

#[test]
fn what_stands_in_the_url_is_refused() {
    let service = Service::start();
    let header = [("authorization", &*basic(&service.demo))];
    for path in [
        "/oauth/token?grant_type=client_credentials",
        "/oauth/token?client_id=demo&client_secret=x",
        "/oauth/token?x",
    ] {
        service
            .post_raw(path, &header, "grant_type=client_credentials")
            .assert_error(400, "invalid_request");
    }
}

#[test]
fn other_methods_and_bodies_are_refused() {
    let service = Service::start();
    let answer = service.get("/oauth/token", &[]);
    assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")));
    answer.assert_error(405, "invalid_request");
    let json = r#"{"grant_type":"client_credentials"}"#;
    service
        .post_json("/oauth/token", &service.demo, json)
        .assert_error(400, "invalid_request");
    for body in [
        "grant%5Ftype=client_credentials",
        "grant_type=%ff",
        "grant_type=%",
        &"a=b&".repeat(100),
    ] {
        service
            .post_raw(
                "/oauth/token",
                &[("authorization", &basic(&service.demo))],
                body,
            )
            .assert_error(400, "invalid_request");
    }
    service
        .get("/nothing/here", &[])
        .assert_error(404, "invalid_request");
    let large = "a".repeat(65_537);
    service
        .post_raw(
            "/oauth/token",
            &[("authorization", &basic(&service.demo))],
            &large,
        )
        .assert_error(413, "invalid_request");
}

#[test]
fn a_full_store_refuses_to_issue() {
    let service = Service::start();
    for _ in 0..10_000 {
        service.administer(async |issuer, context| {
            let client = issuer
                .find_client(&"stranger".parse().unwrap(), context)
                .await
                .unwrap();
            let grant = tollgate_protocol::GrantType::ClientCredentials;
            issuer
                .grant(grant, &client.unwrap(), Default::default(), context)
                .await
                .unwrap();
        });
    }
    let full = service.post("/oauth/token", &service.stranger, &[GRANT]);
    full.assert_error(503, "temporarily_unavailable");
    assert!(full.header("retry-after").is_some());
    service.step_clock(3600);
    service.access_token(&service.stranger);
}
