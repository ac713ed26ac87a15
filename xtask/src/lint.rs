//! `cargo xtask lint`: formatting, clippy, documentation and the house rules, all as errors.

use crate::run::{self, cargo};
use crate::tidy;
use anyhow::Result;

/// The libraries for others, which must also hold without the features that our own crates ask for.
const PUBLISHED: [&str; 5] = [
    "tollgate-jose",
    "tollgate-limit",
    "tollgate-protocol",
    "tollgate-verify",
    "tollgate-web",
];

/// Workspaces of their own, which `--all` and `--workspace` leave out.
const OWN_WORKSPACES: [&str; 4] = [
    "bench/verify/Cargo.toml",
    "bench/web/Cargo.toml",
    "examples/actix/Cargo.toml",
    "fuzz/Cargo.toml",
];

/// Runs every check that needs no test.
///
/// # Errors
/// When one of them finds something.
pub(crate) fn run() -> Result<()> {
    tidy::run()?;
    run::run(cargo().args(["fmt", "--all", "--check"]))?;
    for manifest in OWN_WORKSPACES {
        run::run(cargo().args(["fmt", "--check", "--manifest-path", manifest]))?;
    }
    run::run(cargo().args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ]))?;
    let published = PUBLISHED.iter().flat_map(|name| ["-p", name]);
    run::run(
        cargo()
            .args(["clippy", "--lib"])
            .args(published)
            .args(["--", "-D", "warnings"]),
    )?;
    run::run(
        cargo()
            .env("RUSTDOCFLAGS", "-D warnings")
            .args(["doc", "--workspace", "--no-deps"]),
    )
}
