//! A response body that tells its connection when it has been taken.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::state::ConnectionState;
use crate::ResponseBody;
use crate::response::StreamError;

/// The body as it is handed to hyper.
pub(super) struct TrackedBody {
    body: ResponseBody,
    track: Option<Track>,
}

/// Ends the request when dropped.
struct Track {
    state: Arc<ConnectionState>,
    answer: Option<usize>,
}

impl TrackedBody {
    /// A body that hyper takes whole with the head, its request already ended.
    pub(super) fn untracked(body: ResponseBody) -> Self {
        Self { body, track: None }
    }

    /// A body whose request lasts until it has been taken.
    pub(super) fn tracked(body: ResponseBody, state: &Arc<ConnectionState>, now: Instant) -> Self {
        let answer = state.is_http2().then(|| state.answer_waits(now));
        Self {
            body,
            track: Some(Track {
                state: Arc::clone(state),
                answer,
            }),
        }
    }
}

impl Drop for Track {
    fn drop(&mut self) {
        if let Some(slot) = self.answer {
            self.state.answer_read(slot);
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
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if let Some(Track {
            state,
            answer: Some(slot),
        }) = &self.track
        {
            // The client is not to blame for a body that has nothing to say.
            match frame {
                Poll::Ready(_) => state.answer_moves(*slot, Instant::now()),
                Poll::Pending => state.answer_unmade(*slot),
            }
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
