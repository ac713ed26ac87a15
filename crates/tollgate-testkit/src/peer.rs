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
