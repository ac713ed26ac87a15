//! Around every handler: what is logged while it works carries the id of its request.

use std::time::Instant;

use http::{Request, Response};
use tollgate_web::{Handler, RequestBody, RequestContext, ResponseBody};

use crate::logs;

/// A handler whose requests are told apart in the log.
pub(super) struct Observed<H> {
    inner: H,
    /// The paths that may be logged as they stand; others may be anything, secrets too.
    paths: Vec<&'static str>,
}

impl<H> Observed<H> {
    pub(super) const fn new(inner: H, paths: Vec<&'static str>) -> Self {
        Self { inner, paths }
    }
}

impl<H: Handler> Handler for Observed<H> {
    async fn handle(
        &self,
        request: Request<RequestBody>,
        context: &mut RequestContext,
    ) -> Response<ResponseBody> {
        let id = *context.request_id();
        if !tracing::enabled!(tracing::Level::DEBUG) {
            return logs::within_request(id, self.inner.handle(request, context)).await;
        }
        let method = request.method().clone();
        let path = self
            .paths
            .iter()
            .find(|path| **path == request.uri().path())
            .copied();
        let started = Instant::now();
        logs::within_request(id, async {
            let response = self.inner.handle(request, context).await;
            let (status, micros) = (response.status().as_u16(), started.elapsed().as_micros());
            let micros = u64::try_from(micros).unwrap_or(u64::MAX);
            tracing::debug!(%method, path = path.unwrap_or("(other)"), status, micros, "request");
            response
        })
        .await
    }
}
