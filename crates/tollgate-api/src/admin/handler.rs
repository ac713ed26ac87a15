//! The router as a handler of `tollgate-web`, with its requests counted by route.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{MatchedPath, Request},
    http::StatusCode,
    middleware::Next,
    response::Response,
};
use http_body_util::BodyExt as _;
use tokio::task::JoinError;
use tollgate_store::Store;
use tollgate_web::{Handler, RequestBody, RequestContext, ResponseBody, RouteId, error_response};
use tower::ServiceExt as _;

use super::{AdminState, extract::Origin, router};

/// The path templates of all routes, in the order in which requests are counted by them.
pub const ROUTE_TEMPLATES: [&str; 22] = [
    "/metrics",
    "/health",
    "/ready",
    "/admin/clients",
    "/admin/clients/{id}",
    "/admin/clients/{id}/secret",
    "/admin/keys",
    "/admin/keys/rotate",
    "/admin/keys/{kid}",
    "/admin/tokens",
    "/admin/tokens/count",
    "/admin/tokens/introspect",
    "/admin/tokens/redeem",
    "/admin/tokens/revoke",
    "/admin/cache",
    "/admin/limits",
    "/admin/stats",
    "/admin/config",
    "/admin/backup",
    "/admin/restore",
    "/debug/pprof/profile",
    "/debug/pprof/heap",
];

/// The management API for a server of `tollgate-web`; to be served within [`RunToTheEnd`].
pub struct AdminHandler {
    router: Router,
    routes_from: u16,
}

impl AdminHandler {
    /// The management API; `routes_from` is the place of the first of [`ROUTE_TEMPLATES`] among
    /// the routes that the HTTP metrics were registered with.
    pub fn new<S: Store>(state: AdminState<S>, routes_from: u16) -> Self {
        Self {
            router: router(state),
            routes_from,
        }
    }

    fn route(&self, matched: &MatchedPath) -> RouteId {
        let mut places = ROUTE_TEMPLATES.iter().zip(self.routes_from..);
        let place = places.find(|(template, _)| **template == matched.as_str());
        place.map_or(RouteId::OTHER, |(_, place)| RouteId::new(place))
    }
}

impl Handler for AdminHandler {
    async fn handle(
        &self,
        mut request: http::Request<RequestBody>,
        context: &mut RequestContext,
    ) -> http::Response<ResponseBody> {
        let origin = Origin {
            id: Some(*context.request_id()),
            ip: context.client_ip(),
        };
        request.extensions_mut().insert(origin);
        let Ok(mut response) = self.router.clone().oneshot(request.map(Body::new)).await;
        if let Some(matched) = response.extensions_mut().remove::<MatchedPath>() {
            context.set_route(self.route(&matched));
        }
        response.map(|body| ResponseBody::stream(body.map_err(Into::into)))
    }
}

/// Lets changes run to their end although the caller has left or waited too long; goes around
/// everything that belongs to the request.
///
/// # Security
///
/// The store makes a change durable whether or not anybody waits for it. Were the handler dropped
/// in between, it could not evict what the caches hold, and a disabled client would go on; nor
/// would the audit log be told.
pub struct RunToTheEnd<H>(Arc<H>);

impl<H: Handler> RunToTheEnd<H> {
    /// `handler`, whose changes run to their end.
    pub fn new(handler: H) -> Self {
        Self(Arc::new(handler))
    }
}

impl<H: Handler> Handler for RunToTheEnd<H> {
    async fn handle(
        &self,
        request: http::Request<RequestBody>,
        context: &mut RequestContext,
    ) -> http::Response<ResponseBody> {
        if request.method().is_safe() {
            return self.0.handle(request, context).await;
        }
        let (handler, mut own) = (Arc::clone(&self.0), context.clone());
        let change = tokio::spawn(async move {
            let response = handler.handle(request, &mut own).await;
            (response, own)
        });
        match change.await.map_err(JoinError::try_into_panic) {
            Ok((response, own)) => {
                *context = own;
                response
            }
            Err(Ok(panic)) => std::panic::resume_unwind(panic),
            // The runtime is shutting down.
            Err(Err(_)) => error_response(StatusCode::SERVICE_UNAVAILABLE),
        }
    }
}

/// Tells the handler which route it was.
pub(super) async fn note_route(
    matched: Option<MatchedPath>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = next.run(request).await;
    if let Some(matched) = matched {
        response.extensions_mut().insert(matched);
    }
    response
}
