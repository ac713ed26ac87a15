//! Extractors and a route layer for axum: who asks, and which route is counted.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use axum::extract::{FromRequestParts, MatchedPath, OptionalFromRequestParts};
use axum::response::IntoResponse;
use http::request::Parts;
use http::{Request, Response, StatusCode};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::tower::RequestInfo;
use crate::{RequestId, ResponseBody, RouteId, error_response};

/// The address of the client, trusted proxies taken into account.
///
/// ```
/// use axum::{Router, routing::get};
/// use tollgate_web::extract::ClientIp;
///
/// async fn who(ClientIp(ip): ClientIp) -> String {
///     format!("you are {ip}")
/// }
/// let app: Router = Router::new().route("/who", get(who));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientIp(pub IpAddr);

/// The request did not come through a [`Server`](crate::Server): answered 500.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the request carries no `RequestInfo`; serve the router through `TowerService`")]
pub struct NotServed;

impl IntoResponse for NotServed {
    fn into_response(self) -> axum::response::Response {
        tracing::error!("{self}");
        error_response(StatusCode::INTERNAL_SERVER_ERROR).into_response()
    }
}

impl IntoResponse for ResponseBody {
    fn into_response(self) -> axum::response::Response {
        Response::new(axum::body::Body::new(self))
    }
}

impl<S: Sync> FromRequestParts<S> for ClientIp {
    type Rejection = NotServed;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, NotServed> {
        let info = parts.extensions.get::<RequestInfo>().ok_or(NotServed)?;
        Ok(Self(info.client_ip()))
    }
}

impl<S: Sync> FromRequestParts<S> for RequestInfo {
    type Rejection = NotServed;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, NotServed> {
        parts.extensions.get().cloned().ok_or(NotServed)
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for RequestInfo {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Infallible> {
        Ok(parts.extensions.get().cloned())
    }
}

/// The id that a layer gave the request, else the server's.
impl<S: Sync> FromRequestParts<S> for RequestId {
    type Rejection = NotServed;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, NotServed> {
        let given = parts.extensions.get::<RequestId>();
        let made = || {
            parts
                .extensions
                .get::<RequestInfo>()
                .map(|i| i.request_id())
        };
        given.or_else(made).copied().ok_or(NotServed)
    }
}

/// Counts requests under the template of the axum route that they matched, as a `route_layer`.
///
/// ```no_run
/// # use axum::{Router, routing::get};
/// # use tollgate_web::{HttpMetrics, metrics::Registry, extract::RouteTemplates};
/// const ROUTES: &[&str] = &["/users/{id}"];
/// # fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let metrics = HttpMetrics::register(&Registry::new(), ROUTES)?;
/// let app: Router = Router::new()
///     .route("/users/{id}", get(|| async { "a user" }))
///     .route_layer(RouteTemplates::new(ROUTES));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct RouteTemplates(Arc<HashMap<Box<str>, RouteId>>);

impl RouteTemplates {
    /// Knows these templates, the same and in the same order as
    /// [`HttpMetrics::register`](crate::HttpMetrics::register); any other route counts as `other`.
    #[must_use]
    pub fn new(routes: &[&str]) -> Self {
        let ids = (0..u16::MAX).map(RouteId::new);
        let templates = routes.iter().map(|&route| route.into());
        Self(Arc::new(templates.zip(ids).collect()))
    }
}

impl<S> Layer<S> for RouteTemplates {
    type Service = Templated<S>;

    fn layer(&self, inner: S) -> Templated<S> {
        Templated {
            inner,
            templates: self.clone(),
        }
    }
}

/// The service of [`RouteTemplates`].
#[derive(Clone, Debug)]
pub struct Templated<S> {
    inner: S,
    templates: RouteTemplates,
}

impl<S, B, R> Service<Request<B>> for Templated<S>
where
    S: Service<Request<B>, Response = Response<R>>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = TemplatedFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let matched = request.extensions().get::<MatchedPath>();
        let route = matched.and_then(|path| self.templates.0.get(path.as_str()));
        TemplatedFuture {
            route: route.copied(),
            inner: self.inner.call(request),
        }
    }
}

pin_project! {
    /// The future of [`Templated`].
    pub struct TemplatedFuture<F> {
        route: Option<RouteId>,
        #[pin]
        inner: F,
    }
}

impl<F, R, E> Future for TemplatedFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let mut response = ready!(this.inner.poll(cx))?;
        if let Some(route) = *this.route {
            response.extensions_mut().insert(route);
        }
        Poll::Ready(Ok(response))
    }
}
