//! Which origins may read what.

use http::header::{ACCEPT, ETAG};
use http::{Method, StatusCode};
use tollgate_web::Cors;
use tower_layer::Layer;

use super::{Answer, ask, page, request};

const APP: &str = "https://app.example.com";

fn cors() -> Cors {
    Cors::new(&[APP]).unwrap()
}

fn answer(cors: &Cors, method: &str, headers: &[(&str, &str)]) -> Answer {
    ask(cors.layer(page(&[], "page")), request(method, "/", headers))
}

fn preflight(cors: &Cors, origin: &str) -> Answer {
    let headers = [("origin", origin), ("access-control-request-method", "PUT")];
    answer(cors, "OPTIONS", &headers)
}

#[test]
fn an_allowed_origin_may_read() {
    let answer = answer(&cors(), "GET", &[("origin", APP)]);
    assert_eq!(answer.header("access-control-allow-origin"), Some(APP));
    assert_eq!(answer.header("access-control-allow-credentials"), None);
    assert_eq!(answer.header("vary"), Some("origin"));
    assert_eq!(answer.text(), "page");
}

#[test]
fn no_other_origin_may() {
    let others = [
        "https://evil.example.com",
        "http://app.example.com",
        "https://app.example.com:8443",
        "https://app.example.com.evil.org",
        "null",
        "*",
    ];
    for origin in others {
        for answer in [
            answer(&cors(), "GET", &[("origin", origin)]),
            preflight(&cors(), origin),
        ] {
            assert_eq!(
                answer.header("access-control-allow-origin"),
                None,
                "{origin}"
            );
            assert_eq!(
                answer.header("access-control-allow-methods"),
                None,
                "{origin}"
            );
            assert_eq!(answer.header("vary"), Some("origin"), "{origin}");
        }
    }
}

#[test]
fn a_preflight_is_answered_before_the_service() {
    let answer = preflight(&cors(), APP);
    assert_eq!(answer.status, StatusCode::NO_CONTENT);
    assert_eq!(answer.text(), "");
    assert_eq!(answer.header("access-control-allow-methods"), Some("PUT"));
    // OPTIONS without the wish is none.
    let plain = super::ask(
        cors().layer(page(&[], "page")),
        request("OPTIONS", "/", &[("origin", APP)]),
    );
    assert_eq!(plain.text(), "page");
}

#[test]
fn methods_headers_and_credentials_are_as_told() {
    let told = cors()
        .methods(&[Method::GET, Method::PUT])
        .request_headers(&[ACCEPT])
        .answer_headers(&[ETAG])
        .with_credentials();
    let before = preflight(&told, APP);
    let check = |answer: &Answer, name: &str, value: &str| {
        assert_eq!(answer.header(name), Some(value), "{name}");
    };
    check(&before, "access-control-allow-methods", "GET, PUT");
    check(&before, "access-control-allow-headers", "accept");
    check(&before, "access-control-allow-credentials", "true");
    let answer = answer(&told, "GET", &[("origin", APP)]);
    check(&answer, "access-control-expose-headers", "etag");
    check(&answer, "access-control-allow-credentials", "true");
}
