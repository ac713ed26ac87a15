//! The issuer on the in-memory reference store, with a clock moved by hand and randomness that is
//! the same each time.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on says so by panicking"
)]

mod assertions;
mod backup;
mod bench;
mod check;
mod clients;
mod keys;
mod rotation;
mod store;
mod tokens;
