//! Node.js and the packages that the tests need: where they are, and running a script with them.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::{env, fs, io};

use serde_json::Value;

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

/// A running script; stdin and stdout are ours.
pub(crate) struct Script {
    pub(crate) child: Child,
    directory: PathBuf,
}

impl Script {
    /// Starts a script of this directory with `peer` in its environment.
    pub(crate) fn start(script: &str, peer: &Value) -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let program = find("TOLLGATE_TEST_NODE", "Node.js")?;
        let packages = find(
            "TOLLGATE_TEST_VERIFY_NODE_DIR",
            "oidc-provider and jose from npm",
        )?;
        // Node looks for packages beside the script, so it runs from where they are installed.
        let run = NEXT.fetch_add(1, Ordering::Relaxed);
        let directory = packages.join(format!("run-{}-{run}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        let copy = directory.join(script);
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers");
        fs::copy(source.join(script), &copy).unwrap();
        let child = Command::new(program)
            .arg(copy)
            .env("PEER", peer.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Some(Self { child, directory })
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.directory);
    }
}
