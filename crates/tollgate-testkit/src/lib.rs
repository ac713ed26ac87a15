//! Private instances of the real server for tests: free ports, temporary directories, gone when
//! dropped. And [`find_peer`], which finds what others wrote to test with.
//!
//! Everything here panics when the server does not do what the test needs, with its log in the
//! message. Nothing sleeps to hope: waiting ends when the server says so, or at a bound.
//!
//! ```no_run
//! use tollgate_testkit::TestServer;
//!
//! let server = TestServer::start("target/debug/tollgate"); // env!("CARGO_BIN_EXE_tollgate")
//! let client = server.create_client(&["--id", "shop", "--scope", "orders:read"]);
//! let token = server.token(&client, "orders:read");
//! assert_eq!(server.introspect(&client, &token)["active"], true);
//! ```

#![expect(
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test that cannot go on has failed"
)]

mod client;
mod command;
mod http;
mod peer;
mod server;
mod signal;

pub use client::TestClient;
pub use command::{Output, run};
pub use http::{Answer, Http};
pub use peer::{find_peer, say_skipped, skip};
pub use server::{Builder, TestServer};
pub use signal::send_signal;
