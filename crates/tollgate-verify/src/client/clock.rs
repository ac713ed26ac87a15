//! Where the client side gets the time from; tests pass their own.

#[cfg(not(any(target_os = "linux", target_os = "android")))]
use std::sync::LazyLock;
use std::thread;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
use std::time::Instant;
use std::time::{Duration, SystemTime};

use tollgate_protocol::UnixSeconds;

/// The wall clock for claims and a steady one for caches.
pub trait Clock: Send + Sync + 'static {
    /// Seconds since the Unix epoch.
    fn now(&self) -> UnixSeconds;

    /// Time since some fixed moment; never runs back, and should not stand still while the machine is
    /// suspended: by it keys and tokens grow old.
    fn elapsed(&self) -> Duration;

    /// Waits on the calling thread, between attempts to reach a provider.
    fn pause(&self, how_long: Duration) {
        thread::sleep(how_long);
    }
}

/// The clocks of the operating system.
///
/// The steady one goes on while the machine is suspended, on Linux and Android; elsewhere it may stand
/// still, and what is kept then lives longer by as much.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock(());

impl Clock for SystemClock {
    #[expect(
        clippy::disallowed_methods,
        reason = "the one place where the library asks the time"
    )]
    fn now(&self) -> UnixSeconds {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        // A clock before 1970 refuses every token: nothing has been issued yet.
        UnixSeconds(since.map_or(0, |since| since.as_secs()))
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn elapsed(&self) -> Duration {
        let since_boot = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        // Never before the start, and where it were, what is kept would be out of date.
        Duration::try_from(since_boot).unwrap_or(Duration::MAX)
    }

    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    fn elapsed(&self) -> Duration {
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        START.elapsed()
    }
}

#[cfg(all(test, any(target_os = "linux", target_os = "android")))]
mod tests {
    use super::*;

    #[test]
    fn the_steady_clock_counts_time_in_suspension() {
        let boot = || {
            let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
            Duration::try_from(time).unwrap()
        };
        let clock = SystemClock::default();
        let (before, elapsed, after) = (boot(), clock.elapsed(), boot());
        assert!(
            before <= elapsed && elapsed <= after,
            "{before:?} {elapsed:?} {after:?}"
        );
    }
}
