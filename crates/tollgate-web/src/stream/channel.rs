//! A body and the sender that fills it, with a bounded number of chunks between them.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::mpsc;

use super::gather::{Chunks, Gathered};
use crate::{ResponseBody, StreamError};

/// More chunks in waiting are no bound any more.
const CHUNKS_MAX: usize = 1 << 16;

/// Nobody reads any more: the client left, or was cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the client left")]
pub struct ClientLeft;

/// The sender was dropped in the middle of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the body was not finished")]
pub struct Unfinished;

/// A body filled from anywhere, such as from a task of its own.
///
/// Of what is sent at most `chunks_max` chunks (at least one) wait for the client; the memory that
/// an answer takes is that many of the largest chunk.
#[must_use]
pub fn channel(chunks_max: usize) -> (StreamSender, ResponseBody) {
    let (chunks, received) = chunks(chunks_max);
    let end = Arc::new(Mutex::new(Err(Unfinished.into())));
    let body = ChannelBody {
        chunks: received,
        end: Arc::clone(&end),
    };
    (
        StreamSender { chunks, end },
        ResponseBody::stream(Gathered::new(body)),
    )
}

pub(super) fn chunks(chunks_max: usize) -> (ChunkSender, mpsc::Receiver<Bytes>) {
    let (sender, receiver) = mpsc::channel(chunks_max.clamp(1, CHUNKS_MAX));
    (ChunkSender(sender), receiver)
}

/// Sends chunks of a body.
#[derive(Debug)]
pub struct ChunkSender(mpsc::Sender<Bytes>);

impl ChunkSender {
    /// Hands over a chunk, once there is room for it. Empty chunks are left out.
    ///
    /// # Errors
    /// When nobody reads any more.
    pub async fn send(&self, chunk: impl Into<Bytes>) -> Result<(), ClientLeft> {
        let chunk = chunk.into();
        if chunk.is_empty() {
            return Ok(());
        }
        self.0.send(chunk).await.map_err(|_| ClientLeft)
    }

    /// Resolves when nobody reads any more.
    pub async fn client_left(&self) {
        self.0.closed().await;
    }
}

/// How the body ends; [`Unfinished`] unless somebody says otherwise.
type End = Arc<Mutex<Result<(), StreamError>>>;

/// The far end of a [`channel`]. Dropped without [`finish`](Self::finish), it breaks the body off.
#[derive(Debug)]
pub struct StreamSender {
    chunks: ChunkSender,
    end: End,
}

impl StreamSender {
    /// Hands over a chunk, once there is room for it. Empty chunks are left out.
    ///
    /// # Errors
    /// When nobody reads any more.
    pub async fn send(&self, chunk: impl Into<Bytes>) -> Result<(), ClientLeft> {
        self.chunks.send(chunk).await
    }

    /// Resolves when nobody reads any more.
    pub async fn client_left(&self) {
        self.chunks.client_left().await;
    }

    /// The body is complete.
    pub fn finish(self) {
        *self.end.lock() = Ok(());
    }

    /// The body cannot be completed and breaks off.
    pub fn fail(self, error: impl Into<StreamError>) {
        *self.end.lock() = Err(error.into());
    }
}

struct ChannelBody {
    chunks: mpsc::Receiver<Bytes>,
    end: End,
}

impl Chunks for ChannelBody {
    fn poll_chunk(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, StreamError>>> {
        let chunk = ready!(self.chunks.poll_recv(cx)).map(Ok);
        Poll::Ready(chunk.or_else(|| {
            let end = std::mem::replace(&mut *self.end.lock(), Ok(()));
            end.err().map(Err)
        }))
    }
}
