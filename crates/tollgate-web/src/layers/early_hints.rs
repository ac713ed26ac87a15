//! Hints about what a page will need, as far as the protocol library lets them out.

use std::sync::Arc;

use http::header::{CONTENT_TYPE, LINK};
use http::{HeaderValue, Request, Response, StatusCode};

use super::policy::{Policy, Refusal, policy_layer};

/// Adds `Link` headers (RFC 8288), such as `</style.css>; rel=preload; as=style`, to HTML answers.
///
/// They leave with the head of the final answer, so a browser fetches what they name while the
/// page still arrives. They do **not** leave before it as `103 Early Hints` (RFC 8297): hyper's
/// server cannot send an informational answer on HTTP/1.1 or HTTP/2. A proxy in front of the
/// service, or a CDN, commonly makes a 103 of them.
///
/// ```
/// use axum::{Router, response::Html, routing::get};
/// use http::HeaderValue;
/// use tollgate_web::layers::EarlyHints;
///
/// let hints = EarlyHints::new([HeaderValue::from_static("</style.css>; rel=preload; as=style")]);
/// let app: Router = Router::new()
///     .route("/", get(|| async { Html("<link rel=stylesheet href=/style.css>") }))
///     .layer(hints);
/// ```
#[derive(Clone, Debug)]
pub struct EarlyHints(Arc<[HeaderValue]>);

impl EarlyHints {
    /// Hints at these links.
    pub fn new(links: impl IntoIterator<Item = HeaderValue>) -> Self {
        Self(links.into_iter().collect())
    }
}

impl Policy for EarlyHints {
    type Kept = ();

    fn before<B>(&self, _: &mut Request<B>) -> Result<(), Refusal> {
        Ok(())
    }

    fn after<B>(&self, (): (), response: &mut Response<B>) {
        let content_type = response.headers().get(CONTENT_TYPE);
        let html = content_type.is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
        if html && response.status() == StatusCode::OK {
            for link in self.0.iter() {
                response.headers_mut().append(LINK, link.clone());
            }
        }
    }
}

policy_layer!(EarlyHints);
