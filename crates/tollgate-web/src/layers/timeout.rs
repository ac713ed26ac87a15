//! A bound on the time until the answer's head is there.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use pin_project_lite::pin_project;
use tokio::time::{Sleep, sleep};
use tower_layer::Layer;
use tower_service::Service;

use super::policy::refusal;

/// Answers 503 with `Retry-After` when the service has no answer in time, and drops its future.
///
/// The [`Server`](crate::Server) has a `request_timeout` for all requests; this one is for routes
/// that must be faster. Reading a request's body counts, sending the answer's body does not.
///
/// ```
/// use axum::{Router, routing::get};
/// use std::time::Duration;
/// use tollgate_web::layers::Timeout;
///
/// let app: Router = Router::new()
///     .route("/", get(|| async { "hello" }))
///     .layer(Timeout::new(Duration::from_millis(500)));
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Timeout(Duration);

impl Timeout {
    /// Lets a request take this long.
    #[must_use]
    pub fn new(limit: Duration) -> Self {
        Self(limit)
    }
}

impl<S> Layer<S> for Timeout {
    type Service = Timed<S>;

    fn layer(&self, inner: S) -> Timed<S> {
        Timed {
            inner,
            limit: self.0,
        }
    }
}

/// The service of [`Timeout`].
#[derive(Clone, Debug)]
pub struct Timed<S> {
    inner: S,
    limit: Duration,
}

impl<S, B, R> Service<Request<B>> for Timed<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    R: From<Bytes>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = TimedFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        TimedFuture {
            inner: self.inner.call(request),
            limit: self.limit,
            timer: None,
        }
    }
}

pin_project! {
    /// The future of [`Timed`].
    pub struct TimedFuture<F> {
        #[pin]
        inner: F,
        limit: Duration,
        #[pin]
        timer: Option<Sleep>,
    }
}

impl<F, R, E> Future for TimedFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: From<Bytes>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        if let Poll::Ready(answer) = this.inner.poll(cx) {
            return Poll::Ready(answer);
        }
        // An answer at hand costs no timer.
        if this.timer.is_none() {
            this.timer.set(Some(sleep(*this.limit)));
        }
        match this.timer.as_pin_mut() {
            Some(timer) => timer.poll(cx).map(|()| {
                let late = refusal(StatusCode::SERVICE_UNAVAILABLE);
                Ok(late.map(R::from))
            }),
            None => Poll::Pending,
        }
    }
}
