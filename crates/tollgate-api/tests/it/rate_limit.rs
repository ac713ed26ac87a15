//! The configured rate limits.

use tollgate_api::{RuleConfig, RuleKey};
use tollgate_limit::{PolicyName, Quota};

use crate::service::Service;

fn limited(key: RuleKey) -> Service {
    Service::with(|config| {
        config.rules = vec![RuleConfig {
            name: PolicyName::new("few").unwrap(),
            routes: vec!["/oauth/token".to_owned(), "/oauth/validate".to_owned()],
            key,
            quota: Quota::new(2, 0.001).unwrap(),
        }];
    })
}

const GRANT: [(&str, &str); 1] = [("grant_type", "client_credentials")];

#[test]
fn past_the_capacity_calls_are_refused_with_the_headers_of_the_draft() {
    for key in [
        RuleKey::Client,
        RuleKey::Ip,
        RuleKey::Route,
        RuleKey::Global,
        RuleKey::Subject,
    ] {
        let service = limited(key);
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
    let service = limited(RuleKey::Ip);
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
fn a_rule_for_a_route_that_is_not_there_is_refused() {
    let quota = Quota::new(2, 1.0).unwrap();
    let rule = RuleConfig {
        name: PolicyName::new("few").unwrap(),
        routes: vec!["/oauth/tokens".to_owned()],
        key: RuleKey::Ip,
        quota,
    };
    let started = std::panic::catch_unwind(|| Service::with(|config| config.rules = vec![rule]));
    assert!(started.is_err());
}
