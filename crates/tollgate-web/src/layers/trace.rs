//! A span around each request, with nothing in it that could be a secret.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use http::{Request, Response};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;
use tracing::Span;
use tracing::field::{Empty, display};

use crate::{RequestId, RequestInfo};

/// Longer paths are cut: logs are bounded too.
const PATH_BYTES_MAX: usize = 256;

/// Runs the service in an `info` span `http_request` with the fields `method`, `route` (the
/// template, where axum has matched one), `path`, `request_id`, and once it has answered `status`
/// and `duration_us`; a `debug` event marks the answer.
///
/// Never the query, never a header: both carry credentials.
///
/// ```
/// use axum::{Router, routing::get};
/// use tollgate_web::layers::TraceSpans;
///
/// let app: Router = Router::new()
///     .route("/reset/{token}", get(|| async { "done" }))
///     .route_layer(TraceSpans::routes_only());
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct TraceSpans {
    path: Path,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Path {
    #[default]
    Shown,
    Hidden,
}

impl TraceSpans {
    /// Spans with the path, cut at 256 bytes.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Spans without the path, for services that put secrets into it.
    #[must_use]
    pub fn routes_only() -> Self {
        Self { path: Path::Hidden }
    }

    fn span<B>(self, request: &Request<B>) -> Span {
        let span = tracing::info_span!(
            "http_request",
            method = %request.method(),
            route = Empty,
            path = Empty,
            request_id = Empty,
            status = Empty,
            duration_us = Empty,
        );
        if span.is_disabled() {
            return span;
        }
        if self.path == Path::Shown {
            span.record("path", cut(request.uri().path()));
        }
        let extensions = request.extensions();
        #[cfg(feature = "axum")]
        if let Some(matched) = extensions.get::<axum::extract::MatchedPath>() {
            span.record("route", matched.as_str());
        }
        let of_server = || {
            extensions
                .get::<RequestInfo>()
                .map(|info| info.request_id())
        };
        if let Some(id) = extensions.get::<RequestId>().or_else(of_server) {
            span.record("request_id", display(id));
        }
        span
    }
}

fn cut(path: &str) -> &str {
    path.get(..path.floor_char_boundary(PATH_BYTES_MAX))
        .unwrap_or_default()
}

impl<S> Layer<S> for TraceSpans {
    type Service = Traced<S>;

    fn layer(&self, inner: S) -> Traced<S> {
        Traced {
            inner,
            spans: *self,
        }
    }
}

/// The service of [`TraceSpans`].
#[derive(Clone, Debug)]
pub struct Traced<S> {
    inner: S,
    spans: TraceSpans,
}

impl<S, B, R> Service<Request<B>> for Traced<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = TracedFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let span = self.spans.span(&request);
        let inner = span.in_scope(|| self.inner.call(request));
        TracedFuture {
            inner,
            started: (!span.is_disabled()).then(Instant::now),
            span,
        }
    }
}

pin_project! {
    /// The future of [`Traced`].
    pub struct TracedFuture<F> {
        #[pin]
        inner: F,
        span: Span,
        started: Option<Instant>,
    }
}

impl<F, R, E> Future for TracedFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _entered = this.span.enter();
        let answer = ready!(this.inner.poll(cx));
        if let Some(started) = this.started.take() {
            let took = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
            this.span.record("duration_us", took);
            if let Ok(response) = &answer {
                this.span.record("status", response.status().as_u16());
            }
            tracing::debug!("answered");
        }
        Poll::Ready(answer)
    }
}
