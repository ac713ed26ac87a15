//! A body with a bound, and an answer that says so when the bound was passed.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::{Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::policy::{Refusal, refusal};
use crate::{BodyError, StreamError};

/// Whether a body has passed its bound.
#[derive(Clone, Debug, Default)]
pub(super) struct Tripped(Arc<AtomicBool>);

pin_project! {
    /// A body that fails with [`BodyError::TooLarge`] once it has more bytes than are allowed.
    #[derive(Debug)]
    pub struct BoundedBody<B> {
        #[pin]
        body: B,
        bytes_left: u64,
        tripped: Option<Tripped>,
    }
}

impl<B: Body> BoundedBody<B> {
    pub(super) fn new(body: B, bytes_max: u64, tripped: Option<Tripped>) -> Self {
        Self {
            body,
            bytes_left: bytes_max,
            tripped,
        }
    }
}

impl<B> Body for BoundedBody<B>
where
    B: Body<Data = Bytes>,
    B::Error: Into<StreamError>,
{
    type Data = Bytes;
    type Error = StreamError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StreamError>>> {
        let this = self.project();
        let Some(frame) = ready!(this.body.poll_frame(cx)) else {
            return Poll::Ready(None);
        };
        let frame = frame.map_err(Into::into)?;
        let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
        let left = this.bytes_left.checked_sub(bytes);
        // After what does not fit, nothing smaller fits either.
        *this.bytes_left = left.unwrap_or_default();
        if left.is_some() {
            return Poll::Ready(Some(Ok(frame)));
        }
        if let Some(Tripped(tripped)) = this.tripped {
            tripped.store(true, Ordering::Relaxed);
        }
        Poll::Ready(Some(Err(BodyError::TooLarge.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

pin_project! {
    /// The future of a service whose request's body is bounded: what it answers, or 413 when it
    /// failed after the bound was passed.
    pub struct BoundedFuture<F> {
        #[pin]
        stage: Stage<F>,
    }
}

pin_project! {
    #[project = StageProjection]
    enum Stage<F> {
        Asked { #[pin] future: F, tripped: Option<Tripped> },
        Refused { refusal: Option<Refusal> },
    }
}

impl<F> BoundedFuture<F> {
    pub(super) fn asked(future: F, tripped: Option<Tripped>) -> Self {
        let stage = Stage::Asked { future, tripped };
        Self { stage }
    }

    pub(super) fn refused(refusal: Refusal) -> Self {
        let refusal = Some(refusal);
        Self {
            stage: Stage::Refused { refusal },
        }
    }
}

impl<F, R, E> Future for BoundedFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: From<Bytes>,
{
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        match self.project().stage.project() {
            StageProjection::Asked { future, tripped } => {
                let answer = ready!(future.poll(cx));
                let passed = tripped
                    .as_ref()
                    .is_some_and(|Tripped(tripped)| tripped.load(Ordering::Relaxed));
                // Whoever answers well without the rest of the body is taken at its word.
                let failed = answer.as_ref().map_or(true, |r| is_error(r.status()));
                if passed && failed {
                    let refusal = refusal(StatusCode::PAYLOAD_TOO_LARGE);
                    return Poll::Ready(Ok(refusal.map(R::from)));
                }
                Poll::Ready(answer)
            }
            StageProjection::Refused { refusal } => match refusal.take() {
                Some(refusal) => Poll::Ready(Ok(refusal.map(R::from))),
                None => Poll::Pending,
            },
        }
    }
}

fn is_error(status: StatusCode) -> bool {
    status.is_client_error() || status.is_server_error()
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;

    /// Hands out its last part first.
    struct Parts(Vec<&'static [u8]>);

    impl Body for Parts {
        type Data = Bytes;
        type Error = Infallible;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
            let part = self.0.pop();
            Poll::Ready(part.map(|part| Ok(Frame::data(Bytes::from_static(part)))))
        }
    }

    #[test]
    fn nothing_is_handed_on_after_what_does_not_fit() {
        let mut body = BoundedBody::new(Parts(vec![b"d", b"bc", b"a"]), 2, None);
        let mut passes = || {
            let mut waiting = Context::from_waker(std::task::Waker::noop());
            match Pin::new(&mut body).poll_frame(&mut waiting) {
                Poll::Ready(Some(frame)) => frame.is_ok(),
                other => panic!("{other:?}"),
            }
        };
        assert!(passes());
        assert!(!passes());
        assert!(!passes(), "smaller, but after what did not fit");
    }
}
