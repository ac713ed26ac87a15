//! `cargo xtask test`: every test of the workspace with nothing left out.

use crate::bench::instructions;
use crate::peers::Peers;
use crate::run::{self, cargo};
use anyhow::Result;

/// Makes every test skip that is left into a failure, so that nothing can hide.
pub(crate) const REQUIRE: &str = "TOLLGATE_TEST_REQUIRE";

/// Installs what is missing, then runs every test, or those that `arguments` for `cargo test`
/// choose. With every test goes the count of instructions that token validation takes.
///
/// # Errors
/// When something cannot be installed or a test fails.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    let peers = Peers::install()?;
    let mut tests = cargo();
    tests.arg("test").env(REQUIRE, "1");
    match arguments {
        [] => tests.args(["--workspace", "--no-fail-fast"]),
        some => tests.args(some),
    };
    for (name, value) in peers.environment() {
        tests.env(name, value);
    }
    run::run(&mut tests)?;
    match arguments {
        [] => instructions::run(&[]),
        _ => Ok(()),
    }
}
