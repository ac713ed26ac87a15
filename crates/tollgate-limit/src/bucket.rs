//! One bucket as a single number, and the pure decision on it (the generic cell rate algorithm).

use std::num::NonZeroU64;

use crate::Quota;

const NANOS_PER_SECOND: u64 = 1_000_000_000;

/// The state of one token bucket: the moment at which it will be full again.
///
/// A bucket that nobody has used is [`Bucket::FULL`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    full_at_nanos: u64,
}

impl Bucket {
    /// A bucket that has been full since the clock's origin.
    pub const FULL: Self = Self { full_at_nanos: 0 };

    /// Whether it holds its full capacity at `now`: forgetting such a bucket forgets nothing.
    #[must_use]
    pub fn is_full(&self, now_nanos: u64) -> bool {
        self.full_at_nanos <= now_nanos
    }

    /// The nanoseconds of filling still missing, never more than a whole bucket's: a clock that
    /// jumped back must not lock a key out for the length of the jump.
    fn missing_nanos(self, quota: &Quota, now_nanos: u64) -> u64 {
        self.full_at_nanos
            .saturating_sub(now_nanos)
            .min(quota.fill_nanos())
    }

    fn with_missing(missing_nanos: u64, now_nanos: u64) -> Self {
        Self {
            full_at_nanos: now_nanos.saturating_add(missing_nanos),
        }
    }
}

/// What a bucket said to a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    limit: u32,
    remaining: u32,
    reset_nanos: u64,
    retry_after_nanos: Option<NonZeroU64>,
}

impl Decision {
    fn new(quota: &Quota, missing_nanos: u64, retry_after_nanos: Option<NonZeroU64>) -> Self {
        let free_nanos = quota.fill_nanos().saturating_sub(missing_nanos);
        let remaining = free_nanos / quota.nanos_per_token();
        Self {
            limit: quota.capacity(),
            remaining: u32::try_from(remaining).unwrap_or(quota.capacity()),
            reset_nanos: missing_nanos,
            retry_after_nanos,
        }
    }

    /// Whether the request may go on.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        self.retry_after_nanos.is_none()
    }

    /// The bucket's capacity in tokens.
    #[must_use]
    pub fn limit(&self) -> u32 {
        self.limit
    }

    /// Whole tokens left.
    #[must_use]
    pub fn remaining(&self) -> u32 {
        self.remaining
    }

    /// Seconds until the bucket is full again, rounded up.
    #[must_use]
    pub fn reset_seconds(&self) -> u64 {
        self.reset_nanos.div_ceil(NANOS_PER_SECOND)
    }

    /// For a refused request, seconds until the same one could pass, rounded up.
    #[must_use]
    pub fn retry_after_seconds(&self) -> Option<u64> {
        self.retry_after_nanos
            .map(|nanos| nanos.get().div_ceil(NANOS_PER_SECOND))
    }
}

/// Takes `cost` tokens out of the bucket, or none of them if they are not all there.
///
/// A cost above the capacity never passes.
pub fn decide(bucket: &mut Bucket, quota: &Quota, cost: u32, now_nanos: u64) -> Decision {
    let missing = bucket.missing_nanos(quota, now_nanos);
    let wanted = missing.saturating_add(cost_nanos(quota, cost));
    let lacking = NonZeroU64::new(wanted.saturating_sub(quota.fill_nanos()));
    if lacking.is_some() {
        return Decision::new(quota, missing, lacking);
    }
    *bucket = Bucket::with_missing(wanted, now_nanos);
    Decision::new(quota, wanted, None)
}

/// What [`decide`] would say for `cost`, without taking anything.
#[must_use]
pub fn peek(bucket: Bucket, quota: &Quota, cost: u32, now_nanos: u64) -> Decision {
    let missing = bucket.missing_nanos(quota, now_nanos);
    let wanted = missing.saturating_add(cost_nanos(quota, cost));
    let lacking = NonZeroU64::new(wanted.saturating_sub(quota.fill_nanos()));
    Decision::new(quota, missing, lacking)
}

/// Takes `cost` tokens, or as many as there are: for costs that are known only afterwards.
///
/// The decision is what a further request of one token would hear.
pub fn charge(bucket: &mut Bucket, quota: &Quota, cost: u32, now_nanos: u64) -> Decision {
    let missing = bucket.missing_nanos(quota, now_nanos);
    let charged = missing
        .saturating_add(cost_nanos(quota, cost))
        .min(quota.fill_nanos());
    *bucket = Bucket::with_missing(charged, now_nanos);
    peek(*bucket, quota, 1, now_nanos)
}

fn cost_nanos(quota: &Quota, cost: u32) -> u64 {
    u64::from(cost).saturating_mul(quota.nanos_per_token())
}
