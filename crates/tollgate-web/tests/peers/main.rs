//! Servers of this crate, each in a process of its own, with clients and attackers that others
//! wrote: what they are answered, and what it costs.
//!
//! `cargo xtask test` installs the peers and says where they are; without it these tests say that
//! they were skipped.
#![cfg(all(feature = "axum", feature = "http3"))]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test that fails should fail loudly, in its helpers too"
)]

mod attacker;
mod attacks;
mod battery;
mod browser;
mod clients;
mod figures;
mod floods;
mod http2;
mod http3;
mod peer;
mod process;
mod server;
mod steady;
mod tools;
