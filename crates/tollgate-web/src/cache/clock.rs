//! The time that entries age by: of the machine, or of a test.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
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
}

impl Default for CacheClock {
    fn default() -> Self {
        Self::machine()
    }
}

pub(crate) fn millis_of(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
