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
mod batch;
mod bound;
mod claims;
mod client;
mod hostile;
mod id_token;
mod issuers;
mod opaque;
mod provider;
mod resource_server;
mod running;
mod signatures;
mod validators;
mod verified_cache;
mod web;
