//! Where the client side gets the time from; tests pass their own.

use std::thread;
use std::time::{Duration, Instant, SystemTime};

use tollgate_protocol::UnixSeconds;

/// The wall clock for claims and a steady one for caches.
pub trait Clock: Send + Sync + 'static {
    /// Seconds since the Unix epoch.
    fn now(&self) -> UnixSeconds;

    /// Time since some fixed moment; never runs back.
    fn elapsed(&self) -> Duration;

    /// Waits on the calling thread, between attempts to reach a provider.
    fn pause(&self, how_long: Duration) {
        thread::sleep(how_long);
    }
}

/// The clocks of the operating system.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    start: Instant,
}

impl Default for SystemClock {
    fn default() -> Self {
        Self {
            start: Instant::now(),
        }
    }
}

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

    fn elapsed(&self) -> Duration {
        self.start.elapsed()
    }
}
