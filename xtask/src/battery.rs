//! `cargo xtask battery NAME`: the long versions of tests that run shortened every day.

use crate::run::{self, cargo};
use crate::soak;
use anyhow::{Result, bail};

/// A test filter and the variables that make it long.
struct Battery {
    name: &'static str,
    tests: &'static str,
    environment: &'static [(&'static str, &'static str)],
}

const BATTERIES: &[Battery] = &[
    Battery {
        name: "kill",
        tests: "kill::",
        environment: &[("TOLLGATE_TEST_KILL_ROUNDS", "100")],
    },
    Battery {
        name: "ott",
        tests: "ott::",
        environment: &[("TOLLGATE_TEST_OTT_TOKENS", "10000")],
    },
    Battery {
        name: "rotation",
        tests: "rotation::",
        environment: &[("TOLLGATE_TEST_ROTATION_SECONDS", "60")],
    },
    Battery {
        name: "verify-rotation",
        tests: "verifiers::",
        // Keys that sign, one every two seconds.
        environment: &[("TOLLGATE_TEST_ROTATIONS", "30")],
    },
];

/// Minutes that the soak takes.
const SOAK_MINUTES: u64 = 60;

/// Runs the battery called `name`.
///
/// # Errors
/// When there is none of that name or it fails.
pub(crate) fn run(name: &str, minutes: Option<&str>) -> Result<()> {
    if name == "soak" {
        return soak::run(minutes.map_or(Ok(SOAK_MINUTES), str::parse)?);
    }
    let Some(battery) = BATTERIES.iter().find(|battery| battery.name == name) else {
        let names: Vec<&str> = BATTERIES.iter().map(|battery| battery.name).collect();
        bail!("no battery {name:?}; there are soak, {}", names.join(", "));
    };
    let mut tests = cargo();
    tests.args([
        "test",
        "--release",
        "-p",
        "tollgate-server",
        "--test",
        "battery",
        battery.tests,
    ]);
    tests.args(["--", "--include-ignored", "--nocapture"]);
    run::run(tests.envs(battery.environment.iter().copied()))
}
