//! The real binary with real peers: nginx in front of an API, OAuth clients and token validators
//! that others wrote, a property-based tester of the API description, Prometheus' own parser.
//!
//! `cargo xtask test` installs the peers and says where they are; without it these tests say that
//! they were skipped.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that fails should fail loudly, in its helpers too"
)]

mod api;
mod clients;
mod description;
mod documents;
mod metrics;
mod nginx;
mod peer;
mod server;
mod validators;
