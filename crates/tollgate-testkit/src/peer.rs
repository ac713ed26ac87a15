//! Programs that others wrote, where `cargo xtask test` says that they are.

use std::io::Write as _;
use std::path::PathBuf;
use std::{env, io};

/// Set by `cargo xtask test`: a test may not skip.
const REQUIRE: &str = "TOLLGATE_TEST_REQUIRE";

/// The path in the environment's `variable`, or a visible word that the test is skipped for want of
/// `what`.
///
/// # Panics
/// When there is none and `TOLLGATE_TEST_REQUIRE` is set.
#[must_use]
pub fn find_peer(variable: &str, what: &str) -> Option<PathBuf> {
    let path = env::var_os(variable);
    if path.is_none() {
        skip(&format!("{what} ({variable})"));
    }
    path.map(PathBuf::from)
}

/// Says that a test is skipped for want of `what`, which `cargo xtask test` installs.
///
/// # Panics
/// When `TOLLGATE_TEST_REQUIRE` is set.
pub fn skip(what: &str) {
    assert!(
        env::var_os(REQUIRE).is_none(),
        "{what} is not there, and no test may be skipped"
    );
    say_skipped(&format!("{what} (cargo xtask test installs it)"));
}

/// Says that a test is skipped for want of `what`, which not everybody can have.
pub fn say_skipped(what: &str) {
    // Past the capture of the test runner, which hides what passing tests print.
    let _ = writeln!(io::stderr(), "skipped: needs {what}");
}
