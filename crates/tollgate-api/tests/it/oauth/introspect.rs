//! `POST /oauth/introspect` and its batch.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::service::{Answer, ISSUER, ORDERS, Service, basic, encode};

#[test]
fn those_who_may_know_see_the_token() {
    let service = Service::start();
    let jwt = service.access_token(&service.demo);
    let opaque = service.access_token(&service.stranger);
    for (token, client, sees) in [
        (&jwt, &service.demo, true),
        (&jwt, &service.orders, true),
        (&jwt, &service.stranger, false),
        (&opaque, &service.stranger, true),
        (&opaque, &service.demo, false),
    ] {
        let answer = service.introspect(client, token);
        assert_eq!(answer["active"], sees, "{} {token}", client.id);
        if !sees {
            assert_eq!(answer, json!({ "active": false }));
        }
    }
    let answer = service.introspect(&service.demo, &jwt);
    assert_eq!(
        (&answer["client_id"], &answer["sub"]),
        (&json!("demo"), &json!("demo"))
    );
    assert_eq!(
        (&answer["iss"], &answer["token_type"]),
        (&json!(ISSUER), &json!("Bearer"))
    );
    assert_eq!(answer["scope"], "orders:read orders:write");
    assert_eq!(
        answer["exp"].as_u64().unwrap() - answer["iat"].as_u64().unwrap(),
        3600
    );
}

#[test]
fn tokens_that_are_none_are_inactive() {
    let service = Service::start();
    let opaque = service.access_token(&service.stranger);
    let jwt = service.access_token(&service.demo);
    let flip = |text: &str, position: usize| {
        let mut bytes = text.to_owned().into_bytes();
        bytes[position] = if bytes[position] == b'A' { b'B' } else { b'A' };
        String::from_utf8(bytes).unwrap()
    };
    let last = opaque.len() - 1;
    for token in [
        opaque[..last].to_owned(),
        format!("{opaque}A"),
        flip(&opaque, 10),
        flip(&opaque, last),
        opaque.replace("tgat_", "tgot_"),
        flip(&jwt, jwt.len() - 20),
        flip(&jwt, jwt.len() / 2),
        format!("{jwt}A"),
        jwt.rsplit_once('.').unwrap().0.to_owned(),
        ".".repeat(20_000),
        "x".to_owned(),
    ] {
        assert!(
            !service.is_active(&service.stranger, &token),
            "{}",
            &token[..token.len().min(80)]
        );
        assert!(!service.is_active(&service.demo, &token));
    }
    assert!(service.is_active(&service.stranger, &opaque));
    assert!(service.is_active(&service.demo, &jwt));
}

#[test]
fn tokens_expire_and_stay_expired_when_the_clock_steps_back() {
    let service = Service::start();
    let tokens = [
        service.access_token(&service.demo),
        service.access_token(&service.stranger),
    ];
    let clients = [&service.demo, &service.stranger];
    let active = || -> Vec<bool> {
        clients
            .iter()
            .zip(&tokens)
            .map(|(client, token)| service.is_active(client, token))
            .collect()
    };
    service.step_clock(3599);
    assert_eq!(active(), [true, true]);
    service.step_clock(1);
    assert_eq!(active(), [false, false]);
    service.step_clock(-3600);
    assert_eq!(active(), [false, false]);
}

#[test]
fn a_signed_answer_is_a_jwt_for_the_caller() {
    let service = Service::start();
    let token = service.access_token(&service.demo);
    let headers = [
        ("authorization", &*basic(&service.orders)),
        ("accept", "application/token-introspection+jwt"),
    ];
    let answer: Answer =
        service.post_raw("/oauth/introspect", &headers, &encode(&[("token", &token)]));
    assert_eq!(
        answer.header("content-type"),
        Some("application/token-introspection+jwt")
    );
    let part = |position: usize| -> Value {
        let part = answer.body.split('.').nth(position).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    };
    assert_eq!(part(0)["typ"], "token-introspection+jwt");
    let claims = part(1);
    assert_eq!(
        (&claims["iss"], &claims["aud"]),
        (&json!(ISSUER), &json!("orders"))
    );
    assert_eq!(claims["token_introspection"]["active"], true);
    assert_eq!(claims["token_introspection"]["aud"][0], ORDERS);
    let plain = [
        headers[0],
        (
            "accept",
            "application/json, application/token-introspection+jwt;q=0",
        ),
    ];
    let plain = service.post_raw("/oauth/introspect", &plain, &encode(&[("token", &token)]));
    assert_eq!(plain.header("content-type"), Some("application/json"));
    assert!(
        !service.is_active(&service.orders, &answer.body),
        "an answer is no access token"
    );
}

#[test]
fn a_batch_is_answered_in_order() {
    let service = Service::start();
    let (jwt, opaque) = (
        service.access_token(&service.demo),
        service.access_token(&service.stranger),
    );
    let batch = json!({ "tokens": ["x", jwt, opaque, jwt] }).to_string();
    let answer = service
        .post_json("/oauth/introspect/batch", &service.demo, &batch)
        .json();
    let active: Vec<bool> = answer["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["active"] == true)
        .collect();
    assert_eq!(active, [false, true, false, true]);
}

#[test]
fn batches_of_other_shapes_are_refused() {
    let service = Service::start();
    let many = json!({ "tokens": vec!["x"; 101] }).to_string();
    for body in [
        "",
        "{}",
        "[]",
        r#"{"tokens":[]}"#,
        r#"{"tokens":"x"}"#,
        r#"{"tokens":[1]}"#,
        &many,
    ] {
        service
            .post_json("/oauth/introspect/batch", &service.demo, body)
            .assert_error(400, "invalid_request");
    }
    service
        .post("/oauth/introspect/batch", &service.demo, &[("tokens", "x")])
        .assert_error(415, "invalid_request");
    service
        .post("/oauth/introspect", &service.demo, &[])
        .assert_error(400, "invalid_request");
    service
        .post_raw("/oauth/introspect", &[], "token=x")
        .assert_error(401, "invalid_client");
}
