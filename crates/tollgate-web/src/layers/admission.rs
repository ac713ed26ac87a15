//! [`Overload`] as a tower layer: bounded work, a bounded queue, a bounded wait.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use tower_layer::Layer;
use tower_service::Service;

use super::policy::refusal;
use crate::Overload;

/// Lets in what [`Overload`] admits and answers the rest 503 with `Retry-After`.
///
/// The place is held until the answer's head is there. Routes that must answer under any load,
/// such as health checks, stand outside of the layer.
///
/// ```
/// use axum::{Router, routing::get};
/// use std::{sync::Arc, time::Duration};
/// use tollgate_web::{Overload, OverloadLimits, layers::Admission, metrics::Registry};
///
/// # fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let limits = OverloadLimits {
///     in_flight_max: 1000,
///     queue_max: 1000,
///     queue_wait: Duration::from_millis(100),
/// };
/// let overload = Arc::new(Overload::new(limits, &Registry::new())?);
/// let app: Router = Router::new()
///     .route("/work", get(|| async { "done" }))
///     .layer(Admission::new(overload))
///     .route("/health", get(|| async { "ok" }));
/// # Ok(())
/// # }
/// # run().unwrap();
/// ```
#[derive(Clone)]
pub struct Admission(Arc<Overload>);

impl Admission {
    /// Asks this gate, which services may share.
    #[must_use]
    pub fn new(overload: Arc<Overload>) -> Self {
        Self(overload)
    }
}

impl<S> Layer<S> for Admission {
    type Service = Admitted<S>;

    fn layer(&self, inner: S) -> Admitted<S> {
        Admitted {
            inner,
            overload: Arc::clone(&self.0),
        }
    }
}

/// The service of [`Admission`].
#[derive(Clone)]
pub struct Admitted<S> {
    inner: S,
    overload: Arc<Overload>,
}

impl<S, B, R> Service<Request<B>> for Admitted<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
    R: From<Bytes>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<R>, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The service that said it was ready is the one to be called.
        let next = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, next);
        let overload = Arc::clone(&self.overload);
        Box::pin(async move {
            let Ok(_permit) = overload.admit().await else {
                return Ok(refusal(StatusCode::SERVICE_UNAVAILABLE).map(R::from));
            };
            inner.call(request).await
        })
    }
}
