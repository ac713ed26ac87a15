//! `cargo xtask lint`: formatting, clippy, documentation and the house rules, all as errors.

use crate::run::{self, cargo};
use crate::tidy;
use anyhow::Result;

/// Runs every check that needs no test.
///
/// # Errors
/// When one of them finds something.
pub(crate) fn run() -> Result<()> {
    tidy::run()?;
    run::run(cargo().args(["fmt", "--all", "--check"]))?;
    run::run(cargo().args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ]))?;
    run::run(
        cargo()
            .env("RUSTDOCFLAGS", "-D warnings")
            .args(["doc", "--workspace", "--no-deps"]),
    )
}
