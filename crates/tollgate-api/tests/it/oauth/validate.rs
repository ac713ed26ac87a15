//! `/oauth/validate`.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
};

use serde_json::json;
use tollgate_api::RouteDemand;

use crate::service::{ORDERS, Service};

#[test]
fn a_live_token_is_let_through_with_what_it_says() {
    let service = Service::start();
    let token = service.access_token(&service.demo);
    let query = "?scope=orders:read&audience=https%3A%2F%2Forders.example.com";
    // Twice, so that the second answer comes from the cache.
    for _ in 0..2 {
        let answer = service.validate(&token, query, &[]);
        assert_eq!(answer.status, 200, "{answer:?}");
        let body = answer.json();
        assert_eq!(
            (&body["valid"], &body["sub"]),
            (&json!(true), &json!("demo"))
        );
        assert_eq!(body["expires_at"], 1_800_003_600_u64);
        for (name, value) in [
            ("x-auth-client-id", "demo"),
            ("x-auth-subject", "demo"),
            ("x-auth-scope", "orders:read orders:write"),
            ("x-auth-expires-at", "1800003600"),
        ] {
            assert_eq!(answer.header(name), Some(value));
        }
    }
}

#[test]
fn the_status_says_why_not() {
    let service = Service::start();
    let token = service.access_token(&service.demo);
    let missing = service.get("/oauth/validate", &[]);
    missing.assert_error(400, "invalid_request");
    assert_eq!(
        missing.header("www-authenticate"),
        Some("Bearer realm=\"tollgate\"")
    );
    for (authorization, query, status, code) in [
        ("Basic eDp5", "", 400, "invalid_request"),
        ("Bearer", "", 400, "invalid_request"),
        ("Bearer x y", "", 400, "invalid_request"),
        ("Bearer x", "", 401, "invalid_token"),
        (
            &*format!("Bearer {token}"),
            "?scope=admin",
            403,
            "insufficient_scope",
        ),
        (
            &*format!("Bearer {token}"),
            "?audience=https://other.example.com",
            401,
            "invalid_token",
        ),
        (
            &*format!("Bearer {token}"),
            "?audience=x",
            400,
            "invalid_request",
        ),
        (
            &*format!("Bearer {token}"),
            "?scope=a&scope=b",
            400,
            "invalid_request",
        ),
    ] {
        let answer = service.get(
            &format!("/oauth/validate{query}"),
            &[("authorization", authorization)],
        );
        answer.assert_error(status, code);
        if status != 400 {
            let challenge = answer.header("www-authenticate").unwrap();
            assert!(
                challenge.contains(&format!("error=\"{code}\"")),
                "{challenge}"
            );
        }
    }
    let bearer = format!("Bearer {token}");
    let twice = [("authorization", &*bearer), ("authorization", &*bearer)];
    let repeated = service.get("/oauth/validate", &twice);
    repeated.assert_error(400, "invalid_request");
    assert!(repeated.header("www-authenticate").is_some());
    let narrow = service.validate(&token, "?scope=admin", &[]);
    assert!(
        narrow
            .header("www-authenticate")
            .unwrap()
            .contains("scope=\"admin\"")
    );
}

#[test]
fn a_one_time_token_is_let_through_once_and_only_where_it_fits() {
    let service = Service::start();
    let token = service.one_time_token(&service.demo, &[("scope", "orders:read")]);
    assert_eq!(
        service.validate(&token, "?scope=orders:write", &[]).status,
        403
    );
    assert_eq!(
        service
            .validate(&token, "?audience=https://other.example.com", &[])
            .status,
        401
    );
    assert_eq!(
        service.validate(&token, "?scope=orders:read", &[]).status,
        200
    );
    assert_eq!(
        service.validate(&token, "?scope=orders:read", &[]).status,
        401
    );
}

#[test]
fn routes_say_what_a_target_demands() {
    let route = |method: Option<&str>, path: &str, scope: &str| RouteDemand {
        method: method.map(str::to_owned),
        path: path.parse().unwrap(),
        scope: Some(scope.parse().unwrap()),
        audience: Some(ORDERS.parse().unwrap()),
    };
    let service = Service::with(|config| {
        config.routes = vec![
            route(Some("GET"), "/orders/{id}", "orders:read"),
            route(None, "/admin/{*rest}", "admin"),
        ];
    });
    let token = service.access_token(&service.demo);
    for (method, uri, status) in [
        ("GET", "/orders/1", 200),
        ("GET", "/orders/1?x=y", 200),
        ("DELETE", "/orders/1", 403),
        ("GET", "/admin/users", 403),
        ("GET", "/elsewhere", 403),
        ("GET", "/orders/../admin/users", 400),
    ] {
        for names in [
            ["x-forwarded-method", "x-forwarded-uri"],
            ["x-original-method", "x-original-uri"],
        ] {
            let headers = [(names[0], method), (names[1], uri)];
            let answer = service.validate(&token, "", &headers);
            assert_eq!(answer.status, status, "{method} {uri} {answer:?}");
        }
    }
    // A demand that is too long to be one scope is still a demand.
    let many: Vec<String> = (0..128).map(|number| format!("s{number}")).collect();
    let narrow = service.post(
        "/oauth/token",
        &service.demo,
        &[
            ("grant_type", "client_credentials"),
            ("scope", "orders:write"),
        ],
    );
    let narrow = narrow.json()["access_token"].as_str().unwrap().to_owned();
    let target = [
        ("x-forwarded-method", "GET"),
        ("x-forwarded-uri", "/orders/1"),
    ];
    let query = format!("?scope={}", many.join("+"));
    assert_eq!(service.validate(&narrow, &query, &target).status, 403);
    assert_eq!(service.validate(&narrow, "", &target).status, 403);
    let contradiction = [
        ("x-original-method", "GET"),
        ("x-original-uri", "/admin/users"),
        ("x-forwarded-method", "GET"),
        ("x-forwarded-uri", "/orders/1"),
    ];
    assert_eq!(service.validate(&token, "", &contradiction).status, 400);
    assert_eq!(
        service.validate(&token, "", &[]).status,
        403,
        "no target, no demand"
    );
    assert_eq!(
        service.validate(&token, "?scope=orders:read", &[]).status,
        200
    );
}

/// A caller without a live token is told so first: a gateway passes the status on, and 403 would
/// keep it from fetching a token.
#[test]
fn who_has_no_live_token_is_told_so_whatever_the_target() {
    let service = Service::with(|config| {
        config.routes = vec![RouteDemand {
            method: None,
            path: "/orders".parse().unwrap(),
            scope: None,
            audience: None,
        }];
    });
    let revoked = service.access_token(&service.demo);
    service.post("/oauth/revoke", &service.demo, &[("token", &revoked)]);
    let live = service.one_time_token(&service.demo, &[]);
    let elsewhere = [
        ("x-forwarded-method", "GET"),
        ("x-forwarded-uri", "/elsewhere"),
    ];
    for target in [&elsewhere[..], &[]] {
        let missing = service.get("/oauth/validate", target);
        missing.assert_error(400, "invalid_request");
        for (token, status) in [("x", 401), (&*revoked, 401), (&*live, 403)] {
            let answer = service.validate(token, "", target);
            assert_eq!(answer.status, status, "{token} {target:?} {answer:?}");
        }
    }
    let orders = [
        ("x-forwarded-method", "GET"),
        ("x-forwarded-uri", "/orders"),
    ];
    let answer = service.validate(&live, "", &orders);
    assert_eq!(answer.status, 200, "not consumed where it was refused");
}

/// Envoy asks with the method of the request that it asks about, and some gateways send its body.
#[test]
fn gateways_ask_with_the_methods_of_their_callers() {
    let service = Service::start();
    let token = service.access_token(&service.demo);
    let head = format!("/oauth/validate HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {token}\r\n");
    for method in ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        for body in [
            "\r\n",
            "content-length: 5\r\n\r\nhello",
            "transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        ] {
            let answer = exchange(&service, &format!("{method} {head}{body}"));
            assert!(
                answer.starts_with("HTTP/1.1 200") && answer.ends_with('}'),
                "{method} {body:?}: {answer}"
            );
        }
    }
    for method in ["TRACE", "PROPFIND"] {
        let answer = exchange(&service, &format!("{method} {head}\r\n"));
        assert!(answer.starts_with("HTTP/1.1 405"), "{method}: {answer}");
        assert!(
            answer.contains("allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n"),
            "{answer}"
        );
    }
}

/// The answer to `request`, whole.
fn exchange(service: &Service, request: &str) -> String {
    let mut stream = TcpStream::connect(service.address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    let mut reader = BufReader::new(stream);
    let mut length = 0;
    loop {
        let start = answer.len();
        reader.read_line(&mut answer).unwrap();
        match answer[start..].split_once(": ") {
            Some(("content-length", value)) => length = value.trim_end().parse().unwrap(),
            Some(_) => {}
            None if &answer[start..] == "\r\n" => break,
            None => assert_ne!(start, answer.len(), "cut off: {answer}"),
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    answer + &String::from_utf8(body).unwrap()
}

#[test]
fn a_one_time_token_that_is_refused_by_a_limit_is_not_consumed() {
    let service = Service::with(|config| {
        config.rules = vec![tollgate_api::RuleConfig {
            name: tollgate_limit::PolicyName::new("few").unwrap(),
            routes: vec!["/oauth/validate".to_owned()],
            key: tollgate_api::RuleKey::Subject,
            quota: tollgate_limit::Quota::new(1, 0.001).unwrap(),
        }];
    });
    let tokens = [(); 2].map(|()| service.one_time_token(&service.demo, &[]));
    assert_eq!(service.validate(&tokens[0], "", &[]).status, 200);
    assert_eq!(service.validate(&tokens[1], "", &[]).status, 429);
    let redeemed = service.post(
        "/oauth/ott/redeem",
        &service.orders,
        &[("token", &tokens[1])],
    );
    assert_eq!(redeemed.status, 200);
}
