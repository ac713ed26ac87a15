//! Requests that visitors mean, and requests that other sites make them send.

use http::{Response, StatusCode};
use tollgate_web::Scheme;
use tollgate_web::layers::{Csrf, CsrfToken};
use tower_layer::Layer;

use super::{Answer, Asked, answering, ask, info, request};

/// 32 bytes of 7 and of 8 in base64url.
const TOKEN: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc";
const OTHER: &str = "CAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAg";

fn csrf() -> Csrf {
    Csrf::new(|| [7; 32])
}

fn answer(csrf: &Csrf, asked: Asked) -> Answer {
    let service = answering(|request: &Asked| {
        let token = request.extensions().get::<CsrfToken>().unwrap();
        Response::new(token.as_str().to_owned().into())
    });
    ask(csrf.layer(service), asked)
}

/// A request with a cookie and a token, to `https://bank.example`.
fn post(site: &[(&str, &str)], cookie: &str, token: &str) -> Asked {
    let mut headers = vec![("host", "bank.example"), ("cookie", cookie)];
    headers.extend_from_slice(site);
    if !token.is_empty() {
        headers.push(("x-csrf-token", token));
    }
    let mut asked = request("POST", "/transfer", &headers);
    asked
        .extensions_mut()
        .insert(info("192.0.2.1", Scheme::Https));
    asked
}

fn own_cookie() -> String {
    format!("theme=dark; __Host-csrf={TOKEN}")
}

fn check_site(site: &[(&str, &str)], status: StatusCode) {
    let answer = answer(&csrf(), post(site, &own_cookie(), TOKEN));
    assert_eq!(answer.status, status, "{site:?}");
}

#[test]
fn reading_sets_the_cookie_once() {
    let first = answer(&csrf(), request("GET", "/", &[]));
    let cookie = format!("__Host-csrf={TOKEN}; Path=/; Secure; SameSite=Lax");
    assert_eq!(first.list("set-cookie"), [cookie.as_str()]);
    assert_eq!(first.header("cache-control"), Some("private, no-store"));
    assert_eq!(first.text(), TOKEN);
    let known = format!("__Host-csrf={OTHER}");
    let second = answer(&csrf(), request("GET", "/", &[("cookie", &known)]));
    assert!(second.list("set-cookie").is_empty());
    assert_eq!(second.header("cache-control"), None);
    assert_eq!(second.text(), OTHER);
}

#[test]
fn requests_from_here_pass() {
    let ok = StatusCode::OK;
    check_site(&[("sec-fetch-site", "same-origin")], ok);
    check_site(&[("sec-fetch-site", "none")], ok);
    check_site(&[("origin", "https://bank.example")], ok);
    check_site(&[("origin", "https://BANK.example")], ok);
    check_site(&[], ok);
}

#[test]
fn requests_from_elsewhere_are_refused_even_with_the_token() {
    let no = StatusCode::FORBIDDEN;
    check_site(&[("sec-fetch-site", "cross-site")], no);
    check_site(&[("sec-fetch-site", "same-site")], no);
    check_site(&[("sec-fetch-site", "surely")], no);
    check_site(&[("origin", "https://evil.example")], no);
    check_site(&[("origin", "http://bank.example")], no);
    check_site(&[("origin", "https://bank.example:8443")], no);
    check_site(&[("origin", "https://bank.example.evil.example")], no);
    check_site(&[("origin", "null")], no);
    let both = [
        ("sec-fetch-site", "cross-site"),
        ("origin", "https://bank.example"),
    ];
    check_site(&both, no);
}

#[test]
fn trusted_origins_need_the_token_too() {
    let trusting = csrf().trust(&["https://app.example"]).unwrap();
    let site = [
        ("sec-fetch-site", "cross-site"),
        ("origin", "https://app.example"),
    ];
    let check = |token: &str, status: StatusCode| {
        let answer = answer(&trusting, post(&site, &own_cookie(), token));
        assert_eq!(answer.status, status, "{token}");
    };
    check(TOKEN, StatusCode::OK);
    check("", StatusCode::FORBIDDEN);
    assert!(csrf().trust(&["https://app.example/path"]).is_err());
}

#[test]
fn the_token_must_be_the_cookies() {
    let site = [("sec-fetch-site", "same-origin")];
    let own = own_cookie();
    let check = |cookie: &str, token: &str| {
        let answer = answer(&csrf(), post(&site, cookie, token));
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{cookie} {token}");
        assert!(
            answer.text().contains("invalid_request"),
            "{}",
            answer.text()
        );
    };
    check(&own, "");
    check(&own, OTHER);
    check(&own, &TOKEN[1..]);
    check(&own, &format!("{TOKEN}A"));
    check("theme=dark", TOKEN);
    check("__Host-csrf=", "");
    check("__Host-csrf=short", "short");
    check(&format!("csrf={TOKEN}"), TOKEN);
    check(&format!("x__Host-csrf={TOKEN}"), TOKEN);
    // Of two cookies one was planted.
    check(&format!("{own}; __Host-csrf={OTHER}"), TOKEN);
    check(&format!("__Host-csrf={OTHER}; {own}"), TOKEN);
    check(&format!("__Host-csrf={}", "=".repeat(43)), &"=".repeat(43));
}

#[test]
fn every_changing_method_is_guarded() {
    for method in ["POST", "PUT", "PATCH", "DELETE", "PROPFIND"] {
        let answer = answer(&csrf(), request(method, "/", &[]));
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{method}");
    }
    for method in ["GET", "HEAD", "OPTIONS", "TRACE"] {
        let answer = answer(&csrf(), request(method, "/", &[]));
        assert_eq!(answer.status, StatusCode::OK, "{method}");
    }
}

#[test]
fn the_token_is_not_written_to_logs() {
    let service = answering(|request: &Asked| {
        let token = request.extensions().get::<CsrfToken>().unwrap();
        Response::new(format!("{token:?}").into())
    });
    let answer = ask(csrf().layer(service), request("GET", "/", &[]));
    assert!(!answer.text().contains(TOKEN), "{}", answer.text());
}
