//! A body whose producer runs inside it, and ends with it.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use pin_project_lite::pin_project;
use tokio::sync::mpsc;

use super::channel::{ChunkSender, chunks};
use super::gather::{Chunks, Gathered};
use crate::unwind::{Panicked, poll_caught};
use crate::{ResponseBody, StreamError};

/// The producer of a body panicked; the body broke off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the producer of the body panicked")]
pub struct ProducerPanicked;

/// A body that is whole when its producer returns `Ok`, and breaks off when it returns an error or
/// panics.
///
/// The producer runs when the client can take more, and is dropped when the client leaves. At most
/// `chunks_max` chunks (at least one) wait for the client.
#[must_use]
pub fn produce<P, F>(chunks_max: usize, producer: P) -> ResponseBody
where
    P: FnOnce(ChunkSender) -> F,
    F: Future<Output = Result<(), StreamError>> + Send + 'static,
{
    ResponseBody::stream(Gathered::new(Produced::new(chunks_max, producer)))
}

pin_project! {
    /// A producer and the chunks that it has sent.
    pub(super) struct Produced<F> {
        chunks: mpsc::Receiver<Bytes>,
        // `None` once it has returned.
        #[pin]
        producer: Option<F>,
        end: Option<StreamError>,
    }
}

impl<F> Produced<F> {
    pub(super) fn new(chunks_max: usize, producer: impl FnOnce(ChunkSender) -> F) -> Self {
        let (sender, chunks) = chunks(chunks_max);
        Self {
            chunks,
            producer: Some(producer(sender)),
            end: None,
        }
    }
}

impl<F> Chunks for Produced<F>
where
    F: Future<Output = Result<(), StreamError>>,
{
    fn poll_chunk(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, StreamError>>> {
        let mut this = self.project();
        // What waits goes first: only a client that has taken it lets the producer go on.
        if let Poll::Ready(Some(chunk)) = this.chunks.poll_recv(cx) {
            return Poll::Ready(Some(Ok(chunk)));
        }
        if let Some(producer) = this.producer.as_mut().as_pin_mut() {
            let returned = match poll_caught(producer, cx) {
                Poll::Pending => None,
                Poll::Ready(Ok(result)) => Some(result),
                Poll::Ready(Err(Panicked)) => {
                    tracing::error!("the producer of a body panicked");
                    Some(Err(ProducerPanicked.into()))
                }
            };
            if let Some(result) = returned {
                this.producer.set(None);
                *this.end = result.err();
                // A sender that went elsewhere adds nothing any more.
                this.chunks.close();
            }
        }
        match this.chunks.poll_recv(cx) {
            Poll::Ready(Some(chunk)) => Poll::Ready(Some(Ok(chunk))),
            Poll::Ready(None) if this.producer.is_none() => Poll::Ready(this.end.take().map(Err)),
            // A producer that has nothing more to send may still find that it failed.
            Poll::Ready(None) | Poll::Pending => Poll::Pending,
        }
    }
}
