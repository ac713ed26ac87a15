//! Programs that others wrote, and what runs them.

use std::path::{Path, PathBuf};
use std::process::Command;

use tollgate_testkit::find_peer;

/// Python with what `requirements.txt` names.
pub(crate) fn python() -> Option<PathBuf> {
    find_peer("TOLLGATE_TEST_WEB_PYTHON", "h2 and aioquic from PyPI")
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
