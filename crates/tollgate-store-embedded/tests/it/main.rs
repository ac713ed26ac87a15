//! The embedded store as its callers see it: the suite of every backend, and what a disk and a
//! crash may do to it.
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a helper that cannot go on fails its test"
)]

mod conformance;
mod crash;
mod damage;
mod disk;
mod opening;
mod support;
