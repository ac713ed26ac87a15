//! Gathers what is sent in small pieces into frames worth their overhead. It never waits for more.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame};
use pin_project_lite::pin_project;

use crate::StreamError;

/// Smaller chunks are put together as long as more of them are at hand. HTTP/2 clients end
/// connections on which too many frames of a few bytes arrive.
const FRAME_BYTES_MIN: usize = 8 * 1024;

/// Where the chunks of a body come from.
pub(super) trait Chunks {
    /// The next chunk; an error is the last thing that it tells.
    fn poll_chunk(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, StreamError>>>;
}

pin_project! {
    /// The body made of a source's chunks.
    pub(super) struct Gathered<S> {
        #[pin]
        source: S,
        // Came after a frame that was large enough without it.
        held: Option<Bytes>,
        failure: Failure,
    }
}

/// Why the body breaks off, told one poll late: hyper throws away what it has not yet written when
/// a body fails, and writes when a body has nothing for it.
enum Failure {
    None,
    Held(StreamError),
    Due(StreamError),
}

impl<S> Gathered<S> {
    pub(super) fn new(source: S) -> Self {
        Self {
            source,
            held: None,
            failure: Failure::None,
        }
    }
}

impl<S: Chunks> Body for Gathered<S> {
    type Data = Bytes;
    type Error = StreamError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StreamError>>> {
        let mut this = self.project();
        match std::mem::replace(this.failure, Failure::None) {
            Failure::None => {}
            Failure::Held(error) => return hold(this.failure, error, cx),
            Failure::Due(error) => return Poll::Ready(Some(Err(error))),
        }
        let first = match this.held.take() {
            Some(held) => held,
            None => match ready!(this.source.as_mut().poll_chunk(cx)) {
                Some(Ok(chunk)) => chunk,
                Some(Err(error)) => return hold(this.failure, error, cx),
                None => return Poll::Ready(None),
            },
        };
        let mut frame = Gathering::One(first);
        while frame.len() < FRAME_BYTES_MIN {
            match this.source.as_mut().poll_chunk(cx) {
                Poll::Ready(Some(Ok(chunk))) if chunk.len() < FRAME_BYTES_MIN => frame.add(&chunk),
                Poll::Ready(Some(Ok(chunk))) => {
                    *this.held = Some(chunk);
                    break;
                }
                Poll::Ready(Some(Err(error))) => {
                    *this.failure = Failure::Held(error);
                    break;
                }
                Poll::Ready(None) | Poll::Pending => break,
            }
        }
        Poll::Ready(Some(Ok(Frame::data(frame.freeze()))))
    }
}

fn hold<T>(failure: &mut Failure, error: StreamError, cx: &Context<'_>) -> Poll<T> {
    *failure = Failure::Due(error);
    cx.waker().wake_by_ref();
    Poll::Pending
}

/// A frame being put together; one chunk alone is not copied.
enum Gathering {
    One(Bytes),
    More(BytesMut),
}

impl Gathering {
    fn len(&self) -> usize {
        match self {
            Self::One(chunk) => chunk.len(),
            Self::More(chunks) => chunks.len(),
        }
    }

    fn add(&mut self, chunk: &[u8]) {
        match self {
            Self::More(chunks) => chunks.extend_from_slice(chunk),
            Self::One(first) => {
                let mut chunks = BytesMut::with_capacity(2 * FRAME_BYTES_MIN);
                chunks.extend_from_slice(first);
                chunks.extend_from_slice(chunk);
                *self = Self::More(chunks);
            }
        }
    }

    fn freeze(self) -> Bytes {
        match self {
            Self::One(chunk) => chunk,
            Self::More(chunks) => chunks.freeze(),
        }
    }
}
