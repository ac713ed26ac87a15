//! The library against what others wrote: `oidc-provider` as the provider, `jose` and PyJWT as
//! second opinions on tokens that somebody has tampered with.
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

mod access_tokens;
mod bound;
mod differential;
mod introspection;
mod node;
mod provider;
mod resource_server;
mod rotation;
#[allow(dead_code, reason = "the other tests use all of it")]
#[path = "../it/running.rs"]
mod running;
