//! A layer as two functions, one before the service and one after it; for layers that leave the
//! bodies alone.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::error_response;

/// The answer in place of the service's.
pub type Refusal = Box<Response<Bytes>>;

/// What a layer does to a request and to its answer.
///
/// ```
/// use bytes::Bytes;
/// use http::{HeaderValue, Method, Request, Response, StatusCode};
/// use tollgate_web::layers::{Policed, Policy, Refusal, refusal};
///
/// /// Lets nobody change anything.
/// #[derive(Clone)]
/// struct ReadOnly;
///
/// impl Policy for ReadOnly {
///     type Kept = ();
///
///     fn before<B>(&self, request: &mut Request<B>) -> Result<(), Refusal> {
///         match *request.method() {
///             Method::GET | Method::HEAD => Ok(()),
///             _ => Err(refusal(StatusCode::METHOD_NOT_ALLOWED)),
///         }
///     }
///
///     fn after<B>(&self, _: (), response: &mut Response<B>) {
///         response.headers_mut().insert("x-read-only", HeaderValue::from_static("1"));
///     }
/// }
///
/// impl<S> tower_layer::Layer<S> for ReadOnly {
///     type Service = Policed<S, Self>;
///     fn layer(&self, inner: S) -> Self::Service {
///         Policed::new(inner, self.clone())
///     }
/// }
/// ```
pub trait Policy: Clone {
    /// What is remembered from the request until its answer.
    type Kept;

    /// Looks at the request and may change its head.
    ///
    /// # Errors
    /// The answer, when the service must not see the request.
    fn before<B>(&self, request: &mut Request<B>) -> Result<Self::Kept, Refusal>;

    /// Changes the head of the service's answer; refusals are left as they are.
    fn after<B>(&self, kept: Self::Kept, response: &mut Response<B>);
}

/// The constant answer of [`error_response`] for a status, as a [`Policy`] gives it.
#[must_use]
pub fn refusal(status: StatusCode) -> Refusal {
    let answer = error_response(status);
    Box::new(answer.map(|body| Bytes::copy_from_slice(body.as_bytes().unwrap_or_default())))
}

/// A service under a [`Policy`].
#[derive(Clone, Debug)]
pub struct Policed<S, P> {
    inner: S,
    policy: P,
}

impl<S, P> Policed<S, P> {
    /// Puts the service under the policy.
    pub fn new(inner: S, policy: P) -> Self {
        Self { inner, policy }
    }
}

impl<S, P, B, R> Service<Request<B>> for Policed<S, P>
where
    S: Service<Request<B>, Response = Response<R>>,
    P: Policy,
    R: From<Bytes>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = PolicedFuture<S::Future, P>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let stage = match self.policy.before(&mut request) {
            Ok(kept) => Stage::Asked {
                future: self.inner.call(request),
                after: Some((self.policy.clone(), kept)),
            },
            Err(refusal) => Stage::Refused {
                refusal: Some(refusal),
            },
        };
        PolicedFuture { stage }
    }
}

pin_project! {
    /// The future of [`Policed`].
    pub struct PolicedFuture<F, P: Policy> {
        #[pin]
        stage: Stage<F, P>,
    }
}

pin_project! {
    #[project = StageProjection]
    enum Stage<F, P: Policy> {
        Asked { #[pin] future: F, after: Option<(P, P::Kept)> },
        Refused { refusal: Option<Refusal> },
    }
}

impl<F, P, R, E> Future for PolicedFuture<F, P>
where
    F: Future<Output = Result<Response<R>, E>>,
    P: Policy,
    R: From<Bytes>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        match self.project().stage.project() {
            StageProjection::Asked { future, after } => {
                let mut response = ready!(future.poll(cx))?;
                if let Some((policy, kept)) = after.take() {
                    policy.after(kept, &mut response);
                }
                Poll::Ready(Ok(response))
            }
            StageProjection::Refused { refusal } => match refusal.take() {
                Some(refusal) => Poll::Ready(Ok(refusal.map(R::from))),
                None => Poll::Pending,
            },
        }
    }
}

/// Makes a [`Policy`] a tower layer.
macro_rules! policy_layer {
    ($policy:ty) => {
        impl<S> tower_layer::Layer<S> for $policy {
            type Service = $crate::layers::Policed<S, Self>;

            fn layer(&self, inner: S) -> Self::Service {
                $crate::layers::Policed::new(inner, self.clone())
            }
        }
    };
}
pub(super) use policy_layer;
