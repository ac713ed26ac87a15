//! The published examples for service managers.

use std::{fs, process::Command};

use tollgate_testkit::skip;

use crate::BINARY;

const UNIT: &str = include_str!("../../../../deploy/systemd/tollgate.service");
const PROGRAM: &str = "/usr/local/bin/tollgate";

/// What systemd says of a unit; none where there is no systemd.
fn complaints(unit: &str) -> Option<String> {
    let directory = tempfile::TempDir::new().unwrap();
    let path = directory.path().join("tollgate.service");
    fs::write(&path, unit).unwrap();
    let verify = Command::new("systemd-analyze")
        .args(["verify", "--man=no", "--generators=no"])
        .arg(&path)
        .output();
    let output = verify.ok()?;
    // It tells of other units of the machine too.
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let own = text.lines().filter(|line| line.contains("tollgate"));
    Some(own.collect::<Vec<_>>().join("\n"))
}

#[test]
fn systemd_takes_the_unit() {
    assert_eq!(UNIT.matches(PROGRAM).count(), 1);
    let unit = UNIT.replace(PROGRAM, BINARY);
    let Some(said) = complaints(&unit) else {
        skip("systemd-analyze");
        return;
    };
    assert_eq!(said, "");
    // Whether it would have noticed.
    for (right, wrong) in [
        ("StateDirectory=", "StateDirektory="),
        ("Restart=on-failure", "Restart=sometimes"),
        (BINARY, "/nowhere/tollgate"),
    ] {
        let said = complaints(&unit.replacen(right, wrong, 1)).unwrap();
        assert_ne!(said, "", "{wrong}");
    }
    // What it starts is a command, and the drain has time.
    let help = crate::tollgate(&["serve", "--help"]).expect_success();
    assert!(help.stdout.contains("--config"), "{}", help.stdout);
    assert!(unit.contains("serve --config ") && unit.contains("TimeoutStopSec=30"));
}
