//! `POST /oauth/ott` and `POST /oauth/ott/redeem`.

use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
};

use serde_json::json;

use crate::service::{ORDERS, Service, basic};

#[test]
fn a_token_is_redeemed_once_and_hands_back_its_data() {
    let service = Service::start();
    let form = [
        ("scope", "orders:read"),
        ("resource", ORDERS),
        ("subject", "alice@example.com"),
        ("expires_in", "30"),
        ("data", r#"{"order": [1, 2]}"#),
    ];
    let answer = service.post("/oauth/ott", &service.demo, &form);
    assert_eq!(answer.status, 200, "{answer:?}");
    let issued = answer.json();
    assert_eq!(
        (&issued["token_type"], &issued["expires_in"]),
        (&json!("one_time"), &json!(30))
    );
    assert_eq!(issued["expires_at"], 1_800_000_030_u64);
    let token = issued["token"].as_str().unwrap();
    assert!(token.starts_with("tgot_"));

    let redeemed = service.post("/oauth/ott/redeem", &service.orders, &[("token", token)]);
    assert_eq!(redeemed.status, 200, "{redeemed:?}");
    let redeemed = redeemed.json();
    assert_eq!(
        (&redeemed["sub"], &redeemed["scope"]),
        (&json!("alice@example.com"), &json!("orders:read"))
    );
    assert_eq!(
        (&redeemed["aud"], &redeemed["data"]),
        (&json!(ORDERS), &json!({ "order": [1, 2] }))
    );
    for client in [&service.orders, &service.demo] {
        service
            .post("/oauth/ott/redeem", client, &[("token", token)])
            .assert_error(400, "invalid_grant");
    }
    assert!(!service.is_active(&service.demo, token));
}

#[test]
fn the_wrong_client_does_not_consume() {
    let service = Service::start();
    let token = service.one_time_token(&service.demo, &[]);
    service
        .post("/oauth/ott/redeem", &service.stranger, &[("token", &token)])
        .assert_error(400, "invalid_grant");
    service
        .post_raw("/oauth/ott/redeem", &[], &format!("token={token}"))
        .assert_error(401, "invalid_client");
    assert_eq!(
        service
            .post("/oauth/ott/redeem", &service.demo, &[("token", &token)])
            .status,
        200
    );
}

#[test]
fn of_many_calls_one_wins() {
    let service = Service::start();
    for _ in 0..20 {
        let token = service.one_time_token(&service.demo, &[]);
        let winners = std::thread::scope(|scope| {
            let redeem = || {
                scope.spawn(|| {
                    let answer =
                        service.post("/oauth/ott/redeem", &service.orders, &[("token", &token)]);
                    answer.status == 200
                })
            };
            let calls: Vec<_> = (0..8).map(|_| redeem()).collect();
            calls
                .into_iter()
                .map(|call| call.join().unwrap())
                .filter(|won| *won)
                .count()
        });
        assert_eq!(winners, 1);
    }
}

#[test]
fn the_time_that_counts_is_that_of_the_whole_request() {
    let service = Service::start();
    let token = service.one_time_token(&service.demo, &[("expires_in", "10")]);
    let body = format!("token={token}");
    let mut stream = TcpStream::connect(service.address).unwrap();
    let head = format!(
        "POST /oauth/ott/redeem HTTP/1.1\r\nhost: x\r\nauthorization: {}\r\n\
         content-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\
         expect: 100-continue\r\nconnection: close\r\n\r\n",
        basic(&service.demo),
        body.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    // The interim answer tells that the head was read while the token was alive.
    let mut interim = [0; 25];
    stream.read_exact(&mut interim).unwrap();
    service.step_clock(10);
    stream.write_all(body.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
}

#[test]
fn only_live_one_time_tokens_are_redeemed() {
    let service = Service::start();
    let expired = service.one_time_token(&service.demo, &[("expires_in", "1")]);
    let revoked = service.one_time_token(&service.demo, &[]);
    assert_eq!(
        service
            .post("/oauth/revoke", &service.demo, &[("token", &revoked)])
            .status,
        200
    );
    service.step_clock(1);
    let access = service.access_token(&service.stranger);
    for token in [
        &*expired,
        &revoked,
        &access,
        &service.access_token(&service.demo),
        "tgot_",
        "x",
    ] {
        service
            .post("/oauth/ott/redeem", &service.demo, &[("token", token)])
            .assert_error(400, "invalid_grant");
    }
}

#[test]
fn requests_that_ask_for_too_much_are_refused() {
    let service = Service::start();
    let long = format!("\"{}\"", "x".repeat(1024));
    let brackets = "[".repeat(130) + &"]".repeat(130);
    for (form, code) in [
        (("expires_in", "121"), "invalid_request"),
        (("expires_in", "0"), "invalid_request"),
        (("expires_in", "-1"), "invalid_request"),
        (("expires_in", "+1"), "invalid_request"),
        (("expires_in", "1.5"), "invalid_request"),
        (("data", "{"), "invalid_request"),
        (("data", "1 2"), "invalid_request"),
        (("data", &*long), "invalid_request"),
        (("data", "1e400"), "invalid_request"),
        (("data", r#""\ud800""#), "invalid_request"),
        (("data", &brackets), "invalid_request"),
        (("subject", "a\nb"), "invalid_request"),
        (("scope", "admin"), "invalid_scope"),
        (("resource", "https://other.example.com"), "invalid_target"),
    ] {
        service
            .post("/oauth/ott", &service.demo, &[form])
            .assert_error(400, code);
    }
}
