//! Tests of the limiter from outside: tables, a naive model, and floods of keys.

#![expect(
    clippy::unwrap_used,
    reason = "the helpers of tests fail as loudly as the tests"
)]

mod bucket;
mod keyed;
mod model;

const SECOND: u64 = 1_000_000_000;
