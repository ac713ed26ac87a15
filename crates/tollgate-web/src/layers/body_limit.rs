//! A bound on the bytes of a request's body.

use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Body;
use tower_layer::Layer;
use tower_service::Service;

use super::bounded::{BoundedBody, BoundedFuture, Tripped};
use super::policy::refusal;
use crate::StreamError;
use crate::head::told_length;

/// Answers 413 to bodies that are too large: at once when their length is told, else when the
/// bound is passed and the service failed on it.
///
/// The [`Server`](crate::Server) bounds all bodies by `body_bytes_max`; this layer is for routes
/// that take less.
///
/// ```
/// use axum::{Router, routing::post};
/// use tollgate_web::layers::BodyLimit;
///
/// let app: Router = Router::new()
///     .route("/name", post(|name: String| async move { name }))
///     .layer(BodyLimit::new(256));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct BodyLimit(u64);

impl BodyLimit {
    /// Takes bodies of at most this many bytes.
    #[must_use]
    pub fn new(bytes_max: u64) -> Self {
        Self(bytes_max)
    }
}

impl<S> Layer<S> for BodyLimit {
    type Service = Limited<S>;

    fn layer(&self, inner: S) -> Limited<S> {
        Limited {
            inner,
            bytes_max: self.0,
        }
    }
}

/// The service of [`BodyLimit`].
#[derive(Clone, Debug)]
pub struct Limited<S> {
    inner: S,
    bytes_max: u64,
}

impl<S, B, R> Service<Request<B>> for Limited<S>
where
    S: Service<Request<BoundedBody<B>>, Response = Response<R>>,
    B: Body<Data = Bytes>,
    B::Error: Into<StreamError>,
    R: From<Bytes>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = BoundedFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let told = told_length(request.headers()).unwrap_or(0);
        if told.max(request.body().size_hint().lower()) > self.bytes_max {
            return BoundedFuture::refused(refusal(StatusCode::PAYLOAD_TOO_LARGE));
        }
        let tripped = (!request.body().is_end_stream()).then(Tripped::default);
        let request = request.map(|body| BoundedBody::new(body, self.bytes_max, tripped.clone()));
        BoundedFuture::asked(self.inner.call(request), tripped)
    }
}
