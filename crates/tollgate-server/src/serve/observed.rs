//! Around every handler: what is logged while it works carries the id of its request, and where
//! traces are collected, the request is one.

use std::{pin::pin, time::Instant};

use http::{Method, Request, Response};
use tollgate_web::{Handler, RequestBody, RequestContext, ResponseBody, TrustedProxies};

use crate::{
    logs,
    telemetry::{RequestTrace, Told, Traces},
};

/// The path of a request in log and trace when it is none of ours: it may be anything, a secret
/// too.
const OTHER: &str = "(other)";

/// A handler whose requests are told apart in the log.
pub(super) struct Observed<H> {
    inner: H,
    /// The paths that may be told as they stand.
    paths: Vec<&'static str>,
    /// Where traces go, and whose are carried on.
    traces: Option<(Traces, TrustedProxies)>,
}

impl<H> Observed<H> {
    pub(super) const fn new(
        inner: H,
        paths: Vec<&'static str>,
        traces: Option<(Traces, TrustedProxies)>,
    ) -> Self {
        Self {
            inner,
            paths,
            traces,
        }
    }

    fn path(&self, path: &str) -> &'static str {
        self.paths
            .iter()
            .find(|own| **own == path)
            .copied()
            .unwrap_or(OTHER)
    }
}

impl<H: Handler> Handler for Observed<H> {
    async fn handle(
        &self,
        request: Request<RequestBody>,
        context: &mut RequestContext,
    ) -> Response<ResponseBody> {
        let id = *context.request_id();
        // The common case costs one load and one comparison.
        if self.traces.is_none() && !tracing::enabled!(tracing::Level::DEBUG) {
            return logs::within_request(id, pin!(self.inner.handle(request, context))).await;
        }
        // Boxed, so that the common case has not its size to move.
        let told = Box::pin(self.told(request, context));
        logs::within_request(id, told).await
    }
}

impl<H: Handler> Observed<H> {
    async fn told(
        &self,
        request: Request<RequestBody>,
        context: &mut RequestContext,
    ) -> Response<ResponseBody> {
        let (method, path) = (request.method().clone(), self.path(request.uri().path()));
        let started = Instant::now();
        let response = match &self.traces {
            Some(traces) => self.traced(traces, request, context).await,
            None => self.inner.handle(request, context).await,
        };
        told(&method, path, &response, started);
        response
    }

    async fn traced(
        &self,
        (traces, trusted): &(Traces, TrustedProxies),
        request: Request<RequestBody>,
        context: &mut RequestContext,
    ) -> Response<ResponseBody> {
        let path = self.path(request.uri().path());
        let (method, id) = (request.method().clone(), *context.request_id());
        let told = Told::by(request.headers());
        let told = match trusted.contains(context.peer().ip()) {
            true => told,
            false => told.by_anybody(),
        };
        let trace = RequestTrace::new(told, method, path, id);
        let work = self.inner.handle(request, context);
        traces
            .request(&trace, work, |response| response.status().as_u16())
            .await
    }
}

fn told(method: &Method, path: &str, response: &Response<ResponseBody>, started: Instant) {
    let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    let status = response.status().as_u16();
    tracing::debug!(%method, path, status, micros, "request");
}
