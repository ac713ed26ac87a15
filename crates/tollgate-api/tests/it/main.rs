//! The public API over real sockets, on the in-memory reference store. The modules mirror the
//! paths.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on says so by panicking"
)]

mod admin;
mod cors;
mod gate;
mod health;
mod oauth;
mod openapi;
mod overload;
mod rate_limit;
mod service;
mod smuggling;
mod well_known;
