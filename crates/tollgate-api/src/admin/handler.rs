//! The router as a handler of `tollgate-web`, with its requests counted by route.

use axum::{
    Router,
    body::Body,
    extract::{MatchedPath, Request},
    middleware::Next,
    response::Response,
};
use http_body_util::BodyExt as _;
use tollgate_store::Store;
use tollgate_web::{Handler, RequestBody, RequestContext, ResponseBody, RouteId};
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

/// The management API for a server of `tollgate-web`.
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
