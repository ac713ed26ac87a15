//! An answer's body: given from the cache, or passed on and written down on the way.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::fill::Fill;

pin_project! {
    /// The body of a [`Cached`](super::Cached) service's answer, or of a layer's further out.
    pub struct CachedBody<B> {
        #[pin]
        kind: Kind<B>,
    }
}

pin_project! {
    #[project = KindProjection]
    enum Kind<B> {
        Stored { bytes: Bytes },
        Passed { #[pin] body: B, recording: Option<Box<Recording>> },
    }
}

/// What has been read so far of an answer that is to be kept.
struct Recording {
    fill: Fill,
    bytes: BytesMut,
    length: Option<u64>,
}

impl<B> From<Bytes> for CachedBody<B> {
    fn from(bytes: Bytes) -> Self {
        Self {
            kind: Kind::Stored { bytes },
        }
    }
}

impl<B: Body<Data = Bytes>> CachedBody<B> {
    pub(super) fn passed(body: B) -> Self {
        Self {
            kind: Kind::Passed {
                body,
                recording: None,
            },
        }
    }

    /// Keeps what passes, once all of it has.
    ///
    /// `told` is the length in the answer's head, beside what the body knows of itself.
    pub(super) fn recorded(body: B, told: Option<u64>, fill: Fill) -> Self {
        let recording = Recording {
            fill,
            bytes: BytesMut::new(),
            length: body.size_hint().exact().or(told),
        };
        let ended = body.is_end_stream();
        let mut recording = Some(Box::new(recording));
        if ended {
            end(&mut recording);
        }
        Self {
            kind: Kind::Passed { body, recording },
        }
    }
}

/// Keeps what was written down, unless the body broke off.
fn end(recording: &mut Option<Box<Recording>>) {
    if let Some(recording) = recording.take()
        && recording
            .length
            .is_none_or(|length| length == recording.bytes.len() as u64)
    {
        recording.fill.keep(&recording.bytes);
    }
}

impl<B: Body<Data = Bytes>> Body for CachedBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project().kind.project() {
            KindProjection::Stored { bytes } if bytes.is_empty() => Poll::Ready(None),
            KindProjection::Stored { bytes } => {
                Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes)))))
            }
            KindProjection::Passed {
                mut body,
                recording,
            } => {
                let frame = ready!(body.as_mut().poll_frame(cx));
                match &frame {
                    Some(Ok(frame)) => write_down(recording, frame),
                    // Broken off.
                    Some(Err(_)) => *recording = None,
                    None => end(recording),
                }
                // A server may not ask again once it knows the end.
                if body.is_end_stream() {
                    end(recording);
                }
                Poll::Ready(frame)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Stored { bytes } => bytes.is_empty(),
            Kind::Passed { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Stored { bytes } => SizeHint::with_exact(bytes.len() as u64),
            Kind::Passed { body, .. } => body.size_hint(),
        }
    }
}

fn write_down(slot: &mut Option<Box<Recording>>, frame: &Frame<Bytes>) {
    let Some(recording) = slot else {
        return;
    };
    match frame.data_ref() {
        Some(data) if data.len() <= recording.fill.bytes_max() - recording.bytes.len() => {
            recording.bytes.extend_from_slice(data);
            if recording.length == Some(recording.bytes.len() as u64) {
                end(slot);
            }
        }
        // Too long, or with trailers, which nobody would give again.
        _ => *slot = None,
    }
}
