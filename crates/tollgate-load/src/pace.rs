//! When requests are due: at once, or on a fixed schedule that does not wait for answers.

use std::time::{Duration, Instant};

/// The schedule of a run.
pub(crate) enum Pace {
    /// The next request starts when an answer has come.
    Closed,
    /// Request `n` is due at `start + n × interval`, whatever the server does.
    Open {
        start: Instant,
        interval: Duration,
        sent: u32,
    },
}

/// Whether a request may start, and since when it has been due.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Due {
    Since(Instant),
    At(Instant),
}

impl Pace {
    /// A schedule of `rate` requests a second, or none.
    pub(crate) fn new(rate: Option<f64>, start: Instant) -> Self {
        match rate {
            None => Self::Closed,
            Some(rate) => Self::Open {
                start,
                interval: Duration::from_secs_f64(1.0 / rate),
                sent: 0,
            },
        }
    }

    /// Whether the next request is due `now`.
    pub(crate) fn next(&self, now: Instant) -> Due {
        match self {
            Self::Closed => Due::Since(now),
            Self::Open {
                start,
                interval,
                sent,
            } => {
                let due = *start + interval.saturating_mul(*sent);
                if due <= now {
                    Due::Since(due)
                } else {
                    Due::At(due)
                }
            }
        }
    }

    /// Notes that the request that was due has started.
    pub(crate) fn started(&mut self) {
        if let Self::Open { sent, .. } = self {
            *sent = sent.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_request_counts_from_when_it_was_due() {
        let start = Instant::now();
        let mut pace = Pace::new(Some(10.0), start);
        let after = |milliseconds| start + Duration::from_millis(milliseconds);
        assert_eq!(pace.next(start), Due::Since(start));
        pace.started();
        assert_eq!(pace.next(after(99)), Due::At(after(100)));
        assert_eq!(pace.next(after(450)), Due::Since(after(100)));
        pace.started();
        assert_eq!(pace.next(after(450)), Due::Since(after(200)));
    }

    #[test]
    fn a_closed_loop_is_always_due() {
        let now = Instant::now();
        let mut pace = Pace::new(None, now);
        pace.started();
        assert_eq!(pace.next(now), Due::Since(now));
    }
}
