//! Request bodies under their bounds: size, and time to arrive.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use tokio::time::{Instant, Sleep};

/// A request's body. Reading it fails once it passes the server's `body_bytes_max` or arrives
/// more slowly than `read_timeout` allows.
pub struct RequestBody {
    source: Source,
    bytes_left: u64,
    read_timeout: Duration,
    deadline: Option<Pin<Box<Sleep>>>,
    arrival: Option<Arc<Arrival>>,
}

/// Where a body's frames come from, which depends on the protocol.
pub(crate) enum Source {
    /// HTTP/1.1 and HTTP/2.
    Hyper(Incoming),
    /// HTTP/3.
    #[cfg(feature = "http3")]
    Quic(Pin<Box<crate::serve::QuicBody>>),
}

impl From<Incoming> for Source {
    fn from(incoming: Incoming) -> Self {
        Self::Hyper(incoming)
    }
}

/// The hint of a body that has so many bytes more.
pub(crate) fn with_more(mut hint: SizeHint, bytes: u64) -> SizeHint {
    // The upper bound first: the lower one may never stand above it.
    if let Some(upper) = hint.upper() {
        hint.set_upper(upper.saturating_add(bytes));
    }
    hint.set_lower(hint.lower().saturating_add(bytes));
    hint
}

impl Source {
    fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self {
            Self::Hyper(incoming) => Pin::new(incoming)
                .poll_frame(cx)
                .map_err(|_| BodyError::Malformed),
            #[cfg(feature = "http3")]
            Self::Quic(body) => body.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Hyper(incoming) => incoming.is_end_stream(),
            #[cfg(feature = "http3")]
            Self::Quic(body) => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Hyper(incoming) => incoming.size_hint(),
            #[cfg(feature = "http3")]
            Self::Quic(body) => body.size_hint(),
        }
    }
}

/// How far a body has come in; shared with the server, which times the handler from its end.
#[derive(Debug, Default)]
pub(crate) struct Arrival(AtomicU8);

const UNREAD: u8 = 0;
const AWAITED: u8 = 1;
const COMPLETE: u8 = 2;
const TOO_LARGE: u8 = 3;
const TOO_SLOW: u8 = 4;
const MALFORMED: u8 = 5;

impl Arrival {
    pub(crate) fn is_awaited(&self) -> bool {
        self.0.load(Ordering::Relaxed) == AWAITED
    }

    pub(crate) fn is_complete(&self) -> bool {
        self.0.load(Ordering::Relaxed) == COMPLETE
    }

    /// Why reading it failed, if it did.
    #[cfg(feature = "tower")]
    pub(crate) fn failure(&self) -> Option<BodyError> {
        match self.0.load(Ordering::Relaxed) {
            TOO_LARGE => Some(BodyError::TooLarge),
            TOO_SLOW => Some(BodyError::TooSlow),
            MALFORMED => Some(BodyError::Malformed),
            _ => None,
        }
    }

    fn set(&self, state: u8) {
        self.0.store(state, Ordering::Relaxed);
    }
}

/// Why a body could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BodyError {
    /// It has more bytes than are allowed.
    #[error("the body is too large")]
    TooLarge,
    /// It did not arrive in time.
    #[error("the body took too long to arrive")]
    TooSlow,
    /// Its framing is broken, or the client left.
    #[error("the body is malformed or incomplete")]
    Malformed,
}

impl BodyError {
    /// The status that tells the client: 413, 408 or 400.
    #[must_use]
    pub fn status(self) -> StatusCode {
        match self {
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Malformed => StatusCode::BAD_REQUEST,
        }
    }
}

impl RequestBody {
    pub(crate) fn new(source: impl Into<Source>, bytes_max: usize, read_timeout: Duration) -> Self {
        let source = source.into();
        let arrival = (!source.is_end_stream()).then(Arc::default);
        Self {
            source,
            bytes_left: bytes_max as u64,
            read_timeout,
            deadline: None,
            arrival,
        }
    }

    /// Where to watch the body arrive; `None` when there is none.
    pub(crate) fn arrival(&self) -> Option<Arc<Arrival>> {
        self.arrival.clone()
    }

    fn complete(&self) {
        if let Some(arrival) = &self.arrival {
            arrival.set(COMPLETE);
        }
    }

    fn failed(&self, error: BodyError) -> BodyError {
        if let Some(arrival) = &self.arrival {
            arrival.set(match error {
                BodyError::TooLarge => TOO_LARGE,
                BodyError::TooSlow => TOO_SLOW,
                BodyError::Malformed => MALFORMED,
            });
        }
        error
    }

    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let read_timeout = self.read_timeout;
        let deadline = self.deadline.get_or_insert_with(|| {
            Box::pin(tokio::time::sleep_until(Instant::now() + read_timeout))
        });
        deadline.as_mut().poll(cx)
    }

    fn take_frame(&mut self, frame: Frame<Bytes>) -> Result<Frame<Bytes>, BodyError> {
        let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
        let left = self.bytes_left.checked_sub(bytes);
        // After what does not fit, nothing smaller fits either.
        self.bytes_left = left.unwrap_or_default();
        left.ok_or(BodyError::TooLarge)?;
        if self.source.is_end_stream() {
            self.complete();
        } else if let Some(arrival) = &self.arrival {
            // Who has a part of the body and does not ask for more works on the clock.
            arrival.set(UNREAD);
        }
        Ok(frame)
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match self.source.poll_frame(cx) {
            Poll::Ready(Some(frame)) => {
                let frame = frame.and_then(|frame| self.take_frame(frame));
                Poll::Ready(Some(frame.map_err(|error| self.failed(error))))
            }
            Poll::Ready(None) => {
                self.complete();
                Poll::Ready(None)
            }
            Poll::Pending => {
                if let Some(arrival) = &self.arrival {
                    arrival.set(AWAITED);
                }
                self.poll_deadline(cx)
                    .map(|()| Some(Err(self.failed(BodyError::TooSlow))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.source.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.source.size_hint()
    }
}

impl fmt::Debug for RequestBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBody")
            .field("bytes_left", &self.bytes_left)
            .finish_non_exhaustive()
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        // A body that nobody waits for any more no longer stops the handler's clock.
        if let Some(arrival) = &self.arrival
            && arrival.is_awaited()
        {
            arrival.set(UNREAD);
        }
    }
}

/// Reads a whole body of at most `bytes_max` bytes. One that came in one piece is not copied.
///
/// # Errors
/// See [`BodyError`].
pub async fn collect(mut body: RequestBody, bytes_max: usize) -> Result<Bytes, BodyError> {
    if body.size_hint().lower() > bytes_max as u64 {
        return Err(BodyError::TooLarge);
    }
    let Some(first) = next_data(&mut body).await? else {
        return Ok(Bytes::new());
    };
    if first.len() > bytes_max {
        return Err(BodyError::TooLarge);
    }
    if body.is_end_stream() {
        return Ok(first);
    }
    let Some(second) = next_data(&mut body).await? else {
        return Ok(first);
    };
    let mut whole = BytesMut::from(first);
    let mut next = Some(second);
    while let Some(data) = next {
        if data.len() > bytes_max - whole.len() {
            return Err(BodyError::TooLarge);
        }
        whole.extend_from_slice(&data);
        next = next_data(&mut body).await?;
    }
    Ok(whole.freeze())
}

async fn next_data(body: &mut RequestBody) -> Result<Option<Bytes>, BodyError> {
    loop {
        let frame = std::future::poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await;
        match frame.transpose()? {
            None => return Ok(None),
            // Trailers carry nothing that is read here.
            Some(frame) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}
