//! The configured rate limits.

use tollgate_api::{RuleConfig, RuleKey};
use tollgate_limit::{PolicyName, Quota};

use crate::service::Service;

fn limited(key: RuleKey, routes: &[&str]) -> Service {
    Service::with(|config| config.rules = vec![rule(key, routes)])
}

fn rule(key: RuleKey, routes: &[&str]) -> RuleConfig {
    RuleConfig {
        name: PolicyName::new("few").unwrap(),
        routes: routes.iter().copied().map(str::to_owned).collect(),
        key,
        quota: Quota::new(2, 0.001).unwrap(),
    }
}

const SOME: &[&str] = &["/oauth/token", "/oauth/validate"];

const GRANT: [(&str, &str); 1] = [("grant_type", "client_credentials")];

#[test]
fn past_the_capacity_calls_are_refused_with_the_headers_of_the_draft() {
    for key in RuleKey::ALL {
        let service = limited(key, SOME);
        let answers: Vec<_> = (0..3)
            .map(|_| service.post("/oauth/token", &service.demo, &GRANT))
            .collect();
        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        assert_eq!(statuses, [200, 200, 429], "{key:?}");
        assert_eq!(
            answers[0].header("ratelimit"),
            Some("\"few\";r=1;t=1000"),
            "{key:?}"
        );
        assert_eq!(
            answers[0].header("ratelimit-policy"),
            Some("\"few\";q=2;w=2000")
        );
        answers[2].assert_error(429, "temporarily_unavailable");
        assert!(
            answers[2]
                .header("retry-after")
                .unwrap()
                .parse::<u64>()
                .unwrap()
                > 0
        );
        let other = service.post("/oauth/token", &service.orders, &GRANT).status;
        let shares = matches!(key, RuleKey::Ip | RuleKey::Route | RuleKey::Global);
        assert_eq!(other, if shares { 429 } else { 200 }, "{key:?}");
        assert_eq!(service.get("/health", &[]).status, 200);
    }
}

#[test]
fn forwarded_addresses_count_from_trusted_proxies_alone() {
    let service = limited(RuleKey::Ip, SOME);
    let statuses = ["192.0.2.1", "192.0.2.2", "192.0.2.3"].map(|ip| {
        let headers = [
            ("authorization", &*crate::service::basic(&service.demo)),
            ("x-forwarded-for", ip),
        ];
        service
            .post_raw("/oauth/token", &headers, "grant_type=client_credentials")
            .status
    });
    assert_eq!(statuses, [200, 200, 429]);
}

#[test]
fn a_rule_without_routes_covers_all_where_it_can_count() {
    for key in RuleKey::ALL {
        let service = limited(key, &[]);
        let mut statuses = Vec::new();
        for _ in 0..3 {
            let token = service.post("/oauth/token", &service.demo, &GRANT);
            statuses.push(token.status);
        }
        assert_eq!(statuses, [200, 200, 429], "{key:?}");
        let form = [("token", "x")];
        for (path, form) in [
            ("/oauth/introspect", &form),
            ("/oauth/revoke", &form),
            ("/oauth/ott/redeem", &form),
        ] {
            let status = service.post(path, &service.demo, form).status;
            let has_own_bucket = matches!(key, RuleKey::Route | RuleKey::Subject);
            assert_eq!(status == 429, !has_own_bucket, "{key:?} {path} {status}");
        }
        let keys = service.get("/.well-known/jwks.json", &[]).status;
        let by_origin = matches!(key, RuleKey::Ip | RuleKey::Global);
        assert_eq!(keys == 429, by_origin, "{key:?} {keys}");
        for path in ["/health", "/ready"] {
            assert_eq!(service.get(path, &[]).status, 200, "{key:?} {path}");
        }
    }
}

#[test]
fn a_rule_for_a_route_where_it_cannot_count_is_refused() {
    for (key, route) in [
        (RuleKey::Ip, "/oauth/tokens"),
        (RuleKey::Ip, "/health"),
        (RuleKey::Global, "/ready"),
        (RuleKey::Client, "/.well-known/jwks.json"),
        (RuleKey::Subject, "/oauth/introspect"),
        (RuleKey::Subject, "/oauth/ott/redeem"),
    ] {
        let start = || Service::with(|config| config.rules = vec![rule(key, &[route])]);
        assert!(std::panic::catch_unwind(start).is_err(), "{key:?} {route}");
    }
}
