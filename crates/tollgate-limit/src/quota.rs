//! What a bucket may hold and how fast it fills: a validated pair, not the bucket itself.

const NANOS_PER_SECOND: f64 = 1e9;

/// The longest time that an empty bucket may take to fill: ten years.
const FILL_NANOS_MAX: u64 = 10 * 366 * 24 * 3600 * 1_000_000_000;

/// The rate above which whole nanoseconds per token would be off by more than one in a thousand.
const FILL_PER_SECOND_MAX: f64 = 1_000_000.0;

/// A token bucket's capacity and fill rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    capacity: u32,
    nanos_per_token: u64,
    fill_nanos: u64,
}

impl Quota {
    /// A bucket of `capacity` tokens that gains `fill_per_second` tokens a second.
    ///
    /// # Errors
    /// When a value is zero, negative, not a number or beyond what can be counted exactly.
    pub fn new(capacity: u32, fill_per_second: f64) -> Result<Self, QuotaError> {
        if capacity == 0 {
            return Err(QuotaError::NoCapacity);
        }
        if !(fill_per_second > 0.0 && fill_per_second <= FILL_PER_SECOND_MAX) {
            return Err(QuotaError::FillOutOfRange);
        }
        let nanos = (NANOS_PER_SECOND / fill_per_second).round();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "positive and at least 1000; a huge value saturates and fails below"
        )]
        let nanos_per_token = nanos as u64;
        let fill_nanos = nanos_per_token
            .checked_mul(u64::from(capacity))
            .filter(|&nanos| nanos <= FILL_NANOS_MAX)
            .ok_or(QuotaError::FillsTooSlowly)?;
        Ok(Self {
            capacity,
            nanos_per_token,
            fill_nanos,
        })
    }

    /// The most tokens that a bucket holds.
    #[must_use]
    pub fn capacity(&self) -> u32 {
        self.capacity
    }

    /// Nanoseconds until one more token is there.
    #[must_use]
    pub fn nanos_per_token(&self) -> u64 {
        self.nanos_per_token
    }

    /// Nanoseconds that an empty bucket takes to fill.
    #[must_use]
    pub fn fill_nanos(&self) -> u64 {
        self.fill_nanos
    }

    /// The same in whole seconds, rounded up: the window (`w`) of a `RateLimit-Policy` header.
    #[must_use]
    pub fn window_seconds(&self) -> u64 {
        self.fill_nanos.div_ceil(1_000_000_000)
    }
}

/// Why a [`Quota`] or a number of keys was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum QuotaError {
    /// A bucket without capacity would refuse everything.
    #[error("capacity must be at least 1")]
    NoCapacity,
    /// The fill rate is zero, negative, not a number, or above a million a second.
    #[error("fill rate must be above 0 and at most 1000000 a second")]
    FillOutOfRange,
    /// An empty bucket would take more than ten years to fill.
    #[error("an empty bucket must fill within ten years")]
    FillsTooSlowly,
    /// A table of keys must hold at least one and at most 2^28 of them.
    #[error("number of keys must be between 1 and 268435456")]
    KeysOutOfRange,
}
