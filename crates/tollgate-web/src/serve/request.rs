//! One request: its bounds, its handler, its answer's last touches, its metrics.

use std::convert::Infallible;
use std::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use http::header::{CONNECTION, HeaderName};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Version};
use hyper::body::Body;
use tokio::time::{Sleep, sleep};

use super::refusal::refusal;
use super::state::{ConnectionState, Shared};
use super::tracked_body::TrackedBody;
use crate::body::{Arrival, Source};
use crate::http_metrics::{RouteId, method_position};
use crate::{Handler, RequestBody, RequestContext, RequestId, ResponseBody, error_response};

static X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const CLOSE: HeaderValue = HeaderValue::from_static("close");

/// A connection and the handler behind it.
pub(super) struct Connected<H> {
    pub(super) state: Arc<ConnectionState>,
    pub(super) handler: Arc<H>,
}

/// Answers one request; there is always an answer.
///
/// HTTP/1 lends the connection, since counting references costs an atomic write each way; HTTP/2
/// shares it, since its requests are tasks of their own.
pub(super) async fn serve<H: Handler>(
    connected: impl Deref<Target = Connected<H>>,
    request: Request<impl Into<Source>>,
) -> Result<Response<TrackedBody>, Infallible> {
    let state = &connected.state;
    let shared: &Shared = &state.shared;
    let method = method_position(request.method());
    let version = request.version();
    let http1 = version < Version::HTTP_2;
    let begun = Begun::new(state);
    let mut context = context(state, request.headers());
    let config = &shared.config;
    let request =
        request.map(|body| RequestBody::new(body, config.body_bytes_max, config.read_timeout));
    let arrival = request.body().arrival();
    if http1 {
        let in_chunks = arrival.is_some() && request.body().size_hint().exact().is_none();
        state.turn.expect_chunks(in_chunks);
    }
    let refused = if request.body().size_hint().lower() > config.body_bytes_max as u64 {
        Some(StatusCode::PAYLOAD_TOO_LARGE)
    } else {
        refusal(&request)
    };

    let mut response = if let Some(status) = refused {
        error_response(status)
    } else {
        let handled = {
            // Lazily, so that a handler that panics before its future is there is caught too.
            let handling = async { connected.handler.handle(request, &mut context).await };
            let handling = pin!(handling);
            within(handling, arrival.as_deref(), config.request_timeout).await
        };
        match handled {
            Ok(response) if response.status().is_informational() => {
                let request_id = &context.request_id;
                tracing::error!(%request_id, "the handler would switch protocols, which nobody does");
                error_response(StatusCode::NOT_IMPLEMENTED)
            }
            Ok(response) => response,
            Err(failure) => failure.response(shared, &context.request_id),
        }
    };

    let headers = response.headers_mut();
    headers.insert(X_REQUEST_ID.clone(), context.request_id.header_value());
    // What is left of an unread body stands between this request and the next.
    let is_unread = arrival.is_some_and(|body| !body.is_complete());
    if http1 && (refused.is_some() || is_unread || state.is_draining()) {
        headers.insert(CONNECTION, CLOSE);
    }
    #[cfg(feature = "http3")]
    if state.info.tls
        && version < Version::HTTP_3
        && let Some(offer) = shared.alt_svc.on(state.info.local.port())
    {
        headers.insert(http::header::ALT_SVC, offer.clone());
    }
    let now = Instant::now();
    let took = now.saturating_duration_since(context.started);
    shared
        .metrics
        .answered(context.route, method, response.status(), took);
    Ok(begun.hand_over(response, now))
}

fn context(state: &ConnectionState, headers: &HeaderMap) -> RequestContext {
    let origin = state
        .shared
        .config
        .trusted_proxies
        .resolve(state.info.peer.ip(), headers);
    let told = origin.as_ref().and_then(|_| headers.get(&X_REQUEST_ID));
    RequestContext {
        connection: state.info,
        request_id: told
            .and_then(|id| RequestId::parse(id.as_bytes()))
            .unwrap_or_else(RequestId::make),
        origin,
        client_certificate: state.client_certificate.get().cloned(),
        started: Instant::now(),
        route: RouteId::OTHER,
    }
}

/// A request in flight; ends when dropped, as when the client leaves.
struct Begun<'a> {
    state: &'a Arc<ConnectionState>,
    handed_over: bool,
}

impl<'a> Begun<'a> {
    fn new(state: &'a Arc<ConnectionState>) -> Self {
        state.request_begun();
        state.shared.metrics.in_flight().raise();
        Self {
            state,
            handed_over: false,
        }
    }

    /// Passes the request's end on to its body, where that takes longer than the head.
    fn hand_over(
        mut self,
        response: Response<ResponseBody>,
        now: Instant,
    ) -> Response<TrackedBody> {
        self.handed_over = true;
        // HTTP/1 buffers a whole body with its head; the stream's write time-out covers it.
        if !self.state.is_http2() && response.body().as_bytes().is_some() {
            self.state.request_ended(now);
            return response.map(TrackedBody::untracked);
        }
        response.map(|body| TrackedBody::tracked(body, self.state, now))
    }
}

impl Drop for Begun<'_> {
    fn drop(&mut self) {
        self.state.shared.metrics.in_flight().lower();
        if !self.handed_over {
            self.state.request_ended(Instant::now());
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Failure {
    Panicked,
    TimedOut,
}

impl Failure {
    fn response(self, shared: &Shared, request_id: &RequestId) -> Response<ResponseBody> {
        match self {
            Self::Panicked => {
                shared.metrics.panicked();
                tracing::error!(%request_id, "the handler panicked");
                error_response(StatusCode::INTERNAL_SERVER_ERROR)
            }
            Self::TimedOut => {
                tracing::warn!(%request_id, "the handler ran into the request time-out");
                error_response(StatusCode::SERVICE_UNAVAILABLE)
            }
        }
    }
}

/// Runs the handler, for at most `timeout` beyond the end of the request's body.
///
/// The clock is wound up only once the handler has to wait: an answer at hand costs no timer.
async fn within<F: Future>(
    mut handling: Pin<&mut F>,
    arrival: Option<&Arrival>,
    timeout: Duration,
) -> Result<F::Output, Failure> {
    let mut timer = pin!(None::<Sleep>);
    let mut awaited_body = false;
    std::future::poll_fn(|cx| {
        // The handler is dropped unpolled after a panic, so nobody sees what it left half-done.
        match catch_unwind(AssertUnwindSafe(|| handling.as_mut().poll(cx))) {
            Ok(Poll::Ready(output)) => return Poll::Ready(Ok(output)),
            Ok(Poll::Pending) => {}
            Err(_) => return Poll::Ready(Err(Failure::Panicked)),
        }
        // While the body is awaited its own time-out runs; the handler's begins after it.
        let awaits_body = arrival.is_some_and(Arrival::is_awaited);
        if awaits_body || awaited_body {
            timer.set(None);
        }
        awaited_body = awaits_body;
        if awaits_body {
            return Poll::Pending;
        }
        if timer.is_none() {
            timer.set(Some(sleep(timeout)));
        }
        match timer.as_mut().as_pin_mut() {
            Some(timer) => timer.poll(cx).map(|()| Err(Failure::TimedOut)),
            None => Poll::Pending,
        }
    })
    .await
}
