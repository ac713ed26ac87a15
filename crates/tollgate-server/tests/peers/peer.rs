//! Programs that others wrote: where they are, and running their scripts.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;
use tollgate_testkit::find_peer;

/// nginx of the machine.
pub(crate) fn nginx() -> Option<PathBuf> {
    find_peer("TOLLGATE_TEST_NGINX", "nginx")
}

/// Clients from npm.
pub(crate) struct Node {
    program: PathBuf,
    directory: PathBuf,
}

impl Node {
    pub(crate) fn find() -> Option<Self> {
        Some(Self {
            program: find_peer("TOLLGATE_TEST_NODE", "Node.js")?,
            directory: find_peer("TOLLGATE_TEST_NODE_DIR", "oauth4webapi and jose from npm")?,
        })
    }

    /// Runs a script of this directory and returns what it printed.
    pub(crate) fn run(&self, script: &str, arguments: &[&str], peer: &Value) -> String {
        // Node looks for packages beside the script, so it runs from where they are installed.
        let directory = self.directory.join(unique("run"));
        fs::create_dir_all(&directory).unwrap();
        let copy = directory.join(script);
        fs::copy(source(script), &copy).unwrap();
        let printed = run(Command::new(&self.program).arg(copy).args(arguments), peer);
        fs::remove_dir_all(directory).unwrap();
        printed
    }
}

/// Clients from PyPI.
pub(crate) struct Python {
    program: PathBuf,
}

impl Python {
    pub(crate) fn find() -> Option<Self> {
        let what = "Authlib, PyJWT, schemathesis and prometheus_client from PyPI";
        Some(Self {
            program: find_peer("TOLLGATE_TEST_PYTHON", what)?,
        })
    }

    /// Runs a script of this directory and returns what it printed.
    pub(crate) fn run(&self, script: &str, arguments: &[&str], peer: &Value) -> String {
        run(
            Command::new(&self.program)
                .arg(source(script))
                .args(arguments),
            peer,
        )
    }

    /// A program that a package brought.
    pub(crate) fn installed(&self, name: &str) -> Command {
        Command::new(self.program.with_file_name(name))
    }
}

/// A name that no other test of this machine uses now.
pub(crate) fn unique(name: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!(
        "{name}-{}-{}",
        std::process::id(),
        NEXT.fetch_add(1, Ordering::Relaxed)
    )
}

fn source(script: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/peers")
        .join(script)
}

fn run(command: &mut Command, peer: &Value) -> String {
    let output = command.env("PEER", peer.to_string()).output().unwrap();
    let (out, err) = (text(output.stdout), text(output.stderr));
    assert!(
        output.status.success(),
        "{command:?}: {}\n{out}\n{err}",
        output.status
    );
    out
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}
