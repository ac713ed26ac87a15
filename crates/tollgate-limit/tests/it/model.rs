//! The bucket against a naive one that keeps a fraction of tokens and the time of the last look.

use proptest::prelude::*;
use tollgate_limit::{Bucket, Quota, charge, decide, peek};

/// A token bucket as a textbook has it, in exact arithmetic: tokens in nanoseconds of filling.
struct Model {
    capacity_nanos: u128,
    level_nanos: u128,
    nanos_per_token: u128,
    seen: u64,
}

impl Model {
    fn new(quota: &Quota) -> Self {
        let capacity_nanos = u128::from(quota.capacity()) * u128::from(quota.nanos_per_token());
        let nanos_per_token = u128::from(quota.nanos_per_token());
        Self {
            capacity_nanos,
            level_nanos: capacity_nanos,
            nanos_per_token,
            seen: 0,
        }
    }

    fn take(&mut self, cost: u32, now: u64) -> bool {
        let gained = u128::from(now - self.seen);
        self.level_nanos = (self.level_nanos + gained).min(self.capacity_nanos);
        self.seen = now;
        let cost = u128::from(cost) * self.nanos_per_token;
        let enough = cost <= self.level_nanos;
        if enough {
            self.level_nanos -= cost;
        }
        enough
    }

    fn charge(&mut self, cost: u32, now: u64) {
        self.take(0, now);
        let cost = u128::from(cost) * self.nanos_per_token;
        self.level_nanos = self.level_nanos.saturating_sub(cost);
    }

    fn tokens(&self) -> u128 {
        self.level_nanos / self.nanos_per_token
    }
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Decide(u32),
    Charge(u32),
}

fn step() -> impl Strategy<Value = (u64, Step)> {
    let pause = prop_oneof![
        Just(0),
        0..1_000_u64,
        0..2_000_000_000_u64,
        0..200_000_000_000_u64
    ];
    let step = prop_oneof![
        4 => (0..6_u32).prop_map(Step::Decide),
        1 => (0..200_u32).prop_map(Step::Decide),
        1 => (0..200_u32).prop_map(Step::Charge),
    ];
    (pause, step)
}

proptest! {
    #[test]
    fn decisions_agree_with_the_model(
        capacity in 1..100_u32,
        fill in 0.01..1_000_000.0_f64,
        steps in prop::collection::vec(step(), 1..200),
    ) {
        let quota = Quota::new(capacity, fill).unwrap();
        let (mut bucket, mut model, mut now) = (Bucket::FULL, Model::new(&quota), 0);
        for (pause, step) in steps {
            now += pause;
            match step {
                Step::Decide(cost) => {
                    let peeked = peek(bucket, &quota, cost, now);
                    let decision = decide(&mut bucket, &quota, cost, now);
                    prop_assert_eq!(decision.is_allowed(), model.take(cost, now));
                    prop_assert_eq!(peeked.is_allowed(), decision.is_allowed());
                    prop_assert_eq!(u128::from(decision.remaining()), model.tokens());
                    if let (Some(retry), true) = (decision.retry_after_seconds(), cost <= capacity) {
                        // Whoever waits as told is let in.
                        let then = peek(bucket, &quota, cost, now + retry * 1_000_000_000);
                        prop_assert!(then.is_allowed());
                    }
                }
                Step::Charge(cost) => {
                    let decision = charge(&mut bucket, &quota, cost, now);
                    model.charge(cost, now);
                    prop_assert_eq!(u128::from(decision.remaining()), model.tokens());
                    prop_assert_eq!(decision.is_allowed(), model.tokens() >= 1);
                }
            }
            prop_assert_eq!(bucket.is_full(now), model.level_nanos == model.capacity_nanos);
        }
    }
}
