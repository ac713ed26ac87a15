//! Around every handler: what is logged while it works carries the id of its request, and where
//! traces are collected, the request is one.

use std::{pin::pin, time::Instant};

use http::{Method, Request, Response};
use tollgate_web::{Handler, RequestBody, RequestContext, ResponseBody, RouteId, TrustedProxies};

use crate::{
    logs,
    telemetry::{Outcome, RequestTrace, Told, Traces},
};

/// What a request is called in log and trace when its path or its method is none of ours: it may be
/// anything, a secret too.
const OTHER: &str = "(other)";
const OTHER_METHOD: &str = "_OTHER";

/// A handler whose requests are told apart in the log.
pub(super) struct Observed<H> {
    inner: H,
    /// The path templates of all routes, in the order in which requests are counted by them.
    routes: Vec<&'static str>,
    /// Where traces go, and whose are carried on.
    traces: Option<(Traces, TrustedProxies)>,
}

impl<H> Observed<H> {
    pub(super) const fn new(
        inner: H,
        routes: Vec<&'static str>,
        traces: Option<(Traces, TrustedProxies)>,
    ) -> Self {
        Self {
            inner,
            routes,
            traces,
        }
    }

    fn route(&self, route: RouteId) -> &'static str {
        let template = route.index().and_then(|index| self.routes.get(index));
        template.copied().unwrap_or(OTHER)
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
        let method = name_of(request.method());
        let started = Instant::now();
        let (response, route) = match &self.traces {
            Some(traces) => self.traced(traces, request, context).await,
            None => self.answered(request, context).await,
        };
        told(method, route, &response, started);
        response
    }

    async fn traced(
        &self,
        (traces, trusted): &(Traces, TrustedProxies),
        request: Request<RequestBody>,
        context: &mut RequestContext,
    ) -> (Response<ResponseBody>, &'static str) {
        let (method, id) = (name_of(request.method()), *context.request_id());
        let told = Told::by(request.headers());
        let told = match trusted.contains(context.peer().ip()) {
            true => told,
            false => told.by_anybody(),
        };
        let trace = RequestTrace::new(told, method, id);
        let work = self.answered(request, context);
        let outcome = |(response, route): &(Response<ResponseBody>, &'static str)| Outcome {
            status: response.status().as_u16(),
            route,
        };
        traces.request(&trace, work, outcome).await
    }

    /// The answer, and the route that it was found to be of.
    async fn answered(
        &self,
        request: Request<RequestBody>,
        context: &mut RequestContext,
    ) -> (Response<ResponseBody>, &'static str) {
        let response = self.inner.handle(request, context).await;
        (response, self.route(context.route()))
    }
}

/// The method, if it is one that somebody has registered.
fn name_of(method: &Method) -> &'static str {
    let names = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"];
    let name = names.into_iter().find(|name| *name == method.as_str());
    name.unwrap_or(OTHER_METHOD)
}

fn told(method: &str, path: &str, response: &Response<ResponseBody>, started: Instant) {
    let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    let status = response.status().as_u16();
    tracing::debug!(method, path, status, micros, "request");
}
