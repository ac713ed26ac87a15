//! What the service must survive: kill -9, races for one-time tokens, key rotation, shutdown and a
//! nosy log reader, all under load on the real binary. Short by default; `cargo xtask battery`
//! runs them in full.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on says so by panicking"
)]

mod drain;
mod http;
mod kill;
mod logs;
mod ott;
mod rotation;
mod verifiers;

use tollgate_testkit::{Builder, TestServer};

/// The number in the environment variable `name`, or `default`.
fn setting(name: &str, default: usize) -> usize {
    std::env::var(name)
        .ok()
        .map_or(default, |value| value.parse().unwrap())
}

/// A server with `config` as its configuration file.
fn start(config: &str) -> TestServer {
    Builder::new(env!("CARGO_BIN_EXE_tollgate"))
        .config(config)
        .start()
}
