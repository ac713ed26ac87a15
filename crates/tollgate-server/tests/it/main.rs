//! The real binary, driven as people and machines drive it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::too_many_lines,
    reason = "a test that cannot go on has failed, and tables are long"
)]

mod audit;
mod backup;
mod broken_answers;
mod client;
mod command_line;
mod config;
mod config_sources;
mod deploy;
mod dev;
mod effects;
mod files;
mod http3;
mod keys;
mod lifecycle;
mod logs;
mod telemetry;
mod tls;
mod token;
mod token_verify;

/// The program under test.
const BINARY: &str = env!("CARGO_BIN_EXE_tollgate");

/// Runs the program without a server.
fn tollgate(arguments: &[&str]) -> tollgate_testkit::Output {
    tollgate_testkit::run(BINARY, arguments, &[], "")
}
