//! Programs that others wrote, where `cargo xtask test` says that they are.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, io};

/// Set by `cargo xtask test`: a test may not skip.
const REQUIRE: &str = "TOLLGATE_TEST_REQUIRE";

/// The path in `variable`, or a visible word that the test is skipped.
pub(crate) fn find(variable: &str, what: &str) -> Option<PathBuf> {
    if let Some(path) = env::var_os(variable) {
        return Some(path.into());
    }
    assert!(
        env::var_os(REQUIRE).is_none(),
        "{variable} is not set, so {what} cannot be tested"
    );
    // Past the capture of the test runner, which hides what passing tests print.
    let _ = writeln!(
        io::stderr(),
        "skipped: needs {what} (cargo xtask test installs it)"
    );
    None
}

/// Python with what `requirements.txt` names.
pub(crate) fn python() -> Option<PathBuf> {
    find("TOLLGATE_TEST_WEB_PYTHON", "h2 and aioquic from PyPI")
}

/// A script of this directory.
pub(crate) fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/peers")
        .join(name)
}

/// What a program prints that succeeds.
pub(crate) fn printed(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
    String::from_utf8(output.stdout).unwrap()
}
