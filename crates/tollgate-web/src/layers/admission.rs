//! [`Overload`] as a tower layer: bounded work, a bounded queue, a bounded wait.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use super::policy::refusal;
use crate::{Overload, Permit};

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
    type Future = AdmittedFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if let Some(permit) = self.overload.admit_at_once() {
            let work = self.inner.call(request);
            let state = State::Works { work, permit };
            return AdmittedFuture { state };
        }
        // The service that said it was ready is the one to be called.
        let next = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, next);
        let overload = Arc::clone(&self.overload);
        let wait = Box::pin(async move {
            let Ok(_permit) = overload.admit().await else {
                return Ok(refusal(StatusCode::SERVICE_UNAVAILABLE).map(R::from));
            };
            inner.call(request).await
        });
        AdmittedFuture {
            state: State::Waits { wait },
        }
    }
}

pin_project! {
    /// The future of [`Admitted`]; it takes memory of its own only where it has to wait.
    pub struct AdmittedFuture<F: Future> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProjection]
    enum State<F: Future> {
        Works { #[pin] work: F, permit: Permit<Arc<Overload>> },
        Waits { wait: Pin<Box<dyn Future<Output = F::Output> + Send>> },
    }
}

impl<F: Future> Future for AdmittedFuture<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        match self.project().state.project() {
            StateProjection::Works { work, .. } => work.poll(cx),
            StateProjection::Waits { wait } => wait.as_mut().poll(cx),
        }
    }
}
