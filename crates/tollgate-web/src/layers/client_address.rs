//! The client's address behind trusted proxies, where the server in front has not found it out.

use std::sync::Arc;

use http::{Request, Response};

use super::policy::{Policy, Refusal, policy_layer};
use crate::{RequestInfo, TrustedProxies};

/// Believes `Forwarded` and `X-Forwarded-*` from the proxies named, and from nobody else.
///
/// A [`Server`](crate::Server) does so itself for the proxies of its configuration; this layer is
/// for parts of a service that stand behind proxies of their own. It starts from the peer of the
/// connection, whatever was believed before, and needs a [`RequestInfo`] among the request's
/// extensions: without one nobody knows the peer, and nothing is believed.
///
/// ```
/// use axum::{Extension, Router, routing::get};
/// use tollgate_web::{RequestInfo, TrustedProxies, layers::ClientAddress};
///
/// # fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let proxies = TrustedProxies::new(vec!["10.0.0.0/8".parse()?]);
/// let app: Router = Router::new()
///     .route("/", get(|info: Extension<RequestInfo>| async move { info.client_ip().to_string() }))
///     .layer(ClientAddress::new(proxies));
/// # Ok(())
/// # }
/// # run().unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct ClientAddress(Arc<TrustedProxies>);

impl ClientAddress {
    /// Believes these proxies.
    #[must_use]
    pub fn new(proxies: TrustedProxies) -> Self {
        Self(Arc::new(proxies))
    }
}

impl Policy for ClientAddress {
    type Kept = ();

    fn before<B>(&self, request: &mut Request<B>) -> Result<(), Refusal> {
        let Some(mut info) = request.extensions_mut().remove::<RequestInfo>() else {
            return Ok(());
        };
        info.resolve(&self.0, request.headers());
        request.extensions_mut().insert(info);
        Ok(())
    }

    fn after<B>(&self, (): (), _: &mut Response<B>) {}
}

policy_layer!(ClientAddress);
