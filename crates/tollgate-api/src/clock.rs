//! The clock of the service: the one place that reads the time of day.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use tollgate_protocol::{Now, UnixMillis};

/// Reads the wall clock, and beside it keeps one that never runs back.
///
/// # Security
///
/// What has expired must not come back to life because somebody set the clock back, so decisions
/// use [`Now::steady`]: the latest that the wall clock ever said, and the time passed since by a
/// clock that nobody sets.
#[derive(Clone, Debug)]
pub struct Clock {
    source: Source,
    /// The most that the wall clock was ever ahead of the monotonic one, in milliseconds.
    ahead: Arc<AtomicU64>,
}

#[derive(Clone, Debug)]
enum Source {
    /// The machine's clocks; the monotonic one counts from here.
    System(Instant),
    Manual(Arc<AtomicU64>),
}

impl Clock {
    /// The clock of the machine.
    #[must_use]
    pub fn system() -> Self {
        Self {
            source: Source::System(Instant::now()),
            ahead: Arc::default(),
        }
    }

    /// A clock that stands at `millis` until somebody moves it, for tests.
    #[must_use]
    pub fn manual(millis: Arc<AtomicU64>) -> Self {
        Self {
            source: Source::Manual(millis),
            ahead: Arc::default(),
        }
    }

    /// The clock, never behind `latest`: what an earlier process saw.
    #[must_use]
    pub fn not_before(self, latest: UnixMillis) -> Self {
        self.ahead.fetch_max(latest.0, Ordering::Relaxed);
        self
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> Now {
        self.at(Instant::now())
    }

    /// The time, for a caller that has read the monotonic clock a moment ago.
    #[must_use]
    pub fn at(&self, moment: Instant) -> Now {
        let (wall, passed) = match &self.source {
            Source::System(start) => (
                system_millis(),
                millis(moment.saturating_duration_since(*start)),
            ),
            Source::Manual(millis) => (millis.load(Ordering::Relaxed), 0),
        };
        // The wall clock gained on the monotonic one, which is seldom; or the moment is past.
        let ahead = wall.saturating_sub(passed);
        let mut most = self.ahead.load(Ordering::Relaxed);
        if ahead > most {
            most = self.gained(most);
        }
        Now {
            wall: UnixMillis(wall),
            steady: UnixMillis(most.saturating_add(passed)),
        }
    }

    /// Reads both clocks again, as close together as can be: a gap between them would be taken for
    /// a gain for ever.
    #[cold]
    fn gained(&self, most: u64) -> u64 {
        let ahead = match &self.source {
            Source::System(start) => {
                let passed = millis(start.elapsed());
                system_millis().saturating_sub(passed)
            }
            Source::Manual(millis) => millis.load(Ordering::Relaxed),
        };
        self.ahead
            .fetch_max(ahead, Ordering::Relaxed)
            .max(ahead)
            .max(most)
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
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, millis)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
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

    #[test]
    fn the_steady_clock_begins_where_an_earlier_process_stopped() {
        let hand = Arc::new(AtomicU64::new(5000));
        let clock = Clock::manual(hand).not_before(UnixMillis(7000));
        assert_eq!(clock.now().steady, UnixMillis(7000));
        let Now { wall, steady } = Clock::system().not_before(UnixMillis(7000)).now();
        // The two clocks are rounded apart.
        assert!(
            steady.plus(Duration::from_millis(1)) >= wall,
            "{steady:?} {wall:?}"
        );
    }
}
