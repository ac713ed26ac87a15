//! [`Cors`] as a tower layer.

use http::header::ORIGIN;
use http::{HeaderValue, Request, Response};

use bytes::Bytes;

use super::policy::{Policy, Refusal, policy_layer};
use crate::Cors;

/// Answers preflight requests itself and lets allowed origins read the other answers.
///
/// ```
/// use axum::{Router, routing::get};
/// use tollgate_web::Cors;
///
/// # fn run() -> Result<(), tollgate_web::OriginError> {
/// let app: Router = Router::new()
///     .route("/", get(|| async { "hello" }))
///     .layer(Cors::new(&["https://app.example.com"])?);
/// # Ok(())
/// # }
/// # run().unwrap();
/// ```
impl Policy for Cors {
    type Kept = Option<HeaderValue>;

    fn before<B>(&self, request: &mut Request<B>) -> Result<Self::Kept, Refusal> {
        if let Some(answer) = self.preflight(request.method(), request.headers()) {
            return Err(Box::new(answer.map(|_| Bytes::new())));
        }
        Ok(request.headers().get(ORIGIN).cloned())
    }

    fn after<B>(&self, origin: Self::Kept, response: &mut Response<B>) {
        self.decorate_for(origin.as_ref(), response.headers_mut());
    }
}

policy_layer!(Cors);
