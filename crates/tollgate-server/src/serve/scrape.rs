//! Before the management API answers `/metrics`, what is counted elsewhere is copied there.

use std::sync::Arc;

use http::{Request, Response};
use tollgate_issuer::Issuer;
use tollgate_web::{Handler, RequestBody, RequestContext, ResponseBody};

use super::backend::Backend;

/// The management API of a service on this backend.
pub(super) struct Scraped<H> {
    pub(super) inner: H,
    pub(super) issuer: Arc<Issuer<Backend>>,
}

impl<H: Handler> Handler for Scraped<H> {
    async fn handle(
        &self,
        request: Request<RequestBody>,
        context: &mut RequestContext,
    ) -> Response<ResponseBody> {
        if request.uri().path() == "/metrics" {
            self.issuer.store().copy_metrics();
        }
        self.inner.handle(request, context).await
    }
}
