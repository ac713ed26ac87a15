//! Tests of the serving layer from outside, over raw sockets where bytes matter.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "the helpers of tests fail as loudly as the tests"
)]

mod bounds;
#[cfg(feature = "cache")]
mod cache;
mod certificates;
mod configuration;
mod drain;
mod floods;
mod health;
mod http2;
#[cfg(feature = "http3")]
mod http3;
#[cfg(feature = "layers")]
mod layers;
mod listeners;
mod memory;
mod observed;
#[cfg(feature = "profiling")]
mod profiling;
mod proxies;
#[cfg(feature = "arena")]
mod request_memory;
#[cfg(all(feature = "cache", feature = "tower"))]
mod response_cache;
mod running;
mod smuggling;
#[cfg(feature = "stream")]
mod stream;
mod support;
mod tls;
mod tls_attacks;
#[cfg(feature = "axum")]
mod tower;
mod units;
#[cfg(feature = "work")]
mod work;
