//! Who is counted with whom, and what is said to both.

use http::StatusCode;
use tollgate_limit::{KeysMax, PolicyName, Quota};
use tollgate_web::Scheme;
use tollgate_web::layers::RateLimit;
use tower_layer::Layer;

use super::{Answer, ask, info, page, request};

/// Two requests, and the next in more than half an hour: no test waits for it.
fn limit() -> RateLimit {
    let quota = Quota::new(2, 0.0005).unwrap();
    let keys_max = KeysMax::new(100).unwrap();
    RateLimit::per_client(PolicyName::new("api").unwrap(), quota, keys_max)
}

fn answer(limit: &RateLimit, ip: Option<&str>) -> Answer {
    let mut asked = request("GET", "/", &[("x-forwarded-for", "192.0.2.99")]);
    if let Some(ip) = ip {
        asked.extensions_mut().insert(info(ip, Scheme::Http));
    }
    ask(limit.layer(page(&[], "page")), asked)
}

#[test]
fn the_third_request_is_refused_and_told_when_to_come_back() {
    let limit = limit();
    let remaining = [r#""api";r=1;"#, r#""api";r=0;"#, r#""api";r=0;"#];
    let statuses = [
        StatusCode::OK,
        StatusCode::OK,
        StatusCode::TOO_MANY_REQUESTS,
    ];
    for (remaining, status) in remaining.into_iter().zip(statuses) {
        let answer = answer(&limit, Some("192.0.2.1"));
        assert_eq!(answer.status, status);
        let told = answer.header("ratelimit").unwrap();
        assert!(told.starts_with(remaining), "{told}");
        let policy = answer.header("ratelimit-policy");
        assert_eq!(policy, Some(r#""api";q=2;w=4000"#));
        let refused = status == StatusCode::TOO_MANY_REQUESTS;
        assert_eq!(answer.header("retry-after").is_some(), refused);
    }
    let later = answer(&limit, Some("192.0.2.1"));
    let seconds: u64 = later.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=2000).contains(&seconds), "{seconds}");
}

#[test]
fn each_client_has_a_bucket_and_each_subscriber_of_ipv6_one() {
    let check = |first: Option<&str>, second: Option<&str>, shared: bool| {
        let limit = limit();
        answer(&limit, first);
        answer(&limit, first);
        let refused = answer(&limit, second).status == StatusCode::TOO_MANY_REQUESTS;
        assert_eq!(refused, shared, "{first:?} {second:?}");
    };
    check(Some("192.0.2.1"), Some("192.0.2.1"), true);
    check(Some("192.0.2.1"), Some("192.0.2.2"), false);
    check(Some("192.0.2.1"), Some("::ffff:192.0.2.1"), true);
    check(Some("2001:db8::1"), Some("2001:db8::ffff:2"), true);
    check(Some("2001:db8::1"), Some("2001:db8:0:1::1"), false);
    // A stranger's own header is nobody's address.
    check(None, None, true);
}

#[test]
fn two_limits_tell_of_both() {
    let other = RateLimit::per_client(
        PolicyName::new("day").unwrap(),
        Quota::new(10, 0.0005).unwrap(),
        KeysMax::new(100).unwrap(),
    );
    let service = other.layer(limit().layer(page(&[], "page")));
    let answer = ask(service, request("GET", "/", &[]));
    assert_eq!(answer.list("ratelimit").len(), 2);
    assert_eq!(answer.list("ratelimit-policy").len(), 2);
}
