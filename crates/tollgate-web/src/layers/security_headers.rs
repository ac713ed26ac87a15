//! Answer headers that tell browsers to be careful.

use std::sync::Arc;
use std::time::Duration;

use http::header::{
    CONTENT_SECURITY_POLICY, HeaderName, REFERRER_POLICY, STRICT_TRANSPORT_SECURITY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderValue, Request, Response};

use super::policy::{Policy, Refusal, policy_layer};
use crate::{RequestInfo, Scheme};

const YEAR: Duration = Duration::from_secs(365 * 24 * 3600);

/// Adds security headers to every answer that does not have them itself:
/// `X-Content-Type-Options: nosniff`, `X-Frame-Options: DENY`, `Referrer-Policy: no-referrer`,
/// and over https `Strict-Transport-Security` for a year.
///
/// ```
/// use axum::{Router, routing::get};
/// use http::HeaderValue;
/// use tollgate_web::layers::SecurityHeaders;
///
/// let policy = HeaderValue::from_static("default-src 'self'; frame-ancestors 'none'");
/// let app: Router = Router::new()
///     .route("/", get(|| async { "hello" }))
///     .layer(SecurityHeaders::new().content_security_policy(policy));
/// ```
#[derive(Clone, Debug)]
pub struct SecurityHeaders(Arc<Headers>);

#[derive(Clone, Debug)]
struct Headers {
    always: Vec<(HeaderName, HeaderValue)>,
    transport: HeaderValue,
}

/// Whether `Strict-Transport-Security` holds for the subdomains too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subdomains {
    /// For all of them, also those that other servers answer for.
    Included,
    /// For this host alone.
    Excluded,
}

impl Default for SecurityHeaders {
    fn default() -> Self {
        Self::new()
    }
}

impl SecurityHeaders {
    /// The headers above.
    #[must_use]
    pub fn new() -> Self {
        let always = vec![
            (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
            (X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
            (REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
        ];
        Self(Arc::new(Headers {
            always,
            transport: transport_security(YEAR, Subdomains::Excluded),
        }))
    }

    /// Adds a `Content-Security-Policy`.
    #[must_use]
    pub fn content_security_policy(self, policy: HeaderValue) -> Self {
        self.with(CONTENT_SECURITY_POLICY, policy)
    }

    /// Adds a header, or replaces one of the above: `Permissions-Policy`, say, or
    /// `X-Frame-Options: SAMEORIGIN`.
    #[must_use]
    pub fn with(mut self, name: HeaderName, value: HeaderValue) -> Self {
        let headers = Arc::make_mut(&mut self.0);
        headers.always.retain(|(known, _)| *known != name);
        headers.always.push((name, value));
        self
    }

    /// How long browsers shall insist on https, in whole seconds; zero makes them forget it.
    #[must_use]
    pub fn strict_transport_security(mut self, max_age: Duration, subdomains: Subdomains) -> Self {
        Arc::make_mut(&mut self.0).transport = transport_security(max_age, subdomains);
        self
    }
}

/// RFC 6797 §6.1.
fn transport_security(max_age: Duration, subdomains: Subdomains) -> HeaderValue {
    let suffix = match subdomains {
        Subdomains::Included => "; includeSubDomains",
        Subdomains::Excluded => "",
    };
    let value = HeaderValue::from_str(&format!("max-age={}{suffix}", max_age.as_secs()));
    value.unwrap_or(HeaderValue::from_static("max-age=0"))
}

impl Policy for SecurityHeaders {
    type Kept = Scheme;

    fn before<B>(&self, request: &mut Request<B>) -> Result<Scheme, Refusal> {
        let info = request.extensions().get::<RequestInfo>();
        Ok(info.map_or(Scheme::Http, |info| info.scheme()))
    }

    fn after<B>(&self, scheme: Scheme, response: &mut Response<B>) {
        let headers = response.headers_mut();
        headers.reserve(self.0.always.len() + 1);
        for (name, value) in &self.0.always {
            headers.entry(name).or_insert_with(|| value.clone());
        }
        // RFC 6797 §7.2: never over plain text.
        if scheme == Scheme::Https {
            let entry = headers.entry(STRICT_TRANSPORT_SECURITY);
            entry.or_insert_with(|| self.0.transport.clone());
        }
    }
}

policy_layer!(SecurityHeaders);
