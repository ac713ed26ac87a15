//! Many tokens at once, on all cores.

use std::num::NonZeroUsize;
use std::thread;

use serde::de::DeserializeOwned;
use tollgate_protocol::UnixSeconds;

use crate::dpop::Presented;
use crate::error::Error;
use crate::token::VerifiedToken;
use crate::verifier::Verifier;

/// Fewer tokens than this for each thread are not worth starting one.
const TOKENS_PER_THREAD_MIN: usize = 16;

impl<C: DeserializeOwned + Send> Verifier<C> {
    /// Verifies many tokens on all cores; the results stand in the order of the tokens.
    pub fn verify_many_at(
        &self,
        tokens: &[&str],
        now: UnixSeconds,
    ) -> Vec<Result<VerifiedToken<C>, Error>> {
        on_all_cores(tokens, |token| self.verify_at(token, now))
    }

    /// Verifies many tokens, each with what came along to prove possession of its key.
    pub fn verify_bound_many_at(
        &self,
        tokens: &[(&str, Presented<'_>)],
        now: UnixSeconds,
    ) -> Vec<Result<VerifiedToken<C>, Error>> {
        on_all_cores(tokens, |(token, presented)| {
            self.verify_bound_at(token, presented, now)
        })
    }
}

/// Does `work` for each of `items`, in as many threads as there are cores.
pub(crate) fn on_all_cores<T: Sync, R: Send>(
    items: &[T],
    work: impl Fn(&T) -> Result<R, Error> + Sync,
) -> Vec<Result<R, Error>> {
    let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let threads = (items.len() / TOKENS_PER_THREAD_MIN).clamp(1, cores);
    let share = items.len().div_ceil(threads).max(1);
    let work = &work;
    let work_all = move |part: &[T]| -> Vec<_> { part.iter().map(work).collect() };
    thread::scope(|scope| {
        let mut parts = items.chunks(share);
        let first = parts.next().unwrap_or_default();
        let others: Vec<_> = parts
            .map(|part| (part, scope.spawn(move || work_all(part))))
            .collect();
        let mut results = work_all(first);
        for (part, other) in others {
            // A validator of the caller's that panics loses its share, not the rest.
            let failed = |_| part.iter().map(|_| Err(undecided())).collect();
            results.extend(other.join().unwrap_or_else(failed));
        }
        results
    })
}

/// What becomes of a token whose share of the batch was lost.
pub(crate) fn undecided() -> Error {
    Error::Undecided("a validator panicked".into())
}
