//! A list of jobs, a few at a time, with a result for each; all in the caller's own task.

use std::pin::Pin;
use std::task::Poll;

use crate::unwind::poll_caught;

/// The most futures that run at once: each is asked whenever one of them has news.
const AT_ONCE_MAX: usize = 1024;

/// A job of the list panicked; the others go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the job panicked")]
pub struct JobPanicked;

/// Awaits a list of futures, at most `at_once` (1 to 1024) at any time, and returns their results in
/// the order of the list. They run in the caller's task, for waiting and not for computing, and are
/// dropped with it.
///
/// ```
/// # async fn run() {
/// let doubled = tollgate_web::work::fan_out(2, [1, 2, 3].map(|n| async move { n * 2 })).await;
/// assert_eq!(doubled, [Ok(2), Ok(4), Ok(6)]);
/// # }
/// ```
pub async fn fan_out<F, L>(at_once: usize, list: L) -> Vec<Result<F::Output, JobPanicked>>
where
    F: Future,
    L: IntoIterator<Item = F>,
{
    let mut waiting = list.into_iter().fuse();
    let at_once = at_once.clamp(1, AT_ONCE_MAX);
    let mut running: Vec<(usize, Pin<Box<F>>)> = Vec::new();
    let mut results: Vec<Option<Result<F::Output, JobPanicked>>> = Vec::new();
    std::future::poll_fn(|cx| {
        loop {
            while running.len() < at_once
                && let Some(next) = waiting.next()
            {
                running.push((results.len(), Box::pin(next)));
                results.push(None);
            }
            let before = running.len();
            running.retain_mut(|(index, future)| match poll_caught(future.as_mut(), cx) {
                Poll::Pending => true,
                Poll::Ready(result) => {
                    if let Some(slot) = results.get_mut(*index) {
                        *slot = Some(result.map_err(|_| JobPanicked));
                    }
                    false
                }
            });
            match running.len() {
                0 if before == 0 => return Poll::Ready(()),
                left if left == before => return Poll::Pending,
                // Places became free.
                _ => {}
            }
        }
    })
    .await;
    results.into_iter().flatten().collect()
}
