//! What the layer leaves in a request: the verified token.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use crate::token::{NoClaims, VerifiedToken};

/// The verified token of the request at hand, put into its extensions by
/// [`RequireToken`](super::RequireToken) alone.
pub struct Authenticated<C = NoClaims>(Arc<VerifiedToken<C>>);

impl<C> Authenticated<C> {
    pub(super) fn new(token: VerifiedToken<C>) -> Self {
        Self(Arc::new(token))
    }
}

impl<C> Clone for Authenticated<C> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<C> Deref for Authenticated<C> {
    type Target = VerifiedToken<C>;

    fn deref(&self) -> &VerifiedToken<C> {
        &self.0
    }
}

impl<C> fmt::Debug for Authenticated<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The client's certificate in DER form, to be put into the request's extensions by whoever ends
/// the TLS connection, for tokens bound to it (RFC 8705).
#[derive(Clone)]
pub struct ClientCertificate(pub Arc<[u8]>);

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ClientCertificate")
            .field(&self.0.len())
            .finish()
    }
}

/// The extractor stands on a route without [`RequireToken`](super::RequireToken), or with one for
/// another claims type: a mistake of the service, answered with 500.
#[cfg(feature = "axum")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAuthenticated;

#[cfg(feature = "axum")]
impl axum_core::response::IntoResponse for NotAuthenticated {
    fn into_response(self) -> axum_core::response::Response {
        http::StatusCode::INTERNAL_SERVER_ERROR.into_response()
    }
}

#[cfg(feature = "axum")]
impl<S, C> axum_core::extract::FromRequestParts<S> for Authenticated<C>
where
    S: Sync,
    C: Send + Sync + 'static,
{
    type Rejection = NotAuthenticated;

    async fn from_request_parts(
        parts: &mut http::request::Parts,
        _: &S,
    ) -> Result<Self, NotAuthenticated> {
        parts
            .extensions
            .get::<Self>()
            .cloned()
            .ok_or(NotAuthenticated)
    }
}
