//! What a store counts of itself, in relaxed atomics; reading it locks nothing.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// The upper bounds of a [`Histogram`]'s buckets but for the last, which has none.
pub const HISTOGRAM_BOUNDS: [u64; 15] = {
    let mut bounds = [1; 15];
    let mut index = 1;
    while index < bounds.len() {
        #[expect(clippy::indexing_slicing, reason = "index is below the length")]
        {
            bounds[index] = bounds[index - 1] * 2;
        }
        index += 1;
    }
    bounds
};

/// How often values up to each of [`HISTOGRAM_BOUNDS`] were seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    /// How many values fell into each bucket alone (not into the lower ones too); the last bucket
    /// takes what is above every bound.
    pub buckets: [u64; HISTOGRAM_BOUNDS.len() + 1],
    /// The sum of all values.
    pub sum: u64,
    /// How many values there were.
    pub count: u64,
}

/// What a store has done since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StatsSnapshot {
    /// Operations in one commit.
    pub commit_operations: Histogram,
    /// Records changed in one commit.
    pub commit_records: Histogram,
    /// How long a commit took from its first write to the end of its sync, in microseconds.
    pub commit_micros: Histogram,
    /// Operations that wait for a commit now.
    pub queued: u64,
    /// Operations refused because too many were waiting.
    pub saturated: u64,
    /// Operations that failed because a record was damaged.
    pub corrupt: u64,
}

#[derive(Debug, Default)]
struct AtomicHistogram {
    buckets: [AtomicU64; HISTOGRAM_BOUNDS.len() + 1],
    sum: AtomicU64,
}

impl AtomicHistogram {
    fn record(&self, value: u64) {
        let index = HISTOGRAM_BOUNDS.partition_point(|bound| *bound < value);
        if let Some(bucket) = self.buckets.get(index) {
            bucket.fetch_add(1, Relaxed);
        }
        self.sum.fetch_add(value, Relaxed);
    }

    fn snapshot(&self) -> Histogram {
        let buckets = std::array::from_fn(|index| {
            self.buckets
                .get(index)
                .map_or(0, |bucket| bucket.load(Relaxed))
        });
        Histogram {
            buckets,
            sum: self.sum.load(Relaxed),
            count: buckets.iter().sum(),
        }
    }
}

/// The counters behind a [`StatsSnapshot`].
#[derive(Debug, Default)]
pub(crate) struct Stats {
    commit_operations: AtomicHistogram,
    commit_records: AtomicHistogram,
    commit_micros: AtomicHistogram,
    queued: AtomicU64,
    saturated: AtomicU64,
    corrupt: AtomicU64,
}

impl Stats {
    pub(crate) fn committed(&self, operations: usize, records: usize, took: Duration) {
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        self.commit_operations.record(number(operations));
        self.commit_records.record(number(records));
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.commit_micros.record(micros);
    }

    pub(crate) fn enqueued(&self) {
        self.queued.fetch_add(1, Relaxed);
    }

    pub(crate) fn dequeued(&self) {
        self.queued.fetch_sub(1, Relaxed);
    }

    pub(crate) fn saturated(&self) {
        self.saturated.fetch_add(1, Relaxed);
    }

    pub(crate) fn corrupt(&self) {
        self.corrupt.fetch_add(1, Relaxed);
    }

    pub(crate) fn snapshot(&self) -> StatsSnapshot {
        StatsSnapshot {
            commit_operations: self.commit_operations.snapshot(),
            commit_records: self.commit_records.snapshot(),
            commit_micros: self.commit_micros.snapshot(),
            queued: self.queued.load(Relaxed),
            saturated: self.saturated.load(Relaxed),
            corrupt: self.corrupt.load(Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_fall_into_the_bucket_of_their_bound() {
        let histogram = AtomicHistogram::default();
        for value in [0, 1, 2, 3, 4, 5, 16384, 16385, 1 << 40] {
            histogram.record(value);
        }
        let snapshot = histogram.snapshot();
        assert_eq!(
            snapshot.buckets,
            [2, 1, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2]
        );
        assert_eq!(snapshot.count, 9);
    }
}
