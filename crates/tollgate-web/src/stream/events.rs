//! Server-sent events: an endless answer that is kept alive (HTML living standard, § 9.2).

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName};
use http::{HeaderValue, Response};
use http_body::{Body, Frame};
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep, sleep};

use super::channel::{ChunkSender, ClientLeft};
use super::event::Event;
use super::gather::Gathered;
use super::produce::Produced;
use crate::{ResponseBody, StreamError};

/// Tells nginx not to gather events into larger pieces.
static X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// A remark that clients ignore; proxies and the client's own time-outs see a living connection.
const KEEP_ALIVE: &[u8] = b":\n\n";

/// A comment more often than this would be traffic, and less often would keep nothing alive.
const KEEP_ALIVE_INTERVALS: (Duration, Duration) =
    (Duration::from_millis(10), Duration::from_secs(24 * 3600));

/// How a stream of events is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventOptions {
    /// After how long without an event a comment is sent. Keep it under the server's
    /// `write_timeout` and under the time-outs of what stands between. 10 ms to 24 h; what lies
    /// outside is taken for the nearer end.
    pub keep_alive: Duration,
    /// Events that may wait for the client, at least one.
    pub events_max: usize,
    /// How long a client that lost the connection is told to wait before it comes back; each
    /// client has a time of its own unless told.
    pub retry: Option<Duration>,
}

impl Default for EventOptions {
    fn default() -> Self {
        Self {
            keep_alive: Duration::from_secs(15),
            events_max: 16,
            retry: None,
        }
    }
}

/// Sends events to one client.
#[derive(Debug)]
pub struct EventSender(ChunkSender);

impl EventSender {
    /// Hands over an event, once there is room for it.
    ///
    /// # Errors
    /// When the client has left.
    pub async fn send(&self, event: Event) -> Result<(), ClientLeft> {
        self.0.send(event.into_wire()).await
    }

    /// Resolves when the client has left.
    pub async fn client_left(&self) {
        self.0.client_left().await;
    }
}

/// The answer whose events `producer` sends; the producer is dropped when the client leaves.
///
/// ```
/// use tollgate_web::stream::{Event, EventOptions, LastEventId, events};
///
/// let headers = http::HeaderMap::new();
/// let seen = LastEventId::from_headers(&headers).and_then(|id| id.as_str().parse::<u64>().ok());
/// let answer = events(EventOptions::default(), move |clients| async move {
///     for number in seen.map_or(0, |seen| seen.saturating_add(1)).. {
///         clients.send(Event::data("tick").id(&number.to_string())?).await?;
///         tokio::time::sleep(std::time::Duration::from_secs(1)).await;
///     }
///     Ok(())
/// });
/// assert_eq!(answer.headers()["content-type"], "text/event-stream");
/// ```
#[must_use]
pub fn events<P, F>(options: EventOptions, producer: P) -> Response<ResponseBody>
where
    P: FnOnce(EventSender) -> F,
    F: Future<Output = Result<(), StreamError>> + Send + 'static,
{
    let first = options
        .retry
        .map(|wait| Event::new().retry(wait).into_wire().into());
    let (shortest, longest) = KEEP_ALIVE_INTERVALS;
    let body = EventBody {
        first,
        events: Gathered::new(Produced::new(options.events_max, |chunks| {
            producer(EventSender(chunks))
        })),
        keep_alive: options.keep_alive.clamp(shortest, longest),
        quiet: None,
    };
    let mut response = Response::new(ResponseBody::stream(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_ACCEL_BUFFERING.clone(), HeaderValue::from_static("no"));
    response
}

pin_project! {
    struct EventBody<F> {
        first: Option<Bytes>,
        #[pin]
        events: Gathered<Produced<F>>,
        keep_alive: Duration,
        // Since the last bytes; made when there is first something to wait for.
        #[pin]
        quiet: Option<Sleep>,
    }
}

impl<F> Body for EventBody<F>
where
    F: Future<Output = Result<(), StreamError>>,
{
    type Data = Bytes;
    type Error = StreamError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StreamError>>> {
        let mut this = self.project();
        if let Some(first) = this.first.take() {
            return Poll::Ready(Some(Ok(Frame::data(first))));
        }
        if let Poll::Ready(frame) = this.events.poll_frame(cx) {
            if let Some(quiet) = this.quiet.as_mut().as_pin_mut() {
                quiet.reset(Instant::now() + *this.keep_alive);
            }
            return Poll::Ready(frame);
        }
        if this.quiet.is_none() {
            this.quiet.set(Some(sleep(*this.keep_alive)));
        }
        let Some(mut quiet) = this.quiet.as_mut().as_pin_mut() else {
            return Poll::Pending;
        };
        if quiet.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        quiet.reset(Instant::now() + *this.keep_alive);
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(KEEP_ALIVE)))))
    }
}
