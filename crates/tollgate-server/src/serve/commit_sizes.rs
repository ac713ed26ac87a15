//! `store_commit_batch_size`: the store's own histogram of its commits, copied into the registry
//! whenever the metrics are read.

use std::sync::{Mutex, PoisonError};

use tollgate_store_embedded::{EmbeddedStore, HISTOGRAM_BOUNDS, Histogram as Seen};
use tollgate_web::metrics::{Buckets, Histogram, Registry, RegistryError};

/// The registry's copy, and how much of the store's was copied already.
pub(super) struct CommitSizes {
    histogram: Histogram,
    copied: Mutex<Seen>,
}

impl CommitSizes {
    /// Registers the histogram, with the store's own bounds.
    ///
    /// # Errors
    ///
    /// When the name is taken.
    pub(super) fn register(registry: &Registry) -> Result<Self, RegistryError> {
        let histogram = registry.histogram(
            "store_commit_batch_size",
            "Operations in one commit.",
            &Buckets::counts(&HISTOGRAM_BOUNDS),
        )?;
        Ok(Self {
            histogram,
            copied: Mutex::default(),
        })
    }

    /// Copies what came since the last time.
    pub(super) fn copy(&self, store: &EmbeddedStore) {
        let mut copied = self.copied.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = store.stats().commit_operations;
        replay(&seen, &copied, |size| self.histogram.observe_count(size));
        *copied = seen;
    }
}

/// Calls `observe` for each value that `now` has and `before` has not: as many in each bucket, and
/// of the same sum.
fn replay(now: &Seen, before: &Seen, mut observe: impl FnMut(u64)) {
    let mut rest = now.sum.saturating_sub(before.sum);
    let buckets: Vec<Bucket> = buckets(now, before).collect();
    let lowest = |bucket: &Bucket| bucket.lowest.saturating_mul(bucket.count);
    rest = rest.saturating_sub(buckets.iter().map(lowest).sum());
    for bucket in &buckets {
        for _ in 0..bucket.count {
            let above = rest.min(bucket.highest.saturating_sub(bucket.lowest));
            rest -= above;
            observe(bucket.lowest.saturating_add(above));
        }
    }
}

/// So many values within these bounds.
struct Bucket {
    lowest: u64,
    highest: u64,
    count: u64,
}

fn buckets(now: &Seen, before: &Seen) -> impl Iterator<Item = Bucket> {
    let highest = HISTOGRAM_BOUNDS.into_iter().chain([u64::MAX]);
    let lowest = [1]
        .into_iter()
        .chain(HISTOGRAM_BOUNDS.map(|bound| bound.saturating_add(1)));
    let counts = now.buckets.into_iter().zip(before.buckets);
    counts
        .zip(lowest.zip(highest))
        .map(|((now, before), (lowest, highest))| Bucket {
            lowest,
            highest,
            count: now.saturating_sub(before),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a store has seen once its commits had these sizes.
    fn seen(sizes: &[u64]) -> Seen {
        let mut seen = Seen::default();
        for size in sizes {
            seen.buckets[HISTOGRAM_BOUNDS.partition_point(|bound| bound < size)] += 1;
            seen.sum += size;
            seen.count += 1;
        }
        seen
    }

    #[test]
    fn a_copy_has_the_same_buckets_and_the_same_sum() {
        let check = |before: &[u64], since: &[u64]| {
            let mut copied = Vec::new();
            let now = seen(&[before, since].concat());
            replay(&now, &seen(before), |size| copied.push(size));
            assert_eq!(seen(&copied), seen(since), "{before:?} {since:?}");
        };
        check(&[], &[]);
        check(&[], &[1]);
        check(&[], &[1, 1, 2, 3, 4, 5, 700, 1000, 100_000]);
        check(&[5, 9], &[5, 6, 7, 8, 9]);
        check(&[100_000], &[100_000, 1]);
    }
}
