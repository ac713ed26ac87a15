//! `cargo xtask published [REVISION]`: what others see of the libraries: packages as they would be
//! uploaded, examples in workspaces of their own, types of other crates in the public API, and what
//! breaks since the last release.

use crate::run::{self, cargo, find_program, root, succeeds, target};
use anyhow::{Context, Result, bail};
use std::process::Command;

/// What is meant for the registry, in the order in which it would go there.
const PACKAGES: [&str; 5] = [
    "tollgate-protocol",
    "tollgate-jose",
    "tollgate-limit",
    "tollgate-verify",
    "tollgate-web",
];
/// Crates whose manifest says which types of others they may show.
const CHECKED: [&str; 2] = ["tollgate-jose", "tollgate-verify"];

/// Runs all of it; `revision` takes the place of the last release.
///
/// # Errors
/// When something is found, or a tool is not there.
pub(crate) fn run(revision: Option<&str>) -> Result<()> {
    // All at once, since none of those that they need of each other is in the registry yet.
    let packages = PACKAGES.iter().flat_map(|name| ["-p", name]);
    run::run(
        cargo()
            .args(["package", "--allow-dirty", "--no-verify"])
            .args(packages),
    )?;
    run::run(
        cargo()
            .args(["test", "--manifest-path", "examples/actix/Cargo.toml"])
            .arg("--target-dir")
            .arg(target().join("actix")),
    )?;
    external_types()?;
    breaking_changes(revision)
}

fn external_types() -> Result<()> {
    let rustup = find_program(&["rustup"]).unwrap_or_else(|| "rustup".into());
    let nightly = |arguments: &[&str], of: &str| {
        let mut command = Command::new(&rustup);
        // The cargo that runs this has set its own toolchain.
        command
            .env_remove("RUSTUP_TOOLCHAIN")
            .env_remove("CARGO")
            .args(["run", "nightly", "cargo", "check-external-types"])
            .args(arguments)
            .current_dir(root().join("crates").join(of));
        command
    };
    if !succeeds(&mut nightly(&["--help"], "")) {
        bail!(
            "needs the nightly toolchain and cargo-check-external-types: cargo install --locked cargo-check-external-types"
        );
    }
    for name in CHECKED {
        run::run(&mut nightly(&["--all-features"], name)).context(
            "where no type is named above, the tool reads another format than the nightly writes: \
             its README says which nightly it was made for",
        )?;
    }
    Ok(())
}

fn breaking_changes(revision: Option<&str>) -> Result<()> {
    let mut describe = Command::new("git");
    describe
        .args(["describe", "--tags", "--abbrev=0"])
        .current_dir(root());
    let tag = if succeeds(&mut describe) {
        Some(run::output(&mut describe)?.trim().to_owned())
    } else {
        None
    };
    let Some(baseline) = revision.or(tag.as_deref()) else {
        println!("nothing to compare with: there is no release yet, and no REVISION was given");
        return Ok(());
    };
    if !succeeds(cargo().args(["semver-checks", "--version"])) {
        bail!("needs cargo-semver-checks: cargo install --locked cargo-semver-checks");
    }
    let packages = CHECKED.iter().flat_map(|name| ["-p", name]);
    run::run(
        cargo()
            .args([
                "semver-checks",
                "--all-features",
                "--baseline-rev",
                baseline,
            ])
            .args(packages),
    )
}
