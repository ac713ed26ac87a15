//! All layers at once, over a tower service and over an axum router.

use std::time::Duration;

use http::{HeaderValue, StatusCode};
use tollgate_limit::{KeysMax, PolicyName, Quota};
use tollgate_web::Cors;
use tollgate_web::layers::{
    BodyLimit, Compression, Decompression, EarlyHints, EntityTags, RateLimit, RequestIds,
    SecurityHeaders, Timeout, TraceSpans,
};
use tower::ServiceBuilder;
use tower_layer::Layer;

use super::{Answer, Asked, ask, page, request};

const PAGE: &[(&str, &str)] = &[("content-type", "text/html")];

fn limit() -> RateLimit {
    let quota = Quota::new(100, 1.0).unwrap();
    RateLimit::per_client(
        PolicyName::new("all").unwrap(),
        quota,
        KeysMax::new(10).unwrap(),
    )
}

fn hints() -> EarlyHints {
    EarlyHints::new([HeaderValue::from_static("</a.css>; rel=preload; as=style")])
}

fn cors() -> Cors {
    Cors::new(&["https://app.example.com"]).unwrap()
}

fn check(answer: &Answer) {
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    let tag = answer.header("etag").unwrap();
    assert!(tag.starts_with("W/\""), "{tag}");
    assert_eq!(answer.header("content-encoding"), Some("gzip"));
    for name in [
        "x-request-id",
        "ratelimit",
        "x-content-type-options",
        "link",
    ] {
        assert!(answer.header(name).is_some(), "no {name}");
    }
    let vary = answer.list("vary");
    assert!(
        vary.contains(&"origin") && vary.contains(&"accept-encoding"),
        "{vary:?}"
    );
}

fn asked(known: &str) -> Asked {
    let headers = [("accept-encoding", "gzip"), ("if-none-match", known)];
    request("GET", "/", &headers)
}

#[test]
fn a_tower_service_takes_all_layers() {
    let stack = || {
        let layers = ServiceBuilder::new()
            .layer(RequestIds::new())
            .layer(TraceSpans::new())
            .layer(SecurityHeaders::new())
            .layer(cors())
            .layer(limit())
            .layer(Timeout::new(Duration::from_secs(2)))
            .layer(Compression::new())
            .layer(BodyLimit::new(1000))
            .layer(Decompression::new(1000))
            .layer(EntityTags::new(10_000))
            .layer(hints());
        layers.service(page(PAGE, "hello ".repeat(1000)))
    };
    let first = ask(stack(), asked(""));
    check(&first);
    // The weakened tag is known again, so nothing is sent twice.
    let tag = first.header("etag").unwrap();
    let second = ask(stack(), asked(tag));
    assert_eq!(second.status, StatusCode::NOT_MODIFIED);
    assert!(second.body.is_empty() && second.header("x-request-id").is_some());
}

#[test]
fn an_axum_router_takes_all_layers() {
    let hello = || async { axum::response::Html("hello ".repeat(1000)) };
    let router = axum::Router::new()
        .route("/", axum::routing::get(hello))
        .layer(hints())
        .layer(EntityTags::new(10_000))
        .layer(Decompression::new(1000))
        .layer(BodyLimit::new(1000))
        .layer(Compression::new())
        .layer(Timeout::new(Duration::from_secs(2)))
        .layer(limit())
        .layer(cors())
        .layer(SecurityHeaders::new())
        .layer(TraceSpans::new())
        .layer(RequestIds::new());
    check(&ask(router, asked("").map(axum::body::Body::new)));
}

#[test]
fn a_refusal_of_an_inner_layer_still_has_the_outer_ones_headers() {
    let service = RequestIds::new()
        .layer(SecurityHeaders::new().layer(BodyLimit::new(1).layer(page(&[], "page"))));
    let answer = ask(service, request("POST", "/", &[("content-length", "2")]));
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(answer.header("x-request-id").is_some());
    assert_eq!(answer.header("x-frame-options"), Some("DENY"));
}
