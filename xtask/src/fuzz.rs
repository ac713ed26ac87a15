//! `cargo xtask fuzz [SECONDS]`: every fuzz target for a while, on the nightly toolchain.

use crate::run::{self, find_program, root, succeeds};
use anyhow::{Result, bail};
use std::fs;
use std::process::Command;

/// For each target.
const SECONDS: u64 = 60;
/// What is fuzzed on a thread of its own may end just as leaks are looked for.
const WITHOUT_LEAKS: &[&str] = &["metadata"];

/// Runs each target for `seconds`.
///
/// # Errors
/// When a target finds something, or the fuzzer is not there.
pub(crate) fn run(seconds: Option<&str>) -> Result<()> {
    let seconds: u64 = seconds.map_or(Ok(SECONDS), str::parse)?;
    let rustup = find_program(&["rustup"]).unwrap_or_else(|| "rustup".into());
    let nightly = |arguments: &[&str]| {
        let mut command = Command::new(&rustup);
        // The cargo that runs this has set its own toolchain.
        command
            .env_remove("RUSTUP_TOOLCHAIN")
            .env_remove("CARGO")
            .args(["run", "nightly", "cargo", "fuzz"])
            .args(arguments)
            .current_dir(root());
        command
    };
    if !succeeds(&mut nightly(&["--version"])) {
        bail!("needs the nightly toolchain and cargo-fuzz: cargo install --locked cargo-fuzz");
    }
    let time = format!("-max_total_time={seconds}");
    for target in targets()? {
        // What is found goes into the first; the seeds lead to where chance alone seldom gets.
        let (corpus, seeds) = (
            format!("fuzz/corpus/{target}"),
            format!("fuzz/seeds/{target}"),
        );
        fs::create_dir_all(root().join(&corpus))?;
        let mut command = nightly(&[
            "run",
            &target,
            &corpus,
            &seeds,
            "--",
            &time,
            "-dict=fuzz/jose.dict",
            "-print_final_stats=1",
        ]);
        if WITHOUT_LEAKS.contains(&target.as_str()) {
            // The fuzzer's own option leaves the search at the very end on.
            command.env("ASAN_OPTIONS", "detect_leaks=0");
        }
        run::run(&mut command)?;
    }
    Ok(())
}

/// The names of the targets.
fn targets() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(root().join("fuzz/fuzz_targets"))? {
        let path = entry?.path();
        names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into()));
    }
    names.sort();
    Ok(names)
}
