//! Node.js and the packages that the tests need: where they are, and running a script with them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;
use tollgate_testkit::find_peer;

/// A running script; stdin and stdout are ours.
pub(crate) struct Script {
    pub(crate) child: Child,
    directory: PathBuf,
}

impl Script {
    /// Starts a script of this directory with `peer` in its environment.
    pub(crate) fn start(script: &str, peer: &Value) -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let program = find_peer("TOLLGATE_TEST_NODE", "Node.js")?;
        let packages = find_peer(
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
