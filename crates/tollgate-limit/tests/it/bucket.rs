//! One bucket, its quota and its headers, in tables.

use tollgate_limit::{Bucket, PolicyName, Quota, QuotaError, charge, decide, peek};

use crate::SECOND;

#[test]
fn quotas_are_checked() {
    let check = |capacity, fill, expected: Result<u64, QuotaError>| {
        let window = Quota::new(capacity, fill).map(|quota| quota.window_seconds());
        assert_eq!(window, expected, "{capacity} at {fill}/s");
    };
    check(100, 10.0, Ok(10));
    check(1, 1_000_000.0, Ok(1));
    check(10, 3.0, Ok(4));
    check(1, 0.001, Ok(1000));
    check(0, 1.0, Err(QuotaError::NoCapacity));
    check(1, 0.0, Err(QuotaError::FillOutOfRange));
    check(1, -1.0, Err(QuotaError::FillOutOfRange));
    check(1, f64::NAN, Err(QuotaError::FillOutOfRange));
    check(1, f64::INFINITY, Err(QuotaError::FillOutOfRange));
    check(1, 1_000_001.0, Err(QuotaError::FillOutOfRange));
    check(1, 1e-300, Err(QuotaError::FillsTooSlowly));
    check(u32::MAX, 1.0, Err(QuotaError::FillsTooSlowly));
}

#[test]
fn a_bucket_empties_and_fills() {
    let quota = Quota::new(3, 2.0).unwrap();
    let mut bucket = Bucket::FULL;
    // (now, cost, allowed, remaining, reset seconds, retry-after seconds)
    let steps = [
        (SECOND, 1, true, 2, 1, None),
        (SECOND, 2, true, 0, 2, None),
        (SECOND, 1, false, 0, 2, Some(1)),
        (SECOND + SECOND / 2 - 1, 1, false, 0, 2, Some(1)),
        (SECOND + SECOND / 2, 1, true, 0, 2, None),
        (SECOND + SECOND / 2, 3, false, 0, 2, Some(2)),
        (2 * SECOND + SECOND / 2, 1, true, 1, 1, None),
        (9 * SECOND, 0, true, 3, 0, None),
        (9 * SECOND, 4, false, 3, 0, Some(1)),
        (9 * SECOND, u32::MAX, false, 3, 0, Some(2_147_483_646)),
        (9 * SECOND, 3, true, 0, 2, None),
    ];
    for (step, (now, cost, allowed, remaining, reset, retry)) in steps.into_iter().enumerate() {
        let peeked = peek(bucket, &quota, cost, now);
        let decision = decide(&mut bucket, &quota, cost, now);
        assert_eq!(decision.is_allowed(), allowed, "step {step}");
        assert_eq!(peeked.is_allowed(), allowed, "step {step}");
        assert_eq!(peeked.retry_after_seconds(), retry, "step {step}");
        assert_eq!(decision.limit(), 3);
        assert_eq!(decision.remaining(), remaining, "step {step}");
        assert_eq!(decision.reset_seconds(), reset, "step {step}");
        assert_eq!(decision.retry_after_seconds(), retry, "step {step}");
    }
}

#[test]
fn charges_take_what_is_there() {
    let quota = Quota::new(3, 1.0).unwrap();
    let mut bucket = Bucket::FULL;
    assert!(charge(&mut bucket, &quota, 2, 0).is_allowed());
    assert_eq!(
        charge(&mut bucket, &quota, 100, 0).retry_after_seconds(),
        Some(1)
    );
    // No debt beyond the whole bucket.
    assert!(peek(bucket, &quota, 1, SECOND).is_allowed());
    assert!(!peek(bucket, &quota, 2, SECOND).is_allowed());
}

#[test]
fn a_clock_that_jumps_back_locks_nobody_out() {
    let quota = Quota::new(3, 1.0).unwrap();
    let mut bucket = Bucket::FULL;
    let late = 1_000_000 * SECOND;
    assert!(decide(&mut bucket, &quota, 3, late).is_allowed());
    let refused = decide(&mut bucket, &quota, 1, 0);
    assert_eq!(refused.retry_after_seconds(), Some(1));
    assert!(
        charge(&mut bucket, &quota, 0, 0)
            .retry_after_seconds()
            .is_some()
    );
    assert!(decide(&mut bucket, &quota, 1, SECOND).is_allowed());
}

#[test]
fn the_end_of_time_is_no_panic() {
    let quota = Quota::new(3, 1.0).unwrap();
    let mut bucket = Bucket::FULL;
    assert!(decide(&mut bucket, &quota, 3, u64::MAX).is_allowed());
    assert!(charge(&mut bucket, &quota, u32::MAX, u64::MAX).limit() == 3);
}

#[test]
fn headers_read_as_the_draft_says() {
    let quota = Quota::new(100, 10.0).unwrap();
    let name = PolicyName::new("token-per-client").unwrap();
    let mut bucket = Bucket::FULL;
    let decision = decide(&mut bucket, &quota, 25, 0);
    assert_eq!(name.rate_limit(&decision), r#""token-per-client";r=75;t=3"#);
    assert_eq!(
        name.rate_limit_policy(&quota),
        r#""token-per-client";q=100;w=10"#
    );
    for bad in ["", "a\"b", "a\\b", "a\nb", "ä", &"x".repeat(65)] {
        assert!(PolicyName::new(bad).is_err(), "{bad:?}");
    }
    assert_eq!(PolicyName::new(&"x".repeat(64)).unwrap().as_str().len(), 64);
}
