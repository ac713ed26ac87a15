//! Who is let in.

use axum::{
    body::Body,
    http::{Method, Request},
};
use tollgate_api::admin::{AdminToken, ROUTE_TEMPLATES};

use super::panel::{Panel, TOKEN, authorized};

/// Every path that asks for the token, with a method that it understands.
const PROTECTED: [(&str, &str); 26] = [
    ("GET", "/admin/clients"),
    ("POST", "/admin/clients"),
    ("GET", "/admin/clients/c"),
    ("PATCH", "/admin/clients/c"),
    ("DELETE", "/admin/clients/c"),
    ("POST", "/admin/clients/c/secret"),
    ("GET", "/admin/keys"),
    ("POST", "/admin/keys/rotate"),
    ("DELETE", "/admin/keys/k"),
    ("GET", "/admin/tokens"),
    ("POST", "/admin/tokens"),
    ("DELETE", "/admin/tokens?client=c"),
    ("GET", "/admin/tokens/count"),
    ("POST", "/admin/tokens/introspect"),
    ("POST", "/admin/tokens/redeem"),
    ("POST", "/admin/tokens/revoke"),
    ("GET", "/admin/cache"),
    ("DELETE", "/admin/cache"),
    ("GET", "/admin/limits"),
    ("GET", "/admin/stats"),
    ("GET", "/admin/config"),
    ("GET", "/admin/backup"),
    ("POST", "/admin/restore"),
    ("GET", "/debug/pprof/profile"),
    ("GET", "/debug/pprof/heap"),
    ("GET", "/admin/unknown"),
];

fn bare(method: &str, path: &str) -> Request<Body> {
    Request::builder()
        .method(method)
        .uri(path)
        .body(Body::empty())
        .unwrap()
}

#[tokio::test]
async fn nothing_is_done_without_the_token() {
    let panel = Panel::new().await;
    for (method, path) in PROTECTED {
        let answer = panel.send(bare(method, path)).await;
        answer.refused(401, "invalid_token", "missing");
        let challenge = answer.headers["www-authenticate"].to_str().unwrap();
        assert_eq!(challenge, r#"Bearer realm="tollgate-admin""#, "{path}");
    }
    let log = panel.audit.take();
    assert_eq!(log, vec!["admin.refused invalid_token -"; PROTECTED.len()]);
}

#[tokio::test]
async fn every_route_is_there_for_those_who_have_it() {
    let panel = Panel::new().await;
    for template in ROUTE_TEMPLATES {
        let path = template.replace("{id}", "c").replace("{kid}", "k");
        // A method that nobody understands: 405 tells the route from 404.
        let request = authorized(Method::TRACE, &path)
            .body(Body::empty())
            .unwrap();
        let answer = panel.send(request).await;
        answer.refused(405, "invalid_request", "Allow");
        assert!(answer.headers.contains_key("allow"), "{template}");
    }
    panel
        .get("/admin/unknown")
        .await
        .refused(404, "not_found", "nothing at this path");
}

#[tokio::test]
async fn only_the_one_token_counts() {
    let panel = Panel::new().await;
    let with = |headers: &[&str]| {
        let mut request = Request::builder().uri("/admin/keys");
        for header in headers {
            request = request.header("authorization", *header);
        }
        request.body(Body::empty()).unwrap()
    };
    let right = format!("Bearer {TOKEN}");
    assert_eq!(panel.send(with(&[&right])).await.status, 200);
    assert_eq!(
        panel
            .send(with(&[&format!("bearer  {TOKEN}")]))
            .await
            .status,
        200
    );
    for wrong in [
        &["Bearer"][..],
        &["Bearer "],
        &[TOKEN],
        &[&format!("Basic {TOKEN}")],
        &[&format!("Bearer {}", &TOKEN[1..])],
        &[&format!("Bearer {TOKEN}x")],
        &[&format!("Bearer {}", TOKEN.to_uppercase())],
        &[&format!("Bearer {TOKEN} {TOKEN}")],
        &[&right, &right],
        &["Bearer wrong", &right],
    ] {
        let answer = panel.send(with(wrong)).await;
        answer.refused(401, "invalid_token", "wrong");
        let challenge = answer.headers["www-authenticate"].to_str().unwrap();
        assert!(
            challenge.contains(r#"error="invalid_token""#),
            "{challenge}"
        );
    }
}

#[tokio::test]
async fn guessing_fills_neither_the_log_nor_the_time_of_others() {
    let panel = Panel::new().await;
    for attempt in 0..110 {
        let answer = panel.send(bare("GET", "/admin/keys")).await;
        match attempt {
            0..100 => answer.refused(401, "invalid_token", "missing"),
            _ => {
                answer.refused(429, "temporarily_unavailable", "too many");
                assert!(answer.headers.contains_key("retry-after"));
            }
        }
    }
    assert_eq!(panel.audit.take().len(), 100);
    assert_eq!(panel.get("/admin/keys").await.status, 200);
}

#[test]
fn a_token_that_can_be_guessed_is_none() {
    assert!(AdminToken::new(TOKEN).is_ok());
    for weak in [
        "",
        "admin",
        &"x".repeat(31),
        &format!(" {TOKEN}"),
        &format!("{TOKEN} a"),
        "ä\"ö",
    ] {
        assert!(AdminToken::new(weak).is_err(), "{weak}");
    }
    assert_eq!(
        format!("{:?}", AdminToken::new(TOKEN).unwrap()),
        "AdminToken(…)"
    );
}
