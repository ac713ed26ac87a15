//! A response body that tells its connection when it has been taken.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::connection::SEND_BUFFER_BYTES_MAX;
use super::state::ConnectionState;
use crate::ResponseBody;
use crate::body::with_more;
use crate::response::StreamError;

/// What HTTP/2 gets of a body at a time. h2 queues whatever it gets once the client has opened its
/// window by a single byte: were that all of a large body, a client that then opens no more could
/// pin it for as long as it likes, past every time-out.
const PIECE_BYTES: usize = 16 * 1024;
/// The most that h2 still queues of a stream whose body has ended: what it buffers before it asks
/// for more, and the piece that it gets then.
const QUEUED_BYTES_MAX: usize = SEND_BUFFER_BYTES_MAX + PIECE_BYTES;

/// The body as it is handed to hyper.
pub(super) struct TrackedBody {
    body: ResponseBody,
    track: Option<Track>,
}

/// Ends the request when dropped.
struct Track {
    state: Arc<ConnectionState>,
    answer: Option<Answer>,
}

/// An answer on HTTP/2 whose reader is waited for.
struct Answer {
    slot: usize,
    /// What has been made and not yet been asked for.
    rest: Bytes,
}

impl Answer {
    /// The frame, or its first piece. Short frames, and with them most bodies, pass as they are.
    fn first(&mut self, frame: Frame<Bytes>) -> Frame<Bytes> {
        match frame.into_data() {
            Ok(data) if data.len() > PIECE_BYTES => {
                self.rest = data;
                Frame::data(self.piece())
            }
            Ok(data) => Frame::data(data),
            Err(other) => other,
        }
    }

    fn piece(&mut self) -> Bytes {
        let piece = self.rest.split_to(self.rest.len().min(PIECE_BYTES));
        match self.rest.len() < QUEUED_BYTES_MAX {
            // May lie in the queue when nobody watches any more, and must not hold on to the whole.
            true => Bytes::copy_from_slice(&piece),
            false => piece,
        }
    }
}

impl TrackedBody {
    /// A body that hyper takes whole with the head, its request already ended.
    pub(super) fn untracked(body: ResponseBody) -> Self {
        Self { body, track: None }
    }

    /// A body whose request lasts until it has been taken.
    pub(super) fn tracked(body: ResponseBody, state: &Arc<ConnectionState>, now: Instant) -> Self {
        let answer = state.is_http2().then(|| Answer {
            slot: state.answer_waits(now),
            rest: Bytes::new(),
        });
        Self {
            body,
            track: Some(Track {
                state: Arc::clone(state),
                answer,
            }),
        }
    }

    fn rest(&self) -> &[u8] {
        let answer = self.track.as_ref().and_then(|track| track.answer.as_ref());
        answer.map_or(&[], |answer| &answer.rest)
    }
}

impl Drop for Track {
    fn drop(&mut self) {
        if let Some(answer) = &self.answer {
            self.state.answer_read(answer.slot);
        }
        self.state.request_ended(Instant::now());
    }
}

impl Body for TrackedBody {
    type Data = Bytes;
    type Error = StreamError;

    #[inline]
    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StreamError>>> {
        let Self { body, track } = &mut *self;
        let Some(Track {
            state,
            answer: Some(answer),
        }) = track
        else {
            return Pin::new(body).poll_frame(cx);
        };
        if !answer.rest.is_empty() {
            state.answer_moves(answer.slot, Instant::now());
            return Poll::Ready(Some(Ok(Frame::data(answer.piece()))));
        }
        let frame = Pin::new(body).poll_frame(cx);
        // The client is not to blame for a body that has nothing to say.
        match frame {
            Poll::Ready(_) => state.answer_moves(answer.slot, Instant::now()),
            Poll::Pending => state.answer_unmade(answer.slot),
        }
        frame.map_ok(|frame| answer.first(frame))
    }

    fn is_end_stream(&self) -> bool {
        self.rest().is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        with_more(self.body.size_hint(), self.rest().len() as u64)
    }
}
