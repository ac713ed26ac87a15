//! Further attempts after passing failures, with pauses that grow, and when a busy provider says to
//! come back.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use super::clock::Clock;
use super::http::FetchError;

/// The first pause before another attempt; it doubles, and is shortened at random.
const PAUSE: Duration = Duration::from_millis(100);

/// The outcome of `attempt`, made again up to `retries` times while its failures may pass and
/// `timeout` is not over; it is told when that will be, by the clock's steady time.
pub(super) fn retry<T>(
    clock: &dyn Clock,
    timeout: Duration,
    retries: u32,
    mut attempt: impl FnMut(Duration) -> Result<T, FetchError>,
) -> Result<T, FetchError> {
    let deadline = clock.elapsed().saturating_add(timeout);
    let mut made = 0;
    loop {
        let error = match attempt(deadline) {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let pause = jittered(PAUSE.saturating_mul(1 << made.min(6)));
        let pause = match error {
            FetchError::Failed(_) | FetchError::TimedOut => pause,
            FetchError::Status(429 | 500..) => pause,
            FetchError::Busy { retry_after, .. } => pause.max(retry_after),
            _ => return Err(error),
        };
        let has_time = clock.elapsed().saturating_add(pause) < deadline;
        if made == retries || !has_time {
            return Err(error);
        }
        clock.pause(pause);
        made += 1;
    }
}

/// How long a provider is left alone after this failure: for as long as it says itself within the
/// bounds, else for the cool-down.
pub(super) fn rest_after(
    error: &FetchError,
    cool_down: Duration,
    retry_after_max: Duration,
) -> Duration {
    match error {
        FetchError::Busy { retry_after, .. } => cool_down.max(retry_after_max.min(*retry_after)),
        _ => cool_down,
    }
}

/// Between half of a pause and all of it, so that many verifiers do not come back at once.
fn jittered(pause: Duration) -> Duration {
    let random = RandomState::new().hash_one(0_u8) % 512;
    pause / 2 + pause.mul_f64(f64::from(u16::try_from(random).unwrap_or(0)) / 1024.0)
}

/// How long `Retry-After` says to wait (RFC 9110 §10.2.3): seconds, or a date, which counts from the
/// `date` of the same answer. Whose clock is right does not matter so.
pub(super) fn retry_after(value: &str, date: Option<&str>) -> Option<Duration> {
    let value = value.trim();
    if let Ok(seconds) = value.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = httpdate::parse_http_date(value).ok()?;
    let now = httpdate::parse_http_date(date?.trim()).ok()?;
    Some(until.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let check = |value: &str, date: Option<&str>, expected: Option<u64>| {
            let seconds = retry_after(value, date).map(|wait| wait.as_secs());
            assert_eq!(seconds, expected, "{value} {date:?}");
        };
        let now = Some("Wed, 21 Oct 2015 07:28:00 GMT");
        check("120", None, Some(120));
        check(" 0 ", now, Some(0));
        check("Wed, 21 Oct 2015 07:30:00 GMT", now, Some(120));
        check("Wednesday, 21-Oct-15 07:28:07 GMT", now, Some(7));
        check("Wed, 21 Oct 2015 07:27:59 GMT", now, Some(0));
        check("Wed, 21 Oct 2015 07:30:00 GMT", None, None);
        check("Wed, 21 Oct 2015 07:30:00 GMT", Some("today"), None);
        check("-1", now, None);
        check("1.5", now, None);
        check("soon", now, None);
        check("", now, None);
    }
}
