//! Which headers are added, and when not.

use std::time::Duration;

use http::header::X_FRAME_OPTIONS;
use http::{HeaderName, HeaderValue};
use tollgate_web::Scheme;
use tollgate_web::layers::{SecurityHeaders, Subdomains};
use tower_layer::Layer;

use super::{Answer, Asked, ask, info, page, request};

fn answer(layer: &SecurityHeaders, scheme: Option<Scheme>) -> Answer {
    let mut asked: Asked = request("GET", "https://t/", &[]);
    if let Some(scheme) = scheme {
        asked.extensions_mut().insert(info("192.0.2.1", scheme));
    }
    ask(layer.layer(page(&[], "page")), asked)
}

#[test]
fn the_careful_headers_are_there() {
    let answer = answer(&SecurityHeaders::new(), Some(Scheme::Http));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(answer.header("x-frame-options"), Some("DENY"));
    assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
    assert_eq!(answer.header("content-security-policy"), None);
}

#[test]
fn strict_transport_is_demanded_over_https_alone() {
    let check = |layer: &SecurityHeaders, scheme, value: Option<&str>| {
        let answer = answer(layer, scheme);
        assert_eq!(
            answer.header("strict-transport-security"),
            value,
            "{scheme:?}"
        );
    };
    let layer = SecurityHeaders::new();
    check(&layer, Some(Scheme::Https), Some("max-age=31536000"));
    check(&layer, Some(Scheme::Http), None);
    // Without a server's word the request's own claim does not count.
    check(&layer, None, None);
    let day = Duration::from_secs(86_400);
    let layer = layer.strict_transport_security(day, Subdomains::Included);
    check(
        &layer,
        Some(Scheme::Https),
        Some("max-age=86400; includeSubDomains"),
    );
}

#[test]
fn what_is_given_replaces_and_what_the_service_says_stands() {
    let policy = HeaderValue::from_static("default-src 'self'");
    let layer = SecurityHeaders::new()
        .content_security_policy(policy)
        .with(X_FRAME_OPTIONS, HeaderValue::from_static("SAMEORIGIN"))
        .with(
            HeaderName::from_static("permissions-policy"),
            HeaderValue::from_static("camera=()"),
        );
    let given = answer(&layer, None);
    assert_eq!(given.list("x-frame-options"), ["SAMEORIGIN"]);
    assert_eq!(
        given.list("content-security-policy"),
        ["default-src 'self'"]
    );
    assert_eq!(given.list("permissions-policy"), ["camera=()"]);
    let own = page(&[("referrer-policy", "origin")], "page");
    let own = ask(layer.layer(own), request("GET", "/", &[]));
    assert_eq!(own.list("referrer-policy"), ["origin"]);
}
