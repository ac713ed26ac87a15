//! The body of an HTTP/3 request, held to the length that its head tells (RFC 9114 §4.1.2).

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use h3::server::RequestStream;
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body::{Body, Frame, SizeHint};

use super::transport::Receiving;
use crate::BodyError;
use crate::body::Source;

/// A body that arrives on a QUIC stream.
pub(crate) struct QuicBody {
    stream: RequestStream<Receiving, Bytes>,
    /// Where the transport learns how much of what it read has been used.
    used: Arc<AtomicU64>,
    told: Option<u64>,
    received: u64,
    waiting: Option<Bytes>,
    ended: bool,
}

/// The length in a request's head is no number, or there are several.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct BadLength;

/// What a head says of its body's length.
pub(super) fn told_length(headers: &HeaderMap) -> Result<Option<u64>, BadLength> {
    let mut told = None;
    for value in headers.get_all(CONTENT_LENGTH) {
        let digits = value.as_bytes();
        let sane = !digits.is_empty() && digits.iter().all(u8::is_ascii_digit);
        let length = value.to_str().ok().filter(|_| sane);
        let length = length.and_then(|length| length.parse().ok());
        let length: u64 = length.ok_or(BadLength)?;
        if told.is_some_and(|told| told != length) {
            return Err(BadLength);
        }
        told = Some(length);
    }
    Ok(told)
}

impl QuicBody {
    pub(super) fn new(
        stream: RequestStream<Receiving, Bytes>,
        told: Option<u64>,
        used: Arc<AtomicU64>,
    ) -> Self {
        Self {
            stream,
            used,
            told,
            received: 0,
            waiting: None,
            ended: false,
        }
    }

    /// Looks at what has come already, so that a request without a body is known as such.
    ///
    /// # Errors
    /// When that is at odds with the length told.
    pub(super) async fn peek(&mut self) -> Result<(), BodyError> {
        let peeked = std::future::poll_fn(|cx| Poll::Ready(self.poll_data(cx))).await;
        if let Poll::Ready(Some(data)) = peeked {
            self.waiting = Some(data?);
        }
        Ok(())
    }

    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BodyError>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let data = match self.stream.poll_recv_data(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(data)) => data.map(|mut data| data.copy_to_bytes(data.remaining())),
            Poll::Ready(Err(_)) => return self.broken(),
        };
        let Some(data) = data else {
            self.ended = true;
            return match self.told.is_some_and(|told| told != self.received) {
                true => self.broken(),
                false => Poll::Ready(None),
            };
        };
        let length = u64::try_from(data.len()).unwrap_or(u64::MAX);
        self.used.fetch_add(length, Ordering::Relaxed);
        self.received = self.received.saturating_add(length);
        if self.told.is_some_and(|told| self.received > told) {
            return self.broken();
        }
        Poll::Ready(Some(Ok(data)))
    }

    fn broken(&mut self) -> Poll<Option<Result<Bytes, BodyError>>> {
        self.ended = true;
        Poll::Ready(Some(Err(BodyError::Malformed)))
    }
}

impl Body for QuicBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        if let Some(data) = self.waiting.take() {
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        self.poll_data(cx).map_ok(Frame::data)
    }

    fn is_end_stream(&self) -> bool {
        self.ended && self.waiting.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let waiting = self.waiting.as_ref().map_or(0, Bytes::len);
        let waiting = u64::try_from(waiting).unwrap_or(u64::MAX);
        match self.told {
            _ if self.ended => SizeHint::with_exact(waiting),
            Some(told) => SizeHint::with_exact(told.saturating_sub(self.received) + waiting),
            None => SizeHint::default(),
        }
    }
}

impl From<QuicBody> for Source {
    fn from(body: QuicBody) -> Self {
        Self::Quic(Box::pin(body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_one_number() {
        let check = |values: &[&'static str], expected| {
            let mut all = HeaderMap::new();
            for value in values {
                all.append(CONTENT_LENGTH, value.parse().unwrap());
            }
            assert_eq!(told_length(&all), expected, "{values:?}");
        };
        check(&[], Ok(None));
        check(&["0"], Ok(Some(0)));
        check(&["17"], Ok(Some(17)));
        check(&["17", "17"], Ok(Some(17)));
        check(&["17", "18"], Err(BadLength));
        check(&["+17"], Err(BadLength));
        check(&["-1"], Err(BadLength));
        check(&["1 "], Err(BadLength));
        check(&["1, 1"], Err(BadLength));
        check(&[""], Err(BadLength));
        check(&["99999999999999999999"], Err(BadLength));
    }
}
