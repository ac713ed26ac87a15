//! Many tokens at once, on all cores.

use std::num::NonZeroUsize;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::thread;

use serde::de::DeserializeOwned;
use tollgate_protocol::UnixSeconds;

use crate::dpop::Presented;
use crate::error::Error;
use crate::lock::lock;
use crate::token::VerifiedToken;
use crate::verifier::Verifier;

/// So many tokens at a time; fewer for each thread are not worth starting one.
const TOKENS_PER_SHARE: usize = 16;

/// Asked for once: the answer takes the system as long as a verification.
static CORES: LazyLock<usize> =
    LazyLock::new(|| thread::available_parallelism().map_or(1, NonZeroUsize::get));

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
///
/// Threads take small shares as they come free, so that one on a busy core does not keep the others
/// waiting. A validator of the caller's that panics loses its share, not the rest.
pub(crate) fn on_all_cores<T: Sync, R: Send>(
    items: &[T],
    work: impl Fn(&T) -> Result<R, Error> + Sync,
) -> Vec<Result<R, Error>> {
    let shares: Vec<&[T]> = items.chunks(TOKENS_PER_SHARE).collect();
    let (next, done) = (
        AtomicUsize::new(0),
        Mutex::new(Vec::with_capacity(shares.len())),
    );
    let take_shares = || {
        loop {
            let position = next.fetch_add(1, Ordering::Relaxed);
            let Some(share) = shares.get(position) else {
                return;
            };
            let work_all = || share.iter().map(&work).collect::<Vec<_>>();
            let results = panic::catch_unwind(AssertUnwindSafe(work_all));
            let lost = |_| share.iter().map(|_| Err(undecided(PANICKED))).collect();
            let results = results.unwrap_or_else(lost);
            lock(&done).push((position, results));
        }
    };
    let threads = (items.len() / TOKENS_PER_SHARE).clamp(1, *CORES);
    thread::scope(|scope| {
        for _ in 1..threads {
            // Where no thread can be had, the others do its work.
            let spawned = thread::Builder::new().spawn_scoped(scope, take_shares);
            drop(spawned);
        }
        take_shares();
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_unstable_by_key(|(position, _)| *position);
    done.into_iter().flat_map(|(_, results)| results).collect()
}

pub(crate) const PANICKED: &str = "a validator panicked";

/// What becomes of a token whose share of the batch was lost.
pub(crate) fn undecided(why: &str) -> Error {
    Error::Undecided(why.into())
}
