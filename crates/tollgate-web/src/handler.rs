//! What a server calls for each request, and what it tells the handler beside the request.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Instant;

use http::{Request, Response};

use crate::client_address::{Origin, Scheme};
use crate::http_metrics::RouteId;
use crate::serve::ConnectionInfo;
use crate::{ClientCertificate, RequestBody, RequestId, ResponseBody};

/// The application behind a [`Server`](crate::Server).
///
/// Implement it with `async fn handle(&self, …)`. The future must be `Send`.
pub trait Handler: Send + Sync + 'static {
    /// Answers one request. It may be dropped at any await point: when the client leaves, or when
    /// `request_timeout` has passed.
    fn handle(
        &self,
        request: Request<RequestBody>,
        context: &mut RequestContext,
    ) -> impl Future<Output = Response<ResponseBody>> + Send;
}

impl<H: Handler> Handler for Arc<H> {
    fn handle(
        &self,
        request: Request<RequestBody>,
        context: &mut RequestContext,
    ) -> impl Future<Output = Response<ResponseBody>> + Send {
        H::handle(self, request, context)
    }
}

/// What is known about a request beside its bytes, and what the handler says for the metrics.
#[derive(Clone, Debug)]
pub struct RequestContext {
    pub(crate) connection: ConnectionInfo,
    pub(crate) request_id: RequestId,
    pub(crate) origin: Option<Box<Origin>>,
    pub(crate) client_certificate: Option<ClientCertificate>,
    pub(crate) started: Instant,
    pub(crate) route: RouteId,
}

impl RequestContext {
    /// The request's id, also in the answer's `X-Request-Id`.
    #[must_use]
    pub fn request_id(&self) -> &RequestId {
        &self.request_id
    }

    /// The address of the client: of the TCP peer, or what a trusted proxy says of its own peer.
    #[must_use]
    pub fn client_ip(&self) -> IpAddr {
        match &self.origin {
            Some(origin) => origin.ip,
            None => self.connection.peer.ip().to_canonical(),
        }
    }

    /// Whether the client spoke TLS, to us or to a trusted proxy that says so.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        match self.origin.as_ref().and_then(|origin| origin.scheme) {
            Some(scheme) => scheme,
            None if self.connection.tls => Scheme::Https,
            None => Scheme::Http,
        }
    }

    /// The host that the client asked a trusted proxy for.
    #[must_use]
    pub fn forwarded_host(&self) -> Option<&str> {
        self.origin.as_ref()?.host.as_deref()
    }

    /// The other end of the TCP connection.
    #[must_use]
    pub fn peer(&self) -> SocketAddr {
        self.connection.peer
    }

    /// Our end of the TCP connection.
    #[must_use]
    pub fn local(&self) -> SocketAddr {
        self.connection.local
    }

    /// The certificate that the client showed on its TLS connection to us, vouched for by one of
    /// the configured authorities.
    #[must_use]
    pub fn client_certificate(&self) -> Option<&ClientCertificate> {
        self.client_certificate.as_ref()
    }

    /// When the request's head was complete.
    #[must_use]
    pub fn started(&self) -> Instant {
        self.started
    }

    /// The route under which the request is counted so far.
    #[must_use]
    pub const fn route(&self) -> RouteId {
        self.route
    }

    /// The route under which the request is counted; [`RouteId::OTHER`] unless set.
    pub fn set_route(&mut self, route: RouteId) {
        self.route = route;
    }
}
