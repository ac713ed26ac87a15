//! `/oauth/validate`.

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
        path: path.to_owned(),
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
