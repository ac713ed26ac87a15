//! One job and the ticket for its result.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tokio::sync::oneshot;

use super::metrics::Outcome;
use super::queue::Rejected;
use crate::unwind::{Panicked, poll_caught};

/// Why a job has no result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JobError {
    /// It panicked.
    #[error("the job panicked")]
    Panicked,
    /// The pool was drained or dropped before the job was done.
    #[error("the job was aborted by a shutdown")]
    Aborted,
    /// It was never accepted.
    #[error("the job was rejected: {0}")]
    Rejected(#[from] Rejected),
}

/// A job as its worker runs it: tells its result to the ticket, and its outcome to the worker.
pub(super) type Job = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// The claim to a job's result. Dropping it cancels the job, at its next await or before it begins.
#[must_use = "dropping the ticket cancels the job; detach it to let the job go on"]
#[derive(Debug)]
pub struct Ticket<T> {
    result: oneshot::Receiver<Result<T, JobError>>,
    detached: Arc<AtomicBool>,
}

impl<T> Ticket<T> {
    /// Lets the job go on by itself.
    pub fn detach(self) {
        self.detached.store(true, Ordering::Release);
    }
}

impl<T> Future for Ticket<T> {
    type Output = Result<T, JobError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let told = Pin::new(&mut self.result).poll(cx);
        // The job ends without a word only when it is dropped.
        told.map(|told| told.unwrap_or(Err(JobError::Aborted)))
    }
}

/// Makes a job of a future.
pub(super) fn job<F>(future: F) -> (Job, Ticket<F::Output>)
where
    F: Future<Output: Send> + Send + 'static,
{
    let (sender, result) = oneshot::channel();
    let detached = Arc::new(AtomicBool::new(false));
    let job = Running {
        future: Some(future),
        result: Some(sender),
        detached: Arc::clone(&detached),
        span: tracing::Span::current(),
    };
    (Box::pin(job), Ticket { result, detached })
}

pin_project! {
    struct Running<F: Future> {
        #[pin]
        future: Option<F>,
        result: Option<oneshot::Sender<Result<F::Output, JobError>>>,
        detached: Arc<AtomicBool>,
        // Of the request that submitted the job, so that its log lines are found together.
        span: tracing::Span,
    }
}

impl<F: Future> Future for Running<F> {
    type Output = Outcome;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Outcome> {
        let mut this = self.project();
        let _entered = this.span.enter();
        let left = this
            .result
            .as_mut()
            .is_some_and(|result| result.poll_closed(cx).is_ready());
        if left && !this.detached.load(Ordering::Acquire) {
            this.future.set(None);
            return Poll::Ready(Outcome::Cancelled);
        }
        let Some(future) = this.future.as_mut().as_pin_mut() else {
            return Poll::Ready(Outcome::Cancelled);
        };
        let (told, outcome) = match poll_caught(future, cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Ok(output)) => (Ok(output), Outcome::Done),
            Poll::Ready(Err(Panicked)) => {
                tracing::error!("a job panicked");
                (Err(JobError::Panicked), Outcome::Panicked)
            }
        };
        this.future.set(None);
        if let Some(result) = this.result.take() {
            // Nobody waits for a detached job.
            let _ = result.send(told);
        }
        Poll::Ready(outcome)
    }
}
