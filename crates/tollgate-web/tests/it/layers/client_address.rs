//! Whose word counts about the client's address.

use http::{Request, Response};
use http_body_util::Full;
use tollgate_web::layers::ClientAddress;
use tollgate_web::{RequestInfo, Scheme, TrustedProxies};
use tower_layer::Layer;

use super::{Asked, answering, ask, info, request};

fn check(peer: Option<&str>, header: (&str, &str), seen: &str) {
    let proxies = TrustedProxies::new(vec!["10.0.0.0/8".parse().unwrap()]);
    let service = answering(|request: &Asked| {
        let info = request.extensions().get::<RequestInfo>();
        let seen = info.map_or("nobody".to_owned(), |info| {
            format!("{} {}", info.client_ip(), info.scheme().as_str())
        });
        Response::new(seen.into())
    });
    let mut asked: Request<Full<_>> = request("GET", "/", &[header]);
    if let Some(peer) = peer {
        asked.extensions_mut().insert(info(peer, Scheme::Http));
    }
    let answer = ask(ClientAddress::new(proxies).layer(service), asked);
    assert_eq!(answer.text(), seen, "{peer:?} {header:?}");
}

#[test]
fn a_trusted_proxy_is_believed() {
    let proxy = Some("10.0.0.1");
    check(proxy, ("x-forwarded-for", "192.0.2.7"), "192.0.2.7 http");
    check(
        proxy,
        ("forwarded", "for=192.0.2.7;proto=https"),
        "192.0.2.7 https",
    );
    check(
        proxy,
        ("x-forwarded-for", "1.2.3.4, 192.0.2.7"),
        "192.0.2.7 http",
    );
}

#[test]
fn nobody_else_is() {
    let spoofed = ("x-forwarded-for", "192.0.2.7");
    check(Some("203.0.113.5"), spoofed, "203.0.113.5 http");
    check(
        Some("10.0.0.1"),
        ("x-forwarded-for", "garbage"),
        "10.0.0.1 http",
    );
    check(None, spoofed, "nobody");
}
