//! `cargo xtask bench instructions`: how many instructions the validation library spends beside the
//! signature check, compared with what is written down. A count holds on a busy machine, where
//! times do not, so this is the gate against getting slower.

use crate::run::{self, cargo, find_program, output, root};
use anyhow::{Context, Result, bail};
use serde_json::{Map, Value};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What is counted, and the subject whose count is taken off: the signature check belongs to the
/// cryptographic library, and to what the processor offers it.
const COUNTS: &[(&str, Option<&str>)] = &[
    ("full RS256", Some("raw RS256")),
    ("full ES256", Some("raw ES256")),
    ("full EdDSA", Some("raw EdDSA")),
    ("full HS256", Some("raw HS256")),
    ("client RS256", Some("raw RS256")),
    ("refuse opaque", None),
    ("refuse padded", None),
    ("refuse dots", None),
    ("refuse header", None),
    ("refuse type", None),
];

/// Calls in the shorter run and in the longer; the difference leaves out what happens once.
const CALLS: (u32, u32) = (10, 110);
/// How much more than written down is too much.
const SHARE_MAX: f64 = 0.05;
/// Instructions that are never worth a word: the short counts would swing by more than their share.
const SLACK: f64 = 50.0;

/// Counts and compares with the baseline; `--write` makes what is counted the baseline.
///
/// # Errors
/// When something takes too many instructions, or cannot be counted.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    let write = match arguments {
        [] => false,
        ["--write"] => true,
        _ => bail!("usage: cargo xtask bench instructions [--write]"),
    };
    let Some(valgrind) = find_program(&["valgrind"]) else {
        if std::env::var_os("CI").is_some() || write {
            bail!("needs valgrind (Debian package valgrind)");
        }
        println!("skipped: needs valgrind (Debian package valgrind)");
        return Ok(());
    };
    let program = build()?;
    let count = |subject: &str| per_call(&valgrind, &program, subject);
    let mut counted = Vec::new();
    for (subject, beside) in COUNTS {
        let beside = beside.map_or(Ok(0.0), count)?;
        counted.push((*subject, count(subject)? - beside));
    }
    if write {
        return write_baseline(&counted);
    }
    judge(&counted, &read_baseline()?)
}

fn baseline_file() -> PathBuf {
    root().join("crates/tollgate-verify/benches/instructions.json")
}

fn read_baseline() -> Result<Map<String, Value>> {
    let text = fs::read_to_string(baseline_file()).context("benches/instructions.json")?;
    serde_json::from_str(&text).context("benches/instructions.json")
}

fn write_baseline(counted: &[(&str, f64)]) -> Result<()> {
    let mut map = Map::new();
    for (subject, count) in counted {
        let whole: u64 = format!("{count:.0}").parse()?;
        map.insert((*subject).to_owned(), whole.into());
    }
    fs::write(baseline_file(), serde_json::to_string_pretty(&map)? + "\n")?;
    Ok(())
}

/// Builds the subjects for release; returns the program.
fn build() -> Result<PathBuf> {
    let options = [
        "build",
        "--release",
        "-p",
        "tollgate-verify",
        "--bench",
        "instructions",
        "--message-format",
        "json-render-diagnostics",
    ];
    let messages = output(cargo().args(options))?;
    let executable = |line: &str| {
        let message: Value = serde_json::from_str(line).ok()?;
        Some(PathBuf::from(message.get("executable")?.as_str()?))
    };
    let program = messages.lines().filter_map(executable).next_back();
    program.context("cargo names no executable")
}

fn per_call(valgrind: &Path, program: &Path, subject: &str) -> Result<f64> {
    let (few, many) = CALLS;
    let fewer = instructions(valgrind, program, subject, few)?;
    let more = instructions(valgrind, program, subject, many)?;
    Ok((more - fewer) / f64::from(many - few))
}

fn instructions(valgrind: &Path, program: &Path, subject: &str, calls: u32) -> Result<f64> {
    let mut command = Command::new(valgrind);
    command
        .args(["--tool=cachegrind", "--cache-sim=no"])
        .arg("--cachegrind-out-file=/dev/null")
        .arg(program)
        .args([subject, &calls.to_string()])
        .current_dir(run::root());
    let output = command.stdin(Stdio::null()).output().context("valgrind")?;
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        bail!("{subject}: {}\n{said}", output.status);
    }
    refs(&said).with_context(|| format!("{subject}: valgrind says no count:\n{said}"))
}

/// The count in `==1234== I refs:  1,234,567`.
fn refs(said: &str) -> Option<f64> {
    let line = said.lines().find(|line| line.contains("refs:"))?;
    let (_, count) = line.split_once("refs:")?;
    count.trim().replace(',', "").parse().ok()
}

fn judge(counted: &[(&str, f64)], baseline: &Map<String, Value>) -> Result<()> {
    let mut worse = Vec::new();
    for &(subject, count) in counted {
        let known = baseline.get(subject).and_then(Value::as_f64);
        let Some(known) = known else {
            bail!("{subject} has no baseline; cargo xtask bench instructions --write");
        };
        let change = count - known;
        let mark = if change > (known * SHARE_MAX).max(SLACK) {
            worse.push(subject);
            "  TOO MANY"
        } else if -change > (known * SHARE_MAX).max(SLACK) {
            "  fewer: --write keeps it so"
        } else {
            ""
        };
        println!("{subject:<14} {count:>8.0} instructions, {known:>8.0} written down{mark}");
    }
    if worse.is_empty() {
        Ok(())
    } else {
        bail!("slower than written down: {}", worse.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_read() {
        let check = |said: &str, count: Option<f64>| assert_eq!(refs(said), count, "{said}");
        check(
            "==7== \n==7== I refs:        1,234,567\n",
            Some(1_234_567.0),
        );
        check("==7== I   refs:      89\n", Some(89.0));
        check("==7== nothing\n", None);
    }

    #[test]
    fn more_than_written_down_is_refused() {
        let check = |count: f64, written: f64, is_fine: bool| {
            let baseline = Map::from_iter([("full".to_owned(), Value::from(written))]);
            let outcome = judge(&[("full", count)], &baseline);
            assert_eq!(outcome.is_ok(), is_fine, "{count} {written}");
        };
        check(1000.0, 1000.0, true);
        check(1050.0, 1000.0, true);
        check(1051.0, 1000.0, false);
        check(500.0, 1000.0, true);
        check(150.0, 100.0, true);
        check(151.0, 100.0, false);
        assert!(judge(&[("full", 1.0)], &Map::new()).is_err());
    }
}
