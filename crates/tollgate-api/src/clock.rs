//! The clock of the service: the one place that reads the time of day.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use tollgate_protocol::{Now, UnixMillis};

/// Reads the wall clock and remembers the latest that it ever read.
///
/// # Security
///
/// What has expired must not come back to life because somebody set the clock back, so decisions
/// use [`Now::steady`], which never runs backwards while the process lives.
#[derive(Clone, Debug)]
pub struct Clock {
    source: Source,
    latest: Arc<AtomicU64>,
}

#[derive(Clone, Debug)]
enum Source {
    System,
    Manual(Arc<AtomicU64>),
}

impl Clock {
    /// The clock of the machine.
    #[must_use]
    pub fn system() -> Self {
        Self {
            source: Source::System,
            latest: Arc::default(),
        }
    }

    /// A clock that stands at `millis` until somebody moves it, for tests.
    #[must_use]
    pub fn manual(millis: Arc<AtomicU64>) -> Self {
        Self {
            source: Source::Manual(millis),
            latest: Arc::default(),
        }
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Now {
        let wall = match &self.source {
            Source::System => system_millis(),
            Source::Manual(millis) => millis.load(Ordering::Relaxed),
        };
        // Written once a millisecond at the most, so that the threads share the cache line.
        let latest = self.latest.load(Ordering::Relaxed);
        let steady = if wall > latest {
            self.latest.fetch_max(wall, Ordering::Relaxed).max(wall)
        } else {
            latest
        };
        Now {
            wall: UnixMillis(wall),
            steady: UnixMillis(steady),
        }
    }

    /// How far the wall clock has been set back since it was at its latest.
    #[must_use]
    pub fn set_back_by(&self) -> Duration {
        let now = self.now();
        now.steady.since(now.wall)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the time of day"
)]
fn system_millis() -> u64 {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since_epoch.map_or(0, |duration| {
        u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steady_clock_never_runs_back() {
        let hand = Arc::new(AtomicU64::new(5000));
        let clock = Clock::manual(Arc::clone(&hand));
        for (wall, steady) in [(5000, 5000), (9000, 9000), (1000, 9000), (9500, 9500)] {
            hand.store(wall, Ordering::Relaxed);
            assert_eq!(
                clock.now(),
                Now {
                    wall: UnixMillis(wall),
                    steady: UnixMillis(steady)
                }
            );
            assert_eq!(clock.set_back_by(), Duration::from_millis(steady - wall));
        }
    }
}
