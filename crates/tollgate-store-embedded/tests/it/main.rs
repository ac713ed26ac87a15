//! The embedded store as its callers see it: the suite of every backend, and what a disk and a
//! crash may do to it.
#![allow(
    clippy::expect_used,
    reason = "a fixture that cannot be set up fails its test"
)]

mod conformance;
