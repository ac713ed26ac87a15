//! The count of live tokens: one counter for each second in which tokens expire, so that the
//! passing of time needs no scan.

use std::{
    collections::BTreeMap,
    ops::Bound::{Excluded, Included},
};

use tollgate_protocol::UnixSeconds;

/// Counters by second of expiry, and their sum for one point in time.
#[derive(Clone, Debug, Default)]
pub(crate) struct ActiveCounts {
    by_expiry: BTreeMap<UnixSeconds, u64>,
    /// The sum of the counters after `summed_at`.
    sum: u64,
    summed_at: UnixSeconds,
}

impl ActiveCounts {
    /// The counters as they were kept.
    pub(crate) fn new(by_expiry: BTreeMap<UnixSeconds, u64>) -> Self {
        Self {
            sum: by_expiry
                .range((Excluded(UnixSeconds(0)), std::ops::Bound::Unbounded))
                .map(|(_, count)| count)
                .sum(),
            by_expiry,
            summed_at: UnixSeconds(0),
        }
    }

    /// How many tokens expire after `now`. Costs what lies between this `now` and the last.
    pub(crate) fn at(&mut self, now: UnixSeconds) -> u64 {
        let between = |from, to| -> u64 {
            let range = self.by_expiry.range((Excluded(from), Included(to)));
            range.map(|(_, count)| count).sum()
        };
        if now > self.summed_at {
            self.sum = self.sum.saturating_sub(between(self.summed_at, now));
        } else if now < self.summed_at {
            self.sum = self.sum.saturating_add(between(now, self.summed_at));
        }
        self.summed_at = now;
        self.sum
    }

    /// How many expire at `second`.
    pub(crate) fn expiring(&self, second: UnixSeconds) -> u64 {
        self.by_expiry.get(&second).copied().unwrap_or(0)
    }

    /// Sets how many expire at `second`.
    pub(crate) fn set(&mut self, second: UnixSeconds, count: u64) {
        let before = if count == 0 {
            self.by_expiry.remove(&second)
        } else {
            self.by_expiry.insert(second, count)
        };
        if second > self.summed_at {
            self.sum = self
                .sum
                .saturating_sub(before.unwrap_or(0))
                .saturating_add(count);
        }
    }

    /// The seconds up to `now` that have a counter.
    pub(crate) fn expired(&self, now: UnixSeconds) -> Vec<UnixSeconds> {
        self.by_expiry
            .range(..=now)
            .map(|(second, _)| *second)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_follows_the_clock_both_ways() {
        let mut counts =
            ActiveCounts::new((1..=10).map(|second| (UnixSeconds(second), 2)).collect());
        for (now, expected) in [
            (0, 20),
            (3, 14),
            (3, 14),
            (1, 18),
            (10, 0),
            (11, 0),
            (9, 2),
            (0, 20),
        ] {
            assert_eq!(counts.at(UnixSeconds(now)), expected, "at {now}");
        }
    }

    #[test]
    fn changes_before_and_after_the_clock_count() {
        let mut counts = ActiveCounts::default();
        counts.at(UnixSeconds(5));
        counts.set(UnixSeconds(5), 7);
        counts.set(UnixSeconds(6), 1);
        assert_eq!(counts.at(UnixSeconds(5)), 1);
        counts.set(UnixSeconds(6), 3);
        assert_eq!(counts.at(UnixSeconds(5)), 3);
        assert_eq!(counts.at(UnixSeconds(4)), 10);
        counts.set(UnixSeconds(5), 0);
        assert_eq!(counts.at(UnixSeconds(4)), 3);
        assert_eq!(counts.expired(UnixSeconds(6)), [UnixSeconds(6)]);
        assert_eq!(counts.expired(UnixSeconds(5)), []);
    }
}
