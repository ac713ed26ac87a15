//! The time that entries age by: of the machine, or of a test.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
#[cfg(feature = "tower")]
use std::time::SystemTime;
use std::time::{Duration, Instant};

/// A monotonic clock in milliseconds since its making.
#[derive(Clone, Debug)]
pub struct CacheClock(Source);

#[derive(Clone, Debug)]
enum Source {
    Machine(Instant),
    Manual(Arc<AtomicU64>),
}

impl CacheClock {
    /// The machine's monotonic clock.
    #[must_use]
    pub fn machine() -> Self {
        Self(Source::Machine(Instant::now()))
    }

    /// A clock that stands still until it is told to [`advance`](Self::advance); for tests.
    #[must_use]
    pub fn manual() -> Self {
        Self(Source::Manual(Arc::default()))
    }

    /// Moves a manual clock and all its clones on; the machine's clock does not listen.
    pub fn advance(&self, by: Duration) {
        if let Source::Manual(millis) = &self.0 {
            millis.fetch_add(millis_of(by), Ordering::SeqCst);
        }
    }

    pub(crate) fn now_millis(&self) -> u64 {
        match &self.0 {
            Source::Machine(since) => millis_of(since.elapsed()),
            Source::Manual(millis) => millis.load(Ordering::SeqCst),
        }
    }

    /// The date, for what names one. A manual clock begins in 2001.
    #[cfg(feature = "tower")]
    pub(crate) fn wall(&self) -> SystemTime {
        match &self.0 {
            #[expect(
                clippy::disallowed_methods,
                reason = "HTTP speaks of dates, and the clock is what stands in for them in tests"
            )]
            Source::Machine(_) => SystemTime::now(),
            Source::Manual(millis) => {
                let millis = millis.load(Ordering::SeqCst);
                SystemTime::UNIX_EPOCH
                    + Duration::from_secs(1_000_000_000)
                    + Duration::from_millis(millis)
            }
        }
    }
}

impl Default for CacheClock {
    fn default() -> Self {
        Self::machine()
    }
}

pub(crate) fn millis_of(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
