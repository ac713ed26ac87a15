//! `cargo xtask battery NAME`: the long versions of tests that run shortened every day.

use crate::peers::{self, Peers};
use crate::run::{self, cargo};
use crate::soak;
use crate::test::REQUIRE;
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

/// Minutes that the attacks on the serving layer go on.
const WEB_MINUTES: u64 = 10;

/// Runs the battery called `name`.
///
/// # Errors
/// When there is none of that name or it fails.
pub(crate) fn run(name: &str, minutes: Option<&str>) -> Result<()> {
    if name == "soak" {
        return soak::run(minutes.map_or(Ok(SOAK_MINUTES), str::parse)?);
    }
    if name == "web" {
        return web(minutes.map_or(Ok(WEB_MINUTES), str::parse)?);
    }
    let Some(battery) = BATTERIES.iter().find(|battery| battery.name == name) else {
        let names: Vec<&str> = BATTERIES.iter().map(|battery| battery.name).collect();
        bail!(
            "no battery {name:?}; there are soak, web, {}",
            names.join(", ")
        );
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

/// Attacks the serving layer with everything there is, beside a client that keeps the rules.
fn web(minutes: u64) -> Result<()> {
    let peers = Peers::install()?;
    let attackers = peers::install_attackers()?;
    let mut tests = cargo();
    tests.args(["test", "--release", "-p", "tollgate-web", "--test", "peers"]);
    tests.args([
        "battery::battery",
        "--",
        "--exact",
        "--ignored",
        "--nocapture",
    ]);
    tests.env("TOLLGATE_TEST_WEB_BATTERY_MINUTES", minutes.to_string());
    tests.env(REQUIRE, "1");
    tests.envs(peers.environment()).envs(attackers);
    run::run(&mut tests)
}
