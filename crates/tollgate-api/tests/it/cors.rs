//! What pages of other origins may read (`cors.origins`).

use crate::service::Service;

/// A page that may call must also be able to read why it was refused.
#[test]
fn a_page_of_an_allowed_origin_reads_every_answer() {
    let service = Service::start();
    for (path, status) in [
        ("/.well-known/jwks.json", 200),
        ("/oauth/validate", 400),
        ("/oauth/token", 405),
        ("/elsewhere", 404),
    ] {
        for (origin, allowed) in [
            ("https://app.example.com", Some("https://app.example.com")),
            ("https://other.example.com", None),
        ] {
            let answer = service.get(path, &[("origin", origin)]);
            assert_eq!(answer.status, status, "{path}");
            assert_eq!(
                answer.header("access-control-allow-origin"),
                allowed,
                "{path} {answer:?}"
            );
            assert_eq!(answer.header("vary"), Some("origin"), "{path} {answer:?}");
        }
    }
}

/// A gateway asks with the method of its caller and lets through what is answered 2xx.
#[test]
fn a_preflight_needs_a_token_where_gateways_ask() {
    let service = Service::start();
    let preflight = [
        ("origin", "https://app.example.com"),
        ("access-control-request-method", "POST"),
    ];
    for (path, status) in [("/oauth/token", 204), ("/oauth/validate", 400)] {
        let answer = service.options(path, &preflight);
        assert_eq!(answer.status, status, "{path} {answer:?}");
    }
    let token = service.access_token(&service.demo);
    let bearer = format!("Bearer {token}");
    let headers = [&preflight[..], &[("authorization", &bearer)]].concat();
    assert_eq!(service.options("/oauth/validate", &headers).status, 200);
}
