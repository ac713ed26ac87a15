//! What spans say, and what they must not.

use std::io;
use std::sync::{Arc, Mutex};

use tollgate_web::Scheme;
use tollgate_web::layers::TraceSpans;
use tower_layer::Layer;
use tracing_subscriber::fmt::format::FmtSpan;

use super::{ask, info, page, request};

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// What a subscriber at `info` writes of one request.
fn log(spans: TraceSpans, uri: &str) -> String {
    let written = Written::default();
    let writer = written.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_span_events(FmtSpan::CLOSE)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        let secrets = [("authorization", "Bearer hidden"), ("cookie", "s=hidden")];
        let mut asked = request("GET", uri, &secrets);
        asked
            .extensions_mut()
            .insert(info("192.0.2.1", Scheme::Http));
        ask(spans.layer(page(&[], "page")), asked);
    });
    let bytes = written.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap()
}

#[test]
fn a_span_says_what_was_asked_and_answered() {
    let log = log(TraceSpans::new(), "/orders/7");
    for part in [
        "http_request",
        "method=GET",
        "/orders/7",
        "request_id=",
        "status=200",
    ] {
        assert!(log.contains(part), "no {part} in {log}");
    }
}

#[test]
fn no_query_and_no_header_is_told() {
    let log = log(TraceSpans::new(), "/orders?token=hidden");
    assert!(log.contains("/orders"), "{log}");
    assert!(!log.contains("hidden") && !log.contains("token"), "{log}");
}

#[test]
fn paths_can_be_kept_out() {
    let log = log(TraceSpans::routes_only(), "/reset/hidden");
    assert!(
        log.contains("method=GET") && !log.contains("hidden"),
        "{log}"
    );
}

#[test]
fn long_paths_are_cut() {
    let log = log(TraceSpans::new(), &format!("/{}tail", "x".repeat(255)));
    assert!(log.contains("xxx") && !log.contains("tail"), "{log}");
}

#[cfg(feature = "axum")]
#[test]
fn the_matched_route_is_told() {
    let router = axum::Router::new()
        .route("/orders/{id}", axum::routing::get(|| async { "order" }))
        .route_layer(TraceSpans::routes_only());
    let written = Written::default();
    let writer = written.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_span_events(FmtSpan::CLOSE)
        .with_writer(move || writer.clone())
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        let asked = request("GET", "/orders/7", &[]);
        ask(router, asked.map(axum::body::Body::new));
    });
    let log = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
    assert!(
        log.contains("/orders/{id}") && !log.contains("/orders/7"),
        "{log}"
    );
}
