//! Request ids for the service and for what stands behind it.

use http::header::HeaderName;
use http::{Request, Response};

use super::policy::{Policy, Refusal, policy_layer};
use crate::{RequestId, RequestInfo};

static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Gives each request an id: in its extensions, in its `X-Request-Id` header for whatever the
/// request is passed on to, and in that header of the answer.
///
/// The id is the one of the [`Server`](crate::Server), which takes it over from trusted proxies
/// alone; under another server it is made here.
///
/// ```
/// use axum::{Extension, Router, routing::get};
/// use tollgate_web::{RequestId, layers::RequestIds};
///
/// let app: Router = Router::new()
///     .route("/", get(|Extension(id): Extension<RequestId>| async move { id.to_string() }))
///     .layer(RequestIds::new());
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct RequestIds {
    accept: Accept,
}

#[derive(Clone, Copy, Debug, Default)]
enum Accept {
    #[default]
    Server,
    Anyone,
}

impl RequestIds {
    /// Ids of the server, or made here.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes over the id that the client sent, if it is sane (see [`RequestId`]).
    ///
    /// # Security
    /// Clients choose what the logs say: ids can then repeat and can claim to be another's.
    #[must_use]
    pub fn accept_from_anyone() -> Self {
        Self {
            accept: Accept::Anyone,
        }
    }
}

impl Policy for RequestIds {
    type Kept = RequestId;

    fn before<B>(&self, request: &mut Request<B>) -> Result<RequestId, Refusal> {
        let sent = match self.accept {
            Accept::Server => None,
            Accept::Anyone => request.headers().get(&X_REQUEST_ID),
        };
        let sent = sent.and_then(|id| RequestId::parse(id.as_bytes()));
        let of_server = || {
            let info = request.extensions().get::<RequestInfo>();
            info.map(|info| *info.request_id())
        };
        let id = sent.or_else(of_server).unwrap_or_else(RequestId::make);
        request
            .headers_mut()
            .insert(X_REQUEST_ID.clone(), id.header_value());
        request.extensions_mut().insert(id);
        Ok(id)
    }

    fn after<B>(&self, id: RequestId, response: &mut Response<B>) {
        response
            .headers_mut()
            .insert(X_REQUEST_ID.clone(), id.header_value());
        response.extensions_mut().insert(id);
    }
}

policy_layer!(RequestIds);
