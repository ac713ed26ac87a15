//! One binary for all integration tests of the crate.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test that fails should fail loudly, in its helpers too"
)]

mod allocations;
mod attacks;
mod cookbook;
mod keys;
mod primitives;
mod round_trip;
mod wycheproof_jose;
