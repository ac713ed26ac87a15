//! Bounds and times of the key cache.

use std::time::Duration;

/// How a source of keys is asked and how long its answers are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CacheSettings {
    /// How long keys stay fresh when the provider does not say.
    pub ttl: Duration,
    /// How long they stay fresh at least, also when the provider says `no-store`.
    pub ttl_min: Duration,
    /// How long they stay fresh at most, whatever the provider says.
    pub ttl_max: Duration,
    /// How long after that they still serve while the provider does not answer.
    pub max_stale: Duration,
    /// After an unknown key id, a signature mismatch or a failure, the provider is left alone for
    /// this long.
    pub cool_down: Duration,
    /// A provider that is busy and says when to come back is left alone until then, but for no
    /// longer than this.
    pub retry_after_max: Duration,
    /// Time for one refresh with all its retries.
    pub timeout: Duration,
    /// Further attempts after a failed one, with growing pauses.
    pub retries: u32,
    /// Longest document, in bytes.
    pub bytes_max: usize,
    /// Most keys in a set.
    pub keys_max: usize,
}

impl Default for CacheSettings {
    fn default() -> Self {
        Self {
            ttl: Duration::from_secs(15 * 60),
            ttl_min: Duration::from_secs(1),
            ttl_max: Duration::from_secs(24 * 60 * 60),
            max_stale: Duration::from_secs(6 * 60 * 60),
            cool_down: Duration::from_secs(10),
            retry_after_max: Duration::from_secs(5 * 60),
            timeout: Duration::from_secs(10),
            retries: 2,
            bytes_max: 256 * 1024,
            keys_max: 100,
        }
    }
}
